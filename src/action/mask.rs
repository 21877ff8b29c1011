//! Keeps secrets out of what a program says, however its words are cut into pieces.

/// Secrets, and what stands in their place.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Vec<(Vec<u8>, String)>);

/// The secrets in a value, by what stands for each in the text that is shown of it.
fn parts<'v>(value: &'v str, shown: &str) -> Vec<(&'v str, String)> {
    let (mut found, mut value, mut shown) = (Vec::new(), value, shown);
    while let Some((before, rest)) = shown.split_once("${") {
        let (Some((name, after)), Some(secret)) = (rest.split_once('}'), value.strip_prefix(before)) else { break };
        // It reaches to the next piece that is no secret, or to the end.
        let next = after.split("${").next().unwrap_or_default();
        let end = if next.is_empty() { secret.len() } else { secret.find(next).unwrap_or(secret.len()) };
        let (secret, rest) = secret.split_at(end);
        found.push((secret, format!("${{{name}}}")));
        (value, shown) = (rest, after);
    }
    found
}

/// What a stream has said so far that may still be the beginning of a secret.
#[derive(Debug)]
pub(super) struct Mask<'s> {
    secrets: &'s Secrets,
    held: Vec<u8>,
}

impl Secrets {
    /// These values, each with the text in which `${…}` stands for what is secret of it: hidden are the whole of a value
    /// and each of its secrets by itself. A value without any is none, and an empty secret hides nothing.
    pub(super) fn of<'a>(values: impl Iterator<Item = (&'a str, String)>) -> Secrets {
        let values = values.filter(|(value, shown)| value != shown);
        let secrets = values.flat_map(|(value, shown)| {
            let parts = parts(value, &shown);
            parts.into_iter().chain([(value, shown)])
        });
        let mut all: Vec<_> = secrets
            .filter(|(secret, _)| !secret.is_empty())
            .map(|(secret, shown)| (secret.as_bytes().to_vec(), shown))
            .collect();
        // Of two that begin alike, the longer one.
        all.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        Secrets(all)
    }

    /// A mask for a new stream.
    pub(super) fn mask(&self) -> Mask<'_> {
        Mask { secrets: self, held: Vec::new() }
    }
}

impl Mask<'_> {
    /// Takes the next piece; what can be shown by now.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        let longest = self.secrets.0.first().map_or(0, |(secret, _)| secret.len());
        self.show(longest.saturating_sub(1))
    }

    /// The stream has ended; the rest of it.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.show(0)
    }

    /// Shows all but the last bytes, in which a secret may have begun.
    fn show(&mut self, keep: usize) -> Vec<u8> {
        let (mut shown, mut at) = (Vec::new(), 0);
        while at < self.held.len() {
            let rest = &self.held[at..];
            if rest.len() <= keep {
                break;
            }
            if let Some((secret, instead)) = self.secrets.0.iter().find(|(secret, _)| rest.starts_with(secret)) {
                shown.extend_from_slice(instead.as_bytes());
                at += secret.len();
            } else {
                shown.push(rest[0]);
                at += 1;
            }
        }
        self.held.drain(..at);
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets() -> Secrets {
        let all = [("open", "«a»"), ("open-sesame", "«b»"), ("", "«c»"), ("two\nlines", "«d»")];
        Secrets::of(all.into_iter().map(|(secret, shown)| (secret, shown.to_owned())))
    }

    fn masked_by(secrets: &Secrets, pieces: &[&[u8]]) -> String {
        let mut mask = secrets.mask();
        let mut all: Vec<u8> = pieces.iter().flat_map(|piece| mask.take(piece)).collect();
        all.extend(mask.finish());
        String::from_utf8(all).unwrap()
    }

    fn masked(pieces: &[&[u8]]) -> String {
        masked_by(&secrets(), pieces)
    }

    #[test]
    fn the_secret_in_a_value_is_hidden_by_itself_too() {
        let shown = "Bearer ${inputs.token} for ${inputs.user}!";
        let secrets =
            Secrets::of([("Bearer abc for me!", shown.to_owned()), ("plain", "plain".to_owned())].into_iter());
        assert_eq!(masked_by(&secrets, &[b"Bearer abc for me!"]), shown);
        assert_eq!(masked_by(&secrets, &[b"abc, me: plain"]), "${inputs.token}, ${inputs.user}: plain");
    }

    #[test]
    fn a_secret_is_hidden_whole_the_longer_one_first() {
        assert_eq!(masked(&[b"an open door, open-sesame!"]), "an «a» door, «b»!");
        assert_eq!(masked(&[b"two\n", b"lines and op"]), "«d» and op");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_hidden(cuts in prop::collection::vec(0..60_usize, 0..8)) {
            let text = b"x open-sesame open two\nlines open-sesameopen-sesam end";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(masked(&pieces), masked(&[text]));
        }
    }
}

//! The search: every byte that belongs to a form of a secret is replaced by the secret's name.
//!
//! A stream may be cut anywhere. What comes last is held back as long as it may be the beginning of a secret, and what is
//! shown in the end does not depend on the cuts.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;

use super::forms::forms;
use super::view::{End, View, views};

/// What is shown of everything if there are more secrets than can be looked for.
const NOTHING: &str = "[not shown: its secrets could not be looked for]";

/// Knows secrets, and takes them out of texts.
#[derive(Default)]
pub struct Redactor {
    search: Search,
    /// What stands in the place of each form.
    instead: Vec<String>,
    /// The forms in lower case, sorted.
    sorted: Vec<Vec<u8>>,
    longest: usize,
}

#[derive(Default)]
enum Search {
    /// There are no secrets.
    #[default]
    Nothing,
    Forms(Box<AhoCorasick>),
    /// It could not be built: nothing is shown of anything.
    Impossible,
}

/// A form that was found, in bytes of the text.
struct Found {
    start: usize,
    end: usize,
    form: usize,
}

/// The names only: the rest is secret.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&String> = self.instead.iter().collect();
        names.dedup();
        f.debug_struct("Redactor").field("instead", &names).finish_non_exhaustive()
    }
}

impl Redactor {
    /// One that knows these secrets, each with its name.
    pub fn of<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Redactor {
        let mut known: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for (name, secret) in secrets {
            for form in forms(secret) {
                known.entry(form.to_ascii_lowercase()).or_insert_with(|| format!("${{{name}}}"));
            }
        }
        if known.is_empty() {
            return Redactor::default();
        }
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(known.keys());
        let search = search.map_or(Search::Impossible, |search| Search::Forms(Box::new(search)));
        let longest = known.keys().map(Vec::len).max().unwrap_or_default();
        let (sorted, instead) = known.into_iter().unzip();
        Redactor { search, instead, sorted, longest }
    }

    /// Whether it knows no secret.
    pub fn is_empty(&self) -> bool {
        matches!(self.search, Search::Nothing)
    }

    /// The text with the names of secrets in their places.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.search {
            Search::Nothing => return Cow::Borrowed(text),
            Search::Impossible => return Cow::Borrowed(NOTHING),
            Search::Forms(_) => {}
        }
        if self.found(&views(text.as_bytes(), End::Closed)).is_empty() {
            return Cow::Borrowed(text);
        }
        let mut part = Part::default();
        let shown = part.show(self, text.as_bytes(), End::Closed).0;
        Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
    }

    /// Does the same to every text in a JSON value; its keys and numbers stay.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(shown) = self.text(text) {
                    *text = shown;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.json(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text, which may be JSON: then it stays JSON.
    pub fn document<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let shown = self.text(text);
        if matches!(shown, Cow::Borrowed(_)) || !text.trim_start().starts_with(['{', '[']) {
            return shown;
        }
        let Ok(mut json) = serde_json::from_str::<Value>(text) else { return shown };
        self.json(&mut json);
        let body = text.trim_end();
        let written =
            if body.contains('\n') { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
        written.map_or(shown, |written| Cow::Owned(written + text.get(body.len()..).unwrap_or_default()))
    }

    fn found(&self, views: &[View]) -> Vec<Found> {
        let Search::Forms(search) = &self.search else { return Vec::new() };
        let mut all = Vec::new();
        for view in views {
            // Only a search for the leftmost forms cannot overlap, and this is none.
            let Ok(found) = search.try_find_overlapping_iter(&view.bytes) else { continue };
            for found in found {
                if let Some(place) = view.place(&found.range()) {
                    all.push(Found { start: place.start, end: place.end, form: found.pattern().as_usize() });
                }
            }
        }
        all
    }

    /// From where on the text may be the beginning of a secret.
    fn undecided(&self, views: &[View], end: usize) -> usize {
        let begins = |view: &View| {
            let bytes = view.bytes.to_ascii_lowercase();
            let least = bytes.len().saturating_sub(self.longest.saturating_sub(1));
            let first = (least..bytes.len()).find(|at| self.may_begin(bytes.get(*at..).unwrap_or_default()));
            let first = first.and_then(|at| view.place(&(at..at + 1))).map(|place| place.start);
            first.into_iter().chain(view.cut).min()
        };
        let mut at = views.iter().filter_map(begins).min().unwrap_or(end);
        // A cut inside of an escape would hide it from the next search.
        loop {
            let before = views.iter().map(|view| view.boundary(at)).min().unwrap_or(at);
            if before >= at {
                return at;
            }
            at = before;
        }
    }

    /// Whether a longer form begins so.
    fn may_begin(&self, text: &[u8]) -> bool {
        let next = self.sorted.partition_point(|form| form.as_slice() <= text);
        self.sorted.get(next).is_some_and(|form| form.starts_with(text))
    }
}

/// What is known at the beginning of a part of a stream.
#[derive(Debug, Default)]
struct Part {
    /// So many of its first bytes are of a secret whose name is shown already.
    hidden: usize,
    /// The form by whose name they are.
    last: Option<usize>,
}

impl Part {
    /// What can be shown of these bytes, and how many of them are done with.
    fn show(&mut self, redactor: &Redactor, bytes: &[u8], end: End) -> (Vec<u8>, usize) {
        let views = views(bytes, end);
        let until = match end {
            End::Open => redactor.undecided(&views, bytes.len()),
            End::Closed => bytes.len(),
        };
        let mut found = redactor.found(&views);
        found.retain(|found| found.start < until);
        found.sort_by_key(|found| (found.start, Reverse(found.end)));
        let (mut shown, mut covered) = (Vec::with_capacity(bytes.len()), self.hidden);
        for Found { start, end, form } in found {
            let name = redactor.instead.get(form);
            let is_new = start >= covered;
            if is_new {
                shown.extend_from_slice(bytes.get(covered..start).unwrap_or_default());
            } else if end <= covered {
                continue;
            }
            if is_new || self.last.and_then(|last| redactor.instead.get(last)) != name {
                shown.extend(name.into_iter().flat_map(|name| name.bytes()));
            }
            (self.last, covered) = (Some(form), covered.max(end));
        }
        shown.extend_from_slice(bytes.get(covered..until).unwrap_or_default());
        self.hidden = covered.saturating_sub(until);
        (shown, until)
    }
}

/// A text that comes in pieces.
#[derive(Debug)]
pub struct Stream {
    redactor: Arc<Redactor>,
    /// What may be the beginning of a secret.
    held: Vec<u8>,
    part: Part,
}

impl Stream {
    /// One of which nothing has come yet.
    pub fn new(redactor: Arc<Redactor>) -> Stream {
        Stream { redactor, held: Vec::new(), part: Part::default() }
    }

    /// Takes the next piece; what can be shown by now.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        match self.redactor.search {
            Search::Nothing => return piece.to_vec(),
            Search::Impossible => return Vec::new(),
            Search::Forms(_) => {}
        }
        self.held.extend_from_slice(piece);
        let (shown, until) = self.part.show(&self.redactor, &self.held, End::Open);
        self.held.drain(..until);
        shown
    }

    /// The rest, now that nothing more comes.
    pub fn finish(mut self) -> Vec<u8> {
        if matches!(self.redactor.search, Search::Impossible) {
            return NOTHING.as_bytes().to_vec();
        }
        self.part.show(&self.redactor, &self.held, End::Closed).0
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn redactor(secrets: &[&str]) -> Arc<Redactor> {
        let names = ["a", "b", "c"];
        Arc::new(Redactor::of(names.into_iter().zip(secrets.iter().copied())))
    }

    fn in_pieces(redactor: &Arc<Redactor>, pieces: &[&[u8]]) -> String {
        let mut stream = Stream::new(redactor.clone());
        let mut all: Vec<u8> = pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        all.extend(stream.finish());
        String::from_utf8_lossy(&all).into_owned()
    }

    #[test]
    fn every_byte_of_a_secret_is_hidden_however_secrets_lie() {
        let known = redactor(&["open", "open-sesame", "sesame street"]);
        for (text, shown) in [
            ("an open door, OPEN-Sesame!", "an ${a} door, ${b}!"),
            ("openopen-sesame", "${a}${b}"),
            ("open-sesame street", "${b}${c}"),
            ("op en", "op en"),
        ] {
            assert_eq!(known.text(text), shown, "{text}");
        }
        let adjoining = redactor(&["svc:admin", "hunter2hunter2"]);
        assert_eq!(adjoining.text("svc:admin:hunter2hunter2"), "${a}:${b}");
        assert_eq!(adjoining.text("just hunter2hunter2"), "just ${b}");
    }

    #[test]
    fn json_stays_json() {
        let known = redactor(&["p\"w\nd1"]);
        let text = "{\"a\":\"x p\\\"w\\nd1 y\",\"n\":1}\n";
        assert_eq!(known.document(text), "{\"a\":\"x ${a} y\",\"n\":1}\n");
        assert_eq!(known.document("{not json p\"w\nd1"), "{not json ${a}");
    }

    #[test]
    fn what_cannot_be_a_secret_is_shown_at_once() {
        let known = redactor(&["hunter2"]);
        let mut stream = Stream::new(known);
        assert_eq!(stream.push(b"a line\n"), b"a line\n");
        assert_eq!(stream.push(b"hunt"), b"");
        assert_eq!(stream.push(b"ing\n"), b"hunting\n");
        assert_eq!(stream.push(b"hunter2"), b"${a}");
        assert_eq!(stream.finish(), b"");
    }

    /// How programs, protocols and shells write a text. Each must be found.
    fn encoded(secret: &str, way: usize) -> String {
        let lines = |text: String| {
            let pieces: Vec<&str> =
                text.as_bytes().chunks(16).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            pieces.join("\n  ")
        };
        match way {
            0 => secret.to_owned(),
            1 => STANDARD.encode(secret),
            2 => URL_SAFE.encode(format!("x{secret}")),
            3 => STANDARD.encode(format!("us{secret}yz")),
            4 => utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            5 => utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().to_lowercase(),
            6 => secret.replace('%', "%25").replace('+', "%2B").replace(' ', "+").replace('&', "%26"),
            7 => serde_json::to_string(secret).unwrap(),
            8 => secret.encode_utf16().fold(String::new(), |mut all, unit| {
                let _ = write!(all, "\\u{unit:04x}");
                all
            }),
            9 => format!("'{}'", secret.replace('\'', "'\\''")),
            10 => secret.chars().fold(String::new(), |all, letter| match letter {
                letter if letter.is_alphanumeric() => all + &letter.to_string(),
                letter => format!("{all}\\{letter}"),
            }),
            11 => secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#x27;"),
            12 => secret.to_ascii_uppercase(),
            13 => secret.bytes().fold(String::new(), |all, byte| format!("{all}{byte:02X}")),
            14 => format!("{secret:?}"),
            15 => lines(STANDARD.encode(format!("user:{secret}"))),
            16 => serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(),
            17 => utf8_percent_encode(&STANDARD.encode(secret), NON_ALPHANUMERIC).to_string(),
            _ => serde_json::to_string(&lines(STANDARD.encode(secret))).unwrap(),
        }
    }

    const WAYS: usize = 19;

    /// Secrets as people make them, with everything in them that some language quotes. One that ends with a backslash or
    /// a percent sign could be read together with what stands behind it.
    const SECRET: &str = "[a-zA-Z0-9#/+_éß-]{3}[ -~é\\n]{0,24}[a-zA-Z0-9!#]";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_encoding_of_a_secret_appears_wherever_it_is_cut(
            secret in SECRET,
            way in 0..WAYS,
            before in "[a-z :]{0,9} ",
            after in " [a-z :]{0,9}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let known = redactor(&[&secret]);
            let hidden = encoded(&secret, way);
            let text = format!("{before}{hidden}{after}");
            prop_assume!(!before.contains(&hidden) && !after.contains(&hidden));
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let shown = in_pieces(&known, &pieces);
            prop_assert_eq!(&shown, &*known.text(&text), "it depends on the cuts");
            prop_assert!(shown.contains("${a}"), "{} of {:?} as {:?}", shown, secret, hidden);
            prop_assert!(!shown.contains(&hidden));
            // Of base64 inside of base64 a character at each end may stay, of a quoted text its quotation marks.
            let most = if way == 3 || way == 15 { 12 } else { 6 };
            let rest = "${a}".len() + before.len() + after.len() + most;
            prop_assert!(shown.len() <= rest, "{} of {:?} as {:?}", shown, secret, hidden);
        }

        #[test]
        fn a_text_without_secrets_passes_unchanged(
            text in "[ -~\\n]{0,200}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let known = redactor(&["\u{e9}\u{e9}\u{e9}-never", "QQQQ-\u{df}"]);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(in_pieces(&known, &pieces), text.clone());
            prop_assert_eq!(&*known.text(&text), &text);
        }

        #[test]
        fn every_line_of_a_key_is_hidden_by_itself(lines in prop::collection::vec("[A-Za-z0-9/]{8,64}", 2..6), pick in any::<prop::sample::Index>()) {
            let key = lines.join("\n");
            let known = redactor(&[&key]);
            let line = &lines[pick.index(lines.len())];
            let text = format!("> {line} <");
            prop_assert!(!known.text(&text).contains(line.as_str()));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
            let known = redactor(&["hunter2"]);
            let (left, right) = bytes.split_at(at.index(bytes.len() + 1));
            prop_assert_eq!(in_pieces(&known, &[left, right]), in_pieces(&known, &[&bytes]));
        }
    }
}

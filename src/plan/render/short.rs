//! Values that are long because they name something exactly: digests, and paths that two values have in common. What is short
//! here is whole in the plan's JSON and in the details of a prompt.

/// How many digits of a digest tell it from another one for people.
const DIGITS: usize = 12;
/// What a digest of an image begins with.
const ALGORITHM: &str = "sha256:";
/// How many digits such a digest has.
const WHOLE: usize = 64;
/// A common beginning that is shorter than this is not worth a word of its own.
const WORTH_SAYING_ONCE: usize = 24;

/// Both values with short digests; whole ones if the short ones do not differ.
pub(super) fn digests(before: Option<String>, after: String) -> (Option<String>, String) {
    let short = (before.as_deref().map(digest), digest(&after));
    let is_changed = before.as_ref() != Some(&after);
    if is_changed && short.0.as_ref() == Some(&short.1) { (before, after) } else { short }
}

/// The text with its digests cut to their first digits.
fn digest(text: &str) -> String {
    let mut parts = text.split(ALGORITHM);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        out.push_str(ALGORITHM);
        if digits == WHOLE {
            // Of ASCII digits each is a byte.
            out.push_str(part.get(..DIGITS).unwrap_or_default());
            out.push_str(part.get(WHOLE..).unwrap_or_default());
        } else {
            out.push_str(part);
        }
    }
    out
}

/// What both values begin with, and what is left of each; `None` if that is too little, if they
/// do not differ, or one of them is a list.
pub(super) fn stem<'a>(before: &'a str, after: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    // Of two texts in quotes it is what stands between them.
    let unquoted = |text: &'a str| text.strip_prefix('"')?.strip_suffix('"');
    let (before, after) = unquoted(before).zip(unquoted(after)).unwrap_or((before, after));
    if before == after || before.contains(' ') || after.contains(' ') {
        return None;
    }
    let common = before.char_indices().zip(after.chars()).take_while(|((_, one), other)| one == other);
    // Up to and with what separates the parts of a name.
    let end = common.filter(|((_, letter), _)| ['/', ':', '@'].contains(letter)).last()?.0.0 + 1;
    let (stem, rest) = (before.get(..end)?, after.get(end..)?);
    let is_worth = end >= WORTH_SAYING_ONCE && end < before.len() && !rest.is_empty();
    is_worth.then_some((stem, before.get(end..)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: &str) -> String {
        format!("us-docker.pkg.dev/shop/apps/auth@sha256:{digit}{}", "0".repeat(WHOLE - digit.len()))
    }

    #[test]
    fn a_digest_is_short_unless_two_would_look_the_same() {
        let (before, after) = digests(Some(image("117")), image("118"));
        let before = before.unwrap();
        assert_eq!(
            stem(&before, &after),
            Some(("us-docker.pkg.dev/shop/apps/auth@sha256:", "117000000000", "118000000000"))
        );
        let same = |last: &str| format!("{}{last}", &image("117")[..image("117").len() - 1]);
        let (before, after) = digests(Some(same("1")), same("2"));
        assert_eq!((before, after), (Some(same("1")), same("2")));
        assert_eq!(digests(None, image("1")).1, "us-docker.pkg.dev/shop/apps/auth@sha256:100000000000");
        assert_eq!(digest("sha256:short and sha256:"), "sha256:short and sha256:");
    }

    #[test]
    fn only_a_long_beginning_of_two_names_is_said_once() {
        assert_eq!(stem("db-custom-2-7680", "db-custom-4-15360"), None);
        assert_eq!(stem("projects/shop-staging/secrets/a, b", "projects/shop-staging/secrets/c"), None);
        let path = "projects/shop-staging/secrets/";
        assert_eq!(stem(&format!("{path}a"), &format!("{path}b")), Some((path, "a", "b")));
        assert_eq!(stem(path, &format!("{path}b")), None);
        let (before, after) = (format!("\"{path}a\""), format!("\"{path}b\""));
        assert_eq!(stem(&before, &after), Some((path, "a", "b")));
    }
}

//! Secrets, and the one redactor in front of everything that is shown, written or sent to be read.
//!
//! A secret is made here and nowhere else ([`secret`], [`captured`]), and from then on the process knows it: whatever a
//! peer, a program or a library says of it, in whatever usual encoding, is replaced by its name, as in
//! `${inputs.password}`. Texts from outside are redacted where they come in (observations, events, what programs say),
//! and everything once more where it goes out (terminal, files, log). What is promised:
//!
//! - Every byte that belongs to a secret is hidden: as it is, in base64 (both alphabets, inside of a longer text too), in
//!   hexadecimal, in capital letters, escaped for a URL, JSON, a shell, SQL or a page, and broken into lines.
//! - Of a secret of several lines, each line of four characters or more is a secret.
//! - A secret has at least four characters. A shorter one would tell itself by what is hidden.
//! - Not promised: what a program makes of a secret beyond that, such as a digest or half of it; and of base64 inside of
//!   longer base64 the characters at its ends, which have at most four bits of it each.

mod forms;
mod lines;
mod stream;
mod view;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

pub use self::lines::Lines;
pub use self::stream::{Redactor, Stream};

/// So many values of one captured name are known at once: a flow captures new ones with every sample.
const VALUES: usize = 32;

/// A text that cannot be kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at least {} characters: what is hidden would tell a shorter one", forms::SHORTEST)]
pub struct TooShort;

struct Named {
    name: String,
    value: SecretString,
}

/// The secrets of this process.
struct Known {
    secrets: VecDeque<Named>,
    /// None after a secret came that it does not know.
    redactor: Option<Arc<Redactor>>,
}

static KNOWN: RwLock<Known> = RwLock::new(Known { secrets: VecDeque::new(), redactor: None });

/// A secret, which nothing shows from now on.
///
/// # Errors
/// If it is too short for that.
pub fn secret(name: &str, value: String) -> Result<SecretString, TooShort> {
    if value.trim().chars().count() < forms::SHORTEST { Err(TooShort) } else { Ok(known(name, value, usize::MAX)) }
}

/// What a flow captured, or what stands for a secret in a rehearsal: it is hidden as a secret is, unless it is too short
/// to be one.
pub fn captured(name: &str, value: String) -> SecretString {
    if value.trim().chars().count() < forms::SHORTEST { value.into() } else { known(name, value, VALUES) }
}

fn known(name: &str, value: String, most: usize) -> SecretString {
    let value = SecretString::from(value);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if !known.secrets.iter().any(|known| known.value.expose_secret() == value.expose_secret()) {
        let same = |known: &Named| known.name == name;
        if known.secrets.iter().filter(|known| same(known)).count() >= most
            && let Some(oldest) = known.secrets.iter().position(same)
        {
            known.secrets.remove(oldest);
        }
        known.secrets.push_back(Named { name: name.to_owned(), value: value.clone() });
        known.redactor = None;
    }
    value
}

/// A redactor that knows every secret of now.
pub fn redactor() -> Arc<Redactor> {
    if let Some(redactor) = &KNOWN.read().unwrap_or_else(PoisonError::into_inner).redactor {
        return redactor.clone();
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let secrets = known.secrets.iter().map(|known| (known.name.as_str(), known.value.expose_secret()));
    let redactor = Arc::new(Redactor::of(secrets));
    known.redactor = Some(redactor.clone());
    redactor
}

/// A text without the secrets of this process.
pub fn text(text: impl Into<String>) -> String {
    let text = text.into();
    match redactor().text(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(shown) => shown,
    }
}

/// The same of a text that may be JSON and then stays JSON.
pub fn document(text: &str) -> String {
    redactor().document(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_from_when_it_is_made() {
        let word = "the-word-of-this-very-test";
        assert_eq!(text(word), word);
        let made = secret("inputs.word", word.to_owned()).unwrap();
        assert_eq!(text(format!("it is {}", made.expose_secret())), "it is ${inputs.word}");
    }

    #[test]
    fn what_is_too_short_is_no_secret() {
        for short in ["", "abc", " a \n", "éßü"] {
            assert_eq!(secret("inputs.short", short.to_owned()).err(), Some(TooShort), "{short:?}");
            assert_eq!(captured("flow.short", short.to_owned()).expose_secret(), short);
        }
        assert_eq!(text("abc éßü"), "abc éßü");
    }

    #[test]
    fn of_captured_values_the_newest_are_known() {
        for number in 0..=VALUES {
            captured("flow.of-this-test", format!("captured-number-{number:03}"));
        }
        assert_eq!(text("captured-number-000"), "captured-number-000");
        assert_eq!(text(format!("captured-number-{VALUES:03}")), "${flow.of-this-test}");
    }
}

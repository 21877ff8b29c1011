//! Variables of the environment that several commands go by.

use secrecy::SecretString;

use crate::action::Github;

/// A variable that is set to something.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(super) fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How GitHub is reached: the names are those of its own tools.
pub(super) fn github() -> Github {
    let token = named("GITHUB_TOKEN").or_else(|| named("GH_TOKEN"));
    Github { api: named("GITHUB_API_URL"), token: token.map(SecretString::from) }
}

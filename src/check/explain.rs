//! What each code means: a line, and a page of `docs/checks`.

use super::{FILE_CODES, RULES};
use crate::syntax::mistake;

/// The page of a code, kept in the program.
macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../docs/checks/", $code, ".md")))),*]
    };
}

/// Every code that is no rule's, with its page, sorted by code. A rule has its own.
const PAGES: &[(&str, &str)] = pages![
    "bad-allow",
    "bad-condition",
    "bad-field",
    "bad-include",
    "bad-reference",
    "bad-value",
    "cycle",
    "file-too-large",
    "input-pattern",
    "missing-input",
    "missing-key",
    "not-utf-8",
    "secret-misplaced",
    "secret-shown",
    "secret-too-short",
    "syntax",
    "too-deep",
    "too-much-text",
    "unknown-action",
    "unknown-input",
    "unknown-key",
    "unknown-resource",
    "unreadable-file",
    "wrong-type",
];

/// Every code that `check` can report, with what it stands for in a line, by code.
pub fn codes() -> Vec<(&'static str, &'static str)> {
    let rules = RULES.iter().map(|rule| (rule.code, rule.title));
    let mut codes: Vec<_> = rules.chain(mistake::CODES.iter().copied()).chain(FILE_CODES.iter().copied()).collect();
    codes.sort_unstable();
    codes
}

/// The page of a code, in Markdown; `None` if there is no such code.
pub fn page(code: &str) -> Option<&'static str> {
    let rules = RULES.iter().map(|rule| (rule.code, rule.page));
    rules.chain(PAGES.iter().copied()).find(|(known, _)| *known == code).map(|(_, page)| page)
}

//! What each code means: a line, and a page of `docs/checks`.

use super::{FILE_CODES, RULES};
use crate::runbook::mistake;

/// The page of a code, kept in the program.
macro_rules! pages {
    ($($code:literal),* $(,)?) => {
        &[$(($code, include_str!(concat!("../../docs/checks/", $code, ".md")))),*]
    };
}

/// Every code with its page, sorted by code.
const PAGES: &[(&str, &str)] = pages![
    "ambient-target",
    "bad-condition",
    "bad-name",
    "bad-reference",
    "bad-url",
    "bad-value",
    "beyond-limits",
    "candidate-unseen",
    "closure-missing",
    "condition-mistyped",
    "connector-machine-type",
    "connector-max-instances",
    "connector-min-instances",
    "connector-min-not-below-max",
    "connector-size-incomplete",
    "cycle",
    "duplicate-name",
    "empty-phase",
    "file-too-large",
    "gate-too-short",
    "input-pattern",
    "metric-gate-too-short",
    "missing-input",
    "missing-key",
    "not-utf-8",
    "not-yet",
    "one-way-unsaid",
    "probe-step-without-gate",
    "restart-unsaid",
    "rollback-impossible",
    "rollback-target-deleted",
    "run-scale-bounds",
    "secret-shown",
    "serverless-timeout",
    "shift-not-rising",
    "shift-without-gate",
    "syntax",
    "tag-not-digest",
    "too-deep",
    "traffic-pinned",
    "traffic-sum",
    "unknown-action",
    "unknown-input",
    "unknown-key",
    "unknown-name",
    "unknown-probe",
    "unknown-resource-kind",
    "unreadable-file",
    "unused-input",
    "unused-probe",
    "value-as-code",
    "websocket-outlives-timeout",
    "wildcard-certificate",
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
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

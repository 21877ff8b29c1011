//! An issue that is to be closed has something to be closed by.
//!
//! It is closed once everything of `[closure]` holds. Without any, nobody could say when, and it never would be.

use super::{Answer, Rule, Subject, argument};
use crate::action::Action;
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Part;

pub(super) const RULE: Rule = Rule {
    code: "closure-missing",
    title: "an issue that is to be closed has criteria for that",
    page: include_str!("../../../docs/checks/closure-missing.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    // What is wrong with a criterion is told where it stands.
    if !matches!(subject.draft.closure, Part::Absent) {
        return Vec::new();
    }
    let closes = |action: &Action| matches!(action, Action::GithubIssue(update) if update.close);
    let found = subject.actions().filter(|(_, _, action)| closes(action)).map(|(step, ..)| {
        let place = subject.key_place(&argument(&step, "close"));
        Diagnostic::error(
            RULE.code,
            place,
            "nothing says when the incident is over, so this issue would never be closed",
        )
        .help("add a [[closure.criterion]], or take `close` out")
    });
    found.collect()
}

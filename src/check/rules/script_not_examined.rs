//! A script is short enough to be examined.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "script-not-examined",
    title: "a script is short enough to be examined (warning)",
    page: include_str!("../../../docs/checks/script-not-examined.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let unparsed = subject.shell.unparsed.iter();
    unparsed
        .map(|(path, why)| {
            let message = format!("the commands of this script were not examined: {why}");
            let help = "keep the script in a file of its own, and run that; or split the step";
            Diagnostic::warning(RULE.code, subject.place(path), message).help(help)
        })
        .collect()
}

//! A change that fails is seen to fail.
//!
//! With `|| true` behind it, or its messages thrown away, a command that Google refused looks as if it had worked: the run goes
//! on, and the gate waits for something that never happened.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "failure-hidden",
    title: "the failure of a change is not hidden (warning)",
    page: include_str!("../../../docs/checks/failure-hidden.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        if command.line.change().is_none() {
            continue;
        }
        if let Some(place) = &command.failure_ignored {
            let message = "if this change fails, the step goes on as if it had worked";
            let help = "take that out; if it may be done already, say how that is seen in `check`";
            found.push(Diagnostic::warning(RULE.code, subject.command_place(command, place), message).help(help));
        } else if let Some(place) = &command.stderr_discarded {
            let message = "if this change fails, nobody reads why";
            let help = "let its messages through: they are kept with the run";
            found.push(Diagnostic::warning(RULE.code, subject.command_place(command, place), message).help(help));
        }
    }
    found
}

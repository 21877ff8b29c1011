//! The `check` of a `shell` step only looks.
//!
//! It is run to find out whether the step has taken effect: before the step, after a failure, and when a run is resumed. One that
//! changes something makes a change that nobody planned or approved, each of these times.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::Scope;

pub(super) const RULE: Rule = Rule {
    code: "mutating-check",
    title: "the `check` of a `shell` step changes nothing (warning)",
    page: include_str!("../../../docs/checks/mutating-check.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let changing = subject.commands().iter().filter(|command| {
        // What is copied or queried is often only read.
        command.key == "check" && command.line.change().is_some_and(|(_, scope)| scope != Scope::Global)
    });
    let warning = |command| {
        let message = "`check` is run to find out whether the step took effect, and this changes something";
        Diagnostic::warning(RULE.code, subject.command_place(command, &command.place), message)
            .help("only read in `check`, as with `describe` or `list`; the change belongs in `run`")
    };
    changing.map(warning).collect()
}

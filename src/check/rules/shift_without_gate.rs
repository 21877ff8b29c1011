//! A shift in several shares has a gate that says whether to go on.
//!
//! Without one the shares follow one another at once: it looks careful and is not.

use super::{Answer, Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Part;

pub(super) const RULE: Rule = Rule {
    code: "shift-without-gate",
    title: "a shift in several shares has a gate (warning)",
    page: include_str!("../../../docs/checks/shift-without-gate.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, iteration, action) in subject.actions() {
        let Some(rollout) = action.rollout() else { continue };
        if rollout.shift.len() < 2 || !matches!(iteration.gate, Part::Absent) {
            continue;
        }
        let message = "without a gate nothing decides whether traffic moves on: the shares follow one another at once";
        let place = subject.key_place(&argument(&step, "shift"));
        let help = "add a gate with the probes that must stay healthy";
        found.push(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    found
}

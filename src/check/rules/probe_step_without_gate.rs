//! A step that only looks has something to look at: without a gate it would do nothing and be "done".

use super::{Answer, Rule, Subject};
use crate::action::{Action, GateOnly};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Part;

pub(super) const RULE: Rule = Rule {
    code: "probe-step-without-gate",
    title: "a step of the action `probe` has a gate",
    page: include_str!("../../../docs/checks/probe-step-without-gate.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, iteration, action) in subject.actions() {
        if *action != Action::GateOnly(GateOnly) || !matches!(iteration.gate, Part::Absent) {
            continue;
        }
        let message = "a step of the action `probe` changes nothing: its gate is the step, and it has none";
        let help = "add gate = { healthy = [\"…\"], for = \"5m\", timeout = \"20m\" }";
        found.push(Diagnostic::error(RULE.code, subject.place(&step.key("uses")), message).help(help));
    }
    found
}

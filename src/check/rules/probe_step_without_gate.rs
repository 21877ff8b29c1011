//! A probe step changes nothing; without a gate it does nothing at all.

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "probe-step-without-gate", title: "a `probe` step without a gate, or a gate without probes", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        match &step.gate {
            None if step.action == Action::Probe => {
                let at = subject.document.span(&step.place.of("uses"));
                let message = format!("step `{}` only looks, and has no gate to look with", step.name);
                mistakes.push(Mistake::error(RULE.code, at, message).help("give it a gate"));
            }
            Some(gate) if gate.healthy.is_empty() => {
                let at = subject.document.span(&step.place.of("gate"));
                let message = "a gate without probes passes on silence";
                mistakes.push(Mistake::error(RULE.code, at, message).help("name probes: healthy = [\"…\"]"));
            }
            _ => {}
        }
    }
}

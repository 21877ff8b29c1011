//! A phase, or a runbook, that does nothing.

use super::{Rule, Subject};
use crate::runbook::Mistake;

pub(super) const RULE: Rule = Rule { code: "empty-phase", title: "a phase without steps, or no phase at all", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    if subject.document.get(&["phase".into()]).is_none() {
        mistakes.push(Mistake::error(RULE.code, 0..0, "this runbook has no phase: it does nothing"));
    }
    for (index, phase) in subject.runbook.phases.iter().enumerate() {
        if subject.document.get(&["phase".into(), index.into(), "step".into()]).is_none() {
            let at = subject.document.span(&["phase".into(), index.into(), "name".into()]);
            mistakes.push(Mistake::error(RULE.code, at, format!("phase `{}` has no step", phase.name)));
        }
    }
}

//! The shares of a split add up to the whole.

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule = Rule { code: "traffic-sum", title: "shares that do not add up to 100", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::RunTraffic { to, .. } = &step.action else { continue };
        let sum: u32 = to.iter().map(|(_, percent)| u32::from(percent.get())).sum();
        if sum != 100 {
            let at = subject.document.span(&step.place.with("to"));
            let message = format!("these shares add up to {sum} %, and must to 100 %");
            mistakes.push(Mistake::error(RULE.code, at, message).help("a split is always written whole"));
        }
    }
}

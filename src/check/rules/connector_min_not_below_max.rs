//! The minimum must be below the maximum: the API wants room to scale.

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "connector-min-not-below-max", title: "a minimum that is not below the maximum", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::ConnectorScale { min_instances: Some(min), max_instances: Some(max), .. } = step.action else {
            continue;
        };
        if min < max {
            continue;
        }
        let at = subject.document.span(&step.place.with("min_instances"));
        let message = format!("min_instances ({min}) must be below max_instances ({max})");
        let mistake = Mistake::error(RULE.code, at, message).help("lower min_instances");
        mistakes.push(mistake.also(subject.document.span(&step.place.with("max_instances")), "not above the minimum"));
    }
}

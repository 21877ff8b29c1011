//! An update of one bound must name both.

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "connector-size-incomplete", title: "a connector step that names one bound only, or nothing", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::ConnectorScale { min_instances, max_instances, machine_type, .. } = &step.action else { continue };
        let missing = match (min_instances, max_instances) {
            (Some(_), None) => "max_instances",
            (None, Some(_)) => "min_instances",
            (None, None) if machine_type.is_none() => "anything to change",
            _ => continue,
        };
        let at = subject.document.key_span(&step.place.of("with"));
        let message = format!("this step does not name {missing}: an update of a connector's size names both bounds");
        mistakes.push(Mistake::error(RULE.code, at, message).help("give min_instances and max_instances"));
    }
}

//! The fewest instances a connector can have.

use super::{Rule, Subject, steps};
use crate::resource::connector::MIN_INSTANCES;
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "connector-min-instances", title: "a minimum that a connector cannot have", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::ConnectorScale { min_instances: Some(min), .. } = step.action else { continue };
        if MIN_INSTANCES.contains(&min) {
            continue;
        }
        let (least, most) = (MIN_INSTANCES.start(), MIN_INSTANCES.end());
        let at = subject.document.span(&step.place.with("min_instances"));
        let message = format!("min_instances is {min}; a connector takes {least} to {most}");
        let help = format!("use min_instances = {}", min.clamp(*least, *most));
        mistakes.push(Mistake::error(RULE.code, at, message).help(help));
    }
}

//! Connectors are made of three machine types only.

use super::{Rule, Subject, is_open, steps};
use crate::resource::connector::MACHINE_TYPES;
use crate::runbook::Mistake;
use crate::runbook::mistake::instead;
use crate::runbook::model::Action;

pub(super) const RULE: Rule =
    Rule { code: "connector-machine-type", title: "a machine type that connectors do not have", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::ConnectorScale { machine_type: Some(machine_type), .. } = &step.action else { continue };
        if is_open(machine_type) || MACHINE_TYPES.contains(&machine_type.as_str()) {
            continue;
        }
        let at = subject.document.span(&step.place.with("machine_type"));
        let message = format!("a connector cannot be made of {machine_type}");
        mistakes.push(Mistake::error(RULE.code, at, message).help(instead(machine_type, MACHINE_TYPES)));
    }
}

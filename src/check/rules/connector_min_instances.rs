//! A connector's `min_instances` is within what Google takes.
//!
//! The API refuses anything else, but only after the operator has said yes and the incident has lasted longer.

use super::{Rule, Subject, argument};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;
use crate::resource::connector::MIN_INSTANCES;

pub(super) const RULE: Rule = Rule {
    code: "connector-min-instances",
    title: "a connector takes a `min_instances` within its limits",
    page: include_str!("../../../docs/checks/connector-min-instances.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { min_instances: Some(wanted), .. }) = action else { continue };
        if MIN_INSTANCES.contains(wanted) {
            continue;
        }
        let (least, most) = (MIN_INSTANCES.start(), MIN_INSTANCES.end());
        let nearest = wanted.clamp(least, most);
        let message = format!("min_instances is {wanted}; a connector takes {least} to {most}");
        let place = subject.place(&argument(&step, "min_instances"));
        found.push(Diagnostic::error(RULE.code, place, message).help(format!("use min_instances = {nearest}")));
    }
    found
}

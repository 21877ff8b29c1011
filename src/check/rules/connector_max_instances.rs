//! A connector's `max_instances` is within what Google takes.
//!
//! The API refuses anything else, but only after the operator has said yes and the incident has lasted longer.

use super::{Rule, Subject, argument};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;
use crate::resource::connector::MAX_INSTANCES;

pub(super) const RULE: Rule = Rule {
    code: "connector-max-instances",
    title: "a connector takes a `max_instances` within its limits",
    page: include_str!("../../../docs/checks/connector-max-instances.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { max_instances: Some(wanted), .. }) = action else { continue };
        if MAX_INSTANCES.contains(wanted) {
            continue;
        }
        let (least, most) = (MAX_INSTANCES.start(), MAX_INSTANCES.end());
        let nearest = wanted.clamp(least, most);
        let message = format!("max_instances is {wanted}; a connector takes {least} to {most}");
        let place = subject.place(&argument(&step, "max_instances"));
        found.push(Diagnostic::error(RULE.code, place, message).help(format!("use max_instances = {nearest}")));
    }
    found
}

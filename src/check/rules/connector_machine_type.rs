//! A connector's machine type is one of the few that connectors can be made of.

use super::{Rule, Subject, argument};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;
use crate::resource::connector::MACHINE_TYPES;
use crate::syntax::spelling::{list, nearest};

pub(super) const RULE: Rule = Rule {
    code: "connector-machine-type",
    title: "a connector has a machine type that exists",
    page: include_str!("../../../docs/checks/connector-machine-type.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { machine_type: Some(wanted), .. }) = action else { continue };
        let path = argument(&step, "machine_type");
        if MACHINE_TYPES.contains(&wanted.as_str()) || !subject.is_resolved(&path) {
            continue;
        }
        let known = list(MACHINE_TYPES.into_iter(), "or");
        let message = format!("a connector is not made of `{wanted}`; it takes {known}");
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), message);
        found.push(match nearest(wanted, MACHINE_TYPES).first() {
            Some(near) => diagnostic.help(format!("use machine_type = \"{near}\"")),
            None => diagnostic.help("the largest is machine_type = \"e2-standard-4\""),
        });
    }
    found
}

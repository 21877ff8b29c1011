//! Whoever changes a connector's size says both ends of it.
//!
//! An update has to carry both; the one that is left out would be guessed by somebody.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "connector-size-incomplete",
    title: "a change of a connector's size says both `min_instances` and `max_instances`",
    page: include_str!("../../../docs/checks/connector-size-incomplete.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { min_instances, max_instances, .. }) = action else { continue };
        let (given, missing, range) = match (min_instances, max_instances) {
            (Some(_), None) => ("min_instances", "max_instances", "3 to 10"),
            (None, Some(_)) => ("max_instances", "min_instances", "2 to 9"),
            _ => continue,
        };
        let message = format!("`{given}` without `{missing}`: an update of a connector's size carries both");
        let place = subject.key_place(&argument(&step, given));
        found.push(Diagnostic::error(RULE.code, place, message).help(format!("add `{missing}`, {range}")));
    }
    found
}

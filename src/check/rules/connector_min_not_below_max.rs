//! A connector's smallest size is below its largest.
//!
//! Google refuses the two being equal, too: a connector is always able to grow by at least one instance.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "connector-min-not-below-max",
    title: "a connector has fewer `min_instances` than `max_instances`",
    page: include_str!("../../../docs/checks/connector-min-not-below-max.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { min_instances: Some(min), max_instances: Some(max), .. }) = action
        else {
            continue;
        };
        if min < max {
            continue;
        }
        let message =
            format!("min_instances is {min} and max_instances is {max}; the smaller must be below the larger");
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&argument(&step, "min_instances")), message)
            .and(subject.place(&argument(&step, "max_instances")), "");
        found.push(diagnostic.help("lower min_instances or raise max_instances, within 2 to 9 and 3 to 10"));
    }
    found
}

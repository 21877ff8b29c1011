//! A connector's machine type is one of the few that connectors can be made of.

use std::ops::Range;

use super::{Answer, Rule, Subject, argument, sizes_connector};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;
use crate::resource::connector::MACHINE_TYPES;
use crate::syntax::spelling::{list, nearest};

pub(super) const RULE: Rule = Rule {
    code: "connector-machine-type",
    title: "a connector has a machine type that exists",
    page: include_str!("../../../docs/checks/connector-machine-type.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { machine_type: Some(wanted), .. }) = action else { continue };
        let path = argument(&step, "machine_type");
        if subject.is_resolved(&path) {
            found.extend(fault(wanted, || subject.place(&path), |near| format!("machine_type = \"{near}\"")));
        }
    }
    for command in subject.commands().iter().filter(|command| sizes_connector(&command.line)) {
        let Some(flag) = command.line.flag("machine-type").filter(|flag| flag.is_literal) else { continue };
        let place = || subject.command_place(command, &flag.place);
        found.extend(fault(&flag.value, place, |near| format!("--machine-type={near}")));
    }
    found
}

/// What is wrong with a machine type; `write` writes another as it stands at `place`.
fn fault(wanted: &str, place: impl Fn() -> Range<usize>, write: impl Fn(&str) -> String) -> Option<Diagnostic> {
    if MACHINE_TYPES.contains(&wanted) {
        return None;
    }
    let known = list(MACHINE_TYPES.into_iter(), "or");
    let message = format!("a connector is not made of `{wanted}`; it takes {known}");
    let help = match nearest(wanted, MACHINE_TYPES).first() {
        Some(near) => format!("use {}", write(near)),
        None => format!("the largest is {}", write("e2-standard-4")),
    };
    Some(Diagnostic::error(RULE.code, place(), message).help(help))
}

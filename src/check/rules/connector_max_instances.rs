//! A connector's `max_instances` is within what Google takes.
//!
//! The API refuses anything else, but only after the operator has said yes and the incident has lasted longer.

use std::ops::Range;

use super::{Answer, Rule, Subject, argument, sizes_connector};
use crate::action::{Action, ConnectorScale};
use crate::check::diagnostic::Diagnostic;
use crate::resource::connector::MAX_INSTANCES;

pub(super) const RULE: Rule = Rule {
    code: "connector-max-instances",
    title: "a connector takes a `max_instances` within its limits",
    page: include_str!("../../../docs/checks/connector-max-instances.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::ConnectorScale(ConnectorScale { max_instances: Some(wanted), .. }) = action else { continue };
        found.extend(fault(
            *wanted,
            || subject.place(&argument(&step, "max_instances")),
            |number| format!("max_instances = {number}"),
        ));
    }
    for command in subject.commands().iter().filter(|command| sizes_connector(&command.line)) {
        let (Some(wanted), Some(flag)) = (command.line.number("max-instances"), command.line.flag("max-instances"))
        else {
            continue;
        };
        let place = || subject.command_place(command, &flag.place);
        found.extend(fault(wanted, place, |number| format!("--max-instances={number}")));
    }
    found
}

/// What is wrong with a number; `write` writes another as it stands at `place`.
fn fault(wanted: i64, place: impl Fn() -> Range<usize>, write: impl Fn(i64) -> String) -> Option<Diagnostic> {
    if MAX_INSTANCES.contains(&wanted) {
        return None;
    }
    let (least, most) = (*MAX_INSTANCES.start(), *MAX_INSTANCES.end());
    let message = format!("max_instances is {wanted}; a connector takes {least} to {most}");
    let help = format!("use {}", write(wanted.clamp(least, most)));
    Some(Diagnostic::error(RULE.code, place(), message).help(help))
}

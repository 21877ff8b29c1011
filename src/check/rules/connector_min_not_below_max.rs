//! A connector's smallest size is below its largest.
//!
//! Google refuses the two being equal, too: a connector is always able to grow by at least one instance.

use std::ops::Range;

use super::{Answer, Rule, Subject, argument, sizes_connector};
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
        let places =
            (subject.place(&argument(&step, "min_instances")), subject.place(&argument(&step, "max_instances")));
        found.extend(fault((*min, *max), places));
    }
    for command in subject.commands().iter().filter(|command| sizes_connector(&command.line)) {
        let (min, max) = ("min-instances", "max-instances");
        let bounds = command.line.number(min).zip(command.line.number(max));
        let flags = command.line.flag(min).zip(command.line.flag(max));
        let Some((bounds, (min, max))) = bounds.zip(flags) else { continue };
        let places = (subject.command_place(command, &min.place), subject.command_place(command, &max.place));
        found.extend(fault(bounds, places));
    }
    found
}

/// What is wrong with the two bounds, each with its place.
fn fault((min, max): (i64, i64), (of_min, of_max): (Range<usize>, Range<usize>)) -> Option<Diagnostic> {
    if min < max {
        return None;
    }
    let message = format!("min_instances is {min} and max_instances is {max}; the smaller must be below the larger");
    let help = "lower min_instances or raise max_instances, within 2 to 9 and 3 to 10";
    Some(Diagnostic::error(RULE.code, of_min, message).and(of_max, "").help(help))
}

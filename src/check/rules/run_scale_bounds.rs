//! A service's instances are bounds that can be kept.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, RunScale};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "run-scale-bounds",
    title: "a service has at least one instance, and no more at least than at most",
    page: include_str!("../../../docs/checks/run-scale-bounds.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::RunScale(RunScale { min_instances, max_instances, .. }) = action else { continue };
        let (min, max) = (argument(&step, "min_instances"), argument(&step, "max_instances"));
        if let Some(number) = min_instances.filter(|number| *number < 0) {
            let message = format!("min_instances is {number}; there are no fewer than 0 instances");
            found.push(Diagnostic::error(RULE.code, subject.place(&min), message).help("use min_instances = 0"));
        }
        if let Some(number) = max_instances.filter(|number| *number < 1) {
            let message = format!("max_instances is {number}: nothing would serve any more");
            found
                .push(Diagnostic::error(RULE.code, subject.place(&max), message).help("use max_instances = 1 or more"));
        }
        if let (Some(least), Some(most)) = (min_instances, max_instances)
            && least > most
        {
            let message = format!("min_instances is {least}, more than the {most} of max_instances");
            found.push(Diagnostic::error(RULE.code, subject.place(&min), message).and(subject.place(&max), ""));
        }
    }
    for command in subject.commands() {
        let is_service = ["run services update", "run deploy"].iter().any(|name| command.line.names(name).is_some());
        let pairs = [("min-instances", "max-instances"), ("min", "max")].into_iter().filter(|_| is_service);
        for (min, max) in pairs {
            let numbers = command
                .line
                .number(min)
                .zip(command.line.number(max))
                .filter(|(least, most)| least > most && *most > 0);
            let flags = command.line.flag(min).zip(command.line.flag(max));
            let Some(((least, most), (min, max))) = numbers.zip(flags) else { continue };
            let message = format!("--{} is {least}, more than the {most} of --{}", min.name, max.name);
            let (at, other) = (subject.command_place(command, &min.place), subject.command_place(command, &max.place));
            found.push(Diagnostic::error(RULE.code, at, message).and(other, ""));
        }
        let zero =
            ["max-instances", "max"].into_iter().find(|flag| command.line.number(flag).is_some_and(|most| most < 1));
        let Some(flag) = zero.filter(|_| is_service).and_then(|name| command.line.flag(name)) else { continue };
        let message = format!("--{}=0 does not pause a service: Google takes 0 for no bound", flag.name);
        let help = "to stop it, take the callers' permission away or pause what calls it; to slow it down, use 1";
        found.push(Diagnostic::error(RULE.code, subject.command_place(command, &flag.place), message).help(help));
    }
    found
}

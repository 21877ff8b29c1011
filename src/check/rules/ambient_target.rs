//! A `gcloud` command says which project it means.
//!
//! Without `--project` it is whichever the operator's machine was last set to: at 3 a.m. that may be production. The
//! runbook's target is not passed on to programs by itself.

use super::{Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::check::gcloud::commands;

pub(super) const RULE: Rule = Rule {
    code: "ambient-target",
    title: "a `gcloud` command in a `shell` step says which project it means",
    page: include_str!("../../../docs/checks/ambient-target.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        for (key, command) in commands(action) {
            if command.flag("project").is_some() || command.only_looks() {
                continue;
            }
            let message = "without --project this changes whichever project the machine was last set to";
            let place = subject.command_place(&argument(&step, key), &command);
            found.push(Diagnostic::error(RULE.code, place, message).help("add \"--project=${target.project}\""));
        }
    }
    found
}

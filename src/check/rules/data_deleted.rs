//! Data that a remediation deletes is missed by nobody.
//!
//! Some of what is deleted is kept for a while: an object of a bucket, a table of BigQuery, a version of a key. The way back has to be
//! known to whoever approves the step, and the author of the step says with `allow` that it is meant.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::Effect;

pub(super) const RULE: Rule = Rule {
    code: "data-deleted",
    title: "a step that deletes data says why",
    page: include_str!("../../../docs/checks/data-deleted.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        let Some((Effect::DeletesData(what, way_back), _)) = command.line.effect() else { continue };
        let place = subject.command_place(command, &command.place);
        let help = "if it is meant, say so on the step: allow = [{ code = \"data-deleted\", reason = \"…\" }]";
        found.push(Diagnostic::error(RULE.code, place, format!("this deletes {what}: {way_back}")).help(help));
    }
    found
}

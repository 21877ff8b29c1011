//! A change of settings that restarts a database says so.
//!
//! PostgreSQL reads some of its settings at start only; Cloud SQL restarts the instance to change them, and every
//! connection breaks (source: the `postmaster` context in
//! <https://www.postgresql.org/docs/current/runtime-config-connection.html>). Whether Google restarts for a given flag is
//! told by its `flags.list`; the plan asks it.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, SqlPatch};
use crate::check::diagnostic::Diagnostic;
use crate::resource::sql::AT_START;
use crate::syntax::Path;
use crate::syntax::spelling::list;

pub(super) const RULE: Rule = Rule {
    code: "restart-unsaid",
    title: "a change that restarts a database asks the operator first (warning)",
    page: include_str!("../../../docs/checks/restart-unsaid.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, draft) in subject.draft.steps() {
        let flags = draft.iterations.iter().find_map(|iteration| match iteration.action.read() {
            Some(Action::SqlPatch(SqlPatch { flags, .. })) => Some(flags),
            _ => None,
        });
        let restarting: Vec<&str> = flags
            .into_iter()
            .flat_map(|flags| flags.keys())
            .map(String::as_str)
            .filter(|flag| AT_START.contains(flag))
            .collect();
        if restarting.is_empty() || draft.confirm.is_some() {
            continue;
        }
        let message = format!(
            "changing {} restarts a PostgreSQL database: every connection breaks; of another database it may be dynamic",
            list(restarting.iter().copied(), "and")
        );
        let place = subject.place(&flag_place(&step, &restarting));
        let help = "add `confirm` to the step, with what the operator should know before saying yes";
        found.push(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    found
}

fn flag_place(step: &Path, flags: &[&str]) -> Path {
    let place = argument(step, "flags");
    flags.first().map_or(place.clone(), |flag| place.key(flag))
}

//! A change of settings that restarts a database says so.
//!
//! PostgreSQL and MySQL read some of their settings at start only; Cloud SQL restarts the instance to change them, and every
//! connection breaks. Which flags those are depends on the engine, which a runbook does not name: a flag of which the engines
//! differ is reported with what each does. Whether Google restarts for a given flag is told by its `flags.list`; the plan asks
//! it.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, SqlPatch};
use crate::check::diagnostic::Diagnostic;
use crate::resource::sql_flag::Engine;
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
            .filter(|flag| Engine::reading_at_start(flag).next().is_some())
            .collect();
        if restarting.is_empty() || draft.confirm.is_some() {
            continue;
        }
        let also_dynamic = restarting.iter().any(|flag| Engine::taking_at_any_time(flag).next().is_some());
        let each: Vec<String> = restarting.iter().map(|flag| behaviour(flag)).collect();
        let verb = if also_dynamic { "may restart" } else { "restarts" };
        let message = format!(
            "changing {} {verb} the database, and a restart breaks every connection: {}",
            list(restarting.iter().copied(), "and"),
            each.join("; ")
        );
        let place = subject.place(&flag_place(&step, &restarting));
        let answer = if also_dynamic {
            "; of an engine that takes it while it runs, answer with `allow` and a reason"
        } else {
            ""
        };
        let help = format!("add `confirm` to the step, with what the operator should know before saying yes{answer}");
        found.push(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    found
}

/// Which engines read a flag at their start only, and which take it while they run.
fn behaviour(flag: &str) -> String {
    let names = |engines: &mut dyn Iterator<Item = Engine>| engines.map(Engine::name).collect::<Vec<_>>();
    let at_start = names(&mut Engine::reading_at_start(flag)).join(" and ");
    let running = names(&mut Engine::taking_at_any_time(flag)).join(" and ");
    let running = if running.is_empty() { String::new() } else { format!(", {running} takes it while it runs") };
    format!("{at_start} reads {flag} at start only{running}")
}

fn flag_place(step: &Path, flags: &[&str]) -> Path {
    let place = argument(step, "flags");
    flags.first().map_or(place.clone(), |flag| place.key(flag))
}

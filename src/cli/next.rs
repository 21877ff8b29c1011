//! What is said when a process is done with a run: what is healthy again, what is left to do by when, and the commands that
//! come next.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::cloud::Realm;
use super::exit::Exit;
use crate::clock::{format_duration, later};
use crate::engine::Run;
use crate::gate::{Health, Observation};
use crate::inert::inert;
use crate::plan::Plan;
use crate::report::applied_now;
use crate::run::{Ending, GateOutcome, TaskStatus, View};

/// The probes that were unhealthy before the first change, and whether a gate that passed has shown them to be healthy since.
/// Nothing if none was unhealthy.
pub(super) fn recovered(baseline: &BTreeMap<String, Observation>, view: &View) -> String {
    let was_unhealthy =
        |name: &&String| baseline.get(*name).is_some_and(|seen| matches!(seen.health, Health::Unhealthy { .. }));
    let passed = view
        .tasks
        .iter()
        .filter(|task| matches!(task.status, TaskStatus::Done { proof: Some(GateOutcome::Passed { .. }) }));
    let shown: Vec<&String> =
        passed.filter_map(|task| task.task.gate.as_ref()).flat_map(|gate| &gate.healthy).collect();
    let (healthy, others): (Vec<&String>, Vec<&String>) =
        baseline.keys().filter(was_unhealthy).partition(|name| shown.contains(name));
    let list = |names: &[&String]| names.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
    let mut text = String::new();
    if !healthy.is_empty() {
        let _ = writeln!(
            text,
            "\nrecovered: {} (unhealthy before the first change, and passed a gate since)",
            list(&healthy)
        );
    }
    if !others.is_empty() {
        let _ = writeln!(text, "\nunhealthy before the first change, and in no gate since: {}", list(&others));
    }
    text
}

/// What the run leaves behind, and until when it is to be done, the most urgent first. Nothing if it leaves nothing.
pub(super) fn follow_ups(plan: &Plan, view: &View) -> String {
    let mut left = plan.debts_of(|id| view.task(id).is_some_and(|task| task.change_status().may_be_applied()));
    if left.is_empty() {
        return String::new();
    }
    left.sort_by_key(|one| one.within);
    left.iter().fold("\nfollow-ups\n".to_owned(), |mut text, one| {
        let due = later(view.now, one.within).strftime("%Y-%m-%d %H:%M UTC").to_string();
        let (name, what) = (inert(&one.resource.name), inert(&one.what));
        let within = format_duration(one.within);
        let _ = writeln!(text, "  {name}: {what}\n      due {due} (within {within}), {}", one.by());
        text
    })
}

/// Commands and what each does: aligned, or, where that is wider than the terminal, below each other.
fn commands(commands: &[(String, &str)], columns: Option<usize>) -> String {
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    let longest = commands.iter().map(|(_, what)| what.len()).max().unwrap_or_default();
    let fits = columns.is_none_or(|columns| width + longest + 5 <= columns);
    commands.iter().fold("\n".to_owned(), |mut text, (command, what)| {
        let _ = if fits {
            writeln!(text, "  {command:width$}   {what}")
        } else {
            writeln!(text, "  {command}\n      {what}")
        };
        text
    })
}

/// What can be done with a run that ended so; to undo it comes last.
pub(super) fn next(exit: Exit, id: &str, run: &Run, realm: Realm, columns: Option<usize>) -> String {
    let undo = run.undo().iter().filter(|(task, _)| task.back_for.is_none()).count();
    let mut all: Vec<(String, &str)> = Vec::new();
    match exit {
        Exit::Stuck if matches!(run.ending(), Some(Ending::Stuck { .. })) => {
            all.push((format!("rectify rollback {id}"), "tries again what could not be undone"));
        }
        Exit::Failed | Exit::Declined | Exit::Refused if run.is_over() => {
            all.push(("rectify run FILE".to_owned(), "plans anew from what is there now"));
        }
        Exit::Refused => {
            all.push(("rectify run FILE".to_owned(), "plans anew from what is there now"));
            all.push((format!("rectify resume {id}"), "goes on once it is again as the plan saw it"));
        }
        Exit::Failed if matches!(run.ending(), Some(Ending::Stopped { .. })) => {
            all.push((format!("rectify resume {id}"), "tries again and goes on from here"));
        }
        Exit::Declined => all.push((format!("rectify resume {id}"), "asks again and goes on from here")),
        _ => {}
    }
    if matches!(run.ending(), Some(Ending::Done { .. })) {
        all.push((format!("rectify report {id} --format html --out report.html"), "the record, for the postmortem"));
        let sim = if realm == Realm::Rehearsal { " --sim" } else { "" };
        all.push((format!("rectify debts{sim}"), "which follow-ups are open, and which are overdue"));
    }
    all.push((format!("rectify show {id}"), "prints this run's log"));
    let undone =
        format!("rolls back {undo} {}; lists them and asks first", if undo == 1 { "change" } else { "changes" });
    if undo > 0 && !matches!(run.ending(), Some(Ending::Stuck { .. })) {
        all.push((format!("rectify rollback {id}"), &undone));
    }
    commands(&all, columns)
}

/// What is so of a run that was stopped, and what can be done with it.
pub(super) fn parked(id: &str, run: &Run, view: &View, columns: Option<usize>) -> String {
    let mut text = "\nPaused where it was; its progress is saved.\n".to_owned();
    for line in applied_now(view) {
        let _ = writeln!(text, "{line}");
    }
    let mut all = vec![(format!("rectify resume {id}"), "continues from here")];
    if run.has_to_undo() {
        all.push((format!("rectify rollback {id}"), "undoes what was applied; it lists that and asks first"));
    }
    text + &commands(&all, columns)
}

//! `rectify rollback`: undo what a run applied.

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;

use super::console::Console;
use super::environment::EnvFlags;
use super::exit::{CliError, Exit};
use super::session::{Kept, Taken, operator};
use super::{Approvals, Which};
use crate::engine::Run;
use crate::inert::inert;
use crate::journal::State;
use crate::plan::{Plan, lines, resource};
use crate::report::failure;
use crate::run::{Ending, Entry, Event};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    environment: EnvFlags,

    /// Undo only what came after this step
    #[arg(long, value_name = "STEP")]
    to: Option<String>,

    /// Undo what is listed without asking, also what restores a state in which a service was unhealthy
    #[arg(long)]
    yes: bool,

    /// Undo this step although that restores a state in which the service was unhealthy; may be given several times
    #[arg(long, value_name = "STEP")]
    acknowledge: Vec<String>,

    /// Observe what would be undone, say whether that would go through, and stop
    #[arg(long)]
    dry_run: bool,

    /// Say only what is asked, what went wrong, and how it ended
    #[arg(long, short)]
    quiet: bool,
}

pub(super) async fn rollback(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    if arguments.dry_run {
        return Box::pin(dry_run(arguments, state, console)).await;
    }
    let taken = Taken::find(state, arguments.which.meant(), console)?;
    let id = taken.id();
    // Asked for in a copy, so that what is shown is what would be done.
    let (run, asked) = turned(arguments, &taken.run, taken.plan(), (&id, taken.newest()))?;
    let run = &run;
    let console = console.quietly(arguments.quiet);
    if !(arguments.quiet && arguments.yes) {
        console.say(&preview(&id, run));
    }
    // Where nothing is to be undone nobody is asked; but the request is written down and driven to an ending.
    if run.has_to_undo() && !arguments.yes {
        if !console.interactive {
            return Err(CliError::new(
                Exit::Refused,
                "this is not a terminal, so nobody can be asked; nothing was undone",
            )
            .help("approve the rollback with --yes"));
        }
        let asked = console.confirm("Undo this?").await;
        let asked = asked.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        if asked.answer() != Some(true) {
            console.out("Nothing was undone.\n");
            return Ok(Exit::Declined);
        }
    }
    // Who approved by --yes says it to what is listed above, with what that restores.
    let listed = run.restoring().into_iter().flat_map(|(_, steps)| steps).map(str::to_owned);
    let acknowledge = arguments.acknowledge.iter().cloned().chain(listed.filter(|_| arguments.yes)).collect();
    let approvals = Approvals { yes: true, acknowledge, quiet: arguments.quiet };
    Box::pin(taken.work(state, &approvals, &arguments.environment, console, asked)).await
}

/// Says what a rollback would do, and observes whether it could. It takes nothing up and writes nothing.
async fn dry_run(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let id = kept.directory.id();
    let read = kept.read()?;
    let (run, view) = kept.fold(&read.entries)?;
    let newest = read.entries.last().map(|entry| entry.at).unwrap_or_default();
    let (run, _) = turned(arguments, &run, &kept.plan, (&id, newest))?;
    console.say(&preview(&id, &run));
    super::rollback_preview::observe(&kept, &read.entries, (&run, &view), console).await
}

/// A copy of the run in which the rollback was asked for, and the request.
fn turned(
    arguments: &Arguments,
    run: &Run,
    plan: &Plan,
    (id, newest): (&str, Timestamp),
) -> Result<(Run, Event), CliError> {
    if let Some(step) = &arguments.to
        && !plan.tasks.iter().any(|task| task.id.goes_by(step))
    {
        return Err(CliError::new(Exit::Usage, format!("run {id} has no step {step}")));
    }
    let mut run = run.clone();
    let asked = Event::RollbackRequested { operator: operator(), to: arguments.to.clone() };
    let undone = matches!(run.ending(), Some(Ending::RolledBack { .. }));
    if run.apply(&Entry { at: newest, event: asked.clone() }).is_err() && undone {
        return Err(CliError::new(Exit::Usage, format!("run {id} is rolled back already")));
    }
    Ok((run, asked))
}

/// What a rollback of this run does: the run is one that has turned back, so what is shown is what would be done.
pub(super) fn preview(id: &str, run: &Run) -> String {
    let mut out = format!("A rollback of run {id} does this:\n");
    for op in run.in_flight() {
        let _ = writeln!(out, "\n  {op} is in flight: its outcome is awaited first");
    }
    for (task, change) in run.undo() {
        let _ = writeln!(out, "\n  undo {}   {}", inert(task.id.as_str()), resource(&change));
        for line in lines(&change) {
            let _ = writeln!(out, "      {line}");
        }
    }
    for (task, why) in run.unclear_changes() {
        let _ = writeln!(out, "\n  {} is observed first: what of it is applied is not known", inert(task.id.as_str()));
        for line in failure(why) {
            let _ = writeln!(out, "      {line}");
        }
    }
    for (before, steps) in run.restoring() {
        let steps = steps.iter().map(|step| inert(step)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "\n  ! undoing {steps} restores an unhealthy state; before this run it was:");
        for (probe, why) in before {
            let _ = writeln!(out, "      {}: {}", inert(probe), inert(why));
        }
        out.push_str(
            "    if it is healthy when its turn comes, that is asked about; --yes and --acknowledge STEP approve it\n",
        );
    }
    for kept in run.kept() {
        let _ = writeln!(out, "\n  {} stays: it cannot be undone", inert(kept.as_str()));
    }
    if !run.has_to_undo() {
        out.push_str("\nThere is nothing to undo.\n");
    }
    for (task, change) in run.finally() {
        let _ = writeln!(out, "\n  then, at the end: {}   {}", inert(task.id.as_str()), resource(change));
        for line in lines(change) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out.push('\n');
    out
}

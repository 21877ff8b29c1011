//! `rectify rollback`: undo what a run applied.

use std::fmt::Write as _;

use clap::Args;

use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Taken, operator};
use super::{Approvals, Which};
use crate::engine::Run;
use crate::inert::inert;
use crate::journal::State;
use crate::plan::{lines, resource};
use crate::run::{Ending, Entry, Event};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Undo only what came after this step
    #[arg(long, value_name = "STEP")]
    to: Option<String>,

    /// Undo without asking
    #[arg(long)]
    yes: bool,

    /// Show what would be undone and stop
    #[arg(long)]
    dry_run: bool,

    /// Say only what is asked, what went wrong, and how it ended
    #[arg(long, short)]
    quiet: bool,
}

pub(super) async fn rollback(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let taken = Taken::find(state, arguments.which.run.as_deref(), console)?;
    let id = taken.id();
    if let Some(step) = &arguments.to
        && !taken.plan().tasks.iter().any(|task| task.id.goes_by(step))
    {
        return Err(Trouble::new(Exit::Usage, format!("run {id} has no step {step}")));
    }
    // Asked for in a copy, so that what is shown is what would be done.
    let mut run = taken.run.clone();
    let asked = Event::RollbackAsked { operator: operator(), to: arguments.to.clone() };
    let undone = matches!(run.ending(), Some(Ending::RolledBack { .. }));
    let asked_at = Entry { at: taken.newest(), event: asked.clone() };
    if run.apply(&asked_at).is_err() && undone {
        return Err(Trouble::new(Exit::Usage, format!("run {id} is rolled back already")));
    }
    let run = &run;
    let console = console.quietly(arguments.quiet);
    if !(arguments.quiet && arguments.yes) {
        console.out(&preview(&id, run));
    }
    if arguments.dry_run || run.undo().is_empty() && run.in_flight().is_empty() {
        return Ok(Exit::Done);
    }
    if !arguments.yes {
        if !console.interactive {
            return Err(Trouble::new(
                Exit::Refused,
                "this is not a terminal, so nobody can be asked; nothing was undone",
            )
            .help("approve the rollback with --yes"));
        }
        let answer = console.confirm("Undo this?").map_err(|why| Trouble::new(Exit::Failed, why))?;
        if answer != Some(true) {
            console.out("Nothing was undone.\n");
            return Ok(Exit::Declined);
        }
    }
    let approvals = Approvals { yes: true, acknowledge: Vec::new(), quiet: arguments.quiet };
    taken.work(state, &approvals, console, asked).await
}

fn preview(id: &str, run: &Run) -> String {
    let mut out = format!("Rolling back run {id}\n");
    for op in run.in_flight() {
        let _ = writeln!(out, "\n  {op} is in flight: its outcome is awaited first");
    }
    for (task, change) in run.undo() {
        let _ = writeln!(out, "\n  undo {}   {}", inert(task.id.as_str()), resource(&change));
        for line in lines(&change) {
            let _ = writeln!(out, "      {line}");
        }
    }
    for kept in run.kept() {
        let _ = writeln!(out, "\n  {} stays: it cannot be undone", inert(kept.as_str()));
    }
    if run.undo().is_empty() && run.in_flight().is_empty() {
        out.push_str("\nThere is nothing to undo.\n");
    }
    out.push('\n');
    out
}

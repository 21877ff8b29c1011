//! `rectify verify`: is a run's record as it was written?

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, torn};
use crate::journal::State;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub(super) fn verify(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let id = kept.directory.id();
    let advice = "do not resume it from this record; look at the cloud itself";
    let read = kept.directory.read();
    let read = read.map_err(|error| Trouble::from_error(Exit::Failed, &error).help(advice))?;
    kept.fold(&read.entries)?;
    torn(&read, console);
    let count = read.entries.len();
    console
        .out(&format!("run {id}: {count} entries, plan and runbook are as they were written\ndigest {}\n", read.hash));
    Ok(Exit::Done)
}

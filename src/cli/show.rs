//! `rectify show`: a run, told again from its journal.

use std::io;

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, torn};
use crate::journal::State;
use crate::report::{Plain, Reporter as _};
use crate::run::View;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub(super) fn show(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let read = kept.directory.read().map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
    let mut view = View::new(&kept.plan.work());
    let mut reporter = Plain::new(io::stdout(), console.colour);
    for entry in &read.entries {
        view.apply(entry);
        reporter.entry(&view, entry);
    }
    if kept.directory.is_held() {
        console.out("\nThe run is being worked right now.\n");
    } else {
        torn(&read, console);
    }
    Ok(Exit::Done)
}

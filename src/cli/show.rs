//! `rectify show`: a run, told again from its journal; with `--watch`, while somebody else works it.

use std::time::Duration;

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::{Kept, torn};
use crate::driver::Signals;
use crate::journal::State;
use crate::report::{Plain, Reporter as _};
use crate::run::View;

/// How often a journal is looked at for new entries.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Follow the run until it ends or nobody works it any more; Ctrl-C ends the following, never the run
    #[arg(long)]
    watch: bool,
}

pub(super) async fn show(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let mut signals = Signals::listen().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let mut view = View::new(&kept.plan.work());
    let mut reporter = Plain::new(console.sheet());
    let mut told = 0;
    loop {
        // Asked before the journal is read: what was written until it was let go of is told.
        let held = kept.directory.is_held();
        let read = kept.read()?;
        for entry in read.entries.iter().skip(told) {
            view.apply(entry);
            reporter.entry(&view, entry);
        }
        told = read.entries.len();
        if !arguments.watch || !held {
            if held {
                console.out("\nThe run is being worked right now.\n");
            } else {
                torn(&read, console);
                if arguments.watch && view.ending.is_none() {
                    console.out("\nNobody works the run any more.\n");
                }
            }
            return Ok(Exit::Done);
        }
        if pause(&mut signals).await {
            return Ok(Exit::Done);
        }
    }
}

/// Waits a moment; whether somebody wants to leave.
#[expect(clippy::disallowed_methods, reason = "a reader of files lives in real time")]
async fn pause(signals: &mut Signals) -> bool {
    tokio::select! {
        () = tokio::time::sleep(EVERY) => false,
        _ = signals.next() => true,
    }
}

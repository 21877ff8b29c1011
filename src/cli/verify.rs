//! `rectify verify`: is a run's record as it was written?

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::{Kept, torn};
use crate::journal::{Read, State};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub(super) fn verify(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let id = kept.directory.id();
    let read = kept.read()?;
    kept.fold(&read.entries)?;
    torn(&read, console);
    console.out(&format!(
        "run {id}: {} entries, plan and runbook are as they were written\n{}\ndigest {}\n\
         A record whose journal and journal.end were both made anew looks whole here. Keep the digest elsewhere to notice that.\n",
        read.entries.len(),
        end(&read),
        read.hash
    ));
    Ok(Exit::Done)
}

/// Up to where missing lines would be noticed.
fn end(read: &Read) -> String {
    let count = read.entries.len() as u64;
    match read.anchored {
        Some(anchored) if anchored == count => {
            format!("none is missing: the journal was noted to end with entry {count}")
        }
        Some(anchored) => format!(
            "none of the first {anchored} is missing; the {} after them were written last and not covered yet, so if more followed \
             them, that is not seen here; no change at Google rests on them",
            count - anchored
        ),
        None => {
            "this version of the journal did not note where it ends: missing last entries are not seen here".to_owned()
        }
    }
}

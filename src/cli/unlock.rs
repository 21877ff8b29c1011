//! `rectify unlock`: take from a run that is gone for good what it still holds.

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, holder};
use crate::journal::{Locks as _, State};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
}

pub(super) fn unlock(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let id = kept.directory.id();
    if kept.directory.is_held() {
        let holder = kept.directory.read().ok().and_then(|read| holder(&read.entries));
        let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
        return Err(Trouble::new(Exit::Refused, format!("run {id} is being worked right now{by}")));
    }
    let released = state.release(&id).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
    console.out(&match released {
        0 => format!("run {id} holds nothing\n"),
        1 => format!("run {id} held 1 resource, and holds it no more; what it changed is as it left it\n"),
        count => format!("run {id} held {count} resources, and holds them no more; what it changed is as it left it\n"),
    });
    Ok(Exit::Done)
}

//! `rectify resume`: go on with a run.

use clap::Args;

use super::check::runbook;
use super::cloud::Connection;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, RUNBOOK, Session, operator};
use super::{Approvals, Which};
use crate::check::Checked;
use crate::journal::{Read, State};
use crate::run::{Ending, Event};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    approvals: Approvals,
}

pub(super) async fn resume(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let (journal, read) = kept.reopen()?;
    let (run, view) = kept.fold(&read.entries)?;
    let id = kept.directory.id();
    if let Some(ending @ (Ending::Done { .. } | Ending::RolledBack { .. })) = run.ending() {
        let how = if matches!(ending, Ending::Done { .. }) { "done" } else { "rolled back" };
        return Err(Trouble::new(Exit::Usage, format!("run {id} is {how}; there is nothing to go on with"))
            .help(format!("`rectify show {id}` tells it again")));
    }
    torn(&read, console);
    let (checked, connection) = reconnect(&kept, &read, console).await?;
    let session = Session {
        checked: &checked,
        connection,
        directory: &kept.directory,
        journal,
        run,
        view,
        approvals: &arguments.approvals,
        console,
    };
    session.work(Event::Resumed { operator: operator() }).await
}

/// The runbook of a run, exactly as it was used, and the cloud it works on.
pub(super) async fn reconnect(kept: &Kept, read: &Read, console: Console) -> Result<(Checked, Connection), Trouble> {
    let text = kept.directory.kept(RUNBOOK).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
    let name = kept.directory.file(RUNBOOK).display().to_string();
    let checked = runbook(&name, &text, kept.plan.inputs.clone(), console)?;
    let newest = read.entries.last().map(|entry| entry.at).unwrap_or_default();
    Ok((checked, Connection::reopen(&kept.directory, newest).await?))
}

/// Says that the last line of the journal does not count.
pub(super) fn torn(read: &Read, console: Console) {
    if let Some(torn) = read.torn {
        console.err(&format!(
            "The last line of the journal was never finished ({} bytes); it does not count, and nothing relied on it.\n",
            torn.bytes
        ));
    }
}

//! `rectify runs`: every run, oldest first.

use super::console::Console;
use super::exit::Exit;
use crate::inert::inert;
use crate::journal::{Directory, State};
use crate::run::{Ending, Event};

pub(super) fn runs(state: &State, console: Console) -> Exit {
    let runs = state.list();
    if runs.is_empty() {
        console.out("There are no runs yet.\n");
    }
    for run in runs {
        console.out(&format!("{}\n", line(&run)));
    }
    Exit::Done
}

fn line(run: &Directory) -> String {
    let read = match run.read() {
        Ok(read) => read,
        Err(error) => return format!("{}  cannot be read: {error}", run.id()),
    };
    let (runbook, began) = read
        .entries
        .iter()
        .find_map(|entry| match &entry.event {
            Event::Started { runbook, .. } => Some((inert(runbook), entry.at.strftime("%Y-%m-%d %H:%M").to_string())),
            _ => None,
        })
        .unwrap_or_default();
    let standing = match read.entries.last().map(|entry| &entry.event) {
        Some(Event::Ended { ending }) => word(ending),
        _ if run.is_held() => "running",
        Some(Event::StopAsked { .. }) => "stopped, can be resumed",
        _ => "interrupted, can be resumed",
    };
    format!("{}  {began}  {runbook}  {standing}", run.id())
}

fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done { failed, .. } if failed.is_empty() => "done",
        Ending::Done { .. } => "finished, with failures passed over",
        Ending::RolledBack { .. } => "rolled back",
        Ending::Stopped { .. } => "stopped after a failure",
        Ending::Declined { .. } => "declined",
        Ending::Stuck { .. } => "stuck: a person must act",
    }
}

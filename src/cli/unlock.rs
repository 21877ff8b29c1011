//! `rectify unlock`: take locks from a run that is gone for good. It works from the locks alone, whatever became of the run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::Args;

use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::{begins_with, holder, newest};
use crate::clock::second;
use crate::inert::{inert, shell_word};
use crate::journal::{Lock, LockError, Locks as _, State};
use crate::run::ResourceId;

#[derive(Args)]
pub(super) struct Arguments {
    /// The beginning of a run's id; or a resource, or a lock's file, as a refused run names them [default: the newest run
    /// on Google Cloud]
    #[arg(value_name = "RUN|RESOURCE|FILE")]
    what: Option<String>,
}

pub(super) fn unlock(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let locks = state.locks().map_err(|error| failed(&error))?;
    let Some(what) = &arguments.what else {
        let directory = newest(state, console).map_err(|trouble| match &locks[..] {
            [] => trouble,
            locks => trouble.help(listed(locks)),
        })?;
        return unlock_run(&directory.id(), &locks, state, console);
    };
    if let Some(lock) = locks.iter().find(|lock| is_file(lock, what)) {
        return unlock_one(lock, state, console);
    }
    if let Ok(resource) = what.parse::<ResourceId>() {
        let is_it =
            |lock: &&Lock| lock.holder.as_ref().is_ok_and(|holder| holder.resource.subject() == resource.subject());
        return match locks.iter().filter(is_it).collect::<Vec<_>>()[..] {
            [lock] => unlock_one(lock, state, console),
            [] => Err(none(&locks, format!("no run holds {resource}"))),
            _ => Err(CliError::new(Exit::Usage, format!("{resource} is held in several clouds")).help(listed(&locks))),
        };
    }
    if what.contains('/') {
        return Err(none(&locks, format!("{what} is no lock")));
    }
    // A run of which only its locks are left counts as well.
    let holders = locks.iter().filter_map(|lock| Some(lock.holder.as_ref().ok()?.run.clone()));
    let holders: BTreeSet<String> = holders.filter(|run| run.starts_with(what.as_str())).collect();
    let ids: BTreeSet<String> = match begins_with(state, what) {
        Ok(directory) => holders.into_iter().chain([directory.id()]).collect(),
        Err(trouble) if holders.is_empty() => return Err(trouble),
        Err(_) => holders,
    };
    match &ids.iter().collect::<Vec<_>>()[..] {
        [id] => unlock_run(id, &locks, state, console),
        several => Err(CliError::new(Exit::Usage, "ambiguous run id: several begin like this")
            .help(format!("which of {}?", several.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")))),
    }
}

/// Takes everything from a run.
fn unlock_run(id: &str, locks: &[Lock], state: &State, console: Console) -> Result<Exit, CliError> {
    must_not_be_worked(id, state)?;
    let released = state.release(id).map_err(|error| failed(&error))?;
    console.out(&match released {
        0 => format!("run {id} holds nothing\n"),
        1 => format!("run {id} held 1 resource, and holds it no more; what it changed is as it left it\n"),
        count => format!("run {id} held {count} resources, and holds them no more; what it changed is as it left it\n"),
    });
    let unreadable = locks.iter().filter(|lock| lock.holder.is_err());
    for lock in unreadable {
        console.err(&format!(
            "The lock {} cannot be read, so it is not known whose it is: `rectify unlock {}` takes it away.\n",
            inert(&lock.path.display().to_string()),
            shell_word(&lock.path.display().to_string())
        ));
    }
    Ok(Exit::Done)
}

/// Takes one lock away.
fn unlock_one(lock: &Lock, state: &State, console: Console) -> Result<Exit, CliError> {
    if let Ok(holder) = &lock.holder {
        must_not_be_worked(&holder.run, state)?;
    }
    state.remove(lock).map_err(|error| failed(&error))?;
    console.out(&match &lock.holder {
        Ok(holder) => format!(
            "run {} held {}, and holds it no more; what it changed is as it left it\n",
            holder.run, holder.resource
        ),
        Err(_) => format!("the lock {}, which could not be read, is gone\n", lock.path.display()),
    });
    Ok(Exit::Done)
}

fn must_not_be_worked(id: &str, state: &State) -> Result<(), CliError> {
    let Some(directory) = state.run(id).filter(crate::journal::Directory::is_held) else { return Ok(()) };
    let holder = directory.read().ok().and_then(|read| holder(&read.entries));
    let by = holder.map(|holder| format!(" by {holder}")).unwrap_or_default();
    Err(CliError::new(Exit::Refused, format!("run {id} is being worked right now{by}"))
        .help("stop it first, or let it end"))
}

/// Whether this is the lock's file, by its path or by its name.
fn is_file(lock: &Lock, what: &str) -> bool {
    let path = Path::new(what);
    let same = || Some(path.canonicalize().ok()? == lock.path.canonicalize().ok()?);
    lock.path.file_name() == Some(path.as_os_str()) || same().unwrap_or(false)
}

fn none(locks: &[Lock], message: String) -> CliError {
    let trouble = CliError::new(Exit::Usage, message);
    if locks.is_empty() { trouble.help("nothing is held") } else { trouble.help(listed(locks)) }
}

/// Every lock, with what takes it away.
fn listed(locks: &[Lock]) -> String {
    locks.iter().fold("these are held:".to_owned(), |mut out, lock| {
        let _ = match &lock.holder {
            Ok(holder) => write!(
                out,
                "\n{} ({}) by run {} since {}: `rectify unlock {}`",
                inert(&holder.resource.to_string()),
                inert(&holder.cloud),
                inert(&holder.run),
                second(holder.since),
                shell_word(&lock.path.display().to_string())
            ),
            Err(_) => {
                let path = shell_word(&lock.path.display().to_string());
                write!(out, "\na lock that cannot be read: `rectify unlock {path}`")
            }
        };
        out
    })
}

fn failed(error: &LockError) -> CliError {
    CliError::from_error(Exit::Failed, error)
}

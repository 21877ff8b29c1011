//! How a run begins: its directory first, its first entry next, its locks last.
//!
//! The order is what makes a death at any moment harmless. A lock is never taken by a run that has no journal, so whatever
//! is left behind can be resumed, rolled back or unlocked by the run's id; and a run that was refused, or that met an error
//! on its way, leaves nothing behind.

use std::io;

use super::directory::{Directory, Journal, OpenError, State};
use super::lock::{Claim, LockError, Locks as _};
use crate::run::{Entry, RunId};

/// What a run begins with.
#[derive(Debug)]
pub struct Start<'a> {
    /// Its id.
    pub id: &'a RunId,
    /// The files beside its journal, by name.
    pub files: &'a [(&'a str, &'a [u8])],
    /// The first entry of its journal.
    pub started: &'a Entry,
    /// What it must hold; `None` if nobody else can be on its cloud.
    pub claim: Option<&'a Claim>,
}

/// Why a run did not begin. Nothing of it is left, unless even that could not be undone.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its record cannot be kept.
    #[error(transparent)]
    Record(#[from] OpenError),
    /// It may not work on its resources.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl State {
    /// Begins a run. `keep_more` writes what else belongs beside its journal.
    ///
    /// # Errors
    /// Then the run has not begun: its locks are given back and its directory is removed.
    pub fn start(
        &self,
        start: &Start<'_>,
        keep_more: impl FnOnce(&Directory) -> io::Result<()>,
    ) -> Result<(Directory, Journal), StartError> {
        let directory = self.create(start.id)?;
        match self.begin(&directory, start, keep_more) {
            Ok(journal) => Ok((directory, journal)),
            Err(error) => {
                // The first error is the one to tell. What could not be taken back, `unlock` can.
                let _ = self.release(start.id.as_str());
                let _ = directory.discard();
                Err(error)
            }
        }
    }

    fn begin(
        &self,
        directory: &Directory,
        start: &Start<'_>,
        keep_more: impl FnOnce(&Directory) -> io::Result<()>,
    ) -> Result<Journal, StartError> {
        for (name, bytes) in start.files {
            directory.keep(name, bytes)?;
        }
        keep_more(directory).map_err(|source| OpenError::Io { path: directory.path().to_owned(), source })?;
        let mut journal = directory.begin()?;
        journal.append(start.started)?;
        if let Some(claim) = start.claim {
            // What a run that begins holds, it holds until its end.
            let _held = self.hold(claim)?;
        }
        Ok(journal)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::journal::disk::fault::{Fault, inject};
    use crate::run::{Event, Operator, ResourceId};

    fn operator() -> Operator {
        Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
    }

    fn claim(run: &RunId) -> Claim {
        let id = |text: &str| text.parse::<ResourceId>().unwrap();
        Claim {
            cloud: "google".to_owned(),
            run: run.to_string(),
            operator: operator(),
            since: Timestamp::UNIX_EPOCH,
            resources: vec![id("gcp.run.traffic/p/r/a"), id("gcp.connector/p/r/b"), id("gcp.run.traffic/p/r/c")],
        }
    }

    fn start(state: &State, run: u64) -> Result<(Directory, Journal), StartError> {
        let id = RunId::from_bits(run);
        let event = Event::Started {
            run: id.clone(),
            runbook: "test".to_owned(),
            cloud: "Google Cloud".to_owned(),
            rectify: "0".to_owned(),
            machine: 0,
            plan: String::new(),
            text: String::new(),
            place: Some(String::new()),
            wall_clock: Some(Timestamp::UNIX_EPOCH),
            operator: operator(),
        };
        let started = Entry { at: Timestamp::UNIX_EPOCH, event };
        let files: [(&str, &[u8]); 2] = [("plan.json", b"{}"), ("runbook.toml", b"")];
        state.start(&Start { id: &id, files: &files, started: &started, claim: Some(&claim(&id)) }, |_| Ok(()))
    }

    /// Whether another process could go on with the run now, as `resume` does.
    fn can_go_on(state: &State, run: u64) -> bool {
        let id = RunId::from_bits(run);
        let Some(directory) = state.list().into_iter().find(|directory| directory.id() == id.as_str()) else {
            return false;
        };
        let (_journal, read) = directory.reopen().unwrap();
        !read.entries.is_empty() && state.hold(&claim(&id)).is_ok()
    }

    #[test]
    fn an_error_at_any_step_leaves_nothing_of_the_run() {
        for at in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let state = State::at(folder.path());
            let (begun, was_reached) = inject(at, Fault::Fails, || start(&state, 1).map(drop));
            if !was_reached {
                assert!(at > 30, "only {at} steps");
                return;
            }
            if begun.is_ok() {
                // What failed was tidying up after itself.
                assert!(matches!(start(&state, 2), Err(StartError::Lock(LockError::Held(_)))), "step {at}");
                continue;
            }
            assert!(state.list().is_empty(), "step {at}");
            assert!(state.locks().unwrap().is_empty(), "step {at}: {:?}", state.locks());
            start(&state, 2).map_or_else(|error| panic!("step {at}: {error}"), drop);
        }
    }

    #[test]
    fn a_death_at_any_step_leaves_nothing_that_cannot_be_released_and_two_runs_never_both_go_on() {
        for at in 0.. {
            // Whoever comes first, the other one is refused.
            for comes_first in [1, 2] {
                let folder = tempfile::tempdir().unwrap();
                let state = State::at(folder.path());
                let (_, was_reached) = inject(at, Fault::Dies, || start(&state, 1).map(drop));
                let locks = state.locks().unwrap();
                for lock in &locks {
                    let holder = lock.holder.as_ref().unwrap();
                    assert_eq!(holder.run, RunId::from_bits(1).as_str(), "step {at}");
                    assert!(state.list().iter().any(|run| run.id() == holder.run), "step {at}: a lock without a run");
                }
                if comes_first == 1 {
                    let goes_on = can_go_on(&state, 1);
                    assert_eq!(goes_on, !state.list().is_empty(), "step {at}");
                    assert_eq!(start(&state, 2).is_err(), goes_on, "step {at}: both go on");
                } else {
                    let begins = start(&state, 2).is_ok();
                    assert_eq!(begins, locks.is_empty(), "step {at}: {locks:?}");
                    assert!(!(begins && can_go_on(&state, 1)), "step {at}: both go on");
                }
                state.release(RunId::from_bits(1).as_str()).unwrap();
                state.release(RunId::from_bits(2).as_str()).unwrap();
                assert!(state.locks().unwrap().is_empty(), "step {at}");
                start(&state, 3).map_or_else(|error| panic!("step {at}: {error}"), drop);
                if !was_reached && comes_first == 2 {
                    return;
                }
            }
        }
    }

    #[test]
    fn a_run_that_is_refused_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path());
        let first = start(&state, 1).unwrap();
        assert!(matches!(start(&state, 2), Err(StartError::Lock(LockError::Held(_)))));
        assert_eq!(state.list().len(), 1);
        assert_eq!(state.locks().unwrap().len(), 3);
        drop(first);
    }
}

//! How a process leaves a run.

use super::drive::DriveOutcome;
use super::durable::DriverError;
use super::local::Local;
use crate::journal::{LockError, Locks, OpenError};

/// What came of leaving a run. None of it changes how the run ended.
#[derive(Debug)]
#[must_use = "what could not be done is to be told"]
pub struct Departure {
    /// Why those who were told of the run could not be told what has come of it, for each of them.
    pub untold: Vec<String>,
    /// Whether the journal's end was noted.
    pub anchored: Result<(), OpenError>,
    /// How many locks were given up.
    pub released: Result<usize, LockError>,
}

/// Leaves a run that was driven as far as it goes now. One that has ended holds nothing any more; one that is parked or
/// paused, or that this process cannot go on with, holds what it held.
pub async fn leave(mut local: Local, locks: &impl Locks, came: &Result<DriveOutcome, DriverError>) -> Departure {
    let has_ended = matches!(came, Ok(DriveOutcome::Ended(_)));
    let untold = if has_ended { local.conclude().await } else { Vec::new() };
    // Whatever came of it, what is written is covered from here on.
    let anchored = local.flush_all();
    let run = local.directory.id();
    // The run is let go of before its locks are: whoever waits for these may take it up.
    drop(local);
    let released = if has_ended { locks.release(&run) } else { Ok(0) };
    Departure { untold, anchored, released }
}

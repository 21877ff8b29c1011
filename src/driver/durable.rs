//! What an engine for durable execution must be able to do for a run.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::{Effect, Illegal, Run};
use crate::journal::OpenError;
use crate::run::{Entry, Event};

/// Carries out effects so that what came of them outlives the process.
///
/// Effects are at-least-once: one whose entry was not written before the process died will be asked for
/// again, and looks before it acts. The trait asks for no `Send` and no borrowed results.
pub trait Durable {
    /// The time, in the run's terms.
    fn now(&self) -> Timestamp;

    /// For how long this worker was suspended since it was last asked, if it was.
    fn suspended(&mut self) -> Option<Duration>;

    /// Carries out a batch of this run: all begun before any is awaited. A request to stop that comes meanwhile is among the events.
    ///
    /// # Errors
    /// Only what this worker cannot tell: everything that happened to the run is an event.
    fn perform(&mut self, run: &Run, batch: Vec<Effect>) -> impl Future<Output = Result<Vec<Event>, DriverError>>;

    /// Writes an entry down that the engine has accepted. When this returns, it is as durable as its event must be.
    ///
    /// # Errors
    /// If it cannot be written. Then nothing may rely on it.
    fn append(&mut self, entry: &Entry) -> Result<(), DriverError>;
}

/// This worker cannot tell how the run goes on. The run itself is as its journal says; another worker, or
/// this one later, can take it up.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The journal cannot be written, so nothing more may be done.
    #[error("the journal cannot be written; nothing more was changed")]
    Journal(#[from] OpenError),
    /// The journal and the engine disagree.
    #[error("the journal is not one that this version can go on with")]
    Illegal(#[from] Illegal),
    /// The engine wants nothing and the run has not ended. It must not happen; going on would be a loop without an end.
    #[error("the engine wants nothing, and the run has not ended; this is a defect of rectify")]
    NothingToDo,
    /// A second signal came.
    #[error("stopped at once by {0}")]
    StoppedAtOnce(String),
}

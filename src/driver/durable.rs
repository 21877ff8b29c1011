//! What an engine for durable execution must be able to do for a run.

use jiff::Timestamp;

use crate::engine::{Effect, Illegal};
use crate::journal::OpenError;
use crate::run::{Entry, OpId};

/// Carries out effects so that what came of them outlives the process.
///
/// Effects are at-least-once: one whose entry was not written before the process died will be asked for
/// again, and looks before it acts. The trait asks for no `Send` and no borrowed results.
pub trait Durable {
    /// The time, in the run's terms.
    fn now(&self) -> Timestamp;

    /// Carries out a wave: all begun before any is awaited. When this returns, what came of each is as
    /// durable as its event must be. A request to stop that comes meanwhile is among the entries.
    ///
    /// # Errors
    /// Only what this worker cannot tell: everything that happened to the run is an entry.
    fn perform(&mut self, wave: Vec<Effect>) -> impl Future<Output = Result<Vec<Entry>, CannotTell>>;
}

/// This worker cannot tell how the run goes on. The run itself is as its journal says; another worker, or
/// this one later, can take it up.
#[derive(Debug, thiserror::Error)]
pub enum CannotTell {
    /// The journal cannot be written, so nothing more may be done.
    #[error("the journal cannot be written; nothing more was changed")]
    Journal(#[from] OpenError),
    /// The journal and the engine disagree.
    #[error("the journal is not one that this version can go on with")]
    Illegal(#[from] Illegal),
    /// A write is in doubt and its resource cannot be looked at.
    #[error("whether {op} happened is not known, and it cannot be looked at: {why}")]
    Unseen {
        /// The write.
        op: OpId,
        /// Why it cannot be looked at.
        why: String,
    },
    /// Nobody is there to answer.
    #[error("the question cannot be asked: {0}")]
    Unasked(String),
    /// A second signal came.
    #[error("stopped at once by {0}")]
    StoppedAtOnce(String),
}

//! The loop.

use super::durable::{DriverError, Durable};
use crate::engine::{Effect, Run};
use crate::run::{Ending, Entry, Event, PauseReason};

/// Where a drive came to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once in the life of a process")]
pub enum DriveOutcome {
    /// The run ended.
    Ended(Ending),
    /// Somebody asked the run to stop. It can be resumed.
    Parked,
    /// The run paused by itself: nothing failed, nothing was undone, and it can be resumed.
    Paused(PauseReason),
}

/// Works the run until it ends or parks.
///
/// An entry is folded before it is written: one that the engine rejects never comes into the journal, where it would
/// make the run unusable.
///
/// # Errors
/// See [`DriverError`]; the run can be resumed after each of them.
pub async fn drive(run: &mut Run, on: &mut impl Durable) -> Result<DriveOutcome, DriverError> {
    loop {
        let batch = run.next(on.now());
        if batch.contains(&Effect::Park) {
            return Ok(run.paused().cloned().map_or(DriveOutcome::Parked, DriveOutcome::Paused));
        }
        if batch.is_empty() {
            return run.ending().cloned().map(DriveOutcome::Ended).ok_or(DriverError::NothingToDo);
        }
        for event in on.perform(run, batch).await? {
            record(run, on, event)?;
        }
    }
}

/// Folds an event and writes it down. Whoever is told of it later, a journal, a report, a trace, gets it without secrets.
///
/// # Errors
/// If the engine rejects it, or it cannot be written.
pub fn record(run: &mut Run, on: &mut impl Durable, event: Event) -> Result<(), DriverError> {
    let gap = on.suspended().filter(|_| run.ending().is_none());
    for event in gap.map(|gap| Event::Suspended { gap }).into_iter().chain([event]) {
        let entry = Entry { at: on.now(), event: event.redacted() };
        run.apply(&entry)?;
        on.append(&entry)?;
    }
    Ok(())
}

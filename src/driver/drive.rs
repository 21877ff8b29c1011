//! The loop.

use super::durable::{CannotTell, Durable};
use crate::engine::{Effect, Run};
use crate::run::Ending;

/// Where a drive came to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once in the life of a process")]
pub enum Came {
    /// The run ended.
    Ended(Ending),
    /// The run is parked: somebody asked it to stop. It can be resumed.
    Parked,
}

/// Works the run until it ends or parks.
///
/// # Errors
/// See [`CannotTell`]; the run can be resumed after each of them.
pub async fn drive(run: &mut Run, on: &mut impl Durable) -> Result<Came, CannotTell> {
    loop {
        let wave = run.next(on.now());
        if wave.contains(&Effect::Park) {
            return Ok(Came::Parked);
        }
        if let (true, Some(ending)) = (wave.is_empty(), run.ending()) {
            return Ok(Came::Ended(ending.clone()));
        }
        for entry in on.perform(wave).await? {
            run.apply(&entry)?;
        }
    }
}

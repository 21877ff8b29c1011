//! Does what the engine decides. The only room with a runtime in it.
//!
//! [`drive()`] is a short loop: ask the engine what is next, have it done, tell the engine what came of it.
//! Who does it is a [`Durable`]: [`Local`] here, which keeps its journal in a directory; an engine for
//! durable execution could stand in its place.

mod advice;
mod ask;
mod drive;
mod durable;
mod in_flight;
mod leave;
mod local;
mod signal;
mod survey;

pub use advice::{Advised, Advisor};
pub use ask::{Answer, Asker, Asking, Rules};
pub use drive::{DriveOutcome, drive, record};
pub use durable::{DriverError, Durable};
pub use in_flight::ProbesInFlight;
pub use leave::{Departure, leave};
pub use local::{Flush, Local};
pub use signal::Signals;
pub(crate) use survey::shares;

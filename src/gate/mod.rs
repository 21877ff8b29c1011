//! Rules over observations: when does "it answers" become "it is healthy"?
//!
//! A probe sees something ([`Observation`]); a [`Rule`] says how much of it is enough; a [`Gate`] holds the
//! two together and gives a [`Verdict`]. Everything here is pure: time is an argument, and what was not
//! seen never counts as healthy.

mod bound;
#[expect(clippy::module_inception, reason = "the room is named after the thing")]
mod gate;
mod observation;
mod rule;

pub use bound::{Bound, samples_in, samples_needed};
pub use gate::{Gate, Progress, Verdict};
pub use observation::{Health, Observation};
pub use rule::Rule;

//! Rules over observations: when does "it answers" become "it is healthy"?
//!
//! A probe sees something ([`Observation`]); a [`Rule`] says how much of it is enough. Everything here
//! is pure: time is an argument, and what was not seen never counts as healthy.

mod bound;
mod observation;
mod rule;

pub use bound::{Bound, samples_needed};
pub use observation::{Health, Observation};
pub use rule::Rule;

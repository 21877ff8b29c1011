//! Rules over observations: when does "it answers" become "it is healthy"?
//!
//! A probe sees something ([`Observation`]); a [`Rule`] says how much of it is enough; a [`Gate`] holds the
//! two together and gives a [`Verdict`]. Everything here is pure: time is an argument, and what was not
//! seen never counts as healthy. A gate that does not pass says in what way ([`Fault`]): sick, not known, or a probe
//! that cannot look; only the first says something of the patient.

mod backtest;
mod bound;
#[expect(clippy::module_inception, reason = "the room is named after the thing")]
mod gate;
mod latency;
mod observation;
mod rule;

pub use backtest::{Backtest, History, backtest};
pub use bound::{Bound, samples_in, samples_needed};
pub use gate::{Fault, Gate, Progress, Proof, Verdict};
pub(crate) use latency::Latencies;
pub use observation::{Health, Observation};
pub use rule::{Limits, Percentiles, Rule, Sight};

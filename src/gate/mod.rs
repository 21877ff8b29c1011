//! Rules over observations: when does "it answers" become "it is healthy"?
//!
//! A probe sees something ([`Observation`]); a [`GateRule`] says how much of it is enough; a [`Gate`] holds the
//! two together and gives a [`GateVerdict`]. Everything here is pure: time is an argument, and what was not
//! seen never counts as healthy. A gate that does not pass says in what way ([`GateFault`]): unhealthy, not known, or a probe
//! that cannot observe; only the first says something of the service. What it states of a failure rate, and why that holds
//! at any moment, is in `claim`.

mod backtest;
mod claim;
mod fact;
#[expect(clippy::module_inception, reason = "the room is named after the thing")]
mod gate;
mod latency;
mod observation;
mod proof;
mod rule;
#[cfg(test)]
mod simulated;

pub use backtest::{Backtest, History, backtest};
pub use claim::{Bound, Demand, ERROR, rate_in_words};
pub use fact::{FactType, Facts};
pub use gate::{Breaks, Counting, Gate, GateFault, GateProgress, GateVerdict};
pub(crate) use latency::Latencies;
pub use observation::{Health, Observation};
pub use proof::{Points, Proof};
pub use rule::{GateLimits, GateRule, Percentiles, Polling, ProbeTraits, Sampling};

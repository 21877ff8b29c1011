//! Decides. A pure state machine: [`Run::next`] says what is wanted, [`Run::apply`] takes what happened.
//!
//! No await, no clock, no map with a random order, no Google. The state is a fold over the journal's
//! entries and nothing else, so a resumed run and a live run are the same code: recovery is one more
//! event, [`Resumed`](crate::run::Event::Resumed).

mod back;
mod effect;
mod finally;
mod lane;
mod machine;
mod offers;
mod watch;

pub use effect::Effect;
pub use machine::{Illegal, MACHINE, Run};
#[cfg(test)]
mod edges;
#[cfg(test)]
mod enumeration;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod random;

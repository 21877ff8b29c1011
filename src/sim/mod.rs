//! (being written)

pub mod clock;
pub use clock::{Busy, Clock};

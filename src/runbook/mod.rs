//! Text → typed runbook. No network, no clock, no opinion about Google.
pub mod condition;
pub mod model;
pub mod value;

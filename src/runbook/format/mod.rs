//! The tables of a runbook, as data, and the JSON Schema that is made of them.

mod schema;
mod tables;

pub use self::schema::schema;
pub(super) use self::tables::{INPUT, ON_FAILURE, PRIORITY, ROOT, TRIP};

//! The tables of a runbook, as data, and the JSON Schema that is made of them.

mod probes;
mod schema;
mod tables;

pub(super) use self::probes::{DATABASE_TLS, FLOW, PROBE};
pub use self::probes::{PROBES, ProbeFormat};
pub use self::schema::schema;
pub(super) use self::tables::{INPUT, ON_FAILURE, PRIORITY, ROOT, TRIP};

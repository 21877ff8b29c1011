//! Keys that several kinds of probe have, and how they are read.

use std::time::Duration;

use crate::syntax::Block;
use crate::syntax::format::{Key, ValueType};

/// What must hold of the facts.
pub(super) const EXPECT: Key =
    Key::new("expect", ValueType::Condition, "What must hold for it to be healthy, over what was seen.")
        .example("'status == 200'");
/// How long one observation may take.
pub(super) const TIMEOUT: Key =
    Key::new("timeout", ValueType::Duration, "How long one observation may take.").example("\"5s\"").default("10s");
/// How many connections there are at once.
pub(super) const CLIENTS: Key =
    Key::new("clients", ValueType::Integer, "How many connections are opened at once, as an instance's start does.")
        .example("12")
        .default("1");

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// More clients than this are no probe.
const MOST_CLIENTS: u32 = 1000;

/// Reads [`TIMEOUT`].
pub(super) fn read_timeout(block: &Block<'_, '_>) -> Duration {
    block.positive_duration("timeout").unwrap_or(DEFAULT_TIMEOUT)
}

/// Reads how many clients there are: enough to show what a start-up does, and not enough to be an outage of its own.
pub(super) fn read_clients(block: &Block<'_, '_>, default: u32) -> u32 {
    let clients = block.count("clients", 1).unwrap_or(default);
    if clients > MOST_CLIENTS {
        let message = format!("{clients} clients are an attack");
        block.wrong("clients", message, &format!("at most {MOST_CLIENTS} at once"));
    }
    clients.min(MOST_CLIENTS)
}

//! The connections that probes open: to whom they may lead, how they are opened and timed, and what is spoken over them.

mod bounded;
pub(super) mod certificate;
pub(super) mod conversation;
mod dial;
pub(super) mod http_client;
mod reach;

pub(super) use self::bounded::Bounded;
pub(super) use self::dial::{Dialer, handshake, host_and_port};
pub use self::dial::{Route, ThisMachine};

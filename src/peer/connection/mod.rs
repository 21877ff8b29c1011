//! The connections that are opened to peers: to whom they may lead, how they are opened and timed, and what is spoken over them.

mod anybody;
mod bounded;
mod dial;
pub(crate) mod http_client;
pub(crate) mod postgres;
mod reach;

pub(crate) use self::anybody::{Shown, Witness, anybody, witnessed};
pub(crate) use self::bounded::Bounded;
pub(crate) use self::dial::{Dialer, NoAnswer, Stream, Unreached, handshake, host_and_port, origin, url};
pub use self::dial::{Route, ThisMachine};

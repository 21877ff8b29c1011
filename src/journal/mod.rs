//! Append, read, verify: the only truth about a run.
//!
//! A run is a directory: the runbook and the plan exactly as they were used, and `journal.jsonl`, one event
//! a line, each with the hash of everything before it. What a write relies on is on the disk before the
//! write is sent, so that a killed run is never a mystery. The lines can be read with `less`. `journal.end` says
//! where they end, so that missing last lines are noticed.

mod anchor;
mod directory;
mod disk;
mod line;
mod lock;
mod ownership;
mod plans;
mod start;

pub use directory::{Directory, Found, Journal, OpenError, Read, State, Torn};
pub use line::{Broken, GENESIS};
pub use lock::{Claim, Holder, Lock, LockError, Locks, Taken};
pub use ownership::{Foreign, Owners, examine_file};
pub use start::{Start, StartError};

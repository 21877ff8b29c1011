//! Text → typed runbook. No network, no clock, no opinion about Google.
//!
//! [`Document`] is the text as a tree that knows where everything stands; [`read()`] makes the typed
//! [`Runbook`](model::Runbook) out of it, block by block, so that one block's mistake hides no other's.
//! Whatever is wrong becomes a [`Mistake`] that points at its place.

pub mod condition;
pub mod document;
pub mod mistake;
pub mod model;
mod read;
pub mod template;
pub mod value;

pub use document::{Document, Part};
pub use mistake::{Mistake, Severity};
pub use read::{Reading, WRONG_VALUE, read};
pub use template::Given;

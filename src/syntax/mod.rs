//! The language of runbooks: TOML in which everything has its place, values with `${…}` in them, and conditions.
//!
//! It says how a file is read and not what may stand in it: actions, probes and the tables of a runbook declare their keys
//! in its terms ([`format`](mod@format)) and read them from a [`Block`], which notes what is wrong as a [`Mistake`] at its
//! place in the text. No network, no clock, no opinion about Google.

mod block;
pub mod condition;
mod document;
mod effort;
pub mod format;
mod language;
pub mod mistake;
mod sources;
pub mod spelling;
mod template;
pub mod value;

pub(crate) use block::{Block, Noted, Reader};
pub use document::{Document, Path, has_table};
pub(crate) use document::{Entry, Node};
pub use mistake::{Edit, Mistake};
pub use sources::{Included, Sources};
pub use template::{Environment, Exposure, INPUT_PREFIX, Inputs};
pub(crate) use template::{Meaning, Origin, input_variable};

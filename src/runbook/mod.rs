//! Text → typed runbook. No network, no clock, no opinion about Google.
//!
//! A text becomes a [`Document`] (a tree in which everything has its place), and a document is [`read()`] into a
//! [`Draft`], by the [`format`](mod@format): the blocks that are in order, with every `${…}` resolved. What is not in order is a [`Mistake`]
//! each. Whether a draft is a *good* runbook is for the room `check` to say, which alone turns one into a
//! [`Runbook`](model::Runbook).

mod block;
pub mod condition;
mod document;
mod draft;
pub mod format;
pub mod mistake;
pub mod model;
mod read;
pub mod spelling;
mod template;
pub mod value;

pub use document::{Document, Path};
pub use draft::{Draft, Part, PhaseDraft, StepDraft, TurnDraft};
pub use mistake::Mistake;
pub use read::{Mode, read};
pub use template::Inputs;

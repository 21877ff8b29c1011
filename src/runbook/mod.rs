//! Text → typed runbook. No network, no clock, no opinion about Google.
//!
//! A text is parsed to a document in the runbook language ([`syntax`](crate::syntax)), and a document is [`read()`] into
//! a [`Draft`], by the [`format`](mod@format): the blocks that are in order, with every `${…}` resolved. What is not in
//! order is a [`Mistake`](crate::syntax::Mistake) each. Whether a draft is a *good* runbook is for `check` to say, which
//! alone turns one into a [`Runbook`](model::Runbook).

mod draft;
pub mod format;
pub mod model;
mod read;

pub use draft::{Draft, IterationDraft, Part, PhaseDraft, StepDraft};
pub use read::{Mode, read};

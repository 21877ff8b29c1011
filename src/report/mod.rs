//! Reads a run, never the world, and cannot change it.
//!
//! A [`Narrator`] turns entries into [`Line`]s; who shows them, live on a terminal, plainly in a log or
//! later from a journal, does not change what they say.

mod case;
mod chart;
mod export;
mod html;
mod live;
mod markdown;
mod narrate;
mod plain;
mod quiet;
mod record;
mod stream;
mod trace;

pub use case::{Around, Called, Case, draft, marker};
pub use export::{Towards, export};
pub use html::html;
pub use live::Live;
pub use markdown::{markdown, status_comment};
pub use narrate::{Line, Narrator, Tone, ending, failure, status};
pub use plain::{Plain, Sheet};
pub use quiet::Quiet;
pub use record::{Record, record};
pub use stream::Stream;
pub use trace::spans;

use crate::run::{Entry, Question, View};

/// Somebody who is told what happens.
pub trait Reporter {
    /// A question is about to be put; nothing has been decided yet.
    fn asking(&mut self, view: &View, question: &Question);

    /// Something happened. The view already knows of it.
    fn entry(&mut self, view: &View, entry: &Entry);
}

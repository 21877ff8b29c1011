//! Reads a run, never the world, and cannot change it.
//!
//! A [`Narrator`] turns entries into [`Line`]s; who shows them, live on a terminal, plainly in a log or
//! later from a journal, does not change what they say.

mod export;
mod live;
mod narrate;
mod plain;
mod stream;

pub use export::{Towards, export};
pub use live::Live;
pub use narrate::{Line, Narrator, Tone, ending, failure, status};
pub use plain::Plain;
pub use stream::Stream;

use crate::run::{Entry, Question, View};

/// Somebody who is told what happens.
pub trait Reporter {
    /// A question is about to be put; nothing has been decided yet.
    fn asking(&mut self, view: &View, question: &Question);

    /// Something happened. The view already knows of it.
    fn entry(&mut self, view: &View, entry: &Entry);
}

//! Reads a run, never the world, and cannot change it.
//!
//! A [`Narrator`] turns entries into [`Line`]s; who shows them, live on a terminal, plainly in a log or
//! later from a journal, does not change what they say.

mod case;
mod chart;
mod export;
mod flapping;
mod html;
mod live;
mod markdown;
mod narrate;
mod plain;
mod program;
mod quiet;
mod record;
mod status;
mod stream;
mod trace;

pub use case::{Around, Called, Case, draft, marker};
pub use export::{Export, commands_by_hand, export};
pub use live::Live;
pub use markdown::status_comment;
pub use narrate::{BY_HAND, Line, Narrator, Tone, UNDO_BY_HAND, applied_now, ending, failure};
pub use plain::{Look, Plain, Sheet};
pub use quiet::Quiet;
pub use record::{Record, record};
pub use status::StatusLine;
pub use stream::Stream;
pub use trace::spans;

use clap::ValueEnum;

use crate::run::{Entry, Question, View};

/// What a report is written as. A format is its file and a line in each of the two lists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page with pictures, which needs nothing else to be read
    Html,
    /// For an issue's comment, or a document about the incident
    Markdown,
    /// For programs
    Json,
}

impl ReportFormat {
    /// The report in this format.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn render(self, record: &Record) -> Result<String, serde_json::Error> {
        Ok(match self {
            ReportFormat::Html => html::html(record),
            ReportFormat::Markdown => markdown::markdown(record),
            ReportFormat::Json => serde_json::to_string(record)? + "\n",
        })
    }
}

/// Somebody who is told what happens.
pub trait Reporter {
    /// A question is about to be put; nothing has been decided yet.
    fn asking(&mut self, view: &View, question: &Question);

    /// Something happened. The view already knows of it.
    fn entry(&mut self, view: &View, entry: &Entry);
}

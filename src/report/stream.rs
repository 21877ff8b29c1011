//! Events as they happen, one JSON object a line, for programs.

use std::io::Write;

use super::Reporter;
use crate::run::{Entry, Question, View};

/// Tells somebody, and writes every event to a stream besides.
pub struct Stream<W> {
    out: W,
    told: Box<dyn Reporter>,
}

impl<W: Write> Stream<W> {
    /// A reporter that writes here and tells this one.
    pub fn new(out: W, told: Box<dyn Reporter>) -> Stream<W> {
        Stream { out, told }
    }
}

impl<W: Write> Reporter for Stream<W> {
    fn asking(&mut self, view: &View, question: &Question) {
        self.told.asking(view, question);
    }

    fn entry(&mut self, view: &View, entry: &Entry) {
        // A reader that went away must not stop a run; the journal is what counts.
        if let Ok(line) = serde_json::to_string(entry) {
            let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
        self.told.entry(view, entry);
    }
}

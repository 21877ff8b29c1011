//! Lines, as they come: for logs, pipes, and runs that are told again from their journal.

use std::io::Write;

use super::Reporter;
use super::narrate::{Line, Narrator, Tone};
use crate::run::{Entry, Question, View};

/// Writes lines to a stream.
pub struct Plain<W> {
    out: W,
    colour: bool,
    narrator: Narrator,
}

impl<W: Write> Plain<W> {
    /// A reporter that writes here, with or without colours.
    pub fn new(out: W, colour: bool) -> Plain<W> {
        Plain { out, colour, narrator: Narrator::default() }
    }

    fn write(&mut self, lines: &[Line]) {
        for line in lines {
            // A log that cannot be written must not stop a run; the journal is what counts.
            let _ = writeln!(self.out, "{}", line.painted(self.colour));
        }
        let _ = self.out.flush();
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn asking(&mut self, view: &View, question: &Question) {
        let lines = self.narrator.question(view, question);
        self.write(&lines);
    }

    fn entry(&mut self, view: &View, entry: &Entry) {
        let lines = self.narrator.entry(view, entry);
        self.write(&lines);
    }
}

impl Line {
    /// The line for a terminal, with or without colours. It says the same without.
    pub fn painted(&self, colour: bool) -> String {
        let style = console::Style::new().force_styling(colour);
        let style = match self.tone {
            Tone::Plain => return self.text.clone(),
            Tone::Head => style.bold(),
            Tone::Good => style.green(),
            Tone::Warn => style.yellow(),
            Tone::Bad => style.red().bold(),
            Tone::Dim => style.dim(),
        };
        style.apply_to(&self.text).to_string()
    }
}

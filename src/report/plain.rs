//! Lines, as they come: for logs, pipes, and runs that are told again from their journal.

use std::io::Write;

use super::Reporter;
use super::narrate::{BY_HAND, Line, Narrator, Tone, UNDO_BY_HAND};
use crate::present::plain::page;
use crate::run::{Entry, Question, View};

/// What lines may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// With or without colours; a line that is longer than `width` columns is broken, if there is such a bound.
    Drawn {
        /// Whether there are colours.
        colour: bool,
        /// How many columns there are.
        width: Option<usize>,
    },
    /// In words, for screen readers: no colour, no symbol, and no line broken.
    Words,
}

impl Look {
    /// A text that is laid out already, in words if that is how it looks.
    pub fn worded(self, text: &str) -> String {
        match self {
            Look::Drawn { .. } => text.to_owned(),
            Look::Words => page(text),
        }
    }
}

/// A stream that lines are written to.
pub struct Sheet<W> {
    out: W,
    look: Look,
}

impl<W: Write> Sheet<W> {
    /// A sheet on which lines look so.
    pub fn new(out: W, look: Look) -> Sheet<W> {
        Sheet { out, look }
    }

    /// Writes lines.
    pub fn write(&mut self, lines: &[Line]) {
        if lines.is_empty() {
            return;
        }
        let text = match self.look {
            Look::Drawn { colour, width } => {
                lines.iter().map(|line| line.painted(colour, width)).collect::<Vec<_>>().join("\n")
            }
            Look::Words => page(&lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")),
        };
        // A log that cannot be written must not stop a run; the journal is what counts.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// Writes a text, its lines in no particular tone.
    pub fn write_text(&mut self, text: &str) {
        let lines = text.lines().map(|text| Line { tone: Tone::Plain, text: text.trim_end().to_owned() });
        self.write(&lines.collect::<Vec<_>>());
    }
}

/// Writes lines to a stream.
pub struct Plain<W> {
    sheet: Sheet<W>,
    narrator: Narrator,
}

impl<W: Write> Plain<W> {
    /// A reporter that writes here.
    pub fn new(sheet: Sheet<W>) -> Plain<W> {
        Plain { sheet, narrator: Narrator::default() }
    }
}

impl<W: Write> Reporter for Plain<W> {
    fn asking(&mut self, view: &View, question: &Question) {
        let lines = self.narrator.question(view, question);
        self.sheet.write(&lines);
    }

    fn entry(&mut self, view: &View, entry: &Entry) {
        let lines = self.narrator.entry(view, entry);
        self.sheet.write(&lines);
    }
}

/// A terminal that is narrower is written to as if it were not.
const NARROWEST: usize = 30;

impl Line {
    /// The line for a terminal, with or without colours; it says the same without. If it is wider than that, it goes on
    /// below, indented further.
    pub fn painted(&self, colour: bool, width: Option<usize>) -> String {
        let text = match width {
            Some(width) => self.folded(width),
            None => self.text.clone(),
        };
        let style = console::Style::new().force_styling(colour);
        let style = match self.tone {
            Tone::Plain => return text,
            Tone::Head => style.bold(),
            Tone::Good => style.green(),
            Tone::Warn => style.yellow(),
            Tone::Bad => style.red().bold(),
            Tone::Dim => style.dim(),
        };
        let painted = text.lines().map(|line| style.apply_to(line).to_string());
        painted.collect::<Vec<_>>().join("\n")
    }

    fn folded(&self, width: usize) -> String {
        // A command is to be copied as it is.
        if [BY_HAND, UNDO_BY_HAND].iter().any(|lead| self.text.trim_start().starts_with(lead)) {
            return self.text.clone();
        }
        let indent = self.text.len() - self.text.trim_start().len();
        crate::plan::folded(self.text.trim(), indent, width.max(NARROWEST)).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str, width: usize) -> String {
        Line { tone: Tone::Plain, text: text.to_owned() }.painted(false, Some(width))
    }

    #[test]
    fn a_long_line_goes_on_below_and_no_word_and_no_command_is_broken() {
        assert_eq!(folded("  a short one", 40), "  a short one");
        let long = "      03:00:12  evidence: the backend is unhealthy, as it was before";
        assert_eq!(folded(long, 40), "      03:00:12  evidence: the backend is\n          unhealthy, as it was before");
        let word = format!("  image {}", "x".repeat(60));
        assert_eq!(folded(&word, 40), format!("  image\n      {}", "x".repeat(60)));
        let command = format!("    by hand: gcloud run services update {}", "--flag ".repeat(20).trim());
        assert_eq!(folded(&command, 40), command);
        assert_eq!(folded("", 40), "");
    }
}

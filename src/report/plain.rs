//! Lines, as they come: for logs, pipes, and runs that are told again from their journal.

use std::io::Write;

use super::Reporter;
use super::narrate::{BY_HAND, Line, Narrator, Tone};
use crate::run::{Entry, Question, View};

/// A stream that lines are written to.
pub struct Sheet<W> {
    out: W,
    colour: bool,
    width: Option<usize>,
}

impl<W: Write> Sheet<W> {
    /// With or without colours; a line that is longer than `width` columns is broken, if there is such a bound.
    pub fn new(out: W, colour: bool, width: Option<usize>) -> Sheet<W> {
        Sheet { out, colour, width }
    }

    pub(super) fn write(&mut self, lines: &[Line]) {
        for line in lines {
            // A log that cannot be written must not stop a run; the journal is what counts.
            let _ = writeln!(self.out, "{}", line.painted(self.colour, self.width));
        }
        let _ = self.out.flush();
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
        if self.text.trim_start().starts_with(BY_HAND) {
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

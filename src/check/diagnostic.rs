//! Mistakes as people see them: drawn into the text, with a reason and a fix.

use std::fmt::{self, Write as _};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity as Level, SourceCode,
};

use crate::inert::inert;
use crate::runbook::{Mistake, Severity, WRONG_VALUE};

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// With colours.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

struct Drawn<'a> {
    mistake: &'a Mistake,
    source: &'a NamedSource<String>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.mistake, f)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&inert(&self.mistake.message))
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.mistake.code))
    }

    fn severity(&self) -> Option<Level> {
        Some(match self.mistake.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake.help.as_ref().map(|help| Box::new(inert(help)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let word = Some(inert(&self.mistake.label)).filter(|word| !word.is_empty());
        let first = LabeledSpan::new_primary_with_span(word, self.mistake.at.clone());
        let rest = self.mistake.also.iter();
        let rest = rest.map(|(at, word)| LabeledSpan::new_with_span(Some(inert(word)), at.clone()));
        Some(Box::new(std::iter::once(first).chain(rest)))
    }
}

/// All mistakes of a file, drawn into its text, and how many there are.
pub fn render(file: &str, text: &str, mistakes: &[Mistake], look: Look) -> String {
    // Only what could move a cursor is replaced, each character by one, so that every place stays its place.
    let shown: String = text.chars().map(harmless).collect();
    let same = shown.len() == text.len();
    let source =
        NamedSource::new(inert(file), if same { shown } else { text.replace(|c: char| harmless(c) != c, "?") });
    let theme = if look.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(look.width).with_context_lines(1).with_links(false);
    let mut out = String::new();
    for mistake in mistakes {
        let drawn = Drawn { mistake, source: &source };
        if handler.render_report(&mut out, &drawn).is_err() {
            let _ = writeln!(out, "{}: {}", mistake.code, inert(&mistake.message));
        }
        out.push('\n');
    }
    out + &summary(file, mistakes) + "\n"
}

fn harmless(letter: char) -> char {
    if letter == '\n' || letter == '\t' || letter == '\r' || inert(letter.encode_utf8(&mut [0; 4])).chars().eq([letter])
    {
        letter
    } else {
        '?'
    }
}

fn summary(file: &str, mistakes: &[Mistake]) -> String {
    let count = |severity| mistakes.iter().filter(|mistake| mistake.severity == severity).count();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let hidden = mistakes.iter().any(|mistake| [WRONG_VALUE, "syntax"].contains(&mistake.code));
    let more = if hidden { "; more may show once these are mended" } else { "" };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => format!("{}: no mistakes", inert(file)),
        (0, _) => format!("{}: {}", inert(file), plural(warnings, "warning")),
        (_, 0) => format!("{}: {}{more}", inert(file), plural(errors, "mistake")),
        (_, _) => format!("{}: {}, {}{more}", inert(file), plural(errors, "mistake"), plural(warnings, "warning")),
    }
}

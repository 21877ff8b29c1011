//! What people are told: a diagnostic, and how a report of them looks.
//!
//! Words and places come from the reader and from the rules; miette draws them. Everything that is drawn may
//! come from a file that somebody else wrote, so it is made inert first: a control character in a runbook must
//! not reach a terminal.

use std::fmt::{self, Write as _};
use std::ops::Range;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use super::excerpt::{Excerpt, Mark};
use crate::inert::{is_active, uncommanding};
use crate::syntax::{Edit, Mistake, Sources};

/// Whether a runbook with this in it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, but somebody should look.
    Warning,
}

/// A place, and what to write beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Bytes of the text.
    pub at: Range<usize>,
    /// What to write beside it; empty: nothing.
    pub text: String,
}

/// One thing to say about a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name in kebab-case, such as `traffic-sum`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and why.
    pub message: String,
    /// Where. The first is the place that the diagnostic is sorted by.
    pub labels: Vec<Label>,
    /// How to put it right.
    pub help: Option<String>,
    /// The same as edits of the text, where that is certain: `check --fix` applies them.
    pub edits: Vec<Edit>,
}

impl Diagnostic {
    /// Something that must be put right.
    pub fn error(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let labels = vec![Label { at, text: String::new() }];
        Diagnostic { code, severity: Severity::Error, message: message.into(), labels, help: None, edits: Vec::new() }
    }

    /// Something that somebody should look at.
    pub fn warning(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, at, message) }
    }

    /// Words beside the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Diagnostic {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Another place that has to do with it.
    #[must_use]
    pub fn and(mut self, at: Range<usize>, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { at, text: text.into() });
        self
    }

    /// How to put it right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The edits that put it right for certain.
    #[must_use]
    pub fn edits(mut self, edits: impl IntoIterator<Item = Edit>) -> Diagnostic {
        self.edits.extend(edits);
        self
    }

    pub(super) fn start(&self) -> usize {
        self.labels.first().map_or(0, |label| label.at.start)
    }
}

impl From<Mistake> for Diagnostic {
    fn from(mistake: Mistake) -> Diagnostic {
        let Mistake { code, message, at, help, edit } = mistake;
        Diagnostic { help, ..Diagnostic::error(code, at, message) }.edits(edit)
    }
}

/// In the order of the file; at one place, errors first.
pub(super) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (a.start(), a.severity, a.code).cmp(&(b.start(), b.severity, b.code)));
    diagnostics.dedup();
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used.
    pub colour: bool,
    /// How many columns there are.
    pub width: usize,
}

/// More than anybody reads; a file that is not a runbook at all could fill the screen for minutes.
const MOST_SHOWN: usize = 50;

/// Draws a report: each diagnostic at its line, then how many there are. Nothing, if there are none.
pub fn render(name: &str, text: &str, diagnostics: &[Diagnostic], style: Style) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let (name, text, width) = (inert(name), inert(text), style.width.clamp(40, 200));
    let sources = Sources::of(&text);
    let theme = if style.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(0)
        .with_links(false)
        .without_syntax_highlighting();
    let mut report = String::new();
    for diagnostic in diagnostics.iter().take(MOST_SHOWN) {
        let (file, at) = place_in_file(&sources, &name, diagnostic.start());
        let part = text.get(at.clone()).unwrap_or_default();
        let moved = in_file(&sources, &name, &text, diagnostic);
        let drawn = Drawn::new(&moved, &file, part, width);
        // Writing to a string does not fail, and a diagnostic that cannot be drawn is still to be said.
        if handler.render_report(&mut report, &drawn).is_err() {
            let _ = writeln!(report, "{}: {drawn}", diagnostic.code);
        }
        report.push('\n');
    }
    if diagnostics.len() > MOST_SHOWN {
        let _ = writeln!(report, "… and {} more\n", diagnostics.len() - MOST_SHOWN);
    }
    let _ = writeln!(report, "{} in {}", summary(diagnostics), name);
    // Words are wrapped, so that any of them can begin a line.
    report.split_inclusive('\n').map(uncommanding).collect()
}

/// The file in which a place lies, and which part of the whole text is its.
pub(super) fn place_in_file(sources: &Sources, name: &str, at: usize) -> (String, Range<usize>) {
    match sources.file_of(at) {
        Some(file) => (Sources::name_of(name, file), file.at.clone()),
        None => (name.to_owned(), sources.own.clone()),
    }
}

/// The same diagnostic with places of the file in which its first one lies. What else it is about in another file stands in its help.
pub(super) fn in_file(sources: &Sources, name: &str, text: &str, diagnostic: &Diagnostic) -> Diagnostic {
    let mut moved = diagnostic.clone();
    if sources.included.is_empty() || diagnostic.labels.iter().any(|label| label.at == (0..0)) {
        return moved;
    }
    let (_, part) = place_in_file(sources, name, diagnostic.start());
    let is_here = |label: &Label| place_in_file(sources, name, label.at.start).1 == part;
    let (here, elsewhere): (Vec<Label>, Vec<Label>) = moved.labels.into_iter().partition(is_here);
    let shift = |at: usize| at.saturating_sub(part.start);
    moved.labels =
        here.into_iter().map(|label| Label { at: shift(label.at.start)..shift(label.at.end), ..label }).collect();
    for label in elsewhere {
        let (file, at) = place_in_file(sources, name, label.at.start);
        let (line, _) = line_and_column(text.get(at.clone()).unwrap_or_default(), label.at.start - at.start);
        let also = format!("{file}:{line}: {}", label.text);
        moved.help = Some(moved.help.map_or_else(|| also.clone(), |help| format!("{help}\n{also}")));
    }
    moved
}

/// `2 mistakes, 1 warning`.
fn summary(diagnostics: &[Diagnostic]) -> String {
    let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).count();
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    match (diagnostics.len() - warnings, warnings) {
        (mistakes, 0) => count(mistakes, "mistake"),
        (0, warnings) => count(warnings, "warning"),
        (mistakes, warnings) => format!("{}, {}", count(mistakes, "mistake"), count(warnings, "warning")),
    }
}

/// A text that can be shown: what would steer a terminal, or turn the direction of the line, is replaced by
/// something visible of the same length, so that places in it stay true.
fn inert(text: &str) -> String {
    let visible = |letter: char| match (letter, letter.len_utf8()) {
        ('\n' | '\t', _) => letter,
        ('\r', _) => ' ',
        _ if !is_active(letter) => letter,
        (_, 1) => '?',
        (_, 2) => '¿',
        (_, 3) => '\u{fffd}',
        _ => '\u{1f6c7}',
    };
    text.chars().map(visible).collect()
}

/// A diagnostic as miette wants it.
#[derive(Debug)]
struct Drawn<'d> {
    diagnostic: &'d Diagnostic,
    message: String,
    excerpt: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
}

impl<'d> Drawn<'d> {
    /// `name` and `text` are inert already.
    fn new(diagnostic: &'d Diagnostic, name: &str, text: &str, width: usize) -> Drawn<'d> {
        let message = crate::inert::inert(&diagnostic.message);
        // What is missing altogether stands nowhere.
        if text.is_empty() || diagnostic.labels.iter().any(|label| label.at == (0..0)) {
            return Drawn { diagnostic, message, excerpt: None, labels: Vec::new() };
        }
        let words: Vec<String> = diagnostic.labels.iter().map(|label| crate::inert::inert(&label.text)).collect();
        let mark =
            |(label, words): (&Label, &String)| Mark { at: within(&label.at, text), words: words.chars().count() };
        let marks: Vec<Mark> = diagnostic.labels.iter().zip(&words).map(mark).collect();
        let (excerpt, places) = Excerpt::of(name.to_owned(), text, &marks, width);
        let labels = words
            .into_iter()
            .zip(places)
            .map(|(words, at)| LabeledSpan::new_with_span((!words.is_empty()).then_some(words), (at.start, at.len())));
        Drawn { diagnostic, message, excerpt: Some(excerpt), labels: labels.collect() }
    }
}

/// A range that can be drawn: inside the text, on boundaries of letters, and on one line.
fn within(at: &Range<usize>, text: &str) -> Range<usize> {
    let start = boundary(text, at.start);
    let end = boundary(text, at.end.max(start));
    let line_end = text[start..end].find('\n').map_or(end, |length| start + length);
    start..line_end
}

/// The nearest boundary between letters at or before `index`.
pub(super) fn boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Counted from one, columns in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = boundary(text, at);
    let start = line_start(text, at);
    (text[..start].matches('\n').count() + 1, text[start..at].chars().count() + 1)
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_deref().map(|help| Box::new(inert(help)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colour: false, width: 80 };

    #[test]
    fn nothing_from_a_file_steers_the_terminal() {
        let text = "a = \"\u{1b}[2J\u{9b}\u{61c}\u{202e}\u{fff9}\u{e0041}\"\r\nb = 2\r\n";
        assert_eq!(inert(text).len(), text.len());
        let diagnostic = Diagnostic::error("x", 4..14, "\u{1b}[31m\0").help("\u{7}").label("\u{8}");
        let report = render("\u{1b}.toml", text, &[diagnostic], PLAIN);
        assert!(!report.chars().any(|letter| letter.is_control() && letter != '\n'), "{report:?}");
        assert!(!report.contains('\u{202e}'));
        assert!(!report.chars().any(|letter| is_active(letter) && letter != '\n'), "{report:?}");
    }

    #[test]
    fn nothing_from_a_file_makes_a_line_that_the_program_did_not() {
        let text = "a = 1\n  ::error::file\n";
        let foreign = format!("{}\n::error::forged\n✓ approved\n {} ::error::wrapped", "x".repeat(70), "y".repeat(70));
        let diagnostic =
            Diagnostic::error("x", 0..1, &*foreign).help(&*foreign).label("l\n::error::l").and(8..10, "m\n::error::m");
        for width in [40, 80, 120, 200] {
            let report =
                render("n\n::error::n", text, std::slice::from_ref(&diagnostic), Style { colour: false, width });
            assert!(!report.lines().any(|line| line.trim_start().starts_with("::")), "{report}");
        }
        let told = Diagnostic::error("x", 0..1, "it\n✓ approved").label("here\n✓ approved");
        let report = render("n", text, &[told], PLAIN);
        assert!(!report.lines().any(|line| line.trim_start().starts_with('✓')), "{report}");
    }

    #[test]
    fn any_place_can_be_drawn() {
        for text in ["", "\n", "é", "a\n\nb", "\r\n", "a = 1"] {
            for (start, end) in [(0, 0), (0, 1), (1, 1), (1, 9), (9, 9), (3, 2)] {
                let diagnostic = Diagnostic::error("x", start..end, "m").and(end..start, "and");
                assert!(render("n", text, &[diagnostic], PLAIN).ends_with("1 mistake in n\n"));
            }
        }
    }

    #[test]
    fn a_flood_is_dammed() {
        let text = "x".repeat(3000);
        let diagnostics: Vec<_> = (0..80).map(|at| Diagnostic::error("x", at..at + 1, "m")).collect();
        let report = render("n", &text, &diagnostics, PLAIN);
        assert!(report.contains("… and 30 more"));
        assert!(report.contains("n:1:3"), "{report}");
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let text = format!("{} here {}\nshort\n{}there", "before ".repeat(300), "after ".repeat(300), "é ".repeat(60));
        let here = text.find("here").unwrap();
        let there = text.find("there").unwrap();
        for width in [60, 80, 120] {
            let diagnostic = Diagnostic::error("x", here..here + 4, "m").label("the first").and(there..there + 5, "");
            let report = render("n", &text, &[diagnostic], Style { colour: false, width });
            assert!(report.lines().all(|line| line.chars().count() <= width), "{report}");
            assert!(
                report.contains("n:1:2102") && report.contains(" here after") && report.contains("there"),
                "{report}"
            );
            assert!(report.contains(" 3 │ …"), "{report}");
        }
    }

    #[test]
    fn the_summary_counts() {
        let (error, warning) = (Diagnostic::error("x", 0..0, "m"), Diagnostic::warning("x", 0..0, "m"));
        assert_eq!(summary(&[error.clone(), warning.clone(), error.clone()]), "2 mistakes, 1 warning");
        assert_eq!(summary(std::slice::from_ref(&warning)), "1 warning");
        assert_eq!(summary(&[error]), "1 mistake");
    }

    #[test]
    fn colours_only_when_wanted() {
        let diagnostics = [Diagnostic::error("x", 0..1, "m")];
        assert!(render("n", "a", &diagnostics, Style { colour: true, ..PLAIN }).contains('\u{1b}'));
        assert!(!render("n", "a", &diagnostics, PLAIN).contains('\u{1b}'));
    }
}

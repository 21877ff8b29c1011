//! What `check` says, for programs. The shape is a promise: `format` changes when it does.

use std::ops::Range;

use serde::Serialize;

use super::Outcome;
use super::diagnostic::{Diagnostic, Severity, line_and_column, place_in_file};
use crate::syntax::Sources;

/// The version of the shape.
const FORMAT: u32 = 1;

/// All files that were checked together.
#[derive(Debug, Serialize)]
pub struct Report<'o> {
    format: u32,
    sound: bool,
    files: Vec<Judged<'o>>,
}

#[derive(Debug, Serialize)]
struct Judged<'o> {
    file: &'o str,
    /// Whether the runbook may be used.
    sound: bool,
    diagnostics: Vec<Told<'o>>,
}

#[derive(Debug, Serialize)]
struct Told<'o> {
    code: &'static str,
    severity: &'static str,
    message: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'o str>,
    /// Where; the first label's place. A thing that is missing altogether stands nowhere.
    #[serde(flatten)]
    place: Option<Place>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'o>>,
}

#[derive(Debug, Serialize)]
struct Related<'o> {
    text: &'o str,
    #[serde(flatten)]
    place: Place,
}

/// Lines and columns count from 1, columns in characters; bytes count from 0, the end is behind the last.
#[derive(Debug, Serialize)]
struct Place {
    /// The included file in which it is; without it, the runbook's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    byte_start: usize,
    byte_end: usize,
}

impl<'o> Report<'o> {
    /// Everything that came of checking these files.
    pub fn of(outcomes: &'o [Outcome]) -> Report<'o> {
        let files = outcomes.iter().map(|outcome| Judged {
            file: &outcome.name,
            sound: outcome.is_sound(),
            diagnostics: outcome.diagnostics.iter().map(|diagnostic| told(diagnostic, outcome)).collect(),
        });
        Report { format: FORMAT, sound: outcomes.iter().all(Outcome::is_sound), files: files.collect() }
    }
}

fn told<'o>(diagnostic: &'o Diagnostic, outcome: &Outcome) -> Told<'o> {
    let sources = Sources::of(&outcome.text);
    let locate = |at: &Range<usize>| place(at, outcome, &sources);
    let mut labels = diagnostic.labels.iter();
    let place = labels.next().filter(|label| label.at != (0..0)).map(|label| locate(&label.at));
    let related = labels.map(|label| Related { text: &label.text, place: locate(&label.at) });
    Told {
        code: diagnostic.code,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        place,
        related: related.collect(),
    }
}

fn place(at: &Range<usize>, outcome: &Outcome, sources: &Sources) -> Place {
    let (file, part) = place_in_file(sources, &outcome.name, at.start);
    let text = outcome.text.get(part.clone()).unwrap_or_default();
    let at = at.start - part.start..at.end.saturating_sub(part.start);
    let file = (part.start > 0).then_some(file);
    let ((line, column), (end_line, end_column)) = (line_and_column(text, at.start), line_and_column(text, at.end));
    Place { file, line, column, end_line, end_column, byte_start: at.start, byte_end: at.end }
}

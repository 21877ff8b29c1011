//! Is it right, before anything runs? Reads a runbook and what resource kinds say of themselves; no network.
//!
//! [`check`] says everything it can at once: what the reader could not read, and what the rules find in the
//! rest. [`Report`] tells it to programs, [`page`] explains a code. Only it can make a [`Checked`], and only a `Checked` can be planned.

mod allow;
mod annotation;
mod diagnostic;
mod excerpt;
mod explain;
mod extent;
mod fix;
mod included;
mod json;
mod partial;
mod query;
mod rules;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use diagnostic::{Diagnostic, Label, Severity, Style, render};
pub use explain::{codes, page};
pub use fix::{Fix, Fixed, fix};
pub use included::MOST_INCLUDED;
pub use json::Report;
pub use partial::{Gap, GapKind, Partial};
pub use rules::{RULES, Rule};

use crate::runbook::model::Runbook;
use crate::runbook::{Draft, Mode, read};
use crate::syntax::condition::with_room;
use crate::syntax::{Document, Inputs, Sources, has_table};
use rules::Subject;

/// The most bytes that a runbook has: ten thousand steps with room to spare. What is larger is something else.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// The file is larger than any runbook.
const FILE_TOO_LARGE: &str = "file-too-large";
/// There is no file, or it cannot be read.
const UNREADABLE_FILE: &str = "unreadable-file";
/// The file is not text.
const NOT_UTF_8: &str = "not-utf-8";

/// What this module itself can report about a file, with what it means in a line.
pub const FILE_CODES: &[(&str, &str)] = &[
    (allow::BAD_ALLOW, "an `allow` answers a diagnostic that is there and can be answered"),
    (
        included::BAD_INCLUDE,
        "an included file is below the runbook's folder, and has probes that are declared nowhere else",
    ),
    (FILE_TOO_LARGE, "the file is larger than any runbook"),
    (NOT_UTF_8, "the file is not text in UTF-8"),
    (UNREADABLE_FILE, "the file cannot be read"),
];

/// The proof that a runbook checks: every rule was asked and none objected. Warnings are allowed.
#[derive(Clone, Debug)]
pub struct Checked {
    document: Document,
    runbook: Runbook,
    inputs: Inputs,
    mode: Mode,
}

impl Checked {
    /// The runbook; every `${…}` in it has its value.
    pub fn runbook(&self) -> &Runbook {
        &self.runbook
    }

    /// The same with what the lists of its `for_each` were found to list, by step.
    ///
    /// # Errors
    /// What is wrong with it then: an item may make a name that nothing can have.
    pub fn with_lists(&self, lists: BTreeMap<String, Vec<String>>) -> Result<Checked, Box<Outcome>> {
        let (name, text) = (self.document.name(), self.document.text());
        let outcome = check(name, text.as_bytes(), &self.inputs.clone().lists(lists), self.mode);
        match outcome.checked {
            Some(checked) => Ok(checked),
            None => Err(Box::new(outcome)),
        }
    }

    /// The text it was read from, which knows where everything stands.
    pub fn document(&self) -> &Document {
        &self.document
    }
}

/// What came of checking a file.
#[derive(Clone)]
pub struct Outcome {
    /// The runbook, if nothing is wrong with it and every input has a value.
    pub checked: Option<Checked>,
    /// What can be planned although there is no [`Checked`]; not in [`Mode::Check`].
    pub partial: Option<Partial>,
    /// What there is to say, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    name: String,
    text: String,
}

impl Outcome {
    /// A file that could not be read, and why.
    pub fn unreadable(name: &str, why: &str) -> Outcome {
        let diagnostic = Diagnostic::error(UNREADABLE_FILE, 0..0, format!("{name} cannot be read: {why}"));
        Outcome {
            checked: None,
            partial: None,
            diagnostics: vec![diagnostic],
            name: name.to_owned(),
            text: String::new(),
        }
    }

    /// What people are told the file is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing is wrong. In [`Mode::Check`] that can be so without a [`Checked`]: a runbook may be right
    /// while some of its inputs are still to be given.
    pub fn is_sound(&self) -> bool {
        !self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The line that a diagnostic is about, counted from one; `None` if it is about the file as a whole.
    pub fn line_of(&self, diagnostic: &Diagnostic) -> Option<usize> {
        let label = diagnostic.labels.first().filter(|label| label.at != (0..0))?;
        let text = self.text.get(Sources::of(&self.text).file_of(label.at.start).map_or(0, |file| file.at.start)..)?;
        Some(diagnostic::line_and_column(text, label.at.start + text.len() - self.text.len()).0)
    }

    /// The report as annotations of a GitHub Actions job.
    pub fn annotations(&self) -> String {
        annotation::annotations(&self.name, &self.text, &self.diagnostics)
    }

    /// The report for people; empty if there is nothing to say.
    pub fn render(&self, style: Style) -> String {
        render(&self.name, &self.text, &self.diagnostics, style)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outcome").field(&self.diagnostics).finish()
    }
}

/// Checks the bytes of a file; `name` is what people are told it is called.
pub fn check(name: &str, bytes: &[u8], inputs: &Inputs, mode: Mode) -> Outcome {
    let outcome = |checked, text: String, mut diagnostics| {
        diagnostic::sort(&mut diagnostics);
        Outcome { checked, partial: None, diagnostics, name: name.to_owned(), text }
    };
    let text = match text_of(bytes) {
        Ok(text) => text,
        Err((text, diagnostic)) => return outcome(None, text, vec![diagnostic]),
    };
    let wrong = included::mistakes(name, &text, &Sources::of(&text));
    if !wrong.is_empty() {
        return outcome(None, text, wrong);
    }
    let document = match Document::parse(name, &*text) {
        Ok(document) => document,
        Err(mistakes) => return outcome(None, text, mistakes.into_iter().map(Diagnostic::from).collect()),
    };
    let read_it = || read(&document, inputs, mode);
    let (draft, mistakes) = with_room(read_it).unwrap_or_else(read_it);
    let mut diagnostics: Vec<Diagnostic> = mistakes.into_iter().map(Diagnostic::from).collect();
    diagnostics.extend(findings(&document, &draft));
    let sound = !diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let is_whole = sound && draft.is_complete();
    let partial =
        (mode != Mode::Check && !is_whole).then(|| partial::partial(&document, &draft, &diagnostics)).flatten();
    let runbook = draft.into_runbook().filter(|_| sound);
    let checked = runbook.map(|runbook| Checked { document, runbook, inputs: inputs.clone(), mode });
    Outcome { partial, ..outcome(checked, text, diagnostics) }
}

/// The programs that the `shell` steps of a runbook need on the machine, also of steps that `check` rejects. Empty if the file is
/// no TOML.
pub fn programs(name: &str, bytes: &[u8], inputs: &Inputs, mode: Mode) -> BTreeSet<String> {
    let document = text_of(bytes).ok().and_then(|text| Document::parse(name, text).ok());
    document.map(|document| shell::programs(&document, &read(&document, inputs, mode).0)).unwrap_or_default()
}

/// Whether a file is meant as a runbook: whether it has a `runbook` table, however TOML spells that, and even if there are
/// syntax errors elsewhere.
pub fn is_runbook(bytes: &[u8]) -> bool {
    text_of(bytes).is_ok_and(|text| has_table(&text, "runbook"))
}

/// What the rules find in the blocks that could be read.
fn findings(document: &Document, draft: &Draft) -> Vec<Diagnostic> {
    let subject = Subject { document, draft, shell: shell::commands(document, draft) };
    let found = RULES.iter().flat_map(|rule| (rule.find)(&subject)).collect();
    allow::without_answered(document, draft, found)
}

/// The bytes as text, or what there is to show and to say.
fn text_of(bytes: &[u8]) -> Result<String, (String, Diagnostic)> {
    if bytes.len() > LARGEST {
        let message = format!("the file has {} bytes; a runbook has at most {LARGEST}", bytes.len());
        return Err((String::new(), Diagnostic::error(FILE_TOO_LARGE, 0..0, message)));
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let at = error.valid_up_to();
        let diagnostic =
            Diagnostic::error(NOT_UTF_8, at..at + 1, "this is not text in UTF-8").help("save the file as UTF-8");
        (String::from_utf8_lossy(bytes).into_owned(), diagnostic)
    })
}

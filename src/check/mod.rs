//! Is a runbook right, before anything runs?
//!
//! Reads the runbook and what kinds and probes say of themselves; never the network. All mistakes are
//! reported at once, each at its place. Only this room can make a [`Checked`] runbook, and only a checked
//! one can be planned.

mod diagnostic;
mod rules;

use std::collections::BTreeMap;

pub use diagnostic::{Look, render};
pub use rules::{RULES, Rule};

use crate::runbook::model::Runbook;
use crate::runbook::{Document, Given, Mistake, Severity, read};

/// The largest runbook. A person has to review it.
const LARGEST: usize = 16 << 20;

/// A runbook without errors.
#[derive(Clone, Debug)]
pub struct Checked {
    runbook: Runbook,
    inputs: BTreeMap<String, String>,
    text: String,
}

/// What a check found.
#[derive(Debug)]
pub struct Found {
    /// The runbook, if it has no errors.
    pub checked: Option<Checked>,
    /// Everything that is wrong with it, in the order of the text.
    pub mistakes: Vec<Mistake>,
    /// The text as far as it is text, for showing where.
    pub text: String,
}

/// What a rule looks at.
pub struct Subject<'a> {
    /// Every block that did read.
    pub runbook: &'a Runbook,
    /// Where everything stands.
    pub document: &'a Document<'a>,
    /// Inputs that nothing refers to.
    pub unused_inputs: &'a [String],
    /// Whether every block did read.
    pub whole: bool,
}

impl Checked {
    /// The runbook.
    pub fn runbook(&self) -> &Runbook {
        &self.runbook
    }

    /// The inputs' values.
    pub fn inputs(&self) -> &BTreeMap<String, String> {
        &self.inputs
    }

    /// The text, as it was checked.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Checks the bytes of a runbook.
pub fn check(bytes: &[u8], given: &Given) -> Found {
    let failed = |mistake: Mistake, text: String| Found { checked: None, mistakes: vec![mistake], text };
    if bytes.len() > LARGEST {
        let message = format!("this file has {} MiB; a runbook has at most {} MiB", bytes.len() >> 20, LARGEST >> 20);
        return failed(Mistake::error("too-large", 0..0, message), String::new());
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let place = error.valid_up_to();
            let end = text.ceil_char_boundary(place + 1);
            return failed(Mistake::error("encoding", place..end, "this is not UTF-8 from here on"), text);
        }
    };
    let (document, mut mistakes) = Document::parse(text);
    let reading = read(&document, given);
    // After a syntax error most of what follows would be about things that were not understood.
    if mistakes.is_empty() {
        let whole = reading.mistakes.is_empty();
        mistakes.extend(reading.mistakes);
        let unused_inputs = &reading.unused;
        let subject = Subject { runbook: &reading.runbook, document: &document, unused_inputs, whole };
        for rule in RULES {
            (rule.run)(&subject, &mut mistakes);
        }
    }
    mistakes.sort_by_key(|mistake| (mistake.at.start, mistake.at.end, mistake.code));
    mistakes.dedup();
    let wrong = mistakes.iter().any(|mistake| mistake.severity == Severity::Error);
    let checked = Checked { runbook: reading.runbook, inputs: reading.inputs, text: text.to_owned() };
    Found { checked: (!wrong).then_some(checked), mistakes, text: text.to_owned() }
}

//! Something wrong in a runbook, and where.

use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The runbook cannot be used.
    Error,
    /// It can, but somebody probably meant something else.
    Warning,
}

/// One mistake, pointing at the bytes of the text that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// A stable name, in kebab case.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and why it is.
    pub message: String,
    /// The bytes it is about.
    pub at: Range<usize>,
    /// A word or two for the underline.
    pub label: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub also: Vec<(Range<usize>, String)>,
}

impl Mistake {
    /// An error.
    pub fn error(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Mistake {
        let severity = Severity::Error;
        Mistake { code, severity, message: message.into(), at, label: String::new(), help: None, also: Vec::new() }
    }

    /// A warning.
    pub fn warning(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { severity: Severity::Warning, ..Mistake::error(code, at, message) }
    }

    /// The same with a word at the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Mistake {
        self.label = label.into();
        self
    }

    /// The same with a way to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }

    /// The same with another place.
    #[must_use]
    pub fn also(mut self, at: Range<usize>, label: impl Into<String>) -> Mistake {
        self.also.push((at, label.into()));
        self
    }
}

/// "did you mean …", if one of the candidates is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &&str| strsim::damerau_levenshtein(word, candidate);
    let nearest = candidates.into_iter().min_by_key(distance)?;
    (distance(&nearest) <= (word.chars().count() / 3).max(2)).then_some(nearest)
}

/// Advice for a word that is none of these.
pub fn instead<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let all: Vec<_> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
            if all.is_empty() { "there is none".to_owned() } else { format!("there is {}", all.join(", ")) }
        }
    }
}

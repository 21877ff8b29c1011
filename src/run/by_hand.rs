//! Texts as parts of a command that an operator runs in a shell of their own. Secrets stand in them as variables that the operator sets.

use std::fmt::Write as _;

use crate::inert::{inert, is_active};

/// The variables that commands need, each with the input that it is set to, in the order in which they are first used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretVariables(Vec<(String, String)>);

impl SecretVariables {
    /// Comments that say what to set.
    pub fn comments(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(variable, reference)| format!("# set {variable} to the secret {reference} first"))
    }

    /// A text as a word of a POSIX shell, with a variable in the place of each `${inputs.NAME}`; `None` for what would steer a terminal: it
    /// cannot be shown and run as one and the same text.
    pub fn word(&mut self, text: &str) -> Option<String> {
        if !text.contains("${inputs.") {
            return quoted(text);
        }
        let (mut out, mut rest) = ("\"".to_owned(), text);
        while let Some((before, after)) = rest.split_once("${inputs.") {
            let (name, after) = after.split_once('}')?;
            let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
            let variable: String = name.chars().map(letter).collect();
            let _ = write!(out, "{}${{{variable}:?set {variable}}}", in_double_quotes(before)?);
            let reference = inert(&format!("inputs.{name}"));
            if !self.0.iter().any(|(known, _)| *known == variable) {
                self.0.push((variable, reference));
            }
            rest = after;
        }
        let _ = write!(out, "{}\"", in_double_quotes(rest)?);
        Some(out)
    }
}

/// A text as a word of a POSIX shell; `None` for what would steer a terminal.
pub fn quoted(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|letter| matches!(letter, '\n' | '\t') || !is_active(letter));
    shlex::try_quote(text).ok().filter(|_| is_plain).map(std::borrow::Cow::into_owned)
}

fn in_double_quotes(text: &str) -> Option<String> {
    quoted(text)?;
    let escaped = text.chars().fold(String::new(), |mut out, letter| {
        if matches!(letter, '\\' | '"' | '$' | '`') {
            out.push('\\');
        }
        out.push(letter);
        out
    });
    Some(escaped)
}

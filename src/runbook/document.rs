//! The text of a runbook as a tree that knows where everything stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;

/// At most so many syntax errors are told: one missing quote can cause a dozen.
const SYNTAX_ERRORS: usize = 5;

/// A runbook's text and its tree.
pub struct Document<'t> {
    text: &'t str,
    root: DeTable<'t>,
}

/// One step of a path into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A key of a table.
    Key(&'a str),
    /// A place in a list, from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(key: &'a str) -> Part<'a> {
        Part::Key(key)
    }
}

impl From<usize> for Part<'_> {
    fn from(index: usize) -> Self {
        Part::Index(index)
    }
}

impl<'t> Document<'t> {
    /// Parses a text. What can be parsed of it is in the document, whatever is wrong with the rest.
    pub fn parse(text: &'t str) -> (Document<'t>, Vec<Mistake>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mistakes = errors.iter().take(SYNTAX_ERRORS).map(|error| {
            let at = error.span().unwrap_or(0..0);
            Mistake::error("syntax", within(text, at), format!("this is not TOML: {}", error.message()))
        });
        let mistakes = mistakes.collect();
        (Document { text, root: root.into_inner() }, mistakes)
    }

    /// The text.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The whole tree.
    pub fn root(&self) -> &DeTable<'t> {
        &self.root
    }

    /// What stands at a path.
    pub fn get(&self, path: &[Part<'_>]) -> Option<&Spanned<DeValue<'t>>> {
        let (first, rest) = path.split_first()?;
        let Part::Key(key) = first else { return None };
        let start = self.root.get(*key)?;
        rest.iter().try_fold(start, |value, part| step(value, *part))
    }

    /// The bytes of the value at a path, or of the nearest thing around it that exists.
    pub fn span(&self, path: &[Part<'_>]) -> Range<usize> {
        let found = (1..=path.len()).rev().find_map(|length| self.get(&path[..length]));
        within(self.text, found.map_or(0..0, Spanned::span))
    }

    /// The bytes of the key at the end of a path, or of its value.
    pub fn key_span(&self, path: &[Part<'_>]) -> Range<usize> {
        let key = path.split_last().and_then(|(last, parents)| {
            let Part::Key(name) = last else { return None };
            let table = if parents.is_empty() { Some(&self.root) } else { self.get(parents)?.get_ref().as_table() };
            table?.keys().find(|key| key.get_ref() == name).map(Spanned::span)
        });
        key.map_or_else(|| self.span(path), |span| within(self.text, span))
    }
}

fn step<'v, 't>(value: &'v Spanned<DeValue<'t>>, part: Part<'_>) -> Option<&'v Spanned<DeValue<'t>>> {
    match part {
        Part::Key(key) => value.get_ref().as_table()?.get(key),
        Part::Index(index) => value.get_ref().as_array()?.get(index),
    }
}

/// A span that lies in the text and on its characters, whatever a parser said.
fn within(text: &str, at: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(at.start.min(text.len()));
    let end = text.floor_char_boundary(at.end.min(text.len())).max(start);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_bytes() {
        let text = "[[phase]]\nname = \"a\"\n[[phase.step]]\nwith = { max = 15 }\n";
        let (document, mistakes) = Document::parse(text);
        assert_eq!(mistakes, []);
        let path = ["phase".into(), 0.into(), "step".into(), 0.into(), "with".into(), "max".into()];
        assert_eq!(&text[document.span(&path)], "15");
        assert_eq!(&text[document.key_span(&path)], "max");
    }

    #[test]
    fn a_path_to_nothing_leads_to_what_is_around_it() {
        let text = "[a]\nb = { c = 1 }\n";
        let (document, _) = Document::parse(text);
        assert_eq!(&text[document.span(&["a".into(), "b".into(), "x".into()])], "{ c = 1 }");
        assert_eq!(document.span(&["x".into()]), 0..0);
    }
}

//! `${…}`: the only thing in a runbook that is not plain data. It names an input or a word of the target.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, instead};

/// The inputs that somebody gave, and whether all must be there.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Values by name.
    pub values: BTreeMap<String, String>,
    /// Whether a required input may be missing: for checking a runbook, but not for using it.
    pub may_miss: bool,
}

/// What `${…}` can name.
pub(super) struct Scope<'t> {
    text: &'t str,
    values: BTreeMap<String, Option<String>>,
    used: BTreeSet<String>,
}

impl<'t> Scope<'t> {
    pub(super) fn new(text: &'t str) -> Scope<'t> {
        Scope { text, values: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// Makes a name known. A value of `None` is not known yet: what refers to it stays as it is written.
    pub(super) fn define(&mut self, name: String, value: Option<String>) {
        self.values.insert(name, value);
    }

    /// Whether something referred to this name.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// Replaces every reference in a tree, in keys as well as in values.
    pub(super) fn resolve(
        &mut self,
        value: &Spanned<DeValue<'t>>,
        mistakes: &mut Vec<Mistake>,
    ) -> Spanned<DeValue<'t>> {
        let resolved = match value.get_ref() {
            DeValue::String(text) => DeValue::String(self.text(text, &value.span(), mistakes).into()),
            DeValue::Array(items) => {
                let mut array = items.clone();
                for (place, item) in items.iter().enumerate() {
                    if let Some(there) = array.get_mut(place) {
                        *there = self.resolve(item, mistakes);
                    }
                }
                DeValue::Array(array)
            }
            DeValue::Table(table) => DeValue::Table(self.resolve_table(table, mistakes)),
            other => other.clone(),
        };
        Spanned::new(value.span(), resolved)
    }

    pub(super) fn resolve_table(&mut self, table: &DeTable<'t>, mistakes: &mut Vec<Mistake>) -> DeTable<'t> {
        let mut resolved = DeTable::new();
        for (key, value) in table {
            let name = self.text(key.get_ref(), &key.span(), mistakes);
            resolved.insert(Spanned::new(key.span(), name.into()), self.resolve(value, mistakes));
        }
        resolved
    }

    fn text(&mut self, text: &str, span: &Range<usize>, mistakes: &mut Vec<Mistake>) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find("${") {
            let before = &rest[..start];
            let place = text.len() - rest.len() + start;
            if let Some(literal) = before.strip_suffix('$') {
                out.push_str(literal);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(before);
            let Some(end) = rest[start..].find('}') else {
                let at = self.inside(text, span, place..text.len());
                mistakes.push(
                    Mistake::error("reference", at, "`${` is never closed").help("write `$${` for a literal `${`"),
                );
                rest = &rest[start..];
                break;
            };
            let reference = &rest[start..=start + end];
            let name = reference[2..reference.len() - 1].trim();
            match self.values.get(name) {
                Some(Some(value)) => out.push_str(value),
                Some(None) => out.push_str(reference),
                None => {
                    let at = self.inside(text, span, place..place + reference.len());
                    let help = instead(name, self.values.keys().map(String::as_str));
                    mistakes.push(Mistake::error("reference", at, format!("`{name}` is not defined")).help(help));
                    out.push_str(reference);
                }
            }
            self.used.insert(name.to_owned());
            rest = &rest[start + end + 1..];
        }
        out.push_str(rest);
        out
    }

    /// The bytes of a part of a string's value: exact if the string is written without escapes on one line.
    fn inside(&self, value: &str, span: &Range<usize>, part: Range<usize>) -> Range<usize> {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let quotes = usize::from(written.starts_with(['"', '\'']));
        if written.get(quotes..written.len().saturating_sub(quotes)) == Some(value) {
            span.start + quotes + part.start..span.start + quotes + part.end
        } else {
            span.clone()
        }
    }
}

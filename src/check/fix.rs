//! `check --fix`: the fixes that are certain, applied to a runbook's text.
//!
//! A rule that knows what was meant says so as edits of the text; everything else stays as its author wrote it, comments and
//! spaces too. Each fix is applied by itself and kept only if the text is a runbook afterwards and has that diagnostic no more, and
//! no other mistake instead.

use std::collections::BTreeSet;
use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::{Outcome, Severity, check};
use crate::runbook::Mode;
use crate::syntax::{Document, Edit, Inputs};

/// More fixes than these nobody reads.
const MOST: usize = 200;

/// A runbook's text with what could be fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The text.
    pub text: String,
    /// What was fixed, in the order in which it was.
    pub fixes: Vec<Fix>,
}

/// One fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The code of the diagnostic.
    pub code: &'static str,
    /// The line that it begins at, counted from one.
    pub line: usize,
    /// The lines that were there.
    pub before: Vec<String>,
    /// The lines that are there now.
    pub after: Vec<String>,
}

/// Applies what can be fixed for certain. What is no text is left alone.
pub fn fix(name: &str, bytes: &[u8]) -> Option<Fixed> {
    let mut text = std::str::from_utf8(bytes).ok()?.to_owned();
    let mut fixes = Vec::new();
    let mut failed: BTreeSet<(&'static str, String)> = BTreeSet::new();
    let examine = |text: &str| check(name, text.as_bytes(), &Inputs::none(), Mode::Check);
    let mut outcome = examine(&text);
    while fixes.len() < MOST {
        let is_new = |diagnostic: &&Diagnostic| !failed.contains(&(diagnostic.code, identity(diagnostic)));
        let Some(next) = outcome.diagnostics.iter().filter(|one| !one.edits.is_empty()).find(is_new) else { break };
        let attempt = applied(&text, &next.edits).map(|changed| (examine(&changed), changed));
        match attempt.filter(|(after, changed)| is_better(&outcome, after, next, (name, changed))) {
            Some((after, changed)) => {
                fixes.push(described(next.code, &text, &changed));
                (outcome, text) = (after, changed);
            }
            None => drop(failed.insert((next.code, identity(next)))),
        }
    }
    Some(Fixed { text, fixes })
}

/// What tells a diagnostic that could not be fixed from others.
fn identity(diagnostic: &Diagnostic) -> String {
    let edits = diagnostic.edits.iter().map(|edit| format!("{:?}={}", edit.at, edit.text));
    std::iter::once(diagnostic.message.clone()).chain(edits).collect::<Vec<_>>().join("\n")
}

/// Whether the text has this diagnostic no more, and no other mistake instead.
fn is_better(before: &Outcome, after: &Outcome, fixed: &Diagnostic, (name, text): (&str, &str)) -> bool {
    let count = |outcome: &Outcome, is_meant: &dyn Fn(&Diagnostic) -> bool| {
        outcome.diagnostics.iter().filter(|diagnostic| is_meant(diagnostic)).count()
    };
    let same = |diagnostic: &Diagnostic| diagnostic.code == fixed.code && diagnostic.message == fixed.message;
    // One mistake may have hidden others: those are new, and none of the fix's making.
    let is_hiding = fixed.severity == Severity::Error;
    let errors = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    Document::parse(name, text).is_ok()
        && count(after, &same) < count(before, &same)
        && (is_hiding || count(after, &errors) <= count(before, &errors))
}

/// The text with these edits; `None` if they overlap or lie elsewhere.
fn applied(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.at.start);
    let is_apart = edits.windows(2).all(|pair| matches!(pair, [one, next] if one.at.end <= next.at.start));
    if !is_apart {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for Edit { at: Range { start, end }, text: new } in edits {
        out.push_str(text.get(at..*start)?);
        out.push_str(new);
        at = *end;
    }
    out.push_str(text.get(at..)?);
    (out != text).then_some(out)
}

/// The lines in which two texts differ.
fn described(code: &'static str, before: &str, after: &str) -> Fix {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(one, other)| one == other).count();
    let head = same(&mut old.iter().zip(&new));
    let rest = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev()).take(rest));
    let lines = |all: &[&str]| -> Vec<String> {
        all.get(head..all.len() - tail).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
    };
    Fix { code, line: head + 1, before: lines(&old), after: lines(&new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(at: Range<usize>, text: &str) -> Edit {
        Edit { at, text: text.to_owned() }
    }

    #[test]
    fn edits_are_applied_together_or_not_at_all() {
        assert_eq!(applied("abcdef", &[edit(4..5, "E"), edit(1..1, "-")]).as_deref(), Some("a-bcdEf"));
        assert_eq!(applied("abcdef", &[edit(0..3, "x"), edit(2..4, "y")]), None);
        assert_eq!(applied("abcdef", &[edit(5..9, "x")]), None);
        assert_eq!(applied("abcdef", &[edit(1..2, "b")]), None, "nothing is changed");
    }

    #[test]
    fn a_fix_is_told_by_the_lines_that_it_changes() {
        let fix = described("code", "a\nb\nc\n", "a\nB\nc\n");
        assert_eq!((fix.line, fix.before, fix.after), (2, vec!["b".to_owned()], vec!["B".to_owned()]));
        let fix = described("code", "a\nb\nb\n", "a\nb\n");
        assert_eq!((fix.line, fix.before, fix.after), (3, vec!["b".to_owned()], vec![]));
    }
}

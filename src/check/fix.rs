//! `check --fix`: the fixes that are certain, applied to a runbook's text.
//!
//! A rule that knows what was meant says so as edits of the text; everything else stays as its author wrote it, comments and
//! spaces too. Each fix is applied by itself and kept only if the text is a runbook afterwards and has that diagnostic no more, and
//! no other mistake instead.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::{Outcome, Severity, check};
use crate::runbook::Mode;
use crate::syntax::{Document, Edit, Inputs, Sources};

/// How often a text is looked at again, because one fix may show what another mistake had hidden.
const MOST_ROUNDS: usize = 20;

/// A runbook's text with what could be fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The text.
    pub text: String,
    /// What was fixed, in the order in which it was.
    pub fixes: Vec<Fix>,
    /// How often the text was checked for that.
    pub checks: usize,
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
    let mut checks = 1;
    let mut outcome = check(name, text.as_bytes(), &Inputs::none(), Mode::Check);
    for _ in 0..MOST_ROUNDS {
        let is_new = |diagnostic: &&Diagnostic| !failed.contains(&(diagnostic.code, identity(diagnostic)));
        let diagnostics = outcome.diagnostics.clone();
        // What is shared with other runbooks is not changed for the sake of one.
        let own = Sources::of(&text).own;
        let is_own = |edit: &Edit| edit.at.end <= own.end;
        let fixable =
            diagnostics.iter().filter(|one| !one.edits.is_empty() && one.edits.iter().all(is_own)).filter(is_new);
        let candidates = apart(fixable);
        if candidates.is_empty() {
            break;
        }
        let mut round =
            Round { name, base: &text, kept: Vec::new(), text: text.clone(), outcome, failed: Vec::new(), checks };
        round.keep(&candidates);
        let Round { kept, text: changed, outcome: after, failed: not_kept, checks: made, .. } = round;
        let lines = line_starts(&text);
        fixes.extend(kept.iter().map(|diagnostic| described(diagnostic, &text, &lines)));
        failed.extend(not_kept.iter().map(|diagnostic| (diagnostic.code, identity(diagnostic))));
        (outcome, text, checks) = (after, changed, made);
    }
    let own = Sources::of(&text).own;
    text.truncate(own.end);
    Some(Fixed { text, fixes, checks })
}

/// One look at a text: the fixes that are kept of those that are possible at once.
struct Round<'t> {
    name: &'t str,
    /// The text that places are places of.
    base: &'t str,
    /// Those that are kept so far.
    kept: Vec<&'t Diagnostic>,
    /// The text with them.
    text: String,
    /// What there is to say about it.
    outcome: Outcome,
    failed: Vec<&'t Diagnostic>,
    checks: usize,
}

impl<'t> Round<'t> {
    /// Keeps what makes the text better. All are tried together, and by halves only if something is wrong with that: a thousand
    /// fixes are then as many checks as one.
    fn keep(&mut self, candidates: &[&'t Diagnostic]) {
        let all: Vec<&'t Diagnostic> = self.kept.iter().chain(candidates).copied().collect();
        let edits: Vec<&Edit> = all.iter().flat_map(|diagnostic| &diagnostic.edits).collect();
        if let Some(changed) = applied(self.base, &edits) {
            self.checks += 1;
            let after = check(self.name, changed.as_bytes(), &Inputs::none(), Mode::Check);
            if is_better(&self.outcome, &after, candidates) && Document::parse(self.name, &*changed).is_ok() {
                (self.kept, self.text, self.outcome) = (all, changed, after);
                return;
            }
        }
        match candidates {
            [] => {}
            [one] => self.failed.push(one),
            _ => {
                let (first, second) = candidates.split_at(candidates.len() / 2);
                self.keep(first);
                self.keep(second);
            }
        }
    }
}

/// Those whose edits do not overlap with those of one before; the others have their turn in the next round.
fn apart<'d>(diagnostics: impl Iterator<Item = &'d Diagnostic>) -> Vec<&'d Diagnostic> {
    // By where they begin: the ends of the ranges that are taken.
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for diagnostic in diagnostics {
        let is_free = |edit: &Edit| {
            let Range { start, end } = edit.at;
            let before = taken.range(..start).next_back();
            before.is_none_or(|(_, before)| *before <= start) && taken.range(start..end.max(start + 1)).next().is_none()
        };
        if diagnostic.edits.iter().all(is_free) {
            taken.extend(diagnostic.edits.iter().map(|edit| (edit.at.start, edit.at.end)));
            kept.push(diagnostic);
        }
    }
    kept
}

/// What tells a diagnostic that could not be fixed from others.
fn identity(diagnostic: &Diagnostic) -> String {
    let edits = diagnostic.edits.iter().map(|edit| format!("{:?}={}", edit.at, edit.text));
    std::iter::once(diagnostic.message.clone()).chain(edits).collect::<Vec<_>>().join("\n")
}

/// Whether a text has these diagnostics no more, and no other mistake instead.
fn is_better(before: &Outcome, after: &Outcome, fixed: &[&Diagnostic]) -> bool {
    let count = |diagnostics: &mut dyn Iterator<Item = &Diagnostic>| {
        let mut counts: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
        for diagnostic in diagnostics {
            *counts.entry((diagnostic.code, diagnostic.message.clone())).or_default() += 1;
        }
        counts
    };
    let (old, new) = (count(&mut before.diagnostics.iter()), count(&mut after.diagnostics.iter()));
    let of = |counts: &BTreeMap<_, usize>, key| counts.get(key).copied().unwrap_or_default();
    let all_gone = count(&mut fixed.iter().copied()).iter().all(|(key, gone)| of(&new, key) + gone <= of(&old, key));
    // One mistake may have hidden others: those are new, and none of the fix's making.
    let is_hiding = fixed.iter().all(|diagnostic| diagnostic.severity == Severity::Error);
    let errors = |outcome: &Outcome| {
        outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    };
    let mended = fixed.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    all_gone && (is_hiding || errors(after) + mended <= errors(before))
}

/// The text with these edits; `None` if they overlap or lie elsewhere.
fn applied(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut edits = edits.to_vec();
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

/// Where each line of a text begins.
fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// A fix as its author reads it: the lines that it changes.
fn described(diagnostic: &Diagnostic, text: &str, line_starts: &[usize]) -> Fix {
    let start = diagnostic.edits.iter().map(|edit| edit.at.start).min().unwrap_or_default();
    let end = diagnostic.edits.iter().map(|edit| edit.at.end).max().unwrap_or_default();
    let first = line_starts.partition_point(|line| *line <= start).saturating_sub(1);
    let from = line_starts.get(first).copied().unwrap_or_default();
    // What ends with the end of a line takes nothing of the next one.
    let to = line_starts.get(line_starts.partition_point(|line| *line < end)).copied().unwrap_or(text.len());
    let before = text.get(from..to).unwrap_or_default();
    let edit = |edit: &Edit| Edit { at: edit.at.start - from..edit.at.end - from, text: edit.text.clone() };
    let moved: Vec<Edit> = diagnostic.edits.iter().map(edit).collect();
    let after = applied(before, &moved.iter().collect::<Vec<_>>()).unwrap_or_default();
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(one, other)| one == other).count();
    let head = same(&mut old.iter().zip(&new));
    let rest = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev()).take(rest));
    let lines = |all: &[&str]| -> Vec<String> {
        all.get(head..all.len() - tail).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
    };
    Fix { code: diagnostic.code, line: first + head + 1, before: lines(&old), after: lines(&new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(at: Range<usize>, text: &str) -> Edit {
        Edit { at, text: text.to_owned() }
    }

    fn edited(text: &str, edits: &[Edit]) -> Option<String> {
        applied(text, &edits.iter().collect::<Vec<_>>())
    }

    fn fix_of(text: &str, edits: &[Edit]) -> Fix {
        let diagnostic = Diagnostic::error("code", 0..1, "m").edits(edits.iter().cloned());
        described(&diagnostic, text, &line_starts(text))
    }

    #[test]
    fn edits_are_applied_together_or_not_at_all() {
        assert_eq!(edited("abcdef", &[edit(4..5, "E"), edit(1..1, "-")]).as_deref(), Some("a-bcdEf"));
        assert_eq!(edited("abcdef", &[edit(0..3, "x"), edit(2..4, "y")]), None);
        assert_eq!(edited("abcdef", &[edit(5..9, "x")]), None);
        assert_eq!(edited("abcdef", &[edit(1..2, "b")]), None, "nothing is changed");
    }

    #[test]
    fn a_fix_is_told_by_the_lines_that_it_changes() {
        let fix = fix_of("a\nb\nc\n", &[edit(2..3, "B")]);
        assert_eq!((fix.line, fix.before, fix.after), (2, vec!["b".to_owned()], vec!["B".to_owned()]));
        let fix = fix_of("a\nb\nc\n", &[edit(2..4, "")]);
        assert_eq!((fix.line, fix.before, fix.after), (2, vec!["b".to_owned()], vec![]));
        let fix = fix_of("a\nb\nc", &[edit(4..5, "C"), edit(0..1, "A")]);
        assert_eq!(
            (fix.line, fix.before.len(), fix.after),
            (1, 3, vec!["A".to_owned(), "b".to_owned(), "C".to_owned()])
        );
    }

    #[test]
    fn edits_that_meet_wait_for_the_next_round() {
        let one = |at: Range<usize>| Diagnostic::error("code", 0..1, "m").edits([edit(at, "x")]);
        let all = [one(0..3), one(2..4), one(3..3), one(3..3), one(3..5), one(7..9), one(6..10)];
        let kept: Vec<_> = apart(all.iter()).iter().map(|diagnostic| diagnostic.edits[0].at.clone()).collect();
        assert_eq!(kept[0], 0..3);
        let edits: Vec<&Edit> = apart(all.iter()).into_iter().flat_map(|diagnostic| &diagnostic.edits).collect();
        assert!(applied("0123456789", &edits).is_some(), "{kept:?}");
    }
}

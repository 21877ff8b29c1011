//! Diagnostics that the author of a step has answered: `allow = [{ code = "…", reason = "…" }]`.
//!
//! A rule knows less than whoever wrote the step. What is answered is not reported by `check`, and stands with its reason in the
//! plan, where a reviewer reads it. An answer to nothing is reported, so that none outlives what it was given for.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::rules::{Answer, RULES};
use super::{codes, explain};
use crate::runbook::Draft;
use crate::syntax::spelling::did_you_mean;
use crate::syntax::{Document, Path};

/// The code of what is wrong with an `allow` itself.
pub(super) const BAD_ALLOW: &str = "bad-allow";

/// What is left to report once the answers are taken into account.
pub(super) fn without_answered(document: &Document, draft: &Draft, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    // Most runbooks answer nothing; where each step ends is worked out only for those that do.
    if draft.steps().all(|(_, step)| step.allow.is_empty()) {
        return found;
    }
    let steps: Vec<(Path, Range<usize>)> = extents(document, draft);
    let mut left = found;
    for (step, extent) in &steps {
        let Some((_, draft)) = draft.steps().find(|(path, _)| path == step) else { continue };
        for (index, allowed) in draft.allow.iter().enumerate() {
            let place = document.place(&step.key("allow").index(index).key("code"));
            let rule = RULES.iter().find(|rule| rule.code == allowed.code);
            if rule.is_none_or(|rule| rule.answer == Answer::None) {
                left.push(unanswerable(&allowed.code, place));
                continue;
            }
            let before = left.len();
            left.retain(|diagnostic| diagnostic.code != allowed.code || !extent.contains(&diagnostic.start()));
            if left.len() == before {
                let message = format!("there is no `{}` at this step to answer", allowed.code);
                let edit = document.without_entry(&step.key("allow")).filter(|_| draft.allow.len() == 1);
                left.push(Diagnostic::warning(BAD_ALLOW, place, message).help("take it out of `allow`").edits(edit));
            }
        }
    }
    left
}

fn unanswerable(code: &str, place: Range<usize>) -> Diagnostic {
    if explain::page(code).is_some() {
        let message = format!("`{code}` cannot be answered: what it is about cannot be carried out, or protects data");
        return Diagnostic::error(BAD_ALLOW, place, message).help("change the step");
    }
    let known: Vec<&str> = codes().into_iter().map(|(code, _)| code).collect();
    let diagnostic = Diagnostic::error(BAD_ALLOW, place, format!("there is no code `{code}`"));
    Diagnostic { help: did_you_mean(code, known.iter().copied()), ..diagnostic }
}

/// Each step, and the text that is its own: up to where the next step or phase begins.
pub(super) fn extents(document: &Document, draft: &Draft) -> Vec<(Path, Range<usize>)> {
    let phases = (0..draft.phases.len()).map(|phase| Path::root().key("phase").index(phase));
    let others = ["guard", "escalation", "closure", "probes", "inputs"].into_iter().map(|key| Path::root().key(key));
    let starts = |path: &Path| document.span(path).or_else(|| document.key_span(path)).map(|span| span.start);
    let mut borders: Vec<usize> = phases.chain(others).filter_map(|path| starts(&path)).collect();
    borders.extend(draft.steps().filter_map(|(path, _)| starts(&path)));
    let extent = |(path, _): (Path, _)| {
        let start = starts(&path)?;
        let end = borders.iter().copied().filter(|border| *border > start).min().unwrap_or(usize::MAX);
        Some((path, start..end))
    };
    draft.steps().filter_map(extent).collect()
}

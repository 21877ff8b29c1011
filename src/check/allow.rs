//! Diagnostics that the author of a step has answered: `allow = [{ code = "…", reason = "…" }]`.
//!
//! A rule knows less than whoever wrote the step. What is answered is not reported by `check`, and stands with its reason in the
//! plan, where a reviewer reads it. An answer to nothing is reported, so that none outlives what it was given for.

use std::collections::BTreeMap;
use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::extent::{Extent, Extents};
use super::rules::{Answer, RULES};
use super::{codes, explain};
use crate::runbook::Draft;
use crate::syntax::Document;
use crate::syntax::spelling::did_you_mean;

/// The code of what is wrong with an `allow` itself.
pub(super) const BAD_ALLOW: &str = "bad-allow";

/// What is left to report once the answers are taken into account.
pub(super) fn without_answered(document: &Document, draft: &Draft, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    // Most runbooks answer nothing; where each step ends is worked out only for those that do.
    if draft.steps().all(|(_, step)| step.allow.is_empty()) {
        return found;
    }
    let extents = Extents::of(document, draft);
    // What is answered, by step and code: whether it can be, and whether there was something to answer.
    let mut answers: BTreeMap<(usize, &str), bool> = BTreeMap::new();
    let is_answerable = |code: &str| RULES.iter().any(|rule| rule.code == code && rule.answer != Answer::None);
    for (index, extent) in extents.steps().iter().enumerate() {
        let codes = extent.step.allow.iter().map(|allowed| allowed.code.as_str());
        answers.extend(codes.filter(|code| is_answerable(code)).map(|code| ((index, code), false)));
    }
    let mut left = Vec::new();
    for diagnostic in found {
        let step = extents.step_at(diagnostic.start());
        match step.and_then(|step| answers.get_mut(&(step, diagnostic.code))) {
            Some(is_used) => *is_used = true,
            None => left.push(diagnostic),
        }
    }
    for (index, Extent { path, step, .. }) in extents.steps().iter().enumerate() {
        for (position, allowed) in step.allow.iter().enumerate() {
            let code = allowed.code.as_str();
            let place = document.place(&path.key("allow").index(position).key("code"));
            match answers.get_mut(&(index, code)) {
                None => left.push(unanswerable(code, place)),
                // A second answer to the same has nothing left to answer.
                Some(is_used) if *is_used => *is_used = false,
                Some(_) => {
                    let message = format!("there is no `{code}` at this step to answer");
                    let edit = document.without_entry(&path.key("allow")).filter(|_| step.allow.len() == 1);
                    left.push(
                        Diagnostic::warning(BAD_ALLOW, place, message).help("take it out of `allow`").edits(edit),
                    );
                }
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

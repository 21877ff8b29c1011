//! A step that cannot be undone says so.
//!
//! A connector only grows: the API refuses any update that shrinks it, so an enlarged one stays enlarged, and is paid
//! for, until somebody replaces it (source: `gcloud compute networks vpc-access connectors update --help`, and the
//! Terraform provider's `ForceNewIfChange(isInstanceShrinkage)`). Whoever reviews the runbook should read that in it.

use super::{Answer, Rule, Subject};
use crate::action::Rollback;
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "irreversible-unsaid",
    title: "a step that cannot be undone says `irreversible = true`",
    page: include_str!("../../../docs/checks/irreversible-unsaid.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, draft) in subject.draft.steps() {
        let Some(undo) = draft
            .iterations
            .iter()
            .find_map(|iteration| iteration.action.read())
            .map(|action| action.step().rollback())
        else {
            continue;
        };
        let place = || subject.place(&step.key("uses"));
        match undo {
            Rollback::Impossible(why) if !draft.irreversible => found.push(
                Diagnostic::error(RULE.code, place(), format!("this cannot be undone: {why}"))
                    .help("add irreversible = true to the step, so that whoever reviews it knows"),
            ),
            Rollback::Possible if draft.irreversible => found.push(
                Diagnostic::warning(RULE.code, subject.key_place(&step.key("irreversible")), "this step can be undone")
                    .help("take `irreversible` out: what cries wolf is not read")
                    .edits(subject.document.without_entry(&step.key("irreversible"))),
            ),
            _ => {}
        }
    }
    found
}

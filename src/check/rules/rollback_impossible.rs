//! A step that is rolled back when it fails can be rolled back.
//!
//! Otherwise the runbook promises at its desk what it cannot keep in the incident: the rollback ends stuck, half done.
//! `irreversible = true` is the acknowledgement that this is known.

use super::{Answer, Rule, Subject};
use crate::action::Rollback;
use crate::check::diagnostic::Diagnostic;
use crate::run::OnFailure;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "rollback-impossible",
    title: "what is rolled back on failure can be undone, or says that it cannot",
    page: include_str!("../../../docs/checks/rollback-impossible.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let root = Path::root().key("runbook");
    let about = subject.draft.about.read().map(|about| about.on_failure).unwrap_or_default();
    for (phase, draft) in subject.draft.phases.iter().enumerate() {
        for (index, step) in draft.steps.iter().enumerate() {
            let path = Path::step(phase, index);
            // The nearest that says something decides.
            let (policy, said) = match (step.on_failure, draft.on_failure) {
                (Some(policy), _) => (policy, path.clone()),
                (None, Some(policy)) => (policy, Path::phase(phase)),
                (None, None) => (about, root.clone()),
            };
            let undo = step
                .iterations
                .iter()
                .find_map(|iteration| iteration.action.read())
                .map_or(Rollback::Possible, |action| action.step().rollback());
            // A refused undo that is not acknowledged has a rule of its own.
            if policy != OnFailure::Rollback || step.irreversible || undo != Rollback::NotDeclared {
                continue;
            }
            let place = subject.place(&path.key("uses"));
            found.push(
                Diagnostic::error(RULE.code, place, "this step is to be rolled back, and nothing says how to undo it")
                    .and(subject.place(&said.key("on_failure")), "asks for a rollback")
                    .help("give it an `undo`, add irreversible = true, or another `on_failure`"),
            );
        }
    }
    found
}

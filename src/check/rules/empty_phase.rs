//! A phase has steps.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "empty-phase",
    title: "a phase has at least one step",
    page: include_str!("../../../docs/checks/empty-phase.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (index, phase) in subject.draft.phases.iter().enumerate() {
        let path = Path::phase(index);
        // Steps that could not be read are steps; what is wrong with them has been said.
        if !phase.steps.is_empty() || subject.document.span(&path.key("step")).is_some() {
            continue;
        }
        let name = phase.name.as_deref().map(|name| format!(" `{name}`")).unwrap_or_default();
        let message = format!("the phase{name} has no steps");
        let help = "write [[phase.step]] below it, or take it out";
        found.push(Diagnostic::error(RULE.code, subject.place(&path), message).help(help));
    }
    found
}

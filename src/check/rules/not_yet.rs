//! What is carried out is all that is written: a part of the format that this version only knows is refused when the
//! runbook is to be used. Otherwise somebody would believe that a guard stands watch when none does.

use super::{Answer, Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Mode;
use crate::runbook::StepDraft;
use crate::runbook::model::{FanOut, Items};
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "not-yet",
    title: "a runbook that is planned or run has nothing that this version cannot carry out",
    page: include_str!("../../../docs/checks/not-yet.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let draft = subject.draft;
    if draft.mode == Mode::Check {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut later = |path: &Path, what: &str| {
        let message = format!("{what} is not supported by this version yet");
        let diagnostic = Diagnostic::error(RULE.code, subject.key_place(path), message);
        found.push(diagnostic.help("take it out; it would not be carried out"));
    };
    // A split may name a revision that does not exist yet: the planner knows what it will be called.
    let splits: Vec<Path> = draft.steps().map(|(step, _)| argument(&step, "to")).collect();
    // What a step over a list is done for is known once the list was observed; then it is read again.
    let is_unlisted =
        |step: &StepDraft| matches!(step.fan_out.read(), Some(FanOut { items: Items::Listed { found: None, .. }, .. }));
    let unlisted = draft.steps().filter(|(_, step)| is_unlisted(step)).map(|(path, _)| path);
    let known: Vec<Path> = splits.into_iter().chain(unlisted).collect();
    for path in draft.known_later().filter(|path| !known.iter().any(|known| path.is_within(known))) {
        later(path, "a reference to what a step brings about");
    }
    found
}

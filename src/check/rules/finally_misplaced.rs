//! Phases with `finally = true` are the last ones, and neither stop the run nor roll it back.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::run::{Occasion, OnFailure};
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "finally-misplaced",
    title: "a phase with `finally = true` comes last, and its failures do not change the outcome",
    page: include_str!("../../../docs/checks/finally-misplaced.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let phases = &subject.draft.phases;
    let last = phases.iter().rposition(|phase| phase.occasion == Occasion::InOrder);
    let mut found = Vec::new();
    for (index, phase) in phases.iter().enumerate().filter(|(_, phase)| phase.occasion == Occasion::Finally) {
        let path = Path::phase(index);
        let at = || subject.key_place(&path.key("finally"));
        if last.is_none_or(|last| index < last) {
            let (message, help) = match last {
                Some(_) => (
                    "a phase that is carried out at the end stands before one that is not",
                    "move it to the end of the file",
                ),
                None => ("every phase is carried out at the end: there is nothing before it", "take `finally` out"),
            };
            found.push(Diagnostic::error(RULE.code, at(), message).help(help));
        }
        let steps = (0..phase.steps.len())
            .map(|step| Path::step(index, step))
            .zip(phase.steps.iter().map(|step| step.on_failure));
        for (path, policy) in std::iter::once((path.clone(), phase.on_failure)).chain(steps) {
            let what = match policy {
                Some(OnFailure::Rollback) => "roll the run back",
                Some(OnFailure::Stop) => "stop the run",
                Some(OnFailure::Ask | OnFailure::Continue) | None => continue,
            };
            let message = format!("a failure at the end cannot {what}: its outcome is decided by then");
            let help = "write \"continue\" or \"ask\"; \"continue\" is what happens without it";
            found.push(Diagnostic::error(RULE.code, subject.place(&path.key("on_failure")), message).help(help));
        }
    }
    found
}

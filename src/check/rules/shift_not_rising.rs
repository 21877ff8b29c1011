//! Traffic is shifted in rising shares, and somebody moves the rest.
//!
//! A canary may stop at 10 % and be promoted by a later step, or tomorrow. That no step of the runbook moves the rest is worth
//! a warning, because two revisions then serve for as long as nobody remembers.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, Rollout, RunTraffic};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "shift-not-rising",
    title: "the shares of `shift` rise, and reach 100 or are followed by a step that moves the rest (warning)",
    page: include_str!("../../../docs/checks/shift-not-rising.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Some(Rollout { service, shift, .. }) = action.rollout() else { continue };
        let path = argument(&step, "shift");
        if shift.first().is_some_and(|share| share.get() == 0) {
            let message = "a share of 0 % moves nothing, and a gate that holds at it proves nothing";
            let help = "begin with the smallest share that shows a failure, such as 10";
            found.push(Diagnostic::error(RULE.code, subject.place(&path.index(0)), message).help(help));
        }
        for (index, pair) in shift.windows(2).enumerate() {
            let [before, after] = pair else { continue };
            if after <= before {
                let message = format!("the shares must rise; after {before} comes {after}");
                let place = subject.place(&path.index(index + 1));
                found.push(
                    Diagnostic::error(RULE.code, place, message).help("write them such as shift = [10, 50, 100]"),
                );
            }
        }
        if let Some(last) = shift.last().filter(|last| last.get() != 100 && !is_moved_later(subject, &step, service)) {
            let message =
                format!("the shift ends at {last}, and no later step moves the rest: two revisions go on serving");
            let place = subject.place(&path.index(shift.len() - 1));
            let help = "end with 100, or promote it with a later gcp.run.traffic step";
            found.push(Diagnostic::warning(RULE.code, place, message).help(help));
        }
    }
    found
}

/// Whether a step behind this one sets the traffic of the service.
fn is_moved_later(subject: &Subject<'_>, step: &Path, service: &str) -> bool {
    let later = subject.actions().skip_while(|(other, ..)| other != step).skip_while(|(other, ..)| other == step);
    later.into_iter().any(
        |(_, _, action)| matches!(action, Action::RunTraffic(RunTraffic { service: moved, .. }) if moved == service),
    )
}

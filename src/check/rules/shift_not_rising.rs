//! Traffic is shifted in rising shares, up to all of it.

use super::{Rule, Subject, argument};
use crate::action::{Action, RunDeploy};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "shift-not-rising",
    title: "the shares of `shift` rise and end at 100",
    page: include_str!("../../../docs/checks/shift-not-rising.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::RunDeploy(RunDeploy { shift, .. }) = action else { continue };
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
        if let Some(last) = shift.last().filter(|last| last.get() != 100) {
            let message =
                format!("the shift ends at {last}: the step would be done with the old revision still serving");
            let place = subject.place(&path.index(shift.len() - 1));
            found.push(Diagnostic::error(RULE.code, place, message).help("end with 100"));
        }
    }
    found
}

//! Traffic is shifted upwards, and all of it in the end.

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::Action;

pub(super) const RULE: Rule = Rule { code: "shift-not-rising", title: "shares that do not rise to 100", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Action::RunDeploy { shift, .. } = &step.action else { continue };
        let rising = shift.windows(2).all(|pair| pair[0] < pair[1]);
        let Some(last) = shift.last() else { continue };
        if rising && last.get() == 100 && shift.first().is_some_and(|first| first.get() > 0) {
            continue;
        }
        let at = subject.document.span(&step.place.with("shift"));
        let message = "shares must rise, above 0 and up to 100: what is not shifted stays on the old revision";
        mistakes.push(Mistake::error(RULE.code, at, message).help("use shift = [10, 50, 100]"));
    }
}

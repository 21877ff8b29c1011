//! The gate of a canary asks the canary, and not the revisions that are unhealthy.
//!
//! While a new revision has a share of the traffic, the rest of what a probe asks of the service's host is answered by the
//! revisions of before. If those are what is unhealthy, the gate fails however well the new one is.

use super::{Answer, Rule, Subject, argument};
use crate::action::Action;
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Part;
use crate::syntax::Path;
use crate::syntax::spelling::list;

pub(super) const RULE: Rule = Rule {
    code: "canary-asks-unhealthy",
    title: "the gate of a canary is not answered by the unhealthy revisions (warning)",
    page: include_str!("../../../docs/checks/canary-asks-unhealthy.md"),
    answer: Answer::WithReason,
    find,
};

/// Whether an earlier step changes something: that may be the cure, so that the revisions of before are healthy by then.
fn is_preceded_by_a_change(subject: &Subject<'_>, step: &Path) -> bool {
    let mut earlier = subject.actions().take_while(|(path, ..)| path != step);
    let target = subject.draft.target.read();
    let sets_something = |action: &Action| target.is_some_and(|target| action.step().desired_state(target).is_some());
    earlier.any(|(_, _, action)| matches!(action, Action::Manual(_) | Action::Shell(_)) || sets_something(action))
}

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(symptom) = subject.draft.symptom.read() else { return Vec::new() };
    let asks = |name: &str| {
        let probe = subject.draft.probes.iter().find(|(known, _)| known.as_str() == name);
        probe.and_then(|(_, probe)| probe.read()).is_some_and(|probe| !probe.spec.hosts().is_empty())
    };
    let mut found = Vec::new();
    for (step, iteration, action) in subject.actions() {
        let Some(rollout) = action.rollout() else { continue };
        let Some(first) = rollout.shift.first().map(|share| share.get()).filter(|share| *share < 100) else { continue };
        if matches!(iteration.gate, Part::Absent) || is_preceded_by_a_change(subject, &step) {
            continue;
        }
        let unhealthy: Vec<&str> = iteration
            .watched
            .iter()
            .map(String::as_str)
            .filter(|name| symptom.unhealthy.iter().any(|sick| sick == name) && asks(name))
            .collect();
        if unhealthy.is_empty() {
            continue;
        }
        let message = format!(
            "at {first} % the other {} % of what {} asks is answered by the revisions that `symptom` shows to be unhealthy: the \
             gate is not expected to pass",
            100 - first,
            list(unhealthy.iter().copied(), "and")
        );
        let place = subject.place(&argument(&step, "shift"));
        let help =
            "gate the new revision at its own address with `candidate`, and then move all traffic: shift = [100]";
        found.push(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    found
}

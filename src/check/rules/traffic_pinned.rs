//! A deployment gets traffic.
//!
//! Once a service's traffic names its revisions, a new revision is not among them: it is deployed, looks well, and
//! serves nobody. The gate after it would then prove the health of the old revision. Traffic that is held back on purpose is
//! moved by a later step, and then there is nothing to say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, Rollout, RunTraffic};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::StepCommand;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "traffic-pinned",
    title: "a deployment after traffic was pinned to a revision says how traffic moves to it",
    page: include_str!("../../../docs/checks/traffic-pinned.md"),
    answer: Answer::WithReason,
    find,
};

/// The revision that Cloud Run takes for "whichever is newest".
const LATEST: &str = "LATEST";

/// What a step does to a service, as far as its traffic goes.
struct Event {
    at: Range<usize>,
    what: Move,
}

enum Move {
    /// Traffic goes to whichever revision is newest.
    FollowsLatest,
    /// Traffic goes to these revisions and no other.
    Pins(BTreeSet<String>),
    /// A new revision is made, and nothing is said of its traffic.
    Deploys,
    /// A new revision is made, and traffic is then split by names: by a shift, or to hold it back from a candidate.
    DeploysAndPins,
}

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut services: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for (step, draft) in subject.draft.steps() {
        for action in draft.iterations.iter().filter_map(|iteration| iteration.action.read()) {
            if let Some((service, event)) = by_action(subject, &step, action) {
                services.entry(service).or_default().push(event);
            }
        }
        for command in subject.commands().iter().filter(|command| command.step == step && command.key == "run") {
            if let Some((service, event)) = by_command(subject, command) {
                services.entry(service).or_default().push(event);
            }
        }
    }
    services.iter().flat_map(|(service, events)| unserved(service, events)).collect()
}

/// The deployments of a service whose revision no step sends traffic to.
fn unserved(service: &str, events: &[Event]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut pin: Option<(&Event, BTreeSet<String>)> = None;
    for (index, event) in events.iter().enumerate() {
        match &event.what {
            Move::FollowsLatest => pin = None,
            Move::Pins(revisions) => pin = Some((event, revisions.clone())),
            Move::DeploysAndPins => pin = Some((event, BTreeSet::new())),
            Move::Deploys => {
                let Some((pinning, revisions)) = &pin else { continue };
                let moves = |later: &Event| match &later.what {
                    Move::FollowsLatest => true,
                    Move::Pins(others) => !others.is_subset(revisions),
                    Move::Deploys | Move::DeploysAndPins => false,
                };
                if events[index + 1..].iter().any(moves) {
                    continue;
                }
                let to = match revisions.first() {
                    Some(revision) => format!("to {revision}"),
                    None => "to a named revision".to_owned(),
                };
                let message = format!(
                    "the new revision of `{service}` would get 0 % of the traffic: an earlier step pins it {to}"
                );
                let diagnostic = Diagnostic::error(RULE.code, event.at.clone(), message)
                    .label("deploys a revision that nothing sends traffic to")
                    .and(pinning.at.clone(), "pins the traffic");
                found.push(diagnostic.help("add shift = [10, 50, 100] to the deployment, so that traffic moves to it"));
            }
        }
    }
    found
}

fn by_action(subject: &Subject<'_>, step: &Path, action: &Action) -> Option<(String, Event)> {
    if !subject.is_resolved(&argument(step, "service")) {
        return None;
    }
    if let Action::RunTraffic(RunTraffic { service, to }) = action {
        let named: BTreeSet<String> =
            to.iter().filter(|(_, share)| share.get() > 0).map(|(revision, _)| revision.clone()).collect();
        let what = if named.contains(LATEST) { Move::FollowsLatest } else { Move::Pins(named) };
        return Some((service.clone(), Event { at: subject.place(&argument(step, "to")), what }));
    }
    let Rollout { service, shift, candidate, .. } = action.rollout()?;
    let event = if shift.is_empty() && candidate.is_none() {
        let uses = step.key("uses");
        let at = subject.key_place(&uses).start..subject.place(&uses).end;
        Event { at, what: Move::Deploys }
    } else {
        let at = subject.place(&argument(step, if shift.is_empty() { "candidate" } else { "shift" }));
        Event { at, what: Move::DeploysAndPins }
    };
    Some((service.clone(), event))
}

fn by_command(subject: &Subject<'_>, command: &StepCommand) -> Option<(String, Event)> {
    let line = &command.line;
    let one = |names: &str| match line.names(names)? {
        [name] if name.is_literal => Some(name.text.clone()),
        _ => None,
    };
    let at = subject.command_place(command, &command.place);
    if let Some(service) = one("run services update-traffic") {
        let what = if line.flag("to-latest").is_some() {
            Move::FollowsLatest
        } else {
            // Of tags it is not known which revisions they name.
            let targets = line.flag("to-revisions").or_else(|| line.flag("to-tags"))?;
            let named = targets.value.split(',').filter_map(|target| target.split('=').next());
            Move::Pins(named.map(str::to_owned).collect())
        };
        return Some((service, Event { at, what }));
    }
    let service = one("run deploy").filter(|_| line.flag("no-traffic").is_none())?;
    Some((service, Event { at, what: Move::Deploys }))
}

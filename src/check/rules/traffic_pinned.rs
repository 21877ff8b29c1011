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
use crate::check::shell::{Branch, CommandLine, Named, Setting, StepCommand};
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
    /// The branches of a script that hold it. What may not have been carried out pins nothing for what follows outside of them.
    branches: Vec<Branch>,
    /// The step.
    step: Path,
    /// What to do if nothing sends traffic to what it deploys.
    help: &'static str,
}

const SHIFT: &str = "add shift = [10, 50, 100] to the deployment, so that traffic moves to it";
const MOVE_LATER: &str = "move the traffic in a later step: gcp.run.traffic with to = { LATEST = 100 }";

impl Event {
    /// Whether this was carried out if a later one is.
    fn precedes(&self, later: &Event) -> bool {
        self.branches.is_empty() || self.step == later.step && later.branches.starts_with(&self.branches)
    }
}

/// A service: its name, and its project and region if they are not the target's.
type Service = (String, Option<String>, Option<String>);

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
    let mut services: BTreeMap<Service, Vec<Event>> = BTreeMap::new();
    for (step, draft) in subject.draft.steps() {
        for action in draft.iterations.iter().filter_map(|iteration| iteration.action.read()) {
            if let Some((service, event)) = by_action(subject, &step, action) {
                services.entry((service, None, None)).or_default().push(event);
            }
        }
        for command in subject.commands().iter().filter(|command| command.step == step && command.key == "run") {
            if let Some((service, event)) = by_command(subject, command) {
                services.entry(service).or_default().push(event);
            }
        }
    }
    services.iter().flat_map(|((service, ..), events)| unserved(service, events)).collect()
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
                let Some((pinning, revisions)) = pin.as_ref().filter(|(pinning, _)| pinning.precedes(event)) else {
                    continue;
                };
                let moves = |later: &Event| match &later.what {
                    Move::FollowsLatest => true,
                    Move::Pins(others) => !others.is_subset(revisions),
                    Move::Deploys | Move::DeploysAndPins => false,
                };
                // A function may be called later than it stands there.
                let is_called_later = |other: &&Event| other.step == event.step && !other.branches.is_empty();
                let before = events[..index].iter().filter(is_called_later);
                if events[index + 1..].iter().chain(before).any(moves) {
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
                found.push(diagnostic.help(event.help));
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
        let at = subject.place(&argument(step, "to"));
        return Some((service.clone(), Event { at, what, branches: Vec::new(), step: step.clone(), help: SHIFT }));
    }
    let Rollout { service, shift, candidate, .. } = action.rollout()?;
    let event = if shift.is_empty() && candidate.is_none() {
        let uses = step.key("uses");
        let at = subject.key_place(&uses).start..subject.place(&uses).end;
        Event { at, what: Move::Deploys, branches: Vec::new(), step: step.clone(), help: SHIFT }
    } else {
        let at = subject.place(&argument(step, if shift.is_empty() { "candidate" } else { "shift" }));
        Event { at, what: Move::DeploysAndPins, branches: Vec::new(), step: step.clone(), help: SHIFT }
    };
    Some((service.clone(), event))
}

fn by_command(subject: &Subject<'_>, command: &StepCommand) -> Option<(Service, Event)> {
    let line = &command.line;
    let one = |names: &str| match line.names(names)? {
        [name] if name.is_literal => Some(name.text.clone()),
        _ => None,
    };
    let event = |what: Move| Event {
        at: subject.command_place(command, &command.place),
        what,
        branches: command.branches.clone(),
        step: command.step.clone(),
        help: MOVE_LATER,
    };
    let (name, event) = if let Some(service) = one("run services update-traffic") {
        let what = if line.flag("to-latest").is_some() {
            Move::FollowsLatest
        } else {
            // Of tags it is not known which revisions they name.
            let targets = line.flag("to-revisions").or_else(|| line.flag("to-tags"))?;
            let named: BTreeSet<String> =
                targets.value.split(',').filter_map(|target| target.split('=').next()).map(str::to_owned).collect();
            if named.contains(LATEST) { Move::FollowsLatest } else { Move::Pins(named) }
        };
        (service, event(what))
    } else if let Some(service) = one("run services replace") {
        // The file says where traffic goes.
        (service, event(Move::FollowsLatest))
    } else {
        let updates = || one("run services update").filter(|_| makes_revision(line));
        let service = one("run deploy").or_else(updates).filter(|_| line.flag("no-traffic").is_none())?;
        (service, event(Move::Deploys))
    };
    let target = subject.draft.target.read();
    let named = line.target();
    let elsewhere = |named: Option<Named>, set: &Setting, own: Option<&String>| {
        let value = named.map(|named| named.value).or(match set {
            Setting::Is(value) => Some(value.clone()),
            Setting::Ambient | Setting::Unknown => None,
        });
        value.filter(|value| Some(value) != own)
    };
    let project = elsewhere(named.project, &command.surroundings.project, target.map(|target| &target.project));
    let region = elsewhere(named.region, &command.surroundings.region("run"), target.map(|target| &target.region));
    Some(((name, project, region), event))
}

/// Whether an update makes a new revision: some flags are about the service.
fn makes_revision(line: &CommandLine) -> bool {
    const OF_THE_TEMPLATE: [&str; 8] =
        ["concurrency", "cpu", "image", "memory", "revision-suffix", "service-account", "timeout", "vpc-connector"];
    const LISTS: [&str; 4] = ["-env-vars", "-secrets", "-cloudsql-instances", "-instances"];
    line.flags
        .iter()
        .any(|flag| OF_THE_TEMPLATE.contains(&flag.name.as_str()) || LISTS.iter().any(|end| flag.name.ends_with(end)))
}

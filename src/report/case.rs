//! What to tell Google: a support case, drafted from a run.
//!
//! A support engineer who has never heard of the run must be able to act on it: where, since when, which operations and
//! revisions, what was tried and what became of it, what is ruled out, how things are now. Everything in it comes from the
//! journal and the plan, which hold no secrets; times are UTC.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::second;
use crate::gate::{Health, Observation};
use crate::inert::inert;
use crate::plan::{Plan, resource};
use crate::run::{Entry, Event, GateOutcome, OpId, Refusal, TaskId, Way};

/// A case, ready to be pasted or sent.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Its title.
    pub display_name: String,
    /// How urgent it is: `P0` to `P4`.
    pub priority: String,
    /// What marks it as this run's, so that it is found before another one is opened.
    pub marker: String,
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// The resources that the run is about: kind and name.
    pub resources: Vec<String>,
    /// The long-running operations, in order.
    pub operations: Vec<String>,
    /// Every call that changed something, and every gate, with what came of it.
    pub timeline: Vec<Happened>,
    /// How the probes were before the first change.
    pub before: BTreeMap<String, String>,
    /// How they were last seen, and when.
    pub last: BTreeMap<String, String>,
    /// What was seen to be well, and so is not the cause.
    pub ruled_out: Vec<String>,
}

/// Something that happened at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// When, in UTC.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// Drafts a case from what a run did.
pub fn draft(plan: &Plan, entries: &[Entry], run: &str, display_name: &str, priority: &str) -> Case {
    let mut last: BTreeMap<String, (Timestamp, &Observation)> = BTreeMap::new();
    let (mut timeline, mut operations) = (Vec::new(), Vec::new());
    let work = plan.work();
    let resources_of: BTreeMap<&TaskId, String> =
        work.tasks.iter().filter_map(|task| Some((&task.id, resource(task.change.as_ref()?)))).collect();
    for entry in entries {
        match &entry.event {
            Event::Observed { probe, observation, .. } | Event::Watched { probe, observation } => {
                last.insert(probe.clone(), (entry.at, observation));
            }
            Event::Begun { operation, .. } if !operations.contains(operation) => operations.push(operation.clone()),
            _ => {}
        }
        timeline.extend(happened(&resources_of, &entry.event).map(|what| Happened { at: entry.at, what }));
    }
    let changes = plan.tasks.iter().filter_map(|task| task.change.as_ref());
    let mut resources: Vec<String> = changes.map(resource).collect();
    resources.sort_unstable();
    resources.dedup();
    let seen = |(name, sample): (&String, &Observation)| (name.clone(), sample.health.to_string());
    let well = last.iter().filter(|(_, (_, sample))| sample.health == Health::Healthy);
    Case {
        display_name: display_name.to_owned(),
        priority: priority.to_owned(),
        marker: format!("rectify-run-{run}"),
        project: plan.project.clone(),
        region: plan.region.clone(),
        resources,
        operations,
        timeline,
        before: plan.baseline.iter().map(seen).collect(),
        ruled_out: well.map(|(name, (at, _))| format!("{name} was healthy at {}", second(*at))).collect(),
        last: last
            .iter()
            .map(|(name, (at, sample))| (name.clone(), format!("{}, at {}", sample.health, second(*at))))
            .collect(),
    }
}

fn happened(resources: &BTreeMap<&TaskId, String>, event: &Event) -> Option<String> {
    let what = |op: &OpId| {
        let way = if op.way == Way::Undo { "undo of " } else { "" };
        format!("{way}{} ({})", op.task, resources.get(&op.task).map(String::as_str).unwrap_or_default())
    };
    let gate = |task: &TaskId| format!("gate of {task}");
    Some(match event {
        Event::Intended { op } => format!("{}: sent", what(op)),
        Event::Begun { op, operation } => format!("{}: accepted, operation {operation}", what(op)),
        Event::Settled { op, .. } => format!("{}: in effect", what(op)),
        Event::Refused { op, refusal } => {
            let why = match refusal {
                Refusal::Drifted { .. } => "somebody else had changed it, so nothing was sent".to_owned(),
                Refusal::Api { why } | Refusal::Busy { why } => why.clone(),
            };
            format!("{}: refused: {why}", what(op))
        }
        Event::Failed { op, why } => format!("{}: the operation failed: {why}", what(op)),
        Event::InDoubt { op, why } => format!("{}: no answer: {why}", what(op)),
        Event::GateClosed { task, outcome: GateOutcome::Passed { proof } } => {
            format!("{}: proven healthy: {proof}", gate(task))
        }
        Event::GateClosed { task, outcome: GateOutcome::Failed { why, .. } } => {
            format!("{}: not healthy: {why}", gate(task))
        }
        Event::RollbackAsked { operator, .. } => format!("rolled back by {}", operator.user),
        _ => return None,
    })
}

impl Case {
    /// The description, as it is pasted into a case.
    pub fn text(&self) -> String {
        let mut out = format!("{}\nPriority {}\n\n", inert(&self.display_name), self.priority);
        let _ = writeln!(out, "Project {}, region {}.", inert(&self.project), inert(&self.region));
        let _ = writeln!(
            out,
            "Resources: {}.",
            self.resources.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ")
        );
        let mut list = |head: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = write!(out, "\n{head}\n");
                for line in lines {
                    let _ = writeln!(out, "  {}", inert(&line));
                }
            }
        };
        let named = |all: &BTreeMap<String, String>| all.iter().map(|(name, seen)| format!("{name}: {seen}")).collect();
        list("Before anything was changed:", named(&self.before));
        list(
            "What was done, in UTC:",
            self.timeline.iter().map(|one| format!("{}  {}", second(one.at), one.what)).collect(),
        );
        list("As it was last seen:", named(&self.last));
        list("Ruled out, because it was seen to be well:", self.ruled_out.clone());
        list("Long-running operations:", self.operations.clone());
        let _ = writeln!(out, "\nReference: {}", self.marker);
        out
    }
}

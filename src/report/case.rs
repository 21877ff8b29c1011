//! What to tell Google: a support case, drafted from a run.
//!
//! A support engineer who has never heard of the run must be able to act on it: where, since when, which operations and
//! revisions, what was tried and what became of it, what is ruled out, how things are now. What was done comes from the
//! journal and the plan, every call from the log, and the figures from Google: none of them holds a secret. Times are UTC.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::narrate::state;
use crate::clock::{format_duration, second};
use crate::gate::{Health, Observation, Sampling};
use crate::inert::inert;
use crate::plan::{Plan, resource};
use crate::run::{
    ChangeStatus, Ending, Entry, Event, Figure, GateOutcome, OpId, Refusal, ResourceId, TaskId, View, Way, Work,
};

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
    /// The project's number, if Google told it.
    pub project_number: Option<String>,
    /// Region.
    pub region: String,
    /// When the incident began, if the runbook says so.
    pub incident_began: Option<Timestamp>,
    /// What is wrong, in the runbook's words or in those of the failure.
    pub problem: String,
    /// What does not work, since when, and what of it is so now.
    pub impact: Vec<String>,
    /// What Google is asked.
    pub question: String,
    /// The resources that the run is about: kind and name.
    pub resources: Vec<String>,
    /// The long-running operations, in order.
    pub operations: Vec<String>,
    /// Every call that changed something, and every gate, with what came of it.
    pub timeline: Vec<Happened>,
    /// How the probes were before the first change.
    pub before: BTreeMap<String, String>,
    /// How they were last seen, and when, of those that were seen since the last change to what they observe.
    pub last: BTreeMap<String, String>,
    /// The others: how they are now is not known.
    pub not_observed: Vec<String>,
    /// What was seen to be well, and so is not the cause.
    pub ruled_out: Vec<String>,
    /// The changes that are applied now, or may be: the last are marked.
    pub applied: Vec<String>,
    /// The changes that were rolled back, and those that could not be: the last are marked.
    pub taken_back: Vec<String>,
    /// The traces of requests that logs told of, with the probe that saw them: by these Google finds them again.
    pub traces: Vec<String>,
    /// What Cloud Monitoring has of the resources, from half an hour before the run until now.
    pub figures: Vec<Figure>,
    /// What it has of the quotas of the APIs that they are made with.
    pub quotas: Vec<Figure>,
    /// Every call to Google, the oldest first.
    pub calls: Vec<Called>,
    /// What would stand here if it could have been looked up.
    pub not_seen: Vec<String>,
}

/// What is known of a run besides what it did.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// When the incident began.
    pub incident_began: Option<Timestamp>,
    /// What is wrong, in the runbook's words.
    pub described: Option<String>,
    /// The project's number.
    pub project_number: Option<String>,
    /// Metrics of its resources.
    pub figures: Vec<Figure>,
    /// Metrics of their APIs' quotas.
    pub quotas: Vec<Figure>,
    /// Its calls.
    pub calls: Vec<Called>,
    /// What could not be looked up, and why.
    pub not_seen: Vec<String>,
}

/// A call to Google.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Called {
    /// When it had ended.
    pub at: Timestamp,
    /// `GET`, `PATCH`, …
    pub method: String,
    /// What was called, without its parameters.
    pub url: String,
    /// The status of the answer, or why there was none.
    pub answer: String,
}

/// Something that happened at a moment.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// When, in UTC.
    pub at: Timestamp,
    /// What.
    pub what: String,
}

/// Drafts a case from what a run did, and from what is known around it.
pub fn draft(plan: &Plan, entries: &[Entry], around: Around, run: &str, display_name: &str, priority: &str) -> Case {
    let Around { incident_began, described, project_number, figures, quotas, calls, not_seen } = around;
    let mut traces = Vec::new();
    let mut last: BTreeMap<String, (Timestamp, &Observation)> = BTreeMap::new();
    let (mut timeline, mut operations) = (Vec::new(), Vec::new());
    let work = plan.work();
    let resources_of: BTreeMap<&TaskId, String> =
        work.tasks.iter().filter_map(|task| Some((&task.id, resource(task.change.as_ref()?)))).collect();
    let mut writes = Changed::of(&work);
    let mut failed = BTreeSet::new();
    for entry in entries {
        writes.see(entry);
        match &entry.event {
            Event::ServicesObserved { services } => {
                for (probe, observation) in services.values().flat_map(|status| &status.probes) {
                    last.insert(probe.clone(), (entry.at, observation));
                }
            }
            Event::Intended { op } => {
                failed.remove(op);
            }
            Event::Sampled { probe, observation, .. } | Event::GuardSampled { probe, observation } => {
                last.insert(probe.clone(), (entry.at, observation));
                trace(&mut traces, probe, observation);
            }
            Event::OperationStarted { operation, .. } if !operations.contains(operation) => {
                operations.push(operation.clone());
            }
            _ => {}
        }
        // The operation and the resource may both say that it failed.
        let is_repeated = matches!(&entry.event, Event::Failed { op, .. } if !failed.insert(op.clone()));
        let what = happened(&resources_of, &entry.event).filter(|_| !is_repeated);
        timeline.extend(what.map(|what| Happened { at: entry.at, what }));
    }
    let (applied, taken_back) = changes(&View::of(&work, entries));
    for (probe, sample) in &plan.baseline {
        trace(&mut traces, probe, sample);
    }
    let changes = plan.tasks.iter().filter_map(|task| task.change.as_ref());
    let mut resources: Vec<String> = changes.map(resource).collect();
    resources.sort_unstable();
    resources.dedup();
    let seen = |(name, sample): (&String, &Observation)| (name.clone(), sample.health.to_string());
    let (last, old): (BTreeMap<_, _>, BTreeMap<_, _>) =
        last.into_iter().partition(|(probe, (at, _))| writes.is_seen_since(probe, *at));
    let well = last.iter().filter(|(_, (_, sample))| sample.health == Health::Healthy);
    let trouble = entries.iter().rev().find_map(|entry| asked(&resources_of, &entry.event));
    let trouble = trouble.unwrap_or_else(|| Trouble {
        what: format!("{}: no failure of this run was reported by Google", plan.title),
        question: "Is a fault on Google's side known for these resources at that time?".to_owned(),
    });
    Case {
        problem: described.unwrap_or(trouble.what),
        question: trouble.question,
        impact: impact(plan, entries, &last),
        not_observed: old.into_keys().collect(),
        display_name: display_name.to_owned(),
        priority: priority.to_owned(),
        marker: marker(run),
        project: plan.project.clone(),
        region: plan.region.clone(),
        resources,
        operations,
        timeline,
        before: plan.baseline.iter().map(seen).collect(),
        incident_began,
        project_number,
        applied,
        taken_back,
        traces,
        figures,
        quotas,
        calls,
        not_seen,
        ruled_out: well.map(|(name, (at, _))| format!("{name} was healthy at {}", second(*at))).collect(),
        last: last
            .iter()
            .map(|(name, (at, sample))| (name.clone(), format!("{}, at {}", sample.health, second(*at))))
            .collect(),
    }
}

/// When what probes observe was changed last.
struct Changed<'a> {
    /// The resource of each task that changes one.
    resources: BTreeMap<&'a TaskId, &'a ResourceId>,
    /// What is observed by probes of nothing but a resource's state. Any other probe asks a service, which every change may
    /// touch.
    states: BTreeMap<&'a str, BTreeSet<&'a ResourceId>>,
    changes: BTreeMap<&'a ResourceId, Timestamp>,
}

impl<'a> Changed<'a> {
    fn of(work: &'a Work) -> Changed<'a> {
        let changing = work.tasks.iter().filter_map(|task| Some((task, &task.change.as_ref()?.resource)));
        let mut states: BTreeMap<&str, BTreeSet<&ResourceId>> = BTreeMap::new();
        for (task, resource) in changing.clone() {
            for gate in task.gate.iter().chain(&task.undo_gate) {
                let of_state = gate.healthy.iter().filter(|probe| gate.probe_traits(probe).sampling == Sampling::State);
                for probe in of_state {
                    states.entry(probe).or_default().insert(resource);
                }
            }
        }
        let resources = changing.map(|(task, resource)| (&task.id, resource)).collect();
        Changed { resources, states, changes: BTreeMap::new() }
    }

    fn see(&mut self, entry: &Entry) {
        let (Event::Intended { op }
        | Event::OperationStarted { op, .. }
        | Event::StateObserved { op, .. }
        | Event::Failed { op, .. }) = &entry.event
        else {
            return;
        };
        if let Some(resource) = self.resources.get(&op.task) {
            self.changes.insert(resource, entry.at);
        }
    }

    /// Whether nothing that this probe observes was changed after this moment.
    fn is_seen_since(&self, probe: &str, at: Timestamp) -> bool {
        let of = self.states.get(probe);
        let mut changes = self.changes.iter().filter(|(resource, _)| of.is_none_or(|of| of.contains(*resource)));
        changes.all(|(_, changed)| *changed <= at)
    }
}

/// What went wrong last, and what is asked about it.
struct Trouble {
    what: String,
    question: String,
}

fn asked(resources: &BTreeMap<&TaskId, String>, event: &Event) -> Option<Trouble> {
    let what = |op: &OpId| {
        let way = if op.way == Way::Undo { "undoing" } else { "applying" };
        format!("{way} {} to {}", op.task, resources.get(&op.task).map(String::as_str).unwrap_or_default())
    };
    let fails = |op: &OpId, why: &str| Trouble {
        what: format!("{} fails: {}", what(op), crate::inert::headline(why)),
        question: "Why does this fail, and what must be so for it to succeed?".to_owned(),
    };
    Some(match event {
        Event::Failed { op, why } | Event::Refused { op, refusal: Refusal::Api { why } } => fails(op, why),
        Event::OperationTimedOut { op, operation, limit } => Trouble {
            what: format!("{} has not ended within {}", what(op), format_duration(*limit)),
            question: format!("What does operation {operation} wait for, and will it end?"),
        },
        Event::GateClosed { task, outcome: GateOutcome::Failed { why, .. } } => Trouble {
            what: format!("after {task} was applied, what it should have mended is still unhealthy: {why}"),
            question: "Is there a fault on Google's side with these resources, and if not, what do they lack?"
                .to_owned(),
        },
        _ => return None,
    })
}

/// What does not work, since when, and what of it is so now.
fn impact(plan: &Plan, entries: &[Entry], last: &BTreeMap<String, (Timestamp, &Observation)>) -> Vec<String> {
    let began = entries.first().map(|entry| second(entry.at)).unwrap_or_default();
    let unhealthy = |health: &Health| matches!(health, Health::Unhealthy { .. });
    let before = plan.baseline.iter().filter(|(_, seen)| unhealthy(&seen.health));
    let mut lines: Vec<String> =
        before.map(|(probe, seen)| format!("before the first change, at {began}: {probe} {}", seen.health)).collect();
    let now: Vec<String> = last
        .iter()
        .filter(|(_, (_, seen))| unhealthy(&seen.health))
        .map(|(probe, (at, seen))| format!("now, at {}: {probe} {}", second(*at), seen.health))
        .collect();
    if now.is_empty() && !last.is_empty() {
        lines.push("now: no probe that was observed since the last change is unhealthy".to_owned());
    }
    lines.extend(now);
    lines
}

/// What is applied now, and what was rolled back.
fn changes(view: &View) -> (Vec<String>, Vec<String>) {
    let (mut applied, mut taken_back) = (Vec::new(), Vec::new());
    for task in view.tasks.iter().filter(|task| task.task.change.is_some()) {
        let id = task.task.id.to_string();
        match task.change_status() {
            // What is made on the way back only is told of once it is made.
            ChangeStatus::Applied { .. } | ChangeStatus::Kept(_) if task.task.back_for.is_some() => {}
            ChangeStatus::Applied { trouble: None } | ChangeStatus::Kept(_) => applied.push(id),
            ChangeStatus::Applied { trouble: Some(_) } => applied.push(format!("{id}, at least in part")),
            ChangeStatus::InFlight { .. } | ChangeStatus::InDoubt { .. } | ChangeStatus::Unclear { .. } => {
                applied.push(format!("{id}: not known"));
            }
            ChangeStatus::RolledBack => taken_back.push(id),
            ChangeStatus::NotRolledBack { .. } => {
                applied.push(id.clone());
                taken_back.push(format!("{id}: could not be rolled back"));
            }
            ChangeStatus::NotBegun
            | ChangeStatus::Failed { .. }
            | ChangeStatus::Skipped
            | ChangeStatus::NotRun
            | ChangeStatus::Unchanged => {}
        }
    }
    (applied, taken_back)
}

/// What marks something elsewhere as a run's: a case, a comment. By this it is found again.
pub fn marker(run: &str) -> String {
    format!("rectify-run-{run}")
}

/// More traces than this are not told.
const TRACES: usize = 20;

fn trace(traces: &mut Vec<String>, probe: &str, sample: &Observation) {
    let Some(id) = sample.facts.get("trace").and_then(|id| id.as_str()).filter(|id| !id.is_empty()) else { return };
    let told = format!("{id} ({probe})");
    if traces.len() < TRACES && !traces.contains(&told) {
        traces.push(told);
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
        Event::OperationStarted { op, operation } => format!("{}: accepted, operation {operation}", what(op)),
        Event::StateObserved { op, seen } => format!("{}: it is now {}", what(op), state(seen)),
        Event::Refused { op, refusal } => {
            let why = match refusal {
                Refusal::Drifted { .. } => "another principal had changed it, so nothing was sent".to_owned(),
                Refusal::Api { why } | Refusal::Busy { why, .. } | Refusal::Unreachable { why, .. } => why.clone(),
            };
            format!("{}: refused: {why}", what(op))
        }
        Event::Failed { op, why } => format!("{}: the operation failed: {why}", what(op)),
        Event::Missing { op } => format!("{}: the resource does not exist", what(op)),
        Event::OperationTimedOut { op, operation, limit } => {
            format!("{}: operation {operation} has not ended within {}", what(op), format_duration(*limit))
        }
        Event::InDoubt { op, why } => format!("{}: no answer: {why}", what(op)),
        Event::GateClosed { task, outcome: GateOutcome::Passed { proof } } => {
            format!("{}: {proof}", gate(task))
        }
        Event::GateClosed { task, outcome: GateOutcome::Failed { why, .. } } => {
            format!("{}: not healthy: {why}", gate(task))
        }
        Event::RollbackRequested { operator, .. } => format!("rolled back by {}", operator.user),
        Event::Ended { ending } => match ending {
            Ending::Done { .. } => "the run was done".to_owned(),
            Ending::RolledBack { .. } => "the run was rolled back".to_owned(),
            Ending::Stopped { task, .. } => format!("the run stopped: {task} failed"),
            Ending::Declined { task } => format!("the run stopped: the operator declined {task}"),
            Ending::Stuck { left, .. } => {
                let left: Vec<_> = left.iter().map(|left| left.task.to_string()).collect();
                format!("the run is stuck, because this could not be undone: {}", left.join(", "))
            }
        },
        _ => return None,
    })
}

impl Case {
    /// The description, as it is pasted into a case.
    pub fn text(&self) -> String {
        let mut out = format!("{}\nPriority {}\n\n", inert(&self.display_name), self.priority);
        let paragraph = |text: &str| text.lines().map(inert).collect::<Vec<_>>().join("\n");
        let _ = writeln!(out, "Problem: {}", paragraph(&self.problem));
        let _ = writeln!(out, "Question: {}", paragraph(&self.question));
        let number = self.project_number.as_ref().map(|number| format!(" (number {number})")).unwrap_or_default();
        let began = match self.incident_began {
            Some(began) => format!("The incident began {}.", second(began)),
            None => "When the incident began is not known.".to_owned(),
        };
        let _ = writeln!(out, "{began}");
        let _ = writeln!(out, "Project {}{}, region {}.", inert(&self.project), inert(&number), inert(&self.region));
        let resources = self.resources.iter().map(|name| inert(name)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "Resources: {resources}.");
        let mut list = |head: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = write!(out, "\n{head}\n");
                for line in lines {
                    let _ = writeln!(out, "  {}", inert(&line));
                }
            }
        };
        let named = |all: &BTreeMap<String, String>| all.iter().map(|(name, seen)| format!("{name}: {seen}")).collect();
        list("Impact:", self.impact.clone());
        list(
            "What was done, in UTC:",
            self.timeline.iter().map(|one| format!("{}  {}", second(one.at), one.what)).collect(),
        );
        list("Applied now:", self.applied.clone());
        list("Rolled back:", self.taken_back.clone());
        list("Current state:", named(&self.last));
        list("Not observed since the last change:", self.not_observed.clone());
        list("Ruled out (healthy):", self.ruled_out.clone());
        list("Before anything was changed:", named(&self.before));
        list("Long-running operations:", self.operations.clone());
        list("Traces of requests that were logged:", self.traces.clone());
        list("Metrics, from half an hour before the run until now:", self.figures.iter().map(figure).collect());
        list("Quotas:", self.quotas.iter().map(figure).collect());
        list("Calls that changed something or failed, in UTC:", telling(&self.calls));
        list("Not looked up:", self.not_seen.clone());
        let _ = writeln!(out, "\nReference: {}", self.marker);
        out
    }
}

fn figure(Figure { metric, of, at, newest, least, most }: &Figure) -> String {
    let (least, most) = (tidy(*least), tidy(*most));
    let span = if least == most { String::new() } else { format!(", between {least} and {most}") };
    format!("{metric} of {of}: {} at {}{span}", tidy(*newest), second(*at))
}

/// A number as people read it.
fn tidy(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Calls as people read them: writes, and what was not answered as it should be. What only polls says nothing.
fn telling(calls: &[Called]) -> Vec<String> {
    let is_read = |call: &Called| call.method == "GET" || call.method == "HEAD";
    let tells = calls.iter().filter(|call| !is_read(call) || !call.answer.starts_with('2'));
    tells.map(|call| format!("{}  {} {} → {}", second(call.at), call.method, call.url, call.answer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_polls_is_left_out_and_what_failed_is_not() {
        let call = |second: i64, method: &str, url: &str, answer: &str| Called {
            at: Timestamp::from_second(second).unwrap(),
            method: method.to_owned(),
            url: url.to_owned(),
            answer: answer.to_owned(),
        };
        let told = telling(&[
            call(0, "GET", "/a", "200"),
            call(1, "PATCH", "/a", "200"),
            call(2, "GET", "/a", "200"),
            call(3, "GET", "/a", "503"),
            call(4, "PATCH", "/a", "200"),
            call(5, "GET", "/a", "200"),
        ]);
        assert_eq!(
            told,
            [
                "1970-01-01 00:00:01Z  PATCH /a → 200",
                "1970-01-01 00:00:03Z  GET /a → 503",
                "1970-01-01 00:00:04Z  PATCH /a → 200",
            ]
        );
    }
}

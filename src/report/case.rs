//! What to tell Google: a support case, drafted from a run.
//!
//! A support engineer who has never heard of the run must be able to act on it: where, since when, which operations and
//! revisions, what was tried and what became of it, what is ruled out, how things are now. What was done comes from the
//! journal and the plan, every call from the log, and the figures from Google: none of them holds a secret. Times are UTC.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::narrate::state;
use crate::clock::second;
use crate::gate::{Health, Observation};
use crate::inert::inert;
use crate::plan::{Plan, resource};
use crate::run::{ChangeStatus, Ending, Entry, Event, Figure, GateOutcome, OpId, Refusal, TaskId, View, Way};

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
    let Around { incident_began, project_number, figures, quotas, calls, not_seen } = around;
    let mut traces = Vec::new();
    let mut last: BTreeMap<String, (Timestamp, &Observation)> = BTreeMap::new();
    let (mut timeline, mut operations) = (Vec::new(), Vec::new());
    let work = plan.work();
    let resources_of: BTreeMap<&TaskId, String> =
        work.tasks.iter().filter_map(|task| Some((&task.id, resource(task.change.as_ref()?)))).collect();
    for entry in entries {
        match &entry.event {
            Event::Sampled { probe, observation, .. } | Event::GuardSampled { probe, observation } => {
                last.insert(probe.clone(), (entry.at, observation));
                trace(&mut traces, probe, observation);
            }
            Event::OperationStarted { operation, .. } if !operations.contains(operation) => {
                operations.push(operation.clone());
            }
            _ => {}
        }
        timeline.extend(happened(&resources_of, &entry.event).map(|what| Happened { at: entry.at, what }));
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
    let well = last.iter().filter(|(_, (_, sample))| sample.health == Health::Healthy);
    Case {
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
            format!(
                "{}: operation {operation} has not ended within {}",
                what(op),
                crate::clock::format_duration(*limit)
            )
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
        let number = self.project_number.as_ref().map(|number| format!(" (number {number})")).unwrap_or_default();
        let _ = writeln!(out, "Project {}{}, region {}.", inert(&self.project), inert(&number), inert(&self.region));
        if let Some(began) = self.incident_began {
            let _ = writeln!(out, "The incident began {}.", second(began));
        }
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
        list("Applied now:", self.applied.clone());
        list("Rolled back:", self.taken_back.clone());
        list("Long-running operations:", self.operations.clone());
        list("Traces of requests that were logged:", self.traces.clone());
        list("Metrics, from half an hour before the run until now:", self.figures.iter().map(figure).collect());
        list("Quotas:", self.quotas.iter().map(figure).collect());
        list("Calls, in UTC:", grouped(&self.calls));
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

/// Calls as people read them: every write by itself, and reads that were answered alike together, where the first was.
fn grouped(calls: &[Called]) -> Vec<String> {
    let mut groups: Vec<(&Called, &Called, usize)> = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for call in calls {
        let reads = call.method == "GET" || call.method == "HEAD";
        let place = places.get(&(&call.method, &call.url, &call.answer)).filter(|_| reads);
        if let Some((_, last, times)) = place.and_then(|place| groups.get_mut(*place)) {
            (*last, *times) = (call, *times + 1);
        } else {
            places.insert((&call.method, &call.url, &call.answer), groups.len());
            groups.push((call, call, 1));
        }
    }
    let line = |(first, last, times): (&Called, &Called, usize)| {
        let again = if times > 1 { format!(", {times} times until {}", second(last.at)) } else { String::new() };
        format!("{}  {} {} → {}{again}", second(first.at), first.method, first.url, first.answer)
    };
    groups.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_were_answered_alike_are_told_together_and_writes_are_not() {
        let call = |second: i64, method: &str, url: &str, answer: &str| Called {
            at: Timestamp::from_second(second).unwrap(),
            method: method.to_owned(),
            url: url.to_owned(),
            answer: answer.to_owned(),
        };
        let told = grouped(&[
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
                "1970-01-01 00:00:00Z  GET /a → 200, 3 times until 1970-01-01 00:00:05Z",
                "1970-01-01 00:00:01Z  PATCH /a → 200",
                "1970-01-01 00:00:03Z  GET /a → 503",
                "1970-01-01 00:00:04Z  PATCH /a → 200",
            ]
        );
    }
}

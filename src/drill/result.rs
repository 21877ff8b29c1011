//! What became of a path, as people and programs read it.
//!
//! A path ends in one of six states. They are ordered from what everybody hopes for to what must never be; a table shows the
//! worst of its cells' paths.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::course::{Outcome, PathOutcome, Rest};
use super::fault::{Path, Then};
use super::prepared::Prepared;
use crate::clock::between;
use crate::driver::DriveOutcome;
use crate::gate::Health;
use crate::report::Narrator;
use crate::run::{ChangeStatus, Ending, Entry, Event, GateOutcome, ServiceStatus, Task, TaskId, TaskView, View, Way};
use crate::runbook::model::FaultClass;

/// How a path ended, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Done: everything is as wanted.
    Recovered,
    /// Everything is as it was before the run, but for what cannot be undone.
    RolledBack,
    /// Not ended: somebody resumes it, or rolls it back.
    Paused,
    /// Ended, with a part applied; the run says which.
    Stopped,
    /// Ended where only a person can go on: something is unknown, or could not be undone.
    Stuck,
    /// The run did, or says, what is not so: a defect of rectify.
    Wrong,
}

impl EndState {
    /// All of them.
    pub const ALL: [EndState; 6] = [
        EndState::Recovered,
        EndState::RolledBack,
        EndState::Paused,
        EndState::Stopped,
        EndState::Stuck,
        EndState::Wrong,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            EndState::Recovered => "recovered",
            EndState::RolledBack => "rolled back",
            EndState::Paused => "paused",
            EndState::Stopped => "stopped",
            EndState::Stuck => "stuck",
            EndState::Wrong => "WRONG",
        }
    }

    fn of(rest: &Rest) -> EndState {
        match &rest.came {
            PathOutcome::Driven(DriveOutcome::Ended(ending)) => match ending {
                Ending::Done { failed, .. } if failed.is_empty() => EndState::Recovered,
                Ending::Stopped { .. } | Ending::Declined { .. } if is_as_before(rest) => EndState::RolledBack,
                Ending::RolledBack { .. } if ending.is_whole_rollback() && is_as_before(rest) => EndState::RolledBack,
                Ending::Done { .. } | Ending::RolledBack { .. } | Ending::Stopped { .. } | Ending::Declined { .. } => {
                    EndState::Stopped
                }
                Ending::Stuck { .. } => EndState::Stuck,
            },
            PathOutcome::Driven(DriveOutcome::Parked | DriveOutcome::Paused(_))
            | PathOutcome::Killed
            | PathOutcome::OutOfSpace => EndState::Paused,
            PathOutcome::Lost(_) => EndState::Wrong,
        }
    }
}

/// What became of a path.
#[derive(Clone, Debug, Serialize)]
pub struct PathResult {
    /// Where it left the run without trouble, and what was asked for.
    #[serde(skip)]
    pub path: Path,
    /// The step at which the fault struck; `None`: before the first or after the last.
    pub step: Option<String>,
    /// Which way the run went then.
    pub way: Way,
    /// What went wrong, in a few words.
    pub fault: &'static str,
    /// Its class.
    #[serde(serialize_with = "name")]
    pub class: FaultClass,
    /// What was asked for after that; nothing if the run was left alone.
    pub then: &'static str,
    /// How it ended.
    pub outcome: EndState,
    /// How it ended after it was resumed and rolled back until it had an ending.
    pub at_last: EndState,
    /// Where each process left the run.
    pub rests: Vec<String>,
    /// Simulated time from the fault to the outcome, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// The steps whose changes are applied.
    pub applied: Vec<TaskId>,
    /// The steps of whose changes it is not known whether they are applied.
    pub unknown: Vec<TaskId>,
    /// Probes of services that the run touched: unhealthy now, and healthy before the run.
    pub unhealthy: Vec<String>,
    /// What serves then, by service and revision, in percent; `null`: the service does not exist. It is observed by the drill.
    pub serving: BTreeMap<String, Option<BTreeMap<String, i64>>>,
    /// What the run said in the end.
    pub said: Vec<String>,
    /// What is not as it must be.
    pub wrong: Vec<String>,
    /// The run's entries, if something is wrong: for whoever looks for the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<Entry>,
    /// Gates that failed on this path.
    pub gates_failed: BTreeSet<TaskId>,
    /// Changes that were undone on this path.
    pub undone: BTreeSet<TaskId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn name<S: serde::Serializer>(class: &FaultClass, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(class.name())
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(took.as_secs())
}

impl PathResult {
    pub(super) fn new(of: &Prepared, path: &Path, outcome: &Outcome) -> PathResult {
        // What is carried out at the end of a rollback is not undone either.
        let of_step = |task: &&Task| Some(task.id.step()) == path.step.as_deref();
        let is_finally = of.tasks().iter().find(of_step).is_some_and(Task::is_finally);
        let asked = path.then.requests().len();
        let rest = outcome.rests.get(asked.min(outcome.rests.len().saturating_sub(1)));
        let is_wrong = !outcome.wrong.is_empty();
        let state = |rest: Option<&Rest>| rest.filter(|_| !is_wrong).map_or(EndState::Wrong, EndState::of);
        let entries = outcome.entries.get(..rest.map_or(0, |rest| rest.entries)).unwrap_or(&outcome.entries);
        let after = rest.and_then(|rest| rest.after.as_ref());
        let tasks = |is_so: fn(&ChangeStatus) -> bool| after.map(|after| tasks(&after.view, is_so)).unwrap_or_default();
        PathResult {
            path: path.clone(),
            step: path.step.clone(),
            way: if is_finally { Way::Apply } else { path.way },
            fault: path.fault(),
            class: path.class(),
            then: path.then.words(),
            outcome: state(rest),
            at_last: state(outcome.rests.last()),
            rests: outcome.rests.iter().map(ToString::to_string).collect(),
            took: entries.last().map(|last| between(outcome.began, last.at)).unwrap_or_default(),
            applied: tasks(ChangeStatus::is_applied),
            unknown: tasks(ChangeStatus::is_unknown),
            unhealthy: unhealthy(of, entries),
            serving: after.map(|after| after.serving.clone()).unwrap_or_default(),
            said: said(of, entries),
            wrong: outcome.wrong.clone(),
            journal: if is_wrong { outcome.entries.clone() } else { Vec::new() },
            gates_failed: outcome.entries.iter().filter_map(failed_gate).collect(),
            undone: outcome.entries.iter().filter_map(undo).collect(),
        }
    }

    /// Notes something that is not as it must be.
    pub(super) fn find_wrong(&mut self, why: String) {
        self.wrong.push(why);
        (self.outcome, self.at_last) = (EndState::Wrong, EndState::Wrong);
    }

    /// Whether the run was left alone after the fault.
    pub fn is_left_alone(&self) -> bool {
        self.path.then == Then::Nothing
    }
}

/// What is said of the last of these entries.
pub(super) fn said(of: &Prepared, entries: &[Entry]) -> Vec<String> {
    let mut view = View::new(&of.plan.work());
    let mut narrator = Narrator::default();
    let mut last = Vec::new();
    for entry in entries {
        view.apply(entry);
        let lines = narrator.entry(&view, entry);
        match &entry.event {
            Event::Ended { .. } | Event::Paused { .. } | Event::StopRequested { .. } => last = lines,
            _ => last.clear(),
        }
    }
    last.into_iter().map(|line| line.text).collect()
}

fn changes(view: &View) -> impl Iterator<Item = &TaskView> {
    view.tasks.iter().filter(|task| task.task.change.is_some() && task.task.back_for.is_none())
}

fn tasks(view: &View, is_so: impl Fn(&ChangeStatus) -> bool) -> Vec<TaskId> {
    let changes = changes(view).filter(|task| !task.task.is_finally());
    changes.filter(|task| is_so(&task.change_status())).map(|task| task.task.id.clone()).collect()
}

/// Whether nothing is applied, or may be, that could be undone: what cannot be is applied whatever happens.
fn is_as_before(rest: &Rest) -> bool {
    let is_left = |task: &TaskView| task.change_status().may_be_applied() && task.task.is_undone_by_rollback();
    rest.after.as_ref().is_some_and(|after| !changes(&after.view).any(is_left))
}

/// The probes that are unhealthy by the last word on the services that the run touched, and were healthy before it.
fn unhealthy(of: &Prepared, entries: &[Entry]) -> Vec<String> {
    let was_healthy = |probe: &String| of.plan.baseline.get(probe).is_some_and(|seen| seen.health == Health::Healthy);
    let of_service = |status: &ServiceStatus| -> Vec<String> {
        let seen = status.probes.iter().filter(|(probe, seen)| is_unhealthy(&seen.health) && was_healthy(probe));
        seen.map(|(probe, _)| probe.clone()).collect()
    };
    surveyed(entries).into_iter().flat_map(BTreeMap::values).flat_map(of_service).collect()
}

/// What was last observed of the services that the run touched.
fn surveyed(entries: &[Entry]) -> Option<&BTreeMap<String, ServiceStatus>> {
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::ServicesObserved { services } => Some(services),
        _ => None,
    })
}

fn is_unhealthy(health: &Health) -> bool {
    matches!(health, Health::Unhealthy { .. })
}

fn failed_gate(entry: &Entry) -> Option<TaskId> {
    match &entry.event {
        Event::GateClosed { task, outcome: GateOutcome::Failed { .. } } => Some(task.clone()),
        _ => None,
    }
}

fn undo(entry: &Entry) -> Option<TaskId> {
    match &entry.event {
        Event::Intended { op } if op.way == Way::Undo => Some(op.task.clone()),
        _ => None,
    }
}

/// The time of the last entry before a path begins.
pub(super) fn beginning(entries: &[Entry], count: usize) -> Timestamp {
    entries.get(count.saturating_sub(1)).map(|entry| entry.at).unwrap_or_default()
}

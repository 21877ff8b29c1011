//! One unit of a plan's work: at most one change, at most one gate.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as duration;
use serde::{Deserialize, Serialize};

use super::change::{Change, Reversibility};
use super::id::{ResourceId, Subject, TaskId};
use super::program::{HandCommands, NOT_RUN, NOT_SENT, PeerCall, Program};
use crate::gate::GateRule;

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Ask the operator; without one, stop.
    #[default]
    Ask,
    /// Undo what was applied, newest first.
    Rollback,
    /// Stop and leave everything as it is.
    Stop,
    /// Go on with the next step.
    Continue,
}

/// How far a rollback goes that nobody asked for: what says `on_failure = "rollback"` is what is undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackScope {
    /// What the step applied.
    Step,
    /// What the phase applied.
    Phase,
    /// Whatever the run applied.
    #[default]
    Run,
}

impl RollbackScope {
    /// Whether all of the run is meant.
    pub fn is_run(&self) -> bool {
        *self == RollbackScope::Run
    }
}

/// What happens when a step fails, and how far that goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailurePolicy {
    /// What happens.
    pub on_failure: OnFailure,
    /// How far it is undone, if that is what happens.
    #[serde(default, skip_serializing_if = "RollbackScope::is_run")]
    pub rollback_scope: RollbackScope,
}

/// When the turn of a phase comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// After the phase before it.
    #[default]
    InOrder,
    /// Whenever the run is about to end: at the end of all other phases, after a rollback, and when it was stopped. What it does is not
    /// rolled back, and its failures are reported beside the outcome and do not change it.
    Finally,
}

impl Occasion {
    /// Whether it comes after the phase before it.
    pub fn is_in_order(&self) -> bool {
        *self == Occasion::InOrder
    }
}

/// A step of the runbook becomes one task, or several when it changes several things one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique in the plan, in a fixed order.
    pub id: TaskId,
    /// The phase it belongs to.
    pub phase: String,
    /// What the step `uses`.
    pub uses: String,
    /// What it changes; `None` if there is nothing to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Whether the change can be undone.
    pub reversibility: Reversibility,
    /// What proves that it worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateRule>,
    /// What happens when it does not.
    pub on_failure: OnFailure,
    /// When its turn comes.
    #[serde(default, skip_serializing_if = "Occasion::is_in_order")]
    pub occasion: Occasion,
    /// How far it is undone, if that is what happens then.
    #[serde(default, skip_serializing_if = "RollbackScope::is_run")]
    pub rollback_scope: RollbackScope,
    /// What speaks against it, or has consequences that the operator may not expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What explains the change, and is as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the runbook wants the operator to be asked besides, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// What must be so before it may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Preconditions>,
    /// What proves that undoing it left things no worse than they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_gate: Option<GateRule>,
    /// How long its long-running operation, and that of its undo, is awaited at most. The planner takes it from the
    /// runbook, or from the resource's kind.
    #[serde(default, with = "duration", skip_serializing_if = "Option::is_none")]
    pub operation_timeout: Option<Duration>,
    /// Probes of what it changes that were unhealthy before the run, and what they saw: undoing it restores that state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unhealthy_before: BTreeMap<String, String>,
    /// How long it lets pass.
    #[serde(default, with = "duration", skip_serializing_if = "Option::is_none")]
    pub pause: Option<Duration>,
    /// The program that makes its change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// What it sends to a peer to make its change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerCall>,
    /// The commands that do by hand what its call does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<HandCommands>,
    /// What it tells somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is made before its change is undone, and taken back after that: traffic is led elsewhere first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_first: Option<Change>,
    /// If it is carried out on the way back only: the task for which. Its change is in force as soon as that one's is.
    #[serde(skip)]
    pub back_for: Option<TaskId>,
    /// Where its gate's probes look instead of where they usually do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateTarget>,
    /// The item that this turn of its step is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// How many turns of its step may fail before the step has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_failures: u32,
    /// How many turns of its step go on at once; none means one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_parallel: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Task {
    /// What happens when it fails.
    pub fn failure_policy(&self) -> FailurePolicy {
        FailurePolicy { on_failure: self.on_failure, rollback_scope: self.rollback_scope }
    }

    /// A task of this id that does nothing and proves nothing.
    pub fn idle(id: TaskId, phase: &str, uses: &str, on_failure: OnFailure) -> Task {
        Task {
            id,
            phase: phase.to_owned(),
            uses: uses.to_owned(),
            change: None,
            reversibility: Reversibility::Reversible,
            gate: None,
            on_failure,
            occasion: Occasion::InOrder,
            rollback_scope: RollbackScope::Run,
            warnings: Vec::new(),
            notes: Vec::new(),
            confirm: None,
            require: None,
            undo_gate: None,
            operation_timeout: None,
            unhealthy_before: BTreeMap::new(),
            pause: None,
            program: None,
            peer: None,
            by_hand: None,
            message: None,
            traffic_first: None,
            back_for: None,
            candidate: None,
            item: None,
            max_failures: 0,
            max_parallel: 0,
        }
    }

    /// Whether its turn comes whenever the run is about to end.
    pub fn is_finally(&self) -> bool {
        self.occasion == Occasion::Finally
    }

    /// What is to be known of undoing its change; of one that is carried out at the end only that it can never be undone.
    pub fn caution(&self) -> Option<String> {
        self.reversibility.caution().filter(|_| !self.is_finally() || self.reversibility.is_irreversible())
    }

    /// Whether a rollback undoes its change.
    pub fn is_undone_by_rollback(&self) -> bool {
        self.reversibility.is_undone() && !self.is_finally()
    }

    /// Whether what it does is left out because this is a rehearsal.
    pub fn is_not_run(&self) -> bool {
        self.left_out().is_some()
    }

    /// What of it is left out because this is a rehearsal, and the words for that.
    pub fn left_out(&self) -> Option<(&'static str, String)> {
        let program = self.program.as_ref().filter(|program| program.not_run);
        let peer = || self.peer.as_ref().filter(|call| call.not_sent);
        program
            .map(|program| (NOT_RUN, program.run.to_string()))
            .or_else(|| peer().map(|call| (NOT_SENT, call.what.clone())))
    }

    /// What its change is about, if it changes something.
    pub fn subject(&self) -> Option<Subject<'_>> {
        self.change.as_ref().map(Change::subject)
    }

    /// The task, between the two that its detour is made of.
    fn with_traffic_first(self) -> Vec<Task> {
        // What comes last is not undone.
        let Some(traffic_first) = self.traffic_first.clone().filter(|_| !self.is_finally()) else { return vec![self] };
        let back = |name: &str, change: Change| {
            let id = TaskId::part(self.id.as_str(), name);
            let idle = Task::idle(id, &self.phase, &traffic_first.resource.kind, self.on_failure);
            let (back_for, item, max_parallel) = (Some(self.id.clone()), self.item.clone(), self.max_parallel);
            let operation_timeout = self.operation_timeout;
            Task { change: Some(change), back_for, item, max_parallel, operation_timeout, ..idle }
        };
        // Undone from the last to the first: the detour, the change itself, the way back from the detour. What stays as it is
        // keeps the traffic away from it, too; then the detour is the end of the undo, which is to be shown to have worked.
        let (first, last) = (back("follow", traffic_first.clone()), back("traffic", traffic_first.undo()));
        let undo_gate = self.undo_gate.clone();
        match &self.reversibility {
            Reversibility::Stays { .. } => {
                let why = "the newest revision is the one that was taken back".to_owned();
                let first = Task { reversibility: Reversibility::Stays { why }, ..first };
                vec![first, self, Task { undo_gate, ..last }]
            }
            Reversibility::Reversible
            | Reversibility::WithLoss { .. }
            | Reversibility::Restarts { .. }
            | Reversibility::Irreversible { .. } => vec![Task { undo_gate, ..first }, self, last],
        }
    }
}

/// The address of a revision that has no traffic yet, and the hosts in whose place it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateTarget {
    /// The Cloud Run service.
    pub service: ResourceId,
    /// The revision's tag.
    pub tag: String,
    /// Host names that lead to the service. A probe of one of them asks the tag's address; all others ask as ever.
    pub hosts: Vec<String>,
}

/// What must be so before a task may begin: proof that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preconditions {
    /// Probes that must be healthy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healthy: Vec<String>,
    /// Probes that must be unhealthy. One that cannot be observed is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy: Vec<String>,
    /// What must hold of what the probes see, in CEL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// How old it may be when the task's change is sent: older evidence, such as that from before a prompt, is observed again.
    #[serde(
        default = "max_age",
        skip_serializing_if = "is_max_age",
        with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required"
    )]
    pub max_age: Duration,
}

/// How old evidence may be of which nothing else is said.
pub const MAX_AGE: Duration = Duration::from_mins(1);

fn max_age() -> Duration {
    MAX_AGE
}

fn is_max_age(age: &Duration) -> bool {
    *age == MAX_AGE
}

impl Default for Preconditions {
    fn default() -> Preconditions {
        Preconditions { healthy: Vec::new(), unhealthy: Vec::new(), condition: None, max_age: MAX_AGE }
    }
}

impl Preconditions {
    /// Whether it asks for nothing: then nothing shows that it is met.
    pub fn is_empty(&self) -> bool {
        self.healthy.is_empty() && self.unhealthy.is_empty() && self.condition.is_none()
    }
}

/// A probe that is watched while a run goes forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The probe.
    pub probe: String,
    /// How often it is observed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub every: Duration,
    /// How many unhealthy samples in a row trip it, at least 1.
    pub failures: u32,
    /// What happens then.
    pub then: GuardAction,
}

/// What a guard does when it trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardAction {
    /// Begin nothing more, and ask.
    #[default]
    Pause,
    /// Undo what was done.
    Rollback,
}

/// Everything that a run works through and keeps to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Work {
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// What is watched meanwhile.
    pub guards: Vec<Guard>,
    /// How long each phase may take, by name.
    pub budgets: BTreeMap<String, Duration>,
    /// The phases for people, in order: name and title.
    pub titles: Vec<(String, String)>,
}

impl From<Vec<Task>> for Work {
    fn from(tasks: Vec<Task>) -> Work {
        Work { tasks: tasks.into_iter().flat_map(Task::with_traffic_first).collect(), ..Work::default() }
    }
}

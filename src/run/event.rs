//! Everything that can be said about a run: the journal's vocabulary.
//!
//! Events are owned, plain and small. They are a promise: a journal that was written once must stay
//! readable, so a variant or a field is never renamed, and a new one gets a default.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{OpId, ResourceId, RunId, TaskId};
use super::task::OnFailure;
use super::verdict::{Judged, Verdict};
use crate::gate::{Fault, Observation, Proof};

/// An event and when it happened, in the run's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When. Against a simulated cloud this is the simulated time.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// Who works a run, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Login name.
    pub user: String,
    /// Host name.
    pub host: String,
    /// Process id of the program.
    pub pid: u32,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (pid {})", self.user, self.host, self.pid)
    }
}

/// Something that happened to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Event {
    /// The run begins.
    Started {
        /// Its id.
        run: RunId,
        /// The runbook's name.
        runbook: String,
        /// Where its calls go, in words.
        cloud: String,
        /// Version of the program.
        rectify: String,
        /// Version of the engine that interprets these events.
        machine: u32,
        /// SHA-256 of the plan, in hex, as it lies beside the journal.
        plan: String,
        /// SHA-256 of the runbook's text, in hex, as it lies beside the journal.
        text: String,
        /// Who.
        operator: Operator,
    },
    /// Another process takes the run over. Whatever was in flight is in doubt.
    Resumed {
        /// Who.
        operator: Operator,
    },
    /// From here on the run goes back: what was applied is undone, newest first.
    RollbackAsked {
        /// Who.
        operator: Operator,
        /// The step after which everything is undone; `None`: everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Somebody wants the run to pause: Ctrl-C, SIGTERM, a closed terminal.
    StopAsked {
        /// What asked, in words.
        by: String,
    },
    /// A question was answered; by a person, a flag or a policy.
    Answered {
        /// The question, with everything it rested on.
        question: Question,
        /// The answer.
        choice: Choice,
        /// Who or what answered.
        by: String,
        /// Why, where the answer wants a reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Whether what a task rests on is so.
    Required {
        /// The task.
        task: TaskId,
        /// What was found.
        found: Requirement,
    },
    /// A pause has passed.
    Waited {
        /// The task.
        task: TaskId,
    },
    /// Somebody was told something, or could not be told. Neither decides anything.
    Notified {
        /// The task.
        task: TaskId,
        /// What went wrong.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// One sample of a guard's probe.
    Watched {
        /// The guard's probe.
        probe: String,
        /// What was seen.
        observation: Observation,
    },
    /// What was applied was looked at again, while something else was awaited.
    Compared {
        /// What somebody else has changed meanwhile: what it is now.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        moved: BTreeMap<ResourceId, Value>,
    },
    /// Whether to go on was asked of the runbook's criteria. It decides nothing by itself: it is for people.
    Decided {
        /// The decision, with its grounds.
        verdict: Verdict,
    },
    /// The work is done, and this is how what must hold for the end of the incident stands.
    Closed {
        /// Each criterion, in the order of the runbook.
        criteria: Vec<Judged>,
    },
    /// The task has nothing to change: the resource already is as wanted, or the task only proves health.
    Unchanged {
        /// The task.
        task: TaskId,
    },
    /// On disk before the write it announces.
    Intended {
        /// The write.
        op: OpId,
    },
    /// The API took the write and gave a name to ask by.
    Begun {
        /// The write.
        op: OpId,
        /// The long-running operation's name.
        operation: String,
    },
    /// The operation is still running.
    Polled {
        /// The write.
        op: OpId,
        /// Whether the answer was held while it ran: then it is asked for again at once.
        #[serde(default, skip_serializing_if = "is_false")]
        held: bool,
    },
    /// What is there now. The engine compares; who looked does not judge.
    Settled {
        /// The write.
        op: OpId,
        /// The resource's state.
        seen: Value,
    },
    /// The write did not happen.
    Refused {
        /// The write.
        op: OpId,
        /// Why.
        refusal: Refusal,
    },
    /// The API carried the write out, at least in part, and reports that it failed.
    Failed {
        /// The write.
        op: OpId,
        /// The API's words.
        why: String,
    },
    /// No answer: the write may have happened.
    InDoubt {
        /// The write.
        op: OpId,
        /// What went wrong.
        why: String,
    },
    /// The gate of a task begins to count.
    GateOpened {
        /// The task.
        task: TaskId,
    },
    /// One sample of one probe of an open gate.
    Observed {
        /// The task whose gate it is.
        task: TaskId,
        /// The probe.
        probe: String,
        /// What was seen.
        observation: Observation,
    },
    /// The gate has its verdict.
    GateClosed {
        /// The task.
        task: TaskId,
        /// The verdict.
        outcome: GateOutcome,
    },
    /// The run has ended. It can still be rolled back, and resumed if it did not end well.
    Ended {
        /// How.
        ending: Ending,
    },
}

impl Event {
    /// Whether it tells what became of a write, or of all of them.
    pub fn is_of_write(&self) -> bool {
        use Event::{Begun, Ended, Failed, InDoubt, Intended, Refused, Settled};
        matches!(
            self,
            Begun { .. }
                | Ended { .. }
                | Failed { .. }
                | InDoubt { .. }
                | Intended { .. }
                | Refused { .. }
                | Settled { .. }
        )
    }

    /// The task whose write or gate it is about, if it is about one.
    pub fn task(&self) -> Option<&TaskId> {
        use Event::{Begun, Failed, GateClosed, GateOpened, InDoubt, Intended, Observed, Polled, Refused, Settled};
        match self {
            Begun { op, .. }
            | Failed { op, .. }
            | InDoubt { op, .. }
            | Intended { op }
            | Polled { op, .. }
            | Refused { op, .. }
            | Settled { op, .. } => Some(&op.task),
            GateClosed { task, .. } | GateOpened { task } | Observed { task, .. } => Some(task),
            _ => None,
        }
    }

    /// Whether nothing may rely on the event before it is on the disk. Samples and polls can be repeated;
    /// everything else decides something.
    pub fn must_last(&self) -> bool {
        match self {
            Event::Observed { .. } | Event::Polled { .. } | Event::Watched { .. } => false,
            Event::Compared { moved } => !moved.is_empty(),
            _ => true,
        }
    }
}

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Refusal {
    /// The resource is no longer what the plan saw.
    Drifted {
        /// What it is now.
        now: Value,
    },
    /// The API said no.
    Api {
        /// Its words.
        why: String,
    },
    /// Not now: too many requests, a read that failed, another operation. It may be different in a moment.
    Busy {
        /// What is in the way.
        why: String,
    },
}

/// Whether what a task rests on is so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Requirement {
    /// It is.
    Met {
        /// What shows it.
        evidence: Findings,
    },
    /// It is not, or cannot be told.
    Unmet {
        /// Why.
        why: String,
        /// What was seen.
        evidence: Findings,
    },
}

/// What was seen, by probe.
pub type Findings = BTreeMap<String, Observation>;

/// How a gate ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum GateOutcome {
    /// Every probe was healthy long enough.
    Passed {
        /// What that proves of the probe with the fewest samples.
        proof: Proof,
    },
    /// It was not, or no longer could be before the time-out.
    Failed {
        /// Why, probe by probe.
        why: String,
        /// In what way.
        #[serde(default)]
        fault: Fault,
    },
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum Failure {
    /// The write was refused.
    Refused {
        /// Which resource.
        resource: ResourceId,
        /// What the plan saw there.
        from: Value,
        /// What was wanted.
        to: Value,
        /// Why.
        refusal: Refusal,
    },
    /// The API reports that the write failed.
    Operation {
        /// Which resource.
        resource: ResourceId,
        /// The API's words.
        why: String,
        /// What is there now.
        seen: Value,
        /// Whether something of the write took effect.
        took_effect: bool,
    },
    /// After a lost answer the resource is neither as before nor as wanted: somebody else changed it.
    Interfered {
        /// Which resource.
        resource: ResourceId,
        /// What is there now.
        seen: Value,
    },
    /// The write was sent several times and never took effect.
    Lost {
        /// Which resource.
        resource: ResourceId,
    },
    /// Health was not proven.
    Gate {
        /// Why.
        why: String,
        /// In what way.
        #[serde(default)]
        fault: Fault,
    },
    /// What came after it on the same thing could not be undone, so that undoing this would build on that.
    Blocked {
        /// The later task.
        by: TaskId,
    },
    /// What the task rests on is not so.
    Require {
        /// Why.
        why: String,
    },
    /// A guard tripped.
    Guard {
        /// Its probe.
        probe: String,
        /// What was seen.
        why: String,
        /// The task that changed something just before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<TaskId>,
    },
    /// A phase has taken longer than it may.
    Budget {
        /// The phase.
        phase: String,
        /// How long it may take.
        #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
        budget: Duration,
    },
}

/// Something only a person, a flag or a policy can decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Shall this change be applied?
    Apply {
        /// The task.
        task: TaskId,
    },
    /// Shall this change be applied although it cannot be undone?
    OneWay {
        /// The task.
        task: TaskId,
        /// Why it cannot be undone.
        why: String,
    },
    /// The task failed: what now?
    Failed {
        /// The task.
        task: TaskId,
        /// How.
        failure: Box<Failure>,
        /// What the runbook says to do.
        policy: OnFailure,
        /// Whether trying again makes sense.
        retry: bool,
    },
    /// Shall this change be applied, which the runbook wants to be asked about in its own words?
    Confirm {
        /// The task.
        task: TaskId,
        /// The words.
        text: String,
    },
    /// Something happened beside the work: go on all the same?
    Interrupted {
        /// The task whose turn it is, if there is one.
        task: Option<TaskId>,
        /// What.
        failure: Box<Failure>,
        /// What the runbook says to do.
        policy: OnFailure,
    },
    /// A write may have happened, and what it changes cannot be looked at: has it?
    Doubt {
        /// The write.
        op: OpId,
    },
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Apply it.
    Yes,
    /// Do not, and stop here.
    No,
    /// Try the failed task again.
    Retry,
    /// Go on with the next task although this one failed.
    Continue,
    /// Stop here and leave everything as it is.
    Stop,
    /// Undo what was applied.
    Rollback,
    /// Leave this step out, and go on with the next.
    Skip,
    /// Apply it, and every ordinary change of this phase after it.
    AllInPhase,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Every task was worked through.
    Done {
        /// Tasks that failed and were passed over.
        failed: Vec<TaskId>,
        /// Tasks that the operator left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<TaskId>,
    },
    /// What could be undone was undone.
    RolledBack {
        /// Applied changes that the API cannot take back, still in force.
        kept: Vec<TaskId>,
        /// What made the run turn back; `None` if an operator asked for it.
        why: Option<Failure>,
    },
    /// A task failed; what was applied before it stays.
    Stopped {
        /// The task.
        task: TaskId,
        /// How.
        why: Failure,
    },
    /// The operator said no; what was applied before stays.
    Declined {
        /// The task.
        task: TaskId,
    },
    /// Something that should have been undone could not be. A person must act.
    Stuck {
        /// Changes that could not be undone, and why.
        left: Vec<Left>,
        /// Applied changes that the API cannot take back, still in force.
        kept: Vec<TaskId>,
    },
}

/// A change that could not be undone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// Whose change.
    pub task: TaskId,
    /// Why.
    pub why: Failure,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(is: &bool) -> bool {
    !is
}

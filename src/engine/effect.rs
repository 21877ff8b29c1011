//! What the engine can ask for. Effects are data: they can be compared, printed, and carried out anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::gate::Breaks;
use crate::run::{Change, Ending, GateOutcome, OpId, PauseReason, Preconditions, Question, ResourceId, TaskId};

/// One thing to do, and the events that may come of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Get an answer → `Answered`.
    Ask(Question),
    /// Note that there is nothing to change → `Unchanged`.
    RecordUnchanged {
        /// The task.
        task: TaskId,
    },
    /// Write down that a write is about to happen → `Intended`.
    RecordIntent {
        /// The write.
        op: OpId,
    },
    /// Write, if the resource still is `from` → `OperationStarted`, `StateObserved`, `Refused` or `InDoubt`.
    Write {
        /// The write.
        op: OpId,
        /// What to write.
        change: Change,
    },
    /// Ask how a long-running operation stands → `Polled`, `StateObserved`, `Failed` or `InDoubt`.
    Poll {
        /// The write.
        op: OpId,
        /// The operation's name.
        operation: String,
        /// What it changes.
        resource: ResourceId,
    },
    /// Write down that an operation is awaited no longer → `OperationTimedOut`.
    AbandonOperation {
        /// The write.
        op: OpId,
        /// The operation's name.
        operation: String,
        /// How long it was awaited.
        limit: Duration,
    },
    /// The outcome of a write is not known, or a resource is not as the run left it: observe its state and running
    /// operations; never assume → `OperationStarted`, `StateObserved` or `Missing`.
    ObserveState {
        /// The write.
        op: OpId,
        /// What it changes.
        resource: ResourceId,
    },
    /// Start the gate's clock → `GateOpened`.
    OpenGate {
        /// The task.
        task: TaskId,
        /// Counts that its probes used up while it was open before.
        breaks: Breaks,
    },
    /// Take one sample → `Sampled`.
    TakeSample {
        /// The task whose gate wants it.
        task: TaskId,
        /// The probe.
        probe: String,
    },
    /// Write the gate's verdict down → `GateClosed`.
    CloseGate {
        /// The task.
        task: TaskId,
        /// The verdict.
        outcome: GateOutcome,
    },
    /// Look whether what a task rests on is so → `PreconditionsChecked`.
    CheckPreconditions {
        /// The task.
        task: TaskId,
        /// What must be so.
        evidence: Preconditions,
    },
    /// Observe whether a service is healthy before an undo that would make it unhealthy → `Assessed`.
    AssessHealth {
        /// The task whose change is to be undone.
        task: TaskId,
        /// What shows that it is healthy.
        evidence: Preconditions,
    },
    /// Let a task's pause pass → `Waited`.
    Sleep {
        /// The task.
        task: TaskId,
        /// Until when.
        until: Timestamp,
    },
    /// Tell somebody → `Notified`.
    Notify {
        /// The task.
        task: TaskId,
    },
    /// Take one sample for a guard → `GuardSampled`.
    SampleGuard {
        /// Its probe.
        probe: String,
    },
    /// Look whether what was applied is still so → `DriftChecked`.
    CheckDrift {
        /// What each resource was last made.
        applied: BTreeMap<ResourceId, Value>,
    },
    /// Let time pass; a signal may come instead → nothing, or `StopRequested`.
    Wait {
        /// Until when.
        until: Timestamp,
    },
    /// Write the ending down → `Ended`.
    End(Ending),
    /// Write down why the run pauses → `Paused`.
    Pause {
        /// What is in the way.
        why: PauseReason,
    },
    /// Somebody asked to stop, or the run has paused. Everything is written down; another process can go on from here.
    Park,
}

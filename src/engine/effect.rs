//! What the engine can ask for. Effects are data: they can be compared, printed, and carried out anywhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::run::{Change, Ending, Evidence, GateOutcome, OpId, Question, ResourceId, TaskId};

/// One thing to do, and the events that may come of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Get an answer → `Answered`.
    Ask(Question),
    /// Note that there is nothing to change → `Unchanged`.
    Pass {
        /// The task.
        task: TaskId,
    },
    /// Write down that a write is about to happen → `Intended`.
    Announce {
        /// The write.
        op: OpId,
    },
    /// Write, if the resource still is `from` → `Begun`, `Settled`, `Refused` or `InDoubt`.
    Write {
        /// The write.
        op: OpId,
        /// What to write.
        change: Change,
    },
    /// Ask how a long-running operation stands → `Polled`, `Settled`, `Failed` or `InDoubt`.
    Poll {
        /// The write.
        op: OpId,
        /// The operation's name.
        operation: String,
        /// What it changes.
        resource: ResourceId,
    },
    /// The outcome of a write is not known: look, at the state and at running operations; never assume
    /// → `Begun` or `Settled`.
    Look {
        /// The write.
        op: OpId,
        /// What it changes.
        resource: ResourceId,
    },
    /// Start the gate's clock → `GateOpened`.
    OpenGate {
        /// The task.
        task: TaskId,
    },
    /// Take one sample → `Observed`.
    Probe {
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
    /// Look whether what a task rests on is so → `Required`.
    Require {
        /// The task.
        task: TaskId,
        /// What must be so.
        evidence: Evidence,
    },
    /// Let a task's pause pass → `Waited`.
    Rest {
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
    /// Take one sample for a guard → `Watched`.
    Watch {
        /// Its probe.
        probe: String,
    },
    /// Look whether what was applied is still so → `Compared`.
    Compare {
        /// What each resource was last made.
        applied: BTreeMap<ResourceId, Value>,
    },
    /// Let time pass; a signal may come instead → nothing, or `StopAsked`.
    Wait {
        /// Until when.
        until: Timestamp,
    },
    /// Write the ending down → `Ended`.
    End(Ending),
    /// Somebody asked to stop. Everything is written down; another process can go on from here.
    Park,
}

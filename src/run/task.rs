//! One unit of a plan's work: at most one change, at most one gate.

use serde::{Deserialize, Serialize};

use super::change::{Change, Reversibility};
use super::id::TaskId;
use crate::gate::Rule;

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
    pub gate: Option<Rule>,
    /// What happens when it does not.
    pub on_failure: OnFailure,
    /// What a person should know before saying yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

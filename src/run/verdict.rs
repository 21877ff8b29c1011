//! What is judged beside the work: whether to go on or to call for help, and whether the incident is over.

use serde::{Deserialize, Serialize};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go on.
    Continue,
    /// It cannot be told yet.
    Undecided,
    /// Call Google.
    Escalate,
}

impl Decision {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Decision::Continue => "continue",
            Decision::Undecided => "undecided",
            Decision::Escalate => "escalate",
        }
    }
}

/// How a criterion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriterionStatus {
    /// Its condition holds.
    Holds,
    /// It does not.
    Fails,
    /// It cannot be told.
    Unknown,
}

impl CriterionStatus {
    /// A mark, and the same in words, of what is hoped for.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            CriterionStatus::Holds => ("✓", "holds"),
            CriterionStatus::Fails => ("✗", "does not hold"),
            CriterionStatus::Unknown => ("?", "unknown"),
        }
    }
}

impl CriterionResult {
    /// A mark, and how it stands in words. A reason to escalate that is not there is no failure.
    pub fn words(&self) -> (&'static str, &'static str) {
        match (self.speaks_against(), self.stands) {
            (true, CriterionStatus::Holds) => ("✗", "holds"),
            (true, CriterionStatus::Fails) => ("○", "does not hold"),
            (true, CriterionStatus::Unknown) | (false, _) => self.stands.words(),
        }
    }

    /// Whether that it holds is bad.
    pub fn speaks_against(&self) -> bool {
        self.ground == "escalate_now"
    }
}

/// A criterion, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// What it is about.
    pub name: String,
    /// What it speaks for: `continue`, `escalate_now`, or `close`.
    pub ground: String,
    /// How it stands.
    pub stands: CriterionStatus,
    /// The condition, or why it cannot be told.
    pub why: String,
}

/// The decision, with everything that it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationVerdict {
    /// Version of this form: 1.
    pub format: u32,
    /// What is to be done.
    pub decision: Decision,
    /// In one sentence, why.
    pub because: String,
    /// Each criterion, in the order of the runbook.
    pub criteria: Vec<CriterionResult>,
}

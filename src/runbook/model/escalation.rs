//! When to go on, when to call Google, and when the incident is over.

use std::time::Duration;

use jiff::Timestamp;

use crate::syntax::condition::Condition;

/// The `[escalation]` table.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// How long after the incident began what is still unknown escalates.
    pub after: Duration,
    /// When the incident began; `None`: when the run began.
    pub since: Option<Timestamp>,
    /// The grounds of the decision.
    pub criteria: Vec<Criterion>,
    /// The case that is drafted.
    pub support_case: Option<SupportCase>,
}

/// One ground of the decision.
#[derive(Clone, Debug)]
pub struct Criterion {
    /// What it is about, for people.
    pub name: String,
    /// What it says.
    pub ground: Ground,
}

/// What a criterion says.
#[derive(Clone, Debug)]
pub enum Ground {
    /// Speaks for going on while it holds.
    Continue(Condition),
    /// Escalates at once when it holds.
    EscalateNow(Condition),
}

impl Ground {
    /// The key of a ground that escalates at once.
    pub const ESCALATE_NOW: &'static str = "escalate_now";

    /// The key and the condition.
    pub fn parts(&self) -> (&'static str, &Condition) {
        match self {
            Ground::Continue(condition) => ("continue", condition),
            Ground::EscalateNow(condition) => ("escalate_now", condition),
        }
    }
}

/// A support case that is drafted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportCase {
    /// Its title.
    pub display_name: String,
    /// How urgent it is.
    pub priority: Priority,
    /// What to say before the timeline of the run.
    pub description: Option<String>,
}

/// How urgent a support case is, in Google's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Critical impact.
    P0,
    /// Critical.
    P1,
    /// High.
    P2,
    /// Medium.
    #[default]
    P3,
    /// Low.
    P4,
}

impl Priority {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Priority::P0 => "P0",
            Priority::P1 => "P1",
            Priority::P2 => "P2",
            Priority::P3 => "P3",
            Priority::P4 => "P4",
        }
    }
}

/// One thing that must hold before the incident is closed.
#[derive(Clone, Debug)]
pub struct Closing {
    /// What it is about, for people.
    pub name: String,
    /// What must hold.
    pub condition: Condition,
}

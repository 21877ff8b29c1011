//! A checked runbook and the live cloud → the ordered changes a run would make.
//!
//! Planning only reads. [`observe()`] asks every resource at once; [`plan()`] is pure and works out, step by
//! step, what each would find and change, so that a later step builds on what an earlier one leaves. What
//! cannot work is a [`Problem`], and then there is no plan at all.

mod observe;
mod planner;
mod render;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use observe::{Observed, observe};
pub use planner::plan;
pub use render::{gate, lines, problems, resource, text};

use crate::run::{ResourceId, Task};

/// Version of the plan's written form.
pub const FORMAT: u32 = 1;

/// Everything a run will do, in order, and what that rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title, or its name.
    pub title: String,
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// Whether the operator must type the project's name before the first change.
    pub protected: bool,
    /// Where the calls go, in words.
    pub cloud: String,
    /// When the cloud was looked at.
    pub observed_at: Timestamp,
    /// The inputs that were given; the runbook has the defaults of the others.
    pub inputs: BTreeMap<String, String>,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// What was seen of each resource that the plan touches.
    pub observed: BTreeMap<ResourceId, Basis>,
}

/// A phase, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its title, or its name.
    pub title: String,
    /// How long it should take at most.
    #[serde(default, with = "duration", skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
}

/// What a plan rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The resource's state.
    pub state: Value,
    /// Its etag, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// Something that makes a plan impossible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The step that cannot be planned.
    pub step: String,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Plan {
    /// Tasks that change something.
    pub fn changes(&self) -> usize {
        self.tasks.iter().filter(|task| task.change.is_some()).count()
    }

    /// Tasks that change something for good.
    pub fn one_way(&self) -> usize {
        let one_way = |task: &&Task| task.change.is_some() && task.reversibility.is_one_way();
        self.tasks.iter().filter(one_way).count()
    }

    /// The tasks of a phase.
    pub fn tasks_of<'a>(&'a self, phase: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |task| task.phase == phase)
    }
}

//! What steps do that is no resource of Google's: programs that are run, things that people do, messages.
//!
//! A program and a person's work are changes like any other, from not done to done, so that they are planned, asked about,
//! journaled and undone by the same code. What they need, secrets among it, stays here and is in no change and no
//! journal. In a rehearsal on a simulated cloud nothing of this reaches the real world, unless somebody says so.

mod issue;
mod mask;
mod message;
mod person;
mod process;
mod program;

pub use issue::{Github, Status};
pub use message::Messages;
pub use person::ByHand;
pub use program::Programs;

use serde::{Deserialize, Serialize};

use crate::run::ResourceId;
use crate::runbook::model::Target;

/// The state of something that is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// Whether it was.
    pub done: bool,
}

/// The id of what a task does.
pub fn id(kind: &str, target: &Target, task: &str) -> ResourceId {
    let (project, region) = (target.project.clone(), target.region.clone());
    ResourceId { kind: kind.to_owned(), project, region, name: task.to_owned() }
}

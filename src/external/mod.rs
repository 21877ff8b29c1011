//! What steps do that is no resource of Google's: programs that are run, things that people do, messages.
//!
//! A program and a person's work are changes like any other, from not done to done, so that they are planned, asked about,
//! journaled and undone by the same code. What they need, secrets among it, stays here and is in no change and no
//! journal. In a rehearsal on a simulated cloud nothing of this reaches the real world, unless somebody says so.

mod issue;
mod message;
mod person;
mod process;
mod program;

pub use issue::{Github, Status};
pub use message::Messages;
pub use person::ByHand;
pub use program::{Conduct, Programs};

use std::time::Duration;

use crate::action::Action;
use crate::runbook::model::{Runbook, Step};

/// How long one call to a webhook or a tracker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client for those whom a runbook tells something. It follows nobody elsewhere: what it sends may be secret.
fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()
}

/// The id of each task that a runbook's own steps make, and what it does: a step of several turns is several.
fn actions(runbook: &Runbook) -> impl Iterator<Item = (String, &Action)> {
    let steps = runbook.phases.iter().flat_map(|phase| &phase.steps);
    steps.flat_map(Step::by_iteration).map(|(task, _, iteration)| (task, &iteration.action))
}

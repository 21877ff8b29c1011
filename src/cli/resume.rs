//! `rectify resume`: go on with a run.

use clap::Args;

use super::cloud::Speed;
use super::console::Console;
use super::environment::EnvFlags;
use super::exit::{CliError, Exit};
use super::session::{Taken, operator};
use super::{Approvals, Which};
use crate::journal::State;
use crate::run::{Ending, Event};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    environment: EnvFlags,

    #[command(flatten)]
    approvals: Approvals,

    /// From now on the rehearsal's simulated cloud runs so much faster than the wall's clock, or `max`
    #[arg(long, value_name = "N")]
    speed: Option<Speed>,
}

pub(super) async fn resume(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let console = console.quietly(arguments.approvals.quiet);
    let taken = Taken::find(state, arguments.which.meant(), console)?;
    if let Some(ending) = taken.run.ending().filter(|_| taken.run.is_over()) {
        let id = taken.id();
        let (what, help) = match ending {
            Ending::Done { .. } => ("is done; there is nothing to go on with", "`rectify show` tells it again"),
            Ending::RolledBack { .. } => {
                ("is rolled back; there is nothing to go on with", "`rectify show` tells it again")
            }
            Ending::Stopped { .. } | Ending::Declined { .. } | Ending::Stuck { .. } => (
                "was stopped, and its `finally` phase has been carried out: what the next step needs may be gone",
                "begin a new run, or undo this one with `rectify rollback`",
            ),
        };
        return Err(CliError::new(Exit::Usage, format!("run {id} {what}")).help(help));
    }
    if let Some(speed) = arguments.speed {
        taken.set_speed(speed)?;
    }
    let resumed = Event::Resumed { operator: operator() };
    Box::pin(taken.work(state, &arguments.approvals, &arguments.environment, console, resumed)).await
}

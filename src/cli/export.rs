//! `rectify export`: the commands by which a person can go on without this program.

use clap::{Args, ValueEnum};

use super::Which;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::Kept;
use crate::journal::State;
use crate::report::{Export, export as script};
use crate::run::View;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// What is left to do [the default]
    #[arg(long, conflicts_with = "undo")]
    remaining: bool,

    /// What undoes it
    #[arg(long)]
    undo: bool,

    /// Whose commands
    #[arg(long = "as", value_name = "TOOL", default_value = "gcloud")]
    tool: Tool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    /// The Google Cloud CLI
    Gcloud,
}

pub(super) fn export(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let Tool::Gcloud = arguments.tool;
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let read = kept.read()?;
    let view = View::of(&kept.plan.work(), &read.entries);
    let export = if arguments.undo { Export::Rollback } else { Export::Remaining };
    console.out(&script(&view, export, usize::MAX));
    Ok(Exit::Done)
}

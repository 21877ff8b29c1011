//! `rectify case`: what to tell Google, drafted from a run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Which;
use super::check::runbook;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, RUNBOOK};
use crate::journal::State;
use crate::report::draft;
use crate::runbook::Mode;
use crate::runbook::model::Priority;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// What to make of it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To be pasted
    Text,
    /// For programs
    Json,
}

pub(super) fn case(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let failed = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
    let (read, damage) = kept.directory.salvage().map_err(|error| failed(&error))?;
    if let Some(damage) = damage {
        console.err(&format!("The journal cannot be trusted to its end ({damage}); the draft ends before that.\n"));
    }
    let text = kept.directory.kept(RUNBOOK).map_err(|error| failed(&error))?;
    let name = kept.directory.file(RUNBOOK).display().to_string();
    let checked = runbook(&name, &text, kept.plan.inputs.clone(), Mode::Review, console)?;
    let wanted = checked.runbook().escalation.as_ref().and_then(|escalation| escalation.support_case.clone());
    let title = wanted.as_ref().map_or_else(|| kept.plan.title.clone(), |wanted| wanted.display_name.clone());
    let priority = wanted.as_ref().map_or(Priority::default(), |wanted| wanted.priority);
    let case = draft(&kept.plan, &read.entries, &kept.directory.id(), &title, priority.name());
    let said = wanted.and_then(|wanted| wanted.description).map(|said| format!("{said}\n\n")).unwrap_or_default();
    let text = match arguments.format {
        Format::Text => said + &case.text(),
        Format::Json => serde_json::to_string_pretty(&case).map_err(|error| failed(&error))? + "\n",
    };
    console.deliver(&text, arguments.out.as_deref(), "the draft")?;
    Ok(Exit::Done)
}

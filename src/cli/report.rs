//! `rectify report`: a run as a document.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Which;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::session::{Kept, PLAN, RUNBOOK};
use crate::journal::State;
use crate::report::{html, markdown, record};
use crate::run::digest;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// What to make of it
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: Format,

    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page with pictures, which needs nothing else to be read
    Html,
    /// For an issue's comment, or a document about the incident
    Markdown,
    /// For programs
    Json,
}

pub(super) fn report(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let kept = Kept::find(state, arguments.which.run.as_deref())?;
    let failed = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
    let (read, damage) = kept.directory.salvage().map_err(|error| failed(&error))?;
    let mut digests = BTreeMap::from([("journal".to_owned(), read.hash.clone())]);
    for (name, file) in [("plan", PLAN), ("runbook", RUNBOOK)] {
        let bytes = kept.directory.kept(file).map_err(|error| failed(&error))?;
        digests.insert(name.to_owned(), digest(&bytes));
    }
    let damage = damage.or_else(|| kept.must_be_unchanged(&read.entries).err().map(|trouble| trouble.message));
    let record = record(&kept.plan, &read.entries, digests, damage);
    let text = match arguments.format {
        Format::Html => html(&record),
        Format::Markdown => markdown(&record),
        Format::Json => serde_json::to_string(&record).map_err(|error| failed(&error))? + "\n",
    };
    console.deliver(&text, arguments.out.as_deref(), &format!("the report of run {}", kept.directory.id()))?;
    Ok(Exit::Done)
}

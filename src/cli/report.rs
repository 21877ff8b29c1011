//! `rectify report`: a run as a document.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Which;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::session::{Kept, PLAN, RUNBOOK};
use crate::journal::State;
use crate::report::{ReportFormat, record};
use crate::run::digest;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "markdown")]
    format: ReportFormat,

    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn report(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
    let (read, damage) = kept.directory.salvage().map_err(|error| failed(&error))?;
    let mut digests = BTreeMap::from([("journal".to_owned(), read.hash.clone())]);
    for (name, file) in [("plan", PLAN), ("runbook", RUNBOOK)] {
        let bytes = kept.directory.kept(file).map_err(|error| failed(&error))?;
        digests.insert(name.to_owned(), digest(&bytes));
    }
    let damage = damage.or_else(|| kept.must_be_unchanged(&read.entries).err().map(|trouble| trouble.message));
    let record = record(&kept.plan, &read.entries, digests, damage);
    let text = arguments.format.render(&record).map_err(|error| failed(&error))?;
    console.deliver(&text, arguments.out.as_deref(), &format!("the report of run {}", kept.directory.id()))?;
    Ok(Exit::Done)
}

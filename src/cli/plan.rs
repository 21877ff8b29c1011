//! `rectify plan`: show what a run would change; write nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::check::{file, runbook};
use super::cloud::{CloudFlags, Connection};
use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::check::Checked;
use crate::plan::{Plan, Problem, observe, plan as make_plan, problems, text};
use crate::run::OnFailure;

/// Which runbook, with which inputs, on which cloud.
#[derive(Args)]
pub(super) struct Source {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// The value of an input; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    pub(super) input: Vec<(String, String)>,

    #[command(flatten)]
    pub(super) cloud: CloudFlags,
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// How to show the plan
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    format: String,

    /// Exit with 3 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A plan, or what stands in its way, and what it was made from.
pub(super) struct Made {
    pub(super) checked: Checked,
    pub(super) connection: Connection,
    pub(super) plan: Result<Plan, Vec<Problem>>,
}

/// Checks the runbook, looks at the cloud and works out the plan.
pub(super) async fn make(source: &Source, on_failure: Option<OnFailure>, console: Console) -> Result<Made, Trouble> {
    let inputs: BTreeMap<_, _> = source.input.iter().cloned().collect();
    let checked = runbook(&source.file.display().to_string(), &file(&source.file)?, inputs.clone(), console)?;
    let connection = Connection::open(source.cloud.place(&source.file)?, console).await?;
    let observed_at = connection.clock.now();
    let observed = observe(checked.runbook(), &connection.cloud, &connection.kinds).await;
    let plan = make_plan(checked.runbook(), inputs, &observed, observed_at, &connection.words, on_failure);
    Ok(Made { checked, connection, plan })
}

/// The problems as the reason why nothing can be done.
pub(super) fn refuse(found: &[Problem]) -> Trouble {
    let count = if found.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", found.len()) };
    Trouble::new(Exit::Failed, format!("there is no plan: {count}\n{}", problems(found).trim_end()))
}

pub(super) async fn plan(arguments: &Arguments, console: Console) -> Result<Exit, Trouble> {
    let Made { connection, plan, .. } = make(&arguments.source, None, console).await?;
    connection.close().await?;
    let plan = match plan {
        Ok(plan) => plan,
        Err(problems) => return Err(refuse(&problems)),
    };
    if arguments.format == "json" {
        let json = serde_json::to_string_pretty(&plan).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        console.out(&format!("{json}\n"));
    } else {
        console.out(&text(&plan));
    }
    Ok(if arguments.detailed_exitcode && plan.changes() > 0 { Exit::Changes } else { Exit::Done })
}

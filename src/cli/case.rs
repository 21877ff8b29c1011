//! `rectify case`: what to tell Google, drafted from a run, and told on an explicit yes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Which;
use super::check::runbook;
use super::cloud::Connection;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::log;
use super::output_format::OutputFormat;
use super::plan::Given;
use super::session::{Kept, RUNBOOK};
use crate::clock::earlier;
use crate::inert::inert;
use crate::journal::State;
use crate::redact;
use crate::report::{Around, Case, draft};
use crate::resource::{KindSpec, Letter, Product, SupportDesk, WriteError};
use crate::run::Entry;
use crate::runbook::Mode;
use crate::runbook::model::Priority;

/// Where the draft lies in the run's directory.
const DRAFT: &str = "case.txt";
/// How long before a run its metrics are worth a look.
const BEFORE: Duration = Duration::from_mins(30);

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Edit the text in $EDITOR first
    #[arg(long)]
    edit: bool,

    /// Open the case at Google, unless there is one of this run
    #[arg(long, conflicts_with = "out")]
    send: bool,

    /// What the case is about, in the words of Google's classifications
    #[arg(long, value_name = "WORDS", default_value = "Cloud Run")]
    classification: String,
}

pub(super) async fn case(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let kept = Kept::find(state, arguments.which.meant(), console)?;
    let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
    let (read, damage) = kept.directory.salvage().map_err(|error| failed(&error))?;
    if let Some(damage) = damage {
        let damage = inert(&damage);
        console.err(&format!("The journal cannot be trusted to its end ({damage}); the draft ends before that.\n"));
    }
    let text = kept.directory.kept(RUNBOOK).map_err(|error| failed(&error))?;
    let name = kept.directory.file(RUNBOOK).display().to_string();
    let checked = runbook(&name, &text, &Given::to_run_of(&kept.plan).inputs(), Mode::Plan, console)?;
    let wanted = checked.runbook().escalation.as_ref().and_then(|escalation| escalation.support_case.clone());
    let title = wanted.as_ref().map_or_else(|| kept.plan.title.clone(), |wanted| wanted.display_name.clone());
    let priority = wanted.as_ref().map_or(Priority::default(), |wanted| wanted.priority);
    let incident_began = checked.runbook().escalation.as_ref().and_then(|escalation| escalation.since);
    let described = wanted.and_then(|wanted| wanted.description);
    let around = Around { incident_began, described, ..around(&kept, &read.entries).await };
    let case = draft(&kept.plan, &read.entries, around, &kept.directory.id(), &title, priority.name());
    let mut text = redact::text(case.text());
    let shown = match arguments.format {
        OutputFormat::Json => serde_json::to_string_pretty(&case).map_err(|error| failed(&error))? + "\n",
        OutputFormat::Text => {
            if arguments.edit {
                kept.directory.replace(DRAFT, text.as_bytes()).map_err(|error| failed(&error))?;
                text = edited(&kept.directory.file(DRAFT))?;
            }
            text.clone()
        }
    };
    console.deliver(&shown, arguments.out.as_deref(), "the draft")?;
    // Somebody who reads the draft may send it; a program or a file is not asked.
    let is_read = arguments.format == OutputFormat::Text && arguments.out.is_none() && console.interactive;
    let wanted = arguments.send
        || is_read && {
            let asked = console.confirm("Open this case at Google?").await;
            asked.map_err(|error| failed(&error))?.answer() == Some(true)
        };
    if wanted { send(arguments, &kept, &case, text, console).await } else { Ok(Exit::Done) }
}

/// What Google and the log say besides. Whatever cannot be looked up is named: a draft is wanted all the same.
async fn around(kept: &Kept, entries: &[Entry]) -> Around {
    let mut around = Around { calls: log::calls(&kept.directory), ..Around::default() };
    let moment = |entry: Option<&Entry>| entry.map(|entry| entry.at).unwrap_or_default();
    let (began, newest) = (moment(entries.first()), moment(entries.last()));
    let connection = match Connection::look_back(&kept.directory, newest).await {
        Ok(connection) => connection,
        Err(trouble) => {
            around.not_seen.push(format!("project number, metrics and quotas: {}", trouble.message));
            return around;
        }
    };
    let Connection { cloud, clock, .. } = &connection;
    let (from, to) = (earlier(began, BEFORE), clock.now());
    match cloud.project_number(&kept.plan.project).await {
        Ok(number) => around.project_number = Some(number),
        Err(error) => around.not_seen.push(format!("the project's number: {error}")),
    }
    let subjects: BTreeMap<_, _> = kept.plan.observed.keys().map(|id| (id.subject(), id)).collect();
    let mut apis = BTreeSet::new();
    for id in subjects.into_values() {
        match cloud.figures(id, from, to).await {
            Ok(figures) => around.figures.extend(figures),
            Err(error) => around.not_seen.push(format!("metrics of {} {}: {error}", id.kind, id.name)),
        }
        let product = KindSpec::find(&id.kind).and_then(|kind| kind.product);
        if let Some(Product { api, .. }) = product.filter(|product| apis.insert(product.api)) {
            match cloud.quotas(&kept.plan.project, api, from, to).await {
                Ok(quotas) => around.quotas.extend(quotas),
                Err(error) => around.not_seen.push(format!("quotas: {error}")),
            }
        }
    }
    // It was only looked at: there is nothing to leave.
    let _ = connection.close().await;
    around
}

/// Lets a person change the draft. The editor is the one that their environment names; nothing of the run is in the command.
#[expect(clippy::disallowed_methods, reason = "the environment is where a person's editor is named")]
#[expect(
    clippy::disallowed_types,
    reason = "the editor's words come from the environment, and the draft's path from us"
)]
fn edited(draft: &std::path::Path) -> Result<String, CliError> {
    let named = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR")).unwrap_or_else(|_| "vi".to_owned());
    let words = shlex::split(&named).filter(|words| !words.is_empty());
    let unusable = |why: &dyn std::fmt::Display| {
        CliError::new(Exit::Usage, format!("the editor {} cannot be used: {why}", inert(&named)))
            .help("set EDITOR to a program; the draft lies beside the run's journal")
    };
    let words = words.ok_or_else(|| unusable(&"its quotes do not match"))?;
    let (program, arguments) = words.split_first().ok_or_else(|| unusable(&"it is empty"))?;
    let status =
        std::process::Command::new(program).args(arguments).arg(draft).status().map_err(|error| unusable(&error))?;
    if !status.success() {
        return Err(unusable(&status));
    }
    std::fs::read_to_string(draft).map_err(|error| unusable(&error))
}

/// Opens the case, unless there is one of this run. The draft stays beside the journal, whatever becomes of it.
async fn send(
    arguments: &Arguments,
    kept: &Kept,
    case: &Case,
    description: String,
    console: Console,
) -> Result<Exit, CliError> {
    let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
    kept.directory.replace(DRAFT, description.as_bytes()).map_err(|error| failed(&error))?;
    let draft = kept.directory.file(DRAFT);
    let left = |trouble: CliError| {
        trouble.help(format!("the draft is in {}; it can be pasted into a case by hand", draft.display()))
    };
    let (_held, read) = kept.reopen()?;
    let newest = read.entries.last().map(|entry| entry.at).unwrap_or_default();
    let connection = Connection::reopen(&kept.directory, newest).await?;
    let desk = connection.support_desk().await?;
    let project = &kept.plan.project;
    let found = desk.find(project, &case.marker).await;
    if let Some(name) = found.map_err(|error| left(failed(&error)))? {
        console.out(&format!("there is a case of this run already: {}\n", inert(&name)));
        connection.close().await?;
        return Ok(Exit::Done);
    }
    let letter = Letter {
        display_name: format!("{} [{}]", case.display_name, case.marker),
        description,
        priority: case.priority.clone(),
        classification: arguments.classification.clone(),
    };
    let opened = open(&desk, project, &letter, &case.marker).await;
    connection.close().await?;
    let name = opened.map_err(|error| left(failed(&error)))?;
    console.out(&format!("opened {}\n", inert(&name)));
    Ok(Exit::Done)
}

/// Opens a case. If the answer is lost, whether it is open is looked for, and not tried again.
async fn open(desk: &SupportDesk, project: &str, letter: &Letter, marker: &str) -> Result<String, WriteError> {
    match desk.open(project, letter).await {
        Err(error @ WriteError::InDoubt { .. }) => match desk.find(project, marker).await {
            Ok(Some(name)) => Ok(name),
            Ok(None) | Err(_) => Err(error),
        },
        other => other,
    }
}

//! `rectify run`: plan, ask, apply, prove.

use clap::Args;

use super::Approvals;
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::plan::{Made, Source, make, refuse};
use super::session::{PLAN, RUNBOOK, Session, operator};
use crate::engine::{MACHINE, Run};
use crate::journal::{State, digest};
use crate::plan::{Plan, text};
use crate::run::{Event, OnFailure, RunId, View};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    approvals: Approvals,

    /// Show the plan and stop
    #[arg(long)]
    dry_run: bool,

    /// What every step does when it fails, instead of what the runbook says
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    on_failure: Option<OnFailure>,
}

fn policy(text: &str) -> Result<OnFailure, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of ask, rollback, stop, continue".to_owned())
}

pub(super) async fn run(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let Made { checked, connection, plan } = make(&arguments.source, arguments.on_failure, console).await?;
    let plan = match plan {
        Ok(plan) => plan,
        Err(problems) => return Err(refuse(&problems)),
    };
    console.out(&text(&plan));
    if arguments.dry_run {
        connection.close().await?;
        return Ok(Exit::Done);
    }
    approved(&plan, &arguments.approvals, console)?;
    if plan.protected && !typed(&plan, console)? {
        console.out("\nNothing was changed.\n");
        return Ok(Exit::Declined);
    }

    let failed = |error: &dyn std::error::Error| Trouble::from_error(Exit::Failed, error);
    let id = RunId::from_bits(random());
    let directory = state.create(&id).map_err(|error| failed(&error))?;
    let written = serde_json::to_vec_pretty(&plan).map_err(|error| failed(&error))?;
    directory.keep(RUNBOOK, checked.document().text().as_bytes()).map_err(|error| failed(&error))?;
    directory.keep(PLAN, &written).map_err(|error| failed(&error))?;
    connection.keep(&directory)?;
    let journal = directory.begin().map_err(|error| failed(&error))?;
    let started = Event::Started {
        run: id,
        runbook: plan.runbook.clone(),
        cloud: plan.cloud.clone(),
        rectify: env!("CARGO_PKG_VERSION").to_owned(),
        machine: MACHINE,
        plan: digest(&written),
        text: digest(checked.document().text().as_bytes()),
        operator: operator(),
    };
    console.out("\n");
    let (run, view) = (Run::new(plan.tasks.clone()), View::new(&plan.tasks));
    let approvals = &arguments.approvals;
    let session =
        Session { checked: &checked, connection, directory: &directory, journal, run, view, approvals, console };
    session.work(started).await
}

/// With nobody to ask, everything must have been approved beforehand. It is better to say so now than in
/// the middle.
fn approved(plan: &Plan, approvals: &Approvals, console: Console) -> Result<(), Trouble> {
    let tasks: Vec<_> = plan.tasks.iter().filter(|task| task.change.is_some()).collect();
    let steps = || tasks.iter().map(|task| task.id.as_str());
    let is_unknown = |name: &&String| !plan.tasks.iter().any(|task| task.id.goes_by(name));
    let unknown = approvals.acknowledge.iter().find(is_unknown);
    if let Some(name) = unknown {
        return Err(Trouble::new(Exit::Usage, format!("--acknowledge {name}: there is no such step"))
            .help(format!("steps that change something: {}", steps().collect::<Vec<_>>().join(", "))));
    }
    if console.interactive {
        return Ok(());
    }
    if !tasks.is_empty() && !approvals.yes {
        return Err(Trouble::new(Exit::Refused, "this is not a terminal, so nobody can be asked; nothing was changed")
            .help(
                "approve ordinary changes with --yes, and each change that cannot be undone with --acknowledge STEP",
            ));
    }
    let missing: Vec<_> = tasks
        .iter()
        .filter(|task| task.reversibility.is_one_way())
        .filter(|task| !approvals.acknowledge.iter().any(|name| task.id.goes_by(name)))
        .map(|task| task.id.as_str())
        .collect();
    if !missing.is_empty() {
        let flags: Vec<_> = missing.iter().map(|id| format!("--acknowledge {id}")).collect();
        return Err(Trouble::new(
            Exit::Refused,
            format!("nobody acknowledged what cannot be undone: {}; nothing was changed", missing.join(", ")),
        )
        .help(format!("--yes does not cover it; add {}", flags.join(" "))));
    }
    Ok(())
}

/// A protected target wants its project's name typed; no flag answers that.
fn typed(plan: &Plan, console: Console) -> Result<bool, Trouble> {
    if !console.interactive {
        return Err(Trouble::new(Exit::Refused, format!("{} is protected: somebody must type its name", plan.project))
            .help("run this in a terminal; --yes does not answer it"));
    }
    let typed = console.typed(&format!("{} is protected. Type its name to go on", plan.project));
    let typed = typed.map_err(|why| Trouble::new(Exit::Failed, why))?;
    Ok(typed.is_some_and(|typed| typed.trim() == plan.project))
}

/// Random bits from the operating system, by way of the standard library's hash keys.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

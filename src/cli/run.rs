//! `rectify run`: plan, ask, apply, prove.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Approvals;
use super::check::file;
use super::cloud::{Connection, Where};
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::plan::{Made, Source, look_again, looks, make, recheck};
use super::session::{PLAN, RUNBOOK, Session, hold, operator};
use crate::engine::{MACHINE, Run};
use crate::inert::inert;
use crate::journal::State;
use crate::plan::{Moved, Plan, Saved, Selection, text};
use crate::run::{Event, OnFailure, RunId, Scope, Task, View, digest};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    approvals: Approvals,

    /// Show the plan and stop
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Write events as they happen to this file, one JSON object a line; `-` is stdout, and people are told on stderr
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,

    /// What every step does when it fails, instead of what the runbook says
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    on_failure: Option<OnFailure>,
}

/// Which steps are meant.
#[derive(Args)]
pub(super) struct SelectionFlags {
    /// Begin with this step
    #[arg(long, value_name = "STEP")]
    from: Option<String>,

    /// End with this step
    #[arg(long, value_name = "STEP")]
    until: Option<String>,

    /// Only this phase, or this step
    #[arg(long, value_name = "PHASE|STEP", conflicts_with_all = ["from", "until"])]
    only: Option<String>,

    /// Leave this step out; may be given several times
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
}

impl SelectionFlags {
    fn selection(&self) -> Selection {
        let SelectionFlags { from, until, only, skip } = self;
        Selection { from: from.clone(), until: until.clone(), only: only.clone(), skip: skip.clone() }
    }
}

fn events(path: Option<&Path>) -> Result<Option<Box<dyn Write>>, Trouble> {
    let Some(path) = path else { return Ok(None) };
    if path == Path::new("-") {
        return Ok(Some(Box::new(std::io::stdout())));
    }
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let trouble = |error| Trouble::new(Exit::Usage, format!("{} cannot be written: {error}", path.display()));
    Ok(Some(Box::new(file.map_err(trouble)?)))
}

fn policy(text: &str) -> Result<OnFailure, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of ask, rollback, stop, continue".to_owned())
}

pub(super) async fn run(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let aside = arguments.events.as_deref() == Some(Path::new("-"));
    let console = if aside { console.beside_events() } else { console };
    let console = console.quietly(arguments.approvals.quiet);
    let events = events(arguments.events.as_deref())?;
    let selection = arguments.selection.selection();
    let bytes = file(&arguments.source.file)?;
    let Made { checked, connection, plan } = if Saved::is_meant_by(&bytes) {
        promised(arguments, &bytes, console).await?
    } else {
        make(&arguments.source, &selection, arguments.on_failure, console).await?
    };
    // Who is asked sees each change then.
    if !console.quiet || arguments.dry_run || !plan.is_complete() {
        console.out(&text(&plan, looks(console)));
    }
    if !plan.is_complete() {
        let trouble = Trouble::new(Exit::Failed, "not everything could be planned, so nothing is done");
        return Err(trouble.help("what is missing stands in the plan"));
    }
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
    hold(state, id.as_str(), &plan, connection.clock.now())?;
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
    let work = plan.work();
    let (run, view) = (Run::new(work.clone()), View::new(&work));
    let approvals = &arguments.approvals;
    let session = Session {
        checked: &checked,
        connection,
        directory: &directory,
        journal,
        run,
        view,
        baseline: plan.baseline.clone(),
        approvals,
        console,
        events,
    };
    session.work(state, started).await
}

/// A saved plan is carried out as it was shown, or not at all: nothing that it rests on may have moved.
async fn promised(arguments: &Arguments, bytes: &[u8], console: Console) -> Result<Made, Trouble> {
    let name = arguments.source.file.display();
    let saved = Saved::read(bytes).map_err(|error| {
        Trouble::new(Exit::Usage, format!("{name}: {error}"))
            .help("make the plan anew with `rectify plan FILE --out PLAN`")
    })?;
    if !arguments.selection.selection().is_everything() {
        return Err(Trouble::new(Exit::Usage, "a saved plan is carried out whole").help("plan the part that is meant"));
    }
    if !arguments.source.inputs.is_empty() || arguments.source.cloud.are_given() {
        let message = "a saved plan has its inputs and its cloud already";
        return Err(Trouble::new(Exit::Usage, message).help("give them to `rectify plan --out`, where they are shown"));
    }
    let place: Where = serde_json::from_value(saved.place.clone())
        .map_err(|error| Trouble::new(Exit::Usage, format!("{name} does not say where its calls go: {error}")))?;
    let checked = recheck(&saved, place.mode(), console)?;
    let connection = Connection::open(place, console).await?;
    let moved = saved.plan.moved(&look_again(&checked, &connection).await);
    if !moved.is_empty() {
        console.out(&told(&moved, &saved.plan));
        let message = "the cloud is not any more as this plan saw it; nothing was changed";
        return Err(Trouble::new(Exit::Refused, message).help("make the plan anew, and have it looked at again"));
    }
    let mut plan = saved.plan;
    if let Some(policy) = arguments.on_failure {
        for task in &mut plan.tasks {
            (task.on_failure, task.undoes) = (policy, Scope::Run);
        }
    }
    Ok(Made { checked, connection, plan })
}

/// What has moved: then, now, and what the plan wants.
fn told(moved: &[Moved], plan: &Plan) -> String {
    let mut out = String::new();
    for one in moved {
        let _ = writeln!(out, "{} {}", inert(&one.resource.kind), inert(&one.resource.name));
        if let Err(why) = &one.now {
            let _ = writeln!(out, "  now     {}", inert(why));
        }
        if one.only_etag {
            out.push_str("  its etag moved: somebody changed a part of it that this plan does not show\n");
        }
        let mut wanted = plan.tasks.iter().filter_map(|task| task.change.as_ref());
        let wanted = wanted.rfind(|change| change.resource == one.resource).map(|change| &change.to);
        for (field, then, now) in one.differences() {
            let _ = writeln!(out, "  {}\n    then    {}\n    now     {}", inert(&field), inert(&then), inert(&now));
            if let Some(wanted) = wanted.and_then(|wanted| wanted.get(&field)) {
                let _ = writeln!(out, "    wanted  {}", inert(&crate::run::words(wanted)));
            }
        }
    }
    out
}

/// With nobody to ask, everything must have been approved beforehand. It is better to say so now than in
/// the middle.
fn approved(plan: &Plan, approvals: &Approvals, console: Console) -> Result<(), Trouble> {
    let tasks: Vec<_> = plan.tasks.iter().filter(|task| task.change.is_some()).collect();
    let wants_word = |task: &&&Task| task.reversibility.is_one_way() || task.confirm.is_some();
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
        .filter(wants_word)
        .filter(|task| !approvals.acknowledge.iter().any(|name| task.id.goes_by(name)))
        .map(|task| task.id.as_str())
        .collect();
    if !missing.is_empty() {
        let flags: Vec<_> = missing.iter().map(|id| format!("--acknowledge {id}")).collect();
        return Err(Trouble::new(
            Exit::Refused,
            format!(
                "nobody acknowledged what cannot be undone or wants a word: {}; nothing was changed",
                missing.join(", ")
            ),
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

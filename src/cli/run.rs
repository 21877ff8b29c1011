//! `rectify run`: plan, ask, apply, prove.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::Approvals;
use super::cloud::{CloudTarget, Connection, Purpose, WHERE};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::input_file::{Limit, required};
use super::output_file;
use super::plan::{Policy, PreparedPlan, Source, TrialFlags, look_again, looks, make, recheck, sample_the_rest};
use super::session::{Equipment, PLAN, RUNBOOK, Session, claim, operator, refused};
use crate::check::Checked;
use crate::clock::{Clock as _, SystemClock, between, format_duration, second};
use crate::engine::{MACHINE, Run};
use crate::inert::{inert, shell_word};
use crate::journal::{Start, StartError, State, examine_file};
use crate::plan::{BreakGlass, Moved, Outbound, Plan, Saved, Selection, Trial, Trials, outbound, outlook, text};
use crate::run::{Entry, Event, Hash, OnFailure, RollbackScope, RunId, Task, View, digest};
use crate::runbook::model::Limits;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    trials: TrialFlags,

    #[command(flatten)]
    approvals: Approvals,

    /// Show the plan and stop
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    saved: SavedFlags,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Write events as they happen to this file, one JSON object a line; `-` is stdout, and people are told on stderr
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,

    /// What every step does when it fails, instead of what the runbook says
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    on_failure: Option<OnFailure>,

    /// Begin although `[limits] deny` forbids it now, for this reason; the run's record has it
    #[arg(long, value_name = "REASON")]
    break_glass: Option<String>,
}

/// Whether a run may begin now, and why it does if it may not.
fn admitted(limits: &Limits, now: Timestamp, reason: Option<&String>) -> Result<Option<BreakGlass>, CliError> {
    let Some(window) = limits.denying(now) else { return Ok(None) };
    let window = window.to_string();
    match reason.map(|reason| reason.trim()).filter(|reason| !reason.is_empty()) {
        Some(reason) => Ok(Some(BreakGlass { window, reason: reason.to_owned() })),
        None => {
            let message = format!("no run may begin now: [limits] deny has {window}; nothing was changed");
            let help = "wait until it is over, or say why it must be now: --break-glass REASON";
            Err(CliError::new(Exit::Refused, message).help(help))
        }
    }
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

/// What is asked of a saved plan.
#[derive(Args)]
struct SavedFlags {
    /// Carry out a saved plan only if this is its digest, as `rectify plan --out` printed it
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,

    /// Refuse a saved plan that is older, such as `4h`; without this one older than a day is warned about
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_age: Option<Duration>,
}

/// From here on a saved plan is called old.
const OLD: Duration = Duration::from_hours(24);
/// By so much two machines' clocks may differ.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

impl SavedFlags {
    /// Refuses flags that a runbook has no use for.
    fn none_given(&self) -> Result<(), CliError> {
        if self.digest.is_none() && self.max_age.is_none() {
            return Ok(());
        }
        Err(CliError::new(Exit::Usage, "--digest and --max-age are for a saved plan, and this is a runbook")
            .help("make a plan with `rectify plan FILE --out PLAN`, and run that"))
    }

    /// Whether this file is the plan that was approved, and young enough.
    fn admit(&self, saved: &Saved, path: &Path, console: Console) -> Result<(), CliError> {
        let anew = "make the plan anew with `rectify plan FILE --out PLAN`";
        let name = path.display();
        match &self.digest {
            Some(digest) if *digest != saved.digest => {
                let message = format!("{name} is another plan: its digest is {}", saved.digest);
                return Err(CliError::new(Exit::Refused, message)
                    .help("nothing was done; give the digest of the plan that was approved"));
            }
            Some(_) => {}
            // Whoever can write the file decides what is done.
            None => examine_file(path).map_err(|foreign| {
                CliError::from_error(Exit::Refused, &foreign)
                    .help("give --digest with the digest of the plan that was approved, or make the plan anew yourself")
            })?,
        }
        let now = SystemClock.now();
        if between(now, saved.made_at) > CLOCKS_DIFFER {
            let message = format!("{name} was made at {}, which is in the future", second(saved.made_at));
            return Err(CliError::new(Exit::Refused, message).help(format!("set this machine's clock, or {anew}")));
        }
        let age = Duration::from_mins(between(saved.made_at, now).as_secs() / 60);
        if let Some(most) = self.max_age.filter(|most| age > *most) {
            let message =
                format!("{name} is {} old, and --max-age allows {}", format_duration(age), format_duration(most));
            return Err(CliError::new(Exit::Refused, message).help(anew));
        }
        if age > OLD {
            console.err(&format!(
                "warning: {name} is {} old; {anew} if the cloud may have changed in ways it does not show\n",
                format_duration(age)
            ));
        }
        Ok(())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "a length of time, such as 90m or 48h".to_owned())
}

fn events(path: Option<&Path>) -> Result<Option<Box<dyn Write>>, CliError> {
    let Some(path) = path else { return Ok(None) };
    if path == Path::new("-") {
        return Ok(Some(Box::new(std::io::stdout())));
    }
    Ok(Some(Box::new(output_file::append(path)?)))
}

pub(super) fn policy(text: &str) -> Result<OnFailure, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of ask, rollback, stop, continue".to_owned())
}

pub(super) async fn run(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let aside = arguments.events.as_deref() == Some(Path::new("-"));
    let console = if aside { console.beside_events() } else { console };
    let console = console.quietly(arguments.approvals.quiet);
    let events = events(arguments.events.as_deref())?;
    let selection = arguments.selection.selection();
    let bytes = required(&arguments.source.file, Limit::Plan)?;
    let (PreparedPlan { checked, connection, mut plan }, saved) = if Saved::is_meant_by(&bytes) {
        let (made, digest) = promised(arguments, &bytes, state, console).await?;
        (made, Some(digest))
    } else {
        arguments.saved.none_given()?;
        let purpose = if arguments.dry_run { Purpose::Plan } else { Purpose::CarryOut };
        let policy = Policy { purpose, on_failure: arguments.on_failure, trying: arguments.trials.trying() };
        (make(&arguments.source, &selection, policy, console).await?, None)
    };
    // Who is asked sees each change then.
    if !console.quiet || arguments.dry_run || !plan.is_complete() {
        console.out(&console.look().worded(&text(&plan, looks(console))));
    }
    if !plan.is_complete() {
        let trouble = CliError::new(Exit::Failed, "not everything could be planned, so nothing is done");
        return Err(trouble.help("the plan says what is missing"));
    }
    if arguments.dry_run {
        connection.close().await?;
        return Ok(Exit::Done);
    }
    let limits = &checked.runbook().limits;
    plan.break_glass = admitted(limits, connection.clock.now(), arguments.break_glass.as_ref())?;
    if let Some(BreakGlass { window, reason }) = &plan.break_glass {
        console.out(&format!("\n! {} is overridden: {}\n", inert(window), inert(reason)));
    }
    approved(&plan, &arguments.approvals, console)?;
    let unapproved = if arguments.approvals.yes { Vec::new() } else { unapproved(&plan, &checked, &connection) };
    if !may_begin(&plan, &unapproved, &arguments.approvals, console).await? {
        console.out("\nNothing was changed.\n");
        return Ok(Exit::Declined);
    }
    let sampled = sample_the_rest(&mut plan, checked.runbook(), &connection).await;
    if !console.quiet {
        console.out(&seen_before(&sampled, &plan));
    }

    let failed = |error: &dyn std::error::Error| CliError::from_error(Exit::Failed, error);
    let id = RunId::from_bits(random());
    let equipment = Equipment::of(&connection).await?;
    let written = serde_json::to_vec_pretty(&plan).map_err(|error| failed(&error))?;
    let (text, place) = (checked.document().text().as_bytes(), connection.place.written()?);
    let event = Event::Started {
        run: id.clone(),
        runbook: plan.runbook.clone(),
        cloud: plan.cloud.clone(),
        rectify: env!("CARGO_PKG_VERSION").to_owned(),
        machine: MACHINE,
        plan: digest(&written),
        text: digest(text),
        place: Some(digest(&place)),
        wall_clock: Some(SystemClock.now()),
        operator: operator(),
    };
    let started = Entry { at: connection.clock.now(), event };
    let work = plan.work();
    let (mut run, view) = (Run::new(work.clone()), View::new(&work));
    run.apply(&started).map_err(|error| failed(&error))?;
    let files = [(RUNBOOK, text), (PLAN, &written[..]), (WHERE, &place[..])];
    let claim = claim(&connection.place, id.as_str(), &plan);
    let start = Start { id: &id, files: &files, started: &started, claim: claim.as_ref() };
    let (directory, journal) =
        state.start(&start, |directory| connection.keep(directory)).map_err(|error| match &error {
            StartError::Record(_) => {
                let message = format!("the run's record cannot be written: {}", failed(&error).message);
                CliError::new(Exit::Failed, message).help("nothing was changed")
            }
            StartError::Lock(error) => refused(state, error),
        })?;
    if let Some(digest) = &saved {
        // A second process with the same plan was refused by the locks, or will be by this.
        state.note_plan(digest, &id).map_err(|error| failed(&error))?;
    }
    console.out("\n");
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
    session.work(state, equipment, started).await
}

/// What the run's probes send that planning did not: secrets, and what does more than ask. Nobody has said yes so far, and a
/// run can probe before its first change. What only the simulated cloud hears needs no word.
fn unapproved(plan: &Plan, checked: &Checked, connection: &Connection) -> Vec<String> {
    let probes = connection.probes(checked.runbook());
    let is_served = |request: &&Outbound| request.host.as_deref().is_some_and(|host| probes.serves(host));
    let unapproved = plan.requests.iter().filter(|request| request.wants_approval());
    unapproved.filter(|request| !is_served(request)).map(outbound).collect()
}

/// The one question before a run: whether it may begin. A protected target wants its project's name typed, which no flag
/// answers; all else is answered by --yes. Where nothing is changed or sent nobody is asked.
async fn may_begin(
    plan: &Plan,
    unapproved: &[String],
    approvals: &Approvals,
    console: Console,
) -> Result<bool, CliError> {
    if plan.protected && !console.interactive {
        return Err(CliError::new(
            Exit::Refused,
            format!("{} is protected: an operator must type its name", plan.project),
        )
        .help("run this in a terminal; --yes does not answer it"));
    }
    if !unapproved.is_empty() {
        if !console.interactive {
            let message = "this is not a terminal, so nobody can be asked whether probes may send what was not tried while planning";
            return Err(CliError::new(Exit::Refused, message)
                .help(format!("approve it with --yes: {}; nothing was sent", unapproved.join("; "))));
        }
        console.out("\nThe run's probes send what was not tried while planning:\n");
        for request in unapproved {
            console.say(&format!("  {request}"));
        }
    }
    let is_asked = console.interactive && !approvals.yes && (plan.changes() > 0 || !unapproved.is_empty());
    let project = inert(&plan.project);
    let asked = if plan.protected {
        let question =
            format!("{}. {project} is protected. Type its name to begin, or press Enter to stop", outlook(plan));
        console.out("\n");
        console.ask_for_name(&question, &plan.project).await
    } else if is_asked {
        console.out("\n");
        console.confirm(&format!("{}. Begin?", outlook(plan))).await
    } else {
        return Ok(true);
    };
    Ok(asked.map_err(|error| CliError::from_error(Exit::Failed, &error))?.answer() == Some(true))
}

/// What the probes that were not tried while planning see before the first change, and which gates that leaves without a proof.
fn seen_before(sampled: &Trials, plan: &Plan) -> String {
    let mut out = String::new();
    if sampled.samples.is_empty() {
        return out;
    }
    out.push_str("\nBefore the first change, by the probes that were not tried while planning:\n");
    for (name, sample) in &sampled.samples {
        let _ = writeln!(out, "  {}: {}", inert(name), inert(&sample.health.to_string()));
    }
    for task in &plan.tasks {
        let is_open = plan.reviews.get(&task.id).is_some_and(|review| review.trial == Some(Trial::Open));
        let is_new = task.gate.iter().flat_map(|gate| &gate.healthy).any(|name| sampled.samples.contains_key(name));
        if is_open && is_new {
            let gate = "its gate already passes, so it cannot show that the step worked";
            let _ = writeln!(out, "  ! {}: {gate}", inert(task.id.as_str()));
        }
    }
    out
}

/// A saved plan is carried out as it was shown, or not at all: nothing that it rests on may have moved.
async fn promised(
    arguments: &Arguments,
    bytes: &[u8],
    state: &State,
    console: Console,
) -> Result<(PreparedPlan, Hash), CliError> {
    let name = arguments.source.file.display();
    let mut saved = Saved::read(bytes).map_err(|error| {
        CliError::new(Exit::Usage, format!("{name}: {error}"))
            .help("make the plan anew with `rectify plan FILE --out PLAN`")
    })?;
    if !arguments.selection.selection().is_everything() {
        return Err(CliError::new(Exit::Usage, "a saved plan is carried out whole").help("plan the part that is meant"));
    }
    if !arguments.source.inputs.are_empty() || arguments.source.cloud.are_given() {
        let message = "a saved plan has its inputs and its cloud already";
        return Err(CliError::new(Exit::Usage, message).help("give them to `rectify plan --out`, where they are shown"));
    }
    arguments.saved.admit(&saved, &arguments.source.file, console)?;
    let before = state.run_of_plan(&saved.digest).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    if let Some(run) = before {
        let message = format!("this plan was carried out already, by run {run}; nothing was done");
        return Err(CliError::new(Exit::Refused, message)
            .help(format!("go on with `rectify resume {run}` if it has not ended, or make the plan anew")));
    }
    let place: CloudTarget = serde_json::from_value(saved.place.clone())
        .map_err(|error| CliError::new(Exit::Usage, format!("{name} does not say where its calls go: {error}")))?;
    let purpose = if arguments.dry_run { Purpose::Plan } else { Purpose::CarryOut };
    let env = &arguments.source.inputs.environment;
    let digest = saved.digest.clone();
    let checked = recheck(&mut saved, env, place.mode(purpose), console)?;
    let forged = |why: String| {
        CliError::new(Exit::Refused, format!("{name} is not what rectify planned: {why}; nothing was done"))
            .help("make the plan anew with `rectify plan FILE --out PLAN`")
    };
    saved.plan.rederive(checked.runbook(), place.program_steps()).map_err(|error| forged(error.to_string()))?;
    let connection = Connection::open(place, console).await?;
    if connection.words != saved.plan.cloud {
        return Err(forged(format!("its calls go to {}, and it says {}", connection.words, saved.plan.cloud)));
    }
    let observed = look_again(&checked, &connection).await;
    let moved = saved.plan.moved(&observed);
    let decided_otherwise = saved.plan.decided_otherwise(checked.runbook(), &observed);
    if !moved.is_empty() || !decided_otherwise.is_empty() {
        console.out(&told(&moved, &saved.plan));
        for line in decided_otherwise {
            console.out(&format!("{}\n", inert(&line)));
        }
        let message = "the plan is stale: the cloud has changed since it was made; nothing was changed";
        return Err(CliError::new(Exit::Refused, message).help("make a new plan and have it reviewed again"));
    }
    let mut plan = saved.plan;
    if let Some(policy) = arguments.on_failure {
        for task in plan.tasks.iter_mut().filter(|task| !task.is_finally()) {
            (task.on_failure, task.rollback_scope) = (policy, RollbackScope::Run);
        }
    }
    Ok((PreparedPlan { checked, connection, plan }, digest))
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
            out.push_str("  its etag changed: another principal changed a part of it that this plan does not show\n");
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
fn approved(plan: &Plan, approvals: &Approvals, console: Console) -> Result<(), CliError> {
    let tasks: Vec<_> = plan.tasks.iter().filter(|task| task.change.is_some() && !task.is_not_run()).collect();
    let wants_word = |task: &&&Task| task.reversibility.is_irreversible() || task.confirm.is_some();
    let steps = || tasks.iter().map(|task| task.id.as_str());
    let is_unknown = |name: &&String| !plan.tasks.iter().any(|task| task.id.goes_by(name));
    let unknown = approvals.acknowledge.iter().find(is_unknown);
    if let Some(name) = unknown {
        return Err(CliError::new(Exit::Usage, format!("--acknowledge {name}: there is no such step"))
            .help(format!("steps that change something: {}", steps().collect::<Vec<_>>().join(", "))));
    }
    if console.interactive {
        return Ok(());
    }
    if !tasks.is_empty() && !approvals.yes {
        return Err(CliError::new(
            Exit::Refused,
            "this is not a terminal, so nobody can be asked; nothing was changed",
        )
        .help("approve ordinary changes with --yes, and each change that cannot be undone with --acknowledge STEP"));
    }
    let missing: Vec<_> = tasks
        .iter()
        .filter(wants_word)
        .filter(|task| !approvals.acknowledge.iter().any(|name| task.id.goes_by(name)))
        .map(|task| task.id.as_str())
        .collect();
    if !missing.is_empty() {
        let flags: Vec<_> = missing.iter().map(|id| format!("--acknowledge {}", shell_word(id))).collect();
        return Err(CliError::new(
            Exit::Refused,
            format!("these steps need --acknowledge: {}; nothing was changed", missing.join(", ")),
        )
        .help(format!("--yes does not cover it; add {}", flags.join(" "))));
    }
    Ok(())
}

/// Random bits from the operating system, by way of the standard library's hash keys.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish()
}

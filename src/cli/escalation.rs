//! `rectify escalation`: one exit code — go on, wait, or call Google.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::check::{file, runbook};
use super::cloud::{Connection, Where};
use super::console::Console;
use super::exit::{Exit, Trouble};
use super::plan::Source;
use super::session::Kept;
use crate::check::Checked;
use crate::clock::{between, later};
use crate::escalation::{Decision, Situation, Stands, Verdict, decide, facts, judge, probes_of};
use crate::inert::inert;
use crate::journal::State;
use crate::run::View;

/// How far apart decisions are with --watch.
const EVERY: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// The run against the incident: what it did, and what things were like before its first change
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    run: Option<String>,

    /// Since when the incident is going on, if the runbook does not say
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Decide again every 30 s until it is not undecided any more
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) async fn escalation(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, Trouble> {
    let source = &arguments.source;
    let (inputs, name) = (source.inputs.values()?, source.file.display().to_string());
    let kept = arguments.run.as_ref().map(|run| Kept::find(state, Some(run.as_str()).filter(|run| !run.is_empty())));
    let kept = kept.transpose()?;
    // A run on a cloud inside this program is asked where it was left; anything else is asked where the flags say.
    let left = kept.as_ref().filter(|_| !source.cloud.are_given());
    let place = left.map_or_else(|| source.place(), |kept| Where::of(&kept.directory))?;
    let checked = runbook(&name, &file(&source.file)?, inputs, place.mode(), console)?;
    if checked.runbook().escalation.is_none() {
        return Err(Trouble::new(Exit::Usage, format!("{name} has no [escalation]: there is nothing to decide by"))
            .help("`rectify explain` has examples; docs/escalation.md tells how the decision is made"));
    }
    let connection = match left {
        Some(kept) => Connection::look_back(&kept.directory, Timestamp::MIN).await?,
        None => Connection::open(place, console).await?,
    };
    let exit = loop {
        let verdict = decided(arguments, &checked, kept.as_ref(), &connection).await?;
        match arguments.format {
            Format::Text => console.out(&told(&verdict)),
            Format::Json => {
                let json = serde_json::to_string_pretty(&verdict);
                let json = json.map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
                console.out(&format!("{json}\n"));
            }
        }
        match verdict.decision {
            Decision::Continue => break Exit::Done,
            Decision::Escalate => break Exit::Escalate,
            Decision::Undecided if !arguments.watch => break Exit::Undecided,
            Decision::Undecided => connection.clock.sleep_until(later(connection.clock.now(), EVERY)).await,
        }
    };
    connection.close().await?;
    Ok(exit)
}

async fn decided(
    arguments: &Arguments,
    checked: &Checked,
    kept: Option<&Kept>,
    connection: &Connection,
) -> Result<Verdict, Trouble> {
    let runbook = checked.runbook();
    let Some(escalation) = &runbook.escalation else {
        return Err(Trouble::new(Exit::Usage, "there is nothing to decide by"));
    };
    let probes = connection.probes(runbook);
    let samples = probes.observe_all(probes_of(escalation).into_iter().collect()).await;
    let mut situation = Situation { probes: samples.into_iter().collect(), ..Situation::default() };
    let now = connection.clock.now();
    if let Some(kept) = kept {
        let read = kept.directory.read().map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
        let view = View::of(&kept.plan.work(), &read.entries);
        situation.elapsed = view.started.map(|started| between(started, now));
        situation.baseline.clone_from(&kept.plan.baseline);
        situation.view = Some(view);
    }
    let began = arguments.since.or(escalation.since);
    let began = began.or_else(|| situation.view.as_ref().and_then(|view| view.started));
    situation.since_incident = began.map(|began| between(began, now));
    situation.incidents = connection.cloud.impacts(&runbook.target.project).await.ok();
    let facts = facts(runbook, &situation);
    let criteria = escalation.criteria.iter().map(|criterion| judge(criterion, &facts)).collect();
    Ok(decide(escalation, criteria, situation.since_incident))
}

fn told(verdict: &Verdict) -> String {
    let head = match verdict.decision {
        Decision::Continue => "continue",
        Decision::Undecided => "undecided",
        Decision::Escalate => "ESCALATE",
    };
    let mut out = format!("{head}: {}\n", inert(&verdict.because));
    for judged in &verdict.criteria {
        let (mark, word) = match judged.stands {
            Stands::Holds => ("✓", "holds"),
            Stands::Fails => ("✗", "does not hold"),
            Stands::Unknown => ("?", "cannot be told"),
        };
        let _ = writeln!(out, "  {mark} {} ({}): {word}", inert(&judged.name), judged.ground);
        let _ = writeln!(out, "      {}", inert(&judged.why));
    }
    out
}

//! `rectify escalation`: one exit code — go on, wait, or call Google.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use jiff::Timestamp;

use super::Meant;
use super::check::{file, runbook};
use super::cloud::{CloudTarget, Connection, Purpose};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_format::OutputFormat;
use super::plan::{Given, Source};
use super::session::Kept;
use crate::clock::{Clock, between, format_duration, later, second};
use crate::driver::Advisor;
use crate::escalation::{IncidentAge, Situation, decide, facts, judge, judge_closing, probes_of, probes_of_closing};
use crate::gate::Observation;
use crate::inert::inert;
use crate::journal::State;
use crate::probe::Observer;
use crate::report::{Line, Tone};
use crate::resource::Cloud;
use crate::run::{CriterionResult, CriterionStatus, Decision, EscalationVerdict, View};
use crate::runbook::model::Runbook;
use crate::syntax::condition::Fact;

/// How far apart decisions are with --watch.
const EVERY: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// The run against the incident: what it did, and what things were like before its first change [default: the newest of
    /// this runbook and target on Google or on a served cloud, if it was worked within a day]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    run: Option<String>,

    /// Since when the incident is going on, if the runbook does not say
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,

    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    /// Decide again every 30 s until it is not undecided any more
    #[arg(long)]
    watch: bool,
}

pub(super) async fn escalation(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let source = &arguments.source;
    let name = source.file.display().to_string();
    let meant = |run: &String| {
        Kept::find(
            state,
            Meant::of(Some(run.as_str()).filter(|run| !run.is_empty()), source.cloud.is_simulated()),
            console,
        )
    };
    let kept = arguments.run.as_ref().map(meant);
    let kept = kept.transpose()?;
    // What the run was told holds on, such as when the incident began; who asks may know better.
    let given = kept.as_ref().map(|kept| Given::to_run_of(&kept.plan)).unwrap_or_default();
    let given = source.inputs.given(given)?;
    // A run on a cloud inside this program is asked where it was left; anything else is asked where the flags say.
    let left = kept.as_ref().filter(|_| !source.cloud.are_given());
    let place = left.map_or_else(|| source.place(), |kept| CloudTarget::of(&kept.directory))?;
    let mode = place.mode(Purpose::CarryOut);
    let checked = runbook(&name, &file(&source.file)?, &given.inputs(), mode, console)?;
    if checked.runbook().escalation.is_none() {
        return Err(CliError::new(Exit::Usage, format!("{name} has no [escalation]: there is nothing to decide by"))
            .help("`rectify explain` has examples; docs/escalation.md tells how the decision is made"));
    }
    let asked = place.clone();
    let connection = match left {
        Some(kept) => Connection::look_back(&kept.directory, Timestamp::MIN).await?,
        None => Connection::open(place, console).await?,
    };
    let kept = match kept {
        Some(kept) => Some(kept),
        None => newest_of(state, checked.runbook(), &asked, connection.clock.now()),
    };
    match kept.as_ref().map(|kept| kept.directory.id()) {
        Some(id) if arguments.run.is_none() => {
            console.err(&format!("Compared with run {id}, the newest of this runbook here; --run names another.\n"));
        }
        Some(_) => {}
        None => console.err("No run of this runbook here is recent: nothing to compare with; --run names one.\n"),
    }
    let grounds = EscalationAdvisor {
        runbook: checked.runbook().clone(),
        probes: Arc::new(connection.probes(checked.runbook())),
        cloud: connection.cloud.clone(),
        clock: connection.clock.clone(),
        baseline: kept.as_ref().map(|kept| kept.plan.baseline.clone()).unwrap_or_default(),
        since: arguments.since,
    };
    reject_future(grounds.since_given(), connection.clock.now())?;
    let exit = loop {
        let view = kept.as_ref().map(|kept| {
            let read = kept.read()?;
            Ok::<_, CliError>(View::of(&kept.plan.work(), &read.entries))
        });
        let verdict = grounds.verdict(view.transpose()?.as_ref()).await;
        let verdict = verdict.ok_or_else(|| CliError::new(Exit::Usage, "there is nothing to decide by"))?;
        match arguments.format {
            OutputFormat::Text => console.sheet().write(&told(&verdict)),
            OutputFormat::Json => {
                let json = serde_json::to_string_pretty(&verdict);
                let json = json.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
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

/// What decisions rest on: the runbook's criteria, and where to look.
pub(super) struct EscalationAdvisor {
    pub(super) runbook: Runbook,
    pub(super) probes: Arc<Observer>,
    pub(super) cloud: Arc<Cloud>,
    pub(super) clock: Arc<dyn Clock>,
    /// What probes were like before the run's first change.
    pub(super) baseline: BTreeMap<String, Observation>,
    /// Since when the incident is going on, if it was said.
    pub(super) since: Option<Timestamp>,
}

/// By how much the clock of whoever wrote a moment down may differ from this one's.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// Refuses an incident that begins in the future: its age would be taken for 0, and nothing would escalate.
pub(super) fn reject_future(since: Option<Timestamp>, now: Timestamp) -> Result<(), CliError> {
    let Some(since) = since.filter(|since| between(now, *since) > CLOCKS_DIFFER) else { return Ok(()) };
    let (ahead, since, now) = (format_duration(between(now, since)), second(since), second(now));
    let message = format!("the incident cannot have begun at {since}: that is {ahead} in the future, it is {now}");
    let help = "say when it began, with the offset from UTC: 2025-09-16T04:53:00+02:00 or 2025-09-16T02:53:00Z";
    Err(CliError::new(Exit::Usage, message).help(help))
}

impl EscalationAdvisor {
    /// When the incident began, if somebody said so.
    fn since_given(&self) -> Option<Timestamp> {
        self.since.or_else(|| self.runbook.escalation.as_ref()?.since)
    }

    /// What can be known of the incident now, with a fresh look at these probes.
    async fn facts(&self, view: Option<&View>, names: BTreeSet<String>) -> (BTreeMap<String, Fact>, IncidentAge) {
        let probes = self.probes.observe_all(names.into_iter().collect()).await.into_iter().collect();
        let now = self.clock.now();
        let started = view.and_then(|view| view.started);
        let age = match (self.since_given(), started) {
            (Some(began), _) => IncidentAge::Known(between(began, now)),
            (None, Some(started)) => IncidentAge::AtLeast(between(started, now)),
            (None, None) => IncidentAge::Unknown,
        };
        let situation = Situation {
            probes,
            baseline: &self.baseline,
            view,
            elapsed: started.map(|started| between(started, now)),
            since_incident: age.least(),
            incidents: self.cloud.impacts(&self.runbook.target.project).await.ok(),
        };
        (facts(&self.runbook, &situation), age)
    }

    async fn verdict(&self, view: Option<&View>) -> Option<EscalationVerdict> {
        let escalation = self.runbook.escalation.as_ref()?;
        let (facts, age) = self.facts(view, probes_of(escalation)).await;
        let criteria = escalation.criteria.iter().map(|criterion| judge(criterion, &facts)).collect();
        Some(decide(escalation, criteria, age))
    }

    async fn closing(&self, view: &View) -> Vec<CriterionResult> {
        let closing = &self.runbook.closure;
        if closing.is_empty() {
            return Vec::new();
        }
        let (facts, _) = self.facts(Some(view), probes_of_closing(closing)).await;
        closing.iter().map(|closing| judge_closing(closing, &facts)).collect()
    }
}

impl Advisor for EscalationAdvisor {
    fn decide<'a>(&'a self, view: &'a View) -> LocalBoxFuture<'a, Option<EscalationVerdict>> {
        self.verdict(Some(view)).boxed_local()
    }

    fn close<'a>(&'a self, view: &'a View) -> LocalBoxFuture<'a, Vec<CriterionResult>> {
        self.closing(view).boxed_local()
    }
}

/// The decision and its grounds. Only what speaks for escalating is bad.
fn told(verdict: &EscalationVerdict) -> Vec<Line> {
    let (head, tone) = match verdict.decision {
        Decision::Continue => ("continue", Tone::Good),
        Decision::Undecided => ("undecided", Tone::Warn),
        Decision::Escalate => ("ESCALATE", Tone::Bad),
    };
    let mut lines = vec![Line { tone, text: format!("{head}: {}", inert(&verdict.because)) }];
    for judged in &verdict.criteria {
        let (mark, word) = judged.words();
        let tone = match (judged.stands, judged.speaks_against()) {
            (CriterionStatus::Holds, true) => Tone::Bad,
            (CriterionStatus::Holds, false) => Tone::Good,
            (CriterionStatus::Fails, true) => Tone::Plain,
            (CriterionStatus::Fails, false) | (CriterionStatus::Unknown, _) => Tone::Warn,
        };
        let name = inert(&judged.name);
        lines.push(Line { tone, text: format!("  {mark} {name} ({}): {word}", judged.ground) });
        lines.push(Line { tone: Tone::Dim, text: format!("      {}", inert(&judged.why)) });
    }
    lines
}

/// How long a run may have been over that is taken without being named: what it was against may be going on still.
const RECENT: Duration = Duration::from_hours(24);

/// The newest run of this runbook on this target and this cloud, if it is not over for long: the run against the incident that
/// is asked about. A cloud inside a run is nobody else's, so there a run must be named.
fn newest_of(state: &State, runbook: &Runbook, place: &CloudTarget, now: Timestamp) -> Option<Kept> {
    let cloud = place.lock_name()?;
    let runs = state.list().into_iter().rev();
    let there = runs.filter(|run| CloudTarget::of(run).is_ok_and(|of| of.lock_name().as_ref() == Some(&cloud)));
    let found = there.filter_map(|run| Kept::open(run).ok()).find(|kept| {
        let plan = &kept.plan;
        let is_same_target = plan.project == runbook.target.project && plan.region == runbook.target.region;
        plan.runbook == runbook.about.name && is_same_target
    })?;
    let newest = found.read().ok()?.entries.last()?.at;
    (between(newest, now) <= RECENT).then_some(found)
}

//! A runbook and a scenario, made ready: the plan, and what a run without trouble looks like, forwards and back.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use crate::check::{Checked, check};
use crate::driver::DriverError;
use crate::gate::{GateRule, Percentiles};
use crate::journal::OpenError;
use crate::plan::{Plan, ProgramSteps, Trying, observe, plan as make_plan, prove, trials};
use crate::resource::BuildError;
use crate::run::{Entry, Event, OnFailure, OpId, Way};
use crate::runbook::Mode;
use crate::sim::{StartError, World, scenario};
use crate::syntax::Inputs;

use super::bench::Bench;
use super::course;
use super::fault::{Fault, Path, Place, Then};

/// How long a gate must hold at most in a drill. What proves health is the gate's own tests' affair.
const LONGEST_GATE: Duration = Duration::from_mins(5);
/// How many times a probe of a gate is observed while the gate holds.
const SAMPLES: u32 = 4;
/// The shortest time between two samples of a guard.
const GUARD_EVERY: Duration = Duration::from_mins(1);

/// What a drill is about.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// The runbook's text.
    pub runbook: &'a str,
    /// The scenario's text.
    pub scenario: &'a str,
    /// What every step does when it fails, instead of what the runbook says.
    pub on_failure: Option<OnFailure>,
}

/// Why there is no drill.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The runbook has errors.
    #[error("the runbook has errors:\n{0}")]
    Runbook(String),
    /// The scenario has errors.
    #[error(transparent)]
    Scenario(#[from] crate::sim::ScenarioError),
    /// The simulated cloud does not start.
    #[error(transparent)]
    Cloud(#[from] StartError),
    /// The clients cannot be made.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// There is no client for what somebody else does.
    #[error("the client of another principal cannot be made")]
    Elsewhere(#[from] reqwest::Error),
    /// The run's record cannot be kept.
    #[error(transparent)]
    Record(#[from] OpenError),
    /// The run cannot begin.
    #[error(transparent)]
    Start(#[from] crate::journal::StartError),
    /// Not everything can be planned.
    #[error("not everything can be planned: {0}")]
    Plan(String),
    /// The run that nothing goes wrong in does not end as it should.
    #[error("the run without trouble came to {0}")]
    Trouble(String),
    /// A plan or an entry cannot be written down.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// How a command ends that came here.
pub type ExitCode = fn(&Result<crate::driver::DriveOutcome, DriverError>) -> u8;

/// What was written down, and what the cloud was like after each entry.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) entries: Vec<Entry>,
    pub(super) worlds: Vec<World>,
}

/// A drill that can begin.
#[derive(Debug)]
pub struct Prepared {
    pub(super) checked: Checked,
    pub(super) text: String,
    pub(super) plan: Plan,
    pub(super) exit: ExitCode,
    /// Where runs are kept while they are worked.
    pub(super) folder: PathBuf,
    world: World,
    pub(super) forwards: Recording,
    pub(super) back: Recording,
}

impl Prepared {
    /// Plans, and carries the plan out once without trouble, forwards and back. `folder` is where runs are kept meanwhile.
    ///
    /// # Errors
    /// If that is not possible; it does not depend on the faults.
    pub async fn of(setting: Setting<'_>, folder: &FilePath, exit: ExitCode) -> Result<Prepared, DrillError> {
        let outcome = check(setting.name, setting.runbook.as_bytes(), &Inputs::none(), Mode::Rehearse);
        let errors = outcome.render(crate::check::Style { colour: false, width: 120 });
        let checked = outcome.checked.ok_or(DrillError::Runbook(errors))?;
        let world = scenario::parse(setting.name, setting.scenario)?;
        let bench = Bench::open(world.clone()).await?;
        let plan = planned(&checked, &bench, &world, setting.on_failure).await?;
        let (forwards, back) = (Recording::default(), Recording::default());
        let (text, folder) = (setting.runbook.to_owned(), folder.to_owned());
        let mut prepared = Prepared { checked, text, plan, exit, folder, world: world.clone(), forwards, back };
        (prepared.forwards, prepared.back) = course::without_trouble(&prepared, &bench, world.clone()).await?;
        Ok(prepared)
    }

    /// A bench for its paths.
    ///
    /// # Errors
    /// If the simulated cloud or the clients cannot be made.
    pub async fn bench(&self) -> Result<Bench, DrillError> {
        Bench::open(self.world.clone()).await
    }

    /// Every path of the fault model, always in the same order.
    pub fn paths(&self) -> Vec<Path> {
        [Way::Apply, Way::Undo].into_iter().flat_map(|way| self.paths_of(way)).collect()
    }

    fn paths_of(&self, way: Way) -> Vec<Path> {
        let recording = self.recording(way);
        let mut paths = Vec::new();
        let mut add = |place: Place, thens: &[Then]| {
            paths.extend(thens.iter().map(|then| Path { way, place: place.clone(), then: *then }));
        };
        for op in recording.writes(way) {
            for fault in Fault::ALL {
                let thens = if fault == Fault::None { &Then::ALL[..1] } else { &Then::ALL[..] };
                add(Place::Write { op: op.clone(), fault }, thens);
            }
        }
        let taken_up = [Then::Resume, Then::Rollback];
        // The first entry is the run's beginning, or the request for its rollback: forks begin after it.
        for entries in self.first(way)..recording.entries.len() {
            add(Place::Dies { entries, is_done: false }, &taken_up);
            add(Place::Dies { entries, is_done: true }, &taken_up);
            add(Place::Stopped { entries }, &taken_up);
            if matches!(recording.entries[entries].event, Event::Answered { .. }) {
                add(Place::Late { entries }, &Then::ALL);
            }
        }
        paths
    }

    /// How many entries there are at least when a path of this way begins.
    fn first(&self, way: Way) -> usize {
        match way {
            Way::Apply => 1,
            Way::Undo => self.forwards.entries.len() + 1,
        }
    }

    pub(super) fn recording(&self, way: Way) -> &Recording {
        match way {
            Way::Apply => &self.forwards,
            Way::Undo => &self.back,
        }
    }

    /// The steps whose irreversible or confirmed changes may be approved beforehand: all of them.
    pub(super) fn steps(&self) -> BTreeSet<String> {
        self.plan.tasks.iter().map(|task| task.id.step().to_owned()).collect()
    }
}

impl Recording {
    /// The writes that were made this way, in order.
    fn writes(&self, way: Way) -> Vec<OpId> {
        let announced = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Intended { op } if op.way == way => Some(op.clone()),
            _ => None,
        });
        let mut writes: Vec<OpId> = Vec::new();
        for op in announced {
            if !writes.contains(&op) {
                writes.push(op);
            }
        }
        writes
    }

    /// How many entries there are once this write is announced.
    pub(super) fn announced(&self, wanted: &OpId) -> Option<usize> {
        let place =
            self.entries.iter().position(|entry| matches!(&entry.event, Event::Intended { op } if op == wanted));
        place.map(|place| place + 1)
    }
}

async fn planned(
    checked: &Checked,
    bench: &Bench,
    world: &World,
    on_failure: Option<OnFailure>,
) -> Result<Plan, DrillError> {
    let runbook = checked.runbook();
    let bench = bench.stage(runbook, world.clone(), world.now());
    let observed = observe(runbook, &bench.kinds, bench.clock.now()).await;
    let mut plan = make_plan(runbook, &observed, "a simulated cloud", on_failure);
    plan.set_program_steps(ProgramSteps::LeftOut);
    prove(&mut plan, &bench.kinds, &bench.cloud).await;
    // A drill is the run that would be approved.
    plan.try_gates(&trials(runbook, &bench.probes, Trying::Everything).await);
    if !plan.is_complete() {
        let problems: Vec<String> = plan.problems.iter().map(|problem| format!("{problem:?}")).collect();
        return Err(DrillError::Plan(problems.join("; ")));
    }
    for task in &mut plan.tasks {
        task.gate.iter_mut().chain(&mut task.undo_gate).for_each(sparse);
    }
    for guard in &mut plan.guards {
        guard.every = guard.every.max(GUARD_EVERY);
    }
    Ok(plan)
}

/// The same gate with few samples: a drill is about what becomes of writes, and spends its time on that.
fn sparse(rule: &mut GateRule) {
    rule.hold = rule.hold.min(LONGEST_GATE);
    rule.every = rule.every.max(rule.hold / SAMPLES);
    rule.max_failure_rate = None;
    rule.latency = Percentiles::default();
}

//! A runbook and a scenario, made ready: the plan, and what a run without trouble looks like, forwards and back.

use std::collections::BTreeSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::check::{Checked, Outcome, check};
use crate::driver::DriverError;
use crate::engine::Run;
use crate::gate::{GateRule, Percentiles};
use crate::inert::inert;
use crate::journal::OpenError;
use crate::plan::{
    Plan, Problem, ProgramSteps, Trying, lists, observe, observe_lists, plan as make_plan, prove, trials,
};
use crate::resource::BuildError;
use crate::run::{Choice, Entry, Event, OnFailure, OpId, Question, Task, TaskId, Way};
use crate::runbook::Mode;
use crate::runbook::model::Runbook;
use crate::sim::{StartError, World, scenario};
use crate::syntax::Inputs;

use super::bench::Bench;
use super::course;
use super::fault::{Path, Place, ProbeFault, ProcessFault, Then, WriteFault};

/// How long a gate must hold at most in a drill. What proves health is the gate's own tests' affair.
const LONGEST_GATE: Duration = Duration::from_mins(5);
/// How many times a probe of a gate is observed while the gate holds.
const SAMPLES: u32 = 4;
/// How large the worlds may be together that a drill keeps, in bytes of JSON; in memory they are a few times as large.
const MOST_KEPT: usize = 256 << 20;
/// At each how many-th entry the world is measured.
const MEASURED_EVERY: usize = 16;
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
    /// How many places are looked at.
    pub coverage: Coverage,
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
    #[error("the run in which nothing goes wrong does not end well: {0}")]
    Trouble(String),
    /// The scenario is too large, or the run too long, to be kept after each of its entries.
    #[error("the run without trouble is too long for so large a scenario: its {entries} entries would take gigabytes")]
    TooLarge {
        /// How many entries it had by then.
        entries: usize,
    },
    /// A worker has no runtime to work on.
    #[error("no runtime can be made")]
    Runtime(#[source] std::io::Error),
    /// A worker panicked: a defect of rectify.
    #[error("a worker of the drill panicked")]
    Panicked,
    /// A plan or an entry cannot be written down.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// How a command ends that came here.
pub type ExitCode = fn(&Result<crate::driver::DriveOutcome, DriverError>) -> u8;

/// What a run without trouble has left when it has written an entry.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// The cloud.
    pub(super) world: World,
    /// What the run keeps beside its journal of what it sent, as it stands in the file; `None`: there is no file.
    pub(super) sealed: Option<Vec<u8>>,
}

/// What was written down, and what the cloud was like after each entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    pub(super) entries: Vec<Entry>,
    /// What was left after each entry; `None` where no path begins.
    pub(super) left: Vec<Option<Arc<Left>>>,
    coverage: Coverage,
    /// How large the kept worlds are together, about, in bytes of JSON.
    bytes: usize,
    /// How large one was when it was last measured.
    each: usize,
    /// How large they may be together.
    most: usize,
}

/// How many places a drill looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coverage {
    /// Of the samples and polls that follow one another, the first and the last. The process can die between any two of
    /// them, and finds the same.
    #[default]
    Representative,
    /// Every entry of the journal.
    Every,
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
    /// Plans, and carries the plan out once without trouble, forwards and back.
    ///
    /// # Errors
    /// If that is not possible; it does not depend on the faults.
    pub async fn of(setting: Setting<'_>, exit: ExitCode) -> Result<Prepared, DrillError> {
        let outcome = check(setting.name, setting.runbook.as_bytes(), &Inputs::none(), Mode::Rehearse);
        let errors = outcome.render(crate::check::Style { colour: false, width: 120 });
        let checked = outcome.checked.ok_or(DrillError::Runbook(errors))?;
        let world = scenario::parse(setting.name, setting.scenario)?;
        Prepared::from_checked(checked, world, setting.on_failure, setting.coverage, exit).await
    }

    /// The same of a runbook that was checked, and a world that was read.
    ///
    /// # Errors
    /// As [`Prepared::of`].
    pub async fn from_checked(
        checked: Checked,
        world: World,
        on_failure: Option<OnFailure>,
        coverage: Coverage,
        exit: ExitCode,
    ) -> Result<Prepared, DrillError> {
        let bench = Bench::open(world.clone()).await?;
        let checked = listed(checked, &bench, &world).await?;
        let plan = planned(&checked, &bench, &world, on_failure).await?;
        let (forwards, back) = (Recording::new(coverage), Recording::new(coverage));
        let (text, folder) = (checked.document().text().to_owned(), folder());
        let mut prepared = Prepared { checked, text, plan, exit, folder, world: world.clone(), forwards, back };
        (prepared.forwards, prepared.back) = course::without_trouble(&prepared, &bench, world.clone()).await?;
        Ok(prepared)
    }

    pub(super) fn coverage(&self) -> Coverage {
        self.forwards.coverage
    }

    /// What is drilled.
    pub(super) fn runbook(&self) -> &Runbook {
        self.checked.runbook()
    }

    /// The tasks of the plan, in order.
    pub(super) fn tasks(&self) -> &[Task] {
        &self.plan.tasks
    }

    /// A bench for its paths.
    ///
    /// # Errors
    /// If the simulated cloud or the clients cannot be made.
    pub async fn bench(&self) -> Result<Bench, DrillError> {
        Bench::open(self.world.clone()).await
    }

    /// The paths of the fault model, always in the same order.
    pub fn paths(&self) -> Vec<Path> {
        [Way::Apply, Way::Undo].into_iter().flat_map(|way| self.paths_of(way)).collect()
    }

    fn paths_of(&self, way: Way) -> Vec<Path> {
        let recording = self.recording(way);
        let coverage = recording.coverage;
        let mut paths = Vec::new();
        let mut add = |step: Option<&TaskId>, place: Place, thens: &[Then]| {
            let step = step.map(|task| task.step().to_owned());
            let path = |then: &Then| Path { step: step.clone(), way, place: place.clone(), then: *then };
            paths.extend(thens.iter().map(path));
        };
        for op in recording.writes(way) {
            for fault in WriteFault::ALL {
                let thens = if fault == WriteFault::None { &Then::ALL[..1] } else { Then::AFTER_A_FAULT };
                add(Some(&op.task), Place::Write { op: op.clone(), fault }, thens);
            }
        }
        let mut run = Run::new(self.plan.work());
        let mut guards = BTreeSet::new();
        // The first entry is the run's beginning, or the request for its rollback: forks begin after it.
        let first = self.first(way);
        for (entries, entry) in recording.entries.iter().enumerate() {
            if entries < first {
                let _ = run.apply(entry);
                continue;
            }
            let at = recording.step_at(entries);
            match &entry.event {
                Event::Answered { question, .. } => {
                    for choice in answers(&run, question, entry.at) {
                        add(at, Place::Answer { entries, choice }, Then::AFTER_A_FAULT);
                    }
                    add(at, Place::Late { entries }, Then::AFTER_A_FAULT);
                }
                Event::GateOpened { task, .. } => {
                    for fault in ProbeFault::ALL {
                        let place = Place::Gate { task: task.clone(), entries: entries + 1, fault };
                        add(Some(task), place, Then::AFTER_A_FAULT);
                    }
                }
                Event::GuardSampled { probe, .. } if guards.insert(probe.clone()) => {
                    let entries = recording.kept_before(entries);
                    for fault in ProbeFault::ALL {
                        add(at, Place::Guard { probe: probe.clone(), entries, fault }, Then::AFTER_A_FAULT);
                    }
                }
                _ => {}
            }
            let is_representative = !recording.is_within_waiting(entries);
            for fault in ProcessFault::ALL {
                let thens = match (is_representative, coverage, fault) {
                    (true, _, _) => Then::TAKEN_UP,
                    (false, Coverage::Every, ProcessFault::DiskFull | ProcessFault::ClockSetBack)
                    | (false, Coverage::Representative, _) => continue,
                    (
                        false,
                        Coverage::Every,
                        ProcessFault::KilledAfter | ProcessFault::KilledBefore | ProcessFault::Stopped,
                    ) => &[Then::Resume, Then::Rollback],
                };
                add(at, Place::Process { entries, fault }, thens);
            }
            let _ = run.apply(entry);
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
    pub(super) fn new(coverage: Coverage) -> Recording {
        Recording { coverage, most: MOST_KEPT, ..Recording::default() }
    }

    /// Notes an entry and what the cloud is like after it. A world that no path begins with is not kept: thousands of them are
    /// gigabytes.
    pub(super) fn push(&mut self, entry: Entry, left: Left) {
        if self.entries.len().is_multiple_of(MEASURED_EVERY) {
            self.each = serde_json::to_vec(&left.world).map(|json| json.len()).unwrap_or_default();
        }
        self.bytes = self.bytes.saturating_add(self.each);
        self.entries.push(entry);
        self.left.push(Some(Arc::new(left)));
        let middle = self.entries.len().saturating_sub(2);
        if self.coverage == Coverage::Representative && self.is_within_waiting(middle) {
            // A path from a place begins with the world before it.
            self.left[middle - 1] = None;
            self.bytes = self.bytes.saturating_sub(self.each);
        }
    }

    /// Whether the kept worlds are more than a drill may take that nobody asked to look at every entry.
    pub(super) fn is_too_large(&self) -> bool {
        self.coverage == Coverage::Representative && self.bytes > self.most
    }

    /// The last place before this one of which the world is kept.
    fn kept_before(&self, entries: usize) -> usize {
        let is_kept = |count: &usize| self.left.get(count.saturating_sub(1)).is_some_and(Option::is_some);
        (1..=entries).rev().find(is_kept).unwrap_or(entries)
    }

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

    /// The task that the entry at this place, or else the one before it, is about.
    fn step_at(&self, place: usize) -> Option<&TaskId> {
        let here = self.entries.get(place).and_then(|entry| subject(&entry.event));
        here.or_else(|| subject(&self.entries.get(place.checked_sub(1)?)?.event))
    }

    /// Whether the entry at this place is one of several samples or polls, neither the first nor the last.
    fn is_within_waiting(&self, place: usize) -> bool {
        let waits = |place: usize| waits(&self.entries, place);
        place.checked_sub(1).is_some_and(waits) && waits(place) && waits(place + 1)
    }

    /// How many entries there are once this write is announced.
    pub(super) fn announced(&self, wanted: &OpId) -> Option<usize> {
        let place =
            self.entries.iter().position(|entry| matches!(&entry.event, Event::Intended { op } if op == wanted));
        place.map(|place| place + 1)
    }
}

/// Where runs are kept while they are worked: in memory, if this machine has a place for that.
fn folder() -> PathBuf {
    let memory = FilePath::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// The task that an event, or the question that it answers, is about.
fn subject(event: &Event) -> Option<&TaskId> {
    match event {
        Event::Answered { question, .. } => match question {
            Question::Apply { task }
            | Question::Irreversible { task, .. }
            | Question::Failed { task, .. }
            | Question::Confirm { task, .. }
            | Question::Restore { task, .. } => Some(task),
            Question::Interrupted { task, .. } => task.as_ref(),
            Question::Doubt { op } | Question::TookEffect { op, .. } => Some(&op.task),
        },
        other => other.task(),
    }
}

fn waits(entries: &[Entry], place: usize) -> bool {
    entries.get(place).is_some_and(|entry| is_waiting(&entry.event))
}

/// Whether an entry says only what was seen while something was waited for.
fn is_waiting(event: &Event) -> bool {
    matches!(
        event,
        Event::Sampled { .. } | Event::GuardSampled { .. } | Event::Polled { .. } | Event::DriftChecked { .. }
    )
}

/// What an operator may answer here, but for what the run without trouble was answered.
fn answers(run: &Run, question: &Question, now: jiff::Timestamp) -> Vec<Choice> {
    let mut offers = run.offers(question, now);
    offers.retain(|choice| *choice != Choice::Yes);
    offers
}

/// The same runbook with what its lists list.
async fn listed(checked: Checked, bench: &Bench, world: &World) -> Result<Checked, DrillError> {
    let bench = bench.stage(checked.runbook(), world.clone(), world.now());
    let observed = observe_lists(checked.runbook(), &bench.kinds, bench.clock.now()).await;
    let lists = lists(checked.runbook(), &observed);
    if lists.is_empty() {
        return Ok(checked);
    }
    let wrong = |outcome: Box<Outcome>| {
        let words: Vec<&str> = outcome.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        DrillError::Runbook(words.join("; "))
    };
    checked.with_lists(lists).map_err(wrong)
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
        let of_step = |problem: &Problem| format!("{}: {}", inert(&problem.step), inert(&problem.why));
        let problems: Vec<String> = plan.problems.iter().map(of_step).collect();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;
    use crate::gate::{Health, Observation};
    use crate::run::Ending;

    const SCENARIO: &str = include_str!("../../runbooks/bad-revision.sim.toml");

    /// A recording that may hold three worlds and a half, with as many entries of each kind as are asked for.
    fn recording(coverage: Coverage, sampled: usize, other: usize) -> Recording {
        let world = scenario::parse("s", SCENARIO).unwrap();
        let each = serde_json::to_vec(&world).unwrap().len();
        let mut recording = Recording { most: each * 7 / 2, ..Recording::new(coverage) };
        let task = TaskId::of_step("a-step");
        let end = Event::Ended { ending: Ending::Done { failed: Vec::new(), skipped: Vec::new() } };
        let sample = Event::Sampled {
            task,
            probe: "p".to_owned(),
            observation: Observation { health: Health::Healthy, facts: BTreeMap::new(), took: Duration::ZERO },
        };
        let events = std::iter::repeat_n(sample, sampled).chain(std::iter::repeat_n(end, other));
        for event in events {
            let left = Left { world: world.clone(), sealed: None };
            recording.push(Entry { at: Timestamp::UNIX_EPOCH, event }, left);
        }
        recording
    }

    #[test]
    fn a_drill_keeps_no_more_worlds_than_it_may() {
        assert_eq!(Recording::new(Coverage::Representative).most, MOST_KEPT);
        assert!(!recording(Coverage::Representative, 0, 3).is_too_large());
        assert!(recording(Coverage::Representative, 0, 4).is_too_large());
        // Of a hundred samples the first and the last are kept.
        let waiting = recording(Coverage::Representative, 100, 0);
        assert!(!waiting.is_too_large() && waiting.left.iter().flatten().count() <= 3);
        assert!(
            !recording(Coverage::Every, 0, 9).is_too_large(),
            "who asks for every entry has been told what it takes"
        );
    }
}

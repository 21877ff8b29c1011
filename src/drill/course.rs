//! Works one path: one process after another, each as `run`, `resume` and `rollback` work a run, until it has ended.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::driver::DriveOutcome;
use crate::run::{Ending, Entry, View};
use crate::sim::World;

use super::bench::Bench;
use super::fault::{Path, Place, ProcessFault, Request};
use super::prepared::{DrillError, Prepared, Recording};
use super::process::{Blinded, Machine, Strike, Watched};
use super::result::{beginning, said};
use super::scene::{BEHIND, Comes, Fork, Operators, Scene};

/// How many times a run that has not ended is taken up at most before it counts as one that never does.
const MOST_RESUMED: usize = 3;

/// What a process came to.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once in the life of a process")]
pub enum PathOutcome {
    /// The driver's own word.
    Driven(DriveOutcome),
    /// It died.
    Killed,
    /// It could not write its journal, and ended there.
    OutOfSpace,
    /// It does not come to an end, or cannot go on with the run: a defect.
    Lost(String),
}

/// What serves, by service and revision, in percent; `None`: the service does not exist.
pub(super) type Serving = BTreeMap<String, Option<BTreeMap<String, i64>>>;

/// Where a run was left by a process.
#[derive(Clone, Debug)]
pub struct Rest {
    /// What that came to.
    pub came: PathOutcome,
    /// The exit code; `None` if it died.
    pub exit: Option<u8>,
    /// How many entries the journal had then.
    pub entries: usize,
    /// How the run and the cloud were then; `None`: the journal cannot be read.
    pub after: Option<After>,
}

/// How a run and the cloud are where a process left them.
#[derive(Clone, Debug)]
pub struct After {
    /// The run as people look at it.
    pub view: View,
    /// What serves, by service and revision, in percent; `None`: the service does not exist.
    pub serving: Serving,
}

/// What became of a path.
#[derive(Debug)]
pub struct Outcome {
    /// Where each process left the run. There is at least one.
    pub rests: Vec<Rest>,
    /// What is not as it must be.
    pub wrong: Vec<String>,
    /// The run's entries, for whoever looks for the reason.
    pub entries: Vec<Entry>,
    /// When the path left that of the run without trouble.
    pub began: Timestamp,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.came {
            PathOutcome::Driven(DriveOutcome::Ended(ending)) => match ending {
                Ending::Done { failed, .. } if failed.is_empty() => "done",
                Ending::Done { .. } => "done with failures",
                Ending::RolledBack { .. } if ending.is_whole_rollback() => "rolled back",
                Ending::RolledBack { .. } => "rolled back in part",
                Ending::Stopped { .. } => "stopped",
                Ending::Declined { .. } => "declined",
                Ending::Stuck { .. } => "stuck",
            },
            PathOutcome::Driven(DriveOutcome::Parked) => "interrupted",
            PathOutcome::Driven(DriveOutcome::Paused(_)) => "paused",
            PathOutcome::Killed => "killed",
            PathOutcome::OutOfSpace => "out of disk space",
            PathOutcome::Lost(_) => "LOST",
        })
    }
}

/// The run without trouble, forwards and back.
pub(super) async fn without_trouble(
    of: &Prepared,
    bench: &Bench,
    world: World,
) -> Result<(Recording, Recording), DrillError> {
    let mut scene = Scene::begin(of, bench, Fork::Beginning(Box::new(world)))?;
    scene.recording = Some(Recording::new(of.coverage()));
    let forwards = scene.work(Comes::Begins, Operators::Present).await;
    let forwards_end = scene.recording.take().unwrap_or_default();
    must_end_well(of, &forwards_end, &forwards, |ending| matches!(ending, Ending::Done { .. }))?;
    scene.recording = Some(forwards_end.clone());
    let back = scene.work(Comes::Asks(Request::Rollback), Operators::Present).await;
    let back_end = scene.recording.take().unwrap_or_default();
    must_end_well(of, &back_end, &back, |_| true)?;
    Ok((forwards_end, back_end))
}

/// Refuses a run without trouble that cannot be kept, or does not end as it should.
fn must_end_well(
    of: &Prepared,
    recording: &Recording,
    rest: &Rest,
    is_well: impl Fn(&Ending) -> bool,
) -> Result<(), DrillError> {
    if recording.is_too_large() {
        return Err(DrillError::TooLarge { entries: recording.entries.len() });
    }
    match &rest.came {
        PathOutcome::Driven(DriveOutcome::Ended(ending)) if is_well(ending) => Ok(()),
        _ => Err(DrillError::Trouble(last_words(of, &recording.entries, rest))),
    }
}

/// What a run said in the end, and where it was left if it said nothing.
fn last_words(of: &Prepared, entries: &[Entry], rest: &Rest) -> String {
    let said = said(of, entries);
    let said: Vec<&str> = said.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    match (&rest.came, said.as_slice()) {
        (PathOutcome::Lost(why), _) => why.clone(),
        (_, []) => rest.to_string(),
        (_, said) => said.join("; "),
    }
}

impl Prepared {
    /// Works a path to its end, and judges each place where the run came to rest.
    ///
    /// # Errors
    /// If it cannot be worked at all.
    pub async fn work(&self, bench: &Bench, path: &Path) -> Result<Outcome, DrillError> {
        let recording = self.recording(path.way);
        let entries = match &path.place {
            Place::Write { op, .. } => recording.announced(op).unwrap_or_default(),
            Place::Gate { entries, .. }
            | Place::Guard { entries, .. }
            | Place::Answer { entries, .. }
            | Place::Late { entries }
            | Place::Process { entries, .. } => *entries,
        };
        let mut scene = Scene::begin(self, bench, Fork::At { recording, entries })?;
        let mut operators = Operators::Absent;
        let mut is_dead = false;
        match &path.place {
            Place::Write { op, fault } => scene.strike = Strike::of(op, *fault, self),
            Place::Gate { task, fault, .. } => {
                scene.blinded = Some(Blinded::new(Watched::Gate(task.clone()), *fault, entries));
            }
            Place::Guard { probe, fault, .. } => {
                scene.blinded = Some(Blinded::new(Watched::Guard(probe.clone()), *fault, entries));
            }
            Place::Answer { choice, .. } => operators = Operators::Saying(*choice),
            Place::Late { .. } => operators = Operators::Late,
            Place::Process { fault, .. } => match fault {
                ProcessFault::KilledAfter => is_dead = true,
                ProcessFault::ClockSetBack => {
                    is_dead = true;
                    scene.behind = BEHIND;
                }
                ProcessFault::KilledBefore => scene.machine = Machine::Dies,
                ProcessFault::DiskFull => scene.machine = Machine::IsFull,
                ProcessFault::Stopped => scene.stops = true,
            },
        }
        let began = beginning(&recording.entries, entries);
        let mut outcome = Outcome { rests: Vec::new(), wrong: Vec::new(), entries: Vec::new(), began };
        if is_dead {
            scene.journal = None;
            outcome.rests.push(Rest { came: PathOutcome::Killed, exit: None, entries, after: None });
        } else {
            outcome.rests.push(scene.work(Comes::GoesOn, operators).await);
        }
        // A fault lasts as long as the process that met it.
        scene.bench.simulator.clear_faults();
        (scene.machine, scene.stops) = (Machine::Works, false);
        outcome.judge(&scene).await;
        scene.blinded = None;
        for request in path.then.requests() {
            outcome.ask(&mut scene, *request).await;
        }
        for _ in 0..MOST_RESUMED {
            if !scene.has_ended() {
                outcome.ask(&mut scene, Request::Resume).await;
            }
        }
        if !scene.has_ended() {
            outcome.ask(&mut scene, Request::Rollback).await;
        }
        if !scene.has_ended() {
            outcome.wrong.push("it does not come to an ending, resumed and rolled back".to_owned());
        }
        outcome.entries = scene.entries().unwrap_or_default();
        Ok(outcome)
    }
}

impl Outcome {
    /// Takes the run up, if the engine takes such a request now.
    async fn ask(&mut self, scene: &mut Scene<'_>, request: Request) {
        let goes_on = matches!(request, Request::Resume | Request::ResumeTomorrow);
        if goes_on && scene.is_settled() || !scene.may_ask(request) {
            return;
        }
        self.rests.push(scene.work(Comes::Asks(request), Operators::Absent).await);
        self.judge(scene).await;
    }

    async fn judge(&mut self, scene: &Scene<'_>) {
        let at = self.rests.len();
        let Some(rest) = self.rests.last_mut() else { return };
        let how = rest.to_string();
        let (wrong, after) = scene.judge(rest).await;
        rest.after = after;
        self.wrong.extend(wrong.into_iter().map(|wrong| format!("at rest {at} ({how}): {wrong}")));
    }
}

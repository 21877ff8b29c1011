//! One process at work on a run: the real driver, and what befalls it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::bench::Stage;
use super::elsewhere::{self, Others};
use super::fault::{Hand, Moment, ProbeFault, SentAs, WriteFault};
use super::oracle::Foreign;
use super::prepared::{Left, Prepared, Recording};
use crate::driver::{DriverError, Durable, Local};
use crate::engine::{Effect, Run};
use crate::external;
use crate::gate::{Health, Observation};
use crate::journal::OpenError;
use crate::resource::catalogued::{self, SealedValues};
use crate::run::{CALL, CATALOGUED, Change, EXISTENCE, Entry, Event, OpId, ResourceId, TaskId, Way};
use crate::runbook::model::Runbook;

/// How many entries one process writes at most: one that writes more does not come to an end.
pub(super) const MOST_ENTRIES: usize = 4_000;

/// What goes wrong with a write, and whether it has.
pub(super) struct Strike {
    op: OpId,
    resource: ResourceId,
    pub(super) fault: WriteFault,
    sent_as: SentAs,
    /// When; `None` once it has happened.
    moment: Option<Moment>,
    /// What another principal does then.
    hand: Option<Hand>,
    is_due: bool,
}

impl Strike {
    pub(super) fn of(op: &OpId, fault: WriteFault, drill: &Prepared) -> Option<Strike> {
        let (moment, hand) = fault.strikes()?;
        let task = drill.plan.work().tasks.into_iter().find(|task| task.id == op.task)?;
        let change = match op.way {
            Way::Apply => task.change?,
            Way::Undo => task.change?.undo(),
        };
        Some(Strike {
            op: op.clone(),
            sent_as: sent_as(&change, drill.runbook()),
            resource: change.resource,
            fault,
            moment: Some(moment),
            hand,
            is_due: false,
        })
    }

    fn see(&mut self, event: &Event) {
        self.is_due |= match (self.moment, event) {
            (Some(Moment::During), Event::OperationStarted { op, .. })
            | (Some(Moment::After), Event::StateObserved { op, .. }) => *op == self.op,
            _ => false,
        };
    }

    fn looks_at(&mut self, batch: &[Effect]) {
        let writes = |effect: &Effect| matches!(effect, Effect::Write { op, .. } if *op == self.op);
        self.is_due |= self.moment == Some(Moment::Before) && batch.iter().any(writes);
    }
}

/// What the write of a change is sent as.
fn sent_as(change: &Change, runbook: &Runbook) -> SentAs {
    let verb = match change.resource.kind.as_str() {
        CALL => external::verb_of(runbook, change),
        CATALOGUED | EXISTENCE => catalogued::verb_of(change),
        _ => return SentAs::PATCH,
    };
    SentAs::catalogued(verb.unwrap_or(SentAs::PATCH.method))
}

/// Whose samples are not what is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Watched {
    /// Those of a gate, until it has its verdict.
    Gate(TaskId),
    /// Those of a guard.
    Guard(String),
}

/// What the probes of a gate or a guard see instead of what is there.
pub(super) struct Blinded {
    watched: Watched,
    fault: ProbeFault,
    /// How many entries the journal had when it began.
    began: usize,
    /// How many samples were taken.
    samples: usize,
    is_over: bool,
}

impl Blinded {
    pub(super) fn new(watched: Watched, fault: ProbeFault, began: usize) -> Blinded {
        Blinded { watched, fault, began, samples: 0, is_over: false }
    }

    /// The gate of which nothing healthy is seen, and since which entry. One that flaps may have its healthy time in between.
    pub(super) fn sees_nothing_healthy_of(&self) -> Option<(&TaskId, usize)> {
        match (&self.watched, self.fault) {
            (Watched::Guard(_), _) | (Watched::Gate(_), ProbeFault::Flapping) => None,
            (Watched::Gate(task), ProbeFault::Unhealthy | ProbeFault::Unknown | ProbeFault::Broken) => {
                Some((task, self.began))
            }
        }
    }

    /// What is seen in the place of what was.
    fn distorted(&mut self, event: Event) -> Event {
        match event {
            Event::Sampled { task, probe, observation } if self.watched == Watched::Gate(task.clone()) => {
                let observation = self.instead_of(observation);
                Event::Sampled { task, probe, observation }
            }
            Event::GuardSampled { probe, observation } if self.watched == Watched::Guard(probe.clone()) => {
                let observation = self.instead_of(observation);
                Event::GuardSampled { probe, observation }
            }
            Event::GateClosed { task, outcome } => {
                self.is_over |= self.watched == Watched::Gate(task.clone());
                Event::GateClosed { task, outcome }
            }
            other => other,
        }
    }

    fn instead_of(&mut self, seen: Observation) -> Observation {
        if self.is_over {
            return seen;
        }
        self.samples += 1;
        let why = "simulated by the drill".to_owned();
        let observation = match self.fault {
            ProbeFault::Flapping if self.samples.is_multiple_of(2) => return seen,
            ProbeFault::Unhealthy | ProbeFault::Flapping => Observation::of(Health::Unhealthy { why }),
            ProbeFault::Unknown => Observation::unknown(why),
            ProbeFault::Broken => Observation::broken(why),
        };
        Observation { took: seen.took, ..observation }
    }
}

/// What this machine does to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// Nothing.
    Works,
    /// It dies before it writes anything more.
    Dies,
    /// Its disk is full.
    IsFull,
}

/// A process at work.
pub(super) struct Process<'a> {
    pub(super) local: Local,
    pub(super) bench: &'a Stage,
    pub(super) recording: Option<&'a mut Recording>,
    pub(super) strike: &'a mut Option<Strike>,
    pub(super) blinded: &'a mut Option<Blinded>,
    pub(super) foreign: &'a mut Option<Foreign>,
    pub(super) others: &'a mut Option<Others>,
    pub(super) machine: Machine,
    pub(super) entries: usize,
    pub(super) is_endless: bool,
}

impl Process<'_> {
    pub(super) fn report(&mut self, entry: &Entry) {
        self.local.report(entry);
        self.record(entry);
    }

    pub(super) fn record(&mut self, entry: &Entry) {
        if let Some(recording) = &mut self.recording {
            let sealed = std::fs::read(self.local.directory.file(SealedValues::FILE)).ok();
            recording.push(entry.clone(), Left { world: self.bench.simulator.world(), sealed });
        }
    }

    /// Lets happen what is due now.
    async fn strike(&mut self) {
        let Some(strike) = self.strike.as_mut().filter(|strike| strike.is_due) else { return };
        strike.is_due = false;
        for fault in strike.fault.of_requests(self.bench.clock.now(), strike.sent_as) {
            self.bench.simulator.inject(fault);
        }
        match strike.hand {
            Some(Hand::Deletes) => drop(elsewhere::delete(self.bench, &strike.resource)),
            Some(Hand::DeletesRevision) => {
                let task = &strike.op.task;
                if let Some(change) = self.local.view.task(task).and_then(|view| view.task.change.as_ref()) {
                    elsewhere::delete_revision(self.bench, change, strike.op.way);
                }
            }
            Some(Hand::Changes) => *self.foreign = elsewhere::change(self.bench, &strike.resource).await,
            Some(Hand::ChangesOthers) => *self.others = elsewhere::change_others(self.bench, &strike.resource).await,
            None => {}
        }
        strike.moment = None;
    }
}

impl Durable for Process<'_> {
    fn now(&self) -> Timestamp {
        self.local.now()
    }

    fn suspended(&mut self) -> Option<Duration> {
        self.local.suspended()
    }

    async fn perform(&mut self, run: &Run, batch: Vec<Effect>) -> Result<Vec<Event>, DriverError> {
        if let Some(strike) = self.strike.as_mut() {
            strike.looks_at(&batch);
        }
        self.strike().await;
        let events = self.local.perform(run, batch).await?;
        Ok(match self.blinded {
            Some(blinded) => events.into_iter().map(|event| blinded.distorted(event)).collect(),
            None => events,
        })
    }

    fn append(&mut self, entry: &Entry) -> Result<(), DriverError> {
        match self.machine {
            Machine::Works => {}
            Machine::Dies => return Err(DriverError::StoppedAtOnce("a drill".to_owned())),
            Machine::IsFull => {
                let source = io::Error::from(io::ErrorKind::StorageFull);
                return Err(OpenError::Io { path: PathBuf::from("journal.jsonl"), source }.into());
            }
        }
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            self.is_endless = true;
            return Err(DriverError::StoppedAtOnce("a drill: it goes on and on".to_owned()));
        }
        self.local.append(entry)?;
        self.record(entry);
        if self.recording.as_ref().is_some_and(|recording| recording.is_too_large()) {
            return Err(DriverError::StoppedAtOnce("a drill: it takes too much memory".to_owned()));
        }
        if let Some(strike) = self.strike.as_mut() {
            strike.see(&entry.event);
        }
        Ok(())
    }
}

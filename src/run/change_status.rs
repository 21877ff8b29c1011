//! Whether the change of a task is applied: the one fold that decides it for everybody who tells of a run.
//!
//! Reports, scripts, follow-ups, a support case, the closing text and `steps.X.done` all read [`ChangeStatus`], and none of
//! them looks at an event to find out by itself. The engine keeps a list of applied changes for its own decisions; the tests
//! in `engine` compare that list with this fold after every entry of every run that they make up.
//!
//! What is applied is decided by what was observed after a write, never by what was sent: a write that is observed as not
//! having happened is not applied, whatever its operation said.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::change::{Change, covers};
use super::event::{Choice, Ending, Event, Failure, NotRolledBack, PreconditionResult, Question, Refusal};
use super::id::{OpId, TaskId, Way};
use super::task::Task;
use super::view::{TaskView, View};

/// What became of a task's change. Serialized it is a word; the rest is for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ChangeStatus {
    /// Nothing of it is applied, and it has not failed either: it was not sent, or is to be sent again.
    #[default]
    NotBegun,
    /// A write is announced, and its end is not known yet.
    InFlight {
        /// Which way.
        way: Way,
        /// The long-running operation's name, once known.
        operation: Option<String>,
    },
    /// A write was sent, its outcome is not known, and the resource was not observed since.
    InDoubt {
        /// Which way.
        way: Way,
        /// Why its outcome is not known.
        why: String,
    },
    /// It was sent, and what was observed does not say whether it is applied. A rollback observes it again.
    Unclear {
        /// What was observed instead.
        why: Failure,
    },
    /// It took effect, at least in part.
    Applied {
        /// What was reported as failed although it took effect.
        trouble: Option<String>,
    },
    /// It failed, and is known not to have taken effect.
    Failed {
        /// How.
        why: Failure,
    },
    /// It was applied and is no longer.
    RolledBack,
    /// It is applied: rolling it back failed.
    NotRolledBack {
        /// How.
        why: Failure,
    },
    /// It is applied: a rollback left it as it is.
    Kept(KeptBecause),
    /// The operator left it out.
    Skipped,
    /// Its program was left out, because this is a rehearsal.
    NotRun,
    /// There was nothing to change.
    Unchanged,
}

/// Why a rollback leaves a change applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptBecause {
    /// The API does not take it back.
    Irreversible,
    /// Rolling it back would restore a state in which a service was unhealthy.
    Unhealthy,
}

impl Serialize for ChangeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl ChangeStatus {
    /// The serialized name. Reports promise it.
    pub fn name(&self) -> &'static str {
        match self {
            ChangeStatus::NotBegun => "not_begun",
            ChangeStatus::InFlight { .. } => "in_flight",
            ChangeStatus::InDoubt { .. } => "in_doubt",
            ChangeStatus::Unclear { .. } => "unclear",
            ChangeStatus::Applied { .. } => "applied",
            ChangeStatus::Failed { .. } => "failed",
            ChangeStatus::RolledBack => "rolled_back",
            ChangeStatus::NotRolledBack { .. } => "not_rolled_back",
            ChangeStatus::Kept(_) => "kept",
            ChangeStatus::Skipped => "skipped",
            ChangeStatus::NotRun => "not_run",
            ChangeStatus::Unchanged => "unchanged",
        }
    }

    /// Whether it is known to be applied, at least in part.
    pub fn is_applied(&self) -> bool {
        match self {
            ChangeStatus::Applied { .. } | ChangeStatus::NotRolledBack { .. } | ChangeStatus::Kept(_) => true,
            ChangeStatus::NotBegun
            | ChangeStatus::InFlight { .. }
            | ChangeStatus::InDoubt { .. }
            | ChangeStatus::Unclear { .. }
            | ChangeStatus::Failed { .. }
            | ChangeStatus::RolledBack
            | ChangeStatus::Skipped
            | ChangeStatus::NotRun
            | ChangeStatus::Unchanged => false,
        }
    }

    /// Whether it is not known to be applied, and not known not to be.
    pub fn is_unknown(&self) -> bool {
        match self {
            ChangeStatus::InFlight { .. } | ChangeStatus::InDoubt { .. } | ChangeStatus::Unclear { .. } => true,
            ChangeStatus::NotBegun
            | ChangeStatus::Applied { .. }
            | ChangeStatus::Failed { .. }
            | ChangeStatus::RolledBack
            | ChangeStatus::NotRolledBack { .. }
            | ChangeStatus::Kept(_)
            | ChangeStatus::Skipped
            | ChangeStatus::NotRun
            | ChangeStatus::Unchanged => false,
        }
    }

    /// Whether it must be reckoned with: it is applied, or may be.
    pub fn may_be_applied(&self) -> bool {
        self.is_applied() || self.is_unknown()
    }

    /// Whether all of it is as the runbook wants it.
    pub fn is_as_wanted(&self) -> bool {
        matches!(self, ChangeStatus::Applied { trouble: None } | ChangeStatus::Unchanged)
    }
}

/// What is known of a task's change, entry by entry.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskChange {
    known: Known,
    write: Option<Write>,
    /// What the resource reports as wrong with it, while it is observed again and nothing of ours is in flight.
    trouble: Option<String>,
    not_undone: Option<NotUndone>,
    /// Whether its write was sent before, and seen not to have happened.
    is_resent: bool,
    /// A refusal that may pass: if nothing more is heard of the task, that is why it failed.
    refused: Option<Failure>,
}

/// What is known while no write of it is in flight.
#[derive(Clone, Debug, Default)]
enum Known {
    #[default]
    NotBegun,
    Skipped,
    NotRun,
    Unchanged,
    Failed(Failure),
    Applied {
        seen: Value,
        trouble: Option<String>,
    },
    Unclear {
        seen: Value,
        why: Failure,
    },
    RolledBack,
}

/// That a change which was written already was refused when it was sent once more.
fn refused_again(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Api { why } | Refusal::Busy { why, .. } | Refusal::Unreachable { why, .. } => why.clone(),
        Refusal::Drifted { .. } => "it was changed by another principal before it was sent once more".to_owned(),
    }
}

#[derive(Clone, Debug)]
enum NotUndone {
    Failed(Box<Failure>),
    Kept(KeptBecause),
}

/// A write whose end is not known.
#[derive(Clone, Debug)]
struct Write {
    way: Way,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Announced,
    /// Whether the operation is known to be that of our own write.
    Running {
        operation: String,
        ours: bool,
    },
    Doubt {
        why: String,
        trouble: Option<Trouble>,
    },
}

/// That a write failed, and how that is known.
#[derive(Clone, Debug)]
enum Trouble {
    /// The write's own operation says so.
    Reported(String),
    /// The resource says so, or an operation that was found on it: it may be another's.
    Seen(String),
}

/// What follows for the tasks that are carried out for this one on the way back only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Companions {
    AsBefore,
    Applied,
    NotApplied,
}

impl TaskChange {
    pub(super) fn status(&self) -> ChangeStatus {
        if let Some(Write { way, stage }) = &self.write {
            let way = *way;
            return match stage {
                Stage::Announced => ChangeStatus::InFlight { way, operation: None },
                Stage::Running { operation, .. } => ChangeStatus::InFlight { way, operation: Some(operation.clone()) },
                Stage::Doubt { why, .. } => ChangeStatus::InDoubt { way, why: why.clone() },
            };
        }
        match (&self.known, &self.not_undone) {
            (Known::Applied { .. }, Some(NotUndone::Failed(why))) => {
                ChangeStatus::NotRolledBack { why: (**why).clone() }
            }
            (Known::Applied { .. }, Some(NotUndone::Kept(because))) => ChangeStatus::Kept(*because),
            (Known::Applied { trouble, .. }, None) => ChangeStatus::Applied { trouble: trouble.clone() },
            (Known::Unclear { why, .. }, _) => ChangeStatus::Unclear { why: why.clone() },
            (Known::Failed(why), _) => ChangeStatus::Failed { why: why.clone() },
            (Known::NotBegun, _) => ChangeStatus::NotBegun,
            (Known::Skipped, _) => ChangeStatus::Skipped,
            (Known::NotRun, _) => ChangeStatus::NotRun,
            (Known::Unchanged, _) => ChangeStatus::Unchanged,
            (Known::RolledBack, _) => ChangeStatus::RolledBack,
        }
    }

    /// What was seen of the resource when the change was found applied or unclear.
    pub(super) fn seen(&self) -> Option<&Value> {
        match &self.known {
            Known::Applied { seen, .. } | Known::Unclear { seen, .. } => Some(seen),
            Known::NotBegun
            | Known::Skipped
            | Known::NotRun
            | Known::Unchanged
            | Known::Failed(_)
            | Known::RolledBack => None,
        }
    }

    /// The change that a rollback would make. One that took effect only in part is undone from what was seen of it.
    pub(super) fn undo(&self, change: &Change) -> Change {
        match &self.known {
            Known::Applied { seen, .. } if !covers(seen, &change.to) => Change { from: seen.clone(), ..change.undo() },
            Known::Applied { .. }
            | Known::Unclear { .. }
            | Known::NotBegun
            | Known::Skipped
            | Known::NotRun
            | Known::Unchanged
            | Known::Failed(_)
            | Known::RolledBack => change.undo(),
        }
    }

    fn change(&self, task: &Task, way: Way) -> Option<Change> {
        let change = task.change.as_ref()?;
        Some(if way == Way::Undo { self.undo(change) } else { change.clone() })
    }

    fn announced(&mut self, way: Way) {
        self.write = Some(Write { way, stage: Stage::Announced });
        if way == Way::Undo {
            self.not_undone = None;
        }
    }

    fn begun(&mut self, way: Way, operation: &str) {
        let ours = matches!(&self.write, Some(Write { stage: Stage::Announced, .. }));
        self.write = Some(Write { way, stage: Stage::Running { operation: operation.to_owned(), ours } });
    }

    fn in_doubt(&mut self, way: Way, why: &str) {
        self.write = Some(Write { way, stage: Stage::Doubt { why: why.to_owned(), trouble: None } });
    }

    /// Another process took the run up: nobody heard the answer to what was announced.
    fn taken_up(&mut self) {
        if let Some(Write { stage: stage @ Stage::Announced, .. }) = &mut self.write {
            let why = "the process that sent it ended before it had an answer".to_owned();
            *stage = Stage::Doubt { why, trouble: None };
        }
    }

    fn failed(&mut self, task: &Task, why: &str) -> Companions {
        let Some(Write { way, stage }) = &mut self.write else {
            self.trouble = Some(why.to_owned());
            return Companions::AsBefore;
        };
        let reported = || Trouble::Reported(why.to_owned());
        let trouble = match stage {
            Stage::Announced | Stage::Running { ours: true, .. } => reported(),
            Stage::Doubt { trouble: Some(Trouble::Reported(known)), .. } => Trouble::Reported(known.clone()),
            Stage::Running { ours: false, .. } | Stage::Doubt { .. } => Trouble::Seen(why.to_owned()),
        };
        // Its undo copes with every part of it, so that how much took effect is not asked.
        let is_partial = task.program.as_ref().is_some_and(|program| program.undo_partial) && *way == Way::Apply;
        if is_partial && matches!(stage, Stage::Announced) {
            return self.settled(task, Way::Apply, &Value::Null, Some(trouble));
        }
        *stage = Stage::Doubt { why: why.to_owned(), trouble: Some(trouble) };
        Companions::AsBefore
    }

    fn refused(&mut self, task: &Task, way: Way, refusal: &Refusal) {
        let Some(Change { resource, from, to }) = self.change(task, way) else { return };
        // A write whose answer was lost has landed late, or somebody has undone by hand what was to be undone.
        if let Refusal::Drifted { now } = refusal
            && (way == Way::Undo || self.is_resent || task.is_finally())
            && covers(now, &to)
        {
            self.in_doubt(way, "the resource already is as wanted");
            return;
        }
        self.write = None;
        let failure = Failure::Refused { resource, from, to, refusal: refusal.clone() };
        match (refusal, way) {
            (Refusal::Busy { .. } | Refusal::Unreachable { .. }, Way::Apply) => self.refused = Some(failure),
            (Refusal::Busy { .. } | Refusal::Unreachable { .. }, Way::Undo) => {}
            (Refusal::Drifted { .. } | Refusal::Api { .. }, Way::Apply) => match &mut self.known {
                // It was sent once more because it was written and not in effect: what is written stays so.
                Known::Applied { trouble, .. } => *trouble = trouble.take().or(Some(refused_again(refusal))),
                Known::Unclear { .. } => {}
                Known::NotBegun
                | Known::Skipped
                | Known::NotRun
                | Known::Unchanged
                | Known::Failed(_)
                | Known::RolledBack => self.known = Known::Failed(failure),
            },
            (Refusal::Drifted { .. } | Refusal::Api { .. }, Way::Undo) => self.not_undone(failure),
        }
    }

    /// The resource was observed: what is there decides what the write was worth.
    fn observed(&mut self, task: &Task, way: Way, seen: &Value) -> Companions {
        let own = match &self.write {
            Some(Write { stage: Stage::Doubt { trouble, .. }, .. }) => trouble.clone(),
            Some(Write { stage: Stage::Announced | Stage::Running { .. }, .. }) => None,
            None => return self.observed_again(task, way, seen),
        };
        self.settled(task, way, seen, own)
    }

    /// The same while a write of ours was in flight.
    fn settled(&mut self, task: &Task, way: Way, seen: &Value, trouble: Option<Trouble>) -> Companions {
        let change = self.change(task, way);
        self.write = None;
        let Some(change) = change else { return Companions::AsBefore };
        let (reached, untouched) = (covers(seen, &change.to), covers(seen, &change.from));
        let seen = change.owned(seen);
        let failed = match trouble {
            Some(Trouble::Reported(why)) => Some(why),
            Some(Trouble::Seen(why)) => reached.then_some(why),
            None => None,
        };
        let resource = change.resource.clone();
        match (way, failed) {
            (Way::Apply, None) if reached => self.applied(task, seen, None),
            (Way::Apply, None) if untouched => {
                self.is_resent = true;
                self.not_applied(Known::NotBegun)
            }
            (Way::Apply, None) => self.unclear(seen.clone(), Failure::ConcurrentChange { resource, seen }),
            (Way::Apply, Some(why)) if untouched => {
                self.known = Known::Failed(Failure::Operation { resource, why, seen, took_effect: false });
                Companions::AsBefore
            }
            (Way::Apply, Some(why)) => self.applied(task, seen, Some(why)),
            (Way::Undo, None) if reached => {
                (self.known, self.not_undone) = (Known::RolledBack, None);
                Companions::AsBefore
            }
            // It is sent again.
            (Way::Undo, None) if untouched => Companions::AsBefore,
            (Way::Undo, None) => {
                self.not_undone(Failure::ConcurrentChange { resource, seen });
                Companions::AsBefore
            }
            (Way::Undo, Some(why)) => {
                self.not_undone(Failure::Operation { resource, why, seen, took_effect: !untouched });
                Companions::AsBefore
            }
        }
    }

    /// The same while nothing of ours was in flight.
    fn observed_again(&mut self, task: &Task, way: Way, seen: &Value) -> Companions {
        let trouble = self.trouble.take();
        let Some(change) = self.change(task, way) else { return Companions::AsBefore };
        let (reached, untouched) = (covers(seen, &change.to), covers(seen, &change.from));
        let seen = change.owned(seen);
        match way {
            Way::Apply if reached => self.applied(task, seen, trouble),
            Way::Apply if untouched => self.not_applied(Known::NotBegun),
            Way::Apply if self.seen() == Some(&seen) => Companions::AsBefore,
            Way::Apply => self.unclear(seen.clone(), Failure::ConcurrentChange { resource: change.resource, seen }),
            Way::Undo if reached => {
                (self.known, self.not_undone) = (Known::RolledBack, None);
                Companions::AsBefore
            }
            Way::Undo if untouched => self.applied(task, seen, None),
            Way::Undo => {
                self.not_undone(Failure::ConcurrentChange { resource: change.resource, seen });
                Companions::AsBefore
            }
        }
    }

    /// The resource is gone. Before its write was sent, nothing of that is applied.
    fn missing(&mut self, task: &Task, way: Way) -> Companions {
        let gone = |change: &Change| Failure::Missing { resource: change.resource.clone() };
        let is_unsent = matches!(&self.write, Some(Write { stage: Stage::Announced, .. }));
        match self.change(task, way).filter(|_| is_unsent && way == Way::Apply) {
            Some(change) => {
                self.write = None;
                self.not_applied(Known::Failed(gone(&change)))
            }
            None => self.lost(task, way, gone),
        }
    }

    /// Nothing is known of the resource's state, and its write is not awaited any longer.
    fn lost(&mut self, task: &Task, way: Way, why: impl FnOnce(&Change) -> Failure) -> Companions {
        let change = self.change(task, way);
        self.write = None;
        match (way, change) {
            (_, None) => Companions::AsBefore,
            (Way::Apply, Some(change)) => self.unclear(Value::Null, why(&change)),
            (Way::Undo, Some(change)) => {
                self.not_undone(why(&change));
                Companions::AsBefore
            }
        }
    }

    /// Somebody said whether something of a failed write took effect. How much of it is not known even then.
    fn took_effect(&mut self, task: &Task, way: Way, why: &str, choice: Choice) -> Companions {
        let Some(change) = self.change(task, way) else { return Companions::AsBefore };
        let reported = || Some(Trouble::Reported(why.to_owned()));
        let is_sent = self.write.is_some();
        match (choice, way) {
            (Choice::Yes, Way::Apply) => self.settled(task, way, &Value::Null, reported()),
            (Choice::Yes, Way::Undo) => self.settled(task, way, &change.to, None),
            (Choice::No, Way::Apply) if !is_sent => {
                let (resource, seen) = (change.resource, change.from);
                let why = why.to_owned();
                self.not_applied(Known::Failed(Failure::Operation { resource, why, seen, took_effect: false }))
            }
            (Choice::No, _) => self.settled(task, way, &change.from, reported()),
            (Choice::Unknown, _) => {
                let why = why.to_owned();
                self.lost(task, way, |change| Failure::Unknown { resource: change.resource.clone(), why })
            }
            (
                Choice::Retry | Choice::Continue | Choice::Stop | Choice::Rollback | Choice::Skip | Choice::AllInPhase,
                _,
            ) => Companions::AsBefore,
        }
    }

    /// Somebody said whether a write happened that cannot be observed.
    fn doubted(&mut self, task: &Task, way: Way, choice: Choice) -> Companions {
        let Some(change) = self.change(task, way) else { return Companions::AsBefore };
        let is_failed = matches!(&self.write, Some(Write { stage: Stage::Doubt { trouble: Some(_), .. }, .. }));
        match choice {
            Choice::Yes => self.observed(task, way, &change.to),
            // It is asked for again before it is sent.
            Choice::No if way == Way::Apply && !is_failed => {
                self.write = None;
                self.observed_again(task, way, &change.from)
            }
            Choice::No => self.observed(task, way, &change.from),
            Choice::Retry
            | Choice::Continue
            | Choice::Stop
            | Choice::Rollback
            | Choice::Skip
            | Choice::AllInPhase
            | Choice::Unknown => Companions::AsBefore,
        }
    }

    /// It failed, and the engine asked what to do about that.
    fn asked_about_failure(&mut self, failure: &Failure, choice: Choice) {
        match (&self.known, choice) {
            (Known::Failed(_), Choice::Retry) => self.known = Known::NotBegun,
            (Known::NotBegun, choice) if choice != Choice::Retry => self.known = Known::Failed(failure.clone()),
            (
                Known::NotBegun
                | Known::Failed(_)
                | Known::Skipped
                | Known::NotRun
                | Known::Unchanged
                | Known::Applied { .. }
                | Known::Unclear { .. }
                | Known::RolledBack,
                _,
            ) => {}
        }
    }

    fn skipped(&mut self) {
        if matches!(self.known, Known::NotBegun | Known::Failed(_)) {
            self.known = Known::Skipped;
        }
    }

    fn required(&mut self, found: &PreconditionResult) {
        match (found, &self.known) {
            (PreconditionResult::Unmet { why, .. }, Known::NotBegun | Known::Failed(_)) => {
                self.known = Known::Failed(Failure::PreconditionsUnmet { why: why.clone() });
            }
            (PreconditionResult::Met { .. }, Known::Failed(_)) => self.known = Known::NotBegun,
            (
                PreconditionResult::Met { .. } | PreconditionResult::Unmet { .. },
                Known::NotBegun
                | Known::Skipped
                | Known::NotRun
                | Known::Unchanged
                | Known::Applied { .. }
                | Known::Unclear { .. }
                | Known::RolledBack,
            ) => {}
        }
    }

    fn applied(&mut self, task: &Task, seen: Value, trouble: Option<String>) -> Companions {
        let whole = task.change.as_ref().is_some_and(|change| covers(&seen, &change.to));
        self.known = Known::Applied { seen, trouble };
        if whole && !task.reversibility.is_irreversible() { Companions::Applied } else { Companions::NotApplied }
    }

    fn not_applied(&mut self, known: Known) -> Companions {
        self.known = known;
        Companions::NotApplied
    }

    fn unclear(&mut self, seen: Value, why: Failure) -> Companions {
        self.known = Known::Unclear { seen, why };
        Companions::NotApplied
    }

    fn not_undone(&mut self, why: Failure) {
        self.not_undone = Some(NotUndone::Failed(Box::new(why)));
    }

    /// A companion's change is applied together with that which it is made for, and is no longer looked for without it.
    fn follow(&mut self, task: &Task, companions: Companions) {
        let Some(change) = &task.change else { return };
        match companions {
            Companions::AsBefore => {}
            Companions::Applied => self.known = Known::Applied { seen: change.to.clone(), trouble: None },
            Companions::NotApplied => self.known = Known::NotBegun,
        }
    }
}

impl View {
    /// Takes what an event says of changes.
    pub(super) fn take_changes(&mut self, event: &Event) {
        match event {
            Event::Intended { op } => self.write(op, |change, task| {
                if task.is_finally() {
                    // What an earlier ending left of it is no more.
                    *change = TaskChange::default();
                }
                change.announced(op.way);
                Companions::AsBefore
            }),
            Event::OperationStarted { op, operation } => self.write(op, |change, _| {
                change.begun(op.way, operation);
                Companions::AsBefore
            }),
            Event::InDoubt { op, why } => self.write(op, |change, _| {
                change.in_doubt(op.way, why);
                Companions::AsBefore
            }),
            Event::Refused { op, refusal } => self.write(op, |change, task| {
                change.refused(task, op.way, refusal);
                Companions::AsBefore
            }),
            Event::Failed { op, why } => self.write(op, |change, task| change.failed(task, why)),
            Event::StateObserved { op, seen } => self.write(op, |change, task| change.observed(task, op.way, seen)),
            Event::Missing { op } => self.write(op, |change, task| change.missing(task, op.way)),
            Event::OperationTimedOut { op, operation, limit } => self.write(op, |change, task| {
                let (operation, limit) = (operation.clone(), *limit);
                let overdue = |change: &Change| Failure::OperationTimedOut {
                    resource: change.resource.clone(),
                    operation,
                    limit,
                };
                change.lost(task, op.way, overdue)
            }),
            Event::Answered { question, choice, .. } => self.take_answer(question, *choice),
            Event::PreconditionsChecked { task, found } => self.on(task, |change, _| change.required(found)),
            Event::Unchanged { task } => self.on(task, |change, task| {
                change.known = if task.is_not_run() { Known::NotRun } else { Known::Unchanged };
            }),
            Event::Waited { task } | Event::Notified { task, .. } => {
                self.on(task, |change, _| change.known = Known::Unchanged);
            }
            Event::Resumed { .. } => self.all(|change| {
                change.taken_up();
                // What was kept stays so; what could not be undone is tried again.
                if matches!(change.not_undone, Some(NotUndone::Failed(_))) {
                    change.not_undone = None;
                }
            }),
            Event::RollbackRequested { .. } => self.all(|change| {
                change.taken_up();
                change.not_undone = None;
            }),
            Event::Ended { ending } => self.take_ending(ending),
            Event::Started { .. }
            | Event::Paused { .. }
            | Event::Suspended { .. }
            | Event::StopRequested { .. }
            | Event::Assessed { .. }
            | Event::GuardSampled { .. }
            | Event::DriftChecked { .. }
            | Event::EscalationDecided { .. }
            | Event::ClosureEvaluated { .. }
            | Event::ServicesObserved { .. }
            | Event::Polled { .. }
            | Event::GateOpened { .. }
            | Event::Sampled { .. }
            | Event::GateClosed { .. } => {}
        }
    }

    fn take_answer(&mut self, question: &Question, choice: Choice) {
        match question {
            Question::TookEffect { op, why } => {
                self.write(op, |change, task| change.took_effect(task, op.way, why, choice));
            }
            Question::Doubt { op } => self.write(op, |change, task| change.doubted(task, op.way, choice)),
            Question::Failed { task, failure, .. } => {
                self.on(task, |change, _| change.asked_about_failure(failure, choice));
            }
            Question::Apply { task } | Question::Irreversible { task, .. } | Question::Confirm { task, .. } => {
                if self.leaves_out(task, choice) {
                    self.on(task, |change, _| change.skipped());
                }
            }
            Question::Interrupted { .. } | Question::Restore { .. } => {}
        }
    }

    fn take_ending(&mut self, ending: &Ending) {
        let none: &[TaskId] = &[];
        let (left, kept, not_restored): (&[NotRolledBack], _, _) = match ending {
            Ending::Stuck { left, kept, not_restored } => (left, kept.as_slice(), not_restored.as_slice()),
            Ending::RolledBack { follow_ups, kept, not_restored, .. } => {
                (follow_ups, kept.as_slice(), not_restored.as_slice())
            }
            Ending::Done { failed, .. } => {
                for task in failed {
                    self.on(task, |change, _| {
                        if let (Known::NotBegun, Some(refused)) = (&change.known, &change.refused) {
                            change.known = Known::Failed(refused.clone());
                        }
                    });
                }
                (&[], none, none)
            }
            Ending::Stopped { .. } | Ending::Declined { .. } => (&[], none, none),
        };
        for task in kept {
            self.on(task, |change, _| change.not_undone = Some(NotUndone::Kept(KeptBecause::Irreversible)));
        }
        for task in not_restored {
            self.on(task, |change, _| change.not_undone = Some(NotUndone::Kept(KeptBecause::Unhealthy)));
        }
        for NotRolledBack { task, why } in left {
            self.on(task, |change, _| change.not_undone(why.clone()));
        }
    }

    fn write(&mut self, op: &OpId, take: impl FnOnce(&mut TaskChange, &Task) -> Companions) {
        let Some(place) = self.place(&op.task) else { return };
        let Some(TaskView { task, change, .. }) = self.tasks.get_mut(place) else { return };
        let companions = take(change, task);
        let id = task.id.clone();
        let near = self.tasks.iter_mut().skip(place.saturating_sub(1)).take(3);
        for view in near.filter(|view| view.task.back_for.as_ref() == Some(&id)) {
            view.change.follow(&view.task, companions);
        }
    }

    fn on(&mut self, id: &TaskId, take: impl FnOnce(&mut TaskChange, &Task)) {
        let view = self.place(id).and_then(|place| self.tasks.get_mut(place));
        if let Some(TaskView { task, change, .. }) = view {
            take(change, task);
        }
    }

    fn all(&mut self, take: impl Fn(&mut TaskChange)) {
        self.tasks.iter_mut().for_each(|view| take(&mut view.change));
    }
}

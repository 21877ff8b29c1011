//! Where a run stands, for people: the fold of its entries that every report is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::change::Change;
use super::change_status::{ChangeStatus, TaskChange};
use super::event::{Choice, Ending, Entry, Event, Failure, GateOutcome, PreconditionResult, Question};
use super::id::{OpId, RunId, TaskId, Way};
use super::least_time::least_time;
use super::program::NOT_RUN;
use super::task::{Task, Work};
use super::verdict::CriterionResult;
use crate::clock::between;
use crate::gate::{Gate, GateRule};

/// A run as people look at it.
#[derive(Clone, Debug)]
pub struct View {
    /// The run's id, once it has begun.
    pub run: Option<RunId>,
    /// The runbook's name.
    pub runbook: String,
    /// Where its calls go, in words.
    pub cloud: String,
    /// When it began.
    pub started: Option<Timestamp>,
    /// The time of the newest entry.
    pub now: Timestamp,
    /// Every task of the plan, in order.
    pub tasks: Vec<TaskView>,
    /// Where each task stands among them.
    places: BTreeMap<TaskId, usize>,
    /// How long each phase may take, by name.
    pub budgets: BTreeMap<String, Duration>,
    /// The phases for people, in order: name and title.
    pub titles: Vec<(String, String)>,
    /// How the run ended, if it has and nobody took it up again.
    pub ending: Option<Ending>,
    /// Who asked the run to stop, until somebody resumes it.
    pub stopped_by: Option<String>,
    /// Phases whose ordinary changes were all approved at once, and who approved them.
    pub approved_phases: BTreeMap<String, String>,
    /// How what must hold for the end of the incident stood when the work was done.
    pub closure: Vec<CriterionResult>,
}

/// A task and where it stands.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub status: TaskStatus,
    /// When it came to stand there.
    pub since: Option<Timestamp>,
    /// What was last seen of the resource.
    pub seen: Option<Value>,
    /// What is known of its change.
    pub(super) change: TaskChange,
    /// How long it takes at least, from its beginning.
    least_time: Duration,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskStatus {
    /// Its turn has not come.
    Waiting,
    /// Its write is under way.
    Writing {
        /// Which way.
        way: Way,
        /// The long-running operation's name, once known.
        operation: Option<String>,
    },
    /// Its write may or may not have happened.
    InDoubt {
        /// Which way.
        way: Way,
    },
    /// Its change is in force; nothing was proven yet.
    Applied,
    /// It lets time pass.
    Pausing,
    /// Its gate is open.
    GateOpen(Gate),
    /// The operator left it out.
    Skipped,
    /// Its program was left out: this is a rehearsal.
    NotRun,
    /// Undone, and its gate is open to show that nothing is worse for it.
    UndoGateOpen(Gate),
    /// Done, with what its gate proved, if it has one.
    Done {
        /// The gate's verdict.
        proof: Option<GateOutcome>,
    },
    /// Failed.
    Failed,
    /// Undone.
    Undone,
    /// Should have been undone and could not be.
    NotRolledBack,
}

impl TaskStatus {
    /// In a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            TaskStatus::Waiting => "to come",
            TaskStatus::Writing { way: Way::Apply, .. } => "changing",
            TaskStatus::Writing { way: Way::Undo, .. } => "changing back",
            TaskStatus::InDoubt { .. } => "outcome unknown",
            TaskStatus::Applied => "applied",
            TaskStatus::Pausing => "waiting",
            TaskStatus::GateOpen(_) => "gate pending",
            TaskStatus::Skipped => "left out",
            TaskStatus::NotRun => NOT_RUN,
            TaskStatus::UndoGateOpen(_) => "undone, gate pending",
            TaskStatus::Done { .. } => "done",
            TaskStatus::Failed => "failed",
            TaskStatus::Undone => "undone",
            TaskStatus::NotRolledBack => "could not be undone",
        }
    }
}

impl TaskView {
    /// What became of its change. Whether something is applied is said here and nowhere else.
    pub fn change_status(&self) -> ChangeStatus {
        self.change.status()
    }

    /// The change that a rollback of it would make, if it changes something.
    pub fn undo(&self) -> Option<Change> {
        self.task.change.as_ref().map(|change| self.change.undo(change))
    }

    /// How long it takes at least from now on, if it goes forward.
    fn least_time_left(&self, now: Timestamp) -> Duration {
        match &self.status {
            TaskStatus::Waiting
            | TaskStatus::Writing { way: Way::Apply, .. }
            | TaskStatus::InDoubt { way: Way::Apply }
            | TaskStatus::Applied => self.least_time,
            TaskStatus::Pausing => {
                let spent = self.since.map(|since| between(since, now)).unwrap_or_default();
                self.least_time.saturating_sub(spent)
            }
            TaskStatus::GateOpen(gate) => between(now, gate.earliest(now)),
            TaskStatus::Writing { way: Way::Undo, .. }
            | TaskStatus::InDoubt { way: Way::Undo }
            | TaskStatus::UndoGateOpen(_)
            | TaskStatus::Skipped
            | TaskStatus::NotRun
            | TaskStatus::Done { .. }
            | TaskStatus::Failed
            | TaskStatus::Undone
            | TaskStatus::NotRolledBack => Duration::ZERO,
        }
    }

    /// What its gate asks: that of its undo while that is being proven.
    pub fn rule(&self) -> Option<&GateRule> {
        let undone = matches!(self.status, TaskStatus::UndoGateOpen(_));
        if undone { self.task.undo_gate.as_ref() } else { self.task.gate.as_ref() }
    }
}

impl View {
    /// A run that did this.
    pub fn of(work: &Work, entries: &[Entry]) -> View {
        let mut view = View::new(work);
        for entry in entries {
            view.apply(entry);
        }
        view
    }

    /// A run that has this to do, and of which nothing is known yet.
    pub fn new(work: &Work) -> View {
        let tasks = work.tasks.iter().map(|task| TaskView {
            task: task.clone(),
            status: TaskStatus::Waiting,
            since: None,
            seen: None,
            change: TaskChange::default(),
            least_time: task.least_time(),
        });
        View {
            run: None,
            runbook: String::new(),
            cloud: String::new(),
            started: None,
            now: Timestamp::UNIX_EPOCH,
            tasks: tasks.collect(),
            places: work.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect(),
            budgets: work.budgets.clone(),
            titles: work.titles.clone(),
            ending: None,
            stopped_by: None,
            approved_phases: BTreeMap::new(),
            closure: Vec::new(),
        }
    }

    /// How long the run takes at least from now on, if it goes forward: its gates and pauses, without its operations.
    pub fn least_time_left(&self) -> Duration {
        least_time(self.tasks.iter().map(|view| (&view.task, view.least_time_left(self.now))))
    }

    /// Which of how many tasks this is, for people: those that are made on the way back only are not counted.
    pub fn number(&self, id: &TaskId) -> Option<(usize, usize)> {
        let counted = || self.tasks.iter().filter(|view| view.task.back_for.is_none());
        Some((counted().position(|view| view.task.id == *id)? + 1, counted().count()))
    }

    /// The task of this id.
    pub fn task(&self, id: &TaskId) -> Option<&TaskView> {
        self.tasks.get(self.place(id)?)
    }

    /// Where the task stands among all tasks.
    pub(super) fn place(&self, id: &TaskId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Takes one more entry.
    pub fn apply(&mut self, entry: &Entry) {
        self.now = entry.at;
        self.take_changes(&entry.event);
        match &entry.event {
            Event::Started { run, runbook, cloud, .. } => {
                self.run = Some(run.clone());
                self.runbook.clone_from(runbook);
                self.cloud.clone_from(cloud);
                self.started = Some(entry.at);
            }
            Event::Resumed { .. } | Event::RollbackRequested { .. } => {
                self.ending = None;
                self.stopped_by = None;
            }
            Event::Suspended { .. } => {
                for view in &mut self.tasks {
                    if let TaskStatus::GateOpen(gate) | TaskStatus::UndoGateOpen(gate) = &mut view.status {
                        *gate = gate.reopened(entry.at);
                    }
                }
            }
            Event::StopRequested { by } => self.stopped_by = Some(by.clone()),
            Event::Ended { ending } => self.end(ending),
            Event::Answered { question: Question::TookEffect { op, .. } | Question::Doubt { op }, .. }
            | Event::Intended { op }
            | Event::OperationStarted { op, .. }
            | Event::Failed { op, .. }
            | Event::InDoubt { op, .. } => self.written(op),
            Event::Answered { question, choice, by, .. } => self.answered(question, *choice, by),
            Event::Unchanged { task } if self.task(task).is_some_and(|view| view.task.is_not_run()) => {
                self.set_status(task, TaskStatus::NotRun);
            }
            Event::Unchanged { task } => {
                let rests = self.task(task).is_some_and(|view| view.task.pause.is_some());
                self.set_status(task, if rests { TaskStatus::Pausing } else { TaskStatus::Applied });
            }
            Event::Waited { task } | Event::Notified { task, .. } => self.set_status(task, TaskStatus::Applied),
            Event::PreconditionsChecked { task, found: PreconditionResult::Unmet { .. } } => {
                self.set_status(task, TaskStatus::Failed);
            }
            Event::Paused { .. }
            | Event::Assessed { .. }
            | Event::ServicesObserved { .. }
            | Event::PreconditionsChecked { .. }
            | Event::GuardSampled { .. }
            | Event::DriftChecked { .. }
            | Event::Polled { .. }
            | Event::EscalationDecided { .. } => {}
            Event::ClosureEvaluated { criteria } => self.closure.clone_from(criteria),
            Event::StateObserved { op, seen } => {
                self.written(op);
                if let Some(view) = self.find(&op.task) {
                    view.seen = Some(seen.clone());
                }
            }
            Event::Refused { op, .. } | Event::Missing { op } | Event::OperationTimedOut { op, .. } => {
                self.set_status(
                    &op.task,
                    if op.way == Way::Undo { TaskStatus::NotRolledBack } else { TaskStatus::Failed },
                );
            }
            Event::GateOpened { task, breaks } => {
                let Some(view) = self.task(task) else { return };
                // What is not applied is proven only after it was undone, or was found not to be applied.
                let undone = view.task.change.is_some() && !view.change_status().is_applied();
                let rule = if undone { view.task.undo_gate.clone() } else { view.task.gate.clone() };
                if let Some(gate) = rule.map(|rule| Gate::open_after(rule, entry.at, breaks)) {
                    self.set_status(
                        task,
                        if undone { TaskStatus::UndoGateOpen(gate) } else { TaskStatus::GateOpen(gate) },
                    );
                }
            }
            Event::Sampled { task, probe, observation } => {
                if let Some(TaskView { status: TaskStatus::GateOpen(gate) | TaskStatus::UndoGateOpen(gate), .. }) =
                    self.find(task)
                {
                    gate.see(probe, observation, entry.at);
                }
            }
            Event::GateClosed { task, outcome } => {
                let undone = self.task(task).is_some_and(|view| matches!(view.status, TaskStatus::UndoGateOpen(_)));
                let status = match outcome {
                    GateOutcome::Passed { .. } if undone => TaskStatus::Undone,
                    GateOutcome::Failed { .. } if undone => TaskStatus::NotRolledBack,
                    GateOutcome::Passed { .. } => TaskStatus::Done { proof: Some(outcome.clone()) },
                    GateOutcome::Failed { .. } => TaskStatus::Failed,
                };
                self.set_status(task, status);
            }
        }
    }

    fn find(&mut self, id: &TaskId) -> Option<&mut TaskView> {
        self.tasks.get_mut(*self.places.get(id)?)
    }

    fn set_status(&mut self, id: &TaskId, status: TaskStatus) {
        let now = self.now;
        if let Some(view) = self.find(id) {
            let done = status == TaskStatus::Applied && view.task.gate.is_none();
            view.status = if done { TaskStatus::Done { proof: None } } else { status };
            view.since = Some(now);
        }
    }

    /// Something is known of a write: where its task stands follows from what became of its change.
    fn written(&mut self, op: &OpId) {
        let Some(status) = self.task(&op.task).map(TaskView::change_status) else { return };
        let status = match (status, op.way) {
            (ChangeStatus::InFlight { way, operation }, _) => TaskStatus::Writing { way, operation },
            (ChangeStatus::InDoubt { way, .. }, _) | (ChangeStatus::Unclear { .. }, way) => TaskStatus::InDoubt { way },
            (ChangeStatus::Applied { trouble: None }, Way::Apply) | (ChangeStatus::Unchanged, _) => TaskStatus::Applied,
            (ChangeStatus::Applied { .. }, Way::Apply) | (ChangeStatus::Failed { .. }, _) => TaskStatus::Failed,
            // It is seen not to be undone, and is sent again.
            (ChangeStatus::Applied { .. }, Way::Undo) => TaskStatus::Writing { way: Way::Undo, operation: None },
            (ChangeStatus::RolledBack, _) => TaskStatus::Undone,
            (ChangeStatus::NotRolledBack { .. } | ChangeStatus::Kept(_), _) => TaskStatus::NotRolledBack,
            // It is seen not to have happened, and is sent again.
            (ChangeStatus::NotBegun, _) => TaskStatus::Waiting,
            (ChangeStatus::Skipped, _) => TaskStatus::Skipped,
            (ChangeStatus::NotRun, _) => TaskStatus::NotRun,
        };
        self.set_status(&op.task, status);
        self.bring_beside(&op.task);
    }

    /// What is made on the way back only is applied once the change beside it is.
    fn bring_beside(&mut self, id: &TaskId) {
        let Some(place) = self.place(id) else { return };
        let now = self.now;
        let near = self.tasks.iter_mut().skip(place.saturating_sub(1)).take(3);
        let waits = |view: &&mut TaskView| {
            view.task.back_for.as_ref() == Some(id)
                && view.status == TaskStatus::Waiting
                && view.change_status().is_applied()
        };
        for view in near.filter(waits) {
            view.status = TaskStatus::Done { proof: None };
            view.since = Some(now);
        }
    }

    /// A settled write is only known to be worth nothing once the machine asks what to do about it.
    fn answered(&mut self, question: &Question, choice: Choice, by: &str) {
        match question {
            Question::Apply { task } if choice == Choice::AllInPhase => {
                let phase = self.task(task).map(|view| view.task.phase.clone());
                self.approved_phases.extend(phase.map(|phase| (phase, by.to_owned())));
            }
            Question::Failed { failure, .. } if matches!(**failure, Failure::Unknown { .. }) => {}
            Question::Failed { task, .. } => self.set_status(task, TaskStatus::Failed),
            Question::Apply { task } | Question::Irreversible { task, .. } | Question::Confirm { task, .. }
                if self.leaves_out(task, choice) =>
            {
                self.set_status(task, TaskStatus::Skipped);
            }
            _ => {}
        }
    }

    /// Whether this answer to a question about a task leaves it out: of one that is done finally also a no.
    pub(super) fn leaves_out(&self, task: &TaskId, choice: Choice) -> bool {
        let is_finally = || self.task(task).is_some_and(|view| view.task.is_finally());
        choice == Choice::Skip || choice == Choice::No && is_finally()
    }

    fn end(&mut self, ending: &Ending) {
        match ending {
            Ending::Stuck { left, .. } => {
                for left in left {
                    self.set_status(&left.task, TaskStatus::NotRolledBack);
                }
            }
            // With a task, the rest of its step was left out.
            Ending::Done { skipped, .. } => {
                for task in skipped {
                    self.set_status(task, TaskStatus::Skipped);
                }
            }
            Ending::RolledBack { .. } | Ending::Stopped { .. } | Ending::Declined { .. } => {}
        }
        self.ending = Some(ending.clone());
    }
}

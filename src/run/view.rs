//! Where a run stands, for people: the fold of its entries that every report is made of.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::change::covers;
use super::event::{Choice, Ending, Entry, Event, GateOutcome, Question, Requirement};
use super::id::{OpId, RunId, TaskId, Way};
use super::task::{Task, Work};
use super::verdict::Judged;
use crate::gate::{Gate, Rule};

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
    /// How the run ended, if it has and nobody took it up again.
    pub ending: Option<Ending>,
    /// Who asked the run to stop, until somebody resumes it.
    pub stopped_by: Option<String>,
    /// How what must hold for the end of the incident stood when the work was done.
    pub closure: Vec<Judged>,
}

/// A task and where it stands.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub standing: Standing,
    /// When it came to stand there.
    pub since: Option<Timestamp>,
    /// What was last seen of the resource.
    pub seen: Option<Value>,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
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
    Resting,
    /// Its gate is open.
    Proving(Gate),
    /// The operator left it out.
    Skipped,
    /// Undone, and its gate is open to show that nothing is worse for it.
    ProvingUndo(Gate),
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
    Left,
}

impl Standing {
    /// In a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Waiting => "to come",
            Standing::Writing { way: Way::Apply, .. } => "changing",
            Standing::Writing { way: Way::Undo, .. } => "changing back",
            Standing::InDoubt { .. } => "outcome not known",
            Standing::Applied => "applied",
            Standing::Resting => "waiting",
            Standing::Proving(_) => "proving",
            Standing::Skipped => "left out",
            Standing::ProvingUndo(_) => "undone, proving",
            Standing::Done { .. } => "done",
            Standing::Failed => "failed",
            Standing::Undone => "undone",
            Standing::Left => "could not be undone",
        }
    }
}

impl TaskView {
    /// What its gate asks: that of its undo while that is being proven.
    pub fn rule(&self) -> Option<&Rule> {
        let undone = matches!(self.standing, Standing::ProvingUndo(_));
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
            standing: Standing::Waiting,
            since: None,
            seen: None,
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
            ending: None,
            stopped_by: None,
            closure: Vec::new(),
        }
    }

    /// The task of this id.
    pub fn task(&self, id: &TaskId) -> Option<&TaskView> {
        self.tasks.get(*self.places.get(id)?)
    }

    /// Takes one more entry.
    pub fn apply(&mut self, entry: &Entry) {
        self.now = entry.at;
        match &entry.event {
            Event::Started { run, runbook, cloud, .. } => {
                self.run = Some(run.clone());
                self.runbook.clone_from(runbook);
                self.cloud.clone_from(cloud);
                self.started = Some(entry.at);
            }
            Event::Resumed { .. } | Event::RollbackAsked { .. } => {
                self.ending = None;
                self.stopped_by = None;
            }
            Event::StopAsked { by } => self.stopped_by = Some(by.clone()),
            Event::Ended { ending } => self.end(ending),
            Event::Answered { question, choice, .. } => self.answered(question, *choice),
            Event::Unchanged { task } => {
                let rests = self.task(task).is_some_and(|view| view.task.pause.is_some());
                self.stand(task, if rests { Standing::Resting } else { Standing::Applied });
            }
            Event::Waited { task } | Event::Notified { task, .. } => self.stand(task, Standing::Applied),
            Event::Required { task, found: Requirement::Unmet { .. } } => self.stand(task, Standing::Failed),
            Event::Required { .. }
            | Event::Watched { .. }
            | Event::Compared { .. }
            | Event::Polled { .. }
            | Event::Decided { .. } => {}
            Event::Closed { criteria } => self.closure.clone_from(criteria),
            Event::Intended { op } => self.writing(op, None),
            Event::Begun { op, operation } => self.writing(op, Some(operation.clone())),
            Event::Settled { op, seen } => self.settled(op, seen),
            Event::Refused { op, .. } => {
                self.stand(&op.task, if op.way == Way::Undo { Standing::Left } else { Standing::Failed });
            }
            Event::Failed { op, .. } | Event::InDoubt { op, .. } => {
                self.stand(&op.task, Standing::InDoubt { way: op.way });
            }
            Event::GateOpened { task } => {
                let Some(view) = self.task(task) else { return };
                let undone = matches!(view.standing, Standing::Undone | Standing::Left);
                let rule = if undone { view.task.undo_gate.clone() } else { view.task.gate.clone() };
                if let Some(gate) = rule.map(|rule| Gate::open(rule, entry.at)) {
                    self.stand(task, if undone { Standing::ProvingUndo(gate) } else { Standing::Proving(gate) });
                }
            }
            Event::Observed { task, probe, observation } => {
                if let Some(TaskView { standing: Standing::Proving(gate) | Standing::ProvingUndo(gate), .. }) =
                    self.find(task)
                {
                    gate.see(probe, observation, entry.at);
                }
            }
            Event::GateClosed { task, outcome } => {
                let undone = self.task(task).is_some_and(|view| matches!(view.standing, Standing::ProvingUndo(_)));
                let standing = match outcome {
                    GateOutcome::Passed { .. } if undone => Standing::Undone,
                    GateOutcome::Failed { .. } if undone => Standing::Left,
                    GateOutcome::Passed { .. } => Standing::Done { proof: Some(outcome.clone()) },
                    GateOutcome::Failed { .. } => Standing::Failed,
                };
                self.stand(task, standing);
            }
        }
    }

    fn find(&mut self, id: &TaskId) -> Option<&mut TaskView> {
        self.tasks.get_mut(*self.places.get(id)?)
    }

    fn stand(&mut self, id: &TaskId, standing: Standing) {
        let now = self.now;
        if let Some(view) = self.find(id) {
            let done = standing == Standing::Applied && view.task.gate.is_none();
            view.standing = if done { Standing::Done { proof: None } } else { standing };
            view.since = Some(now);
        }
    }

    fn writing(&mut self, op: &OpId, operation: Option<String>) {
        self.stand(&op.task, Standing::Writing { way: op.way, operation });
    }

    fn settled(&mut self, op: &OpId, seen: &Value) {
        let standing = match op.way {
            Way::Apply => Standing::Applied,
            Way::Undo => Standing::Undone,
        };
        self.stand(&op.task, standing);
        let Some(place) = self.places.get(&op.task).copied() else { return };
        if let Some(view) = self.tasks.get_mut(place) {
            view.seen = Some(seen.clone());
        }
        self.bring_beside(op.way, place, seen);
    }

    /// What is made on the way back only is in force once the change beside it is.
    fn bring_beside(&mut self, way: Way, place: usize, seen: &Value) {
        let Some(Task { id, change: Some(change), .. }) = self.tasks.get(place).map(|view| &view.task) else { return };
        if way == Way::Undo || !covers(seen, &change.to) {
            return;
        }
        let id = id.clone();
        let near = self.tasks.iter_mut().skip(place.saturating_sub(1)).take(3);
        for view in near.filter(|view| view.task.back_for.as_ref() == Some(&id)) {
            view.standing = Standing::Done { proof: None };
            view.since = Some(self.now);
        }
    }

    /// A settled write is only known to be worth nothing once the machine asks what to do about it.
    fn answered(&mut self, question: &Question, choice: Choice) {
        match question {
            Question::Failed { task, .. } => self.stand(task, Standing::Failed),
            Question::Apply { task } | Question::OneWay { task, .. } | Question::Confirm { task, .. }
                if choice == Choice::Skip =>
            {
                self.stand(task, Standing::Skipped);
            }
            _ => {}
        }
    }

    fn end(&mut self, ending: &Ending) {
        if let Ending::Stuck { left, .. } = ending {
            for left in left {
                self.stand(&left.task, Standing::Left);
            }
        }
        self.ending = Some(ending.clone());
    }
}

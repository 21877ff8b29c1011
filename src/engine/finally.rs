//! The phases with `finally = true`: what is done whenever a run is about to end.
//!
//! Once the outcome of a run is decided, its finally tasks are worked through like any others, forwards, and then it ends with that
//! outcome: what they do is not rolled back, and what fails of them is continued past. They are worked through again before every further
//! ending of the same run, after a rollback for instance. If the run has sent no change, there is nothing that they could put in order, so
//! that only those of them are done that change nothing. A run that was stopped and has done them is not taken up again: they may have
//! taken back what its next step rests on. It can be rolled back.

use serde_json::Value;

use super::lane::{Lane, batch, forward};
use super::machine::{Direction, Run, TaskProgress};
use crate::run::{Change, Choice, Ending, Task, TaskId};

/// That the finally tasks are being worked through.
#[derive(Clone, Debug)]
pub(super) struct Finally {
    /// How the run ends after them.
    pub(super) outcome: Ending,
    /// Which way the run went before.
    direction: Direction,
    /// Where it would go on if it was taken up after its ending.
    lanes: Vec<Lane>,
}

impl Run {
    /// Whether what the run does now is done finally.
    pub(super) fn is_in_finally(&self) -> bool {
        matches!(self.direction, Direction::Finally(_))
    }

    /// Whether the task at this place is a finally task, so that a rollback leaves it as it is.
    pub(super) fn is_finally(&self, place: usize) -> bool {
        place >= self.border
    }

    /// Whether nothing but finally tasks comes from this place on, and there are any.
    pub(super) fn is_at_border(&self, from: usize) -> bool {
        self.border < self.tasks.len() && forward(&self.tasks, from) >= self.border
    }

    /// How the run is about to end, if it is and nothing else is to be decided first.
    fn outcome(&self) -> Option<Ending> {
        match (&self.stands, &self.direction) {
            (TaskProgress::Over(ending), _) => Some(ending.clone()),
            (TaskProgress::Working, Direction::Forward) => {
                let is_through = self.lanes.iter().all(Lane::is_done) && self.is_at_border(self.end_of_batch());
                // What came up beside the work is asked about first.
                (self.interrupt.is_none() && is_through).then(|| self.end_of_work())
            }
            (TaskProgress::Working, Direction::Back(_)) => {
                let is_at_end = self.lanes.iter().all(|lane| lane.cursor >= self.tasks.len());
                is_at_end.then(|| self.end_of_rollback())
            }
            (TaskProgress::Working, Direction::Turning(_) | Direction::Finally(_)) | (TaskProgress::Ended(_), _) => {
                None
            }
        }
    }

    /// Begins the finally tasks, if there are any and the run is about to end.
    pub(super) fn enter_finally(&mut self) {
        if self.border == self.tasks.len() || self.is_in_finally() {
            return;
        }
        let Some(outcome) = self.outcome() else { return };
        let tasks = &self.tasks;
        let is_finally = |id: &TaskId| tasks.iter().any(|task| task.id == *id && task.is_finally());
        // What failed of them before an earlier ending is tried again.
        self.passed_over.retain(|id| !is_finally(id));
        self.skipped.retain(|id| !is_finally(id));
        let batch = self.finally_batch(self.border);
        let lanes = std::mem::replace(&mut self.lanes, batch);
        let direction = std::mem::replace(&mut self.direction, Direction::Forward);
        self.direction = Direction::Finally(Box::new(Finally { outcome, direction, lanes }));
        self.stands = TaskProgress::Working;
    }

    /// Whether its finally tasks may have taken back what its next task rests on.
    fn is_past_finally(&self) -> bool {
        self.is_in_finally() && self.has_sent
    }

    /// The changes that are made at the end, whatever the outcome, if the run has sent any other.
    pub fn finally(&self) -> Vec<(&Task, &Change)> {
        let tasks = self.tasks.iter().filter(|task| self.has_sent && task.is_finally() && task.back_for.is_none());
        tasks.filter_map(|task| Some((task, task.change.as_ref()?))).collect()
    }

    /// Whether the run has ended for good: it can at most be rolled back.
    pub fn is_over(&self) -> bool {
        match self.ending() {
            Some(Ending::Done { .. } | Ending::RolledBack { .. }) => true,
            Some(Ending::Stopped { .. } | Ending::Declined { .. }) => self.is_past_finally(),
            Some(Ending::Stuck { .. }) | None => false,
        }
    }

    /// The run is taken up after its ending: it is where it was before the finally tasks.
    pub(super) fn leave_finally(&mut self) {
        match std::mem::replace(&mut self.direction, Direction::Forward) {
            Direction::Finally(finally) => (self.direction, self.lanes) = (finally.direction, finally.lanes),
            direction @ (Direction::Forward | Direction::Turning(_) | Direction::Back(_)) => self.direction = direction,
        }
    }

    /// The lanes of the next finally tasks from this place on.
    pub(super) fn finally_batch(&self, from: usize) -> Vec<Lane> {
        let mut from = forward(&self.tasks, from);
        let changes = |task: &Task| task.change.is_some();
        while let Some(step) = self.tasks.get(from).filter(|_| !self.has_sent).map(|task| task.id.step().to_owned()) {
            let own = |task: &&Task| task.id.step() == step;
            let tasks = self.tasks.iter().skip(from).take_while(own);
            if !tasks.clone().any(changes) {
                break;
            }
            from += tasks.count();
        }
        batch(&self.tasks, from)
    }

    /// A finally task has changed a resource: an undo on it starts from what that left.
    pub(super) fn note_finally_left(&mut self, place: usize, seen: &Value) {
        let change = self.tasks.get(place).and_then(|task| task.change.as_ref());
        if let (Some(Change { resource, .. }), true) = (change, self.is_finally(place) && !seen.is_null()) {
            self.finally_left.insert(resource.clone(), seen.clone());
        }
    }

    /// What an undo finds in the place of this, if finally tasks have changed it since.
    pub(super) fn after_finally(&self, change: Change) -> Change {
        match self.finally_left.get(&change.resource) {
            Some(left) => Change { from: overlaid(&change.from, left), ..change },
            None => change,
        }
    }

    /// Whether an answer has a meaning here: a finally task is neither rolled back nor stops the run.
    pub(super) fn is_answer_to_finally(choice: Choice) -> bool {
        match choice {
            Choice::Rollback | Choice::Stop => false,
            Choice::Yes
            | Choice::No
            | Choice::Unknown
            | Choice::AllInPhase
            | Choice::Skip
            | Choice::Retry
            | Choice::Continue => true,
        }
    }
}

/// A state with those of its fields replaced that `newer` has, too.
fn overlaid(state: &Value, newer: &Value) -> Value {
    match (state, newer) {
        (Value::Object(fields), Value::Object(newer)) => {
            let field = |(key, value): (&String, &Value)| {
                let value = newer.get(key).map_or_else(|| value.clone(), |newer| overlaid(value, newer));
                (key.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        _ => newer.clone(),
    }
}

//! The way back: what is undone, in which order, and how that ends.

use super::lane::{At, Lane};
use super::machine::{Applied, Run, Stands};
use crate::run::{Change, Ending, Failure, Left, OnFailure, Scope, Task, TaskId, Way, covers};

impl Run {
    /// The changes a rollback would make now, in the order it would make them.
    pub fn undo(&self) -> Vec<(&Task, Change)> {
        // A rollback that got stuck is tried again whole.
        let again = matches!(self.ending(), Some(Ending::Stuck { .. }));
        self.applied
            .iter()
            .rev()
            .filter(|applied| if again { self.is_reversible(applied) } else { self.can_undo(applied) })
            .filter_map(|applied| Some((self.tasks.get(applied.task)?, self.undo_of(applied)?)))
            .collect()
    }

    /// Tasks whose change is in force and cannot be taken back.
    pub fn kept(&self) -> Vec<TaskId> {
        let one_way = self.applied.iter().filter_map(|applied| self.tasks.get(applied.task));
        one_way.filter(|task| task.reversibility.is_one_way()).map(|task| task.id.clone()).collect()
    }

    pub(super) fn end_of_rollback(&self) -> Ending {
        let kept = self.kept();
        let blocked =
            self.applied.iter().rev().filter(|applied| self.is_wanted_undone(applied)).filter_map(|applied| {
                let (task, by) = (self.tasks.get(applied.task)?, self.blocked_by(applied)?);
                (!self.is_left(task)).then(|| Left { task: task.id.clone(), why: Failure::Blocked { by } })
            });
        let left: Vec<Left> = self.left.iter().chain(&self.unclear).cloned().chain(blocked).collect();
        if left.is_empty() {
            Ending::RolledBack { kept, why: self.turned_by.clone() }
        } else {
            Ending::Stuck { left, kept }
        }
    }

    pub(super) fn turn_back(&mut self, why: Option<Failure>) {
        self.way = Way::Undo;
        self.turned_by = why;
        self.turn_when_settled = None;
        self.interrupt = None;
        self.turn_to_next_undo();
    }

    /// An undo has taken effect.
    pub(super) fn undone(&mut self, lane: usize) {
        let place = self.lanes[lane].cursor;
        self.applied.retain(|applied| applied.task != place);
        if self.gate_rule(lane).is_some() {
            self.unproven.push(place);
            self.lanes[lane].at = At::Ready;
        } else {
            self.turn_to_next_undo();
        }
    }

    /// Nothing is worse for an undo.
    pub(super) fn undo_is_proven(&mut self, lane: usize) {
        let place = self.lanes[lane].cursor;
        self.unproven.retain(|unproven| *unproven != place);
        self.turn_to_next_undo();
    }

    pub(super) fn undo_failed(&mut self, task: Option<TaskId>, why: Failure) {
        self.left.extend(task.map(|task| Left { task, why }));
        self.turn_to_next_undo();
    }

    /// The last task that an automatic rollback leaves as it is: what said that it should be undone is.
    pub(super) fn scope(&self, lane: usize) -> Option<usize> {
        let task = self.task(&self.lanes[lane]).filter(|task| task.on_failure == OnFailure::Rollback)?;
        let first = self.tasks.iter().position(|other| match task.undoes {
            Scope::Step => other.id.step() == task.id.step(),
            Scope::Phase => other.phase == task.phase,
            Scope::Run => true,
        });
        first?.checked_sub(1)
    }

    pub(super) fn try_left_again(&mut self) {
        self.left.clear();
        self.turn_to_next_undo();
    }

    /// Undos are made one after another, the newest change first.
    pub(super) fn turn_to_next_undo(&mut self) {
        let next = self.applied.iter().rev().find(|applied| self.can_undo(applied)).map(|applied| applied.task);
        let is_left = |task: usize| self.tasks.get(task).is_some_and(|task| self.is_left(task));
        let unproven = || self.unproven.iter().rev().copied().find(|task| !is_left(*task));
        let place = next.or_else(unproven).unwrap_or(self.tasks.len());
        self.lanes = vec![Lane::over(place, place + 1)];
        self.stands = Stands::Working;
    }

    /// Whether the task was undone, and it is still to be shown that nothing is worse for it.
    pub(super) fn is_unproven(&self, lane: &Lane) -> bool {
        self.unproven.contains(&lane.cursor)
    }

    fn is_left(&self, task: &Task) -> bool {
        self.left.iter().any(|left| left.task == task.id)
    }

    fn is_reversible(&self, applied: &Applied) -> bool {
        self.tasks.get(applied.task).is_some_and(|task| !task.reversibility.is_one_way())
    }

    pub(super) fn can_undo(&self, applied: &Applied) -> bool {
        self.is_wanted_undone(applied)
            && self.blocked_by(applied).is_none()
            && self.tasks.get(applied.task).is_some_and(|task| !self.is_left(task))
    }

    fn is_wanted_undone(&self, applied: &Applied) -> bool {
        self.floor.is_none_or(|floor| applied.task > floor) && self.is_reversible(applied)
    }

    /// The later change of the same thing that could not be undone, if there is one. An older change is then not undone
    /// either: traffic that is given back to the newest revision would go to the one that could not be taken back.
    fn blocked_by(&self, applied: &Applied) -> Option<TaskId> {
        let own = self.tasks.get(applied.task).and_then(Task::subject)?;
        let later = self.tasks.iter().skip(applied.task + 1).filter(|task| task.subject() == Some(own));
        let left = |task: &&Task| {
            self.left.iter().any(|left| left.task == task.id && !matches!(left.why, Failure::Gate { .. }))
        };
        later.filter(left).map(|task| task.id.clone()).next()
    }

    pub(super) fn undo_of(&self, applied: &Applied) -> Option<Change> {
        let change = self.tasks.get(applied.task)?.change.as_ref()?;
        // A change that took effect only in part is undone from what was seen, not from what was wanted.
        let reached = covers(&applied.seen, &change.to);
        Some(if reached { change.undo() } else { Change { from: applied.seen.clone(), ..change.undo() } })
    }
}

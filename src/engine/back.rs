//! The way back: what is undone, in which order, and how that ends.
//!
//! Undos are made one after another, the newest change first. What is not known to be applied is observed before it is
//! decided about. An undo that would bring a service back to a state in which it was unhealthy wants an answer first, if
//! the service is healthy now.

use std::collections::BTreeMap;

use super::effect::Effect;
use super::lane::{Lane, LaneState};
use super::machine::{Applied, Direction, Known, Run, TaskProgress, TurnBack};
use crate::run::{
    Change, Choice, Ending, Failure, NotRolledBack, OnFailure, PreconditionResult, Preconditions, Question, Refusal,
    RollbackScope, Task, TaskId, covers,
};

/// How far it is known whether an undo that restores an unhealthy state is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restore {
    /// The service is healthy now: it wants an answer.
    Healthy,
    /// It is to be undone: the service is not healthy now, or somebody said so.
    Undo,
    /// The change stays applied.
    Kept,
}

impl Run {
    /// The changes a rollback would make now, in the order it would make them. What is unclear is observed first and
    /// is not among them: see [`Run::unclear_changes`].
    pub fn undo(&self) -> Vec<(&Task, Change)> {
        // A rollback that got stuck is tried again whole.
        let again = matches!(self.ending(), Some(Ending::Stuck { .. }));
        self.applied
            .iter()
            .rev()
            .filter(|applied| matches!(applied.known, Known::Applied))
            .filter(|applied| if again { self.is_reversible(applied) } else { self.can_undo(applied) })
            .filter_map(|applied| Some((self.tasks.get(applied.task)?, self.undo_of(applied)?)))
            .collect()
    }

    /// The changes of which it is not known whether they are applied, and why.
    pub fn unclear_changes(&self) -> Vec<(&Task, &Failure)> {
        let unclear = self.applied.iter().rev().filter(|applied| !self.is_finally(applied.task));
        let unclear = unclear.filter_map(|applied| match &applied.known {
            Known::Applied => None,
            Known::Unclear(why) => Some((self.tasks.get(applied.task)?, &**why)),
        });
        unclear.collect()
    }

    /// Undos that would restore an unhealthy state: what was unhealthy before, by probe, and the steps whose undo leads
    /// there.
    pub fn restoring(&self) -> Vec<(&BTreeMap<String, String>, Vec<&str>)> {
        let applied = self.applied.iter().rev().filter_map(|applied| self.tasks.get(applied.task));
        let applied = applied.filter(|task| !task.is_finally());
        let restoring =
            applied.filter(|task| !task.unhealthy_before.is_empty() && !task.reversibility.is_irreversible());
        let mut states: Vec<(&BTreeMap<String, String>, Vec<&str>)> = Vec::new();
        for task in restoring {
            match states.iter_mut().find(|(before, _)| **before == task.unhealthy_before) {
                Some((_, steps)) if steps.contains(&task.id.step()) => {}
                Some((_, steps)) => steps.push(task.id.step()),
                None => states.push((&task.unhealthy_before, vec![task.id.step()])),
            }
        }
        states
    }

    /// Tasks whose change is in force and is not taken back.
    pub fn kept(&self) -> Vec<TaskId> {
        let known = self.applied.iter().filter(|applied| matches!(applied.known, Known::Applied));
        let tasks = known.filter_map(|applied| self.tasks.get(applied.task));
        tasks.filter(|task| !task.reversibility.is_undone()).map(|task| task.id.clone()).collect()
    }

    pub(super) fn end_of_rollback(&self) -> Ending {
        let kept = self.kept();
        let (mut left, mut follow_ups) = (Vec::new(), Vec::new());
        for item in &self.left {
            if self.is_follow_up(item) { follow_ups.push(item.clone()) } else { left.push(item.clone()) }
        }
        let mut not_restored = Vec::new();
        for applied in self.applied.iter().rev().filter(|applied| self.is_wanted_undone(applied)) {
            let Some(task) = self.tasks.get(applied.task).filter(|task| !self.is_left(task)) else { continue };
            if self.is_kept(task) {
                not_restored.push(task.id.clone());
                continue;
            }
            let Some(by) = self.blocked_by(applied) else { continue };
            let item = NotRolledBack { task: task.id.clone(), why: Failure::Blocked { by: by.id.clone() } };
            let because = self.left.iter().find(|left| left.task == by.id);
            match because {
                None => not_restored.push(item.task),
                Some(because) if self.is_follow_up(because) && group(task) == group(by) => follow_ups.push(item),
                Some(_) => left.push(item),
            }
        }
        not_restored.dedup();
        if left.is_empty() {
            let why = match &self.direction {
                Direction::Back(TurnBack { why }) => why.clone(),
                Direction::Forward | Direction::Turning(_) | Direction::Finally(_) => None,
            };
            Ending::RolledBack { kept, not_restored, follow_ups, why }
        } else {
            left.extend(follow_ups);
            Ending::Stuck { left, kept, not_restored }
        }
    }

    /// Whether a rollback that ended well left something that another one could undo.
    pub(super) fn is_left_to_undo(&self) -> bool {
        !self.left.is_empty()
            || !self.unproven.is_empty()
            || self.applied.iter().any(|applied| {
                self.is_within_rollback(applied)
                    && (self.is_reversible(applied) || matches!(applied.known, Known::Unclear(_)))
            })
    }

    /// Whether what could not be undone serves nobody: the traffic is back where it was before.
    fn is_follow_up(&self, left: &NotRolledBack) -> bool {
        let failed = match &left.why {
            Failure::Operation { .. } | Failure::Lost { .. } => true,
            Failure::Refused { refusal, .. } => matches!(refusal, Refusal::Api { .. } | Refusal::Busy { .. }),
            _ => false,
        };
        let place = self.tasks.iter().position(|task| task.id == left.task && task.traffic_first.is_some());
        let is_back = |place: usize| !self.applied.iter().any(|applied| applied.task == place + 1);
        failed && place.is_some_and(is_back)
    }

    pub(super) fn turn_back(&mut self, why: Option<Failure>) {
        self.direction = Direction::Back(TurnBack { why });
        self.interrupt = None;
        self.turn_to_next_undo();
    }

    /// What is to be known before a change is undone, if anything is.
    pub(super) fn next_before_undo(&self, task: &Task) -> Option<Effect> {
        let before = self.unhealthy_before(task);
        if before.is_empty() {
            return None;
        }
        match self.restores.get(self.representative(task)) {
            None => {
                let healthy = before.keys().cloned().collect();
                let evidence = Preconditions { healthy, ..Preconditions::default() };
                Some(Effect::AssessHealth { task: task.id.clone(), evidence })
            }
            Some(Restore::Healthy) => {
                Some(Effect::Ask(Question::Restore { task: group(task).clone(), before: before.clone() }))
            }
            Some(Restore::Undo | Restore::Kept) => None,
        }
    }

    /// What was unhealthy before the change of this task, or of that which it is made for on the way back.
    fn unhealthy_before<'a>(&'a self, task: &'a Task) -> &'a BTreeMap<String, String> {
        let main = self.tasks.iter().find(|other| other.id == *group(task)).unwrap_or(task);
        &main.unhealthy_before
    }

    /// Whether the service is healthy now was observed.
    pub(super) fn assessed(&mut self, task: &TaskId, found: &PreconditionResult) -> bool {
        let Some(place) = self.tasks.iter().position(|known| known.id == *task) else { return false };
        let waits = matches!(self.direction, Direction::Back(_))
            && self.lanes.iter().any(|lane| lane.cursor == place && matches!(lane.at, LaneState::Ready));
        if waits {
            let restore = match found {
                PreconditionResult::Met { .. } => Restore::Healthy,
                PreconditionResult::Unmet { .. } => Restore::Undo,
            };
            let representative = self.representative(&self.tasks[place]).clone();
            self.restores.insert(representative, restore);
        }
        waits
    }

    pub(super) fn answer_restore(&mut self, choice: Choice) -> bool {
        // On the way back there is one lane.
        let task = self.lanes.first().and_then(|lane| self.task(lane));
        let Some(representative) = task.map(|task| self.representative(task).clone()) else { return false };
        match choice {
            Choice::Yes => drop(self.restores.insert(representative, Restore::Undo)),
            Choice::No => {
                self.restores.insert(representative, Restore::Kept);
                self.turn_to_next_undo();
            }
            _ => return false,
        }
        true
    }

    fn is_kept(&self, task: &Task) -> bool {
        !self.unhealthy_before(task).is_empty() && self.restores.get(self.representative(task)) == Some(&Restore::Kept)
    }

    /// The first task that changes the same thing: one answer counts for all of them.
    fn representative<'a>(&'a self, task: &'a Task) -> &'a TaskId {
        let first = self.tasks.iter().find(|other| other.subject() == task.subject());
        &first.unwrap_or(task).id
    }

    /// An undo has taken effect.
    pub(super) fn undone(&mut self, lane: usize) {
        let place = self.lanes[lane].cursor;
        self.applied.retain(|applied| applied.task != place);
        if let Some(change) = self.tasks.get(place).and_then(|task| task.change.as_ref()) {
            self.finally_left.remove(&change.resource);
        }
        if self.gate_rule(lane).is_some() {
            self.unproven.push(place);
            self.lanes[lane].at = LaneState::Ready;
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
        self.left.extend(task.map(|task| NotRolledBack { task, why }));
        self.turn_to_next_undo();
    }

    /// The last task that an automatic rollback leaves as it is: what said that it should be undone is.
    pub(super) fn scope(&self, lane: usize) -> Option<usize> {
        let task = self.task(&self.lanes[lane]).filter(|task| task.on_failure == OnFailure::Rollback)?;
        let first = self.tasks.iter().position(|other| match task.rollback_scope {
            RollbackScope::Step => other.id.step() == task.id.step(),
            RollbackScope::Phase => other.phase == task.phase,
            RollbackScope::Run => true,
        });
        first?.checked_sub(1)
    }

    pub(super) fn try_left_again(&mut self) {
        self.left.clear();
        self.turn_to_next_undo();
    }

    /// Undos are made one after another, the newest change first; what is unclear is observed in its turn.
    pub(super) fn turn_to_next_undo(&mut self) {
        let next = self.applied.iter().rev().find(|applied| self.can_undo(applied) || self.is_to_be_observed(applied));
        let next = next.map(|applied| (applied.task, matches!(applied.known, Known::Unclear(_))));
        let is_left = |task: usize| self.tasks.get(task).is_some_and(|task| self.is_left(task));
        let unproven = || self.unproven.iter().rev().copied().find(|task| !is_left(*task)).map(|task| (task, false));
        let (place, observe) = next.or_else(unproven).unwrap_or((self.tasks.len(), false));
        let at = if observe { LaneState::Observing { after: None, trouble: None } } else { LaneState::Ready };
        self.lanes = vec![Lane { at, ..Lane::over(place, place + 1) }];
        self.stands = TaskProgress::Working;
    }

    /// Whether the task was undone, and it is still to be shown that nothing is worse for it.
    pub(super) fn is_unproven(&self, lane: &Lane) -> bool {
        self.unproven.contains(&lane.cursor)
    }

    fn is_left(&self, task: &Task) -> bool {
        self.left.iter().any(|left| left.task == task.id)
    }

    fn is_reversible(&self, applied: &Applied) -> bool {
        self.tasks.get(applied.task).is_some_and(Task::is_undone_by_rollback)
    }

    /// Whether it is among what the rollback that was asked for is about.
    fn is_within_rollback(&self, applied: &Applied) -> bool {
        !self.is_finally(applied.task) && self.floor.is_none_or(|floor| applied.task > floor)
    }

    /// Whether it is unclear and to be observed: also if it could not be undone, for then it may not be applied at all.
    fn is_to_be_observed(&self, applied: &Applied) -> bool {
        matches!(applied.known, Known::Unclear(_))
            && self.is_within_rollback(applied)
            && self.tasks.get(applied.task).is_some_and(|task| !self.is_left(task))
    }

    pub(super) fn can_undo(&self, applied: &Applied) -> bool {
        self.is_wanted_undone(applied)
            && matches!(applied.known, Known::Applied)
            && self.blocked_by(applied).is_none()
            && self.tasks.get(applied.task).is_some_and(|task| !self.is_left(task) && !self.is_kept(task))
    }

    fn is_wanted_undone(&self, applied: &Applied) -> bool {
        self.is_within_rollback(applied) && self.is_reversible(applied)
    }

    /// The later change that stands in the way of an undo, if there is one: one of the same thing that could not be undone
    /// or was kept, for traffic that is given back to the newest revision would go to the one that could not be taken
    /// back; or one whose operation has not ended, for what that will leave behind is not known.
    fn blocked_by(&self, applied: &Applied) -> Option<&Task> {
        let own = self.tasks.get(applied.task)?;
        let subject = own.subject()?;
        self.tasks.iter().skip(applied.task + 1).find(|task| {
            let left = self.left.iter().find(|left| left.task == task.id).map(|left| &left.why);
            match left {
                Some(Failure::OperationTimedOut { .. }) => true,
                Some(Failure::Gate { .. }) => false,
                Some(_) => task.subject() == Some(subject),
                None => {
                    let applied = || self.applied.iter().any(|other| self.tasks.get(other.task) == Some(*task));
                    task.subject() == Some(subject) && self.is_kept(task) && applied()
                }
            }
        })
    }

    pub(super) fn undo_of(&self, applied: &Applied) -> Option<Change> {
        let change = self.tasks.get(applied.task)?.change.as_ref()?;
        // A change that took effect only in part is undone from what was seen, not from what was wanted.
        let reached = covers(&applied.seen, &change.to) || matches!(applied.known, Known::Unclear(_));
        let undo = if reached { change.undo() } else { Change { from: applied.seen.clone(), ..change.undo() } };
        Some(self.after_finally(undo))
    }
}

/// The task that was applied on the way forward and that this one belongs to on the way back.
fn group(task: &Task) -> &TaskId {
    task.back_for.as_ref().unwrap_or(&task.id)
}

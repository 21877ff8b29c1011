//! A line of work: where it stands on the tasks that are its own.
//!
//! A step is one line of work. One that does several things at once (`for_each` with `max_parallel`) is several, a turn
//! each. All lines of a batch end before the next batch begins, so there is one batch at any moment; on the way back it is
//! always a single line.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{between, later};
use crate::gate::Gate;
use crate::run::{Failure, Observations, Task, Way};

/// One line of work.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// The task that it is at.
    pub(super) cursor: usize,
    /// The first task after its own.
    pub(super) end: usize,
    pub(super) at: LaneState,
    /// Sends of the current write that were seen not to have happened, or not to have taken effect.
    pub(super) unsent: u32,
    /// Whether the current write was seen to be written and not in effect: it is sent once more, from what it wrote.
    pub(super) is_written: bool,
    /// Refusals of the current write that may pass.
    pub(super) busy: u32,
    /// What the current task rests on was seen to be so.
    pub(super) met: Option<Met>,
}

/// That what a task rests on was seen to be so.
#[derive(Clone, Debug)]
pub(super) struct Met {
    /// When.
    pub(super) at: Timestamp,
    /// In what health each of its probes was, in one word.
    pub(super) health: BTreeMap<String, &'static str>,
}

impl Met {
    pub(super) fn seen(findings: &Observations, at: Timestamp) -> Met {
        let health = findings.iter().map(|(probe, seen)| (probe.clone(), seen.health.word())).collect();
        Met { at, health }
    }

    /// Whether it is too old to send a change that rests on it. Of a clock that was set back nobody knows how old it is.
    pub(super) fn is_older_than(&self, limit: Duration, now: Timestamp) -> bool {
        self.at > now || between(self.at, now) > limit
    }
}

/// Where it stands on its task.
#[derive(Clone, Debug)]
pub(super) enum LaneState {
    Ready,
    Approved {
        not_before: Option<Timestamp>,
    },
    Announced,
    Running(Running),
    Doubt {
        failed: Option<ReportedFailure>,
    },
    /// Nothing was sent, and what is there now is not known: it is observed before anything is decided.
    Observing {
        /// Why its task failed, if that is why it is observed again.
        after: Option<Failure>,
        /// What the resource reports as wrong with it.
        trouble: Option<String>,
    },
    /// It failed, and only the operator can say whether something of it took effect.
    Unknown {
        why: String,
    },
    Resting {
        since: Timestamp,
        pause: Duration,
    },
    Proving,
    Gate(Gate),
    Failed {
        failure: Failure,
        retry: Option<Retry>,
    },
    /// It has come to its end, and waits for the others of its batch.
    Done,
}

/// An operation that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) operation: String,
    /// Whether it is known to be that of our own write.
    pub(super) ours: bool,
    /// Since when it is waited for.
    pub(super) since: Timestamp,
    /// When it was last asked for.
    pub(super) polled: Timestamp,
    /// Whether the last answer was held while it ran.
    pub(super) held: bool,
}

impl Running {
    /// Whether it was still running, by its own word, when it had been awaited for as long as it may be.
    pub(super) fn is_overdue(&self, limit: Duration) -> bool {
        between(self.since, self.polled) >= limit
    }

    /// When to ask again: after a tenth of the time that it has taken so far, so that its end is noticed soon, by its own
    /// measure, and a long one is not asked for all the time. At once if the answer is held anyway.
    pub(super) fn next_poll(&self, now: Timestamp) -> Timestamp {
        // One that was asked for in the future was so by a clock that was set back.
        if self.held || self.polled > now {
            return now;
        }
        let pause = between(self.since, self.polled) / 10;
        later(self.polled, pause.clamp(SHORTEST_POLL, LONGEST_POLL))
    }
}

/// The shortest time between two polls that are not held.
const SHORTEST_POLL: Duration = Duration::from_millis(250);
/// The longest; the API's quotas are not known, reads every few seconds are safe.
const LONGEST_POLL: Duration = Duration::from_secs(5);

/// That a write failed, and how that is known.
#[derive(Clone, Debug)]
pub(super) enum ReportedFailure {
    /// The write's own operation says so.
    Reported(String),
    /// The resource says so, or an operation that was found on it. Either may speak of another's write, if ours
    /// was never sent.
    Seen(String),
}

/// What trying again means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Retry {
    Change,
    /// What is there is observed again: something of it may have taken effect, or another principal was there.
    Look,
    Gate,
}

impl Retry {
    pub(super) fn place(self, failure: &Failure) -> LaneState {
        match self {
            Retry::Change => LaneState::Ready,
            Retry::Look => LaneState::Observing { after: Some(failure.clone()), trouble: None },
            Retry::Gate => LaneState::Proving,
        }
    }
}

impl Lane {
    /// A line of work over these tasks, of which nothing has happened yet.
    pub(super) fn over(cursor: usize, end: usize) -> Lane {
        Lane { cursor, end, at: LaneState::Ready, unsent: 0, is_written: false, busy: 0, met: None }
    }

    /// Goes on to the next task of its own that is carried out on the way forward.
    pub(super) fn advance(&mut self, tasks: &[Task]) {
        let (cursor, end) = (forward(tasks, self.cursor + 1), self.end);
        *self = Lane { at: if cursor < end { LaneState::Ready } else { LaneState::Done }, ..Lane::over(cursor, end) };
    }

    /// Leaves the rest of its tasks out. What is left of a failed step must not be built on it: a failed canary is not
    /// given more traffic.
    pub(super) fn skip(&mut self) {
        *self = Lane { at: LaneState::Done, ..Lane::over(self.end, self.end) };
    }

    /// Tries its task again.
    pub(super) fn retry(&mut self, retry: Retry, failure: &Failure) {
        *self = Lane { at: retry.place(failure), ..Lane::over(self.cursor, self.end) };
    }

    /// Sends its write once more: what it wrote is there, and is not in effect.
    pub(super) fn send_again(&mut self) {
        self.unsent += 1;
        self.is_written = true;
        self.at = LaneState::Approved { not_before: None };
    }

    /// Whether a write has been announced whose end is not known.
    pub(super) fn in_flight(&self) -> bool {
        matches!(
            self.at,
            LaneState::Announced | LaneState::Running(_) | LaneState::Doubt { .. } | LaneState::Unknown { .. }
        )
    }

    /// Whether it goes on without anybody's word.
    pub(super) fn is_afloat(&self) -> bool {
        match self.at {
            LaneState::Announced
            | LaneState::Running(_)
            | LaneState::Doubt { .. }
            | LaneState::Observing { .. }
            | LaneState::Resting { .. }
            | LaneState::Proving
            | LaneState::Gate(_) => true,
            LaneState::Ready
            | LaneState::Approved { .. }
            | LaneState::Unknown { .. }
            | LaneState::Failed { .. }
            | LaneState::Done => false,
        }
    }

    /// Whether it can be held where it is, for a question about something else.
    pub(super) fn can_be_held(&self) -> bool {
        matches!(
            self.at,
            LaneState::Ready | LaneState::Resting { .. } | LaneState::Proving | LaneState::Gate(_) | LaneState::Done
        )
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.at, LaneState::Done)
    }

    /// The run stops here; this is where it would go on.
    pub(super) fn stop(&mut self) {
        match &self.at {
            LaneState::Approved { .. } => self.at = LaneState::Ready,
            LaneState::Gate(_) => self.at = LaneState::Proving,
            LaneState::Failed { retry: Some(retry), failure } => self.at = retry.place(failure),
            _ => {}
        }
    }

    /// Another process takes it up. What was approved is asked again, what was sent is in doubt, what was observed is
    /// observed again, and a gate begins anew: nobody watched in between.
    pub(super) fn resume(&mut self, way: Way, now: Timestamp) {
        let at = match &self.at {
            LaneState::Approved { .. } if way == Way::Apply => LaneState::Ready,
            LaneState::Approved { .. } => LaneState::Approved { not_before: None },
            LaneState::Announced => LaneState::Doubt { failed: None },
            LaneState::Gate(_) => LaneState::Proving,
            LaneState::Failed { retry: Some(retry @ Retry::Look), failure } => retry.place(failure),
            // A pause that began in the future was begun by a clock that was set back.
            LaneState::Resting { since, pause } => LaneState::Resting { since: (*since).min(now), pause: *pause },
            LaneState::Ready
            | LaneState::Running(_)
            | LaneState::Doubt { .. }
            | LaneState::Unknown { .. }
            | LaneState::Observing { .. }
            | LaneState::Proving
            | LaneState::Failed { .. }
            | LaneState::Done => {
                return;
            }
        };
        self.at = at;
    }
}

/// The lines of work that begin together, from this task on; a single one at the end of all tasks if there is none left.
pub(super) fn batch(tasks: &[Task], from: usize) -> Vec<Lane> {
    let mut at = forward(tasks, from);
    let Some(first) = tasks.get(at) else { return vec![Lane::over(at, at)] };
    let most = usize::try_from(first.max_parallel).unwrap_or(usize::MAX).max(1);
    let mut lanes: Vec<Lane> = Vec::new();
    while lanes.len() < most && tasks.get(at).is_some_and(|task| task.id.step() == first.id.step()) {
        let end = at + turn(tasks, at);
        let touches = |lane: &Lane| shares_subject(&tasks[lane.cursor..lane.end], &tasks[at..end]);
        // Two lines never change the same thing: the second one's turn comes later.
        if lanes.iter().any(touches) {
            break;
        }
        lanes.push(Lane::over(at, end));
        at = forward(tasks, end);
    }
    lanes
}

/// How many tasks the turn has that begins here.
fn turn(tasks: &[Task], from: usize) -> usize {
    let Some(first) = tasks.get(from) else { return 0 };
    let same = |task: &&Task| task.id.step() == first.id.step() && task.item == first.item;
    tasks.iter().skip(from).take_while(same).count()
}

fn shares_subject(one: &[Task], other: &[Task]) -> bool {
    let others: Vec<_> = other.iter().filter_map(Task::subject).collect();
    one.iter().filter_map(Task::subject).any(|subject| others.contains(&subject))
}

/// The first place from here on of what is carried out on the way forward.
pub(super) fn forward(tasks: &[Task], from: usize) -> usize {
    let place = tasks.iter().skip(from).position(|task| task.back_for.is_none());
    place.map_or(tasks.len(), |place| from + place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::{Change, OnFailure, TaskId};

    /// Steps `a` with turns and `b` without; each task changes what its last letter names.
    fn tasks(parallel: u32, ids: &[(&str, &str)]) -> Vec<Task> {
        let task = |(id, turn): &(&str, &str)| Task {
            change: Some(Change {
                resource: format!("k/p/r/{}", turn.trim_start_matches("as ")).parse().unwrap(),
                from: json!({ "size": 0 }),
                to: json!({ "size": 1 }),
            }),
            item: Some((*turn).to_owned()),
            max_parallel: parallel,
            ..Task::idle(TaskId::of_step(id), "p", "u", OnFailure::Ask)
        };
        ids.iter().map(task).collect()
    }

    fn batches(tasks: &[Task]) -> Vec<Vec<(usize, usize)>> {
        let (mut batches, mut from) = (Vec::new(), 0);
        while from < tasks.len() {
            let lanes = batch(tasks, from);
            from = lanes.iter().map(|lane| lane.end).max().unwrap();
            batches.push(lanes.iter().map(|lane| (lane.cursor, lane.end)).collect());
        }
        batches
    }

    #[test]
    fn a_wave_has_as_many_turns_of_one_step_as_may_go_on_at_once() {
        let ids = [("a/x", "x"), ("a/y/1", "y"), ("a/y/2", "y"), ("a/z", "z"), ("b", "w")];
        assert_eq!(batches(&tasks(2, &ids)), [vec![(0, 1), (1, 3)], vec![(3, 4)], vec![(4, 5)]]);
        assert_eq!(batches(&tasks(9, &ids)), [vec![(0, 1), (1, 3), (3, 4)], vec![(4, 5)]]);
        for alone in [0, 1] {
            assert_eq!(batches(&tasks(alone, &ids)), [vec![(0, 1)], vec![(1, 3)], vec![(3, 4)], vec![(4, 5)]]);
        }
    }

    #[test]
    fn namesakes_in_two_regions_are_changed_at_once() {
        let mut tasks = tasks(2, &[("a/one", "x"), ("a/two", "as x")]);
        assert_eq!(batches(&tasks), [vec![(0, 1)], vec![(1, 2)]]);
        if let Some(change) = &mut tasks[1].change {
            change.resource.region = "elsewhere".to_owned();
        }
        assert_eq!(batches(&tasks), [vec![(0, 1), (1, 2)]]);
    }

    #[test]
    fn two_lines_never_change_the_same_thing_at_once() {
        let ids = [("a/x", "x"), ("a/again", "as x"), ("a/y", "y")];
        assert_eq!(batches(&tasks(3, &ids)), [vec![(0, 1)], vec![(1, 2), (2, 3)]]);
    }
}

//! The machine.
//!
//! ```text
//! state       wants               event → next state
//! ─────────────────────────────────────────────────────────────────────────────────────────────
//! Ready       Ask | Pass          Answered yes → Approved, no → Over; Unchanged → Proving
//!             (back: Announce)    Intended → Announced
//! Approved    Announce            Intended → Announced
//! Announced   Write               Begun → Running; Settled ↓; Refused → Failed; InDoubt → Doubt
//! Running     Poll (or Wait)      Polled → Running; Settled ↓; Failed, InDoubt → Doubt
//! Doubt       Look                Begun → Running; Failed → Doubt; Settled ↓
//!   Settled:  is `to` → Proving · is `from` → Approved again, at last Failed · neither → Failed;
//!             after the event Failed: what took effect is remembered → Failed
//! Proving     OpenGate (or next)  GateOpened → Gate
//! Gate        Probe… (or Wait),   Observed → Gate
//!             CloseGate           GateClosed passed → next task's Ready, failed → Failed
//! Failed      Ask                 Answered retry → as before the failure, continue → next task's Ready,
//!                                 stop → Over, rollback → Ready, backwards
//! Over        End                 Ended → Ended
//! Ended       nothing             Resumed → as before the ending; RollbackAsked → Ready, backwards
//!
//! any         Park once `StopAsked`, until `Resumed` or `RollbackAsked`.
//! any         Resumed: Approved → Ready, Announced → Doubt, Gate → Proving; the rest stays.
//! ```
//!
//! Three rules keep every path safe: a write is announced on disk before it is sent; whatever was announced
//! and is not known to have ended is looked at, never assumed; and what is undone is exactly what was seen
//! to have taken effect.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::effect::Effect;
use crate::clock::later;
use crate::gate::{Gate, Verdict};
use crate::run::{
    Change, Choice, Ending, Entry, Event, Failure, GateOutcome, Left, OpId, Question, Refusal, Reversibility, Task,
    TaskId, Way, covers,
};

/// Version of this machine; it stands in every journal. It rises when old journals would fold differently.
pub const MACHINE: u32 = 1;

/// How often one write is sent before it counts as failed. Only writes that were seen not to have happened
/// are sent again.
const SENDS: u32 = 3;

/// Time between polls: short at first, so that quick operations are noticed quickly.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// The longest time between polls; the API's write quota is not known, reads every few seconds are safe.
const LONGEST_POLL: Duration = Duration::from_secs(5);

/// A run as the fold of its entries.
#[derive(Clone, Debug)]
pub struct Run {
    tasks: Vec<Task>,
    way: Way,
    cursor: usize,
    at: At,
    /// Changes that took effect, in order, and what was seen of each.
    applied: Vec<Applied>,
    /// Sends of the current write that were seen not to have happened.
    unsent: u32,
    /// Failed tasks that were passed over.
    passed_over: Vec<TaskId>,
    /// What made the run turn back.
    turned_by: Option<Failure>,
    /// Undos that failed.
    left: Vec<Left>,
    /// A rollback was asked for while a write was in flight: turn back once it has settled.
    turn_when_settled: bool,
    stopping: bool,
}

#[derive(Clone, Debug)]
struct Applied {
    task: usize,
    seen: Value,
}

#[derive(Clone, Debug)]
enum At {
    Ready,
    Approved,
    Announced,
    Running { operation: String, ours: bool, polled: Timestamp, pause: Duration },
    Doubt { failed: Option<Trouble> },
    Proving,
    Gate(Gate),
    Failed { failure: Failure, retry: Option<Retry> },
    Over { ending: Ending, resumes: Box<At> },
    Ended { ending: Ending, resumes: Box<At> },
}

/// That a write failed, and how that is known.
#[derive(Clone, Debug)]
enum Trouble {
    /// The write's own operation says so.
    Reported(String),
    /// The resource says so, or an operation that was found on it. Either may speak of another's write, if ours
    /// was never sent.
    Seen(String),
}

/// What trying again means.
#[derive(Clone, Copy, Debug)]
enum Retry {
    Change,
    Gate,
}

/// An event that cannot have happened here: the journal and the machine disagree.
#[derive(Debug, thiserror::Error)]
#[error("{event} cannot happen {place}")]
pub struct Illegal {
    event: String,
    place: String,
}

impl Run {
    /// A run of these tasks, of which nothing has happened yet.
    pub fn new(tasks: Vec<Task>) -> Run {
        Run {
            tasks,
            way: Way::Apply,
            cursor: 0,
            at: At::Ready,
            applied: Vec::new(),
            unsent: 0,
            passed_over: Vec::new(),
            turned_by: None,
            left: Vec::new(),
            turn_when_settled: false,
            stopping: false,
        }
    }

    /// What is wanted now: a wave of effects that may be carried out together. Empty once the run has ended.
    pub fn next(&self, now: Timestamp) -> Vec<Effect> {
        if let At::Ended { .. } = self.at {
            return Vec::new();
        }
        if self.stopping {
            return vec![Effect::Park];
        }
        match &self.at {
            At::Ready => vec![self.next_when_ready()],
            At::Approved => self.op().map(|op| Effect::Announce { op }).into_iter().collect(),
            At::Announced => {
                self.op().zip(self.change()).map(|(op, change)| Effect::Write { op, change }).into_iter().collect()
            }
            At::Running { operation, polled, pause, .. } => match later(*polled, *pause) {
                until if until > now => vec![Effect::Wait { until }],
                _ => self
                    .op()
                    .zip(self.change())
                    .map(|(op, change)| Effect::Poll { op, operation: operation.clone(), resource: change.resource })
                    .into_iter()
                    .collect(),
            },
            At::Doubt { .. } => self
                .op()
                .zip(self.change())
                .map(|(op, change)| Effect::Look { op, resource: change.resource })
                .into_iter()
                .collect(),
            At::Proving => self.task().map(|task| Effect::OpenGate { task: task.id.clone() }).into_iter().collect(),
            At::Gate(gate) => self.task().map(|task| next_of_gate(&task.id, gate, now)).unwrap_or_default(),
            At::Failed { failure, retry } => self
                .task()
                .map(|task| {
                    Effect::Ask(Question::Failed {
                        task: task.id.clone(),
                        failure: Box::new(failure.clone()),
                        policy: task.on_failure,
                        retry: retry.is_some(),
                    })
                })
                .into_iter()
                .collect(),
            At::Over { ending, .. } => vec![Effect::End(ending.clone())],
            At::Ended { .. } => Vec::new(),
        }
    }

    /// Takes what happened. An error means that the journal is not one of this machine's.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Illegal> {
        if self.take(entry) { Ok(()) } else { Err(self.illegal(&entry.event)) }
    }

    /// How the run ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.at {
            At::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// Whether a write has been announced whose end is not known.
    pub fn in_flight(&self) -> Option<OpId> {
        matches!(self.at, At::Announced | At::Running { .. } | At::Doubt { .. }).then(|| self.op()).flatten()
    }

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

    fn next_when_ready(&self) -> Effect {
        match (self.way, self.task()) {
            (Way::Apply, None) => Effect::End(Ending::Done { failed: self.passed_over.clone() }),
            (Way::Apply, Some(task)) if task.change.is_none() => Effect::Pass { task: task.id.clone() },
            (Way::Apply, Some(task)) => Effect::Ask(match &task.reversibility {
                Reversibility::OneWay { why } => Question::OneWay { task: task.id.clone(), why: why.clone() },
                Reversibility::Reversible | Reversibility::WithLoss { .. } | Reversibility::Restarts { .. } => {
                    Question::Apply { task: task.id.clone() }
                }
            }),
            (Way::Undo, _) => match self.op() {
                Some(op) => Effect::Announce { op },
                None => Effect::End(self.end_of_rollback()),
            },
        }
    }

    fn end_of_rollback(&self) -> Ending {
        let kept = self.kept();
        if self.left.is_empty() {
            Ending::RolledBack { kept, why: self.turned_by.clone() }
        } else {
            Ending::Stuck { left: self.left.clone(), kept }
        }
    }

    /// Returns false, and changes nothing, if the event cannot happen here.
    fn take(&mut self, entry: &Entry) -> bool {
        use Event::{
            Answered, Begun, Ended, Failed, GateClosed, GateOpened, InDoubt, Intended, Observed, Polled, Refused,
            Resumed, RollbackAsked, Settled, Started, StopAsked, Unchanged,
        };
        let now = entry.at;
        match (&entry.event, &self.at) {
            (Started { .. }, At::Ready) if self.cursor == 0 && self.applied.is_empty() => {}
            (Resumed { .. }, _) => return self.resume(),
            (RollbackAsked { .. }, _) => return self.ask_rollback(),
            (StopAsked { .. }, At::Ended { .. }) => return false,
            (StopAsked { .. }, _) => self.stopping = true,
            (Answered { question, choice, .. }, At::Ready | At::Failed { .. }) => {
                return self.next(now).contains(&Effect::Ask(question.clone())) && self.answer(*choice);
            }
            (Unchanged { task }, At::Ready) if self.is_current(task) && self.way == Way::Apply => self.prove(),
            (Intended { op }, At::Ready | At::Approved) if self.next_announces(op, now) => self.at = At::Announced,
            (Begun { op, operation }, At::Announced | At::Doubt { .. }) if self.is_op(op) => {
                let ours = matches!(self.at, At::Announced);
                self.at = At::Running { operation: operation.clone(), ours, polled: now, pause: FIRST_POLL };
            }
            (Polled { op }, At::Running { operation, ours, pause, .. }) => {
                let (operation, ours, pause) = (operation.clone(), *ours, longer(*pause));
                if !self.is_op(op) {
                    return false;
                }
                self.at = At::Running { operation, ours, polled: now, pause };
            }
            (Settled { op, seen }, At::Announced | At::Running { .. }) if self.is_op(op) => self.settle(seen, None),
            (Settled { op, seen }, At::Doubt { failed }) => {
                let failed = failed.clone();
                if !self.is_op(op) {
                    return false;
                }
                self.settle(seen, failed);
            }
            (Refused { op, refusal }, At::Announced) if self.is_op(op) => {
                let Some(Change { resource, from, to }) = self.change() else { return false };
                if self.may_be_ours(refusal, &to) {
                    self.at = At::Doubt { failed: None };
                    return true;
                }
                self.give_up(Failure::Refused { resource, from, to, refusal: refusal.clone() }, Some(Retry::Change));
            }
            (Failed { op, why }, At::Running { ours, .. }) if self.is_op(op) => {
                let told = if *ours { Trouble::Reported } else { Trouble::Seen };
                self.at = At::Doubt { failed: Some(told(why.clone())) };
            }
            (Failed { op, why }, At::Doubt { failed }) => {
                let known = failed.clone().filter(|known| matches!(known, Trouble::Reported(_)));
                if !self.is_op(op) {
                    return false;
                }
                self.at = At::Doubt { failed: known.or_else(|| Some(Trouble::Seen(why.clone()))) };
            }
            (InDoubt { op, .. }, At::Announced | At::Running { .. }) if self.is_op(op) => {
                self.at = At::Doubt { failed: None };
            }
            (GateOpened { task }, At::Proving) if self.is_current(task) => {
                let Some(rule) = self.task().and_then(|task| task.gate.clone()) else { return false };
                self.at = At::Gate(Gate::open(rule, now));
            }
            (Observed { probe, observation, .. }, _) => {
                let At::Gate(gate) = &mut self.at else { return false };
                gate.see(probe, observation, now);
            }
            (GateClosed { task, outcome }, At::Gate(_)) if self.is_current(task) => match outcome {
                GateOutcome::Passed { .. } => self.advance(),
                GateOutcome::Failed { why } => self.give_up(Failure::Gate { why: why.clone() }, Some(Retry::Gate)),
            },
            (Ended { ending }, _) if self.next(now) == [Effect::End(ending.clone())] => {
                let resumes = match std::mem::replace(&mut self.at, At::Ready) {
                    At::Over { resumes, .. } => resumes,
                    other => Box::new(other),
                };
                self.at = At::Ended { ending: ending.clone(), resumes };
            }
            _ => return false,
        }
        true
    }

    fn resume(&mut self) -> bool {
        self.stopping = false;
        match &self.at {
            At::Approved if self.way == Way::Apply => self.at = At::Ready,
            At::Announced => self.at = At::Doubt { failed: None },
            At::Gate(_) => self.at = At::Proving,
            At::Ended { ending: Ending::Done { .. } | Ending::RolledBack { .. }, .. } => return false,
            At::Ended { ending: Ending::Stuck { .. }, .. } => self.try_left_again(),
            At::Ended { resumes, .. } => self.at = (**resumes).clone(),
            _ => {}
        }
        true
    }

    fn ask_rollback(&mut self) -> bool {
        match &self.at {
            At::Ended { ending: Ending::RolledBack { .. }, .. } => return false,
            At::Ended { ending: Ending::Stuck { .. }, .. } => self.try_left_again(),
            At::Announced => {
                self.at = At::Doubt { failed: None };
                self.turn_when_settled = true;
            }
            At::Running { .. } | At::Doubt { .. } => self.turn_when_settled = true,
            _ if self.way == Way::Apply => self.turn_back(None),
            _ => {}
        }
        self.stopping = false;
        true
    }

    fn answer(&mut self, choice: Choice) -> bool {
        let Some(task) = self.task().map(|task| task.id.clone()) else { return false };
        match (choice, &self.at) {
            (Choice::Yes, At::Ready) => self.at = At::Approved,
            (Choice::No, At::Ready) => {
                self.at = At::Over { ending: Ending::Declined { task }, resumes: Box::new(At::Ready) };
            }
            (Choice::Rollback, At::Ready) => self.turn_back(None),
            (Choice::Rollback, At::Failed { failure, .. }) => self.turn_back(Some(failure.clone())),
            (Choice::Continue, At::Failed { .. }) => {
                // What is left of a failed step must not be built on it: a failed canary is not given more traffic.
                let rest = self.tasks.iter().skip(self.cursor).take_while(|later| later.id.step() == task.step());
                self.cursor += rest.count().saturating_sub(1);
                self.passed_over.push(task);
                self.advance();
            }
            (Choice::Stop, At::Failed { failure, retry }) => {
                let ending = Ending::Stopped { task, why: failure.clone() };
                let resumes = retry.map_or_else(|| self.at.clone(), Retry::place);
                self.at = At::Over { ending, resumes: Box::new(resumes) };
            }
            (Choice::Retry, At::Failed { retry: Some(retry), .. }) => {
                self.unsent = 0;
                self.at = retry.place();
            }
            _ => return false,
        }
        true
    }

    /// A write has come to rest: what is there decides what it was worth.
    fn settle(&mut self, seen: &Value, failed: Option<Trouble>) {
        let Some(change) = self.change() else { return };
        let (reached, untouched) = (covers(seen, &change.to), covers(seen, &change.from));
        // What others own may move on its own, and has no place in an undo.
        let seen = change.owned(seen);
        let failed = match failed {
            Some(Trouble::Reported(why)) => Some(why),
            Some(Trouble::Seen(why)) => reached.then_some(why),
            None => None,
        };
        let resource = change.resource;
        match (self.way, failed) {
            (_, None) if reached => self.happened(seen),
            (_, None) if untouched => {
                self.unsent += 1;
                if self.turn_when_settled && self.way == Way::Apply {
                    self.turn_back(None);
                } else if self.unsent < SENDS {
                    self.at = At::Approved;
                } else {
                    self.give_up(Failure::Lost { resource }, Some(Retry::Change));
                }
            }
            (_, None) => self.give_up(Failure::Interfered { resource, seen }, None),
            (Way::Apply, Some(why)) => {
                let took_effect = !untouched;
                if took_effect {
                    self.applied.push(Applied { task: self.cursor, seen: seen.clone() });
                }
                let retry = untouched.then_some(Retry::Change);
                self.give_up(Failure::Operation { resource, why, seen, took_effect }, retry);
            }
            (Way::Undo, Some(why)) => {
                self.give_up(Failure::Operation { resource, why, seen, took_effect: !untouched }, None);
            }
        }
    }

    fn happened(&mut self, seen: Value) {
        match self.way {
            Way::Apply => {
                self.applied.push(Applied { task: self.cursor, seen });
                if self.turn_when_settled { self.turn_back(None) } else { self.prove() }
            }
            Way::Undo => {
                self.applied.retain(|applied| applied.task != self.cursor);
                self.turn_to_next_undo();
            }
        }
    }

    fn prove(&mut self) {
        match self.task().map(|task| task.gate.is_some()) {
            Some(true) => self.at = At::Proving,
            _ => self.advance(),
        }
    }

    fn advance(&mut self) {
        self.cursor += 1;
        self.unsent = 0;
        self.at = At::Ready;
    }

    fn give_up(&mut self, failure: Failure, retry: Option<Retry>) {
        match self.way {
            Way::Apply if self.turn_when_settled => self.turn_back(Some(failure)),
            Way::Apply => self.at = At::Failed { failure, retry },
            Way::Undo => {
                if let Some(task) = self.task().map(|task| task.id.clone()) {
                    self.left.push(Left { task, why: failure });
                }
                self.turn_to_next_undo();
            }
        }
    }

    fn turn_back(&mut self, why: Option<Failure>) {
        self.way = Way::Undo;
        self.turned_by = why;
        self.turn_when_settled = false;
        self.turn_to_next_undo();
    }

    fn try_left_again(&mut self) {
        self.left.clear();
        self.turn_to_next_undo();
    }

    fn turn_to_next_undo(&mut self) {
        self.unsent = 0;
        self.at = At::Ready;
        let next = self.applied.iter().rev().find(|applied| self.can_undo(applied));
        self.cursor = next.map_or(self.tasks.len(), |applied| applied.task);
    }

    fn is_reversible(&self, applied: &Applied) -> bool {
        self.tasks.get(applied.task).is_some_and(|task| !task.reversibility.is_one_way())
    }

    fn can_undo(&self, applied: &Applied) -> bool {
        let is_left = |task: &Task| self.left.iter().any(|left| left.task == task.id);
        self.is_reversible(applied) && self.tasks.get(applied.task).is_some_and(|task| !is_left(task))
    }

    fn undo_of(&self, applied: &Applied) -> Option<Change> {
        let change = self.tasks.get(applied.task)?.change.as_ref()?;
        // A change that took effect only in part is undone from what was seen, not from what was wanted.
        let reached = covers(&applied.seen, &change.to);
        Some(if reached { change.undo() } else { Change { from: applied.seen.clone(), ..change.undo() } })
    }

    fn task(&self) -> Option<&Task> {
        self.tasks.get(self.cursor)
    }

    fn op(&self) -> Option<OpId> {
        self.change()?;
        Some(OpId { task: self.task()?.id.clone(), way: self.way })
    }

    fn change(&self) -> Option<Change> {
        match self.way {
            Way::Apply => self.task()?.change.clone(),
            Way::Undo => self.undo_of(self.applied.iter().find(|applied| applied.task == self.cursor)?),
        }
    }

    fn is_current(&self, task: &TaskId) -> bool {
        self.task().is_some_and(|current| current.id == *task)
    }

    fn is_op(&self, op: &OpId) -> bool {
        self.op().as_ref() == Some(op)
    }

    /// Nothing was sent, because what is wanted is there already: a write whose answer was lost has landed late,
    /// or somebody has undone by hand what was to be undone.
    fn may_be_ours(&self, refusal: &Refusal, to: &Value) -> bool {
        let Refusal::Drifted { now } = refusal else { return false };
        (self.way == Way::Undo || self.unsent > 0) && covers(now, to)
    }

    fn next_announces(&self, op: &OpId, now: Timestamp) -> bool {
        self.next(now) == [Effect::Announce { op: op.clone() }]
    }

    fn illegal(&self, event: &Event) -> Illegal {
        let event = serde_json::to_value(event).ok().and_then(|event| Some(event.get("is")?.as_str()?.to_owned()));
        let place = match self.at {
            At::Ready => "before a task",
            At::Approved => "after an approval",
            At::Announced => "after a write was announced",
            At::Running { .. } => "while an operation runs",
            At::Doubt { .. } => "while a write is in doubt",
            At::Proving => "before a gate",
            At::Gate(_) => "in a gate",
            At::Failed { .. } => "after a failure",
            At::Over { .. } | At::Ended { .. } => "at the end",
        };
        let task = self.task().map_or_else(String::new, |task| format!(" (task `{}`)", task.id));
        Illegal { event: format!("`{}`", event.unwrap_or_default()), place: format!("{place}{task}") }
    }
}

impl Retry {
    fn place(self) -> At {
        match self {
            Retry::Change => At::Ready,
            Retry::Gate => At::Proving,
        }
    }
}

fn next_of_gate(task: &TaskId, gate: &Gate, now: Timestamp) -> Vec<Effect> {
    let close = |outcome| vec![Effect::CloseGate { task: task.clone(), outcome }];
    match gate.verdict(now) {
        Verdict::Passed(proof) => close(GateOutcome::Passed { proof }),
        Verdict::Failed { why } => close(GateOutcome::Failed { why }),
        Verdict::Open(_) => match gate.due(now) {
            due if due.is_empty() => vec![Effect::Wait { until: gate.wake(now) }],
            due => due.into_iter().map(|probe| Effect::Probe { task: task.clone(), probe }).collect(),
        },
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(3).checked_div(2).map_or(LONGEST_POLL, |pause| pause.min(LONGEST_POLL))
}

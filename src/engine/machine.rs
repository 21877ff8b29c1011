//! The machine.
//!
//! ```text
//! state       wants               event → next state
//! ─────────────────────────────────────────────────────────────────────────────────────────────
//! Ready       Require, if asked   Required: met → Ready, unmet → Failed
//!             Ask | Pass | Notify Answered yes → Approved, no → Over, skip → next task's Ready;
//!                                 Unchanged → Resting or Proving; Notified → Proving
//!             (back: Announce)    Intended → Announced
//! Approved    Announce (or Wait)  Intended → Announced
//! Announced   Write               Begun → Running; Settled ↓; Refused → Failed, or Approved after a pause;
//!                                 InDoubt → Doubt
//! Resting     Rest                Waited → Proving
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
//! waiting     Watch, Compare      Watched, Compared: what a guard, a budget or somebody else brings up is asked
//!             beside the above    about once nothing is in flight: go on, stop, or roll back
//! any         Park once `StopAsked`, until `Resumed` or `RollbackAsked`.
//! any         Resumed: Approved → Ready, Announced → Doubt, Gate → Proving; the rest stays.
//! ```
//!
//! Three rules keep every path safe: a write is announced on disk before it is sent; whatever was announced
//! and is not known to have ended is looked at, never assumed; and what is undone is exactly what was seen
//! to have taken effect.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::effect::Effect;
use super::watch::Watch;
use crate::clock::later;
use crate::gate::{Fault, Gate, Rule, Verdict};
use crate::run::{
    Change, Choice, Ending, Entry, Event, Failure, GateOutcome, Left, OnFailure, OpId, Question, Refusal, Requirement,
    ResourceId, Reversibility, Scope, Task, TaskId, Trip, Way, Work, covers,
};

/// Version of this machine; it stands in every journal. It rises when old journals would fold differently.
pub const MACHINE: u32 = 2;

/// How often one write is sent before it counts as failed. Only writes that were seen not to have happened
/// are sent again.
const SENDS: u32 = 3;

/// Time between polls: short at first, so that quick operations are noticed quickly.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// The longest time between polls; the API's write quota is not known, reads every few seconds are safe.
const LONGEST_POLL: Duration = Duration::from_secs(5);

/// How often one write is sent again because something was in its way.
const BUSY: u32 = 8;
/// The pause before that; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

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
    /// Refusals of the current write that may pass.
    busy: u32,
    /// Whether what the current task rests on was seen to be so.
    met: bool,
    /// Failed tasks that were passed over.
    passed_over: Vec<TaskId>,
    /// Tasks that the operator left out.
    skipped: Vec<TaskId>,
    /// What made the run turn back.
    turned_by: Option<Failure>,
    /// Undos that failed.
    left: Vec<Left>,
    /// Undone changes after which things were not as well as before.
    unproven: Vec<usize>,
    /// Writes of ours that somebody else came between: what of them is in force is not known.
    unclear: Vec<Left>,
    /// A rollback was asked for while a write was in flight: turn back once it has settled, for this reason.
    turn_when_settled: Option<TurnBack>,
    /// The last task that a rollback leaves as it is.
    floor: Option<usize>,
    watch: Watch,
    /// What came up beside the work, and what the runbook says to do about it.
    interrupt: Option<(Failure, OnFailure)>,
    /// Resources that somebody else has changed, and the operator goes on in spite of it.
    given_up: BTreeSet<ResourceId>,
    budgets: BTreeMap<String, Duration>,
    /// When each phase began.
    began: BTreeMap<String, Timestamp>,
    /// Phases that may take longer than they should: the operator said so.
    extended: BTreeSet<String>,
    stopping: bool,
}

/// Why a run turns back; `None`: an operator asked for it.
#[derive(Clone, Debug)]
struct TurnBack {
    why: Option<Failure>,
}

#[derive(Clone, Debug)]
struct Applied {
    task: usize,
    seen: Value,
}

#[derive(Clone, Debug)]
enum At {
    Ready,
    Approved { not_before: Option<Timestamp> },
    Announced,
    Running { operation: String, ours: bool, polled: Timestamp, pause: Duration },
    Doubt { failed: Option<Trouble> },
    Resting { until: Timestamp },
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
    /// It failed and something of it is there: whether that has come right meanwhile.
    Look,
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
    /// A run that has this to do, and of which nothing has happened yet.
    pub fn new(work: impl Into<Work>) -> Run {
        let Work { tasks, guards, budgets } = work.into();
        Run {
            cursor: forward(&tasks, 0),
            tasks,
            way: Way::Apply,
            at: At::Ready,
            applied: Vec::new(),
            unsent: 0,
            busy: 0,
            met: false,
            passed_over: Vec::new(),
            skipped: Vec::new(),
            turned_by: None,
            left: Vec::new(),
            unproven: Vec::new(),
            unclear: Vec::new(),
            turn_when_settled: None,
            floor: None,
            watch: Watch::new(guards),
            interrupt: None,
            given_up: BTreeSet::new(),
            budgets,
            began: BTreeMap::new(),
            extended: BTreeSet::new(),
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
        if let Some(question) = self.interruption(now) {
            return vec![Effect::Ask(question)];
        }
        self.beside(self.next_of_work(now), now)
    }

    /// What the work itself wants.
    fn next_of_work(&self, now: Timestamp) -> Vec<Effect> {
        match &self.at {
            At::Ready => vec![self.next_when_ready()],
            At::Approved { not_before: Some(until) } if *until > now => vec![Effect::Wait { until: *until }],
            At::Approved { .. } => self.op().map(|op| Effect::Announce { op }).into_iter().collect(),
            At::Resting { until } => {
                let rest = |task: &Task| Effect::Rest { task: task.id.clone(), until: *until };
                self.task().map(rest).into_iter().collect()
            }
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
                        policy: policy(failure, task.on_failure),
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

    /// What wants an answer before the work goes on. While a write is in flight, its end is awaited first.
    fn interruption(&self, now: Timestamp) -> Option<Question> {
        let waits = matches!(self.at, At::Ready | At::Resting { .. } | At::Proving | At::Gate(_));
        if self.way == Way::Undo || !waits {
            return None;
        }
        let task = self.task();
        let ask = |failure: Failure, policy| Question::Interrupted {
            task: task.map(|task| task.id.clone()),
            failure: Box::new(failure),
            policy,
        };
        if let Some((failure, policy)) = &self.interrupt {
            return Some(ask(failure.clone(), *policy));
        }
        let task = task?;
        let (phase, budget) = (task.phase.clone(), *self.budgets.get(&task.phase)?);
        let spent = later(*self.began.get(&phase)?, budget) < now && !self.extended.contains(&phase);
        spent.then(|| ask(Failure::Budget { phase, budget }, task.on_failure))
    }

    /// What the work wants, and what is to be watched while it is waited for.
    fn beside(&self, wave: Vec<Effect>, now: Timestamp) -> Vec<Effect> {
        let resting = matches!(self.at, At::Resting { .. } | At::Gate(_));
        if self.way == Way::Undo || !(resting || matches!(self.at, At::Running { .. })) {
            return wave;
        }
        let applied = if resting { self.in_force() } else { BTreeMap::new() };
        let compares = !applied.is_empty();
        let mut due: Vec<Effect> = self.watch.due(now).into_iter().map(|probe| Effect::Watch { probe }).collect();
        if compares && self.watch.compares(now) {
            due.push(Effect::Compare { applied });
        }
        let waits = |effect: &Effect| match effect {
            Effect::Wait { until } | Effect::Rest { until, .. } => Some(*until),
            _ => None,
        };
        let Some(until) = wave.iter().find_map(waits) else { return wave.into_iter().chain(due).collect() };
        let next = [self.watch.wake(now), self.watch.next_comparison().filter(|next| compares && *next > now)];
        let soonest = next.into_iter().flatten().fold(until, Timestamp::min);
        if due.is_empty() && soonest == until {
            return wave;
        }
        let looks = wave.into_iter().filter(|effect| waits(effect).is_none());
        looks.chain(due).chain([Effect::Wait { until: soonest }]).collect()
    }

    /// What each resource was last made by this run.
    fn in_force(&self) -> BTreeMap<ResourceId, Value> {
        let changes = self.applied.iter().filter_map(|applied| self.tasks.get(applied.task)?.change.as_ref());
        let watched = changes.filter(|change| !self.given_up.contains(&change.resource));
        watched.map(|change| (change.resource.clone(), change.to.clone())).collect()
    }

    fn next_when_ready(&self) -> Effect {
        match (self.way, self.task()) {
            (Way::Apply, None) => {
                Effect::End(Ending::Done { failed: self.passed_over.clone(), skipped: self.skipped.clone() })
            }
            (Way::Apply, Some(Task { id, require: Some(evidence), .. })) if !self.met => {
                Effect::Require { task: id.clone(), evidence: evidence.clone() }
            }
            (Way::Apply, Some(Task { id, message: Some(_), .. })) => Effect::Notify { task: id.clone() },
            (Way::Apply, Some(task)) if task.change.is_none() => Effect::Pass { task: task.id.clone() },
            (Way::Apply, Some(task)) => Effect::Ask(match (&task.reversibility, &task.confirm) {
                (Reversibility::OneWay { why }, _) => Question::OneWay { task: task.id.clone(), why: why.clone() },
                (_, Some(text)) => Question::Confirm { task: task.id.clone(), text: text.clone() },
                (_, None) => Question::Apply { task: task.id.clone() },
            }),
            (Way::Undo, Some(_)) if self.is_unproven() => self.open_gate(),
            (Way::Undo, _) => match self.op() {
                Some(op) => Effect::Announce { op },
                None => Effect::End(self.end_of_rollback()),
            },
        }
    }

    fn end_of_rollback(&self) -> Ending {
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

    /// Returns false, and changes nothing, if the event cannot happen here.
    fn take(&mut self, entry: &Entry) -> bool {
        use Event::{Answered, Ended, Resumed, RollbackAsked, Started, StopAsked};
        let now = entry.at;
        match (&entry.event, &self.at) {
            (Started { .. }, At::Ready) if self.cursor == forward(&self.tasks, 0) && self.applied.is_empty() => {}
            (Resumed { .. }, _) => return self.resume(),
            (RollbackAsked { to, .. }, _) => return self.ask_rollback(to.as_deref()),
            (StopAsked { .. }, At::Ended { .. }) => return false,
            (StopAsked { .. }, _) => self.stopping = true,
            (Answered { question: Question::Doubt { op }, choice, .. }, At::Doubt { .. }) if self.is_op(op) => {
                let Some(change) = self.change() else { return false };
                match choice {
                    Choice::Yes => self.settle(&change.to, None),
                    Choice::No => self.settle(&change.from, None),
                    _ => return false,
                }
            }
            (Answered { question, choice, .. }, _) => {
                if !self.next(now).contains(&Effect::Ask(question.clone())) {
                    return false;
                }
                return match question {
                    Question::Interrupted { failure, .. } => self.answer_interruption(failure, *choice),
                    _ => self.answer(*choice),
                };
            }
            (Ended { ending }, _) if self.next(now) == [Effect::End(ending.clone())] => {
                let resumes = match std::mem::replace(&mut self.at, At::Ready) {
                    At::Over { resumes, .. } => resumes,
                    other => Box::new(other),
                };
                self.at = At::Ended { ending: ending.clone(), resumes };
            }
            _ => {
                if !(self.take_before(entry) || self.take_write(entry) || self.take_gate(entry)) {
                    return false;
                }
            }
        }
        if let (Way::Apply, Some(phase)) = (self.way, self.task().map(|task| task.phase.clone())) {
            self.began.entry(phase).or_insert(now);
        }
        true
    }

    /// What comes before a write, instead of one, or beside it.
    fn take_before(&mut self, entry: &Entry) -> bool {
        use Event::{Closed, Compared, Decided, Notified, Required, Unchanged, Waited, Watched};
        let now = entry.at;
        match (&entry.event, &self.at) {
            (Required { task, found }, At::Ready) if self.is_current(task) && self.way == Way::Apply => match found {
                Requirement::Met { .. } => self.met = true,
                Requirement::Unmet { why, .. } => {
                    self.give_up(Failure::Require { why: why.clone() }, Some(Retry::Change));
                }
            },
            (Unchanged { task }, At::Ready) if self.is_current(task) && self.way == Way::Apply => {
                match self.task().and_then(|task| task.pause) {
                    Some(pause) => self.at = At::Resting { until: later(now, pause) },
                    None => self.prove(),
                }
                self.watch.compared(now);
            }
            (Waited { task }, At::Resting { until }) if self.is_current(task) && *until <= now => self.prove(),
            (Notified { task, .. }, At::Ready) if self.is_current(task) && self.way == Way::Apply => self.prove(),
            (Watched { probe, observation }, _) if !matches!(self.at, At::Ended { .. }) => {
                self.watched(probe, observation, now);
            }
            (Decided { .. } | Closed { .. }, _) if !matches!(self.at, At::Ended { .. }) => {}
            (Compared { moved }, _) if !matches!(self.at, At::Ended { .. }) => {
                self.watch.compared(now);
                if let Some((resource, seen)) = moved.iter().next() {
                    let failure = Failure::Interfered { resource: resource.clone(), seen: seen.clone() };
                    self.interrupt = Some((failure, OnFailure::Ask));
                }
            }
            _ => return false,
        }
        true
    }

    /// What becomes of a write.
    fn take_write(&mut self, entry: &Entry) -> bool {
        use Event::{Begun, Failed, InDoubt, Intended, Polled, Refused, Settled};
        let now = entry.at;
        match (&entry.event, &self.at) {
            (Intended { op }, At::Ready | At::Approved { .. }) if self.next_announces(op, now) => {
                self.at = At::Announced;
            }
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
                if matches!(refusal, Refusal::Busy { .. }) && self.busy < BUSY && self.turn_when_settled.is_none() {
                    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.busy)).min(LONGEST_PAUSE);
                    self.busy += 1;
                    self.at = At::Approved { not_before: Some(later(now, pause)) };
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
            _ => return false,
        }
        true
    }

    /// What a gate sees and says.
    fn take_gate(&mut self, entry: &Entry) -> bool {
        use Event::{GateClosed, GateOpened, Observed};
        let now = entry.at;
        match (&entry.event, &self.at) {
            (GateOpened { task }, At::Proving | At::Ready) if self.is_current(task) => {
                if matches!(self.at, At::Ready) && !(self.way == Way::Undo && self.is_unproven()) {
                    return false;
                }
                let Some(rule) = self.gate_rule() else { return false };
                self.at = At::Gate(Gate::open(rule, now));
                self.watch.compared(now);
            }
            (Observed { probe, observation, .. }, _) => {
                let At::Gate(gate) = &mut self.at else { return false };
                gate.see(probe, observation, now);
            }
            (GateClosed { task, outcome }, At::Gate(_)) if self.is_current(task) => match (self.way, outcome) {
                (Way::Apply, GateOutcome::Passed { .. }) => self.advance(),
                (Way::Undo, GateOutcome::Passed { .. }) => {
                    let cursor = self.cursor;
                    self.unproven.retain(|unproven| *unproven != cursor);
                    self.turn_to_next_undo();
                }
                (_, GateOutcome::Failed { why, fault }) => {
                    self.give_up(Failure::Gate { why: why.clone(), fault: *fault }, Some(Retry::Gate));
                }
            },
            _ => return false,
        }
        true
    }

    /// A guard has a sample. One that trips while a write is in flight waits for its end.
    fn watched(&mut self, probe: &str, observation: &crate::gate::Observation, now: Timestamp) {
        let Some((guard, why)) = self.watch.see(probe, observation, now) else { return };
        if self.way == Way::Undo {
            return;
        }
        let last = || self.applied.last().and_then(|applied| self.tasks.get(applied.task)).map(|task| task.id.clone());
        let after = self.in_flight().map(|op| op.task).or_else(last);
        let failure = Failure::Guard { probe: guard.probe, why, after };
        match guard.then {
            Trip::Pause => self.interrupt = Some((failure, OnFailure::Ask)),
            Trip::Rollback if self.in_flight().is_some() => {
                self.turn_when_settled = Some(TurnBack { why: Some(failure) });
            }
            Trip::Rollback => self.turn_back(Some(failure)),
        }
    }

    fn answer_interruption(&mut self, failure: &Failure, choice: Choice) -> bool {
        match choice {
            Choice::Continue => match failure {
                Failure::Guard { probe, .. } => self.watch.dismiss(probe),
                Failure::Budget { phase, .. } => drop(self.extended.insert(phase.clone())),
                Failure::Interfered { resource, .. } => drop(self.given_up.insert(resource.clone())),
                _ => {}
            },
            Choice::Stop => {
                let Some(task) = self.task().or(self.tasks.last()).map(|task| task.id.clone()) else { return false };
                let resumes = Box::new(if matches!(self.at, At::Gate(_)) { At::Proving } else { self.at.clone() });
                self.at = At::Over { ending: Ending::Stopped { task, why: failure.clone() }, resumes };
            }
            Choice::Rollback => self.turn_back(Some(failure.clone())),
            _ => return false,
        }
        self.interrupt = None;
        true
    }

    fn resume(&mut self) -> bool {
        self.stopping = false;
        self.met = false;
        self.watch.interrupted();
        match &self.at {
            At::Approved { .. } if self.way == Way::Apply => self.at = At::Ready,
            At::Announced => self.at = At::Doubt { failed: None },
            At::Gate(_) if self.way == Way::Undo && self.is_unproven() => self.at = At::Ready,
            At::Gate(_) => self.at = At::Proving,
            At::Ended { ending: Ending::Done { .. } | Ending::RolledBack { .. }, .. } => return false,
            At::Ended { ending: Ending::Stuck { .. }, .. } => self.try_left_again(),
            At::Ended { resumes, .. } => self.at = (**resumes).clone(),
            _ => {}
        }
        true
    }

    fn ask_rollback(&mut self, to: Option<&str>) -> bool {
        let floor = |step: &str| self.tasks.iter().rposition(|task| task.id.goes_by(step));
        self.floor = match to {
            None => None,
            Some(step) => match floor(step) {
                Some(place) => Some(place),
                None => return false,
            },
        };
        match &self.at {
            At::Ended { ending: Ending::RolledBack { .. }, .. }
                if !self.applied.iter().any(|applied| self.can_undo(applied)) =>
            {
                return false;
            }
            At::Ended { ending: Ending::Stuck { .. }, .. } => self.try_left_again(),
            At::Announced => {
                self.at = At::Doubt { failed: None };
                self.turn_when_settled = Some(TurnBack { why: None });
            }
            At::Running { .. } | At::Doubt { .. } => self.turn_when_settled = Some(TurnBack { why: None }),
            // A part was undone before; what was left as it was then may be undone now.
            At::Ended { ending: Ending::RolledBack { .. }, .. } => {
                self.turned_by = None;
                self.turn_to_next_undo();
            }
            _ if self.way == Way::Apply => self.turn_back(None),
            _ => {}
        }
        self.stopping = false;
        true
    }

    fn answer(&mut self, choice: Choice) -> bool {
        let Some(task) = self.task().map(|task| task.id.clone()) else { return false };
        match (choice, &self.at) {
            (Choice::Yes | Choice::AllInPhase, At::Ready) => self.at = At::Approved { not_before: None },
            (Choice::Skip, At::Ready) => {
                self.cursor += self.rest_of_turn();
                self.skipped.push(task);
                self.advance();
            }
            (Choice::No, At::Ready) => {
                self.at = At::Over { ending: Ending::Declined { task }, resumes: Box::new(At::Ready) };
            }
            (Choice::Rollback, At::Ready) => self.turn_back(None),
            (Choice::Rollback, At::Failed { failure, .. }) => {
                let failure = failure.clone();
                self.floor = self.scope();
                self.turn_back(Some(failure));
            }
            (Choice::Continue, At::Failed { .. }) => {
                self.pass_over(task);
            }
            (Choice::Stop, At::Failed { failure, retry }) => {
                let ending = Ending::Stopped { task, why: failure.clone() };
                let resumes = retry.map_or_else(|| self.at.clone(), Retry::place);
                self.at = At::Over { ending, resumes: Box::new(resumes) };
            }
            (Choice::Retry, At::Failed { retry: Some(retry), .. }) => {
                (self.unsent, self.busy, self.met) = (0, 0, false);
                self.at = retry.place();
            }
            _ => return false,
        }
        true
    }

    fn pass_over(&mut self, task: TaskId) {
        self.cursor += self.rest_of_turn();
        self.passed_over.push(task);
        self.advance();
    }

    /// How many tasks come after the current one in the same turn of its step. What is left of a failed step must not be
    /// built on it: a failed canary is not given more traffic.
    fn rest_of_turn(&self) -> usize {
        let Some(task) = self.task() else { return 0 };
        let same = |later: &&Task| later.id.step() == task.id.step() && later.turn == task.turn;
        self.tasks.iter().skip(self.cursor + 1).take_while(same).count()
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
                if self.way == Way::Apply {
                    self.forget();
                }
                self.unsent += 1;
                if let (Way::Apply, Some(TurnBack { why })) = (self.way, self.turn_when_settled.clone()) {
                    self.turn_back(why);
                } else if self.unsent < SENDS {
                    self.at = At::Approved { not_before: None };
                } else {
                    self.give_up(Failure::Lost { resource }, Some(Retry::Change));
                }
            }
            (_, None) => {
                let why = Failure::Interfered { resource, seen };
                if let (Way::Apply, Some(task)) = (self.way, self.task().map(|task| task.id.clone())) {
                    self.unclear.push(Left { task, why: why.clone() });
                }
                self.give_up(why, None);
            }
            (Way::Apply, Some(why)) => {
                let took_effect = !untouched;
                if took_effect {
                    self.in_force_now(seen.clone());
                }
                let retry = if untouched { Retry::Change } else { Retry::Look };
                self.give_up(Failure::Operation { resource, why, seen, took_effect }, Some(retry));
            }
            (Way::Undo, Some(why)) => {
                self.give_up(Failure::Operation { resource, why, seen, took_effect: !untouched }, None);
            }
        }
    }

    fn happened(&mut self, seen: Value) {
        match self.way {
            Way::Apply => {
                self.in_force_now(seen);
                match self.turn_when_settled.clone() {
                    Some(TurnBack { why }) => self.turn_back(why),
                    None => self.prove(),
                }
            }
            Way::Undo => {
                let cursor = self.cursor;
                self.applied.retain(|applied| applied.task != cursor);
                if self.gate_rule().is_some() {
                    self.unproven.push(cursor);
                    self.at = At::Ready;
                } else {
                    self.turn_to_next_undo();
                }
            }
        }
    }

    fn prove(&mut self) {
        match self.gate_rule() {
            Some(_) => self.at = At::Proving,
            None => self.advance(),
        }
    }

    /// What proves that the current task, or its undo, did well.
    fn gate_rule(&self) -> Option<Rule> {
        let task = self.task()?;
        match self.way {
            Way::Apply => task.gate.clone(),
            Way::Undo => task.undo_gate.clone(),
        }
    }

    /// Whether the current task was undone, and it is still to be shown that nothing is worse for it.
    fn is_unproven(&self) -> bool {
        self.unproven.contains(&self.cursor)
    }

    fn open_gate(&self) -> Effect {
        let task = self.task().map_or_else(|| TaskId::of_step(""), |task| task.id.clone());
        Effect::OpenGate { task }
    }

    fn advance(&mut self) {
        self.cursor = forward(&self.tasks, self.cursor + 1);
        (self.unsent, self.busy, self.met) = (0, 0, false);
        self.at = At::Ready;
    }

    /// A change is in force, or a part of it; and with the whole of it, what is made for it on the way back.
    fn in_force_now(&mut self, seen: Value) {
        let cursor = self.cursor;
        let Some(Task { id, change: Some(change), reversibility, .. }) = self.tasks.get(cursor) else { return };
        let whole = covers(&seen, &change.to) && !reversibility.is_one_way();
        let back =
            |place: &usize| self.tasks.get(*place).is_some_and(|task| whole && task.back_for.as_ref() == Some(id));
        let applied = |task: usize| {
            let seen = self.tasks.get(task)?.change.as_ref()?.to.clone();
            Some(Applied { task, seen })
        };
        let before = cursor.checked_sub(1).filter(back).and_then(applied);
        let after = Some(cursor + 1).filter(back).and_then(applied);
        self.forget();
        self.applied.extend(before.into_iter().chain([Applied { task: cursor, seen }]).chain(after));
    }

    /// What was thought to be in force of the current task's change is looked at anew.
    fn forget(&mut self) {
        let Some(id) = self.task().map(|task| task.id.clone()) else { return };
        let tasks = &self.tasks;
        let is_its = |task: &Task| task.id == id || task.back_for.as_ref() == Some(&id);
        self.applied.retain(|applied| !tasks.get(applied.task).is_some_and(is_its));
    }

    fn give_up(&mut self, failure: Failure, retry: Option<Retry>) {
        match self.way {
            Way::Apply if self.turn_when_settled.is_some() => self.turn_back(Some(failure)),
            Way::Apply if self.can_spare(&failure) => {
                if let Some(task) = self.task().map(|task| task.id.clone()) {
                    self.pass_over(task);
                }
            }
            Way::Apply => self.at = At::Failed { failure, retry },
            Way::Undo => {
                if let Some(task) = self.task().map(|task| task.id.clone()) {
                    self.left.push(Left { task, why: failure });
                }
                self.turn_to_next_undo();
            }
        }
    }

    /// Whether this turn of a step may fail without the step's failing. One that somebody came between, or whose write
    /// is not accounted for, may not.
    fn can_spare(&self, failure: &Failure) -> bool {
        let Some(task) = self.task() else { return false };
        let failed = self.passed_over.iter().filter(|passed| passed.step() == task.id.step()).count();
        let clear = matches!(failure, Failure::Gate { .. } | Failure::Refused { .. } | Failure::Operation { .. });
        clear && u32::try_from(failed).is_ok_and(|failed| failed < task.spare)
    }

    fn turn_back(&mut self, why: Option<Failure>) {
        self.way = Way::Undo;
        self.turned_by = why;
        self.turn_when_settled = None;
        self.interrupt = None;
        self.turn_to_next_undo();
    }

    /// The last task that an automatic rollback leaves as it is: what said that it should be undone is.
    fn scope(&self) -> Option<usize> {
        let task = self.task().filter(|task| task.on_failure == OnFailure::Rollback)?;
        let first = self.tasks.iter().position(|other| match task.undoes {
            Scope::Step => other.id.step() == task.id.step(),
            Scope::Phase => other.phase == task.phase,
            Scope::Run => true,
        });
        first?.checked_sub(1)
    }

    fn try_left_again(&mut self) {
        self.left.clear();
        self.turn_to_next_undo();
    }

    fn turn_to_next_undo(&mut self) {
        (self.unsent, self.busy) = (0, 0);
        self.at = At::Ready;
        let next = self.applied.iter().rev().find(|applied| self.can_undo(applied)).map(|applied| applied.task);
        let is_left = |task: usize| self.tasks.get(task).is_some_and(|task| self.is_left(task));
        let unproven = || self.unproven.iter().rev().copied().find(|task| !is_left(*task));
        self.cursor = next.or_else(unproven).unwrap_or(self.tasks.len());
    }

    fn is_left(&self, task: &Task) -> bool {
        self.left.iter().any(|left| left.task == task.id)
    }

    fn is_reversible(&self, applied: &Applied) -> bool {
        self.tasks.get(applied.task).is_some_and(|task| !task.reversibility.is_one_way())
    }

    fn can_undo(&self, applied: &Applied) -> bool {
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
        let subject = |task: &Task| {
            task.change.as_ref().map(|change| {
                let (family, name) = change.subject();
                (family.to_owned(), name.to_owned())
            })
        };
        let own = self.tasks.get(applied.task).and_then(subject)?;
        let later = self.tasks.iter().skip(applied.task + 1).filter(|task| subject(task).as_ref() == Some(&own));
        let left = |task: &&Task| {
            self.left.iter().any(|left| left.task == task.id && !matches!(left.why, Failure::Gate { .. }))
        };
        later.filter(left).map(|task| task.id.clone()).next()
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
            At::Approved { .. } => "after an approval",
            At::Resting { .. } => "in a pause",
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
            Retry::Look => At::Doubt { failed: None },
            Retry::Gate => At::Proving,
        }
    }
}

/// The first place from here on of what is carried out on the way forward.
fn forward(tasks: &[Task], from: usize) -> usize {
    let place = tasks.iter().skip(from).position(|task| task.back_for.is_none());
    place.map_or(tasks.len(), |place| from + place)
}

fn next_of_gate(task: &TaskId, gate: &Gate, now: Timestamp) -> Vec<Effect> {
    let close = |outcome| vec![Effect::CloseGate { task: task.clone(), outcome }];
    match gate.verdict(now) {
        Verdict::Passed(proof) => close(GateOutcome::Passed { proof }),
        Verdict::Failed { fault, why } => close(GateOutcome::Failed { why, fault }),
        // Each probe keeps its own time: the next look of one does not wait for the end of another's.
        Verdict::Open => {
            let looks = gate.due(now).into_iter().map(|probe| Effect::Probe { task: task.clone(), probe });
            looks.chain([Effect::Wait { until: gate.wake(now) }]).collect()
        }
    }
}

/// What to do about a failure. To roll back because nobody knows how the patient is could hurt a healthy one: that is
/// for a person to say.
fn policy(failure: &Failure, wanted: OnFailure) -> OnFailure {
    match failure {
        Failure::Gate { fault: Fault::Unknown | Fault::Broken, .. } if wanted == OnFailure::Rollback => OnFailure::Ask,
        _ => wanted,
    }
}

fn longer(pause: Duration) -> Duration {
    pause.saturating_mul(3).checked_div(2).map_or(LONGEST_POLL, |pause| pause.min(LONGEST_POLL))
}

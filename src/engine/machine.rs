//! The machine.
//!
//! ```text
//! state       wants                    event → next state
//! ────────────────────────────────────────────────────────────────────────────────────────────────────
//! Ready       CheckPreconditions       PreconditionsChecked: met → Ready, unmet → Failed
//!             Ask, RecordUnchanged     Answered yes → Approved, no → Over, skip → next task's Ready, or Done;
//!             or Notify                Unchanged → Resting or Proving; Notified → Proving
//!             (back: RecordIntent)     Intended → Announced
//!             (back: AssessHealth,     Assessed, Answered: an undo that restores an unhealthy state wants an
//!             Ask)                     answer first
//! Approved    RecordIntent (or Wait)   Intended → Announced
//! Announced   Write                    OperationStarted → Running; StateObserved ↓; Refused → Failed, or Approved
//!                                      after a pause; InDoubt → Doubt; Failed → Doubt, or Unknown if it cannot be
//!                                      observed, or Failed if its undo is wanted whatever took effect
//! Resting     Sleep                    Waited → Proving
//! Running     Poll (or Wait)           Polled → Running; StateObserved ↓; Failed, InDoubt → Doubt
//!             AbandonOperation         OperationTimedOut → Failed; backwards: not rolled back
//! Doubt       ObserveState             OperationStarted → Running; Failed → Doubt; StateObserved ↓; Missing → Failed
//!   StateObserved: is `to` → Proving · is `from` → Approved again, at last Failed · neither → Failed;
//!             after the event Failed, without one of our own operation's: is `to` → Approved again, at last Failed;
//!             after the event Failed: what took effect is remembered → Failed
//! Observing   ObserveState             OperationStarted → Running; StateObserved: is `to` → Proving, is `from` →
//!                                      Ready, neither → Failed; Missing → Failed. Backwards: is `from` → undone,
//!                                      is `to` → Ready, neither → not rolled back
//! Unknown     Ask                      Answered yes, no → as after Failed; unknown → Failed, and stated as unknown.
//!                                      So is what is Observing and cannot be observed
//! Proving     OpenGate (or next)       GateOpened → Gate
//! Gate        TakeSample (or Wait),    Sampled → Gate
//!             CloseGate                GateClosed passed → next task's Ready, or Done, failed → Failed
//! Failed      Ask                      Answered retry → as before the failure, continue → next task's Ready, or
//!                                      Done, stop → Over, rollback → Ready, backwards
//! Done        nothing                  once all lanes of its batch are done: the next batch's Ready
//!
//! the run     about to end: as Ready   once the last finally task is done: Over; without finally tasks at once
//!             Over: End                Ended → Ended
//!             Ended: nothing           Resumed → as before the ending; RollbackRequested → Ready, backwards
//!
//! waiting     SampleGuard, CheckDrift  GuardSampled, DriftChecked: what a guard, a budget or another principal
//!             beside the above         brings up is asked about once nothing is in flight: go on, stop, or roll
//!                                      back. A budget that is spent while an operation runs is asked about then:
//!                                      it may hang
//! any         Park once `StopRequested` or `Paused`, until `Resumed` or `RollbackRequested`.
//! any         Resumed: Approved → Ready, Announced → Doubt, Gate → Proving; the rest stays.
//! any         RollbackRequested: forwards, the run turns back once nothing is in flight; backwards, as Resumed, and
//!             what was not rolled back is observed and tried again. It always leads to an ending.
//! ```
//!
//! A run has one lane, or as many as a `for_each` step may do at once: each is somewhere in this table, and what
//! all of them want is one batch of effects. Questions are put one at a time, when no lane goes on by itself: so those of
//! a batch are asked before its first write, and a failure when all else has come to rest.
//!
//! Five rules keep every path safe: a write is announced on disk before it is sent; whatever was announced and is not
//! known to have ended is observed, never assumed; what is undone is exactly what was seen to have taken effect; lost
//! access to the cloud pauses the run and is never a failure of a task; and every wait has a limit, of which only the
//! time counts in which a process worked on the run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::back::Restore;
use super::effect::Effect;
use super::finally::Finally;
use super::lane::{Lane, LaneState, Met, ReportedFailure, Retry, Running, batch, forward};
use super::watch::Watch;
use crate::clock::{between, later};
use crate::gate::{Breaks, Gate, GateFault, GateRule, GateVerdict};
use crate::run::{
    CALL, Change, Choice, Ending, Entry, Event, Failure, GateOutcome, GuardAction, NotRolledBack, OnFailure, OpId,
    PauseReason, PreconditionResult, Preconditions, Program, Question, Refusal, ResourceId, Reversibility, Task,
    TaskId, Way, Work, covers,
};

/// Version of this machine; it stands in every journal. It rises when old journals would fold differently.
pub const MACHINE: u32 = 3;

/// How often one write is sent before it counts as failed. Only writes that were seen not to have happened
/// are sent again.
const SENDS: u32 = 3;

/// How often one write is sent again because something was in its way.
const BUSY: u32 = 8;
/// The pause before that; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause, if the API does not ask for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause that the API is granted.
const LONGEST_ASKED: Duration = Duration::from_mins(10);

/// How long an operation is awaited at most if its task does not say. Source: Terraform awaits Google's operations for 20
/// minutes unless told otherwise.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(20);

/// A run as the fold of its entries.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) tasks: Vec<Task>,
    /// Where the finally tasks begin; they are the last ones.
    pub(super) border: usize,
    /// Whether a write was announced that is not one of a finally task.
    pub(super) has_sent: bool,
    /// What the finally tasks have made of resources that nothing else has changed since.
    pub(super) finally_left: BTreeMap<ResourceId, Value>,
    pub(super) direction: Direction,
    /// The lines of work of the present batch; at least one.
    pub(super) lanes: Vec<Lane>,
    pub(super) stands: TaskProgress,
    /// Changes that took effect, in order, and what was seen of each.
    pub(super) applied: Vec<Applied>,
    /// Failed tasks that were passed over.
    pub(super) passed_over: Vec<TaskId>,
    /// Tasks that the operator left out.
    pub(super) skipped: Vec<TaskId>,
    /// Undos that failed, and changes whose operation is overdue. Tried again when the run is taken up or rolled back anew.
    pub(super) left: Vec<NotRolledBack>,
    /// Undone changes after which things were not as well as before.
    pub(super) unproven: Vec<usize>,
    /// What is known of undos that restore an unhealthy state, by the first task that changes the same thing.
    pub(super) restores: BTreeMap<TaskId, Restore>,
    /// The last task that a rollback leaves as it is.
    pub(super) floor: Option<usize>,
    /// How many counts the probes of each gate have used up. What a gate claims it claims of all its openings, until the
    /// change is made anew that it stands behind.
    breaks: BTreeMap<OpId, Breaks>,
    watch: Watch,
    /// What came up beside the work, and what the runbook says to do about it.
    pub(super) interrupt: Option<(Failure, OnFailure)>,
    /// Resources that somebody else has changed, and the operator goes on in spite of it.
    given_up: BTreeSet<ResourceId>,
    budgets: BTreeMap<String, Duration>,
    /// How long each phase was worked on.
    worked: BTreeMap<String, Duration>,
    /// The time of the newest entry.
    newest: Option<Timestamp>,
    /// Phases that may take longer than they should: the operator said so.
    extended: BTreeSet<String>,
    /// When another process took it up.
    resumed: Option<Timestamp>,
    pub(super) halt: Halt,
}

/// Which way a run goes.
#[derive(Clone, Debug)]
pub(super) enum Direction {
    Forward,
    /// A rollback waits until the writes in flight have come to their ends.
    Turning(TurnBack),
    Back(TurnBack),
    /// The outcome is decided, and what comes last is done.
    Finally(Box<Finally>),
}

/// Whether the run goes on.
#[derive(Clone, Debug)]
pub(super) enum Halt {
    No,
    /// It is to pause; that is not written down yet.
    Pausing(PauseReason),
    Paused(PauseReason),
    /// Somebody asked it to stop.
    Stopping,
}

/// How far the whole of it is.
#[derive(Clone, Debug)]
pub(super) enum TaskProgress {
    Working,
    /// It is to end so; that is not written down yet.
    Over(Ending),
    Ended(Ending),
}

/// Why a run turns back; `None`: an operator asked for it.
#[derive(Clone, Debug)]
pub(super) struct TurnBack {
    pub(super) why: Option<Failure>,
}

#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) task: usize,
    pub(super) seen: Value,
    pub(super) known: Known,
}

/// What is known of a change that was sent.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It took effect, at least in part: `seen` says what of it.
    Applied,
    /// What of it is applied is not known, and why: it is observed before it is undone.
    Unclear(Box<Failure>),
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
        let Work { tasks, guards, budgets, titles: _ } = work.into();
        let border = tasks.iter().position(Task::is_finally).unwrap_or(tasks.len());
        // Finally tasks are never the work itself.
        let nothing = Lane { at: LaneState::Done, ..Lane::over(0, 0) };
        let is_only_finally = border == 0 && !tasks.is_empty();
        let mut run = Run {
            lanes: if is_only_finally { vec![nothing] } else { batch(&tasks, 0) },
            tasks,
            border,
            has_sent: false,
            finally_left: BTreeMap::new(),
            direction: Direction::Forward,
            stands: TaskProgress::Working,
            applied: Vec::new(),
            passed_over: Vec::new(),
            skipped: Vec::new(),
            left: Vec::new(),
            unproven: Vec::new(),
            restores: BTreeMap::new(),
            floor: None,
            breaks: BTreeMap::new(),
            watch: Watch::new(guards),
            interrupt: None,
            given_up: BTreeSet::new(),
            budgets,
            worked: BTreeMap::new(),
            newest: None,
            extended: BTreeSet::new(),
            resumed: None,
            halt: Halt::No,
        };
        run.enter_finally();
        run
    }

    pub(super) fn way(&self) -> Way {
        match self.direction {
            Direction::Forward | Direction::Turning(_) | Direction::Finally(_) => Way::Apply,
            Direction::Back(_) => Way::Undo,
        }
    }

    fn is_turning(&self) -> bool {
        matches!(self.direction, Direction::Turning(_))
    }

    /// What is wanted now: a batch of effects that may be carried out together. Empty once the run has ended.
    pub fn next(&self, now: Timestamp) -> Vec<Effect> {
        match (&self.stands, &self.halt) {
            (TaskProgress::Ended(_), _) => Vec::new(),
            (_, Halt::Stopping | Halt::Paused(_)) => vec![Effect::Park],
            (_, Halt::Pausing(why)) => vec![Effect::Pause { why: why.clone() }],
            (TaskProgress::Over(ending), Halt::No) => vec![Effect::End(ending.clone())],
            (TaskProgress::Working, Halt::No) => match self.interruption(now) {
                Some(question) => vec![Effect::Ask(question)],
                None => self.beside(self.next_of_work(now), now),
            },
        }
    }

    /// What the work itself wants.
    fn next_of_work(&self, now: Timestamp) -> Vec<Effect> {
        if self.is_turning() {
            // Nothing more is begun; what is in flight comes to its end.
            let flying = self.lanes.iter().filter(|lane| lane.in_flight());
            return together(flying.flat_map(|lane| self.next_of_lane(lane, now)).collect(), now);
        }
        let wants: Vec<Effect> = self.lanes.iter().flat_map(|lane| self.next_of_lane(lane, now)).collect();
        let is_word = |effect: &&Effect| matches!(effect, Effect::CheckPreconditions { .. } | Effect::Ask(_));
        if self.lanes.iter().any(|lane| lane.is_afloat() && self.took_effect(lane).is_none()) {
            return together(wants.into_iter().filter(|effect| !is_word(&effect)).collect(), now);
        }
        // What became of a write that was sent is known before anything else is decided.
        let sent = wants.iter().find(|effect| matches!(effect, Effect::Ask(Question::TookEffect { .. })));
        let first = sent.or_else(|| wants.iter().find(|effect| self.is_before_its_question(effect)));
        // What was approved is observed again once nobody is asked any more: a question stays the one that was asked, however
        // long its answer takes.
        let asked = || wants.iter().find(|effect| matches!(effect, Effect::Ask(_)));
        match first.or_else(asked).or_else(|| wants.iter().find(is_word)) {
            Some(word) => vec![word.clone()],
            None => together(wants, now),
        }
    }

    /// What one line of work wants.
    fn next_of_lane(&self, lane: &Lane, now: Timestamp) -> Vec<Effect> {
        if lane.is_done() {
            return Vec::new();
        }
        let Some(task) = self.task(lane) else { return vec![self.next_at_the_end()] };
        let id = || task.id.clone();
        let written = self.op(lane).zip(self.change(lane));
        let one = |effect: Option<Effect>| effect.into_iter().collect();
        match &lane.at {
            LaneState::Ready => vec![self.next_when_ready(lane, task)],
            LaneState::Approved { not_before: Some(until) } if *until > now => vec![Effect::Wait { until: *until }],
            LaneState::Approved { .. } => match self.evidence_to_renew(lane, task, now) {
                Some(evidence) => vec![Effect::CheckPreconditions { task: id(), evidence }],
                None => one(self.op(lane).map(|op| Effect::RecordIntent { op })),
            },
            LaneState::Resting { since, pause } => vec![Effect::Sleep { task: id(), until: later(*since, *pause) }],
            LaneState::Announced => one(written.map(|(op, change)| Effect::Write { op, change })),
            LaneState::Running(running) if running.is_overdue(operation_timeout(task)) => {
                one(self.op(lane).map(|op| {
                    let (operation, limit) = (running.operation.clone(), operation_timeout(task));
                    Effect::AbandonOperation { op, operation, limit }
                }))
            }
            LaneState::Running(running) => match running.next_poll(now) {
                until if until > now => vec![Effect::Wait { until }],
                _ => one(written.map(|(op, change)| Effect::Poll {
                    op,
                    operation: running.operation.clone(),
                    resource: change.resource,
                })),
            },
            LaneState::Unknown { .. } | LaneState::Observing { .. } if let Some(question) = self.took_effect(lane) => {
                vec![Effect::Ask(question)]
            }
            LaneState::Doubt { .. } | LaneState::Observing { .. } => {
                one(written.map(|(op, change)| Effect::ObserveState { op, resource: change.resource }))
            }
            LaneState::Proving => vec![self.open_gate(&task.id)],
            LaneState::Gate(gate) => next_of_gate(&task.id, gate, now),
            LaneState::Failed { failure, retry } => vec![Effect::Ask(Question::Failed {
                task: id(),
                failure: Box::new(failure.clone()),
                policy: policy(failure, task.on_failure),
                retry: retry.is_some(),
            })],
            LaneState::Unknown { .. } | LaneState::Done => Vec::new(),
        }
    }

    /// Takes what happened. An error means that the journal is not one of this machine's.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Illegal> {
        if self.take(entry) { Ok(()) } else { Err(self.illegal(&entry.event)) }
    }

    /// Why the run has paused by itself, if it has.
    pub fn paused(&self) -> Option<&PauseReason> {
        match &self.halt {
            Halt::Paused(why) => Some(why),
            Halt::No | Halt::Pausing(_) | Halt::Stopping => None,
        }
    }

    /// How the run ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.stands {
            TaskProgress::Ended(ending) => Some(ending),
            TaskProgress::Working | TaskProgress::Over(_) => None,
        }
    }

    /// The writes that have been announced and whose end is not known.
    pub fn in_flight(&self) -> Vec<OpId> {
        if !matches!(self.stands, TaskProgress::Working) {
            return Vec::new();
        }
        self.lanes.iter().filter(|lane| lane.in_flight()).filter_map(|lane| self.op(lane)).collect()
    }

    /// What wants an answer before the work goes on. While a write is in flight, its end is awaited first; but not longer
    /// than its phase may take, for an operation may hang.
    fn interruption(&self, now: Timestamp) -> Option<Question> {
        if !matches!(self.direction, Direction::Forward) {
            return None;
        }
        let held = self.lanes.iter().all(Lane::can_be_held);
        // Who takes a run up asks for its operations first: they may have ended meanwhile.
        let asked =
            |lane: &Lane| matches!(&lane.at, LaneState::Running(running) if Some(running.polled) >= self.resumed);
        if !held && !self.lanes.iter().all(|lane| lane.can_be_held() || asked(lane)) {
            return None;
        }
        let task = self.front();
        let ask = |failure: Failure, policy| Question::Interrupted {
            task: task.map(|task| task.id.clone()),
            failure: Box::new(failure),
            policy,
        };
        if let Some((failure, policy)) = self.interrupt.as_ref().filter(|_| held) {
            return Some(ask(failure.clone(), *policy));
        }
        let task = task?;
        let (phase, budget) = (task.phase.clone(), *self.budgets.get(&task.phase)?);
        let since = self.newest.map_or(Duration::ZERO, |newest| between(newest, now));
        let worked = self.worked.get(&phase).copied().unwrap_or_default().saturating_add(since);
        let spent = worked > budget && !self.extended.contains(&phase);
        spent.then(|| ask(Failure::Budget { phase, budget }, task.on_failure))
    }

    /// What the work wants, and what is to be watched while it is waited for.
    fn beside(&self, batch: Vec<Effect>, now: Timestamp) -> Vec<Effect> {
        let rests = |lane: &Lane| matches!(lane.at, LaneState::Resting { .. } | LaneState::Gate(_));
        let runs = |lane: &Lane| matches!(lane.at, LaneState::Running(_));
        let is_watched = self.way() == Way::Apply && !self.is_in_finally();
        if !is_watched || !self.lanes.iter().any(|lane| rests(lane) || runs(lane)) {
            return batch;
        }
        // What is being changed right now is not yet what it will be.
        let resting = self.lanes.iter().any(rests) && !self.lanes.iter().any(Lane::in_flight);
        let applied = if resting { self.in_force() } else { BTreeMap::new() };
        let compares = !applied.is_empty();
        let mut due: Vec<Effect> = self.watch.due(now).into_iter().map(|probe| Effect::SampleGuard { probe }).collect();
        if compares && self.watch.compares(now) {
            due.push(Effect::CheckDrift { applied });
        }
        let Some(until) = batch.iter().find_map(waits) else { return batch.into_iter().chain(due).collect() };
        let next = [self.watch.wake(now), self.watch.next_comparison().filter(|next| compares && *next > now)];
        let soonest = next.into_iter().flatten().fold(until, Timestamp::min);
        if due.is_empty() && soonest == until {
            return batch;
        }
        let looks = batch.into_iter().filter(|effect| waits(effect).is_none());
        looks.chain(due).chain([Effect::Wait { until: soonest }]).collect()
    }

    /// What each resource was last made by this run.
    fn in_force(&self) -> BTreeMap<ResourceId, Value> {
        let known = self.applied.iter().filter(|applied| matches!(applied.known, Known::Applied));
        let changes: Vec<&Change> = known.filter_map(|applied| self.tasks.get(applied.task)?.change.as_ref()).collect();
        // A call is done until a later one on the same thing: what was paused is no longer once it is resumed.
        let is_over = |place: usize, call: &Change| {
            let later = changes.get(place + 1..).unwrap_or_default();
            let mut calls = later.iter().filter(|change| change.resource.kind == CALL);
            call.resource.kind == CALL && calls.any(|change| change.subject() == call.subject())
        };
        let watched = changes
            .iter()
            .enumerate()
            .filter(|(place, change)| !is_over(*place, change) && !self.given_up.contains(&change.resource));
        watched.map(|(_, change)| (change.resource.clone(), change.to.clone())).collect()
    }

    fn next_when_ready(&self, lane: &Lane, task: &Task) -> Effect {
        let id = || task.id.clone();
        match (self.way(), task) {
            (Way::Apply, Task { require: Some(evidence), .. }) if lane.met.is_none() => {
                Effect::CheckPreconditions { task: id(), evidence: evidence.clone() }
            }
            (Way::Apply, Task { message: Some(_), .. }) => Effect::Notify { task: id() },
            (Way::Apply, task) if task.change.is_none() || task.is_not_run() => Effect::RecordUnchanged { task: id() },
            (Way::Apply, _) => Effect::Ask(match (&task.reversibility, &task.confirm) {
                (Reversibility::Irreversible { why }, _) => Question::Irreversible { task: id(), why: why.clone() },
                (_, Some(text)) => Question::Confirm { task: id(), text: text.clone() },
                (_, None) => Question::Apply { task: id() },
            }),
            (Way::Undo, _) if self.is_unproven(lane) => self.open_gate(&task.id),
            (Way::Undo, _) => match self.op(lane) {
                Some(op) => self.next_before_undo(task).unwrap_or(Effect::RecordIntent { op }),
                None => Effect::End(self.end_of_rollback()),
            },
        }
    }

    /// Whether this observes what a change rests on that is not approved yet.
    fn is_before_its_question(&self, effect: &Effect) -> bool {
        let Effect::CheckPreconditions { task, .. } = effect else { return false };
        self.lane_of(task).is_some_and(|lane| matches!(self.lanes[lane].at, LaneState::Ready))
    }

    /// What an approved change rests on, if that was observed longer ago than it may be. A change that was sent already has
    /// its own effect on it.
    fn evidence_to_renew(&self, lane: &Lane, task: &Task, now: Timestamp) -> Option<Preconditions> {
        let evidence =
            task.require.as_ref().filter(|_| self.way() == Way::Apply && !lane.is_written && lane.unsent == 0)?;
        let is_old = lane.met.as_ref().is_none_or(|met| met.is_older_than(evidence.max_age, now));
        is_old.then(|| evidence.clone())
    }

    fn open_gate(&self, task: &TaskId) -> Effect {
        let gate = OpId { task: task.clone(), way: self.way() };
        Effect::OpenGate { task: gate.task.clone(), breaks: self.breaks.get(&gate).cloned().unwrap_or_default() }
    }

    fn next_at_the_end(&self) -> Effect {
        Effect::End(match &self.direction {
            Direction::Forward | Direction::Turning(_) => self.end_of_work(),
            Direction::Back(_) => self.end_of_rollback(),
            Direction::Finally(finally) => finally.outcome.clone(),
        })
    }

    pub(super) fn end_of_work(&self) -> Ending {
        Ending::Done { failed: self.passed_over.clone(), skipped: self.skipped.clone() }
    }

    /// Returns false, and changes nothing, if the event cannot happen here.
    fn take(&mut self, entry: &Entry) -> bool {
        let phase = self.front().map(|task| task.phase.clone()).filter(|_| self.way() == Way::Apply);
        if !self.take_event(entry) {
            return false;
        }
        // Time in which nobody worked on the run, or in which it waited for an answer, is not the work's.
        let worked = match &entry.event {
            Event::Started { .. }
            | Event::Resumed { .. }
            | Event::RollbackRequested { .. }
            | Event::Suspended { .. }
            | Event::Answered { .. } => None,
            _ => self.newest,
        };
        if let (Some(phase), Some(since)) = (phase, worked) {
            let spent = self.worked.entry(phase).or_default();
            *spent = spent.saturating_add(between(since, entry.at));
        }
        self.newest = Some(entry.at);
        true
    }

    fn take_event(&mut self, entry: &Entry) -> bool {
        use Event::{Answered, Ended, Paused, Resumed, RollbackRequested, Started, StopRequested, Suspended};
        let now = entry.at;
        let has_ended = matches!(self.stands, TaskProgress::Ended(_));
        match &entry.event {
            Started { .. } if self.is_fresh() => {}
            Resumed { .. } => {
                if !self.resume(now) {
                    return false;
                }
            }
            RollbackRequested { to, .. } => {
                if !self.ask_rollback(to.as_deref(), now) {
                    return false;
                }
            }
            StopRequested { .. } if !has_ended => self.halt = Halt::Stopping,
            Suspended { .. } if !has_ended => self.suspended(now),
            Paused { why } if !has_ended => self.halt = Halt::Paused(why.clone()),
            Answered { question: Question::Doubt { op }, choice, .. } => {
                if !self.answer_doubt(op, *choice) {
                    return false;
                }
            }
            Answered { question, choice, .. } => {
                if has_ended || !self.may_ask(question, now) {
                    return false;
                }
                let taken = match question {
                    Question::Interrupted { failure, .. } => self.answer_interruption(failure, *choice),
                    Question::Apply { task }
                    | Question::Irreversible { task, .. }
                    | Question::Failed { task, .. }
                    | Question::Confirm { task, .. } => {
                        self.lane_of(task).is_some_and(|lane| self.answer(lane, *choice))
                    }
                    Question::Restore { .. } => self.answer_restore(*choice),
                    Question::TookEffect { op, .. } => {
                        self.lane_of(&op.task).is_some_and(|lane| self.answer_took_effect(lane, *choice))
                    }
                    Question::Doubt { .. } => false,
                };
                if !taken {
                    return false;
                }
            }
            Ended { ending } if self.next(now) == [Effect::End(ending.clone())] => {
                self.stands = TaskProgress::Ended(ending.clone());
            }
            _ if has_ended => return false,
            _ => {
                if !(self.take_before(entry) || self.take_write(entry) || self.take_gate(entry)) {
                    return false;
                }
            }
        }
        self.come_together();
        true
    }

    /// Whether this question may have been asked here. The clock has no say: an answer that comes late is one to the
    /// question that was asked.
    fn may_ask(&self, question: &Question, now: Timestamp) -> bool {
        if !matches!(self.stands, TaskProgress::Working) {
            return false;
        }
        match question {
            Question::Interrupted { failure, .. } => {
                let is_forward = matches!(self.direction, Direction::Forward);
                is_forward
                    && match &**failure {
                        Failure::Budget { phase, .. } => {
                            let front = self.front().is_some_and(|task| task.phase == *phase);
                            front && self.budgets.contains_key(phase) && !self.extended.contains(phase)
                        }
                        failure => self.interrupt.as_ref().is_some_and(|(interrupt, _)| interrupt == failure),
                    }
            }
            question => self.next_of_work(now).contains(&Effect::Ask(question.clone())),
        }
    }

    /// Once all lines of a batch are done, the next batch begins; and once no write is in flight, a rollback that waited
    /// for that.
    fn come_together(&mut self) {
        self.enter_finally();
        if !matches!(self.stands, TaskProgress::Working) {
            return;
        }
        match &self.direction {
            Direction::Turning(TurnBack { why }) if !self.lanes.iter().any(Lane::in_flight) => {
                let why = why.clone();
                self.turn_back(why);
                self.enter_finally();
            }
            Direction::Forward | Direction::Finally(_) if self.lanes.iter().all(Lane::is_done) => {
                let end = self.end_of_batch();
                if self.is_in_finally() {
                    self.lanes = self.finally_batch(end);
                } else if !self.is_at_border(end) {
                    self.lanes = batch(&self.tasks, end);
                }
            }
            _ => {}
        }
    }

    /// The first task after those of the present batch.
    pub(super) fn end_of_batch(&self) -> usize {
        self.lanes.iter().map(|lane| lane.end).max().unwrap_or_default()
    }

    /// Whether nothing has happened yet.
    fn is_fresh(&self) -> bool {
        let first = self.lanes.first().is_some_and(|lane| lane.cursor == forward(&self.tasks, 0));
        (first || self.border == 0)
            && !self.has_sent
            && self.applied.is_empty()
            && self.lanes.iter().all(|lane| matches!(lane.at, LaneState::Ready))
    }

    /// What comes before a write, instead of one, or beside it.
    fn take_before(&mut self, entry: &Entry) -> bool {
        use Event::{
            Assessed, ClosureEvaluated, DriftChecked, EscalationDecided, GuardSampled, Notified, PreconditionsChecked,
            ServicesObserved, Unchanged, Waited,
        };
        let now = entry.at;
        match &entry.event {
            GuardSampled { probe, observation } => self.watched(probe, observation, now),
            EscalationDecided { .. } | ClosureEvaluated { .. } | ServicesObserved { .. } => {}
            Assessed { task, found } => return self.assessed(task, found),
            DriftChecked { moved } => {
                self.watch.compared(now);
                if let Some((resource, seen)) = moved.iter().next() {
                    let failure = Failure::ConcurrentChange { resource: resource.clone(), seen: seen.clone() };
                    self.interrupt = Some((failure, OnFailure::Ask));
                }
            }
            PreconditionsChecked { task, .. } | Unchanged { task } | Waited { task } | Notified { task, .. } => {
                let Some(lane) = self.lane_of(task).filter(|_| self.way() == Way::Apply) else { return false };
                match (&entry.event, &self.lanes[lane].at) {
                    (PreconditionsChecked { found: PreconditionResult::Met { evidence }, .. }, LaneState::Ready) => {
                        self.lanes[lane].met = Some(Met::seen(evidence, now));
                    }
                    // Observed again after a prompt: what is approved rests on what was shown then.
                    (
                        PreconditionsChecked { found: PreconditionResult::Met { evidence }, .. },
                        LaneState::Approved { .. },
                    ) => {
                        let (before, met) = (self.lanes[lane].met.take(), Met::seen(evidence, now));
                        if before.is_some_and(|before| before.health != met.health) {
                            self.lanes[lane].at = LaneState::Ready;
                        }
                        self.lanes[lane].met = Some(met);
                    }
                    (
                        PreconditionsChecked { found: PreconditionResult::Unmet { why, .. }, .. },
                        LaneState::Ready | LaneState::Approved { .. },
                    ) => {
                        self.give_up(lane, Failure::PreconditionsUnmet { why: why.clone() }, Some(Retry::Change));
                    }
                    (Unchanged { .. }, LaneState::Ready) => {
                        match self.task(&self.lanes[lane]).and_then(|task| task.pause) {
                            Some(pause) => self.lanes[lane].at = LaneState::Resting { since: now, pause },
                            None => self.prove(lane),
                        }
                        self.watch.compared(now);
                    }
                    // Whoever waited has slept for as long, whatever the clock says.
                    (Waited { .. }, LaneState::Resting { .. }) | (Notified { .. }, LaneState::Ready) => {
                        self.prove(lane);
                    }
                    _ => return false,
                }
            }
            _ => return false,
        }
        true
    }

    /// What becomes of a write.
    fn take_write(&mut self, entry: &Entry) -> bool {
        use Event::{
            Failed, InDoubt, Intended, Missing, OperationStarted, OperationTimedOut, Polled, Refused, StateObserved,
        };
        let now = entry.at;
        let (Intended { op }
        | OperationStarted { op, .. }
        | Polled { op, .. }
        | StateObserved { op, .. }
        | Refused { op, .. }
        | Failed { op, .. }
        | Missing { op }
        | OperationTimedOut { op, .. }
        | InDoubt { op, .. }) = &entry.event
        else {
            return false;
        };
        let Some(lane) = self.lane_of_write(op) else { return false };
        match (&entry.event, &self.lanes[lane].at) {
            // Whatever else has happened at the same moment: it was approved.
            (Intended { .. }, LaneState::Approved { not_before }) if not_before.is_none_or(|until| until <= now) => {
                self.breaks.remove(op);
                if self.is_in_finally() {
                    // What an earlier ending left of it is no more.
                    self.forget(self.lanes[lane].cursor);
                } else {
                    self.has_sent = true;
                }
                self.lanes[lane].at = LaneState::Announced;
            }
            (Intended { .. }, LaneState::Ready) if self.way() == Way::Undo => {
                self.breaks.remove(op);
                self.lanes[lane].at = LaneState::Announced;
            }
            (
                OperationStarted { operation, .. },
                at @ (LaneState::Announced | LaneState::Doubt { .. } | LaneState::Observing { .. }),
            ) => {
                let (operation, ours) = (operation.clone(), matches!(at, LaneState::Announced));
                let running = Running { operation, ours, since: now, polled: now, held: false };
                self.lanes[lane].at = LaneState::Running(running);
            }
            (Polled { held, .. }, LaneState::Running(running)) => {
                self.lanes[lane].at = LaneState::Running(Running { polled: now, held: *held, ..running.clone() });
            }
            (StateObserved { seen, .. }, LaneState::Announced | LaneState::Running(_)) => self.settle(lane, seen, None),
            (StateObserved { seen, .. }, LaneState::Doubt { failed }) => {
                let failed = failed.clone();
                self.settle(lane, seen, failed);
            }
            (StateObserved { seen, .. }, LaneState::Observing { after, trouble }) => {
                let (after, trouble) = (after.clone(), trouble.clone());
                self.observed(lane, seen, after, trouble);
            }
            (Missing { .. }, LaneState::Announced) => self.missing_before(lane),
            (Missing { .. }, LaneState::Running(_) | LaneState::Doubt { .. } | LaneState::Observing { .. }) => {
                self.missing(lane);
            }
            (OperationTimedOut { operation, limit, .. }, LaneState::Running(_)) => {
                self.overdue(lane, operation.clone(), *limit);
            }
            (Failed { why, .. }, LaneState::Observing { after, .. }) => {
                self.lanes[lane].at = LaneState::Observing { after: after.clone(), trouble: Some(why.clone()) };
            }
            (Refused { refusal, .. }, LaneState::Announced) => self.refused(lane, refusal, now),
            (Failed { why, .. }, LaneState::Announced) => self.failed_at_once(lane, why),
            (Failed { why, .. }, LaneState::Running(running)) => {
                let told = if running.ours { ReportedFailure::Reported } else { ReportedFailure::Seen };
                self.lanes[lane].at = LaneState::Doubt { failed: Some(told(why.clone())) };
            }
            (Failed { why, .. }, LaneState::Doubt { failed }) => {
                let known = failed.clone().filter(|known| matches!(known, ReportedFailure::Reported(_)));
                self.lanes[lane].at =
                    LaneState::Doubt { failed: known.or_else(|| Some(ReportedFailure::Seen(why.clone()))) };
            }
            (InDoubt { .. }, LaneState::Announced | LaneState::Running(_)) => {
                self.lanes[lane].at = LaneState::Doubt { failed: None }
            }
            _ => return false,
        }
        true
    }

    /// The write itself reports that it failed: it is not sent again by itself, whatever is there now.
    fn failed_at_once(&mut self, lane: usize, why: &str) {
        let trouble = ReportedFailure::Reported(why.to_owned());
        match self.task(&self.lanes[lane]).and_then(|task| task.program.as_ref()) {
            // How much of it took effect is not asked: its undo copes with every part of it.
            Some(Program { undo_partial: true, .. }) if self.way() == Way::Apply => {
                self.settle(lane, &Value::Null, Some(trouble));
            }
            Some(Program { check: None, .. }) => self.lanes[lane].at = LaneState::Unknown { why: why.to_owned() },
            _ => self.lanes[lane].at = LaneState::Doubt { failed: Some(trouble) },
        }
    }

    /// Whether something of a failed write took effect. How much of it is not known even then.
    fn answer_took_effect(&mut self, lane: usize, choice: Choice) -> bool {
        let Some(change) = self.change(&self.lanes[lane]) else { return false };
        let why = self.why_unknown(&self.lanes[lane]);
        let is_sent = match &self.lanes[lane].at {
            LaneState::Unknown { .. } => true,
            LaneState::Observing { .. } => false,
            _ => return false,
        };
        match (choice, self.way()) {
            (Choice::Yes, Way::Apply) => self.settle(lane, &Value::Null, Some(ReportedFailure::Reported(why))),
            (Choice::Yes, Way::Undo) if is_sent => self.settle(lane, &change.to, None),
            // Something of it is there to be undone.
            (Choice::Yes, Way::Undo) => {
                self.in_force_now(self.lanes[lane].cursor, Value::Null);
                self.turn_to_next_undo();
            }
            (Choice::No, Way::Apply) if !is_sent => self.observed(lane, &change.from, None, None),
            (Choice::No, Way::Undo) if !is_sent => self.undone(lane),
            (Choice::No, _) => self.settle(lane, &change.from, Some(ReportedFailure::Reported(why))),
            (Choice::Unknown, _) => {
                let failure = Failure::Unknown { resource: change.resource, why };
                self.unclear(lane, Value::Null, failure, Some(Retry::Look));
            }
            _ => return false,
        }
        true
    }

    /// Whether a write happened that no API tells of. One that did not, and is not known to have failed, is asked for again
    /// before it is sent.
    fn answer_doubt(&mut self, op: &OpId, choice: Choice) -> bool {
        let Some(lane) = self.lane_of_write(op) else { return false };
        let Some(change) = self.change(&self.lanes[lane]) else { return false };
        let seen = match choice {
            Choice::Yes => &change.to,
            Choice::No => &change.from,
            _ => return false,
        };
        match self.lanes[lane].at.clone() {
            LaneState::Doubt { failed: None } if choice == Choice::No && self.way() == Way::Apply => {
                self.observed(lane, seen, None, None);
            }
            LaneState::Doubt { failed } => self.settle(lane, seen, failed),
            LaneState::Observing { after, trouble } => self.observed(lane, seen, after, trouble),
            _ => return false,
        }
        true
    }

    /// Whether only the operator can say what became of the change that a line is at.
    fn is_unobservable(&self, lane: &Lane) -> bool {
        let program = self.task(lane).and_then(|task| task.program.as_ref());
        program.is_some_and(|program| program.check.is_none())
    }

    /// What is asked of the operator about a change that nothing else can say anything of.
    fn took_effect(&self, lane: &Lane) -> Option<Question> {
        let way = match &lane.at {
            LaneState::Unknown { .. } => self.way(),
            // It is the write on the way forward that is not clear.
            LaneState::Observing { .. } if self.is_unobservable(lane) => Way::Apply,
            _ => return None,
        };
        let op = OpId { task: self.task(lane)?.id.clone(), way };
        Some(Question::TookEffect { op, why: self.why_unknown(lane) })
    }

    /// How the write failed whose effect is not known.
    fn why_unknown(&self, lane: &Lane) -> String {
        let of = |failure: &Failure| match failure {
            Failure::Unknown { why, .. } | Failure::Operation { why, .. } => Some(why.clone()),
            _ => None,
        };
        let applied = self.applied.iter().find(|applied| applied.task == lane.cursor);
        let why = match &lane.at {
            LaneState::Unknown { why } => Some(why.clone()),
            LaneState::Observing { after: Some(after), .. } => of(after),
            _ => applied.and_then(|applied| match &applied.known {
                Known::Unclear(why) => of(why),
                Known::Applied => None,
            }),
        };
        why.unwrap_or_else(|| "its outcome is not known".to_owned())
    }

    fn refused(&mut self, lane: usize, refusal: &Refusal, now: Timestamp) {
        let Some(Change { resource, from, to }) = self.change(&self.lanes[lane]) else { return };
        if self.may_be_ours(lane, refusal, &to) {
            self.lanes[lane].at = LaneState::Doubt { failed: None };
            return;
        }
        let busy = self.lanes[lane].busy;
        // A lost network may come back by itself; credentials do not.
        let passes = matches!(refusal, Refusal::Busy { .. } | Refusal::Unreachable { remedy: None, .. });
        if passes && busy < BUSY && !self.is_turning() {
            let asked =
                if let Refusal::Busy { retry_after: Some(asked), .. } = refusal { *asked } else { Duration::ZERO };
            let own = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(busy)).min(LONGEST_PAUSE);
            let pause = own.max(asked.min(LONGEST_ASKED));
            self.lanes[lane].busy += 1;
            self.lanes[lane].at = LaneState::Approved { not_before: Some(later(now, pause)) };
            return;
        }
        if let Refusal::Unreachable { why, remedy } = refusal {
            self.lanes[lane].busy = 0;
            self.lanes[lane].at = LaneState::Approved { not_before: None };
            self.halt = Halt::Pausing(PauseReason::AccessLost { resource, why: why.clone(), remedy: remedy.clone() });
            return;
        }
        self.give_up(lane, Failure::Refused { resource, from, to, refusal: refusal.clone() }, Some(Retry::Change));
    }

    /// What a gate sees and says.
    fn take_gate(&mut self, entry: &Entry) -> bool {
        use Event::{GateClosed, GateOpened, Sampled};
        let now = entry.at;
        let (GateOpened { task, .. } | GateClosed { task, .. } | Sampled { task, .. }) = &entry.event else {
            return false;
        };
        let lane = self.lane_of(task);
        if let Sampled { probe, observation, .. } = &entry.event {
            // One that comes when its gate is no longer open says nothing: a guard may have tripped at the same moment.
            if let Some(LaneState::Gate(gate)) = lane.map(|lane| &mut self.lanes[lane].at) {
                gate.see(probe, observation, now);
                let breaks = gate.breaks(probe);
                if breaks > 0 {
                    let gate = OpId { task: task.clone(), way: self.way() };
                    self.breaks.entry(gate).or_default().insert(probe.clone(), breaks);
                }
            }
            return true;
        }
        let Some(lane) = lane else { return false };
        match (&entry.event, &self.lanes[lane].at) {
            (GateOpened { breaks, .. }, at @ (LaneState::Proving | LaneState::Ready)) => {
                let again = self.way() == Way::Undo && self.is_unproven(&self.lanes[lane]);
                if matches!(at, LaneState::Ready) && !again {
                    return false;
                }
                let Some(rule) = self.gate_rule(lane) else { return false };
                self.lanes[lane].at = LaneState::Gate(Gate::open_after(rule, now, breaks));
                self.watch.compared(now);
            }
            (GateClosed { outcome, .. }, LaneState::Gate(_)) => match (self.way(), outcome) {
                (Way::Apply, GateOutcome::Passed { .. }) => self.lanes[lane].advance(&self.tasks),
                (Way::Undo, GateOutcome::Passed { .. }) => self.undo_is_proven(lane),
                (_, GateOutcome::Failed { why, fault }) => {
                    self.give_up(lane, Failure::Gate { why: why.clone(), fault: *fault }, Some(Retry::Gate));
                }
            },
            _ => return false,
        }
        true
    }

    /// A guard has a sample. One that trips while a write is in flight waits for its end.
    fn watched(&mut self, probe: &str, observation: &crate::gate::Observation, now: Timestamp) {
        let Some((guard, why)) = self.watch.see(probe, observation, now) else { return };
        if self.way() == Way::Undo || self.is_in_finally() {
            return;
        }
        let last = || self.applied.last().and_then(|applied| self.tasks.get(applied.task)).map(|task| task.id.clone());
        let flying = self.in_flight().into_iter().next().map(|op| op.task);
        let is_flying = flying.is_some();
        let failure = Failure::Guard { probe: guard.probe, why, after: flying.or_else(last) };
        match guard.then {
            GuardAction::Pause => self.interrupt = Some((failure, OnFailure::Ask)),
            GuardAction::Rollback if is_flying => self.direction = Direction::Turning(TurnBack { why: Some(failure) }),
            GuardAction::Rollback => self.turn_back(Some(failure)),
        }
    }

    fn answer_interruption(&mut self, failure: &Failure, choice: Choice) -> bool {
        match choice {
            Choice::Continue => match failure {
                Failure::Guard { probe, .. } => self.watch.dismiss(probe),
                Failure::Budget { phase, .. } => drop(self.extended.insert(phase.clone())),
                Failure::ConcurrentChange { resource, .. } => drop(self.given_up.insert(resource.clone())),
                _ => {}
            },
            // What is in flight is not left: whoever resumes looks at it.
            Choice::Stop if !self.in_flight().is_empty() => self.halt = self.halt_in_flight(),
            Choice::Stop => {
                let Some(task) = self.front().or(self.tasks.last()).map(|task| task.id.clone()) else { return false };
                self.stop(Ending::Stopped { task, why: failure.clone() });
            }
            Choice::Rollback if !self.in_flight().is_empty() => {
                self.direction = Direction::Turning(TurnBack { why: Some(failure.clone()) });
            }
            Choice::Rollback => self.turn_back(Some(failure.clone())),
            _ => return false,
        }
        self.interrupt = None;
        true
    }

    /// The run is to end so; each of its lines would go on from where it is.
    fn stop(&mut self, ending: Ending) {
        self.lanes.iter_mut().for_each(Lane::stop);
        self.stands = TaskProgress::Over(ending);
    }

    /// That the run pauses although an operation runs.
    fn halt_in_flight(&self) -> Halt {
        let running = self.lanes.iter().find_map(|lane| match &lane.at {
            LaneState::Running(running) => Some((self.op(lane)?, running.operation.clone())),
            _ => None,
        });
        running.map_or(Halt::Stopping, |(op, operation)| Halt::Pausing(PauseReason::OperationHangs { op, operation }))
    }

    fn resume(&mut self, now: Timestamp) -> bool {
        match &self.stands {
            TaskProgress::Ended(_) if self.is_over() => return false,
            TaskProgress::Ended(Ending::Stuck { .. }) => {
                self.leave_finally();
                self.try_left_again();
            }
            TaskProgress::Ended(_) => {
                self.leave_finally();
                self.stands = TaskProgress::Working;
            }
            TaskProgress::Over(_) => {}
            TaskProgress::Working => {
                if self.way() == Way::Apply && !self.is_in_finally() {
                    self.left.clear();
                }
                self.lanes_resume(now);
            }
        }
        self.halt = Halt::No;
        self.resumed = Some(now);
        self.lanes.iter_mut().for_each(|lane| lane.met = None);
        self.restores.retain(|_, restore| matches!(restore, Restore::Kept));
        self.watch.interrupted();
        true
    }

    /// Nobody watched meanwhile: gates begin anew, and so does the wait for an operation.
    fn suspended(&mut self, now: Timestamp) {
        for lane in &mut self.lanes {
            match &mut lane.at {
                LaneState::Gate(gate) => *gate = gate.reopened(now),
                LaneState::Running(running) => running.since = now,
                _ => {}
            }
        }
        self.watch.interrupted();
    }

    fn lanes_resume(&mut self, now: Timestamp) {
        let way = self.way();
        self.lanes.iter_mut().for_each(|lane| lane.resume(way, now));
    }

    /// A rollback is asked for: in whatever state, it is driven to an ending. What could not be rolled back before, or is
    /// unclear, is observed again. False if it is rolled back already.
    fn ask_rollback(&mut self, to: Option<&str>, now: Timestamp) -> bool {
        let floor = match to {
            None => None,
            Some(step) => match self.last_of(step) {
                Some(place) => Some(place),
                None => return false,
            },
        };
        let was = std::mem::replace(&mut self.floor, floor);
        if matches!(self.stands, TaskProgress::Ended(Ending::RolledBack { .. })) && !self.is_left_to_undo() {
            self.floor = was;
            return false;
        }
        self.left.clear();
        self.restores.clear();
        self.halt = Halt::No;
        self.resumed = Some(now);
        match (&self.direction, &self.stands) {
            (Direction::Back(_), TaskProgress::Working) => {
                self.lanes_resume(now);
                // More may be wanted undone than before: also if what was wanted then is all undone.
                if self.in_flight().is_empty() {
                    self.turn_to_next_undo();
                }
            }
            // A part was undone before; what was left as it was then may be undone now.
            (Direction::Back(_), TaskProgress::Over(_) | TaskProgress::Ended(_)) => self.turn_back(None),
            (Direction::Forward | Direction::Turning(_) | Direction::Finally(_), _) => {
                self.stands = TaskProgress::Working;
                self.lanes_resume(now);
                if self.in_flight().is_empty() {
                    self.turn_back(None);
                } else {
                    self.direction = Direction::Turning(TurnBack { why: None });
                }
            }
        }
        true
    }

    /// The last task that goes by this name, or is made for one on the way back.
    fn last_of(&self, name: &str) -> Option<usize> {
        self.tasks.iter().rposition(|task| task.back_for.as_ref().unwrap_or(&task.id).goes_by(name))
    }

    fn answer(&mut self, lane: usize, choice: Choice) -> bool {
        let Some(task) = self.task(&self.lanes[lane]).map(|task| task.id.clone()) else { return false };
        if self.is_in_finally() && !Run::is_answer_to_finally(choice) {
            return false;
        }
        match (choice, &self.lanes[lane].at) {
            (Choice::Yes | Choice::AllInPhase, LaneState::Ready) => {
                self.lanes[lane].at = LaneState::Approved { not_before: None }
            }
            (choice @ (Choice::Skip | Choice::No), LaneState::Ready)
                if choice == Choice::Skip || self.is_in_finally() =>
            {
                // What is left of the step is built on it, and is left out with it.
                let Lane { cursor, end, .. } = self.lanes[lane];
                let rest = self.tasks.get(cursor..end).into_iter().flatten().filter(|task| task.back_for.is_none());
                self.skipped.extend(rest.map(|task| task.id.clone()));
                self.lanes[lane].skip();
            }
            (Choice::No, LaneState::Ready) => self.stop(Ending::Declined { task }),
            (Choice::Rollback, LaneState::Ready) => self.turn_back(None),
            (Choice::Rollback, LaneState::Failed { failure, .. }) => {
                let failure = failure.clone();
                self.floor = self.scope(lane);
                self.turn_back(Some(failure));
            }
            (Choice::Continue, LaneState::Failed { .. }) => self.pass_over(lane, task),
            // The operation may still end: that is no ending of the run.
            (
                Choice::Stop,
                LaneState::Failed { failure: failure @ Failure::OperationTimedOut { operation, .. }, .. },
            ) => {
                let (failure, operation) = (failure.clone(), operation.clone());
                let Some(op) = self.op(&self.lanes[lane]) else { return false };
                self.left.retain(|left| left.task != task);
                self.lanes[lane].retry(Retry::Look, &failure);
                self.halt = Halt::Pausing(PauseReason::OperationHangs { op, operation });
            }
            (Choice::Stop, LaneState::Failed { failure, .. }) => {
                let why = failure.clone();
                self.stop(Ending::Stopped { task, why });
            }
            (Choice::Retry, LaneState::Failed { retry: Some(retry), failure }) => {
                let (retry, failure) = (*retry, failure.clone());
                self.left.retain(|left| left.task != task);
                self.lanes[lane].retry(retry, &failure);
            }
            _ => return false,
        }
        true
    }

    fn pass_over(&mut self, lane: usize, task: TaskId) {
        self.passed_over.push(task);
        self.lanes[lane].skip();
    }

    /// A write has come to rest: what is there decides what it was worth.
    fn settle(&mut self, lane: usize, seen: &Value, failed: Option<ReportedFailure>) {
        let Some(change) = self.change(&self.lanes[lane]) else { return };
        let (reached, untouched) = (covers(seen, &change.to), covers(seen, &change.from));
        // What others own may move on its own, and has no place in an undo.
        let seen = change.owned(seen);
        let failed = match failed {
            Some(ReportedFailure::Seen(_)) if reached && !self.is_turning() && self.lanes[lane].unsent + 1 < SENDS => {
                // What is written is to be undone if it comes to that, although it is not in effect yet.
                if self.way() == Way::Apply {
                    self.in_force_now(self.lanes[lane].cursor, seen);
                }
                self.lanes[lane].send_again();
                return;
            }
            Some(ReportedFailure::Reported(why)) => Some(why),
            Some(ReportedFailure::Seen(why)) => reached.then_some(why),
            None => None,
        };
        let resource = change.resource;
        match (self.way(), failed) {
            (_, None) if reached => self.happened(lane, seen),
            (_, None) if untouched => {
                if self.way() == Way::Apply {
                    self.forget(self.lanes[lane].cursor);
                }
                self.lanes[lane].unsent += 1;
                let turns = self.is_turning();
                if turns || self.lanes[lane].unsent < SENDS {
                    self.lanes[lane].at = LaneState::Approved { not_before: None };
                } else {
                    self.give_up(lane, Failure::Lost { resource }, Some(Retry::Change));
                }
            }
            (_, None) => {
                let why = Failure::ConcurrentChange { resource, seen: seen.clone() };
                self.unclear(lane, seen, why, Some(Retry::Look));
            }
            (Way::Apply, Some(why)) => {
                let took_effect = !untouched;
                if took_effect {
                    self.in_force_now(self.lanes[lane].cursor, seen.clone());
                }
                let retry = if untouched { Retry::Change } else { Retry::Look };
                self.give_up(lane, Failure::Operation { resource, why, seen, took_effect }, Some(retry));
            }
            (Way::Undo, Some(why)) => {
                self.give_up(lane, Failure::Operation { resource, why, seen, took_effect: !untouched }, None);
            }
        }
    }

    /// What is there was observed again, and nothing of ours is in flight.
    fn observed(&mut self, lane: usize, seen: &Value, after: Option<Failure>, trouble: Option<String>) {
        let Some(change) = self.change(&self.lanes[lane]) else { return };
        let (reached, untouched) = (covers(seen, &change.to), covers(seen, &change.from));
        let place = self.lanes[lane].cursor;
        let seen = change.owned(seen);
        match (self.way(), trouble) {
            (Way::Apply, Some(why)) if reached => {
                self.in_force_now(place, seen.clone());
                let resource = change.resource;
                self.give_up(lane, Failure::Operation { resource, why, seen, took_effect: true }, Some(Retry::Look));
            }
            _ if reached => self.happened(lane, seen),
            (Way::Apply, _) if untouched => {
                self.forget(place);
                self.lanes[lane] = Lane::over(place, self.lanes[lane].end);
            }
            (Way::Undo, _) if untouched => {
                self.in_force_now(place, seen);
                self.turn_to_next_undo();
            }
            (way, _) => {
                let is_as_before = self.applied.iter().any(|applied| applied.task == place && applied.seen == seen);
                let failure = Failure::ConcurrentChange { resource: change.resource, seen: seen.clone() };
                match after.filter(|_| is_as_before && way == Way::Apply) {
                    Some(failure) => self.give_up(lane, failure, Some(Retry::Look)),
                    None => self.unclear(lane, seen, failure, Some(Retry::Look)),
                }
            }
        }
    }

    /// The resource is gone: a definite answer, and neither what was nor what was wanted.
    fn missing(&mut self, lane: usize) {
        let Some(Change { resource, .. }) = self.change(&self.lanes[lane]) else { return };
        self.unclear(lane, Value::Null, Failure::Missing { resource }, Some(Retry::Look));
    }

    /// The resource was gone before the write was sent, so nothing of the write is applied.
    fn missing_before(&mut self, lane: usize) {
        let Some(Change { resource, .. }) = self.change(&self.lanes[lane]) else { return };
        if self.way() == Way::Apply {
            self.forget(self.lanes[lane].cursor);
        }
        self.give_up(lane, Failure::Missing { resource }, Some(Retry::Change));
    }

    /// Its operation was awaited for as long as it may be.
    fn overdue(&mut self, lane: usize, operation: String, limit: Duration) {
        let Some(Change { resource, .. }) = self.change(&self.lanes[lane]) else { return };
        let failure = Failure::OperationTimedOut { resource, operation, limit };
        // A rollback does not await it once more.
        let task = self.task(&self.lanes[lane]).filter(|task| !task.is_finally()).map(|task| task.id.clone());
        if let (Way::Apply, Some(task)) = (self.way(), task) {
            self.left.push(NotRolledBack { task, why: failure.clone() });
        }
        self.unclear(lane, Value::Null, failure, Some(Retry::Look));
    }

    /// A write was sent, and what of it is applied is not known.
    fn unclear(&mut self, lane: usize, seen: Value, why: Failure, retry: Option<Retry>) {
        if self.way() == Way::Apply {
            let task = self.lanes[lane].cursor;
            self.forget(task);
            self.applied.push(Applied { task, seen, known: Known::Unclear(Box::new(why.clone())) });
        }
        self.give_up(lane, why, retry);
    }

    fn happened(&mut self, lane: usize, seen: Value) {
        match self.way() {
            Way::Apply => {
                self.in_force_now(self.lanes[lane].cursor, seen);
                self.prove(lane);
            }
            Way::Undo => self.undone(lane),
        }
    }

    fn prove(&mut self, lane: usize) {
        match self.gate_rule(lane) {
            Some(_) => self.lanes[lane].at = LaneState::Proving,
            None => self.lanes[lane].advance(&self.tasks),
        }
    }

    /// What proves that a task, or its undo, did well.
    pub(super) fn gate_rule(&self, lane: usize) -> Option<GateRule> {
        let task = self.task(&self.lanes[lane])?;
        match self.way() {
            // What was not run cannot have worked.
            Way::Apply => task.gate.clone().filter(|_| !task.is_not_run()),
            Way::Undo => task.undo_gate.clone(),
        }
    }

    /// A change is in force, or a part of it; and with the whole of it, what is made for it on the way back.
    fn in_force_now(&mut self, place: usize, seen: Value) {
        let Some(Task { id, change: Some(change), reversibility, .. }) = self.tasks.get(place) else { return };
        let whole = covers(&seen, &change.to) && !reversibility.is_irreversible();
        let back =
            |place: &usize| self.tasks.get(*place).is_some_and(|task| whole && task.back_for.as_ref() == Some(id));
        let applied = |task: usize| {
            let seen = self.tasks.get(task)?.change.as_ref()?.to.clone();
            Some(Applied { task, seen, known: Known::Applied })
        };
        let before = place.checked_sub(1).filter(back).and_then(applied);
        let after = Some(place + 1).filter(back).and_then(applied);
        self.note_finally_left(place, &seen);
        self.forget(place);
        let own = Applied { task: place, seen, known: Known::Applied };
        // A change that is found applied on the way back keeps its place among the others.
        self.applied.extend(before.into_iter().chain([own]).chain(after));
        self.applied.sort_by_key(|applied| applied.task);
    }

    /// What was thought to be in force of a task's change is looked at anew.
    fn forget(&mut self, place: usize) {
        let Some(id) = self.tasks.get(place).map(|task| task.id.clone()) else { return };
        let tasks = &self.tasks;
        let is_its = |task: &Task| task.id == id || task.back_for.as_ref() == Some(&id);
        self.applied.retain(|applied| !tasks.get(applied.task).is_some_and(is_its));
    }

    fn give_up(&mut self, lane: usize, failure: Failure, retry: Option<Retry>) {
        let task = self.task(&self.lanes[lane]).map(|task| task.id.clone());
        match (self.way(), task) {
            (Way::Undo, task) => self.undo_failed(task, failure),
            (Way::Apply, Some(task))
                if !self.is_turning() && !self.is_in_finally() && self.can_spare(&task, &failure) =>
            {
                self.pass_over(lane, task);
            }
            (Way::Apply, _) => {
                if let Direction::Turning(turn) = &mut self.direction {
                    turn.why = Some(failure.clone());
                }
                self.lanes[lane].at = LaneState::Failed { failure, retry };
            }
        }
    }

    /// Whether this turn of a step may fail without the step's failing. One that somebody came between, or whose write
    /// is not accounted for, may not.
    fn can_spare(&self, task: &TaskId, failure: &Failure) -> bool {
        let max_failures = self.tasks.iter().find(|known| known.id == *task).map_or(0, |task| task.max_failures);
        let failed = self.passed_over.iter().filter(|passed| passed.step() == task.step()).count();
        let clear = matches!(failure, Failure::Gate { .. } | Failure::Refused { .. } | Failure::Operation { .. });
        clear && u32::try_from(failed).is_ok_and(|failed| failed < max_failures)
    }

    /// The task of the first line that is not done.
    fn front(&self) -> Option<&Task> {
        self.lanes.iter().find(|lane| !lane.is_done()).and_then(|lane| self.task(lane))
    }

    pub(super) fn task(&self, lane: &Lane) -> Option<&Task> {
        self.tasks.get(lane.cursor)
    }

    pub(super) fn op(&self, lane: &Lane) -> Option<OpId> {
        self.change(lane)?;
        Some(OpId { task: self.task(lane)?.id.clone(), way: self.way() })
    }

    fn change(&self, lane: &Lane) -> Option<Change> {
        let change = match self.way() {
            Way::Apply => self.task(lane)?.change.clone(),
            Way::Undo => self.undo_of(self.applied.iter().find(|applied| applied.task == lane.cursor)?),
        }?;
        Some(if lane.is_written { Change { from: change.to.clone(), ..change } } else { change })
    }

    /// The line that is at this task.
    fn lane_of(&self, task: &TaskId) -> Option<usize> {
        let is_at = |lane: &Lane| !lane.is_done() && self.task(lane).is_some_and(|at| at.id == *task);
        self.lanes.iter().position(is_at)
    }

    /// The line whose write this is.
    fn lane_of_write(&self, op: &OpId) -> Option<usize> {
        self.lanes.iter().position(|lane| !lane.is_done() && self.op(lane).as_ref() == Some(op))
    }

    /// Nothing was sent, because what is wanted is there already: a write whose answer was lost has landed late,
    /// or somebody has undone by hand what was to be undone.
    fn may_be_ours(&self, lane: usize, refusal: &Refusal, to: &Value) -> bool {
        let Refusal::Drifted { now } = refusal else { return false };
        // What comes last may find that it was never changed, or is changed back already.
        let may_be = self.way() == Way::Undo || self.is_in_finally() || self.lanes[lane].unsent > 0;
        may_be && covers(now, to)
    }

    fn illegal(&self, event: &Event) -> Illegal {
        let event = serde_json::to_value(event).ok().and_then(|event| Some(event.get("is")?.as_str()?.to_owned()));
        let lane = self.lanes.iter().find(|lane| !lane.is_done());
        let place = match (&self.stands, lane.map(|lane| &lane.at)) {
            (TaskProgress::Over(_) | TaskProgress::Ended(_), _) | (_, None | Some(LaneState::Done)) => "at the end",
            (_, Some(LaneState::Ready)) => "before a task",
            (_, Some(LaneState::Approved { .. })) => "after an approval",
            (_, Some(LaneState::Resting { .. })) => "in a pause",
            (_, Some(LaneState::Announced)) => "after a write was announced",
            (_, Some(LaneState::Running(_))) => "while an operation runs",
            (_, Some(LaneState::Doubt { .. })) => "while a write is in doubt",
            (_, Some(LaneState::Observing { .. })) => "while a resource is observed again",
            (_, Some(LaneState::Unknown { .. })) => "while it is not known whether a failed write took effect",
            (_, Some(LaneState::Proving)) => "before a gate",
            (_, Some(LaneState::Gate(_))) => "in a gate",
            (_, Some(LaneState::Failed { .. })) => "after a failure",
        };
        let task = self.front().map_or_else(String::new, |task| format!(" (task `{}`)", task.id));
        Illegal { event: format!("`{}`", event.unwrap_or_default()), place: format!("{place}{task}") }
    }
}

fn operation_timeout(task: &Task) -> Duration {
    task.operation_timeout.unwrap_or(OPERATION_TIMEOUT)
}

/// Until when an effect lets time pass, if that is what it does.
fn waits(effect: &Effect) -> Option<Timestamp> {
    match effect {
        Effect::Wait { until } | Effect::Sleep { until, .. } => Some(*until),
        _ => None,
    }
}

/// What several lines want as one batch: it waits until the first of them has something to do.
fn together(batch: Vec<Effect>, now: Timestamp) -> Vec<Effect> {
    let is_wait = |effect: &Effect| waits(effect).is_some_and(|until| until > now);
    if batch.iter().filter(|effect| is_wait(effect)).count() < 2 && batch.len() < 2 {
        return batch;
    }
    let soonest = batch.iter().filter(|effect| is_wait(effect)).filter_map(waits).min();
    let others = batch.into_iter().filter(|effect| !is_wait(effect));
    others.chain(soonest.map(|until| Effect::Wait { until })).collect()
}

fn next_of_gate(task: &TaskId, gate: &Gate, now: Timestamp) -> Vec<Effect> {
    let close = |outcome| vec![Effect::CloseGate { task: task.clone(), outcome }];
    match gate.verdict(now) {
        GateVerdict::Passed(proof) => close(GateOutcome::Passed { proof }),
        GateVerdict::Failed { fault, why } => close(GateOutcome::Failed { why, fault }),
        // Each probe keeps its own time: the next look of one does not wait for the end of another's.
        GateVerdict::Open => {
            let looks = gate.due(now).into_iter().map(|probe| Effect::TakeSample { task: task.clone(), probe });
            looks.chain([Effect::Wait { until: gate.wake(now) }]).collect()
        }
    }
}

/// What to do about a failure. To roll back because nobody knows how the patient is could hurt a healthy one: that is
/// for a person to say.
fn policy(failure: &Failure, wanted: OnFailure) -> OnFailure {
    match failure {
        Failure::Gate { fault: GateFault::Unknown | GateFault::Broken, .. } if wanted == OnFailure::Rollback => {
            OnFailure::Ask
        }
        _ => wanted,
    }
}

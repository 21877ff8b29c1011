//! The embedded way: effects in this process, entries in a journal on this machine's disk.
//!
//! An entry that the engine has accepted is written before the next effect begins, so that the death of the process takes
//! nothing back. Before an effect that reaches somebody else, and once a second, everything is synced: so nothing that others
//! have seen rests on something that a power failure could take back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt as _, join_all, select};
use futures::pin_mut;
use jiff::Timestamp;
use serde_json::Value;

use super::advice::{Advised, Advisor, Due};
use super::ask::{Answer, Asker, Asking, Rules};
use super::durable::{DriverError, Durable};
use super::in_flight::{Ended, ProbesInFlight, Watcher};
use super::signal::Signals;
use super::survey::survey;
use crate::clock::{Clock, SystemClock, between, later, together};
use crate::engine::{Effect, Run};
use crate::external::{Messages, Status};
use crate::journal::{Directory, Journal, OpenError};
use crate::probe::Observer;
use crate::report::{Export, Reporter, export, marker, status_comment};
use crate::resource::{Certainty, Kinds, OperationProgress, ReadError, WriteError, Writer, Written};
use crate::run::{
    Change, CriterionResult, CriterionStatus, Entry, Event, OpId, PauseReason, PreconditionResult, Preconditions,
    Question, Refusal, ResourceId, TaskId, TaskStatus, View, covers,
};

/// Of how many steps a script for people is kept current.
const BY_HAND: usize = 300;
/// How old an entry may become that is not synced, or not in the scripts for people. By the machine's clock.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// How long a resource in doubt is looked at again and again before a person must.
const LOOKING: Duration = Duration::from_mins(5);
/// How long an operation's end is waited for in one call, if there is nothing else to do.
const HOLD: Duration = Duration::from_secs(5);
/// From here on a call counts as one whose answer was held.
const HELD: Duration = Duration::from_secs(2);
/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Everything a run needs of this machine.
pub struct Local {
    /// Where the run is kept.
    pub directory: Directory,
    /// Where entries go.
    pub journal: Journal,
    /// What of that is flushed.
    pub flush: Flush,
    /// The run as people look at it.
    pub view: View,
    /// The resources.
    pub kinds: Arc<Kinds>,
    /// What it takes to change them.
    pub writer: Writer,
    /// The probes.
    pub probes: Arc<Observer>,
    /// What is being looked at.
    pub looks: ProbesInFlight,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What was agreed beforehand.
    pub rules: Rules,
    /// Whom runbooks want to be told.
    pub messages: Messages,
    /// Who says whether to go on.
    pub advisor: Box<dyn Advisor>,
    /// What was said.
    pub advised: Advised,
    /// Whether what serves in the end was observed.
    pub surveyed: bool,
    /// Whom to ask otherwise.
    pub asker: Box<dyn Asker>,
    /// Whom to tell.
    pub reporter: Box<dyn Reporter>,
    /// Requests to stop.
    pub signals: Signals,
}

impl Durable for Local {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn suspended(&mut self) -> Option<Duration> {
        self.clock.suspended()
    }

    async fn perform(&mut self, run: &Run, batch: Vec<Effect>) -> Result<Vec<Event>, DriverError> {
        // What was asked before an effect began stops it; an ending is written down all the same.
        if !matches!(batch.as_slice(), [Effect::End(_)])
            && let Some(by) = self.signals.next().now_or_never()
        {
            return Ok(vec![Event::StopRequested { by }]);
        }
        if let [Effect::End(_)] = batch.as_slice()
            && !std::mem::replace(&mut self.surveyed, true)
        {
            let (services, ended) = self.looks.beside(survey(&self.view, &self.kinds, &self.probes)).await;
            let surveyed = (!services.is_empty()).then_some(Event::ServicesObserved { services });
            let events: Vec<Event> = ended.into_iter().map(seen).chain(surveyed).collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
        if let Some(events) = self.advice(&batch).await {
            return Ok(events);
        }
        if batch.iter().any(|effect| is_external(effect, &self.rules, &self.view)) {
            self.journal.anchor()?;
        }
        let Local {
            directory,
            journal,
            flush,
            view,
            kinds,
            writer,
            probes,
            clock,
            rules,
            messages,
            asker,
            reporter,
            signals,
            looks,
            advisor,
            ..
        } = self;
        let wanted: Vec<(Watcher, String)> = batch.iter().filter_map(look).collect();
        looks.want(wanted, view, probes, clock);
        let mut hands = EffectExecutor {
            run,
            view,
            kinds,
            writer,
            probes,
            clock: &**clock,
            rules,
            messages,
            advisor: &**advisor,
            asker: &mut **asker,
            reporter: &mut **reporter,
        };
        let mut stop: Option<String> = None;
        let events = {
            let must_end = batch.iter().any(|effect| matches!(effect, Effect::Write { .. }));
            let work = hands.perform(batch, looks);
            pin_mut!(work);
            loop {
                let (signal, due) = (signals.next(), flush.due());
                pin_mut!(signal, due);
                match select(&mut work, select(signal, due)).await {
                    Either::Left((events, _)) => break events,
                    Either::Right((Either::Right(((), _)), _)) => flush.all(journal, directory, view)?,
                    // Waiting, looking and asking can be broken off at any moment; a write is given the time to end.
                    Either::Right((Either::Left((by, _)), _)) if !must_end => {
                        stop = Some(by);
                        break Vec::new();
                    }
                    Either::Right((Either::Left((by, _)), _)) if stop.is_some() => {
                        return Err(DriverError::StoppedAtOnce(by));
                    }
                    Either::Right((Either::Left((by, _)), _)) => stop = Some(by),
                }
            }
        };
        let noted = matches!(events.as_slice(), [Event::StopRequested { .. }]);
        let stop = stop.filter(|_| !noted).map(|by| Event::StopRequested { by });
        Ok(events.into_iter().chain(stop).collect())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), DriverError> {
        self.journal.append(entry)?;
        self.report(entry);
        if self.flush.is_due() {
            self.flush_all()?;
        }
        Ok(())
    }
}

impl Local {
    /// Reports an entry that is written down.
    pub fn report(&mut self, entry: &Entry) {
        self.view.apply(entry);
        self.flush.note(entry);
        self.reporter.entry(&self.view, entry);
    }

    /// Syncs every entry so far, and brings the scripts for people up to date.
    ///
    /// # Errors
    /// If the journal cannot be synced. The scripts can be made anew from it, so their failure stops nothing.
    pub fn flush_all(&mut self) -> Result<(), OpenError> {
        self.flush.all(&mut self.journal, &self.directory, &self.view)
    }
}

impl Local {
    /// Takes advice, if it is due before these effects and there is something to tell. Looks go on meanwhile.
    async fn advice(&mut self, batch: &[Effect]) -> Option<Vec<Event>> {
        let due = self.advised.due(batch, self.clock.now())?;
        let (advised, ended) = match due {
            Due::Closure => {
                let (criteria, ended) = self.looks.beside(self.advisor.close(&self.view)).await;
                (
                    Some(criteria).filter(|all| !all.is_empty()).map(|criteria| Event::ClosureEvaluated { criteria }),
                    ended,
                )
            }
            Due::Decision { in_any_case } => {
                let (verdict, ended) = self.looks.beside(self.advisor.decide(&self.view)).await;
                let news = verdict.filter(|verdict| self.advised.is_news(verdict, in_any_case));
                (news.map(|verdict| Event::EscalationDecided { verdict }), ended)
            }
        };
        let events: Vec<Event> = ended.into_iter().map(seen).chain(advised).collect();
        Some(events).filter(|events| !events.is_empty())
    }

    /// Tells those who were told of the run what has come of it. Why that could not be done, for each that it could not.
    pub async fn conclude(&self) -> Vec<String> {
        let told = self.view.tasks.iter().filter(|task| matches!(task.status, TaskStatus::Done { .. }));
        let told = told.map(|task| task.task.id.as_str());
        self.messages.conclude(told, &status(&self.view, &self.view.closure)).await
    }
}

/// What was written and is not flushed yet: entries that are not synced, and what the scripts for people do not have.
#[derive(Debug)]
pub struct Flush {
    /// When everything was flushed, by the machine's clock.
    last: Timestamp,
    /// Whether there are entries since then.
    is_pending: bool,
    /// Whether one of them changes the scripts.
    are_scripts_stale: bool,
}

impl Flush {
    /// Of a process that takes a run up: there are no scripts of its own, so it is due with the first entry.
    pub fn new() -> Flush {
        Flush { last: Timestamp::MIN, is_pending: false, are_scripts_stale: true }
    }

    fn note(&mut self, entry: &Entry) {
        self.is_pending = true;
        self.are_scripts_stale |= entry.event.is_of_write();
    }

    fn is_due(&self) -> bool {
        self.is_pending && between(self.last, SystemClock.now()) >= FLUSH_WITHIN
    }

    /// Returns when it is due; never, if there is nothing to flush.
    fn due(&self) -> impl Future<Output = ()> + use<> {
        let until = self.is_pending.then(|| later(self.last, FLUSH_WITHIN));
        async move {
            match until {
                Some(until) => SystemClock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    fn all(&mut self, journal: &mut Journal, directory: &Directory, view: &View) -> Result<(), OpenError> {
        journal.anchor()?;
        // What a person would need if this were the last that was heard of the run.
        if self.are_scripts_stale {
            for (name, kind) in [("remaining.sh", Export::Remaining), ("undo.sh", Export::Rollback)] {
                let _ = directory.replace(name, export(view, kind, BY_HAND).as_bytes());
            }
        }
        *self = Flush { last: SystemClock.now(), is_pending: false, are_scripts_stale: false };
        Ok(())
    }
}

impl Default for Flush {
    fn default() -> Flush {
        Flush::new()
    }
}

/// How a run stands, for those who are told of it elsewhere.
fn status(view: &View, criteria: &[CriterionResult]) -> Status {
    Status {
        marker: view.run.as_ref().map(|run| marker(run.as_str())).unwrap_or_default(),
        text: status_comment(view, criteria),
        is_closed: !criteria.is_empty() && criteria.iter().all(|judged| judged.stands == CriterionStatus::Holds),
    }
}

/// What a look saw.
fn seen(Ended { watcher, probe, observation, .. }: Ended) -> Event {
    match watcher {
        Watcher::Gate(task) => Event::Sampled { task, probe, observation },
        Watcher::Guard => Event::GuardSampled { probe, observation },
    }
}

/// Whether an effect reaches somebody else: what led to it must not go missing from the journal, even after a power failure.
fn is_external(effect: &Effect, rules: &Rules, view: &View) -> bool {
    match effect {
        // A look may end in a question.
        Effect::Write { .. } | Effect::Notify { .. } | Effect::ObserveState { .. } => true,
        Effect::Ask(question) => rules.answer(view, question).is_none(),
        Effect::RecordUnchanged { .. }
        | Effect::RecordIntent { .. }
        | Effect::Poll { .. }
        | Effect::AbandonOperation { .. }
        | Effect::OpenGate { .. }
        | Effect::TakeSample { .. }
        | Effect::CloseGate { .. }
        | Effect::CheckPreconditions { .. }
        | Effect::AssessHealth { .. }
        | Effect::Sleep { .. }
        | Effect::SampleGuard { .. }
        | Effect::CheckDrift { .. }
        | Effect::Wait { .. }
        | Effect::End(_)
        | Effect::Pause { .. }
        | Effect::Park => false,
    }
}

/// The look that an effect asks for.
fn look(effect: &Effect) -> Option<(Watcher, String)> {
    match effect {
        Effect::TakeSample { task, probe } => Some((Watcher::Gate(task.clone()), probe.clone())),
        Effect::SampleGuard { probe } => Some((Watcher::Guard, probe.clone())),
        _ => None,
    }
}

/// What effects are carried out with.
struct EffectExecutor<'a> {
    run: &'a Run,
    view: &'a View,
    kinds: &'a Kinds,
    writer: &'a Writer,
    probes: &'a Observer,
    clock: &'a dyn Clock,
    rules: &'a Rules,
    messages: &'a Messages,
    advisor: &'a dyn Advisor,
    asker: &'a mut dyn Asker,
    reporter: &'a mut dyn Reporter,
}

impl EffectExecutor<'_> {
    /// Carries out a batch. No events: nothing happened but time.
    async fn perform(&mut self, batch: Vec<Effect>, looks: &mut ProbesInFlight) -> Vec<Event> {
        let until =
            batch.iter().find_map(|effect| if let Effect::Wait { until } = effect { Some(*until) } else { None });
        let (mut events, mut ended) = looks.beside(self.act(batch)).await;
        if events.is_empty() && ended.is_empty() {
            match until {
                Some(until) if looks.is_empty() => self.clock.sleep_until(until).await,
                None if looks.is_empty() => {}
                None => ended = looks.next().await,
                Some(until) => {
                    let (look, wait) = (looks.next(), self.clock.sleep_until(until));
                    pin_mut!(look);
                    if let Either::Left((looked, wait)) = select(look, wait).await {
                        // Awake again before the look's own line of work is let go of.
                        drop(wait);
                        ended = looked;
                    }
                }
            }
        }
        events.extend(ended.into_iter().map(seen));
        events
    }

    /// Carries out what is not waiting and looking: all of it at the same time, then what wants a person.
    async fn act(&mut self, batch: Vec<Effect>) -> Vec<Event> {
        // Nothing else is to be done meanwhile: so an answer may be waited for.
        let patience = if batch.len() == 1 { HOLD } else { Duration::ZERO };
        let hands = &*self;
        let done = together(hands.clock, batch.into_iter().map(|effect| hands.act_alone(effect, patience))).await;
        let mut events = Vec::new();
        for done in done {
            match done {
                Acted::Happened(happened) => events.extend(happened),
                // What happened to the others is written down first; then it is asked again.
                Acted::Ask(_) if !events.is_empty() => {}
                Acted::Ask(question) => events.push(self.ask(question).await),
            }
        }
        events
    }

    /// Carries out one effect, as far as that needs no person.
    async fn act_alone(&self, effect: Effect, patience: Duration) -> Acted {
        Acted::Happened(vec![match effect {
            Effect::RecordUnchanged { task } => Event::Unchanged { task },
            Effect::RecordIntent { op } => Event::Intended { op },
            Effect::Write { op, change } => self.write(op, &change).await,
            Effect::Poll { op, operation, resource } => self.poll(op, &operation, &resource, patience).await,
            Effect::AbandonOperation { op, operation, limit } => Event::OperationTimedOut { op, operation, limit },
            Effect::ObserveState { op, resource } => return self.look(op, &resource).await,
            Effect::OpenGate { task, breaks } => Event::GateOpened { task, breaks },
            Effect::CloseGate { task, outcome } => Event::GateClosed { task, outcome },
            Effect::CheckPreconditions { task, evidence } => {
                Event::PreconditionsChecked { task, found: self.found(&evidence).await }
            }
            Effect::AssessHealth { task, evidence } => Event::Assessed { task, found: self.found(&evidence).await },
            Effect::Pause { why } => Event::Paused { why },
            Effect::Sleep { task, until } => {
                self.clock.sleep_until(until).await;
                Event::Waited { task }
            }
            Effect::Notify { task } => self.notify(task).await,
            Effect::CheckDrift { applied } => self.compare(applied).await,
            Effect::End(ending) => Event::Ended { ending },
            Effect::Ask(question) => return Acted::Ask(question),
            Effect::Park | Effect::Wait { .. } | Effect::TakeSample { .. } | Effect::SampleGuard { .. } => {
                return Acted::Happened(Vec::new());
            }
        }])
    }

    /// Looks whether what a task rests on is so: every probe that it names is looked at once.
    async fn found(&self, wanted: &Preconditions) -> PreconditionResult {
        match self.probes.evidence(wanted).await {
            (evidence, Ok(())) => PreconditionResult::Met { evidence },
            (evidence, Err(why)) => PreconditionResult::Unmet { why, evidence },
        }
    }

    /// Tells somebody, with how the run stands and what is still open before the incident is closed.
    async fn notify(&self, task: TaskId) -> Event {
        let criteria =
            if self.messages.tells_status(task.as_str()) { self.advisor.close(self.view).await } else { Vec::new() };
        let status = status(self.view, &criteria);
        let problem = self.messages.send(task.as_str(), &status).await.err();
        Event::Notified { task, problem }
    }

    /// Looks at what was applied. What cannot be observed now says nothing.
    async fn compare(&self, applied: BTreeMap<ResourceId, Value>) -> Event {
        let looks = applied.into_iter().map(async |(id, wanted)| {
            let seen = self.kinds.observe(&id).await.ok()?;
            (!covers(&seen.state, &wanted)).then_some((id, seen.state))
        });
        Event::DriftChecked { moved: join_all(looks).await.into_iter().flatten().collect() }
    }

    async fn ask(&mut self, question: Question) -> Event {
        if let Some((choice, by)) = self.rules.answer(self.view, &question) {
            return Event::Answered { question, choice, by, reason: None, visible: None };
        }
        self.reporter.asking(self.view, &question);
        let asking = Asking { question: &question, run: self.run, view: self.view, now: self.clock.now() };
        match self.asker.ask(asking).await {
            Err(_) => Event::Paused { why: PauseReason::NoOperator { question: Box::new(question) } },
            Ok(Answer::Given { choice, by, reason, visible }) => {
                Event::Answered { question, choice, by, reason, visible: Some(visible) }
            }
            Ok(Answer::Interrupted(by)) => Event::StopRequested { by },
        }
    }

    async fn write(&self, op: OpId, change: &Change) -> Event {
        let written = match self.kinds.of(&change.resource) {
            Ok(kind) => kind.write(self.writer, change).await,
            Err(error) => Err(WriteError::Refused { resource: change.resource.clone(), why: error.to_string() }),
        };
        match written {
            Ok(Written::Sent(OperationProgress::Running { operation })) => Event::OperationStarted { op, operation },
            Ok(Written::Sent(OperationProgress::Done(seen))) => Event::StateObserved { op, seen },
            Ok(Written::Sent(OperationProgress::Failed { why, certainty: Certainty::Certain })) => {
                Event::Failed { op, why }
            }
            Ok(Written::Sent(OperationProgress::Failed { why, certainty: Certainty::Uncertain }))
            | Err(WriteError::InDoubt { why, .. }) => Event::InDoubt { op, why },
            Ok(Written::Drifted { now }) => Event::Refused { op, refusal: Refusal::Drifted { now } },
            Err(WriteError::Refused { why, .. }) => Event::Refused { op, refusal: Refusal::Api { why } },
            Err(WriteError::Missing { .. }) => Event::Missing { op },
            Err(WriteError::Busy { why, retry_after, .. }) => {
                Event::Refused { op, refusal: Refusal::Busy { why, retry_after } }
            }
            Err(WriteError::Conflict { why, .. }) => {
                Event::Refused { op, refusal: Refusal::Busy { why, retry_after: None } }
            }
            Err(WriteError::Unreachable { why, remedy, .. }) => {
                Event::Refused { op, refusal: Refusal::Unreachable { why, remedy } }
            }
        }
    }

    async fn poll(&self, op: OpId, operation: &str, resource: &ResourceId, patience: Duration) -> Event {
        let until = later(self.clock.now(), LOOKING);
        loop {
            let began = self.clock.now();
            let polled = match self.kinds.of(resource) {
                Ok(kind) => kind.poll(resource, operation, patience).await,
                Err(error) => Err(error),
            };
            // One that was not held is not asked for again and again.
            let held = between(began, self.clock.now()) >= HELD;
            return match polled {
                Ok(OperationProgress::Running { .. }) => Event::Polled { op, held },
                Ok(OperationProgress::Done(seen)) => Event::StateObserved { op, seen },
                Ok(OperationProgress::Failed { why, certainty: Certainty::Certain }) => Event::Failed { op, why },
                // What is there decides.
                Ok(OperationProgress::Failed { why, certainty: Certainty::Uncertain }) => Event::InDoubt { op, why },
                // The operation goes on whether it can be asked for or not: only an answer counts as a poll.
                Err(error) if may_pass(&error) && self.clock.now() < until => {
                    let wait = error.retry_after().unwrap_or_default().max(BETWEEN_LOOKS);
                    self.clock.sleep_until(later(self.clock.now(), wait).min(until)).await;
                    continue;
                }
                Err(error) => no_access(&error).unwrap_or_else(|| Event::InDoubt { op, why: error.to_string() }),
            };
        }
    }

    async fn look(&self, op: OpId, resource: &ResourceId) -> Acted {
        let until = later(self.clock.now(), LOOKING);
        loop {
            match self.kinds.observe(resource).await {
                Ok(seen) => {
                    return Acted::Happened(match (seen.operation, seen.trouble) {
                        (Some(operation), _) => vec![Event::OperationStarted { op, operation }],
                        (None, trouble) => {
                            let failed = trouble.map(|why| Event::Failed { op: op.clone(), why });
                            failed.into_iter().chain([Event::StateObserved { op, seen: seen.state }]).collect()
                        }
                    });
                }
                Err(error) if may_pass(&error) && self.clock.now() < until => {
                    let wait = error.retry_after().unwrap_or_default().max(BETWEEN_LOOKS);
                    self.clock.sleep_until(later(self.clock.now(), wait).min(until)).await;
                }
                // Nobody but a person can say what became of it.
                Err(ReadError::Untold { .. }) => return Acted::Ask(Question::Doubt { op }),
                Err(ReadError::NotFound { .. }) => return Acted::Happened(vec![Event::Missing { op }]),
                Err(error) => {
                    let why =
                        PauseReason::AccessLost { resource: resource.clone(), why: error.to_string(), remedy: None };
                    return Acted::Happened(vec![no_access(&error).unwrap_or(Event::Paused { why })]);
                }
            }
        }
    }
}

/// What came of an effect.
enum Acted {
    Happened(Vec<Event>),
    /// Only a person can say.
    Ask(Question),
}

/// That the run pauses because the cloud cannot be read, if that is what an error says.
fn no_access(error: &ReadError) -> Option<Event> {
    let (resource, why, remedy) = match error {
        ReadError::Unreachable { resource, why, remedy } => (resource, why.clone(), remedy.clone()),
        ReadError::Refused { resource, denied: true, .. } | ReadError::Unavailable { resource, .. } => {
            (resource, error.to_string(), None)
        }
        ReadError::NotFound { .. }
        | ReadError::OperationNotFound { .. }
        | ReadError::Refused { denied: false, .. }
        | ReadError::Malformed { .. }
        | ReadError::Untold { .. }
        | ReadError::NoSuchKind { .. } => return None,
    };
    Some(Event::Paused { why: PauseReason::AccessLost { resource: resource.clone(), why, remedy } })
}

fn may_pass(error: &ReadError) -> bool {
    error.is_passing() || matches!(error, ReadError::Malformed { .. })
}

//! The embedded way: effects in this process, entries in a journal on this machine's disk.
//!
//! An entry is appended, and synced if it must last, before the engine hears of it; so the next effect
//! never rests on something that a crash could take back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, FutureExt as _, join_all, select};
use futures::pin_mut;
use jiff::Timestamp;
use serde_json::Value;

use super::advice::{Advised, Advisor, Due};
use super::ask::{Answer, Asker, Rules};
use super::durable::{CannotTell, Durable};
use super::looks::{Ended, For, Looks};
use super::signal::Signals;
use crate::action::{Messages, Status};
use crate::clock::{Clock, between, later, together};
use crate::engine::Effect;
use crate::journal::{Directory, Journal};
use crate::probe::Probes;
use crate::report::{Reporter, Towards, export, marker, status_comment};
use crate::resource::{Kinds, Progress, ReadError, WriteError, Writer, Written};
use crate::run::{
    Change, Choice, Entry, Event, Evidence, Judged, OpId, Question, Refusal, Requirement, ResourceId, Standing, Stands,
    TaskId, View, covers,
};

/// Of how many steps a script for people is kept current: it is written anew with every entry about a write.
const BY_HAND: usize = 300;
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
    /// The run as people look at it.
    pub view: View,
    /// The resources.
    pub kinds: Arc<Kinds>,
    /// What it takes to change them.
    pub writer: Writer,
    /// The probes.
    pub probes: Arc<Probes>,
    /// What is being looked at.
    pub looks: Looks,
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

    async fn perform(&mut self, wave: Vec<Effect>) -> Result<Vec<Entry>, CannotTell> {
        // What was asked before an effect began stops it; an ending is written down all the same.
        if !matches!(wave.as_slice(), [Effect::End(_)])
            && let Some(by) = self.signals.next().now_or_never()
        {
            return Ok(vec![self.record(Event::StopAsked { by })?]);
        }
        if let Some(events) = self.advice(&wave).await {
            return events.into_iter().map(|event| self.record(event)).collect();
        }
        let Local {
            view, kinds, writer, probes, clock, rules, messages, asker, reporter, signals, looks, advisor, ..
        } = self;
        let wanted: Vec<(For, String)> = wave.iter().filter_map(look).collect();
        looks.want(wanted, view, probes, clock);
        let mut hands = Hands {
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
            let must_end = wave.iter().any(|effect| matches!(effect, Effect::Write { .. }));
            let work = hands.perform(wave, looks);
            pin_mut!(work);
            loop {
                let signal = signals.next();
                pin_mut!(signal);
                match select(&mut work, signal).await {
                    Either::Left((events, _)) => break events?,
                    // Waiting, looking and asking can be broken off at any moment; a write is given the time to end.
                    Either::Right((by, _)) if !must_end => {
                        stop = Some(by);
                        break Vec::new();
                    }
                    Either::Right((by, _)) if stop.is_some() => return Err(CannotTell::StoppedAtOnce(by)),
                    Either::Right((by, _)) => stop = Some(by),
                }
            }
        };
        let noted = matches!(events.as_slice(), [Event::StopAsked { .. }]);
        let stop = stop.filter(|_| !noted).map(|by| Event::StopAsked { by });
        events.into_iter().chain(stop).map(|event| self.record(event)).collect()
    }
}

impl Local {
    /// Writes an event down and tells of it.
    ///
    /// # Errors
    /// If it cannot be written. Then nothing may rely on it.
    pub fn record(&mut self, event: Event) -> Result<Entry, CannotTell> {
        let entry = Entry { at: self.clock.now(), event };
        self.journal.append(&entry)?;
        self.view.apply(&entry);
        if entry.event.is_of_write() {
            self.by_hand();
        }
        self.reporter.entry(&self.view, &entry);
        Ok(entry)
    }
}

impl Local {
    /// Takes advice, if it is due before these effects and there is something to tell. Looks go on meanwhile.
    async fn advice(&mut self, wave: &[Effect]) -> Option<Vec<Event>> {
        let due = self.advised.due(wave, self.clock.now())?;
        let (advised, ended) = match due {
            Due::Closure => {
                let (criteria, ended) = self.looks.beside(self.advisor.close(&self.view)).await;
                (Some(criteria).filter(|all| !all.is_empty()).map(|criteria| Event::Closed { criteria }), ended)
            }
            Due::Decision { in_any_case } => {
                let (verdict, ended) = self.looks.beside(self.advisor.decide(&self.view)).await;
                let news = verdict.filter(|verdict| self.advised.is_news(verdict, in_any_case));
                (news.map(|verdict| Event::Decided { verdict }), ended)
            }
        };
        let events: Vec<Event> = ended.into_iter().map(seen).chain(advised).collect();
        Some(events).filter(|events| !events.is_empty())
    }

    /// Tells those who were told of the run what has come of it. Why that could not be done, for each that it could not.
    pub async fn conclude(&self) -> Vec<String> {
        let told = self.view.tasks.iter().filter(|task| matches!(task.standing, Standing::Done { .. }));
        let told = told.map(|task| task.task.id.as_str());
        self.messages.conclude(told, &status(&self.view, &self.view.closure)).await
    }

    /// Keeps what a person would need if this were the last that was heard of the run. Its failure stops nothing: the
    /// journal is what counts.
    fn by_hand(&self) {
        for (name, towards) in [("remaining.sh", Towards::TheEnd), ("undo.sh", Towards::TheBeginning)] {
            let _ = self.directory.replace(name, export(&self.view, towards, BY_HAND).as_bytes());
        }
    }
}

/// How a run stands, for those who are told of it elsewhere.
fn status(view: &View, criteria: &[Judged]) -> Status {
    Status {
        marker: view.run.as_ref().map(|run| marker(run.as_str())).unwrap_or_default(),
        text: status_comment(view, criteria),
        is_closed: !criteria.is_empty() && criteria.iter().all(|judged| judged.stands == Stands::Holds),
    }
}

/// What a look saw.
fn seen(Ended { watcher, probe, observation, .. }: Ended) -> Event {
    match watcher {
        For::Gate(task) => Event::Observed { task, probe, observation },
        For::Guard => Event::Watched { probe, observation },
    }
}

/// The look that an effect asks for.
fn look(effect: &Effect) -> Option<(For, String)> {
    match effect {
        Effect::Probe { task, probe } => Some((For::Gate(task.clone()), probe.clone())),
        Effect::Watch { probe } => Some((For::Guard, probe.clone())),
        _ => None,
    }
}

/// What effects are carried out with.
struct Hands<'a> {
    view: &'a View,
    kinds: &'a Kinds,
    writer: &'a Writer,
    probes: &'a Probes,
    clock: &'a dyn Clock,
    rules: &'a mut Rules,
    messages: &'a Messages,
    advisor: &'a dyn Advisor,
    asker: &'a mut dyn Asker,
    reporter: &'a mut dyn Reporter,
}

impl Hands<'_> {
    /// Carries out a wave. No events: nothing happened but time.
    async fn perform(&mut self, wave: Vec<Effect>, looks: &mut Looks) -> Result<Vec<Event>, CannotTell> {
        let until =
            wave.iter().find_map(|effect| if let Effect::Wait { until } = effect { Some(*until) } else { None });
        let (events, mut ended) = looks.beside(self.act(wave)).await;
        let mut events = events?;
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
        Ok(events)
    }

    /// Carries out what is not waiting and looking: all of it at the same time, then what wants a person.
    async fn act(&mut self, wave: Vec<Effect>) -> Result<Vec<Event>, CannotTell> {
        // Nothing else is to be done meanwhile: so an answer may be waited for.
        let patience = if wave.len() == 1 { HOLD } else { Duration::ZERO };
        let hands = &*self;
        let done = together(hands.clock, wave.into_iter().map(|effect| hands.act_alone(effect, patience))).await;
        let mut events = Vec::new();
        for done in done {
            match done {
                Acted::Happened(happened) => events.extend(happened),
                // What happened to the others must be written down whatever becomes of this one.
                Acted::Ask(_) | Acted::CannotTell(_) if !events.is_empty() => {}
                Acted::Ask(question) => events.push(self.ask(question).await?),
                Acted::CannotTell(why) => return Err(why),
            }
        }
        Ok(events)
    }

    /// Carries out one effect, as far as that needs no person.
    async fn act_alone(&self, effect: Effect, patience: Duration) -> Acted {
        Acted::Happened(vec![match effect {
            Effect::Pass { task } => Event::Unchanged { task },
            Effect::Announce { op } => Event::Intended { op },
            Effect::Write { op, change } => self.write(op, &change).await,
            Effect::Poll { op, operation, resource } => self.poll(op, &operation, &resource, patience).await,
            Effect::Look { op, resource } => return self.look(op, &resource).await,
            Effect::OpenGate { task } => Event::GateOpened { task },
            Effect::CloseGate { task, outcome } => Event::GateClosed { task, outcome },
            Effect::Require { task, evidence } => self.require(task, &evidence).await,
            Effect::Rest { task, until } => {
                self.clock.sleep_until(until).await;
                Event::Waited { task }
            }
            Effect::Notify { task } => self.notify(task).await,
            Effect::Compare { applied } => self.compare(applied).await,
            Effect::End(ending) => Event::Ended { ending },
            Effect::Ask(question) => return Acted::Ask(question),
            Effect::Park | Effect::Wait { .. } | Effect::Probe { .. } | Effect::Watch { .. } => {
                return Acted::Happened(Vec::new());
            }
        }])
    }

    /// Looks whether what a task rests on is so: every probe that it names is looked at once.
    async fn require(&self, task: TaskId, wanted: &Evidence) -> Event {
        let found = match self.probes.evidence(wanted).await {
            (evidence, Ok(())) => Requirement::Met { evidence },
            (evidence, Err(why)) => Requirement::Unmet { why, evidence },
        };
        Event::Required { task, found }
    }

    /// Tells somebody, with how the run stands and what is still open before the incident is closed.
    async fn notify(&self, task: TaskId) -> Event {
        let criteria =
            if self.messages.tells_status(task.as_str()) { self.advisor.close(self.view).await } else { Vec::new() };
        let status = status(self.view, &criteria);
        let problem = self.messages.send(task.as_str(), &status).await.err();
        Event::Notified { task, problem }
    }

    /// Looks at what was applied. What cannot be looked at now says nothing.
    async fn compare(&self, applied: BTreeMap<ResourceId, Value>) -> Event {
        let looks = applied.into_iter().map(async |(id, wanted)| {
            let seen = self.kinds.observe(&id).await.ok()?;
            (!covers(&seen.state, &wanted)).then_some((id, seen.state))
        });
        Event::Compared { moved: join_all(looks).await.into_iter().flatten().collect() }
    }

    async fn ask(&mut self, question: Question) -> Result<Event, CannotTell> {
        if let Some((choice, by)) = self.rules.answer(self.view, &question) {
            return Ok(Event::Answered { question, choice, by, reason: None });
        }
        self.reporter.asking(self.view, &question);
        match self.asker.ask(self.view, &question).await.map_err(CannotTell::Unasked)? {
            Answer::Given { choice, by, reason } => {
                let phase = match &question {
                    Question::Apply { task } if choice == Choice::AllInPhase => self.view.task(task),
                    _ => None,
                };
                if let Some(phase) = phase.map(|view| view.task.phase.clone()) {
                    self.rules.phases.insert(phase, by.clone());
                }
                Ok(Event::Answered { question, choice, by, reason })
            }
            Answer::Interrupted(by) => Ok(Event::StopAsked { by }),
        }
    }

    async fn write(&self, op: OpId, change: &Change) -> Event {
        let written = match self.kinds.of(&change.resource) {
            Ok(kind) => kind.write(self.writer, change).await,
            Err(error) => Err(WriteError::Refused { resource: change.resource.clone(), why: error.to_string() }),
        };
        match written {
            Ok(Written::Sent(Progress::Running { operation })) => Event::Begun { op, operation },
            Ok(Written::Sent(Progress::Done(seen))) => Event::Settled { op, seen },
            Ok(Written::Sent(Progress::Failed { why })) | Err(WriteError::InDoubt { why, .. }) => {
                Event::InDoubt { op, why }
            }
            Ok(Written::Drifted { now }) => Event::Refused { op, refusal: Refusal::Drifted { now } },
            Err(WriteError::Refused { why, .. }) => Event::Refused { op, refusal: Refusal::Api { why } },
            Err(WriteError::Busy { why, .. } | WriteError::Conflict { why, .. }) => {
                Event::Refused { op, refusal: Refusal::Busy { why } }
            }
        }
    }

    async fn poll(&self, op: OpId, operation: &str, resource: &ResourceId, patience: Duration) -> Event {
        let began = self.clock.now();
        let polled = match self.kinds.of(resource) {
            Ok(kind) => kind.poll(resource, operation, patience).await,
            Err(error) => Err(error),
        };
        // One that was not held is not asked for again and again.
        let held = between(began, self.clock.now()) >= HELD;
        match polled {
            Ok(Progress::Running { .. }) => Event::Polled { op, held },
            Ok(Progress::Done(seen)) => Event::Settled { op, seen },
            Ok(Progress::Failed { why }) => Event::Failed { op, why },
            // The operation goes on whether it can be asked for or not.
            Err(error) if error.is_passing() => Event::Polled { op, held: false },
            Err(error) => Event::InDoubt { op, why: error.to_string() },
        }
    }

    async fn look(&self, op: OpId, resource: &ResourceId) -> Acted {
        let until = later(self.clock.now(), LOOKING);
        loop {
            match self.kinds.observe(resource).await {
                Ok(seen) => {
                    return Acted::Happened(match (seen.operation, seen.trouble) {
                        (Some(operation), _) => vec![Event::Begun { op, operation }],
                        (None, trouble) => {
                            let failed = trouble.map(|why| Event::Failed { op: op.clone(), why });
                            failed.into_iter().chain([Event::Settled { op, seen: seen.state }]).collect()
                        }
                    });
                }
                Err(error) if may_pass(&error) && self.clock.now() < until => {
                    self.clock.sleep_until(later(self.clock.now(), BETWEEN_LOOKS)).await;
                }
                // Nobody but a person can say what became of it.
                Err(ReadError::Untold { .. }) => return Acted::Ask(Question::Doubt { op }),
                Err(error) => return Acted::CannotTell(CannotTell::Unseen { op, why: error.to_string() }),
            }
        }
    }
}

/// What came of an effect.
enum Acted {
    Happened(Vec<Event>),
    /// Only a person can say.
    Ask(Question),
    CannotTell(CannotTell),
}

fn may_pass(error: &ReadError) -> bool {
    error.is_passing() || matches!(error, ReadError::Garbled { .. })
}

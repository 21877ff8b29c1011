//! Every way to die, enumerated: each crash point, a second crash at each later point, crossed with every
//! gate failure, every refusal, every failed operation and every lost answer.
//!
//! The run goes through the written form of its entries at each crash, so what is proven holds for what is
//! on the disk. In every single run it is asserted that the ending is the wanted one, that every resource is
//! as that ending says, that each change took effect at most once each way, that exactly what took effect
//! and can be undone was undone, and that no operation was left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Effect, Run};
use crate::gate::{GateRule, Health, Observation};
use crate::run::{
    Change, Choice, Ending, Entry, Event, Guard, GuardAction, OnFailure, OpId, Operator, PreconditionResult,
    Preconditions, Question, Refusal, ResourceId, Reversibility, RunId, Task, TaskId, Way, Work, covers,
};

/// What goes wrong in one run.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// The gate of this task never passes.
    gate: Option<usize>,
    /// The write of this task is refused.
    refused: Option<usize>,
    /// The operation of this task fails after taking effect.
    failing: Option<usize>,
    /// The undo of this task is refused.
    undo_refused: Option<usize>,
    /// What this task rests on is not so.
    unmet: Option<usize>,
    /// Something is in the way of this task's write, twice.
    busy: Option<usize>,
    /// The answer to the nth call is lost, on the way there or on the way back.
    lost: Option<(usize, Lost)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    There,
    Back,
}

/// A cloud of four resources. Two of the writes are long-running.
#[derive(Clone, Debug, Default)]
struct World {
    states: BTreeMap<String, Value>,
    /// Resource, what it becomes, polls until then.
    running: BTreeMap<String, (String, Value, u8)>,
    /// Resources whose newest operation failed; the API goes on saying so until the next one.
    broken: BTreeMap<String, String>,
    took_effect: BTreeMap<OpId, u32>,
    /// How often something was in the way.
    busy: u32,
    calls: usize,
    trouble: Trouble,
}

const TASKS: usize = 4;
const ONE_WAY: usize = 0;

fn operator() -> Operator {
    Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
}

fn tasks() -> Vec<Task> {
    let seconds = Duration::from_secs;
    let rule = GateRule::of(vec!["probe".to_owned()], seconds(2), seconds(1), seconds(4));
    let task = |n: usize| Task {
        change: Some(Change {
            resource: format!("k/p/r/r{n}").parse().unwrap(),
            from: json!({"size": 0}),
            to: json!({"size": n + 1}),
        }),
        reversibility: if n == ONE_WAY {
            Reversibility::Irreversible { why: "it only grows".to_owned() }
        } else {
            Reversibility::Reversible
        },
        gate: (n != 1).then(|| rule.clone()),
        // One undo is proven; its probe is as well as the gate's of the same task.
        undo_gate: (n == 1).then(|| rule.clone()),
        require: Some(Preconditions { healthy: vec!["probe".to_owned()], ..Preconditions::default() }),
        pause: None,
        ..Task::idle(TaskId::of_step(&format!("t{n}")), "p", "u", OnFailure::Rollback)
    };
    (0..TASKS).map(task).collect()
}

/// The tasks, watched over by a guard that has nothing to say.
fn work() -> Work {
    let every = Duration::from_secs(10);
    let guard = Guard { probe: "guard".to_owned(), every, failures: 1, then: GuardAction::Rollback };
    Work { guards: vec![guard], ..Work::from(tasks()) }
}

fn number(task: &TaskId) -> usize {
    task.as_str()[1..].parse().unwrap()
}

impl World {
    fn new(trouble: Trouble) -> World {
        let states = (0..TASKS).map(|n| (format!("k/p/r/r{n}"), json!({"size": 0, "other": true}))).collect();
        World { states, trouble, ..World::default() }
    }

    fn lost(&mut self) -> Option<Lost> {
        self.calls += 1;
        self.trouble.lost.filter(|(call, _)| call + 1 == self.calls).map(|(_, way)| way)
    }

    fn write(&mut self, op: &OpId, change: &Change) -> Event {
        let lost = self.lost();
        let doubt = Event::InDoubt { op: op.clone(), why: "no answer".to_owned() };
        if lost == Some(Lost::There) {
            return doubt;
        }
        let answer = self.take(op, change);
        if lost == Some(Lost::Back) { doubt } else { answer }
    }

    fn take(&mut self, op: &OpId, change: &Change) -> Event {
        let n = number(&op.task);
        let refused = match op.way {
            Way::Apply => self.trouble.refused,
            Way::Undo => self.trouble.undo_refused,
        };
        if self.trouble.busy == Some(n) && self.busy < 2 {
            self.busy += 1;
            return Event::Refused {
                op: op.clone(),
                refusal: Refusal::Busy { why: "429".to_owned(), retry_after: None },
            };
        }
        if refused == Some(n) {
            return Event::Refused { op: op.clone(), refusal: Refusal::Api { why: "no".to_owned() } };
        }
        let resource = change.resource.to_string();
        let now = self.states[&resource].clone();
        if !covers(&now, &change.from) {
            return Event::Refused { op: op.clone(), refusal: Refusal::Drifted { now } };
        }
        assert!(!self.running.values().any(|(busy, ..)| *busy == resource), "two operations on {resource}");
        // What is written once more changes nothing.
        if now["size"] != change.to["size"] {
            *self.took_effect.entry(op.clone()).or_default() += 1;
        }
        self.broken.remove(&resource);
        let mut to = now;
        to["size"] = change.to["size"].clone();
        if n.is_multiple_of(2) || self.trouble.failing == Some(n) {
            let operation = format!("operations/{op}");
            self.running.insert(operation.clone(), (resource, to, 1));
            Event::OperationStarted { op: op.clone(), operation }
        } else {
            self.states.insert(resource, to.clone());
            Event::StateObserved { op: op.clone(), seen: to }
        }
    }

    fn poll(&mut self, op: &OpId, operation: &str) -> Event {
        if self.lost().is_some() {
            return Event::InDoubt { op: op.clone(), why: "no answer".to_owned() };
        }
        match self.running.get_mut(operation) {
            Some((_, _, polls)) if *polls > 0 => {
                *polls -= 1;
                Event::Polled { op: op.clone(), held: false }
            }
            Some((resource, ..)) => {
                let resource = resource.clone();
                self.finish(op, operation);
                match self.broken.get(&resource) {
                    Some(why) => Event::Failed { op: op.clone(), why: why.clone() },
                    None => Event::StateObserved { op: op.clone(), seen: self.states[&resource].clone() },
                }
            }
            None => Event::InDoubt { op: op.clone(), why: "no such operation".to_owned() },
        }
    }

    fn finish(&mut self, op: &OpId, operation: &str) {
        let Some((resource, to, _)) = self.running.remove(operation) else { return };
        if self.trouble.failing == Some(number(&op.task)) && op.way == Way::Apply {
            self.broken.insert(resource.clone(), "it broke".to_owned());
        }
        self.states.insert(resource, to);
    }

    fn look(&mut self, op: &OpId, resource: &ResourceId) -> Vec<Event> {
        let resource = resource.to_string();
        if let Some((operation, _)) = self.running.iter().find(|(_, (busy, ..))| *busy == resource) {
            return vec![Event::OperationStarted { op: op.clone(), operation: operation.clone() }];
        }
        let failed = self.broken.get(&resource).map(|why| Event::Failed { op: op.clone(), why: why.clone() });
        let settled = Event::StateObserved { op: op.clone(), seen: self.states[&resource].clone() };
        failed.into_iter().chain([settled]).collect()
    }

    fn perform(&mut self, effect: &Effect) -> Vec<Event> {
        vec![match effect {
            Effect::Ask(question) => Event::Answered {
                choice: match question {
                    Question::Failed { .. } | Question::Interrupted { .. } => Choice::Rollback,
                    _ => Choice::Yes,
                },
                question: question.clone(),
                by: "test".to_owned(),
                reason: None,
                visible: None,
            },
            Effect::CheckPreconditions { task, .. } => {
                let evidence = BTreeMap::new();
                let found = if self.trouble.unmet == Some(number(task)) {
                    PreconditionResult::Unmet { why: "not so".to_owned(), evidence }
                } else {
                    PreconditionResult::Met { evidence }
                };
                Event::PreconditionsChecked { task: task.clone(), found }
            }
            Effect::SampleGuard { probe } => {
                let observation = Observation::of(Health::Healthy);
                Event::GuardSampled { probe: probe.clone(), observation }
            }
            Effect::CheckDrift { applied } => {
                for (id, wanted) in applied {
                    assert!(covers(&self.states[&id.to_string()], wanted), "{id} is not what was applied");
                }
                Event::DriftChecked { moved: BTreeMap::new() }
            }
            Effect::AssessHealth { task, .. } => {
                Event::Assessed { task: task.clone(), found: PreconditionResult::Met { evidence: BTreeMap::new() } }
            }
            Effect::AbandonOperation { op, operation, limit } => {
                Event::OperationTimedOut { op: op.clone(), operation: operation.clone(), limit: *limit }
            }
            Effect::Pause { why } => Event::Paused { why: why.clone() },
            Effect::Sleep { task, .. } => Event::Waited { task: task.clone() },
            Effect::Notify { task } => Event::Notified { task: task.clone(), problem: None },
            Effect::RecordUnchanged { task } => Event::Unchanged { task: task.clone() },
            Effect::RecordIntent { op } => Event::Intended { op: op.clone() },
            Effect::Write { op, change } => self.write(op, change),
            Effect::Poll { op, operation, .. } => self.poll(op, operation),
            Effect::ObserveState { op, resource } => return self.look(op, resource),
            Effect::OpenGate { task, breaks } => Event::GateOpened { task: task.clone(), breaks: breaks.clone() },
            Effect::TakeSample { task, probe } => {
                let sick = self.trouble.gate == Some(number(task));
                let health = if sick { Health::Unhealthy { why: "503".to_owned() } } else { Health::Healthy };
                let observation = Observation::of(health);
                Event::Sampled { task: task.clone(), probe: probe.clone(), observation }
            }
            Effect::CloseGate { task, outcome } => Event::GateClosed { task: task.clone(), outcome: outcome.clone() },
            Effect::Wait { .. } | Effect::Park => return vec![],
            Effect::End(ending) => Event::Ended { ending: ending.clone() },
        }]
    }
}

/// One process after another works the run; `crashes` says after how many half-steps each one dies. A
/// half-step is "the effect happened" or "it is written down".
struct Story {
    world: World,
    journal: Vec<String>,
    now: Timestamp,
    half_steps: usize,
}

impl Story {
    fn tell(trouble: Trouble, crashes: &[usize]) -> Story {
        let mut story =
            Story { world: World::new(trouble), journal: vec![], now: Timestamp::UNIX_EPOCH, half_steps: 0 };
        story.write(Event::Started {
            run: RunId::from_bits(1),
            runbook: "test".to_owned(),
            cloud: "test".to_owned(),
            rectify: "0".to_owned(),
            machine: super::MACHINE,
            plan: String::new(),
            text: String::new(),
            place: None,
            wall_clock: None,
            operator: operator(),
        });
        let mut crashes = crashes.iter().copied();
        while !story.work(crashes.next().unwrap_or(usize::MAX)) && fold(&story.journal).ending().is_none() {
            story.write(Event::Resumed { operator: operator() });
        }
        story
    }

    fn write(&mut self, event: Event) -> Entry {
        let entry = Entry { at: self.now, event };
        self.journal.push(serde_json::to_string(&entry).unwrap());
        entry
    }

    /// Returns whether the run ended, as opposed to the process.
    fn work(&mut self, mut half_steps: usize) -> bool {
        let mut run = fold(&self.journal);
        let mut waits = 0;
        loop {
            let batch = run.next(self.now);
            if batch.is_empty() {
                return true;
            }
            // Looks take no time here, so there is nothing to wait for beside them.
            let looks =
                batch.iter().any(|effect| matches!(effect, Effect::TakeSample { .. } | Effect::SampleGuard { .. }));
            for effect in batch.into_iter().filter(|effect| !(looks && matches!(effect, Effect::Wait { .. }))) {
                if let Effect::Wait { until } = effect {
                    assert!(until > self.now, "a wait that does not wait");
                    waits += 1;
                    assert!(waits < 200, "the run does not end");
                    self.now = until;
                    continue;
                }
                for event in self.world.perform(&effect) {
                    if half_steps == 0 {
                        return false;
                    }
                    half_steps -= 1;
                    let entry = self.write(event);
                    run.apply(&entry).unwrap();
                    self.half_steps += 2;
                    if half_steps == 0 {
                        return false;
                    }
                    half_steps -= 1;
                }
            }
        }
    }

    fn check(&self, context: &str) {
        let run = fold(&self.journal);
        let trouble = self.world.trouble;
        let ending = run.ending().unwrap_or_else(|| panic!("{context}: no ending"));
        let stop = [trouble.gate, trouble.refused, trouble.failing, trouble.unmet].into_iter().flatten().min();
        match (ending, stop, trouble.undo_refused) {
            (Ending::Done { failed, .. }, None, _) => assert!(failed.is_empty(), "{context}"),
            (Ending::RolledBack { kept, why: Some(_), .. }, Some(stop), None) => {
                let grew = stop > ONE_WAY || (trouble.refused.is_none() && trouble.unmet.is_none());
                assert_eq!(kept.len(), usize::from(grew), "{context}: what is kept");
            }
            (Ending::Stuck { left, .. }, Some(_), Some(undo)) => {
                assert_eq!(left.len(), 1, "{context}");
                assert_eq!(number(&left[0].task), undo, "{context}");
            }
            (ending, ..) => panic!("{context}: {ending:?}"),
        }
        for n in 0..TASKS {
            let began = trouble.refused.is_none() && trouble.unmet.is_none();
            let applied = stop.is_none_or(|stop| n < stop || (n == stop && began));
            let undone = stop.is_some() && n != ONE_WAY && trouble.undo_refused != Some(n);
            let size = if applied && !undone { n + 1 } else { 0 };
            assert_eq!(self.world.states[&format!("k/p/r/r{n}")]["size"], size, "{context}: resource {n}");
            let id = TaskId::of_step(&format!("t{n}"));
            let times = |way| self.world.took_effect.get(&OpId { task: id.clone(), way }).copied().unwrap_or(0);
            assert_eq!(times(Way::Apply), u32::from(applied), "{context}: applies of {n}");
            assert_eq!(times(Way::Undo), u32::from(applied && undone), "{context}: undos of {n}");
        }
        let alone = self.world.running.iter().filter(|(_, (resource, to, _))| self.world.states[resource] != *to);
        assert_eq!(alone.count(), 0, "{context}: an operation was left alone");
    }
}

fn fold(journal: &[String]) -> Run {
    let mut run = Run::new(work());
    for line in journal {
        run.apply(&serde_json::from_str(line).unwrap()).unwrap_or_else(|illegal| panic!("{illegal}: {line}"));
    }
    run
}

fn troubles() -> Vec<Trouble> {
    let none = Trouble::default();
    let mut troubles = vec![none];
    troubles.extend((0..TASKS).filter(|n| *n != 1).map(|n| Trouble { gate: Some(n), ..none }));
    troubles.extend((0..TASKS).map(|n| Trouble { refused: Some(n), ..none }));
    troubles.extend((1..TASKS).map(|n| Trouble { failing: Some(n), ..none }));
    troubles.extend([0, 2].map(|n| Trouble { unmet: Some(n), ..none }));
    troubles.extend([0, 3].map(|n| Trouble { busy: Some(n), ..none }));
    troubles.push(Trouble { gate: Some(3), busy: Some(2), ..none });
    troubles.push(Trouble { gate: Some(3), undo_refused: Some(2), ..none });
    troubles
}

fn losses() -> Vec<Option<(usize, Lost)>> {
    let calls = (0..14).flat_map(|call| [Some((call, Lost::There)), Some((call, Lost::Back))]);
    std::iter::once(None).chain(calls).collect()
}

#[test]
fn every_crash_and_every_lost_answer_ends_as_it_should() {
    let mut runs = 0;
    for trouble in troubles() {
        for lost in losses() {
            let trouble = Trouble { lost, ..trouble };
            let whole = Story::tell(trouble, &[]);
            whole.check(&format!("{trouble:?}"));
            for crash in 0..whole.half_steps {
                let story = Story::tell(trouble, &[crash]);
                story.check(&format!("{trouble:?}, crash at {crash}"));
                runs += 1;
            }
        }
    }
    assert!(runs > 9_000, "only {runs} runs: the enumeration has shrunk");
}

#[test]
fn a_second_crash_at_every_later_point_changes_nothing() {
    let mut runs = 0;
    for trouble in troubles().into_iter().step_by(3) {
        let whole = Story::tell(trouble, &[]);
        for first in 0..whole.half_steps {
            for second in 0..whole.half_steps {
                let story = Story::tell(trouble, &[first, second]);
                story.check(&format!("{trouble:?}, crashes at {first} and {second}"));
                runs += 1;
            }
        }
    }
    assert!(runs > 9_000, "only {runs} runs: the enumeration has shrunk");
}

#[test]
fn events_that_cannot_have_happened_are_refused() {
    let mut run = Run::new(tasks());
    let op = OpId { task: TaskId::of_step("t0"), way: Way::Apply };
    let entry = |event| Entry { at: Timestamp::UNIX_EPOCH, event };
    let illegal = run.apply(&entry(Event::OperationStarted { op: op.clone(), operation: "x".to_owned() })).unwrap_err();
    assert_eq!(illegal.to_string(), "`operation_started` cannot happen before a task (task `t0`)");
    assert!(run.apply(&entry(Event::Intended { op })).is_err(), "a write that nobody approved");
}

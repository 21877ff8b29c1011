//! Random runs: any tasks, any outcomes, any answers, a crash anywhere.
//!
//! Whatever happens, these hold in the end: every change that took effect is in force in a run that was not turned back, or
//! was undone exactly once, or is reported as left or kept; no write is sent twice in a row without a look between; and
//! folding the journal gives the state that was lived through.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Effect, Run};
use crate::gate::{Health, Observation, Rule};
use crate::run::{
    Change, Choice, Ending, Entry, Event, Evidence, Guard, OnFailure, OpId, Operator, Question, Refusal, Requirement,
    Reversibility, RunId, Task, TaskId, Trip, Way, Work, covers,
};

/// What a task is like.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the things that a task may have")]
struct Shape {
    resource: usize,
    one_way: bool,
    gate: bool,
    undo_gate: bool,
    require: bool,
    pause: bool,
    detour: bool,
    /// Whether it is another turn of the step before it.
    turn: bool,
    on_failure: OnFailure,
}

fn shape() -> impl Strategy<Value = Shape> {
    let policy =
        prop_oneof![Just(OnFailure::Ask), Just(OnFailure::Rollback), Just(OnFailure::Stop), Just(OnFailure::Continue)];
    (0..3_usize, prop::bool::weighted(0.2), any::<[bool; 6]>(), policy).prop_map(
        |(resource, one_way, [gate, undo_gate, require, pause, detour, turn], on_failure)| Shape {
            resource,
            one_way,
            gate,
            undo_gate,
            require,
            pause,
            detour: detour && !one_way,
            turn,
            on_failure,
        },
    )
}

/// So many turns of a step go on at once.
const PARALLEL: u32 = 2;

/// What tasks change, and where their detours lead: the same thing at Google.
const MAIN: &str = "gcp.run.service/p/r/r";
const SIDE: &str = "gcp.run.traffic/p/r/r";

/// The id of each task: turns of a step share its name.
fn ids(shapes: &[Shape]) -> Vec<TaskId> {
    let mut step = 0;
    let id = |(n, shape): (usize, &Shape)| {
        step = if shape.turn && n > 0 { step } else { n };
        TaskId::part(&format!("t{step}"), &n.to_string())
    };
    shapes.iter().enumerate().map(id).collect()
}

fn work(shapes: &[Shape]) -> Work {
    let rule = |is: bool| {
        let seconds = Duration::from_secs;
        is.then(|| Rule::of(vec!["probe".to_owned()], seconds(2), seconds(1), seconds(4)))
    };
    let mut sizes = [0; 3];
    let ids = ids(shapes);
    let task = |(n, shape): (usize, &Shape)| {
        let from = sizes[shape.resource];
        sizes[shape.resource] = n + 1;
        Task {
            change: Some(Change {
                resource: format!("{MAIN}{}", shape.resource).parse().unwrap(),
                from: json!({ "size": from }),
                to: json!({ "size": n + 1 }),
            }),
            reversibility: if shape.one_way {
                Reversibility::OneWay { why: "it only grows".to_owned() }
            } else {
                Reversibility::Reversible
            },
            detour: shape.detour.then(|| Change {
                resource: format!("{SIDE}{}", shape.resource).parse().unwrap(),
                from: json!({ "size": 0 }),
                to: json!({ "size": n + 100 }),
            }),
            gate: rule(shape.gate),
            undo_gate: rule(shape.undo_gate),
            require: shape.require.then(Evidence::default),
            pause: shape.pause.then_some(Duration::from_secs(3)),
            turn: Some(n.to_string()),
            parallel: PARALLEL,
            spare: 1,
            ..Task::idle(ids[n].clone(), "p", "u", shape.on_failure)
        }
    };
    let tasks: Vec<Task> = shapes.iter().enumerate().map(task).collect();
    let guard = Guard { probe: "guard".to_owned(), every: Duration::from_secs(2), failures: 2, then: Trip::Rollback };
    let budgets = BTreeMap::from([("p".to_owned(), Duration::from_secs(40))]);
    Work { guards: vec![guard], budgets, ..Work::from(tasks) }
}

/// A cloud that does as the dice say.
struct World {
    states: BTreeMap<String, Value>,
    /// Operations by name: what each is on, and whether it fails.
    running: BTreeMap<String, (String, bool)>,
    took_effect: BTreeMap<OpId, u32>,
    /// Writes that were sent and of which nothing was heard since.
    unheard: BTreeSet<OpId>,
    dice: std::vec::IntoIter<u8>,
    most_at_once: usize,
}

impl World {
    /// Dice that are used up say that all goes well.
    fn roll(&mut self) -> u8 {
        self.dice.next().unwrap_or(255)
    }

    fn take(&mut self, change: &Change, op: &OpId) {
        let mut state = self.states[&change.resource.to_string()].clone();
        state["size"] = change.to["size"].clone();
        self.states.insert(change.resource.to_string(), state);
        *self.took_effect.entry(op.clone()).or_default() += 1;
    }

    fn write(&mut self, op: &OpId, change: &Change) -> Event {
        assert!(self.unheard.insert(op.clone()), "{op} is sent twice without a look between");
        let op = op.clone();
        let now = self.states[&change.resource.to_string()].clone();
        let heard = |world: &mut World, event| {
            world.unheard.remove(&op);
            event
        };
        if !covers(&now, &change.from) {
            return heard(self, Event::Refused { op: op.clone(), refusal: Refusal::Drifted { now } });
        }
        match self.roll() {
            0..=24 => {
                let refusal = Refusal::Api { why: "no".to_owned() };
                heard(self, Event::Refused { op: op.clone(), refusal })
            }
            25..=44 => {
                let refusal = Refusal::Busy { why: "429".to_owned() };
                heard(self, Event::Refused { op: op.clone(), refusal })
            }
            45..=64 => Event::InDoubt { op, why: "lost on the way there".to_owned() },
            65..=84 => {
                self.take(change, &op);
                Event::InDoubt { op, why: "lost on the way back".to_owned() }
            }
            85..=124 => {
                let (name, fails) = (format!("operations/{op}"), self.roll() < 60);
                self.take(change, &op);
                self.running.insert(name.clone(), (change.resource.to_string(), fails));
                self.most_at_once = self.most_at_once.max(self.running.len());
                heard(self, Event::Begun { op: op.clone(), operation: name })
            }
            _ => {
                self.take(change, &op);
                let seen = self.states[&change.resource.to_string()].clone();
                heard(self, Event::Settled { op: op.clone(), seen })
            }
        }
    }

    fn perform(&mut self, effect: &Effect) -> Vec<Event> {
        let sample = |world: &mut World| {
            let health = match world.roll() {
                0..=29 => Health::Unhealthy { why: "503".to_owned() },
                30..=39 => Health::Unknown { why: "no answer".to_owned() },
                _ => Health::Healthy,
            };
            Observation::of(health)
        };
        vec![match effect {
            Effect::Ask(question) => {
                let roll = usize::from(self.roll());
                let choices: &[Choice] = match question {
                    Question::Apply { .. } | Question::OneWay { .. } | Question::Confirm { .. } => {
                        &[Choice::No, Choice::Skip, Choice::Rollback, Choice::AllInPhase, Choice::Yes]
                    }
                    Question::Failed { retry: true, .. } => {
                        &[Choice::Retry, Choice::Continue, Choice::Stop, Choice::Rollback]
                    }
                    Question::Failed { .. } | Question::Interrupted { .. } => {
                        &[Choice::Continue, Choice::Stop, Choice::Rollback]
                    }
                    Question::Doubt { .. } => &[Choice::No, Choice::Yes],
                };
                let choice = choices[(roll / 12).min(choices.len() - 1)];
                Event::Answered { question: question.clone(), choice, by: "dice".to_owned(), reason: None }
            }
            Effect::Pass { task } => Event::Unchanged { task: task.clone() },
            Effect::Announce { op } => Event::Intended { op: op.clone() },
            Effect::Write { op, change } => self.write(op, change),
            Effect::Poll { op, operation, .. } => match self.running.remove(operation) {
                Some((resource, false)) => Event::Settled { op: op.clone(), seen: self.states[&resource].clone() },
                Some(_) => Event::Failed { op: op.clone(), why: "it broke".to_owned() },
                None => Event::InDoubt { op: op.clone(), why: "no such operation".to_owned() },
            },
            Effect::Look { op, resource } => {
                self.unheard.remove(op);
                let resource = resource.to_string();
                if let Some((operation, _)) = self.running.iter().find(|(_, (busy, _))| *busy == resource) {
                    return vec![Event::Begun { op: op.clone(), operation: operation.clone() }];
                }
                Event::Settled { op: op.clone(), seen: self.states[&resource].clone() }
            }
            Effect::OpenGate { task } => Event::GateOpened { task: task.clone() },
            Effect::Probe { task, probe } => {
                Event::Observed { task: task.clone(), probe: probe.clone(), observation: sample(self) }
            }
            Effect::Watch { probe } => Event::Watched { probe: probe.clone(), observation: sample(self) },
            Effect::CloseGate { task, outcome } => Event::GateClosed { task: task.clone(), outcome: outcome.clone() },
            Effect::Require { task, .. } => {
                let evidence = BTreeMap::new();
                let found = match self.roll() {
                    0..=19 => Requirement::Unmet { why: "not so".to_owned(), evidence },
                    _ => Requirement::Met { evidence },
                };
                Event::Required { task: task.clone(), found }
            }
            Effect::Rest { task, .. } => Event::Waited { task: task.clone() },
            Effect::Notify { task } => Event::Notified { task: task.clone(), problem: None },
            Effect::Compare { .. } => Event::Compared { moved: BTreeMap::new() },
            Effect::Wait { .. } => return Vec::new(),
            // Another process takes it up.
            Effect::Park => Event::Resumed { operator: operator() },
            Effect::End(ending) => Event::Ended { ending: ending.clone() },
        }]
    }
}

fn operator() -> Operator {
    Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
}

/// Works a run to its end, dying once after so many entries; the journal and the world.
/// While it works the clock jumps, by so many minutes after each of the first waves.
fn tell(shapes: &[Shape], dice: Vec<u8>, crash: usize, jumps: &[i8]) -> (Vec<Entry>, World) {
    let work = work(shapes);
    let states = (0..3).flat_map(|n| [MAIN, SIDE].map(|kind| (format!("{kind}{n}"), json!({ "size": 0 })))).collect();
    let (running, took_effect, unheard) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let mut world = World { states, running, took_effect, unheard, dice: dice.into_iter(), most_at_once: 0 };
    let (mut run, mut now, mut journal) = (Run::new(work.clone()), Timestamp::UNIX_EPOCH, Vec::new());
    let mut jumps = jumps.iter();
    let note = |run: &mut Run, journal: &mut Vec<Entry>, now, event| {
        let entry = Entry { at: now, event };
        run.apply(&entry).unwrap_or_else(|illegal| panic!("{illegal}"));
        journal.push(entry);
    };
    let text = String::new;
    let started = Event::Started {
        run: RunId::from_bits(1),
        runbook: text(),
        cloud: text(),
        rectify: text(),
        machine: super::MACHINE,
        plan: text(),
        text: text(),
        operator: operator(),
    };
    note(&mut run, &mut journal, now, started);
    for _ in 0..20_000 {
        now = now.saturating_add(jiff::SignedDuration::from_mins(jumps.next().copied().unwrap_or(0).into())).unwrap();
        let wave = run.next(now);
        if wave.is_empty() {
            return (journal, world);
        }
        // Looks take no time here, so there is nothing to wait for beside them.
        let looks = wave.iter().any(|effect| matches!(effect, Effect::Probe { .. } | Effect::Watch { .. }));
        // As the driver does it: everything of a wave is done before anything of it is written down.
        let mut happened = Vec::new();
        for effect in wave.into_iter().filter(|effect| !(looks && matches!(effect, Effect::Wait { .. }))) {
            if let Effect::Wait { until } | Effect::Rest { until, .. } = &effect {
                now = (*until).max(now);
            }
            happened.extend(world.perform(&effect));
        }
        for event in happened {
            if journal.len() == crash {
                // What happened was never written down; another process comes.
                run = Run::new(work.clone());
                for entry in &journal {
                    run.apply(entry).unwrap();
                }
                let resumed = Event::Resumed { operator: operator() };
                if run.ending().is_none() {
                    note(&mut run, &mut journal, now, resumed);
                    break;
                }
            }
            note(&mut run, &mut journal, now, event);
        }
    }
    panic!("the run does not end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_change_is_accounted_for(
        shapes in prop::collection::vec(shape(), 1..7),
        dice in prop::collection::vec(any::<u8>(), 0..200),
        crash in 1..120_usize,
        jumps in prop::collection::vec(prop_oneof![4 => Just(0_i8), 1 => -90..90_i8], 0..60),
    ) {
        let (journal, world) = tell(&shapes, dice, crash, &jumps);
        let mut run = Run::new(work(&shapes));
        for entry in &journal {
            let line = serde_json::to_string(entry).unwrap();
            run.apply(&serde_json::from_str(&line).unwrap()).unwrap();
        }
        let ending = run.ending().expect("it ended").clone();
        let left: BTreeSet<TaskId> = match &ending {
            Ending::Stuck { left, .. } => left.iter().map(|left| left.task.clone()).collect(),
            _ => BTreeSet::new(),
        };
        let turned = matches!(ending, Ending::RolledBack { .. } | Ending::Stuck { .. });
        prop_assert!(world.most_at_once <= PARALLEL as usize, "{} at once", world.most_at_once);
        let ids = ids(&shapes);
        for (n, shape) in shapes.iter().enumerate() {
            let id = ids[n].clone();
            let times = |way| world.took_effect.get(&OpId { task: id.clone(), way }).copied().unwrap_or(0);
            let (applied, undone) = (times(Way::Apply), times(Way::Undo));
            // A failed operation that took effect may be tried again by its operator, and then starts from what is there.
            prop_assert!(applied <= 1, "t{} took effect {} times", n, applied);
            prop_assert!(undone <= applied, "t{} was undone {} times", n, undone);
            let in_force = applied == 1 && undone == 0;
            if in_force && turned && !shape.one_way {
                prop_assert!(left.contains(&id), "t{} is in force, and {:?} does not say so", n, ending);
            }
            if undone == 1 {
                prop_assert!(turned, "t{} was undone in {:?}", n, ending);
            }
            // A detour is never made on the way forward, and is taken before the change that it is for is undone.
            let side = |name: &str, way| {
                let task = TaskId::part(id.as_str(), name);
                world.took_effect.get(&OpId { task, way }).copied().unwrap_or(0)
            };
            prop_assert_eq!(side("traffic", Way::Apply) + side("follow", Way::Apply), 0);
            prop_assert!(side("traffic", Way::Undo) <= applied && side("follow", Way::Undo) <= undone.max(side("traffic", Way::Undo)));
            if shape.detour && undone == 1 && matches!(ending, Ending::RolledBack { .. }) {
                prop_assert_eq!(&world.states[&format!("{SIDE}{}", shape.resource)]["size"], &json!(0), "t{}", n);
            }
        }
    }
}

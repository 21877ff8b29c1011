//! Random runs: any tasks, any outcomes, any answers, however late, and at any entry a death, a request to stop, a machine
//! that sleeps, and whoever takes the run up then: to go on, or to roll it back.
//!
//! Whatever happens, these hold in the end: the run ends; every change that took effect is applied in a run that was not
//! turned back, or was undone exactly once, or is reported as left or kept; no write is sent twice in a row without an
//! observation between; and folding the journal gives the state that was lived through.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::machine::Known;
use super::{Effect, Run};
use crate::gate::{GateRule, Health, Observation};
use crate::run::{
    Change, ChangeStatus, Choice, Command, Ending, Entry, Event, Guard, GuardAction, Occasion, OnFailure, OpId,
    Operator, PreconditionResult, Preconditions, Program, Question, Refusal, Reversibility, RunId, Task, TaskId, View,
    Way, Work, covers,
};

/// What a task is like.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the things that a task may have")]
struct Shape {
    resource: usize,
    irreversible: bool,
    gate: bool,
    undo_gate: bool,
    require: bool,
    pause: bool,
    traffic_first: bool,
    /// Whether it is another turn of the step before it.
    turn: bool,
    on_failure: OnFailure,
    /// Whether a program makes its change, and what is known of that.
    program: Option<ProgramShape>,
    occasion: Occasion,
}

/// A program that may fail, and then has taken effect or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProgramShape {
    /// Its `check` says whether it is done.
    Checked,
    /// Only the operator can say.
    Unchecked,
    /// It is undone in any case.
    UndoPartial,
}

fn shape() -> impl Strategy<Value = Shape> {
    let policy =
        prop_oneof![Just(OnFailure::Ask), Just(OnFailure::Rollback), Just(OnFailure::Stop), Just(OnFailure::Continue)];
    let program = prop_oneof![
        3 => Just(None),
        1 => Just(Some(ProgramShape::Checked)),
        1 => Just(Some(ProgramShape::Unchecked)),
        1 => Just(Some(ProgramShape::UndoPartial)),
    ];
    (0..3_usize, prop::bool::weighted(0.2), any::<[bool; 6]>(), policy, program).prop_map(
        |(resource, irreversible, [gate, undo_gate, require, pause, traffic_first, turn], on_failure, program)| Shape {
            resource,
            irreversible,
            gate,
            undo_gate,
            require,
            pause,
            traffic_first: traffic_first && !irreversible,
            turn,
            on_failure,
            program,
            occasion: Occasion::InOrder,
        },
    )
}

/// Tasks, and what is done whenever a run of them is about to end.
fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let finally = |(place, shape): (usize, Shape)| Shape {
        occasion: Occasion::Finally,
        turn: shape.turn && place > 0,
        on_failure: if shape.on_failure == OnFailure::Ask { OnFailure::Ask } else { OnFailure::Continue },
        ..shape
    };
    let last = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(shape(), 1..3)];
    let first = prop_oneof![9 => prop::collection::vec(shape(), 1..7), 1 => Just(Vec::new())];
    (first, last).prop_filter_map("nothing to do", move |(shapes, last)| {
        let last = last.into_iter().enumerate().map(finally);
        let all: Vec<Shape> = shapes.into_iter().chain(last).collect();
        (!all.is_empty()).then_some(all)
    })
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
        is.then(|| GateRule::of(vec!["probe".to_owned()], seconds(2), seconds(1), seconds(4)))
    };
    let mut sizes = [0; 3];
    let ids = ids(shapes);
    let task = |(n, shape): (usize, &Shape)| {
        let from = sizes[shape.resource];
        // What comes last brings back what was there at first, or something else.
        let to = if shape.occasion == Occasion::Finally && !shape.pause { 0 } else { n + 1 };
        sizes[shape.resource] = to;
        Task {
            occasion: shape.occasion,
            change: (from != to).then(|| Change {
                resource: format!("{MAIN}{}", shape.resource).parse().unwrap(),
                from: json!({ "size": from }),
                to: json!({ "size": to }),
            }),
            reversibility: if shape.irreversible {
                Reversibility::Irreversible { why: "it only grows".to_owned() }
            } else {
                Reversibility::Reversible
            },
            traffic_first: shape.traffic_first.then(|| Change {
                resource: format!("{SIDE}{}", shape.resource).parse().unwrap(),
                from: json!({ "size": 0 }),
                to: json!({ "size": n + 100 }),
            }),
            program: shape.program.map(|program| Program {
                run: Command::Bash("run".to_owned()),
                check: (program == ProgramShape::Checked).then(|| Command::Bash("check".to_owned())),
                undo: (!shape.irreversible).then(|| Command::Bash("undo".to_owned())),
                env: BTreeMap::new(),
                undo_partial: program == ProgramShape::UndoPartial && !shape.irreversible,
                not_run: false,
            }),
            gate: rule(shape.gate),
            undo_gate: rule(shape.undo_gate),
            require: shape.require.then(Preconditions::default),
            pause: shape.pause.then_some(Duration::from_secs(3)),
            unhealthy_before: if shape.require {
                BTreeMap::from([("probe".to_owned(), "503".to_owned())])
            } else {
                BTreeMap::new()
            },
            item: Some(n.to_string()),
            max_parallel: PARALLEL,
            max_failures: 1,
            ..Task::idle(ids[n].clone(), "p", "u", shape.on_failure)
        }
    };
    let tasks: Vec<Task> = shapes.iter().enumerate().map(task).collect();
    let guard =
        Guard { probe: "guard".to_owned(), every: Duration::from_secs(2), failures: 2, then: GuardAction::Rollback };
    let budgets = BTreeMap::from([("p".to_owned(), Duration::from_secs(40))]);
    Work { guards: vec![guard], budgets, ..Work::from(tasks) }
}

/// A cloud that does as the dice say.
struct World {
    states: BTreeMap<String, Value>,
    /// Operations by name: what each is on, and whether it fails.
    running: BTreeMap<String, (String, bool)>,
    took_effect: BTreeMap<OpId, u32>,
    /// Tasks whose changes programs make.
    programs: BTreeSet<TaskId>,
    /// Tasks that are done finally.
    finally: BTreeSet<TaskId>,
    /// How often each program was run and failed since somebody last said that it is to be tried again.
    failed: BTreeMap<OpId, u32>,
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
        // What is written once more changes nothing.
        if state["size"] == change.to["size"] {
            return;
        }
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
        // Of what failed in the middle nobody knows how it is: no state is expected before its undo.
        if !change.from.is_null() && !covers(&now, &change.from) {
            return heard(self, Event::Refused { op: op.clone(), refusal: Refusal::Drifted { now } });
        }
        let is_there = |world: &World| covers(&world.states[&change.resource.to_string()], &change.to);
        match self.roll() {
            0..=84 if self.programs.contains(&op.task) => {
                let times = self.failed.entry(op.clone()).or_default();
                *times += 1;
                assert_eq!(*times, 1, "{op} failed and was run again by itself");
                if self.roll() < 128 && !is_there(self) {
                    self.take(change, &op);
                }
                heard(self, Event::Failed { op: op.clone(), why: "failed (exit 1)".to_owned() })
            }
            0..=24 => {
                let refusal = Refusal::Api { why: "no".to_owned() };
                heard(self, Event::Refused { op: op.clone(), refusal })
            }
            25..=44 => {
                let refusal = Refusal::Busy { why: "429".to_owned(), retry_after: None };
                heard(self, Event::Refused { op: op.clone(), refusal })
            }
            45..=64 => Event::InDoubt { op, why: "lost on the way there".to_owned() },
            65..=84 => {
                self.take(change, &op);
                Event::InDoubt { op, why: "answer lost".to_owned() }
            }
            85..=124 if !self.programs.contains(&op.task) => {
                let (name, fails) = (format!("operations/{op}"), self.roll() < 60);
                self.take(change, &op);
                self.running.insert(name.clone(), (change.resource.to_string(), fails));
                self.most_at_once = self.most_at_once.max(self.running.len());
                heard(self, Event::OperationStarted { op: op.clone(), operation: name })
            }
            _ => {
                if !is_there(self) {
                    self.take(change, &op);
                }
                let seen = self.states[&change.resource.to_string()].clone();
                heard(self, Event::StateObserved { op: op.clone(), seen })
            }
        }
    }

    /// Whether something of a failed write took effect.
    fn knows(&self, question: &Question) -> Choice {
        let (Question::TookEffect { op, .. } | Question::Doubt { op }) = question else { return Choice::Unknown };
        let times = |way| self.took_effect.get(&OpId { task: op.task.clone(), way }).copied().unwrap_or_default();
        let is_applied = times(Way::Apply) > times(Way::Undo);
        if is_applied == (op.way == Way::Apply) { Choice::Yes } else { Choice::No }
    }

    fn answer(&mut self, question: &Question) -> Event {
        let roll = usize::from(self.roll());
        let choices: &[Choice] = match question {
            Question::Apply { .. } | Question::Irreversible { .. } | Question::Confirm { .. } => {
                &[Choice::No, Choice::Skip, Choice::Rollback, Choice::AllInPhase, Choice::Yes]
            }
            Question::Failed { retry: true, .. } => &[Choice::Retry, Choice::Continue, Choice::Stop, Choice::Rollback],
            Question::Failed { .. } | Question::Interrupted { .. } => {
                &[Choice::Continue, Choice::Stop, Choice::Rollback]
            }
            Question::Restore { .. } | Question::Doubt { .. } => &[Choice::No, Choice::Yes],
            // Who answers knows, or says that they do not.
            Question::TookEffect { .. } => &[Choice::Unknown, self.knows(question)],
        };
        let task = match question {
            Question::Apply { task }
            | Question::Irreversible { task, .. }
            | Question::Confirm { task, .. }
            | Question::Failed { task, .. } => Some(task),
            _ => None,
        };
        let is_finally = task.is_some_and(|task| self.finally.contains(task));
        let is_possible = |choice: &Choice| !is_finally || !matches!(choice, Choice::Stop | Choice::Rollback);
        let choices: Vec<Choice> = choices.iter().copied().filter(is_possible).collect();
        let choice = choices[(roll / 12).min(choices.len() - 1)];
        if choice == Choice::Retry {
            self.failed.clear();
        }
        Event::Answered { question: question.clone(), choice, by: "dice".to_owned(), reason: None, visible: None }
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
            Effect::Ask(question) => self.answer(question),
            Effect::RecordUnchanged { task } => Event::Unchanged { task: task.clone() },
            Effect::RecordIntent { op } => Event::Intended { op: op.clone() },
            Effect::Write { op, change } => self.write(op, change),
            Effect::Poll { op, operation, .. } => match self.running.remove(operation) {
                Some((resource, false)) => {
                    Event::StateObserved { op: op.clone(), seen: self.states[&resource].clone() }
                }
                Some(_) => Event::Failed { op: op.clone(), why: "it broke".to_owned() },
                None => Event::InDoubt { op: op.clone(), why: "no such operation".to_owned() },
            },
            Effect::ObserveState { op, resource } => {
                self.unheard.remove(op);
                let resource = resource.to_string();
                if let Some((operation, _)) = self.running.iter().find(|(_, (busy, _))| *busy == resource) {
                    return vec![Event::OperationStarted { op: op.clone(), operation: operation.clone() }];
                }
                // What a program did no API tells of; whoever is asked knows.
                let question = Question::Doubt { op: op.clone() };
                if self.programs.contains(&op.task) && self.roll() < 40 {
                    let choice = self.knows(&question);
                    let by = "dice".to_owned();
                    return vec![Event::Answered { question, choice, by, reason: None, visible: None }];
                }
                Event::StateObserved { op: op.clone(), seen: self.states[&resource].clone() }
            }
            Effect::OpenGate { task, breaks } => Event::GateOpened { task: task.clone(), breaks: breaks.clone() },
            Effect::TakeSample { task, probe } => {
                Event::Sampled { task: task.clone(), probe: probe.clone(), observation: sample(self) }
            }
            Effect::SampleGuard { probe } => Event::GuardSampled { probe: probe.clone(), observation: sample(self) },
            Effect::CloseGate { task, outcome } => Event::GateClosed { task: task.clone(), outcome: outcome.clone() },
            Effect::CheckPreconditions { task, .. } => {
                let evidence = BTreeMap::new();
                let found = match self.roll() {
                    0..=19 => PreconditionResult::Unmet { why: "not so".to_owned(), evidence },
                    _ => PreconditionResult::Met { evidence },
                };
                Event::PreconditionsChecked { task: task.clone(), found }
            }
            Effect::AssessHealth { task, .. } => {
                let evidence = BTreeMap::new();
                let found = match self.roll() {
                    0..=99 => PreconditionResult::Unmet { why: "unhealthy".to_owned(), evidence },
                    _ => PreconditionResult::Met { evidence },
                };
                Event::Assessed { task: task.clone(), found }
            }
            Effect::AbandonOperation { op, operation, limit } => {
                Event::OperationTimedOut { op: op.clone(), operation: operation.clone(), limit: *limit }
            }
            Effect::Pause { why } => Event::Paused { why: why.clone() },
            Effect::Sleep { task, .. } => Event::Waited { task: task.clone() },
            Effect::Notify { task } => Event::Notified { task: task.clone(), problem: None },
            Effect::CheckDrift { .. } => Event::DriftChecked { moved: BTreeMap::new() },
            Effect::Wait { .. } => return Vec::new(),
            Effect::Park => unreachable!("nothing is done of a run that is parked"),
            Effect::End(ending) => Event::Ended { ending: ending.clone() },
        }]
    }
}

/// Whether what people are told is applied is what the engine takes for applied, and would undo.
pub(super) fn agree(run: &Run, view: &View) -> Result<(), String> {
    let in_flight = run.in_flight();
    for (place, task) in view.tasks.iter().enumerate() {
        let known = run.applied.iter().find(|applied| applied.task == place).map(|applied| &applied.known);
        let flies = |way| in_flight.contains(&OpId { task: task.task.id.clone(), way });
        let status = task.change_status();
        let agrees = match (&status, known) {
            (ChangeStatus::InFlight { way, .. } | ChangeStatus::InDoubt { way, .. }, _) => flies(*way),
            (status, Some(Known::Applied)) => status.is_applied(),
            (status, Some(Known::Unclear(_))) => matches!(status, ChangeStatus::Unclear { .. }),
            (status, None) => !status.may_be_applied(),
        };
        let is_told = matches!(status, ChangeStatus::InFlight { .. } | ChangeStatus::InDoubt { .. });
        if !agrees || is_told != (flies(Way::Apply) || flies(Way::Undo)) {
            return Err(format!(
                "{} is {status:?} to people; to the engine it is {known:?}, {in_flight:?} in flight",
                task.task.id
            ));
        }
    }
    Ok(())
}

fn operator() -> Operator {
    Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
}

/// How a process comes to a run that another one has left.
#[derive(Clone, Copy, Debug)]
enum Request {
    Resume,
    /// Undo what came after the task of this number, or all of it.
    Rollback {
        to: Option<usize>,
    },
}

/// What befalls the process that works a run, or the machine.
#[derive(Clone, Copy, Debug)]
enum Incident {
    /// It dies with something done that was never written down; another one comes.
    Dies(Request),
    /// It is asked to stop; another one comes.
    Stops(Request),
    /// The machine sleeps for so many minutes.
    Sleeps(u16),
}

/// What goes on around a run.
#[derive(Clone, Debug)]
struct Course {
    dice: Vec<u8>,
    /// What happens once the journal has so many entries.
    incidents: BTreeMap<usize, Incident>,
    /// What is asked for once the run has ended, one after another.
    afterwards: Vec<Request>,
    /// After how many minutes each of the first questions is answered; a phase may take less than one.
    ages: Vec<u16>,
    /// By how many minutes the clock jumps after each of the first batches.
    jumps: Vec<i8>,
}

fn course() -> impl Strategy<Value = Course> {
    let request = || {
        prop_oneof![
            2 => Just(Request::Resume),
            1 => Just(Request::Rollback { to: None }),
            1 => (0..7_usize).prop_map(|to| Request::Rollback { to: Some(to) }),
        ]
    };
    let incident = prop_oneof![
        request().prop_map(Incident::Dies),
        request().prop_map(Incident::Stops),
        (1..600_u16).prop_map(Incident::Sleeps),
    ];
    (
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::btree_map(1..120_usize, incident, 0..4),
        prop::collection::vec(request(), 0..3),
        prop::collection::vec(prop_oneof![2 => Just(0_u16), 1 => 1..120_u16], 0..12),
        prop::collection::vec(prop_oneof![4 => Just(0_i8), 1 => -90..90_i8], 0..60),
    )
        .prop_map(|(dice, incidents, afterwards, ages, jumps)| Course { dice, incidents, afterwards, ages, jumps })
}

impl Request {
    fn event(self, ids: &[TaskId]) -> Event {
        match self {
            Request::Resume => Event::Resumed { operator: operator() },
            Request::Rollback { to } => {
                let to = to.map(|to| ids[to % ids.len()].as_str().to_owned());
                Event::RollbackRequested { operator: operator(), to }
            }
        }
    }
}

/// Works a run to its end; the journal and the world.
fn tell(shapes: &[Shape], course: &Course) -> (Vec<Entry>, World) {
    let Course { dice, incidents, afterwards, ages, jumps } = course.clone();
    let (work, ids) = (work(shapes), ids(shapes));
    let states = (0..3).flat_map(|n| [MAIN, SIDE].map(|kind| (format!("{kind}{n}"), json!({ "size": 0 })))).collect();
    let (running, took_effect, unheard) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let programs = work.tasks.iter().filter(|task| task.program.is_some()).map(|task| task.id.clone()).collect();
    let finally = work.tasks.iter().filter(|task| task.is_finally()).map(|task| task.id.clone()).collect();
    let (failed, dice) = (BTreeMap::new(), dice.into_iter());
    let mut world = World { states, running, took_effect, programs, finally, failed, unheard, dice, most_at_once: 0 };
    let (mut run, mut now, mut journal) = (Run::new(work.clone()), Timestamp::UNIX_EPOCH, Vec::new());
    let (mut jumps, mut ages, mut afterwards) = (jumps.into_iter(), ages.into_iter(), afterwards.into_iter());
    let (mut incidents, mut taken_up) = (incidents.into_iter().peekable(), Request::Resume);
    let mut view = View::new(&work);
    let mut note = |run: &mut Run, journal: &mut Vec<Entry>, now, event| {
        let entry = Entry { at: now, event };
        run.apply(&entry).unwrap_or_else(|illegal| panic!("{illegal}"));
        view.apply(&entry);
        journal.push(entry);
        agree(run, &view).unwrap_or_else(|why| panic!("{why}, after\n{}", story(journal)));
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
        place: None,
        wall_clock: None,
        operator: operator(),
    };
    note(&mut run, &mut journal, now, started);
    for _ in 0..20_000 {
        now = after(now, jumps.next().unwrap_or(0).into());
        let batch = run.next(now);
        if batch.is_empty() {
            assert!(run.ending().is_some(), "nothing is wanted, and the run has not ended");
            // What the engine does not take is refused before it is written down.
            let Some(request) = afterwards.next() else { return (journal, world) };
            let entry = Entry { at: now, event: request.event(&ids) };
            if run.clone().apply(&entry).is_ok() {
                world.failed.clear();
                note(&mut run, &mut journal, now, entry.event);
            }
            continue;
        }
        if batch == [Effect::Park] {
            let request = std::mem::replace(&mut taken_up, Request::Resume);
            // Whoever takes a run up wants what failed to be tried again.
            world.failed.clear();
            note(&mut run, &mut journal, now, request.event(&ids));
            continue;
        }
        // Looks take no time here, so there is nothing to wait for beside them.
        let looks = batch.iter().any(|effect| matches!(effect, Effect::TakeSample { .. } | Effect::SampleGuard { .. }));
        // As the driver does it: everything of a batch is done before anything of it is written down.
        let mut happened = Vec::new();
        for effect in batch.into_iter().filter(|effect| !(looks && matches!(effect, Effect::Wait { .. }))) {
            if let Effect::Wait { until } | Effect::Sleep { until, .. } = &effect {
                now = (*until).max(now);
            }
            if matches!(effect, Effect::Ask(_)) {
                now = after(now, ages.next().unwrap_or(0).into());
            }
            happened.extend(world.perform(&effect));
        }
        for event in happened {
            match incidents.next_if(|(at, _)| *at <= journal.len()).map(|(_, incident)| incident) {
                Some(Incident::Dies(request)) => {
                    // What happened was never written down; another process comes.
                    world.failed.clear();
                    run = Run::new(work.clone());
                    for entry in &journal {
                        run.apply(entry).unwrap();
                    }
                    note(&mut run, &mut journal, now, request.event(&ids));
                    break;
                }
                Some(Incident::Sleeps(minutes)) => {
                    now = after(now, minutes.into());
                    let gap = Duration::from_mins(minutes.into());
                    note(&mut run, &mut journal, now, Event::Suspended { gap });
                    note(&mut run, &mut journal, now, event);
                }
                Some(Incident::Stops(request)) => {
                    taken_up = request;
                    note(&mut run, &mut journal, now, event);
                    if run.ending().is_none() {
                        note(&mut run, &mut journal, now, Event::StopRequested { by: "Ctrl-C".to_owned() });
                    }
                }
                None => note(&mut run, &mut journal, now, event),
            }
        }
    }
    panic!(
        "the run does not end: {:?}",
        journal.iter().rev().take(12).map(|entry| serde_json::to_string(&entry.event).unwrap()).collect::<Vec<_>>()
    );
}

fn after(now: Timestamp, minutes: i64) -> Timestamp {
    now.saturating_add(jiff::SignedDuration::from_mins(minutes)).unwrap()
}

/// What happened, an event a line.
fn story(journal: &[Entry]) -> String {
    journal.iter().map(|entry| serde_json::to_string(&entry.event).unwrap() + "\n").collect()
}

/// How many runs are drawn; `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "how much is drawn is for whoever runs the tests to say")]
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(6_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_change_is_accounted_for(
        shapes in shapes(),
        course in course(),
    ) {
        let (journal, world) = tell(&shapes, &course);
        let (mut run, view) = (Run::new(work(&shapes)), View::of(&work(&shapes), &journal));
        for entry in &journal {
            let line = serde_json::to_string(entry).unwrap();
            run.apply(&serde_json::from_str(&line).unwrap()).unwrap();
        }
        let ending = run.ending().expect("it ended").clone();
        let left: BTreeSet<TaskId> = match &ending {
            Ending::Stuck { left, .. } | Ending::RolledBack { follow_ups: left, .. } => {
                left.iter().map(|left| left.task.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        let turned = matches!(ending, Ending::RolledBack { .. } | Ending::Stuck { .. });
        prop_assert!(world.most_at_once <= PARALLEL as usize, "{} at once", world.most_at_once);
        let ids = ids(&shapes);
        // Who asks for a rollback may say how far.
        let floor = journal.iter().rev().find_map(|entry| match &entry.event {
            Event::RollbackRequested { to, .. } => Some(to.clone()),
            _ => None,
        });
        let floor = floor.flatten().and_then(|to| ids.iter().rposition(|id| id.goes_by(&to)));
        let is_finally = |id: &TaskId| view.task(id).is_some_and(|task| task.task.is_finally());
        let has_sent = journal.iter().any(|entry| matches!(&entry.event, Event::Intended { op } if !is_finally(&op.task)));
        let finally_changed = |resource| {
            let mut finally = shapes.iter().zip(&ids).filter(|(shape, _)| shape.occasion == Occasion::Finally);
            finally.any(|(shape, id)| {
                let op = OpId { task: id.clone(), way: Way::Apply };
                shape.resource == resource && world.took_effect.contains_key(&op)
            })
        };
        for (n, shape) in shapes.iter().enumerate() {
            let id = ids[n].clone();
            let undone_finally = world.took_effect.contains_key(&OpId { task: id.clone(), way: Way::Undo });
            let task = view.task(&id).unwrap();
            if shape.occasion == Occasion::Finally {
                prop_assert!(!undone_finally, "{} is done finally, and was undone", id);
                let is_sent = journal.iter().any(|entry| matches!(&entry.event, Event::Intended { op } if op.task == id));
                prop_assert!(has_sent || !is_sent, "{} was sent, and nothing was to be put in order", id);
                let was_tried = match task.change_status() {
                    ChangeStatus::Applied { .. }
                    | ChangeStatus::Failed { .. }
                    | ChangeStatus::Unclear { .. }
                    | ChangeStatus::Kept(_)
                    | ChangeStatus::Skipped => true,
                    _ => task.task.change.is_none(),
                };
                // What is left of a turn that failed or was left out is left out.
                let is_first = n == 0 || !shape.turn || shapes[n - 1].occasion != Occasion::Finally;
                prop_assert!(was_tried || !has_sent || !is_first, "{} was not tried:\n{}", id, story(&journal));
                continue;
            }
            let times = |way| world.took_effect.get(&OpId { task: id.clone(), way }).copied().unwrap_or(0);
            let (applied, undone) = (times(Way::Apply), times(Way::Undo));
            // A failed operation that took effect may be tried again by its operator, and then starts from what is there.
            prop_assert!(applied <= 1, "t{} took effect {} times", n, applied);
            let is_once = undone <= applied || finally_changed(shape.resource);
            prop_assert!(is_once, "t{} was undone {} times:\n{}", n, undone, story(&journal));
            let in_force = applied == 1 && undone == 0;
            let not_restored = match &ending {
                Ending::RolledBack { not_restored, .. } | Ending::Stuck { not_restored, .. } => not_restored.contains(&id),
                _ => false,
            };
            // What comes last may have undone it already.
            let is_meant = floor.is_none_or(|floor| n > floor) && !finally_changed(shape.resource);
            if in_force && turned && !shape.irreversible && !not_restored && is_meant {
                prop_assert!(left.contains(&id), "t{} is applied, and {:?} does not say so:\n{}", n, ending, story(&journal));
            }
            if undone > 0 {
                prop_assert!(turned, "t{} was undone in {:?}", n, ending);
            }
            // A detour is never made on the way forward, and is taken before the change that it is for is undone.
            let side = |name: &str, way| {
                let task = TaskId::part(id.as_str(), name);
                world.took_effect.get(&OpId { task, way }).copied().unwrap_or(0)
            };
            prop_assert_eq!(side("traffic", Way::Apply) + side("follow", Way::Apply), 0);
            prop_assert!(side("traffic", Way::Undo) <= applied && side("follow", Way::Undo) <= undone.max(side("traffic", Way::Undo)));
            let all_restored = matches!(&ending, Ending::RolledBack { not_restored, .. } if not_restored.is_empty());
            if shape.traffic_first && undone == 1 && left.is_empty() && all_restored && floor.is_none() {
                let side = &world.states[&format!("{SIDE}{}", shape.resource)]["size"];
                prop_assert_eq!(side, &json!(0), "the traffic of t{}, and {:?}:\n{}", n, ending, story(&journal));
            }
        }
    }
}

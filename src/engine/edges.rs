//! The edges of a run, each told step by step: late answers, time in which nobody worked, lost access, operations that hang,
//! resources that are gone, what another principal changed, and undos that would restore an outage.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::random::agree;
use super::{Effect, Run};
use crate::clock::later;
use crate::gate::{Breaks, GateRule, Health, Observation};
use crate::run::{
    Change, Choice, Ending, Entry, Event, Failure, GateOutcome, Observations, Occasion, OnFailure, OpId, Operator,
    PauseReason, PreconditionResult, Preconditions, Question, Refusal, Reversibility, Task, TaskId, View, Way, Work,
};

const MINUTE: Duration = Duration::from_mins(1);

/// A run, told event by event, and the time of the last one.
struct Told {
    run: Run,
    /// The same for people; both must agree.
    view: View,
    now: Timestamp,
}

fn operator() -> Operator {
    Operator { user: "ops".to_owned(), host: "here".to_owned(), pid: 7 }
}

fn task(name: &str, on_failure: OnFailure) -> Task {
    Task {
        change: Some(Change {
            resource: format!("k/p/r/{name}").parse().unwrap(),
            from: json!({ "size": 0 }),
            to: json!({ "size": 1 }),
        }),
        operation_timeout: Some(10 * MINUTE),
        ..Task::idle(TaskId::of_step(name), "p", "u", on_failure)
    }
}

fn op(name: &str, way: Way) -> OpId {
    OpId { task: TaskId::of_step(name), way }
}

impl Told {
    fn of(tasks: Vec<Task>) -> Told {
        let budgets = BTreeMap::from([("p".to_owned(), 30 * MINUTE)]);
        let work = Work { budgets, ..Work::from(tasks) };
        Told { view: View::new(&work), run: Run::new(work), now: Timestamp::UNIX_EPOCH }
    }

    fn then(&mut self, event: Event) -> &mut Told {
        let entry = Entry { at: self.now, event };
        self.run.apply(&entry).unwrap();
        self.view.apply(&entry);
        agree(&self.run, &self.view).unwrap_or_else(|why| panic!("{why}"));
        self
    }

    fn opens_gate(&mut self, task: &str) -> &mut Told {
        let task = TaskId::of_step(task);
        let breaks = match self.wants() {
            Effect::OpenGate { breaks, .. } => breaks,
            _ => Breaks::new(),
        };
        self.then(Event::GateOpened { task, breaks })
    }

    /// The verdict of the gate that is open, beside whatever else is due.
    fn closes_gate(&self) -> (TaskId, GateOutcome) {
        let wants = self.run.next(self.now);
        let closed = wants.iter().find_map(|effect| match effect {
            Effect::CloseGate { task, outcome } => Some((task.clone(), outcome.clone())),
            _ => None,
        });
        closed.unwrap_or_else(|| panic!("it stays open: {wants:?}"))
    }

    fn after(&mut self, pause: Duration) -> &mut Told {
        self.now = later(self.now, pause);
        self
    }

    /// What is wanted now, if it is one thing.
    fn wants(&self) -> Effect {
        let mut wants = self.run.next(self.now);
        assert_eq!(wants.len(), 1, "{wants:?}");
        wants.remove(0)
    }

    /// Answers the question that is wanted.
    fn answers(&mut self, choice: Choice) -> &mut Told {
        let Effect::Ask(question) = self.wants() else { panic!("no question: {:?}", self.wants()) };
        self.then(Event::Answered { question, choice, by: "ops".to_owned(), reason: None, visible: None })
    }

    fn announces(&mut self, name: &str, way: Way) -> &mut Told {
        assert_eq!(self.wants(), Effect::RecordIntent { op: op(name, way) });
        self.then(Event::Intended { op: op(name, way) })
    }

    fn settles(&mut self, name: &str, way: Way, size: u32) -> &mut Told {
        self.then(Event::StateObserved { op: op(name, way), seen: json!({ "size": size }) })
    }

    fn applies(&mut self, name: &str) -> &mut Told {
        self.answers(Choice::Yes).announces(name, Way::Apply).settles(name, Way::Apply, 1)
    }

    /// Sends the next change and lets its operation run for longer than it may.
    fn hangs(&mut self, name: &str, way: Way) -> &mut Told {
        let operation = format!("operations/{name}");
        self.announces(name, way).then(Event::OperationStarted { op: op(name, way), operation });
        self.after(11 * MINUTE).then(Event::Polled { op: op(name, way), held: false });
        let Effect::AbandonOperation { op, operation, limit } = self.wants() else { panic!("{:?}", self.wants()) };
        self.then(Event::OperationTimedOut { op, operation, limit })
    }

    fn ends(&mut self) -> Ending {
        let Effect::End(ending) = self.wants() else { panic!("not at its end: {:?}", self.wants()) };
        self.then(Event::Ended { ending: ending.clone() });
        assert!(self.run.next(self.now).is_empty());
        ending
    }

    fn asks_rollback(&mut self) -> &mut Told {
        self.then(Event::RollbackRequested { operator: operator(), to: None })
    }
}

fn left(ending: &Ending) -> Vec<(String, String)> {
    let Ending::Stuck { left, .. } = ending else { panic!("not stuck: {ending:?}") };
    let why = |failure: &Failure| serde_json::to_value(failure).unwrap()["failure"].as_str().unwrap().to_owned();
    left.iter().map(|left| (left.task.to_string(), why(&left.why))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(task, why)| ((*task).to_owned(), (*why).to_owned())).collect()
}

#[test]
fn an_answer_that_comes_after_the_budget_is_taken() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback)]);
    let Effect::Ask(question) = told.wants() else { panic!() };
    let answered = Event::Answered { question, choice: Choice::Yes, by: "ops".to_owned(), reason: None, visible: None };
    told.after(90 * MINUTE).then(answered);
    // The time of the question is nobody's work, so the phase is not over either.
    told.announces("a", Way::Apply);
}

#[test]
fn a_night_between_two_processes_is_not_in_the_budget() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").then(Event::StopRequested { by: "Ctrl-C".to_owned() });
    assert_eq!(told.wants(), Effect::Park);
    told.after(Duration::from_hours(10)).then(Event::Resumed { operator: operator() });
    assert!(matches!(told.wants(), Effect::Ask(Question::Apply { .. })), "{:?}", told.wants());
    // Time in which it is worked on does count.
    let at = op("b", Way::Apply);
    told.answers(Choice::Yes).after(31 * MINUTE).then(Event::Intended { op: at.clone() });
    told.then(Event::OperationStarted { op: at.clone(), operation: "o".to_owned() });
    told.after(MINUTE).then(Event::Polled { op: at, held: false });
    let wanted = told.wants();
    let is_budget = matches!(
        &wanted,
        Effect::Ask(Question::Interrupted { failure, .. }) if matches!(**failure, Failure::Budget { .. })
    );
    assert!(is_budget, "{wanted:?}");
}

#[test]
fn a_machine_that_sleeps_does_not_work() {
    let rule = GateRule::of(vec!["page".to_owned()], 5 * MINUTE, MINUTE, 20 * MINUTE);
    let mut told = Told::of(vec![Task { gate: Some(rule), ..task("a", OnFailure::Rollback) }]);
    let healthy = || observed(Health::Healthy);
    told.applies("a").opens_gate("a").after(MINUTE).then(healthy());
    told.after(Duration::from_hours(8)).then(Event::Suspended { gap: Duration::from_hours(8) }).then(healthy());
    let wanted = told.run.next(told.now);
    let is_open =
        |effect: &Effect| matches!(effect, Effect::Wait { .. } | Effect::TakeSample { .. } | Effect::CheckDrift { .. });
    assert!(wanted.iter().all(is_open), "neither passed, nor timed out, nor over its budget: {wanted:?}");
}

fn observed(health: Health) -> Event {
    Event::Sampled { task: TaskId::of_step("a"), probe: "page".to_owned(), observation: Observation::of(health) }
}

/// What a gate claims it claims of all its openings: a resume and a retry go on with the counts that were used up, in the
/// machine and in every report. A new write is a new claim.
#[test]
fn a_gate_that_is_opened_again_goes_on_with_its_claim_until_the_change_is_made_anew() {
    const SHORT: Duration = Duration::from_secs(10);
    let rule = GateRule::of(vec!["page".to_owned()], Duration::ZERO, SHORT, 25 * SHORT);
    let rule = GateRule { max_failure_rate: Some(0.2), ..rule };
    let mut told = Told::of(vec![Task { gate: Some(rule), ..task("a", OnFailure::Ask) }]);
    let sick = || observed(Health::Unhealthy { why: "503".to_owned() });
    let mut breaks = Vec::new();
    let mut opened = |told: &mut Told| {
        let Effect::OpenGate { breaks: used, .. } = told.wants() else { panic!("{:?}", told.wants()) };
        breaks.push(used.get("page").copied().unwrap_or_default());
        told.opens_gate("a");
    };
    told.applies("a");
    opened(&mut told);
    // An outage is one break, however long.
    told.then(observed(Health::Healthy)).after(SHORT).then(sick()).after(SHORT).then(sick());
    told.then(Event::Resumed { operator: operator() });
    opened(&mut told);
    told.then(observed(Health::Healthy)).after(SHORT).then(sick()).after(30 * SHORT);
    let (task, outcome) = told.closes_gate();
    told.then(Event::GateClosed { task, outcome }).answers(Choice::Retry);
    opened(&mut told);
    // A count that was open is lost, and no break.
    told.then(observed(Health::Healthy)).then(Event::Suspended { gap: MINUTE });
    told.then(Event::Resumed { operator: operator() });
    opened(&mut told);
    assert_eq!(breaks, [0, 1, 2, 2]);
    for _ in 0..24 {
        told.then(observed(Health::Healthy)).after(SHORT);
    }
    let (_, GateOutcome::Passed { proof }) = told.closes_gate() else { panic!("24 samples are enough in count 3") };
    assert_eq!(proof.to_string(), "healthy: 24 samples in a row rule out a failure rate of 19.9 % (95 %), in count 3");
}

/// What is approved rests on what was shown when it was asked about. What is older than it may be is observed again.
#[test]
fn evidence_from_before_a_long_prompt_is_observed_again() {
    let evidence = Preconditions { unhealthy: vec!["page".to_owned()], ..Preconditions::default() };
    let required = |found: PreconditionResult| Event::PreconditionsChecked { task: TaskId::of_step("a"), found };
    let seen = |health: Health| Observations::from([("page".to_owned(), Observation::of(health))]);
    let unhealthy = || Health::Unhealthy { why: "503".to_owned() };
    let met = |health: Health| required(PreconditionResult::Met { evidence: seen(health) });
    let asks_again = Effect::CheckPreconditions { task: TaskId::of_step("a"), evidence: evidence.clone() };
    let asked = || {
        let mut told = Told::of(vec![Task { require: Some(evidence.clone()), ..task("a", OnFailure::Ask) }]);
        assert_eq!(told.wants(), asks_again);
        told.then(met(unhealthy()));
        told
    };
    // A quick answer rests on what was just seen.
    asked().after(MINUTE).answers(Choice::Yes).announces("a", Way::Apply);
    // A late one does not. It is the same: the approval stands.
    let mut late = asked();
    late.after(20 * MINUTE).answers(Choice::Yes);
    assert_eq!(late.wants(), asks_again);
    late.then(met(unhealthy())).announces("a", Way::Apply);
    // It healed meanwhile: nothing is changed.
    let mut healed = asked();
    healed.after(20 * MINUTE).answers(Choice::Yes);
    healed
        .then(required(PreconditionResult::Unmet { why: "it is healthy".to_owned(), evidence: seen(Health::Healthy) }));
    let Effect::Ask(Question::Failed { failure, .. }) = healed.wants() else { panic!("{:?}", healed.wants()) };
    assert!(matches!(*failure, Failure::PreconditionsUnmet { .. }), "{failure:?}");
    // It is met, and another one than before: that was not approved.
    let mut other = asked();
    other.after(20 * MINUTE).answers(Choice::Yes).then(met(Health::Unknown { why: "no data".to_owned() }));
    assert!(matches!(other.wants(), Effect::Ask(Question::Apply { .. })), "{:?}", other.wants());
    other.answers(Choice::Yes).announces("a", Way::Apply);
}

/// An answer counts for the question that was asked, also if what an approved turn beside it rests on grows old meanwhile.
#[test]
fn evidence_that_grows_old_beside_a_question_takes_no_answer_away() {
    let evidence = Preconditions { unhealthy: vec!["page".to_owned()], ..Preconditions::default() };
    let turn = |name: &str, require| Task {
        id: TaskId::of_step(&format!("each/{name}")),
        item: Some(name.to_owned()),
        max_parallel: 2,
        require,
        ..task(name, OnFailure::Ask)
    };
    let mut told = Told::of(vec![turn("a", Some(evidence.clone())), turn("b", None)]);
    let required = |told: &mut Told| {
        let Effect::CheckPreconditions { task, .. } = told.wants() else { panic!("{:?}", told.wants()) };
        told.then(Event::PreconditionsChecked {
            task,
            found: PreconditionResult::Met { evidence: Observations::new() },
        });
    };
    required(&mut told);
    told.answers(Choice::Yes);
    told.after(20 * MINUTE).answers(Choice::Yes);
    required(&mut told);
    let wants = told.run.next(told.now);
    let is_announced = |effect: &Effect| matches!(effect, Effect::RecordIntent { .. });
    assert!(wants.len() == 2 && wants.iter().all(is_announced), "{wants:?}");
}

#[test]
fn lost_credentials_pause_the_run_and_undo_nothing() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").answers(Choice::Yes).announces("b", Way::Apply);
    let refusal = Refusal::Unreachable { why: "401".to_owned(), remedy: Some("log in".to_owned()) };
    told.then(Event::Refused { op: op("b", Way::Apply), refusal });
    let Effect::Pause { why } = told.wants() else { panic!("{:?}", told.wants()) };
    assert!(matches!(why, PauseReason::AccessLost { .. }));
    told.then(Event::Paused { why: why.clone() });
    assert_eq!((told.wants(), told.run.paused()), (Effect::Park, Some(&why)));
    told.then(Event::Resumed { operator: operator() }).applies("b");
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });
}

#[test]
fn a_lost_network_is_waited_for_before_the_run_pauses() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback)]);
    told.answers(Choice::Yes);
    let mut sent = 0;
    loop {
        match told.wants() {
            Effect::Wait { until } => told.now = until,
            Effect::RecordIntent { op } => {
                sent += 1;
                let refusal = Refusal::Unreachable { why: "no route".to_owned(), remedy: None };
                told.then(Event::Intended { op: op.clone() }).then(Event::Refused { op, refusal });
            }
            _ => break,
        }
    }
    assert!(sent > 3, "{sent}");
    assert!(matches!(told.wants(), Effect::Pause { .. }), "{:?}", told.wants());
}

#[test]
fn what_is_older_than_a_hanging_operation_is_left_and_what_is_newer_is_undone() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").answers(Choice::Yes).hangs("b", Way::Apply).answers(Choice::Rollback);
    let ending = told.ends();
    assert_eq!(left(&ending), pairs(&[("b", "operation_timed_out"), ("a", "blocked")]));
    // Asked for again, the operation has ended meanwhile: then both are undone.
    told.asks_rollback();
    assert!(matches!(told.wants(), Effect::ObserveState { .. }));
    told.settles("b", Way::Undo, 1).announces("b", Way::Undo).settles("b", Way::Undo, 0);
    told.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }));
}

#[test]
fn an_undo_that_hangs_has_an_end_too() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").applies("b").asks_rollback();
    told.hangs("b", Way::Undo);
    assert_eq!(left(&told.ends()), pairs(&[("b", "operation_timed_out"), ("a", "blocked")]));
}

#[test]
fn to_stop_at_a_hanging_operation_is_a_pause_that_observes_again() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.answers(Choice::Yes).hangs("a", Way::Apply).answers(Choice::Stop);
    let Effect::Pause { why } = told.wants() else { panic!("{:?}", told.wants()) };
    told.then(Event::Paused { why }).then(Event::Resumed { operator: operator() });
    assert!(matches!(told.wants(), Effect::ObserveState { .. }), "{:?}", told.wants());
    told.settles("a", Way::Apply, 1);
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });
}

#[test]
fn a_resource_that_is_gone_is_stated_and_the_rest_is_undone() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").answers(Choice::Yes).announces("b", Way::Apply);
    let at = op("b", Way::Apply);
    told.then(Event::InDoubt { op: at.clone(), why: "no answer".to_owned() }).then(Event::Missing { op: at });
    told.answers(Choice::Rollback);
    assert!(matches!(told.wants(), Effect::ObserveState { .. }), "what is gone is observed once more");
    told.then(Event::Missing { op: op("b", Way::Undo) });
    told.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert_eq!(left(&told.ends()), pairs(&[("b", "missing")]));
}

#[test]
fn an_undo_of_what_is_gone_is_stuck_however_often_it_is_asked_for() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.applies("a");
    for _ in 0..2 {
        told.asks_rollback().announces("a", Way::Undo).then(Event::Missing { op: op("a", Way::Undo) });
        assert_eq!(left(&told.ends()), pairs(&[("a", "missing")]));
    }
}

#[test]
fn what_was_gone_before_its_write_is_not_in_the_way_of_a_rollback() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), task("b", OnFailure::Rollback)]);
    told.applies("a").answers(Choice::Yes).announces("b", Way::Apply).then(Event::Missing { op: op("b", Way::Apply) });
    told.answers(Choice::Rollback).announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }));
}

/// The operation ended without certainty; then the spec is as wanted, and the status is not.
#[test]
fn what_is_written_and_not_in_effect_is_sent_again() {
    let contradicted = |told: &mut Told, way: Way, size: u32| {
        told.announces("a", way);
        let Effect::Write { change, .. } = told.wants() else { panic!("{:?}", told.wants()) };
        let at = op("a", way);
        told.then(Event::InDoubt { op: at.clone(), why: "deadline exceeded".to_owned() });
        told.then(Event::Failed { op: at, why: "it still routes otherwise".to_owned() }).settles("a", way, size);
        change
    };
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.answers(Choice::Yes);
    assert_eq!(contradicted(&mut told, Way::Apply, 1).from, json!({ "size": 0 }));
    assert_eq!(contradicted(&mut told, Way::Apply, 1).from, json!({ "size": 1 }), "from what it wrote");
    let mut whole = Told { run: told.run.clone(), view: told.view.clone(), now: told.now };
    whole.announces("a", Way::Apply).settles("a", Way::Apply, 1);
    assert_eq!(whole.ends(), Ending::Done { failed: vec![], skipped: vec![] });
    // It is in the way of nobody's rollback, and not sent for ever.
    contradicted(&mut told, Way::Apply, 1);
    assert!(matches!(told.wants(), Effect::Ask(Question::Failed { .. })), "{:?}", told.wants());
    told.answers(Choice::Rollback);
    contradicted(&mut told, Way::Undo, 0);
    told.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }));
}

/// Somebody else took the run up and saw the operation fail, and what it wrote is there all the same.
#[test]
fn what_is_written_stays_written_when_sending_it_again_is_refused() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.answers(Choice::Yes).announces("a", Way::Apply).then(Event::Resumed { operator: operator() });
    told.then(Event::OperationStarted { op: op("a", Way::Apply), operation: "operations/a".to_owned() });
    told.then(Event::Failed { op: op("a", Way::Apply), why: "it broke".to_owned() });
    told.settles("a", Way::Apply, 1).announces("a", Way::Apply);
    told.then(Event::Refused { op: op("a", Way::Apply), refusal: Refusal::Api { why: "no".to_owned() } });
    let status = told.view.tasks[0].change_status();
    assert!(status.is_applied(), "{status:?}");
}

#[test]
fn what_another_principal_changed_is_observed_again_by_every_request() {
    let interfered = |told: &mut Told| {
        told.answers(Choice::Yes).announces("a", Way::Apply);
        told.then(Event::InDoubt { op: op("a", Way::Apply), why: "no answer".to_owned() }).settles("a", Way::Apply, 7);
    };
    let mut told = Told::of(vec![task("a", OnFailure::Stop)]);
    interfered(&mut told);
    told.answers(Choice::Stop).ends();
    told.then(Event::Resumed { operator: operator() });
    assert!(matches!(told.wants(), Effect::ObserveState { .. }), "{:?}", told.wants());
    told.settles("a", Way::Apply, 1);
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });

    let mut told = Told::of(vec![task("a", OnFailure::Rollback)]);
    interfered(&mut told);
    told.answers(Choice::Rollback).settles("a", Way::Undo, 7);
    assert_eq!(left(&told.ends()), pairs(&[("a", "concurrent_change")]));
    told.asks_rollback().settles("a", Way::Undo, 7);
    assert_eq!(left(&told.ends()), pairs(&[("a", "concurrent_change")]), "as long as it is neither");
    told.asks_rollback().settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }), "somebody has put it right");
}

#[test]
fn a_rollback_of_nothing_ends_the_run() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.asks_rollback();
    let Ending::RolledBack { kept, .. } = told.ends() else { panic!() };
    assert!(kept.is_empty());
}

#[test]
fn a_rollback_asked_for_while_an_undo_is_in_flight_goes_on() {
    for parked in [false, true] {
        let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
        told.applies("a");
        told.asks_rollback().announces("a", Way::Undo);
        if parked {
            told.then(Event::StopRequested { by: "Ctrl-C".to_owned() });
        }
        told.asks_rollback();
        assert!(matches!(told.wants(), Effect::ObserveState { .. }), "{:?}", told.wants());
        told.settles("a", Way::Undo, 0);
        assert!(matches!(told.ends(), Ending::RolledBack { .. }));
    }
}

#[test]
fn a_rollback_of_everything_after_one_of_a_part_leaves_nothing_out() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask), task("b", OnFailure::Ask)]);
    told.applies("a").applies("b");
    told.then(Event::RollbackRequested { operator: operator(), to: Some("a".to_owned()) });
    told.announces("b", Way::Undo).settles("b", Way::Undo, 0);
    // All that was asked for is undone, and it is stopped before it says so.
    told.then(Event::StopRequested { by: "Ctrl-C".to_owned() }).asks_rollback();
    told.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }));
}

/// A program without `check`: whether it took effect only the operator can say.
fn program(name: &str) -> Task {
    let run = crate::run::Command::Bash("run".to_owned());
    let undo = Some(crate::run::Command::Bash("undo".to_owned()));
    let (check, env, undo_partial, not_run) = (None, BTreeMap::new(), false, false);
    let program = Some(crate::run::Program { run, check, undo, env, undo_partial, not_run });
    Task { program, ..task(name, OnFailure::Ask) }
}

#[test]
fn what_became_of_a_write_is_asked_before_what_to_do_about_another_ones_failure() {
    let parallel = |task: Task, name: &str| Task {
        id: TaskId::part("both", name),
        item: Some(name.to_owned()),
        max_parallel: 2,
        ..task
    };
    let mut told = Told::of(vec![parallel(task("a", OnFailure::Ask), "a"), parallel(program("b"), "b")]);
    let at = |name: &str| OpId { task: TaskId::part("both", name), way: Way::Apply };
    told.answers(Choice::Yes).answers(Choice::Yes);
    told.then(Event::Intended { op: at("a") }).then(Event::Intended { op: at("b") });
    told.then(Event::Refused { op: at("a"), refusal: Refusal::Api { why: "no".to_owned() } });
    told.then(Event::Failed { op: at("b"), why: "failed (exit 1)".to_owned() });
    assert!(matches!(told.wants(), Effect::Ask(Question::TookEffect { .. })), "{:?}", told.wants());
    told.answers(Choice::Yes).answers(Choice::Rollback);
    assert!(matches!(told.wants(), Effect::RecordIntent { op } if op == OpId { way: Way::Undo, ..at("b") }));
}

/// Whatever brought a run to observe again what no API tells of: what the operator says of it is taken.
#[test]
fn what_cannot_be_observed_again_is_for_the_operator_to_say() {
    let answered = |told: &mut Told, way: Way, choice: Choice| {
        assert!(matches!(told.wants(), Effect::ObserveState { .. }), "{:?}", told.wants());
        let question = Question::Doubt { op: op("a", way) };
        told.then(Event::Answered { question, choice, by: "ops".to_owned(), reason: None, visible: None });
    };
    let unclear = |told: &mut Told| {
        told.answers(Choice::Yes).announces("a", Way::Apply);
        told.then(Event::InDoubt { op: op("a", Way::Apply), why: "no answer".to_owned() }).settles("a", Way::Apply, 7);
    };
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    unclear(&mut told);
    told.answers(Choice::Retry);
    let mut not = Told { run: told.run.clone(), view: told.view.clone(), now: told.now };
    answered(&mut told, Way::Apply, Choice::Yes);
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });
    answered(&mut not, Way::Apply, Choice::No);
    assert!(matches!(not.wants(), Effect::Ask(Question::Apply { .. })), "nothing of it is there: {:?}", not.wants());

    // Likewise of what was under way when a process died.
    let mut told = Told::of(vec![task("a", OnFailure::Ask)]);
    told.answers(Choice::Yes).announces("a", Way::Apply).then(Event::Resumed { operator: operator() });
    answered(&mut told, Way::Apply, Choice::No);
    told.applies("a");
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });

    let mut told = Told::of(vec![task("a", OnFailure::Rollback)]);
    unclear(&mut told);
    told.answers(Choice::Rollback);
    let mut not = Told { run: told.run.clone(), view: told.view.clone(), now: told.now };
    answered(&mut told, Way::Undo, Choice::Yes);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }), "it was undone by hand");
    answered(&mut not, Way::Undo, Choice::No);
    not.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(not.ends(), Ending::RolledBack { .. }));
}

#[test]
fn what_is_not_undone_keeps_its_traffic_too() {
    let deployed = |name: &str| {
        let traffic_first =
            Change { resource: "side/p/r/s".parse().unwrap(), from: json!({ "size": 0 }), to: json!({ "size": 9 }) };
        Task { id: TaskId::part("deploy", name), traffic_first: Some(traffic_first), ..task(name, OnFailure::Ask) }
    };
    let mut told = Told::of(vec![deployed("a"), task("b", OnFailure::Ask)]);
    let a = |way| OpId { task: TaskId::part("deploy", "a"), way };
    told.answers(Choice::Yes).then(Event::Intended { op: a(Way::Apply) });
    told.then(Event::StateObserved { op: a(Way::Apply), seen: json!({ "size": 1 }) }).applies("b");
    told.then(Event::RollbackRequested { operator: operator(), to: Some("deploy/a".to_owned()) });
    told.announces("b", Way::Undo).settles("b", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }), "nothing of deploy/a is undone, its traffic neither");
}

#[test]
fn what_stays_is_not_undone_and_its_traffic_is_led_back_for_good() {
    let traffic_first =
        Change { resource: "side/p/r/s".parse().unwrap(), from: json!({ "size": 0 }), to: json!({ "size": 9 }) };
    let restarted = Task {
        traffic_first: Some(traffic_first),
        reversibility: Reversibility::Stays { why: "it changes nothing".to_owned() },
        ..task("a", OnFailure::Ask)
    };
    let mut told = Told::of(vec![restarted]);
    // Nobody is asked for more than an ordinary change wants.
    told.applies("a").asks_rollback();
    let traffic = OpId { task: TaskId::part("a", "traffic"), way: Way::Undo };
    assert_eq!(told.wants(), Effect::RecordIntent { op: traffic.clone() });
    told.then(Event::Intended { op: traffic.clone() });
    told.then(Event::StateObserved { op: traffic, seen: json!({ "size": 9 }) });
    let Ending::RolledBack { kept, follow_ups, not_restored, .. } = told.ends() else { panic!() };
    assert_eq!(kept, [TaskId::part("a", "follow"), TaskId::of_step("a")]);
    assert!(follow_ups.is_empty() && not_restored.is_empty());
}

#[test]
fn a_healthy_service_is_not_brought_back_to_an_outage_unasked() {
    let risky = || Task {
        unhealthy_before: BTreeMap::from([("page".to_owned(), "503".to_owned())]),
        ..task("a", OnFailure::Rollback)
    };
    let assessed = |told: &mut Told, is_healthy: Value| {
        let Effect::AssessHealth { task, .. } = told.wants() else { panic!("{:?}", told.wants()) };
        let evidence = BTreeMap::new();
        let found = match is_healthy {
            Value::Bool(true) => PreconditionResult::Met { evidence },
            _ => PreconditionResult::Unmet { why: "503".to_owned(), evidence },
        };
        told.then(Event::Assessed { task, found });
    };
    let mut told = Told::of(vec![risky()]);
    told.applies("a").asks_rollback();
    assessed(&mut told, json!(true));
    told.answers(Choice::No);
    let Ending::RolledBack { not_restored, .. } = told.ends() else { panic!() };
    assert_eq!(not_restored, [TaskId::of_step("a")]);

    // Asked for once more, it is observed once more; an unhealthy one has nothing to lose.
    told.asks_rollback();
    assessed(&mut told, json!(false));
    told.announces("a", Way::Undo).settles("a", Way::Undo, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { not_restored, .. } if not_restored.is_empty()));
}

/// A task that is done whenever the run is about to end: it brings back what `name` was before.
fn finally(id: &str, name: &str) -> Task {
    let change = task(name, OnFailure::Continue).change.map(|change| change.undo());
    Task { change, occasion: Occasion::Finally, ..task(id, OnFailure::Continue) }
}

#[test]
fn what_comes_last_is_done_before_the_ending_and_once_more_before_the_next() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), finally("restore", "a")]);
    told.applies("a");
    told.answers(Choice::Yes).announces("restore", Way::Apply).settles("restore", Way::Apply, 0);
    assert!(matches!(told.ends(), Ending::Done { .. }));
    assert!(!told.run.undo().iter().any(|(task, _)| task.is_finally()), "what comes last is not undone");
    // The undo of `a` finds what was brought back, and so does what comes last.
    told.asks_rollback().announces("a", Way::Undo);
    let Effect::Write { change, .. } = told.wants() else { panic!("{:?}", told.wants()) };
    assert_eq!((change.from, change.to), (json!({ "size": 0 }), json!({ "size": 0 })));
    told.settles("a", Way::Undo, 0).answers(Choice::Yes).announces("restore", Way::Apply);
    let refusal = Refusal::Drifted { now: json!({ "size": 0 }) };
    told.then(Event::Refused { op: op("restore", Way::Apply), refusal });
    told.settles("restore", Way::Apply, 0);
    assert!(matches!(told.ends(), Ending::RolledBack { .. }));
}

#[test]
fn what_comes_last_neither_stops_nor_rolls_back() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), finally("restore", "a")]);
    told.applies("a").answers(Choice::Yes).announces("restore", Way::Apply);
    let refusal = Refusal::Api { why: "403".to_owned() };
    told.then(Event::Refused { op: op("restore", Way::Apply), refusal });
    let Effect::Ask(question) = told.wants() else { panic!("{:?}", told.wants()) };
    assert_eq!(told.run.offers(&question, told.now), [Choice::Continue, Choice::Retry]);
    told.answers(Choice::Continue);
    assert_eq!(told.ends(), Ending::Done { failed: vec![], skipped: vec![] });
}

#[test]
fn a_run_is_taken_up_after_a_stop_only_if_nothing_was_taken_back() {
    let mut told = Told::of(vec![task("a", OnFailure::Ask), task("b", OnFailure::Ask), finally("restore", "a")]);
    let resumed = || Entry { at: Timestamp::UNIX_EPOCH, event: Event::Resumed { operator: operator() } };
    // Nothing was sent: there is nothing to restore, and the run may go on.
    told.answers(Choice::No);
    assert!(matches!(told.ends(), Ending::Declined { .. }) && !told.run.is_over());
    told.then(Event::Resumed { operator: operator() }).applies("a");
    told.answers(Choice::No).answers(Choice::No);
    assert!(matches!(told.ends(), Ending::Declined { .. }) && told.run.is_over());
    assert!(told.run.clone().apply(&resumed()).is_err(), "what `b` rests on may be gone");
    told.asks_rollback().announces("a", Way::Undo);
}

#[test]
fn a_process_that_dies_while_what_comes_last_is_done_goes_on_with_it() {
    let mut told = Told::of(vec![task("a", OnFailure::Rollback), finally("restore", "a")]);
    told.applies("a").answers(Choice::Yes).announces("restore", Way::Apply);
    told.then(Event::Resumed { operator: operator() });
    assert!(matches!(told.wants(), Effect::ObserveState { .. }), "{:?}", told.wants());
    told.settles("restore", Way::Apply, 0);
    assert!(matches!(told.ends(), Ending::Done { .. }));
}

#[test]
fn a_run_of_nothing_but_what_comes_last_sends_nothing() {
    let mut told = Told::of(vec![finally("restore", "a")]);
    assert!(matches!(told.ends(), Ending::Done { .. }));
    let said = Task { message: Some("it is over".to_owned()), change: None, ..finally("say", "a") };
    let mut told = Told::of(vec![finally("restore", "a"), said]);
    let Effect::Notify { task } = told.wants() else { panic!("{:?}", told.wants()) };
    told.then(Event::Notified { task, problem: None });
    assert!(matches!(told.ends(), Ending::Done { .. }));
}

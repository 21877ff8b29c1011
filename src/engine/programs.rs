//! A program that fails: it ran once, and what the run says of it is no more than what is known.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Effect, Run};
use crate::run::{
    Change, Choice, Command, Ending, Entry, Event, Failure, OnFailure, OpId, Program, Question, Reversibility, Task,
    TaskId, Way,
};

/// What is known of a failed program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Its `check` says that it is done.
    Done,
    /// Its `check` says that it is not.
    NotDone,
    /// The operator says so.
    Said(Choice),
    /// It is undone in any case.
    UndoPartial,
}

const ALL: [Known; 6] = [
    Known::Done,
    Known::NotDone,
    Known::Said(Choice::Yes),
    Known::Said(Choice::No),
    Known::Said(Choice::Unknown),
    Known::UndoPartial,
];

fn task(name: &str, known: Option<Known>, on_failure: OnFailure) -> Task {
    let command = |text: &str| Command::Bash(text.to_owned());
    let is_checked = matches!(known, Some(Known::Done | Known::NotDone));
    Task {
        change: Some(Change {
            resource: format!("shell/p/r/{name}").parse().unwrap(),
            from: json!({ "done": false }),
            to: json!({ "done": true }),
        }),
        reversibility: Reversibility::Reversible,
        program: known.map(|known| Program {
            run: command("run"),
            check: is_checked.then(|| command("check")),
            undo: Some(command("undo")),
            env: BTreeMap::new(),
            undo_partial: known == Known::UndoPartial,
            not_run: false,
        }),
        ..Task::idle(TaskId::of_step(name), "p", "shell", on_failure)
    }
}

/// What a run of two tasks did, whose second one's program fails: what was written, in order, and how it ended. Undos
/// fail too if `undo_fails`.
fn run(known: Known, policy: OnFailure, undo: Undo) -> (Vec<(OpId, Value)>, Ending) {
    let (mut run, mut writes) =
        (Run::new(vec![task("first", None, policy), task("second", Some(known), policy)]), vec![]);
    let choice_of = |policy: OnFailure| match policy {
        OnFailure::Rollback => Choice::Rollback,
        OnFailure::Stop | OnFailure::Ask => Choice::Stop,
        OnFailure::Continue => Choice::Continue,
    };
    for _ in 0..40 {
        let batch = run.next(Timestamp::UNIX_EPOCH);
        let Some(effect) = batch.first() else { return (writes, run.ending().unwrap().clone()) };
        let is_second = |op: &OpId| op.task.as_str() == "second";
        let failed = |op: &OpId| Event::Failed { op: op.clone(), why: "failed (exit 1)".to_owned() };
        let answered = |question: &Question, choice| {
            let question = question.clone();
            Event::Answered { question, choice, by: "test".to_owned(), reason: None, visible: None }
        };
        let event = match effect {
            Effect::Ask(question @ Question::Failed { policy, .. }) => answered(question, choice_of(*policy)),
            Effect::Ask(question @ Question::TookEffect { op, .. }) => match (op.way, known) {
                (Way::Apply, Known::Said(choice)) => answered(question, choice),
                // Of an undo that failed nobody knows anything.
                (Way::Undo, _) => answered(question, Choice::Unknown),
                (Way::Apply, known) => panic!("asked, and {known:?}"),
            },
            Effect::Ask(question) => answered(question, Choice::Yes),
            Effect::RecordIntent { op } => Event::Intended { op: op.clone() },
            Effect::Write { op, change } => {
                writes.push((op.clone(), change.from.clone()));
                match (op.way, undo) {
                    (Way::Apply, _) | (Way::Undo, Undo::Fails) if is_second(op) => failed(op),
                    _ => Event::StateObserved { op: op.clone(), seen: change.to.clone() },
                }
            }
            // A check: what it says of an undo that failed is that the work is still done.
            Effect::ObserveState { op, .. } => {
                let done = known == Known::Done || op.way == Way::Undo;
                Event::StateObserved { op: op.clone(), seen: json!({ "done": done }) }
            }
            Effect::End(ending) => Event::Ended { ending: ending.clone() },
            effect => panic!("{effect:?}"),
        };
        run.apply(&Entry { at: Timestamp::UNIX_EPOCH, event }).unwrap();
    }
    panic!("{known:?}, {policy:?}: the run does not end");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    Works,
    Fails,
}

#[test]
fn a_failed_program_ran_once_and_is_undone_only_if_something_may_have_taken_effect() {
    let mut runs = 0;
    for known in ALL {
        for policy in [OnFailure::Rollback, OnFailure::Stop, OnFailure::Continue] {
            for undo in [Undo::Works, Undo::Fails] {
                runs += 1;
                let context = format!("{known:?}, {policy:?}, {undo:?}");
                let (writes, ending) = run(known, policy, undo);
                let times =
                    |name: &str, way| writes.iter().filter(|(op, _)| op.task.as_str() == name && op.way == way).count();
                assert_eq!(times("second", Way::Apply), 1, "{context}: it ran once");
                let took_effect = matches!(known, Known::Done | Known::Said(Choice::Yes) | Known::UndoPartial);
                let turned = policy == OnFailure::Rollback;
                assert_eq!(times("second", Way::Undo), usize::from(turned && took_effect), "{context}: its undo");
                assert_eq!(times("first", Way::Undo), usize::from(turned), "{context}: what came before it");
                let is_unknown = known == Known::Said(Choice::Unknown);
                match (&ending, policy) {
                    (Ending::RolledBack { why: Some(_), .. }, OnFailure::Rollback) => {
                        assert!(!(is_unknown || took_effect && undo == Undo::Fails), "{context}: {ending:?}");
                    }
                    (Ending::Stuck { left, .. }, OnFailure::Rollback) => {
                        assert!(is_unknown || (took_effect && undo == Undo::Fails), "{context}: {ending:?}");
                        assert_eq!(left.len(), 1, "{context}: {ending:?}");
                        assert_eq!(left[0].task.as_str(), "second", "{context}");
                    }
                    (Ending::Stopped { why, .. }, OnFailure::Stop) => match why {
                        Failure::Unknown { .. } => assert!(is_unknown, "{context}"),
                        Failure::Operation { took_effect: told, .. } => {
                            assert!(!is_unknown && *told == took_effect, "{context}: {why:?}");
                        }
                        why => panic!("{context}: {why:?}"),
                    },
                    (Ending::Done { failed, .. }, OnFailure::Continue) => assert_eq!(failed.len(), 1, "{context}"),
                    (ending, _) => panic!("{context}: {ending:?}"),
                }
            }
        }
    }
    assert_eq!(runs, 36);
}

#[test]
fn of_what_failed_in_the_middle_no_state_is_expected_before_its_undo() {
    for known in [Known::UndoPartial, Known::Said(Choice::Yes)] {
        let (writes, _) = run(known, OnFailure::Rollback, Undo::Works);
        let undo = writes.iter().find(|(op, _)| op.task.as_str() == "second" && op.way == Way::Undo).unwrap();
        assert_eq!(undo.1, Value::Null, "{known:?}");
    }
}

#[test]
fn a_program_that_a_rehearsal_leaves_out_is_passed_and_its_gate_is_not_opened() {
    let mut left_out = task("only", Some(Known::NotDone), OnFailure::Rollback);
    left_out.program.as_mut().unwrap().not_run = true;
    let second = std::time::Duration::from_secs(1);
    left_out.gate = Some(crate::gate::GateRule::of(vec!["probe".to_owned()], second, second, second));
    let mut run = Run::new(vec![left_out]);
    let next = run.next(Timestamp::UNIX_EPOCH);
    assert_eq!(next, [Effect::RecordUnchanged { task: TaskId::of_step("only") }]);
    run.apply(&Entry { at: Timestamp::UNIX_EPOCH, event: Event::Unchanged { task: TaskId::of_step("only") } }).unwrap();
    assert_eq!(run.next(Timestamp::UNIX_EPOCH), [Effect::End(Ending::Done { failed: vec![], skipped: vec![] })]);
    assert!(run.undo().is_empty());
}

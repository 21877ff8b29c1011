//! Who answers a question: the runbook's policy, a flag, or a person.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::engine::Run;
use crate::run::{Choice, OnFailure, Question, RollbackScope, View};

/// What was agreed before the run began.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `--yes`: ordinary changes are approved.
    pub yes: bool,
    /// `--acknowledge STEP`: these irreversible changes are approved, by step or task.
    pub acknowledged: BTreeSet<String>,
    /// Whether somebody can be asked.
    pub interactive: bool,
}

/// An answer, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The answer.
    Given {
        /// What.
        choice: Choice,
        /// Who or what gave it.
        by: String,
        /// Why, where the answer wants a reason.
        reason: Option<String>,
        /// How long the question was on the screen.
        visible: Duration,
    },
    /// The person interrupted the question instead.
    Interrupted(String),
}

/// A question, and what its answers depend on.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The question.
    pub question: &'a Question,
    /// The run: which answers are possible, and what they would do.
    pub run: &'a Run,
    /// The run as people look at it.
    pub view: &'a View,
    /// The time, in the run's terms.
    pub now: Timestamp,
}

/// Puts questions to a person.
pub trait Asker {
    /// Asks, and waits for the answer. An error says why nobody could be asked.
    fn ask<'a>(&'a mut self, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, String>>;
}

impl Rules {
    /// The answer that needs no person, if there is one.
    pub fn answer(&self, view: &View, question: &Question) -> Option<(Choice, String)> {
        match question {
            Question::Apply { .. } if self.yes => Some((Choice::Yes, "--yes".to_owned())),
            Question::Apply { task } => {
                let phase = &view.task(task)?.task.phase;
                view.approved_phases.get(phase).map(|by| (Choice::Yes, format!("{by}, for all of {phase}")))
            }
            Question::Irreversible { task, .. } | Question::Confirm { task, .. } => {
                let acknowledged = self.acknowledged.iter().find(|name| task.goes_by(name));
                acknowledged.map(|name| (Choice::Yes, format!("--acknowledge {name}")))
            }
            Question::Restore { task, .. } => {
                let acknowledged = self.acknowledged.iter().find(|name| task.goes_by(name));
                let acknowledged = acknowledged.map(|name| (Choice::Yes, format!("the approval of {name} beforehand")));
                let nobody = || (Choice::No, "no terminal to ask on, and no --acknowledge".to_owned());
                acknowledged.or_else(|| (!self.interactive).then(nobody))
            }
            Question::Failed { policy, .. } | Question::Interrupted { policy, .. } => match policy {
                OnFailure::Rollback => {
                    Some((Choice::Rollback, format!("on_failure = \"rollback\"{}", of(view, question))))
                }
                OnFailure::Stop => Some((Choice::Stop, "on_failure = \"stop\"".to_owned())),
                OnFailure::Continue => Some((Choice::Continue, "on_failure = \"continue\"".to_owned())),
                OnFailure::Ask if !self.interactive && is_finally(view, question) => {
                    Some((Choice::Continue, "the phase is `finally`, and there is nobody to ask".to_owned()))
                }
                OnFailure::Ask if !self.interactive => {
                    Some((Choice::Stop, "on_failure = \"ask\", with nobody to ask".to_owned()))
                }
                OnFailure::Ask => None,
            },
            Question::TookEffect { .. } if !self.interactive => {
                Some((Choice::Unknown, "nobody: there is no terminal to ask on".to_owned()))
            }
            Question::TookEffect { .. } | Question::Doubt { .. } => None,
        }
    }
}

fn is_finally(view: &View, question: &Question) -> bool {
    let Question::Failed { task, .. } = question else { return false };
    view.task(task).is_some_and(|view| view.task.is_finally())
}

/// Which part of the runbook says what happens after a failure, if that matters: it is what is undone.
fn of(view: &View, question: &Question) -> &'static str {
    let Question::Failed { task, .. } = question else { return "" };
    match view.task(task).map(|view| view.task.rollback_scope) {
        Some(RollbackScope::Step) => " of the step",
        Some(RollbackScope::Phase) => " of the phase",
        Some(RollbackScope::Run) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateFault;
    use crate::run::{Failure, TaskId, Work};

    fn nobody() -> View {
        View::new(&Work::default())
    }

    fn irreversible(task: TaskId) -> Question {
        Question::Irreversible { task, why: "it only grows".to_owned() }
    }

    #[test]
    fn yes_is_no_acknowledgement() {
        let rules = Rules { yes: true, ..Rules::default() };
        assert_eq!(rules.answer(&nobody(), &irreversible(TaskId::of_step("grow"))), None);
        assert!(rules.answer(&nobody(), &Question::Apply { task: TaskId::of_step("grow") }).is_some());
    }

    #[test]
    fn an_acknowledgement_is_for_its_step_only() {
        let rules = Rules { acknowledged: BTreeSet::from(["grow".to_owned()]), ..Rules::default() };
        assert!(rules.answer(&nobody(), &irreversible(TaskId::of_step("grow"))).is_some());
        assert!(rules.answer(&nobody(), &irreversible(TaskId::part("grow", "more"))).is_some());
        assert_eq!(rules.answer(&nobody(), &irreversible(TaskId::of_step("grow-other"))), None);
        assert_eq!(rules.answer(&nobody(), &Question::Apply { task: TaskId::of_step("grow") }), None);
    }

    /// The approval is read from the journal, so it holds for who resumes the run too; and for its phase only.
    #[test]
    fn a_phase_that_was_approved_stays_approved() {
        use crate::run::{Entry, Event, Task};
        let task = |name: &str, phase: &str| Task::idle(TaskId::of_step(name), phase, "u", OnFailure::Ask);
        let work = Work::from(vec![task("a", "one"), task("b", "one"), task("c", "two")]);
        let apply = |name: &str| Question::Apply { task: TaskId::of_step(name) };
        let event = Event::Answered {
            question: apply("a"),
            choice: Choice::AllInPhase,
            by: "ops".to_owned(),
            reason: None,
            visible: None,
        };
        let view = View::of(&work, &[Entry { at: Timestamp::UNIX_EPOCH, event }]);
        let rules = Rules { interactive: true, ..Rules::default() };
        assert_eq!(rules.answer(&view, &apply("b")), Some((Choice::Yes, "ops, for all of one".to_owned())));
        assert_eq!(rules.answer(&view, &apply("c")), None);
    }

    #[test]
    fn with_nobody_to_ask_a_failure_stops_and_leaves_everything() {
        let question = Question::Failed {
            task: TaskId::of_step("t"),
            failure: Box::new(Failure::Gate { why: "503".to_owned(), fault: GateFault::Unhealthy }),
            policy: OnFailure::Ask,
            retry: true,
        };
        let alone = Rules { yes: true, ..Rules::default() };
        assert_eq!(alone.answer(&nobody(), &question).map(|(choice, _)| choice), Some(Choice::Stop));
        let attended = Rules { interactive: true, ..Rules::default() };
        assert_eq!(attended.answer(&nobody(), &question), None);
    }
}

//! Who answers a question: the runbook's policy, a flag, or a person.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;

use crate::run::{Choice, OnFailure, Question, Scope, View};

/// What was agreed before the run began.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `--yes`: ordinary changes are approved.
    pub yes: bool,
    /// `--acknowledge STEP`: these one-way changes are approved, by step or task.
    pub acknowledged: BTreeSet<String>,
    /// Whether somebody can be asked.
    pub interactive: bool,
    /// Phases whose ordinary changes were approved together, and by whom.
    pub phases: BTreeMap<String, String>,
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
    },
    /// The person interrupted the question instead.
    Interrupted(String),
}

/// Puts questions to a person.
pub trait Asker {
    /// Asks, and waits for the answer. An error says why nobody could be asked.
    fn ask<'a>(&'a mut self, view: &'a View, question: &'a Question) -> BoxFuture<'a, Result<Answer, String>>;
}

impl Rules {
    /// The answer that needs no person, if there is one.
    pub fn answer(&self, view: &View, question: &Question) -> Option<(Choice, String)> {
        match question {
            Question::Apply { .. } if self.yes => Some((Choice::Yes, "--yes".to_owned())),
            Question::Apply { task } => {
                let phase = &view.task(task)?.task.phase;
                self.phases.get(phase).map(|by| (Choice::Yes, format!("{by}, for all of {phase}")))
            }
            Question::OneWay { task, .. } | Question::Confirm { task, .. } => {
                let acknowledged = self.acknowledged.iter().find(|name| task.goes_by(name));
                acknowledged.map(|name| (Choice::Yes, format!("--acknowledge {name}")))
            }
            Question::Failed { policy, .. } | Question::Interrupted { policy, .. } => match policy {
                OnFailure::Rollback => {
                    Some((Choice::Rollback, format!("on_failure = \"rollback\"{}", of(view, question))))
                }
                OnFailure::Stop => Some((Choice::Stop, "on_failure = \"stop\"".to_owned())),
                OnFailure::Continue => Some((Choice::Continue, "on_failure = \"continue\"".to_owned())),
                OnFailure::Ask if !self.interactive => {
                    Some((Choice::Stop, "on_failure = \"ask\", with nobody to ask".to_owned()))
                }
                OnFailure::Ask => None,
            },
            Question::Doubt { .. } => None,
        }
    }
}

/// Which part of the runbook says what happens after a failure, if that matters: it is what is undone.
fn of(view: &View, question: &Question) -> &'static str {
    let Question::Failed { task, .. } = question else { return "" };
    match view.task(task).map(|view| view.task.undoes) {
        Some(Scope::Step) => " of the step",
        Some(Scope::Phase) => " of the phase",
        Some(Scope::Run) | None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Fault;
    use crate::run::{Failure, TaskId, Work};

    fn nobody() -> View {
        View::new(&Work::default())
    }

    fn one_way(task: TaskId) -> Question {
        Question::OneWay { task, why: "it only grows".to_owned() }
    }

    #[test]
    fn yes_is_no_acknowledgement() {
        let rules = Rules { yes: true, ..Rules::default() };
        assert_eq!(rules.answer(&nobody(), &one_way(TaskId::of_step("grow"))), None);
        assert!(rules.answer(&nobody(), &Question::Apply { task: TaskId::of_step("grow") }).is_some());
    }

    #[test]
    fn an_acknowledgement_is_for_its_step_only() {
        let rules = Rules { acknowledged: BTreeSet::from(["grow".to_owned()]), ..Rules::default() };
        assert!(rules.answer(&nobody(), &one_way(TaskId::of_step("grow"))).is_some());
        assert!(rules.answer(&nobody(), &one_way(TaskId::part("grow", "more"))).is_some());
        assert_eq!(rules.answer(&nobody(), &one_way(TaskId::of_step("grow-other"))), None);
        assert_eq!(rules.answer(&nobody(), &Question::Apply { task: TaskId::of_step("grow") }), None);
    }

    #[test]
    fn with_nobody_to_ask_a_failure_stops_and_leaves_everything() {
        let question = Question::Failed {
            task: TaskId::of_step("t"),
            failure: Box::new(Failure::Gate { why: "503".to_owned(), fault: Fault::Unhealthy }),
            policy: OnFailure::Ask,
            retry: true,
        };
        let alone = Rules { yes: true, ..Rules::default() };
        assert_eq!(alone.answer(&nobody(), &question).map(|(choice, _)| choice), Some(Choice::Stop));
        let attended = Rules { interactive: true, ..Rules::default() };
        assert_eq!(attended.answer(&nobody(), &question), None);
    }
}

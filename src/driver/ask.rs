//! Who answers a question: the runbook's policy, a flag, or a person.

use std::collections::BTreeSet;

use futures::future::BoxFuture;

use crate::run::{Choice, OnFailure, Question, View};

/// What was agreed before the run began.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `--yes`: ordinary changes are approved.
    pub yes: bool,
    /// `--acknowledge STEP`: these one-way changes are approved, by step or task.
    pub acknowledged: BTreeSet<String>,
    /// Whether somebody can be asked.
    pub interactive: bool,
}

/// An answer, or none.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The answer, and who or what gave it.
    Given(Choice, String),
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
    pub fn answer(&self, question: &Question) -> Option<(Choice, String)> {
        match question {
            Question::Apply { .. } if self.yes => Some((Choice::Yes, "--yes".to_owned())),
            Question::OneWay { task, .. } => {
                let acknowledged = self.acknowledged.iter().find(|name| task.goes_by(name));
                acknowledged.map(|name| (Choice::Yes, format!("--acknowledge {name}")))
            }
            Question::Failed { policy, .. } => match policy {
                OnFailure::Rollback => Some((Choice::Rollback, "on_failure = \"rollback\"".to_owned())),
                OnFailure::Stop => Some((Choice::Stop, "on_failure = \"stop\"".to_owned())),
                OnFailure::Continue => Some((Choice::Continue, "on_failure = \"continue\"".to_owned())),
                OnFailure::Ask if !self.interactive => {
                    Some((Choice::Stop, "on_failure = \"ask\", with nobody to ask".to_owned()))
                }
                OnFailure::Ask => None,
            },
            Question::Apply { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Failure, TaskId};

    fn one_way(task: TaskId) -> Question {
        Question::OneWay { task, why: "it only grows".to_owned() }
    }

    #[test]
    fn yes_is_no_acknowledgement() {
        let rules = Rules { yes: true, ..Rules::default() };
        assert_eq!(rules.answer(&one_way(TaskId::of_step("grow"))), None);
        assert!(rules.answer(&Question::Apply { task: TaskId::of_step("grow") }).is_some());
    }

    #[test]
    fn an_acknowledgement_is_for_its_step_only() {
        let rules = Rules { acknowledged: BTreeSet::from(["grow".to_owned()]), ..Rules::default() };
        assert!(rules.answer(&one_way(TaskId::of_step("grow"))).is_some());
        assert!(rules.answer(&one_way(TaskId::part("grow", "more"))).is_some());
        assert_eq!(rules.answer(&one_way(TaskId::of_step("grow-other"))), None);
        assert_eq!(rules.answer(&Question::Apply { task: TaskId::of_step("grow") }), None);
    }

    #[test]
    fn with_nobody_to_ask_a_failure_stops_and_leaves_everything() {
        let question = Question::Failed {
            task: TaskId::of_step("t"),
            failure: Box::new(Failure::Gate { why: "503".to_owned() }),
            policy: OnFailure::Ask,
            retry: true,
        };
        let alone = Rules { yes: true, ..Rules::default() };
        assert_eq!(alone.answer(&question).map(|(choice, _)| choice), Some(Choice::Stop));
        let attended = Rules { interactive: true, ..Rules::default() };
        assert_eq!(attended.answer(&question), None);
    }
}

//! Who says, beside the work, whether to go on or to call for help, and in the end whether the incident is over.
//!
//! Advice decides nothing: it is written down and shown, before a question that it bears on, at the end, and from time to
//! time if it has changed.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use jiff::Timestamp;

use crate::engine::Effect;
use crate::run::{CriterionResult, Decision, Ending, EscalationVerdict, Question, View};

/// How often advice is taken while the run waits.
const EVERY: Duration = Duration::from_mins(5);

/// Gives advice.
pub trait Advisor {
    /// Whether to go on; `None`: the runbook has no criteria.
    fn decide<'a>(&'a self, view: &'a View) -> LocalBoxFuture<'a, Option<EscalationVerdict>>;

    /// How what must hold for the end of the incident stands; empty: the runbook says nothing of it.
    fn close<'a>(&'a self, view: &'a View) -> LocalBoxFuture<'a, Vec<CriterionResult>>;
}

/// What was advised so far.
#[derive(Debug, Default)]
pub struct Advised {
    /// The last decision.
    last: Option<Decision>,
    /// When it is asked for again.
    next: Option<Timestamp>,
    /// The question before which it was asked for.
    asked: Option<Question>,
    closed: bool,
}

/// What advice is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Whether to go on; before a question it is told in any case.
    Decision { in_any_case: bool },
    /// Whether the incident is over.
    Closure,
}

impl Advised {
    /// What is due before these effects, if anything is.
    pub(super) fn due(&mut self, batch: &[Effect], now: Timestamp) -> Option<Due> {
        let waits =
            |effect: &Effect| matches!(effect, Effect::Wait { .. } | Effect::Sleep { .. } | Effect::Poll { .. });
        match batch {
            [Effect::End(Ending::Done { .. })] if !self.closed => {
                self.closed = true;
                Some(Due::Closure)
            }
            [Effect::Ask(question @ (Question::Failed { .. } | Question::Interrupted { .. }))]
                if self.asked.as_ref() != Some(question) =>
            {
                self.asked = Some(question.clone());
                Some(Due::Decision { in_any_case: true })
            }
            batch if batch.iter().any(waits) => {
                let due = self.next.is_some_and(|next| next <= now);
                if due || self.next.is_none() {
                    self.next = now.checked_add(EVERY).ok();
                }
                due.then_some(Due::Decision { in_any_case: false })
            }
            _ => None,
        }
    }

    /// Whether a decision is worth telling: it is asked for, or it is another one than before.
    pub(super) fn is_news(&mut self, verdict: &EscalationVerdict, in_any_case: bool) -> bool {
        let before = self.last.replace(verdict.decision);
        in_any_case || before != Some(verdict.decision)
    }
}

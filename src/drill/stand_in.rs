//! Who stands in for people in a drill: an operator who answers, an advisor and a reporter who do nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};

use crate::clock::{Clock, later};
use crate::driver::{Advisor, Answer, Asker, Asking};
use crate::report::Reporter;
use crate::run::{Choice, CriterionResult, Entry, EscalationVerdict, OpId, Question, View};

/// Nobody is told, and nobody advises.
pub(super) struct Nobody;

impl Reporter for Nobody {
    fn asking(&mut self, _: &View, _: &Question) {}

    fn entry(&mut self, _: &View, _: &Entry) {}
}

impl Advisor for Nobody {
    fn decide<'a>(&'a self, _: &'a View) -> LocalBoxFuture<'a, Option<EscalationVerdict>> {
        std::future::ready(None).boxed_local()
    }

    fn close<'a>(&'a self, _: &'a View) -> LocalBoxFuture<'a, Vec<CriterionResult>> {
        std::future::ready(Vec::new()).boxed_local()
    }
}

/// Approves everything, and stops where something went wrong; except for the first answer, if that is said.
pub(super) struct Operator {
    pub(super) clock: Arc<dyn Clock>,
    /// How long the first answer takes.
    pub(super) first_after: Option<Duration>,
    /// What the first answer is.
    pub(super) first: Option<Choice>,
    /// The writes that it has said did not happen.
    pub(super) denied: BTreeSet<OpId>,
}

impl Asker for Operator {
    fn ask<'a>(&'a mut self, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, String>> {
        // Whoever is asked about the same write once more does not send it for ever.
        if let Question::Doubt { op } = asking.question
            && !self.denied.insert(op.clone())
        {
            return std::future::ready(Ok(Answer::Interrupted("drill".to_owned()))).boxed();
        }
        let usual = match asking.question {
            Question::Apply { .. }
            | Question::Irreversible { .. }
            | Question::Confirm { .. }
            | Question::Restore { .. } => Choice::Yes,
            Question::Failed { .. } | Question::Interrupted { .. } => Choice::Stop,
            Question::Doubt { .. } => Choice::No,
            Question::TookEffect { .. } => Choice::Unknown,
        };
        let choice = self.first.take().unwrap_or(usual);
        let visible = self.first_after.take().unwrap_or_default();
        async move {
            self.clock.sleep_until(later(self.clock.now(), visible)).await;
            Ok(Answer::Given { choice, by: "drill".to_owned(), reason: None, visible })
        }
        .boxed()
    }
}

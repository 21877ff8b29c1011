//! Go on, wait, or call Google: the decision, and its grounds.
//!
//! Each criterion is judged over what is seen now and what the run has done; the decision is pure. A criterion of which
//! nothing is known decides nothing until the incident is as old as `after`; from then on, what does not speak for going on
//! speaks for escalating.

mod facts;

use std::collections::BTreeMap;
use std::time::Duration;

pub use facts::{Situation, facts, probes_of, probes_of_closing};

use crate::clock::format_duration;
use crate::run::{CriterionResult, CriterionStatus, Decision, EscalationVerdict};
use crate::runbook::model::{Closing, Criterion, Escalation, Ground};
use crate::syntax::condition::{Condition, Fact};

/// Judges a ground of the decision.
pub fn judge(criterion: &Criterion, facts: &BTreeMap<String, Fact>) -> CriterionResult {
    let (ground, condition) = criterion.ground.parts();
    judged(&criterion.name, ground, condition, facts)
}

/// Judges what must hold before the incident is closed.
pub fn judge_closing(closing: &Closing, facts: &BTreeMap<String, Fact>) -> CriterionResult {
    judged(&closing.name, "close", &closing.condition, facts)
}

fn judged(name: &str, ground: &str, condition: &Condition, facts: &BTreeMap<String, Fact>) -> CriterionResult {
    let (stands, why) = match condition.holds(facts) {
        Ok(true) => (CriterionStatus::Holds, condition.to_string()),
        Ok(false) => (CriterionStatus::Fails, condition.to_string()),
        Err(error) => (CriterionStatus::Unknown, format!("{condition}: {error}")),
    };
    CriterionResult { name: name.to_owned(), ground: ground.to_owned(), stands, why }
}

/// How old an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentAge {
    /// Somebody said when it began.
    Known(Duration),
    /// Nobody did; the run against it is so old.
    AtLeast(Duration),
    /// There is no run either.
    Unknown,
}

impl IncidentAge {
    /// So much is known of it.
    pub fn least(self) -> Option<Duration> {
        match self {
            IncidentAge::Known(age) | IncidentAge::AtLeast(age) => Some(age),
            IncidentAge::Unknown => None,
        }
    }
}

/// Decides.
pub fn decide(escalation: &Escalation, criteria: Vec<CriterionResult>, age: IncidentAge) -> EscalationVerdict {
    let is_now =
        |judged: &&CriterionResult| judged.ground == Ground::ESCALATE_NOW && judged.stands == CriterionStatus::Holds;
    let names = |stands: CriterionStatus| {
        let open = criteria.iter().filter(|judged| judged.ground != Ground::ESCALATE_NOW && judged.stands == stands);
        open.map(|judged| judged.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (fails, unknown) = (names(CriterionStatus::Fails), names(CriterionStatus::Unknown));
    let after = format_duration(escalation.after);
    let late = age.least().is_some_and(|age| age >= escalation.after);
    let speaks = criteria.iter().any(|judged| judged.ground != Ground::ESCALATE_NOW);
    let open = match (speaks, fails.is_empty(), unknown.is_empty()) {
        (false, ..) => "no criterion speaks for continuing".to_owned(),
        (true, false, _) => format!("this does not hold: {fails}"),
        (true, true, _) => format!("this cannot be determined: {unknown}"),
    };
    let (decision, because) = if let Some(judged) = criteria.iter().find(is_now) {
        (Decision::Escalate, judged.name.clone())
    } else if speaks && fails.is_empty() && unknown.is_empty() {
        (Decision::Continue, "all criteria to continue hold".to_owned())
    } else if late {
        (Decision::Escalate, format!("the incident is older than {after}, and {open}"))
    } else {
        let age = match age {
            IncidentAge::Known(age) => {
                format!("the incident is {} old, which is not yet {after}", format_duration(age))
            }
            IncidentAge::AtLeast(age) => format!(
                "when the incident began is not known (this run began {} ago, the limit is {after})",
                format_duration(age)
            ),
            IncidentAge::Unknown => "the age of the incident is not known".to_owned(),
        };
        (Decision::Undecided, format!("{age}, and {open}"))
    };
    EscalationVerdict { format: 1, decision, because, criteria }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ground: &'static str, stands: CriterionStatus) -> CriterionResult {
        CriterionResult { name: format!("{ground} {stands:?}"), ground: ground.to_owned(), stands, why: String::new() }
    }

    fn escalation() -> Escalation {
        Escalation { after: Duration::from_hours(2), since: None, criteria: Vec::new(), support_case: None }
    }

    #[test]
    fn unknown_is_undecided_before_the_time_and_escalates_past_it() {
        let decided = |stands, hours| {
            let age = IncidentAge::Known(Duration::from_hours(hours));
            decide(&escalation(), vec![judged("continue", stands)], age).decision
        };
        assert_eq!(decided(CriterionStatus::Holds, 5), Decision::Continue);
        for stands in [CriterionStatus::Unknown, CriterionStatus::Fails] {
            assert_eq!(decided(stands, 1), Decision::Undecided);
            assert_eq!(decided(stands, 2), Decision::Escalate);
        }
        assert_eq!(
            decide(&escalation(), vec![judged("continue", CriterionStatus::Unknown)], IncidentAge::Unknown).decision,
            Decision::Undecided
        );
    }

    /// Without a criterion for it, nothing speaks for going on, however little speaks against it.
    #[test]
    fn nothing_that_speaks_for_going_on_is_no_reason_to_go_on() {
        for criteria in [vec![], vec![judged(Ground::ESCALATE_NOW, CriterionStatus::Fails)]] {
            let decided = |age| decide(&escalation(), criteria.clone(), age);
            assert_eq!(decided(IncidentAge::Unknown).decision, Decision::Undecided);
            assert_eq!(decided(IncidentAge::AtLeast(Duration::from_hours(1))).decision, Decision::Undecided);
            let late = decided(IncidentAge::AtLeast(Duration::from_hours(3)));
            assert_eq!(late.decision, Decision::Escalate);
            assert_eq!(late.because, "the incident is older than 2h, and no criterion speaks for continuing");
        }
    }

    #[test]
    fn what_escalates_at_once_does_so_whatever_else_holds() {
        let both =
            vec![judged("continue", CriterionStatus::Holds), judged(Ground::ESCALATE_NOW, CriterionStatus::Holds)];
        assert_eq!(decide(&escalation(), both, IncidentAge::Known(Duration::ZERO)).decision, Decision::Escalate);
        // That it cannot be told whether Google has an incident is no reason to call Google.
        let unknown =
            vec![judged("continue", CriterionStatus::Holds), judged(Ground::ESCALATE_NOW, CriterionStatus::Unknown)];
        assert_eq!(decide(&escalation(), unknown, IncidentAge::Known(Duration::ZERO)).decision, Decision::Continue);
    }
}

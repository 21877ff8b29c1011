//! A saved plan computed again from what it rests on.
//!
//! Planning is pure: the runbook, the inputs and what was observed give one plan. So a file in which a change, a mark or a
//! protection was edited is found out without any key, whatever digest it carries: it is not what its own runbook and its
//! own observations give. What remains to be trusted are the observations, and those are compared with the cloud before
//! anything is done, and the runbook, which whoever approves a plan reads.

use serde_json::Value;

use super::{Plan, Trials, plan};
use crate::resource::Observed;
use crate::runbook::model::Runbook;

/// Whether a run of a plan runs the programs of its `shell` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramSteps {
    /// It does.
    Run,
    /// This is a rehearsal without them.
    LeftOut,
}

/// A saved plan that its runbook and its observations do not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its runbook and what it observed give another plan: {at} is {found}, and should be {derived}")]
pub struct NotDerived {
    /// Where in the plan, as a JSON pointer.
    pub at: String,
    /// What the file has there.
    pub found: String,
    /// What was computed.
    pub derived: String,
}

impl Plan {
    /// Computes this plan again from `runbook` and from what it says was observed.
    ///
    /// What only the API can say (whether it validated a change, which permissions there are, warnings about revisions) is
    /// taken from the file: it is shown to people and decides nothing.
    ///
    /// # Errors
    /// The first difference.
    pub fn rederive(&self, runbook: &Runbook, programs: ProgramSteps) -> Result<(), NotDerived> {
        let observed = Observed::recalled(self.observed_at, self.observed.clone(), self.unseen.clone());
        let mut derived = plan(runbook, &observed, &self.cloud, None);
        derived.set_program_steps(programs);
        derived.try_gates(&Trials { samples: self.baseline.clone(), untried: self.untried.clone() });
        derived.take_what_is_given_by(self);
        let as_json = |plan: &Plan| serde_json::to_value(plan).unwrap_or_default();
        first_difference("", Some(&as_json(self)), Some(&as_json(&derived))).map_or(Ok(()), Err)
    }

    /// Takes over what planning was given rather than computed: the inputs of `saved`, and what the API said to its changes.
    fn take_what_is_given_by(&mut self, saved: &Plan) {
        self.access.clone_from(&saved.access);
        self.inputs.clone_from(&saved.inputs);
        // Whoever carries the plan out names the variables anew.
        self.env.clone_from(&saved.env);
        for (id, review) in &mut self.reviews {
            if let Some(known) = saved.reviews.get(id).map(|saved| saved.known.clone()) {
                review.known = review.known.as_ref().and(known);
            }
        }
        for (task, saved) in self.tasks.iter_mut().zip(&saved.tasks) {
            // In a rehearsal some hosts are served; anywhere else nothing is left out.
            if let (Some(call), Some(saved)) = (&mut task.peer, &saved.peer) {
                call.not_sent &= saved.not_sent;
            }
            if saved.warnings.starts_with(&task.warnings) {
                task.warnings.clone_from(&saved.warnings);
            }
        }
    }
}

/// The first place at which the two differ.
fn first_difference(at: &str, found: Option<&Value>, derived: Option<&Value>) -> Option<NotDerived> {
    match (found, derived) {
        (Some(found), Some(derived)) if found == derived || is_same_number(found, derived) => None,
        (Some(Value::Object(found)), Some(Value::Object(derived))) => {
            let keys = found.keys().chain(derived.keys().filter(|key| !found.contains_key(*key)));
            keys.into_iter().find_map(|key| first_difference(&format!("{at}/{key}"), found.get(key), derived.get(key)))
        }
        (Some(Value::Array(found)), Some(Value::Array(derived))) => (0..found.len().max(derived.len()))
            .find_map(|index| first_difference(&format!("{at}/{index}"), found.get(index), derived.get(index))),
        (found, derived) => {
            let words = |value: Option<&Value>| value.map_or_else(|| "missing".to_owned(), shortened);
            Some(NotDerived { at: at.to_owned(), found: words(found), derived: words(derived) })
        }
    }
}

/// Whether both are numbers that print and parse to each other: the last digit of a fraction may be lost on the way.
fn is_same_number(found: &Value, derived: &Value) -> bool {
    match (found.as_f64(), derived.as_f64()) {
        (Some(found), Some(derived)) => (found - derived).abs() <= 4.0 * f64::EPSILON * derived.abs(),
        _ => false,
    }
}

/// A value as it stands in a sentence.
fn shortened(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    let short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() { format!("{short}…") } else { text }
}

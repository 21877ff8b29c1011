//! What differs between two plans: the one of a change under review, and the one of what it changes. Pure.
//!
//! What a plan says of a step is a list of aspects with their words: what it sets, what must hold before and after, what happens when it
//! fails. Two plans differ where the words do. What the cloud is like at the moment is not compared: the reviewer of a runbook asks what the
//! runbook's change does.

use std::collections::BTreeMap;

use super::words::{evidence, failure_policy, gate, guard, requested, sender};
use crate::plan::{Plan, Problem};
use crate::run::{FailurePolicy, Preconditions, ResourceId, Reversibility, Task, words};

/// What differs in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlanDifference {
    /// The step or the task; empty: the plan as a whole.
    pub(super) subject: String,
    /// In what respect, such as `gate` or the name of a field.
    pub(super) aspect: String,
    /// What the base plan says; `None`: nothing.
    pub(super) before: Option<String>,
    /// What this plan says; `None`: nothing.
    pub(super) after: Option<String>,
}

/// What a plan says of everything in it, by subject and aspect, in the order of the plan.
#[derive(Default)]
struct Aspects {
    all: Vec<((String, String), String)>,
    /// Where each is first in `all`: a plan may have tens of thousands.
    places: BTreeMap<(String, String), usize>,
}

impl Aspects {
    fn note(&mut self, subject: &str, aspect: &str, words: String) {
        let key = (subject.to_owned(), aspect.to_owned());
        self.places.entry(key.clone()).or_insert(self.all.len());
        self.all.push((key, words));
    }

    fn of(&self, key: &(String, String)) -> Option<&String> {
        self.all.get(*self.places.get(key)?).map(|(_, words)| words)
    }
}

/// What this plan says otherwise than the base plan does, in the order of this plan; what only the base has comes last.
pub(super) fn compare(base: &Plan, plan: &Plan) -> Vec<PlanDifference> {
    let (before, after) = (aspects(base), aspects(plan));
    let difference = |key: &(String, String)| PlanDifference {
        subject: key.0.clone(),
        aspect: key.1.clone(),
        before: before.of(key).cloned(),
        after: after.of(key).cloned(),
    };
    let gone = before.all.iter().filter(|(key, _)| after.of(key).is_none());
    let all = after.all.iter().chain(gone).map(|(key, _)| difference(key));
    all.filter(|difference| difference.before != difference.after).collect()
}

fn aspects(plan: &Plan) -> Aspects {
    let mut all = Aspects::default();
    all.note("", "project", plan.project.clone());
    all.note("", "region", plan.region.clone());
    for (name, value) in &plan.inputs {
        all.note("", &format!("input {name}"), value.clone());
    }
    for one in &plan.guards {
        all.note("", &format!("guard {}", one.probe), guard(one));
    }
    let mut requests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in &plan.requests {
        requests.entry(sender(request)).or_default().push(requested(request));
    }
    for (sender, requests) in requests {
        all.note("", &format!("requests of {sender}"), requests.join("; "));
    }
    for phase in &plan.phases {
        if let Some(budget) = phase.budget {
            all.note("", &format!("budget of {}", phase.name), crate::clock::format_duration(budget));
        }
        for step in &phase.steps {
            all.note(step, "phase", phase.title.clone());
            if plan.left_out.contains_key(step) {
                all.note(step, "left out", "yes".to_owned());
            }
            for allowed in plan.allowed.get(step).into_iter().flatten() {
                all.note(step, &format!("allows {}", allowed.code), allowed.reason.clone());
            }
            for task in plan.tasks_of_step(step) {
                of_task(task, &mut all);
            }
            for problem in plan.problems.iter().filter(|problem| problem.step == *step) {
                of_problem(problem, &mut all);
            }
        }
    }
    all
}

fn of_task(task: &Task, all: &mut Aspects) {
    let id = task.id.as_str();
    all.note(id, "does", does(&task.uses, task.change.as_ref().map(|change| &change.resource)));
    if let Some(change) = &task.change {
        for difference in change.differences() {
            all.note(id, &difference.field, difference.after);
        }
        if let Reversibility::Irreversible { .. } = task.reversibility {
            all.note(id, "undo", "impossible".to_owned());
        }
    }
    let policy = Some(task.failure_policy());
    of_step(id, (task.require.as_ref(), task.gate.as_ref().map(gate), policy), all);
    if let Some(question) = &task.confirm {
        all.note(id, "asks", question.clone());
    }
}

fn of_problem(problem: &Problem, all: &mut Aspects) {
    let step = problem.step.as_str();
    if let Some(wanted) = &problem.wanted {
        all.note(step, "does", does("", Some(&wanted.resource)));
        for (field, value) in wanted.to.as_object().into_iter().flatten() {
            all.note(step, field, words(value));
        }
    }
    if problem.irreversible.is_some() {
        all.note(step, "undo", "impossible".to_owned());
    }
    of_step(step, (problem.require.as_ref(), problem.gate.as_ref().map(gate), problem.failure_policy), all);
}

/// What is said of a step, planned or not.
type Conditions<'a> = (Option<&'a Preconditions>, Option<String>, Option<FailurePolicy>);

fn of_step(step: &str, (require, gate, policy): Conditions<'_>, all: &mut Aspects) {
    if let Some(require) = require {
        all.note(step, "only if", evidence(require));
    }
    if let Some(gate) = gate {
        all.note(step, "gate", gate);
    }
    if let Some(policy) = policy {
        all.note(step, "if it fails", failure_policy(policy).to_owned());
    }
}

fn does(uses: &str, resource: Option<&ResourceId>) -> String {
    match resource {
        Some(id) => format!("{} {}", id.kind, id.full_name().unwrap_or(&id.name)),
        None => uses.to_owned(),
    }
}

//! What the conditions of criteria can speak of: probes now and before the first change, what the steps came to, how long it
//! has taken, and what Google itself reports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::gate::Observation;
use crate::run::{ChangeStatus, TaskStatus, TaskView, View};
use crate::runbook::model::{Closing, Escalation, Runbook};
use crate::syntax::condition::{Condition, Fact};
use crate::syntax::value::duration;

/// What is known of an incident and of the run against it.
#[derive(Debug)]
pub struct Situation<'s> {
    /// One sample of each probe, now.
    pub probes: BTreeMap<String, Observation>,
    /// The same before the first change of the run.
    pub baseline: &'s BTreeMap<String, Observation>,
    /// The run, if one is meant.
    pub view: Option<&'s View>,
    /// How long the run has taken.
    pub elapsed: Option<Duration>,
    /// How old the incident is.
    pub since_incident: Option<Duration>,
    /// `PRODUCT|REGION` of each incident that Google says touches the project; `None`: it cannot be told.
    pub incidents: Option<Vec<String>>,
}

/// The probes that the grounds of the decision speak of.
pub fn probes_of(escalation: &Escalation) -> BTreeSet<String> {
    named(escalation.criteria.iter().map(|criterion| criterion.ground.parts().1))
}

/// The probes that speak for the end of the incident.
pub fn probes_of_closing(closing: &[Closing]) -> BTreeSet<String> {
    named(closing.iter().map(|closing| &closing.condition))
}

fn named<'c>(conditions: impl Iterator<Item = &'c Condition>) -> BTreeSet<String> {
    let paths = conditions.flat_map(Condition::paths);
    let named = paths.filter_map(|path| match path {
        [first, probe, ..] if first == "probes" => Some(probe.clone()),
        [first, second, probe, ..] if first == "baseline" && second == "probes" => Some(probe.clone()),
        _ => None,
    });
    named.collect()
}

/// The situation as conditions read it. What is not known is not there, so that a condition over it is unknown.
pub fn facts(runbook: &Runbook, situation: &Situation<'_>) -> BTreeMap<String, Fact> {
    let text = |text: &str| Fact::Text(text.to_owned());
    let incident = runbook.about.incident.as_deref().unwrap_or_default();
    let mut facts = BTreeMap::from([
        ("probes".to_owned(), table(&situation.probes)),
        ("baseline".to_owned(), Fact::Table(BTreeMap::from([("probes".to_owned(), table(situation.baseline))]))),
        (
            "target".to_owned(),
            Fact::Table(BTreeMap::from([
                ("project".to_owned(), text(&runbook.target.project)),
                ("region".to_owned(), text(&runbook.target.region)),
            ])),
        ),
        (
            "runbook".to_owned(),
            Fact::Table(BTreeMap::from([
                ("name".to_owned(), text(&runbook.about.name)),
                ("incident".to_owned(), text(incident)),
            ])),
        ),
    ]);
    facts.extend(situation.view.map(|view| ("steps".to_owned(), steps(view))));
    facts.extend(situation.elapsed.map(|elapsed| ("elapsed".to_owned(), Fact::Span(elapsed))));
    facts.extend(situation.since_incident.map(|since| ("since_incident".to_owned(), Fact::Span(since))));
    facts.extend(situation.incidents.as_ref().map(|incidents| {
        let incidents = incidents.iter().map(|incident| (incident.clone(), Fact::Bool(true))).collect();
        ("service_health".to_owned(), Fact::Table(incidents))
    }));
    facts
}

fn table(samples: &BTreeMap<String, Observation>) -> Fact {
    let one = |(name, sample): (&String, &Observation)| {
        let seen = sample.facts.iter().filter_map(|(name, value)| Some((name.clone(), fact(name, value)?)));
        (name.clone(), Fact::of_sample(&sample.health, seen.collect()))
    };
    Fact::Table(samples.iter().map(one).collect())
}

/// A fact as it was kept: only a latency is a length of time.
fn fact(name: &str, value: &Value) -> Option<Fact> {
    match value {
        Value::Bool(is) => Some(Fact::Bool(*is)),
        Value::Number(number) => number.as_i64().map(Fact::Int).or_else(|| number.as_f64().map(Fact::Number)),
        Value::String(text) if name == "latency" => duration(text).ok().map(Fact::Span),
        Value::String(text) => Some(Fact::Text(text.clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What each step came to: a step of several tasks is done when all of them are. What a rollback alone would do belongs to
/// no step.
fn steps(view: &View) -> Fact {
    let mut steps: BTreeMap<String, Vec<&TaskView>> = BTreeMap::new();
    for task in view.tasks.iter().filter(|task| task.task.back_for.is_none()) {
        steps.entry(task.task.id.step().to_owned()).or_default().push(task);
    }
    let one = |(name, tasks): (String, Vec<&TaskView>)| {
        let all = |is: fn(&TaskView) -> bool| Fact::Bool(tasks.iter().all(|task| is(task)));
        let any = |is: fn(&TaskView) -> bool| Fact::Bool(tasks.iter().any(|task| is(task)));
        let fields = BTreeMap::from([
            ("done".to_owned(), all(is_done)),
            ("failed".to_owned(), any(has_failed)),
            ("skipped".to_owned(), any(|task| task.change_status() == ChangeStatus::Skipped)),
            ("rolled_back".to_owned(), any(|task| task.change_status() == ChangeStatus::RolledBack)),
        ]);
        (name, Fact::Table(fields))
    };
    Fact::Table(steps.into_iter().map(one).collect())
}

/// Whether a task was worked through, its gate included, and its change is as the runbook wants it.
fn is_done(task: &TaskView) -> bool {
    matches!(task.status, TaskStatus::Done { .. }) && task.change_status().is_as_wanted()
}

/// Whether a task failed, or its rollback did.
fn has_failed(task: &TaskView) -> bool {
    let is_failed = matches!(task.status, TaskStatus::Failed | TaskStatus::NotRolledBack);
    is_failed || matches!(task.change_status(), ChangeStatus::Failed { .. } | ChangeStatus::Unclear { .. })
}

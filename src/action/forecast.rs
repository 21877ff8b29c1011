//! What the cloud is forecast to look like at each step of a plan, and what a step's tasks are made of.
//!
//! Planning is pure: a [`Forecast`] begins with what was observed, and every planned change is applied to it, so that a later
//! step builds on what an earlier one leaves. An action asks it for states and adds [`TaskDraft`]s; what keeps it from that
//! is an [`Obstacle`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::gate::GateRule;
use crate::resource::{Kind, Observed, ReadError};
use crate::run::{
    CandidateTarget, Change, HandCommands, PeerCall, Program, ResourceId, Reversibility, Target, TaskId, covers,
    set_fields,
};
use crate::syntax::value::Percent;

/// The step that is planned.
#[derive(Debug)]
pub struct StepContext<'a> {
    /// The step's name.
    pub step: &'a str,
    /// The name of its task: the step's, or for one of several items `STEP/ITEM`.
    pub task: &'a str,
    /// What proves that it worked.
    pub gate: Option<&'a GateRule>,
    /// The hosts that the probes of the gate ask, in lower case.
    pub gate_hosts: BTreeSet<String>,
}

impl StepContext<'_> {
    /// A task that is the whole step, with its gate.
    pub fn whole(&self) -> TaskDraft {
        TaskDraft { gate: self.gate.cloned(), ..TaskDraft::new(TaskId::of_step(self.task)) }
    }

    /// One of several tasks of the step, without a gate.
    pub fn part(&self, name: &str) -> TaskDraft {
        TaskDraft::new(TaskId::part(self.task, name))
    }
}

/// One task in the making.
#[derive(Clone, Debug)]
pub struct TaskDraft {
    /// Its name.
    pub id: TaskId,
    /// What it changes.
    pub change: Option<Change>,
    /// Whether that can be undone.
    pub reversibility: Reversibility,
    /// What proves that it worked.
    pub gate: Option<GateRule>,
    /// What speaks against it, or has consequences that the operator may not expect.
    pub warnings: Vec<String>,
    /// What explains the change, and is as it should be.
    pub notes: Vec<String>,
    /// What the operator is asked before it.
    pub confirm: Option<String>,
    /// How long it waits.
    pub pause: Option<Duration>,
    /// What it says to others.
    pub message: Option<String>,
    /// What is changed first when it is undone, because it is quicker.
    pub traffic_first: Option<Change>,
    /// The candidate that its gate asks.
    pub candidate: Option<CandidateTarget>,
    /// How long its operation is awaited at most, unless the runbook says otherwise.
    pub operation_timeout: Option<Duration>,
    /// The program that it runs.
    pub program: Option<Program>,
    /// What it sends to a peer.
    pub peer: Option<PeerCall>,
    /// The commands that do by hand what it does.
    pub by_hand: Option<HandCommands>,
}

impl TaskDraft {
    fn new(id: TaskId) -> TaskDraft {
        TaskDraft {
            id,
            change: None,
            reversibility: Reversibility::Reversible,
            gate: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            confirm: None,
            pause: None,
            message: None,
            traffic_first: None,
            candidate: None,
            operation_timeout: None,
            program: None,
            peer: None,
            by_hand: None,
        }
    }
}

/// Why a step cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Whether that may change.
    pub kind: ObstacleKind,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What keeps a step from being planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObstacleKind {
    /// It cannot work.
    Impossible,
    /// What it rests on could not be observed.
    Unseen,
    /// What it rests on was not observed, because nobody asked for that.
    Offline,
    /// It refers to an input that was not given.
    MissingInput,
}

impl Obstacle {
    /// It cannot work.
    pub(crate) fn impossible(why: impl Into<String>) -> Obstacle {
        Obstacle { kind: ObstacleKind::Impossible, why: why.into(), help: None }
    }

    /// The same, with what to do about it.
    pub(crate) fn help(self, help: &str) -> Obstacle {
        Obstacle { help: Some(help.to_owned()), ..self }
    }

    /// What does not exist will not exist when it is observed again; anything else may.
    pub(crate) fn unseen(error: &ReadError) -> Obstacle {
        let kind = match error {
            ReadError::NotFound { .. } => ObstacleKind::Impossible,
            _ => ObstacleKind::Unseen,
        };
        Obstacle { kind, ..Obstacle::impossible(error.to_string()) }
    }

    /// What the plan needs was not observed.
    pub(crate) fn not_observed(id: &ResourceId, observed: &Observed) -> Obstacle {
        let kind = if observed.at.is_none() { ObstacleKind::Offline } else { ObstacleKind::Unseen };
        Obstacle { kind, ..Obstacle::impossible(format!("{id} was not observed")) }
    }

    /// It is more than `[limits]` allows, seen only now that the cloud was observed.
    fn beyond_limits(why: String) -> Obstacle {
        Obstacle::impossible(why).help("do it in smaller steps, or raise [limits] in a review of its own")
    }
}

/// How much one step may change. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepLimits {
    /// The most of a service's traffic that it may move.
    pub traffic_shift: Option<Percent>,
    /// The most instances that it may add.
    pub instances_added: Option<u32>,
}

/// The state of the cloud once the steps so far are done.
#[derive(Debug)]
pub struct Forecast<'a> {
    target: &'a Target,
    limits: StepLimits,
    observed: &'a Observed,
    states: BTreeMap<ResourceId, Value>,
    /// What the steps so far change, and the calls of theirs.
    changed: BTreeSet<ResourceId>,
    /// What the steps so far output, by reference: `steps.deploy.revision`.
    outputs: BTreeMap<String, String>,
}

impl<'a> Forecast<'a> {
    /// Before the first step: what was observed.
    pub fn new(target: &'a Target, limits: StepLimits, observed: &'a Observed) -> Forecast<'a> {
        Forecast {
            target,
            limits,
            observed,
            states: BTreeMap::new(),
            changed: BTreeSet::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// From now on a step is planned that works there.
    pub(crate) fn work_at(&mut self, target: &'a Target) {
        self.target = target;
    }

    /// Where the calls of the step go.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// The state of a resource, as it was observed and then changed.
    pub(super) fn state(&mut self, id: &ResourceId) -> Result<&Value, Obstacle> {
        if !self.states.contains_key(id) {
            let state = match self.observed.resources.get(id) {
                Some(Ok(seen)) => seen.state.clone(),
                Some(Err(error)) => return Err(Obstacle::unseen(error)),
                None => return Err(self.not_observed(id)),
            };
            self.states.insert(id.clone(), state);
        }
        match self.states.get(id) {
            Some(state) => Ok(state),
            None => Err(self.not_observed(id)),
        }
    }

    /// The same, as a type.
    pub(super) fn typed_state<T: DeserializeOwned>(&mut self, id: &ResourceId) -> Result<T, Obstacle> {
        typed(self.state(id)?)
    }

    /// The state of a resource if it was asked for before.
    pub(super) fn known_state(&self, id: &ResourceId) -> Option<&Value> {
        self.states.get(id)
    }

    /// What was observed of a resource, before any change.
    pub(super) fn observed(&self, id: &ResourceId) -> Option<&Result<crate::resource::Seen<Value>, ReadError>> {
        self.observed.resources.get(id)
    }

    /// The state of a resource as it was observed, before any change.
    pub(super) fn observed_as<T: DeserializeOwned>(&self, id: &ResourceId) -> Result<T, Obstacle> {
        match self.observed(id) {
            Some(Ok(seen)) => typed(&seen.state),
            Some(Err(error)) => Err(Obstacle::unseen(error)),
            None => Err(self.not_observed(id)),
        }
    }

    /// A resource that the plan needs and that was not observed.
    pub(super) fn not_observed(&self, id: &ResourceId) -> Obstacle {
        Obstacle::not_observed(id, self.observed)
    }

    /// Makes a step's output known to later steps.
    pub(super) fn define_output(&mut self, step: &str, output: &str, value: String) {
        self.outputs.insert(format!("steps.{step}.{output}"), value);
    }

    /// Notes that a call is made, of which only the next look at its resource tells what it leaves.
    pub(super) fn calls(&mut self, call: &ResourceId) {
        self.changed.insert(call.clone());
    }

    /// Notes what a call leaves in its resource.
    pub(super) fn leaves(&mut self, call: &ResourceId, resource: &ResourceId, fields: &Value) {
        self.changed.remove(call);
        self.set(resource, fields);
    }

    /// Whether the state of a resource is known as the steps so far leave it: none of them changes the same thing by another name, or in
    /// a way of which the plan does not know what it leaves.
    pub(super) fn is_foreseen(&self, id: &ResourceId) -> bool {
        !self.changed.iter().any(|changed| changed != id && changed.subject() == id.subject())
    }

    /// The text with what earlier steps output in it.
    pub(super) fn complete(&self, text: &str) -> String {
        self.outputs.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    /// Whether an earlier step outputs this.
    pub(super) fn is_output(&self, value: &str) -> bool {
        self.outputs.values().any(|output| output == value)
    }

    /// Checks the limit of instances that one step adds.
    pub(super) fn within_instances(&self, name: &str, added: i64) -> Result<(), Obstacle> {
        match self.limits.instances_added.filter(|most| added > i64::from(*most)) {
            Some(most) => {
                Err(Obstacle::beyond_limits(format!("this adds {added} instances to {name}; the limit is {most}")))
            }
            None => Ok(()),
        }
    }

    /// Checks the limit of traffic that one step moves, in percent.
    pub(super) fn within_traffic_shift(&self, service: &str, moved: i64) -> Result<(), Obstacle> {
        match self.limits.traffic_shift.filter(|most| moved > i64::from(*most)) {
            Some(most) => Err(Obstacle::beyond_limits(format!(
                "this moves {moved} % of {service}'s traffic at once; the limit is {most}"
            ))),
            None => Ok(()),
        }
    }

    /// Plans a change to `to`, from as much of the resource as `to` names.
    pub(super) fn change<K: Kind>(&mut self, id: ResourceId, to: Value, task: &mut TaskDraft) -> Result<(), Obstacle> {
        let now = self.state(&id)?;
        let owned = to.as_object().into_iter().flatten();
        let from = owned.filter_map(|(field, _)| Some((field.clone(), now.get(field)?.clone())));
        let from = Value::Object(from.collect());
        self.change_from::<K>(id, from, to, task)
    }

    /// Plans a change from one state to another, if there is anything to change.
    pub(super) fn change_from<K: Kind>(
        &mut self,
        id: ResourceId,
        mut from: Value,
        to: Value,
        task: &mut TaskDraft,
    ) -> Result<(), Obstacle> {
        let now = self.state(&id)?;
        let written = covers(now, &to);
        let contradiction = K::contradiction(now).and_then(|field| Some((field, now.get(field)?.clone())));
        match (&contradiction, &mut from) {
            (None, _) if written => return Ok(()),
            // It is sent again, if that is still so.
            (Some((field, value)), Value::Object(from)) if written => {
                from.insert((*field).to_owned(), value.clone());
                task.warnings.push("this is written already, and did not take effect: it is sent again".to_owned());
            }
            _ => {}
        }
        let (before, after): (K::Owned, K::Owned) = (typed(&from)?, typed(&to)?);
        task.reversibility =
            K::allowed(&before, &after).map_err(|why| Obstacle::impossible(format!("{}: {why}", id.name)))?;
        if written && task.reversibility == Reversibility::Reversible {
            let why = "what is there now, beside what is written, is not brought back".to_owned();
            task.reversibility = Reversibility::WithLoss { why };
        }
        if let Some(Ok(seen)) = self.observed.resources.get(&id) {
            if let Some(operation) = &seen.operation {
                task.warnings.push(format!("another operation is running on it right now: {operation}"));
            }
            if let Some(trouble) = &seen.trouble {
                task.warnings.push(format!("it is in trouble right now: {trouble}"));
            }
        }
        task.operation_timeout = Some(K::OPERATION_TIMEOUT);
        self.set(&id, &to);
        self.changed.insert(id.clone());
        if let (Some((field, _)), Some(Value::Object(state))) = (contradiction, self.states.get_mut(&id)) {
            state.remove(field);
        }
        task.change = Some(Change { resource: id, from, to });
        Ok(())
    }

    /// Sets fields of a state that was asked for before.
    pub(super) fn set(&mut self, id: &ResourceId, fields: &Value) {
        if let Some(state) = self.states.get_mut(id) {
            set_fields(state, fields);
        }
    }
}

/// A state as a type; an obstacle if it has another shape.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Obstacle> {
    serde_json::from_value(value.clone()).map_err(|error| Obstacle::impossible(format!("malformed state: {error}")))
}

/// The JSON of a state.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<Value, Obstacle> {
    serde_json::to_value(value).map_err(|error| Obstacle::impossible(error.to_string()))
}

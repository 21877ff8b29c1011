//! The planner: what each step would find, and what it would change. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::debt::debts;
use super::observe::{Observed, id};
use super::{Access, Basis, FORMAT, Known, Plan, Problem, Review, Sort, Wanted, access};
use crate::action::{self, ByHand, Doing, Programs};
use crate::gate::Rule;
use crate::resource::connector::{self, Connector};
use crate::resource::scaling::{self, Scaling};
use crate::resource::service::{self, Service};
use crate::resource::sql::{self, Sql};
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Kind, Observable, ReadError, Seen, needed, revision};
use crate::run::{
    Aside, Change, Evidence, Guard, OnFailure, ResourceId, Reversibility, Scope, Task, TaskId, Trip, covers,
};
use crate::runbook::model::{self, Action, Candidate, Command, Phase, Runbook, Step, Turn};
use crate::runbook::value::{Image, Percent};

/// Works out the plan, as far as that goes.
///
/// `cloud` says in words where calls go; `on_failure`, if given, is what every step does when it fails.
pub fn plan(
    runbook: &Runbook,
    inputs: BTreeMap<String, String>,
    observed: &Observed,
    cloud: &str,
    on_failure: Option<OnFailure>,
) -> Plan {
    let mut planner = Planner {
        runbook,
        observed,
        believed: BTreeMap::new(),
        given: BTreeMap::new(),
        on_failure,
        tasks: Vec::new(),
        problems: Vec::new(),
    };
    for phase in &runbook.phases {
        for step in &phase.steps {
            planner.step(phase, step);
        }
    }
    let basis = observed.resources.iter().filter_map(|(id, seen)| Some((id.clone(), Basis::of(seen.as_ref().ok()?))));
    let phases = runbook.phases.iter().map(|phase| super::Phase {
        name: phase.name.clone(),
        title: phase.title.clone().unwrap_or_else(|| phase.name.clone()),
        steps: phase.steps.iter().map(|step| step.name.clone()).collect(),
        budget: phase.budget,
    });
    planner.symptom();
    planner.sights();
    let Planner { tasks, problems, .. } = planner;
    let guards = runbook.guards.iter().map(|guard| Guard {
        probe: guard.probe.clone(),
        every: guard.every,
        failures: guard.failures,
        then: match guard.then {
            model::Trip::Pause => Trip::Pause,
            model::Trip::Rollback => Trip::Rollback,
        },
    });
    let mut plan = Plan {
        format: FORMAT,
        runbook: runbook.about.name.clone(),
        title: runbook.about.title.clone().unwrap_or_else(|| runbook.about.name.clone()),
        project: runbook.target.project.clone(),
        region: runbook.target.region.clone(),
        protected: runbook.target.protected,
        cloud: cloud.to_owned(),
        observed_at: observed.at,
        inputs,
        phases: phases.collect(),
        reviews: reviews(&tasks),
        debts: debts(&tasks, &runbook.about.owners),
        owners: runbook.about.owners.clone(),
        tasks,
        baseline: BTreeMap::new(),
        guards: guards.collect(),
        problems,
        access: Access::default(),
        observed: basis.collect(),
    };
    plan.access.needs = access::needs(&plan);
    plan
}

impl Basis {
    /// Of what was seen.
    pub(super) fn of(seen: &Seen<Value>) -> Basis {
        let Seen { state, etag, operation, trouble } = seen.clone();
        Basis { state, etag, operation, trouble }
    }
}

/// What is known of each task besides what it does.
fn reviews(tasks: &[Task]) -> BTreeMap<TaskId, Review> {
    let mut touched: BTreeMap<(&str, &str), TaskId> = BTreeMap::new();
    let mut reviews = BTreeMap::new();
    for task in tasks {
        let mut after = Vec::new();
        let mut permissions = Vec::new();
        if let Some(change) = &task.change {
            after.extend(touched.insert(change.subject(), task.id.clone()));
            let kind = change.resource.kind.as_str();
            permissions.extend(needed(kind, true).iter().map(|permission| (*permission).to_owned()));
        }
        let why = if after.is_empty() { "the API was not asked" } else { "it rests on an earlier change of this plan" };
        let known = task.change.as_ref().map(|_| Known::Computed { why: why.to_owned() });
        reviews.insert(task.id.clone(), Review { after, known, permissions, trial: None });
    }
    reviews
}

/// How long after the last step the symptom may still be there.
const CURED_WITHIN: Duration = Duration::from_mins(10);

struct Planner<'a> {
    runbook: &'a Runbook,
    observed: &'a Observed,
    /// What each resource will be once the steps so far are done.
    believed: BTreeMap<ResourceId, Value>,
    /// What the steps so far bring about, by reference: `steps.deploy.revision`.
    given: BTreeMap<String, String>,
    on_failure: Option<OnFailure>,
    tasks: Vec<Task>,
    problems: Vec<Problem>,
}

/// One task in the making.
struct Part {
    id: TaskId,
    change: Option<Change>,
    reversibility: Reversibility,
    gate: Option<Rule>,
    warnings: Vec<String>,
    confirm: Option<String>,
    pause: Option<Duration>,
    message: Option<String>,
    detour: Option<Change>,
    aside: Option<Aside>,
}

/// What a deploy is told.
struct Deploy<'a> {
    service: &'a str,
    image: &'a Image,
    candidate: Option<&'a Candidate>,
    shift: &'a [Percent],
    /// How long the gate holds before the last share.
    hold: Duration,
}

impl Part {
    fn of(id: TaskId) -> Part {
        Part {
            id,
            change: None,
            reversibility: Reversibility::Reversible,
            gate: None,
            warnings: Vec::new(),
            confirm: None,
            pause: None,
            message: None,
            detour: None,
            aside: None,
        }
    }
}

impl Planner<'_> {
    fn step(&mut self, phase: &Phase, step: &Step) {
        for (name, item, turn) in step.by_turn() {
            match self.turn(step, &name, turn) {
                Ok(parts) => self.add(phase, step, item, turn, parts),
                Err(problem) => {
                    let wanted = self.wanted(&turn.action).map(Box::new);
                    self.problems.push(Problem { wanted, ..problem });
                }
            }
        }
    }

    /// What one turn of a step does.
    fn turn(&mut self, step: &Step, name: &str, turn: &Turn) -> Result<Vec<Part>, Problem> {
        let whole = Part { gate: turn.gate.clone(), ..Part::of(TaskId::of_step(name)) };
        let Turn { action, gate } = turn;
        Ok(match action {
            Action::ConnectorScale { connector, min_instances, max_instances, machine_type } => {
                let wanted = connector::Owned {
                    min_instances: *min_instances,
                    max_instances: *max_instances,
                    machine_type: machine_type.clone(),
                };
                vec![self.grow(step, whole, connector, &wanted)?]
            }
            Action::RunTraffic { service, to } => vec![self.route(step, whole, service, to)?],
            Action::RunDeploy { service, image, candidate, shift, hold } => {
                let hold = hold.or(gate.as_ref().map(|gate| gate.hold)).unwrap_or_default();
                self.deploy(step, &whole, &Deploy { service, image, candidate: candidate.as_ref(), shift, hold })?
            }
            Action::RunScale { service, min_instances, max_instances } => {
                let wanted = scaling::Owned { min_instances: *min_instances, max_instances: *max_instances };
                vec![self.scale(step, whole, service, &wanted)?]
            }
            Action::SqlPatch { instance, flags } => vec![self.flags(step, whole, instance, flags)?],
            Action::Shell { run, check, undo, .. } => vec![self.program(whole, run, check.as_ref(), undo.as_ref())],
            Action::Manual { instructions, undo, verify } => {
                vec![self.by_hand(whole, instructions, undo.as_ref(), verify.as_ref())]
            }
            Action::Notify { text, .. } => vec![Part { message: Some(text.clone()), ..whole }],
            Action::Issue(update) => vec![Part { message: Some(update.to_string()), ..whole }],
            Action::Wait { pause } => vec![Part { pause: Some(*pause), ..whole }],
            Action::Probe => vec![whole],
        })
    }

    /// Puts what a turn does into the plan.
    fn add(&mut self, phase: &Phase, step: &Step, item: Option<&String>, turn: &Turn, parts: Vec<Part>) {
        let (on_failure, undoes) = match (self.on_failure, step.on_failure, phase.on_failure) {
            (None, Some(policy), _) => (policy, Scope::Step),
            (None, None, Some(policy)) => (policy, Scope::Phase),
            (said, ..) => (said.unwrap_or(self.runbook.about.on_failure), Scope::Run),
        };
        let changes = |part: &Part| part.change.is_some();
        // What is asked besides, and the evidence, come before the first change of the step, or what stands for it.
        let first = parts.iter().position(changes).unwrap_or(0);
        // Once for the whole step: what its first turn changes may well take the evidence away.
        let is_begun = self.tasks.iter().any(|task| task.id.step() == step.name);
        let idle = !parts.iter().any(changes)
            && !matches!(turn.action, Action::Probe | Action::Notify { .. } | Action::Issue(_));
        let at_once = step.fan_out.as_ref().map(|fan_out| fan_out.max_parallel).filter(|most| *most > 1);
        for (place, part) in parts.into_iter().enumerate() {
            let is_first = place == first && !idle;
            let require = step.require.as_ref().filter(|_| is_first && !is_begun).map(|require| Evidence {
                healthy: require.healthy.clone(),
                unhealthy: require.unhealthy.clone(),
                condition: require.condition.as_ref().map(ToString::to_string),
            });
            let confirm = step.confirm.clone().filter(|_| is_first && !is_begun).or(part.confirm);
            self.tasks.push(Task {
                change: part.change,
                reversibility: part.reversibility,
                gate: part.gate,
                warnings: part.warnings,
                confirm,
                require,
                pause: part.pause,
                message: part.message,
                detour: part.detour,
                aside: part.aside,
                turn: item.cloned(),
                undoes,
                spare: step.fan_out.as_ref().map_or(0, |fan_out| fan_out.max_failures),
                parallel: at_once.unwrap_or_default(),
                ..Task::idle(part.id, &phase.name, turn.action.uses(), on_failure)
            });
        }
    }

    fn program(&self, part: Part, run: &Command, check: Option<&Command>, undo: Option<&Command>) -> Part {
        let (mut warnings, target) = (vec![format!("runs {run}")], &self.runbook.target);
        warnings.extend(check.map(|check| format!("whether it is done already tells {check}")));
        if check.is_none() {
            warnings.push("nothing can look whether it is done: if its end is not seen, you are asked".to_owned());
        }
        let reversibility = match undo {
            Some(undo) => Reversibility::WithLoss { why: format!("only what {undo} takes back is taken back") },
            None => Reversibility::OneWay { why: "nothing says how to undo it".to_owned() },
        };
        let resource = action::id(Programs::NAME, target, part.id.as_str());
        let (from, to) = (json!(Doing { done: false }), json!(Doing { done: true }));
        Part { change: Some(Change { resource, from, to }), reversibility, warnings, ..part }
    }

    fn by_hand(&self, part: Part, instructions: &str, undo: Option<&String>, verify: Option<&String>) -> Part {
        let reversibility = match undo {
            Some(undo) => Reversibility::WithLoss { why: format!("a person must undo it: {undo}") },
            None => Reversibility::WithLoss { why: "a person did it, and nothing says how to undo it".to_owned() },
        };
        let (every, timeout) = (Duration::from_secs(10), Duration::from_mins(20));
        let verified = verify.map(|probe| Rule::of(vec![probe.clone()], Duration::ZERO, every, timeout));
        let resource = action::id(ByHand::NAME, &self.runbook.target, part.id.as_str());
        let (from, to) = (json!(Doing { done: false }), json!(Doing { done: true }));
        let confirm = Some(format!("{instructions} — done?"));
        let gate = part.gate.clone().or(verified);
        Part { change: Some(Change { resource, from, to }), reversibility, confirm, gate, ..part }
    }

    /// Tells each gate what its probes are like.
    fn sights(&mut self) {
        for gate in self.tasks.iter_mut().filter_map(|task| task.gate.as_mut()) {
            let probes = gate.healthy.iter().filter_map(|name| Some((name.clone(), self.runbook.probes.get(name)?)));
            gate.looks = probes.map(|(name, probe)| (name, probe.look.sight())).collect();
        }
    }

    /// The patient is shown to be sick before the first change, and well after the last.
    fn symptom(&mut self) {
        let (symptom, last) = (&self.runbook.symptom, self.runbook.phases.last());
        let first = self.tasks.iter_mut().find(|task| task.change.is_some());
        let (false, Some(first), Some(last)) = (symptom.is_empty(), first, last) else { return };
        first.require.get_or_insert_default().unhealthy.extend(symptom.iter().cloned());
        let on_failure = first.on_failure;
        self.tasks.push(Task {
            gate: Some(Rule::of(symptom.clone(), Duration::ZERO, Duration::from_secs(5), CURED_WITHIN)),
            ..Task::idle(TaskId::of_step("symptom"), &last.name, "probe", on_failure)
        });
    }

    /// What an action is about and wants of it, for a step that could not be planned.
    fn wanted(&self, action: &Action) -> Option<Wanted> {
        let target = &self.runbook.target;
        let (resource, to) = match action {
            Action::ConnectorScale { connector, min_instances, max_instances, machine_type } => {
                let wanted = connector::Owned {
                    min_instances: *min_instances,
                    max_instances: *max_instances,
                    machine_type: machine_type.clone(),
                };
                (id::<Connector>(target, connector), serde_json::to_value(wanted).ok()?)
            }
            Action::RunTraffic { service, to } => {
                let shares = to.iter().map(|(revision, share)| json!({ "revision": revision, "percent": share.get() }));
                (id::<Traffic>(target, service), json!({ "targets": shares.collect::<Vec<_>>() }))
            }
            Action::RunDeploy { service, image, .. } => {
                (id::<Service>(target, service), json!({ "image": image.as_str() }))
            }
            Action::RunScale { service, min_instances, max_instances } => {
                let wanted = scaling::Owned { min_instances: *min_instances, max_instances: *max_instances };
                (id::<Scaling>(target, service), serde_json::to_value(wanted).ok()?)
            }
            Action::SqlPatch { instance, flags } => (id::<Sql>(target, instance), json!({ "flags": flags })),
            Action::Shell { .. }
            | Action::Manual { .. }
            | Action::Notify { .. }
            | Action::Issue(_)
            | Action::Wait { .. }
            | Action::Probe => {
                return None;
            }
        };
        Some(Wanted { resource, to })
    }

    fn grow(&mut self, step: &Step, mut part: Part, name: &str, wanted: &connector::Owned) -> Result<Part, Problem> {
        let id = id::<Connector>(&self.runbook.target, name);
        let now: connector::Owned = self.believe(step, &id)?;
        let added = wanted.max_instances.zip(now.max_instances).map_or(0, |(wanted, now)| wanted.saturating_sub(now));
        self.within_instances(step, name, added)?;
        self.change::<Connector>(step, id, json(step, wanted)?, &mut part)?;
        Ok(part)
    }

    fn scale(&mut self, step: &Step, mut part: Part, service: &str, wanted: &scaling::Owned) -> Result<Part, Problem> {
        let id = id::<Scaling>(&self.runbook.target, service);
        let now: scaling::Owned = self.believe(step, &id)?;
        let added = |wanted: Option<i64>, now: Option<i64>| {
            wanted.zip(now).map_or(0, |(wanted, now)| wanted.saturating_sub(now))
        };
        let more = added(wanted.max_instances, now.max_instances.filter(|now| *now > 0));
        self.within_instances(step, service, more.max(added(wanted.min_instances, now.min_instances)))?;
        self.change::<Scaling>(step, id, json(step, wanted)?, &mut part)?;
        Ok(part)
    }

    fn within_instances(&self, step: &Step, name: &str, added: i64) -> Result<(), Problem> {
        match self.runbook.limits.instances_added.filter(|most| added > i64::from(*most)) {
            Some(most) => Err(beyond(step, format!("this adds {added} instances to {name}; the limit is {most}"))),
            None => Ok(()),
        }
    }

    fn flags(
        &mut self,
        step: &Step,
        mut part: Part,
        instance: &str,
        flags: &BTreeMap<String, String>,
    ) -> Result<Part, Problem> {
        let id = id::<Sql>(&self.runbook.target, instance);
        let state = self.believed(step, &id)?;
        let now = |name: &str| state.get("flags").and_then(|flags| flags.get(name)).and_then(Value::as_str);
        let from = flags.keys().map(|name| (name.clone(), now(name).map(str::to_owned))).collect();
        let to = flags.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let (from, to) = (json(step, &sql::Owned { flags: from })?, json(step, &sql::Owned { flags: to })?);
        self.change_from::<Sql>(step, id, from, to, &mut part)?;
        Ok(part)
    }

    fn route(&mut self, step: &Step, mut part: Part, service: &str, to: &[(String, Percent)]) -> Result<Part, Problem> {
        let to: Vec<(String, Percent)> = to.iter().map(|(revision, share)| (self.complete(revision), *share)).collect();
        let new: BTreeSet<&String> = self.given.values().collect();
        let named = to.iter().filter(|(name, share)| name != LATEST && share.get() > 0 && !new.contains(name));
        for (revision, _) in named {
            self.must_be_ready(step, service, revision)?;
        }
        let shares = to.iter().map(|(revision, percent)| (revision.clone(), i64::from(*percent)));
        let before = self.split_of(step, service)?;
        self.split(step, service, &Split::of(shares, &before), &mut part)?;
        if !to.iter().any(|(revision, percent)| revision == LATEST && percent.get() > 0) {
            part.warnings.push(
                "traffic stays pinned to named revisions: a later deploy serves nobody until traffic is moved to it"
                    .to_owned(),
            );
        }
        Ok(part)
    }

    /// The text with what earlier steps bring about in it.
    fn complete(&self, text: &str) -> String {
        self.given.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }

    /// A deploy whose share of the traffic is raised step by step has none at first. One that is left to a service which
    /// follows its newest revision is undone by way of a detour: giving the traffic back takes seconds, the old template
    /// minutes.
    fn deploy(&mut self, step: &Step, whole: &Part, deploy: &Deploy<'_>) -> Result<Vec<Part>, Problem> {
        let Deploy { service, image, candidate, shift, hold } = *deploy;
        let id = id::<Service>(&self.runbook.target, service);
        let now: service::State = self.believe(step, &id)?;
        // An image whose newest revision never became ready is not deployed: it serves nobody.
        let already = now.image == image.as_str() && now.latest_ready_revision == now.revision;
        let new = service::name_revision(service, now.generation, image.as_str());
        let revision = if already { now.revision.clone() } else { new };
        self.given.insert(format!("steps.{}.revision", step.name), revision.clone());
        let part = |name: &str| Part::of(TaskId::part(whole.id.as_str(), name));

        let mut parts = Vec::new();
        let before = self.split_of(step, service)?;
        let follows = before.share(LATEST) > 0 && !already;
        let held = follows.then(|| before.held(&now.latest_ready_revision));
        if let Some(held) = held.clone().filter(|_| !shift.is_empty()) {
            let mut part = part("hold-traffic");
            self.split(step, service, &held, &mut part)?;
            // Whoever deploys in between gives the same words another meaning.
            if let Some(Value::Object(from)) = part.change.as_mut().map(|change| &mut change.from) {
                from.insert("latest".to_owned(), json!(now.latest_ready_revision));
            }
            parts.push(part);
        }

        let mut deployed = if shift.is_empty() { Part::of(whole.id.clone()) } else { part("revision") };
        if shift.is_empty() {
            deployed.gate.clone_from(&whole.gate);
            match held {
                Some(held) => {
                    let (from, to) = (json(step, &before)?, json(step, &held)?);
                    deployed.detour = Some(Change { resource: self.traffic(service), from, to });
                }
                None if before.share(LATEST) == 0 => {
                    let warning = "traffic is pinned to named revisions: the new revision will serve nobody";
                    deployed.warnings.push(warning.to_owned());
                }
                None => {}
            }
        }
        if !already {
            let to = service::Owned { image: image.as_str().to_owned(), revision: Some(revision.clone()) };
            let from = json!({ "image": now.image });
            self.change_from::<Service>(step, id.clone(), from, json(step, &to)?, &mut deployed)?;
            let next = now.generation.saturating_add(1);
            self.will_be(&id, &json!({ "generation": next, "latest_ready_revision": revision }));
        }
        parts.push(deployed);

        if let Some(candidate @ Candidate { tag, .. }) = candidate {
            let probes =
                whole.gate.iter().flat_map(|gate| &gate.healthy).filter_map(|name| self.runbook.probes.get(name));
            let hosts = candidate.asked_by(probes).map_err(|why| impossible(step, why.to_string()))?;
            let split = self.split_of(step, service)?;
            let mut part = part("candidate");
            let tagged = json(step, &split.tagged(tag, &revision))?;
            self.change::<Traffic>(step, self.traffic(service), tagged, &mut part)?;
            part.gate = before_the_last(whole.gate.as_ref(), hold);
            part.warnings
                .push(format!("its gate asks the revision at its tag {tag}, in place of {}", hosts.join(" and ")));
            part.aside = Some(Aside { service: id, tag: tag.clone(), hosts });
            parts.push(part);
        }

        let others = self.split_of(step, service)?;
        for (place, share) in shift.iter().enumerate() {
            let last = place + 1 == shift.len();
            let mut part = part(&format!("shift-{}", share.get()));
            part.gate = if last { whole.gate.clone() } else { before_the_last(whole.gate.as_ref(), hold) };
            self.split(step, service, &Split::of(shifted(&others, &revision, *share), &others), &mut part)?;
            if last {
                part.warnings.push("traffic stays pinned to the new revision: a later deploy serves nobody until traffic is moved to it".to_owned());
            }
            parts.push(part);
        }
        Ok(parts)
    }

    /// Gives the traffic another split, if that does not move too much of it at once.
    fn split(&mut self, step: &Step, service: &str, to: &Split, part: &mut Part) -> Result<(), Problem> {
        let before = self.split_of(step, service)?;
        let kept = to.targets.iter().filter(|target| target.percent == 0).filter_map(|target| {
            let tag = target.tag.as_ref()?;
            Some(format!("the tag {tag} stays on {}, with no share of the traffic", target.revision))
        });
        part.warnings.extend(kept);
        let moved = moved(&self.named(service, &before), &self.named(service, to));
        if let Some(most) = self.runbook.limits.traffic_shift.filter(|most| moved > i64::from(*most)) {
            return Err(beyond(
                step,
                format!("this moves {moved} % of {service}'s traffic at once; the limit is {most}"),
            ));
        }
        self.change::<Traffic>(step, self.traffic(service), json(step, to)?, part)
    }

    /// The split with the revision that the newest one is in its place, if that is known.
    fn named(&self, service: &str, split: &Split) -> Split {
        let state = self.believed.get(&id::<Service>(&self.runbook.target, service));
        let latest = state.and_then(|state| state.get("latest_ready_revision")).and_then(Value::as_str);
        let mut split = split.clone();
        for target in split.targets.iter_mut().filter(|target| target.revision == LATEST) {
            if let Some(latest) = latest {
                latest.clone_into(&mut target.revision);
            }
        }
        split
    }

    /// How a service's traffic is split once the steps so far are done.
    fn split_of(&mut self, step: &Step, service: &str) -> Result<Split, Problem> {
        self.believe(step, &self.traffic(service))
    }

    fn traffic(&self, service: &str) -> ResourceId {
        id::<Traffic>(&self.runbook.target, service)
    }

    /// Plans a change to `to`, from as much of the resource as `to` names.
    fn change<K: Kind>(&mut self, step: &Step, id: ResourceId, to: Value, part: &mut Part) -> Result<(), Problem> {
        let now = self.believed(step, &id)?;
        let owned = to.as_object().into_iter().flatten();
        let from = owned.filter_map(|(field, _)| Some((field.clone(), now.get(field)?.clone())));
        let from = Value::Object(from.collect());
        self.change_from::<K>(step, id, from, to, part)
    }

    fn change_from<K: Kind>(
        &mut self,
        step: &Step,
        id: ResourceId,
        from: Value,
        to: Value,
        part: &mut Part,
    ) -> Result<(), Problem> {
        if covers(self.believed(step, &id)?, &to) {
            return Ok(());
        }
        let (before, after): (K::Owned, K::Owned) = (typed(step, &from)?, typed(step, &to)?);
        part.reversibility =
            K::allowed(&before, &after).map_err(|why| impossible(step, format!("{}: {why}", id.name)))?;
        if let Some(Ok(seen)) = self.observed.resources.get(&id) {
            if let Some(operation) = &seen.operation {
                part.warnings.push(format!("another operation is running on it right now: {operation}"));
            }
            if let Some(trouble) = &seen.trouble {
                part.warnings.push(format!("it is in trouble right now: {trouble}"));
                if id.kind == Service::NAME {
                    part.warnings.push("what undoing would bring back is what is in trouble now".to_owned());
                }
            }
        }
        self.will_be(&id, &to);
        part.change = Some(Change { resource: id, from, to });
        Ok(())
    }

    fn will_be(&mut self, id: &ResourceId, fields: &Value) {
        if let (Some(Value::Object(state)), Value::Object(fields)) = (self.believed.get_mut(id), fields) {
            state.extend(fields.clone());
        }
    }

    fn believe<T: DeserializeOwned>(&mut self, step: &Step, id: &ResourceId) -> Result<T, Problem> {
        let state = self.believed(step, id)?.clone();
        typed(step, &state)
    }

    fn believed(&mut self, step: &Step, id: &ResourceId) -> Result<&Value, Problem> {
        if !self.believed.contains_key(id) {
            let state = match self.observed.resources.get(id) {
                Some(Ok(seen)) => seen.state.clone(),
                Some(Err(error)) => return Err(unseen(step, error)),
                None => return Err(self.not_looked_at(step, id)),
            };
            self.believed.insert(id.clone(), state);
        }
        match self.believed.get(id) {
            Some(state) => Ok(state),
            None => Err(self.not_looked_at(step, id)),
        }
    }

    fn not_looked_at(&self, step: &Step, id: &ResourceId) -> Problem {
        let sort = if self.observed.at.is_none() { Sort::Offline } else { Sort::Unseen };
        Problem { sort, ..impossible(step, format!("{id} was not looked at")) }
    }

    fn must_be_ready(&self, step: &Step, service: &str, name: &str) -> Result<(), Problem> {
        let revision = revision::of(&id::<Service>(&self.runbook.target, service), name);
        let help = |problem: Problem, help: &str| Err(Problem { help: Some(help.to_owned()), ..problem });
        match self.observed.resources.get(&revision) {
            Some(Ok(seen)) if seen.state.get("ready").and_then(Value::as_bool) == Some(true) => Ok(()),
            Some(Ok(seen)) => {
                let why = seen.trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                let why = format!("revision {name} of {service} is not ready: it cannot serve traffic{why}");
                help(impossible(step, why), "choose a revision that is ready")
            }
            Some(Err(ReadError::NotFound { .. })) => help(
                impossible(step, format!("{service} has no revision {name}")),
                "revisions that serve nobody are deleted in time; choose one that exists",
            ),
            Some(Err(error)) => Err(unseen(step, error)),
            None => Err(self.not_looked_at(step, &revision)),
        }
    }
}

fn impossible(step: &Step, why: String) -> Problem {
    Problem { step: step.name.clone(), sort: Sort::Impossible, why, help: None, wanted: None }
}

/// What does not exist will not exist when it is looked at again; anything else may.
fn unseen(step: &Step, error: &ReadError) -> Problem {
    let sort = if matches!(error, ReadError::NotFound { .. }) { Sort::Impossible } else { Sort::Unseen };
    Problem { sort, ..impossible(step, error.to_string()) }
}

/// What `[limits]` does not allow, seen only now that the cloud was looked at.
fn beyond(step: &Step, why: String) -> Problem {
    let help = "do it in smaller steps, or raise [limits] in a review of its own";
    Problem { help: Some(help.to_owned()), ..impossible(step, why) }
}

/// The gate at a share that is not the last: it holds for as long as is said for those, and proves no rate.
fn before_the_last(gate: Option<&Rule>, hold: Duration) -> Option<Rule> {
    gate.map(|gate| Rule { hold, max_failure_rate: None, ..gate.clone() })
}

/// How much of the traffic goes elsewhere than before, in percent.
fn moved(before: &Split, after: &Split) -> i64 {
    after.shares().map(|(name, percent)| (percent - before.share(name)).max(0)).sum()
}

/// The split that gives the new revision its share and leaves the rest to the others, in proportion.
fn shifted(others: &Split, revision: &str, share: Percent) -> Vec<(String, i64)> {
    let rest = 100 - i64::from(share);
    let others: Vec<_> = others.shares().filter(|(name, _)| *name != revision).collect();
    let whole: i64 = others.iter().map(|(_, percent)| percent).sum();
    let mut shares: Vec<_> = others
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), (percent * rest).checked_div(whole).unwrap_or_default()))
        .collect();
    // What rounding down leaves over goes to the largest of the others, or to the new one if there is none.
    let left = rest - shares.iter().map(|(_, percent)| percent).sum::<i64>();
    let mut own = i64::from(share);
    match shares.first_mut() {
        Some((_, percent)) => *percent += left,
        None => own += left,
    }
    shares.insert(0, (revision.to_owned(), own));
    shares.retain(|(_, percent)| *percent > 0);
    shares
}

fn typed<T: DeserializeOwned>(step: &Step, value: &Value) -> Result<T, Problem> {
    serde_json::from_value(value.clone())
        .map_err(|error| impossible(step, format!("what was seen makes no sense: {error}")))
}

fn json<T: Serialize>(step: &Step, value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| impossible(step, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::traffic::Target;

    fn split(shares: &[(&str, i64)]) -> Split {
        let target = |(revision, percent): &(&str, i64)| Target {
            revision: (*revision).to_owned(),
            percent: *percent,
            tag: None,
        };
        Split { targets: shares.iter().map(target).collect() }
    }

    #[test]
    fn a_shift_always_adds_up_and_takes_from_the_others_in_proportion() {
        let others = split(&[("a", 50), ("b", 30), ("c", 20)]);
        for share in 1..=100 {
            let shares = shifted(&others, "new", Percent::try_from(share).unwrap());
            assert_eq!(shares.iter().map(|(_, percent)| percent).sum::<i64>(), 100, "at {share}");
            assert_eq!(shares[0], ("new".to_owned(), share));
        }
        let at_ten = shifted(&others, "new", Percent::try_from(10).unwrap());
        assert_eq!(at_ten[1..], [("a".to_owned(), 45), ("b".to_owned(), 27), ("c".to_owned(), 18)]);
    }

    #[test]
    fn what_is_moved_is_what_goes_elsewhere() {
        let before = split(&[("a", 50), ("b", 50)]);
        for (after, percent) in [
            (split(&[("a", 50), ("b", 50)]), 0),
            (split(&[("a", 100)]), 50),
            (split(&[("c", 100)]), 100),
            (split(&[("a", 40), ("b", 40), ("c", 20)]), 20),
        ] {
            assert_eq!(moved(&before, &after), percent);
        }
    }

    #[test]
    fn a_shift_of_the_only_revision_is_everything() {
        let shares = shifted(&split(&[("new", 100)]), "new", Percent::try_from(10).unwrap());
        assert_eq!(shares, [("new".to_owned(), 100)]);
    }
}

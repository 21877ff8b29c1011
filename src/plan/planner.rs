//! The planner: what each step would find, and what it would change. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::observe::{Observed, id};
use super::{Basis, FORMAT, Plan, Problem};
use crate::gate::Rule;
use crate::resource::connector::{self, Connector};
use crate::resource::service::{self, Service};
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Kind, ReadError};
use crate::run::{Change, OnFailure, ResourceId, Reversibility, Task, TaskId, covers};
use crate::runbook::model::{Action, Phase, Runbook, Step, Turn};
use crate::runbook::value::{Image, Percent};

/// Works out the plan, or everything that stands in its way.
///
/// `cloud` says in words where calls go; `on_failure`, if given, is what every step does when it fails.
pub fn plan(
    runbook: &Runbook,
    inputs: BTreeMap<String, String>,
    observed: &Observed,
    observed_at: Timestamp,
    cloud: &str,
    on_failure: Option<OnFailure>,
) -> Result<Plan, Vec<Problem>> {
    let mut planner =
        Planner { runbook, observed, believed: BTreeMap::new(), on_failure, tasks: Vec::new(), problems: Vec::new() };
    for phase in &runbook.phases {
        for step in &phase.steps {
            if let Err(problem) = planner.step(phase, step) {
                planner.problems.push(problem);
            }
        }
    }
    if !planner.problems.is_empty() {
        return Err(planner.problems);
    }
    let basis = observed.resources.iter().filter_map(|(id, seen)| {
        let seen = seen.as_ref().ok()?;
        Some((id.clone(), Basis { state: seen.state.clone(), etag: seen.etag.clone() }))
    });
    let phases = runbook.phases.iter().map(|phase| super::Phase {
        name: phase.name.clone(),
        title: phase.title.clone().unwrap_or_else(|| phase.name.clone()),
        budget: phase.budget,
    });
    Ok(Plan {
        format: FORMAT,
        runbook: runbook.about.name.clone(),
        title: runbook.about.title.clone().unwrap_or_else(|| runbook.about.name.clone()),
        project: runbook.target.project.clone(),
        region: runbook.target.region.clone(),
        protected: runbook.target.protected,
        cloud: cloud.to_owned(),
        observed_at,
        inputs,
        phases: phases.collect(),
        tasks: planner.tasks,
        observed: basis.collect(),
    })
}

struct Planner<'a> {
    runbook: &'a Runbook,
    observed: &'a Observed,
    /// What each resource will be once the steps so far are done.
    believed: BTreeMap<ResourceId, Value>,
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
}

impl Part {
    fn of(id: TaskId) -> Part {
        Part { id, change: None, reversibility: Reversibility::Reversible, gate: None, warnings: Vec::new() }
    }

    /// The only task of a step.
    fn of_turn(step: &Step, turn: &Turn) -> Part {
        Part { gate: turn.gate.clone(), ..Part::of(TaskId::of_step(&step.name)) }
    }
}

impl Planner<'_> {
    fn step(&mut self, phase: &Phase, step: &Step) -> Result<(), Problem> {
        let [turn] = step.turns.as_slice() else { return Err(not_yet(step, "`for_each`")) };
        let Turn { action, gate } = turn;
        let parts = match action {
            Action::ConnectorScale { connector, min_instances, max_instances, machine_type } => {
                let wanted = connector::Owned {
                    min_instances: *min_instances,
                    max_instances: *max_instances,
                    machine_type: machine_type.clone(),
                };
                vec![self.scale(step, turn, connector, &wanted)?]
            }
            Action::RunTraffic { service, to } => vec![self.route(step, turn, service, to)?],
            Action::RunDeploy { service, image, shift, hold, candidate: None } => {
                let hold = hold.or(gate.as_ref().map(|gate| gate.hold)).unwrap_or_default();
                self.deploy(step, turn, service, image, shift, hold)?
            }
            Action::Probe => vec![Part::of_turn(step, turn)],
            Action::RunDeploy { .. } => return Err(not_yet(step, "`candidate`")),
            Action::RunScale { .. }
            | Action::SqlPatch { .. }
            | Action::Shell { .. }
            | Action::Manual { .. }
            | Action::Notify { .. }
            | Action::Wait { .. } => return Err(not_yet(step, &format!("the action `{}`", action.uses()))),
        };
        let on_failure = self.on_failure.or(step.on_failure).or(phase.on_failure);
        let on_failure = on_failure.unwrap_or(self.runbook.about.on_failure);
        self.tasks.extend(parts.into_iter().map(|part| Task {
            id: part.id,
            phase: phase.name.clone(),
            uses: action.uses().to_owned(),
            change: part.change,
            reversibility: part.reversibility,
            gate: part.gate,
            on_failure,
            warnings: part.warnings,
        }));
        Ok(())
    }

    fn scale(&mut self, step: &Step, turn: &Turn, name: &str, wanted: &connector::Owned) -> Result<Part, Problem> {
        let id = id::<Connector>(&self.runbook.target, name);
        let now: connector::Owned = self.believe(step, &id)?;
        let added = wanted.max_instances.zip(now.max_instances).map_or(0, |(wanted, now)| wanted.saturating_sub(now));
        if let Some(most) = self.runbook.limits.instances_added.filter(|most| added > i64::from(*most)) {
            return Err(beyond(step, format!("this adds {added} instances to {name}; the limit is {most}")));
        }
        let mut part = Part::of_turn(step, turn);
        self.change::<Connector>(step, id, json(step, wanted)?, &mut part)?;
        Ok(part)
    }

    fn route(&mut self, step: &Step, turn: &Turn, service: &str, to: &[(String, Percent)]) -> Result<Part, Problem> {
        let named = to.iter().filter(|(revision, percent)| revision != LATEST && percent.get() > 0);
        for (revision, _) in named {
            self.must_be_ready(step, service, revision)?;
        }
        let mut part = Part::of_turn(step, turn);
        let shares = to.iter().map(|(revision, percent)| (revision.clone(), i64::from(*percent)));
        self.split(step, service, shares.collect(), &mut part)?;
        if !to.iter().any(|(revision, percent)| revision == LATEST && percent.get() > 0) {
            part.warnings.push(
                "traffic stays pinned to named revisions: a later deploy serves nobody until traffic is moved to it"
                    .to_owned(),
            );
        }
        Ok(part)
    }

    fn deploy(
        &mut self,
        step: &Step,
        turn: &Turn,
        service: &str,
        image: &Image,
        shift: &[Percent],
        hold: std::time::Duration,
    ) -> Result<Vec<Part>, Problem> {
        let id = id::<Service>(&self.runbook.target, service);
        let now: service::Owned = self.believe(step, &id)?;
        let generation = self.believed(step, &id)?.get("generation").and_then(Value::as_i64).unwrap_or_default();
        let current = now.revision.clone().unwrap_or_default();
        // An image whose newest revision never became ready is not deployed: it serves nobody.
        let ready =
            self.believed(step, &id)?.get("latest_ready_revision").and_then(Value::as_str) == Some(current.as_str());
        let already = now.image == image.as_str() && ready;
        let revision = if already { current } else { service::name_revision(service, generation, image.as_str()) };

        let mut parts = Vec::new();
        let before: Split = self.believe(step, &self.traffic(service))?;
        if !shift.is_empty() && before.share(LATEST) > 0 && !already {
            // A split that follows the newest revision would move all at once, before any gate.
            let ready = self
                .believed(step, &id)?
                .get("latest_ready_revision")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let shares = before
                .shares()
                .map(|(name, percent)| (if name == LATEST { ready.clone() } else { name.to_owned() }, percent));
            let mut part = Part::of(TaskId::part(&step.name, "hold-traffic"));
            self.split(step, service, shares.collect(), &mut part)?;
            parts.push(part);
        }

        let task = if shift.is_empty() { TaskId::of_step(&step.name) } else { TaskId::part(&step.name, "revision") };
        let mut part = Part::of(task);
        if shift.is_empty() {
            part.gate.clone_from(&turn.gate);
            if before.share(LATEST) == 0 {
                part.warnings
                    .push("traffic is pinned to named revisions: the new revision will serve nobody".to_owned());
            }
        }
        if !already {
            let to = service::Owned { image: image.as_str().to_owned(), revision: Some(revision.clone()) };
            let from = json!({ "image": now.image });
            self.change_from::<Service>(step, id.clone(), from, json(step, &to)?, &mut part)?;
            self.will_be(
                &id,
                &json!({ "generation": generation.saturating_add(1), "latest_ready_revision": revision }),
            );
        }
        parts.push(part);

        let others: Split = self.believe(step, &self.traffic(service))?;
        for (place, share) in shift.iter().enumerate() {
            let last = place + 1 == shift.len();
            let mut part = Part::of(TaskId::part(&step.name, &format!("shift-{}", share.get())));
            part.gate =
                turn.gate.clone().map(|gate| if last { gate } else { Rule { hold, max_failure_rate: None, ..gate } });
            self.split(step, service, shifted(&others, &revision, *share), &mut part)?;
            if last {
                part.warnings.push("traffic stays pinned to the new revision: a later deploy serves nobody until traffic is moved to it".to_owned());
            }
            parts.push(part);
        }
        Ok(parts)
    }

    fn split(
        &mut self,
        step: &Step,
        service: &str,
        shares: Vec<(String, i64)>,
        part: &mut Part,
    ) -> Result<(), Problem> {
        let id = self.traffic(service);
        let before: Split = self.believe(step, &id)?;
        let to = Split::of(shares, &before);
        let moved = moved(&before, &to);
        if let Some(most) = self.runbook.limits.traffic_shift.filter(|most| moved > i64::from(*most)) {
            return Err(beyond(
                step,
                format!("this moves {moved} % of {service}'s traffic at once; the limit is {most}"),
            ));
        }
        self.change::<Traffic>(step, id, json(step, &to)?, part)
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
        part.reversibility = K::allowed(&before, &after).map_err(|why| Problem {
            step: step.name.clone(),
            why: format!("{}: {why}", id.name),
            help: None,
        })?;
        if let Some(Ok(seen)) = self.observed.resources.get(&id) {
            if let Some(operation) = &seen.operation {
                part.warnings.push(format!("another operation is running on it right now: {operation}"));
            }
            if let Some(trouble) = &seen.trouble {
                part.warnings.push(format!("it is in trouble right now: {trouble}"));
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
        let problem = |why: String| Problem { step: step.name.clone(), why, help: None };
        if !self.believed.contains_key(id) {
            let state = match self.observed.resources.get(id) {
                Some(Ok(seen)) => seen.state.clone(),
                Some(Err(error)) => return Err(problem(error.to_string())),
                None => return Err(problem(format!("{id} was not looked at"))),
            };
            self.believed.insert(id.clone(), state);
        }
        self.believed.get(id).ok_or_else(|| problem(format!("{id} was not looked at")))
    }

    fn must_be_ready(&self, step: &Step, service: &str, revision: &str) -> Result<(), Problem> {
        let problem = |why: String, help: &str| {
            Err(Problem { step: step.name.clone(), why, help: Some(help.to_owned()).filter(|help| !help.is_empty()) })
        };
        let key = (id::<Service>(&self.runbook.target, service), revision.to_owned());
        match self.observed.revisions.get(&key) {
            Some(Ok(Some(false))) => problem(
                format!("revision {revision} of {service} is not ready: it cannot serve traffic"),
                "choose a revision that is ready",
            ),
            Some(Ok(None)) => problem(
                format!("{service} has no revision {revision}"),
                "revisions that serve nobody are deleted in time; choose one that exists",
            ),
            // A revision of a service that does not exist is told once, by the service.
            Some(Ok(Some(true)) | Err(ReadError::NotFound { .. })) | None => Ok(()),
            Some(Err(error)) => problem(error.to_string(), ""),
        }
    }
}

/// Part of the format, and not carried out. `check` says so before anything is looked at, and at its place.
fn not_yet(step: &Step, what: &str) -> Problem {
    let why = format!("{what} is not supported by this version yet");
    Problem { step: step.name.clone(), why, help: Some("take it out; it would not be carried out".to_owned()) }
}

/// What `[limits]` does not allow, seen only now that the cloud was looked at.
fn beyond(step: &Step, why: String) -> Problem {
    let help = "do it in smaller steps, or raise [limits] in a review of its own";
    Problem { step: step.name.clone(), why, help: Some(help.to_owned()) }
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
    serde_json::from_value(value.clone()).map_err(|error| Problem {
        step: step.name.clone(),
        why: format!("what was seen makes no sense: {error}"),
        help: None,
    })
}

fn json<T: Serialize>(step: &Step, value: &T) -> Result<Value, Problem> {
    serde_json::to_value(value).map_err(|error| Problem { step: step.name.clone(), why: error.to_string(), help: None })
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

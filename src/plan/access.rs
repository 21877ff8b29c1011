//! What it takes to be allowed to carry a plan out, and whether the caller is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::action::{Action, CallPermissions, CatalogRequest};
use crate::probe::ProbeSpec;
use crate::resource::{ApiObject, Cloud, KindSpec, Permission, ReadError, has_of};
use crate::run::{ResourceId, Target, Task};
use crate::runbook::model::Runbook;

/// The permissions that a plan needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// What is needed, and for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// What of it the caller does not have; `None`: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A permission, and what needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Such as `run.services.update`.
    pub permission: String,
    /// The project in which it is needed, if that is not the target's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The tasks whose change, or the undoing of it, needs it; none: only looking does.
    pub tasks: Vec<String>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Need { permission, project, .. } = self;
        match project {
            Some(project) => write!(f, "{permission} in {project}"),
            None => f.write_str(permission),
        }
    }
}

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Observe,
    Change,
}

/// What it takes to observe a resource of a kind, or to change it; nothing for what is no resource of Google's.
pub(super) fn permissions(kind: &str, which: Use) -> &'static [Permission] {
    match (KindSpec::find(kind), which) {
        (Some(kind), Use::Observe) => kind.read_permissions,
        (Some(kind), Use::Change) => kind.change.map(|change| change.write_permissions).unwrap_or_default(),
        (None, _) => &[],
    }
}

/// What the call of a step takes, if it is one of which that is known.
pub(super) fn of_call(action: &Action) -> Option<CallPermissions> {
    match action.step().catalog_request()? {
        CatalogRequest::Call(call) => call.permissions,
        CatalogRequest::Set(_) | CatalogRequest::Create(_) | CatalogRequest::Delete(_) => None,
    }
}

/// What the call of a task takes, if it is one of which that is known.
fn call_of(task: &Task, runbook: &Runbook) -> Option<CallPermissions> {
    let step = runbook.steps().find(|step| step.name == task.id.step())?;
    step.iterations.first().and_then(|iteration| of_call(&iteration.action))
}

/// What a task's change and the undoing of it take.
pub(super) fn of_task(task: &Task, runbook: &Runbook) -> &'static [Permission] {
    match (&task.change, call_of(task, runbook)) {
        (Some(_), Some(call)) => call.call,
        (Some(change), None) => permissions(&change.resource.kind, Use::Change),
        (None, _) => &[],
    }
}

/// In which project a probe observes, and what that takes.
pub(super) fn of_probe(spec: &ProbeSpec, target: &Target) -> (String, &'static [Permission]) {
    let id = match spec {
        ProbeSpec::Resource(probe) => probe.id(target).ok(),
        ProbeSpec::Http(_)
        | ProbeSpec::Websocket(_)
        | ProbeSpec::Flow(_)
        | ProbeSpec::Load(_)
        | ProbeSpec::Logs(_)
        | ProbeSpec::Metric(_)
        | ProbeSpec::Tls(_)
        | ProbeSpec::Tcp(_)
        | ProbeSpec::Postgres(_)
        | ProbeSpec::Redis(_) => None,
    };
    (id.map_or_else(|| target.project.clone(), |id| id.project), spec.permissions())
}

/// What the plan needs: to look at everything that it rests on and that its probes observe, to change, and to undo.
pub fn needs(plan: &Plan, runbook: &Runbook) -> Vec<Need> {
    let mut tasks: BTreeMap<(String, Permission), Vec<String>> = BTreeMap::new();
    let mut note = |project: &str, all: &[Permission], task: Option<&Task>| {
        for &permission in all {
            let tasks = tasks.entry((project.to_owned(), permission)).or_default();
            tasks.extend(task.map(|task| task.id.to_string()));
        }
    };
    for id in plan.observed.keys() {
        note(&id.project, permissions(&id.kind, Use::Observe), None);
    }
    for probe in runbook.probes.values() {
        let (project, all) = of_probe(&probe.spec, &runbook.target);
        note(&project, all, None);
    }
    for task in &plan.tasks {
        let Some(change) = &task.change else { continue };
        let observe = call_of(task, runbook).map(|call| call.observe).unwrap_or_default();
        note(&change.resource.project, observe, None);
        note(&change.resource.project, of_task(task, runbook), Some(task));
    }
    let mut needs: Vec<Need> = tasks
        .into_iter()
        .map(|((project, permission), tasks)| {
            let project = Some(project).filter(|project| *project != plan.project);
            Need { permission: permission.to_owned(), project, tasks }
        })
        .collect();
    needs.sort_by(|one, other| (&one.permission, &one.project).cmp(&(&other.permission, &other.project)));
    needs
}

/// Asks whether the caller has what the plan needs.
pub async fn access(plan: &Plan, cloud: &Cloud) -> Access {
    let needs = plan.access.needs.clone();
    let projects: BTreeSet<&str> =
        plan.access.needs.iter().map(|need| need.project.as_deref().unwrap_or(&plan.project)).collect();
    let mut missing = Vec::new();
    for project in projects {
        match missing_in(plan, project, &needs, cloud).await {
            Ok(lacks) => missing.extend(lacks),
            Err(error) => return Access { needs, missing: None, unknown: Some(words(&error)) },
        }
    }
    Access { needs, missing: Some(missing), unknown: None }
}

/// What the caller lacks in a project of what the plan needs there.
async fn missing_in(plan: &Plan, project: &str, needs: &[Need], cloud: &Cloud) -> Result<Vec<String>, ReadError> {
    let there: Vec<&Need> =
        needs.iter().filter(|need| need.project.as_deref().unwrap_or(&plan.project) == project).collect();
    let all: BTreeSet<&str> = there.iter().map(|need| need.permission.as_str()).collect();
    let mut names = BTreeSet::new();
    let of_run =
        |id: &&ResourceId| KindSpec::find(&id.kind).is_some_and(|kind| kind.part_of == ApiObject::CloudRunService);
    let resources = plan.observed.keys().filter(|id| id.project == project);
    let services: Vec<&ResourceId> =
        resources.filter(of_run).filter(|id| names.insert((id.region.as_str(), id.name.as_str()))).collect();
    let had = has_of(cloud, &self::project(plan, project), &services, &all).await?;
    Ok(there.iter().filter(|need| !had.contains(need.permission.as_str())).map(ToString::to_string).collect())
}

fn words(error: &ReadError) -> String {
    match error {
        ReadError::Refused { why, .. } | ReadError::Unavailable { why, .. } | ReadError::Unreachable { why, .. } => {
            why.clone()
        }
        other => other.to_string(),
    }
}

/// The project itself, where an error wants to name a resource.
fn project(plan: &Plan, project: &str) -> ResourceId {
    let (project, region) = (project.to_owned(), plan.region.clone());
    ResourceId { kind: "gcp.project".to_owned(), name: project.clone(), project, region }
}

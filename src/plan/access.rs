//! What it takes to be allowed to carry a plan out, and whether the caller is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::resource::{ApiObject, Cloud, KindSpec, Permission, ReadError, has_of};
use crate::run::ResourceId;

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
    /// The tasks whose change, or the undoing of it, needs it; none: only looking does.
    pub tasks: Vec<String>,
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

/// What the plan needs: to look at everything it rests on, to change, and to undo.
pub fn needs(plan: &Plan) -> Vec<Need> {
    let mut tasks: BTreeMap<Permission, Vec<String>> = BTreeMap::new();
    for id in plan.observed.keys() {
        for &permission in permissions(&id.kind, Use::Observe) {
            tasks.entry(permission).or_default();
        }
    }
    for task in &plan.tasks {
        let Some(change) = &task.change else { continue };
        for &permission in permissions(&change.resource.kind, Use::Change) {
            tasks.entry(permission).or_default().push(task.id.to_string());
        }
    }
    let need = |(permission, tasks): (Permission, Vec<String>)| Need { permission: permission.to_owned(), tasks };
    tasks.into_iter().map(need).collect()
}

/// Asks whether the caller has what the plan needs.
pub async fn access(plan: &Plan, cloud: &Cloud) -> Access {
    let needs = needs(plan);
    let projects: BTreeSet<&str> = plan.observed.keys().map(|id| id.project.as_str()).collect();
    let mut missing = Vec::new();
    for project in projects {
        match missing_in(plan, project, &needs, cloud).await {
            Ok(lacks) if project == plan.project => missing.extend(lacks),
            Ok(lacks) => missing.extend(lacks.into_iter().map(|permission| format!("{permission} in {project}"))),
            Err(error) => return Access { needs, missing: None, unknown: Some(words(&error)) },
        }
    }
    Access { needs, missing: Some(missing), unknown: None }
}

/// What the caller lacks in a project of what the plan needs there.
async fn missing_in(plan: &Plan, project: &str, needs: &[Need], cloud: &Cloud) -> Result<Vec<String>, ReadError> {
    let resources = || plan.observed.keys().filter(|id| id.project == project);
    let kinds: BTreeSet<&str> = resources().map(|id| id.kind.as_str()).collect();
    let all: BTreeSet<Permission> = kinds
        .iter()
        .flat_map(|kind| [permissions(kind, Use::Observe), permissions(kind, Use::Change)].concat())
        .filter(|permission| needs.iter().any(|need| need.permission == *permission))
        .collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = BTreeSet::new();
    let of_run =
        |id: &&ResourceId| KindSpec::find(&id.kind).is_some_and(|kind| kind.part_of == ApiObject::CloudRunService);
    let services: Vec<&ResourceId> =
        resources().filter(of_run).filter(|id| names.insert((id.region.as_str(), id.name.as_str()))).collect();
    let had = has_of(cloud, &self::project(plan, project), &services, &all).await?;
    Ok(all.difference(&had).map(|permission| (*permission).to_owned()).collect())
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

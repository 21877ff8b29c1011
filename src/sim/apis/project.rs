//! What is asked of a project as such: Resource Manager v1 and v3, and Service Usage v1.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Part;
use crate::sim::api::{Answered, Api, Call, Collection, Shared, permission};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::World;
use crate::sim::world::operation::Never;

/// Resource Manager: the same method in both versions that clients use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceManager;

impl Part for ResourceManager {
    type Tables = ();
    type Effect = Never;

    fn read(_: &mut Reader<'_>) {}

    fn build((): (), _: &mut World, _: &DeclaredNames, _: &mut Complaints) {}
}

impl Api for ResourceManager {
    const SERVICE: &'static str = "cloudresourcemanager";
    const TYPES: &'static [(&'static str, &'static str)] = &[("projects", "[cloud]")];
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "projects", permissions: "resourcemanager.projects" }];
    const ENUMS: Table = &[];

    fn routes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/v1/projects/{project}", post(test))
            .route("/v3/projects/{project}", get(project).post(test))
    }
}

/// Service Usage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage;

impl Part for ServiceUsage {
    type Tables = ();
    type Effect = Never;

    fn read(_: &mut Reader<'_>) {}

    fn build((): (), _: &mut World, _: &DeclaredNames, _: &mut Complaints) {}
}

impl Api for ServiceUsage {
    const SERVICE: &'static str = "serviceusage";
    const TYPES: &'static [(&'static str, &'static str)] = &[("services", "[cloud]")];
    const COLLECTIONS: &'static [Collection] = &[];
    const ENUMS: Table = &[(&["state"], &[("DISABLED", 1), ("ENABLED", 2)])];

    fn routes() -> Router<Arc<Shared>> {
        Router::new().route("/v1/projects/{project}/services/{service}", get(usage).post(switch))
    }

    fn permission(_: &Method, path: &str) -> Option<String> {
        let verb = path.rsplit_once(':').map_or("get", |(_, verb)| verb);
        Some(format!("serviceusage.services.{verb}"))
    }
}

/// `GET /v3/projects/P` (source: `google/cloud/resourcemanager/v3/projects.proto`).
async fn project(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(json!({
        "name": format!("projects/{}", world.project_number),
        "projectId": world.project,
        "state": "ACTIVE",
        "displayName": world.project,
    })))
}

/// `POST …/projects/P:testIamPermissions`.
async fn test(call: Call) -> Answered {
    let Some(project) = call.named("project").strip_suffix(":testIamPermissions") else {
        return Err(call.nothing_here().into());
    };
    call.world().check_project(project)?;
    permission::test(call)
}

/// `POST …/services/NAME:enable` and `:disable`. The operation is done at once, under the name that it has for what was so already
/// (source: k8s-config-connector, recorded); that it is always done is ours.
async fn switch(call: Call) -> Answered {
    let whole = call.named("service").to_owned();
    let nothing_here = call.nothing_here();
    let answer = call.change(&[], |world, _, _| {
        let (service, response) = match whole.split_once(':') {
            Some((service, "enable")) => {
                world.disabled_apis.remove(service);
                (service, "EnableServiceResponse")
            }
            Some((service, "disable")) => {
                world.disabled_apis.insert(service.to_owned());
                (service, "DisableServiceResponse")
            }
            Some(_) | None => return Err(nothing_here),
        };
        let kind = format!("type.googleapis.com/google.api.serviceusage.v1.{response}");
        Ok(json!({
            "name": "operations/noop.DONE_OPERATION",
            "done": true,
            "response": { "@type": kind, "service": shown(world, service) },
        }))
    })?;
    Ok(Json(answer))
}

/// `GET …/services/NAME`: whether an API is enabled.
async fn usage(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(shown(&world, call.named("service"))))
}

fn shown(world: &World, service: &str) -> Value {
    let state = if world.disabled_apis.contains(service) { "DISABLED" } else { "ENABLED" };
    json!({
        "name": format!("projects/{}/services/{service}", world.project_number),
        "parent": format!("projects/{}", world.project_number),
        "config": { "name": service },
        "state": state,
    })
}

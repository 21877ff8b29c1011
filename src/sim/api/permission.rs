//! Which permission a request needs, told from its method and path, and `testIamPermissions`.
//!
//! Source: the facts' table of permissions, which is that of Google's own references
//! (<https://docs.cloud.google.com/iam/docs/permissions-reference>). A request of another shape needs none here.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answered, Caller, Parameters, Shared, object};
use crate::sim::world::refusal::{Code, Refusal};

/// A collection of resources, and the permissions of its methods.
struct Collection {
    /// The segment of a path that names it.
    segment: &'static str,
    /// What permissions on it begin with.
    service: &'static str,
}

/// In the order in which they are looked for: what stands deeper in a path stands first.
const COLLECTIONS: [Collection; 12] = [
    Collection { segment: "revisions", service: "run.revisions" },
    Collection { segment: "configurations", service: "run.configurations" },
    Collection { segment: "routes", service: "run.routes" },
    Collection { segment: "connectors", service: "vpcaccess.connectors" },
    Collection { segment: "backendServices", service: "compute.backendServices" },
    Collection { segment: "sslCertificates", service: "compute.sslCertificates" },
    Collection { segment: "instances", service: "cloudsql.instances" },
    Collection { segment: "timeSeries", service: "monitoring.timeSeries" },
    Collection { segment: "metricDescriptors", service: "monitoring.metricDescriptors" },
    Collection { segment: "events", service: "servicehealth.events" },
    Collection { segment: "cases", service: "cloudsupport.techCases" },
    Collection { segment: "services", service: "run.services" },
];

/// The permission that a request needs, if it is known to need one.
pub(super) fn needed(method: &Method, path: &str) -> Option<String> {
    if path.ends_with(":testIamPermissions") || path.starts_with("/_sim/") {
        return None;
    }
    if path.ends_with("/entries:list") {
        return Some("logging.logEntries.list".to_owned());
    }
    if path.contains("/prometheus/api/v1/") {
        return Some("monitoring.timeSeries.list".to_owned());
    }
    let segments: Vec<&str> = path.split('/').collect();
    // Service Usage calls what it lists services too.
    if segments.get(1) == Some(&"v1") && segments.get(4) == Some(&"services") && segments.len() == 6 {
        return Some("serviceusage.services.get".to_owned());
    }
    if segments.len() == 4 && segments.get(1..3) == Some(&["v3", "projects"]) {
        return Some("resourcemanager.projects.get".to_owned());
    }
    let (segments, custom) = match path.rsplit_once(':') {
        Some((before, custom)) if !custom.contains('/') => (before.split('/').collect(), Some(custom)),
        _ => (segments, None),
    };
    let found = COLLECTIONS.iter().find_map(|collection| {
        let at = segments.iter().position(|segment| *segment == collection.segment)?;
        Some((collection, segments.len() > at + 1))
    });
    let (collection, one) = found?;
    let verb = match (method.as_str(), one) {
        ("POST", true) if custom == Some("escalate") => "escalate",
        ("POST", true) if collection.segment == "instances" => sql_verb(segments.last().copied().unwrap_or_default()),
        ("POST", true) if custom == Some("close") => "update",
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", _) => "create",
        ("PATCH" | "PUT", _) => "update",
        ("DELETE", _) => "delete",
        _ => return None,
    };
    Some(format!("{}.{verb}", collection.service))
}

/// The last part of the permission of a method of one Cloud SQL instance.
fn sql_verb(method: &str) -> &str {
    match method {
        "restart" | "failover" | "clone" | "promoteReplica" => method,
        _ => "update",
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        // Resource Manager: the same method in both versions that clients use.
        .route("/v1/projects/{project}", post(of_project))
        .route("/v3/projects/{project}", get(project).post(of_project))
        // Service Usage.
        .route("/v1/projects/{project}/services/{service}", get(usage))
}

/// `GET /v3/projects/P` (source: `google/cloud/resourcemanager/v3/projects.proto`).
async fn project(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    Ok(Json(json!({
        "name": format!("projects/{}", world.project_number),
        "projectId": world.project,
        "state": "ACTIVE",
        "displayName": world.project,
    })))
}

/// `POST …/projects/P:testIamPermissions`.
async fn of_project(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let Some(project) = project.strip_suffix(":testIamPermissions") else {
        return Err(Refusal::new(Code::NotFound, format!("There is nothing to post to at {}", uri.path())).into());
    };
    shared.world().check_project(project)?;
    test(&shared, &caller, body)
}

/// Says which of the permissions in the body the caller has (`google/iam/v1/iam_policy.proto`).
pub(super) fn test(shared: &Shared, caller: &Caller, body: Result<Bytes, BytesRejection>) -> Answered {
    let body = object(body)?;
    let asked = match body.get("permissions") {
        Some(Value::Array(asked)) => asked.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
        Some(_) => {
            return Err(Refusal::invalid("permissions", "Invalid value at 'permissions': it must be a list").into());
        }
    };
    let world = shared.world();
    let had: Vec<&str> = asked.into_iter().filter(|permission| world.may(&caller.0, permission)).collect();
    // An empty list is not there at all in Google's JSON.
    Ok(Json(if had.is_empty() { json!({}) } else { json!({ "permissions": had }) }))
}

/// `GET …/services/NAME`: whether an API is enabled.
async fn usage(
    State(shared): State<Arc<Shared>>,
    Path((project, service)): Path<(String, String)>,
    uri: Uri,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    let state = if world.disabled_apis.contains(&service) { "DISABLED" } else { "ENABLED" };
    Ok(Json(json!({
        "name": format!("projects/{}/services/{service}", world.project_number),
        "parent": format!("projects/{}", world.project_number),
        "config": { "name": service },
        "state": state,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_told_from_method_and_path() {
        for (method, path, permission) in [
            (Method::GET, "/v1/projects/p/locations/l/connectors/c", Some("vpcaccess.connectors.get")),
            (Method::PATCH, "/v1/projects/p/locations/l/connectors/c", Some("vpcaccess.connectors.update")),
            (Method::GET, "/v2/projects/p/locations/l/services", Some("run.services.list")),
            (Method::GET, "/v2/projects/p/locations/l/services/s/revisions/r", Some("run.revisions.get")),
            (Method::PUT, "/apis/serving.knative.dev/v1/namespaces/p/services/s", Some("run.services.update")),
            (Method::GET, "/v3/projects/p", Some("resourcemanager.projects.get")),
            (Method::POST, "/v2/entries:list", Some("logging.logEntries.list")),
            (Method::GET, "/v1/projects/p/services/run.googleapis.com", Some("serviceusage.services.get")),
            (Method::POST, "/v2/projects/p/locations/l/services/s:testIamPermissions", None),
            (Method::GET, "/sql/v1beta4/projects/p/instances/i", Some("cloudsql.instances.get")),
            (Method::GET, "/v2/projects/p/cases:search", Some("cloudsupport.techCases.list")),
            (Method::POST, "/v2/projects/p/cases", Some("cloudsupport.techCases.create")),
            (Method::POST, "/v2/projects/p/cases/1:escalate", Some("cloudsupport.techCases.escalate")),
            (Method::POST, "/v2/projects/p/cases/1:close", Some("cloudsupport.techCases.update")),
        ] {
            assert_eq!(needed(&method, path).as_deref(), permission, "{method} {path}");
        }
    }
}

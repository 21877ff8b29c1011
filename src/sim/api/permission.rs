//! Which permission a request needs, told from its method and path, and `testIamPermissions`.
//!
//! Source: the facts' table of permissions, which is that of Google's own references
//! (<https://docs.cloud.google.com/iam/docs/permissions-reference>). A request of another shape needs none here.

use axum::Json;
use axum::http::Method;
use serde_json::{Value, json};

use super::{Answered, Call};
use crate::sim::world::refusal::Refusal;

/// A collection of resources.
pub(in crate::sim) struct Collection {
    /// The segment of a path that names it.
    pub(in crate::sim) segment: &'static str,
    /// What permissions on it begin with.
    pub(in crate::sim) permissions: &'static str,
}

/// The permission of a request for one of these collections, or for something in it.
pub(in crate::sim) fn by_collection(collections: &[Collection], method: &Method, path: &str) -> Option<String> {
    if path.ends_with(":testIamPermissions") {
        return None;
    }
    let (segments, custom): (Vec<&str>, _) = match path.rsplit_once(':') {
        Some((before, custom)) if !custom.contains('/') => (before.split('/').collect(), Some(custom)),
        _ => (path.split('/').collect(), None),
    };
    let found = collections.iter().find_map(|collection| {
        let at = segments.iter().position(|segment| *segment == collection.segment)?;
        Some((collection, segments.len() - at - 1))
    });
    let (collection, deep) = found?;
    // A method of one resource is behind a colon, or, in the older APIs, the next segment.
    let custom = custom.or_else(|| segments.last().copied().filter(|_| deep == 2));
    let verb = match (method.as_str(), deep > 0) {
        ("POST", true) => match custom {
            Some(custom @ ("escalate" | "restart" | "failover" | "clone" | "promoteReplica")) => custom,
            Some("close" | "addSignedUrlKey" | "deleteSignedUrlKey") => "update",
            _ => "create",
        },
        ("GET" | "HEAD", true) => "get",
        ("GET" | "HEAD", false) => "list",
        ("POST", false) => "create",
        ("PATCH" | "PUT", _) => "update",
        ("DELETE", _) => "delete",
        _ => return None,
    };
    Some(format!("{}.{verb}", collection.permissions))
}

/// Says which of the permissions in the body the caller has (`google/iam/v1/iam_policy.proto`). Whether there is such a place is
/// checked already.
pub(in crate::sim) fn test(mut call: Call) -> Answered {
    let body = call.body()?;
    let asked = match body.get("permissions") {
        Some(Value::Array(asked)) => asked.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
        Some(_) => {
            return Err(Refusal::invalid("permissions", "Invalid value at 'permissions': it must be a list").into());
        }
    };
    let (world, _) = call.read_anywhere(&[])?;
    let had: Vec<&str> = asked.into_iter().filter(|permission| world.may(call.caller(), permission)).collect();
    // An empty list is not there at all in Google's JSON.
    Ok(Json(if had.is_empty() { json!({}) } else { json!({ "permissions": had }) }))
}

#[cfg(test)]
mod tests {
    use super::super::Api;
    use super::*;
    use crate::sim::apis::cloud_run::CloudRun;
    use crate::sim::apis::cloud_sql::CloudSql;
    use crate::sim::apis::compute::Compute;
    use crate::sim::apis::logging::Logging;
    use crate::sim::apis::project::{ResourceManager, ServiceUsage};
    use crate::sim::apis::support::Support;
    use crate::sim::apis::vpc_access::VpcAccess;

    fn needed<A: Api>(method: &Method, path: &str) -> Option<String> {
        A::permission(method, path)
    }

    #[test]
    fn a_permission_is_told_from_method_and_path() {
        let (get, post) = (&Method::GET, &Method::POST);
        for (found, permission) in [
            (needed::<VpcAccess>(get, "/v1/projects/p/locations/l/connectors/c"), Some("vpcaccess.connectors.get")),
            (
                needed::<VpcAccess>(&Method::PATCH, "/v1/projects/p/locations/l/connectors/c"),
                Some("vpcaccess.connectors.update"),
            ),
            (needed::<CloudRun>(get, "/v2/projects/p/locations/l/services"), Some("run.services.list")),
            (needed::<CloudRun>(get, "/v2/projects/p/locations/l/services/s/revisions"), Some("run.revisions.list")),
            (needed::<CloudRun>(get, "/v2/projects/p/locations/l/services/s/revisions/r"), Some("run.revisions.get")),
            (needed::<CloudRun>(post, "/v2/projects/p/locations/l/services/s:testIamPermissions"), None),
            (
                needed::<CloudRun>(&Method::PUT, "/apis/serving.knative.dev/v1/namespaces/p/services/s"),
                Some("run.services.update"),
            ),
            (needed::<ResourceManager>(get, "/v3/projects/p"), Some("resourcemanager.projects.get")),
            (needed::<ResourceManager>(post, "/v3/projects/p:testIamPermissions"), None),
            (needed::<Logging>(post, "/v2/entries:list"), Some("logging.logEntries.list")),
            (
                needed::<ServiceUsage>(get, "/v1/projects/p/services/run.googleapis.com"),
                Some("serviceusage.services.get"),
            ),
            (needed::<CloudSql>(get, "/sql/v1beta4/projects/p/instances/i"), Some("cloudsql.instances.get")),
            (needed::<CloudSql>(post, "/sql/v1beta4/projects/p/instances"), Some("cloudsql.instances.create")),
            (
                needed::<CloudSql>(post, "/sql/v1beta4/projects/p/instances/i/restart"),
                Some("cloudsql.instances.restart"),
            ),
            (
                needed::<Compute>(post, "/compute/v1/projects/p/global/backendServices/b/addSignedUrlKey"),
                Some("compute.backendServices.update"),
            ),
            (needed::<Support>(get, "/v2/projects/p/cases:search"), Some("cloudsupport.techCases.list")),
            (needed::<Support>(post, "/v2/projects/p/cases"), Some("cloudsupport.techCases.create")),
            (needed::<Support>(post, "/v2/projects/p/cases/1:escalate"), Some("cloudsupport.techCases.escalate")),
            (needed::<Support>(post, "/v2/projects/p/cases/1:close"), Some("cloudsupport.techCases.update")),
        ] {
            assert_eq!(found.as_deref(), permission);
        }
    }
}

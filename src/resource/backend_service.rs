//! A backend service of the global load balancer. Only looked at.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::error::ReadError;
use super::permission::Permission;
use super::spec::{ApiObject, Metrics, Product, SHORT_NAME};
use super::{Observable, Seen, typed};
use crate::gate::{FactType, Facts};
use crate::run::{NameShape, ResourceId};

/// What a backend service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// Such as `HTTPS`.
    pub protocol: String,
    /// How many groups stand behind it.
    pub backends: usize,
    /// Whether they are serverless, so that no time-out and no health check can be set (facts, section 6).
    pub serverless: bool,
    /// The time-out in seconds; without meaning for serverless backends.
    pub timeout_seconds: i64,
}

/// As the API has it (source: `backendServices.get` of Compute Engine v1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Wire {
    protocol: String,
    backends: Vec<Backend>,
    timeout_sec: i64,
    fingerprint: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Backend {
    group: String,
}

/// `gcp.backend-service`.
pub(super) struct BackendService {
    cloud: Arc<Cloud>,
}

impl BackendService {
    /// The backend services of this cloud.
    pub(super) fn on(cloud: &Arc<Cloud>) -> BackendService {
        BackendService { cloud: Arc::clone(cloud) }
    }
}

impl Observable for BackendService {
    type State = State;

    const NAME: &'static str = "gcp.backend-service";
    const FACTS: Facts = &[
        ("protocol", FactType::Text),
        ("backends", FactType::Int),
        ("serverless", FactType::Bool),
        ("timeout_seconds", FactType::Int),
    ];
    const NAME_SHAPE: NameShape = SHORT_NAME;
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["compute.backendServices.get"];
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let found = self.cloud.compute(&id.project, "backendServices", &id.name).await;
        let found = found.map_err(|error| ReadError::of(id, &error))?;
        let Wire { protocol, backends, timeout_sec, fingerprint } =
            typed(&found).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?;
        let serverless = are_serverless(&backends);
        let state = State { protocol, backends: backends.len(), serverless, timeout_seconds: timeout_sec };
        Ok(Seen { state, etag: fingerprint, operation: None, trouble: None })
    }
}

/// Whether all backends are serverless network endpoint groups. Those belong to a region; the groups of a zone are of machines or
/// of GKE's pods, and take time-outs and health checks.
fn are_serverless(backends: &[Backend]) -> bool {
    let of_a_region = |group: &str| group.contains("/regions/") && group.contains("/networkEndpointGroups/");
    !backends.is_empty() && backends.iter().all(|backend| of_a_region(&backend.group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_zone_are_not_serverless() {
        let backends = |groups: &[&str]| {
            let each = groups
                .iter()
                .map(|group| Backend { group: format!("https://www.googleapis.com/compute/v1/projects/p/{group}") });
            each.collect::<Vec<_>>()
        };
        assert!(are_serverless(&backends(&["regions/r/networkEndpointGroups/shop-neg"])));
        assert!(!are_serverless(&backends(&["zones/r-a/networkEndpointGroups/k8s1-shop"])), "GKE's");
        assert!(!are_serverless(&backends(&["regions/r/networkEndpointGroups/a", "zones/r-a/instanceGroups/b"])));
        assert!(!are_serverless(&[]));
    }
}

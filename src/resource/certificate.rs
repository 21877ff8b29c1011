//! A certificate of the global load balancer. Only looked at.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::error::ReadError;
use super::permission::Permission;
use super::spec::{ApiObject, Metrics, Product, SHORT_NAME};
use super::{Observable, Seen, typed};
use crate::gate::{FactType, Facts};
use crate::run::{NameShape, ResourceId};

/// What a certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// Of a managed one: `ACTIVE`, `PROVISIONING`, …; a self-managed one is `SELF_MANAGED` (facts, section 6).
    pub status: String,
    /// The names it is for, with commas between.
    pub domains: String,
    /// Until when it is good; empty if it has not been issued.
    pub expires: String,
}

/// As the API has it (source: `sslCertificates.get` of Compute Engine v1).
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    subject_alternative_names: Vec<String>,
    expire_time: String,
    managed: Option<Managed>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Managed {
    status: String,
    domains: Vec<String>,
}

/// `gcp.certificate`.
pub(super) struct Certificate {
    cloud: Arc<Cloud>,
}

impl Certificate {
    /// The certificates of this cloud.
    pub(super) fn on(cloud: &Arc<Cloud>) -> Certificate {
        Certificate { cloud: Arc::clone(cloud) }
    }
}

impl Observable for Certificate {
    type State = State;

    const NAME: &'static str = "gcp.certificate";
    const FACTS: Facts = &[("status", FactType::Text), ("domains", FactType::Text), ("expires", FactType::Text)];
    const NAME_SHAPE: NameShape = SHORT_NAME;
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["compute.sslCertificates.get"];
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let found = self.cloud.compute(&id.project, "sslCertificates", &id.name).await;
        let found = found.map_err(|error| ReadError::of(id, &error))?;
        let Wire { subject_alternative_names, expire_time, managed } =
            typed(&found).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?;
        let (status, domains) = match managed {
            Some(managed) => (managed.status, managed.domains),
            None => ("SELF_MANAGED".to_owned(), subject_alternative_names),
        };
        let failed = status.contains("FAILED");
        let trouble = failed.then(|| format!("its status is {status}"));
        let state = State { status, domains: domains.join(","), expires: expire_time };
        Ok(Seen { state, etag: None, operation: None, trouble })
    }
}

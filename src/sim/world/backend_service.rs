//! Backend services of the load balancer (`compute#backendService`).
//!
//! Known of Google, and held here: one whose backends are serverless network endpoint groups takes no time-out and no
//! health check, in these words (terraform-google-lb-http issues 358 and 149); a change must bring the fingerprint that
//! was read (the comment of that field: "412 conditionNotMet"; ansible's google.cloud issue 342 for one that is missing).
//! That 30 s, the default that such a service shows all the same, is no time-out that somebody set, is ours: gcloud sends
//! the whole object back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::World;
use super::refusal::{Code, Refusal};

/// What `timeoutSec` is if nobody says otherwise (the field's comment).
const DEFAULT_TIMEOUT: i64 = 30;

/// A backend service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendService {
    /// When it was created.
    pub created: Timestamp,
    /// What a caller may set, in the API's words.
    pub settings: Map<String, Value>,
}

/// Fields that the server sets.
const OUTPUT_ONLY: [&str; 8] =
    ["kind", "id", "creationTimestamp", "name", "selfLink", "region", "fingerprint", "usedBy"];

/// Fields that a caller may set (the message `BackendService` of Compute v1).
const SETTABLE: [&str; 40] = [
    "affinityCookieTtlSec",
    "backends",
    "cdnPolicy",
    "circuitBreakers",
    "compressionMode",
    "connectionDraining",
    "connectionTrackingPolicy",
    "consistentHash",
    "customMetrics",
    "customRequestHeaders",
    "customResponseHeaders",
    "description",
    "edgeSecurityPolicy",
    "enableCDN",
    "externalManagedMigrationState",
    "externalManagedMigrationTestingPercentage",
    "failoverPolicy",
    "haPolicy",
    "healthChecks",
    "iap",
    "ipAddressSelectionPolicy",
    "loadBalancingScheme",
    "localityLbPolicies",
    "localityLbPolicy",
    "logConfig",
    "maxStreamDuration",
    "metadatas",
    "network",
    "outlierDetection",
    "port",
    "portName",
    "protocol",
    "securityPolicy",
    "securitySettings",
    "serviceBindings",
    "serviceLbPolicy",
    "sessionAffinity",
    "strongSessionAffinityCookie",
    "subsetting",
    "timeoutSec",
];

impl BackendService {
    /// The backend service as the API shows it.
    pub fn wire(&self, world: &World, name: &str) -> Value {
        let mut wire = self.settings.clone();
        wire.entry("timeoutSec").or_insert_with(|| DEFAULT_TIMEOUT.into());
        let mut wire = Value::Object(wire);
        wire["kind"] = json!("compute#backendService");
        wire["id"] = json!(world.compute_id(&format!("backendServices/{name}")));
        wire["creationTimestamp"] = json!(self.created.to_string());
        wire["name"] = json!(name);
        wire["selfLink"] = json!(world.compute_link("backendServices", name));
        wire["fingerprint"] = json!(self.fingerprint());
        wire
    }

    /// Changes with the settings. Twelve hexadecimal digits are valid base64, which the field must be.
    fn fingerprint(&self) -> String {
        super::digest(&json!(self.settings).to_string(), 12)
    }

    /// What a PATCH makes of it: objects are merged, `null` removes, anything else replaces.
    fn changed(&self, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut changed = self.clone();
        let mut asked = body.clone();
        asked.retain(|key, _| !OUTPUT_ONLY.contains(&key.as_str()));
        super::merge(&mut changed.settings, asked);
        changed.check()?;
        Ok(changed)
    }

    /// Refuses what could not be.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(unknown) = self.settings.keys().find(|key| !SETTABLE.contains(&key.as_str())) {
            return Err(super::unknown_field(unknown, "resource"));
        }
        let timeout = super::int32(&self.settings, "timeoutSec")?;
        let set = self.settings.contains_key("timeoutSec");
        if self.is_serverless() {
            if set && timeout != DEFAULT_TIMEOUT {
                let message = format!(
                    "Invalid value for field 'resource.timeoutSec': '{timeout}'. Timeout sec is not supported for a backend service with Serverless network endpoint groups."
                );
                return Err(Refusal::invalid("resource.timeoutSec", message));
            }
            let checks = self.settings.get("healthChecks").and_then(Value::as_array);
            if checks.is_some_and(|checks| !checks.is_empty()) {
                let message = "Invalid value for field 'resource.healthChecks': ''. A backend service cannot have a healthcheck with Serverless network endpoint group backends.";
                return Err(Refusal::invalid("resource.healthChecks", message));
            }
        }
        if set && timeout < 1 {
            // The range is the field's; the words are ours.
            let message = format!(
                "Invalid value for field 'resource.timeoutSec': '{timeout}'. Must be greater than or equal to 1"
            );
            return Err(Refusal::invalid("resource.timeoutSec", message));
        }
        Ok(())
    }

    /// Whether its backends are network endpoint groups of a region, which here are always serverless ones.
    /// Whether a Cloud Run service stands behind it.
    pub fn leads_to(&self, service: &str) -> bool {
        let ending = format!("/networkEndpointGroups/{service}-neg");
        let backends = self.settings.get("backends").and_then(Value::as_array).into_iter().flatten();
        backends.filter_map(|backend| backend.get("group")?.as_str()).any(|group| group.ends_with(&ending))
    }

    fn is_serverless(&self) -> bool {
        let backends = self.settings.get("backends").and_then(Value::as_array).into_iter().flatten();
        let group = |backend: &Value| backend.get("group").and_then(Value::as_str).map(str::to_owned);
        backends.filter_map(group).any(|group| group.contains("/regions/") && group.contains("/networkEndpointGroups/"))
    }
}

impl World {
    /// `PATCH …/backendServices/B`: what it becomes, or why it cannot.
    pub(super) fn changed_backend_service(
        &self,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<BackendService, Refusal> {
        let found = self.backend_service(name)?;
        match super::text(body, "fingerprint")? {
            None => {
                let message = "Required field 'resource.fingerprint' not specified";
                return Err(Refusal::invalid("resource.fingerprint", message));
            }
            Some(fingerprint) if fingerprint != found.fingerprint() => {
                return Err(Refusal::new(Code::FailedPrecondition, "Invalid fingerprint."));
            }
            Some(_) => {}
        }
        found.changed(body)
    }

    /// The backend service of this name.
    pub fn backend_service(&self, name: &str) -> Result<&BackendService, Refusal> {
        self.compute.backend_services.get(name).ok_or_else(|| self.no_such_resource("backendServices", name))
    }
}

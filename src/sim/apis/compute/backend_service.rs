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

use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{self, World, digest};

/// What `timeoutSec` is if nobody says otherwise (the field's comment).
const DEFAULT_TIMEOUT: i64 = 30;

/// A backend service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendService {
    /// When it was created.
    pub created: Timestamp,
    /// What a caller may set, in the API's words.
    pub settings: Map<String, Value>,
    /// What refers to it, such as `urlMaps/shop`: it cannot be deleted then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}

/// A change of the keys that sign URLs; the keys themselves are kept nowhere.
#[derive(Clone, Copy, Debug)]
pub enum KeyChange<'k> {
    /// A key of this name is added.
    Add(&'k str),
    /// The key of this name is deleted.
    Delete(&'k str),
}

impl KeyChange<'_> {
    /// What the operation calls it (recorded).
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Add(_) => "compute.backendServices.addSignedUrlKey",
            Self::Delete(_) => "compute.backendServices.deleteSignedUrlKey",
        }
    }
}

/// What a new one is if nobody says otherwise (recorded).
const DEFAULTS: [(&str, &str); 5] = [
    ("description", ""),
    ("loadBalancingScheme", "EXTERNAL"),
    ("portName", "http"),
    ("protocol", "HTTP"),
    ("sessionAffinity", "NONE"),
];

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
        wire.entry("description").or_insert_with(|| "".into());
        if self.shows_cdn() {
            wire.entry("enableCDN").or_insert_with(|| false.into());
        }
        let proxy = wire.shift_remove("iap").unwrap_or_default();
        let mut wire = Value::Object(wire);
        wire["iap"] = shown_proxy(&proxy);
        if !self.used_by.is_empty() {
            let link = |by: &String| json!({ "reference": world.compute_link_to(by) });
            wire["usedBy"] = self.used_by.iter().map(link).collect();
        }
        wire["kind"] = json!("compute#backendService");
        wire["id"] = json!(world.compute_id(&format!("backendServices/{name}")));
        wire["creationTimestamp"] = json!(self.created.to_string());
        wire["name"] = json!(name);
        wire["selfLink"] = json!(world.compute_link("backendServices", name));
        wire["fingerprint"] = json!(self.fingerprint());
        wire
    }

    /// The same with one key more or less.
    pub(super) fn with_keys_changed(&self, change: KeyChange<'_>) -> Self {
        let mut changed = self.clone();
        let policy =
            changed.settings.entry("cdnPolicy").or_insert_with(|| json!({ "signedUrlCacheMaxAgeSec": "3600" }));
        let keys = policy.get("signedUrlKeyNames").and_then(Value::as_array).cloned().unwrap_or_default();
        let keys: Vec<Value> = match change {
            KeyChange::Add(name) => keys.into_iter().chain([json!(name)]).collect(),
            KeyChange::Delete(name) => keys.into_iter().filter(|key| key != name).collect(),
        };
        if let Some(policy) = policy.as_object_mut() {
            if keys.is_empty() {
                policy.shift_remove("signedUrlKeyNames");
            } else {
                policy.insert("signedUrlKeyNames".to_owned(), json!(keys));
            }
        }
        changed
    }

    /// Changes with the settings. Twelve hexadecimal digits are valid base64, which the field must be.
    fn fingerprint(&self) -> String {
        digest(&json!(self.settings).to_string(), 12)
    }

    /// What a PATCH makes of it: objects are merged, `null` removes, anything else replaces.
    fn changed(&self, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut changed = self.clone();
        let mut asked = body.clone();
        asked.retain(|key, _| !OUTPUT_ONLY.contains(&key.as_str()));
        world::merge(&mut changed.settings, asked);
        changed.check()?;
        Ok(changed)
    }

    /// Refuses what could not be.
    pub fn check(&self) -> Result<(), Refusal> {
        if let Some(unknown) = self.settings.keys().find(|key| !SETTABLE.contains(&key.as_str())) {
            return Err(world::unknown_field(unknown, "resource"));
        }
        let timeout = world::int32(&self.settings, "timeoutSec")?;
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

    /// Whether a Cloud Run service stands behind it.
    pub fn leads_to(&self, service: &str) -> bool {
        let ending = format!("/networkEndpointGroups/{service}-neg");
        let backends = self.settings.get("backends").and_then(Value::as_array).into_iter().flatten();
        backends.filter_map(|backend| backend.get("group")?.as_str()).any(|group| group.ends_with(&ending))
    }

    /// Whether `enableCDN` is shown although nobody set it. Recorded in 2025: of `EXTERNAL_MANAGED`, and of `EXTERNAL` with a
    /// health check of the old kind, it is; of `INTERNAL_MANAGED`, and of `EXTERNAL` with another or none, it is not.
    fn shows_cdn(&self) -> bool {
        let scheme = self.settings.get("loadBalancingScheme").and_then(Value::as_str).unwrap_or_default();
        let mut checks = self.settings.get("healthChecks").and_then(Value::as_array).into_iter().flatten();
        let is_old = |check: &Value| check.as_str().is_some_and(|check| check.contains("/httpHealthChecks/"));
        scheme == "EXTERNAL_MANAGED" || scheme == "EXTERNAL" && checks.any(is_old)
    }

    /// Whether its backends are network endpoint groups of a region, which here are always serverless ones; those of a zone (GKE's)
    /// never are.
    fn is_serverless(&self) -> bool {
        let backends = self.settings.get("backends").and_then(Value::as_array).into_iter().flatten();
        let group = |backend: &Value| backend.get("group").and_then(Value::as_str).map(str::to_owned);
        backends.filter_map(group).any(|group| group.contains("/regions/") && group.contains("/networkEndpointGroups/"))
    }
}

/// Who may come in through Identity-Aware Proxy. Recorded: it is shown always, and with a digest in the place of the secret.
fn shown_proxy(asked: &Value) -> Value {
    let text = |field: &str| asked.get(field).and_then(Value::as_str).unwrap_or_default();
    let digest = asked.get("oauth2ClientSecretSha256").and_then(Value::as_str).map(str::to_owned);
    json!({
        "enabled": asked.get("enabled").and_then(Value::as_bool).unwrap_or_default(),
        "oauth2ClientId": text("oauth2ClientId"),
        "oauth2ClientSecretSha256": digest.unwrap_or_else(|| world::digest(text("oauth2ClientSecret"), 64)),
    })
}

impl World {
    /// `POST …/backendServices`: what the new one is, or why there can be none.
    pub(super) fn new_backend_service(&self, body: &Map<String, Value>) -> Result<(String, BackendService), Refusal> {
        let name = self
            .new_compute_name(body, "backendServices", |name| self.parts.compute.backend_services.contains_key(name))?;
        let mut settings = body.clone();
        settings.retain(|key, _| !OUTPUT_ONLY.contains(&key.as_str()));
        for (field, value) in DEFAULTS {
            settings.entry(field).or_insert_with(|| value.into());
        }
        settings.entry("affinityCookieTtlSec").or_insert_with(|| 0.into());
        settings.entry("port").or_insert_with(|| 80.into());
        // A secret is kept nowhere.
        let proxy = shown_proxy(settings.get("iap").unwrap_or(&Value::Null));
        settings.insert("iap".into(), proxy);
        let made = BackendService { created: self.now, settings, used_by: Vec::new() };
        made.check()?;
        Ok((name, made))
    }

    /// The name of a new global resource, or why it cannot have it.
    pub(super) fn new_compute_name(
        &self,
        body: &Map<String, Value>,
        collection: &str,
        is_taken: impl Fn(&str) -> bool,
    ) -> Result<String, Refusal> {
        let name = world::text(body, "name")?.unwrap_or_default();
        if name.len() > 63 || !world::is_label(name) {
            let message = format!(
                "Invalid value for field 'resource.name': '{name}'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{{0,61}}[a-z0-9])?)'"
            );
            return Err(Refusal::invalid("resource.name", message));
        }
        if is_taken(name) {
            let message = format!("The resource 'projects/{}/global/{collection}/{name}' already exists", self.project);
            return Err(Refusal::new(Code::AlreadyExists, message));
        }
        Ok(name.to_owned())
    }

    /// `PATCH …/backendServices/B`: what it becomes, or why it cannot.
    pub(super) fn changed_backend_service(
        &self,
        name: &str,
        body: &Map<String, Value>,
    ) -> Result<BackendService, Refusal> {
        let found = self.backend_service(name)?;
        match world::text(body, "fingerprint")? {
            None => {
                let message = "Required field 'resource.fingerprint' not specified";
                return Err(Refusal::invalid("resource.fingerprint", message).because("required"));
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
        self.parts.compute.backend_services.get(name).ok_or_else(|| self.no_such_resource("backendServices", name))
    }
}

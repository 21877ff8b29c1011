//! The other face of Cloud Run: Knative's Service, Revision, Configuration and Route, which gcloud speaks (v1).
//!
//! Nothing is stored twice. What v1 shows is made of the same service that v2 shows, and what v1 is given is brought
//! into v2's words before anything is compared or stored. What v1 has no words for stays as it is, so that reading a
//! service and writing it back changes nothing, through either face.
//!
//! The fields that both have are in [`fields`]. What is here is what v1 makes of them: the status, and what only the
//! server sets.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::CloudRun;
use super::fields::{self, SERVICE, TEMPLATE};
use super::service::{Condition, ConditionState, Revision, Service};
use super::traffic::Target;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, digest, text};

/// What v1 can say of a service, as v2's update mask.
pub const EXPRESSIBLE: &str = "template,traffic,labels,annotations,ingress,client,clientVersion,defaultUriDisabled,description,launchStage,scaling";

const OPERATION_ID: &str = "run.googleapis.com/operation-id";
static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

/// Annotations that only the server sets.
const SERVERS_OWN: [&str; 6] = [
    OPERATION_ID,
    "run.googleapis.com/ingress-status",
    "run.googleapis.com/urls",
    "serving.knative.dev/creator",
    "serving.knative.dev/lastModifier",
    "run.googleapis.com/satisfiesPzs",
];

// ── what v1 shows ───────────────────────────────────────────────────────────────────────────────────────────

impl World {
    /// A service as v1 shows it.
    pub fn knative_service(&self, short: &str, service: &Service) -> Value {
        let mut shown = fields::in_v1(SERVICE, &service.spec, &[]);
        let mut part = |name: &str| match shown.shift_remove(name) {
            Some(Value::Object(part)) => part,
            _ => Map::new(),
        };
        let (mut metadata, mut spec) = (part("metadata"), part("spec"));
        let mut annotations = plain(&metadata, "annotations").clone();
        if let Some(ingress) = annotations.get("run.googleapis.com/ingress").cloned() {
            annotations.insert("run.googleapis.com/ingress-status".into(), ingress);
        }
        let urls = service.default_hosts(self, short).map(|hosts| hosts.map(|host| format!("https://{host}")));
        if let Some(urls) = &urls {
            annotations.insert("run.googleapis.com/urls".into(), json!(json!(urls).to_string()));
        }
        annotations.insert("serving.knative.dev/creator".into(), json!(service.creator));
        annotations.insert("serving.knative.dev/lastModifier".into(), json!(service.last_modifier));
        let name = self.service_name(short);
        let last = self.operations.of::<CloudRun>().rev().find(|(operation, _)| operation.target == name);
        if let Some((last, _)) = last {
            annotations.insert(OPERATION_ID.into(), json!(last.id));
        }
        let mut labels = plain(&metadata, "labels").clone();
        labels.insert("cloud.googleapis.com/location".into(), json!(self.region));
        let traffic = |targets: &[Target], with_url: bool| -> Vec<Value> {
            targets.iter().map(|target| self.knative_target(short, service, target, with_url)).collect()
        };
        let mut status = json!({
            "observedGeneration": service.observed_generation,
            "conditions": service.knative_conditions(),
            "latestCreatedRevisionName": service.latest_created_shown(self.now),
            "traffic": traffic(&service.traffic_statuses, true),
        });
        if let Some([_, url]) = urls {
            status["url"] = json!(url);
            status["address"] = json!({ "url": url });
        }
        if !service.latest_ready.is_empty() {
            status["latestReadyRevisionName"] = json!(service.latest_ready);
        }
        for (field, value) in [
            ("name", json!(short)),
            ("namespace", json!(self.project_number)),
            (
                "selfLink",
                json!(format!("/apis/serving.knative.dev/v1/namespaces/{}/services/{short}", self.project_number)),
            ),
            ("uid", json!(service.uid)),
            ("resourceVersion", json!(self.resource_version(short, service))),
            ("generation", json!(service.generation)),
            ("creationTimestamp", json!(service.created.to_string())),
            ("labels", Value::Object(labels)),
            ("annotations", Value::Object(annotations)),
        ] {
            metadata.insert(field.to_owned(), value);
        }
        spec.insert("template".into(), template(&service.template));
        spec.insert("traffic".into(), traffic(&service.traffic, false).into());
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": spec,
            "status": status,
        })
    }

    /// What an update must be based on; changes whenever the service does.
    fn resource_version(&self, short: &str, service: &Service) -> String {
        let wire = service.wire(self, short);
        digest(wire.get("etag").and_then(Value::as_str).unwrap_or_default(), 16)
    }

    fn knative_target(&self, short: &str, service: &Service, target: &Target, with_url: bool) -> Value {
        let mut shown = Map::new();
        match &target.revision {
            Some(revision) => shown.insert("revisionName".into(), json!(revision)),
            None => shown.insert("latestRevision".into(), json!(true)),
        };
        if with_url && target.revision.is_none() && !service.latest_ready.is_empty() {
            shown.insert("revisionName".into(), json!(service.latest_ready));
        }
        if target.percent != 0 {
            shown.insert("percent".into(), json!(target.percent));
        }
        if let Some(tag) = &target.tag {
            shown.insert("tag".into(), json!(tag));
            if with_url && let Some(host) = service.tag_host(self, short, tag) {
                shown.insert("url".into(), json!(format!("https://{host}")));
            }
        }
        Value::Object(shown)
    }

    /// A revision as v1 shows it. Its `status.imageDigest` is what the image's tag stood for when it was made.
    pub fn knative_revision(&self, short: &str, name: &str, revision: &Revision) -> Value {
        let shown = template(&revision.template);
        let part = |of: &str, key: &str| shown.get(of).and_then(|of| of.get(key)).cloned().unwrap_or_default();
        let mut labels = part("metadata", "labels").as_object().cloned().unwrap_or_default();
        labels.insert("serving.knative.dev/service".into(), json!(short));
        labels.insert("serving.knative.dev/configuration".into(), json!(short));
        labels.insert("serving.knative.dev/route".into(), json!(short));
        labels.insert("cloud.googleapis.com/location".into(), json!(self.region));
        let mut annotations = part("metadata", "annotations").as_object().cloned().unwrap_or_default();
        let creator =
            self.parts.cloud_run.services.get(short).map(|service| service.creator.clone()).unwrap_or_default();
        annotations.insert("serving.knative.dev/creator".into(), json!(creator));
        let serving =
            self.parts.cloud_run.services.get(short).is_some_and(|service| service.serving().contains_key(name));
        let active = Condition {
            state: if serving { ConditionState::ConditionSucceeded } else { ConditionState::ConditionFailed },
            ..Condition::new(ConditionState::ConditionSucceeded, revision.ready.since)
        };
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": {
                "name": name,
                "namespace": self.project_number,
                "uid": revision.uid,
                "generation": 1,
                "creationTimestamp": revision.created.to_string(),
                "labels": labels,
                "annotations": annotations,
            },
            "spec": shown.get("spec"),
            "status": {
                "observedGeneration": 1,
                "conditions": [
                    knative(&revision.ready, "Ready"),
                    knative(&active, "Active"),
                    knative(&revision.ready, "ContainerHealthy"),
                    knative(&revision.ready, "ResourcesAvailable"),
                ],
                "imageDigest": revision.digests.first(),
            },
        })
    }

    /// The half of a service that makes revisions.
    pub fn knative_configuration(&self, short: &str, service: &Service) -> Value {
        let whole = self.knative_service(short, service);
        let mut status = json!({
            "observedGeneration": service.observed_generation,
            "conditions": [knative(&service.configuration(), "Ready")],
            "latestCreatedRevisionName": service.latest_created_shown(self.now),
        });
        if !service.latest_ready.is_empty() {
            status["latestReadyRevisionName"] = json!(service.latest_ready);
        }
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Configuration",
            "metadata": whole.get("metadata"),
            "spec": { "template": template(&service.template) },
            "status": status,
        })
    }

    /// The half of a service that divides the traffic.
    pub fn knative_route(&self, short: &str, service: &Service) -> Value {
        let whole = self.knative_service(short, service);
        let of = |part: &str| whole.get(part).cloned().unwrap_or_default();
        let mut route = json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Route",
            "metadata": of("metadata"),
            "spec": { "traffic": of("spec").get("traffic") },
            "status": {
                "observedGeneration": service.observed_generation,
                "conditions": [knative(&service.routes(), "Ready")],
                "traffic": of("status").get("traffic"),
            },
        });
        if let Some(url) = of("status").get("url") {
            route["status"]["url"] = url.clone();
        }
        route
    }
}

impl Service {
    fn knative_conditions(&self) -> Value {
        json!([
            knative(&self.ready, "Ready"),
            knative(&self.configuration(), "ConfigurationsReady"),
            knative(&self.routes(), "RoutesReady"),
        ])
    }
}

fn knative(condition: &Condition, kind: &str) -> Value {
    let status = match condition.state {
        ConditionState::ConditionSucceeded => "True",
        ConditionState::ConditionFailed => "False",
        ConditionState::ConditionPending | ConditionState::ConditionReconciling => "Unknown",
    };
    let mut shown = json!({ "type": kind, "status": status, "lastTransitionTime": condition.since.to_string() });
    if !condition.message.is_empty() {
        shown["message"] = json!(condition.message);
    }
    if let Some(reason) = &condition.reason {
        // v2 shouts what v1 writes in camels.
        let words = reason.split('_').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{first}{}", rest.to_ascii_lowercase())
        });
        shown["reason"] = json!(words.collect::<String>());
    }
    shown
}

fn plain<'a>(object: &'a Map<String, Value>, key: &str) -> &'a Map<String, Value> {
    object.get(key).and_then(Value::as_object).unwrap_or(&NONE)
}

/// A revision's template in v1's words.
fn template(v2: &Map<String, Value>) -> Value {
    let mut v1 = fields::in_v1(TEMPLATE, v2, &[]);
    v1.entry("metadata").or_insert_with(|| json!({}));
    Value::Object(v1)
}

// ── what v1 is given ────────────────────────────────────────────────────────────────────────────────────────

impl World {
    /// A service that was given in v1's words, in v2's. What v1 has no words for is taken from the service as it is.
    pub fn from_knative(&self, short: &str, body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let current = self.parts.cloud_run.services.get(short);
        let metadata = plain(body, "metadata");
        if text(metadata, "name")?.is_some_and(|name| name != short) {
            return Err(Refusal::invalid("metadata.name", "metadata.name must match the name in the URL"));
        }
        if let (Some(given), Some(service)) = (text(metadata, "resourceVersion")?, current)
            && given != self.resource_version(short, service)
        {
            let message =
                format!("Conflict for resource '{short}': version '{given}' was specified but is not the current one.");
            return Err(Refusal::new(Code::Aborted, message));
        }
        let mut given = body.clone();
        if let Some(metadata) = given.get_mut("metadata") {
            remove_from(metadata, "labels", &["cloud.googleapis.com/location"]);
            remove_from(metadata, "annotations", &SERVERS_OWN);
        }
        let mut v2 = Map::new();
        // Of what v1 has no words for, such as a message that is there and says nothing, the service's own stays.
        if let Some(scaling) = current.and_then(|service| service.spec.get("scaling")) {
            v2.insert("scaling".into(), scaling.clone());
        }
        fields::in_v2(SERVICE, &given, &["template", "traffic"], &mut v2)?;
        let spec = plain(body, "spec");
        let mut template = current.map(|service| service.template.clone()).unwrap_or_default();
        fields::in_v2(TEMPLATE, plain(spec, "template"), &[], &mut template)?;
        v2.insert("template".into(), Value::Object(template));
        let traffic = spec.get("traffic").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        v2.insert("traffic".into(), traffic.iter().map(target_of).collect::<Result<_, _>>()?);
        Ok(v2)
    }
}

/// Takes these keys out of an object's field.
fn remove_from(object: &mut Value, field: &str, keys: &[&str]) {
    if let Some(inner) = object.get_mut(field).and_then(Value::as_object_mut) {
        inner.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

/// A traffic target in v2's words.
fn target_of(v1: &Value) -> Result<Value, Refusal> {
    let Some(v1) = v1.as_object() else {
        return Err(Refusal::invalid("spec.traffic", "Invalid value at 'spec.traffic': it must be a list of messages"));
    };
    let latest = v1.get("latestRevision") == Some(&json!(true));
    let kind = if latest { "LATEST" } else { "REVISION" };
    let mut v2 = json!({ "type": format!("TRAFFIC_TARGET_ALLOCATION_TYPE_{kind}") });
    if !latest {
        v2["revision"] = v1.get("revisionName").cloned().unwrap_or_default();
    }
    for key in ["percent", "tag"] {
        if let Some(value) = v1.get(key) {
            v2[key] = value.clone();
        }
    }
    Ok(v2)
}

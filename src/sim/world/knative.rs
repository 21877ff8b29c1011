//! The other face of Cloud Run: Knative's Service, Revision, Configuration and Route, which gcloud speaks (v1).
//!
//! Nothing is stored twice. What v1 shows is made of the same service that v2 shows, and what v1 is given is brought
//! into v2's words before anything is compared or stored. What v1 has no words for stays as it is, so that reading a
//! service and writing it back changes nothing, through either face.
//!
//! Sources: the reference of the Cloud Run Admin API v1, its annotations
//! (<https://docs.cloud.google.com/run/docs/reference/rest/v1/ObjectMeta>), and what gcloud sends and needs. Fields that
//! differ in more than their place are listed below; all others are passed through under the same name, which for
//! rarely used ones is ours.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::refusal::{Code, Refusal};
use super::service::{Condition, ConditionState, Revision, Service};
use super::traffic::Target;
use super::{World, text};

/// What v1 can say of a service, as v2's update mask.
pub const EXPRESSIBLE: &str =
    "template,traffic,labels,annotations,ingress,client,clientVersion,description,launchStage,scaling";

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

/// Annotations of a service that are fields in v2, each with the field.
const OF_SERVICE: [(&str, &str); 3] = [
    ("run.googleapis.com/client-name", "client"),
    ("run.googleapis.com/client-version", "clientVersion"),
    ("run.googleapis.com/description", "description"),
];

/// The words for who may reach a service.
const INGRESS: [(&str, &str); 4] = [
    ("all", "INGRESS_TRAFFIC_ALL"),
    ("internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"),
    ("internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"),
    ("none", "INGRESS_TRAFFIC_NONE"),
];

/// The words for what goes through a connector.
const EGRESS: [(&str, &str); 2] = [("all-traffic", "ALL_TRAFFIC"), ("private-ranges-only", "PRIVATE_RANGES_ONLY")];

/// The words for where containers run.
const ENVIRONMENT: [(&str, &str); 2] = [("gen1", "EXECUTION_ENVIRONMENT_GEN1"), ("gen2", "EXECUTION_ENVIRONMENT_GEN2")];

fn translated(words: &[(&'static str, &'static str)], word: &str, back: bool) -> Option<&'static str> {
    let found = words.iter().find(|(v1, v2)| if back { *v1 == word } else { *v2 == word });
    found.map(|(v1, v2)| if back { *v2 } else { *v1 })
}

// ── what v1 shows ───────────────────────────────────────────────────────────────────────────────────────────

impl World {
    /// A service as v1 shows it.
    pub fn knative_service(&self, short: &str, service: &Service) -> Value {
        let mut annotations = plain(&service.spec, "annotations").clone();
        for (annotation, field) in OF_SERVICE {
            if let Some(value) = service.spec.get(field) {
                annotations.insert(annotation.to_owned(), value.clone());
            }
        }
        let ingress = service.spec.get("ingress").and_then(Value::as_str);
        if let Some(word) = ingress.and_then(|ingress| translated(&INGRESS, ingress, false)) {
            annotations.insert("run.googleapis.com/ingress".into(), json!(word));
            annotations.insert("run.googleapis.com/ingress-status".into(), json!(word));
        }
        if let Some(stage) = service.spec.get("launchStage").filter(|stage| *stage != "GA") {
            annotations.insert("run.googleapis.com/launch-stage".into(), stage.clone());
        }
        counts(plain(&service.spec, "scaling"), "run.googleapis.com", &mut annotations);
        let urls = service.own_hosts(self, short).map(|host| format!("https://{host}"));
        annotations.insert("run.googleapis.com/urls".into(), json!(json!(urls).to_string()));
        let [_, url] = urls;
        annotations.insert("serving.knative.dev/creator".into(), json!(service.creator));
        annotations.insert("serving.knative.dev/lastModifier".into(), json!(service.last_modifier));
        let name = self.service_name(short);
        let last = self.operations.values().rev().find(|operation| operation.target == name);
        if let Some(last) = last {
            annotations.insert(OPERATION_ID.into(), json!(last.id));
        }
        let mut labels = plain(&service.spec, "labels").clone();
        labels.insert("cloud.googleapis.com/location".into(), json!(self.region));
        let traffic = |targets: &[Target], with_url: bool| -> Vec<Value> {
            targets.iter().map(|target| self.knative_target(short, service, target, with_url)).collect()
        };
        let mut status = json!({
            "observedGeneration": service.observed_generation,
            "conditions": service.knative_conditions(),
            "latestCreatedRevisionName": service.latest_created_shown(self.now),
            "traffic": traffic(&service.traffic_statuses, true),
            "url": url,
            "address": { "url": url },
        });
        if !service.latest_ready.is_empty() {
            status["latestReadyRevisionName"] = json!(service.latest_ready);
        }
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {
                "name": short,
                "namespace": self.project_number,
                "selfLink": format!("/apis/serving.knative.dev/v1/namespaces/{}/services/{short}", self.project_number),
                "uid": service.uid,
                "resourceVersion": self.resource_version(short, service),
                "generation": service.generation,
                "creationTimestamp": service.created.to_string(),
                "labels": labels,
                "annotations": annotations,
            },
            "spec": { "template": template(&service.template), "traffic": traffic(&service.traffic, false) },
            "status": status,
        })
    }

    /// What an update must be based on; changes whenever the service does.
    fn resource_version(&self, short: &str, service: &Service) -> String {
        let wire = service.wire(self, short);
        super::digest(wire.get("etag").and_then(Value::as_str).unwrap_or_default(), 16)
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
            if with_url {
                shown.insert("url".into(), json!(format!("https://{}", service.tag_host(self, short, tag))));
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
        let creator = self.services.get(short).map(|service| service.creator.clone()).unwrap_or_default();
        annotations.insert("serving.knative.dev/creator".into(), json!(creator));
        let serving = self.services.get(short).is_some_and(|service| service.serving().contains_key(name));
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
        json!({
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Route",
            "metadata": of("metadata"),
            "spec": { "traffic": of("spec").get("traffic") },
            "status": {
                "observedGeneration": service.observed_generation,
                "conditions": [knative(&service.routes(), "Ready")],
                "traffic": of("status").get("traffic"),
                "url": of("status").get("url"),
            },
        })
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

/// Shows the bounds of `scaling` as annotations.
fn counts(scaling: &Map<String, Value>, prefix: &str, annotations: &mut Map<String, Value>) {
    for (field, annotation) in [("minInstanceCount", "minScale"), ("maxInstanceCount", "maxScale")] {
        if let Some(count) = scaling.get(field).and_then(Value::as_i64) {
            annotations.insert(format!("{prefix}/{annotation}"), json!(count.to_string()));
        }
    }
}

/// A revision template in v1's words.
fn template(v2: &Map<String, Value>) -> Value {
    let mut annotations = plain(v2, "annotations").clone();
    counts(plain(v2, "scaling"), "autoscaling.knative.dev", &mut annotations);
    let access = plain(v2, "vpcAccess");
    if let Some(connector) = access.get("connector") {
        annotations.insert("run.googleapis.com/vpc-access-connector".into(), connector.clone());
    }
    let word = |words, of: &Map<String, Value>, field: &str| translated(words, of.get(field)?.as_str()?, false);
    if let Some(egress) = word(&EGRESS, access, "egress") {
        annotations.insert("run.googleapis.com/vpc-access-egress".into(), json!(egress));
    }
    if let Some(environment) = word(&ENVIRONMENT, v2, "executionEnvironment") {
        annotations.insert("run.googleapis.com/execution-environment".into(), json!(environment));
    }
    if v2.get("sessionAffinity") == Some(&json!(true)) {
        annotations.insert("run.googleapis.com/sessionAffinity".into(), json!("true"));
    }
    let containers = v2.get("containers").and_then(Value::as_array).cloned().unwrap_or_default();
    let resources = containers.first().and_then(|first| first.get("resources")?.as_object()).unwrap_or(&NONE);
    if resources.get("startupCpuBoost") == Some(&json!(true)) {
        annotations.insert("run.googleapis.com/startup-cpu-boost".into(), json!("true"));
    }
    if resources.get("cpuIdle") == Some(&json!(true)) {
        annotations.insert("run.googleapis.com/cpu-throttling".into(), json!("true"));
    }
    let mut metadata = Map::new();
    if let Some(revision) = v2.get("revision") {
        metadata.insert("name".into(), revision.clone());
    }
    for (key, value) in [("labels", plain(v2, "labels").clone()), ("annotations", annotations)] {
        if !value.is_empty() {
            metadata.insert(key.into(), Value::Object(value));
        }
    }
    let mut spec = Map::new();
    for (v1, field) in
        [("containerConcurrency", "maxInstanceRequestConcurrency"), ("serviceAccountName", "serviceAccount")]
    {
        if let Some(value) = v2.get(field) {
            spec.insert(v1.into(), value.clone());
        }
    }
    if let Some(seconds) = v2.get("timeout").and_then(Value::as_str).and_then(|timeout| timeout.strip_suffix('s')) {
        spec.insert("timeoutSeconds".into(), seconds.parse::<i64>().map_or(json!(seconds), |seconds| json!(seconds)));
    }
    spec.insert("containers".into(), containers.into_iter().map(|container| renamed(container, false)).collect());
    if let Some(volumes) = v2.get("volumes").and_then(Value::as_array) {
        spec.insert("volumes".into(), volumes.iter().map(|volume| renamed_volume(volume.clone(), false)).collect());
    }
    json!({ "metadata": metadata, "spec": spec })
}

/// A container's secrets are called otherwise in each version; `back` is from v1 to v2. Its flags are annotations in v1.
fn renamed(mut container: Value, back: bool) -> Value {
    let (from, to) = if back { ("valueFrom", "valueSource") } else { ("valueSource", "valueFrom") };
    let keys = [("secret", "name"), ("version", "key")];
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(variable) = variable.as_object_mut() else { continue };
        let Some(mut source) = variable.shift_remove(from) else { continue };
        rename_keys(source.get_mut("secretKeyRef"), &keys, back);
        variable.insert(to.to_owned(), source);
    }
    if !back && let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) {
        resources.retain(|key, _| key == "limits");
    }
    container
}

fn renamed_volume(mut volume: Value, back: bool) -> Value {
    let items = volume.get_mut("secret").and_then(|secret| secret.get_mut("items")).and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        rename_keys(Some(item), &[("version", "key")], back);
    }
    rename_keys(volume.get_mut("secret"), &[("secret", "secretName")], back);
    volume
}

/// Renames keys from v2's word to v1's, or back.
fn rename_keys(object: Option<&mut Value>, keys: &[(&str, &str)], back: bool) {
    let Some(object) = object.and_then(Value::as_object_mut) else { return };
    for (v2, v1) in keys {
        let (from, to) = if back { (v1, v2) } else { (v2, v1) };
        if let Some(value) = object.shift_remove(*from) {
            object.insert((*to).to_owned(), value);
        }
    }
}

// ── what v1 is given ────────────────────────────────────────────────────────────────────────────────────────

impl World {
    /// A service that was given in v1's words, in v2's. What v1 has no words for is taken from the service as it is.
    pub fn from_knative(&self, short: &str, body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let current = self.services.get(short);
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
        let mut annotations = plain(metadata, "annotations").clone();
        annotations.retain(|key, _| !SERVERS_OWN.contains(&key.as_str()));
        let mut v2 = Map::new();
        for (annotation, field) in OF_SERVICE {
            if let Some(value) = annotations.shift_remove(annotation) {
                v2.insert(field.to_owned(), value);
            }
        }
        if let Some(word) = take_text(&mut annotations, "run.googleapis.com/ingress") {
            v2.insert("ingress".into(), json!(word_of(&INGRESS, &word, "run.googleapis.com/ingress")?));
        }
        let stage = take_text(&mut annotations, "run.googleapis.com/launch-stage");
        v2.insert("launchStage".into(), json!(stage.unwrap_or_else(|| "GA".to_owned())));
        let mut scaling = current.map(|service| plain(&service.spec, "scaling").clone()).unwrap_or_default();
        take_counts(&mut annotations, "run.googleapis.com", &mut scaling)?;
        v2.insert("scaling".into(), Value::Object(scaling));
        let mut labels = plain(metadata, "labels").clone();
        labels.shift_remove("cloud.googleapis.com/location");
        v2.insert("labels".into(), Value::Object(labels));
        v2.insert("annotations".into(), Value::Object(annotations));
        v2.retain(|_, value| value.as_object().is_none_or(|object| !object.is_empty()));

        let spec = plain(body, "spec");
        let template = current.map(|service| service.template.clone()).unwrap_or_default();
        v2.insert("template".into(), Value::Object(template_of(plain(spec, "template"), template)?));
        let traffic = spec.get("traffic").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        v2.insert("traffic".into(), traffic.iter().map(target_of).collect::<Result<_, _>>()?);
        Ok(v2)
    }
}

fn take_text(annotations: &mut Map<String, Value>, key: &str) -> Option<String> {
    annotations.shift_remove(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn word_of(words: &[(&'static str, &'static str)], word: &str, field: &str) -> Result<&'static str, Refusal> {
    translated(words, word, true)
        .ok_or_else(|| Refusal::invalid(field, format!("{field}: {word:?} is not one of its values")))
}

/// Takes the bounds of `scaling` out of annotations; one that is not there is not set.
fn take_counts(
    annotations: &mut Map<String, Value>,
    prefix: &str,
    scaling: &mut Map<String, Value>,
) -> Result<(), Refusal> {
    for (field, annotation) in [("minInstanceCount", "minScale"), ("maxInstanceCount", "maxScale")] {
        let key = format!("{prefix}/{annotation}");
        scaling.shift_remove(field);
        if let Some(text) = take_text(annotations, &key) {
            let count: i64 =
                text.parse().map_err(|_| Refusal::invalid(&key, format!("{key}: {text:?} is not a whole number")))?;
            if count != 0 {
                scaling.insert(field.to_owned(), json!(count));
            }
        }
    }
    Ok(())
}

fn set(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(object.insert(key.to_owned(), value)),
        None => drop(object.shift_remove(key)),
    }
}

/// A template in v2's words, `v2` being what it is now.
fn template_of(v1: &Map<String, Value>, mut v2: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let (metadata, spec) = (plain(v1, "metadata"), plain(v1, "spec"));
    let mut annotations = plain(metadata, "annotations").clone();
    let mut scaling = plain(&v2, "scaling").clone();
    take_counts(&mut annotations, "autoscaling.knative.dev", &mut scaling)?;
    let some = |object: Map<String, Value>| (!object.is_empty()).then_some(Value::Object(object));
    // v1 has no words for a message that is there and says nothing: it stays if it was so before.
    let empty = |v2: &Map<String, Value>, key: &str| v2.get(key).filter(|value| **value == json!({})).cloned();
    let silent = empty(&v2, "scaling");
    set(&mut v2, "scaling", some(scaling).or(silent));
    let mut access = plain(&v2, "vpcAccess").clone();
    let connector = take_text(&mut annotations, "run.googleapis.com/vpc-access-connector");
    set(&mut access, "connector", connector.map(Value::from));
    let egress = take_text(&mut annotations, "run.googleapis.com/vpc-access-egress");
    let egress = egress.map(|word| word_of(&EGRESS, &word, "run.googleapis.com/vpc-access-egress")).transpose()?;
    set(&mut access, "egress", egress.map(Value::from));
    let silent = empty(&v2, "vpcAccess");
    set(&mut v2, "vpcAccess", some(access).or(silent));
    let environment = take_text(&mut annotations, "run.googleapis.com/execution-environment");
    let environment = environment.map(|word| word_of(&ENVIRONMENT, &word, "execution-environment")).transpose()?;
    set(&mut v2, "executionEnvironment", environment.map(Value::from));
    let mut flag = |key: &str| take_text(&mut annotations, key).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let affinity = flag("run.googleapis.com/sessionAffinity");
    let (boost, idle) = (flag("run.googleapis.com/startup-cpu-boost"), flag("run.googleapis.com/cpu-throttling"));
    set(&mut v2, "sessionAffinity", affinity.then_some(json!(true)));
    set(&mut v2, "revision", metadata.get("name").filter(|name| name.as_str().is_some_and(|n| !n.is_empty())).cloned());
    set(&mut v2, "labels", some(plain(metadata, "labels").clone()));
    set(&mut v2, "annotations", some(annotations));
    set(&mut v2, "maxInstanceRequestConcurrency", spec.get("containerConcurrency").cloned());
    set(&mut v2, "serviceAccount", spec.get("serviceAccountName").cloned());
    let timeout = spec.get("timeoutSeconds").and_then(Value::as_i64);
    set(&mut v2, "timeout", timeout.map(|seconds| json!(format!("{seconds}s"))));
    let containers = spec.get("containers").and_then(Value::as_array).cloned().unwrap_or_default();
    let containers = containers.into_iter().enumerate().map(|(index, container)| {
        let mut container = renamed(container, true);
        if let (0, Some(container)) = (index, container.as_object_mut()) {
            let mut resources = plain(container, "resources").clone();
            set(&mut resources, "startupCpuBoost", boost.then_some(json!(true)));
            set(&mut resources, "cpuIdle", idle.then_some(json!(true)));
            set(container, "resources", some(resources));
        }
        container
    });
    set(&mut v2, "containers", Some(containers.collect()));
    let volumes = spec.get("volumes").and_then(Value::as_array).filter(|volumes| !volumes.is_empty());
    let volumes = volumes.map(|volumes| volumes.iter().map(|volume| renamed_volume(volume.clone(), true)).collect());
    set(&mut v2, "volumes", volumes);
    Ok(v2)
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

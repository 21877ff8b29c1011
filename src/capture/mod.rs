//! A real project as a scenario of a simulated cloud, that can be handed to somebody else.
//!
//! What the APIs said of each resource becomes the `state` of its table. A text is kept only if its field is known to hold a word
//! of Google's ([`WORDS`]) and it looks like one; names are replaced by others, the same wherever they are, or kept; every other
//! text is replaced. So a field that nobody here has ever heard of is there, with its structure, its numbers and without its
//! text. What nobody can read from an API (how long things take, what a connector carries) is left to a scenario's defaults.

mod names;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use names::Naming;
use names::{NameOf, Names};

/// A resource as its API described it.
#[derive(Clone, Debug)]
pub struct Described {
    /// What it is.
    pub kind: DescribedKind,
    /// Its short name.
    pub name: String,
    /// The answer of the API.
    pub body: Map<String, Value>,
    /// Of a service: its revisions, in the same form.
    pub revisions: Vec<Map<String, Value>>,
}

/// The kinds of resource that a scenario takes as they were described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DescribedKind {
    /// A connector of Serverless VPC Access.
    Connector,
    /// A Cloud SQL instance.
    Database,
    /// A Cloud Run service.
    Service,
}

/// Where the resources are.
#[derive(Clone, Debug)]
pub struct Place {
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// When they were read.
    pub at: Timestamp,
}

/// A scenario, and what was replaced in it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its text.
    pub text: String,
    /// The names that stand in it for others, by what they stand for.
    pub names: BTreeMap<String, String>,
}

/// Fields whose text is a word of Google's, a time, a size or a number, and no name.
const WORDS: &[&str] = &[
    "activationPolicy",
    "apiVersion",
    "availabilityType",
    "availableCpuPlatform",
    "backendType",
    "binaryLogEnabled",
    "connectorEnforcement",
    "cpu",
    "createTime",
    "dataDiskSizeGb",
    "dataDiskType",
    "databaseInstalledVersion",
    "databaseVersion",
    "deleteTime",
    "edition",
    "egress",
    "encryptionKeyRevocationAction",
    "executionEnvironment",
    "expireTime",
    "gceZone",
    "generation",
    "ingress",
    "instanceType",
    "kind",
    "lastRestartTime",
    "lastTransitionTime",
    "launchStage",
    "machineType",
    "maintenanceVersion",
    "medium",
    "memory",
    "observedGeneration",
    "pricingPlan",
    "reason",
    "region",
    "replicationType",
    "retentionUnit",
    "revisionReason",
    "scalingMode",
    "secondaryGceZone",
    "settingsVersion",
    "severity",
    "sizeLimit",
    "sqlNetworkArchitecture",
    "sslMode",
    "startTime",
    "state",
    "storageAutoResizeLimit",
    "tier",
    "timeout",
    "transactionalLogStorageState",
    "type",
    "updateTime",
    "updateTrack",
    "version",
    "zone",
];

/// Fields inside of which no text is a word of Google's, whatever it looks like: they hold what somebody wrote.
const SOMEBODYS: [&str; 5] = ["annotations", "args", "command", "labels", "userLabels"];

/// The scenario of these resources.
pub fn scenario(place: &Place, mut resources: Vec<Described>, naming: Naming) -> Scenario {
    resources.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let mut writer = Writer { names: Names::new(naming), service: String::new() };
    let project = writer.names.name(NameOf::Project, &place.project);
    // What resources are called is known before any of them is written.
    for resource in &resources {
        writer.names.name(resource.kind.name_of(), &resource.name);
    }
    let mut text = format!(
        "# What a project's APIs described, as a simulated cloud. Its texts are replaced. What no API tells (how long things take,\n\
         # what a connector carries, which connections are held) is as in any scenario that does not say it.\n\n\
         [cloud]\nproject = {}\nregion = {}\nstart = \"{}\"\n",
        quoted(&project),
        quoted(&place.region),
        place.at,
    );
    for resource in &resources {
        writer.table(resource, &mut text);
    }
    Scenario { text, names: writer.names.replaced() }
}

impl DescribedKind {
    fn name_of(self) -> NameOf {
        match self {
            DescribedKind::Connector => NameOf::Connector,
            DescribedKind::Database => NameOf::Database,
            DescribedKind::Service => NameOf::Service,
        }
    }

    /// The family of its tables.
    fn table(self) -> &'static str {
        match self {
            DescribedKind::Connector => "connectors",
            DescribedKind::Database => "sql",
            DescribedKind::Service => "services",
        }
    }
}

struct Writer {
    names: Names,
    /// The service that is being written, whose name is in those of its revisions.
    service: String,
}

impl Writer {
    fn table(&mut self, resource: &Described, text: &mut String) {
        let family = resource.kind.table();
        let name = self.names.name(resource.kind.name_of(), &resource.name);
        let _ = writeln!(text, "\n[{family}.{}]", quoted(&name));
        if resource.kind == DescribedKind::Service {
            self.service.clone_from(&resource.name);
            let hosts = resource.body.get("urls").and_then(Value::as_array).into_iter().flatten();
            let hosts = hosts.filter_map(|url| url.as_str()?.strip_prefix("https://")).map(|host| {
                let host = self.names.name(NameOf::Host, host);
                quoted(&host)
            });
            let hosts: Vec<String> = hosts.collect();
            let _ = writeln!(text, "hosts = [{}]", hosts.join(", "));
        }
        let _ = writeln!(text, "state = {}", literal(&self.message("", &resource.body)));
        if !resource.revisions.is_empty() {
            text.push_str("revision_states = [\n");
            for revision in &resource.revisions {
                let _ = writeln!(text, "{},", literal(&self.message("", revision)));
            }
            text.push_str("]\n");
        }
    }

    /// A message that is in this field.
    fn message(&mut self, within: &str, message: &Map<String, Value>) -> Map<String, Value> {
        let one = |(field, value): (&String, &Value)| {
            let kept = match (within, field.as_str(), value) {
                (within, _, value) if SOMEBODYS.contains(&within) => self.value(within, value),
                // Without these names a template is none, and a flag sets nothing.
                ("env" | "databaseFlags", "name", Value::String(text)) => identifier(text).into(),
                ("databaseFlags", "value", Value::String(text)) if is_setting(text) => value.clone(),
                ("ports", "name", Value::String(text)) if is_word(text) => value.clone(),
                (_, field, value) => self.value(field, value),
            };
            (field.clone(), kept)
        };
        message.iter().map(one).collect()
    }

    fn value(&mut self, field: &str, value: &Value) -> Value {
        match value {
            Value::Object(message) => self.message(field, message).into(),
            Value::Array(all) => all.iter().map(|one| self.value(field, one)).collect(),
            Value::String(text) => self.text(field, text).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn text(&mut self, field: &str, text: &str) -> String {
        match field {
            _ if WORDS.contains(&field) && is_word(text) => text.to_owned(),
            "image" => self.names.name(NameOf::Image, text),
            "revision" | "latestCreatedRevision" | "latestReadyRevision" => self.revision(text),
            "name" if text.contains("/revisions/") => self.revision(text),
            "serviceAccount" | "serviceAccountEmailAddress" | "creator" | "lastModifier" => {
                self.names.name(NameOf::Account, text)
            }
            "uri" | "urls" => match text.strip_prefix("https://") {
                Some(host) => format!("https://{}", self.names.name(NameOf::Host, host)),
                None => self.names.text(text),
            },
            "project" | "connectedProjects" => self.names.name(NameOf::Project, text),
            "service" => self.names.path(NameOf::Service, text),
            "connector" => self.names.path(NameOf::Connector, text),
            "masterInstanceName" | "replicaNames" => {
                let (project, name) = text.split_once(':').unwrap_or(("", text));
                let name = self.names.name(NameOf::Database, name);
                if project.is_empty() { name } else { format!("{}:{name}", self.names.name(NameOf::Project, project)) }
            }
            "name" | "network" | "privateNetwork" | "secret" | "selfLink" | "subnetwork" => {
                self.names.path(NameOf::Other, text)
            }
            // Nobody learns anything from one that everybody has.
            "ipCidrRange" => "10.8.0.0/28".to_owned(),
            _ => self.names.text(text),
        }
    }

    /// A revision's name, which may be a path.
    fn revision(&mut self, text: &str) -> String {
        let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
        let name = self.names.revision(&self.service.clone(), name);
        match path.strip_suffix("/revisions") {
            Some(service) => format!("{}/revisions/{name}", self.names.path(NameOf::Service, service)),
            None => name,
        }
    }
}

/// Whether a text looks like a word of Google's, a time, a size or a number.
fn is_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:#".contains(&byte))
}

/// Whether a flag's value says nothing but how something is set.
fn is_setting(text: &str) -> bool {
    ["on", "off", "true", "false"].contains(&text)
        || (!text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// The name of a variable or a flag; what is none is not kept.
fn identifier(text: &str) -> &str {
    let is_one = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if is_one && text.len() <= 64 { text } else { "NAME" }
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// JSON as a literal string of TOML, over several lines. What cannot stand in one is escaped in the JSON.
fn literal(message: &Map<String, Value>) -> String {
    let json = serde_json::to_string_pretty(message).unwrap_or_default();
    format!("'''\n{}\n'''", json.replace('\'', "\\u0027").replace('\u{7f}', "\\u007f"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        let at = "2026-01-01T00:00:00Z".parse().unwrap();
        Place { project: "acme-prod".to_owned(), region: "us-central1".to_owned(), at }
    }

    fn service() -> Described {
        let body = json!({
            "name": "projects/acme-prod/locations/us-central1/services/shop", "uid": "secret-uid", "etag": "\"secret-etag\"",
            "labels": { "team": "TEAM_ACME" }, "creator": "jane@acme.example", "ingress": "INGRESS_TRAFFIC_ALL",
            "futureField": { "words": ["SECRET_WORD"], "count": 3 },
            "template": {
                "serviceAccount": "run@acme-prod.iam.gserviceaccount.com",
                "vpcAccess": { "connector": "projects/acme-prod/locations/us-central1/connectors/acme-vpc", "egress": "ALL_TRAFFIC" },
                "containers": [{
                    "image": "eu.gcr.io/acme-prod/shop@sha256:1234", "args": ["--token=secret-argument"],
                    "env": [{ "name": "PASSWORD", "value": "HUNTER2" }, { "name": "KEY",
                        "valueSource": { "secretKeyRef": { "secret": "acme-key", "version": "latest" } } }],
                    "resources": { "limits": { "cpu": "1", "memory": "512Mi" } },
                }],
            },
            "traffic": [{ "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "shop-00003-abc", "percent": 100 }],
            "latestReadyRevision": "projects/acme-prod/locations/us-central1/services/shop/revisions/shop-00003-abc",
            "terminalCondition": { "type": "Ready", "message": "secret ''' message" },
            "urls": ["https://shop-abc-uc.a.run.app"],
        });
        let Value::Object(body) = body else { unreachable!() };
        Described { kind: DescribedKind::Service, name: "shop".to_owned(), body, revisions: Vec::new() }
    }

    #[test]
    fn nothing_that_somebody_wrote_is_left() {
        let made = scenario(&place(), vec![service()], Naming::Replace);
        for private in [
            "acme",
            "shop",
            "jane",
            "secret-",
            "secret '",
            "SECRET",
            "HUNTER2",
            "TEAM",
            "1234",
            "gserviceaccount",
            "a.run.app",
        ] {
            assert!(!made.text.contains(private), "{private} is in {}", made.text);
        }
        for kept in ["ALL_TRAFFIC", "512Mi", "PASSWORD", "futureField", "\"count\": 3", "service-1-00003-r1", "latest"]
        {
            assert!(made.text.contains(kept), "{kept} is not in {}", made.text);
        }
        assert_eq!(made.names["acme-prod"], "project-1");
    }

    #[test]
    fn names_stay_if_they_shall_and_values_do_not() {
        let made = scenario(&place(), vec![service()], Naming::Keep);
        for kept in ["acme-prod", "shop-00003-abc", "eu.gcr.io/acme-prod/shop@sha256:1234", "acme-vpc"] {
            assert!(made.text.contains(kept), "{kept} is not in {}", made.text);
        }
        for private in ["HUNTER2", "TEAM_ACME", "secret-argument", "SECRET_WORD"] {
            assert!(!made.text.contains(private), "{private} is in {}", made.text);
        }
        assert!(made.names.is_empty());
    }
}

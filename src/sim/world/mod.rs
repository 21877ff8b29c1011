//! The simulated world: what is in it, and how it changes as time goes by.
//!
//! Everything here is plain data (an embedded cloud is saved to a file and reopened) and pure semantics: no sockets,
//! no clock. Whoever holds a [`World`] tells it what time it is by [`World::advance`]; the world then ends every
//! operation whose time has come, in the order of their times, and lets the consequences settle after each. Requests
//! change it by [`World::update_connector`] and [`World::update_service`], and what the services would answer to a
//! visitor is in [`health`].

pub mod backend_service;
pub mod caller;
pub mod certificate;
pub mod compute;
pub mod connector;
pub mod create;
pub mod filter;
pub mod health;
pub mod history;
pub mod job;
pub mod knative;
pub mod log;
pub mod metric;
pub mod operation;
pub mod promql;
pub mod refusal;
pub mod service;
pub mod sql;
pub mod support;
pub mod template;
pub mod traffic;
pub mod update;
pub mod visit;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::sim::apis::Parts;
use crate::sim::clock::later;
use crate::sim::fault::Fault;
use caller::Caller;
use compute::Compute;
use connector::{Connector, State};
use history::Standing;
use metric::Measurement;
use operation::{Effect, Operation, Outcome, Owner, Twist};
use refusal::{Code, Refusal};
use service::Service;
use sql::Databases;
use visit::Visitors;

/// One project in one region, with all that the simulated cloud knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// What time the world has been brought to.
    pub(super) now: Timestamp,
    /// The project's id.
    pub(super) project: String,
    /// The project's number, which names may use instead of its id.
    pub(super) project_number: String,
    /// The one region.
    pub(super) region: String,
    /// What Google does that is not known from outside, as this scenario has it.
    pub(super) behaviour: Behaviour,
    /// How many connections one connector instance of a machine type carries: a scenario's figure, not Google's.
    pub(super) connections_per_instance: BTreeMap<String, u64>,
    /// How long it takes to set a connection up through a connector, by how much is wanted of it; in the order of the
    /// load. Without a word about it, what is over the capacity comes to nothing.
    #[serde(default)]
    pub(super) connection_set_up: Vec<SetUp>,
    /// What images do and what their tags mean.
    pub(super) images: Images,
    /// Connectors by short name.
    pub(super) connectors: BTreeMap<String, Connector>,
    /// Services by short name.
    pub(super) services: BTreeMap<String, Service>,
    /// Operations by their number, which is the order in which they were accepted.
    pub(super) operations: BTreeMap<u64, Operation>,
    /// How the services stood, and since when.
    #[serde(default)]
    pub(super) history: Vec<Standing>,
    /// Cloud SQL.
    #[serde(default)]
    pub(super) sql: Databases,
    /// Compute Engine.
    #[serde(default)]
    pub(super) compute: Compute,
    /// What the APIs have of which everything is in one file.
    #[serde(default)]
    pub(super) parts: Parts,
    /// Cloud Support.
    #[serde(default)]
    pub(super) support: support::Support,
    /// The callers that the scenario names.
    #[serde(default)]
    pub(super) callers: BTreeMap<String, Caller>,
    /// The APIs that are not enabled, such as `run.googleapis.com`.
    #[serde(default)]
    pub(super) disabled_apis: BTreeSet<String>,
    /// What goes wrong, as the scenario has it.
    #[serde(default)]
    pub(super) faults: Vec<Fault>,
    /// What becomes of the next operation, while the request that begins it is served.
    #[serde(skip)]
    pub(super) twist: Option<Twist>,
    /// What the scenario measured.
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// Requests that were really sent to the services.
    #[serde(skip)]
    pub(super) visitors: Visitors,
}

/// A point of the curve along which a connector slows down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// Connections wanted, by connections carried.
    pub load: f64,
    /// How long it takes to set one up.
    pub takes: SignedDuration,
}

/// What is not known of Google from outside; a scenario chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Who refuses a connector size out of bounds.
    pub connector_bounds: ConnectorBounds,
    /// Whether a smaller machine type is accepted.
    pub machine_type_downgrade: MachineTypeDowngrade,
    /// How Cloud SQL refuses a change while another one runs.
    pub sql_busy: SqlBusy,
    /// How long it takes until a log entry can be read; 7 s unless the scenario says otherwise, as the incident's were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_delay: Option<SignedDuration>,
    /// How long it takes until a metric's point can be read, beyond its sample period of 60 s; 120 s unless the scenario
    /// says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_delay: Option<SignedDuration>,
}

/// Who refuses a connector size out of bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectorBounds {
    /// The request itself: 400 INVALID_ARGUMENT.
    Sync,
    /// The operation: the request is accepted, and the operation ends with code 3, as it is known of a creation without a
    /// maximum (source: cloud-foundation-fabric issue 2706).
    #[default]
    Operation,
}

/// How Cloud SQL refuses a change while another one runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlBusy {
    /// 409.
    #[default]
    Conflict,
    /// 403, with the same reason.
    Forbidden,
}

/// Whether a connector's machine type may become a smaller one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineTypeDowngrade {
    /// FAILED_PRECONDITION.
    #[default]
    Refused,
    /// It may.
    Accepted,
}

/// What images do when they are started, and which digest a tag stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// References (by tag or by digest) whose container exits at once.
    pub crashing: BTreeSet<String>,
    /// A reference by tag, and the digest (`sha256:…`) that it stands for.
    pub tags: BTreeMap<String, String>,
}

/// Why a saved world could not be opened again, or not be saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// The file system refused.
    #[error("cannot {what} the saved cloud {path}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no saved cloud, or one of another version.
    #[error("{path} is not a saved cloud")]
    NotAWorld {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl World {
    /// What time the world has been brought to.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The project's id.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What goes wrong, as the scenario has it.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Says what becomes of the operations that are begun from now on.
    pub(in crate::sim) fn twist(&mut self, twist: Option<Twist>) {
        self.twist = twist;
    }

    /// What the scenario says and the simulated cloud makes nothing of, for whoever starts it.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut unknown = |of: String, field: &str| {
            notes.push(format!(
                "{of}: the simulated cloud does not know the field {field}; it is shown as it was captured"
            ));
        };
        for (name, connector) in &self.connectors {
            connector.kept.keys().for_each(|field| unknown(format!("connectors.{name}"), field));
        }
        for (name, service) in &self.services {
            template::unknown(&service.spec, &service.template)
                .for_each(|field| unknown(format!("services.{name}"), field));
        }
        for (name, instance) in &self.sql.instances {
            let strange = |field: &&String| !sql::update::FIELDS.contains(&field.as_str());
            instance.kept.keys().filter(strange).for_each(|field| unknown(format!("sql.{name}"), field));
        }
        for (name, instance) in &self.sql.instances {
            for flag in instance.flags().keys().filter(|flag| sql::flag::find(flag, instance.engine()).is_none()) {
                notes.push(format!(
                    "sql.{name}: the simulated cloud does not know the flag {flag}; any value is accepted and nothing follows from it"
                ));
            }
        }
        notes
    }

    /// The hosts that its services answer for.
    pub fn hosts(&self) -> Vec<String> {
        let own = self.services.iter().flat_map(|(short, service)| service.own_hosts(self, short));
        self.services.values().flat_map(|service| service.figures.hosts.iter().cloned()).chain(own).collect()
    }

    /// Reads a world that [`World::save`] wrote.
    pub fn reopen(path: &Path) -> Result<Self, SavedError> {
        let shown = path.display().to_string();
        let unreadable = |source| SavedError::Io { what: "read", path: shown.clone(), source };
        // A pipe would be waited for without end, and a device may have none.
        if !std::fs::symlink_metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
        let text = std::fs::read(path).map_err(unreadable)?;
        serde_json::from_slice(&text).map_err(|source| SavedError::NotAWorld { path: shown, source })
    }

    /// Writes the world as JSON, readable by its owner only; a reader sees the old file or the new one, never half.
    pub fn save(&self, path: &Path) -> Result<(), SavedError> {
        let shown = path.display().to_string();
        let text = serde_json::to_vec(self).map_err(|source| SavedError::NotAWorld { path: shown.clone(), source })?;
        write_whole(path, &text).map_err(|source| SavedError::Io { what: "write", path: shown, source })
    }

    /// Lets the time pass until `to`: ends what is due, in order, and lets the consequences settle after each.
    ///
    /// A time that has passed already changes nothing.
    pub fn advance(&mut self, to: Timestamp) {
        while self.step(to) {}
        self.now = self.now.max(to);
    }

    /// Lets the next thing happen that is due by `to`; false if there is none.
    fn step(&mut self, to: Timestamp) -> bool {
        let operation = self.next_due(to);
        let sooner = |at: &Timestamp| *at <= to && operation.is_none_or(|(due, _)| *at < due);
        let (database, compute) = (self.databases_next(), self.compute_next());
        let parts = self.parts.next_due();
        let Some(at) = database.into_iter().chain(compute).chain(parts).min().filter(sooner) else {
            return operation.map(|(_, number)| self.finish(number)).is_some();
        };
        self.now = self.now.max(at);
        if database == Some(at) {
            self.databases_step();
        } else if compute == Some(at) {
            self.compute_step();
        } else {
            self.parts.advance(self.now);
        }
        true
    }

    fn next_due(&self, to: Timestamp) -> Option<(Timestamp, u64)> {
        self.operations
            .iter()
            .filter(|(_, operation)| operation.outcome.is_none() && operation.due <= to)
            .map(|(number, operation)| (operation.due, *number))
            .min()
    }

    /// Ends the operation `number` when it is due.
    fn finish(&mut self, number: u64) {
        if let Some(operation) = self.operations.get(&number) {
            self.now = self.now.max(operation.due);
        }
        self.end(number);
    }

    /// Ends the operation `number` now, whether its time has come or not.
    fn end(&mut self, number: u64) {
        let Some(operation) = self.operations.get(&number).filter(|operation| operation.outcome.is_none()) else {
            return;
        };
        let (effect, twist) = (operation.effect.clone(), operation.twist.clone());
        if let Some(Twist::Fails(refusal)) = twist {
            self.call_off(&effect, &refusal);
            self.conclude(number, &effect, Outcome::Error(refusal));
            return;
        }
        let outcome = match &effect {
            Effect::Resize { connector, min_instances, max_instances, machine_type, refusal } => {
                let wire_name = self.connector_name(connector);
                match self.connectors.get_mut(connector) {
                    None => Outcome::Error(Refusal::missing(&wire_name)),
                    Some(found) => {
                        found.state = State::Ready;
                        if let Some(refusal) = refusal {
                            Outcome::Error(refusal.clone())
                        } else {
                            found.min_instances = *min_instances;
                            found.max_instances = *max_instances;
                            found.machine_type.clone_from(machine_type);
                            Outcome::Response(found.wire(&wire_name, &self.project))
                        }
                    }
                }
            }
            Effect::CreateConnector { connector, refusal } => self.connector_is_there(connector, refusal.as_ref()),
            Effect::DeleteConnector { connector } => {
                self.connectors.remove(connector);
                Outcome::Response(Value::Object(Map::new()))
            }
            Effect::DeleteRevision { service, revision } => self.revision_is_gone(service, revision),
            Effect::DeleteService { service } => self.service_is_gone(service),
            Effect::Reconcile { service, revision } => self.reconcile(service, revision.as_deref()),
        };
        let outcome = match twist {
            Some(Twist::Misreports(refusal)) => Outcome::Error(refusal),
            Some(Twist::Fails(_) | Twist::Hangs) | None => outcome,
        };
        self.conclude(number, &effect, outcome);
    }

    /// Leaves a resource as it is when its operation fails for no reason of its own.
    fn call_off(&mut self, effect: &Effect, refusal: &Refusal) {
        match effect {
            Effect::Resize { connector, .. } | Effect::DeleteConnector { connector } => {
                if let Some(found) = self.connectors.get_mut(connector) {
                    found.state = State::Ready;
                }
            }
            Effect::CreateConnector { connector, .. } => {
                if let Some(found) = self.connectors.get_mut(connector) {
                    found.state = State::Error;
                }
            }
            Effect::DeleteRevision { .. } => {}
            Effect::DeleteService { service } => {
                let now = self.now;
                if let Some(found) = self.services.get_mut(service) {
                    found.call_off(None, &refusal.message, now);
                }
            }
            Effect::Reconcile { service, revision } => {
                let now = self.now;
                if let Some(found) = self.services.get_mut(service) {
                    found.call_off(revision.as_deref(), &refusal.message, now);
                }
            }
        }
    }

    fn conclude(&mut self, number: u64, effect: &Effect, outcome: Outcome) {
        self.settle();
        let shown = match (effect, &outcome) {
            (Effect::Reconcile { service, .. }, _) => self.services.get(service).map(|found| found.wire(self, service)),
            (Effect::DeleteService { .. }, Outcome::Response(gone)) => Some(gone.clone()),
            _ => None,
        };
        let now = self.now;
        if let Some(operation) = self.operations.get_mut(&number) {
            operation.ended = Some(now);
            operation.outcome = Some(outcome);
            operation.service = shown.or(operation.service.take());
        }
    }

    /// Accepts an operation; it ends `takes` from now.
    fn begin(&mut self, target: String, effect: Effect, takes: SignedDuration, service: Option<Value>) -> Operation {
        let number = self.operations.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let operation = Operation {
            id: uuid_like(&format!("{}/operations/{number}", self.location())),
            target,
            created: self.now,
            due: if self.twist == Some(Twist::Hangs) { Timestamp::MAX } else { later(self.now, takes) },
            ended: None,
            effect,
            outcome: None,
            service,
            twist: self.twist.clone(),
        };
        self.operations.insert(number, operation.clone());
        operation
    }

    /// Takes a resource away at once, as if somebody had deleted it elsewhere: one of `connectors`, `services` and
    /// `instances`. False if there is none of this name.
    pub fn remove(&mut self, collection: &str, name: &str) -> bool {
        let gone = match collection {
            "connectors" => self.connectors.remove(name).is_some(),
            "services" => self.services.remove(name).is_some(),
            "instances" => self.sql.instances.remove(name).is_some(),
            _ => false,
        };
        self.settle();
        gone
    }

    /// Removes a revision of a service, though traffic may lead to it. False if there is none.
    pub fn remove_revision(&mut self, service: &str, revision: &str) -> bool {
        let found = self.services.get_mut(service);
        let gone = found.is_some_and(|service| service.revisions.remove(revision).is_some());
        self.settle();
        gone
    }

    /// The operation with this id, if it belongs to `api`.
    pub fn operation(&self, api: Owner, id: &str) -> Option<&Operation> {
        self.operations.values().find(|operation| operation.api() == api && operation.id == id)
    }

    /// `projects/P/locations/L`.
    pub fn location(&self) -> String {
        format!("projects/{}/locations/{}", self.project, self.region)
    }

    /// The full name of a connector.
    pub fn connector_name(&self, short: &str) -> String {
        format!("{}/connectors/{short}", self.location())
    }

    /// The full name of a service.
    pub fn service_name(&self, short: &str) -> String {
        format!("{}/services/{short}", self.location())
    }

    /// Cloud Run's words for a service that is not there (recorded; they are those of its jobs, too).
    pub fn no_such_service(&self, short: &str) -> Refusal {
        self.no_such("SERVICE", short)
    }

    /// The same of a revision.
    pub fn no_such_revision(&self, short: &str) -> Refusal {
        self.no_such("REVISION", short)
    }

    fn no_such(&self, kind: &str, short: &str) -> Refusal {
        let (region, project) = (&self.region, &self.project);
        let message =
            format!("Resource '{short}' of kind '{kind}' in region '{region}' in project '{project}' does not exist.");
        Refusal::new(Code::NotFound, message)
    }

    /// Refuses a project that this world does not have: PERMISSION_DENIED, existing or not, as Google answers to
    /// whoever may not see it.
    pub fn check_project(&self, project: &str) -> Result<(), Refusal> {
        if project != self.project && project != self.project_number {
            let message = format!("Permission denied on resource project {project} (or it may not exist).");
            return Err(Refusal::new(Code::PermissionDenied, message));
        }
        Ok(())
    }

    /// Refuses a project or a location that this world does not have. The code for another location is ours.
    pub fn check_location(&self, project: &str, location: &str) -> Result<(), Refusal> {
        self.check_project(project)?;
        if location != self.region {
            return Err(Refusal::new(
                Code::NotFound,
                format!("Location {location} is not found or access is unauthorized."),
            ));
        }
        Ok(())
    }
}

/// Refuses a field that the message does not have, in the words of Google's JSON parser.
pub(super) fn unknown_field(field: &str, at: &str) -> Refusal {
    let message = format!("Invalid JSON payload received. Unknown name \"{field}\" at '{at}': Cannot find field.");
    Refusal::invalid(at, message)
}

/// An `int32` field in protobuf's JSON: a number or a string of digits; absent and `null` are zero.
pub(super) fn int32(object: &Map<String, Value>, field: &str) -> Result<i64, Refusal> {
    let number = match object.get(field) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    number
        .filter(|number| i32::try_from(*number).is_ok())
        .ok_or_else(|| Refusal::invalid(field, format!("Invalid value at '{field}' (TYPE_INT32)")))
}

/// A string field in protobuf's JSON: absent, `null` and empty are the same.
pub(super) fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Refusal::invalid(field, format!("Invalid value at '{field}' (TYPE_STRING)"))),
    }
}

/// A message field in protobuf's JSON: absent and `null` are the same.
pub(super) fn object<'a>(
    object: &'a Map<String, Value>,
    field: &str,
) -> Result<Option<&'a Map<String, Value>>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(found)) => Ok(Some(found)),
        Some(_) => Err(Refusal::invalid(field, format!("Invalid value at '{field}': it must be an object"))),
    }
}

/// What "patch semantics" means (RFC 7396): objects are merged, `null` removes, anything else replaces, lists too.
pub(super) fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (_, Value::Null) => {
                into.remove(&key);
            }
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The first characters of the SHA-256 of `text`, in hexadecimal: ids that look random and never differ between runs.
pub(super) fn digest(text: &str, characters: usize) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(characters);
    hex
}

/// A name in the shape of a UUID, always the same for the same text.
pub(super) fn uuid_like(text: &str) -> String {
    let hex = digest(text, 32);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = Path::new(&beside);
    // One that a killed process left behind may have other permissions, and `mode` counts at creation only.
    match std::fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(text)?;
    file.sync_data()?;
    std::fs::rename(beside, path)
}

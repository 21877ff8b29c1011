//! The simulated world: what is in it, and how it changes as time goes by.
//!
//! Everything here is plain data (an embedded cloud is saved to a file and reopened) and pure semantics: no sockets,
//! no clock. Whoever holds a [`World`] tells it what time it is by [`World::advance`]; the world then ends every
//! operation whose time has come, in the order of their times, and lets the consequences settle after each. What there is
//! is in the world's [`Parts`], one for each API; how a request changes it is with the API, and what the services would
//! answer to a visitor is in [`health`].

pub mod caller;
pub mod expression;
pub mod filter;
pub mod health;
pub mod history;
pub mod log;
pub mod metric;
pub mod operation;
pub mod promql;
pub mod refusal;
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
use crate::sim::fault::Fault;
use caller::Caller;
use history::Standing;
use metric::Measurement;
use operation::{Operations, RequestIds, Twist};
use refusal::{Code, Refusal};
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
    /// What the APIs have.
    #[serde(default)]
    pub(super) parts: Parts,
    /// What was asked of them, and how it ended.
    #[serde(default)]
    pub(super) operations: Operations,
    /// Which of them a request with an id began.
    #[serde(default)]
    pub(super) request_ids: RequestIds,
    /// How the services stood, and since when.
    #[serde(default)]
    pub(super) history: Vec<Standing>,
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
    /// What a resource of any type that is not there is answered with.
    pub absent_resource: AbsentResource,
    /// How an API that says `google.rpc.Status` refuses an old etag.
    pub stale_etag: StaleEtag,
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

/// What a resource that is not there is answered with. (source: recorded answers of Data Catalog and Resource Manager are 403, `or it
/// may not exist`; those of others 404)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsentResource {
    /// 404.
    #[default]
    NotFound,
    /// 403: whether it is there is not for everybody to know.
    Forbidden,
}

/// How an old etag is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleEtag {
    /// `ABORTED`, 409, as AIP-154 has it.
    #[default]
    Aborted,
    /// `FAILED_PRECONDITION`, 400.
    FailedPrecondition,
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
        self.parts.notes()
    }

    /// The hosts that its services answer for.
    pub fn hosts(&self) -> Vec<String> {
        let services = &self.parts.cloud_run.services;
        let own = services.iter().filter_map(|(short, service)| service.default_hosts(self, short)).flatten();
        self.parts
            .cloud_run
            .services
            .values()
            .flat_map(|service| service.figures.hosts.iter().cloned())
            .chain(own)
            .collect()
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

    /// Lets the next thing happen that is due by `to`; false if there is none. The end of an operation is the first of what is due
    /// at one time.
    fn step(&mut self, to: Timestamp) -> bool {
        let operation = self.operations.next_due().filter(|(due, _)| *due <= to);
        let sooner = |at: &Timestamp| *at <= to && operation.is_none_or(|(due, _)| *at < due);
        if let Some(at) = self.parts.next_due().filter(sooner) {
            self.now = self.now.max(at);
            Parts::advance(self);
            self.settle();
        } else if let Some((due, number)) = operation {
            self.now = self.now.max(due);
            self.end(number);
        } else {
            return false;
        }
        true
    }

    /// Takes a resource away at once, as if somebody had deleted it elsewhere: one of `connectors`, `services` and
    /// `instances`. False if there is none of this name.
    pub fn remove(&mut self, collection: &str, name: &str) -> bool {
        let gone = self.parts.remove(collection, name);
        self.settle();
        gone
    }

    /// `projects/P/locations/L`.
    pub fn location(&self) -> String {
        format!("projects/{}/locations/{}", self.project, self.region)
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
pub(in crate::sim) fn unknown_field(field: &str, at: &str) -> Refusal {
    let message = format!("Invalid JSON payload received. Unknown name \"{field}\" at '{at}': Cannot find field.");
    Refusal::invalid(at, message)
}

/// An `int32` field in protobuf's JSON: a number or a string of digits; absent and `null` are zero.
pub(in crate::sim) fn int32(object: &Map<String, Value>, field: &str) -> Result<i64, Refusal> {
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
pub(in crate::sim) fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Refusal::invalid(field, format!("Invalid value at '{field}' (TYPE_STRING)"))),
    }
}

/// A message field in protobuf's JSON: absent and `null` are the same.
pub(in crate::sim) fn object<'a>(
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
pub(in crate::sim) fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
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
pub(in crate::sim) fn digest(text: &str, characters: usize) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(characters);
    hex
}

/// Whether `name` can be part of a host name (RFC 1035).
pub(in crate::sim) fn is_label(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A name in the shape of a UUID, always the same for the same text.
pub(in crate::sim) fn uuid_like(text: &str) -> String {
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

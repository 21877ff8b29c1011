//! Cloud SQL: instances that take a number of connections and no more. How PostgreSQL behaves is known best; MySQL and SQL
//! Server differ in what is said below.
//!
//! Known of Google, and held here (sources: the message `DatabaseInstance` in `google/cloud/sql/v1`; gcloud's help of
//! `sql instances patch`): an instance is RUNNABLE also when its owner stopped it, so `activationPolicy` must be looked
//! at; a PATCH replaces the whole list of flags; one operation at a time; `settingsVersion` guards against lost updates.
//! Known of PostgreSQL: it reads `max_connections` at its start only, and keeps the last slots for superusers.
//!
//! Ours, or a scenario's figure: how long an update takes and for how long a restart takes the instance down, that the
//! new settings show when the operation has ended, and what `state` says meanwhile.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{settings, tier};
use crate::sim::apis::compute::certificate::NO_TEXT;
use crate::sim::world::{World, digest};

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Such as `POSTGRES_15`.
    pub database_version: String,
    /// When it was created.
    pub created: Timestamp,
    /// What a caller may set, in the API's words. What stands here is in force.
    pub settings: Map<String, Value>,
    /// Counts the changes of the settings.
    pub settings_version: i64,
    /// Whether it is being made or deleted.
    #[serde(default)]
    pub phase: Phase,
    /// The instance that it is a replica of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// Whether a failover has moved it to its other zone.
    #[serde(default)]
    pub other_zone: bool,
    /// What else was said of it when it was made, in the API's words: it is shown, and nothing follows from it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub kept: Map<String, Value>,
    /// Whether it is down for a restart.
    pub down: bool,
    /// When a restart that was asked for takes it down.
    pub goes_down: Option<Timestamp>,
    /// What is the scenario's about it.
    pub figures: Figures,
}

/// What runs in an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    MySql,
    /// SQL Server.
    SqlServer,
}

impl Engine {
    /// What a `databaseVersion` is a version of.
    pub fn of(version: &str) -> Option<Self> {
        let engines = [("POSTGRES_", Self::Postgres), ("MYSQL_", Self::MySql), ("SQLSERVER_", Self::SqlServer)];
        engines.into_iter().find(|(prefix, _)| version.starts_with(prefix)).map(|(_, engine)| engine)
    }
}

/// Whether an instance is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is.
    #[default]
    Running,
    /// It is being made.
    Creating,
    /// It is being deleted.
    Deleting,
}

/// What the scenario says about an instance; none of it is known of Google.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How long an update takes, until it ends or the restart begins.
    pub update_takes: SignedDuration,
    /// For how long a restart takes it down.
    pub restart_takes: SignedDuration,
    /// Connections that others than the scenario's services hold.
    pub other_connections: u64,
    /// Slots that PostgreSQL keeps for superusers (`superuser_reserved_connections`; 3 by default).
    pub reserved_connections: u64,
    /// What `state` says during a restart.
    pub state_while_restarting: State,
}

/// The figures of an instance that no scenario describes (ours).
impl Default for Figures {
    fn default() -> Self {
        Self {
            update_takes: SignedDuration::from_mins(1),
            restart_takes: SignedDuration::from_mins(1),
            other_connections: 0,
            reserved_connections: 3,
            state_while_restarting: State::Maintenance,
        }
    }
}

/// The states of `SqlInstanceState` that occur here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Running, or stopped by its owner.
    Runnable,
    /// Down for maintenance.
    #[default]
    Maintenance,
    /// Being made.
    PendingCreate,
    /// Being deleted.
    PendingDelete,
}

impl Instance {
    /// How many connections it takes, the reserved ones included.
    pub fn max_connections(&self) -> u64 {
        let flagged = self.flags().get("max_connections").and_then(|value| value.parse().ok());
        flagged.unwrap_or_else(|| tier::default_max_connections(self.tier(), self.engine()))
    }

    /// How many connections the scenario's services may hold between them.
    pub fn connections_for_services(&self) -> u64 {
        let Figures { other_connections, reserved_connections, .. } = self.figures;
        self.max_connections().saturating_sub(other_connections).saturating_sub(reserved_connections)
    }

    /// Whether anybody can connect to it now.
    pub fn accepts_connections(&self) -> bool {
        !self.down && self.phase == Phase::Running && self.activation_policy() == "ALWAYS"
    }

    /// Its flags by name.
    pub fn flags(&self) -> BTreeMap<&str, &str> {
        flags_of(&self.settings)
    }

    /// Its machine.
    pub fn tier(&self) -> &str {
        text_of(&self.settings, "tier")
    }

    /// Whether its owner wants it to run.
    pub fn activation_policy(&self) -> &str {
        text_of(&self.settings, "activationPolicy")
    }

    /// What runs in it.
    pub fn engine(&self) -> Engine {
        Engine::of(&self.database_version).unwrap_or(Engine::Postgres)
    }

    /// Whether it stands by in a second zone.
    pub fn is_regional(&self) -> bool {
        text_of(&self.settings, "availabilityType") == "REGIONAL"
    }

    /// What its engine says to whoever finds no slot free (`InitProcess` in its `src/backend`; the words changed in 16).
    pub fn no_slot_free(&self) -> &'static str {
        match self.engine() {
            Engine::Postgres => {}
            // Source: MySQL's reference of server errors.
            Engine::MySql => return "ERROR 1040 (HY000): Too many connections",
            // Source: SQL Server's reference of errors, 17809 (shortened).
            Engine::SqlServer => {
                return "Could not connect because the maximum number of user connections has already been reached";
            }
        }
        let version = self.database_version.strip_prefix("POSTGRES_").and_then(|version| version.parse::<u32>().ok());
        if version.is_some_and(|version| version >= 16) {
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"
        } else {
            "FATAL: remaining connection slots are reserved for non-replication superuser connections"
        }
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Creating => State::PendingCreate,
            Phase::Deleting => State::PendingDelete,
            Phase::Running if self.down => self.figures.state_while_restarting,
            Phase::Running => State::Runnable,
        }
    }

    /// The instance as the API shows it.
    pub fn wire(&self, world: &World, name: &str) -> Value {
        let mut settings = self.settings.clone();
        settings.insert("settingsVersion".into(), json!(self.settings_version.to_string()));
        settings.insert("kind".into(), json!("sql#settings"));
        let (project, region, engine) = (&world.project, &world.region, self.engine());
        let installed = settings::installed(&self.database_version);
        let account = digest(&format!("{project}/{name}"), 6);
        let kind = if self.primary.is_some() { "READ_REPLICA_INSTANCE" } else { "CLOUD_SQL_INSTANCE" };
        let zone = |second: bool| format!("{region}-{}", if second { "c" } else { "a" });
        let mut wire = json!({
            "kind": "sql#instance",
            "name": name,
            "project": project,
            "region": region,
            "gceZone": zone(self.other_zone),
            "connectionName": format!("{project}:{region}:{name}"),
            "selfLink": world.database_link(name),
            "createTime": self.created.to_string(),
            "state": self.state(),
            "databaseVersion": self.database_version,
            "backendType": "SECOND_GEN",
            "instanceType": kind,
            "etag": digest(&format!("{name}/{}", self.settings_version), 24),
            "settings": settings,
            "databaseInstalledVersion": installed,
            "maintenanceVersion": format!("{installed}.R20260108.01_01"),
            "serviceAccountEmailAddress":
                format!("p{}-{account}@gcp-sa-cloud-sql.iam.gserviceaccount.com", world.project_number),
            "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
            "satisfiesPzi": true,
            "includeReplicasForMajorVersionUpgrade": false,
        });
        if let Some(gemini) = settings::gemini(engine) {
            wire["geminiConfig"] = gemini;
        }
        if self.is_regional() {
            wire["failoverReplica"] = json!({ "available": true });
            wire["secondaryGceZone"] = json!(zone(!self.other_zone));
        }
        if let Some(primary) = &self.primary {
            wire["masterInstanceName"] = json!(format!("{project}:{primary}"));
        }
        let is_replica = |other: &&Instance| other.primary.as_deref() == Some(name);
        if world.parts.cloud_sql.instances.values().any(|other| is_replica(&other)) {
            let replicas = world.parts.cloud_sql.instances.iter().filter(|(_, other)| is_replica(other));
            wire["replicaNames"] = replicas.map(|(name, _)| name.as_str()).collect();
        }
        if let Some(key) = self.kept.get("diskEncryptionConfiguration").and_then(|key| key.get("kmsKeyName")) {
            wire["diskEncryptionConfiguration"] =
                json!({ "kind": "sql#diskEncryptionConfiguration", "kmsKeyName": key });
            wire["diskEncryptionStatus"] = json!({ "kind": "sql#diskEncryptionStatus" });
            if self.phase != Phase::Creating {
                let version = format!("{}/cryptoKeyVersions/1", key.as_str().unwrap_or_default());
                wire["diskEncryptionStatus"]["kmsKeyVersionName"] = json!(version);
            }
        }
        let shown_already = ["diskEncryptionConfiguration", "replicaConfiguration"];
        for (field, value) in self.kept.iter().filter(|(field, _)| !shown_already.contains(&field.as_str())) {
            wire[field] = value.clone();
        }
        if self.phase != Phase::Creating {
            let upgrades = settings::upgrades(&self.database_version);
            if !upgrades.is_empty() {
                wire["upgradableDatabaseVersions"] = json!(upgrades);
            }
            wire["ipAddresses"] = json!(settings::addresses(&self.settings, engine, name));
            wire["serverCaCert"] = json!({
                "kind": "sql#sslCert",
                "instance": name,
                "certSerialNumber": "0",
                "commonName": format!("C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA,dnQualifier={account}"),
                "sha1Fingerprint": digest(name, 40),
                "cert": NO_TEXT,
                "createTime": self.created.to_string(),
                "expirationTime": crate::sim::clock::later(self.created, CERTIFICATE_LASTS).to_string(),
            });
        }
        wire
    }
}

/// How long the certificate of an instance's server is valid (Google's documentation: ten years).
const CERTIFICATE_LASTS: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

pub(super) fn text_of<'a>(settings: &'a Map<String, Value>, field: &str) -> &'a str {
    settings.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The flags in settings that have been checked.
pub(super) fn flags_of(settings: &Map<String, Value>) -> BTreeMap<&str, &str> {
    let list = settings.get("databaseFlags").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|flag| Some((flag.get("name")?.as_str()?, flag.get("value")?.as_str()?))).collect()
}

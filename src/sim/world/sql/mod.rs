//! Cloud SQL for PostgreSQL: instances that take a number of connections and no more.
//!
//! Known of Google, and held here (sources: the message `DatabaseInstance` in `google/cloud/sql/v1`; gcloud's help of
//! `sql instances patch`): an instance is RUNNABLE also when its owner stopped it, so `activationPolicy` must be looked
//! at; a PATCH replaces the whole list of flags; one operation at a time; `settingsVersion` guards against lost updates.
//! Known of PostgreSQL: it reads `max_connections` at its start only, and keeps the last slots for superusers.
//!
//! Ours, or a scenario's figure: how long an update takes and for how long a restart takes the instance down, that the
//! new settings show when the operation has ended, and what `state` says meanwhile.

pub mod flag;
pub mod tier;
pub mod update;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::World;
use super::job::{Job, Jobs};

/// The Cloud SQL of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Databases {
    /// Instances by name.
    pub instances: BTreeMap<String, Instance>,
    /// Their operations.
    pub jobs: Jobs<Effect>,
}

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
    /// Whether it is down for a restart.
    pub down: bool,
    /// When a restart that was asked for takes it down.
    pub goes_down: Option<Timestamp>,
    /// What is the scenario's about it.
    pub figures: Figures,
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

/// The states of `SqlInstanceState` that occur here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Running, or stopped by its owner.
    Runnable,
    /// Down for maintenance.
    #[default]
    Maintenance,
}

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The instance.
    pub instance: String,
    /// What is in force from then on.
    pub settings: Map<String, Value>,
}

impl Instance {
    /// How many connections it takes, the reserved ones included.
    pub fn max_connections(&self) -> u64 {
        let flagged = self.flags().get("max_connections").and_then(|value| value.parse().ok());
        flagged.unwrap_or_else(|| tier::default_max_connections(self.tier()))
    }

    /// How many connections the scenario's services may hold between them.
    pub fn connections_for_services(&self) -> u64 {
        let Figures { other_connections, reserved_connections, .. } = self.figures;
        self.max_connections().saturating_sub(other_connections).saturating_sub(reserved_connections)
    }

    /// Whether anybody can connect to it now.
    pub fn accepts_connections(&self) -> bool {
        !self.down && self.activation_policy() == "ALWAYS"
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

    /// What PostgreSQL says to whoever finds no slot free (`InitProcess` in its `src/backend`; the words changed in 16).
    pub fn no_slot_free(&self) -> &'static str {
        let version = self.database_version.strip_prefix("POSTGRES_").and_then(|version| version.parse::<u32>().ok());
        if version.is_some_and(|version| version >= 16) {
            "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"
        } else {
            "FATAL: remaining connection slots are reserved for non-replication superuser connections"
        }
    }

    fn state(&self) -> State {
        if self.down { self.figures.state_while_restarting } else { State::Runnable }
    }

    /// The instance as the API shows it.
    pub fn wire(&self, world: &World, name: &str) -> Value {
        let mut settings = self.settings.clone();
        settings.insert("settingsVersion".into(), json!(self.settings_version.to_string()));
        settings.insert("kind".into(), json!("sql#settings"));
        let (project, region) = (&world.project, &world.region);
        json!({
            "kind": "sql#instance",
            "name": name,
            "project": project,
            "region": region,
            "gceZone": format!("{region}-a"),
            "connectionName": format!("{project}:{region}:{name}"),
            "selfLink": world.database_link(name),
            "createTime": self.created.to_string(),
            "state": self.state(),
            "databaseVersion": self.database_version,
            "backendType": "SECOND_GEN",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "etag": super::digest(&format!("{name}/{}", self.settings_version), 24),
            "settings": settings,
        })
    }
}

fn text_of<'a>(settings: &'a Map<String, Value>, field: &str) -> &'a str {
    settings.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The flags in settings that have been checked.
fn flags_of(settings: &Map<String, Value>) -> BTreeMap<&str, &str> {
    let list = settings.get("databaseFlags").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|flag| Some((flag.get("name")?.as_str()?, flag.get("value")?.as_str()?))).collect()
}

impl World {
    /// An operation as the API shows it (`sql#operation`).
    pub fn database_job(&self, job: &Job<Effect>) -> Value {
        let instance = &job.effect.instance;
        let project = &self.project;
        let mut wire = json!({
            "kind": "sql#operation",
            "name": job.id,
            "operationType": "UPDATE",
            "status": job.status(self.now),
            "user": job.user,
            "insertTime": job.created.to_string(),
            "targetProject": project,
            "targetId": instance,
            "targetLink": self.database_link(instance),
            "selfLink": format!("https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/operations/{}", job.id),
        });
        if job.status(self.now) != "PENDING" {
            wire["startTime"] = json!(job.created.to_string());
        }
        if let Some(ended) = job.ended {
            wire["endTime"] = json!(ended.to_string());
        }
        if let Some(error) = &job.error {
            let error = json!({ "kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": error.message });
            wire["error"] = json!({ "kind": "sql#operationErrors", "errors": [error] });
        }
        wire
    }

    fn database_link(&self, name: &str) -> String {
        format!("https://sqladmin.googleapis.com/sql/v1beta4/projects/{}/instances/{name}", self.project)
    }

    /// When the next instance goes down, or its next operation ends.
    pub(super) fn databases_next(&self) -> Option<Timestamp> {
        let down = self.sql.instances.values().filter_map(|instance| instance.goes_down).min();
        down.into_iter().chain(self.sql.jobs.next_due()).min()
    }

    /// Does what is due now: first takes down what restarts, then ends operations.
    pub(super) fn databases_step(&mut self) {
        let now = self.now;
        let due = |instance: &&mut Instance| instance.goes_down.is_some_and(|at| at <= now);
        if let Some(instance) = self.sql.instances.values_mut().find(due) {
            instance.goes_down = None;
            instance.down = true;
        } else if let Some(effect) = self.sql.jobs.end_next(now)
            && let Some(instance) = self.sql.instances.get_mut(&effect.instance)
        {
            instance.down = false;
            instance.settings = effect.settings;
            instance.settings_version = instance.settings_version.saturating_add(1);
        }
        self.settle();
    }
}

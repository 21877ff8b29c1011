//! The settings of a Cloud SQL instance: its flags.
//!
//! An update replaces the list of flags as a whole, so it is written with everything that was seen in it. It is
//! conditional on `settingsVersion`. `RUNNABLE` is also what an instance says that its owner stopped; its activation
//! policy tells them apart (source: `google/cloud/sql/v1/cloud_sql_instances.proto`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_sql_v1::model::operation::SqlOperationStatus;
use google_cloud_sql_v1::model::{DatabaseInstance, Operation};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::{Kind, Observable, Progress, Seen, Writer};
use crate::run::{ResourceId, Reversibility};

/// PostgreSQL settings that are read at start only, of those that an incident may make somebody change.
///
/// Source: the `postmaster` context in <https://www.postgresql.org/docs/current/runtime-config.html>; Cloud SQL restarts
/// the instance to change them.
pub const AT_START: [&str; 10] = [
    "autovacuum_max_workers",
    "cloudsql.logical_decoding",
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_wal_senders",
    "max_worker_processes",
    "shared_buffers",
    "superuser_reserved_connections",
];

/// What an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// `RUNNABLE`, `MAINTENANCE`, `FAILED`, …
    pub state: String,
    /// `ALWAYS` unless its owner stopped it.
    pub activation_policy: String,
    /// Its machine, such as `db-g1-small`.
    pub tier: String,
    /// Such as `POSTGRES_15`.
    pub database_version: String,
    /// The flag of this name, if it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<i64>,
    /// Every flag that is set.
    pub flags: BTreeMap<String, String>,
}

/// The fields a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Flags by name; `None` is one that is not set. Those that are not named stay as they are.
    pub flags: BTreeMap<String, Option<String>>,
}

/// `gcp.sql`.
pub struct Sql {
    cloud: Arc<Cloud>,
}

impl Sql {
    /// The instances of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Sql {
        Sql { cloud: Arc::clone(cloud) }
    }

    async fn read(&self, id: &ResourceId) -> Result<(State, Option<String>), ReadError> {
        let found = self.cloud.sql_instance(&id.project, &id.name).await;
        let found = found.map_err(|error| ReadError::of(id, &error))?;
        let version = found.settings.as_ref().and_then(|settings| settings.settings_version);
        Ok((state(&found), version.map(|version| version.to_string())))
    }
}

impl Observable for Sql {
    type State = State;

    const NAME: &'static str = "gcp.sql";

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let (seen, operations) = futures::join!(self.read(id), self.cloud.sql_operations(&id.project, &id.name));
        let (state, version) = seen?;
        let operations = operations.map_err(|error| ReadError::of(id, &error))?;
        let running = operations.into_iter().find(|operation| operation.status != SqlOperationStatus::Done);
        let stopped = state.activation_policy != "ALWAYS" || state.state != "RUNNABLE";
        let trouble = stopped.then(|| format!("it is {}, and its policy is {}", state.state, state.activation_policy));
        Ok(Seen { state, etag: version, operation: running.map(|operation| operation.name), trouble })
    }
}

impl Kind for Sql {
    type Owned = Owned;

    fn allowed(_: &Owned, to: &Owned) -> Result<Reversibility, String> {
        let at_start: Vec<&str> = to.flags.keys().map(String::as_str).filter(|name| AT_START.contains(name)).collect();
        Ok(if at_start.is_empty() {
            Reversibility::Reversible
        } else {
            let why = format!("{} is read when the database starts: every connection breaks", at_start.join(", "));
            Reversibility::Restarts { why }
        })
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<Progress<State>, WriteError> {
        let mut flags = seen.state.flags.clone();
        for (name, value) in &to.flags {
            match value {
                Some(value) => flags.insert(name.clone(), value.clone()),
                None => flags.remove(name),
            };
        }
        let list: Vec<_> = flags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let body = json!({ "settings": { "settingsVersion": seen.etag, "databaseFlags": list } });
        Ok(Progress::Running { operation: writer.patch_sql(id, &body).await? })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<Progress<State>, ReadError> {
        let answer = self.cloud.sql_operation(&id.project, operation).await;
        let answer = answer.map_err(|error| ReadError::of(id, &error))?;
        if answer.status != SqlOperationStatus::Done {
            return Ok(Progress::Running { operation: answer.name });
        }
        match failure(&answer) {
            Some(why) => Ok(Progress::Failed { why }),
            None => Ok(Progress::Done(self.read(id).await?.0)),
        }
    }
}

fn failure(operation: &Operation) -> Option<String> {
    let errors = &operation.error.as_ref()?.errors;
    let words: Vec<String> = errors.iter().map(|error| format!("{} ({})", error.message, error.code)).collect();
    Some(words.join("; "))
}

fn state(instance: &DatabaseInstance) -> State {
    let settings = instance.settings.as_ref();
    let flags: BTreeMap<String, String> = settings
        .into_iter()
        .flat_map(|settings| &settings.database_flags)
        .map(|flag| (flag.name.clone(), flag.value.clone()))
        .collect();
    State {
        state: instance.state.name().unwrap_or("UNKNOWN").to_owned(),
        activation_policy: settings
            .and_then(|settings| settings.activation_policy.name())
            .unwrap_or("UNKNOWN")
            .to_owned(),
        tier: settings.map(|settings| settings.tier.clone()).unwrap_or_default(),
        database_version: instance.database_version.name().unwrap_or("UNKNOWN").to_owned(),
        max_connections: flags.get("max_connections").and_then(|value| value.parse().ok()),
        flags,
    }
}

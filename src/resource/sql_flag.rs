//! A flag that a Cloud SQL instance can have: whether a change of it restarts the database. Only looked at.
//!
//! The name in an id is that of the instance, a slash, and the flag's. Cloud SQL says it for each version of an engine
//! (`GET /v1/flags`, field `requiresRestart`). What the engines themselves publish is known here without asking, and only as
//! far as they publish it: the same name is read at its start by one engine and at any time by another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cloud::Cloud;
use super::error::ReadError;
use super::path::ApiPath;
use super::permission::Permission;
use super::spec::{ApiObject, Metrics, Product};
use super::sql::Sql;
use super::{Observable, Seen, typed};
use crate::gate::{FactType, Facts};
use crate::run::{NameOwner, NameShape, ResourceId};

/// The software that a Cloud SQL instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `POSTGRES_…`.
    PostgreSql,
    /// `MYSQL_…`.
    MySql,
    /// `SQLSERVER_…`.
    SqlServer,
}

impl Engine {
    /// The engine of a version such as `POSTGRES_15` (source: `SqlDatabaseVersion` of Cloud SQL Admin v1); `None` if it is none
    /// of these.
    pub fn of_version(version: &str) -> Option<Engine> {
        match version.split('_').next()? {
            "POSTGRES" => Some(Engine::PostgreSql),
            "MYSQL" => Some(Engine::MySql),
            "SQLSERVER" => Some(Engine::SqlServer),
            _ => None,
        }
    }

    /// What it calls itself.
    pub fn name(self) -> &'static str {
        match self {
            Engine::PostgreSql => "PostgreSQL",
            Engine::MySql => "MySQL",
            Engine::SqlServer => "SQL Server",
        }
    }

    /// The engines that read a flag of this name at their start only.
    pub fn reading_at_start(flag: &str) -> impl Iterator<Item = Engine> {
        ENGINES.into_iter().filter(move |engine| engine.at_start().contains(&flag))
    }

    /// The engines that take a flag of this name while they run.
    pub fn taking_at_any_time(flag: &str) -> impl Iterator<Item = Engine> {
        ENGINES.into_iter().filter(move |engine| engine.at_any_time().contains(&flag))
    }

    /// Whether some engine is known to take the flag while it runs, and none to read it at its start only.
    pub fn are_agreed_on_no_restart(flag: &str) -> bool {
        Engine::taking_at_any_time(flag).next().is_some() && Engine::reading_at_start(flag).next().is_none()
    }

    /// Whether a change of a flag takes a restart, as far as the engine's own documentation says.
    pub fn restart(self, flag: &str) -> Restart {
        match (self.at_start().contains(&flag), self.at_any_time().contains(&flag)) {
            (true, _) => Restart::Required,
            (false, true) => Restart::NotRequired,
            (false, false) => Restart::Unknown,
        }
    }

    /// Flags that it reads at its start only, of those that an incident may make somebody change.
    ///
    /// Source for PostgreSQL: the `postmaster` context in <https://www.postgresql.org/docs/current/runtime-config.html>. Source for
    /// MySQL: the variables that are not dynamic in
    /// <https://dev.mysql.com/doc/refman/8.0/en/server-system-variable-reference.html>. Of SQL Server none is listed.
    fn at_start(self) -> &'static [&'static str] {
        match self {
            Engine::PostgreSql => &[
                "autovacuum_freeze_max_age",
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
                "track_activity_query_size",
                "wal_buffers",
            ],
            Engine::MySql => &[
                "back_log",
                "innodb_buffer_pool_instances",
                "innodb_read_io_threads",
                "innodb_write_io_threads",
                "lower_case_table_names",
                "performance_schema",
                "table_open_cache_instances",
            ],
            Engine::SqlServer => &[],
        }
    }

    /// Flags that it takes while it runs. Same sources.
    fn at_any_time(self) -> &'static [&'static str] {
        match self {
            Engine::PostgreSql => &[
                "deadlock_timeout",
                "idle_in_transaction_session_timeout",
                "lock_timeout",
                "log_connections",
                "log_disconnections",
                "log_lock_waits",
                "log_min_duration_statement",
                "log_statement",
                "statement_timeout",
                "work_mem",
            ],
            Engine::MySql => &[
                "innodb_lock_wait_timeout",
                "long_query_time",
                "max_connections",
                "max_execution_time",
                "slow_query_log",
                "wait_timeout",
            ],
            Engine::SqlServer => &[],
        }
    }
}

const ENGINES: [Engine; 3] = [Engine::PostgreSql, Engine::MySql, Engine::SqlServer];

/// Whether a change of a flag restarts the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// It does.
    Required,
    /// It does not.
    NotRequired,
    /// Nobody says.
    Unknown,
}

/// What is known of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether a change of it restarts the database.
    pub restart: Restart,
}

/// `gcp.sql.flag`.
pub struct SqlFlag {
    cloud: Arc<Cloud>,
}

impl SqlFlag {
    /// The flags of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> SqlFlag {
        SqlFlag { cloud: Arc::clone(cloud) }
    }
}

/// The id of a flag of an instance.
pub fn of(instance: &ResourceId, flag: &str) -> ResourceId {
    let name = format!("{}/{flag}", instance.name);
    ResourceId { kind: SqlFlag::NAME.to_owned(), name, ..instance.clone() }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Instance {
    database_version: String,
}

/// `flags.list` of Cloud SQL Admin v1.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Flags {
    items: Vec<Flag>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Flag {
    name: String,
    /// The API's reference does not say what it means that it is missing.
    requires_restart: Option<bool>,
}

impl Observable for SqlFlag {
    type State = State;

    const NAME: &'static str = "gcp.sql.flag";
    const FACTS: Facts = &[("restart", FactType::Text)];
    const NAME_SHAPE: NameShape = NameShape {
        what: "a flag of a Cloud SQL instance",
        min_length: 1,
        max_length: 200,
        owner: NameOwner::Google,
        description: "the instance's short name, a slash, and the flag's name",
    };
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["cloudsql.instances.get"];
    const PRODUCT: Option<Product> = <Sql as Observable>::PRODUCT;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let Some((instance, flag)) = id.name.split_once('/') else {
            let why = "a flag is named INSTANCE/FLAG".to_owned();
            return Err(ReadError::Refused { resource: id.clone(), why, denied: false });
        };
        let garbled = |why: String| ReadError::Malformed { resource: id.clone(), why };
        let path = ApiPath::project(&id.project).of("instances", instance);
        let found: Value = self.cloud.sql(&path, &[]).await.map_err(|error| ReadError::of(id, &error))?;
        let Instance { database_version } = typed(&found).map_err(garbled)?;
        let listed = self.cloud.sql_flags(&database_version).await.map_err(|error| ReadError::of(id, &error))?;
        let Flags { items } = typed(&listed).map_err(garbled)?;
        let said = items.iter().find(|item| item.name == flag).and_then(|item| item.requires_restart);
        let engine = Engine::of_version(&database_version);
        let restart = match said {
            Some(true) => Restart::Required,
            Some(false) => Restart::NotRequired,
            None => engine.map_or(Restart::Unknown, |engine| engine.restart(flag)),
        };
        Ok(Seen { state: State { restart }, etag: None, operation: None, trouble: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_engine_reads_at_its_start_another_takes_at_any_time() {
        assert_eq!(Engine::PostgreSql.restart("max_connections"), Restart::Required);
        assert_eq!(Engine::MySql.restart("max_connections"), Restart::NotRequired);
        assert_eq!(Engine::SqlServer.restart("max_connections"), Restart::Unknown);
        assert_eq!(Engine::of_version("SQLSERVER_2019_STANDARD"), Some(Engine::SqlServer));
        assert_eq!(Engine::of_version("ORACLE_23"), None);
    }

    #[test]
    fn no_engine_both_reads_a_flag_at_its_start_and_takes_it_at_any_time() {
        for engine in ENGINES {
            assert!(engine.at_start().iter().all(|flag| !engine.at_any_time().contains(flag)), "{engine:?}");
        }
    }
}

//! Database flags: what is known of some of them.
//!
//! Cloud SQL has several hundred, and which ones it has is not known from a primary source; so any name is accepted, and of
//! those below it is known what they take and whether the engine reads them at its start only. That knowledge is the engine's,
//! not Google's: `context`, `min_val` and `max_val` of PostgreSQL's view `pg_settings` (`postmaster` is "at start only"), and the
//! table of server variables in MySQL's manual (a variable that is not dynamic is read at the start). For `max_connections` of
//! PostgreSQL Cloud SQL's own bounds are narrower. Flags of Cloud SQL's own that restart an instance are from
//! <https://cloud.google.com/sql/docs/postgres/flags>, as copies quote it.

use serde_json::{Value, json};

use super::instance::Engine;
use crate::sim::world::refusal::Refusal;

/// The largest `int` of PostgreSQL.
const INT: i64 = 2_147_483_647;

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// The engine that it is a flag of.
    pub engine: Engine,
    /// Its name, which is the engine's.
    pub name: &'static str,
    takes: Takes,
    /// Whether the engine reads it at its start only.
    pub requires_restart: bool,
}

#[derive(Debug)]
enum Takes {
    Integer(i64, i64),
    Boolean,
    OneOf(&'static [&'static str]),
    Text,
}

const fn integer(name: &'static str, min: i64, max: i64, requires_restart: bool) -> Flag {
    Flag { engine: Engine::Postgres, name, takes: Takes::Integer(min, max), requires_restart }
}

const fn boolean(name: &'static str) -> Flag {
    Flag { engine: Engine::Postgres, name, takes: Takes::Boolean, requires_restart: false }
}

/// A flag of PostgreSQL that is read at its start only.
const fn at_start(name: &'static str, takes: Takes) -> Flag {
    Flag { engine: Engine::Postgres, name, takes, requires_restart: true }
}

const fn mysql(name: &'static str, takes: Takes, requires_restart: bool) -> Flag {
    Flag { engine: Engine::MySql, name, takes, requires_restart }
}

/// The flags of which something is known.
pub const FLAGS: [Flag; 38] = [
    at_start("autovacuum_freeze_max_age", Takes::Integer(100_000, 2_000_000_000)),
    at_start("autovacuum_max_workers", Takes::Integer(1, 262_143)),
    at_start("cloudsql.enable_pgaudit", Takes::Boolean),
    at_start("cloudsql.iam_authentication", Takes::Boolean),
    at_start("cloudsql.logical_decoding", Takes::Boolean),
    at_start("huge_pages", Takes::OneOf(&["on", "off", "try"])),
    at_start("max_pred_locks_per_transaction", Takes::Integer(10, INT)),
    at_start("max_replication_slots", Takes::Integer(0, 262_143)),
    at_start("max_wal_senders", Takes::Integer(0, 262_143)),
    at_start("max_worker_processes", Takes::Integer(0, 262_143)),
    at_start("pg_stat_statements.max", Takes::Integer(100, INT)),
    at_start("shared_buffers", Takes::Integer(16, 1_073_741_823)),
    at_start("superuser_reserved_connections", Takes::Integer(0, 262_143)),
    at_start("track_activity_query_size", Takes::Integer(100, 1_048_576)),
    at_start("wal_buffers", Takes::Integer(-1, 262_143)),
    mysql("innodb_buffer_pool_instances", Takes::Integer(1, 64), true),
    mysql("max_connections", Takes::Integer(1, 100_000), false),
    mysql("performance_schema", Takes::Boolean, true),
    mysql("slow_query_log", Takes::Boolean, false),
    mysql("default_time_zone", Takes::Text, true),
    integer("autovacuum_naptime", 1, 2_147_483, false),
    integer("deadlock_timeout", 1, INT, false),
    integer("idle_in_transaction_session_timeout", 0, INT, false),
    integer("lock_timeout", 0, INT, false),
    boolean("log_checkpoints"),
    boolean("log_connections"),
    boolean("log_disconnections"),
    boolean("log_lock_waits"),
    integer("log_min_duration_statement", -1, INT, false),
    integer("log_temp_files", -1, INT, false),
    Flag {
        engine: Engine::Postgres,
        name: "log_statement",
        takes: Takes::OneOf(&["none", "ddl", "mod", "all"]),
        requires_restart: false,
    },
    integer("max_connections", 14, 262_143, true),
    integer("max_locks_per_transaction", 10, INT, true),
    integer("max_prepared_transactions", 0, 262_143, true),
    integer("statement_timeout", 0, INT, false),
    integer("tcp_keepalives_idle", 0, INT, false),
    integer("temp_file_limit", -1, INT, false),
    integer("work_mem", 64, INT, false),
];

/// The flag of this name, if something is known of it.
pub fn find(name: &str, engine: Engine) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name && flag.engine == engine)
}

/// Refuses what can be no flag's name, and a value that a flag is known not to take. The wording is ours.
pub fn check(name: &str, value: &str, engine: Engine) -> Result<(), Refusal> {
    let field = "settings.databaseFlags";
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "._ -".contains(letter);
    if name.is_empty() || !name.chars().all(letter) {
        return Err(Refusal::invalid(field, format!("Invalid request: Invalid flag name: {name}.")));
    }
    let Some(flag) = find(name, engine) else { return Ok(()) };
    let taken = match flag.takes {
        Takes::Integer(min, max) => value.parse::<i64>().is_ok_and(|number| (min..=max).contains(&number)),
        Takes::Boolean => ["on", "off"].contains(&value),
        Takes::OneOf(values) => values.contains(&value),
        Takes::Text => true,
    };
    if !taken {
        return Err(Refusal::invalid(field, format!("Invalid request: Invalid value for flag {name}: {value:?}.")));
    }
    Ok(())
}

impl Flag {
    /// The flag as the API shows it (`sql#flag`).
    pub fn wire(&self, version: &str) -> Value {
        let mut wire = json!({
            "kind": "sql#flag",
            "name": self.name,
            "appliesTo": [version],
            "requiresRestart": self.requires_restart,
            "flagScope": "SQL_FLAG_SCOPE_DATABASE",
        });
        match self.takes {
            Takes::Integer(min, max) => {
                wire["type"] = json!("INTEGER");
                wire["minValue"] = json!(min.to_string());
                wire["maxValue"] = json!(max.to_string());
            }
            Takes::Boolean => wire["type"] = json!("BOOLEAN"),
            Takes::Text => wire["type"] = json!("STRING"),
            Takes::OneOf(values) => {
                wire["type"] = json!("STRING");
                wire["allowedStringValues"] = json!(values);
            }
        }
        wire
    }
}

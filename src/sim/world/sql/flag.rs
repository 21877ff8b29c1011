//! Database flags: which there are, what they take, and which of them PostgreSQL reads at its start only.
//!
//! Cloud SQL has several hundred; these are the ones that an incident is likely to be about. Whether a flag needs a
//! restart, and the numbers that it takes, are PostgreSQL's (`context` and `min_val`, `max_val` of its view `pg_settings`:
//! `postmaster` is "at start only"). For `max_connections` Cloud SQL's own bounds are narrower.

use serde_json::{Value, json};

use crate::sim::world::refusal::Refusal;

/// The largest `int` of PostgreSQL.
const INT: i64 = 2_147_483_647;

/// A flag.
#[derive(Debug)]
pub struct Flag {
    /// Its name, which is PostgreSQL's.
    pub name: &'static str,
    takes: Takes,
    /// Whether PostgreSQL reads it at its start only.
    pub requires_restart: bool,
}

#[derive(Debug)]
enum Takes {
    Integer(i64, i64),
    Boolean,
    OneOf(&'static [&'static str]),
}

const fn integer(name: &'static str, min: i64, max: i64, requires_restart: bool) -> Flag {
    Flag { name, takes: Takes::Integer(min, max), requires_restart }
}

const fn boolean(name: &'static str) -> Flag {
    Flag { name, takes: Takes::Boolean, requires_restart: false }
}

/// The flags that the simulated cloud knows.
pub const FLAGS: [Flag; 18] = [
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
    Flag { name: "log_statement", takes: Takes::OneOf(&["none", "ddl", "mod", "all"]), requires_restart: false },
    integer("max_connections", 14, 262_143, true),
    integer("max_locks_per_transaction", 10, INT, true),
    integer("max_prepared_transactions", 0, 262_143, true),
    integer("statement_timeout", 0, INT, false),
    integer("tcp_keepalives_idle", 0, INT, false),
    integer("temp_file_limit", -1, INT, false),
    integer("work_mem", 64, INT, false),
];

/// The flag of this name.
pub fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

/// Refuses a flag that there is not, or a value that it does not take. The wording is ours.
pub fn check(name: &str, value: &str) -> Result<(), Refusal> {
    let field = "settings.databaseFlags";
    let Some(flag) = find(name) else {
        return Err(Refusal::invalid(field, format!("Invalid request: Invalid flag name: {name}.")));
    };
    let taken = match flag.takes {
        Takes::Integer(min, max) => value.parse::<i64>().is_ok_and(|number| (min..=max).contains(&number)),
        Takes::Boolean => ["on", "off"].contains(&value),
        Takes::OneOf(values) => values.contains(&value),
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
            Takes::OneOf(values) => {
                wire["type"] = json!("STRING");
                wire["allowedStringValues"] = json!(values);
            }
        }
        wire
    }
}

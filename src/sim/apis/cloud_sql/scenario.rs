//! `[sql.NAME]`: Cloud SQL instances.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::instance::{Engine, Figures, Instance, Phase, State};
use super::{settings, update};
use crate::sim::scenario::captured::Captured;
use crate::sim::scenario::reading::{Complaint, Complaints, Named, complain, positive_or};
use crate::sim::world::World;

/// A table `[sql.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::sim) struct SqlTable {
    database_version: Option<String>,
    tier: Option<String>,
    #[serde(default)]
    flags: BTreeMap<String, String>,
    activation_policy: Option<String>,
    created: Option<Timestamp>,
    /// The instance that it is a replica of.
    primary: Option<String>,
    /// What `gcloud sql instances describe --format=json` printed, in the place of all that the API says of it.
    state: Option<Captured>,
    /// Whatever else its settings say, in the API's own words.
    #[serde(default)]
    settings: Map<String, Value>,
    update_takes: Option<Spanned<SignedDuration>>,
    restart_takes: Option<Spanned<SignedDuration>>,
    #[serde(default)]
    other_connections: u64,
    #[serde(default = "reserved")]
    reserved_connections: u64,
    #[serde(default)]
    state_while_restarting: State,
}

/// The machine of an instance of which the scenario says nothing (ours).
const TIER: &str = "db-custom-2-7680";

/// How long an update and a restart take of which the scenario says nothing (ours).
const UPDATE_TAKES: SignedDuration = SignedDuration::from_mins(1);
const RESTART_TAKES: SignedDuration = SignedDuration::from_mins(1);

/// PostgreSQL's default of `superuser_reserved_connections`.
fn reserved() -> u64 {
    3
}

/// Puts the instances into the world.
pub(super) fn build(tables: Named<SqlTable>, world: &mut World, complaints: &mut Complaints) {
    for (name, table) in tables {
        if let Some(instance) = complaints.keep(table.build(name.span(), world.now, &world.region)) {
            world.parts.cloud_sql.instances.insert(name.into_inner(), instance);
        }
    }
}

/// What is known of an instance and made anew here; but a key for its disk is kept.
static KNOWN: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| update::FIELDS.into_iter().filter(|field| *field != "diskEncryptionConfiguration").collect());

impl SqlTable {
    fn build(self, at: Range<usize>, start: Timestamp, region: &str) -> Result<Instance, Complaint> {
        let is_captured = self.state.is_some();
        let body = self.state.unwrap_or_else(|| Captured(Map::new()));
        let captured_version = body.0.get("databaseVersion").and_then(Value::as_str).map(str::to_owned);
        let Some(database_version) = self.database_version.or(captured_version) else {
            return complain(at, "missing field `database_version`");
        };
        let Some(engine) = Engine::of(&database_version) else {
            return complain(at, "database_version begins with POSTGRES_, MYSQL_ or SQLSERVER_");
        };
        let flags: Vec<Value> =
            self.flags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let mut settings = self.settings;
        let said = [
            ("tier", self.tier.map(Value::from)),
            ("activationPolicy", self.activation_policy.map(Value::from)),
            ("databaseFlags", (!flags.is_empty()).then(|| json!(flags))),
        ];
        for (field, value) in said {
            if settings.contains_key(field) {
                return complain(at, format!("settings.{field} is written without `settings` here"));
            }
            if let Some(value) = value {
                settings.insert(field.to_owned(), value);
            }
        }
        let captured = body.0.get("settings").and_then(Value::as_object).cloned().unwrap_or_default();
        for (field, value) in captured {
            if !["kind", "settingsVersion"].contains(&field.as_str()) {
                settings.entry(field).or_insert(value);
            }
        }
        // What was captured says it; of an instance that is only described here any will do.
        if is_captured && !settings.contains_key("tier") {
            return complain(at, "missing field `tier`");
        }
        settings.entry("tier").or_insert_with(|| json!(TIER));
        settings::fill_defaults(&mut settings, engine, region);
        if let Err(refusal) = update::check(&settings, engine) {
            return complain(at, refusal.message);
        }
        Ok(Instance {
            database_version,
            created: self.created.unwrap_or_else(|| body.time("createTime", start)),
            settings,
            settings_version: 1,
            phase: Phase::Running,
            primary: self.primary,
            other_zone: false,
            kept: body.besides(&KNOWN),
            down: false,
            goes_down: None,
            figures: Figures {
                update_takes: positive_or(self.update_takes, UPDATE_TAKES)?,
                restart_takes: positive_or(self.restart_takes, RESTART_TAKES)?,
                other_connections: self.other_connections,
                reserved_connections: self.reserved_connections,
                state_while_restarting: self.state_while_restarting,
            },
        })
    }
}

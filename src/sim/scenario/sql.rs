//! `[sql.NAME]`: Cloud SQL instances.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::reading::{Complaint, Complaints, Named, complain, positive};
use crate::sim::world::World;
use crate::sim::world::sql::{Engine, Figures, Instance, Phase, State, settings, update};

/// A table `[sql.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlTable {
    database_version: String,
    tier: String,
    #[serde(default)]
    flags: BTreeMap<String, String>,
    #[serde(default = "always")]
    activation_policy: String,
    created: Option<Timestamp>,
    /// The instance that it is a replica of.
    primary: Option<String>,
    /// Whatever else its settings say, in the API's own words.
    #[serde(default)]
    settings: Map<String, Value>,
    update_takes: Spanned<SignedDuration>,
    restart_takes: Spanned<SignedDuration>,
    #[serde(default)]
    other_connections: u64,
    #[serde(default = "reserved")]
    reserved_connections: u64,
    #[serde(default)]
    state_while_restarting: State,
}

fn always() -> String {
    "ALWAYS".to_owned()
}

/// PostgreSQL's default of `superuser_reserved_connections`.
fn reserved() -> u64 {
    3
}

/// Puts the instances into the world.
pub(super) fn build(tables: Named<SqlTable>, world: &mut World, complaints: &mut Complaints) {
    for (name, table) in tables {
        if let Some(instance) = complaints.keep(table.build(name.span(), world.now, &world.region)) {
            world.sql.instances.insert(name.into_inner(), instance);
        }
    }
}

impl SqlTable {
    fn build(self, at: Range<usize>, start: Timestamp, region: &str) -> Result<Instance, Complaint> {
        let Some(engine) = Engine::of(&self.database_version) else {
            return complain(at, "database_version begins with POSTGRES_, MYSQL_ or SQLSERVER_");
        };
        let flags: Vec<Value> =
            self.flags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let mut settings = self.settings;
        for (field, value) in [
            ("tier", json!(self.tier)),
            ("activationPolicy", json!(self.activation_policy)),
            ("databaseFlags", json!(flags)),
        ] {
            if settings.insert(field.to_owned(), value).is_some() {
                return complain(at, format!("settings.{field} is written without `settings` here"));
            }
        }
        settings::fill_defaults(&mut settings, engine, region);
        if let Err(refusal) = update::check(&settings, engine) {
            return complain(at, refusal.message);
        }
        Ok(Instance {
            database_version: self.database_version,
            created: self.created.unwrap_or(start),
            settings,
            settings_version: 1,
            phase: Phase::Running,
            primary: self.primary,
            other_zone: false,
            kept: Map::new(),
            down: false,
            goes_down: None,
            figures: Figures {
                update_takes: positive(self.update_takes)?,
                restart_takes: positive(self.restart_takes)?,
                other_connections: self.other_connections,
                reserved_connections: self.reserved_connections,
                state_while_restarting: self.state_while_restarting,
            },
        })
    }
}

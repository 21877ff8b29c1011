//! `gcp.sql.patch`: set flags of a Cloud SQL instance, its machine, its storage, and whether it runs.
//!
//! One request sets all of it, so that the instance restarts once; but for the storage, which cannot become smaller again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::forecast::to_json;
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, ObstacleKind, Rollback, StepAction, StepContext,
    TaskDraft, require_one_of,
};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::sql::{Owned, Sql};
use crate::resource::sql_flag::{self, Engine, Restart};
use crate::run::{ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType, words};

/// `gcp.sql.patch`. Flags that are not named stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlPatch {
    /// Short name of the instance.
    pub instance: String,
    /// Flags by name.
    pub flags: BTreeMap<String, String>,
    /// Its machine.
    pub tier: Option<String>,
    /// Whether it runs.
    pub activation_policy: Option<&'static str>,
    /// The size of its disk.
    pub storage_gb: Option<u32>,
}

/// Whether an instance runs (`SqlActivationPolicy`; `ON_DEMAND` is of the first generation, which is gone).
const POLICIES: [(&str, &str); 2] = [("ALWAYS", "ALWAYS"), ("NEVER", "NEVER")];

impl SqlPatch {
    fn id(&self, target: &Target) -> ResourceId {
        target.resource(Sql::NAME, &self.instance)
    }

    /// What it sets besides flags, but for the storage.
    fn settings(&self) -> Owned {
        let activation_policy = self.activation_policy.map(str::to_owned);
        Owned { tier: self.tier.clone(), activation_policy, ..Owned::default() }
    }

    /// Nobody observed the instance, so that not even its engine is known.
    fn with_what_may_restart(&self, obstacle: Obstacle) -> Obstacle {
        if obstacle.kind != ObstacleKind::Offline {
            return obstacle;
        }
        let may: Vec<&str> =
            self.flags.keys().map(String::as_str).filter(|flag| !Engine::are_agreed_on_no_restart(flag)).collect();
        if may.is_empty() {
            return obstacle;
        }
        let why = format!("{}; changing {} may restart the database (not known offline)", obstacle.why, may.join(", "));
        Obstacle { why, ..obstacle }
    }
}

/// Whether a change of a flag restarts the instance: as Cloud SQL says, or where it was not asked, as its engine does.
fn restart(forecast: &Forecast<'_>, instance: &ResourceId, version: &str, flag: &str) -> Restart {
    let seen = forecast.observed(&sql_flag::of(instance, flag)).and_then(|seen| seen.as_ref().ok());
    let said = seen.and_then(|seen| serde_json::from_value::<sql_flag::State>(seen.state.clone()).ok());
    let by_engine = || Engine::of_version(version).map_or(Restart::Unknown, |engine| engine.restart(flag));
    said.map_or_else(by_engine, |state| state.restart)
}

fn say_what_restarts(task: &mut TaskDraft, changed: &[&str], version: &str, restart: impl Fn(&str) -> Restart) {
    let which = |meant: Restart| changed.iter().copied().filter(|flag| restart(flag) == meant).collect::<Vec<_>>();
    let (required, unknown) = (which(Restart::Required), which(Restart::Unknown));
    if !required.is_empty() {
        let why = format!("{} is read when the database starts: every connection breaks", required.join(", "));
        task.reversibility = Reversibility::Restarts {
            why: match &task.reversibility {
                Reversibility::Restarts { why: besides } => format!("{besides}; {why}"),
                _ => why,
            },
        };
    }
    if !unknown.is_empty() {
        task.warnings.push(format!(
            "may restart the database: whether {version} is restarted to change {} is not known",
            unknown.join(", ")
        ));
    }
}

impl Declared for SqlPatch {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.sql.patch",
        outputs: &[],
        with: Table {
            about: "Changes settings of a Cloud SQL instance. Flags are merged with those that are set.",
            keys: &[
                Key::new("instance", ValueType::Text, "The instance's short name.")
                    .required()
                    .example("\"staging-postgres\""),
                Key::new("flags", ValueType::Values, "Database flags to set.")
                    .example("{ max_connections = 400 }")
                    .default("they stay as they are"),
                Key::new("tier", ValueType::Text, "Its machine. Changing it restarts the instance.")
                    .example("\"db-custom-4-15360\"")
                    .default("it stays as it is"),
                Key::new(
                    "activation_policy",
                    ValueType::Choice(&words(&POLICIES)),
                    "Whether it runs; `NEVER` stops it.",
                )
                .example("\"ALWAYS\"")
                .default("it stays as it is"),
                Key::new("storage_gb", ValueType::Integer, "The size of its disk in GB. It only grows.")
                    .example("100")
                    .default("it stays as it is"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<SqlPatch> {
        let (instance, flags) = (with.text("instance"), with.values("flags"));
        if flags.as_ref().is_some_and(BTreeMap::is_empty) {
            with.wrong("flags", "this changes nothing about the instance", "name at least one flag");
        }
        require_one_of(with, "instance", &["flags", "tier", "activation_policy", "storage_gb"]);
        if with.has("flags") && flags.is_none() {
            return None;
        }
        Some(SqlPatch {
            instance: instance?,
            flags: flags.unwrap_or_default(),
            tier: with.text("tier"),
            activation_policy: with.choice("activation_policy", &POLICIES),
            storage_gb: with.count("storage_gb", 10),
        })
    }
}

impl StepAction for SqlPatch {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        let id = self.id(target);
        let flags: Vec<ResourceId> = self.flags.keys().map(|flag| sql_flag::of(&id, flag)).collect();
        std::iter::once(id).chain(flags).collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        let flags = self.flags.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let wanted = Owned { flags, ..self.settings() };
        to_json(&Owned { storage_gb: self.storage_gb.map(i64::from), ..wanted }).ok().map(|to| (self.id(target), to))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let id = self.id(forecast.target());
        let state = forecast.state(&id).map_err(|obstacle| self.with_what_may_restart(obstacle))?;
        let version = state.get("database_version").and_then(Value::as_str).unwrap_or_default().to_owned();
        let now = |name: &str| state.get("flags").and_then(|flags| flags.get(name)).and_then(Value::as_str);
        let changed: Vec<&str> = self
            .flags
            .iter()
            .filter(|(name, wanted)| now(name) != Some(wanted))
            .map(|(name, _)| name.as_str())
            .collect();
        let from = self.flags.keys().map(|name| (name.clone(), now(name).map(str::to_owned))).collect();
        let to = self.flags.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let known = |field: &str| state.get(field).and_then(Value::as_str).map(str::to_owned);
        let is_stopped = known("activation_policy").as_deref() == Some("NEVER");
        let before = Owned {
            flags: from,
            tier: self.tier.as_ref().and(known("tier")),
            activation_policy: self.activation_policy.and(known("activation_policy")),
            storage_gb: None,
        };
        let after = Owned { flags: to, ..self.settings() };
        let mut tasks = Vec::new();
        let is_more_than_storage = after != Owned::default();
        if is_more_than_storage {
            let mut task = if self.storage_gb.is_some() { step.part("settings") } else { step.whole() };
            forecast.change_from::<Sql>(id.clone(), to_json(&before)?, to_json(&after)?, &mut task)?;
            if task.change.is_some() {
                say_what_restarts(&mut task, &changed, &version, |flag| restart(forecast, &id, &version, flag));
                if is_stopped && self.activation_policy.is_none() {
                    task.warnings.push("it is stopped: its activation policy is NEVER".to_owned());
                }
            }
            tasks.push(task);
        }
        if let Some(size) = self.storage_gb {
            let mut task = if is_more_than_storage { step.part("storage") } else { step.whole() };
            forecast.change::<Sql>(id, json!({ "storage_gb": size }), &mut task)?;
            tasks.push(task);
        }
        // One request after another: the gate is about what all of them bring about.
        if let (true, Some(last)) = (tasks.len() > 1, tasks.last_mut()) {
            last.gate = step.gate.cloned();
        }
        Ok(tasks)
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        vec![Name::value("instance", &self.instance, Sql::NAME_SHAPE)]
    }
}

//! `gcp.sql.patch`: set flags of a Cloud SQL instance.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::forecast::to_json;
use super::{
    ActionFormat, Declared, Forecast, Name, Obstacle, ObstacleKind, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::sql::{Owned, Sql};
use crate::resource::sql_flag::{self, Engine, Restart};
use crate::run::{ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `gcp.sql.patch`. Flags that are not named stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlPatch {
    /// Short name of the instance.
    pub instance: String,
    /// Flags by name.
    pub flags: BTreeMap<String, String>,
}

impl SqlPatch {
    fn id(&self, target: &Target) -> ResourceId {
        target.resource(Sql::NAME, &self.instance)
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
        task.reversibility = Reversibility::Restarts { why };
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
                    .required()
                    .example("{ max_connections = 400 }"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<SqlPatch> {
        let (instance, flags) = (with.text("instance"), with.values("flags"));
        if flags.as_ref().is_some_and(BTreeMap::is_empty) {
            with.wrong("flags", "this changes nothing about the instance", "name at least one flag");
        }
        Some(SqlPatch { instance: instance?, flags: flags? })
    }
}

impl StepAction for SqlPatch {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        let id = self.id(target);
        let flags: Vec<ResourceId> = self.flags.keys().map(|flag| sql_flag::of(&id, flag)).collect();
        std::iter::once(id).chain(flags).collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((self.id(target), json!({ "flags": self.flags })))
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
        let (from, to) = (to_json(&Owned { flags: from })?, to_json(&Owned { flags: to })?);
        let mut task = step.whole();
        forecast.change_from::<Sql>(id.clone(), from, to, &mut task)?;
        if task.change.is_some() {
            say_what_restarts(&mut task, &changed, &version, |flag| restart(forecast, &id, &version, flag));
        }
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn names(&self) -> Vec<Name<'_>> {
        vec![Name::value("instance", &self.instance, Sql::NAME_SHAPE)]
    }
}

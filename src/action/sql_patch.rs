//! `gcp.sql.patch`: set flags of a Cloud SQL instance.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::forecast::to_json;
use super::{ActionFormat, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::sql::{Owned, Sql};
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
        vec![self.id(target)]
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((self.id(target), json!({ "flags": self.flags })))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let id = self.id(forecast.target());
        let state = forecast.state(&id)?;
        let engine = state.get("database_version").and_then(Value::as_str).unwrap_or_default().to_owned();
        let now = |name: &str| state.get("flags").and_then(|flags| flags.get(name)).and_then(Value::as_str);
        let from = self.flags.keys().map(|name| (name.clone(), now(name).map(str::to_owned))).collect();
        let to = self.flags.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        let (from, to) = (to_json(&Owned { flags: from })?, to_json(&Owned { flags: to })?);
        let mut task = step.whole();
        forecast.change_from::<Sql>(id, from, to, &mut task)?;
        // Which flags are read at start only is known of PostgreSQL; the settings of other databases have the same names.
        if !engine.starts_with("POSTGRES") && task.change.is_some() {
            task.reversibility = Reversibility::Reversible;
            task.warnings.push(format!("may restart the database: which flags of {engine} do is not known here"));
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

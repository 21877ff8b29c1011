//! Serverless VPC Access connectors: size and machine type. They grow, they never shrink.
//!
//! A connector has no etag, so a write is: look, compare, write, and look again. An update cannot be
//! cancelled; its operations can only be got and listed.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_longrunning::model::operation::Result as Outcome;
use google_cloud_vpcaccess_v1::model::{OperationMetadata, connector::State as ApiState};
use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::{Kind, Observable, Progress, Seen, Writer};
use crate::run::{ResourceId, Reversibility};

/// What `min_instances` may be.
///
/// Source: gcloud's reference for `compute networks vpc-access connectors update`; the Terraform
/// provider's `vpcaccess/Connector.yaml` says the same.
pub const MIN_INSTANCES: RangeInclusive<i64> = 2..=9;

/// What `max_instances` may be. Same sources as [`MIN_INSTANCES`].
pub const MAX_INSTANCES: RangeInclusive<i64> = 3..=10;

/// The machine types a connector can be made of. Same sources as [`MIN_INSTANCES`].
pub const MACHINE_TYPES: [&str; 3] = ["f1-micro", "e2-micro", "e2-standard-4"];

/// Stands for an operation whose name is not known: the connector itself says when it is over.
const UPDATING: &str = "updating";

/// What a connector is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// `READY`, `UPDATING`, `CREATING`, `DELETING`, `ERROR`.
    pub state: String,
    /// Fewest instances.
    pub min_instances: i64,
    /// Most instances.
    pub max_instances: i64,
    /// Machine type of the instances.
    pub machine_type: String,
}

/// The fields a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Fewest instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<i64>,
    /// Most instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<i64>,
    /// Machine type of the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_type: Option<String>,
}

/// `gcp.connector`.
pub struct Connector {
    cloud: Arc<Cloud>,
}

impl Connector {
    /// The connectors of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Connector {
        Connector { cloud: Arc::clone(cloud) }
    }

    async fn read(&self, id: &ResourceId) -> Result<(State, Option<String>), ReadError> {
        let connector = self.cloud.connector(&path(id)).await;
        let connector = connector.map_err(|error| ReadError::of(id, &error))?;
        let trouble = (connector.state == ApiState::Error).then(|| "the connector is in state ERROR".to_owned());
        let state = State {
            state: connector.state.name().unwrap_or("UNKNOWN").to_owned(),
            min_instances: i64::from(connector.min_instances),
            max_instances: i64::from(connector.max_instances),
            machine_type: connector.machine_type,
        };
        Ok((state, trouble))
    }

    /// The unfinished operation on this connector, if there is one.
    async fn running(&self, id: &ResourceId) -> Result<Option<String>, ReadError> {
        let location = format!("projects/{}/locations/{}", id.project, id.region);
        let operations = self.cloud.vpc_operations(&location).await.map_err(|error| ReadError::of(id, &error))?;
        let ours = operations.into_iter().find(|operation| {
            let target = operation.metadata.as_ref().and_then(|any| any.to_msg::<OperationMetadata>().ok());
            target.is_some_and(|metadata| metadata.target == path(id))
        });
        Ok(ours.map(|operation| operation.name))
    }
}

impl Observable for Connector {
    type State = State;

    const NAME: &'static str = "gcp.connector";

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        // At the same time: an operation that begins or ends between the two shows in the state.
        let (operation, seen) = futures::join!(self.running(id), self.read(id));
        let ((state, trouble), operation) = (seen?, operation?);
        let operation = operation.or_else(|| (state.state == "UPDATING").then(|| UPDATING.to_owned()));
        Ok(Seen { state, etag: None, operation, trouble })
    }
}

impl Kind for Connector {
    type Owned = Owned;

    /// Source: gcloud's reference ("greater than or equal to the currently set …"); the Terraform provider
    /// replaces a connector that should shrink. Whether a machine type can be changed back is not documented.
    fn allowed(from: &Owned, to: &Owned) -> Result<Reversibility, String> {
        for (name, wanted, range) in
            [("min_instances", to.min_instances, MIN_INSTANCES), ("max_instances", to.max_instances, MAX_INSTANCES)]
        {
            if let Some(wanted) = wanted.filter(|wanted| !range.contains(wanted)) {
                return Err(format!(
                    "{name} cannot become {wanted}: a connector takes {} to {}",
                    range.start(),
                    range.end()
                ));
            }
        }
        let shrinks = |from: Option<i64>, to: Option<i64>| matches!((from, to), (Some(from), Some(to)) if to < from);
        for (name, from, to) in [
            ("min_instances", from.min_instances, to.min_instances),
            ("max_instances", from.max_instances, to.max_instances),
        ] {
            if shrinks(from, to) {
                let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
                return Err(format!(
                    "{name} is {from} and cannot become {to}: a connector grows, it never shrinks. Only a new connector can be smaller"
                ));
            }
        }
        let grows = from.min_instances != to.min_instances || from.max_instances != to.max_instances;
        let mut why = String::new();
        if grows {
            why.push_str("a connector never shrinks: the instances stay, and are paid for, until it is replaced");
        }
        if from.machine_type != to.machine_type {
            if grows {
                why.push_str("; ");
            }
            let _ = write!(why, "Google does not document that a machine type can be changed back");
        }
        Ok(if why.is_empty() { Reversibility::Reversible } else { Reversibility::OneWay { why } })
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<Progress<State>, WriteError> {
        if seen.state.state != "READY" {
            let why = format!("it is {}, and only a READY connector can be changed", seen.state.state);
            return Err(WriteError::Refused { resource: id.clone(), why });
        }
        let (mut body, mut mask) = (serde_json::Map::new(), Vec::new());
        // An update of one bound must name both (gcloud's reference).
        if to.min_instances.is_some() || to.max_instances.is_some() {
            body.insert("minInstances".into(), to.min_instances.unwrap_or(seen.state.min_instances).into());
            body.insert("maxInstances".into(), to.max_instances.unwrap_or(seen.state.max_instances).into());
            mask.extend(["minInstances", "maxInstances"]);
        }
        if let Some(machine_type) = &to.machine_type {
            body.insert("machineType".into(), machine_type.clone().into());
            mask.push("machineType");
        }
        let operation = writer.patch_connector(id, &mask.join(","), &body.into()).await?;
        Ok(Progress::Running { operation: operation.name })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<Progress<State>, ReadError> {
        if operation != UPDATING {
            let answer = self.cloud.vpc_operation(operation).await;
            let answer = answer.map_err(|error| ReadError::of(id, &error))?;
            if !answer.done {
                return Ok(Progress::Running { operation: answer.name });
            }
            if let Some(Outcome::Error(status)) = answer.result {
                return Ok(Progress::Failed { why: format!("{} (code {})", status.message, status.code) });
            }
        }
        // `done` says that the operation ended; the connector says what came of it.
        match self.read(id).await? {
            (State { state, .. }, _) if state == "UPDATING" => {
                Ok(Progress::Running { operation: operation.to_owned() })
            }
            (_, Some(why)) => Ok(Progress::Failed { why }),
            (state, None) => Ok(Progress::Done(state)),
        }
    }
}

/// The connector's full resource name.
pub(super) fn path(id: &ResourceId) -> String {
    format!("projects/{}/locations/{}/connectors/{}", id.project, id.region, id.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(min: i64, max: i64, machine: &str) -> Owned {
        Owned { min_instances: Some(min), max_instances: Some(max), machine_type: Some(machine.to_owned()) }
    }

    #[test]
    fn a_connector_grows_one_way_and_never_shrinks() {
        let (small, large) = (size(2, 3, "e2-micro"), size(3, 10, "e2-micro"));
        assert!(Connector::allowed(&small, &large).unwrap().is_one_way());
        let shrink = Connector::allowed(&large, &small).unwrap_err();
        assert!(shrink.contains("never shrinks"), "{shrink}");
    }

    #[test]
    fn a_machine_type_is_not_known_to_go_back() {
        let change = Connector::allowed(&size(2, 3, "e2-micro"), &size(2, 3, "e2-standard-4")).unwrap();
        assert!(change.is_one_way());
    }
}

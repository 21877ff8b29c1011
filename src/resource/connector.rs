//! Serverless VPC Access connectors: size and machine type. They grow, they never shrink.
//!
//! A connector has no etag, so a write is: look, compare, write, and look again. An update cannot be
//! cancelled; its operations can only be got and listed.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api_error::ApiError;
use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::follow_up::FollowUp;
use super::gcloud::{GcloudCommands, place, quoted, text, unknown};
use super::operation::{self, Operation};
use super::path::ApiPath;
use super::permission::Permission;
use super::proto_json::{integer, proto_enum};
use super::rest::{Api, Request};
use super::spec::{ApiObject, Billed, LabelValue, Metrics, Product};
use super::{Certainty, Kind, Observable, OperationProgress, Seen, Writer};
use crate::gate::{FactType, Facts};
use crate::run::{Change, NameOwner, NameShape, ResourceId, Reversibility};

/// What `min_instances` may be.
///
/// Source: gcloud's reference for `compute networks vpc-access connectors update`; the Terraform
/// provider's `vpcaccess/Connector.yaml` says the same.
pub const MIN_INSTANCES: RangeInclusive<i64> = 2..=9;

/// What `max_instances` may be. Same sources as [`MIN_INSTANCES`].
pub const MAX_INSTANCES: RangeInclusive<i64> = 3..=10;

/// The machine types a connector can be made of. Same sources as [`MIN_INSTANCES`].
pub const MACHINE_TYPES: [&str; 3] = ["f1-micro", "e2-micro", "e2-standard-4"];

/// The version of the API that is spoken.
const VERSION: &str = "/v1";

proto_enum! {
    /// How a connector stands.
    ApiState {
        Ready = 1 "READY",
        Creating = 2 "CREATING",
        Deleting = 3 "DELETING",
        Error = 4 "ERROR",
        Updating = 5 "UPDATING",
    }
}

/// A connector, as the API has it (source: `google/cloud/vpcaccess/v1/vpc_access.proto`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    name: String,
    state: ApiState,
    #[serde(deserialize_with = "integer")]
    min_instances: i64,
    #[serde(deserialize_with = "integer")]
    max_instances: i64,
    machine_type: String,
}

impl Cloud {
    async fn connector(&self, name: &ApiPath) -> Result<Wire, ApiError> {
        let found: Wire = self.rest.read(Request::get(Api::VpcAccess, ApiPath::version(VERSION).name(name))).await?;
        name.check_answer(&found.name)?;
        Ok(found)
    }

    async fn vpc_operation(&self, name: &str) -> Result<Operation, ApiError> {
        self.rest.operation(Request::get(Api::VpcAccess, operation::path(VERSION, name)?)).await
    }
}

/// Stands for an operation whose name is not known: the connector itself says when it is over.
const UPDATING: &str = "updating";

/// What a connector is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// `READY`, `UPDATING`, `CREATING`, `DELETING`, `ERROR`.
    pub state: String,
    /// Fewest instances; `None` if the API does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<i64>,
    /// Most instances; `None` if the API does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<i64>,
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
        let (min, max) = (connector.min_instances, connector.max_instances);
        if min < 0 || max < 0 || (max < min && max > 0) {
            let why = format!("its size is {min} to {max} instances");
            return Err(ReadError::Malformed { resource: id.clone(), why });
        }
        // What the API leaves out reads as 0, and no connector has 0 instances.
        let known = |count: i64| (count > 0).then_some(count);
        let trouble = (connector.state == ApiState::Error).then(|| "the connector is in state ERROR".to_owned());
        let state = State {
            state: connector.state.name().to_owned(),
            min_instances: known(min),
            max_instances: known(max),
            machine_type: connector.machine_type,
        };
        Ok((state, trouble))
    }

    /// The unfinished operation on this connector, if there is one.
    async fn running(&self, id: &ResourceId) -> Result<Option<String>, ReadError> {
        let location = ApiPath::location(&id.project, &id.region);
        let operations = self.cloud.rest.unfinished(Api::VpcAccess, VERSION, &location).await;
        let operations = operations.map_err(|error| ReadError::of(id, &error))?;
        let ours = operations.into_iter().find(|operation| operation.is_about(path(id).as_str()));
        Ok(ours.map(|operation| operation.name))
    }
}

impl Observable for Connector {
    type State = State;

    const NAME: &'static str = "gcp.connector";
    const FACTS: Facts = &[
        ("state", FactType::Text),
        ("min_instances", FactType::Int),
        ("max_instances", FactType::Int),
        ("machine_type", FactType::Text),
    ];
    const NAME_SHAPE: NameShape = NameShape {
        what: "a connector",
        min_length: 2,
        max_length: 25,
        owner: NameOwner::Google,
        description: "its short name: up to 25 lower-case letters, digits and hyphens, beginning with a letter",
    };
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["vpcaccess.connectors.get", "vpcaccess.operations.list"];
    const PRODUCT: Option<Product> = Some(Product { api: "vpcaccess.googleapis.com", name: "Serverless VPC Access" });
    const METRICS: Option<Metrics> = Some(Metrics {
        label: "connector_name",
        label_value: LabelValue::Name,
        types: &["vpcaccess.googleapis.com/connector/instances", "vpcaccess.googleapis.com/connector/cpu/utilizations"],
    });

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

    const WRITE_PERMISSIONS: &'static [Permission] = &["vpcaccess.connectors.update", "vpcaccess.operations.get"];
    const SHELL_FUNCTIONS: &'static str = "";

    /// Source: durations are not published; Terraform gives up after 20 minutes, which is known to be short at times.
    const OPERATION_TIMEOUT: Duration = Duration::from_mins(30);

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
        Ok(if why.is_empty() { Reversibility::Reversible } else { Reversibility::Irreversible { why } })
    }

    fn contradiction(state: &Value) -> Option<&'static str> {
        (state.get("state").and_then(Value::as_str) == Some("ERROR")).then_some("state")
    }

    /// Its instances are machines of its type (source: <https://cloud.google.com/vpc/pricing#serverless-vpc-pricing>: "as if they were
    /// Compute Engine VMs").
    fn billed(state: &Value) -> Vec<Billed> {
        let count = |field: &str| state.get(field).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
        let machine = state.get("machine_type").and_then(Value::as_str);
        let all = (|| {
            Some(Billed { unit: machine?.to_owned(), least: count("min_instances")?, most: count("max_instances")? })
        })();
        all.into_iter().collect()
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let place = place(change);
        let fields = [
            ("min_instances", "minInstances", "min-instances"),
            ("max_instances", "maxInstances", "max-instances"),
            ("machine_type", "machineType", "machine-type"),
        ];
        let owned: Vec<_> = fields.into_iter().filter(|(field, ..)| change.to.get(field).is_some()).collect();
        let values = |state: &Value| {
            let values: Option<Vec<String>> = owned.iter().map(|(field, ..)| text(state.get(field)?)).collect();
            values.map(|values| quoted(&values.join(",")))
        };
        let (before, after) = values(&change.from).zip(values(&change.to)).ok_or_else(|| unknown(change))?;
        let paths: Vec<_> = owned.iter().map(|(_, path, _)| *path).collect();
        let set =
            |(field, _, flag): &(&str, &str, &str)| Some(format!("--{flag}={}", quoted(&text(change.to.get(field)?)?)));
        let set: Vec<String> = owned.iter().filter_map(set).collect();
        let (name, command) = (quoted(&change.resource.name), "gcloud compute networks vpc-access connectors");
        let write = vec![format!("{command} update {name} {} {place}", set.join(" "))];
        let read = format!("{command} describe {name} {place} --format='csv[no-heading]({})'", paths.join(","));
        Ok(GcloudCommands { read, before, after, alone: write.clone(), write })
    }

    /// A smaller connector is a new connector, which takes planning.
    fn follow_up(_: &ResourceId, first: &Value, last: &Value) -> Option<FollowUp> {
        let count = |of: &Value, field: &str| of.get(field).and_then(Value::as_i64);
        let grown = ["min_instances", "max_instances"].into_iter().filter_map(|field| {
            let (before, after) = (count(first, field)?, count(last, field)?);
            (after > before).then(|| format!("{field} {before} → {after}"))
        });
        let machine = |of: &Value| of.get("machine_type").and_then(Value::as_str).map(str::to_owned);
        let machine = machine(first).zip(machine(last)).filter(|(before, after)| before != after);
        let machine = machine.map(|(before, after)| format!("machine_type {before} → {after}"));
        let grown: Vec<String> = grown.chain(machine).collect();
        (!grown.is_empty()).then(|| FollowUp {
            what: format!("the connector stays enlarged and is paid for: {}", grown.join(", ")),
            within: Duration::from_hours(30 * 24),
            action: "a connector never shrinks: create a smaller one, move the services to it, delete this one"
                .to_owned(),
        })
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<OperationProgress<State>, WriteError> {
        if seen.state.state != "READY" {
            let why = format!("it is {}, and only a READY connector can be changed", seen.state.state);
            return Err(WriteError::Refused { resource: id.clone(), why });
        }
        let (mut body, mut mask) = (serde_json::Map::new(), Vec::new());
        // An update of one bound must name both (gcloud's reference).
        if to.min_instances.is_some() || to.max_instances.is_some() {
            let bounds = (to.min_instances.or(seen.state.min_instances), to.max_instances.or(seen.state.max_instances));
            let (Some(min), Some(max)) = bounds else {
                let why = "an update names both bounds, and the API does not say what the other one is".to_owned();
                return Err(WriteError::Refused { resource: id.clone(), why });
            };
            body.insert("minInstances".into(), min.into());
            body.insert("maxInstances".into(), max.into());
            mask.extend(["minInstances", "maxInstances"]);
        }
        if let Some(machine_type) = &to.machine_type {
            body.insert("machineType".into(), machine_type.clone().into());
            mask.push("machineType");
        }
        let operation = writer.patch_connector(id, &mask.join(","), body.into()).await?;
        Ok(OperationProgress::Running { operation: operation.name })
    }

    async fn poll(&self, id: &ResourceId, operation: &str, _: Duration) -> Result<OperationProgress<State>, ReadError> {
        if operation != UPDATING {
            let answer = self.cloud.vpc_operation(operation).await;
            match answer.map_err(|error| ReadError::of_operation(id, operation, &error)) {
                Ok(answer) if !answer.done => return Ok(OperationProgress::Running { operation: answer.name }),
                Ok(answer) => {
                    if let Some(failed) = answer.failure() {
                        return Ok(failed);
                    }
                }
                // The connector says whether it is being changed.
                Err(error @ ReadError::OperationNotFound { .. }) => {
                    return match Observable::observe(self, id).await?.operation {
                        Some(_) => Ok(OperationProgress::Running { operation: operation.to_owned() }),
                        None => Err(error),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        // `done` says that the operation ended; the connector says what came of it.
        match self.read(id).await? {
            (State { state, .. }, _) if state == "UPDATING" => {
                Ok(OperationProgress::Running { operation: operation.to_owned() })
            }
            (_, Some(why)) => Ok(OperationProgress::Failed { why, certainty: Certainty::Certain }),
            (state, None) => Ok(OperationProgress::Done(state)),
        }
    }
}

/// The connector's full resource name.
pub(super) fn path(id: &ResourceId) -> ApiPath {
    ApiPath::location(&id.project, &id.region).of("connectors", &id.name)
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
        assert!(Connector::allowed(&small, &large).unwrap().is_irreversible());
        let shrink = Connector::allowed(&large, &small).unwrap_err();
        assert!(shrink.contains("never shrinks"), "{shrink}");
    }

    #[test]
    fn a_machine_type_is_not_known_to_go_back() {
        let change = Connector::allowed(&size(2, 3, "e2-micro"), &size(2, 3, "e2-standard-4")).unwrap();
        assert!(change.is_irreversible());
    }

    #[test]
    fn enums_are_googles() {
        for (number, state) in ApiState::KNOWN {
            assert_eq!(google_cloud_vpcaccess_v1::model::connector::State::from(*number).name(), Some(state.name()));
        }
    }
}

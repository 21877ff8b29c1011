//! Serverless VPC Access v1: connectors and their operations.
//!
//! The published proto has no UpdateConnector; the REST method `PATCH …/connectors/C?updateMask=…` exists all the same
//! (gcloud's own client has it).

pub mod connector;
mod scenario;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Part, cloud_run};
use crate::catalog::Resource;
use crate::sim::api::{self, Answered, Api, Call, Collection, LIST, Shared, page};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::World;
use crate::sim::world::operation::{Audited, Operation, TakesEffect};
use crate::sim::world::refusal::Refusal;
use connector::{Connector, State};

/// Its enums.
const ENUMS: Table = &[(&["state"], &[("READY", 1), ("CREATING", 2), ("DELETING", 3), ("ERROR", 4), ("UPDATING", 5)])];

/// What Serverless VPC Access has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VpcAccess {
    /// How many connections one connector instance of a machine type carries: a scenario's figure, not Google's.
    pub connections_per_instance: BTreeMap<String, u64>,
    /// How long it takes to set a connection up through a connector, by how much is wanted of it; in the order of the
    /// load. Without a word about it, what is over the capacity comes to nothing.
    #[serde(default)]
    pub connection_set_up: Vec<SetUp>,
    /// Connectors by short name.
    pub connectors: BTreeMap<String, Connector>,
}

/// A point of the curve along which a connector slows down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// Connections wanted, by connections carried.
    pub load: f64,
    /// How long it takes to set one up.
    pub takes: SignedDuration,
}

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Short name of the connector.
    connector: String,
    /// What becomes of it.
    change: Change,
}

/// What becomes of a connector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// It takes on a new size, or the server's late refusal of that becomes known.
    Resize { min_instances: i64, max_instances: i64, machine_type: String, refusal: Option<Refusal> },
    /// It is there, or cannot be.
    Create { refusal: Option<Refusal> },
    /// It is gone.
    Delete,
}

impl Part for VpcAccess {
    type Tables = scenario::Tables;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        scenario::Tables::read(reader)
    }

    fn build(tables: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        tables.build(world, complaints);
    }

    fn remove(&mut self, collection: &str, name: &str) -> bool {
        collection == "connectors" && self.connectors.remove(name).is_some()
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let is_one = resource.resource_type.name() == "vpcaccess.connectors";
        let found = world.parts.vpc_access.connectors.get(resource.id()).filter(|_| is_one)?;
        Some(found.wire(&world.connector_name(resource.id()), &world.project))
    }

    fn notes(&self) -> Vec<String> {
        let unknown = |(name, connector): (&String, &Connector)| {
            let table = format!("connectors.{name}");
            connector
                .kept
                .keys()
                .map(|field| crate::sim::scenario::captured::unknown(&table, field))
                .collect::<Vec<_>>()
        };
        self.connectors.iter().flat_map(unknown).collect()
    }
}

impl TakesEffect for Effect {
    fn take_effect(&self, world: &mut World) -> Result<Value, Refusal> {
        let (name, project) = (world.connector_name(&self.connector), world.project.clone());
        let connectors = &mut world.parts.vpc_access.connectors;
        let found = connectors.get_mut(&self.connector).ok_or_else(|| Refusal::missing(&name));
        match &self.change {
            Change::Resize { min_instances, max_instances, machine_type, refusal } => {
                let found = found?;
                found.state = State::Ready;
                if let Some(refusal) = refusal {
                    return Err(refusal.clone());
                }
                found.min_instances = *min_instances;
                found.max_instances = *max_instances;
                found.machine_type.clone_from(machine_type);
                Ok(found.wire(&name, &project))
            }
            Change::Create { refusal: Some(refusal) } => {
                found?.state = State::Error;
                Err(refusal.clone())
            }
            Change::Create { refusal: None } => {
                let found = found?;
                found.state = State::Ready;
                Ok(found.wire(&name, &project))
            }
            Change::Delete => {
                connectors.remove(&self.connector);
                Ok(Value::Object(Map::new()))
            }
        }
    }

    fn call_off(&self, world: &mut World, _: &Refusal) {
        if let Some(found) = world.parts.vpc_access.connectors.get_mut(&self.connector) {
            found.state = match self.change {
                Change::Resize { .. } | Change::Delete => State::Ready,
                Change::Create { .. } => State::Error,
            };
        }
    }

    fn wire(&self, operation: &Operation, world: &World) -> Value {
        let (method, response_type) = match self.change {
            Change::Resize { .. } => ("UpdateConnector", "google.cloud.vpcaccess.v1.Connector"),
            Change::Create { .. } => ("CreateConnector", "google.cloud.vpcaccess.v1.Connector"),
            Change::Delete => ("DeleteConnector", "google.protobuf.Empty"),
        };
        let mut metadata = json!({
            "@type": "type.googleapis.com/google.cloud.vpcaccess.v1.OperationMetadata",
            "method": format!("google.cloud.vpcaccess.v1.VpcAccessService.{method}"),
            "createTime": operation.created.to_string(),
            "target": operation.target,
        });
        if let Some(ended) = operation.ended {
            metadata["endTime"] = json!(ended.to_string());
        }
        operation.long_running(world, &metadata, &format!("type.googleapis.com/{response_type}"))
    }

    fn audited(&self) -> Option<Audited> {
        Some(Audited { resource: "audited_resource", service: "vpcaccess.googleapis.com".into() })
    }
}

impl Api for VpcAccess {
    const SERVICE: &'static str = "vpcaccess";
    const TYPES: &'static [(&'static str, &'static str)] = &[("projects.locations.connectors", "[connectors.NAME]")];
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "connectors", permissions: "vpcaccess.connectors" }];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/v1/projects/{project}/locations/{location}/connectors", get(list).post(create))
            .route(
                "/v1/projects/{project}/locations/{location}/connectors/{connector}",
                get(show).patch(update).delete(delete),
            )
            .route("/v1/projects/{project}/locations/{location}/operations", get(operations))
            .route(
                "/v1/projects/{project}/locations/{location}/operations/{operation}",
                get(operation).post(cloud_run::v1::wait),
            )
    }
}

async fn list(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world
        .parts
        .vpc_access
        .connectors
        .iter()
        .map(|(short, found)| found.wire(&world.connector_name(short), world.project()));
    page(&all.collect::<Vec<_>>(), "connectors", &parameters)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("connector");
    let name = world.connector_name(short);
    let found = world.parts.vpc_access.connectors.get(short).ok_or_else(|| Refusal::missing(&name))?;
    Ok(Json(found.wire(&name, world.project())))
}

async fn update(call: Call) -> Answered {
    let operation = call.change(&["updateMask"], |world, body, call| {
        let operation = world.update_connector(call.named("connector"), body, call.parameters.get("updateMask"))?;
        Ok(operation.wire(world))
    })?;
    Ok(Json(operation))
}

async fn create(call: Call) -> Answered {
    let operation = call.change(&["connectorId"], |world, body, call| {
        let short = call.parameters.get("connectorId");
        let short = short.ok_or_else(|| Refusal::invalid("connector_id", "connector_id is needed"))?;
        Ok(world.create_connector(short, body)?.wire(world))
    })?;
    Ok(Json(operation))
}

async fn delete(call: Call) -> Answered {
    let operation =
        call.change(&[], |world, _, call| Ok(world.delete_connector(call.named("connector"))?.wire(world)))?;
    Ok(Json(operation))
}

async fn operations(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    api::operations::<VpcAccess>(&world, &parameters)
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let id = call.named("operation");
    // Cloud Run v1 has its operations at the same path, on a host of its own that a loopback address stands for.
    if world.operations.get::<cloud_run::CloudRun>(id).is_some() {
        return cloud_run::v1::operation(&world, id);
    }
    api::operation::<VpcAccess>(&world, id)
}

//! Serverless VPC Access v1: connectors and their operations.
//!
//! The published proto has no UpdateConnector; the REST method `PATCH …/connectors/C?updateMask=…` exists all the same
//! (gcloud's own client has it).

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};

use super::enums::{self, Table};
use super::{Answered, Api, Call, Collection, LIST, Shared, page};
use crate::sim::world::operation::Owner;
use crate::sim::world::refusal::Refusal;

/// Serverless VPC Access.
pub(super) struct VpcAccess;

impl Api for VpcAccess {
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "connectors", permissions: "vpcaccess.connectors" }];
    const ENUMS: Table = enums::CONNECTOR;

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
                get(operation).post(super::run_v1::wait),
            )
    }
}

async fn list(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world.connectors.iter().map(|(short, found)| found.wire(&world.connector_name(short), world.project()));
    page(&all.collect::<Vec<_>>(), "connectors", &parameters)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("connector");
    let name = world.connector_name(short);
    let found = world.connectors.get(short).ok_or_else(|| Refusal::missing(&name))?;
    Ok(Json(found.wire(&name, world.project())))
}

async fn update(call: Call) -> Answered {
    let operation = call.change(&["updateMask"], |world, body, call| {
        let operation = world.update_connector(call.named("connector"), body, call.parameters.get("updateMask"))?;
        Ok(operation.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn create(call: Call) -> Answered {
    let operation = call.change(&["connectorId"], |world, body, call| {
        let short = call.parameters.get("connectorId");
        let short = short.ok_or_else(|| Refusal::invalid("connector_id", "connector_id is needed"))?;
        Ok(world.create_connector(short, body)?.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn delete(call: Call) -> Answered {
    let operation = call
        .change(&[], |world, _, call| Ok(world.delete_connector(call.named("connector"))?.wire(&world.location())))?;
    Ok(Json(operation))
}

async fn operations(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    super::operations(&world, Owner::VpcAccess, &parameters)
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let id = call.named("operation");
    // Cloud Run v1 keeps its operations at the same path, on a host of its own that a loopback address stands for.
    if world.operation(Owner::Run, id).is_some() {
        return super::run_v1::operation(&world, id);
    }
    super::operation(&world, Owner::VpcAccess, id)
}

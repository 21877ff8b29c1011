//! Serverless VPC Access v1: connectors and their operations.
//!
//! The published proto has no UpdateConnector; the REST method `PATCH …/connectors/C?updateMask=…` exists all the same
//! (gcloud's own client has it).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::get;
use axum::{Json, Router};

use super::{Answered, LIST, Parameters, Shared, object, page};
use crate::sim::world::operation::Api;
use crate::sim::world::refusal::Refusal;

type Place = Path<(String, String)>;
type Named = Path<(String, String, String)>;

pub(super) fn routes() -> Router<Arc<Shared>> {
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

async fn list(State(shared): State<Arc<Shared>>, Path((project, location)): Place, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    let all = world.connectors.iter().map(|(short, found)| found.wire(&world.connector_name(short), world.project()));
    page(&all.collect::<Vec<_>>(), "connectors", &parameters)
}

async fn show(State(shared): State<Arc<Shared>>, Path((project, location, short)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    let name = world.connector_name(&short);
    let found = world.connectors.get(&short).ok_or_else(|| Refusal::missing(&name))?;
    Ok(Json(found.wire(&name, world.project())))
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((project, location, short)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let parameters = Parameters::read(&uri, &["updateMask"])?;
    let body = object(body)?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        let operation = world.update_connector(&short, &body, parameters.get("updateMask"))?;
        Ok(operation.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path((project, location)): Place,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let parameters = Parameters::read(&uri, &["connectorId"])?;
    let body = object(body)?;
    let short =
        parameters.get("connectorId").ok_or_else(|| Refusal::invalid("connector_id", "connector_id is needed"))?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        Ok(world.create_connector(short, &body)?.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn delete(State(shared): State<Arc<Shared>>, Path((project, location, short)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        Ok(world.delete_connector(&short)?.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn operations(State(shared): State<Arc<Shared>>, Path((project, location)): Place, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    super::operations(&world, Api::VpcAccess, &parameters)
}

async fn operation(State(shared): State<Arc<Shared>>, Path((project, location, id)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    // Cloud Run v1 keeps its operations at the same path, on a host of its own that a loopback address stands for.
    if world.operation(Api::Run, &id).is_some() {
        return super::run_v1::operation(&world, &id);
    }
    super::operation(&world, Api::VpcAccess, &id)
}

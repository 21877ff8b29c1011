//! Cloud Run Admin v2: services, their revisions, and operations.
//!
//! Source of paths and messages: `google/cloud/run/v2/{service,revision}.proto` and its HTTP annotations.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::CloudRun;
use super::update::Options;
use crate::sim::api::{self, Answered, Call, LIST, Shared, page, permission};
use crate::sim::world::refusal::Refusal;

/// Its methods.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2/projects/{project}/locations/{location}/services", get(list).post(create))
        .route(
            "/v2/projects/{project}/locations/{location}/services/{service}",
            get(show).patch(update).post(test).delete(delete),
        )
        // gcloud asks the same of v1.
        .route("/v1/projects/{project}/locations/{location}/services/{service}", post(test))
        .route("/v2/projects/{project}/locations/{location}/services/{service}/revisions", get(revisions))
        .route(
            "/v2/projects/{project}/locations/{location}/services/{service}/revisions/{revision}",
            get(revision).delete(delete_revision),
        )
        .route("/v2/projects/{project}/locations/{location}/operations", get(operations))
        .route("/v2/projects/{project}/locations/{location}/operations/{operation}", get(operation).post(wait))
}

async fn list(call: Call) -> Answered {
    let (world, parameters) = call.read(&["pageSize", "pageToken", "showDeleted"])?;
    let all: Vec<Value> =
        world.parts.cloud_run.services.iter().map(|(short, found)| found.wire(&world, short)).collect();
    page(&all, "services", &parameters)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("service");
    Ok(Json(world.parts.cloud_run.services.get(short).ok_or_else(|| world.no_such_service(short))?.wire(&world, short)))
}

async fn create(call: Call) -> Answered {
    let operation = call.change(&["serviceId", "validateOnly"], |world, body, call| {
        let short = call.parameters.get("serviceId");
        let short = short.ok_or_else(|| Refusal::invalid("service_id", "service_id is needed"))?;
        Ok(world.create_service(short, body, call.flag("validateOnly")?)?.wire(world))
    })?;
    Ok(Json(operation))
}

async fn delete(call: Call) -> Answered {
    let operation = call.change(&["etag", "validateOnly"], |world, _, call| {
        Ok(world.delete_service(call.named("service"), call.flag("validateOnly")?)?.wire(world))
    })?;
    Ok(Json(operation))
}

async fn delete_revision(call: Call) -> Answered {
    let operation = call.change(&["etag", "validateOnly"], |world, _, call| {
        let (service, revision) = (call.named("service"), call.named("revision"));
        let operation = if call.flag("validateOnly")? {
            world.clone().delete_revision(service, revision)?
        } else {
            world.delete_revision(service, revision)?
        };
        Ok(operation.wire(world))
    })?;
    Ok(Json(operation))
}

/// `POST …/services/S:testIamPermissions`; the service need not exist.
async fn test(call: Call) -> Answered {
    if !call.named("service").ends_with(":testIamPermissions") {
        return Err(call.nothing_here().into());
    }
    drop(call.read(&[])?);
    permission::test(call)
}

async fn update(call: Call) -> Answered {
    let operation = call.change(&["updateMask", "validateOnly", "allowMissing"], |world, body, call| {
        let options = Options {
            mask: call.parameters.get("updateMask"),
            validate_only: call.flag("validateOnly")?,
            allow_missing: call.flag("allowMissing")?,
        };
        Ok(world.update_service(call.named("service"), body, options)?.wire(world))
    })?;
    Ok(Json(operation))
}

async fn revisions(call: Call) -> Answered {
    let (world, parameters) = call.read(&["pageSize", "pageToken", "showDeleted"])?;
    let short = call.named("service");
    let service = world.parts.cloud_run.services.get(short).ok_or_else(|| world.no_such_service(short))?;
    let mut all: Vec<_> = service.revisions.iter().filter(|(name, _)| service.shows(name, world.now())).collect();
    all.sort_by(|(a, first), (b, second)| second.created.cmp(&first.created).then_with(|| b.cmp(a)));
    let all: Vec<Value> = all.into_iter().map(|(name, found)| found.wire(&world, short, name)).collect();
    page(&all, "revisions", &parameters)
}

async fn revision(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let (short, revision) = (call.named("service"), call.named("revision"));
    let service = world.parts.cloud_run.services.get(short).filter(|service| service.shows(revision, world.now()));
    let found = service.and_then(|service| service.revisions.get(revision));
    Ok(Json(found.ok_or_else(|| world.no_such_revision(revision))?.wire(&world, short, revision)))
}

async fn operations(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    api::operations::<CloudRun>(&world, &parameters)
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    api::operation::<CloudRun>(&world, call.named("operation"))
}

/// `POST …/operations/ID:wait`: answers when the operation is done or the time is up, whichever is first.
async fn wait(call: Call) -> Answered {
    let (call, id) = api::waited::<CloudRun>(call).await?;
    api::operation::<CloudRun>(&call.world(), &id)
}

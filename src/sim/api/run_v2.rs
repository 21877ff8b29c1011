//! Cloud Run Admin v2: services, their revisions, and operations.
//!
//! Jobs, worker pools and IAM policies are not simulated (source of paths and messages:
//! `google/cloud/run/v2/{service,revision}.proto` and its HTTP annotations).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::{Answered, Caller, LIST, Parameters, Shared, object, page, permission};
use crate::sim::world::operation::Api;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::update::Options;

type Place = Path<(String, String)>;
type Named = Path<(String, String, String)>;
type NamedWithin = Path<(String, String, String, String)>;

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

async fn list(State(shared): State<Arc<Shared>>, Path((project, location)): Place, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &["pageSize", "pageToken", "showDeleted"])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    let all: Vec<Value> = world.services.iter().map(|(short, found)| found.wire(&world, short)).collect();
    page(&all, "services", &parameters)
}

async fn show(State(shared): State<Arc<Shared>>, Path((project, location, short)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    Ok(Json(world.services.get(&short).ok_or_else(|| world.no_such_service(&short))?.wire(&world, &short)))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path((project, location)): Place,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let parameters = Parameters::read(&uri, &["serviceId", "validateOnly"])?;
    let validate_only = parameters.flag("validateOnly")?;
    let short = parameters.get("serviceId").ok_or_else(|| Refusal::invalid("service_id", "service_id is needed"))?;
    let body = object(body)?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        Ok(world.create_service(short, &body, validate_only)?.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn delete(State(shared): State<Arc<Shared>>, Path((project, location, short)): Named, uri: Uri) -> Answered {
    let validate_only = Parameters::read(&uri, &["etag", "validateOnly"])?.flag("validateOnly")?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        Ok(world.delete_service(&short, validate_only)?.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn delete_revision(
    State(shared): State<Arc<Shared>>,
    Path((project, location, short, revision)): NamedWithin,
    uri: Uri,
) -> Answered {
    let validate_only = Parameters::read(&uri, &["etag", "validateOnly"])?.flag("validateOnly")?;
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        let operation = if validate_only {
            world.clone().delete_revision(&short, &revision)?
        } else {
            world.delete_revision(&short, &revision)?
        };
        Ok(operation.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

/// `POST …/services/S:testIamPermissions`; the service need not exist.
async fn test(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Path((project, location, short)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &[])?;
    if !short.ends_with(":testIamPermissions") {
        return Err(Refusal::new(Code::NotFound, format!("There is nothing to post to at {}", uri.path())).into());
    }
    shared.world().check_location(&project, &location)?;
    permission::test(&shared, &caller, body)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((project, location, short)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let parameters = Parameters::read(&uri, &["updateMask", "validateOnly", "allowMissing"])?;
    let validate_only = parameters.flag("validateOnly")?;
    let allow_missing = parameters.flag("allowMissing")?;
    let body = object(body)?;
    let options = Options { mask: parameters.get("updateMask"), validate_only, allow_missing };
    let operation = shared.change(|world| {
        world.check_location(&project, &location)?;
        let operation = world.update_service(&short, &body, options)?;
        Ok(operation.wire(&world.location()))
    })?;
    Ok(Json(operation))
}

async fn revisions(State(shared): State<Arc<Shared>>, Path((project, location, short)): Named, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &["pageSize", "pageToken", "showDeleted"])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    let service = world.services.get(&short).ok_or_else(|| world.no_such_service(&short))?;
    let mut all: Vec<_> = service.revisions.iter().filter(|(name, _)| service.shows(name, world.now())).collect();
    all.sort_by(|(a, first), (b, second)| second.created.cmp(&first.created).then_with(|| b.cmp(a)));
    let all: Vec<Value> = all.into_iter().map(|(name, found)| found.wire(&world, &short, name)).collect();
    page(&all, "revisions", &parameters)
}

async fn revision(
    State(shared): State<Arc<Shared>>,
    Path((project, location, short, revision)): NamedWithin,
    uri: Uri,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    let service = world.services.get(&short).filter(|service| service.shows(&revision, world.now()));
    let found = service.and_then(|service| service.revisions.get(&revision));
    Ok(Json(found.ok_or_else(|| world.no_such_revision(&revision))?.wire(&world, &short, &revision)))
}

async fn operations(State(shared): State<Arc<Shared>>, Path((project, location)): Place, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    super::operations(&world, Api::Run, &parameters)
}

async fn operation(State(shared): State<Arc<Shared>>, Path((project, location, id)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_location(&project, &location)?;
    super::operation(&world, Api::Run, &id)
}

/// `POST …/operations/ID:wait`: answers when the operation is done or the time is up, whichever is first.
async fn wait(
    State(shared): State<Arc<Shared>>,
    Path((project, location, id)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &["timeout"])?;
    let body = object(body)?;
    let Some(id) = id.strip_suffix(":wait") else {
        return Err(Refusal::new(Code::NotFound, format!("There is nothing to post to at {}", uri.path())).into());
    };
    let until = {
        let world = shared.world();
        world.check_location(&project, &location)?;
        super::waits_until(&world, Api::Run, id, &body)?
    };
    shared.clock.sleep_until(until).await;
    super::operation(&shared.world(), Api::Run, id)
}

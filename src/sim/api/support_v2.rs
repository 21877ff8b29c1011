//! Cloud Support v2: the cases of a project, and the classifications that they need.
//!
//! Cases of organizations, comments and attachments are not simulated (source: `google/cloud/support/v2`).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value};

use super::{Answered, Caller, Failure, Paging, Parameters, Shared, object, page_by};
use crate::sim::world::World;
use crate::sim::world::refusal::{Code, Refusal};

/// 10 if it is not said (source: the comment on `ListCasesRequest.page_size`); the limit is ours.
const PAGING: Paging = Paging { size: "pageSize", by_default: 10, at_most: 100 };

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2/caseClassifications:search", get(classifications))
        .route("/v2/projects/{project}/cases", get(list).post(create))
        .route("/v2/projects/{project}/cases:search", get(search))
        .route("/v2/projects/{project}/cases/{case}", get(show).patch(update).post(act))
}

async fn classifications(State(shared): State<Arc<Shared>>, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &["query", "pageSize", "pageToken"])?;
    let found = shared.world().classifications(parameters.get("query").unwrap_or_default())?;
    page_by(&found, "caseClassifications", &parameters, PAGING)
}

async fn list(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    found(&shared, &project, &uri, "filter")
}

async fn search(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    found(&shared, &project, &uri, "query")
}

fn found(shared: &Shared, project: &str, uri: &Uri, expression: &str) -> Answered {
    let parameters = Parameters::read(uri, &[expression, "pageSize", "pageToken"])?;
    let world = shared.world();
    world.check_project(project)?;
    page_by(&world.cases(parameters.get(expression).unwrap_or_default())?, "cases", &parameters, PAGING)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path(project): Path<String>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &[])?;
    change(&shared, &project, body, |world, body| world.create_case(body, &caller))
}

async fn show(State(shared): State<Arc<Shared>>, Path((project, id)): Path<(String, String)>, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    Ok(Json(world.show_case(&id)?))
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((project, id)): Path<(String, String)>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    let parameters = Parameters::read(&uri, &["updateMask"])?;
    change(&shared, &project, body, |world, body| world.update_case(&id, body, parameters.get("updateMask")))
}

/// `POST …/cases/C:escalate` and `POST …/cases/C:close`.
async fn act(
    State(shared): State<Arc<Shared>>,
    Path((project, id)): Path<(String, String)>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &[])?;
    match id.split_once(':') {
        Some((id, "escalate")) => change(&shared, &project, body, |world, body| world.escalate_case(id, body)),
        Some((id, "close")) => change(&shared, &project, body, |world, _| world.close_case(id)),
        _ => Err(Refusal::new(Code::NotFound, format!("There is nothing to post to at {}", uri.path())).into()),
    }
}

fn change(
    shared: &Shared,
    project: &str,
    body: Result<Bytes, BytesRejection>,
    make: impl FnOnce(&mut World, &Map<String, Value>) -> Result<Value, Refusal>,
) -> Answered {
    let body = object(body)?;
    let changed = shared.change(|world| {
        world.check_project(project)?;
        make(world, &body)
    });
    changed.map(Json).map_err(Failure::from)
}

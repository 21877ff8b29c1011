//! Compute Engine v1: global backend services, certificates and operations.
//!
//! Paths and messages: gcloud's own client of `compute` v1. Regional resources, URL maps, proxies and addresses are not
//! simulated.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::legacy::{Answered, Legacy};
use super::{Caller, Paging, Parameters, Shared, object, page_by};
use crate::sim::clock::later;
use crate::sim::world::backend_service::KeyChange;
use crate::sim::world::compute::Effect;
use crate::sim::world::job::Job;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, text};

type Named = Path<(String, String)>;

/// `maxResults` is 500 if it is not said, and at most that (source: the parameter's comment).
const PAGING: Paging = Paging { size: "maxResults", by_default: 500, at_most: 500 };

/// The parameters of every list. A filter or an order is refused rather than ignored.
const LIST: [&str; 4] = ["maxResults", "pageToken", "includeAllScopes", "serviceProjectNumber"];

/// How long `wait` holds a request at most (source: the method's comment).
const WAIT: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn routes() -> Router<Arc<Shared>> {
    let global = |rest: &str| format!("/compute/v1/projects/{{project}}/global/{rest}");
    Router::new()
        .route(&global("backendServices"), get(backend_services).post(insert_backend))
        .route(&global("backendServices/{name}"), get(backend_service).patch(patch).delete(delete_backend))
        .route(&global("backendServices/{name}/addSignedUrlKey"), post(add_key))
        .route(&global("backendServices/{name}/deleteSignedUrlKey"), post(delete_key))
        .route(&global("sslCertificates"), get(certificates).post(insert))
        .route(&global("sslCertificates/{name}"), get(certificate).delete(delete))
        .route("/compute/v1/projects/{project}/aggregated/sslCertificates", get(all_certificates))
        .route(&global("operations/{name}"), get(operation))
        .route(&global("operations/{name}/wait"), post(wait))
}

fn listed(items: &[Value], kind: &str, parameters: &Parameters) -> Answered {
    let Json(mut page) = page_by(items, "items", parameters, PAGING)?;
    page["kind"] = json!(kind);
    Ok(Json(page))
}

async fn backend_services(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    world.check_project(&project)?;
    let all = world.compute.backend_services.iter().map(|(name, found)| found.wire(&world, name));
    listed(&all.collect::<Vec<_>>(), "compute#backendServiceList", &parameters)
}

async fn backend_service(State(shared): State<Arc<Shared>>, Path((project, name)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    Ok(Json(world.backend_service(&name)?.wire(&world, &name)))
}

async fn patch(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    change(&shared, &project, &uri, body, |world, body| world.patch_backend_service(&name, body, &caller))
}

async fn insert_backend(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path(project): Path<String>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    change(&shared, &project, &uri, body, |world, body| world.insert_backend_service(body, &caller))
}

async fn delete_backend(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
) -> Answered {
    change(&shared, &project, &uri, Ok(Bytes::new()), |world, _| world.delete_backend_service(&name, &caller))
}

async fn add_key(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    change(&shared, &project, &uri, body, |world, body| {
        let key = text(body, "keyName")?.unwrap_or_default();
        world.change_signed_url_keys(&name, KeyChange::Add(key), &caller)
    })
}

async fn delete_key(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
) -> Answered {
    let key = Parameters::read(&uri, &["keyName", "requestId"])?.get("keyName").unwrap_or_default().to_owned();
    change(&shared, &project, &uri, Ok(Bytes::new()), |world, _| {
        world.change_signed_url_keys(&name, KeyChange::Delete(&key), &caller)
    })
}

async fn insert(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path(project): Path<String>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    change(&shared, &project, &uri, body, |world, body| world.insert_certificate(body, &caller))
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
) -> Answered {
    change(&shared, &project, &uri, Ok(Bytes::new()), |world, _| world.delete_certificate(&name, &caller))
}

fn change(
    shared: &Shared,
    project: &str,
    uri: &Uri,
    body: Result<Bytes, BytesRejection>,
    make: impl FnOnce(&mut World, &Map<String, Value>) -> Result<Job<Effect>, Refusal>,
) -> Answered {
    let parameters = Parameters::read(uri, &["requestId", "keyName"])?;
    if parameters.get("requestId").is_some() {
        let message = "The simulated cloud does not remember request ids, so it does not take one";
        return Err(Refusal::new(Code::Unimplemented, message).into());
    }
    let body = object(body)?;
    let begun = shared.change(|world| {
        world.check_project(project)?;
        let job = make(world, &body)?;
        Ok(world.compute_operation(&job))
    });
    Ok(Json(begun.map_err(Legacy::from)?))
}

async fn certificates(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let all = certificates_of(&shared.world(), &project)?;
    listed(&all, "compute#sslCertificateList", &parameters)
}

/// The certificates of all scopes: there are global ones only.
async fn all_certificates(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let all = certificates_of(&shared.world(), &project)?;
    let Json(mut page) = listed(&all, "compute#sslCertificateAggregatedList", &parameters)?;
    let scope = if all.is_empty() {
        let message = "There are no results for scope 'global' on this page.";
        json!({ "warning": { "code": "NO_RESULTS_ON_PAGE", "message": message } })
    } else {
        json!({ "sslCertificates": page["items"] })
    };
    page["items"] = json!({ "global": scope });
    Ok(Json(page))
}

fn certificates_of(world: &World, project: &str) -> Result<Vec<Value>, Refusal> {
    world.check_project(project)?;
    Ok(world.compute.certificates.iter().map(|(name, found)| found.wire(world, name)).collect())
}

async fn certificate(State(shared): State<Arc<Shared>>, Path((project, name)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project)?;
    Ok(Json(world.certificate(&name)?.wire(&world, &name)))
}

async fn operation(State(shared): State<Arc<Shared>>, Path((project, id)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    Ok(Json(world.compute_operation(job(&world, &project, &id)?)))
}

/// `POST …/operations/O/wait`: answers when the operation is done or two minutes are over, whichever is first.
async fn wait(State(shared): State<Arc<Shared>>, Path((project, id)): Named, uri: Uri) -> Answered {
    Parameters::read(&uri, &[])?;
    let until = {
        let world = shared.world();
        let job = job(&world, &project, &id)?;
        job.due.min(later(world.now(), WAIT))
    };
    shared.clock.sleep_until(until).await;
    let world = shared.world();
    Ok(Json(world.compute_operation(job(&world, &project, &id)?)))
}

fn job<'w>(world: &'w World, project: &str, id: &str) -> Result<&'w Job<Effect>, Refusal> {
    world.check_project(project)?;
    world.compute.jobs.get(id).ok_or_else(|| world.no_such_resource("operations", id))
}

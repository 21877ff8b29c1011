//! Cloud Run Admin v1: Knative's resources, as `gcloud run` speaks them.
//!
//! A region stands nowhere in these paths: it is the first part of the host (`us-central1-run.googleapis.com`). A host
//! that names none is taken to mean this world's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Answered, Parameters, Shared, host_of, object};
use crate::sim::world::World;
use crate::sim::world::knative::EXPRESSIBLE;
use crate::sim::world::operation::Api;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::service::Service;
use crate::sim::world::update::Options;

type Namespace = Path<String>;
type Named = Path<(String, String)>;

/// What every list takes; `labelSelector` is read, the others ask for what is the same here anyway.
const LIST: [&str; 7] =
    ["labelSelector", "limit", "continue", "fieldSelector", "includeUninitialized", "resourceVersion", "watch"];

pub(super) fn routes() -> Router<Arc<Shared>> {
    const ROOT: &str = "/apis/serving.knative.dev/v1/namespaces/{namespace}";
    let at = |rest: &str| format!("{ROOT}/{rest}");
    Router::new()
        .route(&at("services"), get(services).post(create))
        .route(&at("services/{service}"), get(service).put(replace))
        .route(&at("revisions"), get(revisions))
        .route(&at("revisions/{revision}"), get(revision))
        .route(&at("configurations"), get(configurations))
        .route(&at("configurations/{service}"), get(configuration))
        .route(&at("routes"), get(all_routes))
        .route(&at("routes/{service}"), get(route))
        .route("/v1/projects/{project}/locations/{location}/services", get(everywhere))
}

fn check(world: &World, namespace: &str, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = host_of(uri, headers);
    let region = host.split_once("-run.").map_or(world.region(), |(region, _)| region);
    world.check_location(namespace, region)
}

fn found<'w>(world: &'w World, short: &str) -> Result<&'w Service, Refusal> {
    world.services.get(short).ok_or_else(|| world.no_such_service(short))
}

fn list(kind: &str, items: &[Value]) -> Json<Value> {
    Json(json!({ "apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": {}, "items": items }))
}

/// Whether an item has the labels that `labelSelector` asks for: `a=b` and `a = b`, separated by commas.
fn selected(item: &Value, selector: Option<&str>) -> Result<bool, Refusal> {
    let labels = item.get("metadata").and_then(|metadata| metadata.get("labels"));
    for term in selector.unwrap_or_default().split(',').map(str::trim).filter(|term| !term.is_empty()) {
        let Some((key, value)) = term.split_once('=') else {
            let message = format!("labelSelector: the simulated cloud understands key=value, not {term:?}");
            return Err(Refusal::invalid("labelSelector", message));
        };
        let value = value.trim_start_matches('=').trim();
        if labels.and_then(|labels| labels.get(key.trim())).and_then(Value::as_str) != Some(value) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn filtered(items: impl Iterator<Item = Value>, parameters: &Parameters) -> Result<Vec<Value>, Refusal> {
    let selector = parameters.get("labelSelector");
    items.filter_map(|item| selected(&item, selector).map(|fits| fits.then_some(item)).transpose()).collect()
}

async fn services(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Namespace,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    let all = world.services.iter().map(|(short, service)| world.knative_service(short, service));
    Ok(list("ServiceList", &filtered(all, &parameters)?))
}

/// `GET …/locations/-/services`: the services of all regions, of which there is one.
async fn everywhere(State(shared): State<Arc<Shared>>, Path((project, location)): Named, uri: Uri) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    let location = if location == "-" { world.region().to_owned() } else { location };
    world.check_location(&project, &location)?;
    let all = world.services.iter().map(|(short, service)| world.knative_service(short, service));
    Ok(list("ServiceList", &filtered(all, &parameters)?))
}

async fn service(
    State(shared): State<Arc<Shared>>,
    Path((namespace, short)): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    Ok(Json(world.knative_service(&short, found(&world, &short)?)))
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Namespace,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &["dryRun"])?;
    let body = object(body)?;
    let shown = shared.change(|world| {
        check(world, &namespace, &uri, &headers)?;
        let short = body.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
        let short = short.ok_or_else(|| Refusal::invalid("metadata.name", "metadata.name is needed"))?;
        let v2 = world.from_knative(short, &body)?;
        world.create_service(short, &v2, false)?;
        Ok(world.knative_service(short, found(world, short)?))
    })?;
    Ok(Json(shown))
}

/// `PUT`: the whole service, as it was read, with its changes.
async fn replace(
    State(shared): State<Arc<Shared>>,
    Path((namespace, short)): Named,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    Parameters::read(&uri, &["dryRun"])?;
    let body = object(body)?;
    let shown = shared.change(|world| {
        check(world, &namespace, &uri, &headers)?;
        found(world, &short)?;
        let v2 = world.from_knative(&short, &body)?;
        world.update_service(&short, &v2, Options { mask: Some(EXPRESSIBLE), ..Options::default() })?;
        Ok(world.knative_service(&short, found(world, &short)?))
    })?;
    Ok(Json(shown))
}

async fn revisions(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Namespace,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    let mut all: Vec<_> = world
        .services
        .iter()
        .flat_map(|(short, service)| service.revisions.iter().map(move |(name, revision)| (short, name, revision)))
        .filter(|(short, name, _)| world.services.get(*short).is_some_and(|service| service.shows(name, world.now())))
        .collect();
    all.sort_by(|(_, a, first), (_, b, second)| second.created.cmp(&first.created).then_with(|| b.cmp(a)));
    let all = all.into_iter().map(|(short, name, revision)| world.knative_revision(short, name, revision));
    Ok(list("RevisionList", &filtered(all, &parameters)?))
}

async fn revision(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    let found = world.services.iter().find_map(|(short, service)| Some((short, service.revisions.get(&name)?)));
    let (short, revision) = found.ok_or_else(|| world.no_such_revision(&name))?;
    Ok(Json(world.knative_revision(short, &name, revision)))
}

async fn configurations(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Namespace,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    let all = world.services.iter().map(|(short, service)| world.knative_configuration(short, service));
    Ok(list("ConfigurationList", &filtered(all, &parameters)?))
}

async fn configuration(
    State(shared): State<Arc<Shared>>,
    Path((namespace, short)): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    Ok(Json(world.knative_configuration(&short, found(&world, &short)?)))
}

async fn all_routes(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Namespace,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    let parameters = Parameters::read(&uri, &LIST)?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    let all = world.services.iter().map(|(short, service)| world.knative_route(short, service));
    Ok(list("RouteList", &filtered(all, &parameters)?))
}

async fn route(
    State(shared): State<Arc<Shared>>,
    Path((namespace, short)): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    check(&world, &namespace, &uri, &headers)?;
    Ok(Json(world.knative_route(&short, found(&world, &short)?)))
}

/// An operation of Cloud Run as v1 shows it: with the service in Knative's words.
pub(super) fn operation(world: &World, id: &str) -> Answered {
    let Json(mut wire) = super::operation(world, Api::Run, id)?;
    let target = world.operation(Api::Run, id).map(|operation| operation.target.clone()).unwrap_or_default();
    let short = target.rsplit('/').next().unwrap_or_default();
    if let (Some(service), true) = (world.services.get(short), wire.get("response").is_some()) {
        wire["response"] = world.knative_service(short, service);
    }
    Ok(Json(wire))
}

/// `POST …/operations/ID:wait`.
pub(super) async fn wait(
    State(shared): State<Arc<Shared>>,
    Path((project, location, id)): Path<(String, String, String)>,
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
    operation(&shared.world(), id)
}

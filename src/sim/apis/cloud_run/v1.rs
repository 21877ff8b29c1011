//! Cloud Run Admin v1: Knative's resources, as `gcloud run` speaks them.
//!
//! A region stands nowhere in these paths: it is the first part of the host (`us-central1-run.googleapis.com`). A host
//! that names none is taken to mean this world's.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::CloudRun;
use super::knative::EXPRESSIBLE;
use super::service::Service;
use super::update::Options;
use crate::sim::api::{self, Answered, Call, Parameters, Shared};
use crate::sim::world::World;
use crate::sim::world::refusal::Refusal;

/// What every list takes; `labelSelector` is read, the others ask for what is the same here anyway.
const LIST: [&str; 7] =
    ["labelSelector", "limit", "continue", "fieldSelector", "includeUninitialized", "resourceVersion", "watch"];

/// Its methods.
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

fn found<'w>(world: &'w World, short: &str) -> Result<&'w Service, Refusal> {
    world.parts.cloud_run.services.get(short).ok_or_else(|| world.no_such_service(short))
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

async fn services(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world.parts.cloud_run.services.iter().map(|(short, service)| world.knative_service(short, service));
    Ok(list("ServiceList", &filtered(all, &parameters)?))
}

/// `GET …/locations/-/services`: the services of all regions, of which there is one.
async fn everywhere(call: Call) -> Answered {
    let (world, parameters) = call.read_anywhere(&LIST)?;
    let location = match call.named("location") {
        "-" => world.region(),
        named => named,
    };
    world.check_location(call.named("project"), location)?;
    let all = world.parts.cloud_run.services.iter().map(|(short, service)| world.knative_service(short, service));
    Ok(list("ServiceList", &filtered(all, &parameters)?))
}

async fn service(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("service");
    Ok(Json(world.knative_service(short, found(&world, short)?)))
}

async fn create(call: Call) -> Answered {
    let shown = call.change(&["dryRun"], |world, body, _| {
        let short = body.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
        let short = short.ok_or_else(|| Refusal::invalid("metadata.name", "metadata.name is needed"))?;
        let v2 = world.from_knative(short, body)?;
        world.create_service(short, &v2, false)?;
        Ok(world.knative_service(short, found(world, short)?))
    })?;
    Ok(Json(shown))
}

/// `PUT`: the whole service, as it was read, with its changes.
async fn replace(call: Call) -> Answered {
    let shown = call.change(&["dryRun"], |world, body, call| {
        let short = call.named("service");
        found(world, short)?;
        let v2 = world.from_knative(short, body)?;
        world.update_service(short, &v2, Options { mask: Some(EXPRESSIBLE), ..Options::default() })?;
        Ok(world.knative_service(short, found(world, short)?))
    })?;
    Ok(Json(shown))
}

async fn revisions(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let mut all: Vec<_> = world
        .parts
        .cloud_run
        .services
        .iter()
        .flat_map(|(short, service)| service.revisions.iter().map(move |(name, revision)| (short, name, revision)))
        .filter(|(short, name, _)| {
            world.parts.cloud_run.services.get(*short).is_some_and(|service| service.shows(name, world.now()))
        })
        .collect();
    all.sort_by(|(_, a, first), (_, b, second)| second.created.cmp(&first.created).then_with(|| b.cmp(a)));
    let all = all.into_iter().map(|(short, name, revision)| world.knative_revision(short, name, revision));
    Ok(list("RevisionList", &filtered(all, &parameters)?))
}

async fn revision(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let name = call.named("revision");
    let found = world.parts.cloud_run.services.iter().find_map(|(short, service)| {
        Some((short, service.revisions.get(name).filter(|_| service.shows(name, world.now()))?))
    });
    let (short, revision) = found.ok_or_else(|| world.no_such_revision(name))?;
    Ok(Json(world.knative_revision(short, name, revision)))
}

async fn configurations(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world.parts.cloud_run.services.iter().map(|(short, service)| world.knative_configuration(short, service));
    Ok(list("ConfigurationList", &filtered(all, &parameters)?))
}

async fn configuration(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("service");
    Ok(Json(world.knative_configuration(short, found(&world, short)?)))
}

async fn all_routes(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world.parts.cloud_run.services.iter().map(|(short, service)| world.knative_route(short, service));
    Ok(list("RouteList", &filtered(all, &parameters)?))
}

async fn route(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let short = call.named("service");
    Ok(Json(world.knative_route(short, found(&world, short)?)))
}

/// An operation of Cloud Run as v1 shows it: with the service in Knative's words.
pub(in crate::sim) fn operation(world: &World, id: &str) -> Answered {
    let Json(mut wire) = api::operation::<CloudRun>(world, id)?;
    let target = world.operations.get::<CloudRun>(id).map(|operation| operation.target.clone()).unwrap_or_default();
    let short = target.rsplit('/').next().unwrap_or_default();
    if let (Some(service), true) = (world.parts.cloud_run.services.get(short), wire.get("response").is_some()) {
        wire["response"] = world.knative_service(short, service);
    }
    Ok(Json(wire))
}

/// `POST …/operations/ID:wait`.
pub(in crate::sim) async fn wait(call: Call) -> Answered {
    let (call, id) = api::waited::<CloudRun>(call).await?;
    operation(&call.world(), &id)
}

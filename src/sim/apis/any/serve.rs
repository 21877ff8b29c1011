//! The requests about these resources: which of them it is, and what is read. What changes something is in `write.rs`.

use axum::Json;
use axum::extract::Request;
use axum::http::{Method as HttpMethod, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use serde_json::Value;

use super::operation::KUBERNETES;
use super::write::write;
use super::{AnyResources, known, resource_at, wire};
use crate::catalog::{Asks, Catalog, Method, Route, Verb};
use crate::sim::api::{Call, Failure, LIST, Paging, Refusals, host_in, page_by};
use crate::sim::apis::{has_api_of, table_of};
use crate::sim::clock::later;
use crate::sim::world::World;
use crate::sim::world::refusal::{Code, Refusal};

/// How long the older APIs' `wait` holds its answer. (source: Compute Engine, globalOperations.wait: 2 minutes)
const WAIT: SignedDuration = SignedDuration::from_mins(2);

/// What a request asks for.
pub(super) fn route(host: &str, method: &HttpMethod, path: &str) -> Option<Route> {
    let verb = if method == HttpMethod::HEAD { Verb::Get } else { Verb::of_request(method.as_str())? };
    Catalog::open().ok()?.route(host, verb, path).ok()?
}

/// The id of the operation that a path asks for, and whether it waits for its end.
fn operation_in(path: &str) -> Option<(&str, Wait)> {
    let (path, wait) = match (path.strip_suffix(":wait"), path.strip_suffix("/wait")) {
        (Some(path), _) | (_, Some(path)) => (path, Wait::ForTheEnd),
        (None, None) => (path, Wait::No),
    };
    let (before, id) = path.rsplit_once('/')?;
    before.ends_with("operations").then(|| (id.strip_prefix(KUBERNETES).unwrap_or(id), wait))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    ForTheEnd,
}

/// Whether a request to this host is for these resources, and not for an API that has files of its own.
pub(in crate::sim) fn serves(world: &World, host: &str, request: &Request) -> bool {
    let path = request.uri().path();
    let Some(service) = Catalog::open().ok().and_then(|catalog| catalog.service_at(host, path)) else { return false };
    if operation_in(path).is_some_and(|(id, _)| world.operations.get::<AnyResources>(id).is_some()) {
        return true;
    }
    if !has_api_of(service) {
        return true;
    }
    let route = route(host, request.method(), path);
    route.is_some_and(|route| table_of(service, route.resource_type.collection()).is_none())
}
/// What is answered.
pub(super) enum Reply {
    Json(Value),
    /// The older APIs answer some requests with nothing at all.
    NoContent,
}

/// Answers a request to one of these resources.
pub(super) async fn serve(call: Call) -> Response {
    let refusals = host_in(call.path())
        .and_then(|(host, path)| Catalog::open().ok()?.service_at(host, path))
        .map_or(Refusals::Status, wire::refusals);
    match answer(call).await {
        Ok(Reply::Json(value)) => Json(value).into_response(),
        Ok(Reply::NoContent) => StatusCode::NO_CONTENT.into_response(),
        Err(failure) => failure.answer(refusals),
    }
}

async fn answer(call: Call) -> Result<Reply, Failure> {
    let whole = call.path().to_owned();
    let Some((host, path)) = host_in(&whole) else {
        return Err(call.nothing_here().into());
    };
    let path = with_the_projects_id(path, &call.world());
    if let Some((id, wait)) = operation_in(&path)
        && call.world().operations.get::<AnyResources>(id).is_some()
    {
        return operation(call, id, wait).await;
    }
    let missing = || Refusal::new(Code::NotFound, format!("The requested URL {path} was not found on this server"));
    let route = route(host, call.method(), &path).ok_or_else(missing)?;
    match route.asks {
        Asks::List => list(&call, &route),
        Asks::Method(method) if method.verb == Verb::Get => {
            let (world, _) = call.read_anywhere(&names_of(method))?;
            let resource = route.resource().ok_or_else(missing)?;
            let kept = world.any_resource(&resource)?;
            Ok(Reply::Json(Value::Object(kept.state.clone())))
        }
        Asks::Method(method) => {
            let written = call.change(&names_of(method), |world, body, call| write(world, &route, method, body, call));
            Ok(written?)
        }
    }
}

/// The same path with the project's id in the place of its number, which every API takes.
fn with_the_projects_id(path: &str, world: &World) -> String {
    path.replacen(&format!("/projects/{}/", world.project_number), &format!("/projects/{}/", world.project), 1)
}

/// The query parameters that a method takes.
fn names_of(method: &'static Method) -> Vec<&'static str> {
    method.parameters.iter().map(|parameter| parameter.name).collect()
}

async fn operation(call: Call, id: &str, wait: Wait) -> Result<Reply, Failure> {
    if wait == Wait::ForTheEnd {
        let until = {
            let world = call.world();
            let due = world.operations.get::<AnyResources>(id).map_or(world.now(), |operation| operation.due);
            due.min(later(world.now(), WAIT))
        };
        call.wait_until(until).await;
    }
    let world = call.world();
    let found = world.operations.get::<AnyResources>(id).ok_or_else(|| Refusal::missing(id))?;
    Ok(Reply::Json(found.wire(&world)))
}

/// The collection's resources, in the order of their names. What the list is called in the answer is not in the catalog: most APIs call
/// it as they call the collection, and the older ones `items`.
fn list(call: &Call, route: &Route) -> Result<Reply, Failure> {
    let (world, parameters) = call.read_anywhere(&[&LIST[..], &["maxResults", "orderBy", "project"]].concat())?;
    if parameters.get("filter").or_else(|| parameters.get("orderBy")).is_some() {
        let message = "The simulated cloud does not filter or order this list";
        return Err(Refusal::new(Code::Unimplemented, message).into());
    }
    let all = world.parts.any.resources.iter();
    let listed = all.filter_map(|(url, kept)| Some((resource_at(url).filter(|resource| route.has(resource))?, kept)));
    let mut found: Vec<_> = listed.collect();
    found.sort_by_key(|(resource, _)| known::order(resource));
    let found: Vec<Value> = found.into_iter().map(|(_, kept)| Value::Object(kept.state.clone())).collect();
    let service = route.resource_type.api().service;
    let collection = route.resource_type.pattern().as_str();
    let collection = collection.trim_end_matches(['*', '/']).rsplit('/').next().unwrap_or_default();
    let field = if matches!(service, "compute" | "sqladmin" | "storage") { "items" } else { collection };
    let size = if parameters.get("maxResults").is_some() { "maxResults" } else { "pageSize" };
    let Json(page) = page_by(&found, field, &parameters, Paging { size, by_default: 100, at_most: 1000 })?;
    Ok(Reply::Json(page))
}

//! Any resource of the catalog that no other API here serves: `[[resources]]` of a scenario.
//!
//! What is served follows from the catalog: where a resource is read, how its type is written to, what its operations look like, what
//! its API refuses. What Google's documents do not say is the scenario's (how long things take, what methods do), or is marked as ours
//! where it stands.
//!
//! A request is for these resources if its host is that of an API of the catalog, and its path is not one of the APIs that have files
//! of their own. It is served below `/apis/HOST/`, whether it was sent there or to `HOST` (see [`api::address`](crate::sim::api)).

mod change;
mod create;
mod kept;
mod limit;
mod mask;
mod message;
pub mod operation;
mod scenario;
mod token;
mod update;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method as HttpMethod, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use toml::Spanned;

use super::{Part, has_api_of, table_of};
use crate::catalog::{Answer, Asks, Catalog, Exception, Method, Resource, Route, UpdateDialect, Verb};
use crate::sim::api::{Api, Call, Changing, Failure, LIST, Paging, Parameters, Refusals, Shared, host_in, page_by};
use crate::sim::clock::later;
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::operation::Asked;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{AbsentResource, World};
use change::Change;
use kept::{Figures, Kept};
use operation::{Effect, KUBERNETES};

/// How long the older APIs' `wait` holds its answer. (source: Compute Engine, globalOperations.wait: 2 minutes)
const WAIT: SignedDuration = SignedDuration::from_mins(2);

/// The resources that there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnyResources {
    /// By their URLs.
    pub resources: BTreeMap<String, Kept>,
}

impl Part for AnyResources {
    type Tables = Vec<Spanned<scenario::ResourceTable>>;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        reader.list("resources")
    }

    fn build(tables: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        scenario::build(tables, world, complaints);
    }

    /// By its collection and the last part of its name, or by its whole name.
    fn remove(&mut self, collection: &str, name: &str) -> bool {
        let is_meant = |url: &String| {
            resource_at(url).is_some_and(|resource| {
                let own = resource.resource_type.collection();
                let own = own.rsplit('.').next().unwrap_or(own);
                (own == collection && resource.id() == name) || resource.full_name() == name
            })
        };
        let Some(url) = self.resources.keys().find(|url| is_meant(url)).cloned() else { return false };
        self.resources.remove(&url).is_some()
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let kept = world.parts.any.resources.get(&resource.url())?;
        Some(Value::Object(kept.state.clone()))
    }

    fn notes(&self) -> Vec<String> {
        let found = self.resources.iter().filter_map(|(url, kept)| Some((resource_at(url)?, kept)));
        found.flat_map(|(resource, kept)| scenario::notes(&resource, kept)).collect()
    }
}

impl Api for AnyResources {
    const SERVICE: &'static str = "";
    const TYPES: &'static [(&'static str, &'static str)] = &[];
    const COLLECTIONS: &'static [crate::sim::api::Collection] = &[];
    // The catalog has no numbers of enums.
    const ENUMS: Table = &[];

    fn routes() -> Router<Arc<Shared>> {
        Router::new().route("/apis/{host}/{*path}", any(serve))
    }

    /// As most APIs name theirs: the service, the collection, the method. Google has a list, and it is not in the catalog.
    fn permission(method: &HttpMethod, path: &str) -> Option<String> {
        let (host, path) = host_in(path)?;
        let route = route(host, method, path)?;
        let collection = route.resource_type.collection();
        let collection = collection.rsplit('.').next().unwrap_or(collection);
        let service = match route.resource_type.api().service {
            "bigtableadmin" => "bigtable",
            "cloudresourcemanager" => "resourcemanager",
            "sqladmin" => "cloudsql",
            service => service,
        };
        let verb = match route.asks {
            Asks::List => "list",
            Asks::Method(method) => match method.name {
                "insert" => "create",
                "patch" => "update",
                name => name,
            },
        };
        Some(format!("{service}.{collection}.{verb}"))
    }
}

/// What a request asks for.
fn route(host: &str, method: &HttpMethod, path: &str) -> Option<Route> {
    let verb = if method == HttpMethod::HEAD { Verb::Get } else { Verb::of_request(method.as_str())? };
    Catalog::open().ok()?.route(host, verb, path).ok()?
}

/// The resource at a URL.
fn resource_at(url: &str) -> Option<Resource> {
    Catalog::open().ok()?.resource_at(url).ok()?
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
enum Reply {
    Json(Value),
    /// The older APIs answer some requests with nothing at all.
    NoContent,
}

async fn serve(call: Call) -> Response {
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
    let found: Vec<Value> = all
        .filter(|(url, _)| resource_at(url).is_some_and(|resource| route.has(&resource)))
        .map(|(_, kept)| Value::Object(kept.state.clone()))
        .collect();
    let service = route.resource_type.api().service;
    let collection = route.resource_type.pattern().as_str();
    let collection = collection.trim_end_matches(['*', '/']).rsplit('/').next().unwrap_or_default();
    let field = if matches!(service, "compute" | "sqladmin" | "storage") { "items" } else { collection };
    let size = if parameters.get("maxResults").is_some() { "maxResults" } else { "pageSize" };
    let Json(page) = page_by(&found, field, &parameters, Paging { size, by_default: 100, at_most: 1000 })?;
    Ok(Reply::Json(page))
}

/// A request that changes something.
fn write(
    world: &mut World,
    route: &Route,
    method: &'static Method,
    body: &Map<String, Value>,
    call: &Changing<'_>,
) -> Result<Reply, Refusal> {
    let parameters = call.parameters;
    let required = method.parameters.iter().find(|known| known.required && parameters.get(known.name).is_none());
    if let Some(parameter) = required {
        return Err(Refusal::invalid(parameter.name, format!("Required parameter: {}", parameter.name)));
    }
    let request_id = parameters.get("requestId");
    if let Some(begun) = world.begun_by_request::<AnyResources>(request_id)? {
        return Ok(Reply::Json(begun.wire(world)));
    }
    let (resource, change, takes) = if is_create(route, method) {
        let made = create::read(route, method, body, parameters, world.parts.any.resources.len())?;
        check_project(world, &made.resource)?;
        if world.parts.any.resources.contains_key(&made.resource.url()) {
            let message = format!("Resource '{}' already exists", made.resource.name());
            return Err(Refusal::new(Code::AlreadyExists, message));
        }
        (made.resource, Change::Create { body: made.body }, Figures::default().update_takes)
    } else {
        let resource = named_by(route, method, parameters)?;
        let kept = world.any_resource(&resource)?;
        let stale = wire::stale(resource.resource_type.api().service, world.behaviour.stale_etag);
        let request = update::Request { resource: &resource, kept, method, body, parameters, stale };
        let change = change_of(&request)?;
        let takes = match kept.figures.methods.get(method.name) {
            Some(described) => described.takes,
            None => kept.figures.update_takes,
        };
        (resource, change, takes)
    };
    world.refuse_while_busy(&resource)?;
    if call.flag("validateOnly")? {
        return Ok(Reply::Json(world.validated(&resource, method, &change)));
    }
    match method.answer {
        Answer::Operation(_) => {
            let shown = world.before_and_after(&resource, &change);
            let effect = Effect { url: resource.url(), method: method.name.to_owned(), change };
            let asked = Asked { target: wire::link(&resource), user: call.caller(), takes, shown };
            let begun = world.begin::<AnyResources>(effect, asked);
            world.remember_request(request_id, &begun);
            Ok(Reply::Json(world.settled(begun).wire(world)))
        }
        Answer::Resource => Ok(Reply::Json(world.change_any(&resource.url(), &change)?)),
        Answer::Nothing | Answer::Other => {
            world.change_any(&resource.url(), &change)?;
            let is_older = matches!(wire::refusals(resource.resource_type.api().service), Refusals::Errors(_));
            Ok(if is_older && method.answer == Answer::Nothing { Reply::NoContent } else { Reply::Json(json!({})) })
        }
    }
}

fn is_create(route: &Route, method: &Method) -> bool {
    route.resource_type.create().is_some_and(|create| create.name == method.name)
}

fn check_project(world: &World, resource: &Resource) -> Result<(), Refusal> {
    resource.project().map_or(Ok(()), |project| world.check_project(project))
}

/// The resource that a request is for. Some updates are sent to the collection, with the name as a parameter.
fn named_by(route: &Route, method: &Method, parameters: &Parameters) -> Result<Resource, Refusal> {
    let collection = route.resource_type.pattern().variables().pop().unwrap_or_default();
    let singular = collection.strip_suffix('s').unwrap_or(collection);
    let in_query = || {
        let known = method.parameters.iter().find(|known| known.name == singular || known.name == "name")?;
        route.resource_with(&[parameters.get(known.name)?])
    };
    let message = "The request does not name a resource, and the simulated cloud knows no method of the collection";
    route.resource().or_else(in_query).ok_or_else(|| Refusal::new(Code::Unimplemented, message))
}

/// The change that a request to a resource asks for.
fn change_of(request: &update::Request<'_>) -> Result<Change, Refusal> {
    let (method, resource_type) = (request.method, request.resource.resource_type);
    if method.name == "delete" {
        request.deletion()?;
        return Ok(Change::Delete);
    }
    // A type whose updates have another shape is changed by what the scenario says of them.
    let described = request.kept.figures.methods.contains_key(method.name);
    match update::dialect_of(resource_type, method) {
        Some(UpdateDialect::Underivable) if described => request.method(),
        Some(dialect) => request.update(dialect),
        None => request.method(),
    }
}

impl World {
    /// What a resource of any type has, whichever API serves it, with numbers of 64 bits as numbers.
    pub(in crate::sim) fn resource_state(&self, resource: &Resource) -> Option<Value> {
        let state = super::Parts::state_of(self, resource)?;
        Some(message::with_numbers(resource, &state))
    }

    /// A resource that there is.
    fn any_resource(&self, resource: &Resource) -> Result<&Kept, Refusal> {
        check_project(self, resource)?;
        let found = self.parts.any.resources.get(&resource.url());
        let name = resource.name();
        found.ok_or_else(|| match resource.resource_type.api().service {
            _ if self.behaviour.absent_resource == AbsentResource::Forbidden => {
                let message = format!("Permission denied on resource {name} (or it may not exist).");
                Refusal::new(Code::PermissionDenied, message)
            }
            // Its words. (recorded)
            "compute" => Refusal::new(Code::NotFound, format!("The resource '{name}' was not found")),
            _ => Refusal::missing(&name),
        })
    }

    /// Makes a change, and gives what the resource is then.
    fn change_any(&mut self, url: &str, change: &Change) -> Result<Value, Refusal> {
        let resource = resource_at(url).ok_or_else(|| Refusal::missing(url))?;
        let before = self.parts.any.resources.get(url).cloned();
        if let (
            None,
            Change::Delete
            | Change::Masked { .. }
            | Change::Merged { .. }
            | Change::Replaced { .. }
            | Change::Set { .. }
            | Change::Left { .. },
        ) = (&before, change)
        {
            return Err(Refusal::missing(&resource.name()));
        }
        let nothing = Map::new();
        let live = before.as_ref().map_or(&nothing, |kept| &kept.state);
        let Some(mut state) = change.applied(&resource, live) else {
            self.parts.any.resources.remove(url);
            self.settle();
            return Ok(json!({}));
        };
        let now = self.now;
        let mut kept =
            before.clone().unwrap_or(Kept { state: Map::new(), created: now, writes: 0, figures: Figures::default() });
        kept.writes = kept.writes.saturating_add(1);
        match &before {
            Some(before) => {
                token::renew(&resource, Some(&before.state), &mut state, kept.writes);
                wire::touch(&resource, &mut state, now);
            }
            None => {
                wire::complete(&resource, &mut state, now);
                token::renew(&resource, None, &mut state, 0);
            }
        }
        kept.state = state;
        let shown = Value::Object(kept.state.clone());
        self.parts.any.resources.insert(url.to_owned(), kept);
        self.settle();
        Ok(shown)
    }

    /// What an operation of Cloud DNS shows of a zone. (source: Discovery, OperationManagedZoneContext)
    fn before_and_after(&self, resource: &Resource, change: &Change) -> Option<Value> {
        let is_shown = resource.resource_type.name() == "dns.managedZones";
        let kept = self.parts.any.resources.get(&resource.url()).filter(|_| is_shown)?;
        let after = change.applied(resource, &kept.state);
        Some(json!({ "oldValue": kept.state, "newValue": after }))
    }

    /// What a change would make of a resource, as a method with `validateOnly` answers (AIP-163): as if it had been made. An operation
    /// is done already, and there is none to ask for (ours).
    fn validated(&self, resource: &Resource, method: &Method, change: &Change) -> Value {
        let nothing = Map::new();
        let live = self.parts.any.resources.get(&resource.url()).map_or(&nothing, |kept| &kept.state);
        let after = Value::Object(change.applied(resource, live).unwrap_or_default());
        match method.answer {
            Answer::Operation(_) => json!({ "done": true, "response": after }),
            Answer::Nothing | Answer::Resource | Answer::Other => after,
        }
    }

    /// Refuses a second change while an operation runs. GKE's is documented by those who met it (k8s-config-connector#3650: 400,
    /// failedPrecondition, also for another node pool of the cluster), and so is Cloud SQL's; the others' is ours.
    fn refuse_while_busy(&self, resource: &Resource) -> Result<(), Refusal> {
        let is_by_cluster = resource.resource_type.rules().iter().any(|rule| rule.what == Exception::Serial("cluster"));
        let scope = |url: &str| {
            let end = url.find("/nodePools/").filter(|_| is_by_cluster).unwrap_or(url.len());
            url.get(..end).unwrap_or(url).to_owned()
        };
        let own = scope(&resource.url());
        let running = self
            .operations
            .of::<AnyResources>()
            .find(|(operation, effect)| operation.outcome.is_none() && scope(&effect.url) == own);
        let Some((operation, _)) = running else { return Ok(()) };
        let name = resource.name();
        Err(match resource.resource_type.api().service {
            "container" => {
                let message = format!("Cluster is running incompatible operation {KUBERNETES}{}.", operation.id);
                Refusal::new(Code::FailedPrecondition, message)
            }
            "compute" => Refusal::new(Code::InvalidArgument, format!("The resource '{name}' is not ready"))
                .because("resourceNotReady"),
            "sqladmin" => {
                let message = "Operation failed because another operation was already in progress.";
                Refusal::new(Code::Aborted, message).because("operationInProgress")
            }
            _ => Refusal::new(Code::Aborted, format!("unable to queue the operation: another one runs on {name}")),
        })
    }
}

//! The requests that change these resources: what each asks for, and what it is answered with.

use serde_json::{Map, Value, json};

use super::change::Change;
use super::kept::Figures;
use super::operation::Effect;
use super::serve::Reply;
use super::{AnyResources, create, update, wire};
use crate::catalog::{Answer, Method, Resource, Route, UpdateDialect};
use crate::sim::api::{Changing, Parameters, Refusals};
use crate::sim::world::World;
use crate::sim::world::operation::Asked;
use crate::sim::world::refusal::{Code, Refusal};
/// A request that changes something.
pub(super) fn write(
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
        world.check_project_of(&made.resource)?;
        if world.parts.any.resources.contains_key(&made.resource.url()) {
            let message = format!("Resource '{}' already exists", made.resource.name());
            return Err(Refusal::new(Code::AlreadyExists, message));
        }
        (made.resource, Change::Create { body: made.body }, Figures::default().update_takes)
    } else {
        let resource = named_by(route, method, parameters)?;
        if !call.flag("validateOnly")?
            && let Some(reply) = super::known::made(world, &resource, method, body, call)?
        {
            return Ok(reply);
        }
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

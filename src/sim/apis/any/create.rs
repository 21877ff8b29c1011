//! Making a resource: which one it is, and what it begins with.
//!
//! APIs take the name of a new resource in the query (`instanceId`), in the path (`PUT`), in the body, in a message around the body,
//! or choose it themselves.

use serde_json::{Map, Value};

use super::change::message_of;
use super::message::UnknownFields;
use super::wire::number;
use crate::catalog::{Body, FieldType, Method, Resource, ResourceType, Route};
use crate::sim::api::Parameters;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::unknown_field;

/// What a request makes.
pub(super) struct Made {
    pub(super) resource: Resource,
    pub(super) body: Map<String, Value>,
}

/// Reads a request that makes a resource. `place` is how many there have been, from which a name is chosen where the API chooses it.
///
/// # Errors
/// What the API would refuse.
pub(super) fn read(
    route: &Route,
    method: &'static Method,
    body: &Map<String, Value>,
    parameters: &Parameters,
    place: usize,
) -> Result<Made, Refusal> {
    let resource_type = route.resource_type;
    let (body, id_beside) = match method.body {
        Body::Message(_) => unwrapped(resource_type, method, body)?,
        Body::Resource | Body::None => (body.clone(), None),
    };
    let body = message_of(resource_type).read(&body, UnknownFields::Refused)?;
    let id = match resource_type.id_parameter() {
        Some(parameter) => {
            let id = parameters.get(parameter);
            Some(id.ok_or_else(|| Refusal::invalid(parameter, format!("{parameter} is needed")))?.to_owned())
        }
        None => id_beside.or_else(|| id_in(resource_type, &body)),
    };
    let resource = match (route.resource(), id) {
        (Some(resource), _) => resource,
        (None, id) => {
            let id = id.unwrap_or_else(|| number(&format!("{}/{place}", resource_type.name())));
            let names = names(resource_type, &id, &body);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            route
                .resource_with(&names)
                .ok_or_else(|| Refusal::invalid("name", format!("Invalid resource name {id:?}")))?
        }
    };
    if resource.id().contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
        return Err(Refusal::invalid("name", format!("Invalid resource name {:?}", resource.id())));
    }
    let required = resource_type
        .schema()
        .fields
        .iter()
        .filter(|field| field.behavior.is_required() && !field.behavior.is_output_only());
    let missing = required.map(|field| field.name).find(|field| *field != "name" && !body.contains_key(*field));
    match missing {
        Some(field) => Err(Refusal::invalid(field, format!("Required field {field} is not set"))),
        None => Ok(Made { resource, body }),
    }
}

/// The resource in a message, and the id beside it: `{instanceId, instance: {…}}`, `{cluster: {…}}`.
fn unwrapped(
    resource_type: ResourceType,
    method: &Method,
    body: &Map<String, Value>,
) -> Result<(Map<String, Value>, Option<String>), Refusal> {
    let Body::Message(schema) = method.body else { return Ok((body.clone(), None)) };
    let schema = resource_type.api().schema(schema);
    if let Some(stranger) = body.keys().find(|name| schema.field(name).is_none()) {
        return Err(unknown_field(stranger, ""));
    }
    let holder = schema.fields.iter().find(|field| field.field_type == FieldType::Message(resource_type.schema_id()));
    let Some(holder) = holder else { return Ok((Map::new(), None)) };
    let inner = crate::sim::world::object(body, holder.name)?.cloned().unwrap_or_default();
    let ids = schema.fields.iter().filter(|field| field.field_type == FieldType::String && field.name.ends_with("Id"));
    let id = ids.filter(|field| field.name != "requestId").find_map(|field| body.get(field.name)?.as_str());
    Ok((inner, id.map(str::to_owned)))
}

/// The id in the body: its `name`, which may be whole, or the id in a reference such as `datasetReference`.
fn id_in(resource_type: ResourceType, body: &Map<String, Value>) -> Option<String> {
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        let is_tail = resource_type.pattern().as_str().ends_with("**");
        let id = if is_tail { name } else { name.rsplit('/').next().unwrap_or(name) };
        return Some(id.to_owned());
    }
    let variable = resource_type.pattern().variables().pop()?;
    let singular = variable.strip_suffix('s').unwrap_or(variable);
    let reference = body.get(&format!("{singular}Reference"))?;
    reference.get(format!("{singular}Id"))?.as_str().map(str::to_owned)
}

/// The names that are missing from the collection's path. A record set of Cloud DNS has two: its name and its type.
fn names(resource_type: ResourceType, id: &str, body: &Map<String, Value>) -> Vec<String> {
    let mut names = vec![id.to_owned()];
    let is_record_set = resource_type.pattern().as_str().ends_with("/*/*");
    names.extend(body.get("type").and_then(Value::as_str).filter(|_| is_record_set).map(str::to_owned));
    names
}

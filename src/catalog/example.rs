//! Made resources: a value for every field that can be set, for examples and for the law that all types keep.

use serde_json::{Map, Value, json};

use super::api::Api;
use super::resource_type::{Resource, ResourceType};
use super::schema::{FieldType, SchemaId};

/// How deep a made value goes. Messages that hold themselves end there.
const DEPTH: usize = 3;

/// A resource of a type, with made names for everything in it.
pub fn example_resource(resource_type: ResourceType) -> Resource {
    let pattern = resource_type.pattern();
    let made = |collection: &str| match collection {
        "projects" => "my-project".to_owned(),
        "locations" | "regions" => "us-central1".to_owned(),
        "zones" => "us-central1-a".to_owned(),
        "" => "value".to_owned(),
        collection => format!("my-{}", collection.strip_suffix('s').unwrap_or(collection).to_lowercase()),
    };
    let values = pattern.variables().into_iter().map(made).collect();
    Resource { resource_type, values }
}

/// A value that a field of this type takes.
pub fn example_value(resource_type: ResourceType, field_type: &FieldType) -> Value {
    value_of(resource_type.api, field_type, 0)
}

fn value_of(api: &'static Api, field_type: &FieldType, depth: usize) -> Value {
    match api.resolve(field_type) {
        FieldType::String => json!("text"),
        FieldType::Int32 | FieldType::Uint32 => json!(3),
        FieldType::Int64 | FieldType::Uint64 => json!("3"),
        FieldType::Float | FieldType::Double => json!(0.5),
        FieldType::Boolean => json!(true),
        FieldType::Timestamp => json!("2026-01-31T12:00:00Z"),
        FieldType::Duration => json!("30s"),
        FieldType::FieldMask => json!("name"),
        FieldType::Bytes => json!("dGV4dA=="),
        FieldType::Any => json!({ "anything": true }),
        // The first name mostly says that nothing was said.
        FieldType::Enum(values) => Value::from(values.names().last().unwrap_or_default()),
        FieldType::List(element) => json!([value_of(api, &element, depth + 1)]),
        FieldType::Map(value) => json!({ "key": value_of(api, &value, depth + 1) }),
        FieldType::Message(id) => Value::Object(message_of(api, id, depth + 1)),
    }
}

fn message_of(api: &'static Api, id: SchemaId, depth: usize) -> Map<String, Value> {
    if depth > DEPTH {
        return Map::new();
    }
    let writable =
        api.schema(id).fields.iter().filter(|field| !field.behavior.is_output_only() && !field.behavior.is_immutable());
    writable.map(|field| (field.name.to_owned(), value_of(api, &field.field_type, depth))).collect()
}

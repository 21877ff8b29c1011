//! The format as a JSON Schema, for editors: they complete keys from it, explain them, and underline what is wrong.
//!
//! It is stricter than nothing and looser than `check`: which probes exist, what `${…}` stands for and what Google
//! takes is not for a schema to know.

use serde_json::{Map, Value, json};

use super::ROOT;
use crate::action::ACTIONS;
use crate::probe::{FLOW_REQUESTS, PROBES};
use crate::syntax::format::{Key, Table, ValueType};

/// The schema of a runbook (JSON Schema 2020-12).
pub fn schema() -> Value {
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!("rectify runbook")),
    ]);
    schema.extend(table(&ROOT));
    Value::Object(schema)
}

fn table(table: &Table) -> Map<String, Value> {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), Value::Object(described(key)))).collect();
    let needed: Vec<&str> = table.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = Map::from_iter([
        ("description".to_owned(), json!(table.about)),
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("additionalProperties".to_owned(), json!(false)),
    ]);
    if !needed.is_empty() {
        schema.insert("required".to_owned(), json!(needed));
    }
    if table.key("uses").is_some() {
        schema.insert("allOf".to_owned(), ACTIONS.iter().map(|action| with(action.name, &action.with)).collect());
    }
    schema
}

fn described(key: &Key) -> Map<String, Value> {
    let mut schema = value(&key.is);
    if key.name == "uses" {
        schema.insert("enum".to_owned(), ACTIONS.iter().map(|action| action.name).collect());
    }
    let default = key.default.map(|default| format!(" If it is not there: {default}.")).unwrap_or_default();
    let example = if key.example.is_empty() { String::new() } else { format!(" Such as {}", key.example) };
    schema.insert("description".to_owned(), json!(format!("{}{default}{example}", key.about)));
    schema
}

/// What `with` holds if `uses` is this action.
fn with(action: &str, arguments: &Table) -> Value {
    let needs = arguments.keys.iter().any(|key| key.required);
    let mut then = json!({ "properties": { "with": table(arguments) } });
    if needs && let Some(then) = then.as_object_mut() {
        then.insert("required".to_owned(), json!(["with"]));
    }
    json!({ "if": { "properties": { "uses": { "const": action } }, "required": ["uses"] }, "then": then })
}

fn value(is: &ValueType) -> Map<String, Value> {
    let schema = match is {
        ValueType::Text | ValueType::Literal | ValueType::SecretText | ValueType::Condition | ValueType::Pattern => {
            json!({ "type": "string" })
        }
        ValueType::Integer => json!({ "type": "integer" }),
        ValueType::Flag => json!({ "type": "boolean" }),
        ValueType::Duration => {
            json!({ "type": "string", "pattern": "^ *[0-9].*[a-z] *$", "examples": ["90s", "5m", "1h 30m"] })
        }
        ValueType::Rate => json!({ "type": "string", "pattern": "^[0-9.]+ *%$", "examples": ["2%"] }),
        ValueType::Choice(words) => json!({ "type": "string", "enum": words }),
        ValueType::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        ValueType::Percent => percent(),
        ValueType::Percents => json!({ "type": "array", "items": percent() }),
        ValueType::Shares => json!({ "type": "object", "additionalProperties": percent() }),
        ValueType::Values | ValueType::Fields => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "integer", "boolean"] } })
        }
        ValueType::SecretTexts => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        ValueType::Json => json!({ "type": ["object", "array", "string", "number", "boolean"] }),
        ValueType::Command => json!({ "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "string" },
        ] }),
        ValueType::Server(format) => json!({ "anyOf": [{ "type": "string" }, table(format)] }),
        ValueType::Table(format) => return table(format),
        ValueType::Tables(format) => json!({ "type": "array", "items": table(format) }),
        ValueType::Named(format) => json!({ "type": "object", "additionalProperties": table(format) }),
        ValueType::Probes => json!({ "type": "object", "additionalProperties": {
            "type": "object",
            "oneOf": PROBES.iter().map(|probe| table(&probe.table)).collect::<Vec<_>>(),
        } }),
        ValueType::Flow => json!({ "type": "array", "minItems": 1, "items": {
            "type": "object",
            "oneOf": FLOW_REQUESTS.iter().map(|request| table(&request.table)).collect::<Vec<_>>(),
        } }),
        ValueType::Arguments => arguments(),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// What any action takes, so that an editor that does not look at `uses` has something to offer. What one action takes,
/// and of what type it is, is said beside it.
fn arguments() -> Value {
    let mut properties = Map::new();
    for (action, key) in ACTIONS.iter().flat_map(|action| action.with.keys.iter().map(move |key| (action, key))) {
        let (mut about, mut shape) = (format!("{}: {}", action.name, key.about), value(&key.is));
        if let Some(Value::Object(mut other)) = properties.shift_remove(key.name) {
            if let Some(Value::String(before)) = other.shift_remove("description") {
                about = format!("{before}\n\n{about}");
            }
            // Two actions may mean different things by one word.
            if other != shape {
                shape = Map::new();
            }
        }
        shape.insert("description".to_owned(), json!(about));
        properties.insert(key.name.to_owned(), Value::Object(shape));
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn percent() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 100 })
}

//! Messages of the catalog's schemas: what a request may put into one, and what a write makes of one.
//!
//! An API writes the output-only fields itself and never shows the input-only ones. So a write takes neither over: the former are
//! ignored, as Google does, and the latter are checked and forgotten.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::catalog::{Api, Field, FieldType, Resource, SchemaId};
use crate::sim::world::refusal::Refusal;
use crate::sim::world::unknown_field;

/// Deeper than any message of the catalog goes that does not hold itself.
const DEEPEST: usize = 40;

/// A value for a message, as a request or a scenario gives it.
pub(super) struct Message {
    pub(super) api: &'static Api,
    pub(super) schema: SchemaId,
}

/// What is made of fields that the catalog does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownFields {
    /// A request that has one is refused.
    Refused,
    /// A capture that has one is of a newer Google.
    Kept,
}

impl Message {
    /// The fields as the API writes them: numbers of 64 bits are texts.
    ///
    /// # Errors
    /// A field that there is not, or that has another type.
    pub(super) fn read(
        &self,
        given: &Map<String, Value>,
        unknown: UnknownFields,
    ) -> Result<Map<String, Value>, Refusal> {
        self.read_at(given, "", unknown, 0)
    }

    fn read_at(
        &self,
        given: &Map<String, Value>,
        at: &str,
        unknown: UnknownFields,
        depth: usize,
    ) -> Result<Map<String, Value>, Refusal> {
        if depth > DEEPEST {
            return Err(Refusal::invalid(at, "Invalid JSON payload received. It nests too deeply."));
        }
        let schema = self.api.schema(self.schema);
        let mut read = Map::new();
        for (name, value) in given {
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            let value = match schema.field(name) {
                Some(field) => self.value(&field.field_type, value, &path, unknown, depth)?,
                None if schema.fields.is_empty() || unknown == UnknownFields::Kept => value.clone(),
                None => return Err(unknown_field(name, at)),
            };
            read.insert(name.clone(), value);
        }
        Ok(read)
    }

    fn value(
        &self,
        field_type: &FieldType,
        given: &Value,
        at: &str,
        unknown: UnknownFields,
        depth: usize,
    ) -> Result<Value, Refusal> {
        let invalid = |kind: &str| {
            // The value may be a secret, and a refusal is shown.
            Err(Refusal::invalid(at, format!("Invalid value at '{at}' ({kind})")))
        };
        if given.is_null() {
            return Ok(Value::Null);
        }
        let whole = |given: &Value| {
            given
                .as_i64()
                .map(i128::from)
                .or_else(|| given.as_u64().map(i128::from))
                .or_else(|| given.as_str()?.parse().ok())
        };
        Ok(match (self.api.resolve(field_type), given) {
            (FieldType::Any, given) => given.clone(),
            (FieldType::String | FieldType::Bytes | FieldType::FieldMask, Value::String(text)) => json!(text),
            (FieldType::Enum(names), Value::String(text)) if names.names().any(|name| name == text) => json!(text),
            // Output-only enums of a capture may be newer than the catalog.
            (FieldType::Enum(_), Value::String(text)) if unknown == UnknownFields::Kept => json!(text),
            (FieldType::Boolean, Value::Bool(flag)) => json!(flag),
            (FieldType::Int32, given) => match whole(given).and_then(|number| i32::try_from(number).ok()) {
                Some(number) => json!(number),
                None => return invalid("TYPE_INT32"),
            },
            (FieldType::Uint32, given) => match whole(given).and_then(|number| u32::try_from(number).ok()) {
                Some(number) => json!(number),
                None => return invalid("TYPE_UINT32"),
            },
            (FieldType::Int64, given) => match whole(given).and_then(|number| i64::try_from(number).ok()) {
                Some(number) => json!(number.to_string()),
                None => return invalid("TYPE_INT64"),
            },
            (FieldType::Uint64, given) => match whole(given).and_then(|number| u64::try_from(number).ok()) {
                Some(number) => json!(number.to_string()),
                None => return invalid("TYPE_UINT64"),
            },
            (FieldType::Float | FieldType::Double, Value::Number(number)) => json!(number),
            (FieldType::Timestamp, Value::String(text)) if text.parse::<Timestamp>().is_ok() => json!(text),
            (FieldType::Duration, Value::String(text)) if is_duration(text) => json!(text),
            (FieldType::List(element), Value::Array(elements)) => {
                let of = |value: &Value| self.value(&element, value, at, unknown, depth + 1);
                Value::Array(elements.iter().map(of).collect::<Result<_, _>>()?)
            }
            (FieldType::Map(inner), Value::Object(entries)) => {
                let of = |(name, value): (&String, &Value)| {
                    Ok((name.clone(), self.value(&inner, value, at, unknown, depth + 1)?))
                };
                Value::Object(entries.iter().map(of).collect::<Result<_, Refusal>>()?)
            }
            (FieldType::Message(schema), Value::Object(fields)) => {
                Value::Object(Message { api: self.api, schema }.read_at(fields, at, unknown, depth + 1)?)
            }
            (FieldType::Enum(_), _) => return invalid("TYPE_ENUM"),
            (other, _) => return invalid(other.word()),
        })
    }

    /// The message with the body in the place of all that can be written.
    pub(super) fn replaced(&self, live: &Map<String, Value>, body: &Map<String, Value>) -> Map<String, Value> {
        let schema = self.api.schema(self.schema);
        let is_the_apis = |name: &str| schema.field(name).is_some_and(|field| field.behavior.is_output_only());
        let mut result: Map<String, Value> = Map::new();
        for (name, value) in
            live.iter().filter(|(name, _)| is_the_apis(name) || body.get(*name).is_some_and(|given| !given.is_null()))
        {
            result.insert(name.clone(), value.clone());
        }
        for (name, given) in body.iter().filter(|(name, given)| !is_the_apis(name) && !given.is_null()) {
            self.put(
                &mut result,
                name,
                |message, before| message.replaced(before, given.as_object().unwrap_or(&Map::new())),
                given,
            );
        }
        result
    }

    /// The message with the body merged into it (RFC 7396).
    pub(super) fn merged(&self, live: &Map<String, Value>, body: &Map<String, Value>) -> Map<String, Value> {
        let schema = self.api.schema(self.schema);
        let mut result = live.clone();
        for (name, given) in body {
            let field = schema.field(name);
            if field.is_some_and(|field| field.behavior.is_output_only()) {
                continue;
            }
            if given.is_null() {
                result.shift_remove(name);
                continue;
            }
            let entries = field.filter(|field| matches!(self.api.resolve(&field.field_type), FieldType::Map(_)));
            if let (Some(_), Some(Value::Object(before)), Value::Object(given)) = (entries, result.get_mut(name), given)
            {
                crate::sim::world::merge(before, given.clone());
                continue;
            }
            self.put(
                &mut result,
                name,
                |message, before| message.merged(before, given.as_object().unwrap_or(&Map::new())),
                given,
            );
        }
        result
    }

    /// Gives the field that a path means what the body has there; nothing, if the body does not have it.
    pub(super) fn set(&self, live: &mut Map<String, Value>, path: &[&str], body: Option<&Value>) {
        let Some((name, rest)) = path.split_first() else { return };
        let given = body.and_then(|body| body.get(*name)).filter(|given| !given.is_null());
        let field = self.api.schema(self.schema).field(name);
        if rest.is_empty() {
            let Some(given) = given else { return drop(live.shift_remove(*name)) };
            self.put(
                live,
                name,
                |message, before| message.replaced(before, given.as_object().unwrap_or(&Map::new())),
                given,
            );
            return;
        }
        let inner = field.map(|field| self.api.resolve(&field.field_type));
        if given.is_none() && !live.contains_key(*name) {
            return;
        }
        let here = live.entry((*name).to_owned()).or_insert_with(|| json!({}));
        if !here.is_object() {
            *here = json!({});
        }
        match (inner, here) {
            (Some(FieldType::Message(schema)), Value::Object(here)) => {
                Message { api: self.api, schema }.set(here, rest, given);
            }
            // An entry of a map, for the few APIs whose masks reach into one.
            (_, Value::Object(here)) => {
                let key = rest.join(".");
                match given.and_then(|given| given.get(&key)) {
                    Some(value) => drop(here.insert(key, value.clone())),
                    None => drop(here.shift_remove(&key)),
                }
            }
            _ => {}
        }
    }

    fn put(
        &self,
        into: &mut Map<String, Value>,
        name: &str,
        within: impl FnOnce(&Message, &Map<String, Value>) -> Map<String, Value>,
        given: &Value,
    ) {
        let field = self.api.schema(self.schema).field(name);
        if field.is_some_and(|field| field.behavior.is_input_only()) {
            into.shift_remove(name);
            return;
        }
        let value = match (field.map(|field| self.api.resolve(&field.field_type)), given) {
            (Some(FieldType::Message(schema)), Value::Object(_)) => {
                let nothing = Map::new();
                let before = into.get(name).and_then(Value::as_object).unwrap_or(&nothing);
                Value::Object(within(&Message { api: self.api, schema }, before))
            }
            (Some(field_type), given) => self.shown(&field_type, given, 0),
            (None, given) => given.clone(),
        };
        into.insert(name.to_owned(), value);
    }

    /// A value without the fields that a request cannot write, and without those that no answer has.
    fn shown(&self, field_type: &FieldType, value: &Value, depth: usize) -> Value {
        match (self.api.resolve(field_type), value) {
            (FieldType::Message(schema), Value::Object(fields)) if depth < DEEPEST => {
                let schema = self.api.schema(schema);
                let is_shown = |field: &Field| !field.behavior.is_output_only() && !field.behavior.is_input_only();
                let shown = |(name, value): (&String, &Value)| match schema.field(name) {
                    Some(field) if is_shown(field) => {
                        Some((name.clone(), self.shown(&field.field_type, value, depth + 1)))
                    }
                    Some(_) => None,
                    None => Some((name.clone(), value.clone())),
                };
                Value::Object(fields.iter().filter_map(shown).collect())
            }
            (FieldType::List(element), Value::Array(elements)) => {
                Value::Array(elements.iter().map(|value| self.shown(&element, value, depth + 1)).collect())
            }
            (FieldType::Map(inner), Value::Object(entries)) => Value::Object(
                entries.iter().map(|(name, value)| (name.clone(), self.shown(&inner, value, depth + 1))).collect(),
            ),
            (_, value) => value.clone(),
        }
    }
}

/// A resource's fields with numbers of 64 bits, which are texts in JSON, as numbers: so they can be compared.
pub(super) fn with_numbers(resource: &Resource, state: &Value) -> Value {
    let resource_type = resource.resource_type;
    numbers(resource_type.api(), &FieldType::Message(resource_type.schema_id()), state, 0)
}

fn numbers(api: &'static Api, field_type: &FieldType, value: &Value, depth: usize) -> Value {
    match (api.resolve(field_type), value) {
        (FieldType::Int64 | FieldType::Uint64, Value::String(text)) => {
            text.parse::<i64>().map_or_else(|_| value.clone(), Value::from)
        }
        (FieldType::Message(id), Value::Object(fields)) if depth < DEEPEST => {
            let schema = api.schema(id);
            let one = |(name, value): (&String, &Value)| {
                let field = schema.field(name);
                let number = |field: &Field| numbers(api, &field.field_type, value, depth + 1);
                let value = field.map_or_else(|| value.clone(), number);
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(one).collect())
        }
        (FieldType::List(element), Value::Array(elements)) => {
            elements.iter().map(|value| numbers(api, &element, value, depth + 1)).collect()
        }
        (FieldType::Map(inner), Value::Object(entries)) => {
            let one = |(name, value): (&String, &Value)| (name.clone(), numbers(api, &inner, value, depth + 1));
            Value::Object(entries.iter().map(one).collect())
        }
        _ => value.clone(),
    }
}

/// The value at a path of fields. `null` is none.
pub(super) fn at<'v>(state: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    let mut names = path.split('.');
    let first = state.get(names.next()?)?;
    names.try_fold(first, |here, name| here.get(name)).filter(|value| !value.is_null())
}

/// Seconds, such as `3.5s`.
fn is_duration(text: &str) -> bool {
    text.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok_and(f64::is_finite))
}

//! The requests that bring a change about, in the dialect of the type. Pure: what is there now is given, nothing is sent.

use std::fmt;

use serde_json::{Map, Value};

use super::Catalog;
use super::api::{Api, Body, Method, Parameter, ParameterType};
use super::change::{ApplyError, Assignment, Assignments};
use super::dialect::{Answer, Token, UpdateDialect};
use super::resource_type::{MissingArgument, Resource, ResourceType};
use super::rule::{Exception, MethodArgument};
use super::schema::{FieldType, Schema, SchemaId};
use crate::syntax::spelling::nearest;

/// A request, complete but for its credentials. Its body and query may have secrets in them: what is shown of it goes through
/// [`conceal`](super::conceal), and its `Debug` form has neither.
#[derive(Clone)]
pub struct WriteRequest {
    /// The method: its verb, what it answers with, and whether it takes `requestId` or `validateOnly`.
    pub method: &'static Method,
    /// Where it goes, without the query.
    pub url: String,
    /// Query parameters, in order; not encoded.
    pub query: Vec<(&'static str, String)>,
    /// What is sent. `None`: the method takes no body.
    pub body: Option<Value>,
    /// The fields that it changes, sorted.
    pub mask: Vec<String>,
}

impl fmt::Debug for WriteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.method.verb.as_str(), self.url, self.mask)
    }
}

impl WriteRequest {
    /// What the method answers with.
    pub fn answer(&self) -> Answer {
        self.method.answer
    }
}

/// No request can be made of a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The type has no method that changes it.
    #[error("{type_name} has no update method; it is changed by its methods (gcp.call), or not at all")]
    NoUpdate {
        /// The type.
        type_name: String,
    },
    /// How it is changed does not follow from its schema.
    #[error(
        "an update of {type_name} takes a request of another shape than the resource; call `{method}` with gcp.call"
    )]
    Underivable {
        /// The type.
        type_name: String,
        /// The method.
        method: &'static str,
    },
    /// The API's mask does not take the field.
    #[error("an update of {type_name} does not take `{path}`: its mask takes {allowed}")]
    NotInMask {
        /// The type.
        type_name: String,
        /// The field.
        path: String,
        /// What it takes.
        allowed: String,
    },
    /// A value would be sent back that the API does not show as it is.
    #[error(
        "writing {written} would send `{field}` as it was read, and the API masks it or leaves it out of its answers; set it too"
    )]
    Unreadable {
        /// What is written.
        written: String,
        /// The field.
        field: String,
    },
    /// The values do not fit into the resource.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The URL of a method needs more.
    #[error(transparent)]
    MissingArgument(#[from] MissingArgument),
    /// There is no such method.
    #[error("{type_name} has no method `{method}`")]
    UnknownMethod {
        /// The type.
        type_name: String,
        /// What was read.
        method: String,
        /// Methods that may be meant.
        near: Vec<&'static str>,
    },
    /// The method takes no such argument.
    #[error("`{method}` takes no argument `{argument}`")]
    UnknownArgument {
        /// The method.
        method: &'static str,
        /// What was read.
        argument: String,
        /// Arguments that may be meant.
        near: Vec<&'static str>,
    },
    /// The method answers with a secret.
    #[error("`{method}` answers with a secret, which must not reach a journal: {source_of_rule}")]
    SecretAnswer {
        /// The method.
        method: String,
        /// Where that is from.
        source_of_rule: &'static str,
    },
}

/// The paths that an update of these fields names in its mask: sorted, none below another, in the JSON spelling.
///
/// # Errors
/// The API's mask does not take one of them.
pub fn mask_of(resource_type: ResourceType, assignments: &Assignments) -> Result<Vec<String>, WriteError> {
    mask(resource_type, assignments.iter())
}

fn mask<'a>(
    resource_type: ResourceType,
    assignments: impl Iterator<Item = &'a Assignment>,
) -> Result<Vec<String>, WriteError> {
    let mut paths = Vec::new();
    for assignment in assignments {
        let mut path = assignment.mask_path.as_str();
        for rule in resource_type.rules() {
            match &rule.what {
                Exception::MaskOfFirstLevel => path = path.split('.').next().unwrap_or(path),
                Exception::MaskOnly(allowed) => {
                    path = allowed.iter().find(|allowed| is_at_or_below(path, allowed)).copied().ok_or_else(|| {
                        let allowed = crate::syntax::spelling::list(allowed.iter().copied(), "and");
                        WriteError::NotInMask { type_name: resource_type.name(), path: path.to_owned(), allowed }
                    })?;
                }
                _ => {}
            }
        }
        paths.push(path.to_owned());
    }
    paths.sort_unstable();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| other != path && is_at_or_below(path, other)));
    Ok(paths)
}

/// Whether a path of fields is the other one, or lies below it.
pub(super) fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The requests that make the live resource what is set, in order. Fields that already are as wanted are left out: a mask must not
/// name a fixed field even with its own value. Where there is more than one request, the token of the later ones is stale: after each,
/// read the resource and ask again.
///
/// # Errors
/// Why no request can be made.
pub fn writes(resource: &Resource, live: &Value, assignments: &Assignments) -> Result<Vec<WriteRequest>, WriteError> {
    let resource_type = resource.resource_type;
    let desired = assignments.apply(live)?;
    let is_changed = |assignment: &&Assignment| {
        let path = &assignment.mask_path;
        !is_same(plain_value(live, path), plain_value(&desired, path))
    };
    let changed: Vec<&Assignment> = assignments.iter().filter(is_changed).collect();
    let write = Writing { resource, live, desired: &desired };
    let mut requests = Vec::new();
    let mut by_setter: Vec<&Assignment> = Vec::new();
    for rule in resource_type.rules() {
        let Exception::SetBy { field, method, argument, token } = rule.what else { continue };
        let own: Vec<&Assignment> =
            changed.iter().filter(|assignment| is_at_or_below(&assignment.mask_path, field)).copied().collect();
        let (Some(_), Some(method)) = (own.first(), resource_type.method(method)) else { continue };
        requests.push(write.by_setter(Setter { field, method, argument, token })?);
        by_setter.extend(own);
    }
    let rest = changed.iter().filter(|assignment| !by_setter.contains(assignment)).copied();
    let mask = mask(resource_type, rest)?;
    if mask.is_empty() {
        return Ok(requests);
    }
    let is_one_by_one = resource_type.rules().iter().any(|rule| rule.what == Exception::OneFieldAWrite);
    let masks: Vec<Vec<String>> =
        if is_one_by_one { mask.into_iter().map(|path| vec![path]).collect() } else { vec![mask] };
    let mut updates = Vec::new();
    for mask in masks {
        updates.push(write.update(mask, assignments)?);
    }
    updates.extend(requests);
    Ok(updates)
}

/// Whether two values are the same to an API, which leaves defaults out of its answers.
pub(super) fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let is_default = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    match (one, other) {
        (None, None) => true,
        (None, Some(value)) | (Some(value), None) => is_default(value),
        (Some(one), Some(other)) => one == other,
    }
}

struct Writing<'w> {
    resource: &'w Resource,
    live: &'w Value,
    desired: &'w Value,
}

#[derive(Clone, Copy)]
struct Setter {
    field: &'static str,
    method: &'static Method,
    argument: MethodArgument,
    token: Option<&'static str>,
}

impl Writing<'_> {
    fn by_setter(&self, setter: Setter) -> Result<WriteRequest, WriteError> {
        let Setter { field, method, argument, token } = setter;
        let value = plain_value(self.desired, field).cloned().unwrap_or(Value::Null);
        let mut query = Vec::new();
        let mut body = match argument {
            MethodArgument::Query(parameter) => {
                query.push((parameter, text_of(&value)));
                None
            }
            MethodArgument::WholeBody => Some(value),
            MethodArgument::Field(argument) => Some(Value::Object(Map::from_iter([(argument.to_owned(), value)]))),
        };
        if let (Some(token), Some(Value::Object(body))) = (token, &mut body)
            && let Some(value) = plain_value(self.live, token)
        {
            let name = token.rsplit('.').next().unwrap_or(token);
            body.insert(name.to_owned(), value.clone());
        }
        let url = self.resource.method_url(method, |_| None)?;
        Ok(WriteRequest { method, url, query, body, mask: vec![field.to_owned()] })
    }

    fn update(&self, mask: Vec<String>, assignments: &Assignments) -> Result<WriteRequest, WriteError> {
        let resource_type = self.resource.resource_type;
        let type_name = || resource_type.name();
        let (method, dialect) =
            resource_type.update().ok_or_else(|| WriteError::NoUpdate { type_name: type_name() })?;
        let url = self.resource.method_url(method, |_| None)?;
        let mut query = self.name_in_query(method);
        let prefix = resource_type.rules().iter().find_map(|rule| match rule.what {
            Exception::MaskPrefix(prefix) => Some(format!("{prefix}.")),
            _ => None,
        });
        let prefix = prefix.unwrap_or_default();
        let listed = mask.iter().map(|path| format!("{prefix}{path}")).collect::<Vec<_>>().join(",");
        let (body, is_whole) = match dialect {
            UpdateDialect::FieldMask => {
                query.push(("updateMask", listed));
                (self.part(&mask, Cleared::LeftOut), false)
            }
            UpdateDialect::Compute => {
                if method.takes("paths") {
                    query.extend(mask.iter().map(|path| ("paths", path.clone())));
                } else if method.takes("updateMask") {
                    query.push(("updateMask", listed));
                }
                (self.part(&mask, Cleared::Null), false)
            }
            UpdateDialect::MergePatch => (self.part(&mask, Cleared::Null), false),
            UpdateDialect::WholePatch | UpdateDialect::Replace => (self.whole(), true),
            UpdateDialect::ReplaceWithMask => {
                query.push(("updateMask", listed));
                (self.whole(), true)
            }
            UpdateDialect::Wrapped { resource, mask: Some(field) } => {
                let part = self.with_token(self.part(&mask, Cleared::LeftOut));
                let body = Map::from_iter([(resource.to_owned(), part), (field.to_owned(), Value::from(listed))]);
                self.refuse_unreadable(&mask, assignments)?;
                return Ok(WriteRequest { method, url, query, body: Some(Value::Object(body)), mask });
            }
            UpdateDialect::Wrapped { resource, mask: None } => {
                (Value::Object(Map::from_iter([(resource.to_owned(), self.whole())])), true)
            }
            UpdateDialect::Underivable => {
                return Err(WriteError::Underivable { type_name: type_name(), method: method.name });
            }
        };
        let everything = [String::new()];
        self.refuse_unreadable(if is_whole { &everything } else { &mask }, assignments)?;
        if let Token::InQuery { field, parameter } = resource_type.token()
            && let Some(value) = plain_value(self.live, field)
        {
            query.push((parameter, text_of(value)));
        }
        let body = if is_whole { body } else { self.with_token(body) };
        Ok(WriteRequest { method, url, query, body: Some(body), mask })
    }

    /// Some updates are sent to the collection, with the name as a parameter.
    fn name_in_query(&self, method: &'static Method) -> Vec<(&'static str, String)> {
        if !method.path.starts_with("^1") {
            return Vec::new();
        }
        let collection = self.resource.resource_type.pattern().variables().pop().unwrap_or_default();
        let singular = collection.strip_suffix('s').unwrap_or(collection);
        let named = method.parameters.iter().find(|parameter| parameter.name == singular || parameter.name == "name");
        named.map(|parameter| vec![(parameter.name, self.resource.id().to_owned())]).unwrap_or_default()
    }

    /// The part of the resource that a mask names.
    fn part(&self, mask: &[String], cleared: Cleared) -> Value {
        let mut part = Value::Object(Map::new());
        for path in mask {
            match (plain_value(self.desired, path), cleared) {
                (Some(value), Cleared::Null) => {
                    insert_plain(&mut part, path, with_nulls(plain_value(self.live, path), value));
                }
                (Some(value), Cleared::LeftOut) => insert_plain(&mut part, path, value.clone()),
                (None, Cleared::Null) => insert_plain(&mut part, path, Value::Null),
                (None, Cleared::LeftOut) => {}
            }
        }
        part
    }

    fn with_token(&self, mut body: Value) -> Value {
        if let Token::InBody { field } = self.resource.resource_type.token()
            && let Some(value) = plain_value(self.live, field)
        {
            insert_plain(&mut body, field, value.clone());
        }
        body
    }

    /// The whole resource as it is wanted, without what the API writes itself.
    fn whole(&self) -> Value {
        let resource_type = self.resource.resource_type;
        let mut whole = self.desired.clone();
        remove_output_only(resource_type.api, resource_type.entry.schema, &mut whole, 0);
        self.with_token(whole)
    }

    /// What was read as `******`, or never is in an answer, must not be sent as it was read.
    fn refuse_unreadable(&self, written: &[String], assignments: &Assignments) -> Result<(), WriteError> {
        let is_set = |field: &str| {
            assignments
                .iter()
                .any(|assignment| assignment.value.is_some() && is_at_or_below(field, &assignment.field_path))
        };
        for rule in self.resource.resource_type.rules() {
            let Exception::Unreadable(field) = rule.what else { continue };
            for path in written {
                let is_written = path.is_empty() || is_at_or_below(field, path);
                let is_there = path.is_empty() || plain_value(self.live, path).is_some();
                if is_written && is_there && !is_set(field) {
                    return Err(WriteError::Unreadable { written: shown(path), field: field.to_owned() });
                }
            }
        }
        for path in written {
            let value = if path.is_empty() { Some(self.desired) } else { plain_value(self.desired, path) };
            let was = if path.is_empty() { Some(self.live) } else { plain_value(self.live, path) };
            if value.is_some_and(has_mask) && was.is_some_and(has_mask) {
                return Err(WriteError::Unreadable { written: shown(path), field: path.clone() });
            }
        }
        Ok(())
    }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "the whole resource".to_owned() } else { format!("`{path}`") }
}

/// Whether some value is the asterisks by which an API hides one.
fn has_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() >= 4 && text.chars().all(|letter| letter == '*'),
        Value::Array(elements) => elements.iter().any(has_mask),
        Value::Object(fields) => fields.values().any(has_mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What stands for a field that is cleared.
#[derive(Clone, Copy)]
enum Cleared {
    /// The mask names it, and the body does not have it.
    LeftOut,
    /// `null`.
    Null,
}

/// The value at a path of fields. `null` is none.
fn plain_value<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    let value = path.split('.').try_fold(root, |here, name| here.get(name))?;
    (!value.is_null()).then_some(value)
}

fn insert_plain(root: &mut Value, path: &str, value: Value) {
    let (names, last) = path.rsplit_once('.').map_or((None, path), |(names, last)| (Some(names), last));
    let mut here = root;
    for name in names.into_iter().flat_map(|names| names.split('.')) {
        if !here.is_object() {
            *here = Value::Object(Map::new());
        }
        let Value::Object(fields) = here else { return };
        here = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
    }
    if !here.is_object() {
        *here = Value::Object(Map::new());
    }
    if let Value::Object(fields) = here {
        fields.insert(last.to_owned(), value);
    }
}

/// A value to be merged (RFC 7396): what is no longer in an object is `null` in it, because what is left out stays.
fn with_nulls(live: Option<&Value>, desired: &Value) -> Value {
    let (Some(Value::Object(live)), Value::Object(desired)) = (live, desired) else { return desired.clone() };
    let kept = desired.iter().map(|(name, value)| (name.clone(), with_nulls(live.get(name), value)));
    let gone = live.keys().filter(|name| !desired.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    Value::Object(kept.chain(gone).collect())
}

/// A value as a query parameter.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Deeper than any message of the catalog goes that does not hold itself.
const DEEPEST: usize = 40;

fn remove_output_only(api: &'static Api, schema: SchemaId, value: &mut Value, depth: usize) {
    let Value::Object(fields) = value else { return };
    if depth > DEEPEST {
        return;
    }
    let schema = api.schema(schema);
    fields.retain(|name, _| schema.field(name).is_none_or(|field| !field.behavior.is_output_only()));
    for (name, value) in fields {
        let Some(field) = schema.field(name) else { continue };
        descend(api, &field.field_type, value, depth);
    }
}

fn descend(api: &'static Api, field_type: &FieldType, value: &mut Value, depth: usize) {
    match (api.resolve(field_type), value) {
        (FieldType::Message(id), value) => remove_output_only(api, id, value, depth + 1),
        (FieldType::List(element), Value::Array(elements)) => {
            for value in elements {
                descend(api, &element, value, depth);
            }
        }
        (FieldType::Map(element), Value::Object(entries)) => {
            for value in entries.values_mut() {
                descend(api, &element, value, depth);
            }
        }
        _ => {}
    }
}

/// The method of this name, if it may be called.
pub(super) fn callable(resource_type: ResourceType, method: &str) -> Result<&'static Method, WriteError> {
    if let Some(rule) = resource_type.secret_answer(method) {
        return Err(WriteError::SecretAnswer { method: method.to_owned(), source_of_rule: rule.source });
    }
    let unknown = || WriteError::UnknownMethod {
        type_name: resource_type.name(),
        method: method.chars().take(100).collect(),
        near: nearest(method, resource_type.methods().iter().map(|method| method.name)),
    };
    resource_type.method(method).filter(|method| method.name != "get").ok_or_else(unknown)
}

/// What the message of a method has.
pub(super) fn body_of(resource_type: ResourceType, method: &Method) -> Option<&'static Schema> {
    match method.body {
        Body::None => None,
        Body::Resource => Some(resource_type.schema()),
        Body::Message(id) => Some(resource_type.api.schema(id)),
    }
}

impl Resource {
    /// The request that calls a method with arguments, which are put where the method takes each: into its path, its query or its
    /// message.
    ///
    /// # Errors
    /// There is no such method, it takes no such argument or needs another one, or its answer would be a secret.
    pub fn call(&self, method: &str, arguments: &Map<String, Value>) -> Result<WriteRequest, WriteError> {
        let resource_type = self.resource_type;
        let method = callable(resource_type, method)?;
        let url = self.method_url(method, |name| arguments.get(name).and_then(Value::as_str))?;
        let schema = body_of(resource_type, method);
        let (mut query, mut body) = (Vec::new(), Map::new());
        for (name, value) in arguments {
            let field = schema.as_ref().and_then(|schema| schema.field(name));
            let parameter = method.parameters.iter().find(|parameter| parameter.name == name);
            match (field, parameter) {
                (Some(_), _) => drop(body.insert(name.clone(), value.clone())),
                (None, Some(parameter)) => {
                    let values = match value {
                        Value::Array(values) if parameter.repeated => values.as_slice(),
                        value => std::slice::from_ref(value),
                    };
                    query.extend(values.iter().map(|value| (parameter.name, text_of(value))));
                }
                (None, None) if method.path.contains(&format!("{{{name}}}")) => {}
                (None, None) => {
                    let fields = schema.iter().flat_map(|schema| schema.fields.iter().map(|field| field.name));
                    let known: Vec<&'static str> =
                        fields.chain(method.parameters.iter().map(|parameter| parameter.name)).collect();
                    let near = nearest(name, known);
                    let argument = name.chars().take(100).collect();
                    return Err(WriteError::UnknownArgument { method: method.name, argument, near });
                }
            }
        }
        for parameter in method.parameters.iter().filter(|parameter| parameter.required) {
            if !query.iter().any(|(name, _)| *name == parameter.name) {
                let argument = parameter.name.to_owned();
                return Err(MissingArgument { method: method.name, argument }.into());
            }
        }
        let body = schema.is_some().then_some(Value::Object(body));
        Ok(WriteRequest { method, url, query, body, mask: Vec::new() })
    }

    /// The request that makes something in a collection of this resource's, such as a backup of a database instance, whose name the API
    /// chooses.
    ///
    /// # Errors
    /// The API has no such collection, or nothing can be made in it.
    pub fn make_within(
        &self,
        collection: &'static str,
        fields: &Map<String, Value>,
    ) -> Result<WriteRequest, WriteError> {
        let service = self.resource_type.api().service;
        let name = format!("{service}.{collection}");
        let made = Catalog::open().ok().and_then(|catalog| catalog.find_type(&name).ok());
        let unknown = || WriteError::UnknownMethod {
            type_name: self.resource_type.name(),
            method: format!("{collection}.insert"),
            near: Vec::new(),
        };
        let method = made.and_then(ResourceType::create).ok_or_else(unknown)?;
        let url = format!("{}/{collection}", self.url());
        Ok(WriteRequest { method, url, query: Vec::new(), body: Some(Value::Object(fields.clone())), mask: Vec::new() })
    }

    /// The request that makes this resource. `None`: the API has no method for it. `project` is where it is made, for names that do
    /// not say it, as a bucket's. An API that takes no id and chooses names itself (alerting policies) may refuse the name that is
    /// put into the body: the catalog cannot tell it from one that takes the name there (log sinks).
    ///
    /// # Errors
    /// The URL needs more than the name says.
    pub fn create(&self, body: &Map<String, Value>, project: &str) -> Result<Option<WriteRequest>, WriteError> {
        let Some(method) = self.resource_type.create() else { return Ok(None) };
        let url = self.method_url(method, |_| None)?;
        let mut body = body.clone();
        let mut query = Vec::new();
        match self.resource_type.id_parameter() {
            Some(parameter) => query.push((parameter, self.id().to_owned())),
            // The path of a PUT has the name; otherwise the body has it, if the API does not choose one itself.
            None if method.path.starts_with("^1") => {
                let schema = self.resource_type.schema();
                if schema.field("name").is_some_and(|field| !field.behavior.is_output_only()) {
                    body.entry("name").or_insert_with(|| Value::from(self.id()));
                }
            }
            None => {}
        }
        let is_asked = |parameter: &&Parameter| parameter.required && parameter.name == "project";
        query.extend(method.parameters.iter().find(is_asked).map(|parameter| (parameter.name, project.to_owned())));
        Ok(Some(WriteRequest { method, url, query, body: Some(Value::Object(body)), mask: Vec::new() }))
    }

    /// The request that deletes it, conditional on the token where the method takes it. `None`: the API has no method for it.
    ///
    /// # Errors
    /// The URL needs more than the name says.
    pub fn delete(&self, live: &Value) -> Result<Option<WriteRequest>, WriteError> {
        let Some(method) = self.resource_type.method("delete") else { return Ok(None) };
        let url = self.method_url(method, |_| None)?;
        let mut query = self.as_written(live).name_in_query(method);
        let conditions = [("etag", "etag"), ("ifMetagenerationMatch", "metageneration")];
        for (parameter, field) in conditions {
            if let (true, Some(value)) = (method.takes(parameter), plain_value(live, field)) {
                query.push((parameter, text_of(value)));
            }
        }
        Ok(Some(WriteRequest { method, url, query, body: None, mask: Vec::new() }))
    }

    fn as_written<'w>(&'w self, live: &'w Value) -> Writing<'w> {
        Writing { resource: self, live, desired: live }
    }
}

/// What a query parameter takes, as a word.
impl ParameterType {
    /// A word for it in listings.
    pub fn word(self) -> &'static str {
        match self {
            ParameterType::Text => "text",
            ParameterType::Number => "number",
            ParameterType::Boolean => "true or false",
        }
    }
}

//! A type of resource, and a resource of it: what can be asked of them.

use std::fmt;

use super::api::{Api, Entry, Method, Verb};
use super::dialect::{OperationDialect, Token, UpdateDialect};
use super::name::{Pattern, segment};
use super::rule::{Exception, Rule};
use super::schema::{Field, FieldBehavior, Schema, SchemaId};
use super::write::is_at_or_below;

/// A type of resource: a collection of one version of an API. It is a handle, and cheap to copy.
#[derive(Clone, Copy)]
pub struct ResourceType {
    pub(super) api: &'static Api,
    pub(super) entry: &'static Entry,
    /// Whether names without a version mean this API.
    pub(super) is_preferred_version: bool,
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceType({})", self.name())
    }
}

impl PartialEq for ResourceType {
    fn eq(&self, other: &ResourceType) -> bool {
        std::ptr::eq(self.entry, other.entry)
    }
}

impl Eq for ResourceType {}

impl ResourceType {
    /// The API that it is of.
    pub fn api(self) -> &'static Api {
        self.api
    }

    /// Its shortest name: `redis.instances`, or `cloudfunctions:v1.functions` for a version that names without one do not mean.
    pub fn name(self) -> String {
        let version = if self.is_preferred_version { String::new() } else { format!(":{}", self.api.version) };
        format!("{}{version}.{}", self.api.service, self.entry.short)
    }

    /// Whether its names without a version mean it, and not the same type of another version.
    pub fn is_preferred(self) -> bool {
        self.is_preferred_version
    }

    /// Whether the API does not show a field as it is set, so that nobody can see whether it was.
    pub(super) fn is_unseen(self, path: &str, behavior: FieldBehavior) -> bool {
        behavior.is_input_only()
            || self.rules().iter().any(|rule| match rule.what {
                Exception::Unreadable(field) => is_at_or_below(path, field),
                _ => false,
            })
    }

    /// The fields that an update, which sends the whole resource, leaves out because no answer has them: what they had may be lost.
    pub fn lost_by_update(self) -> Vec<&'static str> {
        let is_whole = self.update().is_some_and(|(_, dialect)| dialect.is_whole());
        let is_lost = |field: &&Field| field.behavior.is_input_only() && !field.behavior.is_immutable();
        let fields = self.schema().fields.iter().filter(|field| is_whole && is_lost(field));
        fields.map(|field| field.name).collect()
    }

    /// Whether the API shows such a resource by a plain read. A few want a message with it.
    pub fn is_readable(self) -> bool {
        self.method("get").is_some_and(|get| get.verb == Verb::Get)
    }

    /// Discovery's name of its collection, such as `projects.locations.instances`.
    pub fn collection(self) -> &'static str {
        self.entry.collection
    }

    /// What Cloud Asset Inventory calls it, such as `redis.googleapis.com/Instance`. Derived from the schema's name, with the
    /// exceptions of `catalog/rules.toml`: Google publishes no list of it in machine-readable form.
    pub fn asset_type(self) -> String {
        format!("{}.googleapis.com/{}", self.api.service, self.entry.asset)
    }

    /// What its names look like, as they stand in URLs.
    pub fn pattern(self) -> Pattern {
        self.entry.pattern
    }

    /// What its full resource names look like.
    pub fn name_pattern(self) -> Pattern {
        self.entry.names.first().copied().unwrap_or(self.entry.pattern)
    }

    pub(super) fn patterns(self) -> impl Iterator<Item = Pattern> {
        self.entry.names.iter().copied().chain([self.entry.pattern])
    }

    /// Whether a text is part of its name, of the name that Cloud Asset Inventory has for it, or of its pattern; letters' case does
    /// not matter.
    pub fn matches(self, text: &str) -> bool {
        let text = text.to_lowercase();
        let pattern = self.name_pattern().as_str();
        [self.name(), self.asset_type(), pattern.to_owned()].iter().any(|name| name.to_lowercase().contains(&text))
    }

    /// The number of the message that the resource is.
    pub fn schema_id(self) -> SchemaId {
        self.entry.schema
    }

    /// The fields of the resource.
    pub fn schema(self) -> &'static Schema {
        self.api.schema(self.entry.schema)
    }

    /// The fields of the first level that an update may name.
    pub fn settable_fields(self) -> Vec<&'static Field> {
        let is_settable = |field: &Field| {
            !field.behavior.is_output_only()
                && !field.behavior.is_immutable()
                && Some(field.name) != self.token().field()
                && self.fixed(field.name).is_none()
                && !self.is_unseen(field.name, field.behavior)
                && field.name != "id"
        };
        let fields = self.schema().fields.iter();
        fields.filter(|field| is_settable(field) && field.name != "name" && field.name != "kind").collect()
    }

    /// Every method, sorted, `get` among them.
    pub fn methods(self) -> &'static [Method] {
        &self.entry.methods
    }

    /// The method of this name.
    pub fn method(self, name: &str) -> Option<&'static Method> {
        self.entry.methods.iter().find(|method| method.name == name)
    }

    /// The methods that are neither read, make, change nor delete it.
    pub fn custom_methods(self) -> impl Iterator<Item = &'static Method> + Clone {
        let usual = ["get", "create", "insert", "delete", "patch", "update"];
        self.entry.methods.iter().filter(move |method| !usual.contains(&method.name))
    }

    /// The method that changes it, and the dialect of that change. `None`: it is changed by its methods, or not at all.
    pub fn update(self) -> Option<(&'static Method, UpdateDialect)> {
        let (name, dialect) = self.entry.update?;
        Some((self.method(name)?, dialect))
    }

    /// The method that makes one.
    pub fn create(self) -> Option<&'static Method> {
        self.method("create").or_else(|| self.method("insert"))
    }

    /// The query parameter in which the method that makes one takes its id. `None`: the body has it, or the API chooses it.
    pub fn id_parameter(self) -> Option<&'static str> {
        // Recorded: no create has two such parameters, but for what is no id of the new resource.
        let other = ["requestId", "clientOperationId", "replaceJobId"];
        let parameters = &self.create()?.parameters;
        parameters.iter().map(|parameter| parameter.name).find(|name| name.ends_with("Id") && !other.contains(name))
    }

    /// What makes a write conditional.
    pub fn token(self) -> Token {
        self.entry.token
    }

    /// What Google's documents do not say of it.
    pub fn rules(self) -> &'static [Rule] {
        &self.entry.rules
    }

    /// The rule by which a field cannot be changed.
    pub fn fixed(self, field: &str) -> Option<&'static Rule> {
        self.entry.rules.iter().find(|rule| matches!(rule.what, Exception::Fixed(fixed) if fixed == field))
    }

    /// The rule by which a method of its own sets a field, or the field that it lies in. Such a field can be set although updates do
    /// not take it, and although Discovery may call it output only.
    pub fn setter(self, path: &str) -> Option<&'static Rule> {
        self.entry.rules.iter().find(|rule| match rule.what {
            Exception::SetBy { field, .. } => is_at_or_below(path, field),
            _ => false,
        })
    }

    /// The rule by which a method's answer has a secret.
    pub fn secret_answer(self, method: &str) -> Option<&'static Rule> {
        self.entry.rules.iter().find(|rule| matches!(rule.what, Exception::SecretAnswer(secret) if secret == method))
    }
}

/// A resource: a type and a name of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub resource_type: ResourceType,
    pub(super) values: Vec<String>,
}

/// A method's URL needs something that was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the method {method} needs `{argument}`; add it to `args`")]
pub struct MissingArgument {
    /// The method.
    pub method: &'static str,
    /// What it needs.
    pub argument: String,
}

impl Resource {
    /// The name as Cloud Asset Inventory and IAM print it: `//redis.googleapis.com/projects/P/locations/L/instances/I`.
    pub fn full_name(&self) -> String {
        format!("//{}.googleapis.com/{}", self.resource_type.api.service, self.name())
    }

    /// The name below its API: `projects/P/locations/L/instances/I`.
    pub fn name(&self) -> String {
        self.resource_type.name_pattern().fill(&self.values)
    }

    /// The last part of the name.
    pub fn id(&self) -> &str {
        self.values.last().map_or("", String::as_str)
    }

    /// The project's id or number in its name. `None`: its name has none, as a bucket's.
    pub fn project(&self) -> Option<&str> {
        self.value("projects").filter(|project| *project != "_")
    }

    /// The location, region or zone in its name.
    pub fn location(&self) -> Option<&str> {
        self.value("locations").or_else(|| self.value("regions")).or_else(|| self.value("zones"))
    }

    fn value(&self, collection: &str) -> Option<&str> {
        let variables = self.resource_type.pattern().variables();
        let place = variables.iter().position(|variable| *variable == collection)?;
        self.values.get(place).map(String::as_str)
    }

    /// The host of its API, such as `redis.googleapis.com`: what `[limits]` may restrict.
    pub fn host(&self) -> String {
        let hosts = self.resource_type.rules().iter().find_map(|rule| match rule.what {
            Exception::Host(host) => Some(host),
            _ => None,
        });
        match (hosts, self.location()) {
            (Some(host), Some(location)) => host.replace("{location}", &segment(location)),
            _ => {
                let root = self.resource_type.api.root;
                root.trim_start_matches("https://").trim_end_matches('/').to_owned()
            }
        }
    }

    /// Where it is read.
    pub fn url(&self) -> String {
        let path = self.resource_type.pattern().segments(&self.values).join("/");
        format!("https://{}/{}{path}", self.host(), self.resource_type.api.prefix)
    }

    /// Where one of its methods is called. `arguments` has what the method's path takes beyond the resource's name.
    ///
    /// # Errors
    /// The first argument that is missing.
    pub fn method_url<'a>(
        &self,
        method: &Method,
        arguments: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<String, MissingArgument> {
        let path = method.path.strip_prefix('^').unwrap_or(method.path);
        let digits = path.chars().take_while(char::is_ascii_digit).count();
        let dropped: usize = path[..digits].parse().unwrap_or(0);
        let mut segments = self.resource_type.pattern().segments(&self.values);
        segments.truncate(segments.len().saturating_sub(dropped));
        let mut url = format!("https://{}/{}{}", self.host(), self.resource_type.api.prefix, segments.join("/"));
        let mut rest = &path[digits..];
        while let Some((before, after)) = rest.split_once(['{', '$']) {
            url.push_str(before);
            if rest[before.len()..].starts_with('$') {
                url.push_str(&segment(self.id()));
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let missing = || MissingArgument { method: method.name, argument: name.to_owned() };
            url.push_str(&segment(arguments(name).ok_or_else(missing)?));
            rest = after;
        }
        url.push_str(rest);
        Ok(url)
    }

    /// Where an operation is asked for that a method of this resource answered with. `operation` is the answer's `name`, or
    /// Cloud DNS's `id`; `self_link` is its `selfLink`, for the APIs that have one. `None`: the answer does not have it, or the
    /// link leads to another host.
    pub fn operation_url(&self, dialect: OperationDialect, operation: &str, self_link: Option<&str>) -> Option<String> {
        let (host, prefix) = (self.host(), self.resource_type.api.prefix);
        let encoded = || operation.split('/').map(segment).collect::<Vec<_>>().join("/");
        // A link that is followed carries a token: it must stay where the request went.
        let is_own = |link: &&str| {
            let rest = link.strip_prefix("https://").unwrap_or_default();
            let (of, path) = rest.split_once('/').unwrap_or((rest, ""));
            (of == host || of == "www.googleapis.com") && !path.contains("..") && !path.contains(['?', '#', '\\'])
        };
        match dialect {
            OperationDialect::LongRunning => {
                (!operation.is_empty()).then(|| format!("https://{host}/{prefix}{}", encoded()))
            }
            OperationDialect::Storage | OperationDialect::Compute => self_link.filter(is_own).map(str::to_owned),
            OperationDialect::CloudSql => {
                let project = segment(self.project()?);
                Some(format!("https://{host}/{prefix}projects/{project}/operations/{}", segment(operation)))
            }
            OperationDialect::Kubernetes => {
                let (project, location) = (segment(self.project()?), segment(self.location()?));
                let operation = segment(operation);
                Some(format!("https://{host}/{prefix}projects/{project}/locations/{location}/operations/{operation}"))
            }
            OperationDialect::Dns => {
                let zone = self.value("managedZones")?;
                let beginning = self.url();
                let end = beginning.find("/managedZones/")?;
                Some(format!("{}/managedZones/{}/operations/{}", &beginning[..end], segment(zone), segment(operation)))
            }
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_name())
    }
}

//! From a request that writes to the change that it asks for, in the dialect of the type: everything that the API would refuse is
//! refused here, before anything happens.

use serde_json::{Map, Value, json};

use super::change::{Change, message_of};
use super::kept::{Kept, MethodFigures};
use super::message::{Message, UnknownFields};
use super::token::{Checked, Stale};
use super::{limit, mask};
use crate::catalog::{Body, Exception, Method, MethodArgument, Resource, ResourceType, UpdateDialect, Verb};
use crate::sim::api::Parameters;
use crate::sim::world::refusal::{Code, Refusal};

/// A request to a resource that is there.
pub(super) struct Request<'r> {
    pub(super) resource: &'r Resource,
    pub(super) kept: &'r Kept,
    pub(super) method: &'static Method,
    pub(super) body: &'r Map<String, Value>,
    pub(super) parameters: &'r Parameters,
    /// How its API refuses an old token.
    pub(super) stale: Stale,
}

/// The dialect that a method writes in, if it is an update. A type may have both `patch` and `update`.
pub(super) fn dialect_of(resource_type: ResourceType, method: &Method) -> Option<UpdateDialect> {
    match resource_type.update() {
        Some((known, dialect)) if known.name == method.name => Some(dialect),
        _ => match (method.name, method.verb, method.takes("updateMask")) {
            ("patch" | "update", Verb::Put, true) => Some(UpdateDialect::ReplaceWithMask),
            ("patch" | "update", Verb::Put, false) => Some(UpdateDialect::Replace),
            ("patch" | "update", Verb::Patch, true) => Some(UpdateDialect::FieldMask),
            ("patch" | "update", Verb::Patch, false) => Some(UpdateDialect::MergePatch),
            _ => None,
        },
    }
}

impl Request<'_> {
    /// The change that an update in this dialect asks for.
    ///
    /// # Errors
    /// What the API would refuse.
    pub(super) fn update(&self, dialect: UpdateDialect) -> Result<Change, Refusal> {
        let resource_type = self.resource.resource_type;
        let (body, listed) = match dialect {
            UpdateDialect::Underivable => return Err(self.not_described()),
            UpdateDialect::Wrapped { resource, mask } => self.unwrapped(resource, mask)?,
            UpdateDialect::FieldMask
            | UpdateDialect::Compute
            | UpdateDialect::MergePatch
            | UpdateDialect::WholePatch
            | UpdateDialect::Replace
            | UpdateDialect::ReplaceWithMask => (self.read(self.body)?, self.mask_in_query()),
        };
        self.token_check().update(&body, self.parameters)?;
        let paths = match listed {
            Some(listed) => Some(mask::paths(resource_type, &listed)?),
            None => None,
        };
        let change = match (dialect, paths) {
            (_, Some(paths)) if !paths.is_empty() => Change::Masked { paths, body },
            (UpdateDialect::FieldMask | UpdateDialect::Wrapped { mask: Some(_), .. }, _)
                if mask::is_needed(resource_type) =>
            {
                return Err(Refusal::invalid("update_mask", "The update_mask in the request must be specified"));
            }
            (UpdateDialect::FieldMask | UpdateDialect::Wrapped { mask: Some(_), .. }, _) => {
                Change::Masked { paths: mask::populated(resource_type, &body), body }
            }
            (UpdateDialect::Compute | UpdateDialect::MergePatch, _) => Change::Merged { body },
            (
                UpdateDialect::WholePatch
                | UpdateDialect::Replace
                | UpdateDialect::ReplaceWithMask
                | UpdateDialect::Underivable
                | UpdateDialect::Wrapped { mask: None, .. },
                _,
            ) => Change::Replaced { body: self.with_what_never_changes(body) },
        };
        self.within_limits(change)
    }

    /// Refuses a deletion that is conditional on an older state.
    pub(super) fn deletion(&self) -> Result<(), Refusal> {
        self.token_check().deletion(self.parameters)
    }

    /// The change that a method makes: that of the field that it sets, or what the scenario says.
    ///
    /// # Errors
    /// What the API would refuse; or that the scenario does not describe the method.
    pub(super) fn method(&self) -> Result<Change, Refusal> {
        let resource_type = self.resource.resource_type;
        let body = match self.method.body {
            Body::Message(schema) => {
                Message { api: resource_type.api(), schema }.read(self.body, UnknownFields::Refused)?
            }
            Body::Resource => self.read(self.body)?,
            Body::None => Map::new(),
        };
        if let Some(described) = self.kept.figures.methods.get(self.method.name) {
            return Ok(Change::Left { fields: self.left(described, &body) });
        }
        if let Some(fields) = super::known::left(self.resource, self.method.name, &self.kept.state)? {
            return Ok(Change::Left { fields });
        }
        let setter = resource_type.rules().iter().find_map(|rule| match rule.what {
            Exception::SetBy { field, method, argument, token } if method == self.method.name => {
                Some((field, argument, token))
            }
            _ => None,
        });
        let (field, argument, token) = setter.ok_or_else(|| self.not_described())?;
        if let Some(token) = token {
            self.token_check().setter(token, &body)?;
        }
        let value = match argument {
            MethodArgument::Field(name) => body.get(name).cloned().unwrap_or(Value::Null),
            MethodArgument::WholeBody => Value::Object(body),
            MethodArgument::Query(name) => match self.parameters.get(name) {
                Some("true") => json!(true),
                Some("false") => json!(false),
                Some(text) => json!(text),
                None => return Err(Refusal::invalid(name, format!("Required parameter: {name}"))),
            },
        };
        let read =
            message_of(resource_type).read(&Map::from_iter([(field.to_owned(), value)]), UnknownFields::Refused)?;
        let value = read.into_iter().next().map_or(Value::Null, |(_, value)| value);
        self.within_limits(Change::Set { field: field.to_owned(), value })
    }

    /// What a method leaves, by the scenario and by what was sent.
    fn left(&self, described: &MethodFigures, body: &Map<String, Value>) -> Map<String, Value> {
        let mut fields = described.sets.clone();
        for (field, argument) in &described.arguments {
            let sent = argument.split('.').try_fold(None, |here: Option<&Value>, name| match here {
                None => body.get(name).map(Some),
                Some(here) => here.get(name).map(Some),
            });
            let in_query = || self.parameters.get(argument).map(|text| json!(text));
            if let Some(value) = sent.flatten().cloned().or_else(in_query) {
                fields.insert(field.clone(), value);
            }
        }
        fields
    }

    fn not_described(&self) -> Refusal {
        let (name, method) = (self.resource.resource_type.name(), self.method.name);
        let message = format!(
            "The simulated cloud does not know what {name}.{method} does: describe it in the scenario, in [resources.methods.{method}] of this resource"
        );
        Refusal::new(Code::Unimplemented, message)
    }

    fn token_check(&self) -> Checked<'_> {
        let (live, policy) = (&self.kept.state, self.kept.figures.token);
        Checked { resource: self.resource, live, policy, stale: self.stale }
    }

    /// The resource as it was sent. One that was captured from a newer Google may be sent back with what it has.
    fn read(&self, body: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let message = message_of(self.resource.resource_type);
        let is_known = message.read(&self.kept.state, UnknownFields::Refused).is_ok();
        message.read(body, if is_known { UnknownFields::Refused } else { UnknownFields::Kept })
    }

    fn unwrapped(&self, resource: &str, mask: Option<&str>) -> Result<(Map<String, Value>, Option<String>), Refusal> {
        let object = crate::sim::world::object(self.body, resource)?;
        let inner = object.ok_or_else(|| Refusal::invalid(resource, format!("{resource} is needed")))?;
        let listed = match mask {
            Some(mask) => crate::sim::world::text(self.body, mask)?,
            None => None,
        };
        if let Some(stranger) = self.body.keys().find(|key| *key != resource && Some(key.as_str()) != mask) {
            return Err(crate::sim::world::unknown_field(stranger, ""));
        }
        if mask.is_some() && listed.is_none() {
            return Err(Refusal::invalid("update_mask", "The update_mask in the request must be specified"));
        }
        Ok((self.read(inner)?, listed.map(str::to_owned)))
    }

    /// A mask, or Compute Engine's `paths`.
    fn mask_in_query(&self) -> Option<String> {
        let paths: Vec<&str> = self.parameters.all("paths").collect();
        let paths = (!paths.is_empty()).then(|| paths.join(","));
        self.parameters.get("updateMask").map(str::to_owned).or(paths)
    }

    /// What was left out and cannot change stays (ours: whether an API refuses that is not documented).
    fn with_what_never_changes(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        for field in &self.resource.resource_type.schema().fields {
            if let (true, false, Some(value)) =
                (field.behavior.is_immutable(), body.contains_key(field.name), self.kept.state.get(field.name))
            {
                body.insert(field.name.to_owned(), value.clone());
            }
        }
        body
    }

    fn within_limits(&self, change: Change) -> Result<Change, Refusal> {
        if let Some(after) = change.applied(self.resource, &self.kept.state) {
            limit::check(self.resource.resource_type, &self.kept.state, &after)?;
        }
        Ok(change)
    }
}

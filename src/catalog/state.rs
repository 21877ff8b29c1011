//! The form in which plans, journals and conditions have a resource, and what a step changes in that form.
//!
//! An API's JSON is not compared as it stands. Elements of a list move, secrets must not be kept, one service names a network by a URL
//! and the next by a path, and most leave out what has its default. So a resource has a *state*: its JSON with elements of lists under
//! the field that tells them apart (`"[name=app]"`), every secret replaced by what begins its digest, and names in one form. A change
//! says `from` and `to` of exactly the values that it sets, in the same form: what others do beside them is no conflict, and undoing
//! is the same change with its ends swapped.
//!
//! `null` stands for what is not there. Where an element or an entry of a map is not there before, the change owns it whole, so that
//! undoing removes it; in a message it owns each field by itself.

use serde_json::{Map, Value};

use super::api::Api;
use super::change::{ApplyError, Assignment, Assignments, value_at};
use super::dialect::UpdateDialect;
use super::name::as_name;
use super::resource_type::ResourceType;
use super::schema::{FieldType, SchemaId};
use super::selector::{Selector, Step};
use super::sensitive::{conceal, is_digest};
use super::walk::{FieldFacts, WalkError, tells_apart, walk};
use super::write::is_same;

/// Fields by which the elements of a list are told apart, most telling first: an element has one name, and belongs to one group.
const KEYS: &[&str] = &["name", "id", "key", "group", "instance", "host", "path", "network", "subnetwork", "priority"];

/// What a change sets, before and after, in the form of states.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// What must be there before. `null` is nothing.
    pub from: Value,
    /// What is to be there after. `null` is nothing.
    pub to: Value,
}

/// A change in the form of states means nothing that could be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A path of it is not of the type.
    #[error(transparent)]
    Field(#[from] WalkError),
    /// It does not fit into the resource.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A secret has to be written of which only the digest is known here.
    #[error("the value of `{path}` is secret, and only its digest is known here")]
    Unrevealed {
        /// The field.
        path: String,
    },
}

/// The state of a resource, of its JSON.
pub fn state_of(resource_type: ResourceType, live: &Value) -> Value {
    let concealed = conceal(resource_type, None, live);
    Former::of(resource_type).form(&whole(resource_type), &concealed)
}

/// The JSON of the API, of a state. Where the state has the digest of a secret, so has this.
pub fn json_of(resource_type: ResourceType, state: &Value) -> Value {
    Former::of(resource_type).unform(&whole(resource_type), state)
}

/// The same, with the scalar fields of the first level that an API leaves out because they have their defaults: what a condition reads.
fn with_defaults(resource_type: ResourceType, json: &Value) -> Value {
    let mut all = json.clone();
    if let Value::Object(fields) = &mut all {
        for field in &resource_type.schema().fields {
            if let (None, Some(default)) = (fields.get(field.name), default_of(&field.field_type)) {
                fields.insert(field.name.to_owned(), default);
            }
        }
    }
    all
}

/// The same without what is secret. A condition on a secret then cannot be judged, where judged by a digest it would be wrong.
pub fn judged(resource_type: ResourceType, json: &Value) -> Value {
    without_digests(&with_defaults(resource_type, json))
}

fn without_digests(value: &Value) -> Value {
    let is_shown = |value: &&Value| !value.as_str().is_some_and(is_digest);
    match value {
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| is_shown(value));
            Value::Object(shown.map(|(name, value)| (name.clone(), without_digests(value))).collect())
        }
        Value::Array(elements) => elements.iter().filter(is_shown).map(without_digests).collect(),
        value => value.clone(),
    }
}

fn default_of(field_type: &FieldType) -> Option<Value> {
    match field_type {
        FieldType::Boolean => Some(Value::from(false)),
        FieldType::Int32 | FieldType::Uint32 | FieldType::Float | FieldType::Double => Some(Value::from(0)),
        FieldType::Int64 | FieldType::Uint64 => Some(Value::from("0")),
        FieldType::String | FieldType::Enum(_) => Some(Value::from("")),
        FieldType::Timestamp
        | FieldType::Duration
        | FieldType::FieldMask
        | FieldType::Bytes
        | FieldType::Any
        | FieldType::List(_)
        | FieldType::Map(_)
        | FieldType::Message(_) => None,
    }
}

/// What these values change in a resource that has this state.
///
/// # Errors
/// The values do not fit into it.
pub fn ends(resource_type: ResourceType, state: &Value, assignments: &Assignments) -> Result<Ends, ApplyError> {
    let former = Former::of(resource_type);
    let root = whole(resource_type);
    let before = json_of(resource_type, state);
    // What is set is concealed before it stands among what is concealed already.
    let after = former.form(&root, &assignments.concealed(resource_type).apply(&before)?);
    let nothing = || Value::Object(Map::new());
    Ok(match former.difference(&root, Some(state), Some(&after)) {
        Some((from, to)) => Ends { from, to },
        None => Ends { from: nothing(), to: nothing() },
    })
}

/// The values that bring a live resource to this end of a change. `reveal` gives the value behind a digest.
///
/// # Errors
/// The end is of another type, does not fit into the resource, or has a secret whose value is not known.
pub fn assignments_to(
    resource_type: ResourceType,
    live: &Value,
    to: &Value,
    reveal: &dyn Fn(&str) -> Option<Value>,
) -> Result<Assignments, StateError> {
    let former = Former::of(resource_type);
    let mut writer = Writer { former, resource_type, live, reveal, assignments: Vec::new() };
    if let Value::Object(fields) = to {
        for (name, value) in fields {
            writer.field(None, name, value)?;
        }
    }
    Ok(Assignments(writer.assignments))
}

fn whole(resource_type: ResourceType) -> FieldType {
    FieldType::Message(resource_type.schema_id())
}

/// An element of a list, as a key of a state.
fn element_key(key: &str, value: &str) -> String {
    // Written as in a path, without what it is an element of.
    let path = Selector::field("x").join(Step::Element { key: key.to_owned(), value: value.to_owned() }).to_string();
    path.get(1..).unwrap_or_default().to_owned()
}

/// The element that a key of a state means; `None` if it is none.
fn element_of(key: &str) -> Option<Step> {
    let path: Selector = format!("x{key}").parse().ok()?;
    match path.steps() {
        [_, step @ Step::Element { .. }] => Some(step.clone()),
        _ => None,
    }
}

/// A value that tells an element apart, as text.
fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(as_name(text).to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[derive(Clone, Copy)]
struct Former {
    api: &'static Api,
    /// Whether the API leaves out of its answers what has its default, so that "" and nothing are the same.
    leaves_out_defaults: bool,
}

impl Former {
    fn of(resource_type: ResourceType) -> Former {
        let leaves_out_defaults = match resource_type.update() {
            Some((_, UpdateDialect::FieldMask | UpdateDialect::Wrapped { .. } | UpdateDialect::ReplaceWithMask)) => {
                true
            }
            Some((
                _,
                UpdateDialect::Compute
                | UpdateDialect::MergePatch
                | UpdateDialect::WholePatch
                | UpdateDialect::Replace
                | UpdateDialect::Underivable,
            ))
            | None => false,
        };
        Former { api: resource_type.api(), leaves_out_defaults }
    }

    /// The type of a field of a message. One that the catalog does not know is anything.
    fn type_of(&self, message: SchemaId, name: &str) -> &'static FieldType {
        self.api.schema(message).field(name).map_or(&FieldType::Any, |field| &field.field_type)
    }

    /// The field whose values tell the elements of this list apart, if one does.
    fn key(&self, element: &FieldType, elements: &[Value]) -> Option<&'static str> {
        let FieldType::Message(id) = self.api.resolve(element) else { return None };
        let schema = self.api.schema(id);
        let is_telling = |key: &&&str| {
            let is_typed = schema.field(key).is_some_and(|field| tells_apart(&field.field_type));
            let mut seen = Vec::new();
            is_typed
                && elements.iter().all(|element| {
                    let value = element.get(**key).and_then(key_text).filter(|value| !is_digest(value));
                    value.is_some_and(|value| {
                        !seen.contains(&value) && {
                            seen.push(value);
                            true
                        }
                    })
                })
        };
        KEYS.iter().find(is_telling).copied()
    }

    fn form(&self, field_type: &FieldType, value: &Value) -> Value {
        match (self.api.resolve(field_type), value) {
            (FieldType::Message(id), Value::Object(fields)) => {
                let formed = fields.iter().filter_map(|(name, value)| {
                    let value = self.form(self.type_of(id, name), value);
                    (!value.is_null()).then(|| (name.clone(), value))
                });
                Value::Object(formed.collect())
            }
            (FieldType::List(element), Value::Array(elements)) => match self.key(&element, elements) {
                Some(key) => {
                    let formed = elements.iter().map(|one| {
                        let text = one.get(key).and_then(key_text).unwrap_or_default();
                        (element_key(key, &text), self.form(&element, one))
                    });
                    Value::Object(formed.collect())
                }
                // A list that is one value is compared and written as the API has it.
                None if elements.iter().any(Value::is_object) => value.clone(),
                None => elements.iter().map(|one| self.form(&element, one)).collect(),
            },
            (FieldType::Map(element), Value::Object(entries)) => {
                let there = entries.iter().filter(|(_, value)| !value.is_null());
                Value::Object(there.map(|(name, value)| (name.clone(), self.form(&element, value))).collect())
            }
            (FieldType::String, Value::String(text)) if text.is_empty() && self.leaves_out_defaults => Value::Null,
            (FieldType::Int64 | FieldType::Uint64, Value::String(text)) if text == "0" && self.leaves_out_defaults => {
                Value::Null
            }
            (FieldType::String, Value::String(text)) => Value::String(as_name(text).to_owned()),
            (_, value) => value.clone(),
        }
    }

    /// The JSON of the API, of a state.
    fn unform(&self, field_type: &FieldType, state: &Value) -> Value {
        match (self.api.resolve(field_type), state) {
            (FieldType::Message(id), Value::Object(fields)) => {
                let made =
                    fields.iter().map(|(name, value)| (name.clone(), self.unform(self.type_of(id, name), value)));
                Value::Object(made.collect())
            }
            (FieldType::List(element), Value::Object(elements)) => {
                elements.values().filter(|one| !one.is_null()).map(|one| self.unform(&element, one)).collect()
            }
            (FieldType::Map(element), Value::Object(entries)) => Value::Object(
                entries.iter().map(|(name, value)| (name.clone(), self.unform(&element, value))).collect(),
            ),
            (_, value) => value.clone(),
        }
    }

    /// What differs between two states, as both ends of a change.
    fn difference(&self, of: &FieldType, before: Option<&Value>, after: Option<&Value>) -> Option<(Value, Value)> {
        if is_same(before, after) {
            return None;
        }
        let nothing = Map::new();
        let whole = || Some((before.cloned().unwrap_or_default(), after.cloned().unwrap_or_default()));
        match (self.api.resolve(of), fields_of(before, &nothing), fields_of(after, &nothing)) {
            // A message that goes away goes as a whole.
            (FieldType::Message(_), ..) if after.is_none() => whole(),
            (FieldType::Message(id), Some(before), Some(after)) => {
                each(before, after, |name, before, after| self.difference(self.type_of(id, name), before, after))
            }
            (FieldType::List(element) | FieldType::Map(element), Some(before), Some(after)) => {
                each(before, after, |_, before, after| match (before, after) {
                    (None | Some(Value::Null), None | Some(Value::Null)) => None,
                    (Some(_), Some(_)) => self.difference(&element, before, after),
                    (before, after) => Some((before.cloned().unwrap_or_default(), after.cloned().unwrap_or_default())),
                })
            }
            // Elements that a field told apart on one side and not on the other: the list is one value.
            (FieldType::List(_), ..) => Some((
                before.map_or_else(|| Value::Array(Vec::new()), |before| self.unform(of, before)),
                after.map_or(Value::Null, |after| self.unform(of, after)),
            )),
            _ => whole(),
        }
    }
}

/// The fields or entries of a value, of which one that is not there has none; `None` if it is no object.
fn fields_of<'v>(value: Option<&'v Value>, nothing: &'v Map<String, Value>) -> Option<&'v Map<String, Value>> {
    value.map_or(Some(nothing), Value::as_object)
}

/// What differs in any of the entries.
fn each(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    difference: impl Fn(&str, Option<&Value>, Option<&Value>) -> Option<(Value, Value)>,
) -> Option<(Value, Value)> {
    let (mut from, mut to) = (Map::new(), Map::new());
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        if let Some((old, new)) = difference(name, before.get(name), after.get(name)) {
            from.insert(name.clone(), old);
            to.insert(name.clone(), new);
        }
    }
    (!to.is_empty()).then(|| (Value::Object(from), Value::Object(to)))
}

struct Writer<'w> {
    former: Former,
    resource_type: ResourceType,
    live: &'w Value,
    reveal: &'w dyn Fn(&str) -> Option<Value>,
    assignments: Vec<Assignment>,
}

impl Writer<'_> {
    fn field(&mut self, within: Option<&Selector>, name: &str, value: &Value) -> Result<(), StateError> {
        let path = match within {
            None => Selector::field(name),
            Some(within) => within.join(Step::Field(name.to_owned())),
        };
        self.visit(&path, value)
    }

    fn visit(&mut self, path: &Selector, value: &Value) -> Result<(), StateError> {
        let facts = walk(self.resource_type, path)?;
        match (self.former.api.resolve(&facts.field_type), value) {
            (FieldType::Message(_), Value::Object(fields)) if !fields.is_empty() => {
                for (name, value) in fields {
                    self.field(Some(path), name, value)?;
                }
                Ok(())
            }
            (FieldType::List(_), Value::Object(elements)) => {
                for (key, value) in elements {
                    let step = element_of(key).ok_or_else(|| ApplyError::OtherShape { path: path.to_string() })?;
                    self.part(&path.join(step), value)?;
                }
                Ok(())
            }
            (FieldType::Map(_), Value::Object(entries)) => {
                for (name, value) in entries {
                    self.part(&path.join(Step::Entry(name.clone())), value)?;
                }
                Ok(())
            }
            _ => self.assign(path, facts, value),
        }
    }

    /// An element or an entry: what is there is changed, what is not is made.
    fn part(&mut self, path: &Selector, value: &Value) -> Result<(), StateError> {
        if value.is_object() && value_at(self.live, path)?.is_some() {
            return self.visit(path, value);
        }
        let facts = walk(self.resource_type, path)?;
        self.assign(path, facts, value)
    }

    fn assign(&mut self, path: &Selector, facts: FieldFacts, value: &Value) -> Result<(), StateError> {
        let value = match value {
            Value::Null => None,
            value => Some(self.revealed(path, &self.former.unform(&facts.field_type, value))?),
        };
        let FieldFacts { mask_path, field_path, .. } = facts;
        self.assignments.push(Assignment { path: path.clone(), value, mask_path, field_path });
        Ok(())
    }

    fn revealed(&self, path: &Selector, value: &Value) -> Result<Value, StateError> {
        Ok(match value {
            Value::String(text) if is_digest(text) => {
                (self.reveal)(text).ok_or_else(|| StateError::Unrevealed { path: path.to_string() })?
            }
            Value::Array(elements) => {
                Value::Array(elements.iter().map(|one| self.revealed(path, one)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let revealed = fields.iter().map(|(name, value)| Ok((name.clone(), self.revealed(path, value)?)));
                Value::Object(revealed.collect::<Result<_, StateError>>()?)
            }
            value => value.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Catalog, digest, validate};
    use super::*;

    fn known(name: &str) -> ResourceType {
        Catalog::open().unwrap().find_type(name).unwrap()
    }

    fn assignments(of: ResourceType, set: &Value, unset: &[&str]) -> Assignments {
        let unset: Vec<String> = unset.iter().map(|path| (*path).to_owned()).collect();
        validate(of, set.as_object().unwrap(), &unset).unwrap()
    }

    fn service() -> Value {
        json!({ "template": { "containers": [
            { "name": "app", "image": "a", "env": [{ "name": "LOG_LEVEL", "value": "info" }, { "name": "B", "value": "2" }] },
            { "name": "proxy", "image": "p" },
        ] }, "labels": { "team": "a" } })
    }

    /// Plans, applies to the JSON, and undoes: the JSON after, and after that.
    fn there_and_back(of: ResourceType, live: &Value, wanted: &Assignments) -> (Ends, Value, Value) {
        let state = state_of(of, live);
        let ends = ends(of, &state, wanted).unwrap();
        // Digests stand for values of the live resource or of the step.
        let all = |digest: &str| {
            let mut values: Vec<Value> = Vec::new();
            strings(live, &mut values);
            wanted.iter().filter_map(|one| one.value.as_ref()).for_each(|value| strings(value, &mut values));
            values.into_iter().find(|value| super::super::sensitive::digest(value) == digest)
        };
        let after = assignments_to(of, live, &ends.to, &all).unwrap().apply(live).unwrap();
        let back = assignments_to(of, &after, &ends.from, &all).unwrap().apply(&after).unwrap();
        (ends, after, back)
    }

    fn strings(value: &Value, into: &mut Vec<Value>) {
        match value {
            Value::String(_) => into.push(value.clone()),
            Value::Array(all) => all.iter().for_each(|one| strings(one, into)),
            Value::Object(all) => all.values().for_each(|one| strings(one, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn a_change_owns_one_variable_and_not_its_neighbours() {
        let of = known("run.services");
        let wanted =
            assignments(of, &json!({ "template.containers[name=app].env[name=LOG_LEVEL].value": "debug" }), &[]);
        let (ends, after, back) = there_and_back(of, &service(), &wanted);
        assert_eq!(after["template"]["containers"][0]["env"][0]["value"], "debug");
        assert_eq!(after["template"]["containers"][0]["env"][1]["value"], "2");
        assert_eq!(back, service());
        let shown = ends.to.to_string();
        assert!(!shown.contains("debug") && shown.contains("(sha256 "), "the value of a variable is not kept: {shown}");
        assert!(
            shown.contains("[name=app]") && shown.contains("[name=LOG_LEVEL]") && !shown.contains("proxy"),
            "{shown}"
        );
    }

    #[test]
    fn what_was_made_is_removed_and_what_was_removed_is_made() {
        let of = known("run.services");
        let path = "template.containers[name=app].env[name=NEW].value";
        let (ends, after, back) = there_and_back(of, &service(), &assignments(of, &json!({ path: "x" }), &[]));
        assert_eq!(after["template"]["containers"][0]["env"][2], json!({ "name": "NEW", "value": "x" }));
        assert_eq!(back, service());
        assert_eq!(ends.from["template"]["containers"]["[name=app]"]["env"]["[name=NEW]"], Value::Null);
        let removed = assignments(of, &json!({}), &["template.containers[name=app].env[name=B]", "labels.team"]);
        let (_, after, back) = there_and_back(of, &service(), &removed);
        assert_eq!(after["template"]["containers"][0]["env"].as_array().unwrap().len(), 1);
        assert_eq!(back, service());
    }

    #[test]
    fn a_list_without_a_telling_field_is_one_value() {
        let of = known("monitoring.alertPolicies");
        let live = json!({ "notificationChannels": ["a"], "displayName": "x" });
        let (ends, after, back) =
            there_and_back(of, &live, &assignments(of, &json!({ "notificationChannels": ["a", "b"] }), &[]));
        assert_eq!(ends.to, json!({ "notificationChannels": ["a", "b"] }));
        assert_eq!(after["notificationChannels"], json!(["a", "b"]));
        assert_eq!(back, live);
    }

    #[test]
    fn what_an_api_leaves_out_is_what_has_its_default() {
        let of = known("redis.instances");
        let live = json!({ "memorySizeGb": 4 });
        let state = state_of(of, &live);
        let wanted = assignments(of, &json!({ "authEnabled": false, "displayName": "" }), &[]);
        assert_eq!(ends(of, &state, &wanted).unwrap().to, json!({}), "nothing to change");
        let wanted = assignments(of, &json!({ "authEnabled": true }), &[]);
        assert_eq!(ends(of, &state, &wanted).unwrap().from, json!({ "authEnabled": null }));
    }

    #[test]
    fn a_url_of_compute_engine_is_the_name_in_it() {
        let of = known("compute.backendServices");
        let group = "projects/p/zones/z/instanceGroups/g";
        let live = json!({ "backends": [{ "group": format!("https://www.googleapis.com/compute/v1/{group}"), "capacityScaler": 1.0 }] });
        let state = state_of(of, &live);
        assert_eq!(state["backends"][format!("[group={group}]")]["capacityScaler"], 1.0);
    }

    #[test]
    fn a_secret_that_is_not_known_here_is_not_written() {
        let of = known("run.services");
        let wanted = assignments(of, &json!({ "template.containers[name=app].env[name=B].value": "x" }), &[]);
        let ends = ends(of, &state_of(of, &service()), &wanted).unwrap();
        let error = assignments_to(of, &service(), &ends.to, &|_| None).unwrap_err();
        assert!(matches!(error, StateError::Unrevealed { .. }), "{error}");
    }

    /// Otherwise whoever sees a digest in a plan could have the secret behind it written where it is shown.
    #[test]
    fn a_text_that_looks_like_a_digest_is_that_text_and_no_secret() {
        let of = known("run.services");
        let secret = digest(&json!("hunter2"));
        let container =
            json!({ "name": "app", "env": [{ "name": "A", "value": "hunter2" }, { "name": "C", "value": secret }] });
        let live = json!({ "annotations": { "was": secret }, "template": { "containers": [container] } });
        let (state, mut known_secrets) = (state_of(of, &live), crate::catalog::concealed(of, None, &live).1);
        for path in ["annotations.note", "annotations.was", "template.containers[name=app].env[name=B].value"] {
            let wanted = assignments(of, &json!({ path: format!("{secret}") }), &[]);
            known_secrets.extend(wanted.secrets(of));
            let ends = ends(of, &state, &wanted).unwrap();
            let reveal =
                |text: &str| known_secrets.iter().find(|(digest, _)| digest == text).map(|(_, value)| value.clone());
            let written = assignments_to(of, &live, &ends.to, &reveal).unwrap().apply(&live).unwrap();
            assert!(!written.to_string().replacen("hunter2", "", 1).contains("hunter2"), "{path}: {written}");
            assert!(!ends.to.to_string().contains(secret.as_str()), "{path}: {}", ends.to);
        }
    }

    proptest! {
        #[test]
        fn every_change_of_labels_can_be_undone(before in "[a-c]{0,3}", after in "[a-c]{0,3}") {
            let of = known("redis.instances");
            let labels = |names: &str| names.chars().map(|name| (name.to_string(), json!("v"))).collect::<Map<_, _>>();
            let live = json!({ "memorySizeGb": 1, "labels": labels(&before) });
            let wanted = assignments(of, &json!({ "labels": labels(&after) }), &[]);
            let (_, changed, back) = there_and_back(of, &live, &wanted);
            prop_assert_eq!(changed["labels"].as_object().cloned().unwrap_or_default(), labels(&after));
            prop_assert_eq!(back, live);
        }
    }
}

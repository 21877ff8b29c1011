//! The values that a step sets in a resource, what they make of it, and what undoes them.

use std::fmt;

use serde_json::{Map, Value};

use super::name::as_name;
use super::resource_type::ResourceType;
use super::selector::{Selector, Step};
use super::sensitive::{conceal, concealed};

/// One field, and the value that it is to have. The value may be a secret, so the `Debug` form does not have it.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The field.
    pub path: Selector,
    /// Its value, as the API writes it. `None`: it is cleared, or the element is removed.
    pub value: Option<Value>,
    /// The path that a mask names for it.
    pub mask_path: String,
    /// The path of fields without what chooses elements.
    pub field_path: String,
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.value.is_some() { "set" } else { "cleared" };
        write!(f, "{} {what}", self.path)
    }
}

/// Everything that a step sets: checked against the schema, and no two of them overlap. [`validate`](super::validate()) makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments(pub(super) Vec<Assignment>);

/// What is set cannot be put into the resource as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A list has no such element.
    #[error("there is no element `{path}`")]
    NoElement {
        /// The path up to it.
        path: String,
    },
    /// A list has several.
    #[error("there are {count} elements `{path}`; choose by a field that tells them apart")]
    SeveralElements {
        /// The path up to it.
        path: String,
        /// How many.
        count: usize,
    },
    /// The resource has something else there than its schema says.
    #[error("`{path}` is not what the catalog says it is")]
    OtherShape {
        /// The path up to it.
        path: String,
    },
}

impl Assignments {
    /// Some of those of another.
    pub(crate) fn of(some: Vec<Assignment>) -> Assignments {
        Assignments(some)
    }

    /// All of them, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }

    /// The secrets among them: each with the digest that stands for it.
    pub fn secrets(&self, resource_type: ResourceType) -> Vec<(String, Value)> {
        let values = self.0.iter().filter_map(|one| Some((&one.path, one.value.as_ref()?)));
        values.flat_map(|(path, value)| concealed(resource_type, Some(path), value).1).collect()
    }

    /// Each path and its value as they may be shown; `null` is what is cleared.
    pub fn shown(&self, resource_type: ResourceType) -> Map<String, Value> {
        let shown = self.0.iter().map(|one| {
            let value = one.value.as_ref().map_or(Value::Null, |value| conceal(resource_type, Some(&one.path), value));
            (one.path.to_string(), value)
        });
        shown.collect()
    }

    /// The same with digests in the place of secrets, as a state has them.
    pub(super) fn concealed(&self, resource_type: ResourceType) -> Assignments {
        let concealed = self.0.iter().map(|one| Assignment {
            value: one.value.as_ref().map(|value| conceal(resource_type, Some(&one.path), value)),
            ..one.clone()
        });
        Assignments(concealed.collect())
    }

    /// The resource with the values in it. Messages that are missing are made, and so is the last list's element that a path
    /// chooses; elements before it must be there, because a slip in a name would otherwise make a new one.
    ///
    /// # Errors
    /// A list has no such element, or several; or the resource has another shape.
    pub fn apply(&self, live: &Value) -> Result<Value, ApplyError> {
        let mut changed = live.clone();
        for assignment in &self.0 {
            put(&mut changed, assignment)?;
            if assignment.value.is_none() {
                prune(&mut changed, assignment.path.steps());
            }
        }
        Ok(changed)
    }

    /// What undoes them: each field gets what it had before, or is cleared if it had nothing. An element that was made is removed.
    ///
    /// # Errors
    /// As [`apply`](Assignments::apply).
    pub fn inverse(&self, before: &Value) -> Result<Assignments, ApplyError> {
        let invert = |assignment: &Assignment| {
            let steps = assignment.path.steps();
            // The first element that was not there: undoing removes it, and all that is in it.
            for (place, step) in steps.iter().enumerate() {
                let prefix = assignment.path.first(place + 1);
                if matches!(step, Step::Element { .. }) && value_at(before, &prefix)?.is_none() {
                    return Ok(Assignment { path: prefix, value: None, ..assignment.clone() });
                }
            }
            let value = value_at(before, &assignment.path)?.cloned();
            Ok(Assignment { value, ..assignment.clone() })
        };
        let mut inverted: Vec<Assignment> = self.0.iter().map(invert).collect::<Result<_, _>>()?;
        // Two values of an element that was made are undone by removing it once.
        let mut removed: Vec<Selector> = Vec::new();
        inverted.retain(|assignment| {
            let is_new = !removed.contains(&assignment.path);
            removed.push(assignment.path.clone());
            is_new
        });
        Ok(Assignments(inverted))
    }
}

/// The value that a path means, if there is one. `null` is none.
///
/// # Errors
/// A list has several such elements, or there is another shape.
pub(super) fn value_at<'v>(root: &'v Value, path: &Selector) -> Result<Option<&'v Value>, ApplyError> {
    let mut here = root;
    for (place, step) in path.steps().iter().enumerate() {
        let shown = || path.first(place + 1).to_string();
        let next = match (step, here) {
            (Step::Field(name) | Step::Entry(name), Value::Object(fields)) => fields.get(name),
            (Step::Element { key, value }, Value::Array(elements)) => match chosen(elements, key, value)[..] {
                [] => None,
                [only] => elements.get(only),
                ref several => return Err(ApplyError::SeveralElements { path: shown(), count: several.len() }),
            },
            (_, Value::Null) => None,
            _ => return Err(ApplyError::OtherShape { path: shown() }),
        };
        let Some(next) = next else { return Ok(None) };
        here = next;
    }
    Ok((!here.is_null()).then_some(here))
}

/// Takes away the messages of a list's element that are empty once a field of theirs was cleared: the element is written as a whole, and
/// an empty message would say something (a variable's source that has no secret). Elsewhere a mask names the field and nothing above it.
fn prune(root: &mut Value, steps: &[Step]) {
    let Some(last) = steps.iter().rposition(|step| matches!(step, Step::Element { .. })) else { return };
    for end in (last + 2..steps.len()).rev() {
        let path = Selector::of(&steps[..end]);
        let is_empty = value_at(root, &path).ok().flatten().and_then(Value::as_object).is_some_and(Map::is_empty);
        if !is_empty {
            return;
        }
        let cleared = Assignment { path, value: None, mask_path: String::new(), field_path: String::new() };
        // What was just found can be taken away.
        let _ = put(root, &cleared);
    }
}

/// The places of the elements whose field has this value.
fn chosen(elements: &[Value], key: &str, wanted: &str) -> Vec<usize> {
    let is_wanted = |element: &Value| match element.get(key) {
        Some(Value::String(text)) => as_name(text) == as_name(wanted),
        Some(Value::Number(number)) => number.to_string() == wanted,
        _ => false,
    };
    elements.iter().enumerate().filter(|(_, element)| is_wanted(element)).map(|(place, _)| place).collect()
}

fn put(root: &mut Value, assignment: &Assignment) -> Result<(), ApplyError> {
    let (path, steps) = (&assignment.path, assignment.path.steps());
    let last_list = steps.iter().rposition(|step| matches!(step, Step::Element { .. }));
    let mut here = root;
    for (place, step) in steps.iter().enumerate() {
        let shown = || path.first(place + 1).to_string();
        let is_last = place + 1 == steps.len();
        if here.is_null() {
            // What is missing anyway need not be made in order to be cleared.
            if assignment.value.is_none() {
                return Ok(());
            }
            *here = match step {
                Step::Field(_) | Step::Entry(_) => Value::Object(Map::new()),
                Step::Element { .. } => Value::Array(Vec::new()),
            };
        }
        here = match (step, here) {
            (Step::Field(name) | Step::Entry(name), Value::Object(fields)) => {
                if is_last {
                    match &assignment.value {
                        Some(value) => fields.insert(name.clone(), value.clone()),
                        None => fields.shift_remove(name),
                    };
                    return Ok(());
                }
                if assignment.value.is_none() && !fields.contains_key(name) {
                    return Ok(());
                }
                fields.entry(name.clone()).or_insert(Value::Null)
            }
            (Step::Element { key, value: wanted }, Value::Array(elements)) => {
                let place_of = match chosen(elements, key, wanted)[..] {
                    [only] => only,
                    [] if assignment.value.is_none() => return Ok(()),
                    [] if last_list == Some(place) => {
                        elements.push(Value::Object(Map::from_iter([(key.clone(), Value::from(wanted.as_str()))])));
                        elements.len() - 1
                    }
                    [] => return Err(ApplyError::NoElement { path: shown() }),
                    ref several => return Err(ApplyError::SeveralElements { path: shown(), count: several.len() }),
                };
                if is_last {
                    match &assignment.value {
                        Some(value) => elements[place_of] = value.clone(),
                        None => drop(elements.remove(place_of)),
                    }
                    return Ok(());
                }
                &mut elements[place_of]
            }
            _ => return Err(ApplyError::OtherShape { path: shown() }),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assign(path: &str, value: Option<Value>) -> Assignments {
        let path: Selector = path.parse().unwrap();
        Assignments(vec![Assignment { path, value, mask_path: String::new(), field_path: String::new() }])
    }

    #[test]
    fn an_element_is_found_by_its_key_and_the_last_one_is_made() {
        let live =
            json!({ "containers": [{ "name": "app", "env": [{ "name": "A", "value": "1" }] }, { "name": "proxy" }] });
        let set = |path: &str| assign(path, Some(json!("2"))).apply(&live);
        let changed = set("containers[name=app].env[name=A].value").unwrap();
        assert_eq!(changed["containers"][0]["env"], json!([{ "name": "A", "value": "2" }]));
        let changed = set("containers[name=proxy].env[name=B].value").unwrap();
        assert_eq!(changed["containers"][1], json!({ "name": "proxy", "env": [{ "name": "B", "value": "2" }] }));
        let error = set("containers[name=ap].env[name=A].value").unwrap_err();
        assert_eq!(error.to_string(), "there is no element `containers[name=ap]`");
    }

    #[test]
    fn undoing_gives_back_what_was_there_and_removes_what_was_made() {
        let before = json!({ "a": { "b": 1 }, "list": [{ "name": "x", "v": 1 }], "labels": { "team": "a" } });
        for path in ["a.b", "a.c", "list[name=x].v", "list[name=y].v", "labels.team", "labels[\"b/c\"]", "other.deep"] {
            for value in [Some(json!(7)), None] {
                let forward = assign(path, value);
                let after = forward.apply(&before).unwrap();
                let back = forward.inverse(&before).unwrap().apply(&after).unwrap();
                // A message that was made for the field stays, empty.
                let back = if path == "other.deep" { before.clone() } else { back };
                assert_eq!(back, before, "{path}");
            }
        }
    }

    #[test]
    fn a_message_of_an_element_that_is_empty_is_not_left() {
        let live = json!({ "env": [{ "name": "A", "source": { "ref": { "secret": "s" } } }], "other": { "ref": { "secret": "s" } } });
        let cleared = assign("env[name=A].source.ref.secret", None).apply(&live).unwrap();
        assert_eq!(cleared["env"], json!([{ "name": "A" }]));
        let masked = assign("other.ref.secret", None).apply(&live).unwrap();
        assert_eq!(masked["other"], json!({ "ref": {} }), "a mask names the field");
    }

    #[test]
    fn several_elements_of_one_key_are_refused() {
        let live = json!({ "list": [{ "name": "x" }, { "name": "x" }] });
        let error = assign("list[name=x].v", Some(json!(1))).apply(&live).unwrap_err();
        assert_eq!(error, ApplyError::SeveralElements { path: "list[name=x]".to_owned(), count: 2 });
    }
}

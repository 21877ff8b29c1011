//! The only thing that is ever applied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{ResourceId, Subject};

/// One resource, from one state to another. `to` names exactly the fields that the change owns.
///
/// A field that stands in `from` only is a condition: it must be so before, and is not brought back by an undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What is changed.
    pub resource: ResourceId,
    /// What must be there before.
    pub from: Value,
    /// What will be there after.
    pub to: Value,
}

impl Change {
    /// The same change with its ends swapped: undoing is nothing else.
    ///
    /// It has the fields that stand in both ends. What stands in `to` only, such as the name of a revision that was made, is not taken back,
    /// and is no condition of the undo either: a later change of the same run makes another one, and so does undoing that.
    #[must_use]
    pub fn undo(&self) -> Change {
        let in_both = |of: &Value, other: &Value| match (of, other) {
            (Value::Object(of), Value::Object(other)) => {
                let owned = of.iter().filter(|(field, _)| other.contains_key(*field));
                Value::Object(owned.map(|(field, value)| (field.clone(), value.clone())).collect())
            }
            (of, _) => of.clone(),
        };
        let (from, to) = (in_both(&self.to, &self.from), in_both(&self.from, &self.to));
        Change { resource: self.resource.clone(), from, to }
    }

    /// What it is about. A later change of the same thing rests on an earlier one.
    pub fn subject(&self) -> Subject<'_> {
        self.resource.subject()
    }

    /// As much of a state as the change owns: the fields that either of its ends names. One that must not be there, and is
    /// not, is `null`.
    pub fn owned(&self, seen: &Value) -> Value {
        owned(seen, &[&self.from, &self.to])
    }
}

fn owned(seen: &Value, ends: &[&Value]) -> Value {
    let objects: Vec<_> = ends.iter().filter_map(|end| end.as_object()).collect();
    let (Value::Object(fields), false) = (seen, objects.is_empty()) else { return seen.clone() };
    let mut found = serde_json::Map::new();
    for name in objects.iter().flat_map(|end| end.keys()) {
        let ends: Vec<&Value> = objects.iter().filter_map(|end| end.get(name)).collect();
        match fields.get(name) {
            Some(value) => {
                found.insert(name.clone(), owned(value, &ends));
            }
            // All of a table that is not there is not there.
            None => {
                let is_table = ends.iter().any(|end| end.is_object());
                let absent = Value::Object(serde_json::Map::new());
                let value = if is_table { owned(&absent, &ends) } else { Value::Null };
                if is_table || ends.iter().any(|end| end.is_null()) {
                    found.insert(name.clone(), value);
                }
            }
        }
    }
    Value::Object(found)
}

/// Whether the swapped change would be accepted by the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reversibility {
    /// The swap is an ordinary change.
    Reversible,
    /// The swap is an ordinary change, and does not bring everything back.
    WithLoss {
        /// What is lost.
        why: String,
    },
    /// The swap is an ordinary change; either way something restarts, and its connections break.
    Restarts {
        /// What restarts, and why.
        why: String,
    },
    /// The swap is an ordinary change that would do harm: undoing the step leaves this as it is.
    Stays {
        /// What harm, or why nothing is lost.
        why: String,
    },
    /// The API refuses the swap. Such a change wants an acknowledgement of its own.
    Irreversible {
        /// Why there is no way back, for the person who must decide.
        why: String,
    },
}

impl Reversibility {
    /// Whether there is no way back.
    pub fn is_irreversible(&self) -> bool {
        matches!(self, Reversibility::Irreversible { .. })
    }

    /// Whether a rollback makes the swap.
    pub fn is_undone(&self) -> bool {
        match self {
            Reversibility::Reversible | Reversibility::WithLoss { .. } | Reversibility::Restarts { .. } => true,
            Reversibility::Stays { .. } | Reversibility::Irreversible { .. } => false,
        }
    }

    /// What a person should know of it before saying yes.
    pub fn caution(&self) -> Option<String> {
        match self {
            Reversibility::Reversible => None,
            Reversibility::WithLoss { why } => Some(format!("undoing it does not bring everything back: {why}")),
            Reversibility::Restarts { why } => Some(format!("restarts it: {why}")),
            Reversibility::Stays { why } => Some(format!("stays if the step is undone: {why}")),
            Reversibility::Irreversible { why } => Some(format!("cannot be undone: {why}")),
        }
    }
}

/// Sets the fields that `wanted` names to what it says and leaves all others, as a PATCH does.
pub fn set_fields(state: &mut Value, wanted: &Value) {
    match (state, wanted) {
        (Value::Object(state), Value::Object(wanted)) => {
            for (field, value) in wanted {
                set_fields(state.entry(field).or_insert(Value::Null), value);
            }
        }
        (state, wanted) => *state = wanted.clone(),
    }
}

/// Whether what was seen is what was wanted: every field that `wanted` names is there and equal.
///
/// Fields that `wanted` does not name belong to somebody else and do not count; one that it names `null` must not be
/// there.
pub fn covers(seen: &Value, wanted: &Value) -> bool {
    match (seen, wanted) {
        (Value::Object(seen), Value::Object(wanted)) => wanted.iter().all(|(key, value)| match seen.get(key) {
            Some(there) => covers(there, value),
            None => is_absent(value),
        }),
        // An API may add to the elements of a list what it knows of them; their number and order stay.
        (Value::Array(seen), Value::Array(wanted)) => {
            seen.len() == wanted.len() && seen.iter().zip(wanted).all(|(seen, wanted)| covers(seen, wanted))
        }
        (seen, Value::Null) => is_absent(seen),
        _ => seen == wanted,
    }
}

/// Whether a value says that nothing is there. Most of Google's APIs leave out of their answers what is false or 0, and some do not.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.values().all(is_absent),
        Value::Bool(true) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_own_is_not_part_of_an_undo() {
        let change = Change {
            resource: "k/p/r/n".parse().unwrap(),
            from: json!({"image": "a"}),
            to: json!({"image": "b", "revision": "r"}),
        };
        assert_eq!(change.undo().from, json!({"image": "b"}), "whichever revision has it by then");
        let seen = json!({"image": "b", "revision": "other", "generation": 7, "ready": false});
        assert_eq!(change.owned(&seen), json!({"image": "b", "revision": "other"}));
    }

    #[test]
    fn a_condition_is_not_brought_back() {
        let change = Change {
            resource: "k/p/r/n".parse().unwrap(),
            from: json!({"targets": "LATEST", "latest": "r1"}),
            to: json!({"targets": "r1"}),
        };
        assert_eq!(change.undo().to, json!({"targets": "LATEST"}));
        assert_eq!(change.undo().from, change.to);
    }

    #[test]
    fn only_the_owned_fields_count() {
        assert!(covers(&json!({"image": "a", "generation": 7}), &json!({"image": "a"})));
        assert!(!covers(&json!({"generation": 7}), &json!({"image": "a"})));
        assert!(!covers(&json!({"image": "b"}), &json!({"image": "a"})));
        assert!(!covers(&json!({"targets": [1, 2]}), &json!({"targets": [1]})), "lists are compared whole");
        assert!(covers(&json!({"list": [{"a": 1, "id": 7}]}), &json!({"list": [{"a": 1}]})), "an API adds to elements");
        assert!(covers(&json!({}), &json!({"on": false, "count": 0})), "an API leaves out what has its default");
        assert!(covers(&json!({"on": false}), &json!({"on": null})), "and another one does not");
        assert!(!covers(&json!({}), &json!({"on": true})) && !covers(&json!({"on": true}), &json!({"on": null})));
    }
}

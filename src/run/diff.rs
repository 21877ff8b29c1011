//! A change in words: field by field, before and after.

use serde_json::Value;

use super::change::Change;
use super::id::{CATALOGUED, EXISTENCE};

/// One field of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: String,
    /// What it is before, if the change knows.
    pub before: Option<String>,
    /// What it is after.
    pub after: String,
}

impl Difference {
    /// Whether the field stays as it is: the change names it because the API wants it named.
    pub fn stays(&self) -> bool {
        self.before.as_ref() == Some(&self.after)
    }
}

impl Change {
    /// What it does, field by field, in the order of the change.
    pub fn differences(&self) -> Vec<Difference> {
        if self.resource.kind == CATALOGUED || self.resource.kind == EXISTENCE {
            let mut all = Vec::new();
            flatten("", Some(&self.from), &self.to, &mut all);
            return all;
        }
        let Value::Object(after) = &self.to else { return Vec::new() };
        let difference = |(field, after): (&String, &Value)| {
            let before = self.from.get(field);
            match after {
                // Of a table with several entries each has a line.
                Value::Object(entries) if entries.len() > 1 => {
                    let before = |entry: &str| before.map(|before| before.get(entry).map_or_else(unset, words));
                    let one = |(entry, after): (&String, &Value)| Difference {
                        field: format!("{field}.{entry}"),
                        before: before(entry),
                        after: words(after),
                    };
                    entries.iter().map(one).collect()
                }
                _ => vec![Difference { field: field.clone(), before: before.map(words), after: words(after) }],
            }
        };
        after.iter().flat_map(difference).collect()
    }
}

/// Every value that a change of a resource sets, by its path. What was not there is `none` before, and what is removed after.
fn flatten(path: &str, before: Option<&Value>, after: &Value, all: &mut Vec<Difference>) {
    let shown = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        // A digest in the place of a secret is no text of the resource's.
        Value::String(text) if text.starts_with("(sha256 ") => text.clone(),
        // As it stands in the API's JSON, so that 4 is not taken for "4", nor a list for a text.
        value => value.to_string(),
    };
    match (before, after) {
        (Some(Value::Object(_)) | None, Value::Object(after)) if !after.is_empty() => {
            for (name, value) in after {
                let below = if path.is_empty() || name.starts_with('[') {
                    format!("{path}{name}")
                } else {
                    format!("{path}.{name}")
                };
                flatten(&below, before.and_then(|before| before.get(name)), value, all);
            }
        }
        (before, after) => {
            all.push(Difference { field: path.to_owned(), before: before.map(shown), after: shown(after) });
        }
    }
}

/// A value as people read it. A share of traffic becomes `REVISION 40 %`.
pub fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let word = |(name, value): (&String, &Value)| match name.as_str() {
                "percent" => format!("{value} %"),
                "tag" => format!("(tag {})", words(value)),
                "revision" => words(value),
                name if value.is_null() => format!("{name} (not set)"),
                name => format!("{name} {}", words(value)),
            };
            fields.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        Value::Null => unset(),
        other => other.to_string(),
    }
}

/// What is not there.
fn unset() -> String {
    "not set".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_resource_is_changed_in_is_said_by_its_paths() {
        let change = Change {
            resource: "gcp.resource/p/r/x".parse().unwrap(),
            from: json!({"a": {"b": 4}, "list": {"[name=x]": {"v": null}}, "labels": {"team": "a"}}),
            to: json!({"a": {"b": 10}, "list": {"[name=x]": {"v": "10"}}, "labels": {"team": null}}),
        };
        let said: Vec<String> = change
            .differences()
            .iter()
            .map(|one| format!("{} {} → {}", one.field, one.before.as_deref().unwrap_or("?"), one.after))
            .collect();
        assert_eq!(said, ["a.b 4 → 10", "list[name=x].v none → \"10\"", "labels.team \"a\" → none"]);
    }

    #[test]
    fn entries_of_a_table_have_a_line_each() {
        let change = Change {
            resource: "gcp.run.template/p/r/s".parse().unwrap(),
            from: json!({"env": {"A": "1", "B": null}, "memory": null}),
            to: json!({"env": {"A": null, "B": {"secret": "b:3"}}, "memory": "1Gi"}),
        };
        let said: Vec<String> = change
            .differences()
            .iter()
            .map(|one| format!("{} {} → {}", one.field, one.before.as_deref().unwrap_or("?"), one.after))
            .collect();
        assert_eq!(said, ["env.A 1 → not set", "env.B not set → secret b:3", "memory not set → 1Gi"]);
    }

    #[test]
    fn traffic_reads_like_a_sentence() {
        let split = json!([{"revision": "a", "percent": 60}, {"revision": "b", "percent": 40}]);
        assert_eq!(words(&split), "a 60 %, b 40 %");
        assert_eq!(words(&json!({ "cand": null })), "cand (not set)");
    }
}

//! A change in words: field by field, before and after.

use serde_json::Value;

use super::change::Change;

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
        let Value::Object(after) = &self.to else { return Vec::new() };
        let difference = |(field, after): (&String, &Value)| Difference {
            field: field.clone(),
            before: self.from.get(field).map(words),
            after: words(after),
        };
        after.iter().map(difference).collect()
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
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traffic_reads_like_a_sentence() {
        let split = json!([{"revision": "a", "percent": 60}, {"revision": "b", "percent": 40}]);
        assert_eq!(words(&split), "a 60 %, b 40 %");
        assert_eq!(words(&json!({ "cand": null })), "cand (not set)");
    }
}

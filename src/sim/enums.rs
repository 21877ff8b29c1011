//! Enums as numbers.
//!
//! Google's own client libraries ask for `$alt=json;enum-encoding=int`, and Google then answers enums as numbers
//! (recorded: a Cloud Run job with `"launchStage": 4, "state": 1, "executionEnvironment": 2`). What is stored and compared
//! here are the names, so an answer is translated on its way out, by the table of its API, and a request's body on its way in
//! by the code that reads it. The numbers are those of the published protos.

use serde_json::Value;

/// The names of an enum and their numbers.
type Numbers = &'static [(&'static str, i32)];

/// The enums of an API by the fields that hold them. Two messages may have a field of one name: the value decides.
pub(super) type Table = &'static [(&'static [&'static str], Numbers)];

/// `google.api.LaunchStage`.
pub(super) const LAUNCH_STAGE: Numbers = &[
    ("EARLY_ACCESS", 1),
    ("ALPHA", 2),
    ("BETA", 3),
    ("GA", 4),
    ("DEPRECATED", 5),
    ("UNIMPLEMENTED", 6),
    ("PRELAUNCH", 7),
];

/// Whether a query asks for enums as numbers.
pub(super) fn are_wanted_as_numbers(query: Option<&str>) -> bool {
    let value = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let decoded = value.replace("%3B", ";").replace("%3b", ";").replace("%3D", "=").replace("%3d", "=");
        (matches!(name, "$alt" | "%24alt" | "alt") && decoded.contains("enum-encoding=int")).then_some(())
    };
    query.is_some_and(|query| query.split('&').any(|pair| value(pair).is_some()))
}

/// The name of a value of an enum of an API, by the field that holds it.
pub(super) fn name(table: Table, field: &str, number: i64) -> Option<&'static str> {
    let enums = table.iter().filter(|(fields, _)| fields.contains(&field));
    enums.flat_map(|(_, numbers)| *numbers).find(|(_, known)| i64::from(*known) == number).map(|(name, _)| *name)
}

/// Writes the numbers of enums in the place of their names, in an answer of the API that has these enums.
pub(super) fn number(value: &mut Value, table: Table) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields {
                if let Value::String(name) = inner {
                    let enums = table.iter().filter(|(fields, _)| fields.contains(&field.as_str()));
                    let mut numbers = enums.flat_map(|(_, numbers)| numbers.iter());
                    if let Some((_, number)) = numbers.find(|(known, _)| known == name) {
                        *inner = Value::from(*number);
                    }
                } else if !matches!(field.as_str(), "labels" | "annotations") {
                    number(inner, table);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| number(item, table)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_those_who_ask_get_numbers() {
        for query in
            ["$alt=json;enum-encoding=int", "%24alt=json%3Benum-encoding%3Dint", "a=b&alt=json;enum-encoding=int"]
        {
            assert!(are_wanted_as_numbers(Some(query)), "{query}");
        }
        for query in ["alt=json", "filter=enum-encoding=int", ""] {
            assert!(!are_wanted_as_numbers(Some(query)), "{query}");
        }
        assert!(!are_wanted_as_numbers(None));
    }

    #[test]
    fn an_enum_is_told_from_text_by_its_field_and_its_api() {
        let mut service = json!({
            "launchStage": "GA", "labels": { "state": "CONDITION_FAILED" }, "description": "GA",
            "conditions": [{ "type": "Ready", "state": "CONDITION_SUCCEEDED" }],
        });
        let run: Table = &[(&["state"], &[("CONDITION_SUCCEEDED", 4)]), (&["launchStage"], LAUNCH_STAGE)];
        number(&mut service, run);
        let wanted = json!({
            "launchStage": 4, "labels": { "state": "CONDITION_FAILED" }, "description": "GA",
            "conditions": [{ "type": "Ready", "state": 4 }],
        });
        assert_eq!(service, wanted);
        let mut operation = json!({ "metadata": { "@type": "x/google.cloud.vpcaccess.v1.OperationMetadata" },
            "response": { "state": "READY" } });
        number(&mut operation, &[(&["state"], &[("READY", 1)])]);
        assert_eq!(operation["response"]["state"], 1);
    }
}

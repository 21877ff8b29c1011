//! A change of a catalogued resource as commands of `curl`, for whoever must do it without this program.
//!
//! Only where a mask names each field and no secret is in it: a list that is written whole, or a token that must be read first, is no
//! line that somebody copies at 3 a.m.

use serde_json::Value;

use super::super::gcloud::{GcloudCommands, quoted, unknown};
use super::request_alone;
use crate::catalog::{self, UpdateDialect, is_digest};
use crate::run::Change;

pub(super) const FUNCTIONS: &str = r#"# The header that says who calls, for curl to read: in its arguments every user of this machine could see the token.
gcp_token() {
  printf 'Authorization: Bearer %s\n' "$(gcloud auth print-access-token)"
}
# What the API has at URL $1, as one line of JSON that jq's filter $2 makes of it.
gcp_fields() {
  gcp_token | curl --silent --show-error --fail --header @- "$1" | jq -c "$2"
}
# Sends $1 to URL $2 with the body $3, and waits until the fields $4 of the resource $5 are $6.
gcp_send() {
  gcp_token | curl --silent --show-error --fail --request "$1" --header @- \
    --header 'Content-Type: application/json' --data "$3" "$2" >/dev/null
  for _ in $(seq 360); do
    if [ "$(gcp_fields "$5" "$4")" = "$6" ]; then return 0; fi
    sleep 10
  done
  echo "$5 is not as wanted after an hour." >&2
  exit 1
}
"#;

/// The commands, or why there are none.
pub(super) fn commands(change: &Change) -> Result<GcloudCommands, String> {
    let none = |why: &str| format!("no command is printed for {}: {why}", change.resource.name);
    let secret = || none("a value of it is secret; `rectify rollback` has it from sealed.json of the run");
    if has_digest(&change.to) {
        return Err(secret());
    }
    let (before, after) = match (fields(&change.from), fields(&change.to)) {
        (Some(before), Some(after)) if !after.is_empty() => (before, after),
        _ => return Err(unknown(change)),
    };
    if after.iter().any(|(path, _)| path.contains('[')) {
        return Err(none("an element of a list is changed, and the API takes the whole list"));
    }
    let (resource, request) = request_alone(change).map_err(|why| none(&why))?;
    let (Some(request), Some((_, UpdateDialect::FieldMask | UpdateDialect::MergePatch))) =
        (request, resource.resource_type.update())
    else {
        return Err(none("the API takes more than these fields: read it, change it, and send it back"));
    };
    let filter: Vec<String> = after.iter().map(|(path, _)| format!(".{path}")).collect();
    let filter = quoted(&format!("[{}]", filter.join(",")));
    let printed = |ends: &[(String, Value)]| {
        let values: Vec<String> = after
            .iter()
            .map(|(path, _)| {
                ends.iter().find(|(other, _)| other == path).map_or(Value::Null, |(_, value)| value.clone())
            })
            .map(|value| value.to_string())
            .collect();
        quoted(&format!("[{}]", values.join(",")))
    };
    let url = quoted(&resource.url());
    let query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{name}={}", catalog::segment(value))).collect();
    let to = if query.is_empty() { request.url.clone() } else { format!("{}?{}", request.url, query.join("&")) };
    let verb = request.method.verb.as_str();
    let body = quoted(&request.body.unwrap_or_default().to_string());
    let alone = vec![format!(
        "printf 'Authorization: Bearer %s\\n' \"$(gcloud auth print-access-token)\" | curl --request {verb} --header @- --header 'Content-Type: application/json' --data {body} {}",
        quoted(&to)
    )];
    let (before, after) = (printed(&before), printed(&after));
    let write = vec![format!("gcp_send {verb} {} {body} {filter} {url} {after}", quoted(&to))];
    Ok(GcloudCommands { read: format!("gcp_fields {url} {filter}"), before, after, write, alone })
}

fn has_digest(value: &Value) -> bool {
    match value {
        Value::String(text) => is_digest(text),
        Value::Array(all) => all.iter().any(has_digest),
        Value::Object(all) => all.values().any(has_digest),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The values of one end of a change, each with its path; `None` if it is none of fields.
fn fields(end: &Value) -> Option<Vec<(String, Value)>> {
    fn collect(path: &str, value: &Value, into: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let is_name = name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
                    let below = match (path.is_empty(), is_name) {
                        (true, true) => name.clone(),
                        (false, true) => format!("{path}.{name}"),
                        // An element has its brackets; another name stands in jq's.
                        (_, false) if name.starts_with('[') => format!("{path}{name}"),
                        (_, false) => format!("{path}[{}]", Value::from(name.as_str())),
                    };
                    collect(&below, value, into);
                }
            }
            value => into.push((path.to_owned(), value.clone())),
        }
    }
    let Value::Object(_) = end else { return None };
    let mut all = Vec::new();
    collect("", end, &mut all);
    Some(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_set_by_one_line() {
        let change = Change {
            resource: "gcp.resource/p/r/redis.googleapis.com/projects/p/locations/r/instances/cache".parse().unwrap(),
            from: json!({ "memorySizeGb": 4 }),
            to: json!({ "memorySizeGb": 10 }),
        };
        let commands = commands(&change).unwrap();
        assert_eq!(
            commands.write[0],
            "gcp_send PATCH 'https://redis.googleapis.com/v1/projects/p/locations/r/instances/cache?updateMask=memorySizeGb' \
             '{\"memorySizeGb\":10}' '[.memorySizeGb]' https://redis.googleapis.com/v1/projects/p/locations/r/instances/cache '[10]'"
        );
        assert_eq!((commands.before.as_str(), commands.after.as_str()), ("'[4]'", "'[10]'"));
    }

    #[test]
    fn a_secret_stands_in_no_command() {
        let change = Change {
            resource: "gcp.resource/p/r/run.googleapis.com/projects/p/locations/r/services/s".parse().unwrap(),
            from: json!({ "template": { "containers": { "[name=a]": { "env": { "[name=B]": { "value": "(sha256 0000000000000000…)" } } } } } }),
            to: json!({ "template": { "containers": { "[name=a]": { "env": { "[name=B]": { "value": "(sha256 1111111111111111…)" } } } } } }),
        };
        assert!(commands(&change).unwrap_err().contains("secret"));
    }
}

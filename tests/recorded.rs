//! The simulated cloud, asked what recorded clients asked Google, answers with the same statuses, fields and values.
//!
//! Each file in `tests/recorded` is a conversation: what was asked, and the facts of what Google answered (the status, the
//! fields with their types, the values that are no accident). Differences that remain are listed at the end of the file with
//! the reason, and in `docs/simulated-cloud.md`; one that is listed and gone fails as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::SignedDuration;
use rectify::sim::scenario;
use serde::Deserialize;
use serde_json::Value;

use crate::support::cloud::Cloud;

/// A cloud with nothing in it.
const EMPTY: &str = r#"
[cloud]
project = "example-project"
project_number = "608773013422"
region = "us-central1"
start = "2026-01-01T00:00:00Z"

[connections_per_instance]
e2-micro = 40
"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conversation {
    exchange: Vec<Exchange>,
    /// Fields that differ, and why.
    #[serde(default)]
    differs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// Method and path. `{operation}` is the operation that the last change began.
    request: String,
    body: Option<String>,
    status: u16,
    /// Paths of the answer, each with a JSON type, or with `= ` and a value.
    fields: BTreeMap<String, String>,
}

/// Every path of a value that is no object, with its values.
fn paths(value: &Value, at: &str, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, inner) in fields {
                let is_free = at.ends_with("abels") || at.ends_with("annotations") || at.ends_with("limits");
                let field = if is_free { "*" } else { field };
                let path = if at.is_empty() { field.to_owned() } else { format!("{at}.{field}") };
                paths(inner, &path, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                paths(item, &format!("{at}[]"), found);
            }
        }
        _ => found.entry(at.to_owned()).or_default().push(value.clone()),
    }
}

fn fits(value: &Value, wanted: &str) -> bool {
    match wanted.strip_prefix("= ") {
        Some(text) => match value.as_str() {
            Some(value) => value == text,
            None => format!("{value}") == text,
        },
        None => {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::String(_) => "string",
                Value::Array(_) => "list",
                Value::Object(_) => "object",
            };
            kind == wanted
        }
    }
}

/// What differs, by path.
fn differences(exchange: &Exchange, answer: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    paths(answer, "", &mut found);
    let mut differing = BTreeMap::new();
    for (path, wanted) in &exchange.fields {
        match found.remove(path) {
            None => drop(differing.insert(path.clone(), format!("recorded {wanted}, and not here"))),
            Some(values) if values.iter().any(|value| fits(value, wanted)) => {}
            Some(values) => drop(differing.insert(path.clone(), format!("recorded {wanted}, here {values:?}"))),
        }
    }
    differing.extend(found.into_iter().map(|(path, values)| (path, format!("not recorded, here {values:?}"))));
    differing
}

async fn compare(name: &str) {
    let text = fs::read_to_string(format!("tests/recorded/{name}.toml")).unwrap();
    let conversation: Conversation = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let cloud = Cloud::open(scenario::parse(name, EMPTY).unwrap_or_else(|error| panic!("{error}")));
    let mut operation = String::new();
    let mut differing = BTreeSet::new();
    let mut wrong = Vec::new();
    for exchange in &conversation.exchange {
        let (method, path) = exchange.request.split_once(' ').unwrap();
        let mut body: Option<Value> = exchange.body.as_deref().map(|body| serde_json::from_str(body).unwrap());
        // What a client must send along is what it read just now.
        if let Some(version) = body.as_mut().and_then(|body| body.pointer_mut("/settings/settingsVersion")) {
            let now = cloud.get(path).await;
            version.clone_from(&now["settings"]["settingsVersion"]);
        }
        let answer = cloud.send(method, &path.replace("{operation}", &operation), body).await.unwrap();
        assert_eq!(answer.status, exchange.status, "{name}: {}: {}", exchange.request, answer.json);
        assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
        for (path, why) in differences(exchange, &answer.json) {
            if !conversation.differs.contains_key(&path) {
                wrong.push(format!("{}\n    {path}: {why}", exchange.request));
            }
            differing.insert(path);
        }
        if method != "GET" {
            answer.json["name"].as_str().unwrap_or_default().rsplit('/').next().unwrap().clone_into(&mut operation);
            cloud.sleep(SignedDuration::from_hours(2)).await;
        }
    }
    assert!(wrong.is_empty(), "{name}: {} differences that are not listed:\n{}", wrong.len(), wrong.join("\n"));
    let gone: Vec<_> = conversation.differs.keys().filter(|path| !differing.contains(*path)).collect();
    assert!(gone.is_empty(), "{name} lists differences that are none: {gone:?}");
    let page = fs::read_to_string("docs/simulated-cloud.md").unwrap();
    for (path, why) in &conversation.differs {
        let field = path.rsplit('.').next().unwrap().trim_end_matches("[]");
        assert!(page.contains(&format!("`{field}`")), "the page says nothing of {path} ({why})");
    }
}

#[tokio::test]
async fn a_cloud_run_services_life() {
    compare("run-service").await;
}

#[tokio::test]
async fn a_regional_postgresql_instances_life() {
    compare("sql-postgres").await;
}

#[tokio::test]
async fn a_minimal_postgresql_instances_life() {
    compare("sql-minimal").await;
}

#[tokio::test]
async fn a_mysql_instances_life() {
    compare("sql-mysql").await;
}

#[tokio::test]
async fn an_sql_server_instances_life() {
    compare("sql-sqlserver").await;
}

#[tokio::test]
async fn a_backend_services_life() {
    compare("compute-backend").await;
}

#[test]
fn every_conversation_is_compared() {
    let this = fs::read_to_string("tests/recorded.rs").unwrap();
    for file in fs::read_dir("tests/recorded").unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(this.contains(&format!("compare(\"{name}\")")), "{name} is compared by nobody");
    }
}

//! `rectify snapshot --scenario`: a cloud becomes a scenario in which nothing is that somebody wrote, and on which a plan says the
//! same.

use std::collections::BTreeMap;

use rectify::sim::scenario;
use serde_json::{Value, json};

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

const BACKEND: &str = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging";

/// What somebody wrote into a service, each in another field.
const PRIVATE: [&str; 7] =
    ["HUNTER2", "sk_live_0123", "PAYROLL_TEAM", "note-to-self", "--password=argument", "what it is for", "acme-client"];

/// A cloud in which a service has all of these.
fn cloud(desk: &Desk) -> Served {
    let cloud = Served::start(desk, SCENARIO, "max");
    let mut service = cloud.get(BACKEND);
    let [value, other, label, annotation, argument, description, client] = PRIVATE;
    service["labels"] = json!({ "team": label, "version": label });
    service["annotations"] = json!({ "example.com/note": annotation });
    service["description"] = json!(description);
    service["client"] = json!(client);
    let container = &mut service["template"]["containers"][0];
    container["env"] = json!([
        { "name": "PASSWORD", "value": value },
        { "name": "API_KEY", "value": other },
        { "name": "FROM_SECRET", "valueSource": { "secretKeyRef": { "secret": "the-secret", "version": "3" } } },
    ]);
    container["args"] = json!([argument]);
    service["template"]["labels"] = json!({ "team": label });
    let (status, answer) = cloud.call(reqwest::Method::PATCH, BACKEND, Some(service));
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = cloud.call(reqwest::Method::POST, "/_sim/clock", Some(json!({ "advance": "10m" })));
    assert_eq!(status, 200, "{answer}");
    let shown = cloud.get(BACKEND).to_string();
    for value in PRIVATE {
        assert!(shown.contains(value), "{value} is not in {shown}");
    }
    cloud
}

/// The changes that a plan says, by task.
fn changes(desk: &Desk, runbook: &str, place: &str) -> BTreeMap<String, String> {
    let done = desk.rectify(&["plan", runbook, "--sim", place, "--format", "json"]);
    let plan: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr));
    let tasks = plan["tasks"].as_array().unwrap().iter();
    let changes: BTreeMap<String, String> =
        tasks.map(|task| (task["id"].to_string(), format!("{:#}", task["change"]))).collect();
    assert!(changes.values().filter(|change| *change != "null").count() > 3, "{changes:?}");
    changes
}

fn scenario_of(desk: &Desk, cloud: &Served, flags: &[&str]) -> (String, String) {
    let file = desk.path("captured.sim.toml").display().to_string();
    let arguments = [&["snapshot", FLAGSHIP, "--sim", &cloud.url, "--scenario", &file], flags].concat();
    let done = desk.rectify(&arguments).code(0);
    assert!(cloud.writes().iter().all(|write| write.starts_with("PATCH /v2/")), "{:?}", cloud.writes());
    (file, done.stdout)
}

#[test]
fn with_its_names_a_plan_on_it_says_the_same_and_no_value_is_in_it() {
    let desk = Desk::new();
    let cloud = cloud(&desk);
    let (file, said) = scenario_of(&desk, &cloud, &["--keep-names"]);
    let text = std::fs::read_to_string(&file).unwrap();
    for value in PRIVATE {
        assert!(!text.contains(value), "{value} is in {text}");
    }
    assert!(!said.contains("names in it"), "{said}");
    assert_eq!(changes(&desk, FLAGSHIP, &file), changes(&desk, FLAGSHIP, &cloud.url));
}

#[test]
fn with_other_names_a_plan_of_the_runbook_with_these_names_says_the_same() {
    let desk = Desk::new();
    let cloud = cloud(&desk);
    let (file, said) = scenario_of(&desk, &cloud, &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    for value in PRIVATE.iter().chain(&["netra", "701982941522", "staging", "the-secret", "vjz", "docker.pkg.dev"]) {
        assert!(!text.contains(value), "{value} is in {text}");
    }
    scenario::parse("captured", &text).unwrap();
    let names = said.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(" is "));
    let mut names: Vec<(&str, &str)> = names.collect();
    assert!(names.len() > 5, "{said}");
    names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
    let runbook = names
        .iter()
        .fold(std::fs::read_to_string(FLAGSHIP).unwrap(), |text, (instead, name)| text.replace(name, instead));
    let runbook = desk.write("replaced.toml", &runbook);
    names.sort_by_key(|(instead, _)| std::cmp::Reverse(instead.len()));
    let back = |text: String| names.iter().fold(text, |text, (instead, name)| text.replace(instead, name));
    let changed = changes(&desk, &runbook, &file).into_iter();
    let changed: BTreeMap<String, String> = changed.map(|(task, change)| (task, back(change))).collect();
    // The name that a new revision will have is made from the service's, so it is another.
    let ending = regex::Regex::new("-0000[24]-[a-z]{3}").unwrap();
    let without = |changes: BTreeMap<String, String>| -> Vec<String> {
        changes.values().map(|change| ending.replace_all(change, "-new").into_owned()).collect()
    };
    assert_eq!(without(changed), without(changes(&desk, FLAGSHIP, &cloud.url)));
}

#[test]
fn what_a_scenario_cannot_have_is_named() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let (status, _) = cloud.call(reqwest::Method::DELETE, BACKEND, None);
    assert_eq!(status, 200);
    cloud.call(reqwest::Method::POST, "/_sim/clock", Some(json!({ "advance": "10m" })));
    let file = desk.path("captured.sim.toml").display().to_string();
    let done = desk.rectify(&["snapshot", FLAGSHIP, "--sim", &cloud.url, "--scenario", &file]).code(0);
    assert!(
        done.stdout.contains("without gcp.run.service/netra-staging/us-central1/netra-backend-staging"),
        "{}",
        done.stdout
    );
}

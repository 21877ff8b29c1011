//! The conformance run, against a simulated cloud in Google's place: it plays to its end, deletes what it made also if it does not,
//! and says how two clouds differ.

use serde_json::json;

use crate::conformance::{CloudUnderTest, Exchange, Played, Stage, differences, play, report, scenario};
use crate::support::{Desk, Served};

fn played(desk: &Desk, cloud: &Served) -> Played {
    let image = format!("us-docker.pkg.dev/cloudrun/container/hello@sha256:{}", "1".repeat(64));
    let stage = Stage {
        project: "acme-conformance".to_owned(),
        region: "us-central1".to_owned(),
        name: "rectify-6925".to_owned(),
        image,
        range: "10.8.240.0/28".to_owned(),
        cloud: CloudUnderTest::Simulated { url: cloud.url.clone() },
    };
    play(&stage, &desk.path(""))
}

fn cloud(desk: &Desk) -> Served {
    Served::start(desk, &desk.write("cloud.sim.toml", &scenario("acme-conformance", "us-central1")), "max")
}

fn nothing_is_left(cloud: &Served, played: &Played) {
    assert_eq!(played.left, Vec::<String>::new());
    let state = cloud.get("/_sim/state");
    for family in ["connectors", "services", "databases"] {
        assert_eq!(state[family], json!({}), "{family}");
    }
}

#[test]
fn every_typed_action_is_played_and_nothing_is_left() {
    let desk = Desk::new();
    let cloud = cloud(&desk);
    let played = played(&desk, &cloud);
    assert_eq!(played.trouble, None);
    nothing_is_left(&cloud, &played);
    let body = |what: &str| &played.exchanges.iter().find(|exchange| exchange.what == what).unwrap().body;
    assert_eq!(body("changed connector")["maxInstances"], 4);
    assert_eq!(body("changed service")["scaling"]["maxInstanceCount"], 2);
    assert_eq!(body("changed service")["traffic"][0]["percent"], 100);
    assert_ne!(body("changed service")["latestReadyRevision"], body("new service")["latestReadyRevision"]);
    assert_eq!(body("changed database")["settings"]["databaseFlags"][0]["value"], "500");
    assert_eq!(differences(&played.exchanges, &played.exchanges).len(), 0);
}

#[test]
fn what_was_made_is_deleted_also_if_an_action_fails() {
    let desk = Desk::new();
    let cloud = cloud(&desk);
    let fault = json!({ "match": { "method": "PATCH", "path": "*/services/*" },
        "fault": { "operation_error": { "code": 13, "message": "no" } } });
    assert_eq!(cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault)).0, 200);
    let played = played(&desk, &cloud);
    assert!(played.trouble.as_deref().is_some_and(|trouble| trouble.contains("the run ended")), "{:?}", played.trouble);
    nothing_is_left(&cloud, &played);
}

#[test]
fn differences_are_fields_types_and_words_and_no_values() {
    let of = |body| [Exchange { what: "new service".to_owned(), status: 200, body }];
    let real = of(json!({ "name": "acme-secret", "state": "READY", "sizes": [{ "a": 1 }], "new": { "b": "acme" },
        "env": [{ "name": "ACME", "value": "ACME" }], "userLabels": { "acme": "acme" } }));
    let simulated = of(json!({ "name": "other", "state": "UPDATING", "sizes": [{ "a": "1" }], "old": true }));
    let found = report(&differences(&real, &simulated));
    for line in [
        "- `env[].name`: a text, not simulated",
        "- `new.b`: a text, not simulated",
        "- `userLabels`: a message, not simulated",
        "- `old`: not there, simulated a truth value",
        "- `sizes[].a`: a number, simulated a text",
        "- `state`: READY, simulated UPDATING",
    ] {
        assert!(found.contains(line), "{found}");
    }
    assert!(!found.to_lowercase().contains("acme"), "{found}");
}

#[test]
fn of_a_refusal_only_the_status_differs() {
    let of = |status, body| [Exchange { what: "delete service".to_owned(), status, body }];
    let real = of(404, json!({ "error": { "code": 404 } }));
    let found = report(&differences(&real, &of(200, json!({ "name": "operations/1" }))));
    assert!(found.ends_with("## delete service\n\n- status: 404, simulated 200\n"), "{found}");
}

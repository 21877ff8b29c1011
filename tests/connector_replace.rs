//! A connector is replaced beside the old one: who uses it is moved first, and until the old one is deleted everything can be taken back.

use serde_json::Value;

use crate::support::{Desk, Served};

const RUNBOOK: &str = "tests/resources/connector-replace.toml";
const SCENARIO: &str = "tests/resources/connector-replace.sim.toml";
const CONNECTORS: &str = "/v1/projects/shop-staging/locations/us-central1/connectors";
const SERVICES: &str = "/v2/projects/shop-staging/locations/us-central1/services";

fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The short names of the connectors that there are, and of those that `front` and `pages` use.
fn connectors(served: &Served) -> (Vec<String>, Vec<Option<String>>) {
    let short = |name: &Value| name.as_str().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let all = served.get(CONNECTORS)["connectors"].as_array().cloned().unwrap_or_default();
    let used = ["front", "pages"]
        .map(|service| short(&served.get(&format!("{SERVICES}/{service}"))["template"]["vpcAccess"]["connector"]));
    (all.iter().filter_map(|connector| short(&connector["name"])).collect(), used.to_vec())
}

#[test]
fn who_uses_it_is_moved_before_it_is_deleted() {
    let desk = Desk::new();
    let served = Served::start(&desk, &file(SCENARIO), "max");
    served.hurry();
    let run = ["run", &file(RUNBOOK), "--sim", &served.url, "--yes", "--acknowledge", "delete"];
    let done = desk.rectify(&run).code(0).says("✓ done");
    assert_eq!(connectors(&served), (vec!["shop-small".to_owned()], vec![Some("shop-small".to_owned()), None]));
    assert!(!done.stdout.contains("move/pages"), "it uses no connector: {}", done.stdout);
}

#[test]
fn a_move_that_fails_leaves_everybody_with_the_old_one() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(file(RUNBOOK)).unwrap();
    let text = text
        .replacen("expect = \"status == 200\"", "expect = \"status == 418\"", 1)
        .replace("for = \"30s\"", "for = \"30s\", timeout = \"2m\"");
    let runbook = desk.write("fails.toml", &text);
    let served = Served::start(&desk, &file(SCENARIO), "max");
    served.hurry();
    let done = desk.rectify(&["run", &runbook, "--sim", &served.url, "--yes", "--acknowledge", "delete"]);
    assert_ne!(done.code, 0, "{}", done.stdout);
    assert_eq!(connectors(&served), (vec!["shop".to_owned()], vec![Some("shop".to_owned()), None]), "{}", done.stdout);
    assert!(!served.writes().iter().any(|write| write.contains("DELETE") && write.ends_with("connectors/shop")));
}

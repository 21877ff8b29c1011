//! A plan shows what a run would do, and planning writes nothing.

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

#[test]
fn the_plan_of_the_flagship() {
    let desk = Desk::new();
    insta::assert_snapshot!(desk.rectify(&["plan", FLAGSHIP, "--sim", "--speed", "max"]).code(0).stdout);
}

#[test]
fn the_plan_of_the_flagship_as_json() {
    let desk = Desk::new();
    let done = desk.rectify(&["plan", FLAGSHIP, "--sim", SCENARIO, "--speed", "max", "--format", "json"]).code(0);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    insta::with_settings!({filters => vec![(r#""etag": "(?:[^"\\]|\\.)*""#, r#""etag": "[etag]""#)]}, {
        insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap());
    });
}

#[test]
fn planning_and_dry_runs_write_nothing() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "60");
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url]).code(0).says("7 changes, 1 of which cannot be undone");
    desk.rectify(&["plan", FLAGSHIP, "--sim", &cloud.url, "--detailed-exitcode"]).code(3).says("7 changes");
    desk.rectify(&["run", FLAGSHIP, "--sim", &cloud.url, "--dry-run"]).code(0).says("7 changes");
    assert_eq!(cloud.writes(), Vec::<String>::new());
    assert!(!cloud.get("/_sim/requests").as_array().unwrap().is_empty(), "the cloud was looked at");
    assert!(!desk.path("rectify").exists(), "nothing was kept");
}

#[test]
fn a_recovered_cloud_leaves_nothing_to_change() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(0).says("✓ done");
    // The world that the run left, served: the same runbook finds everything as it wants it.
    let cloud = desk.cloud();
    assert_eq!(cloud["connectors"]["staging-connector"]["max_instances"], 10);
}

/// What `check` cannot know, because it depends on the cloud as it is.
#[test]
fn a_plan_keeps_to_the_limits_of_its_runbook() {
    let desk = Desk::new();
    let narrow = desk.flagship(&[("traffic_shift = 60 ", "instances_added = 3\ntraffic_shift = 40 ")]);
    let done = desk.rectify(&["check", &narrow]).code(2).says("this moves 50 % at once; at most 40 % are allowed");
    assert!(!done.stdout.contains("instances"), "{}", done.stdout);
    let edits =
        [("traffic_shift = 60 ", "instances_added = 3\ntraffic_shift = 40 "), ("[10, 50, 100]", "[10, 30, 60, 100]")];
    let narrow = desk.flagship(&edits);
    desk.rectify(&["check", &narrow]).code(0);
    let done = desk.rectify(&["plan", &narrow, "--sim", crate::support::SCENARIO]).code(1);
    // The connector has 3 instances at most, and half of the backend's traffic is elsewhere.
    done.complains("this adds 7 instances to staging-connector; the limit is 3").complains("this moves 50 %");
}

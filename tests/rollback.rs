//! What was done can be undone, and what cannot is named.

use serde_json::Value;

use crate::support::{Desk, FLAGSHIP, SCENARIO};

const FLAGS: [&str; 7] = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];

fn traffic(cloud: &Value, service: &str) -> Value {
    cloud["services"][service]["traffic"].clone()
}

fn image(cloud: &Value, service: &str) -> Value {
    cloud["services"][service]["template"]["containers"][0]["image"].clone()
}

/// The cloud before anything happened: a run that declines everything keeps it.
fn before() -> Value {
    let desk = Desk::new();
    let runbook = desk.flagship_before("capacity") + "";
    let text = std::fs::read_to_string(&runbook).unwrap()
        + "\n[[phase]]\nname = \"p\"\n[[phase.step]]\nname = \"s\"\nuses = \"probe\"\ngate = { healthy = [\"connector\"] }\n";
    let runbook = desk.write("look.toml", &text);
    desk.rectify(&["run", &runbook, "--sim", SCENARIO, "--speed", "max"]).code(0).says("✓ done");
    desk.cloud()
}

#[test]
fn a_gate_that_never_passes_rolls_back_all_but_the_one_way_growth() {
    let desk = Desk::new();
    // The backend's page never answers 418, so its first share of traffic is never proven.
    let runbook = desk.flagship(&[
        ("on_failure  = \"ask\"", "on_failure  = \"rollback\""),
        (
            "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 200 && latency < duration(\"2s\")'",
            "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 418'",
        ),
    ]);
    let done = desk.rectify(&[&["run", &runbook], &FLAGS[..]].concat()).code(1);
    let done = done.says("✗ failed and rolled back").says("kept, because it cannot be undone: scale-connector");
    done.says("undo one-revision");

    let (was, is) = (before(), desk.cloud());
    for service in ["netra-backend-staging", "netra-auth-staging"] {
        assert_eq!(image(&is, service), image(&was, service), "{service}");
        assert_eq!(traffic(&is, service), traffic(&was, service), "{service}");
    }
    assert_eq!(is["connectors"]["staging-connector"]["max_instances"], 10, "a connector never shrinks");
    assert_eq!(desk.ending()["kept"], serde_json::json!(["scale-connector"]));
}

#[test]
fn a_finished_run_can_be_rolled_back_later() {
    let desk = Desk::new();
    desk.rectify(&[&["run", FLAGSHIP], &FLAGS[..]].concat()).code(0).says("✓ done");
    let preview = desk.rectify(&["rollback", "--dry-run"]).code(0).says("undo deploy-backend/shift-100");
    preview.says("scale-connector stays: it cannot be undone");
    desk.rectify(&["rollback"]).code(7).complains("approve the rollback with --yes");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back");
    let (was, is) = (before(), desk.cloud());
    for service in ["netra-backend-staging", "netra-auth-staging"] {
        assert_eq!(image(&is, service), image(&was, service), "{service}");
        assert_eq!(traffic(&is, service), traffic(&was, service), "{service}");
    }
    desk.rectify(&["rollback", "--yes"]).code(2).complains("rolled back already");
}

#[test]
fn with_nobody_to_ask_a_failure_stops_and_can_be_rolled_back() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[(
        "expect = 'status == 200 && latency < duration(\"2s\")'\n\n[probes.backend]",
        "expect = 'status == 418'\n\n[probes.backend]",
    )]);
    let done = desk.rectify(&[&["run", &runbook], &FLAGS[..]].concat()).code(1);
    done.says("stop here, says on_failure = \"ask\", with nobody to ask")
        .says("applied and still in force: scale-connector, one-revision, deploy-auth");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone");
    desk.rectify(&["runs"]).code(0).says("rolled back");
}

//! What was done can be undone, and what cannot is named.

use serde_json::Value;

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

const FLAGS: [&str; 5] = ["--speed", "max", "--yes", "--acknowledge", "scale-connector"];

/// The incident, but with an old auth image that does start: so there is something well to go back to.
fn sound_past(desk: &Desk) -> String {
    let scenario = std::fs::read_to_string(SCENARIO).unwrap();
    let crashing = "    \"us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1170000000000000000000000000000000000000000000000000000000000117\",\n";
    assert!(scenario.contains(crashing));
    desk.write("sound.sim.toml", &scenario.replace(crashing, ""))
}

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
    let done = desk.rectify(&[&["run", &runbook, "--sim", &sound_past(&desk)], &FLAGS[..]].concat()).code(1);
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
    desk.rectify(&[&["run", FLAGSHIP, "--sim", &sound_past(&desk)], &FLAGS[..]].concat()).code(0).says("✓ done");
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
    let done = desk.rectify(&[&["run", &runbook, "--sim", &sound_past(&desk)], &FLAGS[..]].concat()).code(1);
    done.says("stop here, says on_failure = \"ask\", with nobody to ask")
        .says("applied and still in force: scale-connector, one-revision, deploy-auth");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone");
    desk.rectify(&["runs"]).code(0).says("rolled back");
}

/// The old image did not start before and does not start now: the template is as it was, but the new revision still
/// serves. That is not "rolled back", whatever the template says.
#[test]
fn an_undo_that_does_not_serve_is_stuck_and_stays_so_until_somebody_acts() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", FLAGSHIP], &flags[..]].concat()).code(0).says("✓ done");
    for _ in 0..2 {
        let stuck = desk.rectify(&["rollback", "--yes"]).code(6).says("stuck").says("deploy-auth could not be undone");
        assert!(!stuck.stdout.contains("nothing to undo"), "{}", stuck.stdout);
        // What does not depend on it is undone all the same.
        assert_eq!(traffic(&desk.cloud(), "netra-backend-staging").as_array().unwrap().len(), 2);
    }
}

/// A canary that fails is not given more traffic because the runbook goes on with its next step.
#[test]
fn going_on_after_a_failed_share_leaves_the_rest_of_its_step_out() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[
        ("on_failure  = \"ask\"", "on_failure  = \"continue\""),
        (
            "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 200 && latency < duration(\"2s\")'",
            "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 418'",
        ),
    ]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", SCENARIO], &FLAGS[..]].concat()).code(1);
    let done = done.says("deploy-backend/shift-10 failed");
    let (_, told) = done.stdout.split_once("\nrun ").unwrap();
    assert!(!told.contains("shift-50"), "{told}");
    assert!(told.contains("soak"), "the next step is gone on with: {told}");
}

#[test]
fn a_deploy_that_failed_is_not_taken_for_done_when_run_again() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.flagship(&[])).unwrap();
    let (before, rest) = text.split_once("[[phase.step]]\nname = \"scale-connector\"").unwrap();
    let (_, after) = rest.split_once("[[phase.step]]").unwrap();
    let runbook = desk.write("starved.toml", &format!("{before}[[phase.step]]{after}"));
    let cloud = Served::start(&desk, SCENARIO, "max");
    desk.rectify(&["run", &runbook, "--sim", &cloud.url, "--yes"]).code(1).says("deploy-auth failed");
    let again = desk.rectify(&["plan", &runbook, "--sim", &cloud.url]).code(0);
    let (_, auth) = again.stdout.split_once("deploy-auth").unwrap();
    assert!(auth.trim_start().starts_with("gcp.run.service"), "it is planned again: {auth}");
}

//! `rectify doctor` says what would be missing in the night.

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

#[test]
fn a_healthy_desk_is_told_so() {
    let desk = Desk::new();
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", "--speed", "max"]).code(0);
    insta::with_settings!({filters => vec![(r"kept in /\S+", "kept in [state]")]}, {
        insta::assert_snapshot!(done.stdout);
    });
}

#[test]
fn what_is_missing_is_named() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    let caller = "\n[callers.anonymous]\ntoken = \"-\"\n\
        denied = [\"run.services.update\", \"cloudsupport.techCases.create\"]\n";
    let disabled = "region = \"us-central1\"\ndisabled_apis = [\"run.googleapis.com\"]\n";
    let changed = text.replace("region = \"us-central1\"\n", disabled) + caller;
    let scenario = desk.write("poor.sim.toml", &changed);
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", &scenario, "--speed", "max"]).code(1);
    let done = done.says("× the permission run.services.update is missing; one-revision, deploy-auth");
    let done = done.says("× run.googleapis.com is not enabled: `gcloud services enable run.googleapis.com");
    // A runbook that may escalate needs a way to do it.
    done.says("× no support case can be opened");
}

#[test]
fn an_incident_at_google_is_worth_knowing_before_anything_is_done() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap() + crate::service_health::EVENTS;
    let text = text.replace("published = \"2025-09-16T03:20:00Z\"", "published = \"2025-09-16T02:55:00Z\"");
    let scenario = desk.write("incident.sim.toml", &text);
    let done = desk.rectify(&["doctor", FLAGSHIP, "--sim", &scenario, "--speed", "max"]).code(0);
    done.says("! Google reports an incident of Cloud Run in us-central1");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_found_now_and_not_then() {
    let desk = Desk::new();
    let file = desk.write("file", "");
    let cloud = Served::start(&desk, SCENARIO, "max");
    desk.rectify(&["doctor", FLAGSHIP, "--sim", &cloud.url, "--state", &file]).code(7).complains("is not a directory");
    assert_eq!(cloud.writes(), Vec::<String>::new());
}

#[test]
fn a_runbook_with_a_mistake_is_a_finding() {
    let desk = Desk::new();
    let broken = desk.flagship(&[("healthy = [\"connector\"]", "healthy = [\"conector\"]")]);
    desk.rectify(&["doctor", &broken, "--sim", SCENARIO]).code(2).complains("conector");
}

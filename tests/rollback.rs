//! What was done can be undone, and what cannot is named.

use serde_json::Value;

use crate::support::{self, AUTH_NEVER_WELL, BACKEND_NEVER_WELL, Desk, FLAGSHIP, SCENARIO, Served};

/// Whoever gives these knows that the way back leads to the outage.
const FLAGS: [&str; 9] = [
    "--speed",
    "max",
    "--yes",
    "--acknowledge",
    "scale-connector",
    "--acknowledge",
    "one-revision",
    "--acknowledge",
    "deploy-auth",
];
const ROLLBACK: [&str; 6] = ["rollback", "--yes", "--acknowledge", "one-revision", "--acknowledge", "deploy-auth"];

fn sound_past(desk: &Desk) -> String {
    desk.write("sound.sim.toml", &support::sound_past())
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
    let runbook = desk.flagship(&[("on_failure  = \"ask\"", "on_failure  = \"rollback\""), BACKEND_NEVER_WELL]);
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
    desk.rectify(&ROLLBACK).code(0).says("✓ rolled back");
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
    let runbook = desk.flagship(&[AUTH_NEVER_WELL]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", &sound_past(&desk)], &FLAGS[..]].concat()).code(1);
    done.says("stop chosen by on_failure = \"ask\", with nobody to ask")
        .says("applied: scale-connector (irreversible), one-revision, deploy-auth");
    desk.rectify(&ROLLBACK).code(0).says("✓ undone");
    desk.rectify(&["runs"]).code(0).says("rolled back");
}

/// The revision before the run did not serve. While the service is healthy it is not brought back to that unasked; and once its
/// traffic is there, an old image that does not start is a thing to do, and no reason to call the run stuck.
#[test]
fn a_healthy_service_is_not_brought_back_to_an_outage_unasked() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[("on_failure  = \"ask\"", "on_failure  = \"rollback\""), BACKEND_NEVER_WELL]);
    let kept = desk.rectify(&[&["run", &runbook, "--sim", SCENARIO], &FLAGS[..5]].concat()).code(1);
    kept.says("undoing deploy-auth restores that")
        .says("kept: deploy-auth/traffic, deploy-auth, deploy-auth/follow")
        .says("rolling back would restore an unhealthy state")
        .says("what serves now")
        .says("netra-auth-staging: netra-auth-staging-00002-hrd 100 %; auth healthy");
    assert!(image(&desk.cloud(), "netra-auth-staging").as_str().unwrap().ends_with("0118"));
    let back = desk.rectify(&ROLLBACK).code(1).says("✓ rolled back");
    let back = back.says("to do: deploy-auth was not undone, and serves nobody");
    back.says("netra-auth-staging: netra-auth-staging-00117-vjz 100 %; auth unhealthy");
    assert_eq!(traffic(&desk.cloud(), "netra-backend-staging").as_array().unwrap().len(), 2);
}

/// A canary that fails is not given more traffic because the runbook goes on with its next step.
#[test]
fn going_on_after_a_failed_share_leaves_the_rest_of_its_step_out() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[("on_failure  = \"ask\"", "on_failure  = \"continue\""), BACKEND_NEVER_WELL]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", SCENARIO], &FLAGS[..]].concat()).code(1);
    let done = done.says("deploy-backend/candidate failed");
    let (_, told) = done.stdout.split_once("\nrun ").unwrap();
    assert!(!told.contains("shift-10"), "{told}");
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

/// The traffic of a service that follows its newest revision is given back in seconds; the template, which takes a
/// deployment, comes after that.
#[test]
fn undoing_a_deploy_gives_the_traffic_back_first() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, &sound_past(&desk), "max");
    let runbook = desk.flagship(&[("on_failure  = \"ask\"", "on_failure  = \"rollback\""), AUTH_NEVER_WELL]);
    let flags = ["--sim", cloud.url.as_str(), "--yes", "--acknowledge", "scale-connector"];
    let done = desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(1).says("✗ failed and rolled back");
    let (_, undone) = done.stdout.split_once("deploy-auth failed").unwrap();
    let place = |what: &str| undone.find(what).unwrap_or_else(|| panic!("{what} is not in {undone}"));
    let traffic = place("undo deploy-auth/traffic   gcp.run.traffic netra-auth-staging");
    let template = place("undo deploy-auth   gcp.run.service netra-auth-staging");
    let follow = place("undo deploy-auth/follow   gcp.run.traffic netra-auth-staging");
    assert!(traffic < template && template < follow, "{undone}");
    let masks: Vec<String> = cloud
        .writes()
        .iter()
        .filter(|write| write.contains("netra-auth-staging"))
        .map(|write| write.rsplit_once("updateMask=").unwrap().1.split('&').next().unwrap().to_owned())
        .collect();
    assert_eq!(masks, ["template", "traffic", "template", "traffic"]);
    let service = &cloud.get("/_sim/state")["services"]["netra-auth-staging"];
    assert_eq!(service["traffic"][0]["type"], "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "as it was: {service}");
    desk.rectify(&["verify"]).code(0);
}

/// A revision that is not well under its own address never gets a request of a visitor.
#[test]
fn a_candidate_that_is_not_well_gets_no_traffic() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, &sound_past(&desk), "max");
    let fault = serde_json::json!({ "match": { "host": "cand---*", "path": "/health" }, "fault": { "status": 500 } });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault));
    let runbook = desk.flagship(&[("on_failure  = \"ask\"", "on_failure  = \"rollback\"")]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", &cloud.url], &FLAGS[2..]].concat()).code(1);
    let done = done.says("✗ deploy-backend/candidate failed").says("✗ failed and rolled back");
    done.says("backend` is unhealthy: ").says("status 500").says("undo deploy-backend/candidate");
    let backend = cloud.get("/_sim/state")["services"]["netra-backend-staging"].clone();
    assert_eq!(backend["traffic"].as_array().unwrap().len(), 2, "as it was, without the tag: {backend}");
    assert!(!desk.journal().iter().any(|entry| entry["event"]["op"] == "deploy-backend/shift-10/apply"));
}

/// To hold the traffic where it is means to know where that is: who deploys in between is not undone by it.
#[test]
fn traffic_is_not_held_at_a_revision_that_is_not_the_newest_any_more() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string("runbooks/bad-revision.sim.toml").unwrap();
    let (well, _) = scenario.split_once("[[services.checkout.revisions]]\nname = \"checkout-00042-bad\"").unwrap();
    let cloud = Served::start(&desk, &desk.write("well.sim.toml", well), "1");
    let image = "us-central1-docker.pkg.dev/shop-staging/apps/checkout@sha256:0430000000000000000000000000000000000000000000000000000000000043";
    let runbook = desk.write(
        "shifted.toml",
        &format!(
            r#"[runbook]
name = "shifted"
[target]
project = "shop-staging"
region = "us-central1"
[[phase]]
name = "deploy"
[[phase.step]]
name = "breathe"
uses = "wait"
with = {{ for = "10m" }}
[[phase.step]]
name = "checkout"
uses = "gcp.run.deploy"
with = {{ service = "checkout", image = "{image}", shift = [50, 100] }}
"#
        ),
    );
    let run = desk.spawn(&["run", &runbook, "--sim", &cloud.url, "--yes"]);
    crate::support::until("the pause", || desk.journal_has("unchanged"));
    // While the run waits, somebody else deploys, and that comes to its end.
    let service = "/v2/projects/shop-staging/locations/us-central1/services/checkout";
    let mut template = cloud.get(service)["template"].clone();
    template["labels"] = serde_json::json!({ "who": "somebody-else" });
    let body = serde_json::json!({ "template": template });
    let (status, answer) = cloud.call(reqwest::Method::PATCH, &format!("{service}?updateMask=template"), Some(body));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();
    let done = run.end().code(7).says("is no longer what the plan saw: another principal changed it");
    done.says("checkout-00041-kez").says("checkout/hold-traffic");
    let ours = cloud.writes().into_iter().filter(|write| write.contains("/services/checkout")).count();
    assert_eq!(ours, 1, "the only write to it is the other's: {:?}", cloud.writes());
}

/// What says `rollback` is what is undone: here the phase. Auth is healthy, the backend fails, both go back; what the
/// phase before did stays, and is owed.
#[test]
fn a_phase_that_fails_is_undone_and_what_came_before_it_stays() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, &sound_past(&desk), "max");
    let fault = serde_json::json!({ "match": { "host": "cand---*", "path": "/health" }, "fault": { "status": 500 } });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault));
    let phase = "name   = \"services\"\n";
    let runbook = desk.flagship(&[(phase, &format!("{phase}on_failure = \"rollback\"\n"))]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", &cloud.url], &FLAGS[2..]].concat()).code(1);
    let done = done.says("rollback chosen by on_failure = \"rollback\" of the phase").says("✗ failed and rolled back");
    let done = done.says("undo deploy-backend/revision").says("undo deploy-auth   gcp.run.service");
    let done = done.says("applied: scale-connector (irreversible), one-revision");
    assert!(!done.stdout.contains("undo one-revision"), "{}", done.stdout);
    let is = cloud.get("/_sim/state");
    for service in ["netra-backend-staging", "netra-auth-staging"] {
        assert_eq!(image(&is, service), image(&before(), service), "{service}");
    }
    assert_eq!(traffic(&is, "netra-backend-staging")[0]["revision"], "netra-backend-staging-00750-69k");
    desk.rectify(&["debts"]).code(0).says("the connector stays enlarged").says("traffic is pinned");
    desk.rectify(&ROLLBACK).code(0).says("undo one-revision");
    assert_eq!(traffic(&cloud.get("/_sim/state"), "netra-backend-staging").as_array().unwrap().len(), 2);
}

/// A step's own `rollback` undoes the step, and nothing else.
#[test]
fn a_step_that_fails_is_undone_by_itself() {
    let desk = Desk::new();
    let step = "name = \"deploy-backend\"\nuses = \"gcp.run.deploy\"\n";
    let runbook = desk.flagship(&[(step, &format!("{step}on_failure = \"rollback\"\n")), BACKEND_NEVER_WELL]);
    let done = desk.rectify(&[&["run", &runbook, "--sim", &sound_past(&desk)], &FLAGS[..]].concat()).code(1);
    let done = done.says("of the step").says("undo deploy-backend/revision");
    done.says("applied: scale-connector (irreversible), one-revision, deploy-auth");
    assert!(image(&desk.cloud(), "netra-auth-staging").as_str().unwrap().ends_with("0118"));
    assert!(image(&desk.cloud(), "netra-backend-staging").as_str().unwrap().ends_with("0750"));
}

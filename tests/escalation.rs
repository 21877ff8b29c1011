//! One exit code for a script: go on (0), it cannot be told yet (4), call Google (5).

use crate::support::{AUTH_NEVER_WELL, Desk, FLAGSHIP, SCENARIO, Served};

const SIM: [&str; 4] = ["--sim", SCENARIO, "--speed", "max"];

fn escalation(desk: &Desk, flags: &[&str]) -> crate::support::Done {
    desk.rectify(&[&["escalation", FLAGSHIP], flags].concat())
}

#[test]
fn before_the_time_what_is_not_well_is_undecided_and_past_it_escalates() {
    let desk = Desk::new();
    let done = escalation(&desk, &[&SIM[..], &["--since", "2025-09-16T02:30:00Z"]].concat()).code(4);
    let done = done.says("undecided: the incident is 30m").says("✗ auth is up (continue): does not hold");
    // There was no run, so there is nothing to compare with.
    done.says("? the connector is less busy than it was (continue): unknown");
    let done = escalation(&desk, &[&SIM[..], &["--since", "2025-09-16T00:30:00Z"]].concat()).code(5);
    done.says("ESCALATE: the incident is older than 2h, and this does not hold: auth is up");
    escalation(&desk, &SIM).code(4).says("the age of the incident is not known");
}

#[test]
fn an_incident_does_not_begin_in_the_future() {
    let desk = Desk::new();
    let told = "the incident cannot have begun at 2025-09-16 05:00:00Z: that is";
    let done = escalation(&desk, &[&SIM[..], &["--since", "2025-09-16T05:00:00Z"]].concat()).code(2);
    done.complains(told).complains("with the offset from UTC");
    for command in ["escalation", "plan", "run"] {
        let flags = ["--input", "incident_began=2025-09-16T05:00:00Z"];
        desk.rectify(&[&[command, FLAGSHIP], &SIM[..], &flags[..]].concat()).code(2).complains(told);
    }
    // Clocks may differ a little.
    escalation(&desk, &[&SIM[..], &["--since", "2025-09-16T03:01:00Z"]].concat()).code(4);
}

/// Only a criterion to escalate by, and everything down: nothing speaks for going on.
#[test]
fn a_runbook_without_a_reason_to_go_on_never_says_continue() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(FLAGSHIP).unwrap().replace("#:schema ../docs", "#:schema docs");
    let (before, rest) = text.split_once("[[escalation.criterion]]").unwrap();
    let (_, rest) = rest.split_once("[[escalation.criterion]]\nname         = \"Google").unwrap();
    let file = desk.write("one.toml", &format!("{before}[[escalation.criterion]]\nname         = \"Google{rest}"));
    let at = |since: &str| desk.rectify(&[&["escalation", &file], &SIM[..], &["--since", since]].concat());
    at("2025-09-16T02:30:00Z").code(4).says("no criterion speaks for continuing");
    at("2025-09-15T00:00:00Z")
        .code(5)
        .says("ESCALATE: the incident is older than 2h, and no criterion speaks for continuing");
}

#[test]
fn an_incident_at_google_escalates_at_once_and_elsewhere_does_not() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap() + crate::service_health::EVENTS;
    let published = text.replace("published = \"2025-09-16T03:20:00Z\"", "published = \"2025-09-16T02:55:00Z\"");
    let here = desk.write("here.sim.toml", &published);
    let done = escalation(&desk, &["--sim", &here, "--speed", "max"]).code(5);
    done.says("ESCALATE: Google reports an incident here");
    let elsewhere = desk
        .write("elsewhere.sim.toml", &published.replace("location = \"us-central1\"", "location = \"europe-west1\""));
    escalation(&desk, &["--sim", &elsewhere, "--speed", "max"]).code(4);
}

#[test]
fn after_a_run_that_recovered_everything_speaks_for_going_on() {
    let desk = Desk::new();
    let flags = [&["run", FLAGSHIP], &SIM[..], &["--yes", "--acknowledge", "scale-connector"]].concat();
    desk.rectify(&flags).code(0);
    let done = escalation(&desk, &["--run", "--format", "json"]).code(0);
    let verdict: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&verdict["decision"], &verdict["format"]), (&"continue".into(), &1.into()));
    assert_eq!(verdict["criteria"][2]["stands"], "holds", "{verdict:#}");
    // The cloud of the run was only looked at.
    desk.rectify(&["verify"]).code(0);
}

#[test]
fn what_cannot_be_decided_by_is_a_mistake() {
    let desk = Desk::new();
    let done = desk.rectify(&["escalation", "runbooks/bad-revision.toml", "--sim", "--speed", "max"]).code(2);
    done.complains("has no [escalation]");
    escalation(&desk, &["--run", "zzzz"]).code(2).complains("there are no runs yet");
}

/// The draft says where, since when, which operations, what was tried and what became of it.
#[test]
fn a_support_case_is_drafted_from_a_run_that_failed() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(FLAGSHIP).unwrap();
    // The backend never becomes well again, whatever is done.
    let file = text.replacen(
        "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 200",
        "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 418",
        1,
    );
    let file = desk.write("failing.toml", &file.replace("on_failure  = \"ask\"", "on_failure  = \"stop\""));
    let flags = ["--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", &file], &SIM[..], &flags[..]].concat()).code(1);
    let draft = desk.rectify(&["case"]).code(0);
    let draft = draft
        .says("VPC connector exhaustion in us-central1 (https://github.com/example/netra/issues/1278)\nPriority P2");
    let draft = draft
        .says("Project netra-staging (number 7")
        .says("), region us-central1.")
        .says("gcp.connector staging-connector");
    let draft = draft.says("Before anything was changed:\n  auth: unhealthy: latency");
    let draft =
        draft.says("scale-connector (gcp.connector staging-connector): accepted, operation projects/netra-staging/");
    let draft =
        draft.says("gate of deploy-backend/candidate: not healthy: ").says("auth was healthy at 2025-09-16 03:");
    let draft = draft.says("Long-running operations:\n  projects/").says("Reference: rectify-run-");
    let draft = draft.says("the run stopped: deploy-backend/candidate failed");
    // By these Google's own people find things again.
    let draft = draft.says("Traces of requests that were logged:\n  ").says(" (no-503)\n");
    let draft = draft.says("vpcaccess.googleapis.com/connector/instances of staging-connector: 3 at 2025-09-16 0");
    let draft = draft.says("/connectors/staging-connector?updateMask=");
    let draft = draft.says("validateOnly=true → 200");
    assert!(!draft.stdout.contains("Not looked up"), "{}", draft.stdout);
    // What is asked comes first, and what only polled is left out.
    let place = |text: &str| draft.stdout.find(text).unwrap_or_else(|| panic!("{text} is not in\n{}", draft.stdout));
    let order = ["Problem: ", "Question: ", "Impact:\n  before", "What was done, in UTC:", "Calls that changed"];
    assert!(order.is_sorted_by_key(|text| place(text)), "{}", draft.stdout);
    assert!(!draft.stdout.contains("  GET "), "{}", draft.stdout);
    assert!(!draft.stdout.contains("sim-password") && !draft.stdout.contains("sim-chat-token"));
    let json: serde_json::Value =
        serde_json::from_str(&desk.rectify(&["case", "--format", "json"]).code(0).stdout).unwrap();
    assert_eq!(json["priority"], "P2");
    assert!(json["timeline"].as_array().unwrap().len() > 10);
    let calls = json["calls"].as_array().unwrap();
    let writes = calls.iter().filter(|call| call["method"] == "PATCH" && call["answer"] == "200");
    assert!(calls.len() > 100 && writes.count() >= 4, "{} calls", calls.len());
}

/// What a scenario measures of quotas stands in the draft; what cannot be asked any more is named there.
#[test]
fn a_draft_has_the_quotas_and_says_what_it_could_not_look_up() {
    let desk = Desk::new();
    let mut text = std::fs::read_to_string(SCENARIO).unwrap();
    for (name, value) in [("limit", 10), ("allocation/usage", 9)] {
        let metric = format!("serviceruntime.googleapis.com/quota/{name}");
        let of = "vpcaccess.googleapis.com";
        let labels = format!("{{ quota_metric = \"{of}/connectors\" }}");
        let table =
            format!("[[measurements]]\nmetric = \"{metric}\"\nof = \"{of}\"\nvalue = {value}\nlabels = {labels}");
        text = format!("{text}\n{table}\n");
    }
    let cloud = Served::start(&desk, &desk.write("measured.sim.toml", &text), "max");
    failed_run(&desk, &cloud);
    let of = "vpcaccess.googleapis.com quota_metric=vpcaccess.googleapis.com/connectors";
    let draft = desk.rectify(&["case"]).code(0);
    let draft = draft.says(&format!("Quotas:\n  serviceruntime.googleapis.com/quota/limit of {of}: 10 at "));
    draft.says(&format!("serviceruntime.googleapis.com/quota/allocation/usage of {of}: 9 at "));
    drop(cloud);
    let draft =
        desk.rectify(&["case"]).code(0).says("Not looked up:\n  project number, metrics and quotas: no simulated");
    draft
        .says("Calls that changed something or failed, in UTC:")
        .says("deploy-auth (gcp.run.service netra-auth-staging): sent");
}

/// The log of a run has every call and no secret, is for its owner only, and is told on stderr to who asks.
#[test]
fn every_call_is_logged_and_no_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let flags = ["--yes", "--acknowledge", "scale-connector"];
    let done = desk.rectify(&[&["-v", "run", &runbook], &SIM[..], &flags[..]].concat()).code(0);
    let patch = done.stderr.lines().find(|line| line.contains("PATCH") && line.contains("/connectors/")).unwrap();
    assert!(patch.starts_with("2025-09-16T03:") && patch.contains("status=200"), "{patch}");
    assert!(!done.stderr.contains("rectify::journal"), "that is for -vv");
    let log = desk.run_directory().join("log.jsonl");
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // What was asked while planning, before there was a run, is there too.
    assert!(text.contains("testIamPermissions") && text.contains("rectify::journal"), "{text}");
    let journaled = lines.iter().filter(|line| line["target"] == "rectify::journal").count();
    assert_eq!(journaled, desk.journal().len());
    assert!(!text.contains("sim-password") && !text.contains("sim-chat-token"));
    let quiet = desk.rectify(&["runs"]).code(0);
    assert_eq!(quiet.stderr, "");
}

/// A run asks by itself whether to go on: before it stops, and while it waits. It acts on none of it.
#[test]
fn a_run_says_whether_to_call_google_and_why() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[AUTH_NEVER_WELL]);
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let done = desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(1);
    let (before, _) = done.stdout.split_once("deploy-auth failed").unwrap();
    let (waited, failed) = before.split_once("can no longer be healthy").unwrap();
    assert!(waited.contains("escalation: undecided: when the incident began is not known"), "while it waits: {waited}");
    assert!(failed.contains("escalation: undecided: "), "before anything is asked: {failed}");
    desk.rectify(&["report", "--format", "markdown"]).code(0).says("### Escalation checks").says("auth is up");
    desk.rectify(&["verify"]).code(0);

    // Older than `after`, what does not hold escalates.
    let desk = Desk::new();
    let runbook = desk.flagship(&[AUTH_NEVER_WELL, ("after = \"2h\" ", "after = \"10m\" ")]);
    let done = desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(1);
    done.says("escalation: escalate: the incident is older than 10m").says("drafts what to tell Google");
}

/// When the incident began is said once: the run knows it, whoever asks of the run later, and the draft for Google.
#[test]
fn when_the_incident_began_survives_hand_overs() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[AUTH_NEVER_WELL]);
    let began = ["--input", "incident_began=2025-09-16T01:10:00Z"];
    let flags = [&["run", &runbook], &SIM[..], &began[..], &["--yes", "--acknowledge", "scale-connector"]].concat();
    let done = desk.rectify(&flags).code(1);
    done.says("escalation: escalate: the incident is older than 2h, and this does not hold: auth is up");
    let done = desk.rectify(&["escalation", &runbook, "--run"]).code(5);
    done.says("ESCALATE: the incident is older than 2h");
    desk.rectify(&["escalation", &runbook, "--run", "--since", "2025-09-16T03:10:00Z"]).code(4).says("undecided");
    desk.rectify(&["case"]).code(0).says("The incident began 2025-09-16 01:10:00Z.");
}

/// What must hold for the end of the incident is judged when the work is done, and changes neither outcome nor exit code.
#[test]
fn the_end_of_the_incident_is_judged_and_ticked_off() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let closing = "condition = 'probes.saturation.observation.value < 0.95'";
    let runbook = desk.flagship(&[(closing, "condition = 'probes.saturation.observation.value < 0.01'")]);
    let done = desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(0).says("✓ done");
    done.says("before the incident is closed").says("✗ the connector has room: does not hold");
    let text = desk.rectify(&["report", "--format", "markdown"]).code(0);
    let text = text.says("- [x] log in, ask, and get the five events in order: holds");
    text.says("- [ ] the connector has room: does not hold").says("### Log excerpts");
    desk.rectify(&["report", "--format", "html"]).code(0).says("<h2>Closure criteria</h2>");
}

/// A run that failed, on a cloud that can be asked about it afterwards.
fn failed_run(desk: &Desk, cloud: &Served) {
    let runbook = desk.flagship(&[AUTH_NEVER_WELL]);
    desk.rectify(&["run", &runbook, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]).code(1);
}

fn cases(cloud: &Served) -> Vec<serde_json::Value> {
    let found = cloud.get("/v2/projects/netra-staging/cases:search");
    found["cases"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_case_is_opened_once_on_an_explicit_yes() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    failed_run(&desk, &cloud);
    desk.rectify(&["case"]).code(0).says("VPC connector exhaustion");
    assert!(cases(&cloud).is_empty(), "a draft is no case");
    desk.rectify(&["case", "--send"]).code(0).says("opened projects/netra-staging/cases/");
    desk.rectify(&["case", "--send"])
        .code(0)
        .says("there is a case of this run already: projects/netra-staging/cases/");
    let opened = cases(&cloud);
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(opened[0]["displayName"].as_str().unwrap().contains("[rectify-run-"), "{opened:?}");
    assert!(opened[0]["description"].as_str().unwrap().contains("What was done, in UTC:"), "{opened:?}");
    assert_eq!(opened[0]["priority"], "P2");
}

/// An answer that was lost is looked for: the case is not opened twice.
#[test]
fn a_case_whose_answer_was_lost_is_found_again() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    failed_run(&desk, &cloud);
    let lost =
        serde_json::json!({ "match": { "method": "POST", "path": "*/cases" }, "fault": { "reset": true }, "times": 1 });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(lost));
    desk.rectify(&["case", "--send"]).code(0).says("opened projects/netra-staging/cases/");
    assert_eq!(cases(&cloud).len(), 1);
}

#[test]
fn a_case_that_cannot_be_opened_is_left_as_a_draft() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string(SCENARIO).unwrap() + "\n[support]\ntier = \"none\"\n";
    let cloud = Served::start(&desk, &desk.write("no-tier.sim.toml", &scenario), "max");
    failed_run(&desk, &cloud);
    let done = desk.rectify(&["case", "--send"]).code(1).complains("no support service").complains("case.txt");
    assert!(done.stdout.contains("What was done, in UTC:"));
    assert!(desk.run_directory().join("case.txt").exists());
    // Edited first, by the editor that the environment names.
    let edited = desk.rectify_knowing(("EDITOR", "sed -i s/VPC/OUR/"), &["case", "--edit"]).code(0);
    edited.says("OUR connector exhaustion");
    desk.rectify_knowing(("EDITOR", "/nowhere"), &["case", "--edit"])
        .code(2)
        .complains("the editor /nowhere cannot be used");
}

/// Whoever asks at three in the morning has no id at hand: the run of this runbook on this cloud counts, and is named.
#[test]
fn the_newest_run_of_the_same_runbook_counts_unless_one_is_named() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let ask = |file: &str| desk.rectify(&["escalation", file, "--sim", &cloud.url]);
    let done = ask(FLAGSHIP).code(4).complains("No run of this runbook here is recent");
    done.says("the age of the incident is not known")
        .says("○ Google reports an incident here (escalate_now): does not hold");
    failed_run(&desk, &cloud);
    let id = desk.run_directory().file_name().unwrap().to_string_lossy().into_owned();
    let done = ask(FLAGSHIP);
    let done = done.complains(&format!("Compared with run {id}, the newest of this runbook here"));
    // Its beginning is the incident's, and what its probes saw before is what is compared with.
    assert!(!done.stdout.contains("the age of the incident is not known"), "{}", done.stdout);
    assert!(!done.stdout.contains("the connector is less busy than it was (continue): unknown"), "{}", done.stdout);
    // Another runbook's run is another incident's.
    let other = desk.flagship(&[("name        = \"connector-exhaustion\"", "name        = \"another\"")]);
    ask(&other).code(4).complains("No run of this runbook here is recent");
    // A rehearsal has a cloud of its own.
    escalation(&desk, &SIM).code(4).complains("No run of this runbook here is recent");
}

/// A rollback changes what was seen before it: what was healthy then is not ruled out, and no failure is told twice.
#[test]
fn a_draft_states_nothing_from_before_the_last_change() {
    let desk = Desk::new();
    let crashing = "runbooks/connector-exhaustion.crashing-image.sim.toml";
    let flags = ["--speed", "max", "--yes", "--skip", "scale-connector", "--on-failure", "rollback"];
    let run = desk.rectify(&[&["run", FLAGSHIP, "--sim", crashing], &flags[..]].concat());
    assert!(run.stdout.contains("undo deploy-auth"), "{}\n{}", run.stdout, run.stderr);
    let draft: serde_json::Value =
        serde_json::from_str(&desk.rectify(&["case", "--format", "json"]).code(0).stdout).unwrap();
    let events: Vec<serde_json::Value> = desk.journal();
    let changes = events.iter().filter(|line| line["event"]["is"] == "state_observed");
    let last_change = changes.filter_map(|line| line["at"].as_str()).max().unwrap();
    let last_change = &last_change[..19].replace('T', " ");
    for (probe, seen) in draft["last"].as_object().unwrap().iter().filter(|(probe, _)| *probe != "connector") {
        let at = seen.as_str().unwrap().rsplit_once("at ").unwrap().1;
        assert!(at >= last_change.as_str(), "{probe}: {seen}, and the last change was at {last_change}");
    }
    let told: Vec<&str> = draft["timeline"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect();
    let failures: Vec<&&str> = told.iter().filter(|what| what.contains("the operation failed")).collect();
    let mut once = failures.clone();
    once.dedup();
    assert_eq!(failures.len(), once.len(), "{told:#?}");
}

//! The flagship recovers the incident, and it is the runbook that does it.

use crate::support::{Desk, FLAGSHIP, SCENARIO};

const RUN: [&str; 7] = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];

#[test]
fn the_flagship_recovers_the_simulated_incident() {
    let desk = Desk::new();
    let done = desk.rectify(&[&["run", FLAGSHIP], &RUN[..]].concat()).code(0).says("✓ done in");
    assert!(
        done.stdout.contains("✓ healthy: 191 samples in a row rule out a failure rate of 2.0 % (95 %)"),
        "{}",
        done.stdout
    );
    assert_eq!(desk.ending(), serde_json::json!({"ending": "done", "failed": []}));

    let cloud = desk.cloud();
    let connector = &cloud["connectors"]["staging-connector"];
    assert_eq!(connector["machine_type"], "e2-standard-4");
    assert_eq!((connector["min_instances"].clone(), connector["max_instances"].clone()), (3.into(), 10.into()));
    desk.rectify(&["verify"]).code(0).says("plan and runbook are as they were written");
    desk.rectify(&["runs"]).code(0).says("sim    ops       done     47m 46s");
    desk.rectify(&["resume"]).code(2).complains("there is nothing to go on with");
}

#[test]
fn without_the_connector_step_it_does_not_recover() {
    let desk = Desk::new();
    let runbook = desk.flagship(&[(
        r#"[[phase.step]]
name = "scale-connector"
uses = "gcp.connector.scale"
irreversible = true                           # a connector grows and never shrinks: this step cannot be undone
with = { connector = "staging-connector", min_instances = 3, max_instances = 10, machine_type = "e2-standard-4" }
require = { unhealthy = ["saturation"] }
gate = { healthy = ["connector"], for = "1m", every = "5s", timeout = "20m" }
"#,
        "",
    )]);
    let done = desk.rectify(&["run", &runbook, "--sim", SCENARIO, "--speed", "max", "--yes"]).code(1);
    assert!(!done.stdout.contains("✓ healthy"), "{}", done.stdout);
    assert_eq!(desk.ending()["ending"], "stopped");
    assert_eq!(desk.ending()["task"], "deploy-auth");
    assert_eq!(done.stdout.matches("✓ applied").count(), 1, "a failed deploy is no success:\n{}", done.stdout);
    // The failed deploy took effect in part: its template is changed, and that is stated.
    done.says("applied: one-revision, deploy-auth (at least in part, although it failed)");
}

#[test]
fn a_run_is_told_again_from_its_journal_as_it_was_told_live() {
    let desk = Desk::new();
    let live = desk.rectify(&[&["run", FLAGSHIP], &RUN[..]].concat()).code(0).stdout;
    let told = desk.rectify(&["show"]).code(0).stdout;
    let (_, live) = live.split_once("\nrun ").unwrap();
    let (live, _) = live.split_once("\n\nrecovered: ").unwrap();
    assert_eq!(format!("run {live}"), told.trim_end());
}

/// The flagship's transcript is the same every time: simulated time is exact.
#[test]
fn the_transcript_of_the_flagship() {
    let desk = Desk::new();
    let done = desk.rectify(&[&["run", FLAGSHIP], &RUN[..]].concat()).code(0);
    insta::with_settings!({filters => vec![
        (r"(run|rollback|show|report) [0-9a-hjkmnp-tv-z]{10}\b", "$1 [run]"),
        (r"ops@\S+ \(pid \d+\)", "ops@[host] (pid [pid])"),
        (r"operation [0-9a-f-]{36}", "operation [operation]"),
    ]}, {
        insta::assert_snapshot!(done.stdout);
    });
}

/// What the README shows is what the program says: its lines stand in the transcript, in this order.
#[test]
fn the_readme_shows_a_real_run() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let (_, shown) = readme.split_once("<!-- transcript -->\n```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let snapshot = "tests/snapshots/promises__recovery__the_transcript_of_the_flagship.snap";
    let real = std::fs::read_to_string(snapshot).unwrap();
    let mut rest = real.lines();
    for line in shown.lines().filter(|line| !line.is_empty()) {
        assert!(rest.any(|real| real == line), "the README shows {line:?}, which no run says there");
    }
}

/// The second shipped runbook: nothing recovers by waiting, and moving the traffic back does it.
#[test]
fn a_bad_revision_gives_its_traffic_back() {
    let desk = Desk::new();
    let runbook = "runbooks/bad-revision.toml";
    let sick = std::fs::read_to_string(runbook).unwrap();
    let (head, rest) = sick.split_once("[[phase]]\nname   = \"back\"").unwrap();
    let (_, prove) = rest.split_once("[[phase]]\nname   = \"prove\"").unwrap();
    let waiting = desk.write("waiting.toml", &format!("{head}[[phase]]\nname   = \"prove\"{prove}"));
    let scenario = std::fs::canonicalize("runbooks/bad-revision.sim.toml").unwrap().display().to_string();
    let flags = ["--yes", "--speed", "max", "--on-failure", "stop"];
    desk.rectify(&[&["run", &waiting, "--sim", &scenario], &flags[..]].concat())
        .code(1)
        .says("`checkout` can no longer be healthy");
    let done = desk.rectify(&[&["run", runbook, "--sim"], &flags[..]].concat()).code(0);
    done.says("checkout-00041-kez 100 %")
        .says("✓ healthy: 212 samples in a row rule out a failure rate of 1.8 % (95 %)")
        .says("✓ done");
}

/// The list says who, where, how it ended and how long it took, also to programs; and can be narrowed.
#[test]
fn runs_are_listed_narrowed_and_read_by_programs() {
    let desk = Desk::new();
    let flags = ["--sim", "--speed", "max", "--yes", "--on-failure", "stop"];
    desk.rectify(&[&["run", "runbooks/bad-revision.toml"], &flags[..]].concat()).code(0);
    let listed = desk.rectify(&["runs"]).code(0);
    let listed = listed.says("OPERATOR  OUTCOME  DURATION");
    listed.says("bad-revision  shop-staging/us-central1  sim    ops       done     ");
    let json = |flags: &[&str]| {
        let done = desk.rectify(&[&["runs", "--format", "json"], flags].concat()).code(0);
        serde_json::from_str::<Vec<serde_json::Value>>(&done.stdout).unwrap()
    };
    let all = json(&[]);
    assert_eq!(all.len(), 1);
    for (key, value) in [("runbook", "bad-revision"), ("outcome", "done"), ("cloud", "sim"), ("region", "us-central1")]
    {
        assert_eq!(all[0][key], value, "{all:#?}");
    }
    assert_eq!((&all[0]["operator"]["user"], &all[0]["is_resumable"]), (&"ops".into(), &false.into()));
    assert!(all[0]["duration"].is_string() && all[0]["simulated"].as_str().unwrap().starts_with("2026-03-02T"));
    for (flags, count) in [
        (&["--runbook", "bad-revision"][..], 1),
        (&["--runbook", "connector-exhaustion"], 0),
        (&["--outcome", "stuck", "--outcome", "done"], 1),
        (&["--outcome", "stopped"], 0),
        (&["--since", "1d"], 1),
        (&["--since", "2999-01-01"], 0),
    ] {
        assert_eq!(json(flags).len(), count, "{flags:?}");
    }
    desk.rectify(&["runs", "--outcome", "stuck"]).code(0).says("None of the 1 runs is like this.");
    desk.rectify(&["runs", "--since", "yesterday"]).code(2).complains("such as");
}

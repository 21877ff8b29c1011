//! Killed at the worst moment, a run applies nothing twice and forgets nothing.

use std::fs;
use std::path::Path;

use crate::support::{AUTH_NEVER_WELL, Desk, SCENARIO, Served, until};

#[test]
fn killed_in_the_middle_of_the_connectors_operation_nothing_is_applied_twice() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let runbook = desk.flagship_before("services");
    let flags = ["--sim", cloud.url.as_str(), "--yes", "--acknowledge", "scale-connector"];
    let mut run = desk.spawn(&[&["run", &runbook], &flags[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    assert_eq!(cloud.get("/_sim/state")["connectors"]["staging-connector"]["state"], "UPDATING");
    cloud.hurry();
    desk.rectify(&["runs"]).code(0).says("interrupted, can be resumed");

    let done = desk.rectify(&["resume", "--yes", "--acknowledge", "scale-connector"]).code(0);
    done.says("resumed by ops").says("✓ done");
    let connector: Vec<_> = cloud.writes().into_iter().filter(|write| write.contains("/connectors/")).collect();
    assert_eq!(connector.len(), 1, "{connector:?}");
    assert_eq!(cloud.get("/_sim/state")["connectors"]["staging-connector"]["maxInstances"], 10);
    desk.rectify(&["verify"]).code(0).says("as they were written");
}

#[test]
fn a_killed_rehearsal_goes_on_with_its_own_cloud() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let approved = ["--yes", "--acknowledge", "scale-connector"];
    let sim = ["run", runbook.as_str(), "--sim", SCENARIO, "--speed", "1"];
    let mut run = desk.spawn(&[&sim[..], &approved[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    desk.rectify(&[&["resume", "--speed", "max"], &approved[..]].concat()).code(0).says("✓ done");
    let intents = desk.journal().iter().filter(|entry| entry["event"]["is"] == "intended").count();
    assert_eq!(intents, 2, "one intent for each of the two changes");
    assert_eq!(desk.cloud()["connectors"]["staging-connector"]["max_instances"], 10);
}

#[test]
fn a_torn_line_is_told_and_cut_off_and_a_changed_one_is_refused() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let arguments =
        ["run", runbook.as_str(), "--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&arguments).code(0).says("✓ done");
    let journal = desk.run_directory().join("journal.jsonl");
    let whole = fs::read(&journal).unwrap();

    let torn = [&whole[..], b"{\"seq\":"].concat();
    fs::write(&journal, &torn).unwrap();
    desk.rectify(&["verify"]).code(0).complains("was never finished");
    // A preview writes nothing, so it cuts nothing off.
    desk.rectify(&["rollback", "--dry-run"]).code(0);
    assert_eq!(fs::read(&journal).unwrap(), torn);

    // The end of an entry that was finished is not a torn one.
    fs::write(&journal, &whole[..whole.len() - 10]).unwrap();
    desk.rectify(&["verify"]).code(1).complains("the last 1 of its");

    let mut changed = whole.clone();
    let place = whole.len() / 2;
    changed[place] = if changed[place] == b'1' { b'2' } else { b'1' };
    fs::write(&journal, &changed).unwrap();
    desk.rectify(&["verify"]).code(1).complains("does not fit the lines before it");
    desk.rectify(&["resume", "--yes"]).code(1).complains("does not fit the lines before it");

    fs::write(&journal, &torn).unwrap();
    desk.rectify(&["rollback", "--yes"]).complains("was never finished");
    assert!(fs::read(&journal).unwrap().starts_with(&whole));
    assert!(!desk.rectify(&["verify"]).code(0).stderr.contains("was never finished"));
}

#[test]
fn a_plan_that_was_changed_after_the_run_began_is_not_gone_on_with() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let sim = ["--sim", SCENARIO, "--speed", "1", "--yes", "--acknowledge", "scale-connector"];
    let mut run = desk.spawn(&[&["run", &runbook], &sim[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    let plan = desk.run_directory().join("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("00750-69k", "00749-6tr")).unwrap();
    for arguments in [&["verify"][..], &["resume", "--yes"], &["rollback", "--yes"]] {
        desk.rectify(arguments).code(1).complains("was changed after the run began");
    }
}

#[test]
fn a_run_is_worked_by_one_process_at_a_time() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let sim = ["--sim", SCENARIO, "--speed", "1", "--yes", "--acknowledge", "scale-connector"];
    let run = desk.spawn(&[&["run", &runbook], &sim[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    desk.rectify(&["resume", "--yes"]).code(7).complains("is being worked right now by ops@");
    desk.rectify(&["runs"]).code(0).says("running");
    drop(run);
}

#[test]
fn a_signal_parks_the_run_and_leaves_the_operation_to_be_attached_to() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let runbook = desk.flagship_before("services");
    let flags = ["--sim", cloud.url.as_str(), "--yes", "--acknowledge", "scale-connector"];
    for signal in ["TERM", "HUP", "INT"] {
        if desk.path("rectify").exists() {
            let before = desk.journal().len();
            let run = desk.spawn(&["resume", "--yes", "--acknowledge", "scale-connector"]);
            until("the resumed run", || desk.journal().len() > before);
            run.signal(signal);
            run.end().code(130).says("continues from here");
        } else {
            let run = desk.spawn(&[&["run", &runbook], &flags[..]].concat());
            until("the connector's operation", || desk.journal_has("operation_started"));
            run.signal(signal);
            run.end().code(130).says("in flight: scale-connector/apply; it goes on in the cloud meanwhile");
        }
    }
    cloud.hurry();
    desk.rectify(&["resume", "--yes", "--acknowledge", "scale-connector"]).code(0).says("✓ done");
    assert_eq!(cloud.writes().iter().filter(|write| write.contains("/connectors/")).count(), 1);
}

/// A second terminal follows the run to its end, and leaves it alone.
#[test]
fn a_run_is_followed_from_another_terminal() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let runbook = desk.flagship_before("services");
    let run = desk.spawn(&["run", &runbook, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]);
    until("the connector's operation", || desk.journal_has("operation_started"));
    desk.rectify(&["show"]).code(0).says("The run is being worked right now.");
    let leaver = desk.spawn(&["show", "--watch"]);
    leaver.signal("INT");
    let follower = desk.spawn(&["show", "--watch"]);
    cloud.hurry();
    let told = follower.end().code(0).says("✓ healthy").says("✓ done in").stdout;
    assert_eq!(told, desk.rectify(&["show"]).code(0).stdout, "it is told once, and whole");
    run.end().code(0);
    drop(leaver);
}

/// Whoever asks twice means it: the program goes at once, and what it had sent is found again.
#[test]
fn a_second_signal_does_not_wait_for_a_write() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let slow = serde_json::json!({
        "match": { "method": "PATCH", "path": "*/connectors/*" }, "fault": { "latency": "10m" }, "times": 1,
    });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(slow));
    let runbook = desk.flagship_before("services");
    let run = desk.spawn(&["run", &runbook, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]);
    let is_sent = || cloud.get("/_sim/state")["connectors"]["staging-connector"]["state"] == "UPDATING";
    until("the connector's operation", is_sent);
    run.signal("INT");
    // The first one waits for the answer to the write. That it has been heard cannot be seen from outside.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!desk.journal_has("stop_requested"));
    run.signal("INT");
    run.end().code(130);
    cloud.hurry();
    let done = desk.rectify(&["resume", "--yes", "--acknowledge", "scale-connector"]).code(0).says("✓ done");
    done.says("accepted, operation");
    // The first one was never answered, and so does not stand among the requests.
    assert!(!cloud.writes().iter().any(|write| write.contains("/connectors/")), "{:?}", cloud.writes());
    assert_eq!(cloud.get("/_sim/state")["connectors"]["staging-connector"]["maxInstances"], 10);
}

/// Keeps the runs of this version anew: one that recovers, and one that is rolled back.
fn keep_runs(version: &Path) {
    let _ = fs::remove_dir_all(version);
    fs::create_dir_all(version).unwrap();
    for edits in [&[][..], &[AUTH_NEVER_WELL]] {
        let desk = Desk::new();
        let runbook = desk.flagship(edits);
        let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
        desk.rectify(&[&["run", &runbook], &flags[..]].concat()).code(i32::from(!edits.is_empty()));
        let run = desk.run_directory();
        let id = run.file_name().unwrap().to_string_lossy().into_owned();
        fs::create_dir(version.join(&id)).unwrap();
        for name in
            ["journal.end", "journal.jsonl", "plan.json", "remaining.sh", "runbook.toml", "undo.sh", "where.json"]
        {
            fs::copy(run.join(name), version.join(&id).join(name)).unwrap();
        }
        fs::write(version.join(format!("{id}.txt")), desk.rectify(&["show", &id]).code(0).stdout).unwrap();
    }
}

/// Runs of every version that was released are shown by today's program as they were shown then. The versions before the
/// first release are kept anew with `UPDATE_JOURNALS=1`.
#[test]
fn runs_of_released_versions_are_told() {
    if std::env::var_os("UPDATE_JOURNALS").is_some() {
        keep_runs(Path::new("tests/journals/0.1.0"));
    }
    for version in fs::read_dir("tests/journals").unwrap() {
        let (version, desk) = (version.unwrap().path(), Desk::new());
        for run in fs::read_dir(&version).unwrap().map(|run| run.unwrap().path()).filter(|run| run.is_dir()) {
            let there = desk.path("rectify/runs").join(run.file_name().unwrap());
            fs::create_dir_all(&there).unwrap();
            for file in fs::read_dir(&run).unwrap().map(|file| file.unwrap().path()) {
                fs::copy(&file, there.join(file.file_name().unwrap())).unwrap();
            }
            let id = run.file_name().unwrap().to_string_lossy().into_owned();
            let told = desk.rectify(&["show", &id]).code(0).stdout;
            assert_eq!(told, fs::read_to_string(version.join(format!("{id}.txt"))).unwrap(), "{}", run.display());
            desk.rectify(&["verify", &id]).code(0).says("as they were written");
            desk.rectify(&["report", &id, "--format", "markdown"]).code(0);
            desk.rectify(&["export", &id, "--undo", "--as", "gcloud"]).code(0).says("by hand");
        }
    }
}

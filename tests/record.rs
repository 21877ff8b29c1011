//! A run's record, its locks, and which run is meant: what is missing or unreadable is never taken for good.

use std::fs;
use std::path::PathBuf;

use crate::support::{Desk, Done, SCENARIO, Served, until};

const APPROVED: [&str; 3] = ["--yes", "--acknowledge", "scale-connector"];

fn run_on(desk: &Desk, file: &str, cloud: &str) -> Done {
    desk.rectify(&[&["run", file, "--sim", cloud], &APPROVED[..]].concat())
}

/// A run on a served cloud that was killed in the middle of its first write.
fn interrupted(desk: &Desk, cloud: &Served) -> String {
    let file = desk.flagship_before("services");
    let mut run = desk.spawn(&[&["run", file.as_str(), "--sim", &cloud.url], &APPROVED[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    file
}

fn id(desk: &Desk) -> String {
    desk.run_directory().file_name().unwrap().to_string_lossy().into_owned()
}

/// The ids of all runs.
fn ids(desk: &Desk) -> Vec<String> {
    let runs = fs::read_dir(desk.path("rectify/runs")).unwrap();
    runs.map(|run| run.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn locks(desk: &Desk) -> Vec<PathBuf> {
    let locks = fs::read_dir(desk.path("rectify/locks"));
    locks.map(|locks| locks.map(|lock| lock.unwrap().path()).collect()).unwrap_or_default()
}

/// Whatever is taken from the end of a finished run's journal: it is noticed, and nobody goes on from it.
#[test]
fn missing_last_lines_are_noticed_by_everybody() {
    let desk = Desk::new();
    let file = desk.flagship_before("services");
    desk.rectify(&[&["run", file.as_str(), "--sim", SCENARIO, "--speed", "max"], &APPROVED[..]].concat()).code(0);
    desk.rectify(&["verify"]).code(0).says("none is missing");
    let journal = desk.run_directory().join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let first_write = lines.iter().position(|line| line.contains("\"is\":\"intended\"")).unwrap();
    for kept in [0, 1, first_write, lines.len() - 1] {
        fs::write(&journal, lines[..kept].concat()).unwrap();
        let missing = format!("the last {} of its {} lines are missing", lines.len() - kept, lines.len());
        for command in [
            &["verify"][..],
            &["resume", "--yes"],
            &["rollback", "--dry-run"],
            &["rollback", "--yes"],
            &["show"],
            &["export"],
        ] {
            desk.rectify(command).code(1).complains(&missing);
        }
        desk.rectify(&["runs"]).code(0).says(&format!("damaged: {missing}"));
        desk.rectify(&["report"]).code(0).says(&missing);
        desk.rectify(&["debts", "--sim"]).code(1).says(&missing);
    }
    fs::remove_file(&journal).unwrap();
    desk.rectify(&["verify"]).code(1).complains("lines are missing");
    fs::write(&journal, &whole).unwrap();
    desk.rectify(&["verify"]).code(0);
    fs::remove_file(desk.run_directory().join("journal.end")).unwrap();
    desk.rectify(&["verify"]).code(1).complains("journal.end, which says how many lines it has, is missing");
}

/// A cloud that was swapped is noticed like a plan that was changed; another speed is none.
#[test]
fn the_cloud_of_a_run_is_part_of_its_record() {
    let desk = Desk::new();
    let file = desk.flagship_before("services");
    let mut run = desk.spawn(&[&["run", file.as_str(), "--sim", SCENARIO, "--speed", "1"], &APPROVED[..]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    let place = desk.run_directory().join("where.json");
    let whole = fs::read_to_string(&place).unwrap();
    fs::write(&place, "{\"at\":\"google\"}").unwrap();
    for command in [&["verify"][..], &["resume", "--yes"], &["rollback", "--yes"]] {
        desk.rectify(command).code(1).complains("where.json was changed after the run began");
    }
    fs::write(&place, whole).unwrap();
    desk.rectify(&[&["resume", "--speed", "max"], &APPROVED[..]].concat()).code(0);
    desk.rectify(&["verify"]).code(0);
}

/// A rehearsal that was interrupted is in nobody's way: not of another rehearsal, and not of a run on another cloud.
#[test]
fn a_rehearsal_blocks_nobody() {
    let desk = Desk::new();
    let file = desk.flagship_before("services");
    let rehearse = [&["run", file.as_str(), "--sim", SCENARIO], &APPROVED[..]].concat();
    let mut run = desk.spawn(&[&rehearse[..], &["--speed", "1"]].concat());
    until("the connector's operation", || desk.journal_has("operation_started"));
    run.kill();
    assert!(locks(&desk).is_empty());
    desk.rectify(&[&rehearse[..], &["--speed", "max"]].concat()).code(0);
    let cloud = Served::start(&desk, SCENARIO, "max");
    run_on(&desk, &file, &cloud.url).code(0);
}

/// A run on one served cloud is not in the way of one on another.
#[test]
fn a_served_cloud_has_locks_of_its_own() {
    let desk = Desk::new();
    let (one, other) = (Served::start(&desk, SCENARIO, "1"), {
        let elsewhere = Desk::new();
        let other = Served::start(&elsewhere, SCENARIO, "max");
        (other, elsewhere)
    });
    let file = interrupted(&desk, &one);
    run_on(&desk, &file, &one.url).code(7).complains("is held by run");
    run_on(&desk, &file, &other.0.url).code(0);
}

/// Which run is meant without a word: never a rehearsal if there is another one, and it is said when there is not.
#[test]
fn a_rehearsal_never_stands_in_for_another_run() {
    let desk = Desk::new();
    desk.rectify(&["show"]).code(2).complains("there are no runs yet");
    let file = desk.flagship_before("services");
    let rehearse = [&["run", file.as_str(), "--sim", SCENARIO, "--speed", "max"], &APPROVED[..]].concat();
    desk.rectify(&rehearse).code(0);
    let rehearsal = id(&desk);
    desk.rectify(&["show"])
        .code(0)
        .complains(&format!("Run {rehearsal} is a rehearsal; there is no run on Google Cloud."));
    let cloud = Served::start(&desk, SCENARIO, "max");
    run_on(&desk, &file, &cloud.url).code(0);
    let served = ids(&desk).into_iter().find(|id| *id != rehearsal).unwrap();
    desk.rectify(&rehearse).code(0);
    let newest = ids(&desk).into_iter().find(|id| *id != rehearsal && *id != served).unwrap();
    for command in ["show", "report", "verify", "export"] {
        let done = desk.rectify(&[command]).code(0);
        done.complains(&format!("Run {served} is meant, not the newer rehearsal {newest}"));
    }
    desk.rectify(&["verify", "--sim"]).code(0).says(&newest);
    desk.rectify(&["verify"]).code(0).says(&served);
    desk.rectify(&["verify", &rehearsal]).code(0).says(&rehearsal);
    desk.rectify(&["verify", "--sim", &rehearsal]).code(2);
    // The one that is listed first is no rehearsal.
    let listed = desk.rectify(&["runs"]).code(0).stdout;
    let (runs, rehearsals) = listed.split_once("\nRehearsals\n").unwrap();
    assert!(runs.contains(&served) && !runs.contains(&newest), "{listed}");
    assert!(
        rehearsals.contains(&newest) && rehearsals.contains(&rehearsal) && !rehearsals.contains(&served),
        "{listed}"
    );
    let heads: Vec<&str> =
        rehearsals.lines().next().unwrap().split("  ").filter(|head| !head.is_empty()).map(str::trim).collect();
    assert_eq!(
        heads,
        ["RUN", "STARTED (UTC)", "SIMULATED TIME", "RUNBOOK", "TARGET", "CLOUD", "OPERATOR", "OUTCOME", "DURATION"]
    );
    let row = rehearsals.lines().nth(1).unwrap();
    assert!(
        row.contains("  2025-09-16 03:00  connector-exhaustion  netra-staging/us-central1  sim    ops       done     "),
        "{row}"
    );
    // What rehearsals leave behind is listed apart, and does not count.
    let debts = desk.rectify(&["debts"]).code(0).stdout;
    let (_, apart) = debts.split_once("\nRehearsals, which do not count here").unwrap();
    assert!(apart.contains(&newest) && !apart.contains(&served), "{debts}");
    let debts = desk.rectify(&["debts", "--sim"]).code(0).stdout;
    assert!(debts.contains(&newest) && !debts.contains(&served), "{debts}");
}

/// A lock that cannot be read is somebody's, until somebody says that it is not.
#[test]
fn a_damaged_lock_is_held_and_can_be_taken_away_by_its_file() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let file = interrupted(&desk, &cloud);
    let run = id(&desk);
    let locks = locks(&desk);
    for lock in &locks {
        fs::write(lock, "").unwrap();
    }
    let refused = run_on(&desk, &file, &cloud.url).code(7).complains("cannot be read");
    assert!(
        locks.iter().any(|lock| refused.stderr.contains(&format!("rectify unlock {}", lock.display()))),
        "{}",
        refused.stderr
    );
    assert_eq!(ids(&desk), std::slice::from_ref(&run), "what was refused leaves nothing");
    desk.rectify(&["unlock", &run]).code(0).says("holds nothing").complains("it is not known whose it is");
    for lock in &locks {
        desk.rectify(&["unlock", &lock.display().to_string()]).code(0).says("which could not be read, is gone");
    }
    cloud.hurry();
    desk.rectify(&[&["resume"], &APPROVED[..]].concat()).code(0);
}

/// The run is gone, its locks are not: they can be taken away by its id, and by the resource.
#[test]
fn locks_outlive_their_run_and_can_be_taken_away_without_it() {
    let connector = "gcp.connector/netra-staging/us-central1/staging-connector";
    for by in ["the run", "the resource", "the file"] {
        let desk = Desk::new();
        let cloud = Served::start(&desk, SCENARIO, "1");
        let file = interrupted(&desk, &cloud);
        let run = id(&desk);
        fs::remove_dir_all(desk.run_directory()).unwrap();
        cloud.hurry();
        let refused = run_on(&desk, &file, &cloud.url).code(7).complains(&format!("there is no record of run {run}"));
        refused.complains(&format!("rectify unlock {run}"));
        desk.rectify(&["unlock"]).code(2).complains(connector);
        desk.rectify(&["unlock", "zzzz"]).code(2);
        desk.rectify(&["unlock", "gcp.connector/netra-staging/us-central1/other"]).code(2).complains(connector);
        let what = match by {
            "the run" => run[..4].to_owned(),
            "the resource" => connector.to_owned(),
            _ => locks(&desk)
                .into_iter()
                .find(|lock| fs::read_to_string(lock).unwrap().contains("gcp.connector"))
                .unwrap()
                .display()
                .to_string(),
        };
        desk.rectify(&["unlock", &what]).code(0).says(&format!("run {run} held"));
        if by != "the run" {
            desk.rectify(&["unlock", &run]).code(0);
        }
        assert!(locks(&desk).is_empty());
    }
}

/// A run never calls itself resumable when the engine would not go on from its journal.
#[test]
fn what_cannot_be_resumed_is_not_called_resumable() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    interrupted(&desk, &cloud);
    desk.rectify(&["runs"]).code(0).says("interrupted, can be resumed");
    let plan = desk.run_directory().join("plan.json");
    let whole = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, whole.replace("00750-69k", "00749-6tr")).unwrap();
    let listed = desk.rectify(&["runs"]).code(0).says("interrupted; cannot be resumed: ").stdout;
    assert!(!listed.contains("can be resumed"), "{listed}");
    fs::write(&plan, "{").unwrap();
    let listed = desk.rectify(&["runs"]).code(0).says("cannot be read").stdout;
    assert!(!listed.contains("can be resumed"), "{listed}");
}

/// A state directory that cannot be written stops a run before it holds anything.
#[test]
fn a_run_that_cannot_keep_its_record_leaves_no_lock() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let file = desk.flagship_before("services");
    fs::create_dir_all(desk.path("rectify")).unwrap();
    // Where the locks would lie is a file: they cannot be taken, after everything else could.
    fs::write(desk.path("rectify/locks"), "").unwrap();
    run_on(&desk, &file, &cloud.url).code(7).complains("locks is not a directory");
    let trusting = [&["run", file.as_str(), "--sim", &cloud.url, "--trust-state"], &APPROVED[..]].concat();
    desk.rectify(&trusting).code(1).complains("locks cannot be kept");
    assert!(ids(&desk).is_empty(), "{:?}", ids(&desk));
    desk.rectify(&["runs", "--trust-state"]).code(0).says("There are no runs yet.");
    fs::remove_file(desk.path("rectify/locks")).unwrap();
    run_on(&desk, &file, &cloud.url).code(0);
    assert!(locks(&desk).is_empty());
}

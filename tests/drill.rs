//! Whatever goes wrong with a shipped runbook, what its run says of itself is so.
//!
//! The paths are those of `docs/fault-model.md`. `cargo test` works a sample of them, spread evenly; `DRILL_EVERY=1` works all:
//!
//!     DRILL_EVERY=1 cargo test --test promises drill:: -- --nocapture

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path as FilePath;

use rectify::cli::exit_code;
use rectify::drill::{Coverage, Path, Place, Prepared, Report, Setting, WriteFault, sweep, text};
use rectify::run::OnFailure;

use crate::support::sound_past;

/// How many paths of each drill are worked unless all are asked for.
const SAMPLE: usize = 28;
/// Of how many paths with something wrong the journal is shown.
const SHOWN: usize = 3;

/// Each how many-th path is worked. An odd step meets every fault and everything that is asked for after it.
fn step(paths: usize) -> usize {
    let asked = std::env::var("DRILL_EVERY").ok().map(|every| every.parse::<usize>().unwrap());
    asked.unwrap_or((paths / SAMPLE) | 1).max(1)
}

#[expect(clippy::print_stdout, reason = "the table is what a drill is worked for")]
async fn drill(setting: Setting<'_>) {
    let prepared = Prepared::of(setting, exit_code).await.unwrap_or_else(|error| panic!("{error}"));
    let all = prepared.paths();
    let step = step(all.len());
    let paths: Vec<Path> = all.iter().step_by(step).cloned().collect();
    let least = if step == 1 { all.len() } else { SAMPLE / 2 };
    assert!(paths.len() >= least, "only {} paths are worked", paths.len());
    let results = sweep(&prepared, &paths, NonZeroUsize::MIN, |_| ()).unwrap_or_else(|error| panic!("{error}"));
    let mut wrong = Vec::new();
    for (path, result) in paths.iter().zip(&results).filter(|(_, result)| !result.wrong.is_empty()) {
        let mut text = format!("{path}: {}\n  {}\n", result.rests.join(" → "), result.wrong.join("\n  "));
        if wrong.len() < SHOWN {
            let lines = result.journal.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n");
            text.extend(lines);
        }
        wrong.push(text);
    }
    println!("{}: each {step}. of {} paths", setting.name, all.len());
    println!("{}", text(&Report::new(&prepared, results, all.len(), &[]), 120));
    assert!(wrong.is_empty(), "{}: {} paths with something wrong\n\n{}", setting.name, wrong.len(), wrong.join("\n"));
}

async fn shipped(name: &str) {
    let runbook = fs::read_to_string(format!("runbooks/{name}.toml")).unwrap();
    let scenario = fs::read_to_string(format!("runbooks/{name}.sim.toml")).unwrap();
    drill(Setting { name, runbook: &runbook, scenario: &scenario, on_failure: None, coverage: Coverage::Every }).await;
}

#[tokio::test]
async fn a_bad_revision() {
    shipped("bad-revision").await;
}

#[tokio::test]
async fn exhausted_database_connections() {
    shipped("sql-connections").await;
}

#[tokio::test]
async fn an_exhausted_connector() {
    shipped("connector-exhaustion").await;
}

/// The same where every failure is rolled back at once, to a past that is worth going back to.
#[tokio::test]
async fn an_exhausted_connector_that_is_rolled_back() {
    let runbook = fs::read_to_string("runbooks/connector-exhaustion.toml").unwrap();
    let (scenario, on_failure) = (sound_past(), Some(OnFailure::Rollback));
    let name = "connector-exhaustion, every failure rolled back";
    drill(Setting { name, runbook: &runbook, scenario: &scenario, on_failure, coverage: Coverage::Every }).await;
}

/// The spec is written and the status routes otherwise: nobody needs to be asked about that.
#[tokio::test]
async fn traffic_that_is_written_and_not_routed_is_sent_again_within_the_run() {
    let runbook = fs::read_to_string("runbooks/bad-revision.toml").unwrap();
    let scenario = fs::read_to_string("runbooks/bad-revision.sim.toml").unwrap();
    let setting = Setting {
        name: "bad-revision",
        runbook: &runbook,
        scenario: &scenario,
        on_failure: None,
        coverage: Coverage::Every,
    };
    let prepared = Prepared::of(setting, exit_code).await.unwrap();
    let bench = prepared.bench().await.unwrap();
    for (op, ending) in [("traffic-back/apply", "done"), ("traffic-back/undo", "rolled back")] {
        let unclear = |path: &&Path| match &path.place {
            Place::Write { op: at, fault } => at.to_string() == op && *fault == WriteFault::OperationUnclear,
            _ => false,
        };
        let paths = prepared.paths();
        let outcome = prepared.work(&bench, paths.iter().find(unclear).unwrap()).await.unwrap();
        assert_eq!(outcome.rests[0].to_string(), ending, "{op}");
        assert!(outcome.wrong.is_empty(), "{:?}", outcome.wrong);
    }
}

/// Steps of `gcp.call` with and without `done_when`, and of `gcp.set` of a secret: what their runs keep beside the journal is there for
/// whoever goes on with them.
#[tokio::test]
async fn calls_and_values_of_any_resource() {
    let name = "calls-and-values";
    let runbook = fs::read_to_string("tests/resources/calls-and-values.toml").unwrap();
    let scenario = fs::read_to_string("tests/resources/calls-and-values.sim.toml").unwrap();
    let setting =
        Setting { name, runbook: &runbook, scenario: &scenario, on_failure: None, coverage: Coverage::Representative };
    drill(setting).await;
    let setting =
        Setting { name, runbook: &runbook, scenario: &scenario, on_failure: None, coverage: Coverage::Representative };
    let prepared = Prepared::of(setting, exit_code).await.unwrap();
    let bench = prepared.bench().await.unwrap();
    let paths = prepared.paths();
    let at = |op: &str, fault: WriteFault| {
        let is_it = |path: &&Path| match &path.place {
            Place::Write { op: at, fault: struck } => at.to_string() == op && *struck == fault,
            _ => false,
        };
        paths.iter().find(is_it).unwrap_or_else(|| panic!("no path {op} {fault:?}"))
    };
    for (op, fault, ending) in [
        ("say-more/undo", WriteFault::None, "rolled back"),
        ("pause-nightly/apply", WriteFault::Refused, "rolled back"),
        ("pause-nightly/apply", WriteFault::LostBack, "done"),
        ("report/apply", WriteFault::OperationFails, "rolled back"),
    ] {
        let outcome = prepared.work(&bench, at(op, fault)).await.unwrap();
        assert_eq!(outcome.rests[0].to_string(), ending, "{op} {fault:?}: {:?}", outcome.entries.last());
        assert!(outcome.wrong.is_empty(), "{op} {fault:?}: {:?}", outcome.wrong);
    }
}

#[tokio::test]
async fn a_cache_that_is_too_small() {
    shipped("cache-capacity").await;
}

#[tokio::test]
async fn a_key_that_leaked() {
    shipped("secret-rotation").await;
}

/// Every shipped runbook that can be carried out has its drill.
#[test]
fn no_runbook_is_left_out() {
    let own = fs::read_to_string("tests/drill.rs").unwrap();
    for file in fs::read_dir("runbooks").unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if FilePath::new(name).extension().is_some_and(|ending| ending == "sim") {
            continue;
        }
        // The other one is an exhibit that `check` rejects.
        let is_drilled = own.contains(&format!("\"{name}\")")) || name == "connector-exhaustion.as-prescribed";
        assert!(is_drilled, "runbooks/{name}.toml has no drill here");
    }
}

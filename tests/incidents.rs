//! Twelve kinds of incident as people really write them down: typed steps, commands and scripts, with the mistakes that such
//! files have. Each mistake is found at its line, and what is right is planned and carried out.

use std::fs;
use std::path::{Path, PathBuf};

use rectify::check::{Report, check};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;
use serde_json::Value;

use crate::support::Desk;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incidents")
}

fn file(name: &str) -> String {
    folder().join(format!("{name}.toml")).display().to_string()
}

/// The runbooks with something in them that Google or bash refuses, or that destroys data.
const WRONG: [&str; 4] = ["cluster-rollback", "database-connections", "drain-outbox", "queue-backlog"];

/// The runbooks with nothing in them that would stop a run, the inputs that they need, and what an operator says to them.
const SOUND: [(&str, &[&str], &[&str]); 7] = [
    ("canary-by-hand", &[], &["--acknowledge", "promote"]),
    ("leaked-key", &[], &[]),
    ("maintenance-page", &[], &[]),
    ("pause-schedules", &[], &[]),
    ("replace-machines", &[], &[]),
    ("revision-before", &["--input", "before=orders-00040-abe"], &[]),
    ("rollback-by-workflow", &[], &[]),
];

#[test]
fn every_mistake_is_found_at_its_line() {
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        file.extension().is_some_and(|ending| ending == "toml") && !file.to_string_lossy().contains(".sim.")
    });
    files.sort();
    assert_eq!(files.len(), 12);
    let mut found = String::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let outcome = check(&name, text.as_bytes(), &Inputs::none(), Mode::Check);
        let report = serde_json::to_value(Report::of(&[outcome])).unwrap();
        found.extend([name.as_str(), "\n"]);
        for diagnostic in report["files"][0]["diagnostics"].as_array().unwrap() {
            let line = usize::try_from(diagnostic["line"].as_u64().unwrap()).unwrap();
            let [severity, code] = ["severity", "code"].map(|key| diagnostic[key].as_str().unwrap());
            let written = text.lines().nth(line - 1).unwrap().trim();
            found.extend(["  ", severity, " ", code, "\n    ", written, "\n"]);
        }
        assert_eq!(report["files"][0]["sound"], !WRONG.contains(&name.as_str()), "{name}");
    }
    insta::with_settings!({ snapshot_path => "incidents", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("mistakes", found);
    });
}

#[test]
fn what_is_sound_is_planned_and_carried_out() {
    let cloud = folder().join("cloud.sim.toml").display().to_string();
    for (name, inputs, answers) in SOUND {
        let desk = Desk::new();
        let file = file(name);
        let planned = desk.rectify(&[&["plan", &file, "--offline"], inputs].concat()).code(0);
        assert!(planned.stdout.contains("phase 1 of"), "{name}: {}", planned.stdout);
        let sim = format!("--sim={cloud}");
        desk.rectify(&[&["plan", &file, &sim], inputs].concat()).code(0);
        desk.rectify(&[&["run", &file, &sim, "--speed", "max", "--yes"], inputs, answers].concat()).code(0);
    }
}

#[test]
fn a_candidate_gets_no_traffic_until_a_later_step_gives_it_some() {
    let desk = Desk::new();
    let cloud = folder().join("cloud.sim.toml").display().to_string();
    let plan = desk.rectify(&["plan", &file("canary-by-hand"), &format!("--sim={cloud}"), "--format", "json"]).code(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let tasks: Vec<&Value> = plan["tasks"].as_array().unwrap().iter().collect();
    let ids: Vec<&str> = tasks.iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["hold", "deploy/revision", "deploy/candidate", "ten", "promote"]);
    // The tag is the candidate's own; shares are moved by the steps that say so.
    assert!(tasks[2]["change"]["to"].get("targets").is_none() && tasks[2]["gate"].is_object());
    let shares = |task: &Value| task["change"]["to"]["targets"].as_array().unwrap().len();
    assert_eq!([shares(tasks[0]), shares(tasks[3]), shares(tasks[4])], [1, 2, 1]);
}

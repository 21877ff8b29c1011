//! Other users of this machine: what they can read of a run, and what they can plant where a run looks.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::{Desk, SCENARIO, Served};

const REHEARSAL: [&str; 4] = ["--speed", "max", "--yes", "--quiet"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whoever can write the state directory decides what a rollback does, so one that others can write is not used.
#[test]
fn a_state_directory_that_others_can_write_is_refused() {
    let desk = Desk::new();
    desk.rectify(&[&["run", "runbooks/bad-revision.toml", "--sim"], &REHEARSAL[..]].concat()).code(0);
    let path = desk.run_directory();
    set_mode(&path, 0o777);
    for command in [&["resume"][..], &["rollback", "--yes"], &["show"], &["runs"], &["verify"]] {
        let refused = desk.rectify(command).code(7);
        refused.complains("the state directory is not used").complains("can be written by other users (mode 777)");
    }
    desk.rectify(&["--trust-state", "verify"]).code(0);
    set_mode(&path, 0o700);
    for folder in ["rectify", "rectify/runs"] {
        let path = desk.path(folder);
        set_mode(&path, 0o777);
        desk.rectify(&["verify"]).code(0).complains("other users can write").complains("chmod go-w");
        set_mode(&path, 0o700);
    }
    assert!(!desk.rectify(&["verify"]).code(0).stderr.contains("warning"));
    let run = desk.run_directory();
    let moved = desk.path("elsewhere");
    fs::rename(&run, &moved).unwrap();
    symlink(&moved, &run).unwrap();
    desk.rectify(&["resume"]).code(7).complains("is a symbolic link, and not a directory");
}

/// Who can replace a link decides what a rollback does.
#[test]
fn a_link_in_the_place_of_the_state_directory_is_refused() {
    let desk = Desk::new();
    let (real, link) = (desk.path("real"), desk.path("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    for state in [link.display().to_string(), format!("{}/", link.display())] {
        let run = ["--state", &state, "run", "runbooks/bad-revision.toml", "--sim"];
        let refused = desk.rectify(&[&run[..], &REHEARSAL[..]].concat()).code(7);
        refused.complains("the state directory is not used").complains("is a symbolic link, and not a directory");
    }
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0, "nothing was written behind it");
    desk.rectify(&["--state", &link.display().to_string(), "--trust-state", "runs"]).code(0);
}

/// What is written on request is for nobody else to read, and never goes through a link that somebody planted.
#[test]
fn what_is_written_on_request_is_private_and_follows_no_link() {
    let desk = Desk::new();
    let (events, victim, link) = (desk.path("events"), desk.path("victim"), desk.path("link"));
    let run = |events: &Path| {
        let events = events.display().to_string();
        let arguments = [&["run", "runbooks/bad-revision.toml", "--sim", "--events", &events], &REHEARSAL[..]].concat();
        desk.rectify(&arguments)
    };
    fs::write(&events, "").unwrap();
    set_mode(&events, 0o644);
    run(&events).code(0);
    assert_eq!(mode(&events), 0o600);
    assert!(fs::read_to_string(&events).unwrap().lines().count() > 10);

    fs::write(&victim, "theirs").unwrap();
    symlink(&victim, &link).unwrap();
    run(&link).code(2).complains("it is a link, a device or a directory");
    let to = link.display().to_string();
    desk.rectify(&["plan", "runbooks/bad-revision.toml", "--sim", "--out", &to]).code(2).complains("cannot be written");
    desk.rectify(&["report", "--out", &to]).code(2).complains("cannot be written");
    desk.rectify(&["simulate", SCENARIO, "--port-file", &to]).code(2).complains("cannot be written");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    let plan = desk.path("p.plan");
    desk.rectify(&["plan", "runbooks/bad-revision.toml", "--sim", "--out", &plan.display().to_string()]).code(0);
    assert_eq!(mode(&plan), 0o600);
}

/// Files that never end are not read to their end.
#[test]
fn devices_and_pipes_are_no_files() {
    let desk = Desk::new();
    let pipe = desk.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in ["/dev/zero", &pipe.display().to_string()] {
        let sim = format!("--sim={path}");
        desk.rectify(&["check", path]).code(2).says("it is not a regular file");
        desk.rectify(&["run", path]).code(2).complains("it is not a regular file");
        desk.rectify(&["simulate", path]).code(2).complains("it is not a regular file");
        desk.rectify(&["plan", "runbooks/bad-revision.toml", &sim]).code(2).complains("it is not a regular file");
        desk.rectify(&["plan", "runbooks/bad-revision.toml", "--snapshot", path]).code(2).complains("regular file");
    }
}

/// The same of what lies in a run's directory: no command waits for a pipe there, or reads a device without end.
#[test]
fn what_a_run_kept_is_read_from_regular_files() {
    let desk = Desk::new();
    desk.rectify(&["run", "runbooks/bad-revision.toml", "--sim", "--speed", "max", "--yes", "--quiet"]);
    let run = desk.run_directory();
    for name in ["journal.jsonl", "journal.end", "plan.json", "runbook.toml", "where.json"] {
        let (file, aside) = (run.join(name), desk.path("aside"));
        fs::rename(&file, &aside).unwrap();
        for kind in ["pipe", "link"] {
            let made = match kind {
                "pipe" => std::process::Command::new("mkfifo").arg(&file).status().unwrap().success(),
                _ => std::os::unix::fs::symlink("/dev/zero", &file).is_ok(),
            };
            assert!(made);
            let done = desk.rectify(&["verify"]);
            assert_ne!(done.code, 0, "{name}, a {kind}: {}", done.stdout);
            for command in ["runs", "show", "debts"] {
                // Whatever they say of it, they end.
                desk.rectify(&[command]);
            }
            fs::remove_file(&file).unwrap();
        }
        fs::rename(&aside, &file).unwrap();
    }
    desk.rectify(&["verify"]).code(0);
}

/// An unset variable of a script names no run, neither the only one.
#[test]
fn an_empty_id_is_no_run() {
    let desk = Desk::new();
    desk.rectify(&["run", "runbooks/bad-revision.toml", "--sim", "--speed", "max", "--yes", "--quiet"]);
    for command in [["rollback", "", "--yes"].as_slice(), &["resume", ""], &["show", ""]] {
        desk.rectify(command).code(2).complains("the id of the run is empty");
    }
}

/// A simulated cloud is on this machine, whatever a file says: a run's own, or a saved plan.
#[test]
fn a_kept_address_of_another_machine_is_refused() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let plan = desk.path("p.plan").display().to_string();
    desk.rectify(&["plan", "runbooks/connector-exhaustion.toml", "--sim", &cloud.url, "--out", &plan]).code(0);
    let saved = rectify::plan::Saved::read(&fs::read(&plan).unwrap()).unwrap();
    let mut place = saved.place.clone();
    place["address"] = "192.0.2.1:8080".into();
    let moved = rectify::plan::Saved::new(saved.file, saved.text, place, saved.made_at, saved.plan);
    fs::write(&plan, serde_json::to_vec(&moved).unwrap()).unwrap();
    desk.rectify(&["run", &plan, "--yes"]).code(2).complains("192.0.2.1:8080 is not a loopback address");
}

/// A process that may hold secrets leaves no core file.
#[test]
fn a_crash_writes_no_core_file() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let limits = fs::read_to_string(format!("/proc/{}/limits", cloud.process_id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

//! Which room may import which. The folder listing is the architecture only as long as this passes.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms that it may import. `clock` and `inert` may be imported by all but `sim`.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("inert", &[]),
    ("gate", &[]),
    ("run", &["gate"]),
    ("runbook", &["gate", "run"]),
    ("engine", &["gate", "run"]),
    ("resource", &["run"]),
    ("probe", &["gate", "resource", "run", "runbook"]),
    ("action", &["resource", "run", "runbook"]),
    ("escalation", &["gate", "run", "runbook"]),
    ("check", &["gate", "resource", "run", "runbook"]),
    ("plan", &["action", "check", "escalation", "gate", "probe", "resource", "run", "runbook"]),
    ("journal", &["run"]),
    ("report", &["gate", "plan", "run"]),
    ("driver", &["action", "engine", "gate", "journal", "plan", "probe", "report", "resource", "run"]),
    ("sim", &[]),
    (
        "cli",
        &[
            "action",
            "check",
            "driver",
            "engine",
            "escalation",
            "gate",
            "journal",
            "plan",
            "probe",
            "report",
            "resource",
            "run",
            "runbook",
            "sim",
        ],
    ),
];

const EVERYWHERE: &[&str] = &["clock", "inert"];

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let room = room_of(&file);
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            if !["lib", "main"].contains(&room.as_str()) {
                wrong.push(format!("{}: `{room}` is not a room of this list", file.display()));
            }
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (place, _) in line.match_indices("crate::") {
                let name: String =
                    line[place + 7..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
                let known = ROOMS.iter().any(|(room, _)| *room == name);
                let everywhere = EVERYWHERE.contains(&name.as_str()) && room != "sim";
                if known && name != room && !everywhere && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}:{}: {room} → {name}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_test_file_is_forgotten() {
    let listed = fs::read_to_string("tests/main.rs").unwrap();
    for file in fs::read_dir("tests").unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if file.extension().is_some_and(|ending| ending == "rs") && name != "main" {
            assert!(listed.contains(&format!("mod {name};")), "tests/main.rs does not list {name}");
        }
    }
}

#[test]
fn nothing_is_left_to_do_in_a_comment() {
    for file in sources(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!text.contains(word), "{} has a {word}", file.display());
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

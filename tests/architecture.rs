//! Which room may import which. The folder listing is the architecture only as long as this passes.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms that it may import. `clock`, `inert` and `redact` may be imported by all but `sim`.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("inert", &[]),
    ("present", &[]),
    ("redact", &[]),
    ("capture", &[]),
    ("gate", &[]),
    ("run", &["gate"]),
    ("syntax", &["gate", "run"]),
    ("peer", &["syntax"]),
    ("catalog", &["syntax"]),
    ("engine", &["gate", "run"]),
    ("resource", &["catalog", "gate", "run"]),
    ("action", &["catalog", "gate", "peer", "resource", "run", "syntax"]),
    ("probe", &["catalog", "gate", "peer", "resource", "run", "syntax"]),
    ("runbook", &["action", "gate", "peer", "probe", "run", "syntax"]),
    ("external", &["action", "peer", "present", "resource", "run", "runbook", "syntax"]),
    ("escalation", &["gate", "run", "runbook", "syntax"]),
    ("check", &["action", "gate", "peer", "probe", "resource", "run", "runbook", "syntax"]),
    (
        "plan",
        &["action", "check", "escalation", "gate", "peer", "present", "probe", "resource", "run", "runbook", "syntax"],
    ),
    ("journal", &["run"]),
    ("report", &["gate", "plan", "present", "resource", "run"]),
    ("driver", &["engine", "external", "gate", "journal", "plan", "probe", "report", "resource", "run"]),
    ("sim", &["catalog", "syntax"]),
    ("simulated", &["sim"]),
    (
        "drill",
        &[
            "action",
            "check",
            "driver",
            "engine",
            "external",
            "gate",
            "journal",
            "peer",
            "plan",
            "present",
            "probe",
            "report",
            "resource",
            "run",
            "runbook",
            "sim",
            "simulated",
            "syntax",
        ],
    ),
    (
        "cli",
        &[
            "action",
            "capture",
            "catalog",
            "check",
            "drill",
            "driver",
            "engine",
            "escalation",
            "external",
            "gate",
            "journal",
            "peer",
            "plan",
            "probe",
            "report",
            "resource",
            "run",
            "runbook",
            "sim",
            "simulated",
            "syntax",
        ],
    ),
];

const EVERYWHERE: &[&str] = &["clock", "inert", "redact"];

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

/// A question that is asked elsewhere would take keys that were typed before it was shown.
#[test]
fn answers_are_read_in_one_place() {
    // Whether it is a terminal; a runbook that is piped in; answers; and the first line of a journal.
    let known = ["src/cli/console.rs", "src/cli/input_file.rs", "src/cli/prompt.rs", "src/journal/directory.rs"];
    let readers: Vec<_> = sources(Path::new("src"))
        .into_iter()
        .filter(|file| {
            let text = fs::read_to_string(file).unwrap();
            ["stdin()", "/dev/tty", "read_line(", "read_key", "termios"].iter().any(|word| text.contains(word))
        })
        .map(|file| file.display().to_string())
        .collect();
    for reader in &readers {
        assert!(known.contains(&reader.as_str()), "{reader} reads what is typed, past src/cli/prompt.rs");
    }
    assert_eq!(readers.len(), known.len(), "{readers:?}");
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    assert!(!manifest.contains("dialoguer"), "its prompts take what was typed before they were shown");
}

/// A secret that is made elsewhere would be known to nobody who writes something.
#[test]
fn secrets_are_made_in_one_place_and_shown_through_one_door() {
    // What is put together of secrets that are known; and the environment, of which an input may become one.
    let made =
        ["src/redact", "src/syntax/block.rs", "src/syntax/value.rs", "src/cli/environment.rs", "src/probe/redis.rs"];
    // Help and version; the console; the terminal's prompt; the events of `--events -`, which are redacted one by one.
    let doors = [
        "src/cli/console.rs",
        "src/cli/log.rs",
        "src/cli/run.rs",
        "src/cli/show.rs",
        "src/cli/prompt.rs",
        "src/cli/probe.rs",
    ];
    for file in sources(Path::new("src")) {
        let (name, text) = (file.display().to_string(), fs::read_to_string(&file).unwrap());
        let code = text.split("#[cfg(test)]").next().unwrap();
        if code.contains("SecretString::from(") {
            assert!(made.iter().any(|known| name.starts_with(known)), "{name} makes a secret past src/redact");
        }
        if code.contains("::stdout()") || code.contains("::stderr()") {
            assert!(doors.contains(&name.as_str()), "{name} writes to the terminal past src/cli/console.rs");
        }
        let writes_observations = code.contains("Observation { health,");
        assert!(
            !writes_observations || name == "src/gate/observation.rs",
            "{name} makes an observation past Observation::of"
        );
    }
}

/// A name that is put into a path as it is could choose another path.
#[test]
fn paths_of_apis_are_built_in_one_place() {
    for file in
        ["src/resource", "src/cli", "src/probe", "src/external"].into_iter().flat_map(|room| sources(Path::new(room)))
    {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let is_path =
                ["projects/{", "locations/{", "/v1/{", "/v2/{", "/v3/{"].iter().any(|part| line.contains(part));
            let is_here = file.ends_with("resource/path.rs");
            assert!(!is_path || is_here, "{}:{}: build it with ApiPath", file.display(), number + 1);
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

/// Every source file below a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
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

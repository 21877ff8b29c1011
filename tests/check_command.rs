//! `rectify check` as it is typed.

use std::fs;

use crate::support::{Desk, FLAGSHIP};

#[test]
fn the_flagship_has_no_mistakes() {
    let desk = Desk::new();
    desk.rectify(&["check", FLAGSHIP]).code(0).says("no mistakes");
}

#[test]
fn a_runbook_with_mistakes_exits_with_2_and_shows_them_all() {
    let desk = Desk::new();
    let runbook =
        desk.flagship(&[("max_instances = 10", "max_instances = 15"), ("every   = \"10s\"", "evry    = \"10s\"")]);
    let done = desk.rectify(&["check", &runbook]).code(2).says("connector-max-instances");
    let done = done.says("max_instances is 15; a connector takes 3 to 10").says("use max_instances = 10");
    done.says("did you mean `every`?").says("2 mistakes");
    desk.rectify(&["plan", &runbook, "--sim"]).code(2).complains("2 mistakes");
}

#[test]
fn a_required_input_may_be_missing_for_a_check_and_is_named_by_a_plan() {
    let desk = Desk::new();
    let text = fs::read_to_string(FLAGSHIP).unwrap();
    let edited: Vec<_> = text
        .lines()
        .map(|line| {
            if line.starts_with("default     = \"") && line.contains("apps/auth") { "required    = true" } else { line }
        })
        .collect();
    let runbook = desk.write("required.toml", &edited.join("\n"));
    desk.rectify(&["check", &runbook]).code(0);
    let plan = desk.rectify(&["plan", &runbook, "--offline"]).code(0);
    plan.says("? the input `auth_image` has no value")
        .says("1 step waits for inputs")
        .says("max_instances  unknown → 10");
    desk.rectify(&["run", &runbook, "--sim", "runbooks/connector-exhaustion.sim.toml", "--yes"])
        .code(2)
        .complains("auth_image");
}

#[test]
fn what_is_no_runbook_is_told_and_nothing_breaks() {
    let desk = Desk::new();
    let long_key = format!("{} = 1\n", "k".repeat(100_000));
    let huge_for_each = format!(
        "[[phase]]\nname = \"a\"\n[[phase.step]]\nname = \"b\"\nuses = \"wait\"\nwith = {{ for = \"1s\" }}\nfor_each = {{ items = [{}] }}\n",
        "\"x\", ".repeat(100_000)
    );
    let (deep, brackets) = ("a.".repeat(1000), "a = [".repeat(10_000));
    let numbers = "[limits]\nservices = 99999999999999999999999999\ntraffic_shift = -1\n[[phase]]\nname = \"a\"\nbudget = \"99999999999999y\"\n";
    let cases: [(&str, &[u8], &str); 12] = [
        ("empty", b"", "`[runbook]` is missing"),
        ("nul", b"a = \"\0\"", "syntax"),
        ("latin1", b"name = \"caf\xe9\"", "not-utf-8"),
        ("bom", b"\xef\xbb\xbf[runbook]\r\nname = \"x\"\r\n", "`[target]` is missing"),
        ("twice", b"[runbook]\nname = \"a\"\nname = \"b\"\n", "duplicate key"),
        ("escape", b"[runbook]\nname = \"\x1b[2J\"\n", "syntax"),
        ("ten megabytes", &vec![b'#'; 10 << 20], "file-too-large"),
        ("deep", deep.as_bytes(), "too-deep"),
        ("brackets", brackets.as_bytes(), "syntax"),
        ("long key", long_key.as_bytes(), "unknown-key"),
        ("huge for_each", huge_for_each.as_bytes(), "more than anybody reviews"),
        ("absurd numbers", numbers.as_bytes(), "a number beyond 64 bits"),
    ];
    for (name, bytes, said) in cases {
        let path = desk.path(name);
        fs::write(&path, bytes).unwrap();
        let done = desk.rectify(&["check", &path.display().to_string()]).code(2).says(said);
        assert!(!done.stdout.contains('\u{1b}'), "{name} moves the cursor");
        assert!(done.stdout.contains("mistake"), "{name}: {}", done.stdout);
    }
}

#[test]
fn a_file_that_cannot_be_read_hides_no_other() {
    let desk = Desk::new();
    let pipe = desk.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let missing = desk.path("missing.toml").display().to_string();
    let directory = desk.path("").display().to_string();
    let wrong = desk.flagship(&[("max_instances = 10", "max_instances = 15")]);
    let files = ["check", &missing, &directory, &pipe.display().to_string(), "/dev/zero", &wrong, FLAGSHIP];
    let done = desk.rectify(&files).code(2).says("missing.toml cannot be read").says("not a regular file");
    let done = done.says("connector-max-instances").says("connector-exhaustion.toml: no mistakes");
    assert_eq!(done.stdout.matches("unreadable-file\n").count(), 4, "{}", done.stdout);
}

#[test]
fn a_runbook_may_come_on_stdin() {
    let desk = Desk::new();
    let text = fs::read_to_string(FLAGSHIP).unwrap();
    desk.rectify_with_input(&["check", "-"], &text).code(0).says("-: no mistakes");
    desk.rectify_with_input(&["check", "-"], "[runbook]\n").code(2).says("`name` is missing");
}

/// The shape is a promise: a bot that comments on pull requests reads it.
#[test]
fn programs_are_told_places_in_lines_columns_and_bytes() {
    let desk = Desk::new();
    let runbook = desk.write("é.toml", "[runbook]\nname = \"x\"\ntitle = \"é\" # é\ncolour = \"é${inputs.x}\"\n");
    let done = desk.rectify(&["check", "--format", "json", &runbook, FLAGSHIP]).code(2);
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!([&json["sound"], &json["files"][0]["sound"], &json["files"][1]["sound"]], [false, false, true]);
    let diagnostics = json["files"][0]["diagnostics"].as_array().unwrap();
    let unknown = diagnostics.iter().find(|told| told["code"] == "unknown-key").unwrap();
    let text = fs::read_to_string(&runbook).unwrap();
    let bytes = [&unknown["byte_start"], &unknown["byte_end"]].map(|byte| byte.as_u64().unwrap());
    assert_eq!(&text[usize::try_from(bytes[0]).unwrap()..usize::try_from(bytes[1]).unwrap()], "colour");
    assert_eq!((&unknown["line"], &unknown["column"], &unknown["end_column"]), (&4.into(), &1.into(), &7.into()));
    assert_eq!((&unknown["severity"], &unknown["message"]), (&"error".into(), &"there is no key `colour` here".into()));
    let missing = diagnostics.iter().find(|told| told["message"] == "`[target]` is missing").unwrap();
    assert!(missing.get("line").is_none() && missing["help"].is_string());
}

#[test]
fn a_code_is_explained_and_a_misspelt_one_is_guessed() {
    let desk = Desk::new();
    desk.rectify(&["explain", "traffic-pinned"]).code(0).says("# traffic-pinned").says("## Instead");
    desk.rectify(&["explain", "trafic-pinned"]).code(2).complains("did you mean `traffic-pinned`?");
    desk.rectify(&["explain"]).code(0).says("connector-max-instances").says("unknown-key");
}

#[test]
fn a_new_runbook_checks_clean_and_overwrites_nothing() {
    let desk = Desk::new();
    let file = desk.path("My incident.toml").display().to_string();
    desk.rectify(&["new", &file]).code(0).says("rectify check");
    desk.rectify(&["check", &file]).code(0).says("no mistakes");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("name        = \"my-incident\"") && text.starts_with("#:schema ./runbook.schema.json\n"));
    let schema: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(desk.path("runbook.schema.json")).unwrap()).unwrap();
    let json = serde_json::to_value(toml::from_str::<toml::Table>(&text).unwrap()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
    fs::write(&file, "mine").unwrap();
    desk.rectify(&["new", &file]).code(2).complains("is there already");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    // What stands there as an example is right too.
    let examples = text
        .lines()
        .map(|line| {
            let example = line.strip_prefix("# ").filter(|rest| rest.starts_with('[') || rest.contains(" = "));
            example.unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n");
    let told = desk.write("examples.toml", &examples);
    let done = desk.rectify(&["check", &told]).code(0);
    assert!(!done.stdout.contains('×'), "{}", done.stdout);
}

#[test]
fn a_new_runbook_can_be_rehearsed_at_once() {
    let desk = Desk::new();
    let file = desk.path("my incident.toml").display().to_string();
    let made = desk.rectify(&["new", &file]).code(0).says("my incident.sim.toml to rehearse it on");
    made.says("rectify run ");
    let planned = desk.rectify(&["plan", &file, "--sim"]).code(0);
    assert_eq!(planned.stderr, "", "nothing to remark on in the scenario");
    planned.says("my-service-00001-abc 100 %").says("currently failing: service");
    desk.rectify(&["run", &file, "--sim", "--speed", "max", "--yes"]).code(0).says("✓ done");
    // A scenario that is there is somebody's own.
    std::fs::remove_file(&file).unwrap();
    let scenario = desk.write("my incident.sim.toml", "# mine\n");
    let made = desk.rectify(&["new", &file]).code(0);
    assert!(!made.stdout.contains("sim.toml"), "{}", made.stdout);
    assert_eq!(fs::read_to_string(scenario).unwrap(), "# mine\n");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let done = desk.rectify(&["completions", shell]).code(0);
        for command in ["check", "explain", "rollback", "simulate"] {
            assert!(done.stdout.contains(command), "{shell} does not know {command}");
        }
    }
    let directory = desk.path("man").display().to_string();
    desk.rectify(&["man", "--out", &directory]).code(0);
    for page in ["rectify.1", "rectify-check.1", "rectify-run.1"] {
        assert!(fs::read_to_string(desk.path("man").join(page)).unwrap().contains(".TH rectify"), "{page}");
    }
    desk.rectify(&["man"]).code(0).says(".TH rectify 1");
    desk.rectify(&["completions", "cobol"]).code(2);
}

/// A shell that has the script completes with it.
#[test]
fn bash_completes() {
    let desk = Desk::new();
    let script = desk.rectify(&["completions", "bash"]).code(0).stdout;
    let script = desk.write("completions.bash", &script);
    let ask =
        "source \"$0\"; COMP_WORDS=(rectify ch); COMP_CWORD=1; _rectify rectify ch rectify; echo \"${COMPREPLY[@]}\"";
    let answer = std::process::Command::new("bash").args(["-c", ask, &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "check", "{answer:?}");
}

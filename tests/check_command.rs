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
    let runbook = desk.flagship(&[("max_instances = 10", "max_instances = 15"), ("every = \"10s\"", "evry = \"10s\"")]);
    let done = desk.rectify(&["check", &runbook]).code(2).says("connector-max-instances");
    let done = done.says("max_instances is 15; a connector takes 3 to 10").says("use max_instances = 10");
    done.says("did you mean `every`?").says("2 mistakes");
    desk.rectify(&["plan", &runbook, "--sim"]).code(2).complains("2 mistakes");
}

#[test]
fn a_required_input_may_be_missing_for_a_check_but_not_for_a_plan() {
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
    desk.rectify(&["plan", &runbook, "--sim"]).code(2).complains("auth_image");
}

#[test]
fn what_is_no_runbook_is_told_and_nothing_breaks() {
    let desk = Desk::new();
    desk.rectify(&["check", &desk.path("missing.toml").display().to_string()]).code(2).complains("cannot be read");
    desk.rectify(&["check", &desk.path("").display().to_string()]).code(2).complains("not a regular file");
    let cases: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("nul", b"a = \"\0\""),
        ("latin1", b"name = \"caf\xe9\""),
        ("bom", b"\xef\xbb\xbf[runbook]\r\nname = \"x\"\r\n"),
        ("twice", b"[runbook]\nname = \"a\"\nname = \"b\"\n"),
        ("escape", b"[runbook]\nname = \"\x1b[2J\"\n"),
    ];
    for (name, bytes) in cases {
        let path = desk.path(name);
        fs::write(&path, bytes).unwrap();
        let done = desk.rectify(&["check", &path.display().to_string()]).code(2);
        assert!(!done.stdout.contains('\u{1b}'), "{name} moves the cursor");
        assert!(done.stdout.contains("mistake"), "{name}: {}", done.stdout);
    }
}

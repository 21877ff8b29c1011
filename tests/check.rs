//! `check` finds every mistake at once, each at its line, with its fix.

use std::fs;
use std::path::Path;

use rectify::check::{Look, RULES, check, render};
use rectify::runbook::{Given, Severity};

use crate::support::{Desk, FLAGSHIP};

const LOOK: Look = Look { colour: false, width: 100 };

fn checked(path: &Path) -> (String, Vec<&'static str>) {
    let found = check(&fs::read(path).unwrap(), &Given { may_miss: true, ..Given::default() });
    let name = path.file_name().unwrap().to_string_lossy();
    let codes = found.mistakes.iter().map(|mistake| mistake.code).collect();
    (render(&name, &found.text, &found.mistakes, LOOK), codes)
}

#[test]
fn every_rule_has_a_runbook_that_breaks_it() {
    for rule in RULES {
        let path = Path::new("tests/check").join(format!("{}.toml", rule.code));
        assert!(path.exists(), "no {}", path.display());
        let (text, codes) = checked(&path);
        assert!(codes.contains(&rule.code), "{} does not break its rule:\n{text}", path.display());
    }
}

#[test]
fn every_broken_runbook_is_told_as_it_should_be() {
    let mut paths: Vec<_> = fs::read_dir("tests/check").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    assert!(paths.len() >= RULES.len());
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        insta::assert_snapshot!(format!("check {name}"), checked(&path).0);
    }
}

#[test]
fn the_flagship_is_clean() {
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

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_breaks_check(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let found = check(&bytes, &Given::default());
        render("x", &found.text, &found.mistakes, LOOK);
    }

    #[test]
    fn no_change_of_the_flagship_breaks_check(
        place in 0_usize..6000, length in 0_usize..40, with in "[\\[\\]{}\"'$=.#a-z0-9\n ]{0,12}",
    ) {
        let mut text = fs::read_to_string(FLAGSHIP).unwrap();
        let start = text.floor_char_boundary(place.min(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len())).max(start);
        text.replace_range(start..end, &with);
        let found = check(text.as_bytes(), &Given { may_miss: true, ..Given::default() });
        for mistake in &found.mistakes {
            proptest::prop_assert!(found.text.get(mistake.at.clone()).is_some(), "{mistake:?} points nowhere");
        }
        let wrong = found.mistakes.iter().any(|mistake| mistake.severity == Severity::Error);
        proptest::prop_assert_eq!(found.checked.is_none(), wrong);
        render("x", &found.text, &found.mistakes, LOOK);
    }
}

//! `check --fix` puts right what is certain, keeps everything else, and does nothing twice.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rectify::check::{Outcome, check, fix};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;

use crate::support::Desk;

/// One of each fix, with comments beside them, and a mistake that nobody can fix but its author.
const WRONG: &str = r#"# Kept: the head of the file.
[runbook]
name = "fix"   # kept

[target]
project = "shop-staging"
region  = "us-central1"

[[phase]]
name = "one"

[[phase.step]]
name = "restart"
uses = "shel"
irreversible = true
[phase.step.with]
run = ["gcloud", "sql", "instances", "restart", "orders"]   # kept: in the array's line
timeuot = "5m"

[[phase.step]]
name = "script"
uses = "shell"
irreversible = true
[phase.step.with]
shell = "bash"
run = '''
# kept: in the script
gcloud run jobs execute migrate --async   # kept
gcloud pubsub topics publish done --project=${target.project} --message=x
'''

[[phase.step]]
name = "deploy"
uses = "gcp.run.deploy"
irreversible = true
allow = [{ code = "traffic-pinned", reason = "it is not" }]
with = { service = "orders", image = "r/p/orders@sha256:ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789" }

[[phase.step]]
name = "back"
uses = "gcp.run.traffic"
irreversible = true # kept: nobody knows why this was said
with = { service = "orders", to = { orders-00001-abc = 50 } }
"#;

fn of(text: &str) -> Outcome {
    check("r.toml", text.as_bytes(), &Inputs::none(), Mode::Check)
}

fn codes(text: &str) -> Vec<&'static str> {
    of(text).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn what_is_certain_is_fixed_and_all_else_stays() {
    let desk = Desk::new();
    let file = desk.write("r.toml", WRONG);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let done = desk.rectify(&["check", "--fix", &file]).code(2);
    insta::with_settings!({ filters => vec![(r"\S+/r\.toml", "r.toml")] }, { insta::assert_snapshot!(done.stdout); });
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(text.matches('#').count(), WRONG.matches('#').count(), "no comment is lost: {text}");
    // What only the author can decide stays as it was written.
    assert!(text.contains("orders-00001-abc = 50") && text.contains("irreversible = true # kept"), "{text}");
    // A second time there is nothing to do, and the file is not touched.
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let again = desk.rectify(&["check", "--fix", &file]).code(2);
    assert!(!again.stdout.contains("fixed"), "{}", again.stdout);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

/// Every sample of `check`, the incidents and the shipped runbooks: a fix never leaves a file worse, and is idempotent.
#[test]
fn a_fix_leaves_nothing_worse_and_is_done_once() {
    for folder in ["tests/check", "tests/incidents", "runbooks"] {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let is_runbook = path.extension().is_some_and(|ending| ending == "toml") && !is_scenario(&path);
            let Some(bytes) = is_runbook.then(|| fs::read(&path).unwrap()) else { continue };
            let Some(fixed) = fix("r.toml", &bytes) else { continue };
            let text = String::from_utf8(bytes).unwrap();
            if fixed.fixes.is_empty() {
                assert_eq!(fixed.text, text, "{}", path.display());
                continue;
            }
            // A mistake may have hidden others, which are reported now.
            let count = |text: &str, code: &str| codes(text).into_iter().filter(|other| *other == code).count();
            for code in fixed.fixes.iter().map(|fix| fix.code) {
                assert!(count(&fixed.text, code) < count(&text, code), "{}: {code}", path.display());
            }
            let again = fix("r.toml", fixed.text.as_bytes()).unwrap();
            assert!(again.fixes.is_empty(), "{}: {:?}", path.display(), again.fixes);
        }
    }
}

fn is_scenario(path: &Path) -> bool {
    path.to_string_lossy().contains(".sim.")
}

#[test]
fn what_is_no_runbook_is_left_alone() {
    let desk = Desk::new();
    for text in ["[runbook\nname =", "", "# nothing\n"] {
        let file = desk.write("r.toml", text);
        desk.rectify(&["check", "--fix", &file]).code(2);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    let missing = desk.path("missing.toml").display().to_string();
    desk.rectify(&["check", "--fix", &missing]).code(2);
    desk.rectify(&["check", "--fix", "-"]).code(2).complains("what comes on stdin cannot be fixed");
    // A link leads elsewhere: what it leads to is not replaced behind its owner's back.
    let target = desk.write("target.toml", WRONG);
    let link = desk.path("link.toml");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    desk.rectify(&["check", "--fix", &link.display().to_string()]).code(2).complains("link");
    assert_eq!(fs::read_to_string(&target).unwrap(), WRONG);
}

/// So many steps with a command that names no project, a script that refers to one, and an answer to nothing.
fn many(steps: usize) -> String {
    let mut text = String::from(
        "[runbook]\nname = \"many\"\n[target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n[[phase]]\nname = \"p\"\n",
    );
    for step in 0..steps {
        let _ = write!(
            text,
            "[[phase.step]]\nname = \"s{step}\"\nuses = \"shell\"\nirreversible = true\n[phase.step.with]\nshell = \"bash\"\n\
             run = 'gcloud pubsub topics publish t{step} --message=${{target.project}} --project=shop-staging'\n"
        );
    }
    text
}

#[test]
fn all_that_is_certain_is_fixed_at_once_however_much_it_is() {
    let fixed = fix("r.toml", many(300).as_bytes()).unwrap();
    assert_eq!(fixed.fixes.len(), 300);
    assert!(!fixed.text.contains("${target.project}") && of(&fixed.text).is_sound());
    // Before, with the fixes, and what remains: not one for each fix.
    assert!(fixed.checks <= 4, "{} checks", fixed.checks);
    assert_eq!((fixed.fixes[1].line, fixed.fixes[1].before.len()), (21, 1));
    assert!(fixed.fixes[299].after[0].contains("t299 --message=shop-staging"), "{:?}", fixed.fixes[299]);
}

#[test]
fn a_fix_that_fails_holds_up_no_other() {
    // An answer to nothing in an array with another one, and a key with a slip beside the right key: neither can be fixed.
    let text = many(40).replacen("irreversible = true\n", "irreversible = true\nirreversibel = true\n", 1);
    let fixed = fix("r.toml", text.as_bytes()).unwrap();
    assert_eq!(fixed.fixes.iter().filter(|fix| fix.code == "reference-in-script").count(), 40);
    assert!(fixed.checks < 20, "{} checks", fixed.checks);
}

#[test]
fn the_default_of_an_input_is_no_target_to_write_into_a_script() {
    let text = many(1)
        .replace("project = \"shop-staging\"\n", "project = \"${inputs.project}\"\n")
        .replace(" --project=shop-staging", "")
        .replace("[target]", "[inputs]\nproject = { default = \"shop-staging\", description = \"where\" }\n[target]");
    let fixed = fix("r.toml", text.as_bytes()).unwrap();
    assert_eq!(codes(&text), ["ambient-target", "reference-in-script"]);
    assert!(
        !fixed.text.contains("--message=shop-staging") && !fixed.text.contains("--project=shop-staging"),
        "{}",
        fixed.text
    );
    assert!(fixed.fixes.is_empty(), "{:?}", fixed.fixes);
    // A program's argument may refer to the input.
    let program = text.replace("shell = \"bash\"\n", "").replace(
        "run = 'gcloud pubsub topics publish t0 --message=${target.project}'",
        "run = [\"gcloud\", \"pubsub\", \"topics\", \"publish\", \"t\"]",
    );
    let fixed = fix("r.toml", program.as_bytes()).unwrap();
    assert!(fixed.text.contains("\"--project=${target.project}\""), "{}", fixed.text);
}

#[test]
fn a_key_that_was_renamed_is_called_by_its_new_name() {
    let text = many(2).replace("irreversible = true", "one_way = true").replace("${target.project}", "x");
    let outcome = of(&text);
    assert!(outcome.diagnostics.iter().all(|one| one.code == "unknown-key"), "{outcome:?}");
    assert_eq!(outcome.diagnostics[0].help.as_deref(), Some("it is called `irreversible` now"));
    let fixed = fix("r.toml", text.as_bytes()).unwrap();
    assert!(!fixed.text.contains("one_way") && of(&fixed.text).is_sound(), "{}", fixed.text);
}

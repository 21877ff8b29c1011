//! Probes that runbooks share: what is included is a part of the runbook in every way, and nothing else gets in by it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::{Desk, Done};

const SHARED: &str = "# Of the whole team.\n[probes.backend]\nhttp = \"https://admin.shop.example/health\"\n\
    expect = \"status == 418\"\n\n[probes.spare]\nhttp = \"https://${inputs.host}/health\"\nexpect = \"status == 200\"\n";

/// A desk with a runbook that includes this.
fn made(include: &str) -> (Desk, String) {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.path("shared")).unwrap();
    let file = desk.write("runbook.toml", &runbook(include));
    (desk, file)
}

fn runbook(include: &str) -> String {
    format!(
        "include = [{include}]\n\n[runbook]\nname = \"shares\"\non_failure = \"stop\"\n[target]\nproject = \"shop-staging\"\n\
         region = \"us-central1\"\n[inputs]\nhost = {{ default = \"admin.shop.example\" }}\n[[phase]]\nname = \"all\"\n\
         [[phase.step]]\nname = \"look\"\nuses = \"probe\"\ngate = {{ healthy = [\"backend\"], for = \"10s\", timeout = \"1m\" }}\n"
    )
}

const ONE: &str = "\"shared/probes.toml\"";

fn with_shared(text: &str) -> (Desk, String) {
    let (desk, file) = made(ONE);
    desk.write("shared/probes.toml", text);
    (desk, file)
}

/// A cloud whose application is healthy.
fn cloud() -> String {
    format!("{}/tests/resources/requests.sim.toml", env!("CARGO_MANIFEST_DIR"))
}

fn check(desk: &Desk, file: &str) -> Done {
    desk.rectify(&["check", file])
}

/// The same in lines that are as long as they are.
fn annotated(desk: &Desk, file: &str) -> String {
    desk.rectify(&["check", file, "--format", "github"]).code(2).stdout
}

#[test]
fn included_probes_are_the_runbooks_own_in_check_plan_run_and_a_saved_plan() {
    let (healthy, cloud) = (SHARED.replace("418", "200"), cloud());
    let sim = ["--sim", &cloud];
    let (desk, file) = with_shared(&healthy);
    check(&desk, &file).code(0).says("no mistakes");
    desk.rectify(&[&["plan", &file], &sim[..]].concat()).code(0).says("probe backend: GET to admin.shop");
    let out = desk.path("plan.json").display().to_string();
    desk.rectify(&[&["plan", &file], &sim[..], &["--speed", "max", "--out", &out]].concat()).code(0);
    // The plan has the text: what becomes of the file means nothing to it.
    std::fs::remove_file(desk.path("shared/probes.toml")).unwrap();
    desk.rectify(&["run", &out, "--yes"]).code(0).says("backend is healthy");
    let run = std::fs::read_to_string(desk.run_directory().join("runbook.toml")).unwrap();
    assert!(run.contains("[probes.backend]") && run.contains("status == 200"), "{run}");
    desk.write("shared/probes.toml", &healthy);
    desk.rectify(&[&["run", &file], &sim[..], &["--speed", "max", "--yes"]].concat())
        .code(0)
        .says("backend is healthy");
    desk.rectify(&[&["probe", &file, "spare"], &sim[..]].concat()).says("spare");
}

#[test]
fn what_is_wrong_in_an_included_file_is_shown_at_its_own_line() {
    let (desk, file) = with_shared(&SHARED.replace("expect = \"status == 418\"", "expct = \"status == 418\""));
    let told = check(&desk, &file).code(2);
    assert!(told.stdout.contains("shared/probes.toml:4:1") && told.stdout.contains("did you mean"), "{}", told.stdout);
    let github = desk.rectify(&["check", &file, "--format", "github"]).code(2);
    assert!(github.stdout.contains("shared/probes.toml,line=4,col=1"), "{}", github.stdout);
    let json = desk.rectify(&["check", &file, "--format", "json"]).code(2);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let all = json["files"][0]["diagnostics"].as_array().unwrap();
    let first = all.iter().find(|told| told["code"] == "unknown-key").unwrap();
    assert_eq!(first["line"], 4, "{json}");
    assert!(first["file"].as_str().unwrap().ends_with("shared/probes.toml"), "{json}");
    // Nobody fixes for one runbook what others share.
    desk.rectify(&["check", &file, "--fix"]).code(2);
    let shared = std::fs::read_to_string(desk.path("shared/probes.toml")).unwrap();
    let own = std::fs::read_to_string(&file).unwrap();
    assert!(shared.contains("expct") && !own.contains("[probes."), "{shared}{own}");
    // A fix of the runbook itself leaves it as it is otherwise.
    let (desk, file) = with_shared(SHARED);
    desk.write("runbook.toml", &runbook(ONE).replace("timeout =", "timout ="));
    desk.rectify(&["check", &file, "--fix"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), runbook(ONE));
    // So is a syntax error, and a probe that a rule objects to.
    let (desk, file) = with_shared("[probes.backend]\nhttp = \"https://a\n");
    let told = check(&desk, &file).code(2);
    assert!(told.stdout.contains("shared/probes.toml:2:"), "{}", told.stdout);
    let (desk, file) = with_shared(&SHARED.replace("https://admin.", "ftp://admin."));
    let told = check(&desk, &file).code(2);
    assert!(told.stdout.contains("shared/probes.toml:3:"), "{}", told.stdout);
}

#[test]
fn a_probe_that_is_declared_twice_is_an_error_at_both_places() {
    let (desk, file) = with_shared(SHARED);
    let twice = "[probes.backend]\nhttp = \"https://a.example\"\nexpect = \"status == 200\"\n";
    desk.write("runbook.toml", &format!("{}{twice}", runbook(ONE)));
    let told = check(&desk, &file).code(2).stdout;
    assert_eq!(told.matches("the probe `backend` is declared here and at").count(), 2, "{told}");
    assert!(told.contains("shared/probes.toml:2:") && told.contains("runbook.toml:"), "{told}");
    // In two included files, too.
    let (desk, file) = made("\"shared/probes.toml\", \"shared/more.toml\"");
    desk.write("shared/probes.toml", SHARED);
    desk.write("shared/more.toml", twice);
    let told = check(&desk, &file).code(2).stdout;
    assert!(told.contains("more.toml:1") && told.contains("probes.toml:2"), "{told}");
}

#[test]
fn nothing_but_probes_can_be_included() {
    for (text, why) in [
        ("[[phase]]\nname = \"more\"\n", "only probes can be shared"),
        ("[runbook]\nname = \"other\"\n", "only probes can be shared"),
        ("include = [\"other.toml\"]\n", "only probes can be shared"),
        ("irreversible = true\n[probes.backend]\ntcp = \"a:1\"\n", "only probes can be shared"),
        ("probes.backend = { tcp = \"a:1\" }\n", "no key before its first"),
    ] {
        let (desk, file) = with_shared(text);
        let told = annotated(&desk, &file);
        assert!(told.contains(why), "{text}: {told}");
        desk.rectify(&["run", &file, "--sim", &cloud(), "--yes"]).code(2);
    }
}

#[test]
fn no_file_outside_of_the_folder_is_read_and_nothing_is_waited_for() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.toml");
    std::fs::write(&secret, "[probes.backend]\nhttp = \"https://a-secret.example\"\nexpect = \"true\"\n").unwrap();
    let absolute = format!("{:?}", secret.display().to_string());
    for (include, why) in [
        (absolute.as_str(), "must lead down from the runbook's folder"),
        ("\"../secret.toml\"", "must lead down from the runbook's folder"),
        ("\"shared/../../secret.toml\"", "must lead down from the runbook's folder"),
        ("\"./shared/probes.toml\"", "must lead down from the runbook's folder"),
        ("\"shared/link.toml\"", "a link leads out of the runbook's folder"),
        ("\"linked/secret.toml\"", "a link leads out of the runbook's folder"),
        ("\"shared/pipe.toml\"", "not a regular file"),
        ("\"shared\"", "not a regular file"),
        ("\"shared/none.toml\"", "No such file"),
        ("\"\"", "must lead down from the runbook's folder"),
    ] {
        let (desk, file) = made(include);
        symlink(&secret, desk.path("shared/link.toml")).unwrap();
        symlink(outside.path(), desk.path("linked")).unwrap();
        assert!(Command::new("mkfifo").arg(desk.path("shared/pipe.toml")).status().unwrap().success());
        let told = annotated(&desk, &file);
        assert!(told.contains("cannot be included") && told.contains(why), "{include}: {told}");
        assert!(!told.contains("a-secret"), "{told}");
    }
    // A link that stays within is one.
    let (desk, file) = made("\"shared/link.toml\"");
    desk.write("shared/real.toml", SHARED);
    symlink("real.toml", desk.path("shared/link.toml")).unwrap();
    check(&desk, &file).code(0);
}

#[test]
fn what_is_included_is_bounded() {
    let (large_one, file) = made(ONE);
    let large = std::fs::File::create(large_one.path("shared/probes.toml")).unwrap();
    large.set_len(64 * 1024 * 1024 * 1024).unwrap();
    let told = annotated(&large_one, &file);
    assert!(told.contains("a runbook and what it includes have at most"), "{told}");
    let many: Vec<String> = (0..20).map(|number| format!("\"shared/{number}.toml\"")).collect();
    let (other, file) = made(&many.join(", "));
    for number in 0..20 {
        other.write(&format!("shared/{number}.toml"), "");
    }
    let told = annotated(&other, &file);
    assert!(told.contains("a runbook includes at most 16 files"), "{told}");
    let (twice, file) = made(&format!("{ONE}, {ONE}"));
    twice.write("shared/probes.toml", SHARED);
    check(&twice, &file).code(2).says("it is included twice");
}

#[test]
fn a_runbook_without_a_folder_includes_nothing_and_none_passes_for_an_included_file() {
    let desk = Desk::new();
    let done = desk.rectify_with_input(&["check", "-"], &runbook(ONE));
    assert!(done.code == 2 && done.stdout.contains("only a runbook that is read from a file"), "{}", done.stdout);
    let forged = format!("{}#%% rectify: included shared/probes.toml\n{SHARED}", runbook(ONE));
    let (desk, file) = with_shared("");
    desk.write("runbook.toml", &forged);
    let told = annotated(&desk, &file);
    assert!(told.contains("a line that is written only where another file is included"), "{told}");
    assert!(Path::new(&file).exists());
}

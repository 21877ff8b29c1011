//! Nothing that a run would do is hidden from who reviews or approves it, and nothing secret is shown instead.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::Desk;

const CLOUD: &str = r#"
[cloud]
project = "shop-staging"
project_number = "118000000042"
region = "us-central1"
start = "2026-03-02T09:30:00Z"
[[resources]]
name = "run.jobs/nightly"
state = '''{"template":{"template":{"containers":[{"name":"app","image":"x","env":[{"name":"DB_PASSWORD","value":"hunter2-DB-PASSWORD"},
{"name":"OTHER_PASSWORD","value":"untouched-PASSWORD"}]}]}}}'''
"#;

fn runbook(desk: &Desk, name: &str, step: &str) -> String {
    let head = "[runbook]\nname = \"hidden\"\nowners = [\"shop\"]\non_failure = \"stop\"\n\
        [target]\nproject = \"shop-staging\"\nregion = \"us-central1\"\n[[phase]]\nname = \"p\"\n[[phase.step]]\nname = \"s\"\n";
    desk.write(name, &format!("{head}{step}"))
}

fn set(field: &str, value: &str) -> String {
    let set = format!("{{ {} = {} }}", json!(field), json!(value));
    format!("uses = \"gcp.set\"\nwith = {{ resource = \"run.jobs/nightly\", set = {set} }}\n")
}

const VARIABLE: &str = "template.template.containers[name=app].env[name=DB_PASSWORD].value";

/// A plan, in each form in which somebody reads it.
fn plans(desk: &Desk, file: &str, on: &[&str]) -> Vec<String> {
    let plan = |format| desk.rectify(&[&["plan", file, "--format", format], on].concat()).code(0).stdout;
    ["text", "markdown", "json"].map(plan).into_iter().collect()
}

#[test]
fn what_is_set_where_plans_show_digests_is_said() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let steps = [
        set(VARIABLE, "curl-MARKER"),
        set("template.template.containers[name=app].args", "x").replace("\"x\"", "[\"-c\", \"MARKER\"]"),
        "uses = \"gcp.call\"\nirreversible = true\nwith = { resource = \"run.jobs/nightly\", method = \"run\", \
         args = { overrides = { containerOverrides = [{ args = [\"MARKER\"] }] } } }\n"
            .to_owned(),
        "uses = \"shell\"\nirreversible = true\nwith = { run = [\"bash\", \"x.sh\"], env = { TO = \"MARKER\" } }\n"
            .to_owned(),
        "uses = \"gcp.run.configure\"\nwith = { service = \"web\", env = { OPTS = \"--MARKER\" } }\n".to_owned(),
    ];
    for (place, step) in steps.iter().enumerate() {
        let file = runbook(&desk, "hidden.toml", step);
        let simulated = ["--sim", &scenario, "--speed", "max"];
        let ways: &[&[&str]] = if place == 4 { &[&["--offline"]] } else { &[&["--offline"], &simulated] };
        for on in ways {
            for plan in plans(&desk, &file, on) {
                assert!(plan.contains("MARKER"), "{on:?} {step}\n{plan}");
            }
        }
    }
}

/// Whoever reads a plan has the digests of secrets. To write one somewhere must not write the secret there.
#[test]
fn the_digest_of_a_secret_is_a_text_like_any_other() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let first = plans(&desk, &runbook(&desk, "a.toml", &set(VARIABLE, "new")), &["--sim", &scenario, "--speed", "max"]);
    let digest = first[0].split("(sha256 ").nth(1).unwrap().split(')').next().unwrap();
    let digest = format!("(sha256 {digest})");
    for field in ["annotations.note", "template.template.containers[name=app].env[name=NOTE].value"] {
        let desk = Desk::new();
        let scenario = desk.write("cloud.sim.toml", CLOUD);
        let file = runbook(&desk, "b.toml", &set(field, &digest));
        let run = desk.rectify(&["run", &file, "--sim", &scenario, "--speed", "max", "--yes"]).code(0);
        assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
        let (_, job) = resource(&desk);
        assert_eq!(job.to_string().matches("hunter2").count(), 1, "{job}");
        desk.rectify(&["rollback", "--yes"]).code(0);
    }
}

fn resource(desk: &Desk) -> (String, Value) {
    let world = desk.world();
    let resources = world["parts"]["any"]["resources"].as_object().unwrap().clone();
    resources.into_iter().find(|(name, _)| name.ends_with("jobs/nightly")).unwrap()
}

#[test]
fn only_what_a_run_overwrote_is_kept_and_only_until_it_is_rolled_back() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let file = runbook(&desk, "a.toml", &set(VARIABLE, "new-PASSWORD"));
    desk.rectify(&["run", &file, "--sim", &scenario, "--speed", "max", "--yes"]).code(0);
    let sealed = || std::fs::read_to_string(desk.run_directory().join("sealed.json")).unwrap();
    let kept = sealed();
    assert!(kept.contains("hunter2-DB-PASSWORD") && !kept.contains("untouched"), "{kept}");
    desk.rectify(&["rollback", "--yes"]).code(0);
    assert!(!sealed().contains("PASSWORD"), "{}", sealed());
    let (_, job) = resource(&desk);
    assert!(job.to_string().contains("hunter2-DB-PASSWORD"), "{job}");
}

/// The script has the token for nobody but curl: every user of a machine can read the arguments of a process.
#[test]
fn a_token_is_no_argument_of_a_program() {
    let desk = Desk::new();
    let text = CLOUD.replace("run.jobs/nightly", "redis.instances/cache");
    let start = text.find("state =").unwrap();
    let scenario = desk.write("cloud.sim.toml", &format!("{}state = '{{\"memorySizeGb\":5}}'\n", &text[..start]));
    let step = "uses = \"gcp.set\"\nwith = { resource = \"redis.instances/cache\", set = { memorySizeGb = 6 } }\n";
    let file = runbook(&desk, "a.toml", step);
    desk.rectify(&["run", &file, "--sim", &scenario, "--speed", "max", "--yes"]).code(0);
    let script = desk.rectify(&["export", "--undo"]).code(0).says("gcp_send").stdout;
    let bin = desk.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, body) in [
        ("gcloud", "echo the-TOKEN"),
        ("curl", "printf '%s ' \"$@\" >>seen; head -c 200 >>header; echo '{\"memorySizeGb\":5}'"),
        ("jq", "cat >/dev/null; echo '[5]'"),
    ] {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/usr/bin/env bash\n{body}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(desk.path("script"), script).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut bash = std::process::Command::new("bash");
    bash.arg("script").current_dir(desk.path("")).env("PATH", path).status().unwrap();
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert!(read("header").contains("Authorization: Bearer the-TOKEN"), "the token reached curl");
    assert!(!read("seen").contains("TOKEN"), "{}", read("seen"));
}

/// What points a rehearsal's programs at the simulated cloud is not for a runbook to change.
#[test]
fn a_rehearsed_program_cannot_be_led_to_the_real_cloud() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let step = "uses = \"shell\"\nirreversible = true\nwith = { run = [\"bash\", \"-c\", \"env >$SEEN\"], env = { SEEN = \"PLACE\", CLOUDSDK_CONFIG = \"/real\" } }\n";
    let step = step.replace("PLACE", desk.path("env").to_str().unwrap());
    let file = runbook(&desk, "a.toml", &step);
    desk.rectify(&[
        "run",
        &file,
        "--sim",
        &scenario,
        "--speed",
        "max",
        "--run-programs",
        "--yes",
        "--acknowledge",
        "s",
    ])
    .code(0);
    let seen = std::fs::read_to_string(desk.path("env")).unwrap();
    assert!(seen.contains("CLOUDSDK_CONFIG=") && !seen.contains("CLOUDSDK_CONFIG=/real"), "{seen}");
}

#[test]
fn a_command_that_is_suggested_can_be_pasted() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let step = "uses = \"shell\"\nirreversible = true\nfor_each = { items = [\"$(touch PWNED)\"] }\nwith = { run = [\"true\"], env = { X = \"${item}\" } }\n";
    let file = runbook(&desk, "a.toml", step);
    let run = desk.rectify(&["run", &file, "--sim", &scenario, "--speed", "max", "--run-programs", "--yes"]).code(7);
    run.complains("--acknowledge 's/$(touch PWNED)'");
}

#[test]
fn a_deletion_at_the_end_is_counted() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", CLOUD);
    let step = set("annotations.note", "x")
        + "[[phase]]\nname = \"end\"\nfinally = true\n[[phase.step]]\nname = \"gone\"\nuses = \"gcp.delete\"\nirreversible = true\n\
           with = { resource = \"run.jobs/nightly\" }\n";
    let file = runbook(&desk, "a.toml", &step);
    let plan = desk.rectify(&["plan", &file, "--sim", &scenario, "--speed", "max"]).code(0);
    plan.says("1 at the end, however the run ends, which cannot be undone");
}

//! Any resource of Google Cloud by its catalogued name: set, called, made, deleted, undone and observed, on the simulated cloud over a
//! real socket and with the program as a process.

use std::fmt::Write as _;
use std::ops::Add as _;
use std::os::unix::fs::PermissionsExt as _;

use rectify::catalog::{
    self, Assignments, Catalog, Exception, FieldType, Resource, ResourceType, Scope, UpdateDialect, example_resource,
    example_value, validate,
};
use rectify::resource::catalogued::id_of;
use rectify::resource::{OperationProgress, Written};
use rectify::run::{Change, Target, covers};
use serde_json::{Map, Value, json};

use crate::resource_laws::Laboratory;
use crate::support::{Desk, Served};

/// Every type that an update can change.
fn updatable() -> Vec<ResourceType> {
    let all = Catalog::open().unwrap().types().unwrap();
    let is_writable = |known: &ResourceType| {
        known.update().is_some_and(|(_, dialect)| dialect != UpdateDialect::Underivable) && known.is_readable()
    };
    all.into_iter().filter(is_writable).collect()
}

fn target() -> Target {
    Target { project: "my-project".to_owned(), region: "us-central1".to_owned(), protected: false }
}

/// A field of the first level with another value than it has, that an update of the type may set by itself.
fn a_change(known: ResourceType) -> Option<(Value, Assignments)> {
    let is_plain = |field: &str| {
        !known.rules().iter().any(|rule| match &rule.what {
            Exception::Unreadable(path) | Exception::Irreversible { field: path, .. } => {
                path.split('.').next() == Some(field)
            }
            Exception::MaskOnly(paths) => !paths.contains(&field),
            _ => false,
        })
    };
    known.settable_fields().into_iter().filter(|field| is_plain(field.name)).find_map(|field| {
        let (before, after) = match &field.field_type {
            FieldType::String => (json!("before"), json!("after")),
            FieldType::Boolean => (json!(true), json!(false)),
            FieldType::Int32 | FieldType::Uint32 => (json!(3), json!(4)),
            FieldType::Map(value) if matches!(**value, FieldType::String) => {
                (json!({ "team": "a", "kept": "x" }), json!({ "team": "b", "new": "y" }))
            }
            _ => return None,
        };
        let set = Map::from_iter([(field.name.to_owned(), after)]);
        let wanted = validate(known, &set, &[]).ok()?;
        let mut state = Map::from_iter([(field.name.to_owned(), before)]);
        // A neighbour that must stay as it is.
        let neighbour =
            known.settable_fields().into_iter().find(|other| other.name != field.name && is_plain(other.name));
        if let Some(other) = neighbour {
            state.insert(other.name.to_owned(), example_value(known, &other.field_type));
        }
        Some((Value::Object(state), wanted))
    })
}

/// The tables of a scenario with these resources.
fn scenario(resources: &[(String, Value)]) -> String {
    let mut text = "[cloud]\nproject = \"my-project\"\nregion = \"us-central1\"\n".to_owned();
    for (name, state) in resources {
        let name = Value::from(name.as_str());
        let _ = writeln!(text, "[[resources]]\nname = {name}\nstate = '''{state}'''");
    }
    text
}

/// Types that the simulated cloud has a table of its own for.
const TYPED: [&str; 6] = [
    "cloudresourcemanager.projects",
    "cloudsupport.cases",
    "compute.backendServices",
    "run.services",
    "sqladmin.instances",
    "vpcaccess.connectors",
];

#[tokio::test]
async fn every_type_that_can_be_set_is_set_verified_and_undone() {
    let mut cases: Vec<(Resource, String, Value, Assignments)> = Vec::new();
    let (mut typed, mut without_a_field, mut other_version) = (Vec::new(), Vec::new(), 0);
    for known in updatable() {
        let Some((state, wanted)) = a_change(known) else {
            without_a_field.push(known.name());
            continue;
        };
        let resource = example_resource(known);
        let name = resource.full_name();
        // A scenario has the preferred version of a resource.
        if Catalog::open()
            .unwrap()
            .find(&name, &Scope { project: "p", region: None, zone: None })
            .unwrap()
            .resource_type
            != known
        {
            other_version += 1;
            continue;
        }
        let alone = scenario(&[(name.clone(), state.clone())]);
        if rectify::sim::scenario::parse("alone", &alone).is_err() {
            typed.push(known.name());
            continue;
        }
        cases.push((resource, name, state, wanted));
    }
    // What is left out is counted: types without a plain field of the first level, those that the simulated cloud has a table of its
    // own for, and versions of an API that a scenario does not mean.
    assert_eq!(typed, TYPED);
    assert!(without_a_field.len() + other_version <= 80, "{other_version} of another version, and {without_a_field:?}");
    let text = scenario(&cases.iter().map(|(_, name, state, _)| (name.clone(), state.clone())).collect::<Vec<_>>());
    let laboratory = Laboratory::of(&text).await;
    let mut wrong = Vec::new();
    for (resource, name, _, wanted) in &cases {
        let id = id_of(resource, &target());
        let known = resource.resource_type;
        let before = match laboratory.look(&id).await {
            Ok(state) => state,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let ends = catalog::ends(known, &before, wanted).unwrap();
        let change = Change { resource: id.clone(), from: ends.from, to: ends.to };
        for (way, change) in [("apply", change.clone()), ("undo", change.undo())] {
            let written = laboratory.write(&change).await;
            let ended = match written {
                Ok(Written::Sent(OperationProgress::Running { operation })) => {
                    laboratory.finish(&change, &operation).await
                }
                Ok(Written::Sent(progress)) => progress,
                other => {
                    wrong.push(format!("{name} {way}: {other:?}"));
                    break;
                }
            };
            let seen = laboratory.seen(&id).await;
            if !matches!(&ended, OperationProgress::Done(state) if covers(state, &change.to))
                || !covers(&seen, &change.to)
            {
                wrong.push(format!("{name} {way}: {ended:?}\n  wanted {}\n  seen {seen}", change.to));
                break;
            }
        }
        let after = laboratory.seen(&id).await;
        let is_told = wrong.last().is_some_and(|one| one.starts_with(name));
        // A plan warns of what such an update loses.
        let is_lossy = !known.lost_by_update().is_empty();
        if without_tokens(known, &after) != without_tokens(known, &before) && !is_told && !is_lossy {
            wrong.push(format!("{name}: undone, and not as before:\n  {before}\n  {after}"));
        }
        // What somebody else changed meanwhile is not overwritten.
        let stale = Change { from: change.to.clone(), to: change.from.clone(), resource: id.clone() };
        match laboratory.write(&stale).await {
            Ok(Written::Drifted { .. }) => {}
            _ if wrong.last().is_some_and(|one| one.starts_with(name)) => {}
            other => wrong.push(format!("{name}: a stale write was not refused: {other:?}")),
        }
    }
    // Written as a whole, with a field that no answer has: it would be lost.
    let is_refused = |one: &String| one.contains("the API masks it or leaves it out of its answers");
    let lossy: Vec<String> = wrong.iter().filter(|one| is_refused(one)).cloned().collect();
    wrong.retain(|one| !is_refused(one));
    assert!(lossy.len() <= 4, "{lossy:#?}");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 800, "only {} types were tried", cases.len());
}

/// A state without what a write moves by itself.
fn without_tokens(known: ResourceType, state: &Value) -> Value {
    let mut state = state.clone();
    if let Value::Object(fields) = &mut state {
        let token = known.token().field().map(|token| token.split('.').next().unwrap_or(token).to_owned());
        fields.retain(|name, value| {
            Some(name) != token.as_ref()
                && !known.schema().field(name).is_some_and(|field| field.behavior.is_output_only())
                && !["etag", "fingerprint", "labelFingerprint", "metageneration", "updateTime", "updated"]
                    .contains(&name.as_str())
                && !covers(value, &Value::Null)
        });
    }
    state
}

const CACHE: &str = r#"
[[resources]]
name = "redis.instances/cache"
state = { memorySizeGb = 4, tier = "BASIC", labels = { team = "a" } }
update_takes = "2m"

[[resources]]
name = "cloudscheduler.jobs/nightly"
state = { schedule = "0 3 * * *", timeZone = "UTC" }
[resources.methods.pause]
sets = { state = "PAUSED" }
[resources.methods.resume]
sets = { state = "ENABLED" }

[[resources]]
name = "run.jobs/report"
state = { template = { template = { containers = [{ name = "app", image = "i", env = [{ name = "LEVEL", value = "info-before" }, { name = "OTHER", value = "kept-as-it-is" }] }] } } }
"#;

const HEAD: &str = r#"
[runbook]
name = "cache"
title = "Give the cache more memory"
on_failure = "rollback"

[target]
project = "my-project"
region = "us-central1"
"#;

const STEPS: &str = r#"
[probes.cache]
resource = "redis.instances/cache"
expect = "memorySizeGb >= 10"

[[phase]]
name = "grow"

[[phase.step]]
name = "pause-nightly"
uses = "gcp.call"
with = { resource = "cloudscheduler.jobs/nightly", method = "pause", undo = { method = "resume" }, done_when = "resource.state == 'PAUSED'" }

[[phase.step]]
name = "say-more"
uses = "gcp.set"
[phase.step.with]
resource = "run.jobs/report"
set = { "template.template.containers[name=app].env[name=LEVEL].value" = "debug-after-all" }

[[phase.step]]
name = "grow-cache"
uses = "gcp.set"
with = { resource = "redis.instances/cache", set = { memorySizeGb = 10, labels = { team = "b" } } }
gate = { healthy = ["cache"], for = "1m", every = "5s", timeout = "5m" }
"#;

/// What no output may show: values of environment variables that the cloud has. What the runbook sets stands in it for everybody to
/// read, and is said: it may be code.
const SECRETS: [&str; 2] = ["info-before", "kept-as-it-is"];

fn desk() -> (Desk, String, String) {
    let desk = Desk::new();
    let runbook = desk.write("cache.toml", &format!("{HEAD}{STEPS}"));
    let scenario = desk.write("cache.sim.toml", &scenario(&[]).add(CACHE));
    (desk, runbook, scenario)
}

#[test]
fn a_plan_says_what_is_set_and_no_secret() {
    let (desk, runbook, scenario) = desk();
    let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario]).code(0);
    insta::assert_snapshot!("any-resource-plan", plan.stdout);
    for format in ["json", "markdown"] {
        let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario, "--format", format]).code(0);
        for secret in SECRETS {
            assert!(!plan.stdout.contains(secret), "{format}: {}", plan.stdout);
        }
    }
}

#[test]
fn a_run_sets_calls_and_undoes_and_keeps_no_secret_but_sealed() {
    let (desk, runbook, scenario) = desk();
    let served = Served::start(&desk, &scenario, "max");
    let job = "/apis/run.googleapis.com/v2/projects/my-project/locations/us-central1/jobs/report";
    let level = || served.get(job)["template"]["template"]["containers"][0]["env"].clone();
    let env = |value: &str| json!([{ "name": "LEVEL", "value": value }, { "name": "OTHER", "value": "kept-as-it-is" }]);
    served.hurry();
    let url = served.url.clone();
    let done = desk.rectify(&["run", &runbook, "--sim", &url, "--yes"]).code(0);
    assert_eq!(level(), env("debug-after-all"), "{}", done.stdout);
    let export = desk.rectify(&["export"]);
    let report = desk.rectify(&["report", "--format", "json"]);
    let shown = [done.stdout, export.stdout, report.stdout, desk.rectify(&["show"]).stdout].concat();
    assert_eq!(kept_in(&desk), ["sealed.json"]);
    // Another process undoes it, which knows of the run only what was kept.
    let back = desk.rectify(&["rollback", "--yes"]).code(0);
    assert_eq!(level(), env("info-before"), "{}", back.stdout);
    for secret in SECRETS {
        assert!(!(shown.clone() + &back.stdout).contains(secret), "{secret} is shown: {shown}{}", back.stdout);
    }
    // Once all of it is rolled back, nothing is kept any more.
    assert_eq!(kept_in(&desk), Vec::<String>::new());
    let mode = std::fs::metadata(desk.run_directory().join("sealed.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// The files of a run that have a secret in them.
fn kept_in(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.run_directory()).unwrap().map(Result::unwrap);
    let has_secret = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // What the runbook itself says stands in the runbook.
        SECRETS.iter().any(|secret| text.contains(secret))
    };
    let kept = entries.filter(|entry| entry.path().is_file() && has_secret(&entry.path()));
    kept.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_another_principal_changed_is_not_overwritten() {
    let desk = Desk::new();
    let scenario = desk.write("cache.sim.toml", &scenario(&[]).add(CACHE));
    let step = r#"
[[phase]]
name = "later"

[[phase.step]]
name = "reschedule"
uses = "gcp.set"
with = { resource = "cloudscheduler.jobs/nightly", set = { schedule = "0 5 * * *" } }
"#;
    let runbook = desk.write("later.toml", &format!("{HEAD}{step}"));
    let served = Served::start(&desk, &scenario, "max");
    let plan = desk.path("plan.json").display().to_string();
    let url = served.url.clone();
    desk.rectify(&["plan", &runbook, "--sim", &url, "--out", &plan]).code(0);
    let job = "/apis/cloudscheduler.googleapis.com/v1/projects/my-project/locations/us-central1/jobs/nightly";
    let patch = |mask: &str, body| served.call(reqwest::Method::PATCH, &format!("{job}?updateMask={mask}"), Some(body));
    // What the plan does not set is nothing to it.
    assert_eq!(patch("description", json!({ "description": "of somebody else" })).0, 200);
    assert_eq!(patch("schedule", json!({ "schedule": "0 4 * * *" })).0, 200);
    let refused = desk.rectify(&["run", &plan, "--yes"]);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert_eq!(served.get(job)["schedule"], "0 4 * * *");
    assert_eq!(patch("schedule", json!({ "schedule": "0 3 * * *" })).0, 200);
    desk.rectify(&["run", &plan, "--yes"]).code(0);
    assert_eq!(
        (&served.get(job)["schedule"], &served.get(job)["description"]),
        (&json!("0 5 * * *"), &json!("of somebody else"))
    );
}

#[test]
fn what_a_run_makes_it_deletes_again_and_what_it_deletes_is_final() {
    let desk = Desk::new();
    let scenario = desk.write("cache.sim.toml", &scenario(&[]).add(CACHE));
    let steps = r#"
[[phase]]
name = "divert"

[[phase.step]]
name = "make"
uses = "gcp.create"
with = { resource = "pubsub.topics/incident", set = { labels = { team = "a" } } }
"#;
    let runbook = desk.write("make.toml", &format!("{HEAD}{steps}"));
    let topic = |desk: &Desk| desk.world().to_string().contains("topics/incident");
    desk.rectify(&["run", &runbook, "--sim", &scenario, "--yes", "--speed", "max"]).code(0);
    assert!(topic(&desk));
    desk.rectify(&["rollback", "--yes"]).code(0);
    assert!(!topic(&desk));

    let delete = steps
        .replace("gcp.create", "gcp.delete")
        .replace("pubsub.topics/incident\", set = { labels = { team = \"a\" } }", "cloudscheduler.jobs/nightly\"");
    let silent = desk.write("delete.toml", &format!("{HEAD}{delete}"));
    desk.rectify(&["check", &silent]).code(2).says("irreversible-unsaid");
    let desk = Desk::new();
    let scenario = desk.write("cache.sim.toml", &self::scenario(&[]).add(CACHE));
    let said = desk.write("delete.toml", &format!("{HEAD}{delete}irreversible = true\n"));
    let done = desk.rectify(&["run", &said, "--sim", &scenario, "--yes", "--acknowledge", "make", "--speed", "max"]);
    done.code(0);
    assert!(!desk.world().to_string().contains("0 3 * * *"));
}

/// The steps of the incident files that change Google Cloud by a script, said as resources.
#[test]
fn what_scripts_did_in_twelve_incidents_is_planned_carried_out_and_undone() {
    let desk = Desk::new();
    let file = |name: &str| format!("{}/tests/resources/{name}", env!("CARGO_MANIFEST_DIR"));
    let (runbook, scenario) = (file("as-resources.toml"), file("as-resources.sim.toml"));
    let key = ("RECTIFY_INPUT_KEY", "c2VjcmV0LWtleS1vZi10aGUtc2hvcA==");
    desk.rectify(&["check", &runbook]).code(0);
    let plan = desk.rectify_knowing(key, &["plan", &runbook, "--sim", &scenario]).code(0);
    insta::assert_snapshot!("any-resource-incidents", plan.stdout);
    let acknowledged = ["new-version", "replace-machines", "skip-the-backlog", "no-dead-letters"];
    let mut run = vec!["run", &runbook, "--sim", &scenario, "--yes", "--speed", "max"];
    run.extend(acknowledged.iter().flat_map(|step| ["--acknowledge", *step]));
    let done = desk.rectify_knowing(key, &run).code(0).says("✓ done");
    let back = desk.rectify_knowing(key, &["rollback", "--yes"]).code(0);
    for step in acknowledged {
        assert!(back.stdout.contains(&format!("kept, because it cannot be undone: {step}")), "{}", back.stdout);
    }
    let shown = [plan.stdout, done.stdout, back.stdout].concat();
    assert!(!shown.contains("c2VjcmV0") && !shown.contains("secret-key"), "{shown}");
}

const JOB: &str = r#"
[[resources]]
name = "run.jobs/report"
state = '{ "annotations": { "db-password": "old-password" }, "template": { "template": { "containers": [{ "image": "i", "env": [{ "name": "MODE", "value": "broken-mode" }] }] } } }'
[resources.methods.run]
takes = "10s"
sets = { }
"#;

/// A runbook with this step, and the scenario above.
fn with_step(desk: &Desk, step: &str) -> (String, String) {
    let runbook =
        desk.write("step.toml", &format!("{HEAD}\n[[phase]]\nname = \"p\"\n\n[[phase.step]]\nname = \"s\"\n{step}"));
    (runbook, desk.write("job.sim.toml", &scenario(&[]).add(JOB)))
}

#[test]
fn no_condition_is_judged_by_what_stands_for_a_secret() {
    let desk = Desk::new();
    let read = "template.template.containers[0].env[0].value != 'broken-mode'";
    let step = format!(
        "uses = \"gcp.call\"\nirreversible = true\nwith = {{ resource = \"run.jobs/report\", method = \"run\", done_when = \"resource.{read}\" }}\n"
    );
    let (runbook, scenario) = with_step(&desk, &step);
    let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario]);
    assert!(plan.code != 0 && plan.stdout.contains("whether it is done cannot be told"), "{}", plan.stdout);
    let probe = format!(
        "uses = \"probe\"\ngate = {{ healthy = [\"mode\"], for = \"5s\", every = \"1s\", timeout = \"20s\" }}\n\n[probes.mode]\nresource = \"run.jobs/report\"\nexpect = \"{read}\"\n"
    );
    let (runbook, scenario) = with_step(&desk, &probe);
    let run = desk.rectify(&["run", &runbook, "--sim", &scenario, "--yes", "--speed", "max"]);
    assert!(run.code != 0 && !run.stdout.contains("✓ healthy"), "{}", run.stdout);
}

#[test]
fn a_call_is_sent_once_whatever_its_condition_says_afterwards() {
    let desk = Desk::new();
    let step = "uses = \"gcp.call\"\nirreversible = true\nwith = { resource = \"run.jobs/report\", method = \"run\", args = { overrides = { containerOverrides = [{ env = [{ name = \"A\", value = \"told-in-the-plan\" }] }] } }, done_when = \"resource.executionCount > 100\" }\n";
    let (runbook, scenario) = with_step(&desk, step);
    let served = Served::start(&desk, &scenario, "max");
    served.hurry();
    let url = served.url.clone();
    let run = desk.rectify(&["run", &runbook, "--sim", &url, "--yes", "--acknowledge", "s", "--on-failure", "stop"]);
    assert!(run.code != 0 && run.stdout.contains("`done_when` says otherwise"), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("is set to \"told-in-the-plan\""), "{}", run.stdout);
    let sent = served.writes().into_iter().filter(|write| write.contains("report:run")).count();
    assert_eq!(sent, 1, "{:?}", served.writes());
}

#[test]
fn what_nothing_tells_apart_and_what_a_key_makes_a_secret_is_set_and_undone() {
    let desk = Desk::new();
    let step = "uses = \"gcp.set\"\nwith = { resource = \"run.jobs/report\", set = { \"template.template.containers[image=i].env[name=MODE].value\" = \"sound-mode\", \"annotations.db-password\" = \"new-password\" } }\n";
    let (runbook, scenario) = with_step(&desk, step);
    let served = Served::start(&desk, &scenario, "max");
    served.hurry();
    let url = served.url.clone();
    let job =
        || served.get("/apis/run.googleapis.com/v2/projects/my-project/locations/us-central1/jobs/report").to_string();
    let run = desk.rectify(&["run", &runbook, "--sim", &url, "--yes"]).code(0);
    assert!(job().contains("sound-mode") && job().contains("new-password"), "{}", job());
    let back = desk.rectify(&["rollback", "--yes"]).code(0);
    assert!(
        job().contains("broken-mode") && job().contains("old-password") && !job().contains("sound-mode"),
        "{}",
        job()
    );
    for secret in ["broken-mode", "new-password", "old-password"] {
        assert!(!(run.stdout.clone() + &back.stdout).contains(secret), "{secret}: {}{}", run.stdout, back.stdout);
    }
}

#[test]
fn a_name_that_would_be_more_than_a_name_and_a_probe_elsewhere_are_refused() {
    let desk = Desk::new();
    for name in ["run.jobs/report?alt=json", "run.jobs/a%2Fb", "run.jobs/*", "run.jobs/a#b", "run.jobs/a\u{202e}b"] {
        let step = format!("uses = \"gcp.delete\"\nirreversible = true\nwith = {{ resource = \"{name}\" }}\n");
        let (runbook, _) = with_step(&desk, &step);
        desk.rectify(&["check", &runbook]).code(2).says("unknown-resource");
    }
    let probe = "uses = \"probe\"\ngate = { healthy = [\"j\"], for = \"5s\", every = \"1s\", timeout = \"20s\" }\n\n[probes.j]\nresource = \"run.jobs/other/us-central1/j\"\nexpect = \"etag == ''\"\n";
    let (runbook, _) = with_step(&desk, probe);
    desk.rectify(&["check", &runbook]).code(2).says("other-target");
}

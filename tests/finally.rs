//! A phase with `finally = true` is carried out whenever a run ends, is not rolled back, and does not change the outcome.

use serde_json::Value;

use crate::support::{Desk, Done};

const SCENARIO: &str = r#"
[cloud]
project = "shop-staging"
region = "us-central1"

[[resources]]
name = "redis.instances/cache"
state = { memorySizeGb = 4, labels = { mode = "normal" }, tier = "STANDARD_HA" }

[[resources]]
name = "pubsub.topics/orders"
state = { labels = { team = "a" } }
"#;

/// A label is another one while a repair goes on, and is again as it was whatever comes of it.
fn runbook(gate: &str, last: &str) -> String {
    format!(
        r#"
[runbook]
name = "repair"

[target]
project = "shop-staging"
region = "us-central1"

[limits]
apis = ["redis.googleapis.com", "pubsub.googleapis.com"]

[probes.cache]
resource = "redis.instances/cache"
expect = "memorySizeGb >= {gate}"

[[phase]]
name = "quiet"

[[phase.step]]
name = "maintenance-on"
uses = "gcp.set"
with = {{ resource = "redis.instances/cache", set = {{ labels = {{ mode = "maintenance" }} }} }}

[[phase]]
name = "repair"

[[phase.step]]
name = "label-topic"
uses = "gcp.set"
with = {{ resource = "pubsub.topics/orders", set = {{ labels = {{ team = "b" }} }} }}
gate = {{ healthy = ["cache"], every = "1s", timeout = "5s" }}

[[phase]]
name = "back-to-normal"
finally = true

[[phase.step]]
name = "maintenance-off"
uses = "gcp.set"
with = {{ resource = "{last}", set = {{ labels = {{ mode = "normal" }} }} }}
"#
    )
}

const CACHE: &str = "redis.instances/cache";

/// Healthy, and never healthy.
const WELL: &str = "4";
const NEVER_WELL: &str = "400";

fn run(desk: &Desk, text: &str, flags: &[&str]) -> Done {
    let scenario = desk.write("cloud.sim.toml", SCENARIO);
    let runbook = desk.write("repair.toml", text);
    desk.rectify(&[&["run", &runbook, "--sim", &scenario, "--speed", "max", "--yes"], flags].concat())
}

fn labels(desk: &Desk) -> (Value, Value) {
    let world = desk.world();
    let resources = world["parts"]["any"]["resources"].as_object().unwrap();
    let of = |end: &str| {
        let (_, resource) = resources.iter().find(|(name, _)| name.ends_with(end)).unwrap();
        resource["state"]["labels"].clone()
    };
    (of("instances/cache")["mode"].clone(), of("topics/orders")["team"].clone())
}

#[test]
fn the_plan_says_what_is_done_at_the_end() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", SCENARIO);
    let runbook = desk.write("repair.toml", &runbook(WELL, CACHE));
    let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario]).code(0);
    plan.says("phase 2 of 2: repair").says("finally, however the run ends: back-to-normal");
}

#[test]
fn it_is_done_after_success_and_after_a_rollback_and_once_more_after_a_later_one() {
    let desk = Desk::new();
    run(&desk, &runbook(WELL, CACHE), &[]).code(0).says("finally: back-to-normal").says("✓ done");
    assert_eq!(labels(&desk), ("normal".into(), "b".into()));
    desk.rectify(&["resume"]).code(2).complains("is done");
    // What it did is not undone, and what the run did before it is.
    let back = desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back").says("undo label-topic");
    assert!(!back.stdout.contains("undo maintenance-off"), "{}", back.stdout);
    assert_eq!(labels(&desk), ("normal".into(), "a".into()));
}

#[test]
fn it_is_done_when_a_failed_run_is_rolled_back() {
    let desk = Desk::new();
    let failed = run(&desk, &runbook(NEVER_WELL, CACHE), &["--on-failure", "rollback"]).code(1);
    failed.says("✗ failed and rolled back").says("finally: back-to-normal");
    assert_eq!(labels(&desk), ("normal".into(), "a".into()));
}

#[test]
fn a_run_that_was_stopped_and_has_done_it_is_rolled_back_and_not_resumed() {
    let desk = Desk::new();
    let stopped = run(&desk, &runbook(NEVER_WELL, CACHE), &["--on-failure", "stop"]).code(1);
    let stopped = stopped.says("✗ stopped").says("rectify rollback");
    assert!(!stopped.stdout.contains("rectify resume"), "{}", stopped.stdout);
    assert_eq!(labels(&desk), ("normal".into(), "b".into()));
    desk.rectify(&["resume"]).code(2).complains("`finally` phase has been carried out");
    desk.rectify(&["runs"]).code(0).says("stopped");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back");
    assert_eq!(labels(&desk), ("normal".into(), "a".into()));
}

/// A failure at the end is stated, with what is to be done by hand; it does not change how the run ended.
#[test]
fn a_failure_in_it_is_stated_and_leaves_the_outcome_as_it_was() {
    let desk = Desk::new();
    let faulty = format!(
        "{SCENARIO}\n[[resources]]\nname = \"pubsub.topics/news\"\n\n\
         [[faults]]\nmatch = {{ method = \"PATCH\", path = \"*/topics/news\" }}\nfault = {{ status = 403 }}\n"
    );
    let scenario = desk.write("cloud.sim.toml", &faulty);
    let runbook = desk.write("repair.toml", &runbook(WELL, "pubsub.topics/news"));
    let done = desk.rectify(&["run", &runbook, "--sim", &scenario, "--speed", "max", "--yes"]).code(0);
    done.says("✓ done").says("✗ maintenance-off is carried out at the end, and failed; do it by hand");
    assert_eq!(desk.ending()["ending"], "done");
}

/// Nothing was changed, so there is nothing to put in order.
#[test]
fn a_run_that_changes_nothing_does_not_ask_about_it() {
    let desk = Desk::new();
    let text = runbook(WELL, CACHE).replace(
        "uses = \"gcp.set\"\nwith = { resource = \"redis.instances/cache\", set = { labels = { mode = \"maintenance\" } } }",
        "uses = \"gcp.set\"\nwith = { resource = \"redis.instances/cache\", set = { labels = { mode = \"maintenance\" } } }\nrequire = { unhealthy = [\"cache\"] }",
    );
    let stopped = run(&desk, &text, &["--on-failure", "stop"]).code(7);
    assert!(!stopped.stdout.contains("finally: back-to-normal"), "{}", stopped.stdout);
    assert_eq!(labels(&desk), ("normal".into(), "a".into()));
    desk.rectify(&["runs"]).code(0).says("can be resumed");
}

/// A plan that has nothing but such a phase has nothing to put in order; who names the phase wants it carried out now, once.
#[test]
fn nothing_of_it_is_done_twice_and_it_can_be_asked_for_alone() {
    let desk = Desk::new();
    let text = runbook(WELL, CACHE)
        .replace("name = \"maintenance-on\"\nuses", "name = \"maintenance-on\"\nwhen = \"false\"\nuses");
    let text = text.replace("name = \"label-topic\"\nuses", "name = \"label-topic\"\nwhen = \"false\"\nuses");
    let text = text.replace("mode = \"normal\"", "mode = \"quiet\"");
    let done = run(&desk, &text, &[]).code(0);
    assert!(!done.stdout.contains("finally: back-to-normal"), "{}", done.stdout);
    assert_eq!(labels(&desk), ("normal".into(), "a".into()));
    let desk = Desk::new();
    let alone = run(&desk, &text, &["--only", "back-to-normal"]).code(0).says("✓ done");
    assert_eq!(alone.stdout.matches("✓ applied").count(), 1, "{}", alone.stdout);
    assert_eq!(labels(&desk), ("quiet".into(), "a".into()));
}

/// What a rollback brings back may be neither what the step wants nor what it was planned from: that is said, and nothing is suggested.
#[test]
fn a_rollback_lists_what_is_done_again_and_drift_at_the_end_suggests_no_command() {
    let desk = Desk::new();
    let text = runbook(WELL, CACHE).replace("mode = \"normal\"", "mode = \"quiet\"");
    run(&desk, &text, &[]).code(0);
    desk.rectify(&["rollback", "--dry-run"]).code(0).says("then, at the end: maintenance-off");
    let back = desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back");
    let back =
        back.says("maintenance-off was to be carried out at the end, and found something else than the plan expected");
    assert!(!back.stdout.contains("by hand: gcloud"), "{}", back.stdout);
    desk.rectify(&["runs"]).code(0).says("failed at the end: maintenance-off");
}

/// A revision that the run makes serves nobody after a rollback.
#[test]
fn traffic_is_not_given_at_the_end_to_a_revision_that_the_run_makes() {
    let desk = Desk::new();
    let text = std::fs::read_to_string("runbooks/secret-rotation.toml").unwrap().replace("[10, 100]", "[10, 50]")
        + "\n[[phase]]\nname = \"last\"\nfinally = true\n\n[[phase.step]]\nname = \"all-of-it\"\nuses = \"gcp.run.traffic\"\n\
           with = { service = \"payments\", to = { LATEST_READY = 100 } }\n";
    let runbook = desk.write("rotation.toml", &text);
    let planned = desk.rectify(&["plan", &runbook, "--sim", "runbooks/secret-rotation.sim.toml"]);
    planned.says("which this run makes: after a rollback nobody is to be served by it");
}

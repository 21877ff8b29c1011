//! Which steps a plan has, what they are done for, and where they work: `when`, `for_each` over a list, and a step's own project and region.

use crate::support::Desk;

const SCENARIO: &str = r#"
[cloud]
project = "shop-staging"
region = "us-central1"

[[resources]]
name = "redis.instances/cache"
update_takes = "0s"
state = { memorySizeGb = 4, labels = { team = "a" } }

[[resources]]
name = "//redis.googleapis.com/projects/shop-staging/locations/us-east1/instances/cache"
state = { memorySizeGb = 8 }
"#;

fn runbook(when: &str) -> String {
    format!(
        r#"
[runbook]
name = "grow"

[target]
project = "shop-staging"
region = "us-central1"

[limits]
apis = ["redis.googleapis.com"]
regions = ["us-central1", "us-east1"]

[inputs.grow]
default = "yes"

[probes.cache]
resource = "redis.instances/cache"
expect = "memorySizeGb >= 10"

[[phase]]
name = "capacity"

[[phase.step]]
name = "grow-cache"
uses = "gcp.set"
with = {{ resource = "redis.instances/cache", set = {{ memorySizeGb = 10 }} }}
when = '{when}'

[[phase.step]]
name = "label-in-the-east"
uses = "gcp.set"
region = "us-east1"
with = {{ resource = "redis.instances/cache", set = {{ labels = {{ team = "b" }} }} }}
"#
    )
}

fn plan(desk: &Desk, text: &str, flags: &[&str]) -> crate::support::Done {
    let scenario = desk.write("cloud.sim.toml", SCENARIO);
    let runbook = desk.write("grow.toml", text);
    desk.rectify(&[&["plan", &runbook, "--sim", &scenario], flags].concat())
}

const SMALL: &str = r#"probes.cache.observation.memorySizeGb < 10 && "${inputs.grow}" == "yes""#;

#[test]
fn a_step_whose_when_does_not_hold_is_left_out_and_the_plan_says_why() {
    let desk = Desk::new();
    let planned = plan(&desk, &runbook(SMALL), &[]).code(0).says("memorySizeGb  4 → 10");
    assert!(!planned.stdout.contains("left out"), "{}", planned.stdout);
    let said =
        "- grow-cache: left out: `when` does not hold: probes.cache.observation.memorySizeGb < 10 && \"no\" == \"yes\"";
    let left = plan(&desk, &runbook(SMALL), &["--input", "grow=no"]).code(0).says(said);
    left.says("(probes.cache.observation.memorySizeGb is 4)").says("1 change, which can be undone");
    plan(&desk, &runbook(SMALL), &["--input", "grow=no", "--format", "markdown"]).code(0).says("Left out");
    plan(&desk, &runbook("probes.cache.healthy"), &[]).code(0).says("left out").says("probes.cache.healthy is false");
}

#[test]
fn what_cannot_be_decided_keeps_the_plan_from_being_carried_out() {
    let desk = Desk::new();
    let gone = runbook(SMALL)
        .replace("resource = \"redis.instances/cache\"\nexpect", "resource = \"redis.instances/gone\"\nexpect");
    plan(&desk, &gone, &[]).code(1).says("`when` cannot be decided");
    let offline = desk.write("grow.toml", &runbook(SMALL));
    desk.rectify(&["plan", &offline, "--offline"]).code(0).says("was not observed");
}

#[test]
fn a_saved_plan_is_stale_once_a_when_is_decided_otherwise() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", SCENARIO);
    let served = crate::support::Served::start(&desk, &scenario, "max");
    let text = desk.write("grow.toml", &runbook("probes.cache.observation.memorySizeGb > 4"));
    let saved = desk.path("plan.json").display().to_string();
    let at = served.url.clone();
    let planned = desk.rectify(&["plan", &text, "--sim", &at, "--out", &saved]).code(0);
    let digest = planned.stdout.split("--digest ").nth(1).unwrap().trim().to_owned();
    let path = "/apis/redis.googleapis.com/v1/projects/shop-staging/locations/us-central1/instances/cache?updateMask=memorySizeGb";
    let (status, _) = served.call(reqwest::Method::PATCH, path, Some(serde_json::json!({ "memorySizeGb": 6 })));
    assert_eq!(status, 200);
    let is_grown = || {
        served.get("/apis/redis.googleapis.com/v1/projects/shop-staging/locations/us-central1/instances/cache")["memorySizeGb"]
            == 6
    };
    crate::support::until("the cache has grown", is_grown);
    let stale = desk.rectify(&["run", &saved, "--digest", &digest, "--yes"]).code(7);
    stale.says("grow-cache was left out, and its `when` holds now").complains("the plan is stale");
}

#[test]
fn a_step_works_in_a_region_of_its_own_and_says_so() {
    let desk = Desk::new();
    let planned = plan(&desk, &runbook(SMALL), &[]).code(0);
    planned.says("locations/us-east1/instances/cache").says("! in the region us-east1");
    let beyond = runbook(SMALL).replace(", \"us-east1\"]", "]");
    plan(&desk, &beyond, &[]).code(2).complains("this works in the region `us-east1`");
}

const JOBS: &str = r#"
[cloud]
project = "shop-staging"
region = "us-central1"

[[resources]]
name = "cloudscheduler.jobs/nightly"
state = { schedule = "0 3 * * *", state = "ENABLED" }
[resources.methods.pause]
sets = { state = "PAUSED" }
[resources.methods.resume]
sets = { state = "ENABLED" }

[[resources]]
name = "cloudscheduler.jobs/hourly"
state = { schedule = "0 * * * *", state = "ENABLED" }
[resources.methods.pause]
sets = { state = "PAUSED" }
[resources.methods.resume]
sets = { state = "ENABLED" }

[[resources]]
name = "cloudscheduler.jobs/retired"
state = { schedule = "0 * * * *", state = "PAUSED" }
"#;

const PAUSE: &str = r#"
[runbook]
name = "quiet"

[target]
project = "shop-staging"
region = "us-central1"

[[phase]]
name = "quiet"

[[phase.step]]
name = "pause"
uses = "gcp.call"
for_each = { list = "cloudscheduler.jobs", where = "resource.state == 'ENABLED'" }
with = { resource = "cloudscheduler.jobs/${item}", method = "pause", undo = { method = "resume" }, done_when = "resource.state == 'PAUSED'" }
"#;

#[test]
fn a_step_is_done_for_each_resource_of_a_list_that_the_plan_fixes() {
    let desk = Desk::new();
    let (scenario, text) = (desk.write("cloud.sim.toml", JOBS), desk.write("quiet.toml", PAUSE));
    desk.rectify(&["check", &text]).code(0);
    let planned = desk.rectify(&["plan", &text, "--sim", &scenario]).code(0).says("pause/hourly").says("pause/nightly");
    assert!(!planned.stdout.contains("pause/retired"), "{}", planned.stdout);
    desk.rectify(&["plan", &text, "--offline"]).code(0).says("was not observed");
    let done = desk.rectify(&["run", &text, "--sim", &scenario, "--speed", "max", "--yes"]).code(0);
    done.says("✓ done");
    let state = |name: &str| {
        let world = desk.world();
        let resources = world["parts"]["any"]["resources"].as_object().unwrap().clone();
        let (_, found) = resources.into_iter().find(|(known, _)| known.ends_with(name)).unwrap();
        found["state"]["state"].clone()
    };
    assert_eq!([state("jobs/nightly"), state("jobs/hourly")], ["PAUSED", "PAUSED"]);
    // Whoever takes the run up knows the list from the plan: now none of them is enabled.
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back");
    assert_eq!([state("jobs/nightly"), state("jobs/hourly"), state("jobs/retired")], ["ENABLED", "ENABLED", "PAUSED"]);
}

#[test]
fn a_list_of_nothing_leaves_the_step_out_and_a_list_of_something_else_makes_a_plan_stale() {
    let desk = Desk::new();
    let scenario = desk.write("cloud.sim.toml", JOBS);
    let served = crate::support::Served::start(&desk, &scenario, "max");
    let text = desk.write("quiet.toml", &PAUSE.replace("'ENABLED'", "'DISABLED'"));
    let none = desk.rectify(&["plan", &text, "--sim", &served.url]).code(0);
    none.says("- pause: left out: there are no cloudscheduler.jobs with resource.state == 'DISABLED'");
    let text = desk.write("quiet.toml", PAUSE);
    let saved = desk.path("plan.json").display().to_string();
    let planned = desk.rectify(&["plan", &text, "--sim", &served.url, "--out", &saved]).code(0);
    let digest = planned.stdout.split("--digest ").nth(1).unwrap().trim().to_owned();
    let path = "/apis/cloudscheduler.googleapis.com/v1/projects/shop-staging/locations/us-central1/jobs/hourly:pause";
    let (status, answer) = served.call(reqwest::Method::POST, path, Some(serde_json::json!({})));
    assert_eq!(status, 200, "{answer}");
    let stale = desk.rectify(&["run", &saved, "--digest", &digest, "--yes"]).code(7);
    stale.says("pause: the list is another one now: nightly").complains("the plan is stale");
}

#[test]
fn a_list_that_cannot_be_read_or_means_nothing_is_said() {
    let desk = Desk::new();
    let text =
        desk.write("quiet.toml", &PAUSE.replace("list = \"cloudscheduler.jobs\"", "list = \"cloudscheduler.jbos\""));
    desk.rectify(&["check", &text]).code(2).says("`cloudscheduler` has no resources `jbos`");
    let both = desk.write("both.toml", &PAUSE.replace("list =", "items = [\"a\"], list ="));
    desk.rectify(&["check", &both]).code(2).says("both say what to do it for");
    let odd = desk.write(
        "odd.toml",
        &PAUSE
            .replace("resource.state == 'ENABLED' \"", "state == 'ENABLED'")
            .replace("resource.state == 'ENABLED'\" }", "stat == 'ENABLED'\" }"),
    );
    desk.rectify(&["check", &odd]).code(2).says("`stat` is nothing that this condition can refer to");
}

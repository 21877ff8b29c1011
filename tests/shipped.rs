//! The runbooks that are shipped with a scenario, rehearsed both ways: to their end, and when what they do does not help.
//!
//! The flagship, a bad revision and exhausted connections have files of their own.

use serde_json::Value;

use crate::support::Desk;

fn state(desk: &Desk, name: &str) -> Value {
    let world = desk.world();
    let resources = world["parts"]["any"]["resources"].as_object().unwrap();
    let (_, found) = resources.iter().find(|(known, _)| known.ends_with(name)).unwrap_or_else(|| panic!("no {name}"));
    found["state"].clone()
}

fn jobs(desk: &Desk) -> [Value; 3] {
    ["jobs/nightly", "jobs/hourly", "jobs/retired"].map(|job| state(desk, job)["state"].clone())
}

/// As they were: `retired` was paused before the run, and stays so.
const AS_BEFORE: [&str; 3] = ["ENABLED", "ENABLED", "PAUSED"];

#[test]
fn the_cache_grows_while_its_jobs_are_paused() {
    let desk = Desk::new();
    let done = desk.rectify(&["run", "runbooks/cache-capacity.toml", "--sim", "--speed", "max", "--yes"]).code(0);
    done.says("pause-jobs/hourly: ✓ applied").says("finally: The jobs run again").says("✓ done");
    assert_eq!(
        (jobs(&desk), &state(&desk, "instances/cache")["memorySizeGb"]),
        (AS_BEFORE.map(Value::from), &10.into())
    );
}

#[test]
fn the_jobs_run_again_when_the_cache_does_not_help() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string("runbooks/cache-capacity.sim.toml").unwrap();
    let scenario = desk.write("cache.sim.toml", &scenario.replace("memorySizeGb < 8", "memorySizeGb < 800"));
    let run = ["run", "runbooks/cache-capacity.toml", "--sim", &scenario, "--speed", "max", "--yes"];
    desk.rectify(&run).code(1).says("✗ failed and rolled back").says("finally: The jobs run again");
    assert_eq!(
        (jobs(&desk), &state(&desk, "instances/cache")["memorySizeGb"]),
        (AS_BEFORE.map(Value::from), &5.into())
    );
}

const ROTATE: [&str; 10] = [
    "run",
    "runbooks/secret-rotation.toml",
    "--speed",
    "max",
    "--yes",
    "--acknowledge",
    "add-version",
    "--acknowledge",
    "disable-old-version",
    "--sim",
];

#[test]
fn a_key_is_rotated_and_the_old_one_is_off() {
    let desk = Desk::new();
    let done = desk.rectify(&ROTATE).code(0).says("payments: payments-00002").says("✓ done");
    assert!(!done.stdout.contains("a-new-key-for-rehearsals"), "{}", done.stdout);
    let version = |number: u32| state(&desk, &format!("payment-key/versions/{number}"))["state"].clone();
    assert_eq!([version(3), version(4)], ["DISABLED", "ENABLED"]);
}

/// A revision that does not start with the new key gets no traffic, and the old key stays on.
#[test]
fn a_key_that_does_not_work_takes_nothing_down() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string("runbooks/secret-rotation.sim.toml").unwrap();
    let fault = "\n[[faults]]\nmatch = { host = \"rotation---*\" }\nfault = { status = 500 }\n";
    let scenario = desk.write("key.sim.toml", &(scenario + fault));
    let stopped = desk.rectify(&[&ROTATE[..], &[&scenario]].concat()).code(1);
    stopped.says("✗ stopped").says("restart-payments/candidate failed");
    assert_eq!(state(&desk, "payment-key/versions/3")["state"], "ENABLED");
    desk.rectify(&["rollback", "--yes"]).code(0).says("payments: payments-00011-pay 100 %; payments healthy");
}

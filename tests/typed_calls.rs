//! Calls of methods that have actions of their own, and what becomes of calls whose answer was lost: with the program as a process, and with
//! its clients over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rectify::check::check;
use rectify::clock::SystemClock;
use rectify::external::{self, Conduct, Peers, Programs};
use rectify::peer::Route;
use rectify::resource::catalogued::SealedValues;
use rectify::resource::{Cloud, Endpoint, Kinds, OperationProgress, ReadError, Seen, WriteError, Writer, Written};
use rectify::run::{Change, ResourceId};
use rectify::runbook::Mode;
use rectify::syntax::Inputs;
use serde_json::{Value, json};

use crate::support::{Desk, Served};

const SCENARIO: &str = "tests/resources/typed-calls.sim.toml";
const RUNBOOK: &str = "tests/resources/typed-calls.toml";
/// The new key, and what base64 makes of it.
const KEY: (&str, &str) = ("RECTIFY_INPUT_KEY", "a-new-key-of-the-shop");
const ENCODED: &str = "YS1uZXcta2V5LW9mLXRoZS1zaG9w";
const ACKNOWLEDGED: [&str; 6] = ["restart", "other-zone", "promote", "migrate", "new-key", "oldest-key-gone"];

const SCHEDULE: &str =
    "/apis/cloudscheduler.googleapis.com/v1/projects/shop-staging/locations/us-central1/jobs/nightly";
const VERSIONS: &str = "/apis/secretmanager.googleapis.com/v1/projects/shop-staging/secrets/api-key/versions";

fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn flags<'a>(first: &[&'a str]) -> Vec<&'a str> {
    first.iter().copied().chain(ACKNOWLEDGED.iter().flat_map(|step| ["--acknowledge", *step])).collect()
}

#[test]
fn a_plan_says_what_each_call_does_and_what_is_known_of_its_resource() {
    let desk = Desk::new();
    let (runbook, scenario) = (file(RUNBOOK), file(SCENARIO));
    desk.rectify(&["check", &runbook]).code(0);
    let plan = desk.rectify_knowing(KEY, &["plan", &runbook, "--sim", &scenario]).code(0);
    insta::assert_snapshot!("typed-calls-plan", plan.stdout);
}

#[test]
fn typed_calls_are_made_and_undone_and_their_commands_are_exported() {
    let desk = Desk::new();
    let (runbook, scenario) = (file(RUNBOOK), file(SCENARIO));
    let served = Served::start(&desk, &scenario, "max");
    served.hurry();
    let url = served.url.clone();
    let run = flags(&["run", &runbook, "--sim", &url, "--yes"]);
    let done = desk.rectify_knowing(KEY, &run).code(0).says("✓ done");
    assert_eq!(served.get(SCHEDULE)["state"], "ENABLED", "it was paused, and resumed in the end");
    let made = |method: &str| served.writes().iter().filter(|write| write.ends_with(method)).count();
    for method in [
        "nightly:pause",
        "nightly:resume",
        "/backupRuns",
        "shop-postgres/restart",
        "shop-postgres/failover",
        "shop-replica/promoteReplica",
        "migrate:run",
        "api-key:addVersion",
    ] {
        assert_eq!(made(method), 1, "{method}: {:?}", served.writes());
    }
    let state = |version: u32| served.get(&format!("{VERSIONS}/{version}"))["state"].clone();
    assert_eq!(
        (state(4), state(3), state(2), state(1)),
        ("ENABLED".into(), "DISABLED".into(), "ENABLED".into(), "DESTROYED".into())
    );
    let script = desk.rectify(&["export", "--undo"]).code(0).stdout;
    let resume = "gcloud scheduler jobs resume nightly --location=us-central1 --project=shop-staging\n";
    assert!(script.contains(resume) && script.contains("# there is nothing to undo"), "{script}");
    let back = desk.rectify_knowing(KEY, &["rollback", "--yes"]).code(0);
    assert_eq!(
        (state(4), state(3), state(2), state(1)),
        ("ENABLED".into(), "ENABLED".into(), "DISABLED".into(), "DESTROYED".into())
    );
    assert_eq!(served.get(SCHEDULE)["state"], "ENABLED");
    for step in ["other-zone", "promote", "migrate", "new-key", "oldest-key-gone"] {
        assert!(back.stdout.contains(&format!("kept, because it cannot be undone: {step}")), "{}", back.stdout);
    }
    let shown = [done.stdout, script, back.stdout].concat();
    assert!(!shown.contains(KEY.1) && !shown.contains(ENCODED), "{shown}");
}

/// A runbook with these steps.
fn runbook(desk: &Desk, steps: &str) -> String {
    let text = std::fs::read_to_string(file(RUNBOOK)).unwrap();
    let (head, _) = text.split_once("[[phase]]").unwrap();
    let head = head.replace("\"rollback\"", "\"stop\"");
    let (head, _) = head.split_once("[inputs]").unwrap();
    desk.write("steps.toml", &format!("{head}[[phase]]\nname = \"p\"\n\n{steps}"))
}

fn step(name: &str, uses: &str, with: &str) -> String {
    format!("[[phase.step]]\nname = \"{name}\"\nuses = \"{uses}\"\nirreversible = true\nwith = {{ {with} }}\n\n")
}

#[test]
fn a_call_that_the_resource_is_not_fit_for_is_refused_before_anything_is_done() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string(file(SCENARIO)).unwrap();
    let scenario = scenario.replace("settings = { availabilityType = \"REGIONAL\" }", "activation_policy = \"NEVER\"");
    let scenario = desk.write("zonal.sim.toml", &scenario);
    for (uses, with, why) in [
        ("gcp.sql.failover", "instance = \"shop-postgres\"", "its availability type is ZONAL"),
        ("gcp.sql.restart", "instance = \"shop-postgres\"", "it is stopped, because its activation policy is NEVER"),
        ("gcp.sql.promote", "instance = \"shop-postgres\"", "it is no read replica"),
        ("gcp.sql.backup", "instance = \"shop-replica\"", "it is a read replica, of which there are no backups"),
    ] {
        let runbook = runbook(&desk, &step("s", uses, with));
        let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario]);
        assert!(plan.code != 0 && plan.stdout.contains(why), "{uses}: {}{}", plan.stdout, plan.stderr);
    }
    for (uses, with, why) in [
        ("gcp.secret.disable", "secret = \"api-key\", version = \"latest\"", "another version as soon as one is added"),
        ("gcp.secret.add", "secret = \"api-key\", value = \"hunter2-in-the-file\"", "stands in the runbook"),
        ("gcp.scheduler.pause", "job = \"other/us-central1/nightly\"", "is a short name"),
    ] {
        let runbook = runbook(&desk, &step("s", uses, with));
        desk.rectify(&["check", &runbook]).code(2).says(why);
    }
}

#[test]
fn an_execution_that_fails_is_a_failed_step_and_no_healthy_one() {
    let desk = Desk::new();
    let scenario = std::fs::read_to_string(file(SCENARIO)).unwrap();
    let scenario =
        desk.write("fails.sim.toml", &scenario.replace("takes = \"40s\"", "takes = \"40s\"\nfails = \"exit code 3\""));
    let runbook = runbook(&desk, &step("migrate", "gcp.run.job.execute", "job = \"migrate\""));
    let flags = ["run", &runbook, "--sim", &scenario, "--speed", "max", "--yes", "--acknowledge", "migrate"];
    let run = desk.rectify(&flags);
    assert!(run.code != 0, "{}", run.stdout);
    run.says("failed (1 of its tasks failed): exit code 3").says("it took effect at least in part");
}

#[test]
fn the_machine_the_storage_and_the_policy_of_a_database_are_set_and_all_but_the_storage_undone() {
    let desk = Desk::new();
    let with = "instance = \"shop-postgres\", flags = { log_lock_waits = \"on\" }, tier = \"db-custom-4-15360\", activation_policy = \"NEVER\", storage_gb = 20";
    let runbook = runbook(&desk, &step("grow", "gcp.sql.patch", with));
    let scenario = file(SCENARIO);
    let plan = desk.rectify(&["plan", &runbook, "--sim", &scenario]).code(0);
    insta::assert_snapshot!("sql-settings-plan", plan.stdout);
    let served = Served::start(&desk, &scenario, "max");
    served.hurry();
    let url = served.url.clone();
    desk.rectify(&["run", &runbook, "--sim", &url, "--yes", "--acknowledge", "grow"]).code(0).says("✓ done");
    let settings = || {
        let settings = served.get("/v1/projects/shop-staging/instances/shop-postgres")["settings"].clone();
        ["tier", "activationPolicy", "dataDiskSizeGb"]
            .map(|field| settings[field].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(settings(), ["db-custom-4-15360", "NEVER", "20"]);
    let script = desk.rectify(&["export", "--undo"]).code(0).stdout;
    assert!(script.contains("--tier=db-custom-2-7680 --activation-policy=ALWAYS"), "{script}");
    desk.rectify(&["rollback", "--yes"]).code(0).says("kept, because it cannot be undone: grow/storage");
    assert_eq!(settings(), ["db-custom-2-7680", "ALWAYS", "20"]);
    let smaller = self::runbook(&desk, &step("s", "gcp.sql.patch", "instance = \"shop-postgres\", storage_gb = 10"));
    let plan = desk.rectify(&["plan", &smaller, "--sim", &url]);
    assert!(plan.code != 0 && plan.stdout.contains("storage only grows: 10 GB is less"), "{}", plan.stdout);
}

/// The clients of a run of a runbook, on a simulated cloud in a process of its own.
struct Clients {
    served: Served,
    desk: Desk,
    runbook: String,
    runtime: tokio::runtime::Runtime,
}

impl Clients {
    fn of(steps: &str) -> Clients {
        let desk = Desk::new();
        let runbook = runbook(&desk, steps);
        let served = Served::start(&desk, &file(SCENARIO), "max");
        served.hurry();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Clients { served, desk, runbook, runtime }
    }

    /// What a new process of the run has.
    fn kinds(&self) -> (Kinds, Writer) {
        let checked = check(&self.runbook, &std::fs::read(&self.runbook).unwrap(), &Inputs::none(), Mode::Run);
        let checked = checked.checked.unwrap();
        let address: SocketAddr = self.served.url.trim_start_matches("http://").parse().unwrap();
        let endpoint = Endpoint::Simulated(address);
        let (cloud, writer) = self
            .runtime
            .block_on(async { (Cloud::at(&endpoint).await.unwrap(), Writer::at(&endpoint).await.unwrap()) });
        let programs = Programs::of(checked.runbook(), Arc::new(SystemClock), None, Conduct::LeaveOut);
        let sealed = SealedValues::in_file(self.desk.path("sealed.json")).unwrap();
        let peers = Peers { route: Route::Direct, clock: Arc::new(SystemClock), run: "run".to_owned() };
        (external::kinds(checked.runbook(), &Arc::new(cloud), programs, sealed, peers), writer)
    }

    fn write(&self, change: &Change) -> Result<Written, WriteError> {
        let (kinds, writer) = self.kinds();
        self.runtime.block_on(kinds.of(&change.resource).unwrap().write(&writer, change))
    }

    fn observe(&self, id: &ResourceId) -> Result<Seen<Value>, ReadError> {
        let (kinds, _) = self.kinds();
        self.runtime.block_on(kinds.observe(id))
    }

    fn poll(&self, id: &ResourceId, operation: &str) -> OperationProgress<Value> {
        let (kinds, _) = self.kinds();
        self.runtime.block_on(kinds.of(id).unwrap().poll(id, operation, Duration::ZERO)).unwrap()
    }

    fn fault(&self, fault: &Value) {
        let body = json!({ "match": { "method": "POST", "host": "*.googleapis.com" }, "fault": fault, "times": 1 });
        assert_eq!(self.served.call(reqwest::Method::POST, "/_sim/faults", Some(body)).0, 200);
    }

    fn advance(&self) {
        self.served.call(reqwest::Method::POST, "/_sim/clock", Some(json!({ "advance": "10m" })));
    }

    fn sent(&self, end: &str) -> usize {
        self.served.writes().iter().filter(|write| write.ends_with(end)).count()
    }
}

fn change(name: &str, task: &str) -> Change {
    let resource = format!("gcp.call/shop-staging/us-central1/{name}#{task}").parse().unwrap();
    Change { resource, from: json!({ "done": false }), to: json!({ "done": true }) }
}

const JOB: &str = "run.googleapis.com/projects/shop-staging/locations/us-central1/jobs/migrate";
const DATABASE: &str = "sqladmin.googleapis.com/projects/shop-staging/instances/shop-postgres";
const NIGHTLY: &str = "cloudscheduler.googleapis.com/projects/shop-staging/locations/us-central1/jobs/nightly";
const SECRET: &str = "secretmanager.googleapis.com/projects/shop-staging/secrets/api-key";

fn in_doubt(written: &Result<Written, WriteError>) -> bool {
    matches!(written, Err(WriteError::InDoubt { .. }))
}

#[test]
fn a_call_that_an_operator_says_did_not_happen_is_sent_again() {
    let clients = Clients::of(&step("quiet", "gcp.scheduler.pause", "job = \"nightly\""));
    let change = change(NIGHTLY, "quiet");
    clients.fault(&json!({ "refuse": true }));
    let written = clients.write(&change);
    assert!(in_doubt(&written), "{written:?}");
    // It may be on its way: only an operator can say that it is not.
    assert!(matches!(clients.observe(&change.resource), Err(ReadError::Untold { .. })));
    let again = clients.write(&change);
    assert!(matches!(again, Ok(Written::Sent(OperationProgress::Done(_)))), "{again:?}");
    assert_eq!(clients.observe(&change.resource).unwrap().state, json!({ "done": true }));
    assert_eq!(clients.served.get(SCHEDULE)["state"], "PAUSED");
}

#[test]
fn a_call_whose_answer_was_lost_is_found_by_the_entry_that_it_left() {
    let steps = [
        step("migrate", "gcp.run.job.execute", "job = \"migrate\""),
        step("restart", "gcp.sql.restart", "instance = \"shop-postgres\""),
        step("keep", "gcp.sql.backup", "instance = \"shop-postgres\""),
    ];
    let clients = Clients::of(&steps.concat());
    // What was there before is nothing of this run's.
    clients.served.call(reqwest::Method::POST, &format!("/apis/{}:run", JOB.replacen('/', "/v2/", 1)), Some(json!({})));
    clients.advance();
    for (change, end) in [
        (change(JOB, "migrate"), ":run"),
        (change(DATABASE, "restart"), "/restart"),
        (change(DATABASE, "keep"), "/backupRuns"),
    ] {
        let before = clients.sent(end);
        clients.fault(&json!({ "reset": true }));
        let written = clients.write(&change);
        assert!(in_doubt(&written), "{end}: {written:?}");
        let seen = clients.observe(&change.resource).unwrap();
        let operation = seen.operation.unwrap_or_else(|| panic!("{end}: {:?}", seen.state));
        clients.advance();
        let polled = clients.poll(&change.resource, &operation);
        assert!(matches!(&polled, OperationProgress::Done(state) if state["done"] == true), "{end}: {polled:?}");
        assert_eq!(clients.observe(&change.resource).unwrap().state, json!({ "done": true }), "{end}");
        assert_eq!(clients.sent(end), before + 1, "{end}");
    }
}

#[test]
fn a_call_that_left_no_entry_is_for_an_operator_to_say_and_is_not_sent_twice_once_there_is_one() {
    let clients = Clients::of(&step("migrate", "gcp.run.job.execute", "job = \"migrate\""));
    let change = change(JOB, "migrate");
    clients.fault(&json!({ "refuse": true }));
    assert!(in_doubt(&clients.write(&change)));
    assert!(matches!(clients.observe(&change.resource), Err(ReadError::Untold { .. })));
    // It arrives late, after an operator said that it did not happen.
    clients.served.call(reqwest::Method::POST, &format!("/apis/{}:run", JOB.replacen('/', "/v2/", 1)), Some(json!({})));
    let before = clients.sent(":run");
    let again = clients.write(&change);
    assert!(
        matches!(again, Ok(Written::Sent(OperationProgress::Running { .. } | OperationProgress::Done(_)))),
        "{again:?}"
    );
    assert_eq!(clients.sent(":run"), before, "the execution that there is, is this one");
}

#[test]
fn two_new_entries_are_nobodys() {
    let clients = Clients::of(&step("migrate", "gcp.run.job.execute", "job = \"migrate\""));
    let change = change(JOB, "migrate");
    clients.fault(&json!({ "reset": true }));
    assert!(in_doubt(&clients.write(&change)));
    clients.served.call(reqwest::Method::POST, &format!("/apis/{}:run", JOB.replacen('/', "/v2/", 1)), Some(json!({})));
    assert!(matches!(clients.observe(&change.resource), Err(ReadError::Untold { .. })));
}

#[test]
fn what_a_run_noted_of_its_calls_decides_what_nothing_else_can() {
    let with = "resource = \"run.jobs/migrate\", method = \"run\"";
    let other = "resource = \"secretmanager.secrets/api-key\", method = \"addVersion\", args = { payload = { data = \"YQ==\" } }";
    let clients = Clients::of(&[step("migrate", "gcp.call", with), step("add", "gcp.call", other)].concat());
    let (migrate, add) = (change(JOB, "migrate"), change(SECRET, "add"));
    assert!(
        matches!(clients.observe(&migrate.resource), Err(ReadError::Untold { .. })),
        "nothing is noted of this run"
    );
    let written = clients.write(&migrate).unwrap();
    let Written::Sent(OperationProgress::Running { operation }) = written else { panic!("{written:?}") };
    // Killed before the next call, which was announced: it was not sent.
    assert_eq!(clients.observe(&add.resource).unwrap().state, json!({ "done": false }));
    // Killed before the operation stood in the journal: it is there all the same.
    assert_eq!(clients.observe(&migrate.resource).unwrap().operation, Some(operation.clone()));
    clients.advance();
    assert!(matches!(clients.poll(&migrate.resource, &operation), OperationProgress::Done(_)));
    assert_eq!(clients.observe(&migrate.resource).unwrap().state, json!({ "done": true }));
    assert!(matches!(clients.write(&add), Ok(Written::Sent(OperationProgress::Done(_)))));
    assert_eq!(clients.observe(&add.resource).unwrap().state, json!({ "done": true }));
}

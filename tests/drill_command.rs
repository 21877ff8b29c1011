//! `rectify drill` as it is typed.

use serde_json::{Value, json};

use crate::support::{Desk, Served};

const RUNBOOK: &str = "runbooks/bad-revision.toml";
const SCENARIO: &str = "runbooks/bad-revision.sim.toml";

/// A drill of the operations of one step, which takes a few seconds.
const OPERATIONS: [&str; 6] = ["--sim", SCENARIO, "--only", "traffic-back", "--faults", "operation"];

#[test]
fn every_path_has_an_object_with_its_step_its_fault_and_its_outcome() {
    let desk = Desk::new();
    let done = desk.rectify(&[&["drill", RUNBOOK, "--format", "json"], &OPERATIONS[..]].concat()).code(0);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let paths = report["paths"].as_array().unwrap();
    // Five faults, forwards and back, and four things that may be asked for after each.
    assert_eq!(paths.len(), 40);
    assert!(paths.iter().all(|path| path["step"] == "traffic-back" && path["class"] == "operation"));
    let outcome = |way: &str, fault: &str, then: &str| {
        let same = |path: &&Value| path["way"] == way && path["fault"] == fault && path["then"] == then;
        let found: Vec<&Value> = paths.iter().filter(same).collect();
        assert_eq!(found.len(), 1, "{way} {fault} {then}");
        found[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("apply", "operation fails", ""), "rolled_back");
    assert_eq!(outcome("apply", "operation unclear, effect", ""), "recovered");
    assert_eq!(outcome("apply", "operation hangs", ""), "stuck");
    assert_eq!(outcome("undo", "operation hangs", ""), "stuck");
    assert_eq!(report["gates_never_failing"], serde_json::json!([]));
    assert_eq!(report["not_accepted"], serde_json::json!({}));
}

#[test]
fn a_drill_is_read_on_a_terminal_and_in_a_pull_request() {
    let desk = Desk::new();
    let drill = |format: &str| {
        let arguments = [&["drill", RUNBOOK, "--every", "3", "--format", format], &OPERATIONS[..]].concat();
        desk.rectify(&arguments).code(0).stdout
    };
    insta::with_settings!({filters => vec![("operations/ *[0-9a-f-]{36}", "operations/OPERATION")]}, {
        insta::assert_snapshot!("a_drill_on_a_terminal", drill("text"));
        insta::assert_snapshot!("a_drill_in_a_pull_request", drill("markdown"));
    });
}

#[test]
fn an_ending_that_the_author_does_not_accept_fails_the_drill_unless_it_is_excepted() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(RUNBOOK).unwrap();
    let drill = |name: &str, policy: &str| {
        let runbook = desk.write(name, &format!("{text}\n{policy}"));
        desk.rectify(&[&["drill", &runbook, "--every", "5"], &OPERATIONS[..]].concat())
    };
    let done = drill("strict.toml", "[drill]\nnever = [\"stuck\"]\n").code(1);
    done.says("Not accepted: 1 path ends stuck: ");
    let except = "except = [{ step = \"traffic-back\", fault = \"operation\", reason = \"the on-call watches it\" }]\n";
    let done = drill("excepted.toml", &format!("[drill]\nnever = [\"stuck\"]\n{except}")).code(0);
    done.says("Excepted: 1 path with operation faults at traffic-back: ").says("Every ending of this sample");
    desk.rectify(&[&["drill", RUNBOOK, "--every", "5", "--fail-on", "stuck"], &OPERATIONS[..]].concat())
        .code(1)
        .says("Not accepted: 1 path ends stuck: ");
}

#[test]
fn what_a_drill_cannot_begin_with_is_said() {
    let desk = Desk::new();
    desk.rectify(&["drill", RUNBOOK, "--faults", "weather"]).code(2).complains("one of refused, busy, lost");
    desk.rectify(&["drill", RUNBOOK, "--only", "traffic"])
        .code(2)
        .complains("the steps are")
        .complains("did you mean `traffic-back`?");
    let text = std::fs::read_to_string(RUNBOOK).unwrap();
    let alone = desk.write("alone.toml", &text);
    desk.rectify(&["drill", &alone]).code(2).complains("name one with --sim SCENARIO");
    let misspelt =
        "[drill]\nnever = [\"sutck\"]\nexcept = [{ step = \"trafic-back\", fault = \"operation\", reason = \"x\" }]\n";
    let wrong = desk.write("wrong.toml", &format!("{text}\n{misspelt}"));
    let done = desk.rectify(&["check", &wrong]).code(2);
    done.says("`sutck` is no ending of a drill").says("did you mean `traffic-back`?");
}

/// A drill continues from copies in one process. The same faults, met by a real process that talks to a cloud in another one, end alike.
#[test]
fn processes_of_their_own_end_as_the_drill_says() {
    let desk = Desk::new();
    let faults = ["--sim", SCENARIO, "--only", "traffic-back", "--faults", "refused,busy,lost,operation"];
    let done = desk.rectify(&[&["drill", RUNBOOK, "--format", "json"], &faults[..]].concat()).code(0);
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let operation =
        |took_effect: bool| json!({ "operation_error": { "code": 4, "message": "x", "took_effect": took_effect } });
    let sample = [
        ("denied (403)", json!({ "status": 403 }), None),
        ("unavailable (503)", json!({ "status": 503 }), None),
        ("conflict (409)", json!({ "status": 409 }), Some(1)),
        ("answer lost", json!({ "reset": true }), Some(1)),
        ("malformed answer", json!({ "garble": true }), Some(1)),
        ("operation unclear, no effect", operation(false), Some(1)),
        ("operation unclear, effect", operation(true), Some(1)),
        ("operation hangs", json!({ "operation_hangs": true }), Some(1)),
    ];
    for (fault, kind, times) in sample {
        let is_it = |path: &&Value| path["way"] == "apply" && path["fault"] == fault && path["then"] == "";
        let told = report["paths"].as_array().unwrap().iter().find(is_it).unwrap();
        let alone = Desk::new();
        let cloud = Served::start(&alone, SCENARIO, "max");
        let plan = alone.path("plan.json").display().to_string();
        // A plan asks the API too, so the fault comes after it.
        alone.rectify(&["plan", RUNBOOK, "--sim", &cloud.url, "--out", &plan]).code(0);
        let injected = json!({ "match": { "method": "PATCH" }, "fault": kind, "times": times });
        assert_eq!(cloud.call(reqwest::Method::POST, "/_sim/faults", Some(injected)).0, 200, "{fault}");
        alone.rectify(&["run", &plan, "--yes"]);
        let ending = alone.ending()["ending"].as_str().unwrap().to_owned();
        let ending = if ending == "done" { "recovered".to_owned() } else { ending };
        assert_eq!(told["outcome"], ending.as_str(), "{fault}");
    }
}

/// A drill works what a stranger wrote thousands of times, unapproved: nothing of it leaves the simulated cloud.
#[test]
fn a_drill_reaches_nothing_on_this_machine() {
    let desk = Desk::new();
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    let text = std::fs::read_to_string(RUNBOOK).unwrap().replace("\nhosts    = [\"*.shop.example\"]", "");
    let probe = format!(
        "[probes.elsewhere]\nhttp = \"http://{}/delete\"\nmethod = \"POST\"\nexpect = \"status == 200\"\n",
        peer.local_addr().unwrap()
    );
    let guard = "[[guard]]\nprobe = \"elsewhere\"\n";
    let runbook = desk.write("elsewhere.toml", &format!("{text}\n{probe}\n{guard}"));
    let drill = ["drill", &runbook, "--sim", SCENARIO, "--only", "traffic-back", "--faults", "refused", "--every", "9"];
    desk.rectify(&drill).code(0).says("Every ending of this sample is accepted");
    assert!(peer.accept().is_err(), "somebody connected");
}

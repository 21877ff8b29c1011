//! `rectify drill` as it is typed.

use serde_json::Value;

use crate::support::Desk;

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
    assert_eq!(report["gates_never_failing"], serde_json::json!(["traffic-back", "soak"]));
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
    done.says("Not accepted: ").says("end stuck.");
    let except = "except = [{ step = \"traffic-back\", fault = \"operation\", reason = \"the on-call watches it\" }]\n";
    let done = drill("excepted.toml", &format!("[drill]\nnever = [\"stuck\"]\n{except}")).code(0);
    done.says("on-call").says("Every ending is accepted.");
    desk.rectify(&[&["drill", RUNBOOK, "--every", "5", "--fail-on", "stuck"], &OPERATIONS[..]].concat())
        .code(1)
        .says("end stuck.");
}

#[test]
fn what_a_drill_cannot_begin_with_is_said() {
    let desk = Desk::new();
    desk.rectify(&["drill", RUNBOOK, "--faults", "weather"]).code(2).complains("one of refused, busy, lost");
    desk.rectify(&["drill", RUNBOOK, "--only", "traffic"]).code(2).complains("its steps are");
    let text = std::fs::read_to_string(RUNBOOK).unwrap();
    let alone = desk.write("alone.toml", &text);
    desk.rectify(&["drill", &alone]).code(2).complains("name one with --sim SCENARIO");
    let misspelt =
        "[drill]\nnever = [\"sutck\"]\nexcept = [{ step = \"trafic-back\", fault = \"operation\", reason = \"x\" }]\n";
    let wrong = desk.write("wrong.toml", &format!("{text}\n{misspelt}"));
    let done = desk.rectify(&["check", &wrong]).code(2);
    done.says("`sutck` is no ending of a drill").says("did you mean `traffic-back`?");
}

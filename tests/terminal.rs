//! A person at a real terminal: prompts, Ctrl-C in a gate, resume, rollback.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use crate::support::{Desk, SCENARIO, Served, until};

fn type_at(desk: &Desk, arguments: &[&str]) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rectify"));
    command.args(arguments).env_clear().env("HOME", desk.path("")).env("XDG_STATE_HOME", desk.path(""));
    command.env("USER", "ops").env("TERM", "xterm-256color").env("NO_COLOR", "1");
    spawn_command(command, Some(60_000)).unwrap()
}

fn code(session: &PtySession) -> i32 {
    use rexpect::process::WaitStatus;
    loop {
        match session.process().wait().unwrap() {
            WaitStatus::Exited(_, code) => return code,
            WaitStatus::StillAlive => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_one_way_change_wants_its_name_typed_and_no_is_an_answer() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", SCENARIO, "--speed", "max"]);
    at.exp_string("this cannot be undone").unwrap();
    at.exp_string("Type scale-connector to apply what cannot be undone").unwrap();
    at.send_line("scale-connector").unwrap();
    at.exp_string("proven healthy").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("n").unwrap();
    at.exp_string("one-revision was declined").unwrap();
    at.exp_string("applied and still in force: scale-connector").unwrap();
    at.exp_string("goes on from here").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
    assert_eq!(desk.ending()["ending"], "declined");
}

#[test]
fn anything_but_the_name_stops_before_a_one_way_change() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", SCENARIO, "--speed", "max"]);
    at.exp_string("Type scale-connector").unwrap();
    at.send_line("yes").unwrap();
    at.exp_string("nothing was changed").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
    assert_eq!(desk.cloud()["connectors"]["staging-connector"]["max_instances"], 3);
}

#[test]
fn ctrl_c_in_a_gate_parks_the_run_and_it_can_be_resumed_and_rolled_back() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let cloud = Served::start(&desk, SCENARIO, "1");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]);
    until("the connector's operation", || desk.journal_has("begun"));
    cloud.call(reqwest::Method::POST, "/_sim/clock", Some(serde_json::json!({ "advance": "10m" })));
    at.exp_string("proving: connector healthy for 1m").unwrap();
    at.send_control('c').unwrap();
    at.exp_string("asked to stop by Ctrl-C").unwrap();
    at.exp_string("everything is written down").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 130);

    cloud.hurry();
    let mut at = type_at(&desk, &["resume"]);
    at.exp_string("resumed by ops").unwrap();
    at.exp_string("proving: connector healthy for 1m").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("y").unwrap();
    at.exp_string("done in").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);

    let mut at = type_at(&desk, &["rollback"]);
    at.exp_string("undo one-revision").unwrap();
    at.exp_string("scale-connector stays").unwrap();
    at.exp_string("Undo this?").unwrap();
    at.send("y").unwrap();
    at.flush().unwrap();
    at.exp_string("rolled back after").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);
}

#[test]
fn ctrl_c_at_a_prompt_changes_nothing() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", SCENARIO]);
    at.exp_string("Type scale-connector").unwrap();
    at.send_control('c').unwrap();
    at.exp_string("everything is written down").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 130);
    assert_eq!(desk.cloud()["connectors"]["staging-connector"]["max_instances"], 3);
}

#[test]
fn a_failure_is_put_to_the_person_with_the_ways_out() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.flagship_before("services")).unwrap();
    let runbook = desk.write("sick.toml", &text.replace("state == \"READY\"", "state == \"ASLEEP\""));
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", runbook.as_str()], &flags[..]].concat());
    at.exp_string("scale-connector failed").unwrap();
    at.exp_string("What now?").unwrap();
    at.exp_string("Try again").unwrap();
    at.send("\r").unwrap();
    at.flush().unwrap();
    at.exp_string("failed and rolled back").unwrap();
    at.exp_string("kept, because it cannot be undone: scale-connector").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 1);
}

/// Everything that the prompt before a change offers: a look at the details, leaving a step out with a reason, and a yes for
/// the rest of the phase. All of it is written down.
#[test]
fn a_step_can_be_looked_into_left_out_and_the_rest_of_a_phase_approved() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..], &["--on-failure", "stop"]].concat());
    at.exp_string("one-revision   gcp.run.traffic").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("what?").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("d").unwrap();
    at.exp_string("it is sent only if the resource still is").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("y").unwrap();
    at.exp_string("deploy-auth").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("a").unwrap();
    at.exp_string("yes, and to all of this phase, says ops").unwrap();
    at.exp_string("yes, says ops, for all of services").unwrap();
    at.exp_string("done in").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);

    let mut at = type_at(&desk, &["rollback", "--yes"]);
    at.exp_eof().unwrap();
    let desk = Desk::new();
    let mut at = type_at(&desk, &[&["run", &desk.flagship_before("services")], &flags[..]].concat());
    at.exp_string("Apply this change?").unwrap();
    at.send_line("s").unwrap();
    at.exp_string("Why is it left out?").unwrap();
    at.send_line("").unwrap();
    at.exp_string("wants a reason").unwrap();
    at.send_line("s").unwrap();
    at.exp_string("Why is it left out?").unwrap();
    at.send_line("traffic is fine").unwrap();
    at.exp_string("leave it out, says ops: traffic is fine").unwrap();
    at.exp_string("left out by the operator: one-revision").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);
    let answered = desk.journal().into_iter().map(|line| line["event"].clone()).find(|event| event["choice"] == "skip");
    assert_eq!(answered.unwrap()["reason"], "traffic is fine");
}

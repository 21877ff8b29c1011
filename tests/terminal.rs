//! A person at a real terminal: prompts, Ctrl-C in a gate, resume, rollback.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rexpect::session::{PtySession, spawn_command};

use crate::support::servers::Receiver;
use crate::support::{Desk, SCENARIO, Served, until};

fn type_at(desk: &Desk, arguments: &[&str]) -> PtySession {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rectify"));
    command.args(arguments).env_clear().env("HOME", desk.path("")).env("XDG_STATE_HOME", desk.path(""));
    command.env("USER", "ops").env("TERM", "xterm-256color").env("NO_COLOR", "1");
    spawn_command(command, Some(240_000)).unwrap()
}

/// Says yes to the one question before a run.
fn begin(at: &mut PtySession) {
    at.exp_string("Begin?").unwrap();
    at.send_line("yes").unwrap();
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
    begin(&mut at);
    at.exp_string("this cannot be undone").unwrap();
    at.exp_string("Type scale-connector to apply what cannot be undone").unwrap();
    at.send_line("scale-connector").unwrap();
    at.exp_string("healthy (14 samples)").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("n").unwrap();
    at.exp_string("one-revision was declined").unwrap();
    at.exp_string("applied: scale-connector (irreversible)").unwrap();
    at.exp_string("asks again and goes on from here").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
    assert_eq!(desk.ending()["ending"], "declined");
}

#[test]
fn a_mistyped_name_is_asked_for_again_and_the_third_time_it_is_a_no() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", SCENARIO, "--speed", "max"]);
    begin(&mut at);
    for (typed, says) in [("yes", "can be typed 2 more times"), ("scale-conector", "can be typed once more")] {
        at.exp_string("Type scale-connector").unwrap();
        at.send_line(typed).unwrap();
        at.exp_string(&format!("`{typed}` is not `scale-connector`")).unwrap();
        at.exp_string(says).unwrap();
    }
    at.exp_string("Type scale-connector").unwrap();
    at.send_line("one-revision").unwrap();
    at.exp_string("nothing was changed").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
    assert_eq!(desk.cloud()["connectors"]["staging-connector"]["max_instances"], 3);
    assert_eq!(answers(&desk), ["no"]);
}

#[test]
fn a_protected_project_wants_its_name_and_enter_alone_stops() {
    let desk = Desk::new();
    let arguments = ["run", PROTECTED, "--sim", "--speed", "max"];
    for typed in [&["shop-stagin", "shop", "yes"][..], &["shop-stagin", ""]] {
        let mut at = type_at(&desk, &arguments);
        for line in typed {
            at.exp_string("shop-staging is protected").unwrap();
            at.send_line(line).unwrap();
        }
        at.exp_string("Nothing was changed.").unwrap();
        at.exp_eof().unwrap();
        assert_eq!(code(&at), 8);
    }
}

#[test]
fn ctrl_c_in_a_gate_parks_the_run_and_it_can_be_resumed_and_rolled_back() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let cloud = Served::start(&desk, SCENARIO, "1");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]);
    until("the connector's operation", || desk.journal_has("operation_started"));
    cloud.call(reqwest::Method::POST, "/_sim/clock", Some(serde_json::json!({ "advance": "10m" })));
    at.exp_string("gate: connector healthy for 1m").unwrap();
    at.send_control('c').unwrap();
    at.exp_string("asked to stop by Ctrl-C").unwrap();
    at.exp_string("its progress is saved").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 130);

    cloud.hurry();
    let mut at = type_at(&desk, &["resume"]);
    at.exp_string("resumed by ops").unwrap();
    at.exp_string("gate: connector healthy for 1m").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("y").unwrap();
    at.exp_string("done in").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);

    let mut at = type_at(&desk, &["rollback"]);
    at.exp_string("undo one-revision").unwrap();
    at.exp_string("scale-connector stays").unwrap();
    at.exp_string("Undo this?").unwrap();
    at.send_line("yes").unwrap();
    at.exp_string("rolled back after").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);
}

#[test]
fn ctrl_c_at_a_prompt_changes_nothing() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let mut at = type_at(&desk, &["run", &runbook, "--sim", SCENARIO]);
    begin(&mut at);
    at.exp_string("Type scale-connector").unwrap();
    at.send_control('c').unwrap();
    at.exp_string("its progress is saved").unwrap();
    at.exp_string("applied: nothing").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 130);
    assert_eq!(desk.cloud()["connectors"]["staging-connector"]["max_instances"], 3);
}

/// The flagship's first two steps, but the connector's gate never passes.
fn sick(desk: &Desk) -> String {
    let text = std::fs::read_to_string(desk.flagship_before("services")).unwrap();
    desk.write("sick.toml", &text.replace("state == \"READY\"", "state == \"ASLEEP\""))
}

/// Nothing that could be rolled back is applied yet, so that is not offered; Enter alone stops and leaves everything.
#[test]
fn a_failure_is_put_to_the_person_with_the_ways_out_and_enter_alone_stops() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", sick(&desk).as_str()], &flags[..]].concat());
    at.exp_string("scale-connector failed").unwrap();
    let offered = at.exp_string("What now?").unwrap();
    for word in ["stop ", "retry ", "continue "] {
        assert!(offered.contains(word), "{offered}");
    }
    assert!(!offered.contains("roll back"), "{offered}");
    at.send_line("roll back").unwrap();
    at.exp_string("`roll back` is none of them: stop, retry, continue").unwrap();
    at.exp_string("What now?").unwrap();
    at.send_line("").unwrap();
    at.exp_string("stopped after").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 1);
    assert_eq!(answers(&desk), ["yes", "stop"]);
}

/// A rollback at a prompt shows what it would undo, and is asked about like any other; after a no the question is as before.
#[test]
fn a_rollback_at_a_prompt_lists_what_it_undoes_and_asks() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..]].concat());
    begin(&mut at);
    at.exp_string("one-revision: Apply this change?").unwrap();
    assert!(!at.exp_string("[d]etails").unwrap().contains("[r]oll back"));
    at.send_line("y").unwrap();
    at.exp_string("deploy-auth: Apply this change?").unwrap();
    for answer in ["no", "yes"] {
        at.exp_string("[r]oll back").unwrap();
        at.send_line("r").unwrap();
        at.exp_string("undo one-revision").unwrap();
        at.exp_string("scale-connector stays").unwrap();
        at.exp_string("Undo this?").unwrap();
        at.send_line(answer).unwrap();
    }
    at.exp_string("rolled back after").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(answers(&desk), ["yes", "yes", "rollback"]);
}

/// Every kind of key that could be an answer somewhere: single keys, lines, cursor keys, a paste of several lines.
const TYPED_AHEAD: &str = "\ry yes\ryes\ny\rn\rno\rr\rroll back\ra\rs\rbecause\rstop\rretry\rcontinue\r\u{1b}[B\r\t\u{1b}\r\
     scale-connector\rshop-staging\rscale-connector\r";

/// Types an answer, and with it whatever else could be an answer to the next question.
fn answer_and_type_ahead(at: &mut PtySession, answer: &str) {
    at.send(&format!("{answer}\r{TYPED_AHEAD}")).unwrap();
    at.flush().unwrap();
}

fn type_ahead(at: &mut PtySession) {
    at.send(TYPED_AHEAD).unwrap();
    at.flush().unwrap();
}

const DISCARDED: &str = "What was typed before this question is discarded.";
const PROTECTED: &str = "runbooks/sql-connections.toml";

/// What was answered in the only run, in order.
fn answers(desk: &Desk) -> Vec<String> {
    let events = desk.journal().into_iter().map(|line| line["event"].clone());
    events.filter(|event| event["is"] == "answered").map(|event| event["choice"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_typed_before_a_question_about_a_change_is_no_answer_to_it() {
    let desk = Desk::new();
    let mut at = type_at(&desk, &["run", crate::support::FLAGSHIP, "--sim", SCENARIO, "--speed", "max"]);
    type_ahead(&mut at);
    let answered = [
        ("Begin? Type yes or no", "y"),
        ("Begin? Type yes or no", "yes"),
        ("Type scale-connector", "scale-connector"),
        ("one-revision: Apply this change?", "d"),
        ("one-revision: Apply this change?", "?"),
        ("one-revision: Apply this change?", "y"),
        ("deploy-auth: Apply this change?", "r"),
        ("Undo this? Type yes or no", "y"),
        ("Undo this? Type yes or no", "no"),
        ("deploy-auth: Apply this change?", "s"),
        ("Why is it skipped?", "it is well"),
        ("Apply this change?", "n"),
    ];
    for (question, answer) in answered {
        at.exp_string(DISCARDED).unwrap();
        at.exp_string(question).unwrap();
        answer_and_type_ahead(&mut at, answer);
    }
    at.exp_string("was declined").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
    assert_eq!(answers(&desk), ["yes", "yes", "skip", "no"]);
    let events = desk.journal().into_iter().map(|line| line["event"].clone());
    let answered: Vec<_> = events.filter(|event| event["is"] == "answered").collect();
    assert!(answered.iter().all(|event| event["visible"].is_string() && event["by"] == "ops"), "{answered:?}");
}

#[test]
fn what_is_typed_before_a_failure_is_no_answer_to_what_now() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", sick(&desk).as_str()], &flags[..]].concat());
    type_ahead(&mut at);
    for answer in ["r", "retry", "stop"] {
        at.exp_string(DISCARDED).unwrap();
        at.exp_string("What now?").unwrap();
        answer_and_type_ahead(&mut at, answer);
    }
    at.exp_string("stopped after").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 1);
    assert_eq!(answers(&desk), ["yes", "retry", "stop"]);
    let first = desk.journal().into_iter().map(|line| line["event"].clone()).find(|event| event["is"] == "answered");
    assert_eq!(first.unwrap().get("visible"), None, "a flag answered");
}

#[test]
fn what_is_typed_before_a_commands_own_question_is_no_answer_to_it() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    desk.rectify(&[&["run", &desk.flagship_before("services")], &flags[..]].concat()).code(0);
    for (command, question, says, exit) in [
        ("rollback", "Undo this? Type yes or no", "Nothing was undone.", 8),
        ("case", "Open this case at Google? Type yes or no", "", 0),
    ] {
        let mut at = type_at(&desk, &[command]);
        type_ahead(&mut at);
        for answer in ["y", "no"] {
            at.exp_string(DISCARDED).unwrap();
            at.exp_string(question).unwrap();
            answer_and_type_ahead(&mut at, answer);
        }
        at.exp_string(says).unwrap();
        assert!(!at.exp_eof().unwrap().contains("opened"));
        assert_eq!(code(&at), exit);
    }
    assert_eq!(answers(&desk), ["yes", "yes"]);

    let desk = Desk::new();
    let mut at = type_at(&desk, &["run", PROTECTED, "--sim", "--speed", "max"]);
    type_ahead(&mut at);
    at.exp_string(DISCARDED).unwrap();
    at.exp_string("shop-staging is protected").unwrap();
    answer_and_type_ahead(&mut at, "");
    at.exp_string("Nothing was changed.").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 8);
}

/// A signal ends a question like Ctrl-C does, and what is applied is said.
#[test]
fn a_signal_at_a_prompt_parks_the_run_and_says_what_is_applied() {
    for signal in ["Ctrl-C", "SIGTERM"] {
        let desk = Desk::new();
        let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector"];
        let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..]].concat());
        begin(&mut at);
        at.exp_string("one-revision: Apply this change?").unwrap();
        at.send_line("y").unwrap();
        at.exp_string("deploy-auth: Apply this change?").unwrap();
        at.exp_string("[d]etails").unwrap();
        match signal {
            "Ctrl-C" => at.send_control('c').unwrap(),
            _ => at.process_mut().signal(rexpect::process::Signal::SIGTERM).unwrap(),
        }
        at.exp_string(&format!("asked to stop by {signal}")).unwrap();
        at.exp_string("applied: scale-connector (irreversible), one-revision").unwrap();
        at.exp_string("rectify rollback").unwrap();
        at.exp_eof().unwrap();
        assert_eq!(code(&at), 130);
    }
}

/// Told quietly, a question still says which step, which resource and which change.
#[test]
fn a_quiet_question_names_step_resource_and_change() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--quiet", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..]].concat());
    begin(&mut at);
    let mut said = String::new();
    for (step, resource, change) in
        [("one-revision", "gcp.run.traffic", "00750-69k"), ("deploy-auth", "gcp.run.service", "image")]
    {
        said.push_str(&at.exp_string(&format!("{step}: Apply this change?")).unwrap());
        for part in [step, resource, change] {
            assert!(said.contains(part), "{part}: {said}");
        }
        said.clear();
        at.send_line("y").unwrap();
    }
    at.exp_string("Apply this change?").unwrap();
    at.send_control('c').unwrap();
    at.exp_eof().unwrap();
}

/// Everything that the prompt before a change offers: a look at the details, leaving a step out with a reason, and a yes for
/// the rest of the phase. All of it is written down.
#[test]
fn a_step_can_be_looked_into_left_out_and_the_rest_of_a_phase_approved() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector"];
    let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..], &["--on-failure", "stop"]].concat());
    begin(&mut at);
    at.exp_string("one-revision   gcp.run.traffic").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("what?").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("d").unwrap();
    at.exp_string("only if the resource is still as it was before").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("y").unwrap();
    at.exp_string("deploy-auth").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("a").unwrap();
    at.exp_string("approved, with the rest of this phase, by ops").unwrap();
    at.exp_string("approved by ops, for all of services").unwrap();
    at.exp_string("done in").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);

    let mut at =
        type_at(&desk, &["rollback", "--yes", "--acknowledge", "deploy-auth", "--acknowledge", "one-revision"]);
    at.exp_eof().unwrap();
    let desk = Desk::new();
    let mut at = type_at(&desk, &[&["run", &desk.flagship_before("services")], &flags[..]].concat());
    begin(&mut at);
    at.exp_string("Apply this change?").unwrap();
    at.send_line("s").unwrap();
    at.exp_string("Why is it skipped?").unwrap();
    at.send_line("").unwrap();
    at.exp_string("wants a reason").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("s").unwrap();
    at.exp_string("Why is it skipped?").unwrap();
    at.send_line("traffic is fine").unwrap();
    at.exp_string("skip chosen by ops: traffic is fine").unwrap();
    at.exp_string("left out by the operator: one-revision").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);
    let answered = desk.journal().into_iter().map(|line| line["event"].clone()).find(|event| event["choice"] == "skip");
    assert_eq!(answered.unwrap()["reason"], "traffic is fine");
}

/// One question before the first change says how much it is; --quiet keeps it, --yes answers it, and a no changes nothing.
#[test]
fn one_question_before_a_run_says_how_much_it_is() {
    for quiet in [&[][..], &["--quiet"]] {
        let desk = Desk::new();
        let flags = ["--sim", SCENARIO, "--speed", "max"];
        let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..], quiet].concat());
        let said = at.exp_string("Begin?").unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("8 changes in 10 steps to netra-staging on a simulated cloud, 1 irreversible"), "{said}");
        assert!(said.ends_with("at least 41 min."), "{said}");
        at.send_line("no").unwrap();
        at.exp_string("Nothing was changed.").unwrap();
        at.exp_eof().unwrap();
        assert_eq!(code(&at), 8);
        desk.rectify(&["runs"]).code(0).says("There are no runs yet");
    }
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes"];
    let mut at = type_at(&desk, &[&["run", crate::support::FLAGSHIP], &flags[..]].concat());
    assert!(!at.exp_string("Type scale-connector").unwrap().contains("Begin?"));
    at.send_control('c').unwrap();
    at.exp_eof().unwrap();
}

/// What a terminal of so many columns shows: its lines as they were written, without what moves the cursor.
fn screen(desk: &Desk, columns: u16, arguments: &[&str], lines: &[(&str, &str)]) -> String {
    let program = format!("stty cols {columns} rows 50; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &program, env!("CARGO_BIN_EXE_rectify")]).args(arguments).env_clear();
    command.env("HOME", desk.path("")).env("XDG_STATE_HOME", desk.path("")).env("PATH", "/usr/bin:/bin");
    command.env("USER", "ops").env("TERM", "xterm-256color").env("NO_COLOR", "1");
    let mut at = spawn_command(command, Some(240_000)).unwrap();
    let mut shown = String::new();
    for (question, answer) in lines {
        shown.push_str(&at.exp_string(question).unwrap());
        shown.push_str(question);
        at.send_line(answer).unwrap();
    }
    shown.push_str(&at.exp_eof().unwrap());
    let shown = in_utf8(&shown);
    let shown = console::strip_ansi_codes(&shown).replace("\r\n", "\n").replace('\r', "\n");
    // The status line is drawn again and again, and each time over the one before.
    let drawn: Vec<&str> = shown.lines().filter(|line| !line.starts_with(is_spinner)).map(str::trim_end).collect();
    let mut lines = drawn;
    lines.dedup_by(|one, other| one.is_empty() && other.is_empty());
    lines.join("\n")
}

/// The session takes each byte for a character.
fn in_utf8(bytes: &str) -> String {
    String::from_utf8(bytes.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect()).unwrap()
}

fn is_spinner(letter: char) -> bool {
    "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏".contains(letter)
}

/// A command is to be copied, and a name is whole.
fn may_be_longer(line: &str) -> bool {
    line.contains("by hand: ") || !line.trim().contains(' ')
}

#[test]
fn questions_details_and_a_failed_precondition_at_three_widths() {
    for columns in [60, 80, 120] {
        let desk = Desk::new();
        let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector"];
        let shown = screen(
            &desk,
            columns,
            &[&["run", crate::support::FLAGSHIP], &flags[..]].concat(),
            &[
                ("Begin?", "yes"),
                ("one-revision: Apply this change?", "?"),
                ("one-revision: Apply this change?", "d"),
                ("one-revision: Apply this change?", "y"),
                ("deploy-auth: Apply this change?", "d"),
                ("deploy-auth: Apply this change?", "n"),
            ],
        );
        let (_, run) = shown.split_once("\nrun ").unwrap();
        for line in shown.lines().filter(|line| !may_be_longer(line)) {
            assert!(console::measure_text_width(line) <= usize::from(columns), "{columns}: {line}");
        }
        insta::with_settings!({filters => vec![
            (r"^[0-9a-hjkmnp-tv-z]{10}\b", "[run]"),
            (r", after \d+m?s", ""),
            (r"(run|rollback|show|report|resume) [0-9a-hjkmnp-tv-z]{10}\b", "$1 [run]"),
            (r"ops@\S+\s+\(pid \d+\)", "ops@[host] (pid [pid])"),
            (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[operation]"),
        ]}, {
            insta::assert_snapshot!(format!("a-run-at-{columns}-columns"), run);
        });
    }
}

/// For screen readers: no colour, no symbol, no cursor that moves, and a change is one line.
#[test]
fn plain_output_is_words_and_nothing_is_drawn() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--acknowledge", "scale-connector", "--plain"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_rectify"));
    command.args(["run", crate::support::FLAGSHIP]).args(flags).env_clear();
    command.env("HOME", desk.path("")).env("XDG_STATE_HOME", desk.path("")).env("TERM", "xterm-256color");
    let mut at = spawn_command(command, Some(240_000)).unwrap();
    let mut said = at.exp_string("Begin? Type yes or no:").unwrap();
    at.send_line("yes").unwrap();
    said += &at.exp_string("one-revision: Apply this change?").unwrap();
    at.send_line("n").unwrap();
    said += &at.exp_eof().unwrap();
    let said = in_utf8(&said);
    for words in [
        "warning: cannot be undone",
        "targets    netra-backend-staging-00749-6tr 50 %, netra-backend-staging-00750-69k 50 % to \
         netra-backend-staging-00750-69k 100 %",
        "min_instances  2 to 3",
        "ok: preconditions met",
        "ok: applied in 4m",
        "  point of no return: what follows cannot all be undone",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    for symbol in ['\u{1b}', '✓', '✗', '→', '─', '›', '·', '⠋', '‖'] {
        assert!(!said.contains(symbol), "{symbol:?} is in\n{said}");
    }
}

#[test]
fn a_request_is_sent_again_when_the_operator_says_that_it_did_not_happen_and_with_the_same_key() {
    let desk = Desk::new();
    let sent = Arc::new(AtomicU32::new(0));
    let app = Receiver::start(move |_| {
        let first = sent.fetch_add(1, Ordering::SeqCst) == 0;
        (if first { 503 } else { 202 }, String::new())
    });
    let runbook = desk.write(
        "requeue.toml",
        &format!(
            "[runbook]\nname = \"requeue\"\non_failure = \"ask\"\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
             [[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"requeue\"\nuses = \"http.request\"\n[phase.step.with]\n\
             method = \"POST\"\nurl = \"{0}/requeue\"\nundo = {{ method = \"DELETE\", url = \"{0}/requeue\" }}\n",
            app.url
        ),
    );
    desk.rectify(&["run", &runbook, "--sim", SCENARIO, "--speed", "max", "--yes", "--run-programs"]).code(9);
    assert_eq!(app.got().len(), 1);
    let mut at = type_at(&desk, &["resume"]);
    at.exp_string("Did requeue/apply happen?").unwrap();
    at.send_line("no").unwrap();
    at.exp_string("Apply this change?").unwrap();
    at.send_line("yes").unwrap();
    at.exp_string("applied in").unwrap();
    at.exp_eof().unwrap();
    assert_eq!(code(&at), 0);
    let keys: Vec<_> = app.got().iter().map(|got| got.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys.first(), keys.last(), "the application can tell that it is the same");
}

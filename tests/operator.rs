//! What a run does besides changing: it asks for evidence, watches, waits, tells, runs programs, and can be worked in parts.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::support::{Desk, FLAGSHIP, SCENARIO, Served};

const CRASHING: &str = "runbooks/connector-exhaustion.crashing-image.sim.toml";

/// A runbook of these steps against the incident's cloud.
fn runbook(desk: &Desk, rest: &str) -> String {
    let head = "[runbook]\nname = \"parts\"\nowners = [\"ops\"]\non_failure = \"stop\"\n\
        [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
        [probes.connector]\nresource = \"gcp.connector/staging-connector\"\nexpect = 'state == \"READY\"'\n\
        [probes.auth]\nhttp = \"https://auth.staging.netrasystems.ai/health\"\nexpect = 'status == 200'\n\
        [probes.backend]\nhttp = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 200'\n\
        [[phase]]\nname = \"all\"\nbudget = \"4h\"\n";
    desk.write("parts.toml", &format!("{head}{rest}"))
}

const SIM: [&str; 4] = ["--sim", SCENARIO, "--speed", "max"];

fn run(desk: &Desk, file: &str, flags: &[&str]) -> crate::support::Done {
    desk.rectify(&[&["run", file], &SIM[..], flags].concat())
}

#[test]
fn a_healthy_patient_is_not_operated_on() {
    let desk = Desk::new();
    let file = desk.flagship(&[("[symptom]                                # proven before the first change, and gone after the last\nunhealthy = [\"backend\"]", "[symptom]\nunhealthy = [\"connector\"]")]);
    let done = run(&desk, &file, &["--yes", "--acknowledge", "scale-connector"]).code(7);
    done.says("precondition failed: connector must be unhealthy, but it is healthy").says("nothing was changed");
}

#[test]
fn the_symptom_must_be_gone_at_the_end() {
    let desk = Desk::new();
    let done = desk
        .rectify(&["run", FLAGSHIP, "--sim", "--speed", "max", "--yes", "--acknowledge", "scale-connector"])
        .code(0);
    done.says("✓ preconditions met").says("  [10/10] symptom\n").says("✓ done");
}

#[test]
fn evidence_can_be_a_condition_over_what_probes_see() {
    let desk = Desk::new();
    let step = |condition: &str| {
        format!(
            "[[phase.step]]\nname = \"pin\"\nuses = \"gcp.run.traffic\"\n\
         with = {{ service = \"netra-backend-staging\", to = {{ netra-backend-staging-00750-69k = 100 }} }}\n\
         require = {{ condition = '{condition}' }}\n"
        )
    };
    let file = runbook(&desk, &step("probes.connector.observation.max_instances < 10 && probes.auth.unhealthy"));
    run(&desk, &file, &["--yes"]).code(0).says("evidence: connector is healthy").says("✓ applied");
    let desk = Desk::new();
    let file = runbook(&desk, &step("probes.connector.observation.max_instances > 9"));
    run(&desk, &file, &["--yes"]).code(7).says("probes.connector.observation.max_instances > 9 does not hold");
}

/// A guard that is armed by health trips when it is lost, and says what was changed last.
#[test]
fn a_guard_trips_on_a_turn_for_the_worse() {
    for (then, code, says) in [("pause", 1, "‖ paused"), ("rollback", 1, "✗ failed and rolled back")] {
        let desk = Desk::new();
        let file = runbook(
            &desk,
            &format!(
                "[[phase.step]]\nname = \"pin\"\nuses = \"gcp.run.traffic\"\n\
             with = {{ service = \"netra-backend-staging\", to = {{ netra-backend-staging-00750-69k = 100 }} }}\n\
             [[phase.step]]\nname = \"grow\"\nuses = \"gcp.connector.scale\"\nirreversible = true\n\
             with = {{ connector = \"staging-connector\", min_instances = 2, max_instances = 10 }}\n\
             [[guard]]\nprobe = \"connector\"\nevery = \"5s\"\nfailures = 3\nthen = \"{then}\"\n\
             [[phase]]\nname = \"after\"\n[[phase.step]]\nname = \"wait\"\nuses = \"wait\"\nwith = {{ for = \"10m\" }}\n"
            ),
        );
        // A connector that is being enlarged is not READY: the guard sees it after it was armed by the first look.
        let done = run(&desk, &file, &["--yes", "--acknowledge", "grow"]).code(code);
        done.says(says).says("the guard connector tripped").says("the last change before it was grow");
    }
}

#[test]
fn a_pause_passes_and_a_phase_over_its_budget_is_put_to_somebody() {
    let desk = Desk::new();
    let wait = "[[phase.step]]\nname = \"breathe\"\nuses = \"wait\"\nwith = { for = \"10m\" }\n";
    let file = runbook(&desk, wait);
    run(&desk, &file, &[]).code(0).says("waiting for 10m").says("the pause is over").says("✓ done in 10m");
    let desk = Desk::new();
    let text = std::fs::read_to_string(runbook(&desk, &format!("{wait}{}", wait.replace("breathe", "again")))).unwrap();
    let file = desk.write("short.toml", &text.replace("budget = \"4h\"", "budget = \"5m\""));
    run(&desk, &file, &[]).code(1).says("phase all has taken longer than its 5m");
    run(&desk, &file, &["--on-failure", "continue"]).code(0).says("continue chosen").says("✓ done");
}

#[test]
fn part_of_a_runbook_can_be_meant() {
    let desk = Desk::new();
    let text = |flags: &[&str]| desk.rectify(&[&["run", FLAGSHIP, "--dry-run"], &SIM[..], flags].concat());
    let only = text(&["--only", "validate"]).code(0).stdout;
    assert!(only.contains("soak") && !only.contains("scale-connector"), "{only}");
    let only = text(&["--only", "one-revision"]).code(0).stdout;
    assert!(only.contains("one-revision") && !only.contains("deploy-auth"), "{only}");
    let rest = text(&["--from", "one-revision", "--until", "deploy-auth"]).code(0).stdout;
    assert!(rest.contains("deploy-auth") && !rest.contains("scale-connector") && !rest.contains("soak"), "{rest}");
    let rest = text(&["--skip", "scale-connector"]).code(0).stdout;
    assert!(!rest.contains("scale-connector") && rest.contains("soak"), "{rest}");
    text(&["--skip", "scale-conector"]).code(2).complains("there is no step `scale-conector`");
    text(&["--only", "nothing"]).code(2).complains("capacity, services, validate");
}

#[test]
fn events_come_as_they_happen_and_stdout_is_theirs() {
    let desk = Desk::new();
    let file = desk.flagship_before("services");
    let done = run(&desk, &file, &["--yes", "--acknowledge", "scale-connector", "--events", "-"]).code(0);
    let events: Vec<serde_json::Value> = done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"]["is"], "started");
    assert_eq!(events.last().unwrap()["event"]["ending"]["ending"], "done");
    let kept: Vec<serde_json::Value> = desk.journal().into_iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events.iter().map(|line| line["event"].clone()).collect::<Vec<_>>(), kept);
    assert!(done.stderr.contains("✓ done"), "people are told on stderr");
}

/// Two runs on one target: the second is refused, by name, until the first has ended or is given up.
#[test]
fn one_run_at_a_time_works_on_the_same_resources() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let file = desk.flagship_before("services");
    let flags = ["--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"];
    let first = desk.spawn(&[&["run", file.as_str()], &flags[..]].concat());
    crate::support::until("the first run's write", || desk.journal_has("operation_started"));
    let second = desk.rectify(&[&["run", file.as_str()], &flags[..]].concat()).code(7);
    let id = desk.run_directory().file_name().unwrap().to_string_lossy().into_owned();
    let second = second.complains("gcp.connector/netra-staging/us-central1/staging-connector is held by run");
    second.complains(&format!("rectify unlock {id}"));
    desk.rectify(&["unlock", &id]).code(7).complains("is being worked right now by ops@");
    drop(first);
    crate::support::until("the first run's end", || desk.rectify(&["unlock", &id]).code == 0);
    desk.rectify(&["unlock", &id]).code(0).says("holds nothing");
}

#[test]
fn a_part_of_a_run_can_be_undone() {
    let desk = Desk::new();
    let flags = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let file = desk.flagship(&[("[symptom]", "[limits.none]")]);
    let _ = file;
    desk.rectify(&[&["run", FLAGSHIP], &flags[..]].concat()).code(0);
    let part = desk.rectify(&["rollback", "--to", "deploy-auth", "--dry-run"]).code(0).stdout;
    assert!(part.contains("undo deploy-backend/shift-100") && !part.contains("undo deploy-auth"), "{part}");
    desk.rectify(&["rollback", "--to", "nothing"]).code(2).complains("has no step nothing");
    desk.rectify(&["rollback", "--to", "deploy-auth", "--yes"])
        .code(0)
        .says("rolling back to deploy-auth")
        .says("✓ rolled back");
    assert_eq!(
        desk.cloud()["services"]["netra-backend-staging"]["traffic"][0]["revision"],
        "netra-backend-staging-00750-69k"
    );
    // What was left as it was can be undone later.
    let rest = desk.rectify(&["rollback", "--dry-run"]).code(0).stdout;
    assert!(rest.contains("undo deploy-auth"), "{rest}");
}

/// What somebody else changes while a gate is open is noticed, and asked about.
#[test]
fn a_change_by_somebody_else_while_waiting_pauses_the_run() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let file = runbook(
        &desk,
        "[[phase.step]]\nname = \"pin\"\nuses = \"gcp.run.traffic\"\n\
        with = { service = \"netra-backend-staging\", to = { netra-backend-staging-00750-69k = 100 } }\n\
        [[phase.step]]\nname = \"breathe\"\nuses = \"wait\"\nwith = { for = \"1h\" }\n",
    );
    let process = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes"]);
    crate::support::until("the pause", || desk.journal_has("unchanged"));
    let traffic = serde_json::json!({ "traffic": [
        { "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "netra-backend-staging-00749-6tr", "percent": 100 },
    ] });
    let path = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging?updateMask=traffic";
    cloud.call(reqwest::Method::PATCH, path, Some(traffic));
    cloud.hurry();
    let done = process.end().code(7);
    done.says("! drift: gcp.run.traffic netra-backend-staging was changed by another principal").says("applied: pin");
}

#[test]
fn too_many_requests_are_waited_out_and_the_write_is_sent_again() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let body = serde_json::json!({
        "match": { "method": "PATCH", "path": "*/connectors/*" }, "fault": { "status": 429 }, "times": 2,
    });
    cloud.call(reqwest::Method::POST, "/_sim/faults", Some(body));
    let file = desk.flagship_before("services");
    let flags = ["--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"];
    let done = desk.rectify(&[&["run", file.as_str()], &flags[..]].concat()).code(0);
    assert_eq!(done.stdout.matches("! not now, trying again").count(), 2, "{}", done.stdout);
}

const PROGRAM: &str = "[[phase.step]]\nname = \"mark\"\nuses = \"shell\"\n";

#[test]
fn a_program_is_run_with_its_arguments_as_they_are_and_undone_by_its_own() {
    let desk = Desk::new();
    let mark = desk.path("a b$(x)").display().to_string();
    let with = format!(
        "with = {{ run = [\"touch\", '{mark}'], check = [\"test\", \"-e\", '{mark}'], undo = [\"rm\", '{mark}'] }}\n"
    );
    let fail =
        "[[phase.step]]\nname = \"never\"\nuses = \"probe\"\ngate = { healthy = [\"backend\"], timeout = \"30s\" }\n";
    let file = runbook(&desk, &format!("{PROGRAM}{with}{fail}"));
    // A rehearsal runs nothing.
    run(&desk, &file, &["--yes"]).code(1);
    assert!(!std::path::Path::new(&mark).exists());
    let done = run(&desk, &file, &["--yes", "--run-programs"]).code(1);
    done.says("✓ applied").says("applied: mark");
    assert!(std::path::Path::new(&mark).exists());
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone");
    assert!(!std::path::Path::new(&mark).exists());
}

#[test]
fn what_a_person_does_wants_a_word_and_yes_is_not_theirs() {
    let desk = Desk::new();
    let step = "[[phase.step]]\nname = \"call\"\nuses = \"manual\"\nwith = { instructions = \"Call the network team\", undo = \"Call them again\" }\n";
    let file = runbook(&desk, step);
    run(&desk, &file, &["--yes"]).code(7).complains("add --acknowledge call");
    let done = run(&desk, &file, &["--yes", "--acknowledge", "call"]).code(0);
    done.says("? Call the network team — done?").says("✓ done");
    desk.rectify(&["rollback", "--yes"]).code(6).says("what an operator did, an operator must undo");
}

/// A webhook that is really asked, and one that is not there: neither stops anything.
#[test]
fn a_message_is_sent_in_earnest_only_and_its_failure_stops_nothing() {
    use rectify::check::check;
    use rectify::external::{Github, Messages, Status};
    use rectify::runbook::Mode;
    use rectify::syntax::Inputs;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut piece) = (Vec::new(), [0; 1024]);
        while !String::from_utf8_lossy(&request).contains("\"text\"") {
            let count = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..count]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let desk = Desk::new();
    let step = format!(
        "[[phase.step]]\nname = \"tell\"\nuses = \"notify\"\nwith = {{ webhook = \"{url}\", text = \"done\" }}\n"
    );
    let file = runbook(&desk, &step);
    run(&desk, &file, &[]).code(0).says("! notification failed: this is a rehearsal").says("✓ done");
    let checked = check(&file, &std::fs::read(&file).unwrap(), &Inputs::none(), Mode::Run).checked.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let status = Status { marker: String::new(), text: String::new(), is_closed: false };
    let messages = Messages::of(checked.runbook(), Github::default(), false);
    runtime.block_on(messages.send("tell", &status)).unwrap();
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1") && request.ends_with("{\"text\":\"done\"}"), "{request}");
    let gone = runtime.block_on(messages.send("tell", &status)).unwrap_err();
    assert!(!gone.contains("/hook"), "the address of a webhook is a secret: {gone}");
}

#[test]
fn a_step_for_each_item_goes_on_past_as_many_failures_as_it_may() {
    let desk = Desk::new();
    let step = |most: u32| {
        format!(
            "[[phase.step]]\nname = \"bounds\"\nuses = \"gcp.run.scale\"\n\
         with = {{ service = \"${{item}}\", min_instances = 1 }}\n\
         for_each = {{ items = [\"netra-auth-staging\", \"netra-backend-staging\"], max_failures = {most} }}\n\
         gate = {{ healthy = [\"auth\"], timeout = \"20s\", every = \"5s\" }}\n"
        )
    };
    let file = runbook(&desk, &step(2));
    let done = run(&desk, &file, &["--yes"]).code(1);
    done.says("continued past what failed: bounds/netra-auth-staging, bounds/netra-backend-staging");
    let desk = Desk::new();
    let file = runbook(&desk, &step(0));
    run(&desk, &file, &["--yes"]).code(1).says("bounds/netra-auth-staging failed").says("stopped after");
}

/// The other incident: the same pages are red, and enlarging the connector would not help.
#[test]
fn evidence_of_another_cause_stops_the_run_before_the_one_way_change() {
    let desk = Desk::new();
    let flags = ["--sim", CRASHING, "--speed", "max", "--yes", "--acknowledge", "scale-connector"];
    let done = desk.rectify(&[&["run", FLAGSHIP], &flags[..]].concat()).code(7);
    done.says("saturation must be unhealthy, but it is healthy").says("nothing was changed");
}

/// The third incident: fewer instances, then a restart, each with its evidence.
#[test]
fn the_database_recovers_when_less_is_asked_of_it() {
    let desk = Desk::new();
    let text = std::fs::read_to_string("runbooks/sql-connections.toml").unwrap();
    let file = desk.write("sql.toml", &text.replace("protected = true ", "protected = false"));
    let flags = ["--sim", "runbooks/sql-connections.sim.toml", "--speed", "max", "--yes"];
    desk.rectify(&[&["run", file.as_str()], &flags[..]].concat())
        .code(7)
        .complains("add --acknowledge raise-max-connections");
    let all = [&["run", file.as_str()], &flags[..], &["--acknowledge", "raise-max-connections"]].concat();
    let done = desk.rectify(&all).code(0);
    let done = done
        .says("evidence: connections is unhealthy: value 97")
        .says("flags  max_connections 100 → max_connections 200");
    done.says("! restarts it: max_connections").says("✓ done");
}

/// If the program dies, a person goes on with what lies in the run's directory.
#[test]
fn the_commands_to_finish_or_undo_by_hand_lie_ready() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let file = desk.flagship_before("services");
    let process = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector"]);
    crate::support::until("the write", || desk.journal_has("operation_started"));
    // Beside the journal, and within a second of it.
    let kept = |name: &str| std::fs::read_to_string(desk.run_directory().join(name)).unwrap_or_default();
    crate::support::until("the commands", || kept("remaining.sh").contains("an operation is running"));
    crate::support::until("the other commands", || kept("undo.sh").contains("cannot be undone"));
    drop(process);
    // But for the moment that they were written.
    let commands = |text: &str| text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    let remaining = desk.rectify(&["export", "--as", "gcloud"]).code(0).stdout;
    assert_eq!(commands(&kept("remaining.sh")), commands(&remaining));
    assert!(remaining.contains("(an operation is running: projects/netra-staging/"), "{remaining}");
    let line = "gcloud compute networks vpc-access connectors update staging-connector --min-instances=3 \
        --max-instances=10 --machine-type=e2-standard-4 --region=us-central1 --project=netra-staging\n";
    assert!(remaining.contains(line), "{remaining}");
    assert!(remaining.contains("update-traffic netra-backend-staging --to-revisions="), "{remaining}");
    let undo = desk.rectify(&["export", "--undo"]).code(0).stdout;
    assert_eq!(commands(&kept("undo.sh")), commands(&undo));
    assert!(undo.contains("# cannot be undone: ") && !undo.contains("connectors update"), "{undo}");
    assert!(!undo.contains("services update-traffic"), "{undo}");
}

#[test]
fn what_runs_leave_behind_is_owed_until_it_is_paid() {
    let desk = Desk::new();
    desk.rectify(&["debts"]).code(0).says("no run has open follow-ups");
    let file = desk.flagship_before("services");
    run(&desk, &file, &["--yes", "--acknowledge", "scale-connector"]).code(0);
    let done = desk.rectify(&["debts"]).code(0);
    let done = done.says("open  gcp.connector staging-connector").says("open  gcp.run.traffic netra-backend-staging");
    done.says("due 2025-09-17").says("2 open, none overdue");
    desk.rectify(&["rollback", "--yes"]).code(0);
    // The pin is undone; the connector never shrinks.
    let done = desk.rectify(&["debts"]).code(0).stdout;
    assert!(done.contains("open  gcp.connector") && !done.contains("gcp.run.traffic"), "{done}");
}

/// Bounds for both services, with a gate; so many at once.
fn bounds(at_once: u32, gate: &str) -> String {
    format!(
        "[[phase.step]]\nname = \"bounds\"\nuses = \"gcp.run.scale\"\n\
         with = {{ service = \"${{item}}\", min_instances = 2 }}\n\
         for_each = {{ items = [\"netra-auth-staging\", \"netra-backend-staging\"], max_parallel = {at_once} }}\n\
         gate = {{ healthy = [\"{gate}\"], for = \"10s\", timeout = \"20s\", every = \"5s\" }}\n"
    )
}

/// The writes and gates of the only run, in order: what happened, and to which service.
fn happened(desk: &Desk) -> Vec<String> {
    let journal = desk.journal();
    let told = journal.iter().filter_map(|entry| {
        let (is, event) = (entry["event"]["is"].as_str()?, &entry["event"]);
        let task = event["op"].as_str().or(event["task"].as_str())?.trim_end_matches("/apply");
        let is_one = ["intended", "state_observed", "gate_opened", "gate_closed"].contains(&is);
        is_one.then(|| format!("{is} {}", task.trim_start_matches("bounds/netra-").trim_end_matches("-staging")))
    });
    told.collect()
}

#[test]
fn turns_that_may_go_on_at_once_do_and_others_wait_for_each_other() {
    let desk = Desk::new();
    let done = run(&desk, &runbook(&desk, &bounds(2, "connector")), &["--yes"]).code(0).says("✓ done");
    let done = done.says("up to 2 of this step go on at once");
    let told = happened(&desk);
    assert_eq!(told[..2], ["intended auth", "intended backend"], "{told:?}");
    let place = |what: &str| told.iter().position(|told| told == what).unwrap_or_else(|| panic!("{what}: {told:?}"));
    assert!(
        place("state_observed auth") < place("gate_closed auth")
            && place("gate_opened backend") < place("gate_closed auth")
    );
    // Whoever reads along knows which of them a line is about.
    done.says("bounds/netra-auth-staging: accepted, operation").says("bounds/netra-auth-staging: ✓ applied in");

    let desk = Desk::new();
    run(&desk, &runbook(&desk, &bounds(1, "connector")), &["--yes"]).code(0);
    let one_by_one = ["auth", "backend"].map(|service| {
        ["intended", "state_observed", "gate_opened", "gate_closed"].map(|is| format!("{is} {service}"))
    });
    assert_eq!(happened(&desk), one_by_one.concat());
}

/// What goes on beside a failure comes to rest first; then it is told once for each, and all of it can be undone.
#[test]
fn a_failure_beside_others_waits_for_them_and_everything_in_force_is_told() {
    let desk = Desk::new();
    let done = run(&desk, &runbook(&desk, &bounds(2, "auth")), &["--yes"]).code(1);
    done.says("applied: bounds/netra-auth-staging, bounds/netra-backend-staging");
    let told = happened(&desk);
    assert_eq!(told.iter().filter(|told| told.starts_with("gate_closed")).count(), 2, "{told:?}");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ rolled back");
    let services = &desk.cloud()["services"];
    assert!(!services.to_string().contains("\"minInstanceCount\":1"), "{services}");
}

/// Killed while two writes are in flight, nothing is sent twice and both are accounted for.
#[test]
fn killed_with_two_writes_in_flight_both_are_looked_at() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let file = runbook(&desk, &bounds(2, "connector"));
    let mut process = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes"]);
    let begun = || desk.journal().iter().filter(|entry| entry["event"]["is"] == "operation_started").count();
    crate::support::until("both operations", || desk.journal_has("operation_started") && begun() == 2);
    process.kill();
    cloud.hurry();
    let resumed = desk.rectify(&["resume", "--yes"]).code(0);
    resumed.says("✓ done");
    let writes = cloud.writes();
    assert_eq!(writes.len(), 2, "{writes:?}");
    desk.rectify(&["verify"]).code(0);
}

/// Told quietly, a run says what went wrong and how it ended, and each line says what it is about.
#[test]
fn quietly_only_what_cannot_wait_is_said() {
    let desk = Desk::new();
    let done = run(&desk, &runbook(&desk, &bounds(2, "connector")), &["--yes", "--quiet"]).code(0);
    let told: Vec<&str> = done.stdout.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(told[0].starts_with("✓ done in") && told[1..].iter().all(|line| line.contains("rectify ")), "{told:#?}");

    let desk = Desk::new();
    let done = run(&desk, &runbook(&desk, &bounds(1, "auth")), &["--yes", "-q"]).code(1);
    let told = done.says("bounds/netra-auth-staging: ").says("✗ bounds/netra-auth-staging failed");
    let told = told.says("stopped after").says("applied: bounds/netra-auth-staging");
    assert!(!told.stdout.contains("accepted, operation") && !told.stdout.contains("phase 1 of 1"), "{}", told.stdout);
    let done = desk.rectify(&["rollback", "--yes", "--quiet"]).code(0).says("✓ rolled back");
    assert!(!done.stdout.contains("accepted, operation"), "{}", done.stdout);
}

/// What programs say lies in the run's directory, without the secrets that they were given, for its owner only.
#[test]
fn what_programs_say_is_kept_without_their_secrets() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    let step = "[[phase.step]]\nname = \"talk\"\nuses = \"shell\"\n[phase.step.with]\nshell = \"bash\"\n\
        run = 'printf begin; printf \"%s\" \"${TOKEN:0:4}\"; sleep 0.1; echo \"${TOKEN:4} end\"; echo aside >&2'\n\
        undo = 'echo undone'\nenv = { TOKEN = \"${inputs.token}\" }\n";
    let file = runbook(&desk, step);
    let text = std::fs::read_to_string(&file).unwrap();
    let inputs = "[inputs]\ntoken = { secret = true, env = \"TALK_TOKEN\", rehearsal = \"open-sesame\" }\n[target]";
    let file = desk.write("talk.toml", &text.replacen("[target]", inputs, 1));
    let flags = ["run", &file, "--sim", SCENARIO, "--speed", "max", "--run-programs", "--yes"];
    desk.rectify(&flags).code(0);
    desk.rectify(&["rollback", "--yes"]).code(0);
    let path = desk.run_directory().join("output/talk.log");
    let said = std::fs::read_to_string(&path).unwrap();
    assert!(said.contains("begin${inputs.token}") && said.contains(" end\n") && said.contains("aside\n"), "{said}");
    assert!(said.contains(" run: bash: printf begin") && said.contains(" undo: bash: echo undone\nundone\n"), "{said}");
    assert!(said.contains("ended: exit 0") && !said.contains("open-sesame"), "{said}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!desk.run_directory().join("output/talk.process.json").exists(), "it runs no more");
}

/// A program outlives the run that was killed; whoever takes that up waits for it, and does not begin it again.
#[test]
fn a_program_that_outlives_its_run_is_waited_for() {
    let desk = Desk::new();
    let begun = desk.path("begun").display().to_string();
    let (go, done) = (desk.path("go").display().to_string(), desk.path("done").display().to_string());
    let step = format!(
        "[[phase.step]]\nname = \"long\"\nuses = \"shell\"\n[phase.step.with]\nshell = \"bash\"\n\
         run = 'echo x >> {begun}; while [ ! -e {go} ]; do sleep 0.05; done; touch {done}'\n\
         check = 'test -e {done}'\nundo = 'rm {done}'\n"
    );
    let file = runbook(&desk, &step);
    let cloud = Served::start(&desk, SCENARIO, "1");
    let mut process = desk.spawn(&["run", &file, "--sim", &cloud.url, "--run-programs", "--yes"]);
    crate::support::until("the program", || std::path::Path::new(&begun).exists());
    process.kill();
    let resumed = desk.spawn(&["resume", "--yes"]);
    crate::support::until("somebody who asks for it", || desk.journal_has("operation_started"));
    std::fs::write(&go, "").unwrap();
    let resumed = resumed.end().code(0);
    resumed.says("accepted, operation process ").says("✓ done");
    assert_eq!(std::fs::read_to_string(&begun).unwrap(), "x\n", "it was begun once");
}

/// The machine slept for an hour in the middle of a gate: what nobody watched proves nothing.
#[test]
fn time_that_nobody_watched_proves_nothing() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "60");
    let step = "[[phase.step]]\nname = \"soak\"\nuses = \"probe\"\n\
        gate = { healthy = [\"connector\"], for = \"20m\", timeout = \"3h\", every = \"5s\" }\n";
    let file = runbook(&desk, step);
    let process = desk.spawn(&["run", &file, "--sim", &cloud.url, "--yes"]);
    crate::support::until("some samples", || desk.journal_has("sampled"));
    let (status, _) = cloud.call(reqwest::Method::POST, "/_sim/clock", Some(serde_json::json!({ "advance": "1h" })));
    assert_eq!(status, 200);
    let before: jiff::Timestamp = cloud.get("/_sim/clock")["now"].as_str().unwrap().parse().unwrap();
    cloud.hurry();
    process.end().code(0).says("✓ healthy");
    let journal = desk.journal();
    let closed = journal.iter().find(|entry| entry["event"]["is"] == "gate_closed").unwrap();
    let at: jiff::Timestamp = closed["at"].as_str().unwrap().parse().unwrap();
    assert!(at.duration_since(before) > jiff::SignedDuration::from_mins(19), "{before} to {at}");
}

//! What `shell` steps run: once, with what they are given, and nothing is said of them that is not known.

use std::path::Path;

use crate::support::gcloud::Gcloud;
use crate::support::{Desk, Done, SCENARIO, until};

const SIM: [&str; 4] = ["--sim", SCENARIO, "--speed", "max"];
const MARK: &str = "[[phase.step]]\nname = \"mark\"\nuses = \"shell\"\n";

/// A runbook of these steps against the incident's cloud.
fn runbook(desk: &Desk, rest: &str) -> String {
    let head = "[runbook]\nname = \"programs\"\nowners = [\"ops\"]\non_failure = \"stop\"\n\
        [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
        [probes.never]\nhttp = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 418'\n\
        [[phase]]\nname = \"all\"\n";
    desk.write("programs.toml", &format!("{head}{rest}"))
}

fn run(desk: &Desk, file: &str, flags: &[&str]) -> Done {
    desk.rectify(&[&["run", file], &SIM[..], &["--yes", "--run-programs"], flags].concat())
}

/// A step whose script appends a line to a file each time that it is run, and then does this.
fn counted(desk: &Desk, script: &str, rest: &str) -> (String, String) {
    let count = desk.path("count").display().to_string();
    let step =
        format!("{MARK}[phase.step.with]\nshell = \"bash\"\nrun = '''\necho run >> {count}\n{script}\n'''\n{rest}\n");
    (step, count)
}

fn lines(path: &str) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_program_that_exits_non_zero_has_failed_once() {
    for policy in ["stop", "ask", "rollback", "continue"] {
        let desk = Desk::new();
        let undo = desk.path("undo").display().to_string();
        let (step, count) = counted(&desk, "exit 1", &format!("check = 'false'\nundo = 'touch {undo}'"));
        let file = runbook(&desk, &step);
        let done = run(&desk, &file, &["--on-failure", policy]).code(1).says("✗ failed (exit 1)");
        assert_eq!(lines(&count), 1, "{policy}");
        assert!(!done.stdout.contains("refused") && !done.stdout.contains("several times"), "{}", done.stdout);
        assert!(!done.stdout.contains("  applied: ") && !Path::new(&undo).exists(), "{}", done.stdout);
    }
}

#[test]
fn its_check_decides_whether_a_failed_program_is_undone() {
    for (touch, undone) in [("mark", 1), ("other", 0)] {
        let desk = Desk::new();
        let (mark, undo) = (desk.path("mark").display().to_string(), desk.path("undo").display().to_string());
        let touch = desk.path(touch).display().to_string();
        let rest = format!("check = 'test -e {mark}'\nundo = 'echo x >> {undo}; rm {mark}'");
        let (step, count) = counted(&desk, &format!("touch {touch}; exit 1"), &rest);
        let file = runbook(&desk, &step);
        let done = run(&desk, &file, &["--on-failure", "rollback"]).code(1);
        assert_eq!((lines(&count), lines(&undo)), (1, undone), "{}", done.stdout);
        assert!(!Path::new(&mark).exists());
    }
}

#[test]
fn of_a_failed_program_without_a_check_nothing_is_claimed() {
    for policy in ["stop", "ask", "rollback"] {
        let desk = Desk::new();
        let undo = desk.path("undo").display().to_string();
        let (step, count) = counted(&desk, "exit 1", &format!("undo = 'touch {undo}'"));
        let file = runbook(&desk, &step);
        let done =
            run(&desk, &file, &["--on-failure", policy]).code(6).says("whether it changed something is not known");
        assert_eq!(lines(&count), 1, "{policy}");
        for claim in ["nothing was changed", "it changed nothing", "  applied: ", "✓ applied", "refused"] {
            assert!(!done.stdout.contains(claim), "{policy}: {claim:?} is in\n{}", done.stdout);
        }
        assert!(!Path::new(&undo).exists(), "{policy}: it was undone without a word");
        let shown = desk.rectify(&["show"]).code(0).stdout;
        assert!(shown.contains("is not known") && !shown.contains("nothing was changed"), "{shown}");
    }
}

#[test]
fn undo_partial_undoes_what_failed_in_the_middle() {
    for check in ["", "check = 'test -e ALL'\n"] {
        let desk = Desk::new();
        let (a, undo) = (desk.path("a").display().to_string(), desk.path("undo").display().to_string());
        let rest = format!("{check}undo = 'echo x >> {undo}; rm -f {a}'\nundo_partial = true");
        let (step, count) = counted(&desk, &format!("touch {a}; exit 1"), &rest);
        let file = runbook(&desk, &step);
        let done =
            run(&desk, &file, &["--on-failure", "rollback"]).code(1).says("✓ undone").says("failed and rolled back");
        assert_eq!((lines(&count), lines(&undo)), (1, 1), "{}", done.stdout);
        assert!(!Path::new(&a).exists());
    }
}

#[test]
fn undo_partial_wants_an_undo() {
    let desk = Desk::new();
    let step = format!("{MARK}irreversible = true\nwith = {{ run = [\"true\"], undo_partial = true }}\n");
    desk.rectify(&["check", &runbook(&desk, &step)]).code(2).says("there is no `undo` to run after a failure");
}

#[test]
fn what_a_program_leaves_in_the_background_does_not_hold_its_step() {
    let desk = Desk::new();
    let (pid, more) = (desk.path("pid").display().to_string(), desk.path("more").display().to_string());
    let script = format!(
        "(while [ ! -e {more} ]; do sleep 0.05; done; for i in 1 2 3 4; do echo noise; done; touch {more}.done) & \
         echo $! > {pid}; echo started; echo $((6 * 7)) >&2"
    );
    let (step, _) = counted(&desk, &script, "timeout = \"20s\"");
    let file = runbook(&desk, &step.replacen("[phase.step.with]", "irreversible = true\n[phase.step.with]", 1));
    let done = desk.rectify(&[
        "run",
        &file,
        "--sim",
        SCENARIO,
        "--speed",
        "1",
        "--yes",
        "--run-programs",
        "--acknowledge",
        "mark",
    ]);
    done.code(0).says("✓ applied").says("✓ done");
    let output = std::fs::read_to_string(desk.run_directory().join("output/mark.log")).unwrap();
    assert!(output.contains("started\n") && output.contains("42\n") && output.contains("ended: exit 0"), "{output}");
    std::fs::write(&more, "").unwrap();
    let pid = std::fs::read_to_string(&pid).unwrap();
    let alive =
        || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "));
    until("what was left in the background to end", || !alive());
}

#[test]
fn windows_line_ends_do_not_reach_bash() {
    let desk = Desk::new();
    let mark = desk.path("mark").display().to_string();
    let step = format!(
        "{MARK}irreversible = true\n[phase.step.with]\nshell = \"bash\"\nenv = {{ WORD = \"yes\" }}\n\
         run = \"\"\"\ntest \"$WORD\" = \"yes\"\nif true; then\n  touch {mark}\nfi\n\"\"\"\n\
         check = '''\ntest -e {mark}\n'''\n"
    );
    let file = runbook(&desk, &step);
    let text = format!("\u{feff}{}", std::fs::read_to_string(&file).unwrap().replace('\n', "\r\n"));
    let file = desk.write("windows.toml", &text);
    run(&desk, &file, &["--acknowledge", "mark"]).code(0).says("✓ applied");
    assert!(Path::new(&mark).exists());
}

/// Nothing says that a program was run which was not, nobody is asked about it, and nothing is waited for that it would do.
#[test]
fn a_rehearsal_says_what_it_does_not_run() {
    let desk = Desk::new();
    let (step, count) = counted(
        &desk,
        "true",
        "undo = 'true'\n[phase.step.gate]\nhealthy = [\"never\"]\nfor = \"1m\"\ntimeout = \"20m\"",
    );
    let file = runbook(&desk, &step);
    let planned = desk.rectify(&[&["plan", &file], &SIM[..]].concat()).code(0).says("not run (rehearsal)");
    assert!(!planned.stdout.contains("of a kind"), "{}", planned.stdout);
    for format in ["json", "markdown"] {
        let planned = desk.rectify(&[&["plan", &file, "--format", format], &SIM[..]].concat()).code(0);
        assert!(!planned.stdout.contains("of a kind"), "{}", planned.stdout);
    }
    let done = desk.rectify(&[&["run", &file], &SIM[..], &["--yes"]].concat()).code(0).says("not run (rehearsal)");
    assert!(!done.stdout.contains("applied") && !done.stdout.contains("gate: "), "{}", done.stdout);
    assert_eq!(lines(&count), 0);
    for command in [
        &["show"][..],
        &["report", "--format", "html"],
        &["report", "--format", "markdown"],
        &["report", "--format", "json"],
    ] {
        let told = desk.rectify(command).code(0).says("not run (rehearsal)");
        assert!(!told.stdout.contains("  applied: "), "{}", told.stdout);
    }
    let rolled_back = desk.rectify(&["rollback", "--yes"]);
    assert!(!rolled_back.stdout.contains("undone"), "{}", rolled_back.stdout);
    desk.rectify(&[&["run", &file], &SIM[..], &["--yes", "--run-programs"]].concat()).code(1).says("✓ applied");
    assert_eq!(lines(&count), 1);
}

#[test]
fn reports_show_the_command_and_how_it_failed() {
    let desk = Desk::new();
    let step =
        format!("{MARK}with = {{ run = [\"sh\", \"-c\", \"exit 4\"], check = [\"false\"], undo = [\"true\"] }}\n");
    let file = runbook(&desk, &step);
    run(&desk, &file, &[]).code(1).says("✗ failed (exit 4)");
    for format in ["html", "markdown", "json"] {
        let told = desk.rectify(&["report", "--format", format]).code(0).says("failed (exit 4)").says("exit 4");
        assert!(!told.stdout.contains("refused") && !told.stdout.contains("  applied: "), "{}", told.stdout);
        assert!(told.stdout.contains("sh -c"), "{}", told.stdout);
    }
}

#[test]
fn exported_commands_name_their_secrets() {
    let desk = Desk::new();
    let step = format!(
        "[inputs]\ntoken = {{ secret = true, env = \"THE_TOKEN\", rehearsal = \"open-sesame\" }}\n{MARK}\
         with = {{ run = [\"say\", \"it is\"], undo = [\"unsay\", \"it\"], check = [\"false\"], env = {{ AUTH = \"Bearer ${{inputs.token}}\" }} }}\n"
    );
    let file = runbook(&desk, &step);
    let flags = [&["run", &file], &SIM[..], &["--yes", "--run-programs"]].concat();
    desk.rectify(&flags).code(1);
    let script = desk.rectify(&["export"]).code(0).says("AUTH=\"Bearer ${TOKEN:?set TOKEN}\" say 'it is'").stdout;
    assert!(!script.contains("open-sesame") && script.contains("set TOKEN to the secret inputs.token"), "{script}");
}

/// What `gcloud` is told in a rehearsal that runs programs: to ask the simulated cloud, as nobody.
#[test]
fn in_a_rehearsal_gcloud_is_pointed_at_the_simulated_cloud() {
    let desk = Desk::new();
    let seen = desk.path("seen").display().to_string();
    let step = format!("{MARK}irreversible = true\n[phase.step.with]\nshell = \"bash\"\nrun = 'env | sort > {seen}'\n");
    let file = runbook(&desk, &step);
    run(&desk, &file, &["--acknowledge", "mark"]).code(0);
    let seen = std::fs::read_to_string(&seen).unwrap();
    for name in [
        "API_ENDPOINT_OVERRIDES_SQL=http://127.0.0.1:",
        "API_ENDPOINT_OVERRIDES_RUN=http://run.sim/",
        "PROXY_ADDRESS=127.0.0.1",
        "AUTH_ACCESS_TOKEN_FILE=/",
        "CONFIG=/",
    ] {
        assert!(seen.contains(&format!("CLOUDSDK_{name}")), "{name} is not in\n{seen}");
    }
    let token = seen.lines().find_map(|line| line.strip_prefix("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=")).unwrap();
    assert_eq!(std::fs::read_to_string(token).unwrap(), "simulated");
}

/// A database that is started by a program is started, in the simulated cloud, by an engineer's own `gcloud`.
#[test]
fn gcloud_changes_the_simulated_cloud_in_a_rehearsal_that_runs_programs() {
    let desk = Desk::new();
    if !Gcloud::is_there() {
        return;
    }
    let scenario = std::fs::read_to_string(SCENARIO).unwrap()
        + "\n[sql.stopped-postgres]\ndatabase_version = \"POSTGRES_15\"\n\
        tier = \"db-g1-small\"\nactivation_policy = \"NEVER\"\nupdate_takes = \"30s\"\nrestart_takes = \"1m\"\n";
    let scenario = desk.write("stopped.sim.toml", &scenario);
    let patch = |policy: &str| {
        format!(
            "[\"gcloud\", \"sql\", \"instances\", \"patch\", \"stopped-postgres\", \"--activation-policy={policy}\", \"--project=netra-staging\", \"--quiet\"]"
        )
    };
    let step = format!(
        "[probes.database]\nresource = \"gcp.sql/stopped-postgres\"\nexpect = 'activation_policy == \"ALWAYS\"'\n\
         {MARK}[phase.step.with]\nrun = {}\nundo = {}\n[phase.step.gate]\nhealthy = [\"database\"]\ntimeout = \"5m\"\n",
        patch("ALWAYS"),
        patch("NEVER")
    );
    let file = runbook(&desk, &step);
    let flags = ["run", &file, "--sim", &scenario, "--speed", "max", "--yes", "--run-programs"];
    desk.rectify(&flags).code(0).says("✓ healthy");
    desk.rectify(&["rollback", "--yes"]).code(0).says("✓ undone");
}

#[test]
fn a_program_that_fails_says_why_and_keeps_its_secrets() {
    let desk = Desk::new();
    let with = "with = { run = ''' echo \"the key is $KEY\" >&2; exit 3 ''', shell = \"bash\", env = { KEY = \"${inputs.key}\" } }\nirreversible = true\n";
    let file = runbook(
        &desk,
        &format!(
            "{MARK}{with}[inputs]\nkey = {{ secret = true, env = \"THE_KEY\", rehearsal = \"hunter2-and-more\" }}\n"
        ),
    );
    let arguments = [&["run", file.as_str()], &SIM[..], &["--yes", "--acknowledge", "mark", "--run-programs"]].concat();
    let done = desk.rectify(&arguments).code(6);
    let done = done.says("✗ failed (exit 3); it said: the key is ${inputs.key}");
    assert!(!done.stdout.contains("hunter2") && !done.stderr.contains("hunter2"));
    let journal = std::fs::read_to_string(desk.run_directory().join("journal.jsonl")).unwrap();
    assert!(!journal.contains("hunter2"));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_that_it_began() {
    let desk = Desk::new();
    let pid = desk.path("pid").display().to_string();
    let with = format!(
        "with = {{ run = '''sleep 600 & echo $! > {pid}; wait''', shell = \"bash\", timeout = \"1s\", check = \"false\" }}\nirreversible = true\n"
    );
    let file = runbook(&desk, &format!("{MARK}{with}"));
    let done = desk
        .rectify(&["run", &file, "--sim", SCENARIO, "--speed", "1", "--yes", "--acknowledge", "mark", "--run-programs"])
        .code(1);
    done.says("✗ failed (killed: it had not ended after 1s)");
    let pid = std::fs::read_to_string(&pid).unwrap();
    let alive =
        || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "));
    crate::support::until("the program's child to be gone", || !alive());
}

//! What of the environment reaches a runbook: what the operator names, and nothing else.

use crate::support::servers::Receiver;
use crate::support::{Desk, Done, Process, SCENARIO};

const VALUE: &str = "ghs_WRITETOKEN123";

/// A runbook that shows an input in its title, and sends a secret to a peer.
fn runbook(desk: &Desk, inputs: &str, peer: &str) -> String {
    let text = format!(
        "[runbook]\nname = \"look\"\ntitle = \"for ${{inputs.shown}}\"\nowners = [\"ops\"]\n\
         [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n[inputs]\n{inputs}\n\
         [probes.peer]\nhttp = \"{peer}/health\"\nheaders = {{ X-Key = \"${{inputs.key}}\" }}\nexpect = \"status == 200\"\n\
         [[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\n\
         gate = {{ healthy = [\"peer\"], for = \"1s\", every = \"1s\", timeout = \"10s\" }}\n"
    );
    desk.write("look.toml", &text)
}

fn in_environment(desk: &Desk, variable: &str, arguments: &[&str]) -> Done {
    desk.rectify_knowing((variable, VALUE), arguments)
}

fn peer() -> Receiver {
    Receiver::start(|_| (200, "{}".to_owned()))
}

/// The keys that a peer was sent.
fn keys(peer: &Receiver) -> Vec<String> {
    let key = |got: crate::support::servers::Got| got.headers["x-key"].to_str().unwrap().to_owned();
    peer.got().into_iter().map(key).collect()
}

#[test]
fn a_variable_that_the_operator_does_not_name_reaches_no_runbook() {
    let desk = Desk::new();
    let peer = peer();
    let file = runbook(&desk, "shown = { env = \"GH_TOKEN\" }\nkey = { secret = true, env = \"PEER_KEY\" }", &peer.url);
    let kept = desk.path("snapshot.json").display().to_string();
    let sim = ["--sim", SCENARIO, "--speed", "max"];
    let ways: [&[&str]; 6] = [
        &["plan", &file, "--offline"],
        &["plan", &file, "--offline", "--format", "markdown"],
        &["plan", &file, "--sim", SCENARIO],
        &["run", &file, "--sim", SCENARIO, "--yes"],
        &["doctor", &file, "--sim", SCENARIO],
        &["snapshot", &file, "--sim", SCENARIO, "--out", &kept],
    ];
    for arguments in ways {
        // A plan shows the rest and names the gap; nothing else is done without the value.
        let code = match arguments[0] {
            "plan" => 0,
            "doctor" => 1,
            _ => 2,
        };
        let done = in_environment(&desk, "GH_TOKEN", arguments).code(code);
        // Markdown escapes what it shows.
        let told = (done.stdout + &done.stderr).replace('\\', "");
        assert!(told.contains("--env GH_TOKEN"), "{arguments:?}: {told}");
        assert!(!told.contains(VALUE), "{arguments:?}");
    }
    // Named, it is a secret: it does not stand in a title. Only the operator can say that it may.
    for flags in [&["--offline"][..], &sim] {
        let arguments = [&["plan", &file, "--env", "GH_TOKEN", "--format", "markdown"], flags].concat();
        let done = in_environment(&desk, "GH_TOKEN", &arguments).code(if flags == sim { 0 } else { 2 });
        let told = (done.stdout + &done.stderr).replace('\\', "");
        assert!(told.contains("--plain-env"), "{arguments:?}: {told}");
        assert!(!told.contains(VALUE), "{arguments:?}");
        let arguments = [&arguments[..], &["--plain-env"]].concat();
        in_environment(&desk, "GH_TOKEN", &arguments).code(0).says("ghs\\_WRITETOKEN123");
    }
    in_environment(&desk, "RECTIFY_INPUT_SHOWN", &["plan", &file, "--offline", "--plain-env"]).code(0).says(VALUE);
    let done = in_environment(&desk, "RECTIFY_INPUT_SHOWN", &["plan", &file, "--offline"]).code(2);
    assert!(!(done.stdout + &done.stderr).contains(VALUE));
}

#[test]
fn check_and_a_plan_without_a_cloud_read_no_variable() {
    let desk = Desk::new();
    let peer = peer();
    let pattern = |letter| format!("p{letter} = {{ secret = true, env = \"KEY\", pattern = \"^{letter}\" }}");
    let letters = ('a'..='z').map(pattern).collect::<Vec<_>>().join("\n");
    let inputs = format!("shown = {{ default = \"x\" }}\nkey = {{ secret = true, env = \"KEY\" }}\n{letters}");
    let file = runbook(&desk, &inputs, &peer.url);
    let shown = |variable: &str, arguments: &[&str]| {
        let done = in_environment(&desk, variable, arguments);
        (done.code, done.stdout, done.stderr)
    };
    for arguments in [&["check", file.as_str()][..], &["plan", &file, "--offline"]] {
        assert_eq!(shown("KEY", arguments), shown("OTHER", arguments), "{arguments:?}");
    }
    // Also where it is named, a pattern tells nothing of a secret's letters.
    let named = ["plan", &file, "--offline", "--env", "KEY"];
    assert_eq!(shown("KEY", &named), shown("OTHER", &named));
    assert_eq!(peer.got().len(), 0);
}

/// Whoever looks in earnest sends the real secret: without this, the tests of what is not sent would prove nothing.
#[test]
fn a_secret_that_is_named_reaches_the_peer_in_earnest_and_never_in_a_rehearsal() {
    let desk = Desk::new();
    let earnest = peer();
    let credentials = r#"{ "type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x" }"#;
    let credentials = desk.write("credentials.json", credentials);
    let inputs = "shown = { default = \"x\" }\nkey = { secret = true, env = \"KEY\" }";
    let file = runbook(&desk, inputs, &earnest.url);
    let look = |flags: &[&str], variable: &str| {
        let mut command = desk.command(&[&["probe", &file], flags].concat());
        command.env("GOOGLE_APPLICATION_CREDENTIALS", &credentials).env(variable, VALUE);
        Process(command.spawn().unwrap()).end()
    };
    look(&[], "KEY").code(2).complains("--env KEY").complains("RECTIFY_INPUT_KEY");
    assert_eq!(keys(&earnest), Vec::<String>::new());
    for (flags, variable) in [(&["--env", "KEY"][..], "KEY"), (&[], "RECTIFY_INPUT_KEY")] {
        let done = look(flags, variable).code(0);
        assert!(!(done.stdout + &done.stderr).contains(VALUE));
    }
    assert_eq!(keys(&earnest), [VALUE, VALUE]);

    let sim = ["--sim", SCENARIO, "--speed", "max", "--env", "KEY"];
    for (rehearsal, told) in [("", "rehearsal-value-of-key"), (", rehearsal = \"sim-key\"", "sim-key")] {
        let rehearsed = peer();
        let inputs = inputs.replace("\"KEY\" }", &format!("\"KEY\"{rehearsal} }}"));
        let file = runbook(&desk, &inputs, &rehearsed.url);
        in_environment(&desk, "KEY", &[&["run", &file, "--yes"], &sim[..]].concat()).code(0);
        let keys = keys(&rehearsed);
        assert!(!keys.is_empty() && keys.iter().all(|key| key == told), "{keys:?}");
    }
}

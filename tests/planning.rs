//! Requests while planning: it asks, and does nothing else; and where no probe ever goes.

use serde_json::Value;

use crate::support::servers::{Receiver, answers};
use crate::support::{Desk, Done, Process, SCENARIO};

const SIM: [&str; 4] = ["--sim", SCENARIO, "--speed", "1"];

/// A runbook that is judged by these probes, which are tables of `[probes]`.
fn runbook(desk: &Desk, extra: &str, probes: &str) -> String {
    let names: Vec<String> = probes
        .lines()
        .filter_map(|line| line.strip_prefix("[[probes.").or_else(|| line.strip_prefix("[probes.")))
        .map(|rest| format!("\"{}\"", rest.split(['.', ']']).next().unwrap()))
        .collect();
    let names = names.iter().collect::<std::collections::BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>();
    let text = format!(
        "[runbook]\nname = \"look\"\nowners = [\"ops\"]\non_failure = \"stop\"\n\
         [target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
         [inputs]\nkey = {{ secret = true, env = \"KEY\", rehearsal = \"sim-key\" }}\n{extra}\n{probes}\n\
         [[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"look\"\nuses = \"probe\"\n\
         gate = {{ healthy = [{}], for = \"1s\", every = \"1s\", timeout = \"1m\" }}\n",
        names.join(", ")
    );
    desk.write("look.toml", &text)
}

fn peer() -> Receiver {
    Receiver::start(|got| {
        let body = if got.path == "/login" { "{\"token\":\"captured-token\"}" } else { "{}" };
        (200, body.to_owned())
    })
}

/// Probes of every kind that do more than ask, at a peer; one that only asks, and one of what the simulated cloud serves.
fn more_than_asks(peer: &Receiver) -> String {
    let (url, address) = (&peer.url, peer.url.trim_start_matches("http://"));
    format!(
        "[probes.asks]\nhttp = \"{url}/asks\"\nexpect = \"status == 200\"\n\
         [probes.head]\nhttp = \"{url}/head\"\nmethod = \"HEAD\"\nexpect = \"status == 200\"\n\
         [probes.tcp]\ntcp = \"{address}\"\n\
         [probes.deletes]\nhttp = \"{url}/deletes\"\nmethod = \"DELETE\"\nexpect = \"status == 200\"\n\
         [probes.lower]\nhttp = \"{url}/lower\"\nmethod = \"get\"\nexpect = \"status == 200\"\n\
         [probes.body]\nhttp = \"{url}/body\"\nbody = \"x\"\nexpect = \"status == 200\"\n\
         [probes.secret]\nhttp = \"{url}/secret\"\nheaders = {{ X-Key = \"${{inputs.key}}\" }}\nexpect = \"status == 200\"\n\
         [probes.load]\nload = \"{url}/load\"\nclients = 2\nfor = \"1s\"\nexpect = \"success > 0.9\"\n\
         [[probes.flow.flow]]\nname = \"login\"\nhttp = \"{url}/login\"\nexpect = \"status == 200\"\ncapture = {{ t = \"/token\" }}\n\
         [[probes.flow.flow]]\nname = \"send\"\nhttp = \"{url}/send?t=${{flow.t}}\"\nexpect = \"status == 200\"\n"
    )
}

/// What a peer was asked for, once each.
fn asked(peer: &Receiver) -> Vec<String> {
    let asked = peer.got().into_iter().map(|got| format!("{} {}", got.method, got.path));
    asked.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

const ASKS: [&str; 2] = ["GET /asks", "HEAD /head"];

const ALL: [&str; 9] = [
    "DELETE /deletes",
    "GET /asks",
    "GET /body",
    "GET /load",
    "GET /login",
    "GET /secret",
    "GET /send?t=captured-token",
    "HEAD /head",
    "get /lower",
];

#[test]
fn what_more_than_asks_is_not_sent_while_planning() {
    let desk = Desk::new();
    let kept = desk.path("snapshot.json").display().to_string();
    for command in [&["plan"][..], &["doctor"], &["snapshot", "--out", &kept], &["run", "--dry-run"]] {
        let peer = peer();
        let file = runbook(&desk, "", &more_than_asks(&peer));
        desk.rectify(&[command, &[&file], &SIM[..]].concat());
        assert_eq!(asked(&peer), ASKS, "{command:?}");
    }
    let peer = peer();
    let file = runbook(&desk, "", &more_than_asks(&peer));
    let plan = desk.rectify(&[&["plan", &file], &SIM[..]].concat()).code(0);
    plan.says("not tried while planning: body: it sends a body");
    // Whoever opts in gets all of it: the peer would have heard the rest.
    desk.rectify(&[&["plan", &file, "--try-probes"], &SIM[..]].concat()).code(0);
    assert_eq!(asked(&peer), ALL);
}

#[test]
fn what_was_not_tried_is_tried_once_the_run_is_approved() {
    let desk = Desk::new();
    let peer = peer();
    let file = runbook(&desk, "", &more_than_asks(&peer));
    // Nobody has said yes, and nobody can be asked.
    let done = desk.rectify(&[&["run", &file], &SIM[..]].concat()).code(7);
    done.complains("whether probes may send what was not tried while planning").complains("probe deletes: DELETE");
    assert_eq!(asked(&peer), ASKS);
    let done = desk.rectify(&[&["run", &file, "--yes"], &SIM[..]].concat()).code(0);
    let done = done.says("Before the first change, by the probes that were not tried while planning:");
    done.says("  deletes: healthy").says("! look: its gate already passes, so it cannot show that the step worked");
    assert_eq!(asked(&peer), ALL);
    let keys: Vec<_> = peer.got().into_iter().filter_map(|got| got.headers.get("x-key").cloned()).collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "sim-key"), "the secret reaches its peer in a run");
    let plan: Value = serde_json::from_slice(&std::fs::read(desk.run_directory().join("plan.json")).unwrap()).unwrap();
    assert_eq!(plan["baseline"].as_object().unwrap().len(), 9);
}

#[test]
fn a_rejected_runbook_reaches_nobody() {
    let desk = Desk::new();
    let peer = peer();
    let kept = desk.path("snapshot.json").display().to_string();
    let file = runbook(&desk, "bad = { default = \"x\", nonsense = 3 }", &more_than_asks(&peer));
    for command in [
        &["plan"][..],
        &["plan", "--try-probes"],
        &["doctor"],
        &["snapshot", "--out", &kept],
        &["run", "--dry-run"],
        &["run", "--yes"],
        &["probe"],
    ] {
        // Doctor lists the mistake as it lists all else that is missing.
        let code = if command == ["doctor"] { 1 } else { 2 };
        desk.rectify(&[command, &[&file], &SIM[..]].concat()).code(code);
    }
    assert_eq!(asked(&peer), Vec::<String>::new());
}

#[test]
fn every_form_of_a_plan_lists_what_a_run_sends() {
    let desk = Desk::new();
    let peer = peer();
    let steps = "[[probes.golden.flow]]\nname = \"login\"\nhttp = \"https://auth.staging.netrasystems.ai/login\"\nmethod = \"POST\"\n\
        body = '{\"password\":\"${inputs.key}\"}'\nexpect = \"status == 200\"\n\
        [probes.database]\npostgres = \"postgres://probe:${inputs.key}@10.20.0.3/app\"\n";
    let file = runbook(&desk, "", &(more_than_asks(&peer) + steps));
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str(
        "[[phase.step]]\nname = \"tell\"\nuses = \"notify\"\nwith = { webhook = \"https://hooks.example/${inputs.key}\", text = \"x\" }\n\
         [[phase.step]]\nname = \"program\"\nuses = \"shell\"\nirreversible = true\nwith = { run = [\"true\"], check = [\"true\"], env = { KEY = \"${inputs.key}\" } }\n",
    );
    let file = desk.write("look.toml", &text);
    let plan = |flags: &[&str]| desk.rectify(&[&["plan", &file], &SIM[..], flags].concat()).code(0).stdout;
    let lines = [
        "probe asks: GET to 127.0.0.1, tried while planning",
        "probe database: PostgreSQL to 10.20.0.3 with the secret key, not tried while planning: it logs in to PostgreSQL",
        // The simulated cloud is nobody else's.
        "probe golden: POST to auth.staging.netrasystems.ai with the secret key, tried while planning",
        "probe flow: GET to 127.0.0.1 with a captured value, not tried while planning: it sends what an earlier answer gave",
        "probe load: GET to 127.0.0.1, not tried while planning: it is a load of 2 clients for 1s",
        "probe secret: GET to 127.0.0.1 with the secret key, not tried while planning: it sends the secret `key`",
        "step tell: POST to hooks.example with the secret key, not tried while planning: planning takes no step",
        "step program: program to a host that only the run knows with the secret key",
    ];
    let text = plan(&[]);
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let markdown = plan(&["--format", "markdown"]);
    let row =
        "| probe secret | `GET` | `127.0.0.1` | `key` | not tried while planning: it sends the secret \\`key\\` |";
    assert!(markdown.contains(row), "{markdown}");
    let json: Value = serde_json::from_str(&plan(&["--format", "json"])).unwrap();
    let of = |sender: &str, name: &str| {
        let requests = json["requests"].as_array().unwrap().iter();
        requests.filter(|request| request["sender"][sender] == name).cloned().collect::<Vec<_>>()
    };
    let secret = of("probe", "secret");
    assert_eq!((&secret[0]["host"], &secret[0]["secrets"][0]), (&Value::from("127.0.0.1"), &Value::from("key")));
    assert_eq!(secret[0]["planning"]["is"], "not_tried");
    assert_eq!(of("probe", "flow").len(), 2, "what is the same is listed once, and one of these sends what it got");
    assert_eq!(of("step", "tell")[0]["host"], "hooks.example");
    // Without a cloud the list is the same; nothing of it was tried.
    let offline: Value =
        serde_json::from_str(&desk.rectify(&["plan", &file, "--offline", "--format", "json"]).stdout).unwrap();
    let why = |request: &Value| request["planning"]["why"].as_str().map(str::to_owned);
    let golden = offline["requests"].as_array().unwrap().iter().find(|request| request["sender"]["probe"] == "golden");
    assert_eq!(why(golden.unwrap()).as_deref(), Some("nothing was asked while planning"));
    let strip = |plan: &Value| {
        let mut requests = plan["requests"].clone();
        requests.as_array_mut().unwrap().iter_mut().for_each(|request| request["planning"] = Value::Null);
        requests
    };
    assert_eq!(strip(&offline), strip(&json));
    assert!(!offline["requests"].to_string().contains("\"tried\""));
}

/// Looks in earnest: the probes of these tests are the only ones that are asked.
fn look(desk: &Desk, file: &str) -> Done {
    let credentials = r#"{ "type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x" }"#;
    let mut command = desk.command(&["probe", file, "--format", "json", "--env", "KEY"]);
    command
        .env("GOOGLE_APPLICATION_CREDENTIALS", desk.write("credentials.json", credentials))
        .env("KEY", "open-sesame");
    Process(command.spawn().unwrap()).end()
}

/// A server that sends whoever asks to another place.
fn redirects(to: &'static str) -> String {
    let port = answers(move |stream, _| {
        use std::io::Write as _;
        let _ =
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    format!("http://127.0.0.1:{port}/")
}

#[test]
fn no_probe_reaches_a_metadata_server() {
    let desk = Desk::new();
    let redirects = redirects("http://169.254.169.254/computeMetadata/v1/");
    for probe in [
        "http = \"http://169.254.169.254/computeMetadata/v1/\"\nexpect = \"status == 200\"",
        "http = \"http://metadata.google.internal/\"\nexpect = \"status == 200\"",
        "http = \"http://2852039166/\"\nexpect = \"status == 200\"",
        "http = \"http://[::ffff:169.254.169.254]/\"\nexpect = \"status == 200\"",
        "http = \"http://[fd00:ec2::254]/\"\nexpect = \"status == 200\"",
        "load = \"http://169.254.1.1/\"\nexpect = \"success > 0.5\"\nfor = \"1s\"",
        "tcp = \"[fe80::1]:80\"",
        "tls = \"169.254.169.254:443\"\nexpect = \"trusted\"",
        "websocket = \"ws://169.254.169.254/\"\nevents = [\"x\"]",
        "postgres = \"postgres://u:${inputs.key}@169.254.169.254/x\"",
        "redis = \"redis://:${inputs.key}@169.254.169.254\"",
        &format!("http = \"{redirects}\"\nredirects = 1\nexpect = \"status == 200\""),
    ] {
        let done = look(&desk, &runbook(&desk, "", &format!("[probes.it]\n{probe}\n"))).code(1);
        done.says("\"is\":\"broken\"").says("probes never ask there");
    }
}

#[test]
fn the_limit_of_hosts_holds_in_check_and_on_redirects() {
    let desk = Desk::new();
    let limit = "[limits]\nhosts = [\"127.0.0.1\", \"*.staging.example.com\"]";
    let http = |url: &str| format!("[probes.it]\nhttp = \"{url}\"\nredirects = 1\nexpect = \"status == 200\"\n");
    let outside = runbook(&desk, limit, &http("https://api.example.com/health"));
    let told = desk.rectify(&["check", &outside]).code(2).says("beyond-limits");
    told.says("this asks `api.example.com`, which is not one of the hosts that probes may ask");
    desk.rectify(&["check", &runbook(&desk, limit, &http("https://api.staging.example.com/health"))]).code(0);
    let wrong = runbook(&desk, "[limits]\nhosts = [\"*\"]", &http("https://api.example.com/"));
    desk.rectify(&["check", &wrong]).code(2).says("`*` is not a host");
    let peer = peer();
    look(&desk, &runbook(&desk, limit, &http(&peer.url))).code(0);
    let away = redirects("http://localhost:9/");
    let done = look(&desk, &runbook(&desk, limit, &http(&away))).code(1);
    done.says("localhost is not one of the hosts of [limits]");
    // A host that only a run would know is none.
    let captured = format!(
        "[[probes.it.flow]]\nname = \"login\"\nhttp = \"{}/login\"\nexpect = \"status == 200\"\ncapture = {{ t = \"/token\" }}\n\
         [[probes.it.flow]]\nname = \"send\"\nhttp = \"http://${{flow.t}}/\"\nexpect = \"status == 200\"\n",
        peer.url
    );
    let rejected = desk.rectify(&["check", &runbook(&desk, limit, &captured)]).code(2);
    rejected.says("a captured value cannot say which host is asked");
}

//! Every kind of probe against something real, well and ill: what it sees is an observation with a reason, never a crash
//! and never a pass.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite;

use crate::support::servers::{self, PASSWORD, answers};
use crate::support::{Desk, Done, FLAGSHIP, SCENARIO, Served};

/// A runbook of these probes, and nothing that changes anything.
fn probes(desk: &Desk, probes: &str) -> String {
    let text = format!(
        "[runbook]\nname = \"look\"\nowners = [\"ops\"]\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
         [inputs.secret]\nsecret = true\nenv = \"SECRET\"\nrehearsal = \"{PASSWORD}\"\n{probes}\n[[phase]]\nname = \"all\"\n\
         [[phase.step]]\nname = \"wait\"\nuses = \"wait\"\nwith = {{ for = \"1s\" }}\n"
    );
    desk.write("look.toml", &text)
}

/// Looks through all of them once, at a cloud that runs at the wall's speed: these servers live in real time.
fn look(desk: &Desk, file: &str, secret: &str) -> Done {
    let file = told(desk, file, secret);
    desk.rectify(&["probe", &file, "--sim", SCENARIO, "--speed", "1", "--format", "json"])
}

/// The same runbook with another secret in rehearsals.
fn told(desk: &Desk, file: &str, secret: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    desk.write("told.toml", &text.replace(&format!("rehearsal = \"{PASSWORD}\""), &format!("rehearsal = {secret:?}")))
}

/// What one probe sees: in what health, why, and its facts.
fn seen(probe: &str) -> (String, String, Value) {
    let desk = Desk::new();
    let done = look(&desk, &probes(&desk, &format!("[probes.it]\n{probe}\n")), PASSWORD);
    assert!(!done.stdout.contains(PASSWORD) && !done.stderr.contains(PASSWORD), "{}{}", done.stdout, done.stderr);
    let line: Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("no line\n{}\n{}", done.stdout, done.stderr));
    let health = &line["seen"]["health"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let word = text(&health["is"]);
    assert_eq!(done.code, i32::from(word != "healthy"), "{}", done.stdout);
    (word, text(&health["why"]), line["seen"]["facts"].clone())
}

fn is(probe: &str, word: &str, why: &str) -> Value {
    let (health, reason, facts) = seen(probe);
    assert!(health == word && reason.contains(why), "{probe}\nis {health}: {reason}\nnot {word}: {why}");
    facts
}

fn http(port: u16, rest: &str) -> String {
    format!("http = \"http://127.0.0.1:{port}/health\"\ntimeout = \"700ms\"\nexpect = 'status == 200'\n{rest}")
}

fn reply(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let _ = write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(body);
}

#[test]
fn an_http_answer_has_a_status_a_body_and_the_parts_of_its_time() {
    let port = answers(|stream, head| {
        assert!(head.starts_with("GET /health HTTP/1.1\r\n") && head.contains("user-agent: rectify/"), "{head}");
        reply(stream, "200 OK", br#"{"ok":true,"queue":{"depth":3},"tags":["a","b"]}"#);
    });
    let json = "expect = 'status == 200 && json.ok && json.queue.depth < 5 && json.tags[1] == \"b\" && body.contains(\"depth\")'";
    let facts = is(&http(port, "").replace("expect = 'status == 200'", json), "healthy", "");
    for part in ["dns", "connect", "tls", "first_byte", "latency"] {
        assert!(facts[part].is_string(), "{part}: {facts}");
    }
    assert!(facts.get("body").is_none() && facts.get("json").is_none(), "what a server says is not kept: {facts}");
    // What is not there is no reason to be well, and no reason to be ill.
    let other = http(port, "").replace("'status == 200'", "'json.missing == 1'");
    is(&other, "unknown", "there is no `missing` in it");
}

/// Everything that a server, or what stands in its place, can do wrong.
#[test]
fn whatever_goes_wrong_with_a_request_is_told_and_never_health() {
    let text = |text: &'static str| answers(move |stream, _| drop(stream.write_all(text.as_bytes())));
    let silent = answers(|stream, _| drop(stream.read(&mut [0])));
    let reset = answers(|stream, _| {
        let socket = socket2::SockRef::from(&*stream);
        let _ = socket.set_linger(Some(Duration::ZERO));
    });
    let slow = answers(|stream, _| {
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n".iter().chain([b'x'].iter().cycle().take(9000)) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let endless = answers(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 8_192]).is_ok() {}
    });
    let latin = answers(|stream, _| reply(stream, "200 OK", b"all is w\xe9ll"));
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    is(&http(gone, ""), "unhealthy", "cannot be reached: Connection refused");
    is(&http(silent, ""), "unhealthy", "no answer within 700ms");
    is(&http(slow, ""), "unhealthy", "no answer within 700ms");
    is(&http(reset, ""), "unhealthy", "");
    is(&http(text("garbage\r\n\r\n"), ""), "unhealthy", "invalid HTTP");
    is(&http(text("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"), ""), "unhealthy", "");
    is(&http(text("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"), ""), "unhealthy", "status 503");
    // It is there; how much it would have said is not its health, and is not read.
    let facts = is(&http(endless, ""), "healthy", "");
    assert!(facts.to_string().len() < 500);
    is(&http(endless, "").replace("'status == 200'", "'body.contains(\"x\")'"), "unknown", "`body` was not seen");
    is(&http(latin, "").replace("'status == 200'", "'body.contains(\"all is w\")'"), "healthy", "");
    is(
        "http = \"http://nowhere.invalid/\"\nexpect = 'status == 200'",
        "broken",
        "the simulated cloud does not serve nowhere.invalid",
    );
    let facts = is(&format!("tcp = \"127.0.0.1:{silent}\"\n"), "healthy", "");
    assert!(facts["latency"].is_string(), "{facts}");
    is("tcp = \"127.0.0.1:1\"\ntimeout = \"1s\"", "unhealthy", "Connection refused");
}

#[test]
fn a_redirect_is_an_answer_unless_it_is_to_be_followed() {
    let visits = std::sync::Arc::new(AtomicU32::new(0));
    let counted = visits.clone();
    let port = answers(move |stream, head| {
        counted.fetch_add(1, Ordering::SeqCst);
        let there = if head.starts_with("GET /end") { "" } else { "location: /end\r\n" };
        let status = if there.is_empty() { "200 OK" } else { "302 Found" };
        let _ = write!(stream, "HTTP/1.1 {status}\r\n{there}content-length: 0\r\n\r\n");
    });
    is(&http(port, ""), "unhealthy", "status 302");
    let facts = is(&http(port, "redirects = 1"), "healthy", "");
    assert_eq!(facts["redirects"], 1);
    let circle = answers(|stream, _| {
        let _ = write!(stream, "HTTP/1.1 307 Again\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n");
    });
    is(&http(circle, "redirects = 3"), "unhealthy", "it redirects more than 3 times, at last to /health");
    // A secret header is not shown to whoever the server names.
    let away = answers(|stream, _| {
        let _ = write!(stream, "HTTP/1.1 302 Away\r\nlocation: http://localhost:9/\r\ncontent-length: 0\r\n\r\n");
    });
    let secret = "redirects = 3\nheaders = { Authorization = \"Bearer ${inputs.secret}\" }";
    is(&http(away, secret), "unhealthy", "headers or body are not meant for that");
    assert_eq!(visits.load(Ordering::SeqCst), 3);
}

#[test]
fn many_visitors_at_once_are_served_or_not() {
    let port = answers(|stream, _| {
        reply(stream, "200 OK", b"");
        let mut request = [0; 4096];
        while stream.read(&mut request).is_ok_and(|count| count > 0) {
            reply(stream, "200 OK", b"");
        }
    });
    let load = |port: u16, expect: &str| {
        format!(
            "load = \"http://127.0.0.1:{port}/\"\nclients = 4\nfor = \"300ms\"\ntimeout = \"2s\"\nexpect = '{expect}'"
        )
    };
    let facts = is(&load(port, "success == 1.0 && requests > 8 && p95 < duration(\"1s\")"), "healthy", "");
    assert!(facts["p99"].is_string() && facts["requests"].as_u64().unwrap() > 8, "{facts}");
    let shared = AtomicU32::new(0);
    let flaky = answers(move |stream, _| {
        let nth = shared.fetch_add(1, Ordering::SeqCst);
        let status = if nth.is_multiple_of(2) { "503 No" } else { "200 OK" };
        let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    });
    is(&load(flaky, "success > 0.9"), "unhealthy", "why status 503");
}

#[test]
fn a_certificate_is_trusted_for_its_name_and_for_so_many_days() {
    let expect = "expect = 'trusted && name_matches && days_left > 14'\n";
    let facts = is(&format!("tls = \"api.staging.netrasystems.ai:443\"\n{expect}"), "healthy", "");
    assert!(facts["days_left"].as_i64().unwrap() > 1000 && facts["expires"].is_string(), "{facts}");
    // Somebody else's certificate, in its own name, for another host.
    let key = rcgen::generate_simple_self_signed(["somewhere.example".to_owned()]).unwrap();
    let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let secret = tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let config = std::sync::Arc::new(config.with_single_cert(vec![key.cert.der().clone()], secret.into()).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut session = tokio_rustls::rustls::ServerConnection::new(config.clone()).unwrap();
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        }
    });
    let facts = is(&format!("tls = \"localhost:{port}\"\n{expect}"), "unhealthy", "name_matches false");
    assert_eq!((facts["trusted"].clone(), facts["name_matches"].clone()), (false.into(), false.into()));
    // What is not trusted is not spoken to.
    is(
        &format!("http = \"https://localhost:{port}/\"\nexpect = 'status == 200'"),
        "unhealthy",
        "invalid peer certificate",
    );
    let plain = answers(|stream, _| reply(stream, "200 OK", b""));
    is(&format!("tls = \"127.0.0.1:{plain}\"\ntimeout = \"1s\"\n{expect}"), "unhealthy", "");
}

#[test]
fn a_certificate_expires_in_the_clouds_own_time() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    let certificates = "\n[certificates.api]\ntype = \"self_managed\"\ndomains = [\"api.staging.netrasystems.ai\"]\nexpires = \"2025-09-20T00:00:00Z\"\n";
    let scenario = desk.write("expiring.sim.toml", &(text + certificates));
    let file =
        probes(&desk, "[probes.it]\ntls = \"api.staging.netrasystems.ai:443\"\nexpect = 'trusted && days_left > 14'\n");
    let done = desk.rectify(&["probe", &file, "--sim", &scenario, "--speed", "max"]).code(1);
    done.says("days_left 3").says("trusted true");
}

#[test]
fn postgresql_answers_refuses_or_has_no_room() {
    let Some(server) = servers::postgres(8) else { return };
    let url = |secret: &str, database: &str| {
        format!("postgres://probe:{secret}@127.0.0.1:{}/{database}?sslmode=disable", server.port)
    };
    let probe = |url: &str, rest: &str| format!("postgres = \"{url}\"\ntimeout = \"10s\"\n{rest}");
    let right = url("${inputs.secret}", "postgres");
    let facts = is(&probe(&right, ""), "healthy", "");
    assert_eq!(facts["success"], 1.0);
    is(&probe(&right, "clients = 6\nexpect = 'success == 1.0 && p95 < duration(\"9s\")'"), "healthy", "");
    // One more instance than there is room for.
    let facts = is(&probe(&right, "clients = 30"), "unhealthy", "too many clients already");
    assert!(facts["success"].as_f64().unwrap() < 1.0, "{facts}");
    // It lives; it is the probe that has the wrong key.
    is(&probe(&url("${inputs.secret}-not", "postgres"), ""), "broken", "password authentication failed");
    is(&probe(&url("${inputs.secret}", "nowhere"), ""), "broken", "does not exist");
    let port = server.port;
    drop(server);
    is(
        &format!("postgres = \"postgres://probe:${{inputs.secret}}@127.0.0.1:{port}/postgres?sslmode=disable\"\n"),
        "unhealthy",
        "Connection refused",
    );
    let silent = answers(|stream, _| drop(stream.read(&mut [0])));
    let stuck = format!(
        "postgres = \"postgres://probe:${{inputs.secret}}@127.0.0.1:{silent}/a?sslmode=disable\"\ntimeout = \"500ms\""
    );
    is(&stuck, "unhealthy", "no answer within 500ms");
}

#[test]
fn redis_answers_refuses_or_is_not_there() {
    let Some(server) = servers::redis() else { return };
    let url = |secret: &str| format!("redis = \"redis://:{secret}@127.0.0.1:{}\"\ntimeout = \"5s\"\n", server.port);
    let facts = is(&format!("{}clients = 12", url("${inputs.secret}")), "healthy", "");
    assert_eq!(facts["success"], 1.0);
    is(&url("${inputs.secret}-not"), "broken", "Redis says");
    is(&format!("redis = \"redis://127.0.0.1:{}\"\n", server.port), "broken", "Redis says");
    let port = server.port;
    drop(server);
    is(&format!("redis = \"redis://127.0.0.1:{port}\"\n"), "unhealthy", "Connection refused");
    let talker = answers(|stream, _| reply(stream, "200 OK", b""));
    is(&format!("redis = \"redis://127.0.0.1:{talker}\"\ntimeout = \"500ms\"\n"), "unhealthy", "");
}

/// A server that answers whoever comes with this, and then with more of it for as long as somebody listens.
fn never_ends(beginning: &'static [u8], more: &'static [u8]) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(beginning);
            while stream.write_all(more).is_ok() {}
        }
    });
    port
}

/// What a database sends is collected up to a bound, and not for as long as the time-out lets it.
#[test]
fn an_answer_of_a_database_has_an_end() {
    // The length of a message of two gigabytes, and of a text of as much.
    let port = never_ends(b"R\x7f\xff\xff\xff", &[b'a'; 8_192]);
    let probe = format!("postgres = \"postgres://probe@127.0.0.1:{port}/a?sslmode=disable\"\ntimeout = \"1m\"\n");
    is(&probe, "unhealthy", "more than 1048576 bytes");
    // Notices, of which there may be any number before the answer.
    let port = never_ends(b"R\0\0\0\x08\0\0\0\0", b"N\0\0\0\x12SNOTICE\0Mhello\0\0");
    let probe = format!("postgres = \"postgres://probe@127.0.0.1:{port}/a?sslmode=disable\"\ntimeout = \"1m\"\n");
    is(&probe, "unhealthy", "more than 1048576 bytes");
    for beginning in [b"$2147483647\r\n".as_slice(), b"*9223372036854775807\r\n"] {
        let port = never_ends(beginning, &[b'a'; 8_192]);
        is(&format!("redis = \"redis://127.0.0.1:{port}\"\ntimeout = \"1m\"\n"), "unhealthy", "Redis");
    }
}

/// A cloud that the flagship has healed.
fn recovered(desk: &Desk, scenario: &str) -> Served {
    let cloud = Served::start(desk, scenario, "max");
    let flags = ["--sim", &cloud.url, "--yes", "--acknowledge", "scale-connector", "--until", "deploy-backend"];
    // Only what heals it: the gates are what is being tried.
    let text = std::fs::read_to_string(FLAGSHIP).unwrap().replace(", \"golden-path\"", "");
    let file = desk.write("healing.toml", &text.replace("#:schema ../docs", "#:schema docs"));
    desk.rectify(&[&["run", &file], &flags[..]].concat()).code(0);
    cloud
}

#[test]
fn the_golden_path_is_whole_or_says_where_it_breaks() {
    let desk = Desk::new();
    let cloud = recovered(&desk, SCENARIO);
    let path = |desk: &Desk, cloud: &Served| desk.rectify(&["probe", FLAGSHIP, "golden-path", "--sim", &cloud.url]);
    path(&desk, &cloud).code(0).says("golden-path  healthy");
    let file = std::fs::read_to_string(FLAGSHIP).unwrap().replace("\"sim-password\"", "\"wrong\"");
    let file = desk.write("wrong.toml", &file);
    let wrong = desk.rectify(&["probe", &file, "golden-path", "--sim", &cloud.url]).code(1);
    wrong.says("`log in`, step 1 of 2: latency 60ms, status 401");
    let chat = "chat = { path = \"/ws\", token = \"sim-chat-token\"";
    let scenario = std::fs::read_to_string(SCENARIO).unwrap();
    assert!(scenario.contains(chat));
    for (change, why) in [
        (
            ", events = [\"agent_started\", \"agent_thinking\", \"tool_completed\", \"agent_completed\"]",
            "tool_completed came out of order: 2 of 6 events came; tool_executing did not",
        ),
        (
            ", events = [\"agent_thinking\", \"agent_started\", \"tool_executing\", \"tool_completed\", \"agent_completed\"]",
            "agent_thinking came out of order: 0 of 6 events came",
        ),
        (", pause = \"3s\"", "3 of 6 events came; tool_completed did not within 10s"),
    ] {
        let desk = Desk::new();
        let scenario = desk.write("chat.sim.toml", &scenario.replace(chat, &format!("{chat}{change}")));
        let cloud = recovered(&desk, &scenario);
        path(&desk, &cloud).code(1).says("`ask`, step 2 of 2: ").says(why);
    }
}

#[test]
fn a_chat_that_is_kept_open_is_cut_at_the_request_time_out() {
    let desk = Desk::new();
    let cloud = recovered(&desk, SCENARIO);
    let chat = |reconnect: &str| {
        format!(
            "[probes.it]\nwebsocket = \"wss://api.staging.netrasystems.ai/ws\"\nsend = '{{\"type\":\"chat\"}}'\n\
             events = [\"agent_started\", \"agent_completed\"]\nheaders = {{ Authorization = \"Bearer ${{inputs.secret}}\" }}\n\
             keep_open = true\nrequest_timeout = \"10m\"\nwithin = \"20s\"\n{reconnect}"
        )
    };
    let watched = |reconnect: &str| {
        let file = told(&desk, &probes(&desk, &chat(reconnect)), "sim-chat-token");
        let flags = ["--sim", &cloud.url, "--watch", "--count", "50", "--every", "30s", "--format", "json"];
        desk.rectify(&[&["probe", &file], &flags[..]].concat())
    };
    // Cut every ten minutes: twice in twenty-five.
    let done = watched("reconnect = true\n").code(0);
    assert_eq!(done.stdout.matches("\"healthy\"").count(), 50);
    assert_eq!(done.stdout.matches("\"reconnects\":1").count(), 2, "{}", done.stdout);
    let done = watched("");
    let cut = "at its request time-out: 0 of 2 events came";
    assert!(done.stdout.contains(cut), "{}", done.stdout);
    // One that is cut long before the runbook says is no time-out.
    let file = probes(&desk, &chat("reconnect = true\n").replace("\"10m\"", "\"1h\""));
    let file = told(&desk, &file, "sim-chat-token");
    desk.rectify(&["probe", &file, "--sim", &cloud.url, "--watch", "--count", "50", "--every", "30s"])
        .says("the connection was cut after 10m");
}

#[test]
fn the_probes_of_a_runbook_are_a_table_or_lines_for_a_program() {
    let desk = Desk::new();
    let sim = ["--sim", SCENARIO, "--speed", "max"];
    let once = desk.rectify(&[&["probe", FLAGSHIP], &sim[..]].concat()).code(1);
    insta::assert_snapshot!(once.stdout);
    desk.rectify(&[&["probe", FLAGSHIP, "connector", "certificate", "--once"], &sim[..]].concat()).code(0);
    desk.rectify(&[&["probe", FLAGSHIP, "conector"], &sim[..]].concat()).code(2).complains("did you mean `connector`?");
    let watch = ["--watch", "--count", "3", "--every", "20s"];
    let watched = desk.rectify(&[&["probe", FLAGSHIP, "auth", "connector"], &sim[..], &watch[..]].concat()).code(1);
    insta::assert_snapshot!(watched.stdout);
}

#[test]
fn a_gate_is_tried_on_the_past() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    cloud.call(reqwest::Method::POST, "/_sim/clock", Some(serde_json::json!({ "advance": "3h" })));
    let file = probes(&desk, "");
    let text = std::fs::read_to_string(&file).unwrap();
    let gate = "[[phase.step]]\nname = \"naive\"\nuses = \"probe\"\n\
        gate = { healthy = [\"errors\"], for = \"20m\", every = \"1m\", timeout = \"1h\" }\n\
        [[phase.step]]\nname = \"strict\"\nuses = \"probe\"\n\
        gate = { healthy = [\"no-503\", \"auth\"], for = \"20m\", every = \"1m\", timeout = \"1h\" }\n";
    let probes = "[probes.errors]\nmetric = 'max(vpcaccess_googleapis_com:connector_cpu_utilizations{connector_name=\"staging-connector\"})'\nexpect = 'value <= 1.0'\n\
        [probes.no-503]\nlogs = 'resource.type=\"cloud_run_revision\" AND httpRequest.status=503'\nwindow = \"1m\"\nexpect = 'count == 0'\n\
        [probes.auth]\nhttp = \"https://auth.staging.netrasystems.ai/health\"\nexpect = 'status == 200'\n[[phase]]";
    let file = desk.write("past.toml", &(text.replacen("[[phase]]", probes, 1) + gate));
    let done = desk.rectify(&["probe", &file, "--sim", &cloud.url, "--backtest", "2h", "--every", "2m"]).code(0);
    let done = done
        .says("naive: errors for 20m")
        .says("it would always have passed: if there was an incident, it proves nothing");
    let done = done.says("strict: no-503 for 20m, every 2m\n  would have passed in 0 of 51 windows, 0 %");
    done.says("no-503 was healthy in 0 of 61 samples").says("auth: left out: the past cannot be observed by `http`");
}

/// A WebSocket's server that says this once it is spoken to.
fn socket(speak: impl Fn(&mut tungstenite::WebSocket<TcpStream>) + Send + Sync + 'static) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut socket) = tungstenite::accept(stream) else { continue };
            let _ = socket.read();
            speak(&mut socket);
        }
    });
    port
}

#[test]
fn however_a_conversation_breaks_off_is_told() {
    use tungstenite::protocol::CloseFrame;
    let probe = |port: u16| {
        format!(
            "websocket = \"ws://127.0.0.1:{port}/ws\"\nsend = 'hello'\nevents = [\"begun\", \"ended\"]\nwithin = \"1s\""
        )
    };
    let say = |text: &str| tungstenite::Message::text(format!("{{\"type\":\"{text}\"}}"));
    let whole = socket(move |socket| {
        let noise = ["not json", "[1]", "{\"type\":7}", "{\"kind\":\"begun\"}"].map(tungstenite::Message::text);
        for message in
            noise.into_iter().chain([tungstenite::Message::binary(vec![0xff, 0xfe]), say("begun"), say("ended")])
        {
            let _ = socket.send(message);
        }
        let _ = socket.read();
    });
    is(&probe(whole), "healthy", "");
    let closed = socket(move |socket| {
        let _ = socket.send(say("begun"));
        let _ = socket.close(Some(CloseFrame { code: 1011.into(), reason: "overload".into() }));
        let _ = socket.read();
    });
    is(&probe(closed), "unhealthy", "1 of 2 events came; ended did not: it was closed, code 1011 overload");
    let cut = socket(|socket| drop(socket.get_ref().shutdown(std::net::Shutdown::Both)));
    is(&probe(cut), "unhealthy", "0 of 2 events came; begun did not");
    let mute = socket(|socket| drop(socket.read()));
    is(&probe(mute), "unhealthy", "0 of 2 events came; begun did not within 1s");
    let flood = socket(|socket| drop(socket.send(tungstenite::Message::text("x".repeat(2 << 20)))));
    is(&probe(flood), "unhealthy", "");
    let plain = answers(|stream, _| reply(stream, "200 OK", b""));
    is(&probe(plain), "unhealthy", "it answers 200 OK instead of a WebSocket");
}

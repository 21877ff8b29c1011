//! Probes cannot lie: of whatever kind one is, what is broken is never healthy. And nothing is sent twice.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rectify::probe::PROBES;
use serde_json::Value;

use crate::support::servers::answers;
use crate::support::{Desk, SCENARIO, Served, until};

/// What a server can do instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nobody listens.
    Refuses,
    /// It takes the connection and closes it.
    Closes,
    /// It reads what is asked and closes.
    ClosesAfterReading,
    /// It sends the first part of a good answer and closes.
    ClosesHalfWay,
    /// It reads, and never answers.
    Hangs,
    /// It gives a good answer after the probe's timeout.
    AnswersLate,
    /// It answers with what is no answer.
    Garbles,
}

const ALL: [Fault; 7] = [
    Fault::Refuses,
    Fault::Closes,
    Fault::ClosesAfterReading,
    Fault::ClosesHalfWay,
    Fault::Hangs,
    Fault::AnswersLate,
    Fault::Garbles,
];

/// A kind of probe that speaks to a server itself.
struct Kind {
    key: &'static str,
    /// The probe, with `PORT` for the server's.
    probe: &'static str,
    /// A good answer to what it asks first, of which the first half is no good one.
    answer: &'static [u8],
    faults: &'static [Fault],
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";

const KINDS: [Kind; 8] = [
    Kind {
        key: "http",
        probe: "http = \"http://127.0.0.1:PORT/\"\ntimeout = \"500ms\"\nexpect = 'status == 200'",
        answer: OK,
        faults: &ALL,
    },
    Kind {
        key: "load",
        probe: "load = \"http://127.0.0.1:PORT/\"\nclients = 2\nfor = \"200ms\"\ntimeout = \"500ms\"\nexpect = 'success > 0.0'",
        answer: OK,
        faults: &ALL,
    },
    Kind {
        key: "flow",
        probe: "flow = [{ http = \"http://127.0.0.1:PORT/\", timeout = \"500ms\", expect = \"status == 200\" }]",
        answer: OK,
        faults: &ALL,
    },
    Kind {
        key: "websocket",
        probe: "websocket = \"ws://127.0.0.1:PORT/\"\nsend = \"hello\"\nevents = [\"answer\"]\nwithin = \"500ms\"",
        answer: b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        faults: &ALL,
    },
    Kind {
        key: "tls",
        probe: "tls = \"127.0.0.1:PORT\"\ntimeout = \"500ms\"\nexpect = 'days_left > 0'",
        // The head of a ServerHello.
        answer: b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03",
        faults: &ALL,
    },
    Kind {
        key: "postgres",
        probe: "postgres = \"postgres://probe@127.0.0.1:PORT/a?sslmode=disable\"\ntimeout = \"500ms\"",
        // It lets the probe in, and is ready for its question.
        answer: b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        faults: &ALL,
    },
    Kind {
        key: "redis",
        probe: "redis = \"redis://127.0.0.1:PORT\"\ntimeout = \"500ms\"",
        answer: b"+OK\r\n+OK\r\n+PON",
        faults: &ALL,
    },
    // All that it asks is that the connection is taken.
    Kind { key: "tcp", probe: "tcp = \"127.0.0.1:PORT\"\ntimeout = \"500ms\"", answer: b"", faults: &[Fault::Refuses] },
];

/// The kinds that ask the cloud's own APIs.
const OF_THE_CLOUD: [(&str, &str); 3] = [
    (
        "logs",
        "logs = 'resource.type=\"cloud_run_revision\"'\nwindow = \"1m\"\ntimeout = \"500ms\"\nexpect = 'count >= 0'",
    ),
    (
        "metric",
        "metric = 'max(vpcaccess_googleapis_com:connector_cpu_utilizations)'\ntimeout = \"500ms\"\nexpect = 'value >= 0.0'",
    ),
    ("resource", "resource = \"gcp.connector/staging-connector\"\nexpect = 'state != \"\"'"),
];

fn runbook(desk: &Desk, probes: &[(String, String)]) -> String {
    let head = "[runbook]\nname = \"laws\"\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n";
    let tail = "[[phase]]\nname = \"all\"\n[[phase.step]]\nname = \"wait\"\nuses = \"wait\"\nwith = { for = \"1s\" }\n";
    let probes: Vec<String> = probes.iter().map(|(name, probe)| format!("[probes.{name}]\n{probe}\n")).collect();
    desk.write("laws.toml", &format!("{head}{}{tail}", probes.concat()))
}

/// What each probe is seen to be.
fn seen(desk: &Desk, probes: &[(String, String)], cloud: &[&str]) -> Vec<(String, String, String)> {
    let file = runbook(desk, probes);
    let done = desk.rectify(&[&["probe", &file, "--format", "json"], cloud].concat());
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let health = &line["seen"]["health"];
        (text(&line["probe"]), text(&health["is"]), text(&health["why"]))
    };
    // A line a probe; warnings that nothing uses them come before.
    let seen: Vec<_> = done.stdout.lines().filter(|line| line.starts_with('{')).map(line).collect();
    assert_eq!(seen.len(), probes.len(), "{}{}", done.stdout, done.stderr);
    seen
}

/// A server with a fault; where it is to be found.
fn server(fault: Fault, answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    if fault == Fault::Refuses {
        return port;
    }
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || misbehave(stream, fault, answer));
        }
    });
    port
}

fn misbehave(mut stream: TcpStream, fault: Fault, answer: &[u8]) {
    let read = |stream: &mut TcpStream| stream.read(&mut [0; 4096]).unwrap_or_default();
    match fault {
        Fault::Refuses | Fault::Closes => {}
        Fault::ClosesAfterReading => drop(read(&mut stream)),
        Fault::ClosesHalfWay => {
            read(&mut stream);
            let _ = stream.write_all(&answer[..answer.len() - 5]);
        }
        Fault::Hangs => while read(&mut stream) > 0 {},
        Fault::AnswersLate => {
            read(&mut stream);
            std::thread::sleep(Duration::from_secs(1));
            let _ = stream.write_all(answer);
        }
        Fault::Garbles => {
            read(&mut stream);
            let _ = stream.write_all(b"\x00\x13garbage\xff\xfe 200 OK healthy\r\n\r\n");
            read(&mut stream);
        }
    }
}

#[test]
fn whatever_is_broken_is_healthy_to_no_kind_of_probe() {
    let mut known: Vec<&str> = KINDS.iter().map(|kind| kind.key).chain(OF_THE_CLOUD.map(|(key, _)| key)).collect();
    let mut there: Vec<&str> = PROBES.iter().map(|probe| probe.key).collect();
    known.sort_unstable();
    there.sort_unstable();
    assert_eq!(known, there, "each kind of probe keeps the law");

    let desk = Desk::new();
    let broken = KINDS.iter().flat_map(|kind| kind.faults.iter().map(move |fault| (kind, *fault)));
    let probes: Vec<(String, String)> = broken
        .map(|(kind, fault)| {
            let port = server(fault, kind.answer);
            (format!("{}-{fault:?}", kind.key).to_lowercase(), kind.probe.replace("PORT", &port.to_string()))
        })
        .collect();
    for (probe, health, why) in seen(&desk, &probes, &["--sim", SCENARIO, "--speed", "1"]) {
        assert!(health != "healthy" && !why.is_empty(), "{probe} is {health}: {why}");
        // A server that is there and does not answer is not merely unknown.
        assert!(["unhealthy", "broken"].contains(&health.as_str()), "{probe} is {health}: {why}");
    }
}

/// A simulated cloud whose APIs have a fault. Its clock is its own.
fn broken_cloud(cloud: &Served, fault: Fault) -> String {
    let upstream = cloud.url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    let url = format!("http://{own}");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (upstream, own) = (upstream.clone(), own.clone());
            std::thread::spawn(move || {
                let Some(request) = request(&mut stream) else { return };
                let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
                if !line.contains("/_sim") {
                    misbehave_to(stream, fault);
                    return;
                }
                let text = String::from_utf8_lossy(&request).replace(&own, &upstream);
                // The clock is shared over a WebSocket, and all else has a connection of its own.
                let is_socket = text.to_ascii_lowercase().contains("\r\nupgrade:");
                let text = if is_socket { text } else { text.replacen("\r\n", "\r\nconnection: close\r\n", 1) };
                let mut cloud = TcpStream::connect(upstream).unwrap();
                cloud.write_all(text.as_bytes()).unwrap();
                let (mut from, mut to) = (stream.try_clone().unwrap(), cloud.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut cloud, &mut stream);
                let _ = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    url
}

/// A whole request, as it was sent.
fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(all);
            }
        }
        match stream.read(&mut part) {
            Ok(count) if count > 0 => all.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}

fn misbehave_to(mut stream: TcpStream, fault: Fault) {
    match fault {
        Fault::Refuses | Fault::Closes | Fault::ClosesAfterReading => {}
        Fault::ClosesHalfWay => drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"entries\":[")),
        Fault::Hangs | Fault::AnswersLate => {
            std::thread::sleep(Duration::from_secs(3));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
        Fault::Garbles => drop(stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 9\r\n\r\n<healthy>",
        )),
    }
}

#[test]
fn an_api_that_is_broken_says_nothing_of_health() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    for fault in [Fault::ClosesAfterReading, Fault::ClosesHalfWay, Fault::Hangs, Fault::Garbles] {
        let url = broken_cloud(&cloud, fault);
        let is_timed = |key: &str| key != "resource" || fault != Fault::Hangs;
        let of = OF_THE_CLOUD.iter().filter(|(key, _)| is_timed(key));
        let probes: Vec<_> = of.map(|(key, probe)| ((*key).to_owned(), (*probe).to_owned())).collect();
        for (probe, health, why) in seen(&desk, &probes, &["--sim", &url]) {
            assert!(health == "unknown" && !why.is_empty(), "{fault:?}: {probe} is {health}: {why}");
        }
    }
}

/// A server that answers the first request of each connection, and reads the second one and closes. What it has read.
fn every_second_request_dies() -> (u16, Arc<Mutex<Vec<String>>>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    let heard = read.clone();
    let port = answers(move |stream, head| {
        let method = |head: &str| head.split(' ').take(2).collect::<Vec<_>>().join(" ");
        heard.lock().unwrap().push(method(head));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        if let Some(second) = request(stream) {
            heard.lock().unwrap().push(method(&String::from_utf8_lossy(&second)));
        }
    });
    (port, read)
}

#[test]
fn each_sample_has_a_connection_of_its_own_and_sends_once() {
    let (port, read) = every_second_request_dies();
    let desk = Desk::new();
    let probe = format!(
        "http = \"http://127.0.0.1:{port}/order\"\nmethod = \"POST\"\nbody = \"one order\"\nexpect = 'status == 200'"
    );
    let file = runbook(&desk, &[("order".to_owned(), probe)]);
    let flags = ["--sim", SCENARIO, "--speed", "max", "--watch", "--count", "5", "--format", "json"];
    let done = desk.rectify(&[&["probe", &file], &flags[..]].concat()).code(0);
    assert_eq!(done.stdout.matches("\"healthy\"").count(), 5, "{}", done.stdout);
    assert_eq!(*read.lock().unwrap(), ["POST /order"; 5]);
}

#[test]
fn a_flow_uses_its_connection_again_and_what_went_out_on_it_is_not_sent_again() {
    let (port, read) = every_second_request_dies();
    let step = |path: &str| {
        format!(
            "{{ http = \"http://127.0.0.1:{port}/{path}\", method = \"POST\", body = \"x\", expect = \"status == 200\" }}"
        )
    };
    let flow = format!("flow = [{}, {}]", step("login").replace("\"POST\", body = \"x\"", "\"GET\""), step("order"));
    let desk = Desk::new();
    let seen = seen(&desk, &[("visit".to_owned(), flow)], &["--sim", SCENARIO, "--speed", "1"]);
    assert_eq!(seen[0].1, "unhealthy", "{seen:?}");
    assert!(seen[0].2.contains("`request 2`, step 2 of 2"), "{seen:?}");
    assert_eq!(*read.lock().unwrap(), ["GET /login", "POST /order"], "an order is placed once");
}

#[test]
fn a_connection_that_was_closed_while_nobody_used_it_is_no_failure_of_a_flow() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let closed = Arc::new(AtomicU32::new(0));
    let counted = closed.clone();
    let impatient = answers(move |stream, _| {
        let _ = stream.write_all(ANSWER);
        // It closes without having said so, as a server does whose patience is at an end.
        let _ = stream.shutdown(std::net::Shutdown::Both);
        counted.fetch_add(1, Ordering::SeqCst);
    });
    // In between, somebody else is asked, who answers once the first has closed.
    let (counted, asked) = (closed.clone(), AtomicU32::new(0));
    let other = answers(move |stream, _| {
        let times = asked.fetch_add(1, Ordering::SeqCst) + 1;
        until("the end of the connection", || counted.load(Ordering::SeqCst) >= times);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    });
    let step = |port| format!("{{ http = \"http://127.0.0.1:{port}/\", expect = \"status == 200\" }}");
    let steps = [impatient, other, impatient, other, impatient].map(step);
    let flow = format!("flow = [{}]", steps.join(", "));
    let desk = Desk::new();
    let seen = seen(&desk, &[("visit".to_owned(), flow)], &["--sim", SCENARIO, "--speed", "1"]);
    assert_eq!(seen[0].1, "healthy", "{seen:?}");
    assert_eq!(closed.load(Ordering::SeqCst), 3);
}

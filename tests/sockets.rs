//! The simulated cloud's socket holds what a socket must hold: half requests, slow clients, many connections, bodies in
//! pieces, and an end that does not wait for any of them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{Desk, SCENARIO, Served};

fn address(served: &Served) -> SocketAddr {
    served.url.trim_start_matches("http://").parse().unwrap()
}

fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

const GET: &str = "GET /_sim/clock HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

#[test]
fn nonsense_gets_an_answer_or_a_closed_socket_and_hurts_nobody() {
    let desk = Desk::new();
    let served = Served::start(&desk, SCENARIO, "max");
    for nonsense in [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{0}",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /v2/entries:list HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20)),
        &format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(10_000)),
    ] {
        let mut stream = TcpStream::connect(address(&served)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // A client that is cut off while it writes is told so by the write.
        let _ = stream.write_all(nonsense.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{nonsense:.40}: {answer}");
    }
    assert!(ask(&mut TcpStream::connect(address(&served)).unwrap(), GET).contains("200 OK"));
}

#[test]
fn hundreds_of_idle_connections_keep_nobody_out() {
    let desk = Desk::new();
    let served = Served::start(&desk, SCENARIO, "max");
    let idle: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect(address(&served)).unwrap();
            stream.write_all(b"GET / HT").unwrap();
            stream
        })
        .collect();
    assert!(ask(&mut TcpStream::connect(address(&served)).unwrap(), GET).contains("200 OK"));
    drop(idle);
}

#[test]
fn ctrl_c_ends_it_whatever_is_open() {
    let desk = Desk::new();
    let port = desk.path("port");
    let mut process =
        desk.spawn(&["simulate", SCENARIO, "--port-file", &port.display().to_string(), "--listen", "127.0.0.1:0"]);
    crate::support::until("the port", || port.exists());
    let port: u16 = std::fs::read_to_string(&port).unwrap().parse().unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"POST /v2/entries:list HTTP/1.1\r\nContent-Length: 10\r\n\r\n{").unwrap();
    let _idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    process.signal("INT");
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
}

#[test]
fn others_reach_it_only_if_they_shall() {
    let desk = Desk::new();
    let done = desk.rectify(&["simulate", SCENARIO, "--listen", "0.0.0.0:0"]).code(2);
    done.complains("loopback addresses only").complains("--allow-remote");
}

#[test]
fn a_scenario_with_mistakes_shows_them_all_at_their_lines() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    let text = text.replace("max_instances = 3", "max_instances = 15").replace("start_up = ", "startup = ");
    let wrong = desk.write("wrong.sim.toml", &text);
    for command in [vec!["simulate", &wrong], vec!["plan", crate::support::FLAGSHIP, "--sim", &wrong]] {
        let done = desk.rectify(&command).code(2).complains("startup = ").complains("describes no cloud that could be");
        assert!(done.stderr.contains("did you mean") && done.stderr.contains("mistakes in"), "{}", done.stderr);
    }
}

/// Real time is jumped over: nobody waits for half a minute here.
#[tokio::test(start_paused = true)]
async fn who_never_finishes_is_cut_off() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let cloud = crate::support::cloud::Cloud::of(SCENARIO, "");
    for unfinished in ["GET /_sim/clock HTT", "POST /v2/entries:list HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
    {
        let mut stream = tokio::net::TcpStream::connect(cloud.simulator.addr()).await.unwrap();
        stream.write_all(unfinished.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

/// A page in somebody's browser can send these to loopback. None of them changes the world.
#[test]
fn web_pages_reach_nothing_but_services() {
    let desk = Desk::new();
    let served = Served::start(&desk, SCENARIO, "max");
    let fault = r#"{"match":{"method":"PATCH","path":"*"},"fault":{"status":503}}"#;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let send = |start: &str, headers: &str, body: &str| {
        let length = body.len();
        let request = format!("{start} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        let mut stream = TcpStream::connect(address(&served)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        let _ = stream.read_exact(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let origin = "Host: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n";
    let by_service = origin.replace("127.0.0.1", "auth.staging.netrasystems.ai");
    let rebound = "Host: evil.example\r\n";
    for (start, headers, body) in [
        ("POST /_sim/faults", origin.to_owned(), fault),
        ("POST /_sim/faults", by_service, fault),
        ("POST /_sim/clock", origin.to_owned(), r#"{"advance":"24h"}"#),
        ("GET /_sim/clock/shared", format!("{origin}{upgrade}"), ""),
        ("POST /v2/entries:list", origin.to_owned(), "{}"),
        ("GET /_sim/state", rebound.to_owned(), ""),
        ("POST /_sim/faults", rebound.to_owned(), fault),
        ("GET /v1/projects/netra-staging/locations/us-central1/connectors/staging-connector", rebound.to_owned(), ""),
    ] {
        assert_eq!(send(start, &headers, body), "HTTP/1.1 403", "{start} {headers}");
    }
    assert_eq!(served.get("/_sim/faults"), serde_json::json!([]));
    assert_eq!(send("POST /_sim/faults", "Host: localhost\r\n", fault), "HTTP/1.1 200");
    assert_eq!(send("GET /_sim/clock/shared", &format!("Host: [::1]:80\r\n{upgrade}"), ""), "HTTP/1.1 101");
}

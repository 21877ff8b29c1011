//! How fast the simulated cloud serves: from its start to the first answer, reads on one connection, and requests whose
//! body comes in a second piece, which a server that does not acknowledge at once holds up for 40 ms each.
//!
//! `cargo bench --bench simulator`

#![expect(clippy::expect_used, reason = "a bench that cannot measure must say so")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use divan::Bencher;
use rectify::sim::{Clock, Simulator, scenario};
use tokio::runtime::Runtime;

const INCIDENT: &str = include_str!("../runbooks/connector-exhaustion.sim.toml");
const CONNECTOR: &str = "/v1/projects/netra-staging/locations/us-central1/connectors/staging-connector";
const SERVICES: &str = "/v2/projects/netra-staging/locations/us-central1/services";

fn main() {
    divan::main();
}

/// A simulated cloud on a thread of its own, so that what is measured is one core serving and one asking.
struct Served {
    _runtime: Runtime,
    _simulator: Simulator,
    address: SocketAddr,
}

fn serve(text: &str) -> Served {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let world = scenario::parse("bench.sim.toml", text).expect("a scenario");
    let clock = Clock::scaled(world.now(), 1.0);
    let _inside = runtime.enter();
    let simulator = Simulator::start(world, clock, SocketAddr::from(([127, 0, 0, 1], 0)), None).expect("it starts");
    let address = simulator.addr();
    Served { _runtime: runtime, _simulator: simulator, address }
}

/// The incident with so many services more.
fn with_services(count: usize) -> String {
    let (head, service) = INCIDENT.split_once("[services.netra-auth-staging]").expect("the scenario has it");
    let mut text = format!("{head}[services.netra-auth-staging]{service}");
    for number in 0..count {
        let another = service.replace("netra-auth-staging", &format!("s{number}"));
        let another = another.replace("auth.staging.netrasystems.ai", &format!("s{number}.example"));
        text.extend(["\n[services.s", &number.to_string(), "]", &another]);
    }
    text
}

fn ask(stream: &mut TcpStream, path: &str, buffer: &mut [u8]) {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is written");
    read_answer(stream, buffer);
}

fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut read = 0;
    loop {
        read += stream.read(&mut buffer[read..]).expect("it is answered");
        let text = String::from_utf8_lossy(&buffer[..read]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if body.len() >= length.parse().expect("a number") {
            return;
        }
    }
}

#[divan::bench]
fn start_to_first_answer(bencher: Bencher) {
    bencher.bench(|| {
        let served = serve(INCIDENT);
        ask(&mut TcpStream::connect(served.address).expect("it listens"), CONNECTOR, &mut [0; 4096]);
        served
    });
}

#[divan::bench]
fn read(bencher: Bencher) {
    let served = serve(INCIDENT);
    let mut stream = TcpStream::connect(served.address).expect("it listens");
    let mut buffer = vec![0; 4096];
    bencher.bench_local(|| ask(&mut stream, CONNECTOR, &mut buffer));
}

#[divan::bench]
fn read_one_of_a_thousand_services(bencher: Bencher) {
    let served = serve(&with_services(1000));
    let mut stream = TcpStream::connect(served.address).expect("it listens");
    let mut buffer = vec![0; 16_384];
    let path = format!("{SERVICES}/s500");
    bencher.bench_local(|| ask(&mut stream, &path, &mut buffer));
}

#[divan::bench]
fn body_in_a_second_piece(bencher: Bencher) {
    let served = serve(INCIDENT);
    let mut stream = TcpStream::connect(served.address).expect("it listens");
    stream.set_nodelay(false).expect("Nagle is left on");
    let mut buffer = vec![0; 4096];
    let path = "/v1/projects/netra-staging:testIamPermissions";
    bencher.bench_local(|| {
        write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n").expect("the head is written");
        stream.write_all(b"{}").expect("the body is written");
        read_answer(&mut stream, &mut buffer);
    });
}

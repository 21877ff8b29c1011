//! Real servers on loopback: PostgreSQL, Redis, and small ones that answer whatever a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::gcloud::say;
use super::until;

/// A server that is stopped when it is dropped.
pub struct Server {
    process: Child,
    _data: TempDir,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The password of the databases that tests start.
pub const PASSWORD: &str = "open-sesame";

/// A real PostgreSQL that takes so many connections; `None`, said aloud, if there is none here and none can be had.
pub fn postgres(connections: u32) -> Option<Server> {
    let bin = installed("postgresql", "initdb")?;
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("data");
    // It refuses to run as root.
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let program = |name: &str| {
        let mut command = Command::new(if root { "setpriv" } else { "env" });
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(bin.join(name)).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    if root {
        assert!(Command::new("chown").arg("65534:65534").arg(data.path()).status().unwrap().success());
    }
    let secret = data.path().join("password");
    std::fs::write(&secret, PASSWORD).unwrap();
    Command::new("chmod").arg("644").arg(&secret).status().unwrap();
    let mut made = program("initdb");
    made.arg("-D").arg(&folder).args(["-U", "probe", "-A", "scram-sha-256", "-N"]);
    assert!(made.arg(format!("--pwfile={}", secret.display())).status().unwrap().success(), "initdb");
    let port = free_port();
    let limit = format!("max_connections={connections}");
    let mut server = program("postgres");
    server.arg("-D").arg(&folder).args([
        "-p",
        &port.to_string(),
        "-c",
        &limit,
        "-c",
        "superuser_reserved_connections=0",
    ]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]);
    let process = server.spawn().unwrap();
    until("PostgreSQL", || ready(port, b"\0\0\0\x08\x04\xd2\x16\x2f", |answer| answer == b"N"));
    Some(Server { process, _data: data, port })
}

/// A real Redis with a password; `None`, said aloud, if there is none here and none can be had.
pub fn redis() -> Option<Server> {
    let bin = installed("redis-server", "redis-server")?;
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = Command::new(bin.join("redis-server"));
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]);
    let process = server.current_dir(data.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("Redis", || ready(port, b"PING\r\n", |answer| answer.starts_with(b"-")));
    Some(Server { process, _data: data, port })
}

/// Whether whoever listens there answers like this.
fn ready(port: u16, question: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 64];
    stream.write_all(question).is_ok() && stream.read(&mut answer).is_ok_and(|count| is_it(&answer[..count]))
}

/// The folder of a program; it is installed if that can be done.
fn installed(package: &str, program: &str) -> Option<PathBuf> {
    static INSTALLING: OnceLock<std::sync::Mutex<()>> = OnceLock::new();
    let one_at_a_time = INSTALLING.get_or_init(Default::default).lock();
    let found = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = path.split(':').map(PathBuf::from).collect::<Vec<_>>();
        versions.map(|version| version.path().join("bin")).chain(folders).find(|folder| folder.join(program).exists())
    };
    let install = || {
        let apt = |arguments: &[&str]| {
            let mut apt = Command::new("apt-get");
            apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            apt.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        apt(&["update", "-q"]);
        apt(&["install", "-qy", "--no-install-recommends", package]);
    };
    let folder = found().or_else(|| {
        install();
        found()
    });
    drop(one_at_a_time);
    if folder.is_none() {
        say(&format!("left out: there is no {program} here, and {package} cannot be installed"));
    }
    folder
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that does this with each connection, after it has read a request's head.
pub fn answers(answer: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, mut stream) = (answer.clone(), stream);
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                answer(&mut stream, &String::from_utf8_lossy(&head));
            });
        }
    });
    port
}

/// A request that somebody sent.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    /// With its query.
    pub path: String,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A real HTTP server that keeps what it was sent, and answers as a test wants.
pub struct Receiver {
    pub url: String,
    got: std::sync::Arc<std::sync::Mutex<Vec<Got>>>,
}

impl Receiver {
    /// It answers with this status and this body.
    pub fn start(answer: impl Fn(&Got) -> (u16, String) + Clone + Send + Sync + 'static) -> Receiver {
        use axum::extract::Request;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let kept = got.clone();
        let app = axum::Router::new().fallback(move |request: Request| {
            let (kept, answer) = (kept.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                let (method, path) = (head.method.to_string(), head.uri.to_string());
                let got = Got { method, path, headers: head.headers, body };
                let (status, body) = answer(&got);
                kept.lock().unwrap().push(got);
                let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
                (axum::http::StatusCode::from_u16(status).unwrap(), kind, body)
            }
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
            });
        });
        Receiver { url, got }
    }

    /// What it was sent so far.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

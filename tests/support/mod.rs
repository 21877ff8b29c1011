//! The program from outside: a whole-program test is five lines.

pub mod cloud;
pub mod gcloud;
pub mod servers;

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The flagship runbook.
pub const FLAGSHIP: &str = "runbooks/connector-exhaustion.toml";
/// Its cloud.
pub const SCENARIO: &str = "runbooks/connector-exhaustion.sim.toml";

/// Edits of the flagship after which the page of a service is never what is expected of it, however well it is.
pub const AUTH_NEVER_WELL: (&str, &str) = (
    "http   = \"https://auth.staging.netrasystems.ai/health\"\nexpect = 'status == 200 && latency < duration(\"2s\")'",
    "http   = \"https://auth.staging.netrasystems.ai/health\"\nexpect = 'status == 418'",
);
pub const BACKEND_NEVER_WELL: (&str, &str) = (
    "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 200 && latency < duration(\"2s\")'",
    "http   = \"https://api.staging.netrasystems.ai/health\"\nexpect = 'status == 418'",
);

/// The flagship's scenario, but with an old auth image that does start: so there is something well to go back to.
pub fn sound_past() -> String {
    let scenario = fs::read_to_string(SCENARIO).unwrap();
    let crashing = "    \"us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1170000000000000000000000000000000000000000000000000000000000117\",\n";
    assert!(scenario.contains(crashing));
    scenario.replace(crashing, "")
}

/// Nothing here takes this long; what does, hangs. It bounds a hang and measures nothing.
const PATIENCE: Duration = Duration::from_mins(5);

/// One person's machine: a state directory and a folder for runbooks.
pub struct Desk {
    folder: TempDir,
}

/// What a command did.
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a runbook, and returns where it lies.
    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// The flagship with these pieces of text replaced.
    pub fn flagship(&self, edits: &[(&str, &str)]) -> String {
        let mut text = fs::read_to_string(FLAGSHIP).unwrap();
        for (from, to) in edits {
            assert!(text.contains(from), "the flagship has no {from:?}");
            text = text.replace(from, to);
        }
        self.write("runbook.toml", &text)
    }

    /// The flagship up to and without the phase of this name.
    pub fn flagship_before(&self, phase: &str) -> String {
        let text = fs::read_to_string(FLAGSHIP).unwrap();
        let phases: Vec<_> = text.split("[[phase]]").collect();
        let kept = phases.iter().take_while(|part| !part.contains(&format!("name   = \"{phase}\"")));
        let text = kept.copied().collect::<Vec<_>>().join("[[phase]]");
        // Half a recovery cures nothing, and has nothing to stand guard over.
        let (before, rest) = text.split_once("[symptom]").unwrap();
        let (_, after) = rest.split_once("[limits]").unwrap();
        let text = format!("{before}[limits]{after}");
        let (before, rest) = text.split_once("[[closure.criterion]]").unwrap();
        let (_, after) = rest.split_once("# ── phase 1").unwrap();
        let text = format!("{before}# ── phase 1{after}");
        // What only later phases use would be told as unused; that is a warning and does no harm.
        self.write("runbook.toml", &text)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_rectify"), arguments)
    }

    /// A program in the person's environment.
    pub fn program(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", self.folder.path()).env("XDG_STATE_HOME", self.folder.path());
        command.env("USER", "ops").env("PATH", std::env::var("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Process {
        Process(self.command(arguments).spawn().unwrap())
    }

    /// Runs the program to its end.
    pub fn rectify(&self, arguments: &[&str]) -> Done {
        self.spawn(arguments).end()
    }

    /// The same with this variable in its environment.
    pub fn rectify_knowing(&self, variable: (&str, &str), arguments: &[&str]) -> Done {
        self.rectify_in(&[variable], arguments)
    }

    /// The same with all of these.
    pub fn rectify_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Done {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        Process(command.spawn().unwrap()).end()
    }

    /// The same with this on its stdin, from a file.
    pub fn rectify_with_input(&self, arguments: &[&str], input: &str) -> Done {
        fs::write(self.path("stdin"), input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(fs::File::open(self.path("stdin")).unwrap());
        Process(command.spawn().unwrap()).end()
    }

    /// The directory of the only run.
    pub fn run_directory(&self) -> PathBuf {
        self.begun_run().expect("a run")
    }

    /// The same, if a run has begun: its directory appears a moment after the one of all runs.
    fn begun_run(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.path("rectify/runs")).ok()?;
        let mut entries: Vec<_> = runs.map(|entry| entry.unwrap().path()).collect();
        assert!(entries.len() <= 1, "{entries:?}");
        entries.pop()
    }

    /// The entries of the only run's journal.
    pub fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.run_directory().join("journal.jsonl")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whether the only run's journal has such an event.
    pub fn journal_has(&self, event: &str) -> bool {
        self.begun_run().is_some() && self.journal().iter().any(|entry| entry["event"]["is"] == event)
    }

    /// How the only run ended.
    pub fn ending(&self) -> Value {
        self.journal().last().unwrap()["event"]["ending"].clone()
    }

    /// Everything that the embedded cloud of the only run was left with.
    pub fn world(&self) -> Value {
        serde_json::from_slice(&fs::read(self.run_directory().join("cloud.json")).unwrap()).unwrap()
    }

    /// What the embedded cloud of the only run was left with: its `connectors` and `services`, by name.
    pub fn cloud(&self) -> Value {
        let world = self.world();
        let of = |part: &str, family: &str| {
            let found = world["parts"][part][family].clone();
            assert!(found.is_object(), "a saved cloud has no {family} in {part}: {found}");
            found
        };
        serde_json::json!({ "connectors": of("vpc_access", "connectors"), "services": of("cloud_run", "services") })
    }
}

/// A running program; killed when it is dropped.
pub struct Process(pub Child);

impl Process {
    pub fn end(mut self) -> Done {
        let (mut stdout, mut stderr) = (self.0.stdout.take().unwrap(), self.0.stderr.take().unwrap());
        let read = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let pid = self.0.id();
        let (alarm, off) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if off.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                kill(pid, "KILL");
            }
        });
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        let status = self.0.wait().unwrap();
        drop(alarm);
        watch.join().unwrap();
        Done { code: status.code().unwrap_or(-1), stdout: text, stderr: read.join().unwrap() }
    }

    pub fn kill(&mut self) {
        kill(self.0.id(), "KILL");
        self.0.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        kill(self.0.id(), name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kill(pid: u32, signal: &str) {
    Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap();
}

impl Done {
    /// The same, but only if it ended with this code.
    pub fn code(self, code: i32) -> Done {
        assert_eq!(self.code, code, "\n── stdout\n{}\n── stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, but only if stdout says this.
    pub fn says(self, text: &str) -> Done {
        assert!(self.stdout.contains(text), "{text:?} is not in\n{}\n── stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, but only if stderr says this.
    pub fn complains(self, text: &str) -> Done {
        assert!(self.stderr.contains(text), "{text:?} is not in\n{}\n── stdout\n{}", self.stderr, self.stdout);
        self
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A simulated cloud in a process of its own.
pub struct Served {
    process: Process,
    pub url: String,
}

impl Served {
    pub fn start(desk: &Desk, scenario: &str, speed: &str) -> Served {
        let file = desk.path("port");
        let file_name = file.display().to_string();
        let process = desk.spawn(&["simulate", scenario, "--speed", speed, "--port-file", &file_name]);
        until("the simulated cloud's port", || file.exists());
        let url = format!("http://127.0.0.1:{}", fs::read_to_string(&file).unwrap());
        Served { process, url }
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.0.id()
    }

    /// From now on nobody waits for anything: time jumps to whatever comes next.
    pub fn hurry(&self) {
        let (status, answer) =
            self.call(reqwest::Method::POST, "/_sim/clock", Some(serde_json::json!({ "speed": "max" })));
        assert_eq!(status, 200, "{answer}");
    }

    pub fn get(&self, path: &str) -> Value {
        self.call(reqwest::Method::GET, path, None).1
    }

    pub fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.url);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = http.request(method, url);
            if let Some(body) = body {
                request = request.json(&body);
            }
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap_or_default())
        })
    }

    /// Writes that the cloud was sent, as `METHOD PATH`. What only asks is none.
    pub fn writes(&self) -> Vec<String> {
        let asks = |line: &String| {
            let ways = [
                "validateOnly=true",
                ":testIamPermissions",
                "/entries:list",
                "/prometheus/api/v1/query",
                "POST /login",
            ];
            line.starts_with("GET ") || ways.iter().any(|way| line.contains(way))
        };
        self.requests().into_iter().filter(|line| !asks(line)).collect()
    }

    /// Everything that the cloud was sent, as `METHOD PATH`.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.get("/_sim/requests");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let line = |request: &Value| format!("{} {}", text(&request["method"]), text(&request["path"]));
        requests.as_array().unwrap().iter().map(line).collect()
    }
}

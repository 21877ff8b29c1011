//! Killed anywhere, a run loses nothing and does nothing twice.
//!
//! The program runs as a child against a simulated cloud, through a gateway that counts what it sends. It is killed at each
//! call to the cloud, before that arrives and before its answer does, and at each entry of its journal, between two of them
//! and in the middle of one: there the system kills it, for it may not write more than so many bytes. Then it is resumed.
//! The steps are the flagship's, in a cloud that takes seconds for what takes minutes; that is what makes the number of
//! deaths finite.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::gcloud::say;
use crate::support::{Desk, Done, Process, Served, sound_past};

const STEPS: &str = r#"[runbook]
name = "killed"
on_failure = "stop"

[target]
project = "netra-staging"
region = "us-central1"

[probes.auth]
http = "http://auth.staging.netrasystems.ai/health"
expect = 'status == 200'

[probes.backend]
http = "http://api.staging.netrasystems.ai/health"
expect = 'status == 200'

[[phase]]
name = "capacity"

[[phase.step]]
name = "scale-connector"
uses = "gcp.connector.scale"
irreversible = true
with = { connector = "staging-connector", min_instances = 3, max_instances = 10, machine_type = "e2-standard-4" }

[[phase.step]]
name = "one-revision"
uses = "gcp.run.traffic"
with = { service = "netra-backend-staging", to = { "netra-backend-staging-00750-69k" = 100 } }

[[phase]]
name = "services"

[[phase.step]]
name = "deploy-auth"
uses = "gcp.run.deploy"
with = { service = "netra-auth-staging", image = "us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1180000000000000000000000000000000000000000000000000000000000118" }
gate = { healthy = ["auth"], for = "5s", every = "5s", timeout = "5m" }

[[phase.step]]
name = "deploy-backend"
uses = "gcp.run.deploy"
gate = { healthy = ["backend"], for = "5s", every = "5s", timeout = "5m" }
[phase.step.with]
service = "netra-backend-staging"
image = "us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:7510000000000000000000000000000000000000000000000000000000000751"
candidate = "cand"
shift = [50, 100]
hold = "5s"
"#;

/// What the run writes, once each.
const WRITES: [&str; 7] = [
    "connectors/staging-connector?updateMask=minInstances,maxInstances,machineType",
    "services/netra-backend-staging?updateMask=traffic",
    "services/netra-auth-staging?updateMask=template",
    "services/netra-backend-staging?updateMask=template",
    "services/netra-backend-staging?updateMask=traffic",
    "services/netra-backend-staging?updateMask=traffic",
    "services/netra-backend-staging?updateMask=traffic",
];

const APPROVED: [&str; 3] = ["--yes", "--acknowledge", "scale-connector"];

/// When the child dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Never,
    /// Before its call of this number arrives.
    Before(usize),
    /// After it arrived, before there is an answer.
    After(usize),
    /// Before its first write arrives.
    BeforeAnyWrite,
}

/// What stands between the program and the cloud, and kills the program once.
#[derive(Clone)]
struct Gateway {
    dies: Dies,
    /// The child, until it is killed.
    pid: Arc<AtomicU32>,
    is_dead: Arc<AtomicBool>,
    /// The calls to the cloud's APIs so far, and whether each was a write.
    calls: Arc<Mutex<Vec<bool>>>,
    /// Where runs are kept.
    runs: PathBuf,
    /// The writes that came before the disk was known to have their intention.
    unsynced: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    fn open(cloud: &Served, dies: Dies, runs: PathBuf) -> (Gateway, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = cloud.url.trim_start_matches("http://").to_owned();
        let gateway = Gateway {
            dies,
            pid: Arc::default(),
            is_dead: Arc::default(),
            calls: Arc::default(),
            runs,
            unsynced: Arc::default(),
        };
        let (its, all) = (gateway.clone(), listener);
        std::thread::spawn(move || {
            for stream in all.incoming() {
                // Without a cloud the test is over.
                let (Ok(stream), Ok(cloud)) = (stream, TcpStream::connect(&behind)) else { return };
                its.connect(&stream, &cloud);
            }
        });
        (gateway, url)
    }

    fn connect(&self, stream: &TcpStream, cloud: &TcpStream) {
        let doomed = Arc::new(AtomicBool::new(false));
        let (mut from, mut to) = (stream.try_clone().unwrap(), cloud.try_clone().unwrap());
        let (gateway, dying) = (self.clone(), doomed.clone());
        std::thread::spawn(move || pass(&mut from, &mut to, |piece| gateway.asked(piece, &dying)));
        let (mut from, mut to) = (cloud.try_clone().unwrap(), stream.try_clone().unwrap());
        let gateway = self.clone();
        std::thread::spawn(move || pass(&mut from, &mut to, |_| !doomed.load(Ordering::SeqCst) || gateway.kill()));
    }

    /// Counts a request, and kills whoever sent it if its time has come.
    fn asked(&self, piece: &[u8], doomed: &AtomicBool) -> bool {
        let head = String::from_utf8_lossy(piece);
        let begins = ["GET ", "POST ", "PATCH ", "PUT ", "DELETE "].iter().any(|method| head.starts_with(method));
        let to_the_apis = head.lines().any(|line| line.to_lowercase().starts_with("host: 127.0.0.1"));
        if !begins || !to_the_apis || head.contains(" /_sim/") {
            return true;
        }
        let writes = head.starts_with("PATCH ") && !head.contains("validateOnly=true");
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(writes);
            calls.len() - 1
        };
        if writes && !is_intention_synced(&self.runs) {
            self.unsynced.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
        }
        match self.dies {
            _ if self.is_dead.load(Ordering::SeqCst) => true,
            Dies::Before(fatal) if number == fatal => self.kill(),
            Dies::BeforeAnyWrite if writes => self.kill(),
            Dies::After(fatal) if number == fatal => {
                doomed.store(true, Ordering::SeqCst);
                true
            }
            _ => true,
        }
    }

    /// Kills the child, once. Always false: nothing more comes through.
    fn kill(&self) -> bool {
        if !self.is_dead.swap(true, Ordering::SeqCst) {
            while self.pid.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            Command::new("kill").args(["-KILL", &self.pid.load(Ordering::SeqCst).to_string()]).status().unwrap();
        }
        false
    }
}

/// Whether everything that the only run intends so far would outlive a power failure: `journal.end` is written only after the
/// lines that it counts are synced.
fn is_intention_synced(runs: &Path) -> bool {
    let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
    let end: Value = serde_json::from_slice(&std::fs::read(run.join("journal.end")).unwrap()).unwrap();
    let journal = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let last = journal.lines().collect::<Vec<_>>().iter().rposition(|line| line.contains("\"intended\"")).unwrap();
    last < usize::try_from(end["entries"].as_u64().unwrap()).unwrap()
}

/// Passes bytes on for as long as that is allowed.
fn pass(from: &mut TcpStream, to: &mut TcpStream, mut may: impl FnMut(&[u8]) -> bool) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if !may(&piece[..count]) || to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// A machine, a cloud behind a gateway, and the runbook.
struct Scene {
    desk: Desk,
    cloud: Served,
    gateway: Gateway,
    url: String,
    runbook: String,
}

impl Scene {
    fn set(dies: Dies) -> Scene {
        let desk = Desk::new();
        let scenario = sound_past();
        let slow = ["update_takes", "deploy_takes", "traffic_takes", "start_up"];
        let quick = scenario.lines().map(|line| match slow.iter().find(|figure| line.starts_with(*figure)) {
            Some(figure) => format!("{figure} = \"2s\"\n"),
            None => format!("{line}\n"),
        });
        let cloud = Served::start(&desk, &desk.write("quick.sim.toml", &quick.collect::<String>()), "max");
        let (gateway, url) = Gateway::open(&cloud, dies, desk.path("rectify/runs"));
        let runbook = desk.write("runbook.toml", STEPS);
        Scene { desk, cloud, gateway, url, runbook }
    }

    /// Lets this befall the write of this number, and no other. Those to the same address that come before are only made a
    /// little later: earlier writes, and the one that the plan asks Cloud Run to validate.
    fn befalls(&self, write: usize, fault: &Value) {
        let (path, _) = WRITES[write].split_once('?').unwrap();
        let writes = WRITES[..write].iter().filter(|other| other.starts_with(path)).count();
        let before = writes + usize::from(path.starts_with("services/"));
        let befall = |fault: &Value, times: usize| {
            let what =
                json!({ "match": { "method": "PATCH", "path": format!("*/{path}") }, "fault": fault, "times": times });
            self.cloud.call(reqwest::Method::POST, "/_sim/faults", Some(what));
        };
        if before > 0 {
            befall(&json!({ "latency": "1ms" }), before);
        }
        befall(fault, 1);
    }

    /// Runs the runbook until it dies, or to its end.
    fn run(&self) -> Vec<bool> {
        let child = self.desk.spawn(&[&["run", &self.runbook, "--sim", &self.url], &APPROVED[..]].concat());
        self.gateway.pid.store(child.0.id(), Ordering::SeqCst);
        let done = child.end();
        let (dies, code) = (self.gateway.dies, if self.gateway.dies == Dies::Never { 0 } else { -1 });
        assert_eq!(done.code, code, "{dies:?}\n{}\n{}", done.stdout, done.stderr);
        self.gateway.calls.lock().unwrap().clone()
    }

    /// Gets the run to its end: the cloud is as it should be, and nothing was done twice.
    fn goes_on(&self, what: &str) {
        let begun = std::fs::read_dir(self.desk.path("rectify/runs")).is_ok_and(|runs| runs.count() > 0);
        // If it died while it planned, there is nothing to go on with.
        let anew = ["run", &self.runbook, "--sim", &self.url];
        let command = if begun { &["resume"][..] } else { &anew };
        let done = self.desk.rectify(&[command, &APPROVED[..]].concat());
        assert_eq!(done.code, 0, "{what}\n{}\n{}", done.stdout, done.stderr);
        self.is_well(what);
    }

    fn is_well(&self, what: &str) {
        self.came_out_well(what);
        let requests = self.cloud.get("/_sim/requests");
        let taken = requests.as_array().unwrap().iter().filter(|request| request["status"] == 200);
        let line =
            |request: &Value| format!("{} {}", request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let writes: Vec<String> =
            taken.map(line).filter(|line| line.starts_with("PATCH ") && !line.contains("validateOnly=true")).collect();
        assert_eq!(writes.len(), WRITES.len(), "{what}: {writes:#?}");
        for (write, wanted) in writes.iter().zip(WRITES) {
            assert!(write.replace("%2C", ",").contains(wanted), "{what}: {write} is not {wanted}");
        }
    }

    fn came_out_well(&self, what: &str) {
        let unsynced = self.gateway.unsynced.lock().unwrap();
        assert!(unsynced.is_empty(), "{what}: sent before the disk had it: {unsynced:?}");
        let state = self.cloud.get("/_sim/state");
        assert_eq!(state["connectors"]["staging-connector"]["maxInstances"], 10, "{what}");
        for (service, image) in [("netra-auth-staging", "0118"), ("netra-backend-staging", "0751")] {
            let container = &state["services"][service]["template"]["containers"][0];
            assert!(container["image"].as_str().unwrap().ends_with(image), "{what}: {container}");
        }
        let traffic = &state["services"]["netra-backend-staging"]["traffic"];
        assert_eq!((traffic.as_array().unwrap().len(), &traffic[0]["percent"]), (1, &Value::from(100)), "{what}");
        self.desk.rectify(&["verify"]).code(0);
    }
}

/// Plays all of these scenes, several at a time: most of their time is waiting for processes.
fn each<T: Send>(all: Vec<T>, scene: impl Fn(T) + Sync) {
    let all = Mutex::new(all);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                loop {
                    let next = all.lock().unwrap().pop();
                    let Some(one) = next else { return };
                    scene(one);
                }
            });
        }
    });
}

#[test]
fn killed_at_every_call_to_the_cloud() {
    let calls = Scene::set(Dies::Never).run();
    assert!(calls.len() > 40 && calls.iter().filter(|writes| **writes).count() == WRITES.len(), "{calls:?}");
    let deaths = calls.iter().enumerate().flat_map(|(number, writes)| {
        let after = writes.then_some(Dies::After(number));
        [Dies::Before(number)].into_iter().chain(after)
    });
    each(deaths.collect(), |dies| {
        let scene = Scene::set(dies);
        scene.run();
        scene.goes_on(&format!("{dies:?}"));
    });
}

/// The bytes at which the entries of a journal end that a resumed run writes.
fn entries() -> Vec<u64> {
    let scene = Scene::set(Dies::BeforeAnyWrite);
    scene.run();
    let journal = scene.desk.run_directory().join("journal.jsonl");
    let begun = std::fs::metadata(&journal).unwrap().len();
    scene.goes_on("the measure");
    let mut end = 0;
    let text = std::fs::read_to_string(&journal).unwrap();
    let ends = text.split_inclusive('\n').map(|line| {
        end += line.len() as u64;
        end
    });
    ends.filter(|end| *end >= begun).collect()
}

/// Resumes a run that may write no file longer than this. If it is told nothing of that, the system kills it; otherwise a
/// write fails as on a full disk.
fn resume_within(scene: &Scene, bytes: u64, told: bool) -> Done {
    // Only the journal shall meet the limit. The log and the scripts beside it are longer: the log goes nowhere, and a
    // folder in its place stops a script from being written.
    let directory = scene.desk.run_directory();
    let in_the_way = [".remaining.sh.new", ".undo.sh.new"].map(|name| directory.join(name));
    for place in &in_the_way {
        std::fs::create_dir(place).unwrap();
    }
    let log = directory.join("log.jsonl");
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("/dev/null", &log).unwrap();
    let limited = format!("prlimit --fsize={bytes} -- \"$0\" \"$@\"");
    let script = if told { format!("trap '' XFSZ; {limited}") } else { limited };
    let shell =
        scene.desk.program("sh", &["-c", &script, env!("CARGO_BIN_EXE_rectify"), "resume"]).args(APPROVED).spawn();
    let done = Process(shell.unwrap()).end();
    for place in &in_the_way {
        std::fs::remove_dir(place).unwrap();
    }
    done
}

fn can_be_limited() -> bool {
    let can = Command::new("prlimit").arg("--version").output().is_ok();
    if !can {
        say("left out: prlimit is not here, so nothing dies in the middle of its journal");
    }
    can
}

#[test]
fn killed_at_every_entry_of_its_journal() {
    if !can_be_limited() {
        return;
    }
    let ends = entries();
    assert!(ends.len() > 40, "{ends:?}");
    // Between two entries and in the middle of one, by turns.
    let deaths =
        ends.windows(2).enumerate().map(|(turn, pair)| if turn % 2 == 0 { pair[0] } else { pair[0].midpoint(pair[1]) });
    let deaths: Vec<u64> = deaths.collect();
    let (all, of_the_journal) = (deaths.len(), AtomicUsize::new(0));
    each(deaths, |bytes| {
        let scene = Scene::set(Dies::BeforeAnyWrite);
        scene.run();
        let done = resume_within(&scene, bytes, false);
        assert!(done.code != 0, "{bytes}: {}\n{}", done.stdout, done.stderr);
        let journal = std::fs::metadata(scene.desk.run_directory().join("journal.jsonl")).unwrap().len();
        of_the_journal.fetch_add(usize::from(journal == bytes), Ordering::SeqCst);
        scene.goes_on(&format!("killed after {bytes} bytes"));
    });
    assert!(of_the_journal.load(Ordering::SeqCst) * 4 > all * 3, "{of_the_journal:?} of {all}");
}

#[test]
fn a_full_disk_stops_the_run_and_is_told() {
    if !can_be_limited() {
        return;
    }
    let ends = entries();
    let some: Vec<u64> = ends.windows(2).step_by(9).map(|pair| pair[0].midpoint(pair[1])).collect();
    each(some, |bytes| {
        let scene = Scene::set(Dies::BeforeAnyWrite);
        scene.run();
        let done = resume_within(&scene, bytes, true);
        assert_eq!(done.code, 1, "{bytes}: {}\n{}", done.stdout, done.stderr);
        let done = done.complains("cannot be written");
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        scene.goes_on(&format!("the disk was full after {bytes} bytes"));
    });
}

/// Whatever goes wrong with a write, once: the run ends well, or stops and says why, and a second attempt ends well.
/// Nothing is done twice.
#[test]
fn every_fault_at_every_write() {
    let faults = [
        json!({ "status": 503 }),
        json!({ "status": 429, "retry_after": "2s" }),
        json!({ "status": 403 }),
        json!({ "latency": "5m" }),
        json!({ "reset": true }),
        json!({ "refuse": true }),
        json!({ "operation_error": { "code": 13, "message": "an internal error" } }),
    ];
    let all = (0..WRITES.len()).flat_map(|write| faults.iter().map(move |fault| (write, fault.clone())));
    each(all.collect(), |(write, fault)| {
        let scene = Scene::set(Dies::Never);
        scene.befalls(write, &fault);
        let what = format!("{fault} at {} (write {write})", WRITES[write]);
        let run = ["run", &scene.runbook, "--sim", &scene.url];
        let first = scene.desk.rectify(&[&run[..], &APPROVED].concat());
        if first.code != 0 {
            assert_eq!(first.code, 1, "{what}\n{}\n{}", first.stdout, first.stderr);
            let stands = ["applied: ", "nothing was changed"];
            assert!(
                first.stdout.contains("failed") && stands.iter().any(|stands| first.stdout.contains(stands)),
                "{what}: {}",
                first.stdout
            );
            let second = scene.desk.rectify(&[&["resume"], &APPROVED[..]].concat());
            if second.code != 0 {
                // An operation that failed after its write took effect stays failed: then there is the rollback path.
                assert!(fault.get("operation_error").is_some() && second.code == 1, "{what}: {}", second.stdout);
                let words = ["--acknowledge", "deploy-auth", "--acknowledge", "one-revision"];
                let back = scene.desk.rectify(&[&["rollback", "--yes"], &words[..]].concat());
                assert!(back.code == 0 && back.stdout.contains("✓ rolled back"), "{what}: {}", back.stdout);
                return;
            }
        }
        scene.came_out_well(&what);
    });
}

/// An operation that never ends is not waited for longer than its phase may take. It is not left, either: whoever resumes asks for
/// it again, and nothing is sent twice.
#[test]
fn an_operation_that_hangs_is_told_when_its_phase_is_over() {
    each((0..WRITES.len()).collect(), |write| {
        let scene = Scene::set(Dies::Never);
        let text = STEPS.replace("[[phase]]\n", "[[phase]]\nbudget = \"20m\"\n");
        let runbook = scene.desk.write("bounded.toml", &text);
        scene.befalls(write, &json!({ "operation_hangs": true }));
        let run = ["run", &runbook, "--sim", &scene.url];
        let done = scene.desk.rectify(&[&run[..], &APPROVED].concat());
        assert_eq!(done.code, 9, "write {write}: {}\n{}", done.stdout, done.stderr);
        let done = done.says("has not ended").says("goes on in the cloud meanwhile");
        let sent = scene.cloud.writes().len();
        done.says("rectify resume");
        scene.desk.rectify(&[&["resume"], &APPROVED[..]].concat()).code(9).says("goes on in the cloud meanwhile");
        assert_eq!(scene.cloud.writes().len(), sent, "nothing was sent again");
    });
}

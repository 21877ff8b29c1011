//! Programs that are run: `shell` steps.
//!
//! Arguments are arguments: no shell sees a value of the runbook. A script is run as it stands in the file, by `bash` with
//! `errexit`, `nounset` and `pipefail`. A program gets `PATH`, `HOME`, `LANG` and what its step gives it, and nothing else
//! of the environment. It runs in a process group of its own, which is killed as a whole when its time is over or the
//! run goes away. Of a run that is itself killed it outlives: which process it was is kept, so that whoever takes the run up
//! waits for it instead of beginning it again.
//!
//! What it says lies in the run's directory, but for the secrets that it was given.
//!
//! A step with a `check` can be looked at; without one only a person can say what became of a program whose end was not
//! seen. A program that ends with anything but 0 has failed, and what of it took effect only its `check` can tell.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::pin_mut;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::mask::{Mask, Secrets};
use super::process::Process;
use super::{Doing, actions};
use crate::clock::Clock;
use crate::resource::{AnyKind, AnyObservable, Progress, ReadError, Seen, Validity, WriteError, Writer, Written};
use crate::run::{Change, ResourceId, covers};
use crate::runbook::model::{Action, Command as What, Runbook};
use crate::runbook::value::Private;

/// How much of what a program says last is kept, to be told when it fails.
const OUTPUT: usize = 64 * 1024;
/// How much of what it says is written down; of more, the beginning.
const WRITTEN: usize = 16 * 1024 * 1024;
/// How many lines of it are told when it fails.
const TOLD: usize = 5;

/// `shell`: the programs of a runbook, by task.
pub struct Programs {
    tasks: BTreeMap<String, Program>,
    clock: Arc<dyn Clock>,
    /// Where what they say is kept, and which process each is; nowhere before there is a run.
    folder: Option<PathBuf>,
    rehearsal: bool,
}

struct Program {
    run: What,
    check: Option<What>,
    undo: Option<What>,
    env: BTreeMap<String, Private>,
    timeout: Duration,
}

/// How a program ended.
enum End {
    /// With this code.
    Code(i32),
    /// It was killed because its time was over, or by somebody.
    Killed(String),
}

impl Programs {
    /// Its name in resource ids.
    pub const NAME: &'static str = "shell";

    /// Those of this runbook. In a rehearsal none is run: what one would do to the real world is not rehearsed.
    /// `folder` is where a run keeps what they say.
    pub fn of(runbook: &Runbook, clock: Arc<dyn Clock>, folder: Option<PathBuf>, rehearsal: bool) -> Programs {
        let program = |action: &Action| match action {
            Action::Shell { run, check, undo, env, timeout } => {
                let (run, check, undo, env) = (run.clone(), check.clone(), undo.clone(), env.clone());
                Some(Program { run, check, undo, env, timeout: *timeout })
            }
            _ => None,
        };
        let tasks = actions(runbook).filter_map(|(task, action)| Some((task, program(action)?))).collect();
        Programs { tasks, clock, folder, rehearsal }
    }

    fn of_task(&self, id: &ResourceId) -> Result<&Program, String> {
        self.tasks.get(&id.name).ok_or_else(|| format!("the runbook has no program for {}", id.name))
    }

    /// What a task keeps in the run's directory. A task's name has no separator but its own.
    fn kept(&self, id: &ResourceId) -> Option<Kept> {
        let folder = self.folder.as_ref()?;
        let name = id.name.replace('/', "~");
        Some(Kept { output: folder.join(format!("{name}.log")), process: folder.join(format!("{name}.process.json")) })
    }

    /// The process that was begun for a task, if it still runs.
    fn running(&self, id: &ResourceId) -> Option<Process> {
        let known = std::fs::read(self.kept(id)?.process).ok()?;
        let process: Process = serde_json::from_slice(&known).ok()?;
        process.runs().then_some(process)
    }

    async fn is_done(&self, program: &Program, id: &ResourceId) -> Result<bool, ReadError> {
        let Some(check) = &program.check else { return Err(ReadError::Untold { resource: id.clone() }) };
        let unreadable = |why: String| ReadError::Refused { resource: id.clone(), why, denied: false };
        // A check looks and changes nothing: nobody need wait for one.
        let ended = program.execute("check", check, &*self.clock, None).await;
        match ended.map_err(|error| unreadable(format!("its check cannot be run: {error}")))? {
            (End::Code(code), _) => Ok(code == 0),
            (End::Killed(why), said) => Err(unreadable(format!("its check: {why}{said}"))),
        }
    }
}

impl Program {
    /// Runs one of its commands to its end; the end, and the last lines of what it said.
    async fn execute(
        &self,
        part: &str,
        what: &What,
        clock: &dyn Clock,
        kept: Option<&Kept>,
    ) -> Result<(End, String), std::io::Error> {
        let mut command = match what {
            What::Program(words) => {
                let mut words = words.iter();
                let mut command = Command::new(words.next().map(String::as_str).unwrap_or_default());
                command.args(words);
                command
            }
            What::Bash(script) => {
                let mut command = Command::new("bash");
                command.args(["-euo", "pipefail", "-c", script]);
                command
            }
        };
        command.env_clear().envs(inherited());
        command.envs(self.env.iter().map(|(name, value)| (name, value.value().expose_secret())));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = kept.and_then(|kept| kept.output.parent()) {
            // Without it nothing is kept, and nothing is stopped.
            let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Group(child.id());
        let noted = kept.and_then(|kept| Noted::of(&kept.process, child.id()?));
        let secrets = self.secrets();
        let output = Output::begin(kept.map(|kept| kept.output.as_path()));
        output.line(&format!("── {} {part}: {what}", clock.now()));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended =
            async { futures::join!(output.read(out, secrets.mask()), output.read(err, secrets.mask()), child.wait()) };
        let out_of_time = clock.timer(crate::clock::later(clock.now(), self.timeout));
        pin_mut!(ended, out_of_time);
        let end = match select(ended, out_of_time).await {
            Either::Right(_) => {
                let after = crate::clock::words(self.timeout);
                End::Killed(format!("it had not ended after {after}, and was killed"))
            }
            Either::Left((((), (), status), _)) => match status?.code() {
                Some(code) => End::Code(code),
                None => End::Killed("it was killed".to_owned()),
            },
        };
        drop((group, noted));
        output.line(&match &end {
            End::Code(code) => format!("── {} ended with {code}", clock.now()),
            End::Killed(why) => format!("── {} {why}", clock.now()),
        });
        Ok((end, tail(&output.last())))
    }

    /// What it was given in secret it may say aloud; nobody else shall.
    fn secrets(&self) -> Secrets {
        Secrets::of(self.env.values().map(|value| (value.value().expose_secret(), value.to_string())))
    }
}

/// What a task keeps in the run's directory.
struct Kept {
    output: PathBuf,
    process: PathBuf,
}

/// That a process runs, written down for whoever takes the run up if this process is killed.
struct Noted(PathBuf);

impl Noted {
    fn of(path: &Path, pid: u32) -> Option<Noted> {
        let process = serde_json::to_vec(&Process::of(pid)?).ok()?;
        private(path, OpenOptions::new().truncate(true)).and_then(|mut file| file.write_all(&process)).ok()?;
        Some(Noted(path.to_owned()))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // One that stays names a process that has ended, which is seen.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A file that nobody else can read.
fn private(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    options.write(true).create(true).mode(0o600).open(path)
}

/// What a program says: written down as it comes, and the last of it kept. That it cannot be written stops nothing.
struct Output(Mutex<Said>);

#[derive(Default)]
struct Said {
    file: Option<File>,
    written: usize,
    last: Vec<u8>,
}

impl Output {
    fn begin(path: Option<&Path>) -> Output {
        let file = path.and_then(|path| private(path, OpenOptions::new().append(true)).ok());
        Output(Mutex::new(Said { file, ..Said::default() }))
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of ours.
    fn line(&self, text: &str) {
        if let Some(file) = &mut self.said().file {
            let _ = writeln!(file, "{text}");
        }
    }

    async fn read(&self, from: Option<impl AsyncRead + Unpin>, mut mask: Mask<'_>) {
        let Some(mut from) = from else { return };
        let mut piece = [0_u8; 4096];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            self.take(&mask.take(piece.get(..count).unwrap_or_default()));
        }
        self.take(&mask.finish());
    }

    fn take(&self, shown: &[u8]) {
        let mut said = self.said();
        let room = WRITTEN.saturating_sub(said.written).min(shown.len());
        said.written += shown.len();
        if let (Some(file), Some(kept)) = (&mut said.file, shown.get(..room)) {
            let _ = file.write_all(kept);
        }
        // The end of it says most.
        said.last.extend_from_slice(shown);
        let excess = said.last.len().saturating_sub(OUTPUT);
        said.last.drain(..excess);
    }

    fn last(&self) -> String {
        String::from_utf8_lossy(&self.said().last).into_owned()
    }
}

/// Kills everything that a program began and that is still there.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // A group that has ended already is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what a program inherits is named here")]
fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ["PATH", "HOME", "LANG"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(TOLD)..).unwrap_or_default();
    if last.is_empty() { String::new() } else { format!("; it said: {}", last.join(" ⏎ ")) }
}

/// A process that was begun before this one took the run up, as an operation.
fn operation(process: Process) -> String {
    format!("process {}", process.pid)
}

fn state(done: bool) -> Value {
    json!(Doing { done })
}

impl AnyObservable for Programs {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let unreadable = |why| ReadError::Refused { resource: id.clone(), why, denied: false };
            if self.rehearsal {
                return Err(ReadError::Untold { resource: id.clone() });
            }
            if let Some(process) = self.running(id) {
                let operation = Some(operation(process));
                return Ok(Seen { state: state(false), etag: None, operation, trouble: None });
            }
            let done = self.is_done(self.of_task(id).map_err(unreadable)?, id).await?;
            Ok(Seen { state: state(done), etag: None, operation: None, trouble: None })
        })
    }
}

impl AnyKind for Programs {
    fn validate<'a>(&'a self, _: &'a Change, _: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>> {
        Box::pin(async { Ok(Validity::NotAsked) })
    }

    fn write<'a>(&'a self, _: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(async move {
            let id = &change.resource;
            let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
            let in_doubt = |why: String| WriteError::InDoubt { resource: id.clone(), why };
            let done = Ok(Written::Sent(Progress::Done(change.to.clone())));
            if self.rehearsal {
                return done;
            }
            let program = self.of_task(id).map_err(refused)?;
            if let Some(process) = self.running(id) {
                let why = format!("{} still runs", operation(process));
                return Err(WriteError::Busy { resource: id.clone(), why });
            }
            if program.check.is_some() {
                let now = state(self.is_done(program, id).await.map_err(|error| refused(error.to_string()))?);
                if covers(&now, &change.to) {
                    return Ok(Written::Sent(Progress::Done(now)));
                }
                if !covers(&now, &change.from) {
                    return Ok(Written::Drifted { now });
                }
            }
            let forward = covers(&change.to, &state(true));
            let (part, what) = if forward { ("run", Some(&program.run)) } else { ("undo", program.undo.as_ref()) };
            let Some(what) = what else { return Err(refused("nothing says how to undo it".to_owned())) };
            let ended = program.execute(part, what, &*self.clock, self.kept(id).as_ref()).await;
            let ended = ended.map_err(|error| refused(format!("it cannot be run: {error}")))?;
            match ended {
                (End::Code(0), _) if program.check.is_none() => done,
                (End::Code(0), said) => match self.is_done(program, id).await {
                    Ok(is_done) if is_done == forward => done,
                    Ok(_) => Err(refused(format!("it ended well, and its check says that it is not so{said}"))),
                    Err(error) => Err(in_doubt(error.to_string())),
                },
                (End::Code(code), said) if program.check.is_none() => {
                    Err(refused(format!("it ended with {code}{said}")))
                }
                (End::Code(code), said) => Err(in_doubt(format!("it ended with {code}{said}"))),
                (End::Killed(why), said) => Err(in_doubt(format!("{why}{said}"))),
            }
        })
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<Progress<Value>, ReadError>> {
        Box::pin(async move {
            let seen = self.observe(id).await?;
            Ok(match seen.operation {
                Some(operation) => Progress::Running { operation },
                None => Progress::Done(seen.state),
            })
        })
    }
}

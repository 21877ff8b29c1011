//! Programs that are run: `shell` steps.
//!
//! Arguments are arguments: no shell sees a value of the runbook. A script is run as it stands in the file, by `bash` with
//! `errexit`, `nounset` and `pipefail`. A program gets `PATH`, `HOME`, `LANG` and what its step gives it, and nothing else
//! of the environment; in a rehearsal that runs programs, also what points `gcloud` at the simulated cloud. It runs in a
//! process group of its own, which is killed as a whole when its time is over, when it failed, or when the run goes away.
//! Of a run that is itself killed it outlives: which process it was is kept, so that whoever takes the run up waits for it
//! instead of beginning it again.
//!
//! A program has ended when its own process has: what it leaves running in the background is left, if it succeeded, and its
//! output is no longer kept.
//!
//! What it says lies in the run's directory, but for the secrets that it was given.
//!
//! A step with a `check` can be observed; without one only the operator can say what became of a program whose end was not
//! seen. A program that ends with anything but 0, or not in time, has failed, once: it is not run again by itself. Whether
//! something of it took effect its `check` says; without one the operator is asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::pin_mut;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::process::Process;
use super::{actions, without_sending};
use crate::action::{Action, Doing, Shell};
use crate::clock::Clock;
use crate::redact;
use crate::resource::{
    AnyKind, AnyObservable, Certainty, OperationProgress, ReadError, Seen, Validity, WriteError, Writer, Written,
};
use crate::run::{Change, Command as What, NOT_RUN, ResourceId, Target, covers};
use crate::runbook::model::Runbook;

/// How much of what a program says last is kept, to be told when it fails.
const OUTPUT: usize = 64 * 1024;
/// How much of what it says is written down; of more, the beginning.
const WRITTEN: usize = 16 * 1024 * 1024;
/// How many lines of it are told when it fails.
const TOLD: usize = 5;

/// `shell`: the programs of a runbook, by task.
pub struct Programs {
    tasks: BTreeMap<String, Shell>,
    clock: Arc<dyn Clock>,
    /// Where what they say is kept, and which process each is; nowhere before there is a run.
    folder: Option<PathBuf>,
    conduct: Conduct,
}

/// Whether programs are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// None is: what one would do to the real world is not rehearsed.
    LeaveOut,
    /// They are, with this in their environment beside what their steps give them.
    Run {
        /// By name.
        env: BTreeMap<String, OsString>,
    },
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed because it had not ended within this time.
    Timeout(Duration),
}

impl End {
    fn is_success(self) -> bool {
        self == End::Exit(0)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exit(code) => write!(f, "exit {code}"),
            End::Signal(signal) => write!(f, "killed by signal {signal}"),
            End::Timeout(limit) => {
                write!(f, "killed: it had not ended after {}", crate::clock::format_duration(*limit))
            }
        }
    }
}

impl Programs {
    /// Those of this runbook. `folder` is where a run keeps what they say.
    pub fn of(runbook: &Runbook, clock: Arc<dyn Clock>, folder: Option<PathBuf>, conduct: Conduct) -> Programs {
        let program = |(task, _, action): (String, Target, &Action)| {
            if let Action::Shell(shell) = action { Some((task, shell.clone())) } else { None }
        };
        let tasks = actions(runbook).filter_map(program).collect();
        Programs { tasks, clock, folder, conduct }
    }

    fn of_task(&self, id: &ResourceId) -> Result<&Shell, String> {
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

    /// Runs one of a program's commands to its end; the end, and the last lines of what it said.
    async fn execute(
        &self,
        program: &Shell,
        part: &str,
        what: &What,
        kept: Option<&Kept>,
    ) -> Result<(End, String), std::io::Error> {
        let mut command = command(what);
        command.env_clear().envs(inherited());
        command.envs(program.env.iter().map(|(name, value)| (name, value.value().expose_secret())));
        // Last: what leads a rehearsal's programs to the simulated cloud is not for a runbook to change.
        if let Conduct::Run { env } = &self.conduct {
            command.envs(env);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = kept.and_then(|kept| kept.output.parent()) {
            // Without it nothing is kept, and nothing is stopped.
            let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Group(child.id());
        let noted = kept.and_then(|kept| Noted::of(&kept.process, child.id()?));
        // What a program was given in secret it may say aloud; nobody else shall.
        let redactor = redact::redactor();
        let output = Output::begin(kept.map(|kept| kept.output.as_path()));
        output.line(&format!("── {} {part}: {what}", self.clock.now()));
        let mut out = Pipe { from: child.stdout.take(), shown: redact::Stream::new(redactor.clone()) };
        let mut err = Pipe { from: child.stderr.take(), shown: redact::Stream::new(redactor) };
        let end = {
            // The process's own end counts: what it left in the background may hold the pipes open for ever.
            let process = child.wait();
            let reading = async {
                futures::join!(out.read(&output), err.read(&output));
                std::future::pending::<Infallible>().await
            };
            let limit = self.clock.machine_timer(program.timeout);
            pin_mut!(process, reading, limit);
            match select(select(process, reading), limit).await {
                Either::Left((Either::Left((status, _)), _)) => end(status?),
                Either::Left((Either::Right((never, _)), _)) => match never {},
                Either::Right(_) => End::Timeout(program.timeout),
            }
        };
        let (out, err) = (out.finish(&output), err.finish(&output));
        if end.is_success() && kept.is_some() {
            group.release();
            keep_open(out);
            keep_open(err);
        }
        drop(noted);
        output.line(&format!("── {} ended: {end}", self.clock.now()));
        Ok((end, tail(&output.last())))
    }

    async fn is_done(&self, program: &Shell, id: &ResourceId) -> Result<bool, ReadError> {
        let Some(check) = &program.check else { return Err(ReadError::Untold { resource: id.clone() }) };
        let unreadable = |why: String| ReadError::Refused { resource: id.clone(), why, denied: false };
        // A check looks and changes nothing: nobody need wait for one.
        let ended = self.execute(program, "check", check, None).await;
        match ended.map_err(|error| unreadable(format!("its check cannot be run: {error}")))? {
            (End::Exit(code), _) => Ok(code == 0),
            (end @ (End::Signal(_) | End::Timeout(_)), said) => {
                Err(unreadable(format!("its check failed ({end}){said}")))
            }
        }
    }
}

fn command(what: &What) -> Command {
    match what {
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
    }
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}

/// Reads on, and keeps nothing, so that what a program left in the background is not ended by a closed pipe.
#[expect(clippy::disallowed_methods, reason = "nothing waits for it, and it decides nothing")]
fn keep_open(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) {
    let Some(mut from) = pipe else { return };
    tokio::spawn(async move {
        let mut piece = [0_u8; 4096];
        while let Ok(1..) = from.read(&mut piece).await {}
    });
}

/// What a program says on one of its pipes.
struct Pipe<R> {
    from: Option<R>,
    shown: redact::Stream,
}

impl<R: AsyncRead + AsFd + Unpin> Pipe<R> {
    /// Reads until the pipe is closed.
    async fn read(&mut self, output: &Output) {
        let mut piece = [0_u8; 4096];
        while let Some(from) = &mut self.from {
            match from.read(&mut piece).await {
                Ok(count @ 1..) => output.take(&self.shown.push(piece.get(..count).unwrap_or_default())),
                Ok(0) | Err(_) => self.from = None,
            }
        }
    }

    /// Takes what lies in the pipe now and nothing that comes later. The pipe, if somebody still has its other end.
    fn finish(mut self, output: &Output) -> Option<R> {
        if let Some(from) = &self.from {
            let waiting = rustix::io::ioctl_fionread(from.as_fd()).unwrap_or_default();
            let mut waiting = usize::try_from(waiting).unwrap_or_default();
            let mut piece = [0_u8; 4096];
            while waiting > 0
                && let Ok(count @ 1..) = rustix::io::read(from.as_fd(), piece.as_mut_slice())
            {
                waiting = waiting.saturating_sub(count);
                output.take(&self.shown.push(piece.get(..count).unwrap_or_default()));
            }
        }
        output.take(&self.shown.finish());
        self.from
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

impl Group {
    /// Leaves it as it is.
    fn release(mut self) {
        self.0 = None;
    }
}

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
    Doing { done }.state()
}

impl AnyObservable for Programs {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let unreadable = |why| ReadError::Refused { resource: id.clone(), why, denied: false };
            if self.conduct == Conduct::LeaveOut {
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
            let failed =
                |why: String| Ok(Written::Sent(OperationProgress::Failed { why, certainty: Certainty::Certain }));
            let done = Ok(Written::Sent(OperationProgress::Done(change.to.clone())));
            if self.conduct == Conduct::LeaveOut {
                return Err(refused(NOT_RUN.to_owned()));
            }
            let program = self.of_task(id).map_err(refused)?;
            if let Some(process) = self.running(id) {
                let why = format!("{} still runs", operation(process));
                return Err(WriteError::Busy { resource: id.clone(), why, retry_after: None });
            }
            // Work that failed in the middle is undone whatever of it took effect.
            if program.check.is_some() && !change.from.is_null() {
                let now = state(self.is_done(program, id).await.map_err(|error| refused(error.to_string()))?);
                if let Some(written) = without_sending(change, now) {
                    return Ok(written);
                }
            }
            let forward = covers(&change.to, &state(true));
            let (part, what) = if forward { ("run", Some(&program.run)) } else { ("undo", program.undo.as_ref()) };
            let Some(what) = what else { return Err(refused("nothing says how to undo it".to_owned())) };
            let ended = self.execute(program, part, what, self.kept(id).as_ref()).await;
            let (end, said) = ended.map_err(|error| refused(format!("it cannot be run: {error}")))?;
            let failure = format!("failed ({end}){said}");
            if program.check.is_none() {
                return if end.is_success() { done } else { failed(failure) };
            }
            match (end.is_success(), self.is_done(program, id).await) {
                (true, Ok(is_done)) if is_done == forward => done,
                // The work was to be undone, and it is.
                (false, Ok(false)) if !forward => done,
                (true, Ok(is_done)) => {
                    let is = if is_done { "still done" } else { "not done" };
                    failed(format!("failed: it ended with exit 0, but its check says that it is {is}{said}"))
                }
                (true, Err(error)) => Err(in_doubt(error.to_string())),
                (false, _) => failed(failure),
            }
        })
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>> {
        Box::pin(async move {
            let seen = self.observe(id).await?;
            Ok(match seen.operation {
                Some(operation) => OperationProgress::Running { operation },
                None => OperationProgress::Done(seen.state),
            })
        })
    }
}

//! Programs that are run: `shell` steps.
//!
//! Arguments are arguments: no shell sees a value of the runbook. A script is run as it stands in the file, by `bash` with
//! `errexit`, `nounset` and `pipefail`. A program gets `PATH`, `HOME`, `LANG` and what its step gives it, and nothing else
//! of the environment. It runs in a process group of its own, which is killed as a whole when its time is over or the
//! run goes away.
//!
//! A step with a `check` can be looked at; without one only a person can say what became of a program whose end was not
//! seen. A program that ends with anything but 0 has failed, and what of it took effect only its `check` can tell.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::pin_mut;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::Doing;
use crate::clock::Clock;
use crate::resource::{AnyKind, AnyObservable, Progress, ReadError, Seen, Validity, WriteError, Writer, Written};
use crate::run::{Change, ResourceId, covers};
use crate::runbook::model::{Action, Command as What, Runbook};
use crate::runbook::value::Private;

/// How much of what a program says is read; the rest is thrown away.
const OUTPUT: usize = 64 * 1024;
/// How many lines of it are told when it fails.
const TOLD: usize = 5;

/// `shell`: the programs of a runbook, by task.
pub struct Programs {
    tasks: BTreeMap<String, Program>,
    clock: Arc<dyn Clock>,
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
    pub fn of(runbook: &Runbook, clock: Arc<dyn Clock>, rehearsal: bool) -> Programs {
        let mut tasks = BTreeMap::new();
        for step in runbook.phases.iter().flat_map(|phase| &phase.steps) {
            for (place, turn) in step.turns.iter().enumerate() {
                let Action::Shell { run, check, undo, env, timeout } = &turn.action else { continue };
                let item = step.fan_out.as_ref().and_then(|fan_out| fan_out.items.get(place));
                let task = item.map_or_else(|| step.name.clone(), |item| format!("{}/{item}", step.name));
                let (run, check, undo, env) = (run.clone(), check.clone(), undo.clone(), env.clone());
                tasks.insert(task, Program { run, check, undo, env, timeout: *timeout });
            }
        }
        Programs { tasks, clock, rehearsal }
    }

    fn of_task(&self, id: &ResourceId) -> Result<&Program, String> {
        self.tasks.get(&id.name).ok_or_else(|| format!("the runbook has no program for {}", id.name))
    }
}

impl Program {
    /// Runs one of its commands to its end; the end, and the last lines of what it said.
    async fn execute(&self, what: &What, clock: &dyn Clock) -> Result<(End, String), std::io::Error> {
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
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Group(child.id());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended = async { futures::join!(read(out), read(err), child.wait()) };
        let out_of_time = clock.timer(crate::clock::later(clock.now(), self.timeout));
        pin_mut!(ended, out_of_time);
        let (end, said) = match select(ended, out_of_time).await {
            Either::Right(_) => {
                let after = crate::clock::words(self.timeout);
                (End::Killed(format!("it had not ended after {after}, and was killed")), String::new())
            }
            Either::Left(((out, err, status), _)) => {
                let end = match status?.code() {
                    Some(code) => End::Code(code),
                    None => End::Killed("it was killed".to_owned()),
                };
                (end, format!("{out}\n{err}"))
            }
        };
        drop(group);
        Ok((end, self.without_secrets(&tail(&said))))
    }

    /// What a program was given in secret it may say aloud; nobody else shall.
    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.env.values().map(|value| (value.to_string(), value.value().expose_secret()));
        let secret = secrets.filter(|(shown, value)| shown != value && !value.is_empty());
        secret.fold(text.to_owned(), |text, (shown, value)| text.replace(value, &shown))
    }

    async fn is_done(&self, id: &ResourceId, clock: &dyn Clock) -> Result<bool, ReadError> {
        let Some(check) = &self.check else { return Err(ReadError::Untold { resource: id.clone() }) };
        let unreadable = |why: String| ReadError::Refused { resource: id.clone(), why, denied: false };
        match self
            .execute(check, clock)
            .await
            .map_err(|error| unreadable(format!("its check cannot be run: {error}")))?
        {
            (End::Code(code), _) => Ok(code == 0),
            (End::Killed(why), said) => Err(unreadable(format!("its check: {why}{said}"))),
        }
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

async fn read(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let (mut kept, mut piece) = (Vec::new(), [0_u8; 4096]);
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        kept.extend_from_slice(piece.get(..count).unwrap_or_default());
        // The end of it says most.
        let excess = kept.len().saturating_sub(OUTPUT);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(TOLD)..).unwrap_or_default();
    if last.is_empty() { String::new() } else { format!("; it said: {}", last.join(" ⏎ ")) }
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
            let done = self.of_task(id).map_err(unreadable)?.is_done(id, &*self.clock).await?;
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
            if program.check.is_some() {
                let now = state(program.is_done(id, &*self.clock).await.map_err(|error| refused(error.to_string()))?);
                if covers(&now, &change.to) {
                    return Ok(Written::Sent(Progress::Done(now)));
                }
                if !covers(&now, &change.from) {
                    return Ok(Written::Drifted { now });
                }
            }
            let forward = covers(&change.to, &state(true));
            let what = if forward { Some(&program.run) } else { program.undo.as_ref() };
            let Some(what) = what else { return Err(refused("nothing says how to undo it".to_owned())) };
            let ended = program.execute(what, &*self.clock).await;
            let ended = ended.map_err(|error| refused(format!("it cannot be run: {error}")))?;
            match ended {
                (End::Code(0), _) if program.check.is_none() => done,
                (End::Code(0), said) => match program.is_done(id, &*self.clock).await {
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

    fn poll<'a>(&'a self, id: &'a ResourceId, _: &'a str) -> BoxFuture<'a, Result<Progress<Value>, ReadError>> {
        Box::pin(async move { Ok(Progress::Done(self.observe(id).await?.state)) })
    }
}

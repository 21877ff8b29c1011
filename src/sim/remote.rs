//! One clock for several processes.
//!
//! Whoever talks to a simulated cloud that another process serves must live in that cloud's time: a jump of a stepped
//! clock, a move by hand, a change of pace has to be seen at once, and a stepped clock must not jump while somebody in the
//! other process is at work. So the other process takes part in the clock over a WebSocket, at `/_sim/clock/shared`: it
//! asks for the time, says when it is busy and until when it sleeps, and is told when to wake. Each command is
//! answered before the next one, since only an answered command is known to have been counted. When the socket
//! closes, for whatever reason, all that its process held is let go of.

#![expect(clippy::disallowed_methods, reason = "the simulated world's own door to real time")]

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::extract::ws;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::api::Shared;
use super::clock::{Busy, Clock, later};

/// What the other process says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    /// What time is it?
    Now,
    /// One more line of work is busy.
    Busy,
    /// One line of work less is busy.
    Idle,
    /// Wakes `timer` at this time; the caller is idle until then.
    Sleep { timer: u64, until: Timestamp },
    /// Wakes `timer` at this time; the caller is as busy as before.
    Timer { timer: u64, until: Timestamp },
    /// Nobody waits for this timer any longer.
    Forget { timer: u64 },
}

/// What it is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    now: Timestamp,
    /// The timer that is due; none: this answers a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    woke: Option<u64>,
}

/// Serves one other process until it goes away.
pub(super) async fn share(shared: Arc<Shared>, socket: ws::WebSocket) {
    let mut stopped = shared.stopped.subscribe();
    tokio::select! {
        () = take_part(&shared.clock, socket) => {}
        // An error means that the simulator has gone, which is the same.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
}

async fn take_part(clock: &Clock, mut socket: ws::WebSocket) {
    let mut busy: Vec<Busy> = Vec::new();
    let mut timers = Timers::new();
    loop {
        let told = tokio::select! {
            // What is due was due before the next command is heard.
            biased;
            woke = due(&mut timers) => {
                timers.remove(&woke);
                Told { now: clock.now(), woke: Some(woke) }
            }
            message = socket.recv() => {
                let Some(Ok(ws::Message::Text(text))) = message else { return };
                let Ok(command) = serde_json::from_str(&text) else { return };
                match command {
                    Command::Now => {}
                    Command::Busy => busy.push(clock.busy()),
                    Command::Idle => drop(busy.pop()),
                    Command::Sleep { timer, until } => set(&mut timers, timer, clock.sleep_until(until).boxed()),
                    Command::Timer { timer, until } => set(&mut timers, timer, clock.timer(until).boxed()),
                    Command::Forget { timer } => drop(timers.remove(&timer)),
                }
                Told { now: clock.now(), woke: None }
            }
        };
        let Ok(text) = serde_json::to_string(&told) else { return };
        if socket.send(ws::Message::text(text)).await.is_err() {
            return;
        }
    }
}

/// Who waits, by the number that the other process gave it.
type Timers<'a> = BTreeMap<u64, BoxFuture<'a, ()>>;

/// Adds one. It is polled at once, which registers it with the clock: when its command is answered, it counts.
fn set<'a>(timers: &mut Timers<'a>, timer: u64, mut wait: BoxFuture<'a, ()>) {
    let at_once = wait.as_mut().now_or_never().is_some();
    timers.insert(timer, if at_once { std::future::ready(()).boxed() } else { wait });
}

/// The first that is due.
async fn due(timers: &mut Timers<'_>) -> u64 {
    std::future::poll_fn(|context| {
        let ready = timers.iter_mut().find_map(|(timer, wait)| wait.poll_unpin(context).is_ready().then_some(*timer));
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// The clock of a simulated cloud that another process serves. All clones share one connection.
///
/// Telling the time takes a round trip over loopback, during which the calling thread waits. If the other process goes
/// away, the clock goes on at the pace of the wall's from the last time that it knew.
#[derive(Clone)]
pub struct RemoteClock(Arc<Line>);

struct Line {
    /// Held from a command until its answer.
    speak: Mutex<Speak>,
    waiting: Arc<Waiting>,
    numbers: AtomicU64,
}

struct Speak {
    socket: WebSocket<TcpStream>,
    answers: mpsc::Receiver<Timestamp>,
    /// The last time that was told, and when.
    known: (Timestamp, Instant),
}

/// Whom to wake. `None`: the line is cut, and nobody will be told anything any more.
type Waiting = Mutex<Option<BTreeMap<u64, oneshot::Sender<()>>>>;

/// Holding it says: somebody in this process has something to do.
pub struct RemoteBusy(RemoteClock);

impl RemoteClock {
    /// Takes part in the clock of the simulated cloud at this address, as one line of work that is busy.
    pub fn join(address: SocketAddr) -> io::Result<RemoteClock> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let refused = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
        let url = format!("ws://{address}/_sim/clock/shared");
        let (socket, _) = tungstenite::client::client(url, stream).map_err(|error| refused(&error))?;
        // The same stream twice: one side speaks and one listens, so that waiting to be woken holds nobody up.
        let ear = WebSocket::from_raw_socket(socket.get_ref().try_clone()?, Role::Client, None);
        let (answer, answers) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let heard = waiting.clone();
        std::thread::Builder::new().name("clock".to_owned()).spawn(move || listen(ear, &answer, &heard))?;
        let known = (Timestamp::UNIX_EPOCH, Instant::now());
        let speak = Mutex::new(Speak { socket, answers, known });
        let clock = RemoteClock(Arc::new(Line { speak, waiting, numbers: AtomicU64::new(0) }));
        clock.say(Command::Busy);
        Ok(clock)
    }

    /// What time it is in the simulated world.
    pub fn now(&self) -> Timestamp {
        self.say(Command::Now)
    }

    /// Sleeps until `t`, idle meanwhile, as [`Clock::sleep_until`] does.
    pub async fn sleep_until(&self, t: Timestamp) {
        self.wait(t, |timer| Command::Sleep { timer, until: t }).await;
    }

    /// Returns at `t`. Whoever waits is as busy as before, as with [`Clock::timer`].
    pub async fn timer(&self, t: Timestamp) {
        self.wait(t, |timer| Command::Timer { timer, until: t }).await;
    }

    /// Declares that somebody has something to do, until the returned guard is dropped.
    pub fn busy(&self) -> RemoteBusy {
        self.say(Command::Busy);
        RemoteBusy(self.clone())
    }

    async fn wait(&self, t: Timestamp, command: impl FnOnce(u64) -> Command) {
        let timer = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let (wake, woken) = oneshot::channel();
        if let Some(waiting) = lock(&self.0.waiting).as_mut() {
            waiting.insert(timer, wake);
        }
        let _forgotten = Forgotten { clock: self, timer };
        self.say(command(timer));
        if woken.await.is_err() {
            let left = t.duration_since(self.now());
            tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        }
    }

    /// Says it, and returns the time when it was heard.
    fn say(&self, command: Command) -> Timestamp {
        let mut speak = lock(&self.0.speak);
        let told = speak.say(command);
        if let Some(now) = told {
            speak.known = (now, Instant::now());
        }
        let (now, since) = speak.known;
        told.unwrap_or_else(|| later(now, SignedDuration::try_from(since.elapsed()).unwrap_or(SignedDuration::MAX)))
    }
}

impl Speak {
    fn say(&mut self, command: Command) -> Option<Timestamp> {
        let text = serde_json::to_string(&command).ok()?;
        self.socket.send(Message::text(text)).ok()?;
        self.answers.recv().ok()
    }
}

/// Hears what is told until the line is cut.
fn listen(mut ear: WebSocket<TcpStream>, answer: &mpsc::Sender<Timestamp>, waiting: &Waiting) {
    while let Ok(message) = ear.read() {
        let told = message.to_text().ok().and_then(|text| serde_json::from_str::<Told>(text).ok());
        let Some(Told { now, woke }) = told else { break };
        match woke {
            // Whoever waited may have gone, which is its own affair.
            Some(timer) => drop(lock(waiting).as_mut().and_then(|all| all.remove(&timer)).map(|wake| wake.send(()))),
            None => drop(answer.send(now)),
        }
    }
    *lock(waiting) = None;
}

/// Somebody who waits; dropped before the time came, the other process is told so.
struct Forgotten<'a> {
    clock: &'a RemoteClock,
    timer: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        let waited = lock(&self.clock.0.waiting).as_mut().is_some_and(|all| all.remove(&self.timer).is_some());
        if waited {
            self.clock.say(Command::Forget { timer: self.timer });
        }
    }
}

impl Drop for RemoteBusy {
    fn drop(&mut self) {
        self.0.say(Command::Idle);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The listener hears that, and ends.
        let _ = lock(&self.speak).socket.get_ref().shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

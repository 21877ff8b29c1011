//! The simulated cloud: Google's own protocols on a loopback socket, over a small world in which causes have effects.
//!
//! It exists so that a runbook can be rehearsed, every failure path of it, by the same clients that will talk to
//! Google. Therefore this room imports nothing of what is under test: if it shared a type with the tool, a mistake in
//! that type would agree with itself. What it shares are facts (the catalog of Google's own documents) and the language of
//! conditions. And therefore it is strict: what Google refuses, it refuses.
//! What is not known of Google (durations, capacities, the wording of an error) is a scenario's figure or marked as
//! ours where it stands.
//!
//! The map:
//!
//! - [`scenario`] reads a TOML file and makes a [`World`] at time zero of it;
//! - [`world`] is that world: plain data, and how it changes as time goes by;
//! - [`clock`] is what time it is in it, scaled or stepped, and [`remote`] shares it with another process;
//! - [`apis`] are Google's APIs: what each has in the world, and its methods;
//! - [`api`] serves them, and `/_sim/` for whoever watches;
//! - [`data_plane`] is what the services' visitors see;
//! - [`fault`] is what goes wrong on request;
//! - [`Simulator`] puts them behind one socket, which speaks HTTP and HTTPS.

pub mod api;
pub mod apis;
mod chat;
pub mod clock;
pub mod data_plane;
mod enums;
pub mod fault;
mod listener;
pub mod remote;
pub mod scenario;
mod tls;
pub mod world;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use api::Seen;
use api::Shared;
pub use clock::{Busy, Clock, Pace};
pub use fault::Fault;
pub use remote::RemoteClock;
pub use scenario::ScenarioError;
pub use world::{SavedError, World};

/// A simulated cloud that listens; it stops when it is dropped.
#[must_use = "a simulator stops when it is dropped"]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: Option<JoinHandle<io::Result<()>>>,
}

/// Who may reach a simulated cloud. It has no authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The process that made it, as far as the world is watched and changed: what is under `/_sim/` is not served, and its APIs
    /// answer only requests with its [pass](Simulator::pass). Its services answer whoever asks, as services do.
    Itself,
    /// Programs on this machine.
    Loopback,
    /// Whoever can reach the address.
    Anybody,
}

/// Why a simulated cloud could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// It has no authentication, so nobody else may reach it.
    #[error("a simulated cloud listens on loopback addresses only, and {0} is none")]
    NotLoopback(SocketAddr),
    /// The address could not be bound.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No certificate authority could be made.
    #[error("a simulated cloud could not make its certificates")]
    Certificates(#[source] rcgen::Error),
    /// There is no randomness to make a pass of.
    #[error("a simulated cloud could not make a pass for its own process")]
    NoRandomness,
    /// It was called from outside a tokio runtime.
    #[error("a simulated cloud needs a tokio runtime to run on")]
    NoRuntime(#[source] tokio::runtime::TryCurrentError),
    /// The world could not be written to the given file.
    #[error("the simulated cloud could not be saved")]
    Save(#[from] SavedError),
}

impl Simulator {
    /// Starts serving `world` on the caller's tokio runtime; port 0 takes any free port.
    ///
    /// If `saved` is given, the world is written there now and after every request that changed it, before the
    /// request is answered. Which requests went to which revision is not saved.
    pub fn start(world: World, clock: Clock, listen: SocketAddr, saved: Option<PathBuf>) -> Result<Self, StartError> {
        Self::start_within(Reach::Loopback, world, clock, listen, saved)
    }

    /// The same, and says who may reach it.
    pub fn start_within(
        reach: Reach,
        world: World,
        clock: Clock,
        listen: SocketAddr,
        saved: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        if reach != Reach::Anybody && !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(listen));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(StartError::NoRuntime)?;
        let refused = |source| StartError::Listen { addr: listen, source };
        let listener = std::net::TcpListener::bind(listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(refused)?;
        let (stopped, stop) = watch::channel(false);
        let authority = Arc::new(tls::Authority::new(world.expiries()).map_err(StartError::Certificates)?);
        let pass = api::Pass::new().ok_or(StartError::NoRandomness)?;
        let shared = Arc::new(Shared {
            clock,
            reach,
            pass,
            faults: Mutex::new(world.faults().to_vec()),
            authority: authority.clone(),
            world: Mutex::new(world),
            saved: Mutex::new(saved),
            seen: Mutex::new(VecDeque::new()),
            stopped,
        });
        shared.save(&shared.world())?;
        let router = api::router(shared.clone());
        let task = runtime.spawn(listener::serve(listener, authority, router, stop));
        Ok(Self { addr, shared, task: Some(task) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The headers by which a cloud for [`Reach::Itself`] knows its own process. They are a secret.
    pub fn pass(&self) -> http::HeaderMap {
        self.shared.pass.headers()
    }

    /// The certificate of its own authority, in PEM, for clients to trust.
    pub fn authority(&self) -> &str {
        self.shared.authority.pem()
    }

    /// Begins anew with another world, as if it had just been started with it: no request was sent, nothing goes wrong but
    /// what that world's scenario says, and the time is at least this. Nobody may be waiting for anything.
    pub fn restart(&self, world: World, not_before: Timestamp) {
        self.shared.clock.restart(world.now().max(not_before));
        *self.shared.faults() = world.faults().to_vec();
        self.shared.seen().clear();
        *self.shared.world.lock().unwrap_or_else(PoisonError::into_inner) = world;
    }

    /// Lets so much time pass at once: nobody is at work.
    pub fn advance(&self, by: SignedDuration) {
        self.shared.clock.advance(by);
    }

    /// From now on this befalls requests too, before whatever was injected earlier does.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults().insert(0, fault);
    }

    /// From now on nothing goes wrong on request.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Every request that was answered, in the order of the answers; the newest 100,000.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.seen().iter().cloned().collect()
    }

    /// The world as it is now.
    pub fn world(&self) -> World {
        self.shared.world().clone()
    }

    /// Changes the world past its APIs, as what happens outside of them does.
    pub fn intervene<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.world())
    }

    /// Writes the world to the file given at the start; does nothing if none was.
    pub fn save(&self) -> Result<(), SavedError> {
        self.shared.save(&self.shared.world())
    }

    /// From now on keeps the world in this file, as [`Simulator::start`] does with `saved`.
    pub fn save_to(&self, path: PathBuf) -> Result<(), SavedError> {
        self.shared.keep_at(path);
        self.save()
    }

    /// Stops it: no new connections, requests that are still waiting are answered 503.
    pub async fn stop(mut self) {
        self.shared.stopped.send_replace(true);
        if let Some(task) = self.task.take() {
            // A client that sent half a request must not hold it up.
            task.abort();
            let _ = task.await;
        }
    }

    /// Serves until it fails, which it should not; for a command that does nothing else.
    pub async fn wait(mut self) -> io::Result<()> {
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stopped.send_replace(true);
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

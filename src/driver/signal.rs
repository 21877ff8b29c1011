//! Ctrl-C, SIGTERM and a closed terminal, as words.
//!
//! The first signal asks a run to stop, and is answered where the run waits anyway. Should this process be busy with
//! something that never looks up, the second ends it all the same, from a thread of its own: a run that is ended at any
//! moment can be resumed.

use std::io;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long after the second signal the process may still end by itself, with words about what it leaves.
const GRACE: Duration = Duration::from_secs(2);
/// What a process exits with that was interrupted and can be resumed.
const INTERRUPTED: i32 = 130;

/// The requests to stop that reach a run.
pub struct Signals(Source);

/// Where they come from.
enum Source {
    /// This process.
    Process(Handlers),
    /// Whoever holds the other end. Once nobody does, none come.
    Sent(UnboundedReceiver<String>),
}

struct Handlers {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these signals do not end the process; they are asked for here.
    ///
    /// # Errors
    /// If the handlers cannot be set.
    pub fn listen() -> io::Result<Signals> {
        end_at_the_second()?;
        Ok(Signals(Source::Process(Handlers {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })))
    }

    /// Requests to stop that are sent by hand, each in the words of who sends it. A process has one set of signals, and may
    /// work on several runs.
    pub fn by_hand() -> (UnboundedSender<String>, Signals) {
        let (sender, receiver) = unbounded_channel();
        (sender, Signals(Source::Sent(receiver)))
    }

    /// The next signal. Nothing is lost if this is not awaited to its end.
    pub async fn next(&mut self) -> String {
        match &mut self.0 {
            Source::Process(Handlers { interrupt, terminate, hangup }) => tokio::select! {
                _ = interrupt.recv() => "Ctrl-C".to_owned(),
                _ = terminate.recv() => "SIGTERM".to_owned(),
                _ = hangup.recv() => "a closed terminal".to_owned(),
            },
            Source::Sent(receiver) => match receiver.recv().await {
                Some(by) => by,
                None => std::future::pending().await,
            },
        }
    }
}

/// Ends the process a while after the second signal, whatever it is doing then.
#[expect(
    clippy::exit,
    reason = "whoever asks twice wants it to end, and a run that is ended at any moment can be resumed"
)]
fn end_at_the_second() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let watch = move || {
        if signals.forever().nth(1).is_some() {
            std::thread::sleep(GRACE);
            std::process::exit(INTERRUPTED);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

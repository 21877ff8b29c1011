//! Ctrl-C, SIGTERM and a closed terminal, as words.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a run to stop.
pub struct Signals {
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
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Nothing is lost if this is not awaited to its end.
    pub async fn next(&mut self) -> String {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C".to_owned(),
            _ = self.terminate.recv() => "SIGTERM".to_owned(),
            _ = self.hangup.recv() => "a closed terminal".to_owned(),
        }
    }
}

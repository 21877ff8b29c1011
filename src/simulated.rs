//! The clocks of simulated clouds, as clocks that runs go by.
//!
//! The simulated cloud imports nothing of ours, and its clock is no exception: here the two meet. Whoever works a run on a
//! simulated cloud takes its time from one of these.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::clock::{Clock, later};
use crate::sim;

/// For how long, in real time, the other side of a conversation in this process is silent before it has nothing to say.
const SILENCE: Duration = Duration::from_secs(2);

/// The clock of a simulated cloud inside this process. Whoever holds it is at work, except while it sleeps.
pub struct Embedded {
    clock: sim::Clock,
    _busy: sim::Busy,
}

impl Embedded {
    /// From now on one more is at work.
    pub fn of(clock: sim::Clock) -> Embedded {
        Embedded { _busy: clock.busy(), clock }
    }
}

impl Clock for Embedded {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.clock.sleep_until(until).boxed()
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.clock.timer(until).boxed()
    }

    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        silence(self, until)
    }

    fn machine_timer(&self, limit: Duration) -> BoxFuture<'_, ()> {
        machine_timer(self, limit)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        Box::new(self.clock.busy())
    }
}

/// The clock of a simulated cloud that another process serves. Whoever holds it is at work, except while it sleeps.
pub struct Served(sim::RemoteClock);

impl Served {
    /// The clock that was joined.
    pub fn of(clock: sim::RemoteClock) -> Served {
        Served(clock)
    }
}

impl Clock for Served {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.sleep_until(until).boxed()
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.0.timer(until).boxed()
    }

    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        silence(self, until)
    }

    fn machine_timer(&self, limit: Duration) -> BoxFuture<'_, ()> {
        machine_timer(self, limit)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        Box::new(self.0.busy())
    }
}

/// How much simulated time passes in a tenth of a second in which a program of this machine is at work.
const PER_TICK: Duration = Duration::from_secs(6);

/// Returns after so much of this machine's time, and lets simulated time pass meanwhile.
#[expect(clippy::disallowed_methods, reason = "a program of this machine takes this machine's time")]
fn machine_timer(clock: &dyn Clock, limit: Duration) -> BoxFuture<'_, ()> {
    let passing = async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.sleep_until(later(clock.now(), PER_TICK)).await;
        }
    };
    async move {
        let limit = tokio::time::sleep(limit);
        futures::pin_mut!(passing, limit);
        futures::future::select(limit, passing).await;
    }
    .boxed()
}

/// Returns at this time, or lets it come once nobody has spoken for a while.
#[expect(clippy::disallowed_methods, reason = "how long the other side is really silent, whatever time it is there")]
fn silence(clock: &dyn Clock, until: Timestamp) -> BoxFuture<'_, ()> {
    let silence = async move {
        tokio::time::sleep(SILENCE).await;
        // Nobody is going to speak: let time pass.
        clock.sleep_until(until).await;
    };
    let timer = clock.timer(until);
    async move {
        futures::pin_mut!(silence, timer);
        futures::future::select(silence, timer).await;
    }
    .boxed()
}

//! A machine's clock that is behind the cloud's.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, later};

/// Shows a clock's time less so much.
pub(super) struct Behind {
    clock: Arc<dyn Clock>,
    by: Duration,
}

impl Behind {
    pub(super) fn new(clock: Arc<dyn Clock>, by: Duration) -> Behind {
        Behind { clock, by }
    }

    /// The other clock's time when this one shows `until`.
    fn theirs(&self, until: Timestamp) -> Timestamp {
        later(until, self.by)
    }
}

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        let by = SignedDuration::try_from(self.by).unwrap_or(SignedDuration::ZERO);
        self.clock.now().checked_sub(by).unwrap_or(Timestamp::MIN)
    }

    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.clock.sleep_until(self.theirs(until))
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.clock.timer(self.theirs(until))
    }

    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.clock.deadline(self.theirs(until))
    }

    fn suspended(&self) -> Option<Duration> {
        self.clock.suspended()
    }

    fn machine_timer(&self, limit: Duration) -> BoxFuture<'_, ()> {
        self.clock.machine_timer(limit)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        self.clock.beside()
    }
}

//! All waiting goes through one clock.
//!
//! Against Google it is the machine's. Against a simulated cloud it is that cloud's: time may run faster
//! there, or jump to the next moment at which something happens. So a rehearsal of forty-five minutes
//! takes seconds, and every time and duration that is shown is the runbook's.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;

/// Now, and later.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Returns at this time. The caller has nothing else to do until then.
    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()>;

    /// Returns at this time, for use beside other work: a time-out.
    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()>;

    /// Returns at this time, for use beside waiting for somebody who may never speak: a conversation's end. Unlike a
    /// request, which is always answered by somebody at work, it can leave nobody with anything to do.
    fn deadline(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.timer(until)
    }

    /// For how long the machine was suspended, or how far its clock was set forth, since this was last asked; `None`: it was
    /// not. Nobody worked meanwhile.
    fn suspended(&self) -> Option<Duration> {
        None
    }

    /// Returns after so much of this machine's time, for use beside a program that runs on it. The clock's own time passes
    /// meanwhile: the program may wait for something that takes some.
    fn machine_timer(&self, limit: Duration) -> BoxFuture<'_, ()> {
        self.timer(later(self.now(), limit))
    }

    /// While the guard lives, one more call is under way than the caller's own.
    fn beside(&self) -> Box<dyn Send + Sync>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    fn now(&self) -> Timestamp {
        let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let (now, gap) = advanced(newest.last, Timestamp::now(), at);
        newest.last = Some((now, at));
        newest.suspended = newest.suspended.saturating_add(gap);
        now
    }

    fn suspended(&self) -> Option<Duration> {
        let _ = self.now();
        let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut newest.suspended)).filter(|gap| !gap.is_zero())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    fn sleep_until(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(between(self.now(), until)))
    }

    fn timer(&self, until: Timestamp) -> BoxFuture<'_, ()> {
        self.sleep_until(until)
    }

    fn beside(&self) -> Box<dyn Send + Sync> {
        Box::new(())
    }
}

/// What this process knows of its time.
struct Newest {
    /// When it last asked: the answer, and the reading of the monotonic clock.
    last: Option<(Timestamp, Instant)>,
    /// For how long it was suspended, as far as that was not asked for yet.
    suspended: Duration,
}

static NEWEST: Mutex<Newest> = Mutex::new(Newest { last: None, suspended: Duration::ZERO });

/// By how much the clocks may differ before the machine counts as suspended. The monotonic one stands still meanwhile.
const SUSPENDED: Duration = Duration::from_secs(30);

/// The time of a clock that is never set back while a process runs, so that a wait is not lengthened; and for how long the
/// machine was suspended.
fn advanced(last: Option<(Timestamp, Instant)>, wall: Timestamp, at: Instant) -> (Timestamp, Duration) {
    let Some((then, since)) = last else { return (wall, Duration::ZERO) };
    let expected = later(then, at.saturating_duration_since(since));
    let gap = between(expected, wall);
    (wall.max(expected), if gap > SUSPENDED { gap } else { Duration::ZERO })
}

/// Does all of this at the same time, each as a line of work of its own; what came of each, in order.
pub async fn together<T>(clock: &dyn Clock, work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let work: Vec<_> = work.into_iter().collect();
    // One is the caller's own; each of the others is beside it, and the last to end is the caller again.
    let beside = RefCell::new(work.iter().skip(1).map(|_| clock.beside()).collect::<Vec<_>>());
    let each = work.into_iter().map(async |one| {
        let done = one.await;
        beside.borrow_mut().pop();
        done
    });
    join_all(each).await
}

/// From one time to a later one; zero if it is not later.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// So much later, or the end of time.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// So much earlier, or the beginning of time.
pub fn earlier(from: Timestamp, by: Duration) -> Timestamp {
    from.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// A moment as documents have it, to the second: `2025-09-16 03:00:00Z`.
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A duration as people read it, rounded: `850ms`, `2.6s`, `12s`, `4m 10s`, `30d`. What programs read has the exact one.
pub fn format_duration(duration: Duration) -> String {
    const DAY: Duration = Duration::from_hours(24);
    if duration > DAY && duration.as_nanos().is_multiple_of(DAY.as_nanos()) {
        return format!("{}d", duration.as_nanos() / DAY.as_nanos());
    }
    let tenths = duration.as_millis().saturating_add(50) / 100;
    if (10..100).contains(&tenths) && !tenths.is_multiple_of(10) {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let span = jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX);
    let unit = if duration < Duration::from_secs(1) { jiff::Unit::Millisecond } else { jiff::Unit::Second };
    format!("{:#}", span.round(unit).unwrap_or(span))
}

/// A duration of which only whole minutes matter, rounded down: `41 min`, `3 h 5 min`; below a minute its seconds.
pub fn format_minutes(duration: Duration) -> String {
    match (duration.as_secs() / 3600, duration.as_secs() / 60 % 60) {
        (0, 0) => format!("{} s", duration.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_time_whole_minutes_matter() {
        for (seconds, shown) in [(7, "7 s"), (60, "1 min"), (2519, "41 min"), (3600, "1 h"), (11_100, "3 h 5 min")] {
            assert_eq!(format_minutes(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn people_read_rounded_durations() {
        for (nanoseconds, shown) in [
            (850_321_300, "850ms"),
            (960_000_000, "960ms"),
            (1_000_000_000, "1s"),
            (2_589_321_300, "2.6s"),
            (9_960_000_000, "10s"),
            (12_400_000_000, "12s"),
            (250_400_000_000, "4m 10s"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(nanoseconds)), shown);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a reading to count from")]
    fn a_clock_that_is_set_back_goes_on_and_one_that_is_set_forth_is_believed() {
        let (then, since) = (Timestamp::UNIX_EPOCH, Instant::now());
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        let newest = Some((then, since));
        let none = Duration::ZERO;
        assert_eq!(advanced(newest, earlier(then, hour), since + second), (later(then, second), none));
        assert_eq!(advanced(newest, later(then, second), since + second), (later(then, second), none));
        assert_eq!(
            advanced(newest, later(then, hour), since + second),
            (later(then, hour), hour.saturating_sub(second))
        );
        assert_eq!(advanced(None, then, since), (then, none));
    }
}

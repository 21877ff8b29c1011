//! The clock of the simulated world, and the only place in the room that knows of real time.
//!
//! A rehearsal of a 45-minute remediation should not take 45 minutes. There are two ways to shorten it. A *scaled*
//! clock runs faster than the wall by a factor, which is what a person wants who watches a drill. A *stepped* clock
//! does not run at all: it jumps to the next timer as soon as nobody has anything left to do, which is what a test
//! wants, because every duration is then exact and costs nothing. A clock may change from one to the other while
//! somebody waits on it. Between the two is a *paced* clock: it jumps too, but never sooner than a person who watches
//! would like, so that a rehearsal at sixty times the wall's pace shows exactly what one at full speed does.
//!
//! "Nobody has anything left to do" is counted. Every concurrent line of work in the process (a driver, each of the
//! requests that it sends at the same time) holds one [`Busy`]. Whoever sleeps lets go of one and gets it back on
//! waking. A request handler that sleeps does so *instead of* its waiting client: the client holds the `Busy`, the
//! handler's sleep releases it. So a latency of 80 ms is 80 ms to the client, never 79 and never 81.

#![expect(clippy::disallowed_methods, reason = "the simulated world's own door to real time")]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{oneshot, watch};

/// For how long (in real time) a stepped clock may stand still with nobody busy and a timer waiting, before it looks
/// again. It matters in one race only: a client gave up on a request and the handler, not yet told, woke up in its
/// place. The time would then stand still for ever.
const STANDSTILL: Duration = Duration::from_millis(250);

/// How often a paced clock looks at least whether a jump is due.
const SHORTEST: Duration = Duration::from_millis(1);

/// A clock that can be cloned and shared: all clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Tells sleepers on a scaled clock that somebody moved it, or changed its pace.
    moved: watch::Sender<u64>,
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many times as fast as the wall's clock; what is no positive, finite number counts as 1.
    Scaled(f64),
    /// It jumps to the next timer as soon as nobody has anything left to do.
    Stepped,
    /// The same, and no jump comes sooner than so many times as fast as the wall's clock. Work takes no time: what is
    /// slow is the machine, not the cloud.
    Paced(f64),
}

/// How time passes, and since when.
#[derive(Clone, Copy)]
enum Ticking {
    Scaled { since: Instant, factor: f64 },
    Stepped,
    Paced { last_jump: Instant, factor: f64 },
}

struct State {
    ticking: Ticking,
    /// Stepped: the time. Scaled: the time at `since`, plus all that it was moved by hand.
    base: Timestamp,
    busy: i64,
    registered: u64,
    timers: BTreeMap<(Timestamp, u64), Timer>,
    /// Counts everything that happened to the clock; if it did not change, the clock stood still.
    changes: u64,
}

struct Timer {
    wake: oneshot::Sender<()>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The caller does nothing else meanwhile: it lets go of one busy and gets it back on waking.
    Sleep,
    /// The caller watches something else as well: the count of the busy does not change.
    Timeout,
}

/// Holding it says: somebody has something to do, so a stepped clock must not jump.
pub struct Busy(Clock);

impl Clock {
    /// A clock that shows `start` now and runs `factor` times as fast as the wall's.
    pub fn scaled(start: Timestamp, factor: f64) -> Self {
        Self::new(start, Pace::Scaled(factor))
    }

    /// A clock that shows `start` and never moves by itself: it jumps to the earliest timer when nobody is busy.
    pub fn stepped(start: Timestamp) -> Self {
        Self::new(start, Pace::Stepped)
    }

    /// A clock that shows `start` and jumps as a stepped one does, so that a person can watch: at most `factor` times as
    /// fast as the wall's.
    pub fn paced(start: Timestamp, factor: f64) -> Self {
        Self::new(start, Pace::Paced(factor))
    }

    fn new(base: Timestamp, pace: Pace) -> Self {
        let ticking = Ticking::from(pace);
        let state = State { ticking, base, busy: 0, registered: 0, timers: BTreeMap::new(), changes: 0 };
        Self(Arc::new(Inner { state: Mutex::new(state), moved: watch::Sender::new(0) }))
    }

    /// What time it is in the simulated world.
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// How time passes.
    pub fn pace(&self) -> Pace {
        self.state().ticking.pace()
    }

    /// Shows another time from now on, an earlier one too: another world begins. Whoever still waits, waits for its own time.
    pub(in crate::sim) fn restart(&self, at: Timestamp) {
        let mut state = self.state();
        state.base = at;
        state.ticking = Ticking::from(state.ticking.pace());
        state.changes += 1;
    }

    /// From now on time passes like this, also for whoever waits already.
    pub fn set_pace(&self, pace: Pace) {
        let next = {
            let mut state = self.state();
            state.base = state.now();
            state.ticking = Ticking::from(pace);
            state.jump()
        };
        fire(next);
        self.0.moved.send_modify(|n| *n += 1);
    }

    /// Sleeps until `t`, idle meanwhile: on a stepped clock the caller's busy is released and given back on waking.
    ///
    /// Dropping the future gives the busy back too, and forgets the timer.
    pub async fn sleep_until(&self, t: Timestamp) {
        self.wait(t, Kind::Sleep).await;
    }

    /// Returns at `t`. It is a time-out around other work: whoever waits is as busy as before.
    ///
    /// Dropping the future forgets the timer.
    pub async fn timer(&self, t: Timestamp) {
        self.wait(t, Kind::Timeout).await;
    }

    /// Declares that somebody has something to do, until the returned guard is dropped.
    ///
    /// Each concurrent line of work needs one of its own: while one sleeps, the others still hold the clock.
    pub fn busy(&self) -> Busy {
        let mut state = self.state();
        state.busy += 1;
        state.changes += 1;
        Busy(self.clone())
    }

    /// Moves the clock forward by hand, whoever is busy; timers that are due by then fire in their order.
    ///
    /// A negative duration moves nothing: time in the simulated world never runs backwards.
    pub fn advance(&self, by: SignedDuration) {
        let mut woken = Vec::new();
        {
            let mut state = self.state();
            let by = by.max(SignedDuration::ZERO);
            let target = later(state.now(), by);
            while let Some(entry) = state.timers.first_entry() {
                if entry.key().0 > target {
                    break;
                }
                let timer = entry.remove();
                state.busy += i64::from(timer.kind == Kind::Sleep);
                woken.push(timer.wake);
            }
            state.base = later(state.base, by);
            state.changes += 1;
        }
        for wake in woken {
            // The waiter may be gone, which is its own affair.
            let _ = wake.send(());
        }
        self.0.moved.send_modify(|n| *n += 1);
    }

    async fn wait(&self, t: Timestamp, kind: Kind) {
        let mut moved = self.0.moved.subscribe();
        let (wake, mut woken) = oneshot::channel();
        let (waiting, first) = {
            let mut state = self.state();
            if t <= state.now() {
                return;
            }
            let key = (t, state.registered);
            state.registered += 1;
            state.timers.insert(key, Timer { wake, kind });
            state.busy -= i64::from(kind == Kind::Sleep);
            let first = state.jump();
            (Waiting { clock: self, key }, first)
        };
        fire(first);
        loop {
            let (patience, seen) = {
                let state = self.state();
                (state.real_time_until(t), state.changes)
            };
            tokio::select! {
                biased;
                _ = &mut woken => break,
                // The sender lives in `self`, so this never fails; somebody moved the clock, so count again.
                _ = moved.changed() => {}
                () = tokio::time::sleep(patience) => {
                    let next = {
                        let mut state = self.state();
                        match state.ticking {
                            Ticking::Scaled { .. } if t <= state.now() => break,
                            Ticking::Paced { .. } => state.jump(),
                            Ticking::Stepped if state.changes == seen => state.jump(),
                            Ticking::Scaled { .. } | Ticking::Stepped => None,
                        }
                    };
                    fire(next);
                }
            }
        }
        drop(waiting);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A factor that time can pass by: what is none counts as 1.
fn sane(factor: f64) -> f64 {
    if factor.is_finite() && factor > 0.0 { factor } else { 1.0 }
}

impl Ticking {
    fn pace(self) -> Pace {
        match self {
            Ticking::Stepped => Pace::Stepped,
            Ticking::Scaled { factor, .. } => Pace::Scaled(factor),
            Ticking::Paced { factor, .. } => Pace::Paced(factor),
        }
    }
}

impl From<Pace> for Ticking {
    fn from(pace: Pace) -> Self {
        match pace {
            Pace::Stepped => Ticking::Stepped,
            Pace::Scaled(factor) => Ticking::Scaled { since: Instant::now(), factor: sane(factor) },
            Pace::Paced(factor) => Ticking::Paced { last_jump: Instant::now(), factor: sane(factor) },
        }
    }
}

impl State {
    fn now(&self) -> Timestamp {
        match self.ticking {
            Ticking::Stepped | Ticking::Paced { .. } => self.base,
            Ticking::Scaled { since, factor } => {
                let passed = SignedDuration::try_from_secs_f64(since.elapsed().as_secs_f64() * factor)
                    .unwrap_or(SignedDuration::MAX);
                later(self.base, passed)
            }
        }
    }

    /// After how much real time it is worth to look whether it is `t`.
    fn real_time_until(&self, t: Timestamp) -> Duration {
        match self.ticking {
            Ticking::Stepped => STANDSTILL,
            Ticking::Scaled { factor, .. } => self.real_time(t, factor),
            // Somebody else may be due before, and whoever is busy may let go at any moment.
            Ticking::Paced { last_jump, factor } => {
                self.real_time(t, factor).saturating_sub(last_jump.elapsed()).clamp(SHORTEST, STANDSTILL)
            }
        }
    }

    /// How much real time passes until `t` at so many times the wall's pace.
    fn real_time(&self, t: Timestamp, factor: f64) -> Duration {
        let left = t.duration_since(self.now()).as_secs_f64().max(0.0);
        Duration::try_from_secs_f64(left / factor).unwrap_or(Duration::from_hours(1))
    }

    /// The rule of the stepped clock: if nobody is busy, go to the earliest timer, exactly one, and say whom to wake.
    fn jump(&mut self) -> Option<oneshot::Sender<()>> {
        self.changes += 1;
        if self.busy > 0 {
            return None;
        }
        match self.ticking {
            Ticking::Scaled { .. } => return None,
            Ticking::Stepped => {}
            Ticking::Paced { last_jump, factor } => {
                let (at, _) = *self.timers.first_key_value()?.0;
                if last_jump.elapsed() < self.real_time(at, factor) {
                    return None;
                }
                self.ticking = Ticking::Paced { last_jump: Instant::now(), factor };
            }
        }
        let ((at, _), timer) = self.timers.pop_first()?;
        self.base = self.base.max(at);
        self.busy += i64::from(timer.kind == Kind::Sleep);
        Some(timer.wake)
    }
}

/// A timer that somebody waits for; dropping it before the timer fired takes everything back.
struct Waiting<'a> {
    clock: &'a Clock,
    key: (Timestamp, u64),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        // A timer that is no longer there has fired, and whoever fired it has counted the sleeper as busy again.
        if let Some(timer) = state.timers.remove(&self.key) {
            state.busy += i64::from(timer.kind == Kind::Sleep);
            state.changes += 1;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            state.busy -= 1;
            state.jump()
        };
        fire(next);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).field("pace", &self.pace()).finish()
    }
}

fn fire(wake: Option<oneshot::Sender<()>>) {
    if let Some(wake) = wake {
        // The waiter may be gone, which is its own affair.
        let _ = wake.send(());
    }
}

/// `t + d`, or the last instant there is.
pub(in crate::sim) fn later(t: Timestamp, d: SignedDuration) -> Timestamp {
    t.checked_add(d).unwrap_or(if d.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        "2025-09-16T03:00:00Z".parse().unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        later(start(), SignedDuration::from_millis(ms))
    }

    /// Lets every other task of this thread run until it waits for something.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn timers_fire_in_order_of_time_and_then_of_registration() {
        let clock = Clock::stepped(start());
        let busy = clock.busy();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (name, ms) in [("late", 50), ("early", 10), ("tied first", 30), ("tied second", 30)] {
            let (line, order) = (clock.clone(), order.clone());
            // Each line of work holds a busy of its own, as the rule asks.
            let own = clock.busy();
            tasks.push(tokio::spawn(async move {
                line.sleep_until(at(ms)).await;
                order.lock().unwrap().push((name, line.now()));
                drop(own);
            }));
            settle().await;
        }
        assert!(order.lock().unwrap().is_empty(), "the clock jumped although somebody was busy");
        assert_eq!(clock.now(), start());
        drop(busy);
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(order, [("early", at(10)), ("tied first", at(30)), ("tied second", at(30)), ("late", at(50))]);
    }

    #[tokio::test]
    async fn two_handlers_sleep_for_two_clients() {
        let clock = Clock::stepped(start());
        // Each client holds a busy until it has its answer; its handler's sleep releases it meanwhile.
        let request = |ms, client: Busy| {
            let clock = clock.clone();
            async move {
                clock.sleep_until(at(ms)).await;
                let answered = clock.now();
                drop(client);
                answered
            }
        };
        // Polled together in one task, so that both handlers are asleep before the time jumps.
        let (slow, fast) = tokio::join!(request(80, clock.busy()), request(20, clock.busy()));
        assert_eq!((fast, slow), (at(20), at(80)));
    }

    #[tokio::test]
    async fn a_timeout_fires_before_a_longer_sleep_and_dropping_the_sleep_gives_the_busy_back() {
        let clock = Clock::stepped(start());
        let client = clock.busy();
        let timed_out = tokio::select! {
            biased;
            () = clock.timer(at(15_000)) => true,
            () = clock.sleep_until(at(60_000)) => false,
        };
        assert!(timed_out);
        assert_eq!(clock.now(), at(15_000));
        assert_eq!(clock.state().busy, 1, "the dropped sleep must give back what it released");
        assert!(clock.state().timers.is_empty(), "the dropped sleep must forget its timer");
        // And the abandoned timer moves nothing: the next sleep ends where it should.
        clock.sleep_until(at(20_000)).await;
        assert_eq!(clock.now(), at(20_000));
        drop(client);
    }

    #[tokio::test]
    async fn a_timeout_that_is_not_reached_leaves_no_trace() {
        let clock = Clock::stepped(start());
        let client = clock.busy();
        tokio::select! {
            biased;
            () = clock.timer(at(15_000)) => panic!("the handler was faster"),
            () = clock.sleep_until(at(80)) => {}
        }
        assert_eq!(clock.now(), at(80));
        assert!(clock.state().timers.is_empty());
        assert_eq!(clock.state().busy, 1);
        drop(client);
    }

    #[tokio::test]
    async fn a_sleep_into_the_past_returns_at_once_and_moves_nothing() {
        let clock = Clock::stepped(start());
        let client = clock.busy();
        clock.sleep_until(at(-5)).await;
        clock.timer(start()).await;
        assert_eq!(clock.now(), start());
        assert_eq!(clock.state().busy, 1);
        drop(client);
    }

    #[tokio::test]
    async fn moved_by_hand_it_wakes_whoever_is_due_although_somebody_is_busy() {
        let clock = Clock::stepped(start());
        let _driver = clock.busy();
        let own = clock.busy();
        let (a, b) = (clock.clone(), clock.clone());
        let due = tokio::spawn(async move { a.timer(at(500)).await });
        let not_due = tokio::spawn(async move { b.timer(at(5_000)).await });
        settle().await;
        clock.advance(SignedDuration::from_secs(1));
        due.await.unwrap();
        settle().await;
        assert!(!not_due.is_finished());
        assert_eq!(clock.now(), at(1_000));
        clock.advance(SignedDuration::from_secs(-60));
        assert_eq!(clock.now(), at(1_000), "time never runs backwards");
        not_due.abort();
        drop(own);
    }

    #[tokio::test]
    async fn nobody_is_left_asleep_after_a_handler_woke_for_a_client_that_had_gone() {
        let clock = Clock::stepped(start());
        let driver = clock.busy();
        let timeout = tokio::spawn({
            let clock = clock.clone();
            async move { clock.timer(at(1_000)).await }
        });
        settle().await;
        let abandoned = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(5_000)).await }
        });
        timeout.await.unwrap();
        // The client has gone, its handler sleeps on, not yet told; the client's next sleep wakes the handler first.
        clock.sleep_until(at(10_000)).await;
        abandoned.await.unwrap();
        assert_eq!(clock.now(), at(10_000));
        drop(driver);
    }

    #[tokio::test]
    async fn a_scaled_clock_sleeps_a_fraction_of_the_time_and_never_too_short() {
        let clock = Clock::scaled(start(), 36_000.0);
        let until = later(clock.now(), SignedDuration::from_mins(10));
        clock.sleep_until(until).await;
        assert!(clock.now() >= until);
        assert_eq!(clock.pace(), Pace::Scaled(36_000.0));
        assert_eq!(Clock::stepped(start()).pace(), Pace::Stepped);
        assert_eq!(Clock::scaled(start(), f64::NAN).pace(), Pace::Scaled(1.0));
    }

    #[tokio::test]
    async fn a_scaled_clock_moved_by_hand_wakes_its_sleepers() {
        let clock = Clock::scaled(start(), 1.0);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(36_000_000)).await }
        });
        settle().await;
        clock.advance(SignedDuration::from_hours(11));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn a_paced_clock_takes_its_time_and_charges_nobody_for_work() {
        let clock = Clock::paced(start(), 36_000.0);
        let driver = clock.busy();
        // However long this takes, it is no time in the world.
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(clock.now(), start());
        let began = Instant::now();
        clock.sleep_until(at(3_600_000)).await;
        assert_eq!(clock.now(), at(3_600_000), "exactly then, and not a moment later");
        assert!(
            began.elapsed() >= Duration::from_millis(65),
            "an hour takes a tenth of a second, or what was left of it"
        );
        clock.sleep_until(at(7_200_000)).await;
        assert!(began.elapsed() >= Duration::from_millis(165));
        drop(driver);
    }

    #[tokio::test]
    async fn the_pace_may_change_while_somebody_waits() {
        let clock = Clock::scaled(start(), 1.0);
        let driver = clock.busy();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(36_000_000)).await }
        });
        settle().await;
        assert_eq!(clock.state().busy, 0, "whoever sleeps is idle at any pace");
        clock.set_pace(Pace::Stepped);
        sleeper.await.unwrap();
        assert_eq!(clock.now(), at(36_000_000));
        assert_eq!(clock.state().busy, 1);
        clock.set_pace(Pace::Scaled(36_000.0));
        clock.sleep_until(at(72_000_000)).await;
        assert!(clock.now() >= at(72_000_000));
        assert_eq!(clock.state().busy, 1);
        drop(driver);
    }
}

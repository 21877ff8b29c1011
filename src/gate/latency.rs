//! How long answers take: a histogram of the time that a gate asks about, whatever the number of samples.

use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::Timestamp;

use super::rule::Percentiles;
use crate::clock::between;

/// The histogram counts in steps of so many microseconds.
const STEP: u128 = 100;

/// No time-out is longer than these steps, an hour: what takes longer counts as this long.
const LONGEST: u64 = 36_000_000;

/// Latencies are kept to two digits, which is 1 %: a limit of 2 s is a limit of 2.02 s.
const DIGITS: u8 = 2;

/// The latencies of the recent past.
///
/// Two histograms take turns, each for the time that is asked about. So what is reported rests on the last one to two
/// times that long, and takes a few kilobytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Latencies {
    turn: Duration,
    since: Option<Timestamp>,
    newer: Option<Histogram<u32>>,
    older: Option<Histogram<u32>>,
}

impl Latencies {
    pub(crate) fn over(turn: Duration) -> Latencies {
        Latencies { turn, since: None, newer: None, older: None }
    }

    pub(crate) fn clear(&mut self) {
        *self = Latencies::over(self.turn);
    }

    pub(crate) fn record(&mut self, latency: Duration, at: Timestamp) {
        let since = *self.since.get_or_insert(at);
        if between(since, at) > self.turn {
            self.since = Some(at);
            self.older = self.newer.take();
        }
        if self.newer.is_none() {
            // Two digits are always possible, so this always makes one.
            self.newer = Histogram::new(DIGITS).ok();
        }
        if let Some(newer) = &mut self.newer {
            newer.auto(true);
            let steps = u64::try_from(latency.as_micros() / STEP).unwrap_or(LONGEST);
            // It resizes itself up to the longest, so this never fails.
            let _ = newer.record(steps.min(LONGEST));
        }
    }

    /// What is known; nothing if there was no sample.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let both = match (&self.newer, &self.older) {
            (Some(newer), Some(older)) => {
                let mut both = newer.clone();
                both.add(older).ok()?;
                both
            }
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return None,
        };
        let at = |share| {
            let steps = u128::from(both.value_at_quantile(share));
            Some(Duration::from_micros(u64::try_from(steps * STEP).unwrap_or(u64::MAX)))
        };
        Some(Percentiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::later;

    #[test]
    fn percentiles_are_those_of_the_recent_past() {
        let mut latencies = Latencies::over(Duration::from_mins(1));
        let at = |second| later(Timestamp::UNIX_EPOCH, Duration::from_secs(second));
        assert_eq!(latencies.percentiles(), None);
        for n in 1..=100 {
            latencies.record(Duration::from_millis(10 * n), at(0));
        }
        let seen = latencies.percentiles().unwrap();
        let close = |figure: Option<Duration>, millis: u64| {
            let figure = u64::try_from(figure.unwrap().as_millis()).unwrap();
            assert!(figure.abs_diff(millis) * 100 <= millis, "{figure} is not {millis}");
        };
        close(seen.p50, 500);
        close(seen.p95, 950);
        close(seen.p99, 990);
        for minute in 1..4 {
            latencies.record(Duration::from_millis(20), at(61 * minute));
        }
        close(latencies.percentiles().unwrap().p99, 20);
    }

    #[test]
    fn a_day_of_samples_takes_no_more_room_than_a_minute_of_them() {
        let mut latencies = Latencies::over(Duration::from_hours(24));
        for second in 0..86_400 {
            latencies.record(
                Duration::from_millis(second % 2_000),
                later(Timestamp::UNIX_EPOCH, Duration::from_secs(second)),
            );
        }
        assert!(latencies.newer.unwrap().distinct_values() < 2_000);
        latencies.older = None;
    }

    #[test]
    fn no_latency_is_too_long_to_count() {
        let mut latencies = Latencies::over(Duration::ZERO);
        latencies.record(Duration::MAX, Timestamp::UNIX_EPOCH);
        latencies.record(Duration::ZERO, Timestamp::MAX);
        assert!(latencies.percentiles().is_some());
    }
}

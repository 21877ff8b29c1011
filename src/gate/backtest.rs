//! What a gate would have said in the past.
//!
//! A gate that would have passed throughout an incident is worthless, and one that never would have passed on a good day
//! keeps a run waiting for ever. So it is opened, as it were, at every moment of a stretch of the past, and shown what was
//! to be seen then.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::gate::{Gate, GateVerdict};
use super::observation::{Health, Observation};
use super::rule::GateRule;
use crate::clock::later;

/// What a probe would have seen, in the order of time.
pub type History = Vec<(Timestamp, Observation)>;

/// How a gate would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    /// How many times it was opened.
    pub windows: usize,
    /// How many times of these it would have passed within the time that it asks for.
    pub passed: usize,
    /// Each probe: how many samples there were, and how many of them were healthy.
    pub healthy: BTreeMap<String, (usize, usize)>,
}

impl Backtest {
    /// The share (0 to 1) of the windows in which it would have passed. No window: 0.
    pub fn share(&self) -> f64 {
        share(self.passed, self.windows)
    }

    /// How near the probe that was healthy least often came to being healthy all the time (0 to 1).
    pub fn margin(&self) -> f64 {
        self.healthy.values().map(|(samples, healthy)| share(*healthy, *samples)).fold(1.0, f64::min)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { count(part) / count(whole) }
}

/// Opens the gate every `step` between these moments, and shows it what was to be seen.
pub fn backtest(
    rule: &GateRule,
    seen: &BTreeMap<String, History>,
    from: Timestamp,
    to: Timestamp,
    step: Duration,
) -> Backtest {
    let healthy = |history: &History| {
        let healthy = history.iter().filter(|(_, sample)| sample.health == Health::Healthy).count();
        (history.len(), healthy)
    };
    let mut all = Backtest {
        windows: 0,
        passed: 0,
        healthy: seen.iter().map(|(name, history)| (name.clone(), healthy(history))).collect(),
    };
    let mut opened = from;
    let longest = rule.hold.saturating_add(rule.every);
    while later(opened, rule.hold) <= to && !step.is_zero() {
        all.windows += 1;
        let until = later(opened, longest).min(to);
        all.passed += usize::from(passes(rule, seen, opened, until));
        opened = later(opened, step);
    }
    all
}

fn passes(rule: &GateRule, seen: &BTreeMap<String, History>, opened: Timestamp, until: Timestamp) -> bool {
    let mut gate = Gate::open(rule.clone(), opened);
    let mut samples: Vec<(Timestamp, &String, &Observation)> = Vec::new();
    for (name, history) in seen {
        let first = history.partition_point(|(at, _)| *at < opened);
        let within = history.iter().skip(first).take_while(|(at, _)| *at <= until);
        samples.extend(within.map(|(at, sample)| (*at, name, sample)));
    }
    samples.sort_by_key(|(at, ..)| *at);
    samples.into_iter().any(|(at, name, sample)| {
        gate.see(name, sample, at);
        matches!(gate.verdict(at), GateVerdict::Passed(_))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, Duration::from_secs(second))
    }

    fn history(seconds: std::ops::Range<u64>, is_well: impl Fn(u64) -> bool) -> History {
        let sample = |second| {
            let health = if is_well(second) { Health::Healthy } else { Health::Unhealthy { why: "503".to_owned() } };
            (at(second), Observation::of(health))
        };
        seconds.step_by(10).map(sample).collect()
    }

    fn tried(hold: u64, history: History) -> Backtest {
        let seconds = Duration::from_secs;
        let rule = GateRule::of(vec!["a".to_owned()], seconds(hold), seconds(10), seconds(3600));
        backtest(&rule, &BTreeMap::from([("a".to_owned(), history)]), at(0), at(1000), seconds(10))
    }

    #[test]
    fn it_passes_where_it_was_well_for_long_enough() {
        // Well from 500 on: openings from 490 to 900 see 100 s of health.
        let half = tried(100, history(0..1001, |second| second >= 500));
        assert_eq!((half.windows, half.passed), (91, 42));
        assert_eq!(half.healthy["a"], (101, 51));
        assert!((half.margin() - 51.0 / 101.0).abs() < 1e-9);
        assert!((tried(100, history(0..1001, |_| true)).share() - 1.0).abs() < 1e-9);
        assert_eq!(tried(100, history(0..1001, |_| false)).passed, 0);
    }

    #[test]
    fn what_nobody_saw_passes_nothing() {
        let blind = tried(100, history(0..300, |_| true));
        assert_eq!(blind.passed, 20, "only where samples are");
        assert_eq!(tried(100, Vec::new()).passed, 0);
        assert!(tried(2_000, history(0..1001, |_| true)).share().abs() < 1e-9, "no window fits");
    }
}

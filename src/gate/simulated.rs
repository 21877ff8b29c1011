//! Gates before services that fail at random: how often one passes that should not, and how long one waits that may.
//!
//! `cargo test --release --lib gate::simulated -- --ignored --nocapture` prints the tables of `docs/health.md`.

use std::time::Duration;

use jiff::Timestamp;

use super::gate::{Breaks, Gate, GateVerdict};
use super::observation::{Health, Observation};
use super::rule::{GateRule, Percentiles};
use crate::clock::{between, later};

/// Random numbers that are the same each time (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True with this probability.
    pub(super) fn is_below(&mut self, rate: f64) -> bool {
        let high = u32::try_from(self.next() >> 32).unwrap();
        f64::from(high) / 2_f64.powi(32) < rate
    }
}

/// A gate of the documents.
struct Kind {
    name: &'static str,
    rule: GateRule,
}

fn kinds() -> Vec<Kind> {
    let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
    let kind = |name, rate: f64, hold, every, timeout| Kind {
        name,
        rule: GateRule {
            max_failure_rate: Some(rate),
            ..GateRule::of(vec!["service".to_owned()], hold, every, timeout)
        },
    };
    let ten = || kind("", 0.1, Duration::ZERO, 10 * second, 60 * minute).rule;
    vec![
        kind("2 %, 30m, every 10s, within 1h30m", 0.02, 30 * minute, 10 * second, 90 * minute),
        kind("2 %, 10m, every 3s, within 30m", 0.02, 10 * minute, 3 * second, 30 * minute),
        kind("2 %, 15m, every 5s, within 1h", 0.02, 15 * minute, 5 * second, 60 * minute),
        kind("1 %, 15m, every 3s, within 40m", 0.01, 15 * minute, 3 * second, 40 * minute),
        kind("5 %, every 5s, within 40m", 0.05, Duration::ZERO, 5 * second, 40 * minute),
        kind("10 %, every 10s, within 1h", 0.1, Duration::ZERO, 10 * second, 60 * minute),
        kind("20 %, 1m, every 5s, within 30m", 0.2, minute, 5 * second, 30 * minute),
        Kind { name: "10 %, every 10s, within 1h, tolerate 1", rule: GateRule { tolerate: 1, ..ten() } },
        Kind { name: "10 %, every 10s, within 1h, tolerate 3", rule: GateRule { tolerate: 3, ..ten() } },
    ]
}

/// What a service does: how likely each sample is not healthy, by the time since the gate was opened.
type Service = fn(rate: f64, since: Duration) -> f64;

fn steady(rate: f64, _: Duration) -> f64 {
    rate
}

fn after_an_outage(rate: f64, since: Duration) -> f64 {
    if since < Duration::from_mins(1) { 1.0 } else { rate }
}

/// Opens a gate and looks as the engine does. How long it took if it passed, and the counts that were used up.
fn open(
    rule: &GateRule,
    rate: f64,
    service: Service,
    breaks: &Breaks,
    random: &mut Random,
) -> (Option<Duration>, Breaks) {
    let opened = Timestamp::UNIX_EPOCH;
    let (mut gate, mut now) = (Gate::open_after(rule.clone(), opened, breaks), opened);
    let passed = loop {
        for probe in gate.due(now) {
            let is_healthy = !random.is_below(service(rate, between(opened, now)));
            let health = if is_healthy { Health::Healthy } else { Health::Unhealthy { why: String::new() } };
            gate.see(&probe, &Observation::of(health), now);
        }
        match gate.verdict(now) {
            GateVerdict::Passed(_) => break Some(between(opened, now)),
            GateVerdict::Failed { .. } => break None,
            GateVerdict::Open => now = later(gate.wake(now), Duration::from_millis(1)),
        }
    };
    let breaks = rule.healthy.iter().map(|probe| (probe.clone(), gate.breaks(probe))).collect();
    (passed, breaks)
}

/// How many of a hundred gates pass, and after how long half of those have that do.
fn simulate(rule: &GateRule, rate: f64, service: Service, gates: u32) -> (f64, Option<Duration>) {
    let mut random = Random(18);
    let open = |_| open(rule, rate, service, &Breaks::new(), &mut random).0;
    let mut passed: Vec<Duration> = (0..gates).filter_map(open).collect();
    passed.sort_unstable();
    let share = f64::from(u32::try_from(passed.len()).unwrap()) / f64::from(gates) * 100.0;
    (share, passed.get(passed.len() / 2).copied())
}

/// A gate that is tried again and again before a service that fails at its limit: does it pass in the end?
fn tries(rule: &GateRule, rate: f64, times: u32, keeps_breaks: bool, random: &mut Random) -> bool {
    let mut breaks = Breaks::new();
    (0..times).any(|_| {
        let (passed, used) = open(rule, rate, steady, &breaks, random);
        breaks = if keeps_breaks { used } else { Breaks::new() };
        passed.is_some()
    })
}

#[test]
fn a_gate_whose_service_fails_at_the_limit_passes_seldom_and_one_whose_service_is_healthy_always() {
    let (mut passed, mut all) = (0.0, 0.0);
    for Kind { name, rule } in kinds() {
        let limit = rule.max_failure_rate.unwrap();
        let (false_passes, _) = simulate(&rule, limit, after_an_outage, 200);
        assert!(false_passes <= 10.0, "{name}: {false_passes} %");
        (passed, all) = (passed + false_passes, all + 1.0);
        let (healthy, _) = simulate(&rule, 0.0, after_an_outage, 1);
        assert!(healthy >= 100.0, "{name}: a service that is healthy after a minute passes");
    }
    assert!(passed / all <= 5.0, "{} % of all", passed / all);
}

/// Twenty tries with the counts kept are no better than one; with each one begun anew nearly every second gate would pass.
#[test]
fn whoever_tries_again_goes_on_with_the_same_claim() {
    let rule = GateRule { max_failure_rate: Some(0.1), ..kinds().remove(5).rule };
    let passes = |keeps: bool| {
        let mut random = Random(5);
        (0..200).filter(|_| tries(&rule, 0.1, 20, keeps, &mut random)).count()
    };
    let (kept, anew) = (passes(true), passes(false));
    assert!(kept <= 15, "{kept} of 200");
    assert!(anew >= 80, "{anew} of 200: it is the counts that are kept which hold the claim");
}

#[test]
#[ignore = "it takes a minute, and prints tables for docs/health.md"]
#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn tables() {
    const GATES: u32 = 20_000;
    let minutes =
        |time: Option<Duration>| time.map_or("–".to_owned(), |time| format!("{:.1} min", time.as_secs_f64() / 60.0));
    println!("| gate | passes at the limit | at half of it | at a tenth of it | healthy, after 1 min of outage |");
    println!("|---|---|---|---|---|");
    for Kind { name, rule } in kinds() {
        let limit = rule.max_failure_rate.unwrap();
        let share = |part: f64| simulate(&rule, limit * part, after_an_outage, GATES).0;
        let (at, half, tenth) = (share(1.0), share(0.5), share(0.1));
        let (_, time) = simulate(&rule, 0.0, after_an_outage, 1);
        println!("| {name} | {at:.1} % | {half:.0} % | {tenth:.0} % | {} |", minutes(time));
    }
    for rule in [kinds().remove(0).rule, kinds().remove(5).rule] {
        let rate = rule.max_failure_rate.unwrap();
        let latency = Percentiles::default();
        let rule = GateRule { latency, ..rule };
        let passes = |times, keeps| {
            let mut random = Random(3);
            let passed = (0..GATES / 10).filter(|_| tries(&rule, rate, times, keeps, &mut random)).count();
            f64::from(u32::try_from(passed).unwrap()) / f64::from(GATES / 10) * 100.0
        };
        for keeps in [true, false] {
            let of = [1, 5, 20].map(|times| format!("{:.1} %", passes(times, keeps))).join(" / ");
            println!("{rate}: tried 1 / 5 / 20 times at the limit, counts kept: {keeps}: {of}");
        }
    }
}

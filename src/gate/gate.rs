//! A gate is three functions of what was seen: what is due, what is the verdict, when to look again.

use std::time::Duration;

use jiff::Timestamp;

use super::bound::{Bound, samples_needed};
use super::observation::{Health, Observation};
use super::rule::Rule;
use crate::clock::{between, later, words};

/// How much later than due a sample may come before the time between counts as not watched. It covers a
/// slow answer; a suspended laptop or a jump of the clock is longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// An open gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    rule: Rule,
    opened: Timestamp,
    probes: Vec<Watched>,
}

/// What one probe has shown so far. A few numbers, however long the gate is open.
#[derive(Clone, Debug, PartialEq)]
struct Watched {
    name: String,
    last: Option<(Timestamp, Health)>,
    /// Since when it has been healthy without a gap, and in how many samples.
    streak: Option<Streak>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Streak {
    since: Timestamp,
    samples: u32,
}

/// What a gate says now.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Not yet.
    Open(Progress),
    /// Healthy for long enough.
    Passed(Bound),
    /// Not healthy in time, or no longer able to be.
    Failed {
        /// Why, probe by probe.
        why: String,
    },
}

/// How far an open gate is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How long all probes have been healthy without a gap.
    pub healthy_for: Duration,
    /// How long they must be.
    pub needed: Duration,
    /// Samples of the current streak, of the probe that has the fewest.
    pub samples: u32,
    /// What keeps the gate shut right now, if something does: the probe and its words.
    pub trouble: Option<(String, String)>,
}

impl Gate {
    /// Opens a gate: nothing seen before this moment counts.
    pub fn open(rule: Rule, at: Timestamp) -> Gate {
        let probes = rule.healthy.iter().map(|name| Watched { name: name.clone(), last: None, streak: None }).collect();
        Gate { rule, opened: at, probes }
    }

    /// Takes a sample.
    pub fn see(&mut self, probe: &str, observation: &Observation, at: Timestamp) {
        let longest_gap = self.longest_gap();
        for watched in self.probes.iter_mut().filter(|watched| watched.name == probe) {
            let unwatched = watched.last.as_ref().is_some_and(|(last, _)| between(*last, at) > longest_gap);
            watched.streak = match (&observation.health, watched.streak) {
                (Health::Healthy, Some(streak)) if !unwatched => {
                    Some(Streak { samples: streak.samples.saturating_add(1), ..streak })
                }
                (Health::Healthy, _) => Some(Streak { since: at, samples: 1 }),
                _ => None,
            };
            watched.last = Some((at, observation.health.clone()));
        }
    }

    /// The probes to sample now.
    pub fn due(&self, now: Timestamp) -> Vec<String> {
        let due = |watched: &&Watched| self.next_sample(watched).is_none_or(|at| at <= now);
        self.probes.iter().filter(due).map(|watched| watched.name.clone()).collect()
    }

    /// When something can change without anybody doing anything: the next sample or the time-out.
    pub fn wake(&self, now: Timestamp) -> Timestamp {
        let next = self.probes.iter().filter_map(|watched| self.next_sample(watched)).min();
        next.map_or(self.deadline(), |next| next.min(self.deadline())).max(now)
    }

    /// What the gate says now.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let healthy_for = self.probes.iter().map(Watched::healthy_for).min().unwrap_or_default();
        let samples = self.probes.iter().map(Watched::samples).min().unwrap_or_default();
        let needed = self.samples_needed();
        let watched = self.probes.iter().all(|watched| self.is_watched(watched, now));
        if watched && samples >= needed && healthy_for >= self.rule.hold {
            return Verdict::Passed(Bound { samples });
        }
        if now >= self.deadline() {
            return Verdict::Failed {
                why: format!("not healthy within {}: {}", words(self.rule.timeout), self.state_of_probes()),
            };
        }
        if let Some(hopeless) =
            self.probes.iter().find(|watched| self.earliest_pass(watched, needed, now) > self.deadline())
        {
            return Verdict::Failed {
                why: format!(
                    "`{}` can no longer be healthy for {} before the time-out of {}: {}",
                    hopeless.name,
                    words(self.rule.hold),
                    words(self.rule.timeout),
                    self.state_of_probes()
                ),
            };
        }
        let trouble = self.probes.iter().find_map(Watched::trouble);
        Verdict::Open(Progress { healthy_for, needed: self.rule.hold, samples, trouble })
    }

    /// The moment at which the gate gives up.
    pub fn deadline(&self) -> Timestamp {
        later(self.opened, self.rule.timeout)
    }

    fn longest_gap(&self) -> Duration {
        self.rule.every.saturating_add(PATIENCE)
    }

    /// Whether the probe's last sample still speaks for now.
    fn is_watched(&self, watched: &Watched, now: Timestamp) -> bool {
        watched.last.as_ref().is_some_and(|(last, _)| between(*last, now) <= self.longest_gap())
    }

    fn samples_needed(&self) -> u32 {
        self.rule.max_failure_rate.map_or(1, |rate| samples_needed(rate).unwrap_or(u32::MAX))
    }

    fn next_sample(&self, watched: &Watched) -> Option<Timestamp> {
        watched.last.as_ref().map(|(last, _)| later(*last, self.rule.every))
    }

    /// The first moment at which this probe could have shown enough, if every sample from now on is healthy.
    fn earliest_pass(&self, watched: &Watched, needed: u32, now: Timestamp) -> Timestamp {
        let next = self.next_sample(watched).unwrap_or(now).max(now);
        let (since, samples) = watched.streak.map_or((next, 0), |streak| (streak.since, streak.samples));
        let missing = needed.saturating_sub(samples);
        let by_samples = later(next, self.rule.every.saturating_mul(missing.saturating_sub(1)));
        later(since, self.rule.hold).max(by_samples)
    }

    fn state_of_probes(&self) -> String {
        let words = self.probes.iter().map(|watched| match &watched.last {
            None => format!("`{}` was never seen", watched.name),
            Some((_, Health::Healthy)) => {
                format!("`{}` is healthy, for {}", watched.name, words(watched.healthy_for()))
            }
            Some((_, Health::Unhealthy { why })) => format!("`{}` is unhealthy: {why}", watched.name),
            Some((_, Health::Unknown { why })) => format!("`{}` is unknown: {why}", watched.name),
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

impl Watched {
    fn samples(&self) -> u32 {
        self.streak.map_or(0, |streak| streak.samples)
    }

    /// From the first to the last healthy sample of the streak: time after the last one was not watched.
    fn healthy_for(&self) -> Duration {
        match (self.streak, &self.last) {
            (Some(streak), Some((last, _))) => between(streak.since, *last),
            _ => Duration::ZERO,
        }
    }

    fn trouble(&self) -> Option<(String, String)> {
        match &self.last {
            Some((_, Health::Unhealthy { why })) => Some((self.name.clone(), why.clone())),
            Some((_, Health::Unknown { why })) => Some((self.name.clone(), format!("unknown: {why}"))),
            Some((_, Health::Healthy)) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn rule(hold: u64, every: u64, timeout: u64) -> Rule {
        Rule {
            healthy: vec!["a".to_owned(), "b".to_owned()],
            hold: Duration::from_secs(hold),
            every: Duration::from_secs(every),
            timeout: Duration::from_secs(timeout),
            max_failure_rate: None,
        }
    }

    fn at(second: u64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, Duration::from_secs(second))
    }

    fn sample(health: Health) -> Observation {
        Observation { health, facts: BTreeMap::new() }
    }

    fn sick() -> Observation {
        sample(Health::Unhealthy { why: "503".to_owned() })
    }

    fn both(gate: &mut Gate, observation: &Observation, second: u64) {
        gate.see("a", observation, at(second));
        gate.see("b", observation, at(second));
    }

    fn passed(gate: &Gate, second: u64) -> bool {
        matches!(gate.verdict(at(second)), Verdict::Passed(_))
    }

    #[test]
    fn silence_never_passes() {
        let gate = Gate::open(rule(0, 1, 60), at(0));
        assert!(matches!(gate.verdict(at(0)), Verdict::Open(_)));
        assert!(matches!(gate.verdict(at(60)), Verdict::Failed { .. }));
        let mut half = Gate::open(rule(0, 1, 60), at(0));
        half.see("a", &sample(Health::Healthy), at(0));
        assert!(!passed(&half, 1), "`b` was never seen");
    }

    #[test]
    fn unknown_is_not_healthy_and_breaks_a_streak() {
        let mut gate = Gate::open(rule(4, 2, 60), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        both(&mut gate, &Observation::unknown("no route"), 2);
        both(&mut gate, &sample(Health::Healthy), 4);
        assert!(!passed(&gate, 4));
        both(&mut gate, &sample(Health::Healthy), 6);
        both(&mut gate, &sample(Health::Healthy), 8);
        assert!(passed(&gate, 8));
    }

    #[test]
    fn time_that_nobody_watched_does_not_count() {
        let mut gate = Gate::open(rule(300, 5, 3600), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        // The laptop slept for ten minutes.
        both(&mut gate, &sample(Health::Healthy), 600);
        assert!(!passed(&gate, 600));
        // Nor does the time since the last sample.
        assert!(!passed(&gate, 900));
    }

    #[test]
    fn a_probe_that_is_no_longer_looked_at_holds_the_gate_shut() {
        let mut gate = Gate::open(rule(5, 5, 3600), at(0));
        both(&mut gate, &sample(Health::Healthy), 0);
        both(&mut gate, &sample(Health::Healthy), 5);
        assert!(passed(&gate, 5));
        gate.see("a", &sample(Health::Healthy), at(10));
        assert!(passed(&gate, 10));
        for second in (15..60).step_by(5) {
            gate.see("a", &sample(Health::Healthy), at(second));
        }
        assert!(!passed(&gate, 60), "`b` was last seen at 5");
    }

    #[test]
    fn one_failure_in_a_long_soak_starts_it_again() {
        let mut gate = Gate::open(rule(60, 10, 3600), at(0));
        for second in (0..60).step_by(10) {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        gate.see("b", &sick(), at(60));
        gate.see("a", &sample(Health::Healthy), at(60));
        assert!(!passed(&gate, 60));
        let Verdict::Open(progress) = gate.verdict(at(60)) else { panic!("still open") };
        assert_eq!(progress.trouble, Some(("b".to_owned(), "503".to_owned())));
    }

    #[test]
    fn a_gate_fails_as_soon_as_it_can_no_longer_pass() {
        let mut gate = Gate::open(rule(60, 5, 100), at(0));
        both(&mut gate, &sick(), 45);
        assert!(matches!(gate.verdict(at(45)), Verdict::Failed { .. }), "50 + 60 is beyond 100");
        let mut early = Gate::open(rule(60, 5, 100), at(0));
        both(&mut early, &sick(), 30);
        assert!(matches!(early.verdict(at(30)), Verdict::Open(_)));
    }

    #[test]
    fn a_claim_about_the_failure_rate_takes_its_samples() {
        let mut gate = Gate::open(Rule { max_failure_rate: Some(0.1), ..rule(0, 1, 600) }, at(0));
        for second in 0..28 {
            both(&mut gate, &sample(Health::Healthy), second);
        }
        assert!(!passed(&gate, 28), "28 samples bound the rate at 10.1 %");
        both(&mut gate, &sample(Health::Healthy), 28);
        assert!(passed(&gate, 28));
    }

    proptest! {
        /// Whatever is seen and whenever: a gate that passes has seen every probe healthy, and nothing else,
        /// at most a patient gap apart, for at least as long as it asks.
        #[test]
        fn a_pass_is_always_earned(
            samples in proptest::collection::vec((0_usize..2, 0_u64..40, 0_u8..8), 1..60), hold in 0_u64..60,
        ) {
            let mut gate = Gate::open(rule(hold, 5, 100_000), at(0));
            let (mut now, mut seen) = (0, [Vec::new(), Vec::new()]);
            for (probe, wait, kind) in samples {
                now += wait;
                let observation = match kind {
                    0 => sick(),
                    1 => Observation::unknown("?"),
                    _ => sample(Health::Healthy),
                };
                gate.see(["a", "b"][probe], &observation, at(now));
                seen[probe].push((now, kind > 1));
                if passed(&gate, now) {
                    for history in &seen {
                        let streak: Vec<u64> = history.iter().rev().take_while(|(_, healthy)| *healthy).map(|(at, _)| *at).collect();
                        let watched = streak.windows(2).take_while(|pair| pair[0] - pair[1] <= 5 + 15).count();
                        prop_assert!(!streak.is_empty());
                        prop_assert!(now - streak[0] <= 5 + 15);
                        prop_assert!(streak[0] - streak[watched] >= hold);
                    }
                }
            }
        }
    }
}

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
        let longest_gap = self.rule.every.saturating_add(PATIENCE);
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
        if samples >= needed && healthy_for >= self.rule.hold {
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

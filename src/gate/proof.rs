//! What a gate that passed has shown, and how that is said.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::claim::{Bound, rate_in_words};
use super::rule::Percentiles;
use crate::inert::inert;

/// What a gate has shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Samples in a row of the probe with the fewest.
    pub samples: u32,
    /// Those of them that were not healthy, and tolerated.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// The failure rate that is ruled out for each probe that can have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// The limit that the rule asks for; without one no rate is stated to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failure_rate: Option<f64>,
    /// Probes that have no rate because their samples are not independent, by name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub points: BTreeMap<String, Points>,
    /// How long the answers took of the probe that answered slowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Percentiles>,
    /// The limits of latency that are shown to hold.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_latency: Percentiles,
}

/// What was healthy of a source that has one value for many samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Points {
    /// Points of a metric, as far apart as its period and its window are long.
    Points(u32),
    /// Windows over logs that do not overlap.
    Windows(u32),
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Points::Points(1) => f.write_str("1 point healthy"),
            Points::Points(count) => write!(f, "all {count} points healthy"),
            Points::Windows(1) => f.write_str("1 window healthy"),
            Points::Windows(count) => write!(f, "all {count} windows healthy"),
        }
    }
}

impl Proof {
    /// A percentile of few samples is only the slowest of them.
    fn known_latency(&self) -> Option<Percentiles> {
        let is_enough = |needed: u32| self.samples >= needed;
        let Percentiles { p50, p95, p99 } = self.latency.filter(|_| is_enough(2))?;
        Some(Percentiles { p50, p95: p95.filter(|_| is_enough(20)), p99: p99.filter(|_| is_enough(100)) })
    }
}

/// `healthy`, and what that is worth. What is stated is how seldom such a gate errs, not how sure one may be of this service.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("healthy")?;
        match (self.bound.filter(|_| self.max_failure_rate.is_some()), self.samples, self.failures) {
            (Some(bound), samples, 0) => {
                write!(
                    f,
                    ": {samples} samples in a row rule out a failure rate of {} (95 %)",
                    rate_in_words(bound.rules_out)
                )?;
                if bound.count > 1 {
                    write!(f, ", in count {}", bound.count)?;
                }
            }
            (Some(bound), samples, failures) => write!(
                f,
                ": {samples} samples, {failures} of them not healthy, rule out a failure rate of {} (95 %)",
                rate_in_words(bound.rules_out)
            )?,
            (None, 0, _) => {}
            (None, 1, _) => f.write_str(" (1 sample)")?,
            (None, samples, 0) => write!(f, " ({samples} samples)")?,
            (None, samples, failures) => write!(f, " ({samples} samples, {failures} of them not healthy)")?,
        }
        if let Some(latency) = self.known_latency() {
            write!(f, ", {latency}")?;
        }
        if !self.max_latency.is_empty() {
            write!(f, ", {} is shown (95 %)", self.max_latency.as_limits())?;
        }
        for (name, points) in &self.points {
            write!(f, "; {}: {points}", inert(name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bound(counted: u32, failures: u32, count: u32, rules_out: f64) -> Bound {
        Bound { counted, failures, count, rules_out }
    }

    #[test]
    fn a_rate_is_stated_where_it_was_asked_for_and_never_rounded_down() {
        let few = Proof { samples: 14, bound: Some(bound(12, 0, 1, 0.2646)), ..Proof::default() };
        assert_eq!(few.to_string(), "healthy (14 samples)");
        let asked = Proof {
            samples: 191,
            bound: Some(bound(186, 0, 1, 0.019_64)),
            max_failure_rate: Some(0.02),
            ..few.clone()
        };
        assert_eq!(asked.to_string(), "healthy: 191 samples in a row rule out a failure rate of 2.0 % (95 %)");
        let again = Proof { bound: Some(bound(252, 0, 3, 0.016_41)), ..asked.clone() };
        assert!(again.to_string().ends_with("a failure rate of 1.7 % (95 %), in count 3"), "{again}");
        let tolerated = Proof { samples: 336, failures: 1, bound: Some(bound(330, 1, 1, 0.019_951)), ..asked };
        assert_eq!(
            tolerated.to_string(),
            "healthy: 336 samples, 1 of them not healthy, rule out a failure rate of 2.0 % (95 %)"
        );
    }

    #[test]
    fn a_metric_counts_its_points_and_logs_their_windows() {
        let points = [("busy", Points::Points(15)), ("no-503", Points::Windows(1))];
        let points = points.map(|(name, points)| (name.to_owned(), points)).into();
        let only = Proof { points, ..Proof::default() };
        assert_eq!(only.to_string(), "healthy; busy: all 15 points healthy; no-503: 1 window healthy");
    }

    #[test]
    fn a_limit_of_latency_that_was_asked_for_is_said_to_be_shown() {
        let p95 = Some(Duration::from_millis(60));
        let limit = Percentiles { p95: Some(Duration::from_secs(1)), ..Percentiles::default() };
        let latency = Some(Percentiles { p50: p95, p95, p99: p95 });
        let quick = Proof { samples: 99, latency, max_latency: limit, ..Proof::default() };
        assert_eq!(quick.to_string(), "healthy (99 samples), p50 60ms, p95 60ms, p95 within 1s is shown (95 %)");
        // Of few samples a high percentile is only the slowest.
        assert_eq!(
            Proof { samples: 1, max_latency: Percentiles::default(), ..quick }.to_string(),
            "healthy (1 sample)"
        );
    }
}

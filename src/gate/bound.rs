//! What n samples prove, and how many are needed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The confidence that every bound is stated with.
const MISS: f64 = 0.05;

/// How many halvings find a rate to more digits than anybody reads.
const HALVINGS: u32 = 60;

/// The highest failure rate that these samples leave possible, with 95 % confidence.
///
/// The bound is exact for independent samples (Clopper and Pearson's): the rate at which so few failures in so many
/// samples would be seen once in twenty times. Without a failure that is `1 − 0.05^(1/n)`, close to `3/n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Samples that were taken.
    pub samples: u32,
    /// Those of them that were not healthy.
    #[serde(default, skip_serializing_if = "none")]
    pub failures: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn none(count: &u32) -> bool {
    *count == 0
}

impl Bound {
    /// Healthy samples in a row.
    pub fn healthy(samples: u32) -> Bound {
        Bound { samples, failures: 0 }
    }

    /// The failure rate (0 to 1) that is still possible. No sample proves nothing: 1.
    pub fn rate(self) -> f64 {
        let Bound { samples, failures } = self;
        if failures >= samples {
            return 1.0;
        }
        if failures == 0 {
            return 1.0 - MISS.powf(1.0 / f64::from(samples));
        }
        let (mut possible, mut ruled_out) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let rate = f64::midpoint(possible, ruled_out);
            if at_most(failures, samples, rate) > MISS { possible = rate } else { ruled_out = rate }
        }
        ruled_out
    }
}

/// How likely it is that no more than `failures` of `samples` fail, if each does at this rate (between 0 and 1).
fn at_most(failures: u32, samples: u32, rate: f64) -> f64 {
    let odds = (rate / (1.0 - rate)).ln();
    let mut term = f64::from(samples) * (1.0 - rate).ln();
    let mut sum = term.exp();
    for failed in 0..failures {
        term += (f64::from(samples - failed) / f64::from(failed + 1)).ln() + odds;
        sum += term.exp();
    }
    sum
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.samples, if self.samples == 1 { "sample" } else { "samples" })?;
        if self.failures > 0 {
            write!(f, ", {} not healthy", self.failures)?;
        }
        write!(f, ", failure rate < {:.1} %", self.rate() * 100.0)
    }
}

/// What a gate proves at least that is healthy for `hold`, sampled `every` so often.
pub fn samples_in(hold: Duration, every: Duration) -> Bound {
    let between = hold.as_nanos().checked_div(every.as_nanos()).unwrap_or_default();
    Bound::healthy(u32::try_from(between).unwrap_or(u32::MAX).max(1))
}

/// How many samples, of which so many failed, bound the failure rate at `rate` (0 to 1, exclusive).
///
/// `None` if no number that a gate can count does: a rate of 0 or less cannot be proven, nor is a rate of 1 or more a
/// claim.
pub fn samples_needed(rate: f64, failures: u32) -> Option<u32> {
    if !(rate > 0.0 && rate < 1.0) {
        return None;
    }
    let is_enough = |samples: u32| Bound { samples, failures }.rate() <= rate;
    let mut enough = failures.saturating_add(1);
    while !is_enough(enough) {
        enough = enough.checked_mul(2)?;
    }
    let mut short = enough / 2;
    while enough - short > 1 {
        let between = short + (enough - short) / 2;
        if is_enough(between) { enough = between } else { short = between }
    }
    Some(if short > failures && is_enough(short) { short } else { enough })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_soak_of_180_samples_proves_less_than_two_percent() {
        let bound = Bound::healthy(180);
        assert!(bound.rate() > 0.016 && bound.rate() < 0.017, "{}", bound.rate());
        assert_eq!(samples_needed(0.02, 0), Some(149));
    }

    #[test]
    fn nothing_seen_proves_nothing() {
        assert!((Bound::healthy(0).rate() - 1.0).abs() < f64::EPSILON);
        assert!((Bound { samples: 3, failures: 3 }.rate() - 1.0).abs() < f64::EPSILON);
        assert_eq!(samples_needed(0.0, 0), None);
        assert_eq!(samples_needed(1.0, 0), None);
        assert_eq!(samples_needed(f64::NAN, 0), None);
    }

    #[test]
    fn the_number_needed_is_the_smallest_that_is_enough() {
        for failures in [0, 1, 2, 7] {
            for rate in [0.5, 0.1, 0.034, 0.02, 0.001] {
                let samples = samples_needed(rate, failures).unwrap();
                assert!(Bound { samples, failures }.rate() <= rate);
                assert!(Bound { samples: samples - 1, failures }.rate() > rate);
            }
        }
    }

    /// Figures from tables of the exact one-sided 95 % upper limit.
    #[test]
    fn a_failure_among_the_samples_weakens_what_they_prove() {
        for (samples, failures, limit) in
            [(10, 1, 0.394), (20, 1, 0.216), (50, 2, 0.121), (100, 0, 0.0295), (100, 3, 0.0757)]
        {
            let rate = Bound { samples, failures }.rate();
            assert!((rate - limit).abs() < 0.001, "{failures} of {samples}: {rate}");
        }
    }
}

//! What n healthy samples prove, and how many are needed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The confidence that every bound is stated with.
const MISS: f64 = 0.05;

/// The highest failure rate that `samples` samples without a failure leave possible, with 95 % confidence.
///
/// The bound is exact for independent samples: `1 − 0.05^(1/n)`, which is close to `3/n`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Healthy samples in a row.
    pub samples: u32,
}

impl Bound {
    /// The failure rate (0 to 1) that is still possible. No sample proves nothing: 1.
    pub fn rate(self) -> f64 {
        if self.samples == 0 { 1.0 } else { 1.0 - MISS.powf(1.0 / f64::from(self.samples)) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} samples, failure rate < {:.1} %", self.samples, self.rate() * 100.0)
    }
}

/// What a gate proves at least that is healthy for `hold`, sampled `every` so often.
pub fn samples_in(hold: Duration, every: Duration) -> Bound {
    let between = hold.as_nanos().checked_div(every.as_nanos()).unwrap_or_default();
    Bound { samples: u32::try_from(between).unwrap_or(u32::MAX).max(1) }
}

/// How many healthy samples in a row bound the failure rate at `rate` (0 to 1, exclusive).
///
/// `None` if no number does: a rate of 0 or less cannot be proven, nor is a rate of 1 or more a claim.
pub fn samples_needed(rate: f64) -> Option<u32> {
    if !(rate > 0.0 && rate < 1.0) {
        return None;
    }
    let needed = (MISS.ln() / (1.0 - rate).ln()).ceil();
    // The quotient is positive here; only a vanishing rate exceeds what a gate can count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (needed <= f64::from(u32::MAX)).then_some(needed as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_soak_of_180_samples_proves_less_than_two_percent() {
        let bound = Bound { samples: 180 };
        assert!(bound.rate() > 0.016 && bound.rate() < 0.017, "{}", bound.rate());
        assert_eq!(samples_needed(0.02), Some(149));
    }

    #[test]
    fn nothing_seen_proves_nothing() {
        assert!((Bound { samples: 0 }.rate() - 1.0).abs() < f64::EPSILON);
        assert_eq!(samples_needed(0.0), None);
        assert_eq!(samples_needed(1.0), None);
        assert_eq!(samples_needed(f64::NAN), None);
    }

    #[test]
    fn the_number_needed_is_the_smallest_that_is_enough() {
        for rate in [0.5, 0.1, 0.034, 0.02, 0.001] {
            let samples = samples_needed(rate).unwrap();
            assert!(Bound { samples }.rate() <= rate);
            assert!(Bound { samples: samples - 1 }.rate() > rate);
        }
    }
}

//! What a gate asks for, as a runbook states it.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};

/// A rule over probes: every one of them healthy, without a gap, for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Names of the probes that must all be healthy.
    pub healthy: Vec<String>,
    /// How long they must stay healthy without a gap. Zero: one healthy sample of each is enough.
    #[serde(rename = "for", with = "duration")]
    pub hold: Duration,
    /// Time between two samples of the same probe.
    #[serde(with = "duration")]
    pub every: Duration,
    /// When to give up, counted from the gate's opening.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// The highest failure rate (0 to 1) the samples may leave possible with 95 % confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failure_rate: Option<f64>,
}

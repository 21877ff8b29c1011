//! What a gate asks for, as a runbook states it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required as duration};
use serde::{Deserialize, Serialize};

use crate::clock::format_duration;

/// For how long a look may take of which nothing is said.
const WITHIN: Duration = Duration::from_secs(15);

/// How many broken looks in a row are enough to know that more of them are no use.
const BROKEN: u32 = 5;

/// A rule over probes: every one of them healthy for a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRule {
    /// Names of the probes that must all be healthy.
    pub healthy: Vec<String>,
    /// How long they must stay healthy. Zero: one healthy sample of each is enough.
    #[serde(rename = "for", with = "duration")]
    pub hold: Duration,
    /// Time between two samples of the same probe.
    #[serde(with = "duration")]
    pub every: Duration,
    /// When to give up, counted from the gate's opening.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// The failure rate (0 to 1) that the samples of each probe must rule out, at 95 %; of probes that can have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failure_rate: Option<f64>,
    /// How many samples of a probe within the time may not be healthy. The last one must be.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tolerate: u32,
    /// How long the answers of each probe may take, of those that say so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub latency: Percentiles,
    /// When it gives up before its time-out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: GateLimits,
    /// How many times the looks of a plain poll at `every` it may take. What is beyond once goes where something may
    /// change any moment: while a probe is not healthy.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub request_budget: u32,
    /// What is known of each probe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probes: BTreeMap<String, ProbeTraits>,
}

/// Limits or figures of how long answers take. A percentile that is not there is not limited, or not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the answers take at most so long.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub p50: Option<Duration>,
    /// 19 of 20 do.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub p95: Option<Duration>,
    /// 99 of 100 do.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub p99: Option<Duration>,
}

/// How many samples in a row of one probe are enough to give up, and how many changes between healthy and not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateLimits {
    /// Unhealthy ones. `None`: the time-out is the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<u32>,
    /// Ones of which nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u32>,
    /// Looks that could not be taken at all.
    pub broken: u32,
    /// Changes between healthy and not, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaps: Option<u32>,
}

impl Default for GateLimits {
    fn default() -> GateLimits {
        GateLimits { unhealthy: None, unknown: None, broken: BROKEN, flaps: None }
    }
}

/// What is known of a probe's observations before the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTraits {
    /// The longest that one observation can take.
    #[serde(with = "duration")]
    pub time_limit: Duration,
    /// How often it may be polled.
    pub polling: Polling,
    /// What one sample is worth.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sampling: Sampling,
}

/// How often a probe may be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Polling {
    /// As often as the gate says: it asks an API that has a quota, or makes many requests each time.
    Steady,
    /// More often while something may change any moment: it asks the service itself.
    Fast,
}

/// What one sample of a probe is worth. Only trials can have a failure rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Sampling {
    /// Each sample asks the service anew, independently of the one before.
    #[default]
    Trials,
    /// A metric has a new point only so often; a read in between says the same again.
    Points {
        /// The shortest time between two points that have nothing in common.
        #[serde(with = "duration")]
        apart: Duration,
    },
    /// Logs are read over a window that ends now; two that overlap tell of the same entries.
    Windows {
        /// How long the window is.
        #[serde(with = "duration")]
        apart: Duration,
    },
    /// The state of a resource, which stays as it is until somebody changes it.
    State,
}

impl Sampling {
    /// Whether a failure rate can be stated of such samples.
    pub fn has_rate(self) -> bool {
        match self {
            Sampling::Trials => true,
            Sampling::Points { .. } | Sampling::Windows { .. } | Sampling::State => false,
        }
    }
}

impl GateRule {
    /// All of these healthy for `hold`, and nothing else asked.
    pub fn of(healthy: Vec<String>, hold: Duration, every: Duration, timeout: Duration) -> GateRule {
        GateRule {
            healthy,
            hold,
            every,
            timeout,
            max_failure_rate: None,
            tolerate: 0,
            latency: Percentiles::default(),
            limits: GateLimits::default(),
            request_budget: 1,
            probes: BTreeMap::new(),
        }
    }

    /// What is known of this probe.
    pub fn probe_traits(&self, probe: &str) -> ProbeTraits {
        let unknown = ProbeTraits { time_limit: WITHIN, polling: Polling::Steady, sampling: Sampling::Trials };
        self.probes.get(probe).copied().unwrap_or(unknown)
    }
}

impl Percentiles {
    /// The percentiles as limits: `p95 within 1s`.
    pub fn as_limits(&self) -> String {
        self.each()
            .map(|(name, _, limit)| format!("{name} within {}", format_duration(limit)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether no percentile has a limit or a figure.
    pub fn is_empty(&self) -> bool {
        *self == Percentiles::default()
    }

    /// Each percentile that is known: its name, its share (0 to 1) and its figure.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, f64, Duration)> {
        let all = [("p50", 0.5, self.p50), ("p95", 0.95, self.p95), ("p99", 0.99, self.p99)];
        all.into_iter().filter_map(|(name, share, figure)| Some((name, share, figure?)))
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> =
            self.each().map(|(name, _, figure)| format!("{name} {}", format_duration(figure))).collect();
        f.write_str(&all.join(", "))
    }
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_once(times: &u32) -> bool {
    *times <= 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

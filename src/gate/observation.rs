//! One look at one thing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a single sample says. There is no fourth answer, and only one of these three opens a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Health {
    /// The probe ran and what it saw meets its expectation.
    Healthy,
    /// The probe ran and what it saw does not meet its expectation.
    Unhealthy {
        /// What was seen instead.
        why: String,
    },
    /// Nothing is known: the probe could not run, or its answer could not be judged.
    Unknown {
        /// What stood in the way.
        why: String,
    },
}

/// One sample of one probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The verdict on this sample.
    pub health: Health,
    /// What was seen, by the names that conditions use (`status`, `latency`, `state`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Value>,
}

impl Observation {
    /// A sample of which nothing is known.
    pub fn unknown(why: impl Into<String>) -> Observation {
        Observation { health: Health::Unknown { why: why.into() }, facts: BTreeMap::new() }
    }
}

//! One look at one thing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::format_duration;
use crate::inert::inert;
use crate::redact;

/// What a single sample says. Only one of these answers opens a gate.
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
    /// Nothing is known: there is no data, or no way to what was to be looked at.
    Unknown {
        /// What stood in the way.
        why: String,
    },
    /// The probe itself cannot run, or what it saw cannot be judged: looking again will not help.
    Broken {
        /// What is wrong with it.
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
    /// How long the look took: the next one is due so much earlier after it.
    #[serde(default, with = "duration", skip_serializing_if = "Duration::is_zero")]
    pub took: Duration,
}

impl Health {
    /// Why it is not healthy; `None` if it is.
    pub fn why(&self) -> Option<&str> {
        match self {
            Health::Healthy => None,
            Health::Unhealthy { why } | Health::Unknown { why } | Health::Broken { why } => Some(why),
        }
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Unhealthy { .. } => "unhealthy",
            Health::Unknown { .. } => "unknown",
            Health::Broken { .. } => "broken",
        }
    }
}

/// The word, and why it is no better.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            Some(why) => write!(f, "{}: {why}", self.word()),
            None => f.write_str(self.word()),
        }
    }
}

/// A number as people read it, with at most three digits behind the point.
fn rounded(number: &serde_json::Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(value) => format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => number.to_string(),
    }
}

impl Observation {
    /// A sample that says this of its health, and nothing else. What a peer said is in it: secrets are taken out here, so
    /// that none is in a journal, a plan or a report.
    pub fn of(health: Health) -> Observation {
        let health = match health {
            Health::Healthy => Health::Healthy,
            Health::Unhealthy { why } => Health::Unhealthy { why: redact::text(why) },
            Health::Unknown { why } => Health::Unknown { why: redact::text(why) },
            Health::Broken { why } => Health::Broken { why: redact::text(why) },
        };
        Observation { health, facts: BTreeMap::new(), took: Duration::ZERO }
    }

    /// The same with what was seen, by the names that conditions use, without secrets.
    #[must_use]
    pub fn with_facts(self, facts: impl IntoIterator<Item = (String, Value)>) -> Observation {
        let redactor = redact::redactor();
        let without_secrets = |(name, mut fact): (String, Value)| {
            redactor.json(&mut fact);
            (name, fact)
        };
        Observation { facts: facts.into_iter().map(without_secrets).collect(), ..self }
    }

    /// A sample of which nothing is known.
    pub fn unknown(why: impl Into<String>) -> Observation {
        Observation::of(Health::Unknown { why: why.into() })
    }

    /// A look that could not be taken.
    pub fn broken(why: impl Into<String>) -> Observation {
        Observation::of(Health::Broken { why: why.into() })
    }

    /// The facts by which a sample is judged most often, in words: `value 0.41`, `status 200, latency 60ms`; `None` if it has
    /// none of them. Inert.
    pub fn figures(&self) -> Option<String> {
        let named = ["value", "count", "state", "status"].iter().filter_map(|name| {
            let words = match self.facts.get(*name)? {
                Value::String(text) => inert(text),
                Value::Number(number) => rounded(number),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
            };
            Some(format!("{name} {words}"))
        });
        let latency = self.latency().map(|latency| format!("latency {}", format_duration(latency)));
        let all: Vec<String> = named.chain(latency).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// How long the answer took, if the probe sees that.
    pub fn latency(&self) -> Option<Duration> {
        let span: jiff::SignedDuration = self.facts.get("latency")?.as_str()?.parse().ok()?;
        Duration::try_from(span).ok()
    }
}

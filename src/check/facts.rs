//! What each kind of probe sees, and of what type.
//!
//! Conditions are checked against this before anything is looked at. The rooms that do the looking show facts of
//! these names and types.

use crate::runbook::model::Look;

/// The type of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactType {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// A text.
    Text,
    /// A length of time.
    Span,
    /// Whatever somebody answers: nobody knows beforehand.
    Any,
}

/// The facts of a probe: name and type.
pub type Facts = &'static [(&'static str, FactType)];

/// How long it took, which is all that some probes see.
const LATENCY: Facts = &[("latency", FactType::Span)];

/// What each kind of resource shows of its state.
pub const KINDS: &[(&str, Facts)] = &[
    (
        "gcp.connector",
        &[
            ("state", FactType::Text),
            ("min_instances", FactType::Int),
            ("max_instances", FactType::Int),
            ("machine_type", FactType::Text),
        ],
    ),
    (
        "gcp.run.service",
        &[
            ("ready", FactType::Bool),
            ("image", FactType::Text),
            ("reconciling", FactType::Bool),
            ("revision", FactType::Text),
            ("latest_ready_revision", FactType::Text),
            ("generation", FactType::Int),
        ],
    ),
    // A split is a list, and a list is no fact.
    ("gcp.run.traffic", &[("latest", FactType::Text)]),
    ("gcp.run.scaling", &[("min_instances", FactType::Int), ("max_instances", FactType::Int)]),
    ("gcp.run.revision", &[("ready", FactType::Bool), ("image", FactType::Text)]),
    (
        "gcp.sql",
        &[
            // RUNNABLE is also what an instance is that its owner stopped: `activation_policy` tells them apart.
            ("state", FactType::Text),
            ("activation_policy", FactType::Text),
            ("tier", FactType::Text),
            ("database_version", FactType::Text),
            ("max_connections", FactType::Int),
        ],
    ),
    (
        "gcp.backend-service",
        &[
            ("protocol", FactType::Text),
            ("backends", FactType::Int),
            ("serverless", FactType::Bool),
            ("timeout_seconds", FactType::Int),
        ],
    ),
    ("gcp.certificate", &[("status", FactType::Text), ("domains", FactType::Text), ("expires", FactType::Text)]),
    ("gcp.service-health", &[("incidents", FactType::Int), ("impacted", FactType::Bool), ("titles", FactType::Text)]),
];

/// What a probe sees; `None` if it looks at a kind of resource that does not exist.
pub fn facts_of(look: &Look) -> Option<Facts> {
    Some(match look {
        Look::Http { .. } => &[
            ("status", FactType::Int),
            ("latency", FactType::Span),
            ("dns", FactType::Span),
            ("connect", FactType::Span),
            ("tls", FactType::Span),
            ("first_byte", FactType::Span),
            ("redirects", FactType::Int),
            ("body", FactType::Text),
            ("json", FactType::Any),
        ],
        Look::Websocket { .. } => &[
            ("complete", FactType::Bool),
            ("latency", FactType::Span),
            ("reconnects", FactType::Int),
            ("last", FactType::Any),
        ],
        Look::Flow { .. } => &[("latency", FactType::Span), ("steps", FactType::Int)],
        Look::Load { .. } => &[
            ("requests", FactType::Int),
            ("success", FactType::Number),
            ("p50", FactType::Span),
            ("p95", FactType::Span),
            ("p99", FactType::Span),
            ("latency", FactType::Span),
        ],
        Look::Logs { .. } => &[
            ("count", FactType::Int),
            ("truncated", FactType::Bool),
            ("crashed", FactType::Int),
            ("not_ready", FactType::Int),
            ("no_instance", FactType::Int),
            ("timed_out", FactType::Int),
            ("latest", FactType::Text),
            ("trace", FactType::Text),
        ],
        Look::Metric { .. } => &[("value", FactType::Number)],
        Look::Tls { .. } => &[
            ("trusted", FactType::Bool),
            ("name_matches", FactType::Bool),
            ("days_left", FactType::Int),
            ("expires", FactType::Text),
            ("latency", FactType::Span),
        ],
        Look::Tcp { .. } => LATENCY,
        Look::Postgres { .. } | Look::Redis { .. } => {
            &[("latency", FactType::Span), ("p95", FactType::Span), ("success", FactType::Number)]
        }
        Look::Resource { kind, .. } => return KINDS.iter().find(|(known, _)| known == kind).map(|(_, facts)| *facts),
    })
}

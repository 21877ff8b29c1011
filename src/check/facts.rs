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
    /// A text.
    Text,
    /// A length of time.
    Span,
}

/// The facts of a probe: name and type.
pub type Facts = &'static [(&'static str, FactType)];

/// What a GET shows.
pub const HTTP: Facts = &[("status", FactType::Int), ("latency", FactType::Span), ("body", FactType::Text)];

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
    ("gcp.run.traffic", &[]),
];

/// Kinds of the format that this version cannot look at.
pub(super) const LATER_KINDS: [&str; 1] = ["gcp.sql"];

/// What a probe sees; `None` if it looks at a kind of resource that does not exist.
pub fn facts_of(look: &Look) -> Option<Facts> {
    match look {
        Look::Http { .. } => Some(HTTP),
        Look::Resource { kind, .. } => KINDS.iter().find(|(known, _)| known == kind).map(|(_, facts)| *facts),
    }
}

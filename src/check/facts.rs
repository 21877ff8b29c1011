//! What each kind of probe sees, and of what type. What a resource shows its kind says.

use crate::gate::{FactType, Facts};
use crate::resource::KindSpec;
use crate::runbook::model::Look;

/// How long it took, which is all that some probes see.
const LATENCY: Facts = &[("latency", FactType::Span)];

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
        Look::Resource { kind, .. } => return KindSpec::find(kind).map(|kind| kind.facts),
    })
}

//! What the probes of databases have in common: several connections at once, and their facts.
//!
//! Several can be opened at once (`clients`), as an instance's start-up does: a connector that carries one may not carry
//! twelve. A server that answers and does not let the probe in says nothing of its health: the probe is broken.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{FactsByName, Observer, ProbeFailure};
use crate::clock::{between, together};
use crate::gate::{FactType, Facts};
use crate::syntax::condition::Fact;

/// What an observation of a database shows.
pub(super) const FACTS: Facts = &[("latency", FactType::Span), ("p95", FactType::Span), ("success", FactType::Number)];

/// Opens so many connections at once and asks on each. Fails if none of them was answered, or one cannot be tried.
pub(super) async fn observe_clients(
    observer: &Observer,
    clients: u32,
    ask: impl AsyncFn() -> Result<(), ProbeFailure>,
) -> Result<FactsByName, ProbeFailure> {
    let clock = &*observer.clock;
    let began = clock.now();
    let ask = &ask;
    let attempts = (0..clients).map(async |_| ask().await.map(|()| between(began, clock.now())));
    let answers = together(clock, attempts).await;
    let asked = answers.len();
    let (mut times, mut first) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(time) => times.push(time),
            // A probe that cannot log in will not learn more by others that can.
            Err(broken @ ProbeFailure::Broken(_)) => return Err(broken),
            Err(other) => first = first.or(Some(other)),
        }
    }
    match first {
        Some(failure) if times.is_empty() => Err(failure),
        first => Ok(facts(times, asked, first)),
    }
}

fn facts(mut times: Vec<Duration>, asked: usize, first: Option<ProbeFailure>) -> FactsByName {
    times.sort_unstable();
    // The nearest rank: of 12, the 12th.
    let p95 = times.get((times.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut facts = BTreeMap::from([
        ("latency".to_owned(), Fact::Span(times.last().copied().unwrap_or_default())),
        ("p95".to_owned(), Fact::Span(p95)),
        ("success".to_owned(), Fact::Number(f64::from(count(times.len())) / f64::from(count(asked).max(1)))),
    ]);
    facts.extend(first.map(|failure| ("why".to_owned(), Fact::Text(failure.into_reason()))));
    facts
}

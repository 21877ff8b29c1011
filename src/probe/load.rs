//! Many visitors at once, for a while: what share of them is served, and how fast.
//!
//! Each visitor asks again as soon as it has its answer. One that gets an answer below 400 is served.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Looked;
use super::http::{Asked, Client, Lines};
use crate::clock::{Clock, between, later, together};
use crate::gate::Latencies;
use crate::syntax::condition::Fact;

/// More requests than this are not sent in one look, however fast the answers come.
const MOST: u32 = 100_000;

/// What the visitors met.
struct Met {
    sent: u32,
    served: u32,
    latencies: Latencies,
    first: Option<String>,
}

pub(super) async fn look(
    http: &Client,
    asked: &Asked<'_>,
    clients: u32,
    hold: Duration,
    timeout: Duration,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, Fact>, Looked> {
    let (until, lines) = (later(clock.now(), hold), Lines::default());
    let met = RefCell::new(Met { sent: 0, served: 0, latencies: Latencies::over(Duration::MAX), first: None });
    let visitors = (0..clients).map(async |_| {
        while clock.now() < until && met.borrow().sent < MOST {
            let began = clock.now();
            let answer = http.ask(asked, timeout, Some(&lines)).await;
            if let Err(broken @ Looked::Broken(_)) = answer {
                return Err(broken);
            }
            let mut met = met.borrow_mut();
            met.sent += 1;
            let why = match answer {
                Ok(answer) if answer.status < 400 => {
                    met.served += 1;
                    met.latencies.record(between(began, clock.now()), clock.now());
                    continue;
                }
                Ok(answer) => format!("status {}", answer.status),
                Err(Looked::Sick(why) | Looked::Unseen(why)) => why,
                Err(_) => continue,
            };
            met.first.get_or_insert(why);
        }
        Ok(())
    });
    together(clock, visitors).await.into_iter().collect::<Result<(), Looked>>()?;
    let Met { sent, served, latencies, first } = met.into_inner();
    let success = if sent == 0 { 0.0 } else { f64::from(served) / f64::from(sent) };
    let mut facts = BTreeMap::from([
        ("requests".to_owned(), Fact::Int(i64::from(sent))),
        ("success".to_owned(), Fact::Number(success)),
    ]);
    let Some(seen) = latencies.percentiles() else {
        return Err(Looked::Sick(first.unwrap_or_else(|| "no request was sent".to_owned())));
    };
    facts.extend(seen.each().map(|(name, _, figure)| (name.to_owned(), Fact::Span(figure))));
    facts.extend(seen.p95.map(|p95| ("latency".to_owned(), Fact::Span(p95))));
    facts.extend(first.map(|why| ("why".to_owned(), Fact::Text(why))));
    Ok(facts)
}

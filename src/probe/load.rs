//! `load`: many visitors at once, for a while: what share of them is served, and how fast.
//!
//! Each visitor asks again as soon as it has its answer. One that gets an answer below 400 is served.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_clients, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::clock::{between, later, together};
use crate::gate::{FactType, Facts, Latencies, Polling, Sampling};
use crate::peer::{Effect, HEADERS, HTTP, IdleConnections, PeerRequest, QUERY, Request, check_url, host_of_url};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::SecretText;

const DEFAULT_CLIENTS: u32 = 10;
const DEFAULT_HOLD: Duration = Duration::from_secs(10);

/// More requests than this are not sent in one observation, however fast the answers come.
const MOST_REQUESTS: u32 = 100_000;

/// Many HTTP requests at once, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProbe {
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// Headers by name.
    pub headers: BTreeMap<String, SecretText>,
    /// What is added to the URL's query, as it is sent.
    pub query: Option<SecretText>,
    /// How many visitors there are.
    pub clients: u32,
    /// For how long they keep asking.
    pub hold: Duration,
    /// How long each of them waits for an answer.
    pub timeout: Duration,
}

impl Declared for LoadProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "load",
        table: Table {
            about: "Many visitors at once. Sees `requests`, `success` (0 to 1), `p50`, `p95`, `p99` and `latency` (the p95).",
            keys: &[
                Key::new("load", ValueType::Text, "The URL that they ask for.")
                    .required()
                    .example("\"https://…/health\""),
                HEADERS,
                QUERY,
                Key::new("clients", ValueType::Integer, "How many there are.").example("20").default("10"),
                Key::new("for", ValueType::Duration, "How long they keep asking.").example("\"10s\"").default("10s"),
                TIMEOUT,
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<LoadProbe> {
        let (url, headers) = (block.text("load"), block.secret_texts("headers").unwrap_or_default());
        let (query, timeout) = (block.fields("query"), read_timeout(block));
        let clients = read_clients(block, DEFAULT_CLIENTS);
        let hold = block.positive_duration("for").unwrap_or(DEFAULT_HOLD);
        Some(LoadProbe { url: url?, headers, query, clients, hold, timeout })
    }
}

/// What the visitors met.
struct Visits {
    sent: u32,
    served: u32,
    latencies: Latencies,
    first_failure: Option<String>,
}

impl ProbeKind for LoadProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[
            ("requests", FactType::Int),
            ("success", FactType::Number),
            ("p50", FactType::Span),
            ("p95", FactType::Span),
            ("p99", FactType::Span),
            ("latency", FactType::Span),
        ])
    }

    fn time_limit(&self) -> Duration {
        self.hold.saturating_add(self.timeout)
    }

    // It is many requests already.
    fn polling(&self) -> Polling {
        Polling::Steady
    }

    fn sampling(&self) -> Sampling {
        Sampling::Trials
    }

    fn urls(&self) -> Vec<&str> {
        vec![&self.url]
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        vec![&mut self.url]
    }

    fn permissions(&self) -> &'static [Permission] {
        &[]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        let effect = Effect::Loads { clients: self.clients, hold: self.hold };
        let request = PeerRequest::to(host_of_url(&self.url), "GET", effect);
        vec![request.sends(&self.url, self.headers.values().chain(&self.query))]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("\"https://api.example.com/health\"")
    }

    fn check_address(&self) -> Result<(), String> {
        check_url(&self.url, HTTP)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let (headers, query) = (&self.headers, self.query.as_ref());
        let request = Request { url: &self.url, method: None, headers, query, body: None, redirects: 0 };
        let clock = &*observer.clock;
        let (until, connections) = (later(clock.now(), self.hold), IdleConnections::default());
        let visits =
            RefCell::new(Visits { sent: 0, served: 0, latencies: Latencies::over(Duration::MAX), first_failure: None });
        let visitors = (0..self.clients).map(async |_| {
            while clock.now() < until && visits.borrow().sent < MOST_REQUESTS {
                let began = clock.now();
                let answer =
                    observer.http.send(&request, self.timeout, Some(&connections)).await.map_err(ProbeFailure::from);
                if let Err(broken @ ProbeFailure::Broken(_)) = answer {
                    return Err(broken);
                }
                let mut visits = visits.borrow_mut();
                visits.sent += 1;
                let why = match answer {
                    Ok(answer) if answer.status < 400 => {
                        visits.served += 1;
                        visits.latencies.record(between(began, clock.now()), clock.now());
                        continue;
                    }
                    Ok(answer) => format!("status {}", answer.status),
                    Err(failure) => failure.into_reason(),
                };
                visits.first_failure.get_or_insert(why);
            }
            Ok(())
        });
        together(clock, visitors).await.into_iter().collect::<Result<(), ProbeFailure>>()?;
        visits.into_inner().into_facts()
    }
}

impl Visits {
    fn into_facts(self) -> Result<FactsByName, ProbeFailure> {
        let Visits { sent, served, latencies, first_failure } = self;
        let success = if sent == 0 { 0.0 } else { f64::from(served) / f64::from(sent) };
        let mut facts = BTreeMap::from([
            ("requests".to_owned(), Fact::Int(i64::from(sent))),
            ("success".to_owned(), Fact::Number(success)),
        ]);
        let Some(percentiles) = latencies.percentiles() else {
            let why = first_failure.unwrap_or_else(|| "no request was sent".to_owned());
            return Err(ProbeFailure::Unhealthy(why));
        };
        facts.extend(percentiles.each().map(|(name, _, figure)| (name.to_owned(), Fact::Span(figure))));
        facts.extend(percentiles.p95.map(|p95| ("latency".to_owned(), Fact::Span(p95))));
        facts.extend(first_failure.map(|why| ("why".to_owned(), Fact::Text(why))));
        Ok(facts)
    }
}

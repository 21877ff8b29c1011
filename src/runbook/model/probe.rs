//! What probes look at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Url;

use crate::gate::{Sampling, Sight};
use crate::syntax::condition::Condition;
use crate::syntax::value::Private;

/// A look may take at least so long before its probe counts as not watched: an answer can be slow, and a laptop busy.
const API_WITHIN: Duration = Duration::from_secs(15);

/// Something that can be looked at to judge health.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What is looked at.
    pub look: Look,
    /// What must hold for the sample to be healthy, as CEL over what was seen.
    pub expect: Condition,
}

/// One request of a flow.
#[derive(Clone, Debug)]
pub struct FlowStep {
    /// What it is called.
    pub name: String,
    /// An HTTP request or a conversation over a WebSocket.
    pub look: Look,
    /// What must hold of its answer.
    pub expect: Condition,
    /// What is kept of its answer: a JSON pointer by name.
    pub capture: BTreeMap<String, String>,
}

impl PartialEq for FlowStep {
    fn eq(&self, other: &FlowStep) -> bool {
        self.name == other.name
            && self.look == other.look
            && self.expect.to_string() == other.expect.to_string()
            && self.capture == other.capture
    }
}

impl Eq for FlowStep {}

/// What a request sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it is sent.
    pub text: Private,
    /// Its media type; `None` if only the author knows it.
    pub media_type: Option<&'static str>,
}

/// How a database is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseServer {
    /// By a URL, whose values are percent-encoded.
    Url(Private),
    /// By its parts, of which none can end another.
    Parts(Box<DatabaseParts>),
}

/// The parts of a connection to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseParts {
    /// Its host's name or address.
    pub host: String,
    /// `None`: the usual one.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: Option<Private>,
    /// The password.
    pub password: Option<Private>,
    /// PostgreSQL: its name; Redis: its number.
    pub database: Option<String>,
    /// Whether it must be encrypted.
    pub tls: DatabaseTls,
}

/// Whether a connection to a database must be encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseTls {
    /// It must: to a server that declines, nothing is sent.
    #[default]
    Require,
    /// It is not.
    Off,
}

/// What a probe looks at. Which facts each shows is written in `check::facts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// An HTTP request.
    Http {
        /// Absolute URL, `http` or `https`.
        url: String,
        /// `None`: `GET`.
        method: Option<String>,
        /// Headers by name.
        headers: BTreeMap<String, Private>,
        /// What is added to the URL's query, as it is sent.
        query: Option<Private>,
        /// What is sent.
        body: Option<Body>,
        /// How many redirects are followed.
        redirects: u32,
        /// How long to wait for the whole answer.
        timeout: Duration,
    },
    /// Many HTTP requests at once, for a while.
    Load {
        /// Absolute URL, `http` or `https`.
        url: String,
        /// Headers by name.
        headers: BTreeMap<String, Private>,
        /// What is added to the URL's query, as it is sent.
        query: Option<Private>,
        /// How many visitors there are.
        clients: u32,
        /// For how long they keep asking.
        hold: Duration,
        /// How long each of them waits for an answer.
        timeout: Duration,
    },
    /// Requests in sequence, each with what the ones before it captured.
    Flow {
        /// The requests.
        steps: Vec<FlowStep>,
    },
    /// A conversation over a WebSocket.
    Websocket {
        /// Absolute URL, `ws` or `wss`.
        url: String,
        /// Headers of the request that opens it.
        headers: BTreeMap<String, Private>,
        /// What is added to the URL's query, as it is sent.
        query: Option<Private>,
        /// The message that is sent.
        send: Option<Private>,
        /// The types of the messages that must come, in order.
        events: Vec<String>,
        /// How long all of them may take.
        within: Duration,
        /// Whether one connection serves a whole gate.
        keep_open: bool,
        /// Whether a connection that the request time-out ended is opened again.
        reconnect: bool,
        /// The service's request time-out, which ends every WebSocket.
        request_timeout: Duration,
    },
    /// Entries of Cloud Logging.
    Logs {
        /// The filter, without timestamps.
        filter: String,
        /// How far back.
        window: Duration,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// A query to Cloud Monitoring.
    Metric {
        /// In PromQL.
        query: String,
        /// How long to wait for the answer.
        timeout: Duration,
    },
    /// The state of a resource.
    Resource {
        /// Its kind, such as `gcp.connector`.
        kind: String,
        /// Its short name.
        name: String,
    },
    /// A TLS handshake.
    Tls {
        /// Host and port.
        address: String,
        /// How long to wait for it.
        timeout: Duration,
    },
    /// A TCP connection.
    Tcp {
        /// Host and port.
        address: String,
        /// How long to wait for it.
        timeout: Duration,
    },
    /// A connection to PostgreSQL and `select 1`.
    Postgres {
        /// How it is reached.
        server: DatabaseServer,
        /// How many connections are opened at once.
        clients: u32,
        /// How long to wait for the answers.
        timeout: Duration,
    },
    /// A `PING` to Redis.
    Redis {
        /// How it is reached.
        server: DatabaseServer,
        /// How many connections are opened at once.
        clients: u32,
        /// How long to wait for the answers.
        timeout: Duration,
    },
}

fn moved(url: &str, hosts: &[String], other: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    if !hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
        return None;
    }
    let scheme = if url.scheme().starts_with("ws") { "wss" } else { "https" };
    url.set_host(Some(other)).ok()?;
    url.set_port(None).ok()?;
    url.set_scheme(scheme).ok()?;
    Some(url.into())
}

/// How often Cloud Monitoring samples most metrics
/// (source: <https://docs.cloud.google.com/monitoring/api/v3/latency-n-retention>).
const SAMPLE_PERIOD: Duration = Duration::from_mins(1);

/// The longest range that a query in PromQL looks over, such as that of `rate(x[5m])`: points that are nearer to each other
/// share a part of it.
fn longest_range(query: &str) -> Duration {
    let ranges = query.split('[').skip(1).filter_map(|rest| rest.split([']', ':']).next()?.trim().parse().ok());
    let ranges = ranges.filter_map(|range: jiff::SignedDuration| Duration::try_from(range).ok());
    ranges.max().unwrap_or_default()
}

impl Look {
    /// What looking through it is like.
    pub fn sight(&self) -> Sight {
        // The cloud's own APIs have quotas; what is being healed is asked itself.
        let (within, hurried) = match self {
            Look::Http { timeout, .. }
            | Look::Tls { timeout, .. }
            | Look::Tcp { timeout, .. }
            | Look::Postgres { timeout, .. }
            | Look::Redis { timeout, .. } => (*timeout, true),
            Look::Websocket { within, .. } => (*within, true),
            // A flow and a load are many requests each.
            Look::Flow { steps } => (steps.iter().map(|step| step.look.sight().within).sum(), false),
            Look::Load { hold, timeout, .. } => (hold.saturating_add(*timeout), false),
            Look::Logs { timeout, .. } | Look::Metric { timeout, .. } => (*timeout, false),
            Look::Resource { .. } => (API_WITHIN, false),
        };
        Sight { within: within.max(API_WITHIN), hurried, sampling: self.sampling() }
    }

    /// What one sample of it is worth. Many reads of one value are one sample.
    pub fn sampling(&self) -> Sampling {
        match self {
            Look::Http { .. }
            | Look::Tls { .. }
            | Look::Tcp { .. }
            | Look::Postgres { .. }
            | Look::Redis { .. }
            | Look::Websocket { .. }
            | Look::Flow { .. }
            | Look::Load { .. } => Sampling::Trials,
            Look::Logs { window, .. } => Sampling::Windows { apart: *window },
            Look::Metric { query, .. } => Sampling::Points { apart: longest_range(query).max(SAMPLE_PERIOD) },
            Look::Resource { .. } => Sampling::State,
        }
    }

    /// The hosts that it asks by HTTP or over a WebSocket, in lower case.
    pub fn hosts(&self) -> BTreeSet<String> {
        match self {
            Look::Http { url, .. } | Look::Load { url, .. } | Look::Websocket { url, .. } => {
                let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
                host.into_iter().collect()
            }
            Look::Flow { steps } => steps.iter().flat_map(|step| step.look.hosts()).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The same look that asks another host in place of these, over TLS and at its usual port.
    #[must_use]
    pub fn in_place_of(&self, hosts: &[String], other: &str) -> Look {
        let mut look = self.clone();
        match &mut look {
            Look::Http { url, .. } | Look::Load { url, .. } | Look::Websocket { url, .. } => {
                if let Some(moved) = moved(url, hosts, other) {
                    *url = moved;
                }
            }
            Look::Flow { steps } => {
                for step in steps {
                    step.look = step.look.in_place_of(hosts, other);
                }
            }
            _ => {}
        }
        look
    }

    /// The key that makes a probe one of this kind.
    pub fn key(&self) -> &'static str {
        match self {
            Look::Http { .. } => "http",
            Look::Load { .. } => "load",
            Look::Flow { .. } => "flow",
            Look::Websocket { .. } => "websocket",
            Look::Logs { .. } => "logs",
            Look::Metric { .. } => "metric",
            Look::Resource { .. } => "resource",
            Look::Tls { .. } => "tls",
            Look::Tcp { .. } => "tcp",
            Look::Postgres { .. } => "postgres",
            Look::Redis { .. } => "redis",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Look {
        let timeout = Duration::from_secs(1);
        Look::Http {
            url: url.to_owned(),
            method: None,
            headers: BTreeMap::new(),
            query: None,
            body: None,
            redirects: 0,
            timeout,
        }
    }

    #[test]
    fn only_the_hosts_that_are_named_are_asked_elsewhere() {
        let hosts = ["api.example.com".to_owned()];
        for (url, moved) in [
            ("https://api.example.com/health?x=1", "https://cand---api.run.app/health?x=1"),
            ("http://API.example.com:8080/", "https://cand---api.run.app/"),
            ("https://auth.example.com/health", "https://auth.example.com/health"),
            ("not a url", "not a url"),
        ] {
            assert_eq!(http(url).in_place_of(&hosts, "cand---api.run.app"), http(moved), "{url}");
        }
        assert_eq!(http("https://API.example.com/").hosts(), BTreeSet::from(hosts));
    }
}

//! What probes look at.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Url;

use crate::gate::Sight;
use crate::runbook::condition::Condition;
use crate::runbook::value::Private;

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
        /// What is sent.
        body: Option<Private>,
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
        /// The connection's URL.
        url: Private,
        /// How many connections are opened at once.
        clients: u32,
        /// How long to wait for the answers.
        timeout: Duration,
    },
    /// A `PING` to Redis.
    Redis {
        /// The connection's URL.
        url: Private,
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
        Sight { within: within.max(API_WITHIN), hurried }
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
        Look::Http { url: url.to_owned(), method: None, headers: BTreeMap::new(), body: None, redirects: 0, timeout }
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

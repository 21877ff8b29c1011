//! What probes look at.

use std::collections::BTreeMap;
use std::time::Duration;

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

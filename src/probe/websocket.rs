//! `websocket`: a conversation over a WebSocket: a message is sent, and its events must come, all of them, in their order,
//! in time.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::connection::conversation::{Conversation, Reconnect};
use super::history::Past;
use super::keys::EXPECT;
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::address::WEBSOCKET;
use crate::peer::{Effect, HEADERS, PeerRequest, QUERY, check_url, host_of_url};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::{self, NotScalar, SecretText};

/// The URL.
pub(super) const URL: Key = Key::new("websocket", ValueType::Text, "The URL.").required().example("\"wss://…/ws\"");
/// The message.
pub(super) const SEND: Key =
    Key::new("send", ValueType::SecretText, "The message to send. Only inside of JSON texts may it have secrets.")
        .example("'{\"type\":\"chat\"}'");
/// What must come.
pub(super) const EVENTS: Key =
    Key::new("events", ValueType::Texts, "The `type` of each message that must come, in this order.")
        .required()
        .example("[\"agent_started\", \"agent_completed\"]");
/// How long it may take.
pub(super) const WITHIN: Key =
    Key::new("within", ValueType::Duration, "How long all of that may take.").example("\"30s\"").default("30s");

const DEFAULT_WITHIN: Duration = Duration::from_secs(30);

/// Cloud Run's default request time-out
/// (source: <https://docs.cloud.google.com/run/docs/configuring/request-timeout>).
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_mins(5);

/// A conversation over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebsocketProbe {
    /// Absolute URL, `ws` or `wss`.
    pub url: String,
    /// Headers of the request that opens it.
    pub headers: BTreeMap<String, SecretText>,
    /// What is added to the URL's query, as it is sent.
    pub query: Option<SecretText>,
    /// The message that is sent.
    pub send: Option<SecretText>,
    /// The types of the messages that must come, in order.
    pub events: Vec<String>,
    /// How long all of them may take.
    pub within: Duration,
    /// Whether one connection serves a whole gate.
    pub keep_open: bool,
    /// Whether a connection that the request time-out ended is opened again.
    pub reconnect: bool,
    /// The service's request time-out, which ends every WebSocket.
    pub request_timeout: Duration,
}

impl WebsocketProbe {
    /// Puts what a flow captured into its places.
    pub(super) fn fill(&mut self, captured: &BTreeMap<String, SecretString>) -> Result<(), NotScalar> {
        self.url = value::filled(&self.url, captured);
        let mut texts = self.headers.values_mut().chain(&mut self.query).chain(&mut self.send);
        texts.try_for_each(|text| text.filled(captured).map(|filled| *text = filled))
    }
}

impl Declared for WebsocketProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket. Sees `complete` (all events came, in order), `latency` (until the last), `last` (the last of them, as JSON) and `reconnects`.",
            keys: &[
                URL,
                HEADERS,
                QUERY,
                SEND,
                EVENTS,
                WITHIN,
                Key::new(
                    "keep_open",
                    ValueType::Flag,
                    "Whether one connection is kept for the whole gate, and used for every sample.",
                )
                .default("false: each sample opens its own"),
                Key::new(
                    "reconnect",
                    ValueType::Flag,
                    "Whether a connection that the request time-out ended is opened again, and not a failure.",
                )
                .default("false"),
                Key::new(
                    "request_timeout",
                    ValueType::Duration,
                    "The service's request time-out, which ends every WebSocket.",
                )
                .example("\"10m\"")
                .default("5m, Cloud Run's own default"),
                EXPECT.default("'complete'"),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = Some("complete");

    fn read(block: &Block<'_, '_>) -> Option<WebsocketProbe> {
        let (url, headers) = (block.text("websocket"), block.secret_texts("headers").unwrap_or_default());
        let (query, send, events) = (block.fields("query"), block.body("send"), block.texts("events"));
        let within = block.positive_duration("within").unwrap_or(DEFAULT_WITHIN);
        // A flow opens a connection of its own each time.
        let can_be_kept = block.knows("keep_open");
        let keep_open = can_be_kept && block.flag("keep_open").unwrap_or(false);
        let reconnect = can_be_kept && block.flag("reconnect").unwrap_or(false);
        let request_timeout = can_be_kept.then(|| block.positive_duration("request_timeout")).flatten();
        let request_timeout = request_timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
        if events.as_ref().is_some_and(Vec::is_empty) {
            block.wrong("events", "a conversation without events proves nothing", "name what must come");
        }
        let (url, events) = (url?, events?);
        Some(WebsocketProbe { url, headers, query, send, events, within, keep_open, reconnect, request_timeout })
    }
}

impl ProbeKind for WebsocketProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[
            ("complete", FactType::Bool),
            ("latency", FactType::Span),
            ("reconnects", FactType::Int),
            ("last", FactType::Any),
        ])
    }

    fn time_limit(&self) -> Duration {
        self.within
    }

    fn polling(&self) -> Polling {
        Polling::Fast
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
        let request = PeerRequest::to(host_of_url(&self.url), "WebSocket", Effect::Converses);
        vec![request.sends(&self.url, self.headers.values().chain(&self.query).chain(&self.send))]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("\"wss://api.example.com/ws\"")
    }

    fn check_address(&self) -> Result<(), String> {
        check_url(&self.url, WEBSOCKET)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, connections: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let conversation = Conversation {
            url: &self.url,
            headers: &self.headers,
            query: self.query.as_ref(),
            send: self.send.as_ref(),
            events: &self.events,
            within: self.within,
        };
        let (dialer, clock) = (&observer.dialer, &*observer.clock);
        let Some(name) = connections.kept_for().filter(|_| self.keep_open) else {
            return conversation.hold(dialer, clock).await;
        };
        let reconnect = Reconnect { allowed: self.reconnect, request_timeout: self.request_timeout };
        let mut kept = observer.take_kept(name);
        let facts = conversation.hold_on(&mut kept, reconnect, dialer, clock).await;
        observer.keep(name, kept);
        facts
    }
}

//! `flow`: several requests in sequence, as a visitor makes them: log in, open the chat with what the log-in gave, ask, be
//! answered.
//!
//! What one request captures of its answer, by a JSON pointer, the next ones say as `${flow.NAME}`. Captured values are
//! treated as secrets: they are sent, and never shown.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::history::Past;
use super::http::{self, HttpProbe};
use super::keys::{EXPECT, TIMEOUT};
use super::observer::{Connections, Observer, in_words};
use super::websocket::{self, WebsocketProbe};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind, block_of_its_kind, read_expectation};
use crate::clock::between;
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::address::WEBSOCKET;
use crate::peer::{BODY, FORM, HEADERS, HTTP, IdleConnections, JSON, PeerRequest, QUERY, check_url};
use crate::redact;
use crate::resource::Permission;
use crate::syntax::condition::{Condition, Fact};
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::NotScalar;
use crate::syntax::{Block, Meaning};

const NAME: Key = Key::new("name", ValueType::Literal, "What the request is called.").example("\"log in\"");
const CAPTURE: Key = Key::new("capture", ValueType::Values, "What is kept of the answer: a JSON pointer by name.")
    .example("{ token = \"/token\" }");

/// The requests that a flow may make.
pub const FLOW_REQUESTS: &[ProbeFormat] = &[
    ProbeFormat {
        key: "http",
        table: Table {
            about: "An HTTP request of a flow.",
            keys: &[
                NAME,
                http::URL,
                http::METHOD,
                HEADERS,
                QUERY,
                BODY,
                JSON,
                FORM,
                http::REDIRECTS,
                TIMEOUT,
                EXPECT.required(),
                CAPTURE,
            ],
        },
    },
    ProbeFormat {
        key: "websocket",
        table: Table {
            about: "A conversation over a WebSocket, as part of a flow.",
            keys: &[
                NAME,
                websocket::URL,
                HEADERS,
                QUERY,
                websocket::SEND,
                websocket::EVENTS,
                websocket::WITHIN,
                EXPECT.default("'complete'"),
                CAPTURE,
            ],
        },
    },
];

/// Requests in sequence, each with what the ones before it captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowProbe {
    /// The requests, at least one.
    pub steps: Vec<FlowStep>,
}

/// One request of a flow.
#[derive(Clone, Debug)]
pub struct FlowStep {
    /// What it is called.
    pub name: String,
    /// What is sent.
    pub request: FlowRequest,
    /// What must hold of its answer.
    pub expect: Condition,
    /// What is kept of its answer: a JSON pointer by name.
    pub capture: BTreeMap<String, String>,
}

/// What a request of a flow sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowRequest {
    /// An HTTP request.
    Http(HttpProbe),
    /// A conversation over a WebSocket.
    Websocket(WebsocketProbe),
}

impl PartialEq for FlowStep {
    fn eq(&self, other: &FlowStep) -> bool {
        self.name == other.name
            && self.request == other.request
            && self.expect.to_string() == other.expect.to_string()
            && self.capture == other.capture
    }
}

impl Eq for FlowStep {}

/// Does the same for both kinds of request.
macro_rules! of_request {
    ($request:expr, $probe:ident => $does:expr) => {
        match $request {
            FlowRequest::Http($probe) => $does,
            FlowRequest::Websocket($probe) => $does,
        }
    };
}

impl FlowRequest {
    fn schemes(&self) -> &'static [&'static str] {
        match self {
            FlowRequest::Http(_) => HTTP,
            FlowRequest::Websocket(_) => WEBSOCKET,
        }
    }

    /// What a flow captured may stand in the path or query of a URL, where it is percent-encoded. Which host is asked an
    /// answer does not decide.
    fn check_address(&self) -> Result<(), String> {
        for url in of_request!(self, probe => probe.urls()) {
            let authority = url.find("://").map_or(url.len(), |scheme| scheme + 3);
            let rest = url.get(authority..).unwrap_or_default();
            let path = authority + rest.find(['/', '?', '#']).unwrap_or(rest.len());
            if url.find("${flow.").is_some_and(|at| at < path) {
                return Err("a captured value cannot say which host is asked".to_owned());
            }
            check_url(url, self.schemes())?;
        }
        Ok(())
    }

    /// The request with the captured values in their places.
    fn filled(&self, captured: &BTreeMap<String, SecretString>) -> Result<FlowRequest, NotScalar> {
        let mut request = self.clone();
        of_request!(&mut request, probe => probe.fill(captured))?;
        Ok(request)
    }
}

impl Declared for FlowProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "flow",
        table: Table {
            about: "Requests one after another, as a visitor makes them. Sees `latency` (of all) and `steps`.",
            keys: &[
                Key::new(
                    "flow",
                    ValueType::Flow,
                    "The requests. Each may capture of its answer what the next ones say as `${flow.NAME}`.",
                )
                .required(),
                EXPECT.default("that every request is answered as it expects"),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = Some("latency >= duration(\"0s\")");

    /// What one request captures is known to those after it.
    fn read(block: &Block<'_, '_>) -> Option<FlowProbe> {
        let requests = block.requests("flow");
        if block.has("flow") && requests.is_empty() {
            block.wrong("flow", "a flow without requests proves nothing", "say what is asked for");
        }
        let (reader, mut known) = (block.reader, Vec::new());
        let steps: Vec<Option<FlowStep>> = requests
            .into_iter()
            .enumerate()
            .map(|(index, (path, node))| {
                let (block, key) = block_of_its_kind(reader, path, node, FLOW_REQUESTS)?;
                let name = block.literal("name").unwrap_or_else(|| format!("request {}", index + 1));
                let (request, expectation) = if key == HttpProbe::FORMAT.key {
                    (HttpProbe::read(&block).map(FlowRequest::Http), HttpProbe::EXPECTATION)
                } else {
                    (WebsocketProbe::read(&block).map(FlowRequest::Websocket), WebsocketProbe::EXPECTATION)
                };
                let expect = read_expectation(&block, expectation);
                let capture = block.values("capture").unwrap_or_default();
                for (name, pointer) in &capture {
                    if !pointer.starts_with('/') {
                        let message = format!("`{pointer}` is not a JSON pointer");
                        block.wrong("capture", message, "write it such as \"/user/token\"");
                    }
                    reader.scope.define(format!("flow.{name}"), Meaning::Captured);
                    known.push(format!("flow.{name}"));
                }
                block.finish();
                Some(FlowStep { name, request: request?, expect: expect?, capture })
            })
            .collect();
        for name in known {
            reader.scope.forget(&name);
        }
        let steps: Vec<FlowStep> = steps.into_iter().collect::<Option<_>>()?;
        (!steps.is_empty()).then_some(FlowProbe { steps })
    }
}

impl ProbeKind for FlowProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[("latency", FactType::Span), ("steps", FactType::Int)])
    }

    fn time_limit(&self) -> Duration {
        let limits = self.steps.iter().map(|step| of_request!(&step.request, probe => probe.time_limit()));
        limits.map(|limit| limit.max(super::SHORTEST_TIME_LIMIT)).sum()
    }

    // It is many requests already.
    fn polling(&self) -> Polling {
        Polling::Steady
    }

    fn sampling(&self) -> Sampling {
        Sampling::Trials
    }

    fn urls(&self) -> Vec<&str> {
        self.steps.iter().flat_map(|step| of_request!(&step.request, probe => probe.urls())).collect()
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        self.steps.iter_mut().flat_map(|step| of_request!(&mut step.request, probe => probe.urls_mut())).collect()
    }

    fn permissions(&self) -> &'static [Permission] {
        &[]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        self.steps.iter().flat_map(|step| of_request!(&step.request, probe => probe.peer_requests())).collect()
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("\"https://api.example.com/login\"")
    }

    fn check_address(&self) -> Result<(), String> {
        let check = |step: &FlowStep| step.request.check_address().map_err(|fault| format!("`{}`: {fault}", step.name));
        self.steps.iter().try_for_each(check)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let (began, idle) = (observer.clock.now(), IdleConnections::default());
        let mut captured: BTreeMap<String, SecretString> = BTreeMap::new();
        for (done, step) in self.steps.iter().enumerate() {
            let at = |why: String| format!("`{}`, step {} of {}: {why}", step.name, done + 1, self.steps.len());
            let unhealthy = |why: String| ProbeFailure::Unhealthy(at(why));
            let request = step.request.filled(&captured);
            let request = request.map_err(|why| unhealthy(format!("a captured value cannot be sent: {why}")))?;
            let connections = Connections::Shared(&idle);
            let facts = of_request!(&request, probe => Box::pin(probe.observe(observer, connections)).await);
            let facts = facts.map_err(|failure| failure.map_reason(at))?;
            match step.expect.holds(&facts) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(unhealthy(format!("{}, expected {}", in_words(&facts, &step.expect), step.expect)));
                }
                Err(why) => return Err(unhealthy(format!("{} cannot be judged: {why}", step.expect))),
            }
            for (name, pointer) in &step.capture {
                let found = capture(&facts, name, pointer);
                let found = found.ok_or_else(|| unhealthy(format!("its answer has nothing at {pointer}")))?;
                captured.insert(name.clone(), found);
            }
        }
        Ok(BTreeMap::from([
            ("latency".to_owned(), Fact::Span(between(began, observer.clock.now()))),
            ("steps".to_owned(), Fact::Int(i64::try_from(self.steps.len()).unwrap_or(i64::MAX))),
        ]))
    }
}

/// What stands at this place of an HTTP answer's body, or of a conversation's last message.
fn capture(facts: &FactsByName, name: &str, pointer: &str) -> Option<SecretString> {
    let Some(Fact::Json(answer)) = facts.get("json").or(facts.get("last")) else { return None };
    match answer.pointer(pointer)? {
        Value::Null => None,
        Value::String(text) => Some(redact::captured(&format!("flow.{name}"), text.clone())),
        other => Some(redact::captured(&format!("flow.{name}"), other.to_string())),
    }
}

//! `http`: one request to a URL, and what it is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::history::Past;
use super::keys::{EXPECT, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::{BODY, FORM, HEADERS, HTTP, HttpRequest, JSON, PeerRequest, QUERY, Request, check_url};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::{self, NotScalar};

/// The URL.
pub(super) const URL: Key = Key::new("http", ValueType::Text, "The URL.").required().example("\"https://…/health\"");
/// The method.
pub(super) const METHOD: Key = Key::new("method", ValueType::Literal, "The method.").example("\"POST\"").default("GET");
/// How many redirects are followed.
pub(super) const REDIRECTS: Key = Key::new("redirects", ValueType::Integer, "How many redirects are followed.")
    .example("3")
    .default("0: a redirect is an answer");

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpProbe {
    /// What is asked.
    pub request: HttpRequest,
    /// How many redirects are followed.
    pub redirects: u32,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

impl HttpProbe {
    /// Puts what a flow captured into its places.
    pub(super) fn fill(&mut self, captured: &BTreeMap<String, SecretString>) -> Result<(), NotScalar> {
        let HttpRequest { url, headers, query, body, .. } = &mut self.request;
        *url = value::filled(url, captured);
        let body = body.as_mut().map(|body| &mut body.text);
        let mut texts = headers.values_mut().chain(query).chain(body);
        texts.try_for_each(|text| text.filled(captured).map(|filled| *text = filled))
    }
}

impl Declared for HttpProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "http",
        table: Table {
            about: "An HTTP request. Sees `status`, `latency` with its parts `dns`, `connect`, `tls` and `first_byte`, `redirects`, `body`, and `json` if the body is that.",
            keys: &[URL, METHOD, HEADERS, QUERY, BODY, JSON, FORM, REDIRECTS, TIMEOUT, EXPECT.required()],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<HttpProbe> {
        let (url, method) = (block.text("http"), block.literal("method"));
        let request = HttpRequest::read(block, method, url);
        let (redirects, timeout) = (block.count("redirects", 0).unwrap_or(0), read_timeout(block));
        Some(HttpProbe { request: request?, redirects, timeout })
    }
}

impl ProbeKind for HttpProbe {
    fn facts(&self) -> Option<Facts> {
        Some(&[
            ("status", FactType::Int),
            ("latency", FactType::Span),
            ("dns", FactType::Span),
            ("connect", FactType::Span),
            ("tls", FactType::Span),
            ("first_byte", FactType::Span),
            ("redirects", FactType::Int),
            ("body", FactType::Text),
            ("json", FactType::Any),
        ])
    }

    fn time_limit(&self) -> Duration {
        self.timeout
    }

    fn polling(&self) -> Polling {
        Polling::Fast
    }

    fn sampling(&self) -> Sampling {
        Sampling::Trials
    }

    fn urls(&self) -> Vec<&str> {
        vec![&self.request.url]
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        vec![&mut self.request.url]
    }

    fn permissions(&self) -> &'static [Permission] {
        &[]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        vec![self.request.to_peer()]
    }

    fn address_example(&self) -> Option<&'static str> {
        Some("\"https://api.example.com/health\"")
    }

    fn check_address(&self) -> Result<(), String> {
        check_url(&self.request.url, HTTP)
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, connections: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let request = Request { redirects: self.redirects, ..self.request.wanted() };
        let answer = observer.http.send(&request, self.timeout, connections.shared()).await?;
        Ok(answer.into_facts())
    }
}

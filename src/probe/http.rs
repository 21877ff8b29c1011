//! `http`: one request to a URL, and what it is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use super::address::{HTTP, check_url};
use super::connection::http_client::Request;
use super::history::Past;
use super::keys::{EXPECT, HEADERS, QUERY, TIMEOUT, read_timeout};
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::{Effect, PeerRequest, host_of_url, is_idempotent};
use crate::resource::Permission;
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::{self, NotScalar, SecretText};

/// The URL.
pub(super) const URL: Key = Key::new("http", ValueType::Text, "The URL.").required().example("\"https://…/health\"");
/// The method.
pub(super) const METHOD: Key = Key::new("method", ValueType::Literal, "The method.").example("\"POST\"").default("GET");
/// The body as it is sent.
pub(super) const BODY: Key =
    Key::new("body", ValueType::SecretText, "What to send. Only inside of JSON texts may it have secrets.");
/// The body as JSON.
pub(super) const JSON: Key = Key::new("json", ValueType::Json, "What to send, as JSON; its texts may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
/// The body as a form.
pub(super) const FORM: Key = Key::new("form", ValueType::Fields, "What to send, as a form; may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
/// How many redirects are followed.
pub(super) const REDIRECTS: Key = Key::new("redirects", ValueType::Integer, "How many redirects are followed.")
    .example("3")
    .default("0: a redirect is an answer");

/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpProbe {
    /// Absolute URL, `http` or `https`.
    pub url: String,
    /// `None`: `GET`.
    pub method: Option<String>,
    /// Headers by name.
    pub headers: BTreeMap<String, SecretText>,
    /// What is added to the URL's query, as it is sent.
    pub query: Option<SecretText>,
    /// What is sent.
    pub body: Option<Body>,
    /// How many redirects are followed.
    pub redirects: u32,
    /// How long to wait for the whole answer.
    pub timeout: Duration,
}

/// What a request sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it is sent.
    pub text: SecretText,
    /// Its media type; `None` if only the author knows it.
    pub media_type: Option<&'static str>,
}

impl HttpProbe {
    /// Puts what a flow captured into its places.
    pub(super) fn fill(&mut self, captured: &BTreeMap<String, SecretString>) -> Result<(), NotScalar> {
        self.url = value::filled(&self.url, captured);
        let body = self.body.as_mut().map(|body| &mut body.text);
        let mut texts = self.headers.values_mut().chain(&mut self.query).chain(body);
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
        let headers = block.secret_texts("headers").unwrap_or_default();
        let (query, body, timeout) = (block.fields("query"), read_body(block), read_timeout(block));
        let redirects = block.count("redirects", 0).unwrap_or(0);
        Some(HttpProbe { url: url?, method, headers, query, body, redirects, timeout })
    }
}

/// What a request sends: one of three ways to say it.
fn read_body(block: &Block<'_, '_>) -> Option<Body> {
    let said: Vec<&str> = ["body", "json", "form"].into_iter().filter(|key| block.has(key)).collect();
    if let [first, second, ..] = said.as_slice() {
        let message = format!("a request sends one thing: `{first}` or `{second}`, not both");
        block.wrong(second, message, "take one of them out");
    }
    let of = |text: Option<SecretText>, media_type| text.map(|text| Body { text, media_type });
    let body = of(block.body("body"), None);
    let json = of(block.json("json"), Some("application/json"));
    let form = of(block.fields("form"), Some("application/x-www-form-urlencoded"));
    body.or(json).or(form)
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
        vec![&self.url]
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        vec![&mut self.url]
    }

    fn permissions(&self) -> &'static [Permission] {
        &[]
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        let method = self.method.as_deref().unwrap_or("GET");
        let asks = is_idempotent(method) && self.body.is_none();
        let effect = if asks { Effect::Reads } else { Effect::Writes };
        let texts = self.headers.values().chain(&self.query).chain(self.body.as_ref().map(|body| &body.text));
        vec![PeerRequest::to(host_of_url(&self.url), method, effect).sends(&self.url, texts)]
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

    async fn observe(&self, observer: &Observer, connections: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let request = Request {
            url: &self.url,
            method: self.method.as_deref(),
            headers: &self.headers,
            query: self.query.as_ref(),
            body: self.body.as_ref(),
            redirects: self.redirects,
        };
        let answer = observer.http.send(&request, self.timeout, connections.shared()).await?;
        Ok(answer.into_facts())
    }
}

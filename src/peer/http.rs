//! An HTTP request as a runbook says it: probes ask by one, and steps send one.

use std::collections::BTreeMap;

use super::connection::http_client::Request;
use super::{Effect, PeerRequest, host_of_url, is_idempotent};
use crate::syntax::Block;
use crate::syntax::format::{Key, ValueType};
use crate::syntax::value::SecretText;

/// Headers of a request.
pub(crate) const HEADERS: Key =
    Key::new("headers", ValueType::SecretTexts, "Headers to send; their values may have secrets.")
        .example("{ Authorization = \"Bearer ${inputs.token}\" }");
/// What is added to a URL.
pub(crate) const QUERY: Key =
    Key::new("query", ValueType::Fields, "What is added to the URL's query, percent-encoded; may have secrets.")
        .example("{ token = \"${inputs.token}\" }");
/// The body as it is sent.
pub(crate) const BODY: Key =
    Key::new("body", ValueType::SecretText, "What to send. Only inside of JSON texts may it have secrets.");
/// The body as JSON.
pub(crate) const JSON: Key = Key::new("json", ValueType::Json, "What to send, as JSON; its texts may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
/// The body as a form.
pub(crate) const FORM: Key = Key::new("form", ValueType::Fields, "What to send, as a form; may have secrets.")
    .example("{ user = \"probe\", password = \"${inputs.password}\" }");
/// An HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
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
}

/// What a request sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it is sent.
    pub text: SecretText,
    /// Its media type; `None` if only the author knows it.
    pub media_type: Option<&'static str>,
}

impl HttpRequest {
    /// Reads what is sent besides the method and the URL.
    pub(crate) fn read(block: &Block<'_, '_>, method: Option<String>, url: Option<String>) -> Option<HttpRequest> {
        let headers = block.secret_texts("headers").unwrap_or_default();
        let (query, body) = (block.fields("query"), read_body(block));
        Some(HttpRequest { url: url?, method, headers, query, body })
    }

    /// The same to be sent, without following redirects.
    pub(crate) fn wanted(&self) -> Request<'_> {
        Request {
            url: &self.url,
            method: self.method.as_deref(),
            headers: &self.headers,
            query: self.query.as_ref(),
            body: self.body.as_ref(),
            redirects: 0,
        }
    }

    /// The texts that it sends, which may have secrets in them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &SecretText> {
        self.headers.values().chain(&self.query).chain(self.body.as_ref().map(|body| &body.text))
    }

    /// To whom it goes, and what it does there.
    pub(crate) fn to_peer(&self) -> PeerRequest {
        let method = self.method.as_deref().unwrap_or("GET");
        let asks = is_idempotent(method) && self.body.is_none();
        let effect = if asks { Effect::Reads } else { Effect::Writes };
        PeerRequest::to(host_of_url(&self.url), method, effect).sends(&self.url, self.texts())
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

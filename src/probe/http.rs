//! One request to a URL: its status, how long the whole answer took, and its body.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;
use reqwest::Method;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;

use super::Looked;
use crate::clock::{Clock, between, later, words};
use crate::runbook::condition::Fact;
use crate::runbook::value::Private;

/// How much of a body is read. Health pages are small; whatever sends more is not one.
const BODY: usize = 64 * 1024;

/// How requests find their way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// By the machine's resolver.
    Direct,
    /// To a simulated cloud, for the hosts it serves; no other host is asked at all.
    Simulated {
        /// Where the simulated cloud listens. It speaks plain HTTP whatever the URL says.
        address: SocketAddr,
        /// The hosts it serves.
        hosts: Vec<String>,
    },
}

/// A request as a runbook asks for it.
pub(super) struct Asked<'a> {
    pub(super) url: &'a str,
    pub(super) method: Option<&'a str>,
    pub(super) headers: &'a BTreeMap<String, Private>,
    pub(super) body: Option<&'a Private>,
}

pub(super) struct Client {
    http: reqwest::Client,
    route: Route,
}

impl Client {
    pub(super) fn new(route: Route) -> Result<Client, reqwest::Error> {
        // A redirect is an answer of its own: what stands behind it was not asked for.
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let builder = if route == Route::Direct { builder } else { builder.no_proxy() };
        Ok(Client { http: builder.build()?, route })
    }

    pub(super) async fn look(&self, asked: &Asked<'_>, timeout: Duration, clock: &dyn Clock) -> Looked {
        let request = match self.request(asked) {
            Ok(request) => request,
            Err(why) => return Looked::Unseen(why),
        };
        let began = clock.now();
        let (answer, out_of_time) = (fetch(request), clock.timer(later(began, timeout)));
        pin_mut!(answer);
        match select(answer, out_of_time).await {
            Either::Right(_) => Looked::Sick(format!("no answer within {}", words(timeout))),
            Either::Left((Err(error), _)) => explain(&error),
            Either::Left((Ok((status, body)), _)) => {
                let mut facts = BTreeMap::from([
                    ("status".to_owned(), Fact::Int(i64::from(status))),
                    ("latency".to_owned(), Fact::Span(between(began, clock.now()))),
                ]);
                facts.extend(body.map(|body| ("body".to_owned(), Fact::Text(body))));
                Looked::Facts(facts)
            }
        }
    }

    fn request(&self, asked: &Asked<'_>) -> Result<reqwest::RequestBuilder, String> {
        let method = asked.method.unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method} is no method"))?;
        let mut request = self.routed(method, asked.url)?;
        for (name, value) in asked.headers {
            // A secret in a header is not shown by whoever shows a request.
            let mut header = HeaderValue::from_str(value.value().expose_secret())
                .map_err(|_| format!("the header {name} cannot be sent: {value}"))?;
            header.set_sensitive(true);
            request = request.header(name, header);
        }
        Ok(match asked.body {
            Some(body) => request.body(body.value().expose_secret().to_owned()),
            None => request,
        })
    }

    fn routed(&self, method: Method, url: &str) -> Result<reqwest::RequestBuilder, String> {
        let url = reqwest::Url::parse(url).map_err(|error| format!("{url} is not a URL: {error}"))?;
        let Route::Simulated { address, hosts } = &self.route else { return Ok(self.http.request(method, url)) };
        let host = url.host_str().unwrap_or_default().to_owned();
        if !hosts.contains(&host) {
            return Err(format!("the simulated cloud does not serve {host}"));
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let there = format!("http://{address}{}{query}", url.path());
        Ok(self.http.request(method, there).header(reqwest::header::HOST, host))
    }
}

/// The status and the body; no body if there was more than is read, for what was not read cannot be judged.
async fn fetch(request: reqwest::RequestBuilder) -> Result<(u16, Option<String>), reqwest::Error> {
    let mut answer = request.send().await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(BODY - body.len())]);
        if body.len() == BODY {
            break;
        }
    }
    let whole = body.len() < BODY;
    Ok((answer.status().as_u16(), whole.then(|| String::from_utf8_lossy(&body).into_owned())))
}

/// An endpoint that refuses or breaks the connection is sick; a name that does not resolve, or a request
/// that could not be made, says nothing about it.
fn explain(error: &reqwest::Error) -> Looked {
    let mut why = error.to_string();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(deeper) = source {
        why = format!("{why}: {deeper}");
        source = deeper.source();
    }
    if why.contains("dns error") || error.is_builder() { Looked::Unseen(why) } else { Looked::Sick(why) }
}

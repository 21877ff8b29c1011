//! HTTP requests: status, how long each part of it took, and its body.
//!
//! Each sample opens a connection of its own: one that is kept would go on showing the instance that it leads to, and not
//! the service. The requests of one flow, and those of one load, use connections again, as browsers do; `dns`, `connect` and
//! `tls` are then zero. Nothing is sent twice: what went out on a connection that then ended has failed, and only a request
//! of which nothing was written goes out on another. A redirect is an answer of its own unless the runbook says how many to
//! follow. A probe asks the service itself: no proxy stands between.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Either, Fuse, select};
use futures::pin_mut;
use http::Method;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use secrecy::ExposeSecret as _;

use super::dial::{Dialer, NoAnswer, Origin, Took, Unreached, origin, url};
use crate::clock::{Clock, between, format_duration, later};
use crate::peer::Body;
use crate::syntax::condition::Fact;
use crate::syntax::value::SecretText;

/// How much of a body is read. Health pages are small; whatever sends more is not one.
const BODY: usize = 64 * 1024;

/// How many idle connections to one origin are kept.
const KEPT: usize = 64;

/// A request as a runbook asks for it.
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: Option<&'a str>,
    pub(crate) headers: &'a BTreeMap<String, SecretText>,
    /// What is added to the URL's query, encoded.
    pub(crate) query: Option<&'a SecretText>,
    pub(crate) body: Option<&'a Body>,
    pub(crate) redirects: u32,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// None if there was more than is read: what was not read cannot be judged.
    body: Option<String>,
    took: Took,
    first_byte: Duration,
    total: Duration,
    redirects: u32,
    location: Option<String>,
}

/// An open connection.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// What moves the bytes. It is at work while an answer is waited for, and only then.
    driver: Fuse<BoxFuture<'static, ()>>,
}

impl Connection {
    /// Does this while the connection is at work.
    async fn during<T>(&mut self, work: impl FnOnce(&mut SendRequest<Full<Bytes>>) -> BoxFuture<'_, T>) -> T {
        let (mut work, driver) = (work(&mut self.sender), &mut self.driver);
        std::future::poll_fn(move |context| {
            // It may end before what it brought is read.
            let _ = driver.poll_unpin(context);
            work.poll_unpin(context)
        })
        .await
    }
}

pub(crate) struct Client {
    dialer: Arc<Dialer>,
    clock: Arc<dyn Clock>,
}

/// Connections that the requests of one flow or one load use again.
#[derive(Default)]
pub(crate) struct IdleConnections {
    idle: Mutex<BTreeMap<Origin, Vec<Connection>>>,
}

impl IdleConnections {
    fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(origin)?;
        std::iter::from_fn(|| connections.pop()).find(|connection| !connection.sender.is_closed())
    }

    fn keep(&self, origin: &Origin, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(origin.clone()).or_default();
        if connections.len() < KEPT {
            connections.push(connection);
        }
    }
}

/// Why there is no answer.
enum Unanswered {
    /// Nothing of the request was written: it is given back.
    NotSent(Box<http::Request<Full<Bytes>>>),
    /// It went out, and what came of it is not an answer.
    Failed(hyper::Error),
}

impl Client {
    pub(crate) fn new(dialer: Arc<Dialer>, clock: Arc<dyn Clock>) -> Client {
        Client { dialer, clock }
    }

    /// Sends a request, and waits so long for the whole answer; on one of these connections, if there are any.
    pub(crate) async fn send(
        &self,
        wanted: &Request<'_>,
        timeout: Duration,
        idle: Option<&IdleConnections>,
    ) -> Result<Answer, NoAnswer> {
        let url = url(wanted.url)?;
        let until = later(self.clock.now(), timeout);
        let host = url.host_str().unwrap_or_default().to_owned();
        let out_of_time = self.dialer.deadline(&host, until);
        let answer = self.follow(wanted, url, idle);
        pin_mut!(answer);
        match select(answer, out_of_time).await {
            Either::Left((answer, _)) => answer,
            // The answer is still being waited for here, and so is the name, if that is what takes so long.
            Either::Right(_) => {
                Err(self.dialer.out_of_time(&host, format!("no answer within {}", format_duration(timeout))))
            }
        }
    }

    /// Sends a request that does something, once, on a connection of its own, and waits so long for the answer. No redirect is followed.
    ///
    /// # Errors
    /// Either nothing was sent, or what came of it is not known.
    pub(crate) async fn send_once(&self, wanted: &Request<'_>, timeout: Duration) -> Result<Answer, NoAnswer> {
        let url = url(wanted.url)?;
        let origin = origin(&url, ["http", "https"])?;
        let request = build(wanted, &url, false).map_err(Unreached::Impossible)?;
        let until = later(self.clock.now(), timeout);
        let late = || format!("no answer within {}", format_duration(timeout));
        let opened = async {
            let (stream, took) = self.dialer.dial(&origin).await?;
            let opened = handshake(TokioIo::new(stream)).await;
            opened.map(|opened| (opened, took)).map_err(|error| Unreached::Refused(explain(&error)))
        };
        pin_mut!(opened);
        let ((sender, connection), took) = match select(opened, self.dialer.deadline(&origin.host, until)).await {
            Either::Left((opened, _)) => opened?,
            Either::Right(_) => {
                return Err(Unreached::NoWay(format!("no connection within {}", format_duration(timeout))).into());
            }
        };
        let open = Connection { sender, driver: async move { drop(connection.await) }.boxed().fuse() };
        let exchanged = self.exchange(open, request, took, &origin, None);
        pin_mut!(exchanged);
        match select(exchanged, self.dialer.deadline(&origin.host, until)).await {
            Either::Left((Ok(answer), _)) => Ok(answer),
            Either::Left((Err(Unanswered::NotSent(_)), _)) => {
                Err(Unreached::Refused("the connection ended before anything was sent".to_owned()).into())
            }
            Either::Left((Err(Unanswered::Failed(error)), _)) => Err(NoAnswer::Failed(explain(&error))),
            Either::Right(_) => Err(NoAnswer::Failed(late())),
        }
    }

    /// Asks, and asks again where it is sent, as often as that is allowed.
    async fn follow(
        &self,
        wanted: &Request<'_>,
        mut url: Url,
        idle: Option<&IdleConnections>,
    ) -> Result<Answer, NoAnswer> {
        let began = self.clock.now();
        let mut redirects = 0;
        loop {
            let mut answer =
                self.once(build(wanted, &url, redirects > 0).map_err(Unreached::Impossible)?, &url, idle).await?;
            let location = answer.location.take().filter(|_| wanted.redirects > 0);
            let Some(location) = location else {
                return Ok(Answer { redirects, total: between(began, self.clock.now()), ..answer });
            };
            if redirects == wanted.redirects {
                let last = url.join(&location);
                let last = last.map_or_else(|_| "what is no URL".to_owned(), |next| destination(&url, &next));
                return Err(NoAnswer::Failed(format!("it redirects more than {redirects} times, at last to {last}")));
            }
            let next = url.join(&location);
            let next = next.map_err(|error| NoAnswer::Failed(format!("it redirects to what is no URL: {error}")))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(NoAnswer::Failed(format!("it redirects out of TLS, to {}", destination(&url, &next))));
            }
            redirects += 1;
            // What was meant for one host is not shown to another.
            if next.origin() != url.origin() && !(wanted.headers.is_empty() && wanted.body.is_none()) {
                return Err(NoAnswer::Failed(format!(
                    "it redirects to {}, and headers or body are not meant for that",
                    destination(&url, &next)
                )));
            }
            url = next;
        }
    }

    async fn once(
        &self,
        mut request: http::Request<Full<Bytes>>,
        url: &Url,
        idle: Option<&IdleConnections>,
    ) -> Result<Answer, NoAnswer> {
        let origin = origin(url, ["http", "https"])?;
        let failed = |error: hyper::Error| NoAnswer::Failed(explain(&error));
        while let Some(open) = idle.and_then(|idle| idle.take(&origin)) {
            match self.exchange(open, request, Took::default(), &origin, idle).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Failed(error)) => return Err(failed(error)),
                // The other side closed it meanwhile, which says nothing of it.
                Err(Unanswered::NotSent(unsent)) => request = *unsent,
            }
        }
        let (stream, took) = self.dialer.dial(&origin).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // What goes wrong on it is told to whoever waits for an answer.
        let open = Connection { sender, driver: async move { drop(connection.await) }.boxed().fuse() };
        self.exchange(open, request, took, &origin, idle).await.map_err(|unanswered| match unanswered {
            Unanswered::Failed(error) => failed(error),
            Unanswered::NotSent(_) => NoAnswer::Failed("the connection ended before anything was sent".to_owned()),
        })
    }

    async fn exchange(
        &self,
        mut open: Connection,
        request: http::Request<Full<Bytes>>,
        took: Took,
        origin: &Origin,
        idle: Option<&IdleConnections>,
    ) -> Result<Answer, Unanswered> {
        let began = self.clock.now();
        let response = open.during(|sender| sender.try_send_request(request).boxed()).await;
        let response = response.map_err(|mut error| match error.take_message() {
            Some(unsent) => Unanswered::NotSent(Box::new(unsent)),
            None => Unanswered::Failed(error.into_error()),
        })?;
        let first_byte = between(began, self.clock.now());
        let status = response.status();
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let location = location.filter(|_| status.is_redirection());
        let read = open.during(|_| read(response.into_body()).boxed()).await;
        let (body, whole) = read.map_err(Unanswered::Failed)?;
        if let Some(idle) = idle.filter(|_| whole) {
            idle.keep(origin, open);
        }
        let body = whole.then(|| String::from_utf8_lossy(&body).into_owned());
        let total = between(began, self.clock.now());
        Ok(Answer { status: status.as_u16(), body, took, first_byte, total, redirects: 0, location })
    }
}

/// Where a redirect leads: its path, and its origin if that is another. What else is in a URL are log-in codes, tokens,
/// passwords.
fn destination(from: &Url, to: &Url) -> String {
    let origin = if from.origin() == to.origin() { String::new() } else { to.origin().ascii_serialization() };
    format!("{origin}{}", to.path())
}

impl Answer {
    pub(crate) fn into_facts(self) -> BTreeMap<String, Fact> {
        let json = self.body.as_ref().and_then(|body| serde_json::from_str(body).ok());
        let span = |name: &str, span| (name.to_owned(), Fact::Span(span));
        let mut facts = BTreeMap::from([
            ("status".to_owned(), Fact::Int(i64::from(self.status))),
            ("redirects".to_owned(), Fact::Int(i64::from(self.redirects))),
            span("dns", self.took.dns),
            span("connect", self.took.connect),
            span("tls", self.took.tls),
            span("first_byte", self.first_byte),
            span("latency", self.total),
        ]);
        facts.extend(self.body.map(|body| ("body".to_owned(), Fact::Text(body))));
        facts.extend(json.map(|json| ("json".to_owned(), Fact::Json(json))));
        facts
    }
}

fn build(wanted: &Request<'_>, url: &Url, redirected: bool) -> Result<http::Request<Full<Bytes>>, String> {
    let method = wanted.method.unwrap_or("GET");
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method} is no method"))?;
    // A redirect is followed as browsers do: with a question, whatever was said before.
    let method = if redirected { Method::GET } else { method };
    // Where a redirect leads is said in full by whoever sent it.
    let added = wanted.query.filter(|_| !redirected).map(|query| query.value().expose_secret());
    let query: Vec<&str> = url.query().into_iter().chain(added).filter(|query| !query.is_empty()).collect();
    let path = if query.is_empty() { url.path().to_owned() } else { format!("{}?{}", url.path(), query.join("&")) };
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let sent = wanted.body.filter(|_| !redirected);
    let body = sent.map(|body| body.text.value().expose_secret().to_owned());
    let mut request = http::Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().map_err(|error| format!("the URL's path cannot be wanted for: {error}"))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| format!("{host} is no host"))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("rectify/", env!("CARGO_PKG_VERSION"))));
    if let Some(media_type) = sent.and_then(|body| body.media_type) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    add(headers, wanted.headers)?;
    Ok(request)
}

/// Adds a runbook's headers. A secret in one is not shown by whoever shows a request.
pub(crate) fn add(headers: &mut HeaderMap, wanted: &BTreeMap<String, SecretText>) -> Result<(), String> {
    for (name, value) in wanted {
        let cannot = || format!("the header {name} cannot be sent: {value}");
        let known = HeaderName::try_from(name.as_str()).map_err(|_| cannot())?;
        let mut header = HeaderValue::from_str(value.value().expose_secret()).map_err(|_| cannot())?;
        header.set_sensitive(true);
        headers.insert(known, header);
    }
    Ok(())
}

/// What is read of a body, and whether that is all of it.
async fn read(mut body: Incoming) -> Result<(Vec<u8>, bool), hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if read.len() + data.len() > BODY {
            return Ok((read, false));
        }
        read.extend_from_slice(&data);
    }
    Ok((read, true))
}

/// What went wrong, with all its reasons.
pub(crate) fn explain(error: &dyn Error) -> String {
    let (mut why, mut source) = (error.to_string(), error.source());
    while let Some(deeper) = source {
        why = format!("{why}: {deeper}");
        source = deeper.source();
    }
    why
}

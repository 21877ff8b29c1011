//! The one client for Google's APIs: plain REST with Google's credentials, one request at a time, every answer bounded.
//!
//! A read is sent again when the network or the API has a hiccup; a write is sent once, because one whose answer was lost must be
//! looked at, not repeated. No redirect is followed: a token would go with it.

use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use http::Method;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::api_error::{ApiError, Refusal, malformed};
use super::call::Call;
use super::path::ApiPath;
use super::proto_json::{Page, read, read_page};
use super::retry::{Backoff, READ_ATTEMPTS, can_retry};
use crate::clock::{Clock as _, SystemClock, between};
use crate::redact;

/// How long one attempt of one call may take, answer included. It says nothing about the outcome of a write.
const ATTEMPT: Duration = Duration::from_secs(30);

/// An API of Google's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Cloud Run Admin.
    Run,
    /// Serverless VPC Access.
    VpcAccess,
    /// Compute Engine.
    Compute,
    /// Cloud SQL Admin.
    Sql,
    /// Cloud Logging.
    Logging,
    /// Cloud Monitoring.
    Monitoring,
    /// Personalized Service Health.
    ServiceHealth,
    /// Google Cloud Support.
    Support,
    /// Resource Manager: who may do what in a project.
    ResourceManager,
    /// Service Usage: which APIs are enabled.
    ServiceUsage,
    /// OpenID Connect: who the caller is.
    OpenId,
}

/// So much of an answer about one resource is read. A Cloud Run service with a thousand environment variables of a kilobyte each has a
/// megabyte.
const LARGEST_ANSWER: usize = 8 << 20;

/// So much of a page of a list, and of an answer of Cloud Monitoring's, is read. A page has a thousand log entries at most, of 256 KiB at
/// most each (<https://docs.cloud.google.com/logging/quotas>) and usually of one or two, or a hundred operations, each with the service
/// that it changes twice in it.
const LARGEST_PAGE: usize = 32 << 20;

/// So much of an error is read. Google's have a few kilobytes; a proxy's page says in its beginning what it is.
const LARGEST_ERROR: usize = 64 << 10;

/// So much of a list is read, all of its pages together.
const LARGEST_LIST: usize = 64 << 20;

/// More pages of a list than this are not asked for. Cloud Logging answers with empty pages while it searches.
const MOST_PAGES: u32 = 25;

/// How long a list may take, with all of its pages.
const WHOLE_LIST: Duration = Duration::from_mins(2);

impl Api {
    fn host(self) -> &'static str {
        match self {
            Api::Run => "https://run.googleapis.com",
            Api::VpcAccess => "https://vpcaccess.googleapis.com",
            Api::Compute => "https://compute.googleapis.com",
            Api::Sql => "https://sqladmin.googleapis.com",
            Api::Logging => "https://logging.googleapis.com",
            Api::Monitoring => "https://monitoring.googleapis.com",
            Api::ServiceHealth => "https://servicehealth.googleapis.com",
            Api::Support => "https://cloudsupport.googleapis.com",
            Api::ResourceManager => "https://cloudresourcemanager.googleapis.com",
            Api::ServiceUsage => "https://serviceusage.googleapis.com",
            Api::OpenId => "https://openidconnect.googleapis.com",
        }
    }

    /// So many bytes of an answer that is no page are read.
    fn largest_answer(self) -> usize {
        match self {
            Api::Monitoring => LARGEST_PAGE,
            Api::Run
            | Api::VpcAccess
            | Api::Compute
            | Api::Sql
            | Api::Logging
            | Api::ServiceHealth
            | Api::Support
            | Api::ResourceManager
            | Api::ServiceUsage
            | Api::OpenId => LARGEST_ANSWER,
        }
    }
}

/// A URL of an API that the catalog describes: its host is Google's, and it has no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GoogleUrl {
    host: String,
    /// With its slash.
    path: String,
}

impl GoogleUrl {
    /// The URL, if a token may go there. Names in it are percent-encoded already.
    pub(super) fn parse(url: &str) -> Result<GoogleUrl, ApiError> {
        let refused = || ApiError::Request(format!("{url:?} is no URL of an API of Google's"));
        let parsed = reqwest::Url::parse(url).map_err(|_| refused())?;
        let host = parsed.host_str().filter(|host| host.ends_with(".googleapis.com")).ok_or_else(refused)?;
        let is_plain = parsed.scheme() == "https"
            && parsed.port().is_none()
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none()
            // A path that a parser changes is not the one that was meant.
            && url == format!("https://{host}{}", parsed.path());
        if is_plain { Ok(GoogleUrl { host: host.to_owned(), path: parsed.path().to_owned() }) } else { Err(refused()) }
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
enum Destination {
    /// To an API that has a kind of its own here.
    Api(Api, ApiPath),
    /// To any other.
    Url(GoogleUrl),
}

/// What is asked of an API.
#[derive(Clone, Debug)]
pub(super) struct Request {
    to: Destination,
    method: Method,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Request {
    fn new(to: Destination, method: Method, body: Option<Value>) -> Request {
        Request { to, method, query: Vec::new(), body }
    }

    /// Any request to an API that the catalog describes.
    pub(super) fn catalogued(url: GoogleUrl, method: Method, body: Option<Value>) -> Request {
        Request::new(Destination::Url(url), method, body)
    }

    /// So many bytes of its answer are read.
    fn largest_answer(&self) -> usize {
        match &self.to {
            Destination::Api(api, _) => api.largest_answer(),
            Destination::Url(_) => LARGEST_ANSWER,
        }
    }

    /// A GET.
    pub(super) fn get(api: Api, path: ApiPath) -> Request {
        Request::new(Destination::Api(api, path), Method::GET, None)
    }

    /// A POST. Some only ask, such as `testIamPermissions`.
    pub(super) fn post(api: Api, path: ApiPath, body: Value) -> Request {
        Request::new(Destination::Api(api, path), Method::POST, Some(body))
    }

    /// A PATCH. With `validateOnly` it only asks.
    pub(super) fn patch(api: Api, path: ApiPath, body: Value) -> Request {
        Request::new(Destination::Api(api, path), Method::PATCH, Some(body))
    }

    /// The same with a parameter of its query.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Request {
        self.query.push((name, value.into()));
        self
    }

    /// What is sent, for tests.
    #[cfg(test)]
    pub(super) fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// The same for the page of this token: in the body where the list is asked for with one.
    fn of_page(&self, token: Option<&str>) -> Request {
        let mut request = self.clone();
        match (token, &mut request.body) {
            (None, _) => {}
            (Some(token), Some(Value::Object(body))) => drop(body.insert("pageToken".to_owned(), token.into())),
            (Some(token), _) => request.query.push(("pageToken", token.to_owned())),
        }
        request
    }
}

/// How far a list has been read. One that does not end is an error: what is there of it says nothing of the rest.
struct Pages {
    began: Timestamp,
    count: u32,
    bytes: usize,
}

impl Pages {
    fn begin() -> Pages {
        Pages { began: SystemClock.now(), count: 0, bytes: 0 }
    }

    /// Counts a page of so many bytes.
    fn count(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.count > MOST_PAGES {
            return Err(ApiError::EndlessList(format!("after {MOST_PAGES} pages")));
        }
        if self.bytes > LARGEST_LIST {
            return Err(ApiError::EndlessList(format!("after {} MiB", LARGEST_LIST >> 20)));
        }
        if between(self.began, SystemClock.now()) > WHOLE_LIST {
            return Err(ApiError::EndlessList(format!("after {} s", WHOLE_LIST.as_secs())));
        }
        Ok(())
    }
}

/// The client.
#[derive(Clone)]
pub(super) struct Rest {
    http: reqwest::Client,
    /// One address for every API: a simulated cloud.
    instead: Option<String>,
    credentials: Credentials,
    backoff: Backoff,
}

/// One address for every API.
pub(super) struct Instead {
    /// What stands before each path.
    pub(super) url: String,
    /// What each request has besides its own headers.
    pub(super) headers: http::HeaderMap,
}

impl Rest {
    /// A client. Nothing is sent yet.
    pub(super) fn new(
        instead: Option<Instead>,
        credentials: Credentials,
        backoff: Backoff,
    ) -> Result<Rest, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(ATTEMPT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rectify/", env!("CARGO_PKG_VERSION")));
        let (http, instead) = match instead {
            Some(Instead { url, headers }) => (http.no_proxy().default_headers(headers), Some(url)),
            None => (http, None),
        };
        Ok(Rest { http: http.build()?, instead, credentials, backoff })
    }

    /// Reads: the request changes nothing, so it is sent again if that may help.
    pub(super) async fn read<T: DeserializeOwned>(&self, request: Request) -> Result<T, ApiError> {
        let body = self.read_body(&request, request.largest_answer()).await?;
        read(&body).map_err(|error| malformed(&body, &error))
    }

    /// Writes: the request is sent once.
    pub(super) async fn write<T: DeserializeOwned>(&self, request: Request) -> Result<T, ApiError> {
        let body = self.send(&request, request.largest_answer()).await?;
        read(&body).map_err(|error| malformed(&body, &error))
    }

    /// The same of a method that may answer with nothing: `null` then.
    pub(super) async fn write_any(&self, request: Request) -> Result<Value, ApiError> {
        let body = self.send(&request, request.largest_answer()).await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        read(&body).map_err(|error| malformed(&body, &error))
    }

    /// Reads a list page by page, until it ends or there is enough of it; its items are in this field of each page.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        request: Request,
        items: &'static str,
        enough: usize,
    ) -> Result<Vec<T>, ApiError> {
        self.list_by(request, enough, |body| read_page(body, items).map_err(|error| malformed(body, &error))).await
    }

    /// The same of a list of which nothing is known but what most APIs call its items: as the collection, and the older ones `items`.
    pub(super) async fn list_any(
        &self,
        request: Request,
        collection: &str,
        enough: usize,
    ) -> Result<Vec<Value>, ApiError> {
        let page = |body: &[u8]| {
            let mut page: Map<String, Value> = read(body).map_err(|error| malformed(body, &error))?;
            let next = page.get("nextPageToken").and_then(Value::as_str).filter(|token| !token.is_empty());
            let next = next.map(str::to_owned);
            let items = [collection, "items"].into_iter().filter_map(|name| match page.remove(name) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            });
            Ok(Page { items: items.flatten().collect(), next })
        };
        self.list_by(request, enough, page).await
    }

    async fn list_by<T>(
        &self,
        request: Request,
        enough: usize,
        page_of: impl Fn(&[u8]) -> Result<Page<T>, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let (mut found, mut pages, mut token) = (Vec::new(), Pages::begin(), None);
        loop {
            let body = self.read_body(&request.of_page(token.as_deref()), LARGEST_PAGE).await?;
            pages.count(body.len())?;
            let page = page_of(&body)?;
            found.extend(page.items);
            if page.next.is_none() || found.len() >= enough {
                found.truncate(enough);
                return Ok(found);
            }
            if page.next == token {
                return Err(ApiError::EndlessList("because a page names itself as the next".to_owned()));
            }
            token = page.next;
        }
    }

    /// What the clock of an API says.
    pub(super) async fn date(&self, api: Api) -> Result<Timestamp, String> {
        let answer = self.http.head(self.url(&Destination::Api(api, ApiPath::version("/")))).send().await;
        let answer = answer.map_err(|error| cause(&error.without_url()))?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.ok_or("the answer has no date")?;
        let read = jiff::fmt::rfc2822::parse(date).map_err(|error| error.to_string())?;
        Ok(read.timestamp())
    }

    /// A simulated cloud has one address for all APIs: those that have no kind of their own are told apart by a path before theirs.
    fn url(&self, to: &Destination) -> String {
        match (to, self.instead.as_deref()) {
            (Destination::Api(api, path), instead) => format!("{}{path}", instead.unwrap_or(api.host())),
            (Destination::Url(GoogleUrl { host, path }), None) => format!("https://{host}{path}"),
            (Destination::Url(GoogleUrl { host, path }), Some(instead)) => format!("{instead}/apis/{host}{path}"),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "it waits for the network, not for the cloud")]
    async fn read_body(&self, request: &Request, limit: usize) -> Result<Vec<u8>, ApiError> {
        let mut attempts = 1;
        loop {
            match self.send(request, limit).await {
                Err(error) if attempts < READ_ATTEMPTS && can_retry(&error) => {
                    tokio::time::sleep(self.backoff.pause(attempts)).await;
                    attempts += 1;
                }
                ended => return ended,
            }
        }
    }

    /// Sends a request once; the body of an answer that says that it went well, which may have so many bytes.
    async fn send(&self, request: &Request, limit: usize) -> Result<Vec<u8>, ApiError> {
        let Request { to, method, query, body } = request;
        let headers = self.credentials.headers(http::Extensions::new()).await;
        let headers = headers
            .map_err(|error| ApiError::Credentials { why: error.to_string(), is_passing: error.is_transient() })?;
        let headers = match headers {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => http::HeaderMap::new(),
        };
        let authorization = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = authorization.and_then(|value| value.strip_prefix("Bearer ")) {
            // Known from here on, in case an answer repeats it.
            drop(redact::captured("access_token", token.to_owned()));
        }
        let built = self.http.request(method.clone(), self.url(to)).headers(headers);
        let built = if query.is_empty() { built } else { built.query(query) };
        let built = if let Some(body) = body { built.json(body) } else { built };
        let built = built.build().map_err(|error| ApiError::Request(cause(&error.without_url())))?;
        let (url, began) = (built.url().to_string(), SystemClock.now());
        let answer = self.http.execute(built).await;
        let told = answer.as_ref().map(|answer| answer.status().as_u16()).map_err(ToString::to_string);
        Call { method: method.to_string(), url, answer: told, took: between(began, SystemClock.now()) }.tell();
        let mut answer = answer.map_err(no_answer)?;
        let status = answer.status();
        if !status.is_success() {
            let headers = answer.headers().clone();
            let body = beginning(&mut answer, LARGEST_ERROR).await;
            return Err(ApiError::Refused(Box::new(Refusal::read(status.as_u16(), &headers, &body))));
        }
        body_within(answer, limit).await.map_err(|error| match error {
            BodyError::Broken(error) => no_answer(error),
            BodyError::TooLarge(limit) => ApiError::TooLarge { limit },
        })
    }
}

/// Why there is no answer, or not all of it.
fn no_answer(error: reqwest::Error) -> ApiError {
    let sort = match &error {
        error if error.is_connect() => ApiError::Connect,
        error if error.is_timeout() => ApiError::Timeout,
        _ => ApiError::Broken,
    };
    sort(cause(&error.without_url()))
}

/// The words of an error and of what caused it, which is what tells a refused connection from a name that is not known.
fn cause(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}

/// The beginning of a body. What its status says holds, whether the rest comes or not.
async fn beginning(answer: &mut reqwest::Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        body.extend_from_slice(&part[..part.len().min(most - body.len())]);
        if body.len() == most {
            break;
        }
    }
    body
}

/// Why there is no body of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection ended before it.
    #[error(transparent)]
    Broken(reqwest::Error),
    /// It has more bytes than it may.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// The body of an answer, which may have so many bytes.
///
/// # Errors
/// If it does not end, or not in time.
pub(crate) async fn body_within(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + part.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_without_an_end_is_given_up() {
        let mut pages = Pages::begin();
        for _ in 0..MOST_PAGES {
            pages.count(1).unwrap();
        }
        assert!(pages.count(1).is_err(), "too many pages");
        assert!(Pages::begin().count(LARGEST_LIST + 1).is_err(), "too many bytes");
        let began = Timestamp::UNIX_EPOCH;
        assert!(Pages { began, ..Pages::begin() }.count(1).is_err(), "it takes too long");
    }

    #[test]
    fn a_token_goes_only_to_hosts_of_google() {
        let own = "https://redis.googleapis.com/v1/projects/p/locations/l/instances/i%2Fj";
        assert_eq!(GoogleUrl::parse(own).unwrap().path, "/v1/projects/p/locations/l/instances/i%2Fj");
        for other in [
            "http://redis.googleapis.com/v1/x",
            "https://googleapis.com.evil.example/v1/x",
            "https://evil.example/.googleapis.com/x",
            "https://user@redis.googleapis.com/v1/x",
            "https://redis.googleapis.com:8443/v1/x",
            "https://redis.googleapis.com/v1/../x",
            "https://redis.googleapis.com/v1/x?alt=media",
            "https://redis.googleapis.com/v1/x#y",
            "https://evil.example\\.googleapis.com/x",
            "redis.googleapis.com/v1/x",
        ] {
            assert!(GoogleUrl::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_token_of_a_page_goes_where_the_list_was_asked_for() {
        let path = || ApiPath::version("/v2").at("entries:list");
        let posted = Request::post(Api::Logging, path(), json!({ "filter": "x" })).of_page(Some("t"));
        assert_eq!((posted.body, posted.query.len()), (Some(json!({ "filter": "x", "pageToken": "t" })), 0));
        let got = Request::get(Api::Run, path()).with("filter", "x").of_page(Some("t"));
        assert_eq!(got.query, [("filter", "x".to_owned()), ("pageToken", "t".to_owned())]);
    }
}

//! The routes of the simulated cloud, and what all of them have in common.
//!
//! One socket serves everything. A request whose host is a service's goes to the [data plane](super::data_plane);
//! every other one is for an API (see [`super::apis`]), or for our own control under `/_sim/`.

mod address;
mod browser;
mod call;
pub mod control;
mod pass;
pub(super) mod permission;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Reach;
use super::apis::{self, Operates};
use super::clock::{Clock, later};
use super::data_plane;
use super::enums;
use super::fault::{self, Fault, Kind};
use super::listener::Broken;
use super::tls::Authority;
use super::world::caller::SOMEBODY;
use super::world::operation::Twist;
use super::world::refusal::{Code, Refusal};
use super::world::{SavedError, World};
pub(super) use address::host_in;
pub(super) use call::{Call, Changing};
pub(super) use pass::Pass;
pub(super) use permission::Collection;

/// A request body may not be larger: Google's limit differs from API to API.
const BODY_LIMIT: usize = 1 << 20;

/// How many requests are remembered.
const REMEMBERED: usize = 100_000;

/// What the handlers share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) reach: Reach,
    pub(super) pass: Pass,
    pub(super) world: Mutex<World>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) authority: Arc<Authority>,
    pub(super) saved: Mutex<Option<PathBuf>>,
    pub(super) seen: Mutex<VecDeque<Seen>>,
    /// Becomes true when the simulator stops, so that no handler sleeps on.
    pub(super) stopped: watch::Sender<bool>,
}

/// A request that was answered, as `/_sim/requests` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// When it arrived, in the cloud's time.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its host without the port.
    pub host: String,
    /// Who sent it; never the token itself.
    pub caller: String,
    /// 0: the connection was broken in the place of an answer.
    pub status: u16,
    /// What went wrong on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Kind>,
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) String);

tokio::task_local! {
    /// What becomes of an operation that the request being served begins.
    static TWIST: Option<Twist>;
}

impl Shared {
    /// The world, brought to the present.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.clock.now());
        world
    }

    /// Changes the world, and saves it before anybody learns of the change; what cannot be saved does not happen.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut world = self.world();
        let mut next = world.clone();
        next.twist(TWIST.try_with(Clone::clone).unwrap_or_default());
        let result = change(&mut next)?;
        next.twist(None);
        if next != *world {
            self.save(&next).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            *world = next;
        }
        Ok(result)
    }

    pub(super) fn save(&self, world: &World) -> Result<(), SavedError> {
        match &*self.saved.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(path) => world.save(path),
            None => Ok(()),
        }
    }

    pub(super) fn keep_at(&self, path: PathBuf) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, VecDeque<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of Google's APIs, as it is served here.
pub(super) trait Api: 'static {
    /// The collections in its paths, and what the permissions on them begin with. What stands deeper in a path stands first.
    const COLLECTIONS: &'static [Collection];
    /// Its enums, for clients that ask for numbers.
    const ENUMS: enums::Table;

    /// The first label of its host, such as `run`. Empty: it has no host of its own.
    const SERVICE: &'static str;
    /// The collections of the catalog's types that it serves, and the table of a scenario that has their resources.
    const TYPES: &'static [(&'static str, &'static str)];

    /// How it says no.
    const REFUSALS: Refusals = Refusals::Status;

    /// Its methods.
    fn routes() -> Router<Arc<Shared>>;

    /// The permission that a request needs, if it is known to need one.
    fn permission(method: &Method, path: &str) -> Option<String> {
        permission::by_collection(Self::COLLECTIONS, method, path)
    }
}

/// How an API says no.
#[derive(Clone, Copy)]
pub(super) enum Refusals {
    /// As almost all of them: `{"error": {"code", "message", "status", "details"}}` (source: AIP-193).
    Status,
    /// As those that are older than that, Cloud SQL and Compute Engine: `{"error": {"code", "message", "errors": [{"message",
    /// "domain", "reason"}]}}`, without a `status`, and 412 in the place of 400 for a condition that does not hold (source:
    /// bodies that people quote, such as in terraform-provider-google issue 12324 and apache/airflow issue 62671). The
    /// function is what the API itself calls the reason, where it has a word of its own for a code.
    Errors(fn(Code) -> Option<&'static str>),
}

/// An API's routes, behind what its callers may do and before how they want their answers.
pub(super) fn served<A: Api>(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    A::routes().route_layer(middleware::from_fn_with_state(Arc::clone(shared), serve_api::<A>))
}

async fn serve_api<A: Api>(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let caller = request.extensions().get::<Caller>().map_or(SOMEBODY, |Caller(caller)| caller.as_str());
    if let Some(permission) = A::permission(request.method(), path)
        && let Err(refusal) = shared.world().permit(caller, &permission, path)
    {
        return Failure::from(refusal).into_response();
    }
    let numbers = enums::are_wanted_as_numbers(request.uri().query()).then_some(A::ENUMS);
    let response = next.run(request).await;
    let response = match (A::REFUSALS, response.extensions().get::<Failure>()) {
        (Refusals::Errors(own_reason), Some(failure)) => failure.as_errors(own_reason),
        (Refusals::Errors(_) | Refusals::Status, _) => response,
    };
    as_google_encodes(in_googles_shape(response), numbers).await
}

/// All routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let routes = apis::routes(&shared)
        .merge(control::routes())
        .fallback(|uri: Uri| async move { Failure::from(nothing_at(&uri)) })
        .method_not_allowed_fallback(|uri: Uri| async move {
            let message = format!("The simulated cloud has no such method at {}", uri.path());
            Failure::from(Refusal::new(Code::NotFound, message))
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(shared.clone());
    // What is received may be for another path than it says, so it is received before it is routed.
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(shared, receive))
}

fn nothing_at(uri: &Uri) -> Refusal {
    Refusal::new(Code::NotFound, format!("The requested URL {} was not found", uri.path()))
}

/// Every request passes here: it is sent to where its host says, and remembered with the answer that it got.
async fn receive(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut stopped = shared.stopped.subscribe();
    let served = serve(&shared, request, next);
    tokio::select! {
        response = served => response,
        // An error means that the simulator has gone altogether, which is the same.
        _ = stopped.wait_for(|stopped| *stopped) => {
            Failure::from(Refusal::new(Code::Unavailable, "The simulated cloud has stopped")).into_response()
        }
    }
}

async fn serve(shared: &Arc<Shared>, mut request: Request, next: Next) -> Response {
    let at = shared.clock.now();
    let host = host_of(request.uri(), request.headers());
    let is_control = request.uri().path().starts_with("/_sim/");
    let is_a_service = !is_control && data_plane::destination(&shared.world(), &host).is_some();
    let asked = browser::Asked {
        host: &host,
        // Under `/_sim/` is the world itself, by whatever name it is reached.
        is_a_service,
        has_origin: request.headers().contains_key(header::ORIGIN),
    };
    if let Err(refusal) = browser::admit(&asked, shared.reach) {
        return Failure::from(refusal).into_response();
    }
    // As if nobody was there.
    let is_own = shared.reach != Reach::Itself || shared.pass.is_in(request.headers());
    if !is_own && !is_a_service || is_control && shared.reach == Reach::Itself {
        return Failure::from(Refusal::new(Code::NotFound, "This simulated cloud is not watched")).into_response();
    }
    if is_control {
        return next.run(request).await;
    }
    let mut host = host;
    if !is_a_service {
        request = address::at_its_host(request);
        host = host_of(request.uri(), request.headers());
        // The world itself is no API of Google's.
        if request.uri().path().starts_with("/_sim/") {
            return Failure::from(nothing_at(request.uri())).into_response();
        }
    }
    let path = request.uri().path_and_query().map_or_else(|| request.uri().path(), |whole| whole.as_str()).to_owned();
    let method = request.method().to_string();
    let token = bearer(request.headers());
    let caller = {
        let world = shared.world();
        let caller = world.caller(token);
        if caller == SOMEBODY && token.is_none() { "anonymous".to_owned() } else { caller.to_owned() }
    };
    let matched = fault::Request { at, method: &method, path: request.uri().path(), host: &host };
    let fault = fault::take(&mut shared.faults(), &matched);
    request.extensions_mut().insert(Caller(caller.clone()));
    let response = match &fault {
        Some(Kind::Refuse(_)) => broken(),
        Some(Kind::Status(status)) => injected(status),
        Some(Kind::Reset(_)) => {
            handled(shared, at, &host, request, next).await;
            broken()
        }
        Some(Kind::Garble(_)) => {
            handled(shared, at, &host, request, next).await;
            Html("<html><body>The service is being restarted.</body></html>").into_response()
        }
        Some(Kind::Latency(late)) => {
            let response = handled(shared, at, &host, request, next).await;
            shared.clock.sleep_until(later(shared.clock.now(), late.latency)).await;
            response
        }
        Some(Kind::OperationError(_) | Kind::OperationHangs(_)) | None => {
            let twist = fault.as_ref().and_then(Twist::of);
            TWIST.scope(twist, handled(shared, at, &host, request, next)).await
        }
    };
    let status = if response.extensions().get::<Broken>().is_some() { 0 } else { response.status().as_u16() };
    let mut seen = shared.seen();
    if seen.len() >= REMEMBERED {
        seen.pop_front();
    }
    seen.push_back(Seen { at, method, path, host, caller, status, fault });
    drop(seen);
    response
}

/// Sends a request to where its host says.
async fn handled(shared: &Arc<Shared>, at: Timestamp, host: &str, request: Request, next: Next) -> Response {
    let (to, is_of_any) = {
        let world = shared.world();
        (data_plane::destination(&world, host), apis::any::serves(&world, host, &request))
    };
    match to {
        Some(to) => data_plane::serve(shared, at, &to, request).await,
        None if is_of_any => next.run(address::below_its_host(request, host)).await,
        None => as_google_encodes(in_googles_shape(next.run(request).await), None).await,
    }
}

/// The token behind `Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// No answer: the connection is broken off.
fn broken() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Broken);
    response
}

/// The refusal that a fault asks for, with RetryInfo if it says when to come again
/// (`google/rpc/error_details.proto`).
fn injected(fault: &fault::Status) -> Response {
    let refusal = Refusal::new(Code::of_http(fault.status), "The simulated cloud was told to refuse this");
    let failure = Failure { refusal, http: fault.status, retry_after: fault.retry_after };
    failure.into_response()
}

/// The framework refuses some requests itself (a path that is no UTF-8), in plain text.
fn in_googles_shape(response: Response) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE);
    let json = json.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if response.status().is_success() || json {
        return response;
    }
    let refusal = Refusal::new(Code::InvalidArgument, "The request could not be understood");
    Failure { refusal, http: response.status().as_u16(), retry_after: None }.into_response()
}

/// Google says in which encoding its JSON is (recorded, in every answer), and writes these enums as numbers if it was asked to.
async fn as_google_encodes(response: Response, numbers: Option<enums::Table>) -> Response {
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=UTF-8"));
    let Some(table) = numbers.filter(|_| parts.status.is_success()) else {
        return Response::from_parts(parts, body);
    };
    // It was made here, of a value: it is whole, and it is JSON.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return broken() };
    let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, bytes.into());
    };
    enums::number(&mut answer, table);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, answer.to_string().into())
}

/// The host that a request is for, in lower case and without a port: the target's own if it is absolute.
fn host_of(uri: &Uri, headers: &HeaderMap) -> String {
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    let without_user = named.rsplit('@').next().unwrap_or(named);
    let end = if without_user.starts_with('[') {
        without_user.find(']').map(|bracket| bracket + 1)
    } else {
        without_user.find(':')
    };
    end.and_then(|end| without_user.get(..end)).unwrap_or(without_user).to_ascii_lowercase()
}

/// A refusal on its way to the client.
#[derive(Clone)]
pub(super) struct Failure {
    refusal: Refusal,
    http: u16,
    retry_after: Option<SignedDuration>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let http = refusal.code.http();
        Self { refusal, http, retry_after: None }
    }
}

impl Failure {
    /// The answer, as an API says no.
    pub(super) fn answer(self, refusals: Refusals) -> Response {
        match refusals {
            Refusals::Status => self.into_response(),
            Refusals::Errors(own_reason) => self.as_errors(own_reason),
        }
    }

    /// What was refused, whatever the answer looks like.
    fn into_refusal(self) -> Refusal {
        self.refusal
    }

    /// The answer of an API whose refusals are [`Refusals::Errors`].
    fn as_errors(&self, own_reason: fn(Code) -> Option<&'static str>) -> Response {
        let Self { refusal, .. } = self;
        let (http, reason) = match refusal.code {
            Code::InvalidArgument => (self.http, "invalid"),
            Code::NotFound => (self.http, "notFound"),
            Code::AlreadyExists => (self.http, "alreadyExists"),
            Code::PermissionDenied => (self.http, "forbidden"),
            Code::FailedPrecondition => (412, "conditionNotMet"),
            Code::Unimplemented => (self.http, "notImplemented"),
            Code::Unavailable => (self.http, "backendError"),
            Code::Aborted
            | Code::Internal
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Unauthenticated => (self.http, "internalError"),
        };
        let reason = refusal.reason.as_deref().or_else(|| own_reason(refusal.code)).unwrap_or(reason);
        let error = json!({ "message": refusal.message, "domain": "global", "reason": reason });
        let body = json!({ "error": { "code": http, "message": refusal.message, "errors": [error] } });
        (StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { refusal, http, retry_after } = &self;
        let (http, retry_after) = (*http, *retry_after);
        // Most of Google's refusals have no details (recorded: 404 of Cloud Run, 409 and 400 of its connectors).
        let mut details = Vec::new();
        if let Some(field) = &refusal.field {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": field, "description": refusal.message }],
            }));
        }
        if refusal.code == Code::ResourceExhausted {
            // Which quota a real one names differs from API to API.
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{ "subject": "project:simulated", "description": refusal.message }],
            }));
        }
        if let Some(after) = retry_after {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", after.as_secs_f64()),
            }));
        }
        let mut body = json!({ "error": { "code": http, "message": refusal.message, "status": refusal.code.name() } });
        if !details.is_empty() {
            body["error"]["details"] = json!(details);
        }
        let status = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        if let Some(after) = retry_after {
            // Whole seconds, and never too few (RFC 9110, section 10.2.3).
            let seconds = after.as_secs().saturating_add(i64::from(after.subsec_nanos() > 0));
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        // Its API may say no in another way.
        response.extensions_mut().insert(self);
        response
    }
}

/// What a handler gives back.
pub(super) type Answered = Result<Json<Value>, Failure>;

/// Reads a body that must be a JSON object; an empty one is an empty object.
pub(super) fn object(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Failure> {
    let body = body.map_err(|rejection| {
        let http = rejection.status().as_u16();
        let message = if http == 413 {
            format!("Request payload size exceeds the limit: {BODY_LIMIT} bytes.")
        } else {
            "The request's body could not be read".to_owned()
        };
        Failure { refusal: Refusal::new(Code::InvalidArgument, message), http, retry_after: None }
    })?;
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            Err(Refusal::new(Code::InvalidArgument, "Invalid JSON payload received. It must be an object.").into())
        }
        Err(error) => {
            Err(Refusal::new(Code::InvalidArgument, format!("Invalid JSON payload received. {error}")).into())
        }
    }
}

/// The query string's parameters. Names that begin with `$` and Google's standard ones are for the transport.
pub(super) struct Parameters(Vec<(String, String)>);

/// Query parameters that every Google API takes (source: Google's "standard query parameters").
const STANDARD: [&str; 11] = [
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
    "returnPartialSuccess",
];

impl Parameters {
    /// Reads the query string and refuses parameters that are not among `known`.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Failure> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Refusal::new(Code::InvalidArgument, format!("Invalid query string: {error}")))?
            .0;
        let unknown = pairs.iter().find(|(name, _)| {
            !name.starts_with('$') && !known.contains(&name.as_str()) && !STANDARD.contains(&name.as_str())
        });
        if let Some((name, _)) = unknown {
            // Google's words for it.
            let message = format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field '{name}' could not be found in request message."
            );
            return Err(Refusal::new(Code::InvalidArgument, message).into());
        }
        Ok(Self(pairs))
    }

    /// The value of one, if it is there and not empty; the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// Every value of one that may be there more than once.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A truth value; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Refusal::invalid(name, format!("Invalid value at '{name}' (TYPE_BOOL), {other:?}")).into())
            }
        }
    }
}

/// The names of the parameters of every list.
pub(super) const LIST: [&str; 3] = ["pageSize", "pageToken", "filter"];

/// One page of a list, under the name `field`, as `pageSize` and `pageToken` ask for it (AIP-158).
pub(super) fn page(items: &[Value], field: &str, parameters: &Parameters) -> Answered {
    page_by(items, field, parameters, Paging { size: "pageSize", by_default: 100, at_most: 1000 })
}

/// How an API cuts its lists into pages.
#[derive(Clone, Copy)]
pub(super) struct Paging {
    /// The parameter that says how many a page has.
    pub(super) size: &'static str,
    pub(super) by_default: usize,
    pub(super) at_most: usize,
}

/// One page of a list, under the name `field`.
pub(super) fn page_by(items: &[Value], field: &str, parameters: &Parameters, paging: Paging) -> Answered {
    let number = |name: &str| match parameters.get(name) {
        None => Ok(0),
        Some(text) => text.parse::<usize>().map_err(|_| Refusal::invalid(name, format!("Invalid value at '{name}'"))),
    };
    let size = match number(paging.size)? {
        0 => paging.by_default,
        asked => asked.min(paging.at_most),
    };
    let from = number("pageToken")?.min(items.len());
    let to = from.saturating_add(size).min(items.len());
    let mut answer = Map::new();
    answer.insert(field.to_owned(), json!(items.get(from..to).unwrap_or_default()));
    if to < items.len() {
        answer.insert("nextPageToken".to_owned(), json!(to.to_string()));
    }
    Ok(Json(Value::Object(answer)))
}

/// One operation of an API.
pub(super) fn operation<A: Operates>(world: &World, id: &str) -> Answered {
    let name = format!("{}/operations/{id}", world.location());
    Ok(Json(world.operations.get::<A>(id).ok_or_else(|| Refusal::missing(&name))?.wire(world)))
}

/// Waits for the operation that `POST …/operations/ID:wait` names, and gives its name back: until it is done, or the
/// `timeout` of the body is up. Google may answer earlier, which clients must bear.
pub(super) async fn waited<A: Operates>(mut call: Call) -> Result<(Call, String), Failure> {
    let body = call.body()?;
    let Some(id) = call.named("operation").strip_suffix(":wait").map(str::to_owned) else {
        return Err(call.nothing_here().into());
    };
    let timeout = match super::world::text(&body, "timeout")? {
        None => SignedDuration::MAX,
        Some(text) => text
            .strip_suffix('s')
            .and_then(|seconds| seconds.parse::<f64>().ok())
            .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
            .filter(|timeout| !timeout.is_negative())
            .ok_or_else(|| Refusal::invalid("timeout", "Invalid value at 'timeout' (Duration)"))?,
    };
    let until = {
        let (world, _) = call.read(&["timeout"])?;
        match world.operations.get::<A>(&id) {
            Some(found) if found.outcome.is_none() => found.due.min(later(world.now(), timeout)),
            _ => world.now(),
        }
    };
    call.wait_until(until).await;
    Ok((call, id))
}

/// The operations of an API, the newest first.
///
/// Google's filter grammar for operations is not documented. `done=true` and `done=false` are understood here, also
/// with a colon; any other filter is refused rather than ignored.
pub(super) fn operations<A: Operates>(world: &World, parameters: &Parameters) -> Answered {
    let done = match parameters.get("filter").map(|filter| filter.replace([' ', '='], ":").replace("::", ":")) {
        None => None,
        Some(filter) if filter == "done:true" => Some(true),
        Some(filter) if filter == "done:false" => Some(false),
        Some(_) => {
            return Err(
                Refusal::invalid("filter", "The simulated cloud knows the filters done=true and done=false").into()
            );
        }
    };
    let all = world.operations.of::<A>().rev().map(|(operation, _)| operation);
    let found = all.filter(|operation| done.is_none_or(|done| operation.outcome.is_some() == done));
    page(&found.map(|operation| operation.wire(world)).collect::<Vec<_>>(), "operations", parameters)
}

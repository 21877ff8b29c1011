//! What visitors of the services get to see: the health page, the application's other pages, its login and its chat, or
//! a 503.
//!
//! Which service is meant is told by the request's host, as it is at Google's front end. The answer is decided when
//! the request arrives and given after the latency that the scenario has for such an answer. Bodies are ours.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, FromRequestParts as _, Request, WebSocketUpgrade};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::{Shared, bearer};
use super::apis::cloud_run::service::{Chat, Figures, Login};
use super::chat;
use super::clock::later;
use super::world::World;
use super::world::health::{Ending, Illness};
use super::world::history::State;
use super::world::visit::{Asked, Visit, Visitor};

/// What a host name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The host name.
    pub host: String,
    /// The service's short name.
    pub service: String,
    /// The revision, if the host is the address of a tag; otherwise the traffic decides.
    pub revision: Option<String>,
}

/// Finds what a host name (without a port) leads to; `None` if it is none of the services'.
pub fn destination(world: &World, host: &str) -> Option<Destination> {
    let host = host.to_ascii_lowercase();
    let of = |short: &String, revision| Destination { host: host.clone(), service: short.clone(), revision };
    let is_named = |known: &String| known.eq_ignore_ascii_case(&host);
    let services = &world.parts.cloud_run.services;
    if let Some((short, _)) = services.iter().find(|(_, service)| service.figures.hosts.iter().any(is_named)) {
        return Some(of(short, None));
    }
    // A host at run.app is worked out from a digest. Of thousands of services only those are asked whose name is in it.
    let name = host.strip_suffix(".run.app")?;
    let is_of = |short: &String| {
        name.match_indices(short.as_str()).any(|(at, _)| {
            let (tag, rest) = name.split_at(at);
            (tag.is_empty() || tag.ends_with("---")) && rest[short.len()..].starts_with('-')
        })
    };
    services.iter().filter(|(short, _)| is_of(short)).find_map(|(short, service)| {
        if service.default_hosts(world, short).iter().flatten().any(is_named) {
            return Some(of(short, None));
        }
        let is_tagged = |tag: &String| service.tag_host(world, short, tag).as_ref().is_some_and(is_named);
        let target = service.traffic_statuses.iter().find(|target| target.tag.as_ref().is_some_and(is_tagged))?;
        Some(of(short, Some(target.revision.clone().unwrap_or_else(|| service.latest_ready.clone()))))
    })
}

/// What a request gets, once it is decided.
enum Decided {
    /// This, whatever else the request says.
    Answer(Response),
    /// A token, if user and password are right.
    Login(Login),
    /// A conversation, which may last until then.
    Chat(Chat, Timestamp),
}

/// A visitor's request whose answer is decided.
struct Coming {
    decided: Decided,
    after: SignedDuration,
    /// What is noted of it once it has its answer.
    visit: Visit,
}

/// Answers a visitor's request that arrived at `at`.
pub(super) async fn serve(shared: &Arc<Shared>, at: Timestamp, to: &Destination, request: Request) -> Response {
    let asked = Asked {
        number: 0,
        method: request.method().to_string(),
        host: to.host.clone(),
        path: request.uri().path().to_owned(),
    };
    let Coming { decided, after, visit } = {
        let mut world = shared.world();
        decide(&mut world, to, at, request.method(), asked)
    };
    shared.clock.sleep_until(later(at, after)).await;
    let response = match decided {
        Decided::Answer(response) => response,
        Decided::Login(login) => log_in(&login, request).await,
        Decided::Chat(chat, until) => return open(shared, chat, until, request, visit).await,
    };
    note(shared, visit, response.status());
    response
}

/// Notes that a request has had its answer, or that a conversation is over.
fn note(shared: &Shared, visit: Visit, status: StatusCode) {
    let latency = shared.clock.now().duration_since(visit.at);
    shared.world().visited(Visit { latency, status: status.as_u16(), ..visit });
}

/// Decides what a request gets, and how long that takes.
fn decide(world: &mut World, to: &Destination, at: Timestamp, method: &Method, asked: Asked) -> Coming {
    let service = to.service.clone();
    let revision = to.revision.clone().or_else(|| world.next_revision(&service));
    let illness = match &revision {
        None => Some(Illness::NoRevision),
        Some(revision) => world.illness(&service, revision),
    };
    let revision = revision.unwrap_or_default();
    let Ending { after, cut } = world.ending(&service, &revision, illness.as_ref());
    let state = State::of(illness.as_ref());
    let reaches_it = illness.is_none() && !cut;
    let obeyed = if reaches_it { obey(world, &service, method, &asked.path) } else { None };
    let decided = match (&illness, world.parts.cloud_run.services.get(&service), obeyed) {
        (_, _, Some(status)) => Decided::Answer((status, Json(json!({ "status": status.as_u16() }))).into_response()),
        _ if cut => Decided::Answer((StatusCode::GATEWAY_TIMEOUT, "upstream request timeout").into_response()),
        (None, Some(found), None) => {
            let until = later(at, world.request_timeout(&service, &revision));
            page(world, &service, &revision, &found.figures, method, &asked.path, until)
        }
        (illness, _, None) => Decided::Answer(unavailable(state, illness.as_ref())),
    };
    let visitor = Visitor::Somebody(Box::new(asked));
    let visit = Visit { at, service, revision, state, latency: after, status: state.status(cut), visitor };
    Coming { decided, after, visit }
}

/// Does what an application is told by a request, if it is; the status of the answer.
fn obey(world: &mut World, service: &str, method: &Method, path: &str) -> Option<StatusCode> {
    let figures = &mut world.parts.cloud_run.services.get_mut(service)?.figures;
    let command = figures.commands.iter().find(|known| known.path == path && method.as_str() == known.method)?;
    figures.pages.insert(command.page.clone(), command.becomes.clone());
    StatusCode::from_u16(command.status).ok()
}

fn page(
    world: &World,
    service: &str,
    revision: &str,
    figures: &Figures,
    method: &Method,
    path: &str,
    until: Timestamp,
) -> Decided {
    if let Some(login) = figures.login.as_ref().filter(|login| login.path == path && method == Method::POST) {
        return Decided::Login(login.clone());
    }
    if let Some(chat) = figures.chat.as_ref().filter(|chat| chat.path == path) {
        return Decided::Chat(chat.clone(), until);
    }
    if let Some(shown) = figures.pages.get(path).filter(|_| method == Method::GET) {
        return Decided::Answer(Json(shown.clone()).into_response());
    }
    let known =
        figures.paths.iter().any(|known| known == path) || figures.commands.iter().any(|known| known.path == path);
    let health = figures.health_path == path;
    let detail = |status: StatusCode, text: &str| (status, Json(json!({ "detail": text }))).into_response();
    Decided::Answer(if !known && !health {
        detail(StatusCode::NOT_FOUND, "Not Found")
    } else if method != Method::GET && method != Method::HEAD {
        detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    } else if health {
        match world.page_illness(service, revision) {
            None => Json(json!({ "status": "healthy", "service": service, "revision": revision })).into_response(),
            Some(illness) => {
                let page = json!({
                    "status": "unhealthy", "service": service, "revision": revision, "why": illness.sentence(),
                });
                (StatusCode::SERVICE_UNAVAILABLE, Json(page)).into_response()
            }
        }
    } else {
        Json(json!({ "service": service, "revision": revision })).into_response()
    })
}

async fn log_in(login: &Login, request: Request) -> Response {
    let body = Bytes::from_request(request, &()).await.unwrap_or_default();
    let given: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is = |field: &str, wanted: &str| given.get(field).and_then(Value::as_str) == Some(wanted);
    if is("user", &login.user) && is("password", &login.password) {
        return Json(json!({ "token": login.token })).into_response();
    }
    (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Unauthorized" }))).into_response()
}

async fn open(shared: &Arc<Shared>, chat: Chat, until: Timestamp, request: Request, visit: Visit) -> Response {
    if chat.token.is_some() && bearer(request.headers()) != chat.token.as_deref() {
        note(shared, visit, StatusCode::UNAUTHORIZED);
        return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Unauthorized" }))).into_response();
    }
    let (mut parts, _) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => {
            let shared = shared.clone();
            upgrade.on_upgrade(async move |socket| {
                chat::serve(&shared, chat, until, socket).await;
                note(&shared, visit, StatusCode::SWITCHING_PROTOCOLS);
            })
        }
        // Not a WebSocket's request at all.
        Err(rejection) => {
            let response = rejection.into_response();
            note(shared, visit, response.status());
            response
        }
    }
}

/// What Google's front end says when no container does: it does not tell the causes apart.
fn unavailable(state: State, illness: Option<&Illness>) -> Response {
    let body = match illness {
        Some(Illness::Crashing { .. }) => {
            "The request failed because either the HTTP response was malformed or connection to the instance had an error."
        }
        Some(Illness::Starting { .. }) => "The request was aborted because there was no available instance.",
        _ => "Service Unavailable",
    };
    let status = StatusCode::from_u16(state.status(false)).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    (status, body).into_response()
}

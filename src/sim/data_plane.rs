//! What visitors of the services get to see: the health page, the application's other pages, or a 503.
//!
//! Which service is meant is told by the request's host, as it is at Google's front end. The answer is decided when
//! the request arrives and given after the latency that the scenario has for such an answer. Bodies are ours.

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde_json::json;

use super::world::World;
use super::world::health::Illness;

/// What a host name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The service's short name.
    pub service: String,
    /// The revision, if the host is the address of a tag; otherwise the traffic decides.
    pub revision: Option<String>,
}

/// An answer that is decided but not given yet.
pub(super) struct Answer {
    pub(super) after: SignedDuration,
    pub(super) response: Response,
}

/// Finds what a host name (without a port) leads to; `None` if it is none of the services'.
pub fn destination(world: &World, host: &str) -> Option<Destination> {
    world.services.iter().find_map(|(short, service)| {
        let own = service.figures.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
            || service.own_host(world, short).eq_ignore_ascii_case(host);
        if own {
            return Some(Destination { service: short.clone(), revision: None });
        }
        let target = service.traffic_statuses.iter().find(|target| {
            target.tag.as_ref().is_some_and(|tag| service.tag_host(world, short, tag).eq_ignore_ascii_case(host))
        })?;
        let revision = target.revision.clone().unwrap_or_else(|| service.latest_ready.clone());
        Some(Destination { service: short.clone(), revision: Some(revision) })
    })
}

/// Decides what a request gets.
pub(super) fn answer(world: &mut World, to: &Destination, method: &Method, path: &str) -> Answer {
    let service = &to.service;
    let Some(revision) = to.revision.clone().or_else(|| world.next_revision(service)) else {
        return Answer { after: SignedDuration::ZERO, response: unavailable(&Illness::NoRevision) };
    };
    let Some(figures) = world.services.get(service).map(|found| &found.figures) else {
        return Answer { after: SignedDuration::ZERO, response: unavailable(&Illness::NoRevision) };
    };
    let known = figures.paths.iter().any(|known| known == path);
    let health = figures.health_path == path;
    let illness = world.illness(service, &revision);
    let after = world.latency(service, illness.as_ref());
    let response = match illness {
        Some(illness) => unavailable(&illness),
        None if !known && !health => (StatusCode::NOT_FOUND, Json(json!({ "detail": "Not Found" }))).into_response(),
        None if method != Method::GET && method != Method::HEAD => {
            (StatusCode::METHOD_NOT_ALLOWED, Json(json!({ "detail": "Method Not Allowed" }))).into_response()
        }
        None if health => match world.page_illness(service, &revision) {
            None => Json(json!({ "status": "healthy", "service": service, "revision": revision })).into_response(),
            Some(illness) => {
                let page = json!({
                    "status": "unhealthy", "service": service, "revision": revision, "why": illness.sentence(),
                });
                (StatusCode::SERVICE_UNAVAILABLE, Json(page)).into_response()
            }
        },
        None => Json(json!({ "service": service, "revision": revision })).into_response(),
    };
    Answer { after, response }
}

/// What Google's front end says when no container does: it does not tell the causes apart.
fn unavailable(illness: &Illness) -> Response {
    let body = match illness {
        Illness::Crashing { .. } => {
            "The request failed because either the HTTP response was malformed or connection to the instance had an error."
        }
        _ => "Service Unavailable",
    };
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

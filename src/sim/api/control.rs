//! What the simulated cloud tells about itself under `/_sim/`: for tests, drills and curious people, never for the
//! tool under test, which must see no more than Google would show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Answered, Shared, object};
use crate::sim::clock::Pace;
use crate::sim::fault::Fault;
use crate::sim::remote;
use crate::sim::world::refusal::{Code, Refusal};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_sim/state", get(state))
        .route("/_sim/requests", get(requests))
        .route("/_sim/clock", get(clock).post(set_clock))
        .route("/_sim/clock/shared", get(share))
        .route("/_sim/faults", get(faults).post(inject).delete(clear))
        .route("/_sim/ca.pem", get(certificate))
}

async fn state(State(shared): State<Arc<Shared>>) -> Answered {
    let world = shared.world();
    let connectors: BTreeMap<&String, Value> = world
        .parts
        .vpc_access
        .connectors
        .iter()
        .map(|(short, found)| {
            let mut shown = found.wire(&world.connector_name(short), world.project());
            shown["connections"] = json!({ "wanted": world.wanted(short), "carried": world.carried(short) });
            (short, shown)
        })
        .collect();
    let services: BTreeMap<&String, Value> = world
        .parts
        .cloud_run
        .services
        .iter()
        .map(|(short, found)| {
            let illness = world.service_illness(short);
            let revisions: BTreeMap<&String, Value> = found
                .revisions
                .keys()
                .map(|name| {
                    let illness = world.illness(short, name);
                    (name, json!({ "ok": illness.is_none(), "why": illness.map(|illness| illness.sentence()) }))
                })
                .collect();
            let mut shown = found.wire(&world, short);
            shown["hosts"] = json!(found.figures.hosts);
            shown["serving"] = json!(found.serving());
            shown["health"] = json!({ "ok": illness.is_none(), "why": illness.map(|illness| illness.sentence()) });
            shown["revisions"] = json!(revisions);
            (short, shown)
        })
        .collect();
    let databases: BTreeMap<&String, Value> = world
        .parts
        .cloud_sql
        .instances
        .iter()
        .map(|(name, found)| {
            let mut shown = found.wire(&world, name);
            let (wanted, allowed) = (world.wanted_of_database(name), found.connections_for_services());
            shown["connections"] = json!({
                "accepted": found.accepts_connections(), "wanted": wanted, "allowed": allowed,
            });
            (name, shown)
        })
        .collect();
    let resources: BTreeMap<&String, Value> =
        world.parts.any.resources.iter().map(|(url, kept)| (url, json!(kept.state))).collect();
    let operations: Vec<Value> = world.operations.all().map(|operation| operation.wire(&world)).collect();
    Ok(Json(json!({
        "now": world.now().to_string(),
        "speed": speed(shared.clock.pace()),
        "project": world.project(),
        "region": world.region(),
        "hosts": world.hosts(),
        "connectors": connectors,
        "services": services,
        "databases": databases,
        "resources": resources,
        "operations": operations,
    })))
}

async fn requests(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!(&*shared.seen()))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!(&*shared.faults()))
}

/// Adds a fault: `{"match": {"method": "PATCH", "path": "*/connectors/*"}, "fault": {"status": 503}, "times": 1}`.
async fn inject(State(shared): State<Arc<Shared>>, body: Result<Bytes, BytesRejection>) -> Answered {
    let body = Value::Object(object(body)?);
    let fault: Fault = serde_json::from_value(body)
        .map_err(|error| Refusal::new(Code::InvalidArgument, format!("This is not a fault: {error}")))?;
    if let Some(complaint) = fault.complaint() {
        return Err(Refusal::new(Code::InvalidArgument, complaint).into());
    }
    shared.faults().push(fault);
    Ok(faults(State(shared)).await)
}

async fn clear(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.faults().clear();
    faults(State(shared)).await
}

/// The certificate that clients must trust to speak HTTPS to it.
async fn certificate(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], shared.authority.pem().to_owned())
}

async fn clock(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "now": shared.clock.now().to_string(), "speed": speed(shared.clock.pace()) }))
}

/// `{"speed": 60}` or `{"speed": "max"}` changes how fast time passes; `{"advance": "10m"}` moves the clock forward at any
/// speed.
async fn set_clock(State(shared): State<Arc<Shared>>, body: Result<Bytes, BytesRejection>) -> Answered {
    let body = object(body)?;
    if let Some(wanted) = body.get("speed") {
        let pace = match (wanted.as_f64(), wanted.as_str()) {
            (_, Some("max")) => Pace::Stepped,
            (Some(factor), _) if factor > 0.0 => Pace::Scaled(factor),
            _ => return Err(Refusal::invalid("speed", "speed must be a positive number or \"max\"").into()),
        };
        shared.clock.set_pace(pace);
        return Ok(clock(State(shared)).await);
    }
    let by = body
        .get("advance")
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<SignedDuration>().ok())
        .filter(|by| !by.is_negative())
        .ok_or_else(|| Refusal::invalid("advance", "advance must be a duration such as \"10m\""))?;
    shared.clock.advance(by);
    shared.save(&shared.world()).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    Ok(clock(State(shared)).await)
}

fn speed(pace: Pace) -> Value {
    match pace {
        Pace::Scaled(factor) | Pace::Paced(factor) => json!(factor),
        Pace::Stepped => json!("max"),
    }
}

/// Another process takes part in this clock, for as long as the WebSocket is open.
async fn share(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| remote::share(shared, socket))
}

//! Personalized Service Health v1: the events of a project.
//!
//! Events of organizations, and impacts, are not simulated (source: `google/cloud/servicehealth/v1`).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::{Answered, Paging, Parameters, Shared, page_by};
use crate::sim::world::World;
use crate::sim::world::filter::Filter;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::service_health::FIELDS;

/// 10 if it is not said, 100 at most (source: the comment on `ListEventsRequest.page_size`).
const PAGING: Paging = Paging { size: "pageSize", by_default: 10, at_most: 100 };

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/projects/{project}/locations/{location}/events", get(list))
        .route("/v1/projects/{project}/locations/{location}/events/{event}", get(show))
}

/// Incidents are at the location `global` (source: the comment on `ListEventsRequest.parent`); what another one says is
/// ours.
fn check(world: &World, project: &str, location: &str) -> Result<(), Refusal> {
    world.check_project(project)?;
    if location == "global" {
        return Ok(());
    }
    Err(Refusal::invalid("parent", format!("Events are at the location global, not at {location}")))
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path((project, location)): Path<(String, String)>,
    uri: Uri,
) -> Answered {
    let parameters = Parameters::read(&uri, &["pageSize", "pageToken", "filter", "view"])?;
    let full = match parameters.get("view") {
        None | Some("0" | "1" | "EVENT_VIEW_UNSPECIFIED" | "EVENT_VIEW_BASIC") => false,
        Some("2" | "EVENT_VIEW_FULL") => true,
        Some(_) => return Err(Refusal::invalid("view", "Invalid value at 'view'").into()),
    };
    let filter = Filter::parse(parameters.get("filter").unwrap_or_default())?;
    filter.only(&FIELDS)?;
    let world = shared.world();
    check(&world, &project, &location)?;
    let found = world.events().into_iter().filter(|event| filter.fits(&event.filtered(world.now())));
    let found: Vec<Value> = found.map(|event| event.wire(&world, full)).collect();
    page_by(&found, "events", &parameters, PAGING)
}

async fn show(
    State(shared): State<Arc<Shared>>,
    Path((project, location, id)): Path<(String, String, String)>,
    uri: Uri,
) -> Answered {
    Parameters::read(&uri, &[])?;
    let world = shared.world();
    check(&world, &project, &location)?;
    let missing = || Refusal::missing(&format!("projects/{project}/locations/{location}/events/{id}"));
    let event = world.events().into_iter().find(|event| event.id == id).ok_or_else(missing)?;
    Ok(Json(event.wire(&world, true)))
}

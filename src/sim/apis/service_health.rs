//! Personalized Service Health v1: what Google tells a project about its own incidents.
//!
//! Known of Google, and held here (source: `google/cloud/servicehealth/v1/event_resources.proto`): an event is ACTIVE or
//! CLOSED, first EMERGING and then CONFIRMED, in the end RESOLVED or otherwise closed; it says which products in which
//! locations it is about, and how relevant it is to the project. An event is published some time after it began: a list
//! without one is no proof that all is well. Everything follows from the scenario and the time; nothing is ever changed.
//! Events of organizations, and impacts, are not simulated.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;

use super::Part;
use crate::sim::api::{Answered, Api, Call, Collection, Paging, Shared, page_by};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::filter::Filter;
use crate::sim::world::operation::Never;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{World, digest};

/// 10 if it is not said, 100 at most (source: the comment on `ListEventsRequest.page_size`).
const PAGING: Paging = Paging { size: "pageSize", by_default: 10, at_most: 100 };

/// Its enums (source: the same proto).
const ENUMS: Table = &[
    (&["category"], &[("INCIDENT", 2)]),
    (&["detailedCategory"], &[("CONFIRMED_INCIDENT", 1), ("EMERGING_INCIDENT", 2)]),
    (&["state"], &[("ACTIVE", 1), ("CLOSED", 2)]),
    (
        &["detailedState"],
        &[
            ("EMERGING", 1),
            ("CONFIRMED", 2),
            ("RESOLVED", 3),
            ("MERGED", 4),
            ("AUTO_CLOSED", 9),
            ("FALSE_POSITIVE", 10),
        ],
    ),
    (&["relevance"], &[("UNKNOWN", 2), ("NOT_IMPACTED", 6), ("PARTIALLY_RELATED", 7), ("RELATED", 8), ("IMPACTED", 9)]),
];

/// The incidents of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth(Vec<Event>);

impl Part for ServiceHealth {
    type Tables = Vec<Spanned<Event>>;
    type Effect = Never;

    /// `[[service_health]]`.
    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        reader.list("service_health")
    }

    fn build(tables: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        world.parts.service_health = Self(complaints.sound(tables, Event::complaint));
    }
}

impl Api for ServiceHealth {
    const SERVICE: &'static str = "servicehealth";
    const TYPES: &'static [(&'static str, &'static str)] = &[("projects.locations.events", "[[service_health]]")];
    const COLLECTIONS: &'static [Collection] = &[Collection { segment: "events", permissions: "servicehealth.events" }];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        Router::new()
            .route("/v1/projects/{project}/locations/{location}/events", get(list))
            .route("/v1/projects/{project}/locations/{location}/events/{event}", get(show))
    }
}

/// The fields that events can be filtered by (source: the comment on `ListEventsRequest.filter`).
const FIELDS: [&str; 4] = ["category", "state", "update_time", "event_impacts.product.product_name"];

/// An incident at Google, as the scenario has it (`[[service_health]]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The last segment of its name.
    pub id: String,
    /// What it is, in a line.
    pub title: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Since when.
    pub start: Timestamp,
    /// When the project can first read of it; at its start if it is not said.
    #[serde(default)]
    pub published: Option<Timestamp>,
    /// From when on it is CONFIRMED; as soon as it is published if it is not said.
    #[serde(default)]
    pub confirmed: Option<Timestamp>,
    /// Until when.
    #[serde(default)]
    pub end: Option<Timestamp>,
    /// What it says of itself when it is over.
    #[serde(default)]
    pub ends_as: Ending,
    /// What it means to the project.
    pub relevance: Relevance,
    /// What it is about.
    #[serde(default)]
    pub impacts: Vec<Impact>,
    /// What Google writes while it lasts.
    #[serde(default)]
    pub updates: Vec<Update>,
}

/// A product in a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impact {
    /// Such as `Cloud Run`.
    pub product: String,
    /// Such as `us-central1`.
    pub location: String,
}

/// A message of Google's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// When it was written.
    pub at: Timestamp,
    /// What is going on.
    pub description: String,
    /// What one sees of it.
    #[serde(default)]
    pub symptom: String,
    /// What one can do meanwhile.
    #[serde(default)]
    pub workaround: String,
}

/// How an event ends, of `Event.DetailedState`. Merging into another event is not simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Ending {
    /// It no longer affects anything.
    #[default]
    Resolved,
    /// Nobody could confirm it.
    AutoClosed,
    /// It affected nothing.
    FalsePositive,
}

/// What an event means to the project, of `Event.Relevance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Relevance {
    /// Nobody knows.
    Unknown,
    /// Nothing.
    NotImpacted,
    /// A product that the project uses, perhaps elsewhere.
    PartiallyRelated,
    /// A product that the project uses, in a location that it uses.
    Related,
    /// It has been verified that the project is hit.
    Impacted,
}

impl Event {
    /// What is wrong with it, if something is.
    fn complaint(&self) -> Option<&'static str> {
        let published = self.published.unwrap_or(self.start);
        if published < self.start {
            return Some("an event cannot be published before it begins");
        }
        if self.end.is_some_and(|end| end < self.start) {
            return Some("an event cannot end before it begins");
        }
        if self.confirmed.is_some_and(|confirmed| confirmed < published) {
            return Some("an event cannot be confirmed before it is published");
        }
        None
    }

    /// Whether the project can read of it by now.
    fn is_published(&self, now: Timestamp) -> bool {
        self.published.unwrap_or(self.start) <= now
    }

    fn updates(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &Update> {
        self.updates.iter().filter(move |update| update.at <= now)
    }

    /// When something was last said about it.
    fn updated(&self, now: Timestamp) -> Timestamp {
        let said = self.updates(now).map(|update| update.at);
        let changed = self.confirmed.into_iter().chain(self.end).filter(|at| *at <= now);
        said.chain(changed).max().unwrap_or_default().max(self.published.unwrap_or(self.start))
    }

    /// The state and the detailed state.
    fn states(&self, now: Timestamp) -> (&'static str, Value) {
        if self.end.is_some_and(|end| end <= now) {
            return ("CLOSED", json!(self.ends_as));
        }
        let emerging = self.confirmed.is_some_and(|confirmed| now < confirmed);
        ("ACTIVE", json!(if emerging { "EMERGING" } else { "CONFIRMED" }))
    }

    /// The event as a filter sees it, under the names of [`FIELDS`].
    fn filtered(&self, now: Timestamp) -> Value {
        let products: Vec<&str> = self.impacts.iter().map(|impact| impact.product.as_str()).collect();
        json!({
            "category": "INCIDENT",
            "state": self.states(now).0,
            "update_time": self.updated(now).to_string(),
            "event_impacts": { "product": { "product_name": products.join(", ") } },
        })
    }

    /// The event as the API shows it; only the full view has the updates.
    fn wire(&self, world: &World, full: bool) -> Value {
        let now = world.now();
        let (state, detailed_state) = self.states(now);
        let impacts = self.impacts.iter().map(|impact| {
            let id = digest(&impact.product, 20);
            json!({
                "product": { "productName": impact.product, "id": id },
                "location": { "locationName": impact.location },
            })
        });
        let mut wire = json!({
            "name": format!("projects/{}/locations/global/events/{}", world.project(), self.id),
            "title": self.title,
            "description": self.description,
            "category": "INCIDENT",
            "detailedCategory": if detailed_state == "EMERGING" { "EMERGING_INCIDENT" } else { "CONFIRMED_INCIDENT" },
            "state": state,
            "detailedState": detailed_state,
            "eventImpacts": impacts.collect::<Vec<_>>(),
            "relevance": self.relevance,
            "updateTime": self.updated(now).to_string(),
            "startTime": self.start.to_string(),
        });
        if let Some(end) = self.end.filter(|end| *end <= now) {
            wire["endTime"] = json!(end.to_string());
        }
        if full {
            let update = |update: &Update| {
                json!({
                    "updateTime": update.at.to_string(),
                    "title": self.title,
                    "description": update.description,
                    "symptom": update.symptom,
                    "workaround": update.workaround,
                })
            };
            wire["updates"] = self.updates(now).rev().map(update).collect();
        }
        wire
    }
}

/// The events that are published by now, the newest first.
fn published(world: &World) -> Vec<&Event> {
    let ServiceHealth(all) = &world.parts.service_health;
    let mut events: Vec<&Event> = all.iter().filter(|event| event.is_published(world.now())).collect();
    events.sort_by(|one, other| other.start.cmp(&one.start).then_with(|| one.id.cmp(&other.id)));
    events
}

/// Incidents are at the location `global` (source: the comment on `ListEventsRequest.parent`); what another one says is
/// ours.
fn check(world: &World, call: &Call) -> Result<(), Refusal> {
    world.check_project(call.named("project"))?;
    let location = call.named("location");
    if location == "global" {
        return Ok(());
    }
    Err(Refusal::invalid("parent", format!("Events are at the location global, not at {location}")))
}

async fn list(call: Call) -> Answered {
    let (world, parameters) = call.read_anywhere(&["pageSize", "pageToken", "filter", "view"])?;
    let full = match parameters.get("view") {
        None | Some("0" | "1" | "EVENT_VIEW_UNSPECIFIED" | "EVENT_VIEW_BASIC") => false,
        Some("2" | "EVENT_VIEW_FULL") => true,
        Some(_) => return Err(Refusal::invalid("view", "Invalid value at 'view'").into()),
    };
    let filter = Filter::parse(parameters.get("filter").unwrap_or_default())?;
    filter.only(&FIELDS)?;
    check(&world, &call)?;
    let found = published(&world).into_iter().filter(|event| filter.fits(&event.filtered(world.now())));
    let found: Vec<Value> = found.map(|event| event.wire(&world, full)).collect();
    page_by(&found, "events", &parameters, PAGING)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read_anywhere(&[])?;
    check(&world, &call)?;
    let id = call.named("event");
    let missing = || Refusal::missing(&format!("projects/{}/locations/global/events/{id}", call.named("project")));
    let event = published(&world).into_iter().find(|event| event.id == id).ok_or_else(missing)?;
    Ok(Json(event.wire(&world, true)))
}

//! Personalized Service Health: what Google tells a project about its own incidents.
//!
//! Known of Google, and held here (source: `google/cloud/servicehealth/v1/event_resources.proto`): an event is ACTIVE or
//! CLOSED, first EMERGING and then CONFIRMED, in the end RESOLVED or otherwise closed; it says which products in which
//! locations it is about, and how relevant it is to the project. An event is published some time after it began: a list
//! without one is no proof that all is well. Everything follows from the scenario and the time; nothing is ever changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::World;

/// The fields that events can be filtered by (source: the comment on `ListEventsRequest.filter`).
pub const FIELDS: [&str; 4] = ["category", "state", "update_time", "event_impacts.product.product_name"];

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
    pub fn complaint(&self) -> Option<&'static str> {
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
    pub fn filtered(&self, now: Timestamp) -> Value {
        let products: Vec<&str> = self.impacts.iter().map(|impact| impact.product.as_str()).collect();
        json!({
            "category": "INCIDENT",
            "state": self.states(now).0,
            "update_time": self.updated(now).to_string(),
            "event_impacts": { "product": { "product_name": products.join(", ") } },
        })
    }

    /// The event as the API shows it; only the full view has the updates.
    pub fn wire(&self, world: &World, full: bool) -> Value {
        let now = world.now;
        let (state, detailed_state) = self.states(now);
        let impacts = self.impacts.iter().map(|impact| {
            let id = super::digest(&impact.product, 20);
            json!({
                "product": { "productName": impact.product, "id": id },
                "location": { "locationName": impact.location },
            })
        });
        let mut wire = json!({
            "name": format!("projects/{}/locations/global/events/{}", world.project, self.id),
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

impl World {
    /// The events that are published by now, the newest first.
    pub fn events(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.service_health.iter().filter(|event| event.is_published(self.now)).collect();
        events.sort_by(|one, other| other.start.cmp(&one.start).then_with(|| one.id.cmp(&other.id)));
        events
    }
}

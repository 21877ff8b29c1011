//! What Google itself says is wrong: Personalized Service Health. Only looked at.
//!
//! The name in an id is that of a product, such as `Cloud Run`, or `*` for all. An incident is reported later than it
//! is felt: none does not mean that there is none (facts, section 5).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::api_error::ApiError;
use super::cloud::{Cloud, whole};
use super::error::ReadError;
use super::path::ApiPath;
use super::permission::Permission;
use super::proto_json::proto_enum;
use super::rest::{Api, Request};
use super::spec::{ApiObject, Metrics, Product, SHORT_NAME};
use super::{Observable, Seen};
use crate::gate::{FactType, Facts};
use crate::run::{NameShape, ResourceId};

/// What is known of incidents of a product in the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// How many are under way.
    pub incidents: usize,
    /// Whether Google says that one of them touches this project.
    pub impacted: bool,
    /// What they are called, with `; ` between.
    pub titles: String,
}

/// `gcp.service-health`.
pub struct Incidents {
    cloud: Arc<Cloud>,
}

impl Incidents {
    /// The incidents of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Incidents {
        Incidents { cloud: Arc::clone(cloud) }
    }
}

impl Observable for Incidents {
    type State = State;

    const NAME: &'static str = "gcp.service-health";
    const FACTS: Facts = &[("incidents", FactType::Int), ("impacted", FactType::Bool), ("titles", FactType::Text)];
    const NAME_SHAPE: NameShape = SHORT_NAME;
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["servicehealth.events.list"];
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let events = self.cloud.incidents(&id.project).await.map_err(|error| ReadError::of(id, &error))?;
        let here: Vec<&Event> = events.iter().filter(|event| event.touches(id)).collect();
        let impacted = here.iter().any(|event| event.touches_project());
        let titles: Vec<&str> = here.iter().map(|event| event.title.as_str()).collect();
        let trouble = impacted.then(|| titles.join("; "));
        let state = State { incidents: here.len(), impacted, titles: titles.join("; ") };
        Ok(Seen { state, etag: None, operation: None, trouble })
    }
}

proto_enum! {
    /// What an event means for the project.
    Relevance {
        Unknown = 2 "UNKNOWN",
        NotImpacted = 6 "NOT_IMPACTED",
        PartiallyRelated = 7 "PARTIALLY_RELATED",
        Related = 8 "RELATED",
        Impacted = 9 "IMPACTED",
    }
}

/// An event, as the API has it (source: `google/cloud/servicehealth/v1/event_resources.proto`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    title: String,
    relevance: Relevance,
    #[serde(rename = "eventImpacts")]
    impacts: Vec<EventImpact>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventImpact {
    product: ImpactedProduct,
    location: ImpactedLocation,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ImpactedProduct {
    product_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ImpactedLocation {
    location_name: String,
}

impl Event {
    /// Whether Google says that it touches this project.
    fn touches_project(&self) -> bool {
        matches!(self.relevance, Relevance::Related | Relevance::Impacted | Relevance::PartiallyRelated)
    }

    /// Whether it is about the product in the region, or everywhere.
    fn touches(&self, id: &ResourceId) -> bool {
        self.impacts.iter().any(|EventImpact { product, location }| {
            let place = location.location_name.as_str();
            (id.name == "*" || product.product_name == id.name) && (place == id.region || place == "global")
        })
    }
}

impl Cloud {
    /// The incidents that Google has told this project of and that are not over.
    async fn incidents(&self, project: &str) -> Result<Vec<Event>, ApiError> {
        let path = ApiPath::version("/v1").name(&ApiPath::location(project, "global")).at("events");
        let request = Request::get(Api::ServiceHealth, path).with("filter", "category=INCIDENT state=ACTIVE");
        self.rest.list(request, "events", usize::MAX).await
    }

    /// `PRODUCT|REGION` of everything that Google says is touched by an incident that touches this project too.
    pub async fn impacts(&self, project: &str) -> Result<Vec<String>, ReadError> {
        let events = self.incidents(project).await.map_err(|error| ReadError::of(&whole(project), &error))?;
        let touching = events.iter().filter(|event| event.touches_project());
        let impacts = touching.flat_map(|event| &event.impacts);
        Ok(impacts.map(|impact| format!("{}|{}", impact.product.product_name, impact.location.location_name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use google_cloud_servicehealth_v1::model::event::Relevance as Google;

    use super::*;

    #[test]
    fn enums_are_googles() {
        for (number, relevance) in Relevance::KNOWN {
            assert_eq!(Google::from(*number).name(), Some(relevance.name()));
        }
    }
}

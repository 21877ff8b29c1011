//! What Google itself says is wrong: Personalized Service Health. Only looked at.
//!
//! The name in an id is that of a product, such as `Cloud Run`, or `*` for all. An incident is reported later than it
//! is felt: none does not mean that there is none (facts, section 5).

use std::sync::Arc;

use google_cloud_servicehealth_v1::model::Event;
use google_cloud_servicehealth_v1::model::event::Relevance;
use serde::Serialize;

use super::cloud::Cloud;
use super::error::ReadError;
use super::permission::Permission;
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
        let here: Vec<&Event> = events.iter().filter(|event| touches(event, id)).collect();
        let impacted = here.iter().any(|event| touches_project(event));
        let titles: Vec<&str> = here.iter().map(|event| event.title.as_str()).collect();
        let trouble = impacted.then(|| titles.join("; "));
        let state = State { incidents: here.len(), impacted, titles: titles.join("; ") };
        Ok(Seen { state, etag: None, operation: None, trouble })
    }
}

/// Whether Google says that an incident touches this project.
pub(super) fn touches_project(event: &Event) -> bool {
    matches!(event.relevance, Relevance::Related | Relevance::Impacted | Relevance::PartiallyRelated)
}

/// Whether an incident is about the product in the region, or everywhere.
fn touches(event: &Event, id: &ResourceId) -> bool {
    event.event_impacts.iter().any(|impact| {
        let product = impact.product.as_ref().map(|product| product.product_name.as_str()).unwrap_or_default();
        let place = impact.location.as_ref().map(|place| place.location_name.as_str()).unwrap_or_default();
        (id.name == "*" || product == id.name) && (place == id.region || place == "global")
    })
}

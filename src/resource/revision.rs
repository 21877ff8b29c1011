//! A revision of a Cloud Run service: what could serve, or did. Only looked at.
//!
//! Its name in an id is that of its service, a slash, and its own.

use std::sync::Arc;

use google_cloud_run_v2::model::condition::State as ConditionState;
use serde::Serialize;

use super::cloud::Cloud;
use super::cloud_run;
use super::error::ReadError;
use super::path::ApiPath;
use super::permission::Permission;
use super::spec::{ApiObject, Metrics, Product};
use super::{Observable, Seen};
use crate::gate::{FactType, Facts};
use crate::run::{NameOwner, NameShape, ResourceId};

/// What a revision is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Whether it can serve.
    pub ready: bool,
    /// The image of its first container, by digest where the API has resolved it.
    pub image: String,
}

/// `gcp.run.revision`.
pub struct Revision {
    cloud: Arc<Cloud>,
}

impl Revision {
    /// The revisions of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Revision {
        Revision { cloud: Arc::clone(cloud) }
    }
}

/// The id of a revision of a service.
pub fn of(service: &ResourceId, revision: &str) -> ResourceId {
    let name = format!("{}/{revision}", service.name);
    ResourceId { kind: Revision::NAME.to_owned(), name, ..service.clone() }
}

impl Observable for Revision {
    type State = State;

    const NAME: &'static str = "gcp.run.revision";
    const FACTS: Facts = &[("ready", FactType::Bool), ("image", FactType::Text)];
    const NAME_SHAPE: NameShape = NameShape {
        what: "a revision",
        min_length: 1,
        max_length: 63,
        owner: NameOwner::Google,
        description: "its short name, such as `backend-00042-abc`, or `LATEST`",
    };
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = &["run.revisions.get"];
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = Some(cloud_run::METRICS);

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        let Some((service, revision)) = id.name.split_once('/') else {
            let why = "a revision is named SERVICE/REVISION".to_owned();
            return Err(ReadError::Refused { resource: id.clone(), why, denied: false });
        };
        let name = ApiPath::location(&id.project, &id.region).of("services", service).of("revisions", revision);
        let found = self.cloud.revision(name.as_str()).await.map_err(|error| ReadError::of(id, &error))?;
        let ready = found.conditions.iter().find(|condition| condition.r#type == "Ready");
        let failed = ready.filter(|condition| condition.state == ConditionState::ConditionFailed);
        let trouble = failed.map(|condition| condition.message.clone());
        let image = found.containers.first().map(|container| container.image.clone()).unwrap_or_default();
        let ready = ready.is_some_and(|condition| condition.state == ConditionState::ConditionSucceeded);
        Ok(Seen { state: State { ready, image }, etag: Some(found.etag), operation: None, trouble })
    }
}

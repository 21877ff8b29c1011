//! A revision of a Cloud Run service: what could serve, or did; and which there are. Only looked at.
//!
//! Its name in an id is that of its service, a slash, and its own. The list has the service's name.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::cloud_run;
use super::error::ReadError;
use super::path::ApiPath;
use super::permission::Permission;
use super::run_api::ConditionState;
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

/// Which revisions a service has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListState {
    /// Their short names, newest first; at most [`MOST_LISTED`].
    pub names: Vec<String>,
}

/// More revisions than these nobody chooses from.
pub const MOST_LISTED: usize = 10;

/// `gcp.run.revisions`.
pub struct RevisionList {
    cloud: Arc<Cloud>,
}

impl RevisionList {
    /// The lists of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> RevisionList {
        RevisionList { cloud: Arc::clone(cloud) }
    }
}

/// The id of the list that a revision would be in.
pub fn list_with(revision: &ResourceId) -> Option<ResourceId> {
    let (service, _) = revision.name.split_once('/').filter(|_| revision.kind == Revision::NAME)?;
    Some(ResourceId { kind: RevisionList::NAME.to_owned(), name: service.to_owned(), ..revision.clone() })
}

impl Observable for RevisionList {
    type State = ListState;

    const NAME: &'static str = "gcp.run.revisions";
    const FACTS: Facts = &[];
    const NAME_SHAPE: NameShape = cloud_run::SERVICE_NAME;
    const PART_OF: ApiObject = ApiObject::CloudRunService;
    const READ_PERMISSIONS: &'static [Permission] = &["run.revisions.list"];
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<ListState>, ReadError> {
        let found = self.cloud.revisions_of(&cloud_run::path(id), MOST_LISTED).await;
        let found = found.map_err(|error| ReadError::of(id, &error))?;
        let names = found.iter().map(|revision| cloud_run::short(&revision.name)).collect();
        Ok(Seen { state: ListState { names }, etag: None, operation: None, trouble: None })
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
        let found = self.cloud.revision(&name).await.map_err(|error| ReadError::of(id, &error))?;
        let ready = found.conditions.iter().find(|condition| condition.kind == "Ready");
        let failed = ready.filter(|condition| condition.state == ConditionState::Failed);
        let trouble = failed.map(|condition| condition.message.clone());
        let image = found.containers.first().map(|container| container.image.clone()).unwrap_or_default();
        let ready = ready.is_some_and(|condition| condition.state == ConditionState::Succeeded);
        Ok(Seen { state: State { ready, image }, etag: found.etag, operation: None, trouble })
    }
}

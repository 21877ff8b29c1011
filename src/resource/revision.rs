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
use super::run_api::{Condition, ConditionState, Revision as ApiRevision};
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
    /// The newest first; at most [`MOST_LISTED`].
    pub revisions: Vec<Listed>,
}

/// A revision in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its short name.
    pub name: String,
    /// Whether it can serve.
    pub ready: bool,
    /// When it was made, as the API says it.
    pub created: String,
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
    Some(list_of(&ResourceId { name: service.to_owned(), ..revision.clone() }))
}

/// The id of a service's list.
pub fn list_of(service: &ResourceId) -> ResourceId {
    ResourceId { kind: RevisionList::NAME.to_owned(), ..service.clone() }
}

/// The condition that says whether a revision can serve.
fn readiness(revision: &ApiRevision) -> Option<&Condition> {
    revision.conditions.iter().find(|condition| condition.kind == "Ready")
}

fn is_ready(revision: &ApiRevision) -> bool {
    readiness(revision).is_some_and(|condition| condition.state == ConditionState::Succeeded)
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
        let listed = found.iter().map(|revision| Listed {
            name: cloud_run::short(&revision.name),
            ready: is_ready(revision),
            created: revision.create_time.clone(),
        });
        let state = ListState { revisions: listed.collect() };
        Ok(Seen { state, etag: None, operation: None, trouble: None })
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
        description: "its short name, such as `backend-00042-abc`, `LATEST`, `LATEST_READY` or `PREVIOUS`",
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
        let failed = readiness(&found).filter(|condition| condition.state == ConditionState::Failed);
        let trouble = failed.map(|condition| condition.message.clone());
        let image = found.containers.first().map(|container| container.image.clone()).unwrap_or_default();
        Ok(Seen { state: State { ready: is_ready(&found), image }, etag: found.etag, operation: None, trouble })
    }
}

//! What the kinds that live on a Cloud Run service share: reading it whole, writing a part of it, and
//! knowing when it has come to rest.
//!
//! A Cloud Run write is accepted long before it is true. The service has come to rest when it is not
//! reconciling; whether that is a success says its terminal condition. Source: `google/cloud/run/v2/service.proto`, the comments on `reconciling`.

use std::time::Duration;

use reqwest::Url;

use super::cloud::Cloud;
use super::error::{ReadError, WriteError};
use super::follow_up::FollowUp;
use super::path::ApiPath;
use super::permission::Permission;
use super::run_api::{ConditionState, Service, ServicePart, ServiceUpdate};
use super::spec::{LabelValue, Metrics, Product};
use super::{Certainty, OperationProgress, Seen, Validity, Writer};
use crate::run::{NameOwner, NameShape, ResourceId};

/// What the name of a service looks like. Source: the reference of Cloud Run.
pub(super) const SERVICE_NAME: NameShape = NameShape {
    what: "a Cloud Run service",
    min_length: 1,
    max_length: 49,
    owner: NameOwner::Google,
    description: "up to 49 lower-case letters, digits and hyphens, beginning with a letter",
};

/// What it takes to observe a service.
pub(super) const READ_PERMISSIONS: &[Permission] = &["run.services.get", "run.operations.list"];

/// What it takes to change what makes no new revision.
pub(super) const WRITE_PERMISSIONS: &[Permission] = &["run.services.update", "run.operations.get"];

/// What it takes to make a new revision, which runs as the service's account. Whether traffic alone needs that is not known.
pub(super) const REVISION_PERMISSIONS: &[Permission] =
    &["run.services.update", "run.operations.get", "iam.serviceAccounts.actAs"];

/// Cloud Run.
pub(super) const PRODUCT: Product = Product { api: "run.googleapis.com", name: "Cloud Run" };

/// The metrics of a service.
pub(super) const METRICS: Metrics = Metrics {
    label: "service_name",
    label_value: LabelValue::Name,
    types: &[
        "run.googleapis.com/request_count",
        "run.googleapis.com/request_latencies",
        "run.googleapis.com/container/instance_count",
    ],
};

/// Stands for an operation whose name is not known: the service itself says when it is over.
const RECONCILING: &str = "reconciling";

/// The service's full resource name.
pub(super) fn path(id: &ResourceId) -> ApiPath {
    ApiPath::location(&id.project, &id.region).of("services", &id.name)
}

pub(super) async fn get(cloud: &Cloud, id: &ResourceId) -> Result<Service, ReadError> {
    cloud.service(&path(id)).await.map_err(|error| ReadError::of(id, &error))
}

impl Cloud {
    /// The host name at which a tag of a Cloud Run service is to be reached; `None` if it has no such tag.
    ///
    /// # Errors
    /// If the service cannot be read.
    pub async fn tag_host(&self, service: &ResourceId, tag: &str) -> Result<Option<String>, ReadError> {
        let service = get(self, service).await?;
        let found = service.traffic_statuses.iter().find(|status| status.tag == tag && !status.uri.is_empty());
        Ok(found.and_then(|status| Url::parse(&status.uri).ok()?.host_str().map(str::to_owned)))
    }
}

/// Reads the service, and the name of what is changing it. `state` says what is wrong with a malformed response.
pub(super) async fn observe<S>(
    cloud: &Cloud,
    id: &ResourceId,
    wrong: impl FnOnce(&Service) -> Option<String>,
    state: impl FnOnce(&Service) -> Result<S, String>,
) -> Result<Seen<S>, ReadError> {
    let service = get(cloud, id).await?;
    let operation = if at_rest(&service) { None } else { Some(running(cloud, id).await?) };
    let trouble = if operation.is_none() { wrong(&service) } else { None };
    let state = state(&service).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?;
    Ok(Seen { state, etag: service.etag, operation, trouble })
}

/// Writes one part of the service, if it still has the etag of the update.
pub(super) async fn patch<S>(
    writer: &Writer,
    id: &ResourceId,
    update: &ServiceUpdate,
) -> Result<OperationProgress<S>, WriteError> {
    let operation = writer.patch_service(id, update).await?;
    Ok(OperationProgress::Running { operation: operation.name })
}

/// The write of a part of the service that is worked out from what the service was when it had this etag. The API refuses it if
/// somebody was there since.
pub(super) async fn update(
    cloud: &Cloud,
    id: &ResourceId,
    etag: Option<&str>,
    part: impl FnOnce(Service) -> Result<ServicePart, WriteError>,
) -> Result<ServiceUpdate, WriteError> {
    let Some(etag) = etag else {
        let why = "the API gave no etag, without which the write could undo somebody else's".to_owned();
        return Err(WriteError::Refused { resource: id.clone(), why });
    };
    let service = match cloud.service_with(&path(id), etag) {
        Some(service) => service,
        None => get(cloud, id).await.map_err(WriteError::not_sent)?,
    };
    if service.etag.as_deref() != Some(etag) {
        return Err(WriteError::Conflict { resource: id.clone(), why: "its etag moved".to_owned() });
    }
    Ok(ServiceUpdate { name: path(id), etag: etag.to_owned(), part: part(service)? })
}

/// What a change leaves behind that named the revision it made: the name stays in the template.
pub(super) fn named_revision(revision: &str, action: String) -> FollowUp {
    FollowUp {
        what: format!(
            "the template names the revision {revision}: whoever writes the template back as it was read is refused (409, \"Revision named '{revision}' with different configuration already exists\")"
        ),
        within: Duration::from_hours(30 * 24),
        action,
    }
}

/// Asks the API whether it would take a write.
pub(super) async fn validate(
    cloud: &Cloud,
    id: &ResourceId,
    wanted: Result<ServiceUpdate, WriteError>,
) -> Result<Validity, ReadError> {
    let update = match wanted {
        Ok(update) => update,
        Err(WriteError::Unreachable { resource, why, remedy }) => {
            return Err(ReadError::Unreachable { resource, why, remedy });
        }
        Err(error) => return Ok(Validity::Refused { why: error.to_string() }),
    };
    Validity::of(id, cloud.validate_service(&update).await)
}

/// Asks how an operation stands. `done` says that it ended; the service, once at rest, says what came of it. So it does of
/// an operation that the API does not know any more.
pub(super) async fn poll<S>(
    cloud: &Cloud,
    id: &ResourceId,
    operation: &str,
    patience: Duration,
    wrong: impl FnOnce(&Service) -> Option<String>,
    state: impl FnOnce(&Service) -> Result<S, String>,
) -> Result<OperationProgress<S>, ReadError> {
    let mut unknown = None;
    if operation != RECONCILING {
        let held = if patience.is_zero() { None } else { cloud.run_operation_held(operation, patience).await.ok() };
        // What stands in the way of waiting, a look tells.
        let answer = match held {
            Some(answer) => Ok(answer),
            None => cloud.run_operation(operation).await,
        };
        match answer.map_err(|error| ReadError::of_operation(id, operation, &error)) {
            Ok(answer) if !answer.done => return Ok(OperationProgress::Running { operation: answer.name }),
            Ok(answer) => {
                if let Some(failed) = answer.failure() {
                    return Ok(failed);
                }
            }
            Err(error @ ReadError::OperationNotFound { .. }) => unknown = Some(error),
            Err(error) => return Err(error),
        }
    }
    let service = get(cloud, id).await?;
    if !at_rest(&service) {
        return Ok(OperationProgress::Running { operation: operation.to_owned() });
    }
    match (unknown, wrong(&service)) {
        (Some(error), _) => Err(error),
        (None, Some(why)) => Ok(OperationProgress::Failed { why, certainty: Certainty::Certain }),
        (None, None) => {
            let state = state(&service).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?;
            Ok(OperationProgress::Done(state))
        }
    }
}

/// The short name of a revision that the API gives in full.
pub(super) fn short(revision: &str) -> String {
    revision.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Whether nothing is under way on the service. Its observed generation cannot tell: after a failure it
/// keeps the value that was last served.
pub(super) fn at_rest(service: &Service) -> bool {
    !service.reconciling
}

/// What the service's terminal condition complains about.
pub(super) fn trouble(service: &Service) -> Option<String> {
    let condition = service.terminal_condition.as_ref()?;
    (condition.state == ConditionState::Failed).then(|| condition.message.clone())
}

/// Whether the service is well, by everything that its API says: at rest, its terminal condition succeeded, and
/// its newest revision is the one that serves as the newest.
pub(super) fn is_ready(service: &Service) -> bool {
    let succeeded = |state: &ConditionState| *state == ConditionState::Succeeded;
    at_rest(service)
        && service.terminal_condition.as_ref().is_some_and(|condition| succeeded(&condition.state))
        && service.observed_generation == service.generation
        && service.latest_ready_revision == service.latest_created_revision
}

async fn running(cloud: &Cloud, id: &ResourceId) -> Result<String, ReadError> {
    let location = ApiPath::location(&id.project, &id.region);
    let operations = cloud.run_operations(&location).await.map_err(|error| ReadError::of(id, &error))?;
    let ours = operations.into_iter().find(|operation| operation.is_about(path(id).as_str()));
    Ok(ours.map_or_else(|| RECONCILING.to_owned(), |operation| operation.name))
}

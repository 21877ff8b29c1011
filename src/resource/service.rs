//! A Cloud Run service's template: which image its newest revision runs.
//!
//! The name of a new revision is chosen when the change is planned. So a person can read it in the plan,
//! later steps can move traffic to it, and a deploy that is sent twice meets its own revision instead of
//! making a second one. Undoing deploys the old image as yet another revision.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cloud::Cloud;
use super::cloud_run::{self, short};
use super::error::{ReadError, WriteError};
use super::follow_up::{self, FollowUp};
use super::gcloud::{GcloudCommands, place, quoted, text, unknown};
use super::permission::Permission;
use super::run_api::{Service as ApiService, ServicePart, ServiceUpdate, serving};
use super::spec::{ApiObject, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Validity, Writer};
use crate::gate::{FactType, Facts};
use crate::run::{Change, NameShape, ResourceId, Reversibility};

/// What a service runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The image of the template's container that serves requests.
    pub image: String,
    /// Short name of the newest revision, ready or not.
    pub revision: String,
    /// Short name of the newest revision that became ready.
    pub latest_ready_revision: String,
    /// Whether the service has come to rest and is well.
    pub ready: bool,
    /// Whether a change is under way.
    pub reconciling: bool,
    /// How often the service's spec has changed.
    pub generation: i64,
    /// Whether its own address at `run.app` is switched off, and with it those of its tags (source: `default_uri_disabled` in
    /// `google/cloud/run/v2/service.proto`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default_url_disabled: bool,
}

/// The fields a change may own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The image of the template's container that serves requests.
    pub image: String,
    /// The short name for the new revision; without one the API chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// `gcp.run.service`.
pub struct Service {
    cloud: Arc<Cloud>,
}

impl Service {
    /// The services of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Service {
        Service { cloud: Arc::clone(cloud) }
    }
}

impl Service {
    /// What is sent so that the service runs this. The template is written whole, so that what others set in it stays;
    /// the etag guards it.
    async fn wanted(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<ServiceUpdate, WriteError> {
        let part = |service: ApiService| {
            let mut template = service.template.unwrap_or_default();
            let serving = serving(&template.containers).and_then(|place| template.containers.get_mut(place));
            let Some(container) = serving else {
                let why = "which of its containers serves requests is not clear".to_owned();
                return Err(WriteError::Refused { resource: id.clone(), why });
            };
            container.image.clone_from(&to.image);
            template.revision = to.revision.clone().unwrap_or_default();
            Ok(ServicePart::Template(template))
        };
        cloud_run::update(&self.cloud, id, etag, part).await
    }
}

impl Observable for Service {
    type State = State;

    const NAME: &'static str = "gcp.run.service";
    const FACTS: Facts = &[
        ("ready", FactType::Bool),
        ("image", FactType::Text),
        ("reconciling", FactType::Bool),
        ("revision", FactType::Text),
        ("latest_ready_revision", FactType::Text),
        ("generation", FactType::Int),
    ];
    const NAME_SHAPE: NameShape = cloud_run::SERVICE_NAME;
    const PART_OF: ApiObject = ApiObject::CloudRunService;
    const READ_PERMISSIONS: &'static [Permission] = cloud_run::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = Some(cloud_run::METRICS);

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, cloud_run::trouble, state).await
    }
}

impl Kind for Service {
    type Owned = Owned;

    const WRITE_PERMISSIONS: &'static [Permission] = cloud_run::REVISION_PERMISSIONS;
    const SHELL_FUNCTIONS: &'static str = "";

    /// Source: Terraform awaits a Cloud Run service for 20 minutes (`google_cloud_run_v2_service`, timeouts).
    const OPERATION_TIMEOUT: Duration = Duration::from_mins(20);

    fn allowed(_: &Owned, _: &Owned) -> Result<Reversibility, String> {
        Ok(Reversibility::Reversible)
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let place = place(change);
        let image = |state: &Value| state.get("image").and_then(text);
        let (before, after) = image(&change.from).zip(image(&change.to)).ok_or_else(|| unknown(change))?;
        let prefix = format!("{}-", change.resource.name);
        let revision = change.to.get("revision").and_then(Value::as_str);
        let suffix = revision.and_then(|revision| revision.strip_prefix(&prefix));
        let suffix = suffix.map(|suffix| format!(" --revision-suffix={}", quoted(suffix))).unwrap_or_default();
        let (name, image) = (quoted(&change.resource.name), quoted(&after));
        let write = vec![format!("gcloud run services update {name} --image={image}{suffix} {place}")];
        let format = "value(spec.template.spec.containers[0].image)";
        let read = format!("gcloud run services describe {name} {place} --format='{format}'");
        Ok(GcloudCommands { read, before: quoted(&before), after: image, alone: write.clone(), write })
    }

    /// The next deploy with gcloud takes the name away.
    fn follow_up(id: &ResourceId, _: &Value, last: &Value) -> Option<FollowUp> {
        let revision = last.get("revision").and_then(Value::as_str)?;
        let image = last.get("image").and_then(Value::as_str)?;
        let action = format!(
            "gcloud run services update {} --image {image} {} (it names the next revision anew; so does any deploy with gcloud)",
            id.name,
            follow_up::place(id)
        );
        Some(cloud_run::named_revision(revision, action))
    }

    async fn validate(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<Validity, ReadError> {
        cloud_run::validate(&self.cloud, id, self.wanted(id, etag, to).await).await
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<OperationProgress<State>, WriteError> {
        cloud_run::patch(writer, id, &self.wanted(id, seen.etag.as_deref(), to).await?).await
    }

    async fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
        patience: Duration,
    ) -> Result<OperationProgress<State>, ReadError> {
        cloud_run::poll(&self.cloud, id, operation, patience, cloud_run::trouble, state).await
    }
}

fn state(service: &ApiService) -> Result<State, String> {
    if service.latest_created_revision.is_empty() {
        return Err("it names no revision".to_owned());
    }
    let containers = service.template.as_ref().map(|template| template.containers.as_slice()).unwrap_or_default();
    let image = serving(containers).and_then(|place| containers.get(place));
    Ok(State {
        image: image.map(|container| container.image.clone()).unwrap_or_default(),
        revision: short(&service.latest_created_revision),
        latest_ready_revision: short(&service.latest_ready_revision),
        ready: cloud_run::is_ready(service),
        reconciling: service.reconciling,
        generation: service.generation,
        default_url_disabled: service.default_uri_disabled,
    })
}

/// Chooses the short name of the revision that deploying `image` over this generation will make:
/// `SERVICE-00013-kqz`, as gcloud names them, with the last part drawn from the image.
pub fn name_revision(service: &str, generation: i64, image: &str) -> String {
    // Letters that cannot spell a word, as gcloud's own suffixes.
    const LETTERS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
    let digest = Sha256::digest(format!("{service}\0{generation}\0{image}"));
    let suffix = digest.iter().take(3).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    format!("{service}-{:05}-{}", generation.saturating_add(1), suffix.collect::<String>())
}

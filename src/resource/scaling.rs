//! How many instances a Cloud Run service may have: the bounds of the service as a whole.
//!
//! They are divided among its revisions by their traffic and make no new revision, unlike the bounds in a template
//! (source: `ServiceScaling` in `google/cloud/run/v2/vendor_settings.proto`). Zero means that there is no bound.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cloud::Cloud;
use super::cloud_run;
use super::error::{ReadError, WriteError};
use super::follow_up::{self, FollowUp};
use super::gcloud::{GcloudCommands, place, quoted, text, unknown};
use super::permission::Permission;
use super::run_api::{ScalingMode, Service, ServicePart, ServiceScaling, ServiceUpdate};
use super::spec::{ApiObject, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Validity, Writer};
use crate::gate::{FactType, Facts};
use crate::inert::inert;
use crate::run::{Change, NameShape, ResourceId, Reversibility};

/// The bounds of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Fewest instances; they are paid for, idle or not.
    pub min_instances: i64,
    /// Most instances; 0: as many as the templates allow.
    pub max_instances: i64,
    /// The most instances that the template allows of each revision, if it says so. Bounds of the service do not raise it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_max_instances: Option<i64>,
    /// Whether all traffic goes to the newest revision, which is the one that the template describes.
    pub template_serves_all: bool,
    /// How many instances there are, whatever the bounds say, if the service is scaled by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_instances: Option<i64>,
}

/// The fields a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Fewest instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<i64>,
    /// Most instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<i64>,
}

/// `gcp.run.scaling`.
pub struct Scaling {
    cloud: Arc<Cloud>,
}

impl Scaling {
    /// The bounds of the services of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Scaling {
        Scaling { cloud: Arc::clone(cloud) }
    }
}

impl Scaling {
    /// What is sent so that the service has these bounds. The message is written whole, so that what others set in it
    /// (its mode, a manual count) stays; the etag guards it.
    async fn wanted(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<ServiceUpdate, WriteError> {
        let part = |service: Service| {
            let mut scaling = service.scaling.unwrap_or_default();
            scaling.min_instance_count = to.min_instances.or(scaling.min_instance_count);
            scaling.max_instance_count = to.max_instances.or(scaling.max_instance_count);
            Ok(ServicePart::Scaling(scaling))
        };
        cloud_run::update(&self.cloud, id, etag, part).await
    }
}

impl Observable for Scaling {
    type State = State;

    const NAME: &'static str = "gcp.run.scaling";
    const FACTS: Facts = &[("min_instances", FactType::Int), ("max_instances", FactType::Int)];
    const NAME_SHAPE: NameShape = cloud_run::SERVICE_NAME;
    const PART_OF: ApiObject = ApiObject::CloudRunService;
    const READ_PERMISSIONS: &'static [Permission] = cloud_run::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = Some(cloud_run::METRICS);

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, |_| None, state).await
    }
}

impl Kind for Scaling {
    type Owned = Owned;

    const WRITE_PERMISSIONS: &'static [Permission] = cloud_run::WRITE_PERMISSIONS;
    const SHELL_FUNCTIONS: &'static str = "";

    /// Source: Terraform awaits a Cloud Run service for 20 minutes (`google_cloud_run_v2_service`, timeouts).
    const OPERATION_TIMEOUT: Duration = Duration::from_mins(20);

    fn allowed(_: &Owned, to: &Owned) -> Result<Reversibility, String> {
        match (to.min_instances, to.max_instances) {
            (Some(min), Some(max)) if max > 0 && min > max => {
                Err(format!("at least {min} instances and at most {max} contradict each other"))
            }
            _ => Ok(Reversibility::Reversible),
        }
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let place = place(change);
        if let Some(most) = change.to.get("max_instances") {
            return Err(format!(
                "gcloud 528 has no flag for the most instances of a whole service: set it to {} in the console",
                inert(&crate::run::words(most))
            ));
        }
        let least = |state: &Value| state.get("min_instances").and_then(text);
        let (before, after) = least(&change.from).zip(least(&change.to)).ok_or_else(|| unknown(change))?;
        let (name, after) = (quoted(&change.resource.name), quoted(&after));
        let write = vec![format!("gcloud run services update {name} --min={after} {place}")];
        // One that was never set is not printed.
        let format = "value(metadata.annotations.\"run.googleapis.com/minScale\")";
        let read =
            format!("gcloud run services describe {name} {place} --format='{format}' | awk '{{ print $0 + 0 }}'");
        Ok(GcloudCommands { read, before: quoted(&before), after, alone: write.clone(), write })
    }

    /// Idle instances cost money.
    fn follow_up(id: &ResourceId, first: &Value, last: &Value) -> Option<FollowUp> {
        let count = |of: &Value| of.get("min_instances").and_then(Value::as_i64);
        let (before, after) = (count(first)?, count(last)?);
        (after > before).then(|| FollowUp {
            what: format!("at least {after} instances are paid for, idle or not; before it was {before}"),
            within: Duration::from_hours(7 * 24),
            action: format!("gcloud run services update {} --min {before} {}", id.name, follow_up::place(id)),
        })
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
        cloud_run::poll(&self.cloud, id, operation, patience, |_| None, state).await
    }
}

fn state(service: &Service) -> Result<State, String> {
    let scaling = service.scaling.as_ref();
    let count = |of: fn(&ServiceScaling) -> Option<i64>| scaling.and_then(of).unwrap_or_default();
    let (min, max) = (count(|all| all.min_instance_count), count(|all| all.max_instance_count));
    if min < 0 || max < 0 {
        return Err(format!("its bounds are {min} and {max} instances"));
    }
    let of_template = service.template.as_ref().and_then(|template| template.scaling.as_ref());
    let revision_max = of_template.and_then(|scaling| scaling.max_instance_count).filter(|most| *most > 0);
    let is_manual = scaling.is_some_and(|all| all.scaling_mode == ScalingMode::Manual);
    let manual = scaling.filter(|_| is_manual).map(|all| all.manual_instance_count.unwrap_or_default());
    let newest = cloud_run::short(&service.latest_created_revision);
    let is_newest_ready = cloud_run::short(&service.latest_ready_revision) == newest;
    let serving: Vec<_> = service.traffic_statuses.iter().filter(|target| target.percent > 0).collect();
    let is_newest = |revision: &str| revision.is_empty() || cloud_run::short(revision) == newest;
    let template_serves_all =
        is_newest_ready && !serving.is_empty() && serving.iter().all(|target| is_newest(&target.revision));
    Ok(State {
        min_instances: min,
        max_instances: max,
        revision_max_instances: revision_max,
        template_serves_all,
        manual_instances: manual,
    })
}

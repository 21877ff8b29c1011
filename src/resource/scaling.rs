//! How many instances a Cloud Run service may have: the bounds of the service as a whole.
//!
//! They are divided among its revisions by their traffic and make no new revision, unlike the bounds in a template
//! (source: `ServiceScaling` in `google/cloud/run/v2/vendor_settings.proto`). Zero means that there is no bound.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_run_v2::model::{Service, ServiceScaling};
use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::cloud_run;
use super::error::{ReadError, WriteError};
use super::{Kind, Observable, Progress, Seen, Validity, Writer};
use crate::run::{ResourceId, Reversibility};

/// The bounds of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// Fewest instances; they are paid for, idle or not.
    pub min_instances: i64,
    /// Most instances; 0: as many as the templates allow.
    pub max_instances: i64,
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
    async fn wanted(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<Service, WriteError> {
        let service = cloud_run::get_unmoved(&self.cloud, id, etag).await?;
        let count = |wanted: i64| i32::try_from(wanted).unwrap_or(i32::MAX);
        let mut scaling = service.scaling.unwrap_or_default();
        if let Some(min) = to.min_instances {
            scaling = scaling.set_min_instance_count(count(min));
        }
        if let Some(max) = to.max_instances {
            scaling = scaling.set_max_instance_count(count(max));
        }
        Ok(Service::new().set_name(cloud_run::path(id)).set_etag(service.etag).set_scaling(scaling))
    }
}

impl Observable for Scaling {
    type State = State;

    const NAME: &'static str = "gcp.run.scaling";

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, |_| None, state).await
    }
}

impl Kind for Scaling {
    type Owned = Owned;

    fn allowed(_: &Owned, to: &Owned) -> Result<Reversibility, String> {
        match (to.min_instances, to.max_instances) {
            (Some(min), Some(max)) if max > 0 && min > max => {
                Err(format!("at least {min} instances and at most {max} contradict each other"))
            }
            _ => Ok(Reversibility::Reversible),
        }
    }

    async fn validate(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<Validity, ReadError> {
        cloud_run::validate(&self.cloud, id, self.wanted(id, etag, to).await, "scaling").await
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<Progress<State>, WriteError> {
        cloud_run::patch(writer, id, self.wanted(id, seen.etag.as_deref(), to).await?, "scaling").await
    }

    async fn poll(&self, id: &ResourceId, operation: &str, patience: Duration) -> Result<Progress<State>, ReadError> {
        cloud_run::poll(&self.cloud, id, operation, patience, |_| None, state).await
    }
}

fn state(service: &Service) -> State {
    let scaling = service.scaling.as_ref();
    let count = |of: fn(&ServiceScaling) -> i32| scaling.map(of).map(i64::from).unwrap_or_default();
    State { min_instances: count(|all| all.min_instance_count), max_instances: count(|all| all.max_instance_count) }
}

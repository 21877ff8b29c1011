//! `gcp.run.deploy`: deploy an image as a new revision of a Cloud Run service.
//!
//! The image that already runs makes a new revision, too: people deploy it to have secrets read anew.

use serde_json::{Value, json};

use super::rollout::{CANDIDATE, HOLD, HOSTS, NewTemplate, Rollout, SERVICE, SHIFT};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::service::{self, Service};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::Image;

/// `gcp.run.deploy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDeploy {
    /// The image, by digest.
    pub image: Image,
    /// How traffic reaches the new revision.
    pub rollout: Rollout,
}

impl Declared for RunDeploy {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.run.deploy",
        outputs: &["revision"],
        with: Table {
            about: "Deploys an image as a new revision of a Cloud Run service, also one that runs already.",
            keys: &[
                SERVICE.required(),
                Key::new("image", ValueType::Text, "The image, by digest.").required().example("\"…@sha256:…\""),
                CANDIDATE,
                HOSTS,
                SHIFT,
                HOLD,
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<RunDeploy> {
        let (rollout, image) = (Rollout::read(with), with.text("image").map(Image::new));
        Some(RunDeploy { image: image?, rollout: rollout? })
    }
}

impl StepAction for RunDeploy {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        self.rollout.observed_resources(target)
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((target.resource(Service::NAME, &self.rollout.service), json!({ "image": self.image.as_str() })))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let resource = forecast.target().resource(Service::NAME, &self.rollout.service);
        let now: service::State = forecast.typed_state(&resource)?;
        let (from, to) = (json!({ "image": now.image }), json!({ "image": self.image.as_str() }));
        let new = NewTemplate { resource, from, to, seed: self.image.as_str().to_owned() };
        self.rollout.plan::<Service>(&new, step, forecast)
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        self.rollout.names()
    }
}

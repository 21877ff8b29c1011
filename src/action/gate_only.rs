//! `probe`: change nothing; the gate is the step.

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::Table;

/// `probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateOnly;

impl Declared for GateOnly {
    const FORMAT: ActionFormat = ActionFormat {
        name: "probe",
        outputs: &[],
        with: Table { about: "Changes nothing: the gate is the step.", keys: &[] },
    };

    fn read(_: &Block<'_, '_>) -> Option<GateOnly> {
        Some(GateOnly)
    }
}

impl StepAction for GateOnly {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, _: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        Ok(vec![step.whole()])
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
        Vec::new()
    }
}

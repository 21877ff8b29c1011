//! `wait`: let time pass.

use std::time::Duration;

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `wait`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long.
    pub duration: Duration,
}

impl Declared for Wait {
    const FORMAT: ActionFormat = ActionFormat {
        name: "wait",
        outputs: &[],
        with: Table {
            about: "Waits.",
            keys: &[Key::new("for", ValueType::Duration, "How long.").required().example("\"30s\"")],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<Wait> {
        Some(Wait { duration: with.duration("for")? })
    }
}

impl StepAction for Wait {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, _: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        Ok(vec![TaskDraft { pause: Some(self.duration), ..step.whole() }])
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

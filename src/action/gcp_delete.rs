//! `gcp.delete`: delete any resource that the catalog describes.

use serde_json::{Value, json};

use super::catalogued::{self, RESOURCE, existence};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::resource::catalogued::{CataloguedName, Existence};
use crate::run::{EXISTENCE, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::Table;
use crate::syntax::mistake::BAD_FIELD;

/// `gcp.delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpDelete {
    /// The resource.
    pub resource: CataloguedName,
}

/// Why a deletion is final, though some APIs keep what was deleted for a while: what refers to it breaks at once.
const FINAL: &str = "what is deleted is gone";

impl Declared for GcpDelete {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.delete",
        outputs: &[],
        with: Table {
            about: "Deletes any resource of Google Cloud that `rectify resources` lists with `delete`.",
            keys: &[RESOURCE.required()],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<GcpDelete> {
        let resource = catalogued::read_name(with)?;
        if resource.resource_type.method("delete").is_none() {
            let message =
                format!("{} cannot be deleted: its API has no method for that", resource.resource_type.name());
            with.note_value(
                RESOURCE.name,
                BAD_FIELD,
                &message,
                "take the step out, or call one of its methods with gcp.call",
            );
            return None;
        }
        Some(GcpDelete { resource })
    }
}

impl StepAction for GcpDelete {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        existence(&self.resource, target).into_iter().collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((existence(&self.resource, target)?, json!({ "exists": false })))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (_, id) = catalogued::planned(&self.resource, forecast)?;
        let id = ResourceId { kind: EXISTENCE.to_owned(), ..id };
        let mut task = step.whole();
        forecast.change::<Existence>(id, json!({ "exists": false }), &mut task)?;
        if task.change.is_some() {
            task.reversibility = Reversibility::Irreversible { why: FINAL.to_owned() };
        }
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        Rollback::Impossible(FINAL)
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        Some(CatalogRequest::Delete(self))
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

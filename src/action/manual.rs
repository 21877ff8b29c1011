//! `manual`: the operator does it, and says when it is done.

use std::time::Duration;

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Doing, Forecast, Name, Obstacle, Rollback, StepAction, StepContext,
    TaskDraft,
};
use crate::gate::GateRule;
use crate::peer::PeerRequest;
use crate::run::{ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};

/// `manual`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// What to do.
    pub instructions: String,
    /// What to do to undo it.
    pub undo: Option<String>,
    /// The probe that must be healthy before the answer counts.
    pub verify: Option<String>,
}

impl Manual {
    /// What its changes are of: its name in resource ids.
    pub const KIND: &'static str = "manual";
}

impl Declared for Manual {
    const FORMAT: ActionFormat = ActionFormat {
        name: "manual",
        outputs: &[],
        with: Table {
            about: "A person does it, and says when it is done.",
            keys: &[
                Key::new("instructions", ValueType::Text, "What to do.")
                    .required()
                    .example("\"Ask the network team to …\""),
                Key::new("undo", ValueType::Text, "What to do to undo it.").default("it cannot be undone"),
                Key::new("verify", ValueType::Text, "The probe that must be healthy before the answer counts.")
                    .example("\"connector\""),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<Manual> {
        let (instructions, undo, verify) = (with.text("instructions"), with.text("undo"), with.text("verify"));
        Some(Manual { instructions: instructions?, undo, verify })
    }
}

impl StepAction for Manual {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let reversibility = match &self.undo {
            Some(undo) => Reversibility::WithLoss { why: format!("an operator must undo it: {undo}") },
            None => Reversibility::WithLoss { why: "an operator did it, and nothing says how to undo it".to_owned() },
        };
        let (every, timeout) = (Duration::from_secs(10), Duration::from_mins(20));
        let verified =
            self.verify.as_ref().map(|probe| GateRule::of(vec![probe.clone()], Duration::ZERO, every, timeout));
        let resource = forecast.target().resource(Manual::KIND, step.task);
        let whole = step.whole();
        Ok(vec![TaskDraft {
            change: Some(Doing::change(resource)),
            reversibility,
            confirm: Some(format!("{} — done?", self.instructions)),
            gate: whole.gate.clone().or(verified),
            ..whole
        }])
    }

    fn rollback(&self) -> Rollback {
        if self.undo.is_some() { Rollback::Possible } else { Rollback::NotDeclared }
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

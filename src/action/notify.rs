//! `notify`: post a message to a webhook.

use serde_json::Value;

use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::peer::{Effect, PeerRequest, host_of_url};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::SecretText;

/// `notify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The URL.
    pub webhook: SecretText,
    /// What to say.
    pub text: String,
}

impl Declared for Notify {
    const FORMAT: ActionFormat = ActionFormat {
        name: "notify",
        outputs: &[],
        with: Table {
            about: "Posts a message to a webhook. That it fails never fails a run.",
            keys: &[
                Key::new("webhook", ValueType::SecretText, "The URL; may have secrets.")
                    .required()
                    .example("\"${inputs.webhook}\""),
                Key::new("text", ValueType::Text, "What to say.").required().example("\"${runbook.name} has begun\""),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<Notify> {
        let (webhook, text) = (with.secret_text("webhook"), with.text("text"));
        Some(Notify { webhook: webhook?, text: text? })
    }
}

impl StepAction for Notify {
    fn observed_resources(&self, _: &Target) -> Vec<ResourceId> {
        Vec::new()
    }

    fn desired_state(&self, _: &Target) -> Option<(ResourceId, Value)> {
        None
    }

    fn plan(&self, step: &StepContext<'_>, _: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        Ok(vec![TaskDraft { message: Some(self.text.clone()), ..step.whole() }])
    }

    /// A notification is not taken back, and need not be.
    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        let request = PeerRequest::to(host_of_url(&self.webhook.to_string()), "POST", Effect::Writes);
        vec![request.sends("", [&self.webhook])]
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

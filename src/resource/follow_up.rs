//! What a change leaves for somebody to do once the incident is over.

use std::time::Duration;

use crate::run::ResourceId;

/// Something that a change leaves behind, and that should not stay so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What is left behind.
    pub what: String,
    /// How long it may stay so. How long that is, is ours to say.
    pub within: Duration,
    /// What to do about it: a command, or a sentence.
    pub action: String,
}

/// The flags of `gcloud` that say where a resource is.
pub(super) fn place(id: &ResourceId) -> String {
    format!("--region {} --project {}", id.region, id.project)
}

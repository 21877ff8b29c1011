//! The resources that there are: what each has, and what the scenario says of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How long a change takes whose scenario does not say it (ours).
pub(super) const UPDATE_TAKES: SignedDuration = SignedDuration::from_mins(1);

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its fields, as `get` shows them.
    pub state: Map<String, Value>,
    /// When it was made.
    pub created: Timestamp,
    /// How many writes there were of it, of which its token tells.
    pub writes: u64,
    /// What is the scenario's about it.
    #[serde(default)]
    pub(super) figures: Figures,
}

/// What Google publishes nothing of: a scenario's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Figures {
    /// How long an update, a creation or a deletion takes that has an operation.
    pub(super) update_takes: SignedDuration,
    /// What becomes of writes without the token that the type has, and of those with an old one.
    pub(super) token: TokenPolicy,
    /// What its methods do.
    pub(super) methods: BTreeMap<String, MethodFigures>,
}

impl Default for Figures {
    fn default() -> Self {
        Self { update_takes: UPDATE_TAKES, token: TokenPolicy::Documented, methods: BTreeMap::new() }
    }
}

/// What becomes of the token of a conditional write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenPolicy {
    /// As the API's family documents it: an old one is refused, and Compute Engine's fingerprint is needed.
    #[default]
    Documented,
    /// An old one is refused, and so is a write without one.
    Required,
    /// It is not looked at: that a type has one does not prove that Google does.
    Ignored,
}

/// What a method does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MethodFigures {
    /// How long it takes; only those that answer with an operation take any time.
    pub(super) takes: SignedDuration,
    /// Why what it begins fails, if it does: an execution of a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fails: Option<String>,
    /// What it leaves in the resource.
    pub(super) sets: Map<String, Value>,
    /// Fields of the resource that get what an argument says.
    #[serde(rename = "from")]
    pub(super) arguments: BTreeMap<String, String>,
}

//! Who calls, and what they may.
//!
//! A scenario names callers by the token that they send. One that it does not name may do everything: a rehearsal
//! without a word about permissions is about something else. A token is a scenario's, never a real one, and is shown
//! nowhere all the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::World;
use super::refusal::{Code, Refusal};

/// A caller that the scenario names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// What stands behind `Bearer`.
    pub token: String,
    /// All that they may; without it, whatever is not denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<BTreeSet<String>>,
    /// What they may not.
    #[serde(default)]
    pub denied: BTreeSet<String>,
}

/// The caller that sends no token, or one that the scenario does not know.
pub const SOMEBODY: &str = "caller@simulated.invalid";

impl World {
    /// Who sends this token.
    pub fn caller(&self, token: Option<&str>) -> &str {
        let named = self.callers.iter().find(|(_, caller)| Some(caller.token.as_str()) == token);
        named.map_or(SOMEBODY, |(name, _)| name.as_str())
    }

    /// Whether a caller has a permission.
    pub fn may(&self, caller: &str, permission: &str) -> bool {
        let Some(Caller { granted, denied, .. }) = self.callers.get(caller) else { return true };
        granted.as_ref().is_none_or(|granted| granted.contains(permission)) && !denied.contains(permission)
    }

    /// Refuses what a caller may not. The words are those of most Google APIs.
    pub fn permit(&self, caller: &str, permission: &str, resource: &str) -> Result<(), Refusal> {
        if self.may(caller, permission) {
            return Ok(());
        }
        let message = format!("Permission '{permission}' denied on resource '{resource}' (or it may not exist).");
        Err(Refusal::new(Code::PermissionDenied, message))
    }
}

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
        self.callers.get(caller).is_none_or(|caller| !caller.denied.contains(permission))
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

//! What programs and operators do: a change from not done to done.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::run::{Change, ResourceId};

/// The state of something that is done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// Whether it was.
    pub done: bool,
}

impl Doing {
    /// The same as a change has it.
    pub fn state(self) -> Value {
        json!(self)
    }

    /// That it is done.
    pub(super) fn change(resource: ResourceId) -> Change {
        let [from, to] = [false, true].map(|done| Doing { done }.state());
        Change { resource, from, to }
    }
}

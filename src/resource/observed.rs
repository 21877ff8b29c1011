//! What the cloud looked like at one moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{ReadError, Seen};
use crate::run::ResourceId;

/// For each resource that a plan needs, what was seen or why it was not.
#[derive(Debug, Default)]
pub struct Observed {
    /// When; `None`: nothing was observed.
    pub at: Option<Timestamp>,
    /// Resources.
    pub resources: BTreeMap<ResourceId, Result<Seen<Value>, ReadError>>,
}

impl Observed {
    /// Nothing at all: of a plan that needs no credentials.
    pub fn nothing() -> Observed {
        Observed::default()
    }
}

//! A saved plan: a promise of what will be done, and on what it rests.
//!
//! It has the runbook's text, the plan with all that was seen, and a digest over both. It is carried out only if it is
//! what its runbook and its observations give (see [`rederive`](super::rederive)), and if nothing that it rests on has
//! moved. The digest detects damage; who can write the file can write a digest as well, so whoever approved a plan gives its
//! digest to `run`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Basis, FORMAT, Plan};
use crate::resource::catalogued::Listing;
use crate::resource::traffic::Traffic;
use crate::resource::{Observable as _, Observed, ReadError};
use crate::run::{CATALOGUED, Hash, ResourceId, covers, digest, set_fields};

/// A plan as it is kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// What this file is: `plan`.
    pub rectify: String,
    /// The runbook's name, as it was given.
    pub file: String,
    /// The runbook's text.
    pub text: String,
    /// Where the calls go, in the words of whoever connects.
    pub place: Value,
    /// When it was made, by the wall clock.
    pub made_at: Timestamp,
    /// The plan.
    pub plan: Plan,
    /// SHA-256 over all of the above, in hex.
    pub digest: Hash,
}

/// A file that is no plan to rely on.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// It cannot be read as one.
    #[error("it is not a saved plan: {0}")]
    Malformed(String),
    /// Another version wrote it.
    #[error("it was written by another version of rectify (plan format {0}, this is {FORMAT})")]
    OtherVersion(u32),
    /// Somebody has changed it.
    #[error("it was changed after it was written: its digest does not fit")]
    Changed,
}

/// Something that a plan rests on and that is not any more as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// What.
    pub resource: ResourceId,
    /// What the plan saw.
    pub then: Value,
    /// What is there now, or why it cannot be told.
    pub now: Result<Value, String>,
    /// Whether something was changed that the plan does not show.
    pub only_etag: bool,
}

impl Saved {
    /// Makes the promise.
    pub fn new(file: String, text: String, place: Value, made_at: Timestamp, plan: Plan) -> Saved {
        let mut saved = Saved { rectify: "plan".to_owned(), file, text, place, made_at, plan, digest: String::new() };
        saved.digest = saved.sum();
        saved
    }

    /// Whether these bytes want to be a saved plan, and not a runbook.
    pub fn is_meant_by(bytes: &[u8]) -> bool {
        bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    }

    /// Reads a saved plan.
    pub fn read(bytes: &[u8]) -> Result<Saved, BadPlan> {
        let garbled = |error: serde_json::Error| BadPlan::Malformed(error.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(garbled)?;
        let format =
            value.pointer("/plan/format").and_then(Value::as_u64).and_then(|format| u32::try_from(format).ok());
        if let Some(other) = format.filter(|format| *format != FORMAT) {
            return Err(BadPlan::OtherVersion(other));
        }
        let saved: Saved = serde_json::from_value(value).map_err(garbled)?;
        if saved.sum() == saved.digest { Ok(saved) } else { Err(BadPlan::Changed) }
    }

    fn sum(&self) -> Hash {
        let whole = serde_json::json!([self.rectify, self.file, self.text, self.place, self.made_at, self.plan]);
        digest(whole.to_string().as_bytes())
    }
}

impl Plan {
    /// What this plan rests on and what has moved since.
    pub fn moved(&self, now: &Observed) -> Vec<Moved> {
        // Of a list it counts what a step is done for: `decided_otherwise` says that.
        let resources = self.observed.iter().filter(|(id, _)| id.kind != Listing::NAME);
        let moved = resources.filter_map(|(id, then)| moved(self, id, then, now.resources.get(id)));
        moved.collect()
    }

    /// A state without what the plan does not rest on: tags of a traffic split that none of its changes names.
    fn basis_of(&self, id: &ResourceId, state: &Value) -> Value {
        if id.kind == CATALOGUED {
            // Much of a resource moves by itself, such as how full it is.
            let changes = self.tasks.iter().filter_map(|task| task.change.as_ref());
            let mut own = serde_json::json!({});
            for change in changes.filter(|change| change.resource == *id) {
                set_fields(&mut own, &change.owned(state));
            }
            return own;
        }
        let mut state = state.clone();
        if let Some(Value::Object(tags)) = state.get_mut("tags").filter(|_| id.kind == Traffic::NAME) {
            let changes = self.tasks.iter().filter_map(|task| task.change.as_ref());
            let own = changes.filter(|change| change.resource == *id).filter_map(|change| change.to.get("tags"));
            let own: Vec<&Value> = own.collect();
            tags.retain(|tag, _| own.iter().any(|own| own.get(tag).is_some()));
        }
        state
    }
}

fn moved(
    plan: &Plan,
    id: &ResourceId,
    then: &Basis,
    now: Option<&Result<crate::resource::Seen<Value>, ReadError>>,
) -> Option<Moved> {
    let moved = |now, only_etag| Moved { resource: id.clone(), then: then.state.clone(), now, only_etag };
    // One that has no tag and one that has no tag of the plan's read the same.
    let is_same = |state: &Value| {
        let (then, now) = (plan.basis_of(id, &then.state), plan.basis_of(id, state));
        covers(&now, &then) && covers(&then, &now)
    };
    match now {
        Some(Ok(seen)) if is_same(&seen.state) && seen.operation == then.operation => {
            // A tag of somebody else's moves the etag, and nothing that the plan rests on.
            let is_explained = seen.state != then.state;
            (seen.etag != then.etag && !is_explained).then(|| moved(Ok(seen.state.clone()), true))
        }
        Some(Ok(seen)) => Some(moved(Ok(seen.state.clone()), false)),
        Some(Err(error)) => Some(moved(Err(error.to_string()), false)),
        None => Some(moved(Err("it was not observed".to_owned()), false)),
    }
}

impl Moved {
    /// The fields that are different, each then and now.
    pub fn differences(&self) -> Vec<(String, String, String)> {
        let Ok(now) = &self.now else { return Vec::new() };
        let empty = serde_json::Map::new();
        let (then, now) = (self.then.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
        let fields: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
        let words = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), crate::run::words);
        fields
            .into_iter()
            .filter(|field| then.get(*field) != now.get(*field))
            .map(|field| (field.clone(), words(then.get(field)), words(now.get(field))))
            .collect()
    }
}

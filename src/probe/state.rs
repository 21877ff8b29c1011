//! The state of a resource, of any kind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Looked;
use crate::resource::{Kinds, ReadError};
use crate::run::ResourceId;
use crate::syntax::condition::Fact;

pub(super) async fn look(kinds: &Kinds, id: &ResourceId) -> Looked {
    match kinds.observe(id).await {
        Ok(seen) => Looked::Facts(facts(&seen.state)),
        Err(error @ ReadError::NotFound { .. }) => Looked::Sick(error.to_string()),
        Err(error) => Looked::Unseen(error.to_string()),
    }
}

/// The plain values of a state. Lists and tables are not facts that a condition can name.
fn facts(state: &Value) -> BTreeMap<String, Fact> {
    let fields = state.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), fact(value)?))).collect()
}

fn fact(value: &Value) -> Option<Fact> {
    match value {
        Value::Bool(is) => Some(Fact::Bool(*is)),
        Value::Number(number) => number.as_i64().map(Fact::Int),
        Value::String(text) => Some(Fact::Text(text.clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

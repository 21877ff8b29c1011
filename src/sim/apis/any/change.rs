//! What a write makes of a resource, whatever the dialect that it was written in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::Message;
use crate::catalog::{Resource, ResourceType};

/// The fields that say which resource it is: a write that has them may repeat them.
const IDENTITY: [&str; 4] = ["name", "kind", "id", "selfLink"];

/// A change that was accepted. It is made when its operation ends, or at once if it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// The resource is made.
    Create {
        /// Its fields.
        body: Map<String, Value>,
    },
    /// It is gone.
    Delete,
    /// The fields that a mask names get what the body has of them.
    Masked {
        /// The mask.
        paths: Vec<String>,
        /// What was sent.
        body: Map<String, Value>,
    },
    /// What was sent is merged (RFC 7396).
    Merged {
        /// What was sent.
        body: Map<String, Value>,
    },
    /// What was sent is all that there is from then on.
    Replaced {
        /// What was sent.
        body: Map<String, Value>,
    },
    /// A field gets a value, and keeps the token within it: what a method of its own does.
    Set {
        /// The field.
        field: String,
        /// Its value; `null` for none.
        value: Value,
    },
    /// The execution of a job ends, with this error if it has one.
    Executed {
        /// Why it fails.
        fails: Option<String>,
    },
    /// These fields get these values, whoever may write them: what a method leaves.
    Left {
        /// The fields.
        fields: Map<String, Value>,
    },
}

/// The message that resources of a type are.
pub(super) fn message_of(resource_type: ResourceType) -> Message {
    Message { api: resource_type.api(), schema: resource_type.schema_id() }
}

impl Change {
    /// What becomes of the resource's fields. `None`: it is gone.
    pub(super) fn applied(&self, resource: &Resource, live: &Map<String, Value>) -> Option<Map<String, Value>> {
        let message = message_of(resource.resource_type);
        let mut changed = match self {
            Change::Delete => return None,
            Change::Create { body } => message.replaced(&Map::new(), body),
            Change::Replaced { body } => message.replaced(live, body),
            Change::Merged { body } => message.merged(live, body),
            Change::Masked { paths, body } => {
                let (mut changed, body) = (live.clone(), Value::Object(body.clone()));
                for path in paths {
                    message.set(&mut changed, &path.split('.').collect::<Vec<_>>(), Some(&body));
                }
                changed
            }
            Change::Set { field, value } => {
                let mut changed = live.clone();
                match value {
                    Value::Null => drop(changed.shift_remove(field)),
                    value => drop(changed.insert(field.clone(), value.clone())),
                }
                changed
            }
            // What that leaves depends on the time: it is written when the operation ends.
            Change::Executed { .. } => live.clone(),
            Change::Left { fields } => {
                let mut changed = live.clone();
                crate::sim::world::merge(&mut changed, fields.clone());
                changed
            }
        };
        for field in IDENTITY {
            if let Some(value) = live.get(field) {
                changed.insert(field.to_owned(), value.clone());
            }
        }
        Some(changed)
    }
}

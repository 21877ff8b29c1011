//! `resource`: the state of a resource, of any kind.

use std::time::Duration;

use serde_json::Value;

use super::history::Past;
use super::keys::EXPECT;
use super::observer::{Connections, Observer};
use super::{Declared, FactsByName, ProbeFailure, ProbeFormat, ProbeKind};
use crate::gate::{Facts, Polling, Sampling};
use crate::peer::PeerRequest;
use crate::resource::{KindSpec, ReadError};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};

/// An observation may take so long at most: it is one read of the cloud's API.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// The state of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceProbe {
    /// Its kind, such as `gcp.connector`.
    pub kind: String,
    /// Its short name.
    pub name: String,
}

impl Declared for ResourceProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "resource",
        table: Table {
            about: "The state of a resource. Sees what its kind shows, such as `state`.",
            keys: &[
                Key::new("resource", ValueType::Text, "Its kind and name.")
                    .required()
                    .example("\"gcp.connector/staging-connector\""),
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<ResourceProbe> {
        let resource = block.text("resource")?;
        let Some((kind, name)) = resource.split_once('/') else {
            let help = "write it such as \"gcp.connector/staging-connector\"";
            block.wrong("resource", format!("`{resource}` is not a kind and a name"), help);
            return None;
        };
        Some(ResourceProbe { kind: kind.to_owned(), name: name.to_owned() })
    }
}

impl ProbeKind for ResourceProbe {
    fn facts(&self) -> Option<Facts> {
        KindSpec::find(&self.kind).map(|kind| kind.facts)
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn polling(&self) -> Polling {
        Polling::Steady
    }

    fn sampling(&self) -> Sampling {
        Sampling::State
    }

    fn urls(&self) -> Vec<&str> {
        Vec::new()
    }

    fn urls_mut(&mut self) -> Vec<&mut String> {
        Vec::new()
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn address_example(&self) -> Option<&'static str> {
        None
    }

    fn check_address(&self) -> Result<(), String> {
        Ok(())
    }

    fn past(&self) -> Option<Past<'_>> {
        None
    }

    async fn observe(&self, observer: &Observer, _: Connections<'_>) -> Result<FactsByName, ProbeFailure> {
        let Target { project, region, .. } = observer.target.clone();
        let id = ResourceId { kind: self.kind.clone(), project, region, name: self.name.clone() };
        match observer.kinds.observe(&id).await {
            Ok(seen) => Ok(facts(&seen.state)),
            Err(error @ ReadError::NotFound { .. }) => Err(ProbeFailure::Unhealthy(error.to_string())),
            Err(error) => Err(ProbeFailure::Unknown(error.to_string())),
        }
    }
}

/// The plain values of a state. Lists and tables are not facts that a condition can name.
fn facts(state: &Value) -> FactsByName {
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

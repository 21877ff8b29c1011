//! `resource`: the state of a resource, of any kind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::history::Past;
use super::keys::EXPECT;
use super::observer::{Connections, Observer, judge};
use super::{Declared, FactsByName, Probe, ProbeFailure, ProbeFormat, ProbeKind};
use crate::catalog::{self, FieldType, FindError, ResourceType};
use crate::gate::{FactType, Facts, Polling, Sampling};
use crate::peer::PeerRequest;
use crate::resource::catalogued::{CataloguedName, id_of};
use crate::resource::{KindSpec, Permission, ReadError, Seen};
use crate::run::{Elsewhere, ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::condition::Fact;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::mistake::UNKNOWN_RESOURCE;

/// An observation may take so long at most: it is one read of the cloud's API.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// The state of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceProbe {
    /// Of a kind of its own.
    Kind {
        /// The kind, such as `gcp.connector`.
        kind: String,
        /// Its short name.
        name: String,
        /// Where it is, if not in the target's project or region.
        elsewhere: Elsewhere,
    },
    /// Of any type that the catalog has.
    Catalogued(CataloguedName),
}

/// What the names of kinds begin with. No service of the catalog is called so.
const KINDS: &str = "gcp.";

impl Declared for ResourceProbe {
    const FORMAT: ProbeFormat = ProbeFormat {
        key: "resource",
        table: Table {
            about: "The state of a resource. Sees what its kind shows, such as `state`.",
            keys: &[
                Key::new("resource", ValueType::Text, "Its kind and name, or its name as `rectify resources` has it.")
                    .required()
                    .example("\"gcp.connector/staging-connector\""),
                Key::new("project", ValueType::Text, "The project that it is in, which `[limits] projects` allows.")
                    .example("\"shared-network\"")
                    .default("the target's"),
                Key::new("region", ValueType::Text, "The region that it is in, which `[limits] regions` allows.")
                    .example("\"europe-west1\"")
                    .default("the target's"),
                EXPECT.required(),
            ],
        },
    };
    const EXPECTATION: Option<&'static str> = None;

    fn read(block: &Block<'_, '_>) -> Option<ResourceProbe> {
        let resource = block.text("resource")?;
        let elsewhere = Elsewhere { project: block.text("project"), region: block.text("region") };
        if !resource.starts_with(KINDS) && resource.contains('/') {
            let noted = |error: FindError| {
                block.note_value("resource", UNKNOWN_RESOURCE, &error.to_string(), &error.help());
            };
            if elsewhere != Elsewhere::default() {
                let help = "name it in full, such as \"projects/PROJECT/locations/REGION/instances/cache\"";
                block.wrong("resource", "the name of a resource of the catalog has its project and region in it", help);
            }
            return CataloguedName::parse(resource).map_err(noted).ok().map(ResourceProbe::Catalogued);
        }
        let Some((kind, name)) = resource.split_once('/') else {
            let help = "write it such as \"gcp.connector/staging-connector\" or \"redis.instances/cache\"";
            block.wrong("resource", format!("`{resource}` is not a kind and a name"), help);
            return None;
        };
        Some(ResourceProbe::Kind { kind: kind.to_owned(), name: name.to_owned(), elsewhere })
    }
}

impl ProbeKind for ResourceProbe {
    fn facts(&self) -> Option<Facts> {
        match self {
            ResourceProbe::Kind { kind, .. } => KindSpec::find(kind).map(|kind| kind.facts),
            ResourceProbe::Catalogued(name) => Some(facts_of(name.resource_type)),
        }
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

    fn permissions(&self) -> &'static [Permission] {
        match self {
            ResourceProbe::Kind { kind, .. } => KindSpec::find(kind).map_or(&[], |kind| kind.read_permissions),
            ResourceProbe::Catalogued(_) => &[],
        }
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
        let id = self.id(&observer.target).map_err(ProbeFailure::Broken)?;
        self.facts_of(observer.kinds.observe(&id).await.as_ref())
    }
}

impl ResourceProbe {
    /// The resource that it reads.
    ///
    /// # Errors
    /// Why its name names none.
    pub fn id(&self, target: &Target) -> Result<ResourceId, String> {
        match self {
            ResourceProbe::Kind { kind, name, elsewhere } => Ok(target.or(elsewhere).resource(kind, name)),
            ResourceProbe::Catalogued(name) => {
                name.find(target).map(|found| id_of(&found, target)).map_err(|error| error.to_string())
            }
        }
    }

    /// The facts of what was read.
    fn facts_of(&self, seen: Result<&Seen<Value>, &ReadError>) -> Result<FactsByName, ProbeFailure> {
        match (seen, self) {
            (Ok(seen), ResourceProbe::Kind { .. }) => Ok(facts(&seen.state)),
            (Ok(seen), ResourceProbe::Catalogued(name)) => Ok(catalogued_facts(name.resource_type, &seen.state)),
            (Err(error @ ReadError::NotFound { .. }), _) => Err(ProbeFailure::Unhealthy(error.to_string())),
            (Err(error), _) => Err(ProbeFailure::Unknown(error.to_string())),
        }
    }
}

/// What a condition can refer to of a probe that reads a resource, from what was read of it.
pub(crate) fn sample_of(probe: &Probe, of: &ResourceProbe, seen: Result<&Seen<Value>, &ReadError>) -> Fact {
    match of.facts_of(seen) {
        Ok(facts) => Fact::of_sample(&judge(probe, &facts).health, facts),
        Err(failure) => Fact::of_sample(&failure.into_observation().health, FactsByName::new()),
    }
}

/// The facts of each type that a probe of this process asked for, by the type's name.
static FACTS: Mutex<BTreeMap<String, Facts>> = Mutex::new(BTreeMap::new());

/// What conditions can refer to of a type: the fields of its first level. They stay in memory, as the catalog does.
fn facts_of(of: ResourceType) -> Facts {
    let mut known = FACTS.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(of.name()).or_insert_with(|| {
        let fields = of.schema().fields.iter().map(|field| (field.name, fact_type(&field.field_type)));
        Box::leak(fields.collect::<Vec<_>>().into_boxed_slice())
    })
}

fn fact_type(of: &FieldType) -> FactType {
    match of {
        FieldType::Boolean => FactType::Bool,
        FieldType::Int32 | FieldType::Uint32 | FieldType::Int64 | FieldType::Uint64 => FactType::Int,
        FieldType::Float | FieldType::Double => FactType::Number,
        FieldType::String
        | FieldType::Timestamp
        | FieldType::Duration
        | FieldType::FieldMask
        | FieldType::Bytes
        | FieldType::Enum(_) => FactType::Text,
        FieldType::Any | FieldType::List(_) | FieldType::Map(_) | FieldType::Message(_) => FactType::Any,
    }
}

/// The fields of a catalogued resource, each as its type says. What an API leaves out of its answer because it is false, 0 or empty is
/// there all the same.
fn catalogued_facts(of: ResourceType, state: &Value) -> FactsByName {
    let live = catalog::judged(of, &catalog::json_of(of, state));
    let fields = of.schema().fields.iter().filter(|field| of.token().field() != Some(field.name));
    let each = fields.filter_map(|field| {
        let value = live.get(field.name)?;
        let fact = match (fact_type(&field.field_type), value) {
            (FactType::Int, Value::String(text)) => Fact::Int(text.parse().ok()?),
            (FactType::Number, value) => Fact::Number(value.as_f64()?),
            (FactType::Any, value) => Fact::Json(value.clone()),
            (FactType::Bool | FactType::Int | FactType::Text | FactType::Span, value) => fact(value)?,
        };
        Some((field.name.to_owned(), fact))
    });
    each.collect()
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

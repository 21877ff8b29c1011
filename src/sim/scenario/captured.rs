//! `state = '''{ … }'''`: what `gcloud … describe --format=json` printed, in the place of a table's own words.
//!
//! So a scenario can have a team's own services, connectors and databases as they are. Fields that the simulated cloud does not
//! know are kept and shown as they were captured, and [`World::notes`] says which: a newer Google is no mistake of the scenario.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sim::world::World;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::traffic::{self, Target};
use crate::sim::world::{template, text};

/// The body of an answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Captured(pub(super) Map<String, Value>);

impl TryFrom<String> for Captured {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match serde_json::from_str(&text) {
            Ok(Value::Object(body)) => Ok(Self(body)),
            Ok(_) => Err("state is not a JSON object".to_owned()),
            Err(error) => Err(format!("state is not JSON: {error}")),
        }
    }
}

impl Captured {
    /// A time, not later than the cloud's beginning.
    pub(super) fn time(&self, field: &str, start: Timestamp) -> Timestamp {
        let named = self.0.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
        named.unwrap_or(start).min(start)
    }

    /// What it has besides these fields.
    pub(super) fn besides(&self, known: &[&str]) -> Map<String, Value> {
        let unknown = self.0.iter().filter(|(field, _)| !known.contains(&field.as_str()));
        unknown.map(|(field, value)| (field.clone(), value.clone())).collect()
    }
}

/// A service that was captured, in v2's words.
pub(super) struct CapturedService {
    pub(super) spec: Map<String, Value>,
    pub(super) template: Map<String, Value>,
    pub(super) traffic: Vec<Target>,
    /// The revisions that it names.
    pub(super) revisions: Vec<String>,
    pub(super) latest_created: String,
    pub(super) latest_ready: String,
    pub(super) created: Timestamp,
}

impl CapturedService {
    /// Reads what v1 (gcloud) or v2 shows of a service.
    pub(super) fn read(body: &Captured, short: &str, world: &World) -> Result<Self, Refusal> {
        let is_v1 = body.0.contains_key("apiVersion");
        let part = |name: &str| body.0.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let (mut all, status) = if is_v1 {
            (world.from_knative(short, &body.0)?, part("status"))
        } else {
            (body.0.clone(), body.0.clone())
        };
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let revision = |v1, v2| Ok::<_, Refusal>(last(text(&status, if is_v1 { v1 } else { v2 })?.unwrap_or_default()));
        let latest_created = revision("latestCreatedRevisionName", "latestCreatedRevision")?;
        let latest_ready = revision("latestReadyRevisionName", "latestReadyRevision")?;
        let traffic = traffic::parse(all.shift_remove("traffic").as_ref())?;
        let Some(Value::Object(mut made)) = all.shift_remove("template") else {
            return Err(Refusal::invalid("template", "the state has no template"));
        };
        let known = made.clone();
        template::normalise(&mut made, &known)?;
        template::fill_defaults(&mut made, &world.project_number);
        all.retain(|field, _| !template::is_output_only(field));
        template::normalise_spec(&mut all)?;
        let named = traffic.iter().filter_map(|target| target.revision.clone());
        let mut revisions: Vec<String> =
            named.chain([latest_created.clone(), latest_ready.clone()]).filter(|name| !name.is_empty()).collect();
        revisions.sort();
        revisions.dedup();
        let metadata = Captured(if is_v1 { part("metadata") } else { body.0.clone() });
        let created = metadata.time(if is_v1 { "creationTimestamp" } else { "createTime" }, world.now());
        Ok(Self { spec: all, template: made, traffic, revisions, latest_created, latest_ready, created })
    }
}

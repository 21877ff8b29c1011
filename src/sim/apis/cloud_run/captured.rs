//! A service as it was captured, by `gcloud run services describe --format=json` (v1) or from an answer of v2.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::template;
use super::traffic::{self, Target};
use crate::sim::scenario::captured::Captured;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{World, text};

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

/// A revision that was captured, in v2's words.
pub(super) struct CapturedRevision {
    pub(super) name: String,
    pub(super) template: Map<String, Value>,
    pub(super) created: Timestamp,
    /// Why it never became ready, if it did not.
    pub(super) failed: Option<String>,
}

/// The fields of a `Revision` that are none of its template (source: `google/cloud/run/v2/revision.proto`).
const NO_TEMPLATE: [&str; 18] = [
    "conditions",
    "createTime",
    "creator",
    "deleteTime",
    "etag",
    "expireTime",
    "generation",
    "launchStage",
    "logUri",
    "name",
    "observedGeneration",
    "reconciling",
    "satisfiesPzs",
    "scalingStatus",
    "service",
    "uid",
    "updateTime",
    "@type",
];

impl CapturedRevision {
    /// Reads what v2 shows of a revision.
    pub(super) fn read(body: &Captured, world: &World) -> Result<Self, Refusal> {
        let name = text(&body.0, "name")?.unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut made = body.besides(&NO_TEMPLATE);
        let known = made.clone();
        template::normalise(&mut made, &known)?;
        template::fill_defaults(&mut made, &world.project_number);
        let conditions = body.0.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let says = |condition: &Value, field: &str, wanted: &[Value]| {
            condition.get(field).is_some_and(|found| wanted.contains(found))
        };
        // By name, or by number if it was asked for so.
        let mut failures = conditions.filter(|condition| {
            says(condition, "type", &["Ready".into()])
                && says(condition, "state", &["CONDITION_FAILED".into(), 3.into()])
        });
        let failed = failures
            .next()
            .map(|condition| condition.get("message").and_then(Value::as_str).unwrap_or_default().to_owned());
        Ok(Self { name, template: made, created: body.time("createTime", world.now()), failed })
    }
}

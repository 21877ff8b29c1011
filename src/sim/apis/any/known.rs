//! Methods of which it is known what they do: a scenario need not describe them.
//!
//! Sources: the reference of `jobs.pause` and `jobs.resume` of Cloud Scheduler, and of `projects.secrets.addVersion` and
//! `projects.secrets.versions`; `google/cloud/run/v2/job.proto`, `execution.proto` and `condition.proto`. Ours: the words of refusals, the ids of executions,
//! and how long an execution takes, which a scenario can say (`[resources.methods.run] takes`, and `fails` for one that does not succeed).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::Change;
use super::kept::{Figures, Kept};
use super::operation::Effect;
use super::serve::Reply;
use super::{AnyResources, token, wire};
use crate::catalog::{Catalog, Method, Resource};
use crate::sim::api::Changing;
use crate::sim::world::operation::Asked;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, digest};

/// Types whose methods are known.
const SCHEDULES: &str = "cloudscheduler.jobs";
const SECRETS: &str = "secretmanager.secrets";
const VERSIONS: &str = "secretmanager.secrets.versions";
const JOBS: &str = "run.jobs";

/// The fields that a method leaves in a resource; `None`: it is not known.
///
/// # Errors
/// What the API would refuse.
pub(super) fn left(
    resource: &Resource,
    method: &str,
    live: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let state = live.get("state").and_then(Value::as_str).unwrap_or("ENABLED");
    let refused = |wanted: &str| {
        let message = format!("{} must be {wanted} for this, and it is {state}", resource.name());
        Err(Refusal::new(Code::FailedPrecondition, message))
    };
    let left = match (resource.resource_type.name().as_str(), method) {
        (SCHEDULES, "pause") if state != "ENABLED" => return refused("ENABLED"),
        (SCHEDULES, "resume") if state != "PAUSED" => return refused("PAUSED"),
        (VERSIONS, "enable" | "disable" | "destroy") if state == "DESTROYED" => return refused("ENABLED or DISABLED"),
        (SCHEDULES, "pause") => json!({ "state": "PAUSED" }),
        (SCHEDULES, "resume") | (VERSIONS, "enable") => json!({ "state": "ENABLED" }),
        (VERSIONS, "disable") => json!({ "state": "DISABLED" }),
        (VERSIONS, "destroy") => json!({ "state": "DESTROYED" }),
        _ => return Ok(None),
    };
    Ok(left.as_object().cloned())
}

/// What is answered to a method that makes another resource: a version of a secret, an execution of a job. `None`: it makes none.
///
/// # Errors
/// What the API would refuse.
pub(super) fn made(
    world: &mut World,
    resource: &Resource,
    method: &'static Method,
    body: &Map<String, Value>,
    call: &Changing<'_>,
) -> Result<Option<Reply>, Refusal> {
    match (resource.resource_type.name().as_str(), method.name) {
        (SECRETS, "addVersion") => world.add_secret_version(resource, body).map(Some),
        (JOBS, "run") => world.execute_job(resource, call).map(Some),
        _ => Ok(None),
    }
}

/// What a version of a secret is counted as: the newest comes first in lists (`ListSecretVersionsResponse`).
pub(super) fn order(resource: &Resource) -> i64 {
    let number: i64 = resource.id().parse().unwrap_or_default();
    if resource.resource_type.name() == VERSIONS { -number } else { 0 }
}

/// The fields of an execution that has ended, with the reason if not well.
pub(super) fn ended(at: Timestamp, failed: Option<&str>) -> Map<String, Value> {
    let completed = match failed {
        None => json!({ "type": "Completed", "state": "CONDITION_SUCCEEDED" }),
        Some(why) => json!({ "type": "Completed", "state": "CONDITION_FAILED", "message": why }),
    };
    let counted = if failed.is_some() { "failedCount" } else { "succeededCount" };
    let mut fields = Map::from_iter([
        ("completionTime".to_owned(), json!(at.to_string())),
        ("runningCount".to_owned(), json!(0)),
        ("conditions".to_owned(), json!([completed, { "type": "Started", "state": "CONDITION_SUCCEEDED" }])),
    ]);
    fields.insert(counted.to_owned(), json!(1));
    fields
}

fn child(parent: &Resource, collection: &str, id: &str) -> Option<Resource> {
    Catalog::open().ok()?.resource_at(&format!("{}/{collection}/{id}", parent.url())).ok()?
}

impl World {
    fn put_made(&mut self, resource: &Resource, mut state: Map<String, Value>) -> Value {
        wire::complete(resource, &mut state, self.now);
        token::renew(resource, None, &mut state, 0);
        let shown = Value::Object(state.clone());
        let kept = Kept { state, created: self.now, writes: 0, figures: Figures::default() };
        self.parts.any.resources.insert(resource.url(), kept);
        shown
    }

    fn children<'w>(&'w self, parent: &Resource, collection: &str) -> impl Iterator<Item = &'w str> {
        let beginning = format!("{}/{collection}/", parent.url());
        self.parts.any.resources.keys().filter_map(move |url| url.strip_prefix(beginning.as_str()))
    }

    fn add_secret_version(&mut self, secret: &Resource, body: &Map<String, Value>) -> Result<Reply, Refusal> {
        let data = body.get("payload").and_then(|payload| payload.get("data")).and_then(Value::as_str);
        if data.is_none_or(str::is_empty) {
            return Err(Refusal::invalid("payload", "The payload of a version must have data"));
        }
        let last = self.children(secret, "versions").filter_map(|id| id.parse::<u32>().ok()).max().unwrap_or_default();
        let unknown = || Refusal::new(Code::Internal, "the catalog has no versions of secrets");
        let version = child(secret, "versions", &(last + 1).to_string()).ok_or_else(unknown)?;
        let state = Map::from_iter([("state".to_owned(), json!("ENABLED"))]);
        Ok(Reply::Json(self.put_made(&version, state)))
    }

    fn execute_job(&mut self, job: &Resource, call: &Changing<'_>) -> Result<Reply, Refusal> {
        let kept = self.any_resource(job)?;
        let described = kept.figures.methods.get("run").cloned();
        let takes = described.as_ref().map_or(kept.figures.update_takes, |described| described.takes);
        let fails = described.as_ref().and_then(|described| described.fails.clone());
        let mut left = described.map(|described| described.sets).unwrap_or_default();
        let count = kept.state.get("executionCount").and_then(Value::as_i64).unwrap_or_default() + 1;
        let id = format!("{}-{}", job.id(), digest(&format!("{}/{count}", job.url()), 5));
        let unknown = || Refusal::new(Code::Internal, "the catalog has no executions of jobs");
        let execution = child(job, "executions", &id).ok_or_else(unknown)?;
        let now = self.now.to_string();
        let conditions = json!([{ "type": "Completed", "state": "CONDITION_RECONCILING" },
            { "type": "Started", "state": "CONDITION_SUCCEEDED" }]);
        let state = [
            ("job", json!(job.id())),
            ("taskCount", json!(1)),
            ("runningCount", json!(1)),
            ("startTime", json!(now)),
            ("conditions", conditions),
        ];
        self.put_made(&execution, state.into_iter().map(|(field, value)| (field.to_owned(), value)).collect());
        left.insert("executionCount".to_owned(), json!(count));
        left.insert("latestCreatedExecution".to_owned(), json!({ "name": execution.name(), "createTime": now }));
        self.change_any(&job.url(), &Change::Left { fields: left })?;
        let change = Change::Executed { fails };
        let effect = Effect { url: execution.url(), method: "run".to_owned(), change };
        let asked = Asked { target: execution.name(), user: call.caller(), takes, shown: None };
        let begun = self.begin::<AnyResources>(effect, asked);
        Ok(Reply::Json(self.settled(begun).wire(self)))
    }

    /// Ends an execution.
    pub(super) fn end_execution(&mut self, url: &str, failed: Option<&str>) -> Result<Value, Refusal> {
        let fields = ended(self.now, failed);
        self.change_any(url, &Change::Left { fields })
    }
}

//! What another principal does meanwhile: changes what the run changes too, by the same APIs.

use serde_json::{Value, json};

use crate::resource::Observable as _;
use crate::resource::connector::Connector;
use crate::resource::scaling::Scaling;
use crate::resource::service::Service;
use crate::resource::sql::Sql;
use crate::resource::template::Template;
use crate::resource::traffic::{LATEST, Traffic};
use crate::run::{Change, ResourceId, Way};

use super::bench::Stage;
use super::oracle::Foreign;

/// The token by which the cloud knows that it is not the run, and the value that this principal gives to its own field.
const TOKEN: &str = "another-principal";

/// Somebody else's image.
const IMAGE: &str =
    "us-docker.pkg.dev/elsewhere/apps/hotfix@sha256:9990000000000000000000000000000000000000000000000000000000000999";

/// How much memory somebody else gives a service.
const MEMORY: &str = "777Mi";

/// Deletes what this is a part of. False if it is gone already.
pub(super) fn delete(bench: &Stage, resource: &ResourceId) -> bool {
    let collection = match resource.kind.as_str() {
        Connector::NAME => "connectors",
        Sql::NAME => "instances",
        _ => "services",
    };
    bench.simulator.intervene(|world| world.remove(collection, &resource.name))
}

/// Deletes a revision that a change sends traffic to. False if it names none that is there.
pub(super) fn delete_revision(bench: &Stage, change: &Change, way: Way) -> bool {
    let wanted = match way {
        Way::Apply => &change.to,
        Way::Undo => &change.from,
    };
    let targets = wanted.get("targets").and_then(Value::as_array).into_iter().flatten();
    let mut names = targets.filter_map(|target| target.get("revision")?.as_str()).filter(|name| *name != LATEST);
    names.any(|name| bench.simulator.intervene(|world| world.remove_revision(&change.resource.name, name)))
}

/// Fields beside those that the run changes, as another principal made them.
#[derive(Clone, Debug)]
pub(super) struct Others {
    path: String,
    /// Where the value is, in the API's JSON.
    pointer: &'static str,
}

impl Others {
    /// That the value is not there any more, though the resource is.
    pub(super) async fn overwritten(&self, bench: &Stage) -> Option<String> {
        let now = send(bench, reqwest::Method::GET, &self.path, None).await?;
        let value = now.pointer(self.pointer);
        (value.and_then(Value::as_str) != Some(TOKEN)).then(|| {
            format!("another principal made {} of {} \"{TOKEN}\", and it is {value:?}", self.pointer, self.path)
        })
    }
}

/// The path of a resource in its API; `None` if it is none of Google's.
fn path(ResourceId { kind, project, region, name }: &ResourceId) -> Option<String> {
    match kind.as_str() {
        Connector::NAME => Some(format!("/v1/projects/{project}/locations/{region}/connectors/{name}")),
        Sql::NAME => Some(format!("/v1/projects/{project}/instances/{name}")),
        Traffic::NAME | Service::NAME | Template::NAME | Scaling::NAME => {
            Some(format!("/v2/projects/{project}/locations/{region}/services/{name}"))
        }
        _ => None,
    }
}

/// Changes a label of what the run changes; `None` if it has none, or the API does not take it now.
pub(super) async fn change_others(bench: &Stage, resource: &ResourceId) -> Option<Others> {
    let path = path(resource)?;
    let label = json!({ "owner": TOKEN });
    let (query, body, pointer) = match resource.kind.as_str() {
        Sql::NAME => ("", json!({ "settings": { "userLabels": label } }), "/settings/userLabels/owner"),
        Traffic::NAME | Service::NAME | Template::NAME | Scaling::NAME => {
            ("?updateMask=labels", json!({ "labels": label }), "/labels/owner")
        }
        // A connector has no field that a run does not change and another principal can.
        _ => return None,
    };
    send(bench, reqwest::Method::PATCH, &format!("{path}{query}"), Some(&body)).await?;
    Some(Others { path, pointer })
}

/// Changes the fields that the run changes; `None` if the API does not take it now.
pub(super) async fn change(bench: &Stage, resource: &ResourceId) -> Option<Foreign> {
    let path = path(resource)?;
    let kind = &resource.kind;
    let mask = match kind.as_str() {
        Traffic::NAME => Some("traffic"),
        Service::NAME | Template::NAME => Some("template"),
        Scaling::NAME => Some("scaling"),
        _ => None,
    };
    let now = send(bench, reqwest::Method::GET, &path, None).await?;
    let (body, to) = match kind.as_str() {
        Connector::NAME => larger(&now),
        Sql::NAME => {
            let flags = json!([{ "name": "max_connections", "value": "150" }]);
            (json!({ "settings": { "databaseFlags": flags } }), json!({ "flags": { "max_connections": "150" } }))
        }
        Service::NAME => {
            let mut template = now.get("template").cloned().unwrap_or_default();
            template.as_object_mut()?.remove("revision");
            *template.pointer_mut("/containers/0/image")? = json!(IMAGE);
            (json!({ "template": template }), json!({ "image": IMAGE }))
        }
        Template::NAME => {
            let mut template = now.get("template").cloned().unwrap_or_default();
            template.as_object_mut()?.remove("revision");
            *template.pointer_mut("/containers/0/resources/limits/memory")? = json!(MEMORY);
            (json!({ "template": template }), json!({ "memory": MEMORY }))
        }
        Scaling::NAME => (json!({ "scaling": { "maxInstanceCount": 7 } }), json!({ "max_instances": 7 })),
        _ => split(&now)?,
    };
    let query = match (kind.as_str(), mask) {
        (Connector::NAME, _) => "?updateMask=minInstances,maxInstances".to_owned(),
        (_, mask) => mask.map(|mask| format!("?updateMask={mask}")).unwrap_or_default(),
    };
    send(bench, reqwest::Method::PATCH, &format!("{path}{query}"), Some(&body)).await?;
    let after = bench.simulator.requests().len();
    Some(Foreign { resource: resource.clone(), to, after, path, mask: mask.map(str::to_owned) })
}

fn larger(now: &Value) -> (Value, Value) {
    let count = |field: &str| now.get(field).and_then(Value::as_i64).unwrap_or_default();
    let (min, max) = (count("minInstances") + 1, count("maxInstances"));
    let max = max.max(min + 1);
    (json!({ "minInstances": min, "maxInstances": max }), json!({ "min_instances": min, "max_instances": max }))
}

/// Another split of the traffic than there is, and than any runbook here makes.
fn split(now: &Value) -> Option<(Value, Value)> {
    let short = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let statuses = now.get("trafficStatuses").and_then(Value::as_array).into_iter().flatten();
    let mut revisions: Vec<String> =
        statuses.filter_map(|status| Some(short(status.get("revision")?.as_str()?))).collect();
    revisions.extend(now.get("latestReadyRevision").and_then(Value::as_str).map(short));
    revisions.retain(|name| !name.is_empty());
    revisions.sort();
    revisions.dedup();
    let share = |name: &String, percent: i64| {
        let kind = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";
        (json!({ "type": kind, "revision": name, "percent": percent }), json!({ "revision": name, "percent": percent }))
    };
    let latest = |percent: i64| {
        let kind = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
        (json!({ "type": kind, "percent": percent }), json!({ "revision": LATEST, "percent": percent }))
    };
    let shares = match revisions.as_slice() {
        [] => return None,
        // The rest to whatever comes next: all of it to the only revision may be just what the run sets.
        [only] => vec![share(only, 70), latest(30)],
        [first, second, ..] => vec![share(first, 70), share(second, 30)],
    };
    let (wire, targets): (Vec<Value>, Vec<Value>) = shares.into_iter().unzip();
    Some((json!({ "traffic": wire }), json!({ "targets": targets })))
}

async fn send(bench: &Stage, method: reqwest::Method, path: &str, body: Option<&Value>) -> Option<Value> {
    let url = format!("http://{}{path}", bench.simulator.addr());
    let request = bench.elsewhere.request(method, url).bearer_auth(TOKEN);
    let request = if let Some(body) = body { request.json(body) } else { request };
    let answer = request.send().await.ok().filter(|answer| answer.status().is_success())?;
    answer.json().await.ok()
}

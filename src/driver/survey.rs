//! What serves in the end: whatever a run's ending claims, people want to know which revision has their users, and
//! whether it is healthy.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::probe::Observer;
use crate::resource::traffic::{LATEST, Traffic};
use crate::resource::{ApiObject, KindSpec, Kinds, Observable as _};
use crate::run::{Observations, ResourceId, ServiceStatus, TaskView, View};

/// Observes each Cloud Run service that the run has written to: its traffic, and the probes of the gates of its steps.
pub(super) async fn survey(view: &View, kinds: &Kinds, probes: &Observer) -> BTreeMap<String, ServiceStatus> {
    let touched = view.tasks.iter().filter(|task| task.seen.is_some()).filter_map(service);
    let touched: BTreeSet<ResourceId> = touched.collect();
    let mut services = BTreeMap::new();
    for id in touched {
        let gates = view.tasks.iter().filter(|task| service(task).as_ref() == Some(&id));
        let names = gates.filter_map(|task| task.task.gate.as_ref()).flat_map(|gate| gate.healthy.iter().cloned());
        let mut seen = Observations::new();
        for name in names.collect::<BTreeSet<String>>() {
            let observation = probes.observe(&name).await;
            seen.insert(name, observation);
        }
        let (serving, unknown) = match kinds.observe(&id).await {
            Ok(seen) => (shares(&seen.state), None),
            Err(error) => (BTreeMap::new(), Some(error.to_string())),
        };
        services.insert(id.name.clone(), ServiceStatus { serving, unknown, probes: seen });
    }
    services
}

/// The traffic of the Cloud Run service that a task changes, if it changes one.
fn service(task: &TaskView) -> Option<ResourceId> {
    let resource = &task.task.change.as_ref()?.resource;
    let kind = KindSpec::find(&resource.kind);
    let is_service = kind.is_some_and(|kind| kind.part_of == ApiObject::CloudRunService);
    is_service.then(|| ResourceId { kind: Traffic::NAME.to_owned(), ..resource.clone() })
}

/// The share of each revision in the traffic of a service, in percent, by the state of its traffic.
pub(crate) fn shares(state: &Value) -> BTreeMap<String, i64> {
    let latest = state.get("latest").and_then(Value::as_str).unwrap_or_default();
    // What is routed, where that is not what is written.
    let targets = state.get("routed").or_else(|| state.get("targets"));
    let targets = targets.and_then(Value::as_array).into_iter().flatten();
    let mut shares = BTreeMap::new();
    for target in targets {
        let revision = target.get("revision").and_then(Value::as_str).unwrap_or_default();
        let name = if revision == LATEST { latest } else { revision };
        let percent = target.get("percent").and_then(Value::as_i64).unwrap_or_default();
        if percent > 0 {
            *shares.entry(name.to_owned()).or_insert(0) += percent;
        }
    }
    shares
}

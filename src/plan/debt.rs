//! What a run will leave behind when it has ended well: a pin that hides the next deploy, instances that are paid for.
//!
//! An incident's quick help becomes the next incident's cause when nobody takes it back. So each such thing is a debt,
//! with an owner, a day until which it should be paid, and how. How long each may stand is ours.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inert::inert;
use crate::resource::Observable;
use crate::resource::connector::Connector;
use crate::resource::scaling::Scaling;
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::run::{Change, ResourceId, Task, TaskId};

/// One thing left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// What it is about.
    pub resource: ResourceId,
    /// The last task that makes it.
    pub task: TaskId,
    /// What is left.
    pub what: String,
    /// Who answers for it: the runbook's owners.
    pub owners: Vec<String>,
    /// How long it may stand.
    #[serde(with = "duration")]
    pub within: Duration,
    /// How it is paid.
    pub payment: String,
}

impl Debt {
    /// Who pays it, for a sentence: `by infrastructure`. Inert.
    pub fn by(&self) -> String {
        let owners: Vec<String> = self.owners.iter().map(|owner| inert(owner)).collect();
        if owners.is_empty() {
            "by nobody that the runbook names".to_owned()
        } else {
            format!("by {}", owners.join(", "))
        }
    }
}

/// A pinned split hides every deploy that comes after it, so it goes first.
const PIN: Duration = Duration::from_hours(24);
/// Idle instances cost money.
const INSTANCES: Duration = Duration::from_hours(7 * 24);
/// A smaller connector is a new connector, which takes planning.
const CONNECTOR: Duration = Duration::from_hours(30 * 24);

/// What these tasks leave behind.
pub(super) fn debts<'t>(tasks: impl IntoIterator<Item = &'t Task>, owners: &[String]) -> Vec<Debt> {
    // From the first state to the last one of each resource.
    let mut ends: BTreeMap<&ResourceId, (&Task, &Change, Value)> = BTreeMap::new();
    for task in tasks {
        let Some(change) = &task.change else { continue };
        let first = ends.get(&change.resource).map_or_else(|| change.from.clone(), |(.., first)| first.clone());
        ends.insert(&change.resource, (task, change, first));
    }
    let debt = |(resource, (task, last, first)): (&ResourceId, (&Task, &Change, Value))| {
        let (what, within, payment) = left(resource, &first, &last.to)?;
        let (resource, task, owners) = (resource.clone(), task.id.clone(), owners.to_vec());
        Some(Debt { resource, task, what, owners, within, payment })
    };
    ends.into_iter().filter_map(debt).collect()
}

fn left(id: &ResourceId, first: &Value, last: &Value) -> Option<(String, Duration, String)> {
    let place = format!("--region {} --project {}", id.region, id.project);
    let count = |of: &Value, field: &str| of.get(field).and_then(Value::as_i64);
    match id.kind.as_str() {
        kind if kind == Traffic::NAME => {
            let split: Split = serde_json::from_value(last.clone()).ok()?;
            if split.share(LATEST) > 0 {
                return None;
            }
            let names: Vec<&str> = split.shares().map(|(name, _)| name).collect();
            let what = format!("traffic is pinned to {}: the next deploy serves 0 %", names.join(" and "));
            let payment = format!("gcloud run services update-traffic {} --to-latest {place}", id.name);
            Some((what, PIN, payment))
        }
        kind if kind == Connector::NAME => {
            let grown = ["min_instances", "max_instances"].into_iter().filter_map(|field| {
                let (before, after) = (count(first, field)?, count(last, field)?);
                (after > before).then(|| format!("{field} {before} → {after}"))
            });
            let machine = |of: &Value| of.get("machine_type").and_then(Value::as_str).map(str::to_owned);
            let machine = machine(first).zip(machine(last)).filter(|(before, after)| before != after);
            let machine = machine.map(|(before, after)| format!("machine_type {before} → {after}"));
            let grown: Vec<String> = grown.chain(machine).collect();
            (!grown.is_empty()).then(|| {
                let what = format!("the connector stays enlarged and is paid for: {}", grown.join(", "));
                let payment =
                    "a connector never shrinks: create a smaller one, move the services to it, delete this one";
                (what, CONNECTOR, payment.to_owned())
            })
        }
        kind if kind == Scaling::NAME => {
            let (before, after) = (count(first, "min_instances")?, count(last, "min_instances")?);
            (after > before).then(|| {
                let what = format!("at least {after} instances are paid for, idle or not; before it was {before}");
                (what, INSTANCES, format!("gcloud run services update {} --min {before} {place}", id.name))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(kind: &str) -> ResourceId {
        format!("{kind}/p/r/n").parse().unwrap()
    }

    #[test]
    fn a_pin_is_a_debt_and_following_the_latest_is_none() {
        let split = |revision: &str| json!({ "targets": [{ "revision": revision, "percent": 100 }] });
        let (what, ..) = left(&id("gcp.run.traffic"), &split(LATEST), &split("n-00001-abc")).unwrap();
        assert_eq!(what, "traffic is pinned to n-00001-abc: the next deploy serves 0 %");
        assert_eq!(left(&id("gcp.run.traffic"), &split("n-00001-abc"), &split(LATEST)), None);
    }

    #[test]
    fn only_growth_is_owed() {
        let bounds = |min: i64| json!({ "min_instances": min });
        assert!(left(&id("gcp.run.scaling"), &bounds(0), &bounds(3)).is_some());
        assert_eq!(left(&id("gcp.run.scaling"), &bounds(3), &bounds(1)), None);
        let size = |max: i64| json!({ "min_instances": 2, "max_instances": max });
        assert!(left(&id("gcp.connector"), &size(3), &size(10)).unwrap().0.ends_with("max_instances 3 → 10"));
    }
}

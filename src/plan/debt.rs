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
use crate::resource::{FollowUp, KindSpec};
use crate::run::{ResourceId, Task, TaskId};

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

/// What these tasks leave behind.
pub(super) fn debts<'t>(tasks: impl IntoIterator<Item = &'t Task>, owners: &[String]) -> Vec<Debt> {
    // From the first state to the last one of each resource.
    let mut ends: BTreeMap<&ResourceId, (&Task, Value, Value)> = BTreeMap::new();
    for task in tasks {
        let Some(change) = &task.change else { continue };
        let (first, last) = match ends.remove(&change.resource) {
            Some((_, first, last)) => (over(&change.from, &first), over(&last, &change.to)),
            None => (change.from.clone(), change.to.clone()),
        };
        ends.insert(&change.resource, (task, first, last));
    }
    let debt = |(resource, (task, first, last)): (&ResourceId, (&Task, Value, Value))| {
        let kind = KindSpec::find(&resource.kind)?.change?;
        let FollowUp { what, within, action: payment } = (kind.follow_up)(resource, &first, &last)?;
        let (resource, task, owners) = (resource.clone(), task.id.clone(), owners.to_vec());
        Some(Debt { resource, task, what, owners, within, payment })
    };
    ends.into_iter().filter_map(debt).collect()
}

/// A state with the fields of another over it: changes of one resource do not all own the same fields.
fn over(state: &Value, other: &Value) -> Value {
    let (Value::Object(state), Value::Object(other)) = (state, other) else { return other.clone() };
    Value::Object(state.iter().chain(other).map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(id: &ResourceId, first: &Value, last: &Value) -> Option<(String, String)> {
        let follow_up = KindSpec::find(&id.kind)?.change?.follow_up;
        follow_up(id, first, last).map(|left| (left.what, left.action))
    }

    fn id(kind: &str) -> ResourceId {
        format!("{kind}/p/r/n").parse().unwrap()
    }

    #[test]
    fn a_pin_is_a_debt_and_following_the_latest_is_none() {
        let split = |revision: &str| json!({ "targets": [{ "revision": revision, "percent": 100 }] });
        let (what, _) = left(&id("gcp.run.traffic"), &split("LATEST"), &split("n-00001-abc")).unwrap();
        assert_eq!(what, "traffic is pinned to n-00001-abc: the next deploy serves 0 %");
        assert_eq!(left(&id("gcp.run.traffic"), &split("n-00001-abc"), &split("LATEST")), None);
    }

    #[test]
    fn a_name_that_stays_in_the_template_is_a_debt_and_an_undone_one_is_none() {
        let deployed = json!({ "image": "i@sha256:1", "revision": "n-00002-bcd" });
        let (what, how) = left(&id("gcp.run.service"), &json!({ "image": "i@sha256:0" }), &deployed).unwrap();
        assert!(what.contains("n-00002-bcd") && what.contains("409"), "{what}");
        assert!(how.starts_with("gcloud run services update n --image i@sha256:1 --region r --project p"), "{how}");
        assert_eq!(left(&id("gcp.run.service"), &deployed, &json!({ "image": "i@sha256:0" })), None);
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

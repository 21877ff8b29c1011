//! Lists in which each call of a method leaves an entry of its own: the executions of a job, the versions of a secret, the operations of a
//! database instance.
//!
//! Where the answer to a call was lost, an entry that was not there before the call was sent tells that it was made, and how far it got.
//! That there is none tells nothing: the request may still be on its way. Another principal who makes the same call at the same time
//! leaves an entry, too; of two new ones nobody can say which is whose.

use http::Method;
use serde_json::Value;

use super::super::Certainty;
use super::super::api_error::ApiError;
use super::super::rest::{GoogleUrl, Request};
use super::operation::{self, Stand};
use crate::catalog::{OperationDialect, Resource, segment};

/// A list of a resource's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallLog {
    /// The executions of a Cloud Run job (`google/cloud/run/v2/execution.proto`).
    Executions,
    /// The versions of a secret. The list begins with the newest (`google/cloud/secretmanager/v1/service.proto`).
    SecretVersions,
    /// The operations of a Cloud SQL instance that are of this type, such as `RESTART`. The list begins with the newest (reference of
    /// `operations.list`).
    SqlOperations(&'static str),
}

/// An entry of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEntry {
    /// Its name, by which it is asked for.
    pub name: String,
    /// How far what was called got.
    pub stand: Stand,
}

/// How a list is asked for.
pub(super) struct List {
    pub(super) request: Request,
    /// The field that has the entries.
    pub(super) items: &'static str,
    /// So many entries are enough.
    pub(super) enough: usize,
}

/// So many of the newest entries are read of a list that begins with them.
const NEWEST: usize = 100;
/// A job keeps a thousand executions, or those of a week (<https://cloud.google.com/run/docs/execute/jobs>), in no order that is documented.
const ALL: usize = 10_000;

impl CallLog {
    pub(super) fn list(self, resource: &Resource) -> Result<List, ApiError> {
        let get = |url: &str| Ok(Request::catalogued(GoogleUrl::parse(url)?, Method::GET, None));
        let own = resource.url();
        Ok(match self {
            CallLog::Executions => List {
                request: get(&format!("{own}/executions"))?.with("pageSize", "100"),
                items: "executions",
                enough: ALL,
            },
            CallLog::SecretVersions => List {
                request: get(&format!("{own}/versions"))?.with("pageSize", "100"),
                items: "versions",
                enough: NEWEST,
            },
            CallLog::SqlOperations(_) => {
                let project = own.split("/instances/").next().unwrap_or_default();
                let request = get(&format!("{project}/operations"))?;
                let request = request.with("instance", resource.id()).with("maxResults", "100");
                List { request, items: "items", enough: NEWEST }
            }
        })
    }

    /// What an item of the list, or what was read at its [`url`](CallLog::url), says; `None`: it is no entry of this sort.
    pub(super) fn entry(self, item: &Value) -> Option<CallEntry> {
        let name = item.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?.to_owned();
        let stand = match self {
            CallLog::Executions => execution(item, &name),
            CallLog::SecretVersions => Stand::Done,
            CallLog::SqlOperations(wanted) => {
                item.get("operationType").and_then(Value::as_str).filter(|found| *found == wanted)?;
                operation::stand(OperationDialect::CloudSql, item, &name)
            }
        };
        Some(CallEntry { name, stand })
    }

    /// Where the entry of this name is read; `None`: it is an operation, which is asked for as any other.
    pub(super) fn url(self, resource: &Resource, name: &str) -> Option<String> {
        match self {
            CallLog::Executions => {
                let id = name.rsplit('/').next().unwrap_or_default();
                Some(format!("{}/executions/{}", resource.url(), segment(id)))
            }
            CallLog::SecretVersions | CallLog::SqlOperations(_) => None,
        }
    }

    /// The entry that an answer to the call names, if it names one that is better asked for than the operation.
    ///
    /// An execution tells what became of its tasks. It is what the operation has in its metadata (`operation_info` of `RunJob` in
    /// `google/cloud/run/v2/job.proto`).
    pub(super) fn begun(self, answer: &Value) -> Option<Stand> {
        match self {
            CallLog::Executions => {
                let name =
                    answer.get("metadata")?.get("name")?.as_str().filter(|name| name.contains("/executions/"))?;
                Some(Stand::Running { operation: name.to_owned() })
            }
            CallLog::SecretVersions | CallLog::SqlOperations(_) => None,
        }
    }
}

/// How far an execution got: its condition `Completed` says it, and its counts say how many tasks failed
/// (`google/cloud/run/v2/execution.proto`, `condition.proto`).
fn execution(item: &Value, name: &str) -> Stand {
    let conditions = item.get("conditions").and_then(Value::as_array).into_iter().flatten();
    let mut completed = conditions.filter(|condition| condition.get("type").is_some_and(|kind| kind == "Completed"));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (state, message) = completed
        .next()
        .map(|condition| (text(condition.get("state")), text(condition.get("message"))))
        .unwrap_or_default();
    let count = |field: &str| item.get(field).and_then(Value::as_i64).unwrap_or_default();
    let (failed, cancelled) = (count("failedCount"), count("cancelledCount"));
    match state.as_str() {
        "CONDITION_SUCCEEDED" => Stand::Done,
        "CONDITION_FAILED" => {
            let id = name.rsplit('/').next().unwrap_or_default();
            let tasks = match (failed, cancelled) {
                (0, 0) => String::new(),
                (failed, 0) => format!(" ({failed} of its tasks failed)"),
                (failed, cancelled) => format!(" ({failed} of its tasks failed, {cancelled} were cancelled)"),
            };
            let why = if message.is_empty() { String::new() } else { format!(": {message}") };
            Stand::Failed { why: format!("execution {id} failed{tasks}{why}"), certainty: Certainty::Certain }
        }
        _ => Stand::Running { operation: name.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{Catalog, Scope};

    fn resource(name: &str) -> Resource {
        Catalog::open().unwrap().find(name, &Scope { project: "p", region: Some("r"), zone: None }).unwrap()
    }

    #[test]
    fn an_execution_has_ended_well_only_if_its_condition_says_so() {
        let name = "projects/p/locations/r/jobs/j/executions/j-abc";
        let of = |state: &str| {
            json!({ "name": name, "failedCount": 1, "conditions": [
            { "type": "Started", "state": "CONDITION_SUCCEEDED" }, { "type": "Completed", "state": state, "message": "exit 1" }] })
        };
        let stand = |item: &Value| CallLog::Executions.entry(item).unwrap().stand;
        assert_eq!(stand(&of("CONDITION_SUCCEEDED")), Stand::Done);
        assert_eq!(stand(&of("CONDITION_RECONCILING")), Stand::Running { operation: name.to_owned() });
        // Ended, and not said how: that is not yet.
        let silent = json!({ "name": name, "completionTime": "2026-01-05T09:00:00Z" });
        assert_eq!(stand(&silent), Stand::Running { operation: name.to_owned() });
        let Stand::Failed { why, .. } = stand(&of("CONDITION_FAILED")) else { panic!() };
        assert_eq!(why, "execution j-abc failed (1 of its tasks failed): exit 1");
    }

    #[test]
    fn operations_of_another_type_are_no_entries() {
        let log = CallLog::SqlOperations("RESTART");
        assert!(log.entry(&json!({ "name": "o", "operationType": "UPDATE", "status": "DONE" })).is_none());
        let entry = log.entry(&json!({ "name": "o", "operationType": "RESTART", "status": "DONE" })).unwrap();
        assert_eq!((entry.name.as_str(), entry.stand), ("o", Stand::Done));
    }

    #[test]
    fn a_name_of_a_journal_leads_to_an_execution_of_the_job() {
        let url = CallLog::Executions
            .url(&resource("run.jobs/j"), "projects/x/locations/y/jobs/z/executions/e?a=/../b")
            .unwrap();
        assert_eq!(url, "https://run.googleapis.com/v2/projects/p/locations/r/jobs/j/executions/b");
    }
}

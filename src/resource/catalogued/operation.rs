//! Operations in the dialects of Google's APIs: what an answer says of one, and where it is asked for.
//!
//! Source of the shapes: `google/longrunning/operations.proto`; Discovery's `Operation` of Compute Engine, Cloud SQL, GKE and Cloud
//! DNS. `done` that is absent means not yet. What the operation answers with is not the state: the resource is read.

use serde_json::Value;

use super::super::error::shortened;
use super::super::{Certainty, OperationProgress, ended_with, ended_with_all};
use crate::catalog::{Answer, OperationDialect, Resource};

/// How far a request got, or the operation that it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// It has not ended.
    Running {
        /// The operation, as a journal has it: its name, or the link to it where an API has one.
        operation: String,
    },
    /// It ended well.
    Done,
    /// It ended with an error.
    Failed {
        /// The API's words.
        why: String,
        /// Whether it certainly failed.
        certainty: Certainty,
    },
}

/// What the answer to a request says of how far it got.
///
/// # Errors
/// It should name an operation, and does not.
pub(super) fn begun(expected: Answer, answer: &Value) -> Result<Stand, String> {
    match expected {
        Answer::Operation(dialect) => {
            let name = name(dialect, answer).ok_or("the answer names no operation")?;
            Ok(stand(dialect, answer, &name))
        }
        Answer::Nothing | Answer::Resource | Answer::Other => Ok(Stand::Done),
    }
}

fn name(dialect: OperationDialect, answer: &Value) -> Option<String> {
    let field = match dialect {
        OperationDialect::LongRunning | OperationDialect::CloudSql | OperationDialect::Kubernetes => "name",
        OperationDialect::Compute | OperationDialect::Storage => "selfLink",
        OperationDialect::Dns => "id",
    };
    answer.get(field).and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Where an operation on a resource is asked for. The name may be a journal's: it leads nowhere but to the resource's own API.
pub(super) fn place(resource: &Resource, name: &str) -> Option<(OperationDialect, String)> {
    let methods = resource.resource_type.methods().iter();
    let mut dialects = methods.filter_map(|method| match method.answer {
        Answer::Operation(dialect) => Some(dialect),
        Answer::Nothing | Answer::Resource | Answer::Other => None,
    });
    let dialect = dialects.next()?;
    Some((dialect, resource.operation_url(dialect, name, Some(name))?))
}

/// What an answer says of the operation of this name, which it is.
pub(super) fn stand(dialect: OperationDialect, answer: &Value, name: &str) -> Stand {
    let is_done = match dialect {
        OperationDialect::LongRunning | OperationDialect::Storage => {
            answer.get("done").and_then(Value::as_bool) == Some(true)
        }
        OperationDialect::Compute
        | OperationDialect::CloudSql
        | OperationDialect::Kubernetes
        | OperationDialect::Dns => {
            let status = answer.get("status").and_then(Value::as_str).unwrap_or_default();
            status.eq_ignore_ascii_case("DONE")
        }
    };
    match (is_done, failure(answer)) {
        (false, _) => Stand::Running { operation: name.to_owned() },
        (true, None) => Stand::Done,
        (true, Some(failed)) => failed,
    }
}

/// The error of an operation that has ended, in either form: a status, or a list of errors with codes in words.
fn failure(answer: &Value) -> Option<Stand> {
    let error = answer.get("error").filter(|error| !error.is_null())?;
    if let Some(errors) = error.get("errors").and_then(Value::as_array) {
        let (why, certainty) = ended_with_all(errors);
        return Some(Stand::Failed { why, certainty });
    }
    let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
    // An empty status is none.
    if code == 0 && message.is_empty() {
        return None;
    }
    match ended_with::<()>(code, &shortened(message.to_owned())) {
        OperationProgress::Failed { why, certainty } => Some(Stand::Failed { why, certainty }),
        OperationProgress::Done(()) | OperationProgress::Running { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{Catalog, Scope};

    #[test]
    fn every_dialect_says_whether_it_is_over() {
        use OperationDialect::{CloudSql, Compute, Dns, Kubernetes, LongRunning, Storage};
        for (dialect, running, done) in [
            (LongRunning, json!({ "name": "o" }), json!({ "name": "o", "done": true })),
            (Storage, json!({ "selfLink": "l", "done": false }), json!({ "selfLink": "l", "done": true })),
            (Compute, json!({ "status": "RUNNING" }), json!({ "status": "DONE" })),
            (CloudSql, json!({ "status": "PENDING" }), json!({ "status": "DONE" })),
            (Kubernetes, json!({ "status": "RUNNING" }), json!({ "status": "DONE" })),
            (Dns, json!({ "status": "pending" }), json!({ "status": "done" })),
        ] {
            assert_eq!(stand(dialect, &running, "o"), Stand::Running { operation: "o".to_owned() }, "{dialect:?}");
            assert_eq!(stand(dialect, &done, "o"), Stand::Done, "{dialect:?}");
        }
        let failed =
            json!({ "status": "DONE", "error": { "errors": [{ "code": "QUOTA_EXCEEDED", "message": "no room" }] } });
        let Stand::Failed { why, certainty } = stand(Compute, &failed, "o") else { panic!("{failed}") };
        assert_eq!((why.as_str(), certainty), ("no room (QUOTA_EXCEEDED)", Certainty::Certain));
        let late = json!({ "done": true, "error": { "code": 4, "message": "deadline" } });
        assert!(matches!(stand(LongRunning, &late, "o"), Stand::Failed { certainty: Certainty::Uncertain, .. }));
    }

    #[test]
    fn a_name_of_a_journal_leads_nowhere_else() {
        let scope = Scope { project: "p", region: Some("r"), zone: Some("z") };
        let find = |name: &str| Catalog::open().unwrap().find(name, &scope).unwrap();
        let (_, url) = place(&find("redis.instances/i"), "projects/p/locations/r/operations/o?x=/../y").unwrap();
        assert!(url.starts_with("https://redis.googleapis.com/v1/projects/p/locations/r/operations/o%3F"), "{url}");
        assert_eq!(
            place(&find("compute.disks/d"), "https://evil.example/compute/v1/projects/p/zones/z/operations/o"),
            None
        );
        let own = "https://www.googleapis.com/compute/v1/projects/p/zones/z/operations/o";
        assert_eq!(place(&find("compute.disks/d"), own).unwrap().1, own);
    }
}

//! Long-running operations. Source: `google/longrunning/operations.proto`.

use serde::Deserialize;

use super::api_error::ApiError;
use super::error::shortened;
use super::path::ApiPath;
use super::rest::{Api, Request, Rest};
use super::{OperationProgress, ended_with, proto_json};

/// An operation. What it made of the resource is not read from its `response`, which need not be there: the resource says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    /// `projects/P/locations/L/operations/O`.
    pub name: String,
    /// Whether it has ended.
    pub done: bool,
    metadata: Option<Metadata>,
    error: Option<Status>,
}

/// What is read of metadata, which is of its API's own type: Serverless VPC Access names the resource as `target`; Cloud Run gives the
/// resource itself, which has a `name`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Option<String>,
    target: Option<String>,
}

/// Source: `google/rpc/status.proto`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "proto_json::integer")]
    code: i64,
    message: String,
}

impl Operation {
    /// Whether it changes the resource of this name.
    pub(super) fn is_about(&self, resource: &str) -> bool {
        let named = self.metadata.iter().flat_map(|metadata| [&metadata.name, &metadata.target]);
        named.flatten().any(|name| name == resource)
    }

    /// The error that it ended with, if it did.
    pub(super) fn failure<S>(self) -> Option<OperationProgress<S>> {
        let Status { code, message } = self.error.filter(|error| error.code != 0)?;
        Some(ended_with(code, &shortened(message)))
    }

    fn named(self) -> Result<Operation, ApiError> {
        match ApiPath::operation(&self.name) {
            Some(_) => Ok(self),
            None => Err(ApiError::Malformed(format!("{:?} is no name of an operation", self.name))),
        }
    }
}

/// The path of an operation that was named by an answer or by a journal.
pub(super) fn path(version: &'static str, name: &str) -> Result<ApiPath, ApiError> {
    let name = ApiPath::operation(name).ok_or_else(|| {
        ApiError::Request(format!("an operation is named projects/P/locations/L/operations/O, not {name:?}"))
    })?;
    Ok(ApiPath::version(version).name(&name))
}

impl Rest {
    /// Asks for an operation, or asks an API to hold its answer until it ends.
    pub(super) async fn operation(&self, request: Request) -> Result<Operation, ApiError> {
        self.read::<Operation>(request).await?.named()
    }

    /// Begins an operation. Sent once.
    pub(super) async fn begin_operation(&self, request: Request) -> Result<Operation, ApiError> {
        self.write::<Operation>(request).await?.named()
    }

    /// The operations in a location that have not ended.
    pub(super) async fn unfinished(
        &self,
        api: Api,
        version: &'static str,
        location: &ApiPath,
    ) -> Result<Vec<Operation>, ApiError> {
        let path = ApiPath::version(version).name(location).at("operations");
        let all: Vec<Operation> = self.list(Request::get(api, path), "operations", usize::MAX).await?;
        all.into_iter().filter(|operation| !operation.done).map(Operation::named).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::resource::Certainty;

    fn operation(value: Value) -> Operation {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_end_without_an_error_is_no_failure_whatever_came_of_it() {
        for ended in
            [json!({ "done": true }), json!({ "done": true, "response": {} }), json!({ "done": true, "error": {} })]
        {
            assert_eq!(operation(ended).failure::<()>(), None);
        }
        let failed =
            operation(json!({ "done": true, "error": { "code": "13", "message": "m".repeat(9_999) }, "response": {} }));
        let Some(OperationProgress::<()>::Failed { why, certainty }) = failed.failure() else { panic!("it failed") };
        assert!(why.len() < 2_100 && certainty == Certainty::Certain, "{why}");
    }

    #[test]
    fn only_an_operation_is_asked_for() {
        assert_eq!(
            path("/v2", "projects/p/locations/l/operations/o").unwrap().as_str(),
            "/v2/projects/p/locations/l/operations/o"
        );
        for name in [
            "",
            "o",
            "projects/p/locations/l/services/s",
            "projects/p/locations/l/operations/",
            "projects/p/locations/l/operations/o/x",
            "/projects/p/locations/l/operations/o",
        ] {
            assert!(matches!(path("/v2", name), Err(ApiError::Request(_))), "{name}");
        }
        assert!(path("/v2", "projects/../locations/l/operations/o?x").unwrap().as_str().ends_with("/operations/o%3Fx"));
    }
}

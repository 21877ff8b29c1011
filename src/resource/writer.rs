//! The writing side of Google Cloud: the only calls that change something.
//!
//! A write is sent once, because one whose answer was lost must be looked at, not repeated.

use serde::Deserialize;
use serde_json::Value;

use super::endpoint::Endpoint;
use super::error::{BuildError, WriteError};
use super::operation::Operation;
use super::path::ApiPath;
use super::rest::{Api, Request, Rest};
use super::run_api::ServiceUpdate;
use crate::run::ResourceId;

/// Everything that this program changes at Google.
#[derive(Clone)]
pub struct Writer {
    rest: Rest,
}

/// An operation of Cloud SQL's, which has a shape of its own.
#[derive(Deserialize)]
struct SqlOperation {
    name: String,
}

impl Writer {
    /// Makes the client. No call is made yet.
    ///
    /// # Errors
    /// If there are no usable credentials.
    pub async fn at(endpoint: &Endpoint) -> Result<Writer, BuildError> {
        Ok(Writer { rest: endpoint.client().await? })
    }

    /// PATCHes one part of a Cloud Run service, if it still has the etag of the update.
    pub(super) async fn patch_service(&self, id: &ResourceId, update: &ServiceUpdate) -> Result<Operation, WriteError> {
        let request = update.request().map_err(|error| WriteError::of(id, &error))?;
        self.rest.begin_operation(request).await.map_err(|error| WriteError::of(id, &error))
    }

    /// PATCHes a connector.
    ///
    /// The published proto of Serverless VPC Access v1 has no update; the REST method is what gcloud uses
    /// (`vpcaccess.projects.locations.connectors.patch`).
    pub(super) async fn patch_connector(
        &self,
        id: &ResourceId,
        mask: &str,
        body: Value,
    ) -> Result<Operation, WriteError> {
        let path = ApiPath::version("/v1").name(&super::connector::path(id));
        let request = Request::patch(Api::VpcAccess, path, body).with("updateMask", mask);
        self.rest.begin_operation(request).await.map_err(|error| WriteError::of(id, &error))
    }

    /// Sends a write that the catalog made; what the API answers. An answer without a body is `null`.
    pub(super) async fn send_catalogued(&self, id: &ResourceId, request: Request) -> Result<Value, WriteError> {
        self.rest.write_any(request).await.map_err(|error| WriteError::of(id, &error))
    }

    /// PATCHes an instance of Cloud SQL; the name of the operation.
    pub(super) async fn patch_sql(&self, id: &ResourceId, body: Value) -> Result<String, WriteError> {
        let path = ApiPath::version("/v1").name(&ApiPath::project(&id.project)).of("instances", &id.name);
        let begun: Result<SqlOperation, _> = self.rest.write(Request::patch(Api::Sql, path, body)).await;
        let name = begun.map_err(|error| WriteError::of(id, &error))?.name;
        if name.is_empty() {
            let why = "the answer names no operation".to_owned();
            return Err(WriteError::InDoubt { resource: id.clone(), why });
        }
        Ok(name)
    }
}

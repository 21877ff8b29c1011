//! The writing side of Google Cloud: the only calls that change something.
//!
//! A write is sent once, because one whose answer was lost must be looked at, not repeated.

use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_longrunning::model::Operation;
use google_cloud_run_v2::client::Services;
use google_cloud_run_v2::model::Service;
use google_cloud_wkt::FieldMask;
use serde_json::Value;

use super::cloud::{ATTEMPT, Access, Endpoint, client};
use super::error::{BuildError, WriteError};
use super::path::ApiPath;
use super::rest::{Api, Rest};
use crate::run::ResourceId;

/// Clients for everything that this program changes at Google.
#[derive(Clone)]
pub struct Writer {
    services: Services,
    rest: Rest,
}

impl Writer {
    /// Makes the clients. No call is made yet.
    pub async fn at(endpoint: &Endpoint) -> Result<Writer, BuildError> {
        let access = Access::to(endpoint)?;
        Ok(Writer { services: client!(Services, &access)?, rest: access.rest()? })
    }

    /// PATCHes one part of a Cloud Run service, if it still has the etag in `service`.
    pub(super) async fn patch_service(
        &self,
        id: &ResourceId,
        service: Service,
        mask: &str,
    ) -> Result<Operation, WriteError> {
        // A mistyped service must not come to life.
        let request = self.services.update_service().set_service(service).set_allow_missing(false);
        let request = request.set_update_mask(FieldMask::default().set_paths([mask]));
        let operation = request.with_retry_policy(NeverRetry).with_attempt_timeout(ATTEMPT).send().await;
        operation.map_err(|error| WriteError::of(id, &error))
    }

    /// PATCHes a connector.
    ///
    /// The published proto of Serverless VPC Access v1 has no update; the REST method is what gcloud uses
    /// (`vpcaccess.projects.locations.connectors.patch`).
    pub(super) async fn patch_connector(
        &self,
        id: &ResourceId,
        mask: &str,
        body: &Value,
    ) -> Result<Operation, WriteError> {
        let path = ApiPath::version("/v1").name(&super::connector::path(id));
        let answer = self.rest.patch(Api::VpcAccess, &path, &[("updateMask", mask)], body).await;
        read(id, answer)
    }

    /// PATCHes an instance of Cloud SQL; the name of the operation.
    pub(super) async fn patch_sql(&self, id: &ResourceId, body: &Value) -> Result<String, WriteError> {
        let path = ApiPath::version("/v1").name(&ApiPath::project(&id.project)).of("instances", &id.name);
        let answer: Value = read(id, self.rest.patch(Api::Sql, &path, &[], body).await)?;
        let name = answer.get("name").and_then(Value::as_str).map(str::to_owned);
        name.ok_or_else(|| WriteError::InDoubt {
            resource: id.clone(),
            why: "the answer names no operation".to_owned(),
        })
    }
}

/// A malformed response says nothing about what became of the write.
fn read<T: serde::de::DeserializeOwned>(id: &ResourceId, answer: Result<Value, SdkError>) -> Result<T, WriteError> {
    let answer = answer.map_err(|error| WriteError::of(id, &error))?;
    serde_json::from_value(answer)
        .map_err(|error| WriteError::InDoubt { resource: id.clone(), why: format!("malformed response: {error}") })
}

//! Clients, credentials, endpoints and retry policy: the only file that builds a client.
//!
//! Where the calls go is decided once: to Google with application-default credentials, or to a simulated
//! cloud on loopback without any. Reads are retried by the SDK; a write is sent once, because a write
//! whose answer was lost must be looked at, not repeated.

use std::net::SocketAddr;
use std::time::Duration;

use google_cloud_auth::credentials::{Builder as DefaultCredentials, CacheableResource, Credentials, anonymous};
use google_cloud_gax::error::rpc::{Code, Status};
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt as _};
use google_cloud_longrunning::model::Operation;
use google_cloud_run_v2::client::{Revisions, Services};
use google_cloud_vpcaccess_v1::client::VpcAccessService;

use super::error::{BuildError, ReadError, WriteError, of_http};
use crate::run::ResourceId;

/// How long one attempt of one call may take. It says nothing about the outcome of a write.
pub(super) const ATTEMPT: Duration = Duration::from_secs(30);
const READ_ATTEMPTS: u32 = 4;

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Google's own hosts, with application-default credentials.
    Google,
    /// A simulated cloud on this machine, with no credentials at all.
    Simulated(SocketAddr),
}

/// Clients for everything this program asks of Google.
pub struct Cloud {
    pub(super) services: Services,
    pub(super) vpc: VpcAccessService,
    revisions: Revisions,
    rest: Rest,
}

impl Cloud {
    /// Makes the clients. No call is made yet.
    pub async fn at(endpoint: &Endpoint) -> Result<Cloud, BuildError> {
        let client = |error: &dyn std::fmt::Display| BuildError::Client(error.to_string());
        let (simulated, credentials) = match endpoint {
            Endpoint::Google => (
                None,
                DefaultCredentials::default().build().map_err(|error| BuildError::Credentials(error.to_string()))?,
            ),
            Endpoint::Simulated(address) => (Some(format!("http://{address}")), anonymous::Builder::new().build()),
        };
        // The builders have no type in common, only the same methods.
        macro_rules! build {
            ($client:ty) => {{
                let mut builder = <$client>::builder()
                    .with_credentials(credentials.clone())
                    .with_attempt_timeout(ATTEMPT)
                    .with_retry_policy(Aip194Strict.with_attempt_limit(READ_ATTEMPTS))
                    .with_backoff_policy(backoff().map_err(|error| client(&error))?);
                if let Some(endpoint) = &simulated {
                    builder = builder.with_endpoint(endpoint);
                }
                builder.build().await.map_err(|error| client(&error))?
            }};
        }
        let mut http = reqwest::Client::builder().timeout(ATTEMPT).redirect(reqwest::redirect::Policy::none());
        if simulated.is_some() {
            http = http.no_proxy();
        }
        let endpoint = simulated.clone().unwrap_or_else(|| "https://vpcaccess.googleapis.com".to_owned());
        Ok(Cloud {
            services: build!(Services),
            vpc: build!(VpcAccessService),
            revisions: build!(Revisions),
            rest: Rest { http: http.build().map_err(|error| client(&error))?, endpoint, credentials },
        })
    }

    /// PATCHes a connector: the one call that the SDK does not have.
    ///
    /// The published proto of Serverless VPC Access v1 has no update; the REST method is what gcloud uses
    /// (`vpcaccess.projects.locations.connectors.patch`).
    pub(super) async fn patch_connector(
        &self,
        id: &ResourceId,
        mask: &str,
        body: &serde_json::Value,
    ) -> Result<Operation, WriteError> {
        self.rest.patch(id, &format!("/v1/{}", super::connector::path(id)), mask, body).await
    }

    /// Whether a revision exists and is ready to serve. `None`: there is no such revision.
    pub async fn revision_is_ready(&self, service: &ResourceId, revision: &str) -> Result<Option<bool>, ReadError> {
        use google_cloud_run_v2::model::condition::State;
        let name = format!("{}/revisions/{revision}", super::cloud_run::path(service));
        match self.revisions.get_revision().set_name(name).send().await.map_err(|error| ReadError::of(service, &error))
        {
            Ok(revision) => {
                let ready = revision.conditions.iter().find(|condition| condition.r#type == "Ready");
                Ok(Some(ready.is_some_and(|condition| condition.state == State::ConditionSucceeded)))
            }
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn backoff() -> Result<ExponentialBackoff, google_cloud_gax::exponential_backoff::Error> {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(Duration::from_millis(200))
        .with_maximum_delay(Duration::from_secs(5))
        .build()
}

/// Plain REST with the SDK's credentials, for what the SDK cannot say.
struct Rest {
    http: reqwest::Client,
    endpoint: String,
    credentials: Credentials,
}

impl Rest {
    async fn patch(
        &self,
        id: &ResourceId,
        path: &str,
        mask: &str,
        body: &serde_json::Value,
    ) -> Result<Operation, WriteError> {
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let in_doubt = |why: String| WriteError::InDoubt { resource: id.clone(), why };
        let headers = self.credentials.headers(http::Extensions::new()).await;
        let headers = match headers.map_err(|error| refused(format!("no credentials: {error}")))? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => http::HeaderMap::new(),
        };
        let request = self.http.patch(format!("{}{path}", self.endpoint)).query(&[("updateMask", mask)]);
        let answer = request.headers(headers).json(body).send().await.map_err(|error| {
            let not_sent = error.is_connect() || error.is_builder();
            WriteError::sort(id, None, not_sent, error.without_url().to_string())
        })?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| in_doubt(error.without_url().to_string()))?;
        if !status.is_success() {
            let parsed = Status::try_from(&bytes).ok();
            let code: Option<Code> = parsed.as_ref().map(|status| status.code).or_else(|| of_http(status.as_u16()));
            let why =
                parsed.map_or_else(|| status.to_string(), |status| format!("{}: {}", status.code, status.message));
            return Err(WriteError::sort(id, code, false, why));
        }
        serde_json::from_slice(&bytes).map_err(|error| in_doubt(format!("the answer makes no sense: {error}")))
    }
}

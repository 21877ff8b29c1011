//! Plain REST with the SDK's credentials, for what the SDK has no call for.
//!
//! Its errors are the SDK's own, so that whoever sorts them does not care how a call was made. Reads are retried by
//! the SDK's policies; a write is sent once.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::backoff_policy::BackoffPolicy;
use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::error::rpc::Status;
use google_cloud_gax::retry_policy::RetryPolicy as _;
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;
use hyper::body::Bytes;
use jiff::Timestamp;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::call::Call;
use super::path::ApiPath;
use super::retry::Reads;
use crate::clock::{Clock as _, SystemClock, between};
use crate::redact;

/// An API that is spoken to in plain REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Serverless VPC Access: its SDK has no update.
    VpcAccess,
    /// Compute Engine: two reads are not worth its crate.
    Compute,
    /// Cloud SQL Admin: the SDK's PATCH cannot say that no flag is left.
    Sql,
    /// Resource Manager: who may do what in a project.
    ResourceManager,
    /// Service Usage: which APIs are enabled.
    ServiceUsage,
    /// Cloud Monitoring: its SDK has no PromQL.
    Monitoring,
    /// OpenID Connect: who the caller is.
    OpenId,
}

impl Api {
    fn host(self) -> &'static str {
        match self {
            Api::VpcAccess => "https://vpcaccess.googleapis.com",
            Api::Compute => "https://compute.googleapis.com",
            Api::Sql => "https://sqladmin.googleapis.com",
            Api::ResourceManager => "https://cloudresourcemanager.googleapis.com",
            Api::ServiceUsage => "https://serviceusage.googleapis.com",
            Api::Monitoring => "https://monitoring.googleapis.com",
            Api::OpenId => "https://openidconnect.googleapis.com",
        }
    }
}

/// A client for plain REST.
#[derive(Clone)]
pub(super) struct Rest {
    http: reqwest::Client,
    /// One address for every API: a simulated cloud.
    instead: Option<String>,
    credentials: Credentials,
    backoff: Arc<dyn BackoffPolicy>,
}

impl Rest {
    /// A client that gives every attempt this long.
    pub(super) fn new(
        instead: Option<String>,
        credentials: Credentials,
        backoff: Arc<dyn BackoffPolicy>,
        attempt: Duration,
    ) -> Result<Rest, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(attempt).redirect(reqwest::redirect::Policy::none());
        let http = if instead.is_some() { http.no_proxy() } else { http };
        Ok(Rest { http: http.build()?, instead, credentials, backoff })
    }

    /// GETs.
    pub(super) async fn get(&self, api: Api, path: &ApiPath, query: &[(&str, &str)]) -> Result<Value, SdkError> {
        self.read(|| self.http.get(self.url(api, path)).query(query)).await
    }

    /// POSTs what only asks, such as `testIamPermissions`.
    pub(super) async fn ask(&self, api: Api, path: &ApiPath, body: &Value) -> Result<Value, SdkError> {
        self.read(|| self.http.post(self.url(api, path)).json(body)).await
    }

    /// PATCHes. Sent once.
    pub(super) async fn patch(
        &self,
        api: Api,
        path: &ApiPath,
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, SdkError> {
        self.send(self.http.patch(self.url(api, path)).query(query).json(body)).await
    }

    /// What the clock of an API says.
    pub(super) async fn date(&self, api: Api) -> Result<Timestamp, String> {
        let answer = self.http.head(self.url(api, &ApiPath::version("/"))).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.ok_or("the answer has no date")?;
        let read = jiff::fmt::rfc2822::parse(date).map_err(|error| error.to_string())?;
        Ok(read.timestamp())
    }

    fn url(&self, api: Api, path: &ApiPath) -> String {
        format!("{}{path}", self.instead.as_deref().unwrap_or(api.host()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "as the SDK waits between attempts: for the network, not for the cloud"
    )]
    async fn read(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, SdkError> {
        let mut state = RetryState::new(true);
        loop {
            let error = match self.send(request()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            state.attempt_count += 1;
            match Reads.on_error(&state, error) {
                RetryResult::Continue(_) => tokio::time::sleep(self.backoff.on_failure(&state)).await,
                RetryResult::Permanent(error) | RetryResult::Exhausted(error) => return Err(error),
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, SdkError> {
        let headers = self.credentials.headers(http::Extensions::new()).await.map_err(SdkError::authentication)?;
        let headers = match headers {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => http::HeaderMap::new(),
        };
        let authorization = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = authorization.and_then(|value| value.strip_prefix("Bearer ")) {
            // Known from here on, in case an answer repeats it.
            drop(redact::captured("access_token", token.to_owned()));
        }
        let request = request.headers(headers).build().map_err(|error| SdkError::binding(error.without_url()))?;
        let (method, url, began) = (request.method().to_string(), request.url().to_string(), SystemClock.now());
        let answer = self.http.execute(request).await;
        let told = answer.as_ref().map(|answer| answer.status().as_u16()).map_err(ToString::to_string);
        Call { method, url, answer: told, took: between(began, SystemClock.now()) }.tell();
        let answer = answer.map_err(|error| {
            let sort = match &error {
                error if error.is_connect() => SdkError::connect,
                error if error.is_timeout() => SdkError::timeout,
                _ => SdkError::io,
            };
            sort(error.without_url())
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = whole(answer).await?;
        if !status.is_success() {
            return Err(match Status::try_from(&body) {
                Ok(known) => SdkError::service_with_http_metadata(known, Some(status.as_u16()), Some(headers)),
                Err(_) => SdkError::http(status.as_u16(), headers, body),
            });
        }
        serde_json::from_slice(&body).map_err(SdkError::deser)
    }
}

/// An answer has at most so many bytes: a page of a thousand log entries has a few million.
const LARGEST: usize = 32 << 20;

/// The whole answer, if it ends.
async fn whole(answer: reqwest::Response) -> Result<Bytes, SdkError> {
    match body_within(answer, LARGEST).await {
        Ok(body) => Ok(body.into()),
        Err(BodyError::Broken(error)) => Err(SdkError::io(error.without_url())),
        Err(error @ BodyError::TooLarge(_)) => Err(SdkError::deser(error)),
    }
}

/// Why there is no body of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection ended before it.
    #[error(transparent)]
    Broken(reqwest::Error),
    /// It has more bytes than it may.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// The body of an answer, which may have so many bytes.
///
/// # Errors
/// If it does not end, or not in time.
pub(crate) async fn body_within(mut answer: reqwest::Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + part.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

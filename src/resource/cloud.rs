//! The reading side of Google Cloud.
//!
//! A [`Cloud`] has no call that changes something, so whoever holds no [`Writer`](super::Writer)
//! cannot write: a dry run is one by construction. Its one PATCH is sent with `validateOnly`, which Google promises to
//! have no effect (source: `google/cloud/run/v2/service.proto`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::api_error::ApiError;
use super::endpoint::Endpoint;
use super::error::{BuildError, ReadError};
use super::path::ApiPath;
use super::rest::{Api, Request, Rest};
use super::run_api::Service;
use crate::run::ResourceId;

/// Everything that this program asks of Google.
pub struct Cloud {
    pub(super) rest: Rest,
    /// The services that were read, newest look only: a write is worked out from what was looked at.
    pub(super) read: Mutex<BTreeMap<String, Service>>,
    /// How late each metric's points are: it does not change while a program runs.
    pub(super) delays: Mutex<BTreeMap<String, Option<Duration>>>,
    impersonated: Option<String>,
}

impl Cloud {
    /// Makes the client. No call is made yet.
    ///
    /// # Errors
    /// If there are no usable credentials.
    pub async fn at(endpoint: &Endpoint) -> Result<Cloud, BuildError> {
        Ok(Cloud {
            rest: endpoint.client().await?,
            read: Mutex::default(),
            delays: Mutex::default(),
            impersonated: match endpoint {
                Endpoint::Google { impersonate } => impersonate.clone(),
                Endpoint::Simulated(_) | Endpoint::Own { .. } => None,
            },
        })
    }

    /// The same client, with nothing remembered of what it was told.
    #[must_use]
    pub fn anew(&self) -> Cloud {
        Cloud {
            rest: self.rest.clone(),
            read: Mutex::default(),
            delays: Mutex::default(),
            impersonated: self.impersonated.clone(),
        }
    }

    /// GETs what Cloud SQL Admin has at a path below a project.
    pub(super) async fn sql(&self, path: &ApiPath, query: &[(&'static str, &str)]) -> Result<Value, ApiError> {
        let request = Request::get(Api::Sql, ApiPath::version("/v1").name(path));
        self.rest.read(query.iter().fold(request, |request, (name, value)| request.with(name, *value))).await
    }

    /// The flags that instances of a version, such as `POSTGRES_15`, can have.
    pub(super) async fn sql_flags(&self, version: &str) -> Result<Value, ApiError> {
        let request = Request::get(Api::Sql, ApiPath::version("/v1").at("flags")).with("databaseVersion", version);
        self.rest.read(request).await
    }

    /// A global resource of Compute Engine, such as one of the `backendServices`.
    pub(super) async fn compute(&self, project: &str, collection: &'static str, name: &str) -> Result<Value, ApiError> {
        let path = ApiPath::version("/compute/v1").name(&ApiPath::project(project)).at("global").of(collection, name);
        let found: Value = self.rest.read(Request::get(Api::Compute, path)).await?;
        match found.get("name").and_then(Value::as_str) {
            Some(named) if named == name => Ok(found),
            named => {
                Err(ApiError::Malformed(format!("it is about {:?}, not about {name:?}", named.unwrap_or_default())))
            }
        }
    }

    /// Which of these permissions the caller has in the project (source: `projects.testIamPermissions`; conditions,
    /// deny policies and organisation policies may still refuse).
    pub(super) async fn permitted(&self, project: &str, of: &[&str]) -> Result<Vec<String>, ApiError> {
        self.rest.permitted(Api::ResourceManager, ApiPath::version("/v3").name(&ApiPath::project(project)), of).await
    }

    /// Whether an API, such as `run.googleapis.com`, is enabled in a project.
    pub async fn api_is_enabled(&self, project: &str, api: &str) -> Result<bool, ReadError> {
        let path = ApiPath::version("/v1").name(&ApiPath::project(project)).of("services", api);
        let answer: Result<Value, _> = self.rest.read(Request::get(Api::ServiceUsage, path)).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        match answer.get("state").and_then(Value::as_str) {
            Some(state) => Ok(state == "ENABLED"),
            None => Err(ReadError::Malformed { resource: whole(project), why: format!("{api} has no state") }),
        }
    }

    /// Whether the caller could open a support case: the API is enabled, and it may. Whether the support tier allows it
    /// shows only when one is opened (facts, section 5).
    pub async fn may_open_cases(&self, project: &str) -> Result<bool, ReadError> {
        let had = self.permitted(project, &["cloudsupport.techCases.create"]).await;
        let had = had.map_err(|error| ReadError::of(&whole(project), &error))?;
        Ok(!had.is_empty() && self.api_is_enabled(project, "cloudsupport.googleapis.com").await?)
    }

    /// As whom calls are made (source: Google's OpenID Connect user info).
    pub async fn principal(&self) -> Result<Principal, ReadError> {
        let source = source();
        if let Some(email) = &self.impersonated {
            return Ok(Principal { email: Some(email.clone()), source: format!("impersonated, by {source}") });
        }
        match self.rest.read(Request::get(Api::OpenId, ApiPath::version("/v1").at("userinfo"))).await {
            Ok(UserInfo { email }) => Ok(Principal { email, source }),
            // A token without the scope for it is still a token.
            Err(error) if matches!(error.http_status(), Some(401 | 403)) => Ok(Principal { email: None, source }),
            Err(error) => Err(ReadError::of(&whole("-"), &error)),
        }
    }

    /// What Google's clock says.
    ///
    /// # Errors
    /// In words, if there is no answer, or none with a date.
    pub async fn date(&self) -> Result<Timestamp, String> {
        self.rest.date(Api::ResourceManager).await
    }
}

/// As whom calls are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The e-mail address of the account, if Google tells it.
    pub email: Option<String>,
    /// How the credentials were found.
    pub source: String,
}

/// What is read of who the caller is. Without a scope for it there is no address.
#[derive(Deserialize)]
struct UserInfo {
    email: Option<String>,
}

/// Where application-default credentials come from (source: Google's documentation of them).
#[expect(clippy::disallowed_methods, reason = "the environment is where they are looked for")]
fn source() -> String {
    match std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS") {
        Some(path) => format!("application-default credentials of {}", path.to_string_lossy()),
        None => "application-default credentials".to_owned(),
    }
}

/// The project itself, where an error wants to name a resource.
pub(super) fn whole(project: &str) -> ResourceId {
    let (kind, name) = ("gcp.project".to_owned(), project.to_owned());
    ResourceId { kind, project: project.to_owned(), region: "global".to_owned(), name }
}

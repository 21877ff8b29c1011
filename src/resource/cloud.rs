//! The reading side of Google Cloud: clients, credentials, endpoints and retry policy.
//!
//! Where the calls go is decided once: to Google with application-default credentials, or to a simulated cloud on
//! loopback without any. A [`Cloud`] has no call that changes something, so whoever holds no [`Writer`](super::Writer)
//! cannot write: a dry run is one by construction. Its one PATCH is sent with `validateOnly`, which Google promises to
//! have no effect (source: `google/cloud/run/v2/service.proto`). Reads are retried by the SDK.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{Builder as DefaultCredentials, Credentials, anonymous, impersonated};
use google_cloud_gax::backoff_policy::BackoffPolicy;
use google_cloud_gax::error::Error as SdkError;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::options::RequestOptionsBuilder as _;
use google_cloud_gax::paginator::Paginator;
use google_cloud_logging_v2::client::LoggingServiceV2;
use google_cloud_logging_v2::model::LogEntry;
use google_cloud_logging_v2::model::log_entry::Payload;
use google_cloud_longrunning::model::{ListOperationsResponse, Operation};
use google_cloud_run_v2::client::{Revisions, Services};
use google_cloud_run_v2::model::{Revision, Service};
use google_cloud_servicehealth_v1::client::ServiceHealth;
use google_cloud_servicehealth_v1::model::Event;
use google_cloud_vpcaccess_v1::client::VpcAccessService;
use google_cloud_vpcaccess_v1::model::Connector;
use google_cloud_wkt::FieldMask;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{BuildError, ReadError};
use super::path::ApiPath;
use super::rest::{Api, Rest};
use crate::clock::{Clock as _, SystemClock, between};
use crate::run::ResourceId;

/// How long one attempt of one call may take. It says nothing about the outcome of a write.
pub(super) const ATTEMPT: Duration = Duration::from_secs(30);

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Google's own hosts, with application-default credentials.
    Google {
        /// The service account to act as, by its e-mail address, if not as oneself.
        impersonate: Option<String>,
    },
    /// A simulated cloud on this machine, with no credentials at all.
    Simulated(SocketAddr),
}

/// What it takes to make a client of any API.
pub(super) struct Access {
    pub(super) instead: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) backoff: Arc<dyn BackoffPolicy>,
}

impl Access {
    pub(super) fn to(endpoint: &Endpoint) -> Result<Access, BuildError> {
        // Between a program and a simulated cloud there is no network that could need a rest.
        let (first, longest) = match endpoint {
            Endpoint::Google { .. } => (Duration::from_millis(200), Duration::from_secs(5)),
            Endpoint::Simulated(_) => (Duration::from_millis(1), Duration::from_millis(5)),
        };
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_delay(first)
            .with_maximum_delay(longest)
            .build()
            .map_err(|error| BuildError::Client(error.to_string()))?;
        let (instead, credentials) = match endpoint {
            Endpoint::Google { impersonate } => (None, google(impersonate.as_deref())?),
            Endpoint::Simulated(address) => (Some(format!("http://{address}")), anonymous::Builder::new().build()),
        };
        Ok(Access { instead, credentials, backoff: Arc::new(backoff) })
    }

    pub(super) fn rest(&self) -> Result<Rest, BuildError> {
        let Access { instead, credentials, backoff } = self;
        Rest::new(instead.clone(), credentials.clone(), backoff.clone(), ATTEMPT)
            .map_err(|error| BuildError::Client(error.to_string()))
    }
}

fn google(impersonate: Option<&str>) -> Result<Credentials, BuildError> {
    let own = DefaultCredentials::default().build();
    let own = own.map_err(|error| BuildError::Credentials(error.to_string()))?;
    let Some(account) = impersonate else { return Ok(own) };
    let other = impersonated::Builder::from_source_credentials(own).with_target_principal(account).build();
    other.map_err(|error| BuildError::Credentials(error.to_string()))
}

/// Makes a client of the SDK's. The builders have no type in common, only the same methods.
macro_rules! client {
    ($client:ty, $access:expr) => {{
        let access: &$crate::resource::cloud::Access = $access;
        // The SDK would follow a redirect to any host, and out of TLS, and believe what it finds there. Its setting for that is not in
        // its documentation, but public.
        let builder = google_cloud_gax::client_builder::internal::with_follow_redirects(<$client>::builder(), false);
        let mut builder = builder
            .with_credentials(access.credentials.clone())
            .with_tracing()
            .with_attempt_timeout(ATTEMPT)
            .with_retry_policy($crate::resource::retry::Reads)
            .with_backoff_policy(access.backoff.clone());
        if let Some(instead) = &access.instead {
            builder = builder.with_endpoint(instead);
        }
        builder.build().await.map_err(|error| BuildError::Client(error.to_string()))
    }};
}
pub(super) use client;

/// Clients for everything that this program asks of Google.
pub struct Cloud {
    services: Services,
    revisions: Revisions,
    vpc: VpcAccessService,
    health: ServiceHealth,
    pub(super) rest: Rest,
    /// The services that were read, newest look only: a write is worked out from what was looked at.
    read: Mutex<BTreeMap<String, Service>>,
    impersonated: Option<String>,
    logging: LoggingServiceV2,
    /// How late each metric's points are: it does not change while a program runs.
    delays: Mutex<BTreeMap<String, Option<Duration>>>,
}

/// Where Cloud Monitoring serves the Prometheus HTTP API.
fn prometheus(project: &str) -> ApiPath {
    ApiPath::version("/v1").name(&ApiPath::project(project)).at("location/global/prometheus/api/v1")
}

/// More pages of a list than this are not asked for. Cloud Logging answers with empty pages while it searches.
const MOST_PAGES: u32 = 25;

/// How long a list may take, with all of its pages.
const WHOLE_LIST: Duration = Duration::from_mins(2);

/// How far a list has been read. One that does not end is an error: what is there of it says nothing of the rest.
struct Pages {
    began: Timestamp,
    read: u32,
}

impl Pages {
    fn begin() -> Pages {
        Pages { began: SystemClock.now(), read: 0 }
    }

    /// Counts a page.
    fn count(&mut self) -> Result<(), SdkError> {
        self.read += 1;
        if self.read > MOST_PAGES {
            return Err(SdkError::timeout(format!("the list has more than {MOST_PAGES} pages")));
        }
        if between(self.began, SystemClock.now()) > WHOLE_LIST {
            return Err(SdkError::timeout(format!("the list was not complete after {} s", WHOLE_LIST.as_secs())));
        }
        Ok(())
    }
}

/// The operations in a list that have not ended.
async fn unfinished(mut pages: impl Paginator<ListOperationsResponse, SdkError>) -> Result<Vec<Operation>, SdkError> {
    let (mut found, mut read) = (Vec::new(), Pages::begin());
    while let Some(page) = pages.next().await {
        read.count()?;
        found.extend(page?.operations);
    }
    found.retain(|operation| !operation.done);
    Ok(found)
}

/// More entries than this are not asked for at once.
const MOST_LINES: i32 = 1000;

/// A metric's type as PromQL spells it (source: the documentation of PromQL in Cloud Monitoring).
fn spelt(metric: &str) -> String {
    let (service, rest) = metric.split_once('/').unwrap_or((metric, ""));
    let plain = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    format!("{}:{}", plain(service), plain(rest))
}

/// An entry of the logs, as much of it as is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
    /// The status of the request that it is about.
    pub status: Option<i32>,
    /// The id of the request's trace, by which Google finds it again; empty if it has none.
    pub trace: String,
}

impl Cloud {
    /// Makes the clients. No call is made yet.
    pub async fn at(endpoint: &Endpoint) -> Result<Cloud, BuildError> {
        let access = Access::to(endpoint)?;
        Ok(Cloud {
            services: client!(Services, &access)?,
            revisions: client!(Revisions, &access)?,
            vpc: client!(VpcAccessService, &access)?,
            logging: client!(LoggingServiceV2, &access)?,
            delays: Mutex::default(),
            health: client!(ServiceHealth, &access)?,
            rest: access.rest()?,
            read: Mutex::default(),
            impersonated: match endpoint {
                Endpoint::Google { impersonate } => impersonate.clone(),
                Endpoint::Simulated(_) => None,
            },
        })
    }

    /// The same clients, with nothing remembered of what they were told.
    #[must_use]
    pub fn anew(&self) -> Cloud {
        Cloud {
            services: self.services.clone(),
            revisions: self.revisions.clone(),
            vpc: self.vpc.clone(),
            // Cloud SQL has a method of that name.
            health: self.health.clone(),
            rest: self.rest.clone(),
            read: Mutex::default(),
            impersonated: self.impersonated.clone(),
            logging: self.logging.clone(),
            delays: Mutex::default(),
        }
    }

    pub(super) async fn service(&self, name: &str) -> Result<Service, SdkError> {
        let service = self.services.get_service().set_name(name).send().await?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), service.clone());
        Ok(service)
    }

    /// A service as it was last read, if it had this etag then.
    pub(super) fn service_with(&self, name: &str, etag: &str) -> Option<Service> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(name).filter(|service| service.etag == etag).cloned()
    }

    pub(super) async fn revision(&self, name: &str) -> Result<Revision, SdkError> {
        self.revisions.get_revision().set_name(name).send().await
    }

    /// The newest revisions of a service. Newest first (source: the comment of `ListRevisions` in
    /// `google/cloud/run/v2/revision.proto`); one page.
    pub(super) async fn revisions_of(&self, service: &str, most: usize) -> Result<Vec<Revision>, SdkError> {
        let request = self.revisions.list_revisions().set_parent(service);
        let request = request.set_page_size(i32::try_from(most).unwrap_or(i32::MAX));
        Ok(request.send().await?.revisions)
    }

    /// Asks Cloud Run whether it would take a PATCH, without its taking place.
    pub(super) async fn validate_service(&self, service: Service, mask: &str) -> Result<(), SdkError> {
        let request = self.services.update_service().set_service(service).set_allow_missing(false);
        let request = request.set_update_mask(FieldMask::default().set_paths([mask])).set_validate_only(true);
        request.with_idempotency(true).send().await.map(drop)
    }

    pub(super) async fn run_operation(&self, name: &str) -> Result<Operation, SdkError> {
        self.services.get_operation().set_name(name).send().await
    }

    /// The same, answered once it has ended or the time is up. The API may answer earlier (source: the comment of
    /// `google.longrunning.Operations.WaitOperation`: best effort).
    pub(super) async fn run_operation_held(&self, name: &str, patience: Duration) -> Result<Operation, SdkError> {
        let patience = google_cloud_wkt::Duration::try_from(patience).unwrap_or_default();
        let request = self.services.wait_operation().set_name(name).set_timeout(patience);
        // A POST that only asks.
        request.with_idempotency(true).send().await
    }

    /// The operations of Cloud Run in a location that have not ended.
    pub(super) async fn run_operations(&self, location: &str) -> Result<Vec<Operation>, SdkError> {
        unfinished(self.services.list_operations().set_name(location).by_page()).await
    }

    pub(super) async fn connector(&self, name: &str) -> Result<Connector, SdkError> {
        self.vpc.get_connector().set_name(name).send().await
    }

    pub(super) async fn vpc_operation(&self, name: &str) -> Result<Operation, SdkError> {
        self.vpc.get_operation().set_name(name).send().await
    }

    /// The operations of Serverless VPC Access in a location that have not ended.
    pub(super) async fn vpc_operations(&self, location: &str) -> Result<Vec<Operation>, SdkError> {
        unfinished(self.vpc.list_operations().set_name(location).by_page()).await
    }

    /// GETs what Cloud SQL Admin has at a path below a project.
    pub(super) async fn sql(&self, path: &ApiPath, query: &[(&str, &str)]) -> Result<Value, SdkError> {
        self.rest.get(Api::Sql, &ApiPath::version("/v1").name(path), query).await
    }

    /// The flags that instances of a version, such as `POSTGRES_15`, can have.
    pub(super) async fn sql_flags(&self, version: &str) -> Result<Value, SdkError> {
        self.rest.get(Api::Sql, &ApiPath::version("/v1").at("flags"), &[("databaseVersion", version)]).await
    }

    /// The incidents that Google has told this project of and that are not over.
    pub(super) async fn incidents(&self, project: &str) -> Result<Vec<Event>, SdkError> {
        let parent = ApiPath::location(project, "global").to_string();
        let request = self.health.list_events().set_parent(parent).set_filter("category=INCIDENT state=ACTIVE");
        let mut pages = request.by_page();
        let (mut found, mut read) = (Vec::new(), Pages::begin());
        while let Some(page) = pages.next().await {
            read.count()?;
            found.extend(page?.events);
        }
        Ok(found)
    }

    /// The newest entries of the logs that match a filter, written since a moment and until another, if one is given; at
    /// most so many.
    pub async fn log(
        &self,
        project: &str,
        filter: &str,
        since: Timestamp,
        until: Option<Timestamp>,
        most: usize,
    ) -> Result<Vec<LogLine>, ReadError> {
        let until = until.map(|until| format!(" AND timestamp<=\"{until}\"")).unwrap_or_default();
        let filter = format!("({filter}) AND timestamp>=\"{since}\"{until}");
        let request = self.logging.list_log_entries().set_resource_names([format!("projects/{project}")]);
        let request = request.set_filter(filter).set_order_by("timestamp desc").set_page_size(MOST_LINES);
        // A POST that only asks.
        let mut pages = request.with_idempotency(true).by_page();
        let (mut entries, mut read) = (Vec::new(), Pages::begin());
        let failed = |error: SdkError| ReadError::of(&whole(project), &error);
        while entries.len() < most {
            let Some(page) = pages.next().await else { break };
            read.count().map_err(failed)?;
            entries.extend(page.map_err(failed)?.entries);
        }
        entries.truncate(most);
        let line = |entry: LogEntry| {
            let text = match &entry.payload {
                Some(Payload::TextPayload(text)) => text.clone(),
                Some(Payload::JsonPayload(json)) => {
                    json.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
                }
                _ => String::new(),
            };
            let at = entry.timestamp.and_then(|at| Timestamp::new(at.seconds(), at.nanos()).ok()).unwrap_or_default();
            // It is `projects/P/traces/ID` (source: `google/logging/v2/log_entry.proto`).
            let trace = entry.trace.rsplit('/').next().unwrap_or_default().to_owned();
            LogLine { at, text, status: entry.http_request.map(|request| request.status), trace }
        };
        Ok(entries.into_iter().map(line).collect())
    }

    /// What a query in PromQL gives as of a moment: a value for each series (source: the Prometheus HTTP API, which
    /// Cloud Monitoring serves at the location `global`).
    pub async fn promql(&self, project: &str, query: &str, at: Timestamp) -> Result<Vec<f64>, ReadError> {
        let garbled = |why: &str| ReadError::Garbled { resource: whole(project), why: why.to_owned() };
        let path = prometheus(project).at("query");
        let answer = self.rest.get(Api::Monitoring, &path, &[("query", query), ("time", &at.to_string())]).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let data = answer.get("data").ok_or_else(|| garbled("it has no data"))?;
        let value = |sample: &Value| sample.get(1).and_then(Value::as_str).and_then(|value| value.parse().ok());
        match (data.get("resultType").and_then(Value::as_str), data.get("result")) {
            (Some("scalar"), Some(sample)) => Ok(value(sample).into_iter().collect()),
            (Some("vector"), Some(Value::Array(series))) => {
                let values = series.iter().map(|series| series.get("value").and_then(value));
                values.collect::<Option<_>>().ok_or_else(|| garbled("a sample is no number"))
            }
            _ => Err(garbled("it is neither a number nor a vector")),
        }
    }

    /// What a query in PromQL gives at each moment of a stretch of time; a moment without data is left out.
    pub async fn promql_range(
        &self,
        project: &str,
        query: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<BTreeMap<Timestamp, f64>, ReadError> {
        let garbled = |why: &str| ReadError::Garbled { resource: whole(project), why: why.to_owned() };
        let path = prometheus(project).at("query_range");
        let (start, end) = (from.to_string(), to.to_string());
        let step = format!("{}s", step.as_secs().max(1));
        let asked = [("query", query), ("start", start.as_str()), ("end", end.as_str()), ("step", step.as_str())];
        let answer = self.rest.get(Api::Monitoring, &path, &asked).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let series =
            answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(|| garbled("it has no data"))?;
        let [one] = series.as_slice() else {
            return if series.is_empty() {
                Ok(BTreeMap::new())
            } else {
                Err(garbled(&format!("it has {} series; sum them, or choose one", series.len())))
            };
        };
        let samples = one.get("values").and_then(Value::as_array).ok_or_else(|| garbled("a series has no values"))?;
        let sample = |sample: &Value| {
            let milliseconds = jiff::SignedDuration::try_from_secs_f64(sample.get(0)?.as_f64()?).ok()?.as_millis();
            let at = Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()?;
            Some((at, sample.get(1)?.as_str()?.parse().ok()?))
        };
        samples.iter().map(sample).collect::<Option<_>>().ok_or_else(|| garbled("a sample is no number"))
    }

    /// How long it takes until a point of a metric can be read: sample period and ingest delay, from its descriptor. `None`:
    /// there is no descriptor of that name in PromQL's spelling.
    pub async fn metric_delay(&self, project: &str, promql: &str) -> Result<Option<Duration>, ReadError> {
        let Some((service, _)) = promql.split_once(':') else { return Ok(None) };
        let known = self.delays.lock().unwrap_or_else(PoisonError::into_inner).get(promql).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let filter = format!("metric.type = starts_with(\"{}/\")", service.replace('_', "."));
        let path = ApiPath::version("/v3").name(&ApiPath::project(project)).at("metricDescriptors");
        let answer = self.rest.get(Api::Monitoring, &path, &[("filter", &filter)]).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        let all = answer.get("metricDescriptors").and_then(Value::as_array).cloned().unwrap_or_default();
        let found =
            all.iter().find(|one| one.get("type").and_then(Value::as_str).is_some_and(|name| spelt(name) == promql));
        let seconds = |field: &str| {
            let text = found?.get("metadata")?.get(field)?.as_str()?;
            text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
        };
        let delay = seconds("samplePeriod").zip(seconds("ingestDelay")).map(|(period, delay)| period + delay);
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).insert(promql.to_owned(), delay);
        Ok(delay)
    }

    /// `PRODUCT|REGION` of everything that Google says is touched by an incident that touches this project too.
    pub async fn impacts(&self, project: &str) -> Result<Vec<String>, ReadError> {
        let events = self.incidents(project).await.map_err(|error| ReadError::of(&whole(project), &error))?;
        let touching = events.iter().filter(|event| super::service_health::touches_project(event));
        let impacts = touching.flat_map(|event| &event.event_impacts).map(|impact| {
            let product = impact.product.as_ref().map(|product| product.product_name.as_str()).unwrap_or_default();
            let place = impact.location.as_ref().map(|place| place.location_name.as_str()).unwrap_or_default();
            format!("{product}|{place}")
        });
        Ok(impacts.collect())
    }

    /// A global resource of Compute Engine, such as one of the `backendServices`.
    pub(super) async fn compute(&self, project: &str, collection: &'static str, name: &str) -> Result<Value, SdkError> {
        let path = ApiPath::version("/compute/v1").name(&ApiPath::project(project)).at("global").of(collection, name);
        self.rest.get(Api::Compute, &path, &[]).await
    }

    /// Which of these permissions the caller has in the project (source: `projects.testIamPermissions`; conditions,
    /// deny policies and organisation policies may still refuse).
    pub(super) async fn permitted(&self, project: &str, of: &[&str]) -> Result<Vec<String>, SdkError> {
        let path = ApiPath::version("/v3").name(&ApiPath::project(project)).method("testIamPermissions");
        let answer = self.rest.ask(Api::ResourceManager, &path, &json!({ "permissions": of })).await?;
        Ok(texts(&answer))
    }

    /// The same for one Cloud Run service, which has permissions of its own.
    pub(super) async fn permitted_on_service(&self, id: &ResourceId, of: &[&str]) -> Result<Vec<String>, SdkError> {
        let name = super::cloud_run::path(id);
        let permissions = of.iter().map(|permission| (*permission).to_owned());
        let answer =
            self.services.test_iam_permissions().set_resource(name).set_permissions(permissions).send().await?;
        Ok(answer.permissions)
    }

    /// Whether an API, such as `run.googleapis.com`, is enabled in a project.
    pub async fn api_is_enabled(&self, project: &str, api: &str) -> Result<bool, ReadError> {
        let path = ApiPath::version("/v1").name(&ApiPath::project(project)).of("services", api);
        let answer = self.rest.get(Api::ServiceUsage, &path, &[]).await;
        let answer = answer.map_err(|error| ReadError::of(&whole(project), &error))?;
        Ok(answer.get("state").and_then(Value::as_str) == Some("ENABLED"))
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
        match self.rest.get(Api::OpenId, &ApiPath::version("/v1").at("userinfo"), &[]).await {
            Ok(answer) => {
                let email = answer.get("email").and_then(Value::as_str).map(str::to_owned);
                Ok(Principal { email, source })
            }
            // A token without the scope for it is still a token.
            Err(error) if error.http_status_code().is_some_and(|status| status == 401 || status == 403) => {
                Ok(Principal { email: None, source })
            }
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

fn texts(answer: &Value) -> Vec<String> {
    let listed = answer.get("permissions").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_an_end_is_given_up() {
        let mut pages = Pages::begin();
        for _ in 0..MOST_PAGES {
            pages.count().unwrap();
        }
        assert!(pages.count().is_err());
        let began = Timestamp::UNIX_EPOCH;
        assert!(Pages { began, ..Pages::begin() }.count().is_err(), "it takes too long");
    }
}

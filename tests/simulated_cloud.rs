//! The simulated cloud, tried over a real socket by Google's own clients: what it refuses, how long things take, and
//! which remedy heals what.
//!
//! The clock is stepped, so a run of an hour costs nothing and every duration is exact. Each test holds the clock
//! while it works, as a driver does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_longrunning::model::Operation;
use google_cloud_longrunning::model::operation::Result as Outcome;
use google_cloud_run_v2::client::{Revisions, Services};
use google_cloud_run_v2::model::condition::{RevisionReason, State};
use google_cloud_run_v2::model::{RevisionTemplate, Service, TrafficTarget, TrafficTargetAllocationType};
use google_cloud_vpcaccess_v1::client::VpcAccessService;
use google_cloud_vpcaccess_v1::model::connector::State as ConnectorState;
use google_cloud_vpcaccess_v1::model::{Connector, OperationMetadata};
use google_cloud_wkt::FieldMask;
use jiff::{SignedDuration, Timestamp};
use rectify::sim::{Busy, Clock, Reach, Simulator, StartError, World, scenario};
use serde_json::{Value, json};

const INCIDENT: &str = include_str!("../runbooks/connector-exhaustion.sim.toml");
const PLACE: &str = "projects/netra-staging/locations/us-central1";
const BACKEND: &str = "netra-backend-staging";
const AUTH: &str = "netra-auth-staging";
const OLD: &str = "netra-backend-staging-00749-6tr";
const GOOD: &str = "netra-backend-staging-00750-69k";
const API_HOST: &str = "api.staging.netrasystems.ai";
const AUTH_HOST: &str = "auth.staging.netrasystems.ai";
const NEW_AUTH: &str = "us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW_BACKEND: &str = "us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A simulated cloud, the clients that talk to it, and the hold on its clock.
struct Cloud {
    simulator: Simulator,
    clock: Clock,
    http: reqwest::Client,
    services: Services,
    revisions: Revisions,
    connectors: VpcAccessService,
    _busy: Busy,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn incident() -> Cloud {
    opened(scenario::parse("connector-exhaustion.sim.toml", INCIDENT).unwrap(), None).await
}

/// The incident with one line of its scenario replaced.
async fn incident_with(from: &str, to: &str) -> Cloud {
    assert!(INCIDENT.contains(from), "the scenario no longer has {from:?}");
    opened(scenario::parse("changed.sim.toml", &INCIDENT.replacen(from, to, 1)).unwrap(), None).await
}

async fn opened(world: World, saved: Option<PathBuf>) -> Cloud {
    let clock = Clock::stepped(world.now());
    let busy = clock.busy();
    let simulator = Simulator::start(world, clock.clone(), loopback(), saved).unwrap();
    let endpoint = format!("http://{}", simulator.addr());
    let nobody = || anonymous::Builder::new().build();
    Cloud {
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        services: Services::builder()
            .with_endpoint(&endpoint)
            .with_credentials(nobody())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .unwrap(),
        revisions: Revisions::builder()
            .with_endpoint(&endpoint)
            .with_credentials(nobody())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .unwrap(),
        connectors: VpcAccessService::builder()
            .with_endpoint(&endpoint)
            .with_credentials(nobody())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .unwrap(),
        simulator,
        clock,
        _busy: busy,
    }
}

fn service_name(short: &str) -> String {
    format!("{PLACE}/services/{short}")
}

fn connector_name() -> String {
    format!("{PLACE}/connectors/staging-connector")
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask::default().set_paths(paths.iter().copied())
}

fn all_to(revision: &str) -> TrafficTarget {
    TrafficTarget::new().set_type(TrafficTargetAllocationType::Revision).set_revision(revision).set_percent(100)
}

fn code(error: &Error) -> (Option<u16>, Option<Code>) {
    (error.http_status_code(), error.status().map(|status| status.code))
}

impl Cloud {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.addr())
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.clock.sleep_until(self.clock.now() + duration).await;
    }

    async fn service(&self, short: &str) -> Service {
        self.services.get_service().set_name(service_name(short)).send().await.unwrap()
    }

    async fn connector(&self) -> Connector {
        self.connectors.get_connector().set_name(connector_name()).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// Sends the connector's PATCH, which the SDK has no method for, as a tool has to: by hand.
    async fn patch_connector(&self, query: &str, body: &Value) -> (u16, Value) {
        self.patch(&format!("/v1/{}?{query}", connector_name()), body.to_string()).await
    }

    async fn patch(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let response =
            self.http.patch(self.url(path)).header("content-type", "application/json").body(body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn enlarge(&self, min: i64, max: i64) -> (u16, Value) {
        let query = "updateMask=minInstances%2CmaxInstances&%24alt=json%3Benum-encoding%3Dint";
        self.patch_connector(query, &json!({ "minInstances": min, "maxInstances": max })).await
    }

    /// Enlarges the connector to its limit and waits until that is done.
    async fn enlarged(&self) {
        let (status, operation) = self.enlarge(3, 10).await;
        assert_eq!(status, 200, "{operation}");
        self.sleep(SignedDuration::from_mins(4)).await;
        assert_eq!(self.connector().await.max_instances, 10);
    }

    /// Polls until the operation is done, as tools do.
    async fn done(&self, name: &str) -> Operation {
        loop {
            let operation = self.services.get_operation().set_name(name).send().await.unwrap();
            if operation.done {
                return operation;
            }
            self.sleep(SignedDuration::from_secs(5)).await;
        }
    }

    async fn change(&self, want: Service, paths: &[&str]) -> Result<Operation, Error> {
        self.services.update_service().set_service(want).set_update_mask(mask(paths)).send().await
    }

    async fn shift(&self, short: &str, traffic: impl IntoIterator<Item = TrafficTarget>) -> Result<Operation, Error> {
        let etag = self.service(short).await.etag;
        let want = Service::new().set_name(service_name(short)).set_etag(etag).set_traffic(traffic);
        self.change(want, &["traffic"]).await
    }

    async fn pinned(&self, revision: &str) {
        let operation = self.shift(BACKEND, [all_to(revision)]).await.unwrap();
        let operation = self.done(&operation.name).await;
        assert!(matches!(operation.result, Some(Outcome::Response(_))), "{operation:?}");
    }

    /// Asks for a deployment of `image`: everything else of the template stays.
    async fn deploy(&self, short: &str, image: &str) -> Result<Operation, Error> {
        let mut service = self.service(short).await;
        let mut template = service.template.take().unwrap();
        template.revision = String::new();
        image.clone_into(&mut template.containers[0].image);
        let want = Service::new().set_name(service_name(short)).set_etag(service.etag).set_template(template);
        self.change(want, &["template"]).await
    }

    async fn deployed(&self, short: &str, image: &str) -> Operation {
        let operation = self.deploy(short, image).await.unwrap();
        self.done(&operation.name).await
    }

    async fn visit(&self, host: &str, path: &str) -> (u16, String) {
        let response = self.http.get(self.url(path)).header("host", host).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn health(&self, host: &str) -> u16 {
        self.visit(host, "/health").await.0
    }

    async fn why(&self, short: &str) -> Value {
        self.get("/_sim/state").await["services"][short]["health"]["why"].clone()
    }
}

// ---- What the clients see ----

#[tokio::test]
async fn googles_clients_read_services_revisions_and_connectors() {
    let cloud = incident().await;
    let backend = cloud.service(BACKEND).await;
    assert_eq!(backend.name, service_name(BACKEND));
    assert_eq!(backend.latest_ready_revision, format!("{}/revisions/{GOOD}", service_name(BACKEND)));
    assert_eq!((backend.generation, backend.observed_generation, backend.reconciling), (2, 2, false));
    assert_eq!(backend.terminal_condition.as_ref().unwrap().state, State::ConditionSucceeded);
    let shares: Vec<_> = backend.traffic.iter().map(|t| (t.revision.as_str(), t.percent)).collect();
    assert_eq!(shares, [(OLD, 50), (GOOD, 50)]);
    assert_eq!(backend.traffic_statuses.len(), 2);

    let auth = cloud.service(AUTH).await;
    assert_eq!(auth.traffic[0].r#type, TrafficTargetAllocationType::Latest);
    assert_eq!(auth.traffic[0].percent, 100);

    let mut names = Vec::new();
    let mut items = cloud.revisions.list_revisions().set_parent(service_name(BACKEND)).set_page_size(1).by_item();
    while let Some(revision) = items.next().await {
        names.push(revision.unwrap().name.rsplit('/').next().unwrap().to_owned());
    }
    assert_eq!(names, [GOOD, OLD], "the newest first, page by page");

    let connector = cloud.connector().await;
    assert_eq!(connector.state, ConnectorState::Ready);
    assert_eq!((connector.min_instances, connector.max_instances), (2, 3));
    assert_eq!((connector.machine_type.as_str(), connector.ip_cidr_range.as_str()), ("e2-micro", "10.8.0.0/28"));
    let listed = cloud.connectors.list_connectors().set_parent(PLACE).send().await.unwrap();
    assert_eq!(listed.connectors.len(), 1);
}

#[tokio::test]
async fn a_shift_of_traffic_takes_its_time_and_a_stale_etag_is_refused() {
    let cloud = incident().await;
    let before = cloud.service(BACKEND).await;
    let want = Service::new().set_name(&before.name).set_etag(&before.etag).set_traffic([all_to(GOOD)]);
    let operation = cloud.change(want.clone(), &["traffic"]).await.unwrap();
    assert!(!operation.done);
    assert_eq!(operation.metadata.unwrap().to_msg::<Service>().unwrap().name, before.name);

    let during = cloud.service(BACKEND).await;
    assert!(during.reconciling);
    assert_eq!((during.generation, during.observed_generation), (3, 2));
    assert_eq!((during.traffic.len(), during.traffic_statuses.len()), (1, 2), "the status lags behind the spec");
    assert_ne!(during.etag, before.etag);
    let refused = cloud.change(want, &["traffic"]).await.unwrap_err();
    assert_eq!(code(&refused), (Some(409), Some(Code::Aborted)));

    cloud.sleep(SignedDuration::from_millis(4_999)).await;
    assert!(cloud.service(BACKEND).await.reconciling, "done before its time");
    cloud.sleep(SignedDuration::from_millis(1)).await;
    let after = cloud.service(BACKEND).await;
    assert!(!after.reconciling);
    assert_eq!(after.observed_generation, 3);
    assert_eq!(after.traffic_statuses.len(), 1);
    assert_eq!(after.latest_created_revision, before.latest_created_revision, "no revision for a shift of traffic");
    let done = cloud.services.get_operation().set_name(&operation.name).send().await.unwrap();
    let Some(Outcome::Response(response)) = done.result else { panic!("it failed") };
    assert_eq!(response.to_msg::<Service>().unwrap(), after);
}

#[tokio::test]
async fn a_deployment_makes_one_revision_and_a_pinned_service_gives_it_nothing() {
    let cloud = incident().await;
    cloud.enlarged().await;
    cloud.pinned(GOOD).await;
    let done = cloud.deployed(BACKEND, NEW_BACKEND).await;
    assert!(matches!(done.result, Some(Outcome::Response(_))), "{done:?}");
    let service = cloud.service(BACKEND).await;
    let new = service.latest_ready_revision.rsplit('/').next().unwrap().to_owned();
    assert!(new.starts_with("netra-backend-staging-00751-"), "{new}");
    assert_eq!(service.latest_created_revision, service.latest_ready_revision);
    assert_eq!(service.traffic_statuses[0].revision, GOOD, "a pinned service gives a new revision no traffic");
    let revision = cloud.revisions.get_revision().set_name(&service.latest_ready_revision).send().await.unwrap();
    assert_eq!(revision.containers[0].image, NEW_BACKEND);

    cloud.pinned(&new).await;
    assert_eq!(cloud.service(BACKEND).await.traffic_statuses[0].revision, new);
}

#[tokio::test]
async fn what_a_client_read_and_sends_back_unchanged_makes_no_revision() {
    let cloud = incident_with(
        "template = { timeout = \"300s\", scaling = { maxInstanceCount = 4 } }",
        "template = { timeout = \"300s\", executionEnvironment = \"EXECUTION_ENVIRONMENT_GEN2\", volumes = [{ name = \"tmp\", emptyDir = { medium = \"MEMORY\" } }] }",
    )
    .await;
    let before = cloud.service(AUTH).await;
    // The SDK turns every enum into a number on the way.
    let operation = cloud.services.update_service().set_service(before.clone()).send().await.unwrap();
    assert!(operation.done);
    let after = cloud.service(AUTH).await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_revision_name_is_used_once() {
    let cloud = incident().await;
    cloud.enlarged().await;
    cloud.pinned(GOOD).await;
    let named = |image: &str, revision: &str, template: &RevisionTemplate| {
        let mut template = template.clone();
        image.clone_into(&mut template.containers[0].image);
        template.revision = revision.to_owned();
        Service::new().set_name(service_name(AUTH)).set_template(template)
    };
    let template = cloud.service(AUTH).await.template.unwrap();
    let refused = cloud.change(named(NEW_AUTH, "auth-fix", &template), &["template"]).await.unwrap_err();
    assert_eq!(code(&refused), (Some(400), Some(Code::InvalidArgument)), "it must begin with the service's name");

    let mine = "netra-auth-staging-run42";
    let first = cloud.change(named(NEW_AUTH, mine, &template), &["template"]).await.unwrap();
    cloud.done(&first.name).await;
    assert!(cloud.service(AUTH).await.latest_ready_revision.ends_with(mine));
    // The same again converges; another configuration under the same name does not.
    let again = cloud.change(named(NEW_AUTH, mine, &template), &["template"]).await.unwrap();
    assert!(again.done, "a retry has nothing left to do");
    let refused = cloud.change(named(NEW_BACKEND, mine, &template), &["template"]).await.unwrap_err();
    assert_eq!(code(&refused), (Some(409), Some(Code::AlreadyExists)));
    let count = cloud.revisions.list_revisions().set_parent(service_name(AUTH)).send().await.unwrap().revisions.len();
    assert_eq!(count, 2);
}

#[tokio::test]
async fn a_tag_of_an_image_is_resolved_when_the_revision_is_made() {
    let digest = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
    let cloud = incident_with("[images]", &format!("[images]\ntags = {{ \"apps/auth:fixed\" = \"{digest}\" }}")).await;
    cloud.enlarged().await;
    cloud.pinned(GOOD).await;
    cloud.deployed(AUTH, "apps/auth:fixed").await;
    let service = cloud.service(AUTH).await;
    assert_eq!(service.template.unwrap().containers[0].image, "apps/auth:fixed");
    let revision = cloud.revisions.get_revision().set_name(&service.latest_ready_revision).send().await.unwrap();
    assert_eq!(revision.containers[0].image, format!("apps/auth@{digest}"));
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_changes_nothing() {
    let cloud = incident().await;
    let before = cloud.service(BACKEND).await;
    let dry = |percent| {
        let want = Service::new().set_name(&before.name).set_traffic([all_to(GOOD).set_percent(percent)]);
        cloud.services.update_service().set_service(want).set_update_mask(mask(&["traffic"])).set_validate_only(true)
    };
    let operation = dry(100).send().await.unwrap();
    assert!(operation.done);
    let Some(Outcome::Response(response)) = operation.result else { panic!("it failed") };
    assert_eq!(response.to_msg::<Service>().unwrap().traffic.len(), 1);
    assert_eq!(code(&dry(99).send().await.unwrap_err()).1, Some(Code::InvalidArgument));
    cloud.sleep(SignedDuration::from_mins(1)).await;
    assert_eq!(cloud.service(BACKEND).await, before);
    assert_eq!(cloud.get(&format!("/v2/{PLACE}/operations")).await["operations"], json!([]));
}

#[tokio::test]
async fn waiting_for_an_operation_ends_with_it_or_with_the_time() {
    let cloud = incident().await;
    let operation = cloud.shift(BACKEND, [all_to(GOOD)]).await.unwrap();
    let wait = |seconds| {
        let timeout = google_cloud_wkt::Duration::clamp(seconds, 0);
        cloud.services.wait_operation().set_name(&operation.name).set_timeout(timeout)
    };
    let start = cloud.clock.now();
    assert!(!wait(2).send().await.unwrap().done);
    assert_eq!(cloud.clock.now() - start, jiff::Span::new().seconds(2).fieldwise());
    assert!(wait(60).send().await.unwrap().done);
    assert_eq!(cloud.clock.now() - start, jiff::Span::new().seconds(5).fieldwise());
}

#[tokio::test]
async fn a_connector_grows_by_an_operation_that_takes_its_time() {
    let cloud = incident().await;
    let (status, operation) = cloud.enlarge(3, 10).await;
    assert_eq!(status, 200, "{operation}");
    let operation: Operation = serde_json::from_value(operation).unwrap();
    assert!(!operation.done);
    let metadata = operation.metadata.as_ref().unwrap().to_msg::<OperationMetadata>().unwrap();
    assert_eq!(metadata.target, connector_name());
    assert!(metadata.end_time.is_none());

    let during = cloud.connector().await;
    assert_eq!(during.state, ConnectorState::Updating);
    assert_eq!(during.max_instances, 3, "the new size counts from the end");
    let (status, refused) = cloud.enlarge(4, 10).await;
    assert_eq!((status, refused["error"]["status"].as_str()), (409, Some("ABORTED")));

    let mut listed = cloud.connectors.list_operations().set_name(PLACE).set_filter("done=false").by_item();
    assert_eq!(listed.next().await.unwrap().unwrap().name, operation.name);
    assert!(listed.next().await.is_none());

    cloud.sleep(SignedDuration::from_millis(4 * 60_000 - 1)).await;
    assert!(!cloud.connectors.get_operation().set_name(&operation.name).send().await.unwrap().done);
    cloud.sleep(SignedDuration::from_millis(1)).await;
    let done = cloud.connectors.get_operation().set_name(&operation.name).send().await.unwrap();
    assert!(done.metadata.unwrap().to_msg::<OperationMetadata>().unwrap().end_time.is_some());
    let Some(Outcome::Response(response)) = done.result else { panic!("it failed") };
    let after = cloud.connector().await;
    assert_eq!(response.to_msg::<Connector>().unwrap(), after);
    assert_eq!((after.min_instances, after.max_instances, after.state), (3, 10, ConnectorState::Ready));
}

#[tokio::test]
async fn a_larger_machine_type_carries_more_and_a_smaller_one_is_refused() {
    let cloud = incident().await;
    let carried = async || cloud.get("/_sim/state").await["connectors"]["staging-connector"]["connections"].clone();
    assert_eq!(carried().await, json!({ "wanted": 640, "carried": 120 }));
    let (status, _) =
        cloud.patch_connector("updateMask=machine_type", &json!({ "machineType": "e2-standard-4" })).await;
    assert_eq!(status, 200);
    cloud.sleep(SignedDuration::from_mins(4)).await;
    assert_eq!(carried().await, json!({ "wanted": 640, "carried": 1920 }));
    let smaller = json!({ "machineType": "f1-micro" });
    let (status, refused) = cloud.patch_connector("updateMask=machineType", &smaller).await;
    assert_eq!((status, refused["error"]["status"].as_str()), (400, Some("FAILED_PRECONDITION")));

    let lenient = incident_with("machine_type_downgrade = \"refused\"", "machine_type_downgrade = \"accepted\"").await;
    assert_eq!(lenient.patch_connector("updateMask=machineType", &smaller).await.0, 200);
}

// ---- What it refuses ----

#[tokio::test]
async fn a_connector_refuses_what_google_refuses() {
    let cloud = incident_with("connector_bounds = \"operation\"", "connector_bounds = \"sync\"").await;
    let before = cloud.connector().await;
    let both = "updateMask=minInstances,maxInstances";
    for (query, body, status, code) in [
        (both, json!({ "minInstances": 3, "maxInstances": 15 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "minInstances": 1, "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "minInstances": 10, "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "minInstances": 5, "maxInstances": 5 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "minInstances": "three", "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
        ("updateMask=machineType", json!({ "machineType": "e2-standard-8" }), 400, "INVALID_ARGUMENT"),
        ("updateMask=network", json!({ "network": "other" }), 400, "INVALID_ARGUMENT"),
        ("", json!({ "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "minInstances": 3, "maxInstances": 10, "size": 3 }), 400, "INVALID_ARGUMENT"),
        (both, json!({ "name": "projects/p/locations/l/connectors/c", "minInstances": 3 }), 400, "INVALID_ARGUMENT"),
        ("updateMask=maxInstances&force=true", json!({ "maxInstances": 10 }), 400, "INVALID_ARGUMENT"),
    ] {
        let (got, answer) = cloud.patch_connector(query, &body).await;
        let error = &answer["error"];
        assert_eq!((got, error["status"].as_str()), (status, Some(code)), "{query} {body}: {answer}");
        assert_eq!(error["code"], json!(status));
    }
    cloud.enlarged().await;
    for (min, max) in [(2, 10), (3, 9)] {
        let (status, answer) = cloud.enlarge(min, max).await;
        assert_eq!((status, answer["error"]["status"].as_str()), (400, Some("FAILED_PRECONDITION")), "{answer}");
    }
    assert_ne!(cloud.connector().await, before);
    assert_eq!(cloud.connector().await.min_instances, 3);
}

#[tokio::test]
async fn a_size_out_of_bounds_fails_in_the_operation() {
    let cloud = incident().await;
    let (status, operation) = cloud.enlarge(3, 15).await;
    assert_eq!(status, 200);
    assert_eq!(cloud.connector().await.state, ConnectorState::Updating);
    cloud.sleep(SignedDuration::from_mins(4)).await;
    let name = operation["name"].as_str().unwrap();
    let done = cloud.connectors.get_operation().set_name(name).send().await.unwrap();
    let Some(Outcome::Error(error)) = done.result else { panic!("it did not fail") };
    assert_eq!(error.code, 3);
    assert!(error.message.starts_with("Operation failed: "), "{}", error.message);
    let after = cloud.connector().await;
    assert_eq!((after.max_instances, after.state), (3, ConnectorState::Ready));
}

#[tokio::test]
async fn traffic_that_cannot_be_served_is_refused() {
    let cloud = incident().await;
    let before = cloud.service(BACKEND).await;
    for (traffic, expected) in [
        (vec![all_to(GOOD).set_percent(90)], Code::InvalidArgument),
        (vec![all_to(GOOD), all_to(OLD)], Code::InvalidArgument),
        (vec![all_to("")], Code::InvalidArgument),
        (vec![all_to(GOOD).set_type(TrafficTargetAllocationType::Latest)], Code::InvalidArgument),
        (vec![all_to(GOOD).set_type(TrafficTargetAllocationType::Unspecified)], Code::InvalidArgument),
        (vec![all_to(GOOD).set_tag("Not-A-Label")], Code::InvalidArgument),
    ] {
        let refused = cloud.shift(BACKEND, traffic.clone()).await.unwrap_err();
        assert_eq!(code(&refused), (Some(400), Some(expected)), "{traffic:?}");
    }
    assert_eq!(cloud.service(BACKEND).await, before, "a refused request changes nothing");

    // A revision that never started, or that is not there, is accepted, and the operation fails: the spec is new, and the
    // traffic goes where it went.
    cloud.deployed(BACKEND, NEW_BACKEND).await;
    let failed = cloud.service(BACKEND).await.latest_created_revision;
    let failed = failed.rsplit('/').next().unwrap();
    for (revision, code, words) in [
        (failed, 9, "is not ready and cannot serve traffic."),
        ("netra-backend-staging-00999-zzz", 13, "does not exist or is deleted."),
    ] {
        let operation = cloud.shift(BACKEND, [all_to(revision)]).await.unwrap();
        let done = cloud.done(&operation.name).await;
        let Some(Outcome::Error(error)) = done.result else { panic!("{revision} was given traffic") };
        assert_eq!(error.code, code, "{revision}");
        assert!(error.message.contains(words), "{}", error.message);
        let after = cloud.service(BACKEND).await;
        assert_eq!(after.traffic[0].revision, revision);
        assert_eq!(after.traffic_statuses, before.traffic_statuses);
        assert_eq!(after.terminal_condition.unwrap().state, State::ConditionFailed);
    }
}

/// What was recorded of a service's life: see the sources beside the simulated cloud's code.
#[tokio::test]
async fn a_change_is_accepted_with_the_statuses_of_before() {
    let cloud = incident().await;
    let before = cloud.get(&format!("/v2/{}", service_name(BACKEND))).await;
    let query = "?updateMask=template.containers";
    let image = json!({ "template": { "containers": [{ "image": "example.com/other" }] } });
    let (status, operation) = cloud.patch(&format!("/v2/{}{query}", service_name(BACKEND)), image.to_string()).await;
    assert_eq!(status, 200, "{operation}");
    assert!(operation.get("done").is_none(), "what is false is left out: {operation}");
    let accepted = &operation["metadata"];
    assert_eq!(accepted["generation"], "3");
    for same in ["observedGeneration", "conditions", "latestCreatedRevision", "latestReadyRevision", "trafficStatuses"]
    {
        assert_eq!(accepted[same], before[same], "{same}");
    }
    assert_eq!(accepted["terminalCondition"]["state"], "CONDITION_PENDING");
    assert_ne!(accepted["etag"], before["etag"], "the spec changed");
    let container = &accepted["template"]["containers"][0];
    assert_eq!(container["resources"], json!({ "cpuIdle": true, "limits": { "cpu": "1000m", "memory": "512Mi" } }));
    assert_eq!(container["startupProbe"]["tcpSocket"]["port"], 8080);
    // It has the old latest revision only until Cloud Run begins with it.
    cloud.sleep(SignedDuration::from_secs(2)).await;
    let begun = cloud.get(&format!("/v2/{}", service_name(BACKEND))).await;
    assert_eq!(begun["terminalCondition"]["state"], "CONDITION_RECONCILING");
    assert_ne!(begun["latestCreatedRevision"], before["latestCreatedRevision"]);
    assert_eq!(begun["etag"], accepted["etag"], "an etag stays while statuses move");
}

#[tokio::test]
async fn a_new_service_shows_little_and_a_deleted_one_its_end() {
    let cloud = incident().await;
    let parent = "/v2/projects/netra-staging/locations/us-central1/services";
    let body = json!({ "template": { "containers": [{ "image": "example.com/new" }] } });
    let request = cloud.http.post(cloud.url(&format!("{parent}?serviceId=new"))).json(&body).send().await.unwrap();
    assert_eq!(request.headers()["content-type"], "application/json; charset=UTF-8");
    let made: Value = request.json().await.unwrap();
    assert_eq!(made["metadata"]["terminalCondition"], json!({ "state": "CONDITION_PENDING" }));
    for late in ["uri", "conditions", "latestCreatedRevision", "observedGeneration", "trafficStatuses"] {
        assert!(made["metadata"].get(late).is_none(), "{late}");
    }
    cloud.sleep(SignedDuration::from_mins(1)).await;
    let shown = cloud.get(&format!("{parent}/new")).await;
    assert_eq!(shown["urls"][1], shown["uri"]);
    assert_eq!(shown["template"]["timeout"], "300s");
    let numbered = cloud.get(&format!("{parent}/new?%24alt=json%3Benum-encoding%3Dint")).await;
    assert_eq!(numbered["terminalCondition"]["state"], 4);

    let answer = cloud.http.delete(cloud.url(&format!("{parent}/new"))).send().await.unwrap();
    let gone: Value = answer.json().await.unwrap();
    assert_eq!(gone["metadata"]["deleteTime"], gone["metadata"]["updateTime"]);
    cloud.sleep(SignedDuration::from_mins(1)).await;
    let answer = cloud.http.get(cloud.url(&format!("{parent}/new"))).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let words = "Resource 'new' of kind 'SERVICE' in region 'us-central1' in project 'netra-staging' does not exist.";
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({ "error": { "code": 404, "message": words, "status": "NOT_FOUND" } })
    );
}

/// The throughput is shown with the instances, a subnet stands in the place of a range, and what is missing is for the
/// operation to say.
#[tokio::test]
async fn a_connector_is_made_by_throughput_or_by_subnet() {
    let cloud = incident().await;
    let parent = "/v1/projects/netra-staging/locations/us-central1/connectors";
    let make = async |name: &str, body: Value| {
        let sent =
            cloud.http.post(cloud.url(&format!("{parent}?connectorId={name}"))).json(&body).send().await.unwrap();
        let status = sent.status().as_u16();
        let answer: Value = sent.json().await.unwrap();
        cloud.sleep(SignedDuration::from_mins(10)).await;
        (status, answer)
    };
    let subnet = json!({ "name": "connectors" });
    let (status, _) =
        make("by-throughput", json!({ "subnet": subnet, "minThroughput": 200, "maxThroughput": 1000 })).await;
    assert_eq!(status, 200);
    let shown = cloud.get(&format!("{parent}/by-throughput")).await;
    assert_eq!((&shown["minInstances"], &shown["maxInstances"]), (&json!(2), &json!(10)));
    assert_eq!((&shown["subnet"], shown.get("network")), (&subnet, None));

    let (status, operation) = make("no-maximum", json!({ "subnet": subnet, "minInstances": 2 })).await;
    assert_eq!(status, 200, "it is for the operation to say");
    let done = cloud.get(&format!("/v1/{}", operation["name"].as_str().unwrap())).await;
    assert_eq!(done["error"]["code"], 3);
    let words = "Operation failed: A Connector must specify either max_throughput or max_instances.";
    assert_eq!(done["error"]["message"], words);

    let (status, _) = make("odd", json!({ "subnet": subnet, "minThroughput": 250, "maxThroughput": 300 })).await;
    assert_eq!(status, 400);
    let (status, _) = make("a-name-of-20-letters", json!({ "subnet": subnet, "maxInstances": 3 })).await;
    assert_eq!(status, 400, "a hyphen counts as two");
}

/// A service that is scaled by hand runs what it says, whatever its bounds are.
#[tokio::test]
async fn manual_scaling_runs_what_it_says() {
    let cloud = incident().await;
    let body = json!({ "scaling": { "scalingMode": "MANUAL", "manualInstanceCount": 4, "maxInstanceCount": 1 } });
    let (status, _) =
        cloud.patch(&format!("/v2/{}?updateMask=scaling", service_name("netra-auth-staging")), body.to_string()).await;
    assert_eq!(status, 200);
    let services = serde_json::to_value(cloud.simulator.world()).unwrap();
    let service: rectify::sim::apis::cloud_run::service::Service =
        serde_json::from_value(services["parts"]["cloud_run"]["services"]["netra-auth-staging"].clone()).unwrap();
    assert_eq!(service.serving().keys().map(|revision| service.instances_of(revision)).sum::<u64>(), 4);
}

#[tokio::test]
async fn requests_that_google_would_not_understand_are_refused_in_its_shape() {
    let cloud = incident().await;
    let service = format!("/v2/{}", service_name(AUTH));
    let nowhere = format!("/v2/{PLACE}/services/nobody");
    let large = json!({ "description": "x".repeat(1 << 20) }).to_string();
    for (path, body, status, code) in [
        (format!("{service}?updateMask=traffick"), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        (format!("{service}?updateMask=template.container"), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        (format!("{service}?updateMask=template"), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        (format!("{service}?validateOnly=perhaps"), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        (service.clone(), "{\"trafic\": []}".to_owned(), 400, "INVALID_ARGUMENT"),
        (service.clone(), "{\"template\": {\"container\": []}}".to_owned(), 400, "INVALID_ARGUMENT"),
        (service.clone(), "{\"traffic\":".to_owned(), 400, "INVALID_ARGUMENT"),
        (service.clone(), "[]".to_owned(), 400, "INVALID_ARGUMENT"),
        (service.clone(), large, 413, "INVALID_ARGUMENT"),
        (format!("{nowhere}?updateMask=traffic"), "{}".to_owned(), 404, "NOT_FOUND"),
        (format!("{nowhere}?updateMask=traffic&allowMissing=true"), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        ("/v2/projects/other/locations/us-central1/services/x".to_owned(), "{}".to_owned(), 403, "PERMISSION_DENIED"),
        ("/v2/projects/netra-staging/locations/mars/services/x".to_owned(), "{}".to_owned(), 404, "NOT_FOUND"),
        (format!("/v1/{PLACE}/connectors"), "{}".to_owned(), 404, "NOT_FOUND"),
        ("/v2/projects/%FF/locations/us-central1/services/x".to_owned(), "{}".to_owned(), 400, "INVALID_ARGUMENT"),
        ("/compute/v1/projects".to_owned(), "{}".to_owned(), 404, "NOT_FOUND"),
    ] {
        let (got, answer) = cloud.patch(&path, body).await;
        assert_eq!((got, answer["error"]["status"].as_str()), (status, Some(code)), "{path}: {answer}");
    }
    let missing = cloud.services.get_service().set_name(format!("{PLACE}/services/nobody")).send().await.unwrap_err();
    assert_eq!(code(&missing), (Some(404), Some(Code::NotFound)));
    let foreign = cloud
        .connectors
        .get_connector()
        .set_name("projects/other/locations/us-central1/connectors/staging-connector")
        .send()
        .await
        .unwrap_err();
    assert_eq!(code(&foreign), (Some(403), Some(Code::PermissionDenied)));
    // The project's number is as good as its id.
    let by_number = cloud.get(&format!("/v2/projects/701982941522/locations/us-central1/services/{AUTH}")).await;
    assert_eq!(by_number["name"], service_name(AUTH));
}

// ---- Cause and effect ----

#[tokio::test]
async fn waiting_heals_nothing() {
    let cloud = incident().await;
    for _ in 0..3 {
        assert_eq!((cloud.health(API_HOST).await, cloud.health(AUTH_HOST).await), (503, 503));
        cloud.sleep(SignedDuration::from_hours(4)).await;
    }
}

#[tokio::test]
async fn no_remedy_alone_heals_the_connector() {
    let grown = incident().await;
    grown.enlarged().await;
    grown.sleep(SignedDuration::from_mins(10)).await;
    assert_eq!(grown.health(API_HOST).await, 503);
    let why = grown.why(BACKEND).await;
    assert!(why.as_str().unwrap().contains("image") || why.as_str().unwrap().contains("exhausted"), "{why}");

    let pinned = incident().await;
    pinned.pinned(GOOD).await;
    pinned.sleep(SignedDuration::from_mins(10)).await;
    assert_eq!(
        pinned.why(BACKEND).await,
        "connector staging-connector is exhausted: 340 connections wanted, 120 carried"
    );
    assert_eq!(pinned.visit(API_HOST, "/").await.0, 503);
}

/// What the documents would have done: both at once, and the connector as it is.
#[tokio::test]
async fn deploying_auth_and_backend_at_once_fails_both() {
    let cloud = incident().await;
    let auth = cloud.deploy(AUTH, NEW_AUTH).await.unwrap();
    let backend = cloud.deploy(BACKEND, NEW_BACKEND).await.unwrap();
    for operation in [auth, backend] {
        let done = cloud.done(&operation.name).await;
        assert!(matches!(done.result, Some(Outcome::Error(ref error)) if error.code == 9), "{done:?}");
    }
    cloud.sleep(SignedDuration::from_hours(1)).await;
    for host in [AUTH_HOST, API_HOST] {
        assert_eq!(cloud.health(host).await, 503, "{host}");
    }
}

/// A scenario may have connectors slow down along a curve, and services wait only so long.
#[tokio::test]
async fn a_connector_over_its_capacity_slows_down_until_nobody_waits_any_longer() {
    let curve =
        "\n[[connection_set_up]]\nload = 1.0\ntakes = \"0s\"\n[[connection_set_up]]\nload = 3.0\ntakes = \"40s\"\n";
    let patient = INCIDENT.replace("instances = 20\n", "instances = 20\nconnect_timeout = \"30s\"\n") + curve;
    let cloud = opened(scenario::parse("curve.sim.toml", &patient).unwrap(), None).await;
    // 640 connections wanted, 120 carried: 40 s for each, and the backend gives up after 30.
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 503);
    // One revision less: 340 of 120 is a load of 2.83, which is 36.7 s; still too long.
    cloud.pinned(GOOD).await;
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 503);
    // Four instances carry 160: a load of 2.125 is 22.5 s. It comes up, and is slow.
    cloud.enlarge(3, 4).await;
    cloud.sleep(SignedDuration::from_mins(6)).await;
    let began = cloud.clock.now();
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 200);
    assert_eq!(cloud.clock.now().duration_since(began), SignedDuration::from_millis(22_580));
    let falling = patient.replace("load = 3.0", "load = 0.5");
    assert!(scenario::parse("curve.sim.toml", &falling).unwrap_err().to_string().contains("rise"));
}

#[tokio::test]
async fn a_deployment_onto_an_exhausted_connector_fails_and_the_old_revision_goes_on() {
    let cloud = incident().await;
    let before = cloud.service(AUTH).await;
    let done = cloud.deployed(AUTH, NEW_AUTH).await;
    let Some(Outcome::Error(error)) = done.result else { panic!("it came up without a connection") };
    assert_eq!(error.code, 9);
    let after = cloud.service(AUTH).await;
    let condition = after.terminal_condition.clone().unwrap();
    assert_eq!(condition.state, State::ConditionFailed);
    assert_eq!(condition.revision_reason(), Some(&RevisionReason::HealthCheckContainerError));
    assert!(!after.reconciling);
    assert_eq!(after.latest_ready_revision, before.latest_ready_revision);
    assert_eq!(after.traffic_statuses, before.traffic_statuses);
    assert_eq!(after.observed_generation, before.observed_generation);
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(after.template.unwrap().containers[0].image, NEW_AUTH, "the spec keeps what was asked for");

    // Neither does a crashing image come up on a connector that has room.
    cloud.enlarged().await;
    cloud.pinned(GOOD).await;
    let crashing = before.template.unwrap().containers[0].image.clone();
    let done = cloud.deployed(AUTH, &crashing).await;
    assert!(matches!(done.result, Some(Outcome::Error(_))), "a crashing image came up");
    assert_eq!(cloud.health(AUTH_HOST).await, 503);
}

#[tokio::test]
async fn the_incidents_remedies_in_their_order_heal_everything() {
    let cloud = incident().await;
    cloud.enlarged().await;
    cloud.pinned(GOOD).await;
    let (status, body) = cloud.visit(API_HOST, "/").await;
    assert_eq!(
        (status, body.as_str()),
        (500, "The request was aborted because there was no available instance."),
        "they are still coming up"
    );
    cloud.sleep(SignedDuration::from_secs(30)).await;
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 200, "the backend itself is up");
    let (status, body) = cloud.visit(API_HOST, "/health").await;
    assert_eq!(status, 503, "its health page needs auth");
    assert!(body.contains("netra-auth-staging"), "{body}");

    cloud.deployed(AUTH, NEW_AUTH).await;
    assert_eq!((cloud.health(AUTH_HOST).await, cloud.health(API_HOST).await), (200, 200));
    cloud.deployed(BACKEND, NEW_BACKEND).await;
    let new = cloud.service(BACKEND).await.latest_ready_revision.rsplit('/').next().unwrap().to_owned();
    let page: Value = serde_json::from_str(&cloud.visit(API_HOST, "/health").await.1).unwrap();
    assert_eq!(
        page,
        json!({ "status": "healthy", "service": BACKEND, "revision": GOOD }),
        "deployed, but serves nobody"
    );
    cloud.pinned(&new).await;
    let page: Value = serde_json::from_str(&cloud.visit(API_HOST, "/health").await.1).unwrap();
    assert_eq!(page["revision"], json!(new));
    cloud.sleep(SignedDuration::from_hours(1)).await;
    let state = cloud.get("/_sim/state").await;
    for short in [BACKEND, AUTH] {
        assert_eq!(state["services"][short]["health"], json!({ "ok": true, "why": null }));
    }
}

#[tokio::test]
async fn a_crashing_revision_stays_sick_whatever_the_connector_carries() {
    let cloud = incident().await;
    cloud.enlarged().await;
    cloud.pinned(OLD).await;
    cloud.sleep(SignedDuration::from_hours(1)).await;
    let (status, body) = cloud.visit(API_HOST, "/").await;
    assert_eq!(status, 503);
    assert!(body.contains("malformed"), "{body}");
    assert!(cloud.why(BACKEND).await.as_str().unwrap().contains("exits at once"));
}

#[tokio::test]
async fn another_cause_of_the_same_symptom_is_not_healed_by_growth() {
    let scenario = include_str!("../runbooks/connector-exhaustion.crashing-image.sim.toml");
    let cloud = opened(scenario::parse("crashing-image.sim.toml", scenario).unwrap(), None).await;
    assert_eq!((cloud.health(API_HOST).await, cloud.health(AUTH_HOST).await), (503, 200));
    cloud.enlarged().await;
    for revision in [GOOD, OLD] {
        cloud.pinned(revision).await;
        cloud.sleep(SignedDuration::from_mins(10)).await;
        assert_eq!(cloud.health(API_HOST).await, 503);
    }
    cloud.deployed(BACKEND, NEW_BACKEND).await;
    let new = cloud.service(BACKEND).await.latest_ready_revision.rsplit('/').next().unwrap().to_owned();
    cloud.pinned(&new).await;
    assert_eq!(cloud.health(API_HOST).await, 200);
}

#[tokio::test]
async fn after_a_failed_deployment_traffic_can_still_be_moved() {
    let cloud = incident().await;
    cloud.deployed(BACKEND, NEW_BACKEND).await;
    let failed = cloud.service(BACKEND).await;
    assert_eq!(failed.terminal_condition.clone().unwrap().state, State::ConditionFailed);
    // An update that changes nothing does not pretend that the failure is over.
    let operation = cloud.change(failed.clone(), &["traffic"]).await.unwrap();
    assert!(operation.done);
    assert_eq!(cloud.service(BACKEND).await, failed);

    cloud.pinned(GOOD).await;
    let after = cloud.service(BACKEND).await;
    assert_eq!(after.traffic_statuses[0].revision, GOOD);
    assert_eq!(after.observed_generation, after.generation);
    assert_eq!(after.terminal_condition.unwrap().state, State::ConditionFailed, "its latest revision is still broken");
    assert_eq!(after.latest_ready_revision, failed.latest_ready_revision);
}

#[tokio::test]
async fn a_second_update_ends_the_first_ones_operation() {
    let cloud = incident().await;
    let first = cloud.shift(BACKEND, [all_to(OLD)]).await.unwrap();
    let second = cloud.shift(BACKEND, [all_to(GOOD)]).await.unwrap();
    assert!(cloud.services.get_operation().set_name(&first.name).send().await.unwrap().done);
    assert!(!cloud.services.get_operation().set_name(&second.name).send().await.unwrap().done);
    assert_eq!(cloud.service(BACKEND).await.traffic_statuses[0].revision, OLD);
    cloud.done(&second.name).await;
    assert_eq!(cloud.service(BACKEND).await.traffic_statuses[0].revision, GOOD);
}

#[tokio::test]
async fn latencies_are_exact_and_a_split_is_exact_too() {
    let cloud = incident_with("instances = 20", "instances = 1").await;
    cloud.enlarged().await;
    cloud.deployed(AUTH, NEW_AUTH).await;
    cloud.sleep(SignedDuration::from_mins(1)).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        let start = cloud.clock.now();
        let status = cloud.health(API_HOST).await;
        answers.push((status, cloud.clock.now().duration_since(start).as_millis()));
    }
    let pair = [(503, 2_000), (200, 80)];
    assert_eq!(answers, [pair, pair, pair].concat(), "each revision in turn, each with its own latency");
}

#[tokio::test]
async fn a_visitor_who_gives_up_is_not_held_and_moves_no_time() {
    let cloud = incident().await;
    let start = cloud.clock.now();
    cloud.visit(API_HOST, "/health").await;
    assert_eq!(cloud.clock.now(), start + SignedDuration::from_secs(2), "the crashing revision answers first");
    let gave_up = tokio::select! {
        () = cloud.clock.timer(start + SignedDuration::from_secs(5)) => true,
        // The starved one would take twelve seconds.
        _ = cloud.visit(API_HOST, "/health") => false,
    };
    assert!(gave_up);
    assert_eq!(cloud.clock.now(), start + SignedDuration::from_secs(5));
    cloud.sleep(SignedDuration::from_secs(30)).await;
    assert_eq!(cloud.clock.now(), start + SignedDuration::from_secs(35));
}

#[tokio::test]
async fn a_tagged_revision_has_an_address_of_its_own() {
    let cloud = incident_with("instances = 20", "instances = 1").await;
    cloud.enlarged().await;
    let tagged = all_to(GOOD).set_percent(0).set_tag("cand");
    let operation = cloud.shift(BACKEND, [all_to(OLD), tagged]).await.unwrap();
    cloud.done(&operation.name).await;
    let status = cloud.service(BACKEND).await.traffic_statuses.pop().unwrap();
    let host = status.uri.strip_prefix("https://").unwrap();
    assert!(host.starts_with("cand---netra-backend-staging-"), "{host}");
    assert_eq!(cloud.visit(host, "/").await.0, 200);
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 503, "the traffic goes to the crashing one");
}

#[tokio::test]
async fn a_service_without_default_urls_shows_none_and_answers_at_none() {
    let cloud = incident_with("instances = 20", "instances = 1").await;
    cloud.enlarged().await;
    let path = format!("/v2/{}", service_name(BACKEND));
    let tagged = all_to(GOOD).set_percent(0).set_tag("cand");
    let operation = cloud.shift(BACKEND, [all_to(GOOD), tagged]).await.unwrap();
    cloud.done(&operation.name).await;
    let shown = cloud.get(&path).await;
    let host = |url: &Value| url.as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
    let hosts = [host(&shown["uri"]), host(&shown["urls"][0]), host(&shown["trafficStatuses"][1]["uri"])];
    for host in &hosts {
        assert_eq!(cloud.visit(host, "/").await.0, 200, "{host}");
    }
    let query = "?updateMask=defaultUriDisabled";
    let (status, answer) =
        cloud.patch(&format!("{path}{query}"), json!({ "defaultUriDisabled": true }).to_string()).await;
    assert_eq!(status, 200, "{answer}");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let shown = cloud.get(&path).await;
    assert_eq!(shown["trafficStatuses"][1]["tag"], "cand", "the tag stays");
    assert_eq!([&shown["uri"], &shown["urls"], &shown["trafficStatuses"][1]["uri"]], [&Value::Null; 3]);
    for host in &hosts {
        assert_eq!(cloud.visit(host, "/").await.0, 404, "{host}");
    }
    assert_eq!(cloud.visit(API_HOST, "/").await.0, 200, "what stands before it leads to it as before");
}

// ---- The simulator itself ----

#[tokio::test]
async fn the_same_requests_give_the_same_cloud() {
    let mut states = Vec::new();
    for _ in 0..2 {
        let cloud = incident().await;
        cloud.enlarged().await;
        cloud.pinned(GOOD).await;
        cloud.deployed(AUTH, NEW_AUTH).await;
        cloud.health(API_HOST).await;
        states.push(cloud.get("/_sim/state").await);
    }
    assert_eq!(states[0], states[1]);
}

#[tokio::test]
async fn a_cloud_that_was_killed_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cloud.json");
    let world = scenario::read(Path::new("runbooks/connector-exhaustion.sim.toml")).unwrap();
    let cloud = opened(world, Some(path.clone())).await;
    let (_, operation) = cloud.enlarge(3, 10).await;
    drop(cloud);

    let cloud = opened(World::reopen(&path).unwrap(), Some(path.clone())).await;
    assert_eq!(cloud.connector().await.state, ConnectorState::Updating);
    cloud.sleep(SignedDuration::from_mins(4)).await;
    let name = operation["name"].as_str().unwrap();
    assert!(cloud.connectors.get_operation().set_name(name).send().await.unwrap().done);
    assert_eq!(cloud.connector().await.max_instances, 10);
    cloud.simulator.save().unwrap();
    let reopened = World::reopen(&path).unwrap();
    assert_eq!(reopened.now(), "2025-09-16T03:04:00Z".parse::<Timestamp>().unwrap());
}

#[tokio::test]
async fn what_cannot_be_saved_does_not_happen() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let world = scenario::parse("a", INCIDENT).unwrap();
    let cloud = opened(world, Some(inside.join("cloud.json"))).await;
    std::fs::remove_dir_all(&inside).unwrap();
    let (status, answer) = cloud.enlarge(3, 10).await;
    assert_eq!((status, answer["error"]["status"].as_str()), (500, Some("INTERNAL")));
    assert_eq!(cloud.connector().await.state, ConnectorState::Ready);
}

#[tokio::test]
async fn it_listens_on_loopback_only_and_stops_when_it_is_dropped() {
    let world = scenario::parse("a", INCIDENT).unwrap();
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let started = Simulator::start(world.clone(), Clock::stepped(world.now()), everywhere, None);
    assert!(matches!(started, Err(StartError::NotLoopback(addr)) if addr == everywhere));

    let simulator = Simulator::start(world.clone(), Clock::stepped(world.now()), loopback(), None).unwrap();
    let addr = simulator.addr();
    tokio::net::TcpStream::connect(addr).await.unwrap();
    simulator.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "it still listens after it was stopped");
    let simulator = Simulator::start(world.clone(), Clock::stepped(world.now()), addr, None).unwrap();
    drop(simulator);
    tokio::task::yield_now().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "it still listens after it was dropped");
}

#[tokio::test]
async fn it_tells_who_asked_for_what_but_never_a_token() {
    let cloud = incident().await;
    let url = cloud.url(&format!("/v1/{}?%24alt=json", connector_name()));
    cloud.http.get(url).bearer_auth("secret-token").send().await.unwrap();
    cloud.health(AUTH_HOST).await;
    cloud.get("/_sim/clock").await;
    let seen = cloud.get("/_sim/requests").await;
    assert!(!seen.to_string().contains("secret-token"));
    let start = "2025-09-16T03:00:00Z";
    assert_eq!(
        seen,
        json!([
            {
                "at": start, "method": "GET", "path": format!("/v1/{}?%24alt=json", connector_name()),
                "host": "127.0.0.1", "caller": "caller@simulated.invalid", "status": 200,
            },
            {
                "at": start, "method": "GET", "path": "/health", "host": AUTH_HOST, "caller": "anonymous", "status": 503,
            },
        ])
    );
}

#[tokio::test]
async fn its_clock_can_be_moved_by_hand() {
    let cloud = incident().await;
    cloud.enlarge(3, 10).await;
    let moved = cloud.http.post(cloud.url("/_sim/clock")).json(&json!({ "advance": "10m" })).send().await.unwrap();
    assert_eq!(moved.json::<Value>().await.unwrap(), json!({ "now": "2025-09-16T03:10:00Z", "speed": "max" }));
    assert_eq!(cloud.connector().await.max_instances, 10);
    let state = cloud.get("/_sim/state").await;
    assert_eq!(state["operations"][0]["metadata"]["endTime"], "2025-09-16T03:04:00Z", "it ended in its own time");
    let refused = cloud.http.post(cloud.url("/_sim/clock")).json(&json!({ "advance": "-1m" })).send().await.unwrap();
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_scaled_clock_serves_as_well() {
    let world = scenario::parse("a", INCIDENT).unwrap();
    let clock = Clock::scaled(world.now(), 6_000.0);
    let simulator = Simulator::start(world, clock.clone(), loopback(), None).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let start = clock.now();
    let url = format!("http://{}/health", simulator.addr());
    let answer = http.get(url).header("host", AUTH_HOST).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(clock.now().duration_since(start) >= SignedDuration::from_secs(2), "the latency was not waited for");
}

#[tokio::test]
async fn a_cloud_of_one_process_answers_no_other() {
    let world = scenario::parse("incident", INCIDENT).unwrap();
    let clock = Clock::stepped(world.now());
    let simulator = Simulator::start_within(Reach::Itself, world, clock, loopback(), None).unwrap();
    let stranger = reqwest::Client::new();
    let own = reqwest::Client::builder().default_headers(simulator.pass()).build().unwrap();
    let service = format!("/v2/{PLACE}/services/{BACKEND}");
    let url = |path: &str| format!("http://{}{path}", simulator.addr());
    let before = simulator.world();
    for path in [service.clone(), format!("/apis/run.googleapis.com{service}"), "/_sim/state".to_owned()] {
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            let guess = stranger.request(method.clone(), url(&path)).header("x-simulated-cloud-pass", "0".repeat(32));
            assert_eq!(guess.send().await.unwrap().status(), 404, "{method} {path}");
            let nothing = stranger.request(method.clone(), url(&path)).header("host", "run.googleapis.com");
            assert_eq!(nothing.send().await.unwrap().status(), 404, "{method} {path}");
        }
    }
    assert_eq!((simulator.world() == before, simulator.requests().len()), (true, 0));
    assert_eq!(own.get(url(&service)).send().await.unwrap().status(), 200);
    assert_eq!(own.get(url("/_sim/state")).send().await.unwrap().status(), 404);
    assert!(!format!("{:?}", simulator.pass()).contains(simulator.pass().values().next().unwrap().to_str().unwrap()));
}

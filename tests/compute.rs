//! The load balancer: a change needs the fingerprint that was read, what stands before Cloud Run takes no time-out, and a
//! managed certificate comes for domains that lead here and for no others.

use jiff::SignedDuration;
use rectify::sim::scenario;
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const GLOBAL: &str = "/compute/v1/projects/netra-staging/global";

/// A load balancer before the incident's cloud.
pub const LOAD_BALANCER: &str = r#"
[load_balancing]
update_takes = "20s"
certificate_takes = "25m"

[backend_services.api]
service = "netra-backend-staging"

[backend_services.legacy]
settings = { timeoutSec = 30, healthChecks = ["global/healthChecks/legacy"], backends = [{ group = "zones/us-central1-a/instanceGroups/legacy" }] }

[certificates.wildcard]
type = "self_managed"
domains = ["*.netrasystems.ai"]
expires = "2025-09-20T00:00:00Z"

[certificates.api]
type = "managed"
domains = ["api.staging.netrasystems.ai", "app.staging.netrasystems.ai"]
status = "PROVISIONING"
domain_status = { "app.staging.netrasystems.ai" = "FAILED_CAA_FORBIDDEN" }
"#;

fn cloud() -> Cloud {
    Cloud::of(SCENARIO, LOAD_BALANCER)
}

async fn backend(cloud: &Cloud, name: &str) -> Value {
    cloud.get(&format!("{GLOBAL}/backendServices/{name}")).await
}

/// Sends the whole object back with one field changed, as gcloud does.
async fn patched(cloud: &Cloud, name: &str, field: &str, value: Value) -> (u16, Value) {
    let mut whole = backend(cloud, name).await;
    whole[field] = value;
    let answer = cloud.send("PATCH", &format!("{GLOBAL}/backendServices/{name}"), Some(whole)).await.unwrap();
    (answer.status, answer.json)
}

fn why(answer: &Value) -> (&str, &str) {
    let error = &answer["error"]["errors"][0];
    (error["reason"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn what_stands_before_cloud_run_takes_no_time_out_and_no_health_check() {
    let cloud = cloud();
    let (status, answer) = patched(&cloud, "api", "timeoutSec", json!(600)).await;
    let message = "Invalid value for field 'resource.timeoutSec': '600'. Timeout sec is not supported for a backend service with Serverless network endpoint groups.";
    assert_eq!((status, why(&answer)), (400, ("invalid", message)));
    let (status, answer) = patched(&cloud, "api", "healthChecks", json!(["global/healthChecks/h"])).await;
    assert_eq!(status, 400);
    assert!(why(&answer).1.contains("cannot have a healthcheck with Serverless"), "{answer}");
    let (status, answer) = patched(&cloud, "api", "description", json!("the front door")).await;
    assert_eq!(status, 200, "the default time-out may be sent back: {answer}");
    assert_eq!(backend(&cloud, "api").await["description"], "the front door");
    // One that has machines behind it takes both.
    let (status, answer) = patched(&cloud, "legacy", "timeoutSec", json!(600)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(backend(&cloud, "legacy").await["timeoutSec"], 600);
}

#[tokio::test]
async fn a_change_needs_the_fingerprint_that_was_read() {
    let cloud = cloud();
    let path = format!("{GLOBAL}/backendServices/legacy");
    let stale = backend(&cloud, "legacy").await["fingerprint"].clone();
    assert_eq!(patched(&cloud, "legacy", "timeoutSec", json!(60)).await.0, 200);
    let late = json!({ "fingerprint": stale, "timeoutSec": 90 });
    let answer = cloud.send("PATCH", &path, Some(late)).await.unwrap();
    assert_eq!((answer.status, why(&answer.json).0), (412, "conditionNotMet"));
    let without = cloud.send("PATCH", &path, Some(json!({ "timeoutSec": 90 }))).await.unwrap();
    assert_eq!((without.status, why(&without.json).0), (400, "required"));
    assert_eq!(backend(&cloud, "legacy").await["timeoutSec"], 60, "neither had any effect");
}

#[tokio::test]
async fn an_operation_can_be_waited_for() {
    let cloud = cloud();
    let before = cloud.clock.now();
    let (_, begun) = patched(&cloud, "legacy", "timeoutSec", json!(60)).await;
    assert_eq!((&begun["operationType"], &begun["status"]), (&json!("patch"), &json!("RUNNING")));
    let path = format!("{GLOBAL}/operations/{}", begun["name"].as_str().unwrap());
    let waited = cloud.send("POST", &format!("{path}/wait"), None).await.unwrap().json;
    assert_eq!((&waited["status"], &waited["progress"]), (&json!("DONE"), &json!(100)));
    assert_eq!(cloud.clock.now().duration_since(before), SignedDuration::from_secs(20));
    assert_eq!(cloud.get(&path).await["endTime"], waited["endTime"]);
    assert!(begun["targetLink"].as_str().unwrap().ends_with("/global/backendServices/legacy"));
}

#[tokio::test]
async fn an_operation_that_fails_on_request_changes_nothing() {
    let cloud = cloud();
    let error = json!({ "operation_error": { "code": 13, "message": "An internal error occurred" } });
    cloud.send("POST", "/_sim/faults", Some(json!({ "fault": error, "match": { "method": "PATCH" } }))).await.unwrap();
    let (status, begun) = patched(&cloud, "legacy", "timeoutSec", json!(60)).await;
    assert_eq!(status, 200);
    let path = format!("{GLOBAL}/operations/{}/wait", begun["name"].as_str().unwrap());
    let ended = cloud.send("POST", &path, None).await.unwrap().json;
    assert_eq!((&ended["status"], &ended["httpErrorStatusCode"]), (&json!("DONE"), &json!(500)));
    assert_eq!(ended["error"]["errors"][0]["message"], "An internal error occurred");
    assert_eq!(backend(&cloud, "legacy").await["timeoutSec"], 30);
}

/// Recorded: what a new backend service is filled in with, and that one that a URL map refers to cannot be deleted.
#[tokio::test]
async fn a_backend_service_is_made_and_deleted_unless_it_is_used() {
    let text = std::fs::read_to_string(SCENARIO).unwrap()
        + "[backend_services.used]\nused_by = [\"urlMaps/shop\"]\nsettings = { loadBalancingScheme = \"EXTERNAL\" }\n";
    let cloud = Cloud::open(rectify::sim::scenario::parse("s", &text).unwrap());
    let body =
        json!({ "name": "new", "iap": { "enabled": false, "oauth2ClientId": "", "oauth2ClientSecret": "hidden" } });
    let made = cloud.send("POST", &format!("{GLOBAL}/backendServices"), Some(body)).await.unwrap();
    assert_eq!((made.status, &made.json["operationType"]), (200, &json!("insert")));
    let shown = backend(&cloud, "new").await;
    assert_eq!((&shown["protocol"], &shown["port"], &shown["description"]), (&json!("HTTP"), &json!(80), &json!("")));
    assert!(shown["iap"].get("oauth2ClientSecret").is_none(), "a secret is shown as a digest: {shown}");
    let key = json!({ "keyName": "key", "keyValue": "hidden" });
    cloud.send("POST", &format!("{GLOBAL}/backendServices/new/addSignedUrlKey"), Some(key)).await.unwrap();
    assert_eq!(backend(&cloud, "new").await["cdnPolicy"]["signedUrlKeyNames"], json!(["key"]));
    let state = cloud.get("/_sim/state").await.to_string();
    assert!(!state.contains("hidden"), "no secret is kept");
    assert_eq!(cloud.send("DELETE", &format!("{GLOBAL}/backendServices/new"), None).await.unwrap().status, 200);
    let used = cloud.send("DELETE", &format!("{GLOBAL}/backendServices/used"), None).await.unwrap();
    assert_eq!((used.status, why(&used.json).0), (400, "resourceInUseByAnotherResource"));
    assert_eq!(backend(&cloud, "used").await["usedBy"].as_array().unwrap().len(), 1);
}

async fn insert(cloud: &Cloud, name: &str, domains: &[&str]) -> (u16, Value) {
    let certificate = json!({ "name": name, "type": "MANAGED", "managed": { "domains": domains } });
    let answer = cloud.send("POST", &format!("{GLOBAL}/sslCertificates"), Some(certificate)).await.unwrap();
    (answer.status, answer.json)
}

#[tokio::test]
async fn a_managed_certificate_comes_for_domains_that_lead_here() {
    let cloud = cloud();
    assert_eq!(insert(&cloud, "good", &["api.staging.netrasystems.ai"]).await.0, 200);
    assert_eq!(insert(&cloud, "bad", &["api.staging.netrasystems.ai", "elsewhere.example"]).await.0, 200);
    let get = async |name: &str| cloud.get(&format!("{GLOBAL}/sslCertificates/{name}")).await;
    assert_eq!(get("good").await["managed"]["status"], "PROVISIONING");
    cloud.sleep(SignedDuration::from_mins(25)).await;
    let good = get("good").await;
    assert_eq!(good["managed"]["status"], "ACTIVE");
    let expires: jiff::Timestamp = good["expireTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.duration_since(cloud.clock.now()), SignedDuration::from_hours(90 * 24));
    let bad = get("bad").await["managed"].clone();
    assert_eq!(bad["status"], "PROVISIONING_FAILED");
    assert_eq!(
        bad["domainStatus"],
        json!({ "api.staging.netrasystems.ai": "ACTIVE", "elsewhere.example": "FAILED_NOT_VISIBLE" })
    );
    assert_eq!(cloud.send("DELETE", &format!("{GLOBAL}/sslCertificates/bad"), None).await.unwrap().status, 200);
    let gone = cloud.send("GET", &format!("{GLOBAL}/sslCertificates/bad"), None).await.unwrap();
    assert_eq!((gone.status, why(&gone.json).0), (404, "notFound"));
}

#[tokio::test]
async fn a_managed_certificate_takes_no_wildcard() {
    let cloud = cloud();
    let (status, answer) = insert(&cloud, "star", &["*.netrasystems.ai"]).await;
    let message =
        "Invalid value for field 'resource.managed.domains[0]': '*.netrasystems.ai'. Wildcard domains not supported.";
    assert_eq!((status, why(&answer)), (400, ("invalid", message)));
    assert_eq!(insert(&cloud, "api", &["api.staging.netrasystems.ai"]).await.0, 409, "there is one of this name");
    assert_eq!(insert(&cloud, "Api", &["api.staging.netrasystems.ai"]).await.0, 400);
    assert_eq!(insert(&cloud, "none", &[]).await.0, 400);
}

#[tokio::test]
async fn certificates_are_listed_globally_and_over_all_scopes() {
    let cloud = cloud();
    let global = cloud.get(&format!("{GLOBAL}/sslCertificates?maxResults=1")).await;
    assert_eq!(global["items"][0]["managed"]["domainStatus"]["app.staging.netrasystems.ai"], "FAILED_CAA_FORBIDDEN");
    let next = global["nextPageToken"].as_str().unwrap();
    let rest = cloud.get(&format!("{GLOBAL}/sslCertificates?maxResults=1&pageToken={next}")).await;
    assert_eq!(
        (&rest["items"][0]["name"], &rest["items"][0]["expireTime"]),
        (&json!("wildcard"), &json!("2025-09-20T00:00:00Z"))
    );
    let all = cloud.get("/compute/v1/projects/netra-staging/aggregated/sslCertificates").await;
    assert_eq!(all["items"]["global"]["sslCertificates"].as_array().unwrap().len(), 2);
    let bare = Cloud::of(SCENARIO, "");
    let none = bare.get("/compute/v1/projects/netra-staging/aggregated/sslCertificates").await;
    assert_eq!(none["items"]["global"]["warning"]["code"], "NO_RESULTS_ON_PAGE");
}

#[test]
fn a_load_balancer_that_cannot_be_is_refused() {
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    for (from, to, reason) in [
        ("service = \"netra-backend-staging\"", "service = \"nobody\"", "no service \"nobody\""),
        (
            "service = \"netra-backend-staging\"",
            "service = \"netra-backend-staging\"\nsettings = { timeoutSec = 600 }",
            "Timeout sec is not supported",
        ),
        ("type = \"self_managed\"", "type = \"managed\"", "Wildcard domains not supported"),
        ("\"25m\"", "\"-25m\"", "cannot be negative"),
        ("\"PROVISIONING\"", "\"PROVISIONED\"", "unknown variant"),
    ] {
        assert!(LOAD_BALANCER.contains(from), "{from}");
        let changed = text.clone() + &LOAD_BALANCER.replacen(from, to, 1);
        let error = scenario::parse("s", &changed).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

//! Logs of the simulated cloud: they say what was so, also of time that a clock jumped over, through Google's own client.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::client::LoggingServiceV2;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const CRASHING: &str = "runbooks/connector-exhaustion.crashing-image.sim.toml";

async fn list(cloud: &Cloud, request: Value) -> Value {
    let answer = cloud.send("POST", "/v2/entries:list", Some(request)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

fn ask(filter: &str) -> Value {
    json!({ "resourceNames": ["projects/netra-staging"], "filter": filter, "pageSize": 1000 })
}

async fn count(cloud: &Cloud, filter: &str) -> usize {
    list(cloud, ask(filter)).await["entries"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn every_request_of_a_window_is_logged_once_and_the_same_each_time() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(5)).await;
    let window = r#"resource.labels.service_name="netra-backend-staging" AND timestamp>="2025-09-16T03:00:00Z" AND timestamp<"2025-09-16T03:04:00Z""#;
    let requests = format!(r#"logName:"requests" AND {window}"#);
    let first = list(&cloud, ask(&requests)).await;
    let entries = first["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4 * 60);
    assert!(entries.iter().all(|entry| entry["httpRequest"]["status"] == 503));
    let of = |revision: &str| {
        entries.iter().filter(|entry| entry["resource"]["labels"]["revision_name"] == revision).count()
    };
    // Half of the traffic each, as nearly as four minutes allow.
    assert!((110..=130).contains(&of("netra-backend-staging-00749-6tr")), "{}", of("netra-backend-staging-00749-6tr"));
    cloud.sleep(SignedDuration::from_hours(1)).await;
    assert_eq!(list(&cloud, ask(&requests)).await, first, "the past does not change");
}

/// What tells the two incidents apart: both answer 503, and only one's containers exit.
#[tokio::test]
async fn the_true_cause_stands_in_the_logs() {
    let exhausted = Cloud::of(SCENARIO, "");
    exhausted.sleep(SignedDuration::from_mins(5)).await;
    assert!(count(&exhausted, r#"textPayload:"failed the readiness check""#).await > 100);
    let crashing = Cloud::of(CRASHING, "");
    crashing.sleep(SignedDuration::from_mins(5)).await;
    assert!(count(&crashing, r#"logName:"varlog" AND textPayload:"Container called exit(3)""#).await > 100);
    assert_eq!(count(&crashing, r#"textPayload:"failed the readiness check""#).await, 0);
}

#[tokio::test]
async fn who_changed_what_is_logged_and_entries_take_their_time() {
    let cloud = Cloud::of(SCENARIO, "");
    let grow = "/v1/projects/netra-staging/locations/us-central1/connectors/staging-connector?updateMask=minInstances,maxInstances";
    cloud.send("PATCH", grow, Some(json!({ "minInstances": 3, "maxInstances": 10 }))).await.unwrap();
    let audit = r#"protoPayload.serviceName="vpcaccess.googleapis.com""#;
    assert_eq!(count(&cloud, audit).await, 0, "it is not ingested yet");
    cloud.sleep(SignedDuration::from_secs(8)).await;
    assert_eq!(count(&cloud, audit).await, 1);
}

#[tokio::test]
async fn pages_end_where_they_end() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let mut request =
        ask(r#"timestamp>="2025-09-16T03:00:00Z" AND timestamp<"2025-09-16T03:01:00Z" AND logName:"requests""#);
    request["pageSize"] = json!(60);
    request["orderBy"] = json!("timestamp desc");
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = list(&cloud, request.clone()).await;
        seen.extend(page["entries"].as_array().cloned().unwrap_or_default());
        pages += 1;
        let Some(token) = page.get("nextPageToken") else { break };
        request["pageToken"] = token.clone();
    }
    // Both services have a visitor a second; the last full page promised another, which is empty.
    assert_eq!((seen.len(), pages), (120, 3));
    assert!(seen.windows(2).all(|pair| pair[0]["timestamp"].as_str() >= pair[1]["timestamp"].as_str()));
    let refused = cloud.send("POST", "/v2/entries:list", Some(ask("sample(insertId, 0.1)"))).await.unwrap();
    assert_eq!((refused.status, &refused.json["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let mut other = ask("");
    other["resourceNames"] = json!(["projects/other"]);
    assert_eq!(cloud.send("POST", "/v2/entries:list", Some(other)).await.unwrap().status, 403);
}

#[tokio::test]
async fn googles_own_client_reads_them() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let client = LoggingServiceV2::builder()
        .with_endpoint(cloud.url(""))
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await
        .unwrap();
    let mut entries = client
        .list_log_entries()
        .set_resource_names(["projects/netra-staging"])
        .set_filter(
            r#"httpRequest.status=503 AND timestamp>="2025-09-16T03:00:00Z" AND timestamp<"2025-09-16T03:01:00Z""#,
        )
        .set_page_size(100)
        .by_item();
    let mut seen = 0;
    while let Some(entry) = entries.next().await {
        assert_eq!(entry.unwrap().http_request.unwrap().status, 503);
        seen += 1;
    }
    assert_eq!(seen, 120);
}

/// Who really asks finds that in the logs, beside everybody else; a secret in the query is nobody's business.
#[tokio::test]
async fn requests_that_were_really_sent_are_logged() {
    let cloud = Cloud::of(SCENARIO, "");
    let sent = cloud.http.get(cloud.url("/health?token=hidden")).header("host", "api.staging.netrasystems.ai");
    assert_eq!(sent.send().await.unwrap().status(), 503);
    let ours = r#"httpRequest.requestUrl:"/health""#;
    assert_eq!(count(&cloud, ours).await, 0, "it is not ingested yet");
    cloud.sleep(SignedDuration::from_mins(1)).await;
    let found = list(&cloud, ask(ours)).await;
    let entries = found["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{found}");
    let request = &entries[0]["httpRequest"];
    assert_eq!((&request["status"], &request["requestMethod"]), (&json!(503), &json!("GET")));
    assert_eq!(request["requestUrl"], "https://api.staging.netrasystems.ai/health");
}

//! What goes wrong on request goes wrong on the socket: refused, late, broken off before or after its effect, and
//! operations that fail or hang. And who may not is told so.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const PLACE: &str = "/v1/projects/netra-staging/locations/us-central1";
const CONNECTOR: &str = "/v1/projects/netra-staging/locations/us-central1/connectors/staging-connector";
const GROW: &str = "/v1/projects/netra-staging/locations/us-central1/connectors/staging-connector?updateMask=minInstances,maxInstances";

fn size() -> Value {
    json!({ "minInstances": 3, "maxInstances": 10 })
}

async fn inject(cloud: &Cloud, fault: Value) {
    let fault = json!({ "match": { "method": "PATCH", "path": "*/connectors/*" }, "fault": fault, "times": 1 });
    assert_eq!(cloud.send("POST", "/_sim/faults", Some(fault)).await.unwrap().status, 200);
}

async fn state(cloud: &Cloud) -> Value {
    cloud.get(CONNECTOR).await["state"].clone()
}

#[tokio::test]
async fn a_refusal_has_googles_shape_and_is_used_up() {
    let cloud = Cloud::of(SCENARIO, "");
    inject(&cloud, json!({ "status": 429, "retry_after": "1500ms" })).await;
    let refused = cloud.send("PATCH", GROW, Some(size())).await.unwrap();
    assert_eq!((refused.status, &refused.json["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    assert_eq!(refused.headers["retry-after"], "2");
    let details = refused.json["error"]["details"].as_array().unwrap();
    assert!(details.iter().any(|detail| detail["retryDelay"] == "1.5s"), "{details:?}");
    assert!(details.iter().any(|detail| detail["violations"].is_array()), "{details:?}");
    assert_eq!(state(&cloud).await, "READY");
    assert_eq!(cloud.send("PATCH", GROW, Some(size())).await.unwrap().status, 200);
    let requests = cloud.get("/_sim/requests").await;
    assert_eq!(requests[0]["fault"], json!({ "status": 429, "retry_after": "PT1.5S" }), "{requests}");
    assert_eq!(requests.as_array().unwrap().last().unwrap().get("fault"), None);
}

#[tokio::test]
async fn a_connection_breaks_before_the_effect_or_after_it() {
    let cloud = Cloud::of(SCENARIO, "");
    inject(&cloud, json!({ "refuse": true })).await;
    assert!(cloud.send("PATCH", GROW, Some(size())).await.is_err());
    assert_eq!(state(&cloud).await, "READY", "it was broken before the effect");
    inject(&cloud, json!({ "reset": true })).await;
    assert!(cloud.send("PATCH", GROW, Some(size())).await.is_err());
    assert_eq!(state(&cloud).await, "UPDATING", "it was broken after the effect");
    assert_eq!(cloud.get("/_sim/requests").await[0]["status"], 0);
}

#[tokio::test]
async fn an_answer_may_be_late() {
    let cloud = Cloud::of(SCENARIO, "");
    inject(&cloud, json!({ "latency": "5s" })).await;
    let began = cloud.clock.now();
    assert_eq!(cloud.send("PATCH", GROW, Some(size())).await.unwrap().status, 200);
    assert_eq!(cloud.clock.now().duration_since(began), SignedDuration::from_secs(5));
}

#[tokio::test]
async fn an_operation_may_fail_or_hang() {
    let cloud = Cloud::of(SCENARIO, "");
    inject(&cloud, json!({ "operation_error": { "code": 13, "message": "An internal error has occurred" } })).await;
    let begun = cloud.send("PATCH", GROW, Some(size())).await.unwrap().json;
    assert_eq!(begun.get("done"), None, "what is false is left out");
    cloud.sleep(SignedDuration::from_mins(5)).await;
    let name = begun["name"].as_str().unwrap();
    let ended = cloud.get(&format!("/v1/{name}")).await;
    assert_eq!((&ended["done"], &ended["error"]["code"]), (&json!(true), &json!(13)), "{ended}");
    let connector = cloud.get(CONNECTOR).await;
    assert_eq!((&connector["state"], &connector["maxInstances"]), (&json!("READY"), &json!(3)));

    inject(&cloud, json!({ "operation_hangs": true })).await;
    cloud.send("PATCH", GROW, Some(size())).await.unwrap();
    cloud.sleep(SignedDuration::from_hours(24)).await;
    assert_eq!(state(&cloud).await, "UPDATING");
    let running = cloud.get(&format!("{PLACE}/operations?filter=done=false")).await;
    assert_eq!(running["operations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mistake_in_a_fault_is_told() {
    let cloud = Cloud::of(SCENARIO, "");
    for (fault, said) in [
        (json!({ "fault": { "statos": 503 } }), "a fault is one of status, latency"),
        (json!({ "fault": { "status": 200 } }), "400 to 599"),
        (json!({ "fault": { "reset": false } }), "leave it out"),
        (json!({ "fualt": { "reset": true } }), "unknown field `fualt`"),
        (json!({ "fault": { "latency": "-1s" } }), "cannot be negative"),
    ] {
        let refused = cloud.send("POST", "/_sim/faults", Some(fault.clone())).await.unwrap();
        assert_eq!(refused.status, 400);
        assert!(refused.json["error"]["message"].as_str().unwrap().contains(said), "{fault}: {}", refused.json);
    }
    inject(&cloud, json!({ "status": 503 })).await;
    assert_eq!(cloud.get("/_sim/faults").await.as_array().unwrap().len(), 1);
    cloud.send("DELETE", "/_sim/faults", None).await.unwrap();
    assert_eq!(cloud.get("/_sim/faults").await, json!([]));
}

#[tokio::test]
async fn a_scenario_has_faults_of_its_own_at_their_time() {
    let fault = r#"
[[faults]]
match = { host = "auth.staging.netrasystems.ai" }
fault = { status = 502 }
from = "2025-09-16T03:01:00Z"
until = "2025-09-16T03:02:00Z"
"#;
    let cloud = Cloud::of(SCENARIO, fault);
    let health = || async {
        let request = cloud.http.get(cloud.url("/health")).header("host", "auth.staging.netrasystems.ai");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(health().await, 503);
    cloud.sleep(SignedDuration::from_mins(1)).await;
    assert_eq!(health().await, 502);
    cloud.sleep(SignedDuration::from_mins(1)).await;
    assert_eq!(health().await, 503);
    let wrong = std::fs::read_to_string(SCENARIO).unwrap() + "\n[[faults]]\nfault = { status = 99 }\n";
    let error = rectify::sim::scenario::parse("s.toml", &wrong).unwrap_err().to_string();
    let line = wrong.lines().position(|line| line == "[[faults]]").unwrap() + 1;
    assert!(error.starts_with(&format!("s.toml:{line}:")) && error.contains("400 to 599"), "{error}");
}

const CALLERS: &str = r#"
[callers."reader@example.com"]
token = "reader-token"
denied = ["vpcaccess.connectors.update", "run.services.update"]
"#;

#[tokio::test]
async fn who_may_not_is_told_so_and_can_ask_beforehand() {
    let cloud = Cloud::of(SCENARIO, CALLERS);
    let refused = cloud.send_as(Some("reader-token"), "PATCH", GROW, Some(size())).await.unwrap();
    assert_eq!((refused.status, &refused.json["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    let message = refused.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("vpcaccess.connectors.update") && !refused.json.to_string().contains("reader-token"));
    assert_eq!(cloud.send_as(Some("reader-token"), "GET", CONNECTOR, None).await.unwrap().status, 200);
    let asked = json!({ "permissions": ["vpcaccess.connectors.get", "vpcaccess.connectors.update"] });
    for version in ["v1", "v3"] {
        let path = format!("/{version}/projects/netra-staging:testIamPermissions");
        let answer = cloud.send_as(Some("reader-token"), "POST", &path, Some(asked.clone())).await.unwrap();
        assert_eq!(answer.json, json!({ "permissions": ["vpcaccess.connectors.get"] }), "{}", answer.json);
    }
    assert_eq!(cloud.send_as(Some("other"), "PATCH", GROW, Some(size())).await.unwrap().status, 200);
    let requests = cloud.get("/_sim/requests").await;
    assert_eq!(requests[0]["caller"], "reader@example.com");
}

#[tokio::test]
async fn an_api_is_enabled_or_not() {
    let cloud = Cloud::of(SCENARIO, "");
    let run = cloud.get("/v1/projects/netra-staging/services/run.googleapis.com").await;
    assert_eq!((&run["state"], &run["config"]["name"]), (&json!("ENABLED"), &json!("run.googleapis.com")));
}

/// HTTPS on the same port, for whoever trusts the authority, for any host.
#[tokio::test]
async fn it_speaks_https_with_certificates_of_its_own() {
    let cloud = Cloud::of(SCENARIO, "");
    let pem = cloud.get("/_sim/ca.pem").await;
    let trusted = reqwest::Certificate::from_pem(pem.as_str().unwrap().as_bytes()).unwrap();
    let client = |builder: reqwest::ClientBuilder| {
        builder.no_proxy().resolve("auth.staging.netrasystems.ai", cloud.simulator.addr()).build().unwrap()
    };
    let url = format!("https://auth.staging.netrasystems.ai:{}/health", cloud.simulator.addr().port());
    let answer = client(reqwest::Client::builder().add_root_certificate(trusted)).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 503, "the incident's own answer, over TLS");
    let refused = client(reqwest::Client::builder()).get(&url).send().await;
    assert!(refused.is_err(), "nobody trusts it by accident");
}

/// A certificate that ran out is refused by whoever looks at its date.
#[tokio::test]
async fn a_scenario_says_when_a_certificate_runs_out() {
    let certificate = r#"
[certificates.auth]
type = "self_managed"
domains = ["auth.staging.netrasystems.ai"]
expires = "2025-09-20T00:00:00Z"
"#;
    let cloud = Cloud::of(SCENARIO, certificate);
    let pem = cloud.get("/_sim/ca.pem").await;
    let trusted = reqwest::Certificate::from_pem(pem.as_str().unwrap().as_bytes()).unwrap();
    let ask = |host: &'static str| {
        let builder = reqwest::Client::builder().no_proxy().add_root_certificate(trusted.clone());
        let client = builder.resolve(host, cloud.simulator.addr()).build().unwrap();
        client.get(format!("https://{host}:{}/health", cloud.simulator.addr().port())).send()
    };
    assert!(ask("api.staging.netrasystems.ai").await.is_ok());
    let refused = ask("auth.staging.netrasystems.ai").await.unwrap_err();
    assert!(format!("{refused:?}").contains("Expired"), "{refused:?}");
}

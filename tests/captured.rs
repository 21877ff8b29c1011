//! A scenario may have what `gcloud … describe --format=json` printed, or an API answered, in the place of its own words; what
//! nobody here knows in it is kept, shown and reported.

use rectify::sim::scenario;
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

/// What no API tells of a service.
const FIGURES: &str = r#"hosts = []
instances = 1
connections_per_instance = 0
latency = "50ms"
starved_latency = "1s"
crash_latency = "1s"
start_up = "1s"
deploy_takes = "10s"
traffic_takes = "5s""#;

/// Captured resources; in the place of `FIGURES` are those.
const CAPTURED: &str = r#"
[sql.captured]
update_takes = "1m"
restart_takes = "1m"
state = '''
{ "name": "prod-db", "databaseVersion": "POSTGRES_16", "createTime": "2024-01-01T00:00:00Z", "futureField": { "a": 1 },
  "settings": { "tier": "db-custom-2-7680", "availabilityType": "REGIONAL", "settingsVersion": "7",
    "databaseFlags": [{ "name": "max_connections", "value": "300" }], "futureSetting": "x" } }
'''

[connectors.captured]
update_takes = "1m"
state = '''
{ "name": "projects/p/locations/l/connectors/captured", "subnet": { "name": "connectors" }, "machineType": "e2-micro",
  "minInstances": 2, "maxInstances": 5, "state": "READY", "createTime": "2024-05-01T00:00:00Z", "futureField": true }
'''

[services.by-gcloud]
FIGURES
state = '''
{ "apiVersion": "serving.knative.dev/v1", "kind": "Service",
  "metadata": { "name": "by-gcloud", "annotations": { "run.googleapis.com/ingress": "internal" },
    "creationTimestamp": "2024-06-01T00:00:00Z" },
  "spec": { "futureSpec": ["x"], "template": { "metadata": { "annotations": { "autoscaling.knative.dev/maxScale": "7" } },
      "spec": { "containers": [{ "image": "example.com/app@sha256:1111" }], "timeoutSeconds": 60,
        "futureV1Field": { "b": 2 } } },
    "traffic": [{ "revisionName": "by-gcloud-00007-abc", "percent": 100 }] },
  "status": { "latestCreatedRevisionName": "by-gcloud-00008-def", "latestReadyRevisionName": "by-gcloud-00008-def" } }
'''

[services.by-api]
FIGURES
state = '''
{ "name": "projects/p/locations/l/services/by-api", "futureField": "x", "ingress": "INGRESS_TRAFFIC_ALL", "scaling": { "scalingMode": "MANUAL", "manualInstanceCount": 4 },
  "template": { "futureTemplateField": 1, "containers": [{ "image": "example.com/app@sha256:2222" }] },
  "latestReadyRevision": "projects/p/locations/l/services/by-api/revisions/by-api-00003-xyz",
  "conditions": [], "uri": "https://somewhere.example" }
'''
"#;

fn captured() -> String {
    std::fs::read_to_string(SCENARIO).unwrap() + &CAPTURED.replace("FIGURES", FIGURES)
}

fn cloud() -> Cloud {
    let text = captured();
    Cloud::open(scenario::parse("s", &text).unwrap_or_else(|error| panic!("{error}")))
}

#[tokio::test]
async fn what_was_captured_is_there_as_it_was() {
    let cloud = cloud();
    let database = cloud.get("/sql/v1beta4/projects/netra-staging/instances/captured").await;
    assert_eq!((&database["databaseVersion"], &database["futureField"]), (&json!("POSTGRES_16"), &json!({ "a": 1 })));
    assert_eq!(database["settings"]["futureSetting"], "x");
    assert_eq!(database["settings"]["databaseFlags"][0]["value"], "300");
    let place = "projects/netra-staging/locations/us-central1";
    let connector = cloud.get(&format!("/v1/{place}/connectors/captured")).await;
    assert_eq!((&connector["maxInstances"], &connector["futureField"]), (&json!(5), &json!(true)));
    assert_eq!(connector["createTime"], "2024-05-01T00:00:00Z");

    let service = cloud.get(&format!("/v2/{place}/services/by-gcloud")).await;
    assert_eq!(service["ingress"], "INGRESS_TRAFFIC_INTERNAL_ONLY");
    // What nobody knows is kept, also from the form that has other names for the rest.
    assert_eq!((&service["futureSpec"], &service["template"]["futureV1Field"]), (&json!(["x"]), &json!({ "b": 2 })));
    assert_eq!(
        (&service["template"]["timeout"], &service["template"]["scaling"]["maxInstanceCount"]),
        (&json!("60s"), &json!(7))
    );
    assert_eq!(service["trafficStatuses"][0]["revision"], "by-gcloud-00007-abc");
    assert!(service["latestReadyRevision"].as_str().unwrap().ends_with("/by-gcloud-00008-def"));
    let revisions = cloud.get(&format!("/v2/{place}/services/by-gcloud/revisions")).await;
    assert_eq!(revisions["revisions"].as_array().unwrap().len(), 2);

    let notes = cloud.simulator.world().notes();
    for (table, field) in [
        ("sql.captured", "futureField"),
        ("connectors.captured", "futureField"),
        ("services.by-api", "futureField"),
        ("services.by-gcloud", "futureSpec"),
        ("services.by-gcloud", "futureV1Field"),
    ] {
        assert!(notes.iter().any(|note| note.starts_with(table) && note.contains(field)), "{notes:?}");
    }
}

/// A write keeps what it read, also what nobody here knows.
#[tokio::test]
async fn what_nobody_knows_survives_a_write() {
    let cloud = cloud();
    let path = "/v2/projects/netra-staging/locations/us-central1/services/by-api";
    let mut whole = cloud.get(path).await;
    whole["template"]["containers"][0]["image"] = json!("example.com/app@sha256:3333");
    let answer = cloud.send("PATCH", path, Some(whole.clone())).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.json);
    cloud.sleep(jiff::SignedDuration::from_mins(1)).await;
    let after = cloud.get(path).await;
    let kept = |service: &Value| (service["futureField"].clone(), service["template"]["futureTemplateField"].clone());
    assert_eq!(kept(&after), kept(&whole));
    assert_eq!(after["scaling"], json!({ "scalingMode": "MANUAL", "manualInstanceCount": 4 }));
    assert!(after["latestReadyRevision"].as_str().unwrap().contains("/by-api-00004-"), "numbered after the highest");
    whole.as_object_mut().unwrap().remove("etag");
    whole["template"]["strangerField"] = json!(1);
    let refused = cloud.send("PATCH", path, Some(whole)).await.unwrap();
    assert_eq!(refused.status, 400, "what was never there is a mistake");
}

#[test]
fn a_state_that_is_none_is_a_mistake_of_the_scenario() {
    let text = captured();
    for (from, to, reason) in [
        ("\"maxInstances\": 5,", "\"maxInstances\": 15,", "between 3 and 10, got 15"),
        ("{ \"apiVersion\"", "[ \"apiVersion\"", "state is not JSON"),
        ("\"databaseVersion\": \"POSTGRES_16\",", "", "missing field `database_version`"),
        ("\"tier\": \"db-custom-2-7680\",", "", "missing field `tier`"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = scenario::parse("s", &text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

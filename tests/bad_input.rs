//! Whatever is sent to the control planes of SQL, Compute, Service Health and Support, the answer is a refusal in the shape
//! of that API, and nothing has changed.

use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const SQL: &str = "/sql/v1beta4/projects/netra-staging/instances/staging-shared-postgres";
const BACKEND: &str = "/compute/v1/projects/netra-staging/global/backendServices/legacy";
const CERTIFICATES: &str = "/compute/v1/projects/netra-staging/global/sslCertificates";
const CASES: &str = "/v2/projects/netra-staging/cases";
const EVENTS: &str = "/v1/projects/netra-staging/locations/global/events";

/// What can be written to, and how.
const WRITES: [(&str, &str); 5] =
    [("PATCH", SQL), ("PUT", SQL), ("PATCH", BACKEND), ("POST", CERTIFICATES), ("POST", CASES)];

fn cloud() -> Cloud {
    Cloud::of(SCENARIO, &format!("{}{}", crate::sql::DATABASE, crate::compute::LOAD_BALANCER))
}

async fn sent(cloud: &Cloud, method: &str, path: &str, body: String) -> (u16, Value) {
    let request = cloud.http.request(method.parse().unwrap(), cloud.url(path));
    let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Both shapes have the HTTP status as `code` and a sentence; the older one says why in a list.
fn assert_refused(status: u16, answer: &Value, path: &str, what: &str) {
    assert!((400..500).contains(&status), "{what} to {path}: {status} {answer}");
    assert_eq!(answer["error"]["code"], status, "{what} to {path}: {answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    let older = path.starts_with("/sql/") || path.starts_with("/compute/");
    assert_eq!(answer["error"]["errors"].is_array(), older, "{what} to {path}: {answer}");
    assert_eq!(answer["error"]["status"].is_string(), !older, "{what} to {path}: {answer}");
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_refused() {
    let cloud = cloud();
    let before = cloud.get("/_sim/state").await;
    for (method, path) in WRITES {
        for (what, body) in [
            ("half an object", "{\"settings\": {".to_owned()),
            ("a list", "[1, 2]".to_owned()),
            ("a number", "7".to_owned()),
            ("what is not UTF-8 in spirit", "{\"\\ud800\": 1}".to_owned()),
            ("depth", "{\"a\":".repeat(5_000)),
            ("an unknown field", json!({ "nonsense": 1 }).to_string()),
            ("too much", format!("{{\"name\": \"{}\"}}", "a".repeat(2 << 20))),
        ] {
            let (status, answer) = sent(&cloud, method, path, body).await;
            assert_refused(status, &answer, path, what);
        }
        let (status, answer) = sent(&cloud, method, &format!("{path}?nonsense=1"), "{}".to_owned()).await;
        assert_refused(status, &answer, path, "an unknown parameter");
        let foreign = path.replace("netra-staging", "another-project");
        let (status, answer) = sent(&cloud, method, &foreign, "{}".to_owned()).await;
        assert_eq!(status, 403, "{foreign}: {answer}");
    }
    assert_eq!(cloud.get("/_sim/state").await, before, "nothing has changed");
}

#[tokio::test]
async fn a_list_is_asked_for_properly_or_not_at_all() {
    let cloud = cloud();
    let sql = SQL.rsplit_once('/').unwrap().0;
    for (path, size) in [(sql, "maxResults"), (CERTIFICATES, "maxResults"), (CASES, "pageSize"), (EVENTS, "pageSize")] {
        for query in
            [format!("{size}=many"), format!("{size}=-1"), "pageToken=next".to_owned(), "filter=(((".to_owned()]
        {
            let (status, answer) = sent(&cloud, "GET", &format!("{path}?{query}"), String::new()).await;
            assert_refused(status, &answer, path, &query);
        }
        assert_eq!(
            sent(&cloud, "GET", &format!("{path}?pageToken=99999"), String::new()).await.0,
            200,
            "an empty page"
        );
    }
    for nowhere in [format!("{SQL}/noSuchMethod"), format!("{CERTIFICATES}/x/y"), format!("{CASES}/1:reopen")] {
        let (status, _) = sent(&cloud, "POST", &nowhere, "{}".to_owned()).await;
        assert_eq!(status, 404, "{nowhere}");
    }
}

/// Values that a field does not have.
const ODD: [&str; 9] = ["null", "-1", "1e400", "\"\"", "[]", "{}", "true", "[null]", "{\"a\": null}"];

#[tokio::test]
async fn no_value_of_a_known_field_makes_it_fall_over() {
    let cloud = cloud();
    let bodies = [
        (
            SQL,
            "PATCH",
            "{\"settings\": {\"FIELD\": ODD}}",
            ["databaseFlags", "tier", "activationPolicy", "settingsVersion", "userLabels"],
        ),
        (
            BACKEND,
            "PATCH",
            "{\"fingerprint\": \"x\", \"FIELD\": ODD}",
            ["fingerprint", "timeoutSec", "backends", "healthChecks", "name"],
        ),
        (CERTIFICATES, "POST", "{\"FIELD\": ODD}", ["name", "type", "managed", "description", "kind"]),
        (CASES, "POST", "{\"FIELD\": ODD}", ["displayName", "priority", "classification", "description", "state"]),
    ];
    for (path, method, body, fields) in bodies {
        for field in fields {
            for odd in ODD {
                let body = body.replace("FIELD", field).replace("ODD", odd);
                let (status, answer) = sent(&cloud, method, path, body.clone()).await;
                assert!(status < 500, "{method} {path} {body}: {status} {answer}");
            }
        }
    }
}

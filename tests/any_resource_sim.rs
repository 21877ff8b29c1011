//! Any resource of Google Cloud in the simulated cloud, over its socket: each dialect as its API speaks it, and what is refused.

use jiff::SignedDuration;
use rectify::sim::scenario;
use serde_json::{Value, json};

use crate::support::cloud::{Answer, Cloud};

const REDIS: &str = "/apis/redis.googleapis.com/v1/projects/shop/locations/us-central1/instances";

/// A project `shop` in us-central1 with these tables.
fn cloud(tables: &str) -> Cloud {
    let text = format!("[cloud]\nproject = \"shop\"\nproject_number = \"123\"\nregion = \"us-central1\"\n{tables}");
    Cloud::open(scenario::parse("any.sim.toml", &text).unwrap_or_else(|error| panic!("{error}")))
}

fn refused(tables: &str) -> String {
    let text = format!("[cloud]\nproject = \"shop\"\nregion = \"us-central1\"\n{tables}");
    scenario::parse("any.sim.toml", &text).unwrap_err().to_string()
}

/// Sends a request that succeeds, and gives its answer.
async fn done(cloud: &Cloud, method: &str, path: &str, body: Option<Value>) -> Value {
    let answer = cloud.send(method, path, body).await.unwrap();
    assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.json);
    answer.json
}

/// Sends a request that is refused, and gives the status and what is said.
async fn refusal(cloud: &Cloud, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let Answer { status, json, .. } = cloud.send(method, path, body).await.unwrap();
    (status, json["error"]["message"].as_str().unwrap_or_else(|| panic!("{method} {path}: {status} {json}")).to_owned())
}

/// Where a link of Google's leads here.
fn here(link: &str) -> String {
    format!("/apis/{}", link.strip_prefix("https://").unwrap())
}

const CACHE: &str = r#"
[[resources]]
name = "redis.instances/cache"
state = { memorySizeGb = 4, tier = "BASIC", host = "10.0.0.3", labels = { team = "a" } }
update_takes = "2m"
[resources.methods.failover]
takes = "1m"
sets = { currentLocationId = "us-central1-b" }
"#;

#[tokio::test]
async fn a_field_mask_changes_what_it_names_when_its_operation_ends() {
    let cloud = cloud(CACHE);
    let cache = format!("{REDIS}/cache");
    let before = cloud.get(&cache).await;
    assert_eq!(before["name"], "projects/shop/locations/us-central1/instances/cache");
    assert_eq!((&before["memorySizeGb"], &before["tier"]), (&json!(4), &json!("BASIC")));
    // By the project's number it is the same, and a HEAD asks no more.
    assert_eq!(cloud.get(&cache.replace("/shop/", "/123/")).await, before);

    let body = json!({ "memorySizeGb": 10, "tier": "STANDARD_HA", "host": "10.0.0.9" });
    let accepted = done(&cloud, "PATCH", &format!("{cache}?updateMask=memorySizeGb"), Some(body)).await;
    assert!(accepted.get("done").is_none() && accepted["metadata"]["target"] == before["name"], "{accepted}");
    assert_eq!(cloud.get(&cache).await, before);
    let busy = refusal(&cloud, "PATCH", &format!("{cache}?updateMask=labels"), Some(json!({}))).await;
    assert_eq!(busy.0, 409, "{busy:?}");

    cloud.sleep(SignedDuration::from_secs(121)).await;
    let operation = format!("/apis/redis.googleapis.com/v1/{}", accepted["name"].as_str().unwrap());
    let ended = cloud.get(&operation).await;
    assert_eq!((&ended["done"], &ended["response"]["memorySizeGb"]), (&json!(true), &json!(10)), "{ended}");
    let after = cloud.get(&cache).await;
    assert_eq!(after["memorySizeGb"], 10);
    assert_eq!((&after["tier"], &after["host"]), (&before["tier"], &before["host"]), "a mask names what is changed");

    // What the mask names and the body does not have is cleared.
    done(&cloud, "PATCH", &format!("{cache}?updateMask=labels"), Some(json!({}))).await;
    cloud.sleep(SignedDuration::from_mins(3)).await;
    assert!(cloud.get(&cache).await.get("labels").is_none());
}

#[tokio::test]
async fn a_mask_that_the_api_does_not_take_is_refused_before_anything_happens() {
    let cloud = cloud(CACHE);
    let cache = format!("{REDIS}/cache");
    let before = cloud.get(&cache).await;
    for (mask, body, why) in [
        ("?updateMask=memorySizeGB", json!({ "memorySizeGb": 10 }), "no field `memorySizeGB`"),
        ("?updateMask=host", json!({ "host": "x" }), "output only"),
        ("?updateMask=memorySizeGb,labels", json!({ "memorySizeGb": 10 }), "exactly 1"),
        ("?updateMask=memorySizeGb", json!({ "memorySizeGb": "many" }), "Invalid value at 'memorySizeGb'"),
        ("?updateMask=memorySizeGb", json!({ "memorySize": 10 }), "Unknown name \"memorySize\""),
        ("", json!({ "memorySizeGb": 10 }), "update_mask in the request must be specified"),
        ("?updateMasks=memorySizeGb", json!({ "memorySizeGb": 10 }), "Unknown name \"updateMasks\""),
    ] {
        let answer = cloud.send("PATCH", &format!("{cache}{mask}"), Some(body)).await.unwrap();
        assert_eq!(
            (answer.status, &answer.json["error"]["status"]),
            (400, &json!("INVALID_ARGUMENT")),
            "{}",
            answer.json
        );
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{mask}: {message}");
    }
    assert_eq!(cloud.get(&cache).await, before);
}

#[test]
fn a_scenario_says_what_is_wrong_with_a_resource_where_it_stands() {
    for (tables, expected) in [
        (
            "[[resources]]\nname = \"redis.instance/cache\"\n",
            "a.sim.toml:5:8: `redis` has no resources `instance`; did you mean `redis.instances`?",
        ),
        (
            "[[resources]]\nname = \"vpcaccess.connectors/small\"\n",
            "vpcaccess.connectors is simulated by itself: write it as [connectors.NAME]",
        ),
        ("[[resources]]\nname = \"sqladmin.instances/orders\"\n", "write it as [sql.NAME]"),
        (
            "[[resources]]\nname = \"redis.googleapis.com/projects/other/locations/l/instances/i\"\n",
            "it is in the project other",
        ),
        (
            "[[resources]]\nname = \"redis.instances/i\"\nstate = { memorySizeGb = \"many\" }\n",
            "any.sim.toml:6:9: Invalid value at 'memorySizeGb' (TYPE_INT32)",
        ),
        (
            "[[resources]]\nname = \"redis.instances/i\"\n[resources.methods.restart]\n",
            "redis.instances has no method \"restart\"",
        ),
        ("[[resources]]\nname = \"secretmanager.secrets/i\"\nupdate_takes = \"1m\"\n", "have no operations"),
        (
            "[[resources]]\nname = \"redis.instances/i\"\n[[resources]]\nname = \"redis.instances/i\"\n",
            "there are two resources",
        ),
    ] {
        let error = refused(tables).replace("any.sim.toml:5:8: `", "a.sim.toml:5:8: `");
        assert!(error.contains(expected), "{error}");
    }
    // A newer Google is no mistake of the scenario, and said when the cloud starts.
    let text = "[cloud]\nproject = \"p\"\nregion = \"r\"\n[[resources]]\nname = \"redis.instances/i\"\nstate = '{ \"shiny\": 1 }'\n";
    let world = scenario::parse("a", text).unwrap();
    assert!(world.notes()[0].contains("does not know the field shiny"), "{:?}", world.notes());
}

const URL_MAP: &str = r#"
[[resources]]
name = "compute.urlMaps/shop"
state = { defaultService = "https://www.googleapis.com/compute/v1/projects/shop/global/backendServices/a", description = "all" }
update_takes = "30s"
"#;

#[tokio::test]
async fn compute_merges_what_has_the_present_fingerprint_and_its_operation_can_be_waited_for() {
    let cloud = cloud(URL_MAP);
    let map = "/apis/compute.googleapis.com/compute/v1/projects/shop/global/urlMaps/shop";
    let before = cloud.get(map).await;
    assert_eq!((&before["kind"], &before["name"]), (&json!("compute#urlMap"), &json!("shop")));
    let link = before["selfLink"].as_str().unwrap();
    assert_eq!(link, "https://www.googleapis.com/compute/v1/projects/shop/global/urlMaps/shop");
    assert_eq!(cloud.get(&here(link)).await, before);

    let (status, message) = refusal(&cloud, "PATCH", map, Some(json!({ "description": null }))).await;
    assert_eq!((status, message.as_str()), (412, "Invalid fingerprint."));
    let stale = cloud.send("PATCH", map, Some(json!({ "description": "x", "fingerprint": "b2xk" }))).await.unwrap();
    assert_eq!((stale.status, &stale.json["error"]["errors"][0]["reason"]), (412, &json!("conditionNotMet")));

    let change =
        json!({ "description": null, "tests": [{ "host": "h", "path": "/" }], "fingerprint": before["fingerprint"] });
    let accepted = done(&cloud, "PATCH", map, Some(change)).await;
    assert_eq!((&accepted["status"], &accepted["operationType"]), (&json!("RUNNING"), &json!("patch")));
    let operation = here(accepted["selfLink"].as_str().unwrap());
    let ended = done(&cloud, "POST", &format!("{operation}/wait"), None).await;
    assert_eq!((&ended["status"], &ended["selfLink"]), (&json!("DONE"), &accepted["selfLink"]));
    let after = cloud.get(map).await;
    assert!(after.get("description").is_none() && after["tests"][0]["host"] == "h", "{after}");
    assert_eq!(after["defaultService"], before["defaultService"]);
    assert_ne!(after["fingerprint"], before["fingerprint"]);
    let missing = cloud.send("GET", &map.replace("urlMaps/shop", "urlMaps/other"), None).await.unwrap();
    assert_eq!((missing.status, &missing.json["error"]["errors"][0]["reason"]), (404, &json!("notFound")));
}

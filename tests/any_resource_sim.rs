//! Any resource of Google Cloud in the simulated cloud, over its socket: each dialect as its API speaks it, and what is refused.

use jiff::SignedDuration;
use rectify::catalog::{
    Catalog, Exception, Field, FieldType, OperationDialect, Resource, ResourceType, UpdateDialect, example_resource,
    example_value, validate, writes,
};
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
    assert_eq!((status, message.as_str()), (400, "Required field 'resource.fingerprint' not specified"));
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

#[tokio::test]
async fn storage_merges_and_compares_the_metageneration_of_the_query() {
    let cloud = cloud(
        "[[resources]]\nname = \"storage.buckets/shop-media\"\nstate = { location = \"US\", labels = { team = \"a\", tier = \"b\" }, metageneration = 7 }\n",
    );
    let bucket = "/apis/storage.googleapis.com/storage/v1/b/shop-media";
    let before = cloud.get(bucket).await;
    assert_eq!((&before["metageneration"], &before["kind"]), (&json!("7"), &json!("storage#bucket")));
    let change = || Some(json!({ "labels": { "team": null }, "versioning": { "enabled": true } }));
    let stale = refusal(&cloud, "PATCH", &format!("{bucket}?ifMetagenerationMatch=6"), change()).await;
    assert_eq!(stale.0, 412, "{stale:?}");
    let after = done(&cloud, "PATCH", &format!("{bucket}?ifMetagenerationMatch=7"), change()).await;
    assert_eq!((&after["metageneration"], &after["labels"]), (&json!("8"), &json!({ "tier": "b" })));
    assert_eq!(cloud.get(bucket).await, after);
    // A write without a condition is taken; a deletion answers with nothing.
    done(&cloud, "PATCH", bucket, Some(json!({ "versioning": null }))).await;
    assert_eq!(refusal(&cloud, "DELETE", &format!("{bucket}?ifMetagenerationMatch=8"), None).await.0, 412);
    assert_eq!(cloud.send("DELETE", bucket, None).await.unwrap().status, 204);
    assert_eq!(refusal(&cloud, "GET", bucket, None).await.0, 404);
}

#[tokio::test]
async fn what_a_put_leaves_out_is_lost() {
    let cloud = cloud(
        "[[resources]]\nname = \"logging.metrics/errors\"\nstate = { filter = \"severity>=ERROR\", description = \"all\", version = \"V2\" }\n",
    );
    let metric = "/apis/logging.googleapis.com/v2/projects/shop/metrics/errors";
    assert_eq!(cloud.get(metric).await["name"], "errors");
    done(&cloud, "PUT", metric, Some(json!({ "name": "errors", "filter": "severity>=WARNING" }))).await;
    let after = cloud.get(metric).await;
    assert_eq!((&after["filter"], after.get("description")), (&json!("severity>=WARNING"), None));
}

#[tokio::test]
async fn a_wrapped_update_has_its_mask_in_the_body() {
    let cloud = cloud(
        "[[resources]]\nname = \"pubsub.subscriptions/orders\"\nstate = { topic = \"projects/shop/topics/orders\", ackDeadlineSeconds = 10, filter = \"a\" }\n",
    );
    let of = "/apis/pubsub.googleapis.com/v1/projects/shop/subscriptions";
    let subscription = &format!("{of}/orders");
    let change =
        |mask: &str| Some(json!({ "subscription": { "ackDeadlineSeconds": 30, "filter": "a" }, "updateMask": mask }));
    assert_eq!(refusal(&cloud, "PATCH", subscription, change("")).await.0, 400);
    // Also with its present value.
    let (status, message) = refusal(&cloud, "PATCH", subscription, change("ackDeadlineSeconds,filter")).await;
    assert!(status == 400 && message.contains("'filter': the field is immutable"), "{message}");
    done(&cloud, "PATCH", subscription, change("ackDeadlineSeconds")).await;
    assert_eq!(cloud.get(subscription).await["ackDeadlineSeconds"], 30);

    let made =
        done(&cloud, "PUT", &format!("{of}/second"), Some(json!({ "topic": "projects/shop/topics/orders" }))).await;
    assert_eq!(made["name"], "projects/shop/subscriptions/second");
    assert_eq!(refusal(&cloud, "PUT", &format!("{of}/second"), Some(json!({ "topic": "t" }))).await.0, 409);
    let page = cloud.get(&format!("{of}?pageSize=1")).await;
    assert_eq!(page["subscriptions"].as_array().unwrap().len(), 1);
    let rest = cloud.get(&format!("{of}?pageSize=1&pageToken={}", page["nextPageToken"].as_str().unwrap())).await;
    assert!(rest["subscriptions"][0]["name"] == made["name"] && rest.get("nextPageToken").is_none(), "{rest}");
}

#[tokio::test]
async fn methods_do_what_the_scenario_says_and_a_paused_job_takes_no_patch() {
    let job_table = "[[resources]]\nname = \"cloudscheduler.jobs/nightly\"\nstate = { schedule = \"0 3 * * *\", state = \"ENABLED\" }\n\
        [resources.methods.pause]\nsets = { state = \"PAUSED\" }\n[resources.methods.resume]\nsets = { state = \"ENABLED\" }\n";
    let cloud = cloud(job_table);
    let job = "/apis/cloudscheduler.googleapis.com/v1/projects/shop/locations/us-central1/jobs/nightly";
    let paused = done(&cloud, "POST", &format!("{job}:pause"), Some(json!({}))).await;
    assert_eq!(paused["state"], "PAUSED");
    let patch = format!("{job}?updateMask=schedule");
    let change = || Some(json!({ "schedule": "0 4 * * *" }));
    let answer = cloud.send("PATCH", &patch, change()).await.unwrap();
    assert_eq!((answer.status, &answer.json["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    done(&cloud, "POST", &format!("{job}:resume"), None).await;
    done(&cloud, "PATCH", &patch, change()).await;
    let after = cloud.get(job).await;
    assert_eq!((&after["state"], &after["schedule"]), (&json!("ENABLED"), &json!("0 4 * * *")));
    let (status, message) = refusal(&cloud, "POST", &format!("{job}:run"), None).await;
    assert!(status == 501 && message.contains("[resources.methods.run]"), "{message}");
    assert_eq!(refusal(&cloud, "POST", &format!("{job}:dance"), None).await.0, 404);
}

#[tokio::test]
async fn a_version_of_a_secret_is_disabled_and_an_etag_is_compared() {
    let cloud = cloud(
        "[[resources]]\nname = \"secretmanager.secrets/db\"\n[[resources]]\nname = \"secretmanager.secrets.versions/db/3\"\nstate = { state = \"ENABLED\" }\n\
         [resources.methods.disable]\nsets = { state = \"DISABLED\" }\n",
    );
    let secret = "/apis/secretmanager.googleapis.com/v1/projects/shop/secrets/db";
    let version = format!("{secret}/versions/3");
    assert_eq!(done(&cloud, "POST", &format!("{version}:disable"), Some(json!({}))).await["state"], "DISABLED");
    assert_eq!(cloud.get(&version).await["state"], "DISABLED");

    let etag = cloud.get(secret).await["etag"].clone();
    let patch = format!("{secret}?updateMask=labels");
    let change = |etag: &Value| Some(json!({ "labels": { "team": "a" }, "etag": etag }));
    let after = done(&cloud, "PATCH", &patch, change(&etag)).await;
    assert_ne!(after["etag"], etag);
    let answer = cloud.send("PATCH", &patch, change(&etag)).await.unwrap();
    assert_eq!((answer.status, &answer.json["error"]["status"]), (409, &json!("ABORTED")));
    assert_eq!(refusal(&cloud, "DELETE", &format!("{secret}?etag=old"), None).await.0, 409);
}

#[tokio::test]
async fn dns_has_operations_of_zones_and_none_of_records() {
    let cloud = cloud(
        "[[resources]]\nname = \"dns.managedZones/shop\"\nstate = { dnsName = \"shop.example.\" }\nupdate_takes = \"10s\"\n",
    );
    let zone = "/apis/dns.googleapis.com/dns/v1/projects/shop/managedZones/shop";
    let accepted = done(&cloud, "PATCH", zone, Some(json!({ "description": "all" }))).await;
    assert_eq!(accepted["status"], "pending");
    assert_eq!(accepted["zoneContext"]["newValue"]["description"], "all");
    cloud.sleep(SignedDuration::from_secs(11)).await;
    assert_eq!(cloud.get(&format!("{zone}/operations/{}", accepted["id"].as_str().unwrap())).await["status"], "done");
    assert_eq!(cloud.get(zone).await["description"], "all");

    let record = json!({ "name": "www.shop.example.", "type": "A", "ttl": 300, "rrdatas": ["10.0.0.1"] });
    done(&cloud, "POST", &format!("{zone}/rrsets"), Some(record.clone())).await;
    let www = format!("{zone}/rrsets/www.shop.example./A");
    done(&cloud, "PATCH", &www, Some(json!({ "rrdatas": ["10.0.0.2"] }))).await;
    let all = cloud.get(&format!("{zone}/rrsets")).await;
    assert_eq!((&all["rrsets"][0]["rrdatas"], &all["rrsets"][0]["ttl"]), (&json!(["10.0.0.2"]), &json!(300)));
    assert_eq!(cloud.send("DELETE", &www, None).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_node_pool_is_changed_by_methods_whose_operations_have_bare_names() {
    let pool_table = "[[resources]]\nname = \"container.clusters.nodePools/blue/workers\"\nstate = { initialNodeCount = 3 }\n\
        [resources.methods.setSize]\ntakes = \"5m\"\nfrom = { initialNodeCount = \"nodeCount\" }\n";
    let cloud = cloud(pool_table);
    let place = "/apis/container.googleapis.com/v1/projects/shop/locations/us-central1";
    let pool = format!("{place}/clusters/blue/nodePools/workers");
    let (status, message) = refusal(&cloud, "PUT", &pool, Some(json!({ "imageType": "COS" }))).await;
    assert!(status == 501 && message.contains("[resources.methods.update]"), "{message}");
    let accepted = done(&cloud, "POST", &format!("{pool}:setSize"), Some(json!({ "nodeCount": 5 }))).await;
    let name = accepted["name"].as_str().unwrap();
    assert!(name.starts_with("operation-") && accepted["status"] == "PENDING", "{accepted}");
    let busy = cloud.send("POST", &format!("{pool}:setSize"), Some(json!({ "nodeCount": 6 }))).await.unwrap();
    assert_eq!((busy.status, &busy.json["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    cloud.sleep(SignedDuration::from_mins(6)).await;
    assert_eq!(cloud.get(&format!("{place}/operations/{name}")).await["status"], "DONE");
    assert_eq!(cloud.get(&pool).await["initialNodeCount"], 5);
}

#[tokio::test]
async fn fields_with_methods_of_their_own_are_set_by_them() {
    let cloud = cloud(
        "[[resources]]\nname = \"compute.disks/us-central1-a/data\"\nstate = { sizeGb = 100, labels = { team = \"a\" } }\n\
         [[resources]]\nname = \"compute.autoscalers/us-central1-a/web\"\nstate = { autoscalingPolicy = { minNumReplicas = 1 } }\n\
         [[resources]]\nname = \"compute.instanceGroupManagers/us-central1-a/web\"\nstate = { targetSize = 2 }\n",
    );
    let zone = "/apis/compute.googleapis.com/compute/v1/projects/shop/zones/us-central1-a";
    let disk = format!("{zone}/disks/data");
    let (status, message) = refusal(&cloud, "POST", &format!("{disk}/resize"), Some(json!({ "sizeGb": "50" }))).await;
    assert!(status == 400 && message.contains("sizeGb"), "{message}");
    let accepted = done(&cloud, "POST", &format!("{disk}/resize"), Some(json!({ "sizeGb": "200" }))).await;
    assert!(accepted["selfLink"].as_str().unwrap().contains("/zones/us-central1-a/operations/"), "{accepted}");
    done(&cloud, "POST", &format!("{}/wait", here(accepted["selfLink"].as_str().unwrap())), None).await;
    let before = cloud.get(&disk).await;
    assert_eq!(before["sizeGb"], "200");

    let labels = |fingerprint: &Value| Some(json!({ "labels": { "team": "b" }, "labelFingerprint": fingerprint }));
    let set = format!("{disk}/setLabels");
    assert_eq!(refusal(&cloud, "POST", &set, labels(&json!("b2xk"))).await.0, 412);
    done(&cloud, "POST", &set, labels(&before["labelFingerprint"])).await;
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let after = cloud.get(&disk).await;
    assert_eq!(after["labels"], json!({ "team": "b" }));
    assert_ne!(after["labelFingerprint"], before["labelFingerprint"]);

    done(&cloud, "POST", &format!("{zone}/instanceGroupManagers/web/resize?size=5"), None).await;
    let scaler = json!({ "autoscalingPolicy": { "minNumReplicas": 3 } });
    done(&cloud, "PATCH", &format!("{zone}/autoscalers?autoscaler=web"), Some(scaler)).await;
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(cloud.get(&format!("{zone}/instanceGroupManagers/web")).await["targetSize"], 5);
    assert_eq!(cloud.get(&format!("{zone}/autoscalers/web")).await["autoscalingPolicy"]["minNumReplicas"], 3);
    let items = cloud.get(&format!("{zone}/disks")).await;
    assert_eq!(items["items"][0]["name"], "data");
}

#[tokio::test]
async fn a_resource_is_made_and_deleted_by_operations() {
    let cloud = cloud("");
    let body = || Some(json!({ "tier": "BASIC", "memorySizeGb": 1 }));
    assert_eq!(refusal(&cloud, "POST", REDIS, body()).await.0, 400);
    let id = "6f1a2c1e-98e5-4a6f-9a8f-3b1b1c1d1e1f";
    let accepted = done(&cloud, "POST", &format!("{REDIS}?instanceId=new"), body()).await;
    assert_eq!(refusal(&cloud, "GET", &format!("{REDIS}/new"), None).await.0, 404);
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let ended = cloud.get(&format!("/apis/redis.googleapis.com/v1/{}", accepted["name"].as_str().unwrap())).await;
    assert_eq!(ended["response"]["memorySizeGb"], 1, "{ended}");
    assert_eq!(refusal(&cloud, "POST", &format!("{REDIS}?instanceId=new"), body()).await.0, 409);
    let clusters = REDIS.replace("/instances", "/clusters");
    let made = format!("{clusters}?clusterId=c&requestId={id}");
    let shards = || Some(json!({ "shardCount": 3, "pscConfigs": [{ "network": "n" }] }));
    let first = done(&cloud, "POST", &made, shards()).await;
    assert_eq!(
        done(&cloud, "POST", &made, shards()).await["name"],
        first["name"],
        "a request with a known id is answered again"
    );
    assert_eq!(refusal(&cloud, "POST", &format!("{clusters}?clusterId=d&requestId=1"), shards()).await.0, 400);

    let gone = done(&cloud, "DELETE", &format!("{REDIS}/new"), None).await;
    cloud.sleep(SignedDuration::from_mins(2)).await;
    let ended = cloud.get(&format!("/apis/redis.googleapis.com/v1/{}", gone["name"].as_str().unwrap())).await;
    assert_eq!(ended["response"]["@type"], "type.googleapis.com/google.protobuf.Empty");
    assert_eq!(refusal(&cloud, "GET", &format!("{REDIS}/new"), None).await.0, 404);
    let elsewhere = REDIS.replace("/shop/", "/other/");
    assert_eq!(refusal(&cloud, "GET", &format!("{elsewhere}/new"), None).await.0, 403);
}

#[tokio::test]
async fn faults_befall_these_requests_and_their_operations() {
    let cloud = cloud(
        &(CACHE.to_owned()
            + r#"
[[faults]]
match = { method = "PATCH", host = "redis.googleapis.com", path = "/v1/*/instances/cache" }
fault = { reset = true }
times = 1
[[faults]]
match = { method = "PATCH", path = "*/instances/cache" }
fault = { operation_error = { code = 13, message = "no capacity" } }
times = 1
[callers."oncall@shop.example"]
token = "t"
denied = ["redis.instances.update"]
"#),
    );
    let patch = format!("{REDIS}/cache?updateMask=memorySizeGb");
    let to = |size: u32| Some(json!({ "memorySizeGb": size }));
    assert!(cloud.send("PATCH", &patch, to(10)).await.is_err(), "its answer is lost");
    cloud.sleep(SignedDuration::from_mins(3)).await;
    assert_eq!(cloud.get(&format!("{REDIS}/cache")).await["memorySizeGb"], 10, "and it took effect");
    let accepted = done(&cloud, "PATCH", &patch, to(20)).await;
    cloud.sleep(SignedDuration::from_mins(3)).await;
    let ended = cloud.get(&format!("/apis/redis.googleapis.com/v1/{}", accepted["name"].as_str().unwrap())).await;
    assert_eq!((&ended["done"], &ended["error"]), (&json!(true), &json!({ "code": 13, "message": "no capacity" })));
    assert_eq!(cloud.get(&format!("{REDIS}/cache")).await["memorySizeGb"], 10);
    let denied = cloud.send_as(Some("t"), "PATCH", &patch, to(5)).await.unwrap();
    assert_eq!((denied.status, &denied.json["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    assert_eq!(cloud.send_as(Some("t"), "GET", &format!("{REDIS}/cache"), None).await.unwrap().status, 200);
}

/// The APIs that have simulations of their own are reached by their hosts too, as if the request had been sent there.
#[tokio::test]
async fn what_is_for_another_api_is_handed_on_to_it() {
    let cloud = cloud(
        "[sql.orders]\ndatabase_version = \"POSTGRES_16\"\n[connectors.small]\n[[resources]]\nname = \"sqladmin.databases/orders/main\"\n",
    );
    let instance = "/apis/sqladmin.googleapis.com/v1/projects/shop/instances/orders";
    assert_eq!(cloud.get(instance).await["kind"], "sql#instance");
    let operation = done(&cloud, "POST", &format!("{instance}/restart"), None).await;
    let polled =
        format!("/apis/sqladmin.googleapis.com/v1/projects/shop/operations/{}", operation["name"].as_str().unwrap());
    assert_eq!(cloud.get(&polled).await["operationType"], "RESTART");
    assert_eq!(cloud.get(&format!("{instance}/databases/main")).await["name"], "main");
    let connector = "/apis/vpcaccess.googleapis.com/v1/projects/shop/locations/us-central1/connectors/small";
    assert_eq!(cloud.get(connector).await["state"], "READY");
    let seen = cloud.simulator.requests();
    assert_eq!(
        (seen[0].host.as_str(), seen[0].path.as_str()),
        ("sqladmin.googleapis.com", "/v1/projects/shop/instances/orders")
    );

    // Nothing is shadowed: the same path without a host is the other API's, and so it is at another host.
    assert_eq!(cloud.get("/v1/projects/shop/locations/us-central1/connectors/small").await["state"], "READY");
    let elsewhere = connector.replace("vpcaccess", "redis");
    assert_eq!(refusal(&cloud, "GET", &elsewhere, None).await.0, 404);
    for path in ["/apis/redis.googleapis.com/_sim/state", "/apis/run.googleapis.com/_sim/clock"] {
        assert_eq!(refusal(&cloud, "GET", path, None).await.0, 404);
    }
    assert_eq!(refusal(&cloud, "GET", "/apis/serving.knative.dev/v1/nothing", None).await.0, 404);
}

/// A value without messages that say nothing, which no request has to write.
fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), without_nothing(value)));
            Value::Object(fields.filter(|(_, value)| *value != json!({})).collect())
        }
        value => value.clone(),
    }
}

/// A value without the fields that no answer has.
fn without_input_only(resource_type: ResourceType, field_type: &FieldType, value: &Value) -> Value {
    let api = resource_type.api();
    match (api.resolve(field_type), value) {
        (FieldType::Message(id), Value::Object(fields)) => {
            let shown = fields.iter().filter_map(|(name, value)| {
                let field = api.schema(id).field(name)?;
                let shown = !field.behavior.is_input_only();
                shown.then(|| (name.clone(), without_input_only(resource_type, &field.field_type, value)))
            });
            Value::Object(shown.collect())
        }
        (FieldType::List(element), Value::Array(elements)) => {
            elements.iter().map(|value| without_input_only(resource_type, &element, value)).collect()
        }
        (FieldType::Map(inner), Value::Object(entries)) => {
            let entries =
                entries.iter().map(|(name, value)| (name.clone(), without_input_only(resource_type, &inner, value)));
            Value::Object(entries.collect())
        }
        (_, value) => value.clone(),
    }
}

/// Sends the requests that the catalog makes of a change, and lets their operations end. What is refused is said.
async fn set(cloud: &Cloud, resource: &Resource, field: &str, value: &Value) -> Result<(), String> {
    let set = serde_json::Map::from_iter([(field.to_owned(), value.clone())]);
    let assignments = validate(resource.resource_type, &set, &[]).map_err(|problems| format!("{problems:?}"))?;
    let live = cloud.get(&here(&resource.url())).await;
    let requests = writes(resource, &live, &assignments).map_err(|error| error.to_string())?;
    for request in requests {
        let query: Vec<String> =
            request.query.iter().map(|(name, value)| format!("{name}={}", value.replace('#', "%23"))).collect();
        let path = format!("{}?{}", here(&request.url), query.join("&"));
        let answer = cloud.send(request.method.verb.as_str(), &path, request.body.clone()).await.unwrap();
        if !(200..300).contains(&answer.status) {
            return Err(format!("{request:?}: {} {}", answer.status, answer.json));
        }
        if let rectify::catalog::Answer::Operation(dialect) = request.answer() {
            let name = answer.json["name"].as_str().or(answer.json["id"].as_str()).unwrap_or_default();
            let name =
                if dialect == OperationDialect::Dns { answer.json["id"].as_str().unwrap_or_default() } else { name };
            let url = resource.operation_url(dialect, name, answer.json["selfLink"].as_str());
            let url = url.ok_or_else(|| format!("{request:?}: no operation in {}", answer.json))?;
            cloud.sleep(SignedDuration::from_mins(2)).await;
            let ended = cloud.get(&here(&url)).await;
            let is_done = ended["done"] == true
                || ended["status"].as_str().is_some_and(|status| status.eq_ignore_ascii_case("done"));
            if !is_done || ended.get("error").is_some() {
                return Err(format!("{request:?}: {ended}"));
            }
        }
    }
    Ok(())
}

/// Types that cannot be observed at their names, or cannot be written by themselves, and why.
const KNOWN: [(&str, &str); 8] = [
    ("contentwarehouse.documents: GET", "it is read by POST"),
    ("contentwarehouse.documents.referenceId: GET", "it is read by POST"),
    ("firestore.databases.documents: GET", "its name goes on behind what the catalog has for its pattern"),
    ("servicenetworking.services.dnsRecordSets: GET", "it is read by a method with another path"),
    ("sqladmin.users", "a PUT of all would send the password, which is never read"),
    ("securesourcemanager.repositories.pullRequests.pullRequestComments.code", "a part of it is never shown"),
    ("vmmigration.sources.aws", "a part of it is never shown"),
    ("websecurityscanner.scanConfigs.authentication", "a part of it is never shown"),
];

/// Types whose change the catalog cannot write, because it does not follow from their schemas.
fn is_written_by_methods(resource_type: ResourceType) -> bool {
    matches!(resource_type.update(), Some((_, UpdateDialect::Underivable)))
}

#[tokio::test]
async fn every_type_that_can_be_updated_is_served_and_takes_what_the_catalog_writes() {
    let cloud = cloud("");
    let (mut wrong, mut served, mut others) = (Vec::new(), 0, Vec::new());
    for resource_type in Catalog::open().unwrap().types().unwrap() {
        if resource_type.update().is_none() {
            continue;
        }
        let name = resource_type.name();
        let resource = example_resource(resource_type);
        let text = format!(
            "[cloud]\nproject = \"my-project\"\nregion = \"us-central1\"\n[[resources]]\nname = {:?}\n",
            resource.url()
        );
        let world = match scenario::parse("a", &text) {
            Ok(world) => world,
            Err(error) if error.to_string().contains("is simulated by itself") => {
                others.push(name);
                continue;
            }
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        cloud.simulator.restart(world, cloud.clock.now());
        let answer = cloud.send("GET", &here(&resource.url()), None).await.unwrap();
        if answer.status != 200 {
            wrong.push(format!("{name}: GET {}: {}", resource.url(), answer.json));
            continue;
        }
        served += 1;
        let allowed = resource_type.rules().iter().find_map(|rule| match &rule.what {
            Exception::MaskOnly(paths) => Some(paths.clone()),
            _ => None,
        });
        let is_meant = |field: &&&Field| {
            let made = example_value(resource_type, &field.field_type);
            let shown = without_nothing(&without_input_only(resource_type, &field.field_type, &made));
            allowed.as_ref().is_none_or(|allowed| allowed.contains(&field.name))
                && !field.behavior.is_input_only()
                && shown != json!({})
        };
        let fields = resource_type.settable_fields();
        let Some(field) = fields.iter().find(is_meant).filter(|_| !is_written_by_methods(resource_type)) else {
            continue;
        };
        let value = example_value(resource_type, &field.field_type);
        match set(&cloud, &resource, field.name, &value).await {
            Err(error) => wrong.push(format!("{name}.{}: {error}", field.name)),
            Ok(()) => {
                let after = cloud.get(&here(&resource.url())).await;
                let expected = without_input_only(resource_type, &field.field_type, &value);
                if without_nothing(&after[field.name]) != without_nothing(&expected) {
                    wrong.push(format!("{name}.{}: {} is not {expected}", field.name, after[field.name]));
                }
            }
        }
    }
    let unexpected: Vec<&String> =
        wrong.iter().filter(|one| !KNOWN.iter().any(|(known, _)| one.starts_with(known))).collect();
    assert!(unexpected.is_empty(), "{} of them:\n{unexpected:#?}", unexpected.len());
    assert_eq!(wrong.len(), KNOWN.len(), "{wrong:#?}");
    assert_eq!(served + others.len() + 4, 911);
    let own = [
        "cloudresourcemanager:v1.projects",
        "cloudresourcemanager.projects",
        "cloudsupport.cases",
        "compute.backendServices",
        "run.services",
        "sqladmin.instances",
        "vpcaccess.connectors",
    ];
    assert_eq!(others, own, "types with a simulation of their own");
}

/// A change of any resource has a consequence that a runbook can observe.
#[tokio::test]
async fn a_service_is_unhealthy_while_an_expression_over_resources_holds() {
    let cloud = cloud(
        &(CACHE.to_owned()
            + r#"
[services.api]
hosts = ["api.example"]
requests_per_minute = 60
unhealthy_while = 'resource("redis.instances/cache").memorySizeGb < 5'
[[services.api.revisions]]
name = "api-00001-abc"
image = "r/api@sha256:1"
[[measurements]]
metric = "pubsub.googleapis.com/subscription/num_undelivered_messages"
resource = { type = "pubsub_subscription", labels = { subscription_id = "orders" } }
value = '1000 / resource("redis.instances/cache").memorySizeGb'
[[measurements]]
metric = "redis.googleapis.com/stats/memory/usage_ratio"
resource = { type = "redis_instance", labels = { instance_id = "cache" } }
value = 0.75
"#),
    );
    let health = async || {
        let request = cloud.http.get(cloud.url("/health")).header("host", "api.example");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(health().await.0, 503);
    let why = cloud.get("/_sim/state").await["services"]["api"]["health"].clone();
    assert_eq!(why, json!({ "ok": false, "why": "resource(\"redis.instances/cache\").memorySizeGb < 5 holds" }));

    let backlog = async |at: jiff::Timestamp| {
        let query = "pubsub_googleapis_com:subscription_num_undelivered_messages{subscription_id=\"orders\"}";
        let mut url =
            reqwest::Url::parse(&cloud.url("/v1/projects/shop/location/global/prometheus/api/v1/query")).unwrap();
        url.query_pairs_mut().append_pair("query", query).append_pair("time", &at.to_string());
        let answer: Value = cloud.http.get(url).send().await.unwrap().json().await.unwrap();
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    };
    cloud.sleep(SignedDuration::from_mins(5)).await;
    let before = cloud.clock.now();
    done(&cloud, "PATCH", &format!("{REDIS}/cache?updateMask=memorySizeGb"), Some(json!({ "memorySizeGb": 10 }))).await;
    cloud.sleep(SignedDuration::from_mins(1)).await;
    assert_eq!(health().await.0, 503, "the operation has not ended yet");
    cloud.sleep(SignedDuration::from_mins(2)).await;
    assert_eq!(health().await.0, 200);
    cloud.sleep(SignedDuration::from_mins(5)).await;
    assert_eq!(backlog(before).await.as_deref(), Some("250"));
    assert_eq!(backlog(cloud.clock.now()).await.as_deref(), Some("100"));

    let filter = "metric.type%3D%22redis.googleapis.com%2Fstats%2Fmemory%2Fusage_ratio%22";
    let series = cloud
        .get(&format!(
            "/v3/projects/shop/timeSeries?filter={filter}&interval.endTime={}&interval.startTime={before}",
            cloud.clock.now()
        ))
        .await;
    let first = &series["timeSeries"][0];
    assert_eq!(
        (&first["resource"]["type"], &first["points"][0]["value"]["doubleValue"]),
        (&json!("redis_instance"), &json!(0.75)),
        "{series}"
    );
    assert_eq!(first["resource"]["labels"], json!({ "instance_id": "cache", "project_id": "shop" }));

    // Without the resource there is no answer, and no health.
    done(&cloud, "DELETE", &format!("{REDIS}/cache"), None).await;
    cloud.sleep(SignedDuration::from_mins(3)).await;
    let why = cloud.get("/_sim/state").await["services"]["api"]["health"]["why"].clone();
    assert!(why.as_str().unwrap().ends_with("has no answer: there is no resource redis.instances/cache"), "{why}");
}

#[test]
fn an_expression_that_has_no_answer_is_refused_where_it_stands() {
    let service = |expression: &str| {
        format!(
            "{CACHE}[services.api]\nunhealthy_while = '{expression}'\n[[services.api.revisions]]\nname = \"api-1-a\"\nimage = \"i\"\n"
        )
    };
    for (expression, why) in [
        ("resource(\"redis.instances/cash\").memorySizeGb < 5", "there is no resource redis.instances/cash"),
        ("resource(\"redis.instances/cache\").memorySizeGB < 5", "there is no `memorySizeGB` in it"),
        ("resource(\"redis.instances/cache\").memorySizeGb", "not true or false"),
        ("status == 200", "`status` means nothing here"),
        ("resource(", "this is not CEL"),
    ] {
        let error = refused(&service(expression));
        assert!(error.starts_with("any.sim.toml:13:19: ") && error.contains(why), "{error}");
    }
    let measured =
        |rest: &str| refused(&format!("{CACHE}[[measurements]]\nmetric = \"pubsub.googleapis.com/x\"\n{rest}"));
    assert!(measured("value = 1\n").contains("say its `resource`"));
    let error = measured("resource = { type = \"t\" }\nvalue = 'resource(\"redis.instances/cache\").name'\n");
    assert!(error.contains("gives a string, not a number"), "{error}");
}

#[tokio::test]
async fn a_request_with_a_known_id_changes_nothing_again() {
    let cloud = cloud("[backend_services.web]\nsettings = { timeoutSec = 10 }\n");
    let web = "/apis/compute.googleapis.com/compute/v1/projects/shop/global/backendServices/web";
    let fingerprint = cloud.get(web).await["fingerprint"].clone();
    let path = format!("{web}?requestId=6f1a2c1e-98e5-4a6f-9a8f-3b1b1c1d1e1f");
    let change = || Some(json!({ "timeoutSec": 20, "fingerprint": fingerprint }));
    let first = done(&cloud, "PATCH", &path, change()).await;
    assert_eq!(done(&cloud, "PATCH", &path, change()).await["name"], first["name"]);
    cloud.sleep(SignedDuration::from_hours(2)).await;
    assert_eq!(refusal(&cloud, "PATCH", &path, change()).await.0, 412, "after an hour it is forgotten");
}

#[tokio::test]
async fn what_differs_from_api_to_api_is_the_scenarios() {
    let behaviour = "[behaviour]\nabsent_resource = \"forbidden\"\nstale_etag = \"failed_precondition\"\n";
    let cloud =
        cloud(&format!("{behaviour}[[resources]]\nname = \"secretmanager.secrets/db\"\ntoken = \"required\"\n"));
    let secrets = "/apis/secretmanager.googleapis.com/v1/projects/shop/secrets";
    assert_eq!(refusal(&cloud, "GET", &format!("{secrets}/other"), None).await.0, 403);
    let patch = format!("{secrets}/db?updateMask=labels");
    let stale = cloud.send("PATCH", &patch, Some(json!({ "etag": "old" }))).await.unwrap();
    assert_eq!((stale.status, &stale.json["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
    let without = cloud.send("PATCH", &patch, Some(json!({ "labels": {} }))).await.unwrap();
    assert_eq!((without.status, &without.json["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    let url = "https://secretmanager.googleapis.com/v1/projects/shop/secrets/db";
    assert_eq!(cloud.get("/_sim/state").await["resources"][url]["name"], "projects/shop/secrets/db");
}

#[tokio::test]
async fn a_request_as_to_a_proxy_reaches_the_same_resource_and_is_in_the_audit_log() {
    let cloud = cloud(CACHE);
    let proxy = reqwest::Proxy::http(cloud.url("")).unwrap();
    let client = reqwest::Client::builder().proxy(proxy).build().unwrap();
    let cache = "http://redis.googleapis.com/v1/projects/shop/locations/us-central1/instances/cache";
    let patch = client.patch(format!("{cache}?updateMask=memorySizeGb")).json(&json!({ "memorySizeGb": 5 }));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    cloud.sleep(SignedDuration::from_mins(3)).await;
    let shown: Value = client.get(cache).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown, cloud.get(&format!("{REDIS}/cache")).await);
    assert_eq!(shown["memorySizeGb"], 5);
    let query =
        json!({ "resourceNames": ["projects/shop"], "filter": "protoPayload.serviceName=\"redis.googleapis.com\"" });
    let entries = done(&cloud, "POST", "/v2/entries:list", Some(query)).await;
    let name = &entries["entries"][0]["protoPayload"]["resourceName"];
    assert!(name.as_str().is_some_and(|name| name.ends_with("/instances/cache")), "{entries}");
}

#[tokio::test]
async fn an_api_is_enabled_and_disabled() {
    let text = "[cloud]\nproject = \"shop\"\nregion = \"us-central1\"\ndisabled_apis = [\"redis.googleapis.com\"]\n";
    let cloud = Cloud::open(scenario::parse("any.sim.toml", text).unwrap());
    let redis = "/apis/serviceusage.googleapis.com/v1/projects/shop/services/redis.googleapis.com";
    assert_eq!(cloud.get(redis).await["state"], "DISABLED");
    let enabled = done(&cloud, "POST", &format!("{redis}:enable"), Some(json!({}))).await;
    assert_eq!((&enabled["done"], &enabled["response"]["service"]["state"]), (&json!(true), &json!("ENABLED")));
    assert_eq!(cloud.get(redis).await["state"], "ENABLED");
    done(&cloud, "POST", &format!("{redis}:disable"), Some(json!({ "disableDependentServices": true }))).await;
    assert_eq!(cloud.get(redis).await["state"], "DISABLED");
    assert_eq!(refusal(&cloud, "POST", &format!("{redis}:dance"), None).await.0, 404);
}

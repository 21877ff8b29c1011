//! Metrics of the simulated cloud, and what the database has to do with it: cause and effect, seen as an engineer sees it.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_monitoring_v3::client::MetricService;
use google_cloud_monitoring_v3::model::TimeInterval;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::cloud::Cloud;
use crate::support::{Desk, SCENARIO};

const SHOP: &str = "runbooks/sql-connections.sim.toml";
const SERVICES: [&str; 3] = ["orders", "payments", "catalog"];

async fn promql(cloud: &Cloud, project: &str, query: &str) -> Value {
    let path = format!("/v1/projects/{project}/location/global/prometheus/api/v1/query");
    let answer = cloud.http.get(cloud.url(&path)).query(&[("query", query)]).send().await.unwrap();
    let (status, json) = (answer.status(), answer.json::<Value>().await.unwrap());
    assert_eq!(status, 200, "{query}: {json}");
    json["data"]["result"].clone()
}

/// The only value of an answer, if there is one.
async fn value(cloud: &Cloud, project: &str, query: &str) -> Option<f64> {
    let result = promql(cloud, project, query).await;
    let values = result.as_array().unwrap();
    assert!(values.len() <= 1, "{result}");
    values.first().map(|value| value["value"][1].as_str().unwrap().parse().unwrap())
}

async fn health(cloud: &Cloud, service: &str) -> u16 {
    let request = cloud.http.get(cloud.url("/health")).header("host", format!("{service}.shop.example"));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn rates_are_of_what_was_ingested_and_no_data_is_no_answer() {
    let cloud = Cloud::of(SCENARIO, "");
    let failing = r#"sum(rate(run_googleapis_com:request_count{service_name="netra-backend-staging",response_code_class="5xx"}[5m]))"#;
    cloud.sleep(SignedDuration::from_mins(10)).await;
    // A window that ends now lacks its last two minutes; one that ends where the points end has all of them.
    let at_now = value(&cloud, "netra-staging", failing).await.unwrap();
    // A request is counted when it ends, and they do not all take as long: a minute has one more or less than sixty.
    assert!((at_now - 0.6).abs() < 0.02, "{at_now}");
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    let ask = cloud.http.get(cloud.url(path)).query(&[("query", failing), ("time", "2025-09-16T03:08:00Z")]);
    let whole = ask.send().await.unwrap().json::<Value>().await.unwrap();
    let rate: f64 = whole["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!((rate - 1.0).abs() < 0.02, "a visitor a second, all of them 503: {whole}");
    let well = failing.replace("5xx", "2xx");
    assert_eq!(value(&cloud, "netra-staging", &well).await, None, "nothing was ever 200: that is not zero");
    let share = r#"sum by (revision_name) (increase(run_googleapis_com:request_count{service_name=~"netra-backend.*"}[5m])) / 180 > 0.4"#;
    assert_eq!(promql(&cloud, "netra-staging", share).await.as_array().unwrap().len(), 2, "half each");
    let busy = r#"vpcaccess_googleapis_com:connector_cpu_utilizations{connector_name="staging-connector"}"#;
    assert_eq!(value(&cloud, "netra-staging", busy).await, Some(1.0));
    // The last two minutes are not there yet.
    let recent = r#"sum(increase(run_googleapis_com:request_count{service_name="netra-backend-staging"}[2m]))"#;
    assert_eq!(value(&cloud, "netra-staging", recent).await, None);
    let range = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query_range";
    let ask = [("query", failing), ("start", "2025-09-16T03:03:00Z"), ("end", "2025-09-16T03:08:00Z"), ("step", "60")];
    let answer = cloud.http.get(cloud.url(range)).query(&ask).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(answer["data"]["result"][0]["values"].as_array().unwrap().len(), 6, "{answer}");
}

/// The idioms of error rates: what is missing counts as nothing, and series of one group are divided by each other.
#[tokio::test]
async fn an_error_rate_is_zero_while_nothing_fails() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(10)).await;
    let count = |class: &str| {
        let backend = r#"{"run.googleapis.com/request_count",service_name="netra-backend-staging""#;
        format!("sum(rate({backend}{class}}}[5m]))")
    };
    let (all, well) = (count(""), count(r#",response_code_class="2xx""#));
    assert_eq!(value(&cloud, "netra-staging", &well).await, None, "nothing was ever 200");
    assert_eq!(value(&cloud, "netra-staging", &format!("{well} or vector(0)")).await, Some(0.0));
    assert_eq!(value(&cloud, "netra-staging", &format!("({well} or on() vector(0)) / on() {all}")).await, Some(0.0));
    assert_eq!(value(&cloud, "netra-staging", &format!("{all} / on() {all} or vector(0)")).await, Some(1.0));
    let split = all.replace("sum(", "sum by (revision_name) (");
    let both = promql(&cloud, "netra-staging", &format!("{split} and on(revision_name) {split}")).await;
    assert_eq!(both.as_array().unwrap().len(), 2, "{both}");
    let none = promql(&cloud, "netra-staging", &format!("{split} unless {split}")).await;
    assert_eq!(none, serde_json::json!([]));
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    let many = [("query", format!("{split} - ignoring(revision_name) {all}"))];
    let answer = cloud.http.get(cloud.url(path)).query(&many).send().await.unwrap();
    assert_eq!(answer.status(), 400, "several series of one group");
}

/// A query that is refused for what it is will not get better while the gate waits.
#[test]
fn a_query_that_has_no_answer_ends_the_gate_at_once_and_says_why() {
    let desk = Desk::new();
    let query = "run_googleapis_com:request_latencies{service_name=\"netra-backend-staging\"}";
    let text = format!(
        "[runbook]\nname = \"one\"\non_failure = \"stop\"\n[target]\nproject = \"netra-staging\"\nregion = \"us-central1\"\n\
         [probes.slow]\nmetric = '{query}'\nexpect = \"value < 500.0\"\n\
         [[phase]]\nname = \"p\"\n[[phase.step]]\nname = \"watch\"\nuses = \"probe\"\n\
         gate = {{ healthy = [\"slow\"], for = \"10m\", timeout = \"1h\" }}\n"
    );
    let file = desk.write("one.toml", &text);
    let done = desk.rectify(&["run", &file, "--sim", SCENARIO, "--speed", "max", "--yes"]);
    assert_ne!(done.code, 0);
    done.says("request_latencies is a distribution and has no value of its own; take a quantile, as in");
    let journal = desk.journal();
    let at = |entry: &Value| entry["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let took = at(journal.last().unwrap()).duration_since(at(&journal[0]));
    assert!(took < SignedDuration::from_mins(10), "{took}");
}

#[tokio::test]
async fn what_promql_has_and_this_has_not_is_refused() {
    let cloud = Cloud::of(SCENARIO, "");
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    for (query, status) in [
        ("sum(", 400),
        ("nobody:knows_this", 501),
        ("histogram_quantile(0.9, run_googleapis_com:request_count)", 400),
        ("topk(3, run_googleapis_com:request_count)", 501),
        ("rate(run_googleapis_com:request_count)", 400),
        (&"(".repeat(5000), 400),
        (&"-".repeat(4000), 400),
    ] {
        let answer = cloud.http.get(cloud.url(path)).query(&[("query", query)]).send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", &query[..query.len().min(40)]);
    }
}

/// The third shipped scenario: waiting heals nothing, a restart with more connections is not enough, fewer instances are.
#[tokio::test]
async fn a_database_that_takes_no_more_connections_turns_services_away() {
    let cloud = Cloud::of(SHOP, "");
    let backends =
        r#"cloudsql_googleapis_com:database_postgresql_num_backends{database_id="shop-staging:shop-postgres"}"#;
    cloud.sleep(SignedDuration::from_hours(1)).await;
    for service in SERVICES {
        assert_eq!(health(&cloud, service).await, 503, "{service}");
    }
    assert_eq!(value(&cloud, "shop-staging", backends).await, Some(97.0), "all that are not reserved");
    let logs = json!({ "resourceNames": ["projects/shop-staging"], "filter": "textPayload:\"remaining connection slots are reserved\"" });
    let logs = cloud.send("POST", "/v2/entries:list", Some(logs)).await.unwrap().json;
    assert_eq!(logs["entries"].as_array().unwrap().len(), 50, "as PostgreSQL itself says it");

    // More connections: the database goes down, comes back, and is exhausted again.
    let instance = "/v1/projects/shop-staging/instances/shop-postgres";
    let flags = json!({ "settings": { "databaseFlags": [{ "name": "max_connections", "value": "200" }] } });
    assert_eq!(cloud.send("PATCH", instance, Some(flags)).await.unwrap().status, 200);
    cloud.sleep(SignedDuration::from_mins(5)).await;
    assert_eq!(cloud.get(instance).await["settings"]["databaseFlags"][0]["value"], "200");
    assert_eq!(health(&cloud, "orders").await, 503);

    // Fewer instances: what the runbook does.
    for service in SERVICES {
        let path = format!("/v2/projects/shop-staging/locations/us-central1/services/{service}?updateMask=scaling");
        let scaling = json!({ "scaling": { "maxInstanceCount": 2 } });
        assert_eq!(cloud.send("PATCH", &path, Some(scaling)).await.unwrap().status, 200);
        cloud.sleep(SignedDuration::from_mins(1)).await;
    }
    for service in SERVICES {
        assert_eq!(health(&cloud, service).await, 200, "{service}");
    }
    cloud.sleep(SignedDuration::from_mins(5)).await;
    assert_eq!(value(&cloud, "shop-staging", backends).await, Some(80.0), "3 × 2 × 10, and the others' 20");
}

#[tokio::test]
async fn googles_own_client_reads_descriptors_and_series() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(10)).await;
    let client = MetricService::builder()
        .with_endpoint(cloud.url(""))
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await
        .unwrap();
    let name = "projects/netra-staging/metricDescriptors/run.googleapis.com/request_count";
    let descriptor = client.get_metric_descriptor().set_name(name).send().await.unwrap();
    let metadata = descriptor.metadata.unwrap();
    assert_eq!((metadata.sample_period.unwrap().seconds(), metadata.ingest_delay.unwrap().seconds()), (60, 120));
    let moment = |minute: i64| google_cloud_wkt::Timestamp::clamp(1_757_991_600 + minute * 60, 0);
    let interval = TimeInterval::new().set_start_time(moment(2)).set_end_time(moment(7));
    let filter =
        r#"metric.type="run.googleapis.com/request_count" AND resource.labels.service_name="netra-auth-staging""#;
    let mut series = client
        .list_time_series()
        .set_name("projects/netra-staging")
        .set_filter(filter)
        .set_interval(interval)
        .by_item();
    let one = series.next().await.unwrap().unwrap();
    assert_eq!(one.points.len(), 6, "a point a minute, both ends included");
    assert!(series.next().await.is_none());
}

/// The flagship's 503s take 12 s of a starved connector, or 2 s of a crashing container: half each.
#[tokio::test]
async fn latencies_are_a_distribution() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(10)).await;
    let quantile = |part: f64| {
        let of = r#"run_googleapis_com:request_latencies_bucket{service_name="netra-backend-staging"}[5m]"#;
        format!("histogram_quantile({part}, sum by (le) (rate({of})))")
    };
    let low = value(&cloud, "netra-staging", &quantile(0.25)).await.unwrap();
    let high = value(&cloud, "netra-staging", &quantile(0.95)).await.unwrap();
    assert!((1280.0..=2560.0).contains(&low) && (10_240.0..=20_480.0).contains(&high), "{low} {high}");
    let filter =
        r#"metric.type="run.googleapis.com/request_latencies" AND resource.labels.service_name="netra-auth-staging""#;
    let ask = [
        ("filter", filter),
        ("interval.startTime", "2025-09-16T03:05:00Z"),
        ("interval.endTime", "2025-09-16T03:05:00Z"),
    ];
    let answer = cloud.http.get(cloud.url("/v3/projects/netra-staging/timeSeries")).query(&ask).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let point = &answer["timeSeries"][0]["points"][0]["value"]["distributionValue"];
    assert_eq!((&point["count"], point["bucketCounts"].as_array().map(Vec::len)), (&json!("60"), Some(15)), "{answer}");
}

async fn series(cloud: &Cloud, project: &str, ask: &[(&str, &str)]) -> (u16, Value) {
    let path = format!("/v3/projects/{project}/timeSeries");
    let answer = cloud.http.get(cloud.url(&path)).query(ask).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the model has no cause for is what the scenario measures, or nothing.
#[tokio::test]
async fn a_scenario_can_measure_what_the_world_does_not_explain() {
    let measured = r#"
[[measurements]]
metric = "run.googleapis.com/container/cpu/utilizations"
of = "netra-auth-staging"
value = 0.42
[[measurements]]
metric = "vpcaccess.googleapis.com/connector/received_bytes_count"
of = "staging-connector"
value = 6000000
from = "2025-09-16T03:05:00Z"
"#;
    let cloud = Cloud::of(SCENARIO, measured);
    cloud.sleep(SignedDuration::from_mins(10)).await;
    let busy = r#"histogram_quantile(0.5, sum by (le) (rate(run_googleapis_com:container_cpu_utilizations_bucket{service_name="netra-auth-staging"}[5m])))"#;
    let median = value(&cloud, "netra-staging", busy).await.unwrap();
    assert!((0.4..=0.5).contains(&median), "within the bucket of 0.42: {median}");
    let idle = busy.replace("netra-auth", "netra-backend");
    assert_eq!(value(&cloud, "netra-staging", &idle).await, None, "what nobody measured is not zero");
    let through = "rate(vpcaccess_googleapis_com:connector_received_bytes_count[1m])";
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    for (at, rate) in [("2025-09-16T03:04:00Z", Value::Null), ("2025-09-16T03:06:00Z", json!("100000"))] {
        let answer = cloud.http.get(cloud.url(path)).query(&[("query", through), ("time", at)]).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["data"]["result"][0]["value"][1], rate, "{at}: {answer}");
    }
}

/// How many came up, and how long that took, is in the metrics; a load balancer counts also what no container saw.
#[tokio::test]
async fn starts_are_counted_and_a_load_balancer_sees_what_containers_do_not() {
    let balanced = "\n[backend_services.front]\nservice = \"netra-backend-staging\"\n";
    let cloud = Cloud::of(SCENARIO, balanced);
    let grow = "/v1/projects/netra-staging/locations/us-central1/connectors/staging-connector?updateMask=minInstances,maxInstances";
    let grown = cloud.send("PATCH", grow, Some(json!({ "minInstances": 3, "maxInstances": 10 }))).await.unwrap();
    assert_eq!(grown.status, 200, "{}", grown.json);
    let service = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging";
    let pin = json!({ "traffic": [{ "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "netra-backend-staging-00750-69k", "percent": 100 }] });
    let pinned = cloud.send("PATCH", &format!("{service}?updateMask=traffic"), Some(pin)).await.unwrap();
    assert_eq!(pinned.status, 200, "{}", pinned.json);
    cloud.sleep(SignedDuration::from_mins(20)).await;
    let window = [("interval.startTime", "2025-09-16T03:00:00Z"), ("interval.endTime", "2025-09-16T03:18:00Z")];
    let of = |metric: &str| {
        format!(r#"metric.type="{metric}" AND resource.labels.service_name=ends_with("backend-staging")"#)
    };
    let (status, started) = series(
        &cloud,
        "netra-staging",
        &[&[("filter", of("run.googleapis.com/container/startup_latencies").as_str())], &window[..]].concat(),
    )
    .await;
    assert_eq!(status, 200, "{started}");
    let points = started["timeSeries"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "they came up once: {started}");
    assert_eq!(points[0]["value"]["distributionValue"]["mean"], 30_000.0, "{started}");
    // While they came up, no container was reached: 500s that only the load balancer counted.
    let aborted = |metric: &str| format!(r#"sum(increase({metric}{{response_code="500"}}[18m]))"#);
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    let count = async |metric: &str| {
        let query = aborted(metric);
        let ask = cloud.http.get(cloud.url(path)).query(&[("query", query.as_str()), ("time", "2025-09-16T03:18:00Z")]);
        ask.send().await.unwrap().json::<Value>().await.unwrap()["data"]["result"][0]["value"][1].clone()
    };
    assert_eq!(count("run_googleapis_com:request_count").await, Value::Null);
    assert_eq!(
        count("loadbalancing_googleapis_com:https_request_count").await,
        "30",
        "a visitor a second, for as long"
    );
}

/// A parameter that is not answered is refused: a series that is not aggregated must not be taken for one that is.
#[tokio::test]
async fn what_time_series_do_not_answer_is_refused() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(10)).await;
    let filter = ("filter", r#"metric.type="run.googleapis.com/request_count""#);
    let (end, full) = (("interval.endTime", "2025-09-16T03:05:00Z"), ("view", "FULL"));
    for (ask, status) in [
        (vec![filter, end, full], 200),
        (vec![filter, end, ("view", "HEADERS")], 200),
        (vec![filter, end, ("aggregation.perSeriesAligner", "ALIGN_RATE")], 501),
        (vec![filter, end, ("orderBy", "timestamp")], 501),
        (vec![filter, end, ("view", "SOME")], 400),
        (vec![filter, end, ("interval.startTime", "2025-09-16T03:06:00Z")], 400),
        (vec![("filter", r#"resource.type="cloud_run_revision""#), end], 400),
        (vec![("filter", r#"metric.type="run.googleapis.com/nothing""#), end], 404),
        (vec![filter], 400),
    ] {
        let (found, answer) = series(&cloud, "netra-staging", &ask).await;
        assert_eq!(found, status, "{ask:?}: {answer}");
        if ask.contains(&("view", "HEADERS")) {
            assert!(answer["timeSeries"][0].get("points").is_none(), "{answer}");
        }
    }
}

/// A connector that has grown does not shrink by itself.
#[tokio::test]
async fn a_connector_does_not_scale_in() {
    let cloud = Cloud::of(SCENARIO, "");
    cloud.sleep(SignedDuration::from_mins(5)).await;
    let instances = "vpcaccess_googleapis_com:connector_instances";
    let before = value(&cloud, "netra-staging", instances).await.unwrap();
    let service = "/v2/projects/netra-staging/locations/us-central1/services";
    for name in ["netra-backend-staging", "netra-auth-staging"] {
        let fewer = json!({ "scaling": { "maxInstanceCount": 1 } });
        let path = format!("{service}/{name}?updateMask=scaling");
        assert_eq!(cloud.send("PATCH", &path, Some(fewer)).await.unwrap().status, 200);
        cloud.sleep(SignedDuration::from_mins(5)).await;
    }
    let busy = value(&cloud, "netra-staging", "vpcaccess_googleapis_com:connector_cpu_utilizations").await.unwrap();
    assert!(busy < 1.0, "{busy}");
    assert_eq!(value(&cloud, "netra-staging", instances).await, Some(before));
}

/// A service's bound is for all of its revisions together, by their traffic.
#[tokio::test]
async fn revisions_share_the_instances_of_their_service() {
    let cloud = Cloud::of(SCENARIO, "");
    let service = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging?updateMask=scaling";
    let bounded = cloud.send("PATCH", service, Some(json!({ "scaling": { "maxInstanceCount": 10 } }))).await.unwrap();
    assert_eq!(bounded.status, 200, "{}", bounded.json);
    cloud.sleep(SignedDuration::from_mins(5)).await;
    let instances = r#"run_googleapis_com:container_instance_count{service_name="netra-backend-staging"}"#;
    let found = promql(&cloud, "netra-staging", instances).await;
    let counts: Vec<&Value> = found.as_array().unwrap().iter().map(|one| &one["value"][1]).collect();
    assert_eq!(counts, [&json!("5"), &json!("5")], "half of the traffic each");
}

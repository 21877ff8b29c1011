//! Metrics of the simulated cloud, and what the database has to do with it: cause and effect, seen as an engineer sees it.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_monitoring_v3::client::MetricService;
use google_cloud_monitoring_v3::model::TimeInterval;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

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
    assert!((at_now - 0.6).abs() < 1e-9, "{at_now}");
    let path = "/v1/projects/netra-staging/location/global/prometheus/api/v1/query";
    let ask = cloud.http.get(cloud.url(path)).query(&[("query", failing), ("time", "2025-09-16T03:08:00Z")]);
    let whole = ask.send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(whole["data"]["result"][0]["value"][1], "1", "a visitor a second, all of them 503: {whole}");
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

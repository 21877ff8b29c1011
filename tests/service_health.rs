//! Google's own incidents, read by Google's own client: published late, confirmed later, closed in the end.

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_servicehealth_v1::client::ServiceHealth;
use google_cloud_servicehealth_v1::model::event::{DetailedState, Relevance, State};
use google_cloud_servicehealth_v1::model::{Event, EventView};
use jiff::SignedDuration;
use rectify::sim::scenario;

use crate::support::SCENARIO;
use crate::support::cloud::Cloud;

const PARENT: &str = "projects/netra-staging/locations/global";

/// The scenario begins at 03:00.
pub const EVENTS: &str = r#"
[[service_health]]
id = "run-us-central1"
title = "Elevated errors of Cloud Run in us-central1"
start = "2025-09-16T02:50:00Z"
published = "2025-09-16T03:20:00Z"
confirmed = "2025-09-16T03:30:00Z"
end = "2025-09-16T05:00:00Z"
relevance = "IMPACTED"
impacts = [{ product = "Cloud Run", location = "us-central1" }, { product = "Serverless VPC Access", location = "us-central1" }]
updates = [
    { at = "2025-09-16T03:20:00Z", description = "We are looking into it.", symptom = "503" },
    { at = "2025-09-16T03:40:00Z", description = "We know what it is.", workaround = "Use another region." },
]

[[service_health]]
id = "old"
title = "Eventarc was slow"
start = "2025-09-01T00:00:00Z"
end = "2025-09-01T06:00:00Z"
ends_as = "FALSE_POSITIVE"
relevance = "NOT_IMPACTED"
impacts = [{ product = "Eventarc", location = "europe-west1" }]
"#;

struct Health {
    cloud: Cloud,
    client: ServiceHealth,
}

impl Health {
    async fn open(events: &str) -> Health {
        let cloud = Cloud::of(SCENARIO, events);
        let client = ServiceHealth::builder().with_endpoint(cloud.url(""));
        let client = client.with_credentials(anonymous::Builder::new().build()).build().await.unwrap();
        Health { cloud, client }
    }

    async fn list(&self, filter: &str, view: EventView) -> Vec<Event> {
        let answer = self.client.list_events().set_parent(PARENT).set_filter(filter).set_view(view).send().await;
        answer.unwrap().events
    }

    async fn ids(&self, filter: &str) -> Vec<String> {
        let events = self.list(filter, EventView::Basic).await;
        events.into_iter().map(|event| event.name.rsplit('/').next().unwrap().to_owned()).collect()
    }

    async fn pass(&self, minutes: i64) {
        self.cloud.sleep(SignedDuration::from_mins(minutes)).await;
    }
}

const ACTIVE: &str = "category=INCIDENT state=ACTIVE";

#[tokio::test]
async fn an_event_is_published_late_confirmed_later_and_closed_in_the_end() {
    let health = Health::open(EVENTS).await;
    assert!(health.ids(ACTIVE).await.is_empty(), "it has begun, and nobody has been told");
    health.pass(20).await;
    let event = health.list(ACTIVE, EventView::Basic).await.remove(0);
    assert_eq!((&event.state, &event.detailed_state), (&State::Active, &DetailedState::Emerging));
    assert_eq!(event.relevance, Relevance::Impacted);
    let products = event.event_impacts.iter().map(|impact| impact.product.as_ref().unwrap().product_name.as_str());
    assert_eq!(products.collect::<Vec<_>>(), ["Cloud Run", "Serverless VPC Access"]);
    assert!(event.updates.is_empty(), "the basic view has none");
    health.pass(25).await;
    let event = health.list(ACTIVE, EventView::Full).await.remove(0);
    assert_eq!(event.detailed_state, DetailedState::Confirmed);
    assert_eq!(event.updates[0].workaround, "Use another region.", "the newest first");
    assert_eq!(event.end_time, None, "nobody knows yet when it will end");
    health.pass(75).await;
    assert!(health.ids(ACTIVE).await.is_empty());
    let name = format!("{PARENT}/events/run-us-central1");
    let event = health.client.get_event().set_name(name).send().await.unwrap();
    assert_eq!((&event.state, &event.detailed_state), (&State::Closed, &DetailedState::Resolved));
    assert!(event.end_time.is_some());
    assert_eq!(event.updates.len(), 2);
}

#[tokio::test]
async fn filters_are_understood_or_refused() {
    let health = Health::open(EVENTS).await;
    health.pass(20).await;
    for (filter, ids) in [
        ("", vec!["run-us-central1", "old"]),
        ("state=CLOSED", vec!["old"]),
        ("category=INCIDENT AND (state=ACTIVE OR state=CLOSED)", vec!["run-us-central1", "old"]),
        (r#"event_impacts.product.product_name:"Eventarc""#, vec!["old"]),
        (r#"update_time>="2025-09-16T00:00:00Z""#, vec!["run-us-central1"]),
    ] {
        assert_eq!(health.ids(filter).await, ids, "{filter}");
    }
    for filter in ["relevance=IMPACTED", "state=", "state=ACTIVE OR"] {
        let refused = health.client.list_events().set_parent(PARENT).set_filter(filter).send().await.unwrap_err();
        assert_eq!(refused.http_status_code(), Some(400), "{filter}");
    }
    let elsewhere = health.client.list_events().set_parent("projects/netra-staging/locations/us-central1");
    assert_eq!(elsewhere.send().await.unwrap_err().http_status_code(), Some(400));
    let unknown = health.client.get_event().set_name(format!("{PARENT}/events/none")).send().await.unwrap_err();
    assert_eq!(unknown.http_status_code(), Some(404));
}

#[tokio::test]
async fn a_page_has_ten_events_and_never_more_than_a_hundred() {
    use std::fmt::Write as _;
    let mut many = String::new();
    for number in 0..130 {
        let day = 1 + number % 28;
        writeln!(many, "[[service_health]]\nid = \"e{number:03}\"\ntitle = \"t\"\nstart = \"2025-08-{day:02}T00:00:00Z\"\nrelevance = \"UNKNOWN\"").unwrap();
    }
    let health = Health::open(&many).await;
    assert_eq!(health.ids("").await.len(), 10);
    let most = health.client.list_events().set_parent(PARENT).set_page_size(500).send().await.unwrap();
    assert_eq!(most.events.len(), 100);
    let mut all = health.client.list_events().set_parent(PARENT).by_item();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(event) = all.next().await {
        assert!(seen.insert(event.unwrap().name), "no event comes twice");
    }
    assert_eq!(seen.len(), 130);
}

#[test]
fn an_event_that_cannot_be_is_refused() {
    let text = std::fs::read_to_string(SCENARIO).unwrap();
    for (from, to, reason) in [
        ("published = \"2025-09-16T03:20:00Z\"", "published = \"2025-09-16T02:20:00Z\"", "published before it begins"),
        ("end = \"2025-09-16T05:00:00Z\"", "end = \"2025-09-16T02:00:00Z\"", "end before it begins"),
        (
            "confirmed = \"2025-09-16T03:30:00Z\"",
            "confirmed = \"2025-09-16T03:00:00Z\"",
            "confirmed before it is published",
        ),
        ("relevance = \"IMPACTED\"", "relevanze = \"IMPACTED\"", "did you mean `relevance`?"),
    ] {
        let error = scenario::parse("s", &(text.clone() + &EVENTS.replacen(from, to, 1))).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

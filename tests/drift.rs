//! Somebody else's change is never overwritten.

use serde_json::json;

use crate::support::{Desk, SCENARIO, Served, until};

#[test]
fn somebody_elses_traffic_change_between_plan_and_apply_is_refused_with_then_and_now() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let runbook = desk.flagship_before("services");
    let flags = ["--sim", cloud.url.as_str(), "--yes", "--acknowledge", "scale-connector"];
    let run = desk.spawn(&[&["run", &runbook], &flags[..]].concat());
    // While the connector grows, somebody moves all traffic to the other revision.
    until("the connector's operation", || desk.journal_has("operation_started"));
    let service = "/v2/projects/netra-staging/locations/us-central1/services/netra-backend-staging";
    let split = json!({"traffic": [{"type": 2, "revision": "netra-backend-staging-00749-6tr", "percent": 100}]});
    let (status, answer) = cloud.call(reqwest::Method::PATCH, &format!("{service}?updateMask=traffic"), Some(split));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();

    let done = run.end().code(7).says("is no longer what the plan saw: another principal changed it");
    let done = done.says("the plan saw  netra-backend-staging-00749-6tr 50 %, netra-backend-staging-00750-69k 50 %");
    let done = done.says("it is now     netra-backend-staging-00749-6tr 100 %");
    done.says("wanted        netra-backend-staging-00750-69k 100 %").says("applied: scale-connector (irreversible)");
    let ours = cloud.writes().into_iter().filter(|write| write.contains("/services/")).count();
    assert_eq!(ours, 1, "the only write to the service is the other's: {:?}", cloud.writes());
}

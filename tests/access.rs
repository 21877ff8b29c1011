//! What Google says, and what it does not say: an uncertain end of an operation, an operation that is not known, a split
//! that is written and not routed, and entries of a list that are somebody else's.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rectify::resource::{Cloud, Endpoint};
use serde_json::{Value, json};

use crate::support::{Desk, Served, until};

const RUNBOOK: &str = "runbooks/bad-revision.toml";
const SCENARIO: &str = "runbooks/bad-revision.sim.toml";
const SERVICE: &str = "/v2/projects/shop-staging/locations/us-central1/services/checkout";
const GOOD: &str = "checkout-00041-kez";

fn inject(cloud: &Served, method: &str, path: &str, fault: &Value, times: Option<u32>) {
    let mut fault = json!({ "match": { "path": path }, "fault": fault });
    if method != "*" {
        fault["match"]["method"] = method.into();
    }
    if let Some(times) = times {
        fault["times"] = times.into();
    }
    let (status, answer) = cloud.call(reqwest::Method::POST, "/_sim/faults", Some(fault));
    assert_eq!(status, 200, "{answer}");
}

/// The shares of a list of the service's, `traffic` or `trafficStatuses`, by revision.
fn shares(cloud: &Served, list: &str) -> Vec<(String, i64)> {
    let service = cloud.get(SERVICE);
    let entries = service[list].as_array().unwrap().iter();
    let share = |entry: &Value| {
        let percent = entry["percent"].as_i64().filter(|percent| *percent > 0)?;
        Some((entry["revision"].as_str().unwrap_or("LATEST").to_owned(), percent))
    };
    entries.filter_map(share).collect()
}

#[test]
fn an_operation_that_is_not_known_says_nothing_of_the_service_and_is_not_asked_for_again_and_again() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    inject(&cloud, "*", "*/operations/*", &json!({ "status": 404 }), None);
    let done = desk.rectify(&["run", RUNBOOK, "--sim", &cloud.url, "--yes"]).code(0).says("✓ done");
    assert!(!done.stdout.contains("does not exist"), "{}", done.stdout);
    let asked = cloud.requests().iter().filter(|line| line.contains("/operations/")).count();
    assert!(asked < 60, "{asked}");
    let doubts = desk.journal().iter().filter(|entry| entry["event"]["is"] == "in_doubt").count();
    assert!(doubts <= 1, "{doubts}");
}

#[test]
fn a_split_that_is_written_and_not_routed_is_sent_again() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let failed = json!({ "operation_error": { "code": 13, "message": "An internal error has occurred" } });
    inject(&cloud, "PATCH", SERVICE, &failed, Some(1));
    let split = json!({ "traffic": [{ "type": 2, "revision": GOOD, "percent": 100 }] });
    let (status, _) = cloud.call(reqwest::Method::PATCH, &format!("{SERVICE}?updateMask=traffic"), Some(split));
    assert_eq!(status, 200);
    cloud.call(reqwest::Method::POST, "/_sim/clock", Some(json!({ "advance": "1m" })));
    until("the end of the operation", || cloud.get(SERVICE)["reconciling"] != true);
    assert_eq!(shares(&cloud, "traffic"), [(GOOD.to_owned(), 100)]);
    assert_eq!(shares(&cloud, "trafficStatuses"), [("LATEST".to_owned(), 100)], "it is written, and not so");
    let plan = desk.rectify(&["plan", RUNBOOK, "--sim", &cloud.url]).code(0);
    plan.says("did not take effect: it is sent again").says("still routes LATEST 100 %");
    desk.rectify(&["run", RUNBOOK, "--sim", &cloud.url, "--yes"]).code(0).says("✓ done");
    assert_eq!(shares(&cloud, "trafficStatuses"), [(GOOD.to_owned(), 100)]);
    desk.rectify(&["plan", RUNBOOK, "--sim", &cloud.url]).code(0).says("othing to change");
}

/// Somebody's pipeline adds a preview while a gate is open, and the gate fails.
fn with_a_preview(entry: &Value) -> (Desk, Served, crate::support::Done) {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "1");
    let runbook = std::fs::read_to_string(RUNBOOK).unwrap().replace("status == 200 &&", "status == 418 &&");
    let runbook = desk.write("never-well.toml", &runbook);
    let run = desk.spawn(&["run", &runbook, "--sim", &cloud.url, "--yes"]);
    until("the gate", || desk.journal_has("gate_opened"));
    let mut traffic = cloud.get(SERVICE)["traffic"].as_array().unwrap().clone();
    if let Some(percent) = entry["percent"].as_i64() {
        traffic[0]["percent"] = (100 - percent).into();
    }
    traffic.push(entry.clone());
    let body = json!({ "traffic": traffic });
    let (status, answer) = cloud.call(reqwest::Method::PATCH, &format!("{SERVICE}?updateMask=traffic"), Some(body));
    assert_eq!(status, 200, "{answer}");
    cloud.hurry();
    let done = run.end();
    (desk, cloud, done)
}

#[test]
fn a_preview_tag_of_somebody_elses_is_kept_and_does_not_take_the_way_back_away() {
    let tag = json!({ "type": 2, "revision": GOOD, "tag": "pr-12" });
    let (_desk, cloud, done) = with_a_preview(&tag);
    done.code(1).says("rolled back");
    assert_eq!(shares(&cloud, "traffic"), [("LATEST".to_owned(), 100)]);
    let tags: Vec<Value> = cloud.get(SERVICE)["traffic"].as_array().unwrap().iter().map(|e| e["tag"].clone()).collect();
    assert!(tags.contains(&json!("pr-12")), "{tags:?}");
}

#[test]
fn a_share_of_somebody_elses_is_not_taken_back() {
    let share = json!({ "type": 1, "percent": 5, "tag": "pr-12" });
    let (_desk, cloud, done) = with_a_preview(&share);
    assert!(!done.stdout.contains("✓ done"), "{}", done.stdout);
    assert_eq!(shares(&cloud, "traffic").len(), 2, "the other's split stands");
}

#[test]
fn a_write_waits_as_long_as_the_api_asks_for() {
    let desk = Desk::new();
    let cloud = Served::start(&desk, SCENARIO, "max");
    let busy = json!({ "status": 429, "retry_after": "90s" });
    inject(&cloud, "PATCH", SERVICE, &busy, Some(2));
    desk.rectify(&["run", RUNBOOK, "--sim", &cloud.url, "--yes"]).code(0).says("not now, trying again");
    let at = |is: &str, place: usize| {
        let entries: Vec<Value> = desk.journal().into_iter().filter(|entry| entry["event"]["is"] == is).collect();
        entries[place]["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let pause = at("intended", 1).duration_since(at("refused", 0));
    assert!(pause >= jiff::SignedDuration::from_secs(90), "{pause}");
}

/// Answers every connection with this, and counts them.
fn answering(answer: impl Fn(&mut std::net::TcpStream) + Send + 'static) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut vec![0; 65_536]);
            answer(&mut stream);
        }
    });
    (address, count)
}

#[tokio::test]
async fn no_client_follows_a_redirect() {
    for status in ["301 Moved", "302 Found", "303 See", "307 Again", "308 For Ever"] {
        let (elsewhere, visited) = answering(|stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        });
        let (here, asked) = answering(move |stream| {
            let head = format!("HTTP/1.1 {status}\r\nlocation: http://{elsewhere}/steal\r\n");
            let _ = stream.write_all(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
        });
        let cloud = Cloud::at(&Endpoint::Simulated(here)).await.unwrap();
        let now = jiff::Timestamp::UNIX_EPOCH;
        assert!(cloud.log("p", "x", now, None, 1).await.is_err(), "{status}");
        assert!(cloud.impacts("p").await.is_err(), "{status}");
        assert!(cloud.promql("p", "1", now).await.is_err(), "{status}");
        assert!(asked.load(Ordering::SeqCst) >= 3 && visited.load(Ordering::SeqCst) == 0, "{status}");
    }
}

//! A run as a trace, at a real OTLP endpoint: one that decodes what it is sent as a collector does.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::support::servers::{Got, Receiver};
use crate::support::{AUTH_NEVER_WELL, Desk, FLAGSHIP, SCENARIO};

const FLAGS: [&str; 6] = ["--sim", SCENARIO, "--speed", "max", "--yes", "--acknowledge"];

fn collector() -> Receiver {
    Receiver::start(|_| (200, String::new()))
}

/// The spans of a request, by name.
fn spans(got: &Got) -> BTreeMap<String, Span> {
    let decoded = ExportTraceServiceRequest::decode(got.body.as_slice()).unwrap();
    let spans = decoded.resource_spans.into_iter().flat_map(|one| one.scope_spans).flat_map(|one| one.spans);
    spans.map(|span| (span.name.clone(), span)).collect()
}

#[test]
fn a_run_is_a_trace_a_step_a_span_and_writes_and_gates_lie_below() {
    let (desk, collector) = (Desk::new(), collector());
    let runbook = desk.flagship(&[AUTH_NEVER_WELL]);
    let there = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    desk.rectify_in(&there, &[&["run", &runbook], &FLAGS[..], &["scale-connector"]].concat()).code(1);
    let got = collector.got();
    let [request] = got.as_slice() else { panic!("{} requests", got.len()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
    assert_eq!(request.headers["content-type"], "application/x-protobuf");
    let first = spans(request);
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    for wanted in
        ["connector-exhaustion", "scale-connector", "write gcp.connector staging-connector", "deploy-auth", "gate"]
    {
        assert!(names.contains(&wanted), "{wanted}: {names:?}");
    }
    let root = &first["connector-exhaustion"];
    let (step, write) = (&first["scale-connector"], &first["write gcp.connector staging-connector"]);
    assert_eq!((&step.parent_span_id, &write.parent_span_id), (&root.span_id, &step.span_id));
    assert!(root.parent_span_id.is_empty() && first.values().all(|span| span.trace_id == root.trace_id));
    // Times are those of the journal.
    let journal = desk.journal();
    let at = |is: &str| {
        let entry = journal.iter().find(|entry| entry["event"]["is"] == is).unwrap();
        let at: jiff::Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
        u64::try_from(at.as_nanosecond()).unwrap()
    };
    assert_eq!((write.start_time_unix_nano, write.end_time_unix_nano), (at("intended"), at("state_observed")));
    assert_eq!((root.start_time_unix_nano, root.end_time_unix_nano), (at("started"), at("ended")));
    let operation = write.attributes.iter().find(|attribute| attribute.key == "rectify.operation");
    assert!(format!("{operation:?}").contains("/operations/"), "{write:?}");
    // What failed says so, and why.
    let status = first["deploy-auth"].status.as_ref().unwrap();
    assert!(status.code == StatusCode::Error as i32 && status.message.contains("expected status == 418"), "{status:?}");
    assert_eq!(root.status.as_ref().unwrap().code, StatusCode::Error as i32);

    // Taken back by another process: the same trace, in which what was there before is there again.
    desk.rectify_in(&there, &["rollback", "--yes"]);
    let again = spans(collector.got().last().unwrap());
    assert_eq!(again["scale-connector"].span_id, step.span_id);
    assert!(again["connector-exhaustion"].trace_id == root.trace_id && again.contains_key("undo one-revision"));
    assert!(again["undo one-revision"].start_time_unix_nano > first["deploy-auth"].end_time_unix_nano);
}

#[test]
fn the_standard_variables_say_where_how_and_as_whom() {
    let desk = Desk::new();
    let runbook = desk.flagship_before("services");
    let run = [&["run", &runbook], &FLAGS[..], &["scale-connector"]].concat();
    let collector = collector();
    let endpoint = format!("{}/somewhere/else", collector.url);
    let there = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open-sesame"),
        ("OTEL_SERVICE_NAME", "night-shift"),
    ];
    let done = desk.rectify_in(&there, &run).code(0);
    let got = collector.got().pop().unwrap();
    assert_eq!((got.path.as_str(), &got.headers["x-key"]), ("/somewhere/else", &"open-sesame".parse().unwrap()));
    assert!(got.json()["resourceSpans"].to_string().contains("night-shift"), "{}", got.json());
    let log = std::fs::read_to_string(desk.run_directory().join("log.jsonl")).unwrap();
    assert!(!(done.stdout + &done.stderr + &log).contains("open-sesame"));

    // Switched off, nothing is sent.
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let desk = Desk::new();
        desk.rectify_in(&[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), off], &run).code(0);
        assert_eq!(collector.got().len(), 1, "{off:?}");
    }
}

/// A collector that is not there, or does not want it, is told, and changes nothing.
#[test]
fn what_cannot_be_exported_is_told_and_fails_nothing() {
    let refuses = Receiver::start(|_| (400, String::new()));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{closed}");
    for (endpoint, wire) in [(&refuses.url, "http/protobuf"), (&closed, "http/protobuf"), (&refuses.url, "grpc")] {
        let desk = Desk::new();
        let there = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", wire)];
        let runbook = desk.flagship_before("services");
        let done = desk.rectify_in(&there, &[&["run", &runbook], &FLAGS[..], &["scale-connector"]].concat()).code(0);
        done.complains("The trace of this run was not exported: ");
    }
    assert!(std::path::Path::new(FLAGSHIP).exists());
}

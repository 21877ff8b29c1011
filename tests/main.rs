//! Rectify's promises, one file each, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test that cannot go on must stop, and it drives the program from outside"
)]

#[path = "conformance/play.rs"]
#[allow(dead_code, reason = "what is only for Google is not played here")]
mod conformance;
mod support;

mod access;
mod answers;
mod any_resource;
mod any_resource_sim;
mod architecture;
mod bad_input;
mod captured;
mod catalog;
mod chat;
mod check;
mod check_command;
mod compute;
mod conforms;
mod connector_replace;
mod contributing;
mod cost;
mod crash;
mod doctor;
mod drift;
mod drill;
mod drill_command;
mod environment;
mod escalation;
mod faults;
mod finally;
mod fix;
mod forecast;
mod gcloud;
mod hidden;
mod incidents;
mod include;
mod issue;
mod kill;
mod knative;
mod logs;
mod metrics;
mod operator;
mod pages;
mod plan;
mod planning;
mod private;
mod probe_kinds;
mod probe_laws;
mod probes;
mod programs;
mod readme;
mod record;
mod recorded;
mod recovery;
mod redaction;
mod refusal;
mod report;
mod requests;
mod resource_laws;
mod resources_command;
mod review;
mod roles;
mod rollback;
mod rollout;
mod schema;
mod service_health;
mod shell_commands;
mod shipped;
mod signals;
mod simulated_cloud;
mod snapshot_scenario;
mod sockets;
mod sql;
mod support_cases;
mod telemetry;
mod terminal;
mod typed_calls;
mod when;
mod windows;
mod words;

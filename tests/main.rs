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

mod support;

mod architecture;
mod bad_input;
mod chat;
mod check;
mod check_command;
mod compute;
mod crash;
mod doctor;
mod drift;
mod escalation;
mod faults;
mod gcloud;
mod issue;
mod kill;
mod knative;
mod logs;
mod metrics;
mod operator;
mod pages;
mod plan;
mod probe_kinds;
mod probes;
mod recovery;
mod refusal;
mod report;
mod resource_laws;
mod review;
mod rollback;
mod schema;
mod service_health;
mod simulated_cloud;
mod sockets;
mod sql;
mod support_cases;
mod telemetry;
mod terminal;

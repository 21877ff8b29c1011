//! Rectify carries out infrastructure remediation runbooks against Google Cloud.

pub mod check;
pub mod cli;
pub mod clock;
pub mod driver;
pub mod engine;
pub mod gate;
pub mod inert;
pub mod journal;
pub mod plan;
pub mod probe;
pub mod report;
pub mod resource;
pub mod run;
pub mod runbook;
pub mod sim;

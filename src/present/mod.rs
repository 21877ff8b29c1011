//! What people are shown, in the markup of where they read it.
//!
//! Text that comes from a runbook, an API or a service becomes markup nowhere but here, where it is escaped by the type
//! that it must have before it can be written. [`markdown`] is for pull requests, issues and documents; [`plain`] for screen
//! readers and logs.

pub mod markdown;
pub mod plain;

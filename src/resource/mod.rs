//! What has state in the cloud, one file a kind.

pub mod connector;

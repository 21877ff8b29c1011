//! Serverless VPC Access connectors: size and machine type. They grow, they never shrink.

use std::ops::RangeInclusive;

/// What `min_instances` may be.
///
/// Source: gcloud's reference for `compute networks vpc-access connectors update`; the Terraform
/// provider's `vpcaccess/Connector.yaml` says the same.
pub const MIN_INSTANCES: RangeInclusive<i64> = 2..=9;

/// What `max_instances` may be. Same sources as [`MIN_INSTANCES`].
pub const MAX_INSTANCES: RangeInclusive<i64> = 3..=10;

/// The machine types a connector can be made of. Same sources as [`MIN_INSTANCES`].
pub const MACHINE_TYPES: [&str; 3] = ["f1-micro", "e2-micro", "e2-standard-4"];

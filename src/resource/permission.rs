//! What a caller must be allowed to do, and whether it is.
//!
//! Source: the table of permissions in the facts, section 7, which is that of Google's own references. That a check
//! passes does not cover conditions, deny policies and organisation policies.

use std::collections::BTreeSet;

use futures::future::{try_join, try_join_all};

use super::cloud::Cloud;
use super::error::ReadError;
use crate::run::ResourceId;

/// A permission, such as `run.services.update`.
pub type Permission = &'static str;

/// Which of these permissions the caller has: those of a Cloud Run service on each of the `services`, the others in the
/// `project`, because their APIs have no test of their own.
///
/// # Errors
/// If that cannot be asked.
pub async fn has_of(
    cloud: &Cloud,
    project: &ResourceId,
    services: &[&ResourceId],
    permissions: &BTreeSet<Permission>,
) -> Result<BTreeSet<Permission>, ReadError> {
    let (for_run, others): (Vec<Permission>, Vec<Permission>) =
        permissions.iter().copied().partition(|permission| permission.starts_with("run.services."));
    let in_project = async {
        let allowed = cloud.permitted(&project.project, &others).await;
        let allowed = allowed.map_err(|error| ReadError::of(project, &error))?;
        Ok(others.iter().copied().filter(|permission| allowed.iter().any(|name| name == permission)).collect())
    };
    let on_services = try_join_all(services.iter().map(async |id| {
        let granted = cloud.permitted_on_service(id, &for_run).await;
        granted.map_err(|error| ReadError::of(id, &error))
    }));
    let (mut all, on_services): (BTreeSet<Permission>, Vec<Vec<String>>) = try_join(in_project, on_services).await?;
    let everywhere =
        |permission: &Permission| on_services.iter().all(|granted| granted.iter().any(|name| name == permission));
    all.extend(for_run.into_iter().filter(everywhere));
    Ok(all)
}

/// What it takes to look at a resource of a kind, and to change it; undoing takes the same, as it is the same write.
pub fn needed(kind: &str, change: bool) -> &'static [Permission] {
    match (kind, change) {
        ("gcp.connector", false) => &["vpcaccess.connectors.get", "vpcaccess.operations.list"],
        ("gcp.connector", true) => &["vpcaccess.connectors.update", "vpcaccess.operations.get"],
        ("gcp.run.service" | "gcp.run.traffic" | "gcp.run.scaling", false) => {
            &["run.services.get", "run.operations.list"]
        }
        // A new revision runs as the service's account. Whether traffic alone needs that is not known.
        ("gcp.run.service", true) => &["run.services.update", "run.operations.get", "iam.serviceAccounts.actAs"],
        ("gcp.run.traffic" | "gcp.run.scaling", true) => &["run.services.update", "run.operations.get"],
        ("gcp.run.revision", _) => &["run.revisions.get"],
        ("gcp.sql", false) => &["cloudsql.instances.get", "cloudsql.instances.list"],
        ("gcp.sql", true) => &["cloudsql.instances.update"],
        ("gcp.backend-service", _) => &["compute.backendServices.get"],
        ("gcp.certificate", _) => &["compute.sslCertificates.get"],
        ("gcp.service-health", _) => &["servicehealth.events.list"],
        _ => &[],
    }
}

/// The APIs behind the kinds, and the products that Google names in its incidents.
const APIS: [(&str, &str, &str); 3] = [
    ("gcp.connector", "vpcaccess.googleapis.com", "Serverless VPC Access"),
    ("gcp.run.", "run.googleapis.com", "Cloud Run"),
    ("gcp.sql", "sqladmin.googleapis.com", "Google Cloud SQL"),
];

/// The API of a kind and its product's name, if it has one of its own.
pub fn product(kind: &str) -> Option<(&'static str, &'static str)> {
    APIS.iter().find(|(prefix, ..)| kind.starts_with(prefix)).map(|(_, api, product)| (*api, *product))
}

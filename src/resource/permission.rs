//! What a caller must be allowed to do, and whether it is.
//!
//! Which permissions a kind needs stands with the kind; the source is Google's own references. That a check
//! passes does not cover conditions, deny policies and organisation policies.

use std::collections::BTreeSet;

use futures::future::{try_join, try_join_all};
use serde::Deserialize;
use serde_json::json;

use super::api_error::ApiError;
use super::cloud::Cloud;
use super::cloud_run;
use super::error::ReadError;
use super::path::ApiPath;
use super::rest::{Api, Request, Rest};
use crate::run::ResourceId;

/// A permission, such as `run.services.update`.
pub type Permission = &'static str;

/// Which of these permissions the caller has: those of a Cloud Run service on each of the `services`, the others in the
/// `project`, because their APIs have no test of their own.
///
/// # Errors
/// If that cannot be asked.
pub async fn has_of<'p>(
    cloud: &Cloud,
    project: &ResourceId,
    services: &[&ResourceId],
    permissions: &BTreeSet<&'p str>,
) -> Result<BTreeSet<&'p str>, ReadError> {
    let (for_run, others): (Vec<&str>, Vec<&str>) =
        permissions.iter().copied().partition(|permission| permission.starts_with("run.services."));
    let in_project = async {
        let allowed = cloud.permitted(&project.project, &others).await;
        let allowed = allowed.map_err(|error| ReadError::of(project, &error))?;
        Ok(others.iter().copied().filter(|permission| allowed.iter().any(|name| name == permission)).collect())
    };
    let on_services = try_join_all(services.iter().map(async |id| {
        let granted = cloud.permitted_on_service(&cloud_run::path(id), &for_run).await;
        granted.map_err(|error| ReadError::of(id, &error))
    }));
    let (mut all, on_services): (BTreeSet<&str>, Vec<Vec<String>>) = try_join(in_project, on_services).await?;
    let everywhere =
        |permission: &&str| on_services.iter().all(|granted| granted.iter().any(|name| name == permission));
    all.extend(for_run.into_iter().filter(everywhere));
    Ok(all)
}

/// Which of the permissions that were asked for the caller has. Without any the field is left out.
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    permissions: Vec<String>,
}

impl Rest {
    /// Which of these permissions the caller has on a resource. A POST that only asks.
    pub(super) async fn permitted(&self, api: Api, resource: ApiPath, of: &[&str]) -> Result<Vec<String>, ApiError> {
        let path = resource.method("testIamPermissions");
        let granted: Granted = self.read(Request::post(api, path, json!({ "permissions": of }))).await?;
        Ok(granted.permissions)
    }
}

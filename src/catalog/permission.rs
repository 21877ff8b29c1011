//! The names that permissions of IAM have by convention.
//!
//! Google publishes no list of which permission a method of an API takes that a machine could read. Most are called
//! `SERVICE.COLLECTION.VERB` after the method (source: <https://google.aip.dev/211>), so that is what somebody who writes a role tries first.

use super::resource_type::ResourceType;

/// Services whose permissions begin with another word than their host (source: <https://cloud.google.com/iam/docs/roles-permissions>).
const PREFIXES: [(&str, &str); 3] =
    [("sqladmin", "cloudsql"), ("bigtableadmin", "bigtable"), ("cloudresourcemanager", "resourcemanager")];

/// The API whose permissions begin like this one: `sqladmin.googleapis.com` for `cloudsql.instances.get`.
pub fn api_of_permission(permission: &str) -> String {
    let prefix = permission.split('.').next().unwrap_or_default();
    let service = PREFIXES.iter().find(|(_, own)| *own == prefix).map_or(prefix, |(host, _)| host);
    format!("{service}.googleapis.com")
}

impl ResourceType {
    /// What the permission to call a method of it is called by convention: a guess, which a role says to be one.
    pub fn conventional_permission(self, method: &str) -> String {
        let service = self.api().service;
        let prefix = PREFIXES.iter().find(|(host, _)| *host == service).map_or(service, |(_, prefix)| prefix);
        let collection = self.collection().rsplit('.').next().unwrap_or_default();
        let verb = match method {
            "patch" => "update",
            "insert" => "create",
            other => other,
        };
        format!("{prefix}.{collection}.{verb}")
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;

    #[test]
    fn permissions_are_named_after_methods() {
        let named =
            |of: &str, method: &str| Catalog::open().unwrap().find_type(of).unwrap().conventional_permission(method);
        assert_eq!(named("redis.instances", "patch"), "redis.instances.update");
        assert_eq!(named("sqladmin.instances", "restart"), "cloudsql.instances.restart");
        assert_eq!(named("compute.backendServices", "insert"), "compute.backendServices.create");
    }
}

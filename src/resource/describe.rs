//! What an API says of a thing, whole and in its own words: for whoever keeps a cloud, not for whoever changes it.

use serde_json::{Map, Value};

use super::cloud::Cloud;
use super::error::ReadError;
use super::path::ApiPath;
use super::rest::{Api, Request};
use crate::run::ResourceId;

/// So many revisions of a service are read, the newest.
const REVISIONS: &str = "100";

/// A resource, whole.
#[derive(Clone, Debug)]
pub struct Described {
    /// What it is.
    pub family: Family,
    /// What its API says of it.
    pub body: Map<String, Value>,
    /// Of a service: what Cloud Run says of its newest revisions.
    pub revisions: Vec<Map<String, Value>>,
}

/// What is described whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A connector of Serverless VPC Access.
    Connector,
    /// A Cloud Run service, with its traffic, its bounds and its revisions.
    Service,
    /// A Cloud SQL instance.
    Database,
}

impl Family {
    /// What a resource of this kind is, or is a part of.
    fn of(kind: &str) -> Option<Family> {
        match kind {
            "gcp.connector" => Some(Family::Connector),
            "gcp.sql" => Some(Family::Database),
            _ if kind.starts_with("gcp.run.") => Some(Family::Service),
            _ => None,
        }
    }

    /// Its API, and where it is there.
    fn place(self, id: &ResourceId) -> (Api, ApiPath) {
        let here = ApiPath::location(&id.project, &id.region);
        let (api, version, name) = match self {
            Family::Connector => (Api::VpcAccess, "/v1", here.of("connectors", &id.name)),
            Family::Service => (Api::Run, "/v2", here.of("services", &id.name)),
            Family::Database => (Api::Sql, "/v1", ApiPath::project(&id.project).of("instances", &id.name)),
        };
        (api, ApiPath::version(version).name(&name))
    }
}

/// The whole that a resource is a part of: the traffic, the bounds and the revisions of a service are the service's. Any other is
/// one itself.
pub fn described_as(id: &ResourceId) -> ResourceId {
    if Family::of(&id.kind) != Some(Family::Service) {
        return id.clone();
    }
    // A revision is named after its service.
    let name = id.name.split('/').next().unwrap_or(&id.name).to_owned();
    ResourceId { kind: "gcp.run.service".to_owned(), name, ..id.clone() }
}

/// The connector that the template of a service names, if it is in the same project and region.
pub fn connector_of(service: &ResourceId, found: &Described) -> Option<ResourceId> {
    let name = found.body.get("template")?.get("vpcAccess")?.get("connector")?.as_str()?;
    let connectors = ApiPath::location(&service.project, &service.region).at("connectors");
    let name = name.strip_prefix(connectors.as_str())?.strip_prefix('/')?.to_owned();
    Some(ResourceId { kind: "gcp.connector".to_owned(), name, ..service.clone() })
}

impl Cloud {
    /// All that its API says of a connector, a service or a database; `None` for kinds of which nothing more is known than what
    /// observing them says.
    pub async fn describe(&self, id: &ResourceId) -> Result<Option<Described>, ReadError> {
        let Some(family) = Family::of(&id.kind) else { return Ok(None) };
        let (api, path) = family.place(id);
        let body = self.described(id, api, path.clone(), &[]).await?;
        let revisions = match family {
            Family::Service => self.described_revisions(id, path).await?,
            Family::Connector | Family::Database => Vec::new(),
        };
        Ok(Some(Described { family, body, revisions }))
    }

    async fn described_revisions(
        &self,
        service: &ResourceId,
        path: ApiPath,
    ) -> Result<Vec<Map<String, Value>>, ReadError> {
        let revisions = path.at("revisions");
        let mut page = self.described(service, Api::Run, revisions, &[("pageSize", REVISIONS)]).await?;
        let all = match page.shift_remove("revisions") {
            Some(Value::Array(all)) => all,
            _ => Vec::new(),
        };
        let object = |one| if let Value::Object(one) = one { Some(one) } else { None };
        Ok(all.into_iter().filter_map(object).collect())
    }

    async fn described(
        &self,
        id: &ResourceId,
        api: Api,
        path: ApiPath,
        query: &[(&'static str, &str)],
    ) -> Result<Map<String, Value>, ReadError> {
        let request = query.iter().fold(Request::get(api, path), |request, (name, value)| request.with(name, *value));
        self.rest.read(request).await.map_err(|error| ReadError::of(id, &error))
    }
}

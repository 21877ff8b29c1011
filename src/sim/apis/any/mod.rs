//! Any resource of the catalog that no other API here serves: `[[resources]]` of a scenario.
//!
//! What is served follows from the catalog: where a resource is read, how its type is written to, what its operations look like, what
//! its API refuses. What Google's documents do not say is the scenario's (how long things take, what methods do), or is marked as ours
//! where it stands.
//!
//! A request is for these resources if its host is that of an API of the catalog, and its path is not one of the APIs that have files
//! of their own. It is served below `/apis/HOST/`, whether it was sent there or to `HOST` (see `src/sim/api/address.rs`).

mod change;
mod create;
mod kept;
mod known;
mod limit;
mod mask;
mod message;
pub mod operation;
mod scenario;
mod serve;
mod token;
mod update;
mod wire;
mod world;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::Method as HttpMethod;
use axum::routing::any;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use super::Part;
use crate::catalog::{Asks, Catalog, Resource};
use crate::sim::api::{Api, Collection, Shared, host_in};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::World;
use kept::Kept;
use operation::Effect;
pub(in crate::sim) use serve::serves;

/// The resources that there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnyResources {
    /// By their URLs.
    pub resources: BTreeMap<String, Kept>,
}

impl Part for AnyResources {
    type Tables = Vec<Spanned<scenario::ResourceTable>>;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        reader.list("resources")
    }

    fn build(tables: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        scenario::build(tables, world, complaints);
    }

    /// By its collection and the last part of its name, or by its whole name.
    fn remove(&mut self, collection: &str, name: &str) -> bool {
        let is_meant = |url: &String| {
            resource_at(url).is_some_and(|resource| {
                let own = resource.resource_type.collection();
                let own = own.rsplit('.').next().unwrap_or(own);
                (own == collection && resource.id() == name) || resource.full_name() == name
            })
        };
        let Some(url) = self.resources.keys().find(|url| is_meant(url)).cloned() else { return false };
        self.resources.remove(&url).is_some()
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let kept = world.parts.any.resources.get(&resource.url())?;
        Some(Value::Object(kept.state.clone()))
    }

    fn notes(&self) -> Vec<String> {
        let found = self.resources.iter().filter_map(|(url, kept)| Some((resource_at(url)?, kept)));
        found.flat_map(|(resource, kept)| scenario::notes(&resource, kept)).collect()
    }
}

impl Api for AnyResources {
    const SERVICE: &'static str = "";
    const TYPES: &'static [(&'static str, &'static str)] = &[];
    const COLLECTIONS: &'static [Collection] = &[];
    // The catalog has no numbers of enums.
    const ENUMS: Table = &[];

    fn routes() -> Router<Arc<Shared>> {
        Router::new().route("/apis/{host}/{*path}", any(serve::serve))
    }

    /// As most APIs name theirs: the service, the collection, the method. Google has a list, and it is not in the catalog.
    fn permission(method: &HttpMethod, path: &str) -> Option<String> {
        let (host, path) = host_in(path)?;
        let route = serve::route(host, method, path)?;
        let collection = route.resource_type.collection();
        let collection = collection.rsplit('.').next().unwrap_or(collection);
        let service = match route.resource_type.api().service {
            "bigtableadmin" => "bigtable",
            "cloudresourcemanager" => "resourcemanager",
            "sqladmin" => "cloudsql",
            service => service,
        };
        let verb = match route.asks {
            Asks::List => "list",
            Asks::Method(method) => match method.name {
                "insert" => "create",
                "patch" => "update",
                name => name,
            },
        };
        // Two that are not called after their methods (sources: the pages of these services below
        // <https://cloud.google.com/iam/docs/roles-permissions>).
        let (collection, verb) = match (service, collection, verb) {
            ("cloudscheduler", "jobs", "resume") => ("jobs", "enable"),
            ("secretmanager", "secrets", "addVersion") => ("versions", "add"),
            (_, collection, verb) => (collection, verb),
        };
        Some(format!("{service}.{collection}.{verb}"))
    }
}

/// The resource at a URL.
fn resource_at(url: &str) -> Option<Resource> {
    Catalog::open().ok()?.resource_at(url).ok()?
}

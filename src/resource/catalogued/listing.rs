//! Which resources of a type there are: what a `for_each` over a list is done for. Only looked at.
//!
//! The catalog has no lists: a list is a `GET` of the collection, which is the resource's URL without its last part. The name of such an
//! id is that URL without its scheme.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::api_error::ApiError;
use super::super::cloud::Cloud;
use super::super::error::ReadError;
use super::super::permission::Permission;
use super::super::rest::{GoogleUrl, Request};
use super::super::spec::{ApiObject, Metrics, Product};
use super::super::{Observable, Seen};
use super::{Catalogued, CataloguedName, id_of, resource_of};
use crate::catalog::{self, FindError};
use crate::gate::Facts;
use crate::run::{NameShape, ResourceId, Target};

/// Stands for the last part of a name that is not known yet.
const ANY: &str = "any";

/// More than these nobody does a step for.
const MOST_LISTED: usize = 1000;

/// A collection as a runbook names it: a type, and what its names have before their last part, if the target does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionName {
    /// As it is written, such as `cloudscheduler.jobs` or `compute.instanceGroupManagers/us-central1-b`.
    pub text: String,
    member: CataloguedName,
}

impl CollectionName {
    /// Reads a name.
    ///
    /// # Errors
    /// It means nothing that the catalog has.
    pub fn parse(text: String) -> Result<CollectionName, FindError> {
        Ok(CollectionName { member: CataloguedName::parse(format!("{text}/{ANY}"))?, text })
    }

    /// The type of its resources.
    pub fn resource_type(&self) -> catalog::ResourceType {
        self.member.resource_type
    }

    /// The id of the list of what is in a target's project and region.
    ///
    /// # Errors
    /// The name needs more than the target says, such as a zone.
    pub fn id(&self, target: &Target) -> Result<ResourceId, FindError> {
        let member = self.member.find(target)?;
        let url = member.url();
        let collection = url.strip_suffix(&format!("/{ANY}")).unwrap_or(&url);
        let name = collection.trim_start_matches("https://").to_owned();
        Ok(ResourceId { kind: Listing::NAME.to_owned(), name, ..id_of(&member, target) })
    }
}

/// The resources of a collection by the last part of their names, as their API shows them, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListingState {
    /// Each with its JSON.
    pub resources: BTreeMap<String, Value>,
}

/// `gcp.list`.
pub struct Listing {
    cloud: Arc<Cloud>,
}

impl Listing {
    /// The lists of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Listing {
        Listing { cloud: Arc::clone(cloud) }
    }
}

impl Observable for Listing {
    type State = ListingState;

    const NAME: &'static str = "gcp.list";
    const FACTS: Facts = &[];
    const NAME_SHAPE: NameShape = Catalogued::NAME_SHAPE;
    const PART_OF: ApiObject = ApiObject::Itself;
    const READ_PERMISSIONS: &'static [Permission] = Catalogued::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = None;
    const METRICS: Option<Metrics> = None;

    async fn observe(&self, id: &ResourceId) -> Result<Seen<ListingState>, ReadError> {
        let malformed = |why: String| ReadError::Malformed { resource: id.clone(), why };
        let member = ResourceId { name: format!("{}/{ANY}", id.name), ..id.clone() };
        let resource_type = resource_of(&member).map_err(malformed)?.resource_type;
        let url = GoogleUrl::parse(&format!("https://{}", id.name));
        let found = async {
            let request = Request::catalogued(url?, Method::GET, None);
            self.cloud.rest.list_any(request, id.name.rsplit('/').next().unwrap_or_default(), MOST_LISTED + 1).await
        };
        let found = found.await.map_err(|error: ApiError| ReadError::of(id, &error))?;
        if found.len() > MOST_LISTED {
            let why = format!("there are more than {MOST_LISTED}, which is more than anybody reviews");
            return Err(ReadError::Refused { resource: id.clone(), why, denied: false });
        }
        let mut resources = BTreeMap::new();
        for resource in found {
            let name = resource.get("name").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
            let name = name.ok_or_else(|| malformed("one of them has no name".to_owned()))?.to_owned();
            let shown = catalog::judged(resource_type, &catalog::conceal(resource_type, None, &resource));
            resources.insert(name, shown);
        }
        Ok(Seen { state: ListingState { resources }, etag: None, operation: None, trouble: None })
    }
}

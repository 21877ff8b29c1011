//! Cloud Run Admin, in both of its versions: v2, and v1 with Knative's resources, which gcloud speaks. They show the same services.
//!
//! Jobs, worker pools and IAM policies are not simulated.

pub mod captured;
pub mod create;
mod fields;
pub mod knative;
mod scenario;
pub mod service;
pub mod template;
pub mod traffic;
pub mod update;
pub mod v1;
pub mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Part;
use crate::catalog::Resource;
use crate::sim::api::{Api, Collection, Shared};
use crate::sim::enums::{self, Table};
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Named, Reader};
use crate::sim::world::World;
use crate::sim::world::operation::{Audited, Operation, Outcome, TakesEffect, typed};
use crate::sim::world::refusal::{Code, Refusal};
use service::Service;

/// Its enums.
const ENUMS: Table = &[
    (
        &["state"],
        &[("CONDITION_PENDING", 1), ("CONDITION_RECONCILING", 2), ("CONDITION_FAILED", 3), ("CONDITION_SUCCEEDED", 4)],
    ),
    (&["severity"], &[("ERROR", 1), ("WARNING", 2), ("INFO", 3)]),
    (&["reason"], &[("REVISION_FAILED", 3), ("PROGRESS_DEADLINE_EXCEEDED", 4), ("CONTAINER_MISSING", 6)]),
    (
        &["revisionReason"],
        &[("PENDING", 1), ("RETIRED", 3), ("HEALTH_CHECK_CONTAINER_ERROR", 6), ("NO_DEPLOYMENT", 10)],
    ),
    (&["launchStage"], enums::LAUNCH_STAGE),
    (
        &["ingress"],
        &[
            ("INGRESS_TRAFFIC_ALL", 1),
            ("INGRESS_TRAFFIC_INTERNAL_ONLY", 2),
            ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", 3),
            ("INGRESS_TRAFFIC_NONE", 4),
        ],
    ),
    (&["type"], &[("TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", 1), ("TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", 2)]),
    (&["scalingMode"], &[("AUTOMATIC", 1), ("MANUAL", 2)]),
    (&["egress"], &[("ALL_TRAFFIC", 1), ("PRIVATE_RANGES_ONLY", 2)]),
    (&["executionEnvironment"], &[("EXECUTION_ENVIRONMENT_GEN1", 1), ("EXECUTION_ENVIRONMENT_GEN2", 2)]),
    (&["encryptionKeyRevocationAction"], &[("PREVENT_NEW", 1), ("SHUTDOWN", 2)]),
    (&["medium"], &[("MEMORY", 1)]),
];

/// What Cloud Run has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloudRun {
    /// What images do and what their tags mean.
    pub images: Images,
    /// Services by short name.
    pub services: BTreeMap<String, Service>,
}

/// What images do when they are started, and which digest a tag stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// References (by tag or by digest) whose container exits at once.
    pub crashing: BTreeSet<String>,
    /// A reference by tag, and the digest (`sha256:…`) that it stands for.
    pub tags: BTreeMap<String, String>,
}

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Short name of the service.
    service: String,
    /// What becomes of it.
    change: Change,
}

/// What becomes of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// Its status catches up with its spec, or fails to.
    Reconcile {
        /// Short name of the revision that must start first, if the template changed.
        revision: Option<String>,
    },
    /// A revision of it is gone.
    DeleteRevision { revision: String },
    /// It is gone.
    Delete,
}

/// The tables of Cloud Run.
pub(in crate::sim) struct Tables {
    images: Images,
    services: Named<scenario::ServiceTable>,
}

impl Part for CloudRun {
    type Tables = Tables;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Tables {
        Tables { images: reader.optional("images").unwrap_or_default(), services: reader.named("services") }
    }

    fn build(tables: Tables, world: &mut World, declared: &DeclaredNames, complaints: &mut Complaints) {
        world.parts.cloud_run.images = tables.images;
        scenario::build(tables.services, world, declared, complaints);
    }

    fn remove(&mut self, collection: &str, name: &str) -> bool {
        collection == "services" && self.services.remove(name).is_some()
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let is_one = resource.resource_type.name() == "run.services";
        let found = world.parts.cloud_run.services.get(resource.id()).filter(|_| is_one)?;
        Some(found.wire(world, resource.id()))
    }

    fn notes(&self) -> Vec<String> {
        let unknown = |(name, service): (&String, &Service)| {
            let table = format!("services.{name}");
            let fields = template::unknown(&service.spec, &service.template);
            fields.map(|field| crate::sim::scenario::captured::unknown(&table, field)).collect::<Vec<_>>()
        };
        self.services.iter().flat_map(unknown).collect()
    }
}

impl Api for CloudRun {
    const SERVICE: &'static str = "run";
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("projects.locations.services", "[services.NAME]"),
        ("projects.locations.services.revisions", "[services.NAME]"),
        ("projects.locations.revisions", "[services.NAME]"),
        ("projects.locations.configurations", "[services.NAME]"),
        ("projects.locations.routes", "[services.NAME]"),
    ];
    const COLLECTIONS: &'static [Collection] = &[
        Collection { segment: "revisions", permissions: "run.revisions" },
        Collection { segment: "configurations", permissions: "run.configurations" },
        Collection { segment: "routes", permissions: "run.routes" },
        Collection { segment: "services", permissions: "run.services" },
    ];
    const ENUMS: Table = ENUMS;

    fn routes() -> Router<Arc<Shared>> {
        v1::routes().merge(v2::routes())
    }
}

impl TakesEffect for Effect {
    fn take_effect(&self, world: &mut World) -> Result<Value, Refusal> {
        match &self.change {
            Change::Reconcile { revision } => world.reconcile(&self.service, revision.as_deref()),
            Change::DeleteRevision { revision } => Ok(world.revision_is_gone(&self.service, revision)),
            Change::Delete => Ok(world.service_is_gone(&self.service)),
        }
    }

    fn call_off(&self, world: &mut World, refusal: &Refusal) {
        let revision = match &self.change {
            Change::DeleteRevision { .. } => return,
            Change::Reconcile { revision } => revision.as_deref(),
            Change::Delete => None,
        };
        let now = world.now;
        if let Some(found) = world.parts.cloud_run.services.get_mut(&self.service) {
            found.call_off(revision, &refusal.message, now);
        }
    }

    fn shown_at_the_end(&self, world: &World, outcome: &Outcome) -> Option<Value> {
        match (&self.change, outcome) {
            (Change::Reconcile { .. }, _) => world.show_service(&self.service),
            (Change::Delete, Outcome::Response(gone)) => Some(gone.clone()),
            (Change::Delete, Outcome::Error(_)) | (Change::DeleteRevision { .. }, _) => None,
        }
    }

    fn wire(&self, operation: &Operation, world: &World) -> Value {
        let response_type = match self.change {
            Change::Reconcile { .. } | Change::Delete => "type.googleapis.com/google.cloud.run.v2.Service",
            Change::DeleteRevision { .. } => "type.googleapis.com/google.cloud.run.v2.Revision",
        };
        let metadata = typed(response_type, operation.shown.as_ref().unwrap_or(&Value::Null));
        operation.long_running(world, &metadata, response_type)
    }

    fn audited(&self) -> Option<Audited> {
        Some(Audited { resource: "cloud_run_revision", service: "run.googleapis.com".into() })
    }
}

impl Effect {
    /// The revision that must start first, if it is one that a change made.
    pub(in crate::sim) fn starts(&self) -> Option<(&str, &str)> {
        match &self.change {
            Change::Reconcile { revision: Some(revision) } => Some((&self.service, revision)),
            Change::Reconcile { revision: None } | Change::DeleteRevision { .. } | Change::Delete => None,
        }
    }
}

impl World {
    /// The full name of a service.
    pub fn service_name(&self, short: &str) -> String {
        format!("{}/services/{short}", self.location())
    }

    /// A service as v2 shows it, if it is there.
    fn show_service(&self, short: &str) -> Option<Value> {
        self.parts.cloud_run.services.get(short).map(|service| service.wire(self, short))
    }

    /// Takes a revision of a service away at once, though traffic may lead to it. False if there is none.
    pub fn remove_revision(&mut self, service: &str, revision: &str) -> bool {
        let found = self.parts.cloud_run.services.get_mut(service);
        let gone = found.is_some_and(|service| service.revisions.remove(revision).is_some());
        self.settle();
        gone
    }

    /// Cloud Run's words for a service that is not there (recorded; they are those of its jobs, too).
    pub fn no_such_service(&self, short: &str) -> Refusal {
        self.no_such("SERVICE", short)
    }

    /// The same of a revision.
    pub fn no_such_revision(&self, short: &str) -> Refusal {
        self.no_such("REVISION", short)
    }

    fn no_such(&self, kind: &str, short: &str) -> Refusal {
        let (region, project) = (&self.region, &self.project);
        let message =
            format!("Resource '{short}' of kind '{kind}' in region '{region}' in project '{project}' does not exist.");
        Refusal::new(Code::NotFound, message)
    }
}

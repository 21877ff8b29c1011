//! `gcp.create`: make any resource that the catalog describes.

use serde_json::{Value, json};

use super::catalogued::{self, RESOURCE};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, Obstacle, Rollback, StepAction, StepContext, TaskDraft,
};
use crate::catalog::{self, Assignments, validate_new};
use crate::peer::PeerRequest;
use crate::resource::catalogued::{CataloguedName, Existence};
use crate::run::{EXISTENCE, ResourceId, Reversibility, Target, covers};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::mistake::BAD_FIELD;

/// Types whose resources hold data of their owners: deleting one to undo its making could delete what was put there meanwhile. Ours, by
/// what the products are for.
const HOLD_DATA: &[&str] = &[
    "alloydb.clusters",
    "alloydb.clusters.instances",
    "artifactregistry.repositories",
    "bigquery.datasets",
    "bigquery.tables",
    "bigtableadmin.instances",
    "bigtableadmin.instances.clusters",
    "bigtableadmin.instances.tables",
    "cloudkms.cryptoKeys",
    "cloudkms.keyRings",
    "compute.disks",
    "compute.instances",
    "compute.regionDisks",
    "file.instances",
    "firestore.databases",
    "memcache.instances",
    "pubsub.subscriptions",
    "redis.clusters",
    "redis.instances",
    "secretmanager.secrets",
    "spanner.instances",
    "spanner.instances.databases",
    "sqladmin.databases",
    "sqladmin.instances",
    "storage.buckets",
];

/// `gcp.create`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpCreate {
    /// The resource.
    pub resource: CataloguedName,
    /// What it is made with, checked against the catalog.
    pub assignments: Assignments,
    /// The inputs whose secrets are set and have no value.
    absent: Vec<String>,
    /// What it sets where plans show digests, in words.
    pub(super) literals: Vec<String>,
}

impl GcpCreate {
    /// The secrets that it is made with: each with the digest that stands for it.
    pub fn secrets(&self) -> Vec<(String, Value)> {
        self.assignments.secrets(self.resource.resource_type)
    }

    /// Its id, as a resource that exists or does not.
    pub fn id(&self, target: &Target) -> Option<ResourceId> {
        catalogued::existence(&self.resource, target)
    }

    fn holds_data(&self) -> bool {
        HOLD_DATA.contains(&self.resource.resource_type.name().as_str())
    }
}

impl Declared for GcpCreate {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.create",
        outputs: &[],
        with: Table {
            about: "Makes any resource of Google Cloud that `rectify resources` lists with `create`.",
            keys: &[
                RESOURCE.required(),
                Key::new("set", ValueType::Json, "What it is made with, nested as in the API's JSON.")
                    .example("{ description = \"for the incident\" }")
                    .default("the API's own defaults"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<GcpCreate> {
        let resource = catalogued::read_name(with);
        let (fields, text) = catalogued::table(with, "set")?;
        let resource = resource?;
        let of = resource.resource_type;
        let why = match of.create() {
            None => Some("its API has no method that makes one".to_owned()),
            Some(method) => of.secret_answer(method.name).map(|rule| {
                format!("`{}` answers with a secret, which must not reach a journal: {}", method.name, rule.source)
            }),
        };
        if let Some(why) = why {
            with.note_value(
                RESOURCE.name,
                BAD_FIELD,
                &format!("{} cannot be made: {why}", of.name()),
                "make it by hand",
            );
            return None;
        }
        match validate_new(of, &fields) {
            Ok(assignments) => {
                catalogued::refuse_shown_secrets(with, of, &text);
                let literals = catalogued::literals(of, &text);
                let absent = text.absent().map(str::to_owned).collect();
                Some(GcpCreate { resource, assignments, absent, literals })
            }
            Err(problems) => {
                catalogued::note(with, &problems);
                None
            }
        }
    }
}

impl StepAction for GcpCreate {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        self.id(target).into_iter().collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        let fields = self.assignments.shown(self.resource.resource_type);
        Some((self.id(target)?, json!({ "exists": true, "fields": fields })))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (resource, id) = catalogued::planned(&self.resource, forecast)?;
        catalogued::lacking(self.absent.iter().map(String::as_str), "sets")?;
        let id = ResourceId { kind: EXISTENCE.to_owned(), ..id };
        let of = resource.resource_type;
        let nothing = json!({});
        let ends = catalog::ends(of, &nothing, &self.assignments);
        let fields = ends.map_err(|error| Obstacle::impossible(error.to_string()))?.to;
        let wanted = json!({ "exists": true, "fields": fields });
        let mut task = step.whole();
        let now = forecast.state(&id)?;
        if covers(now, &wanted) {
            return Ok(vec![task]);
        }
        if covers(now, &json!({ "exists": true })) {
            let why = format!("{} exists already, with other fields", id.name);
            return Err(Obstacle::impossible(why).help("change it with gcp.set, or give the new one another name"));
        }
        forecast.change_from::<Existence>(id, json!({ "exists": false }), wanted, &mut task)?;
        task.notes.extend(self.literals.iter().cloned());
        task.reversibility = if self.holds_data() {
            let why = "undoing it would delete it, with the data that it holds by then: delete it by hand".to_owned();
            Reversibility::Irreversible { why }
        } else {
            Reversibility::WithLoss {
                why: "it is deleted, if its fields are still those that it was made with".to_owned(),
            }
        };
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        if self.holds_data() {
            Rollback::Impossible("undoing it would delete it, with the data that it holds by then")
        } else {
            Rollback::Possible
        }
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        Some(CatalogRequest::Create(self))
    }

    fn names(&self) -> Vec<Name<'_>> {
        Vec::new()
    }
}

//! Cloud SQL Admin: instances, operations and flags, as v1 (Google's clients) and as v1beta4 (gcloud).
//!
//! The two versions have the same messages and differ in their paths (sources: the HTTP annotations in
//! `google/cloud/sql/{v1,v1beta4}`; gcloud's client). Of a backup there is the operation that makes it and nothing more; users, databases and switching over are not simulated.

pub mod flag;
pub mod instance;
pub mod life;
mod scenario;
pub mod settings;
pub mod tier;
pub mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Part;
use crate::catalog::Resource;
use crate::sim::api::{Answered, Api, Call, Collection, Paging, Parameters, Refusals, Shared, page_by};
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Named, Reader};
use crate::sim::world::World;
use crate::sim::world::operation::{Asked, Operation, TakesEffect};
use crate::sim::world::refusal::{Code, Refusal};
use instance::{Engine, Instance, Phase};
use update::Manner;

/// `maxResults` of operations and instances; the limits are ours.
const PAGING: Paging = Paging { size: "maxResults", by_default: 100, at_most: 1000 };

/// What every method of the clients may send along; it changes nothing here.
const TRANSPORT: [&str; 4] =
    ["location", "enforcePsaWriteEndpoint", "reconcilePscNetworking", "reconcilePscNetworkingForce"];

/// Its enums.
const ENUMS: Table = &[
    (
        &["state"],
        &[
            ("RUNNABLE", 1),
            ("SUSPENDED", 2),
            ("PENDING_DELETE", 3),
            ("PENDING_CREATE", 4),
            ("MAINTENANCE", 5),
            ("FAILED", 6),
        ],
    ),
    (&["status"], &[("PENDING", 1), ("RUNNING", 2), ("DONE", 3)]),
    (
        &["operationType"],
        &[
            ("CREATE", 3),
            ("UPDATE", 4),
            ("DELETE", 5),
            ("RESTART", 6),
            ("BACKUP_VOLUME", 9),
            ("PROMOTE_REPLICA", 17),
            ("CREATE_REPLICA", 18),
            ("FAILOVER", 25),
        ],
    ),
    (&["activationPolicy"], &[("ALWAYS", 1), ("NEVER", 2), ("ON_DEMAND", 3)]),
    (&["availabilityType"], &[("ZONAL", 1), ("REGIONAL", 2)]),
    (&["backendType"], &[("FIRST_GEN", 1), ("SECOND_GEN", 2), ("EXTERNAL", 3)]),
    (&["instanceType"], &[("CLOUD_SQL_INSTANCE", 1), ("ON_PREMISES_INSTANCE", 2), ("READ_REPLICA_INSTANCE", 3)]),
    (&["pricingPlan"], &[("PACKAGE", 1), ("PER_USE", 2)]),
    (&["replicationType"], &[("SYNCHRONOUS", 1), ("ASYNCHRONOUS", 2)]),
    (&["dataDiskType"], &[("PD_SSD", 1), ("PD_HDD", 2), ("OBSOLETE_LOCAL_SSD", 3), ("HYPERDISK_BALANCED", 4)]),
    (&["edition"], &[("ENTERPRISE", 2), ("ENTERPRISE_PLUS", 3), ("DEVELOPER", 5)]),
    (&["connectorEnforcement"], &[("NOT_REQUIRED", 1), ("REQUIRED", 2)]),
    (&["sqlNetworkArchitecture"], &[("NEW_NETWORK_ARCHITECTURE", 1), ("OLD_NETWORK_ARCHITECTURE", 2)]),
    (
        &["sslMode"],
        &[("ALLOW_UNENCRYPTED_AND_ENCRYPTED", 1), ("ENCRYPTED_ONLY", 2), ("TRUSTED_CLIENT_CERTIFICATE_REQUIRED", 3)],
    ),
    (
        &["transactionalLogStorageState"],
        &[("DISK", 1), ("SWITCHING_TO_CLOUD_STORAGE", 2), ("SWITCHED_TO_CLOUD_STORAGE", 3), ("CLOUD_STORAGE", 4)],
    ),
    (&["retentionUnit"], &[("COUNT", 1)]),
    (&["type"], &[("PRIMARY", 1), ("OUTGOING", 2), ("PRIVATE", 3), ("BOOLEAN", 1), ("STRING", 2), ("INTEGER", 3)]),
    (&["flagScope"], &[("SQL_FLAG_SCOPE_DATABASE", 1)]),
    (
        &["databaseVersion"],
        &[
            ("MYSQL_5_6", 5),
            ("MYSQL_5_7", 6),
            ("MYSQL_8_0", 20),
            ("MYSQL_8_4", 398),
            ("POSTGRES_9_6", 9),
            ("POSTGRES_10", 18),
            ("POSTGRES_11", 10),
            ("POSTGRES_12", 19),
            ("POSTGRES_13", 23),
            ("POSTGRES_14", 110),
            ("POSTGRES_15", 172),
            ("POSTGRES_16", 272),
            ("POSTGRES_17", 408),
            ("POSTGRES_18", 557),
            ("SQLSERVER_2017_STANDARD", 11),
            ("SQLSERVER_2017_ENTERPRISE", 14),
            ("SQLSERVER_2017_EXPRESS", 15),
            ("SQLSERVER_2017_WEB", 16),
            ("SQLSERVER_2019_STANDARD", 26),
            ("SQLSERVER_2019_ENTERPRISE", 27),
            ("SQLSERVER_2019_EXPRESS", 28),
            ("SQLSERVER_2019_WEB", 29),
            ("SQLSERVER_2022_STANDARD", 199),
            ("SQLSERVER_2022_ENTERPRISE", 200),
            ("SQLSERVER_2022_EXPRESS", 201),
            ("SQLSERVER_2022_WEB", 202),
        ],
    ),
];

/// The Cloud SQL of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloudSql {
    /// Instances by name.
    pub instances: BTreeMap<String, Instance>,
}

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The instance.
    instance: String,
    /// What becomes of it.
    change: Change,
}

/// What becomes of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// It has these settings from then on.
    Update {
        /// All of them.
        settings: Map<String, Value>,
        /// Its version from then on, if it is another.
        database_version: Option<String>,
    },
    /// It is there.
    Create,
    /// It is there, as a copy.
    Clone,
    /// It is gone.
    Delete,
    /// It is up again.
    Restart,
    /// It is up again, in its other zone.
    Failover,
    /// It is no replica any more.
    Promote,
    /// There is a backup of it.
    Backup,
}

impl Change {
    /// The operation's `operationType`.
    fn operation_type(&self) -> &'static str {
        match self {
            Self::Update { .. } => "UPDATE",
            Self::Create => "CREATE",
            Self::Clone => "CLONE",
            Self::Delete => "DELETE",
            Self::Restart => "RESTART",
            Self::Failover => "FAILOVER",
            Self::Promote => "PROMOTE_REPLICA",
            Self::Backup => "BACKUP_VOLUME",
        }
    }
}

impl Part for CloudSql {
    type Tables = Named<scenario::SqlTable>;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        reader.named("sql")
    }

    fn build(tables: Self::Tables, world: &mut World, _: &DeclaredNames, complaints: &mut Complaints) {
        scenario::build(tables, world, complaints);
    }

    /// When the next instance goes down.
    fn next_due(&self) -> Option<Timestamp> {
        self.instances.values().filter_map(|instance| instance.goes_down).min()
    }

    fn advance(world: &mut World) {
        let now = world.now;
        for instance in world.parts.cloud_sql.instances.values_mut() {
            if instance.goes_down.is_some_and(|at| at <= now) {
                instance.goes_down = None;
                instance.down = true;
            }
        }
    }

    fn remove(&mut self, collection: &str, name: &str) -> bool {
        collection == "instances" && self.instances.remove(name).is_some()
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let is_one = resource.resource_type.name() == "sqladmin.instances";
        let found = world.parts.cloud_sql.instances.get(resource.id()).filter(|_| is_one)?;
        Some(found.wire(world, resource.id()))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (name, instance) in &self.instances {
            let table = format!("sql.{name}");
            let strange = instance.kept.keys().filter(|field| !update::FIELDS.contains(&field.as_str()));
            notes.extend(strange.map(|field| crate::sim::scenario::captured::unknown(&table, field)));
        }
        for (name, instance) in &self.instances {
            let unknown = instance.flags().into_keys().filter(|flag| flag::find(flag, instance.engine()).is_none());
            notes.extend(unknown.map(|flag| {
                format!(
                    "sql.{name}: the simulated cloud does not know the flag {flag}; any value is accepted and nothing follows from it"
                )
            }));
        }
        notes
    }
}

impl TakesEffect for Effect {
    /// What an operation does whose instance is gone is nothing, and no error (ours).
    fn take_effect(&self, world: &mut World) -> Result<Value, Refusal> {
        let instances = &mut world.parts.cloud_sql.instances;
        let Some(instance) = instances.get_mut(&self.instance) else { return Ok(Value::Null) };
        instance.down = false;
        instance.goes_down = None;
        match &self.change {
            Change::Update { settings, database_version } => {
                instance.settings.clone_from(settings);
                instance.settings_version = instance.settings_version.saturating_add(1);
                if let Some(version) = database_version {
                    instance.database_version.clone_from(version);
                }
            }
            Change::Create | Change::Clone => instance.phase = Phase::Running,
            Change::Delete => drop(instances.remove(&self.instance)),
            Change::Restart | Change::Backup => {}
            Change::Failover => instance.other_zone = !instance.other_zone,
            Change::Promote => instance.primary = None,
        }
        Ok(Value::Null)
    }

    /// Until then nothing has become of the instance; of one that was to be made, nothing ever does.
    fn call_off(&self, _: &mut World, _: &Refusal) {}

    fn wire(&self, operation: &Operation, world: &World) -> Value {
        operation_wire(operation, world, self.change.operation_type(), &self.instance)
    }
}

/// `sql#operation`, on an instance or something of it.
pub(super) fn operation_wire(operation: &Operation, world: &World, operation_type: &str, instance: &str) -> Value {
    let (id, project) = (&operation.id, &world.project);
    let status = operation.status(world.now, "PENDING");
    let mut wire = json!({
        "kind": "sql#operation",
        "name": id,
        "operationType": operation_type,
        "status": status,
        "user": operation.user,
        "insertTime": operation.created.to_string(),
        "targetProject": project,
        "targetId": instance,
        "targetLink": operation.target,
        "selfLink": format!("https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/operations/{id}"),
    });
    if status != "PENDING" {
        wire["startTime"] = json!(operation.created.to_string());
    }
    if let Some(ended) = operation.ended {
        wire["endTime"] = json!(ended.to_string());
    }
    if let Some(error) = operation.error() {
        let error = json!({ "kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": error.message });
        wire["error"] = json!({ "kind": "sql#operationErrors", "errors": [error] });
    }
    wire
}

impl World {
    fn database_link(&self, name: &str) -> String {
        format!("https://sqladmin.googleapis.com/sql/v1beta4/projects/{}/instances/{name}", self.project)
    }

    /// Begins an operation on an instance.
    fn begin_with_database(&mut self, name: &str, change: Change, takes: SignedDuration, user: &str) -> Operation {
        let asked = Asked { target: self.database_link(name), user, takes, shown: None };
        self.begin::<CloudSql>(Effect { instance: name.to_owned(), change }, asked)
    }
}

impl Api for CloudSql {
    const SERVICE: &'static str = "sqladmin";
    const TYPES: &'static [(&'static str, &'static str)] = &[("instances", "[sql.NAME]"), ("backupRuns", "[sql.NAME]")];
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "instances", permissions: "cloudsql.instances" }];
    const ENUMS: Table = ENUMS;
    const REFUSALS: Refusals = Refusals::Errors(|code| match code {
        Code::NotFound => Some("instanceDoesNotExist"),
        Code::PermissionDenied => Some("notAuthorized"),
        _ => None,
    });

    fn routes() -> Router<Arc<Shared>> {
        ["/v1", "/sql/v1", "/sql/v1beta4"].into_iter().fold(Router::new(), |router, version| {
            let project = format!("{version}/projects/{{project}}");
            let instance = format!("{project}/instances/{{instance}}");
            router
                .route(&format!("{version}/flags"), get(flags))
                .route(&format!("{project}/instances"), get(list).post(insert))
                .route(&instance, get(show).patch(patch).put(replace).delete(delete))
                .route(&format!("{instance}/{{method}}"), post(act))
                .route(&format!("{project}/operations"), get(operations))
                .route(&format!("{project}/operations/{{operation}}"), get(operation))
        })
    }
}

fn listed(items: &[Value], kind: &str, parameters: &Parameters) -> Answered {
    let Json(mut page) = page_by(items, "items", parameters, PAGING)?;
    page["kind"] = json!(kind);
    Ok(Json(page))
}

/// What a method takes, with what every method takes.
fn known(own: &[&'static str]) -> Vec<&'static str> {
    [own, &TRANSPORT].concat()
}

async fn list(call: Call) -> Answered {
    let (world, parameters) = call.read(&known(&["maxResults", "pageToken", "filter"]))?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of instances").into());
    }
    let all: Vec<Value> =
        world.parts.cloud_sql.instances.iter().map(|(name, found)| found.wire(&world, name)).collect();
    listed(&all, "sql#instancesList", &parameters)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&known(&[]))?;
    let name = call.named("instance");
    Ok(Json(world.database(name)?.wire(&world, name)))
}

async fn patch(call: Call) -> Answered {
    begin(call, |world, body, name, user| world.update_database(name, body, Manner::Merge, user))
}

async fn replace(call: Call) -> Answered {
    begin(call, |world, body, name, user| world.update_database(name, body, Manner::Replace, user))
}

async fn insert(call: Call) -> Answered {
    begin(call, |world, body, _, user| world.insert_database(body, user))
}

async fn delete(call: Call) -> Answered {
    begin(call, |world, _, name, user| world.delete_database(name, user))
}

/// `POST …/instances/I/METHOD`.
async fn act(call: Call) -> Answered {
    let method = call.named("method").to_owned();
    begin(call, |world, body, name, user| match method.as_str() {
        "restart" => world.restart_database(name, user),
        "failover" => world.fail_database_over(name, body, user),
        "promoteReplica" => world.promote_database(name, user),
        "backupRuns" => world.back_database_up(name, user),
        "clone" => world.clone_database(name, body, user),
        other => Err(Refusal::new(Code::NotFound, format!("The simulated cloud has no {other} of an instance"))),
    })
}

/// Makes a change, and answers with the operation that it begins.
fn begin(
    call: Call,
    make: impl FnOnce(&mut World, &Map<String, Value>, &str, &str) -> Result<Operation, Refusal>,
) -> Answered {
    let operation = call.change(&known(&["validateOnly", "failover"]), |world, body, call| {
        Ok(make(world, body, call.named("instance"), call.caller())?.wire(world))
    })?;
    Ok(Json(operation))
}

async fn operations(call: Call) -> Answered {
    let own = ["maxResults", "pageToken", "instance", "filter"];
    let (world, parameters) = call.read(&known(&own))?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of operations").into());
    }
    let wanted = |instance: &str| parameters.get("instance").is_none_or(|name| name == instance);
    let found = world.operations.of::<CloudSql>().rev().filter(|(_, effect)| wanted(&effect.instance));
    let found: Vec<Value> = found.map(|(operation, _)| operation.wire(&world)).collect();
    listed(&found, "sql#operationsList", &parameters)
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&known(&[]))?;
    let id = call.named("operation");
    let missing = || Refusal::missing(id).because("operationDoesNotExist");
    Ok(Json(world.operations.get::<CloudSql>(id).ok_or_else(missing)?.wire(&world)))
}

/// `GET …/flags?databaseVersion=`: the flags of which something is known, in whatever version of their engine.
async fn flags(call: Call) -> Answered {
    let parameters = call.parameters(&known(&["databaseVersion", "flagScope"]))?;
    let version = parameters.get("databaseVersion").unwrap_or("POSTGRES_15");
    let engine = Engine::of(version);
    let known = flag::FLAGS.iter().filter(|flag| Some(flag.engine) == engine);
    let all: Vec<Value> = known.map(|flag| flag.wire(version)).collect();
    Ok(Json(json!({ "kind": "sql#flagsList", "items": all })))
}

//! Cloud SQL Admin: instances, operations and flags, as v1 (Google's clients) and as v1beta4 (gcloud).
//!
//! The two versions have the same messages and differ in their paths (sources: the HTTP annotations in
//! `google/cloud/sql/{v1,v1beta4}`; gcloud's client). Users, databases, backups and switching over are not simulated.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::enums::{self, Table};
use super::legacy::{Answered, Legacy};
use super::{Api, Call, Collection, Failure, Paging, Parameters, Shared, page_by};
use crate::sim::world::World;
use crate::sim::world::job::Job;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::sql::update::Manner;
use crate::sim::world::sql::{Effect, Engine, flag};

/// `maxResults` of operations and instances; the limits are ours.
const PAGING: Paging = Paging { size: "maxResults", by_default: 100, at_most: 1000 };

/// What every method of the clients may send along; it changes nothing here.
const TRANSPORT: [&str; 4] =
    ["location", "enforcePsaWriteEndpoint", "reconcilePscNetworking", "reconcilePscNetworkingForce"];

/// Cloud SQL Admin.
pub(super) struct Sql;

impl Api for Sql {
    const COLLECTIONS: &'static [Collection] =
        &[Collection { segment: "instances", permissions: "cloudsql.instances" }];
    const ENUMS: Table = enums::SQL;

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

/// Cloud SQL's own names for why something is refused.
fn refused(failure: impl Into<Failure>) -> Legacy {
    let refusal = failure.into().into_refusal();
    let named = |reason: &str| if refusal.reason.is_none() { refusal.clone().because(reason) } else { refusal.clone() };
    match refusal.code {
        Code::NotFound => named("instanceDoesNotExist").into(),
        Code::PermissionDenied => named("notAuthorized").into(),
        _ => refusal.into(),
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
    let (world, parameters) = call.read(&known(&["maxResults", "pageToken", "filter"])).map_err(refused)?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of instances").into());
    }
    let all: Vec<Value> = world.sql.instances.iter().map(|(name, found)| found.wire(&world, name)).collect();
    listed(&all, "sql#instancesList", &parameters)
}

async fn show(call: Call) -> Answered {
    let (world, _) = call.read(&known(&[])).map_err(refused)?;
    let name = call.named("instance");
    Ok(Json(world.database(name).map_err(refused)?.wire(&world, name)))
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
        "clone" => world.clone_database(name, body, user),
        other => Err(Refusal::new(Code::NotFound, format!("The simulated cloud has no {other} of an instance"))),
    })
}

/// Makes a change, and answers with the operation that it begins.
fn begin(
    call: Call,
    make: impl FnOnce(&mut World, &Map<String, Value>, &str, &str) -> Result<Job<Effect>, Refusal>,
) -> Answered {
    let job = call.change(&known(&["validateOnly", "failover"]), |world, body, call| {
        let job = make(world, body, call.named("instance"), call.caller())?;
        Ok(world.database_job(&job))
    });
    Ok(Json(job.map_err(refused)?))
}

async fn operations(call: Call) -> Answered {
    let own = ["maxResults", "pageToken", "instance", "filter"];
    let (world, parameters) = call.read(&known(&own)).map_err(refused)?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of operations").into());
    }
    let wanted = |instance: &str| parameters.get("instance").is_none_or(|name| name == instance);
    let found = world.sql.jobs.newest_first().filter(|job| wanted(&job.effect.instance));
    let found: Vec<Value> = found.map(|job| world.database_job(job)).collect();
    listed(&found, "sql#operationsList", &parameters)
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&known(&[])).map_err(refused)?;
    let id = call.named("operation");
    let missing = || Legacy::from(Refusal::missing(id).because("operationDoesNotExist"));
    Ok(Json(world.database_job(world.sql.jobs.get(id).ok_or_else(missing)?)))
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

//! Cloud SQL Admin: instances, operations and flags, as v1 (Google's clients) and as v1beta4 (gcloud).
//!
//! The two versions have the same messages and differ in their paths (sources: the HTTP annotations in
//! `google/cloud/sql/{v1,v1beta4}`; gcloud's client). Users, databases, backups and switching over are not simulated.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::legacy::{Answered, Legacy};
use super::{Caller, Paging, Parameters, Shared, object, page_by};
use crate::sim::world::World;
use crate::sim::world::job::Job;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::sql::update::Manner;
use crate::sim::world::sql::{Effect, Engine, flag};

type Named = Path<(String, String)>;

/// `maxResults` of operations and instances; the limits are ours.
const PAGING: Paging = Paging { size: "maxResults", by_default: 100, at_most: 1000 };

/// What every method of the clients may send along; it changes nothing here.
const TRANSPORT: [&str; 4] =
    ["location", "enforcePsaWriteEndpoint", "reconcilePscNetworking", "reconcilePscNetworkingForce"];

pub(super) fn routes() -> Router<Arc<Shared>> {
    ["/v1", "/sql/v1", "/sql/v1beta4"].into_iter().fold(Router::new(), |router, version| {
        let project = format!("{version}/projects/{{project}}");
        router
            .route(&format!("{version}/flags"), get(flags))
            .route(&format!("{project}/instances"), get(list).post(insert))
            .route(&format!("{project}/instances/{{instance}}"), get(show).patch(patch).put(replace).delete(delete))
            .route(&format!("{project}/instances/{{instance}}/{{verb}}"), post(act))
            .route(&format!("{project}/operations"), get(operations))
            .route(&format!("{project}/operations/{{operation}}"), get(operation))
    })
}

/// Cloud SQL's own names for why something is refused.
fn refused(refusal: Refusal) -> Legacy {
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

fn parameters(uri: &Uri, known: &[&str]) -> Result<Parameters, Legacy> {
    Ok(Parameters::read(uri, &[known, &TRANSPORT].concat())?)
}

async fn list(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = parameters(&uri, &["maxResults", "pageToken", "filter"])?;
    let world = shared.world();
    world.check_project(&project).map_err(refused)?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of instances").into());
    }
    let all: Vec<Value> = world.sql.instances.iter().map(|(name, found)| found.wire(&world, name)).collect();
    listed(&all, "sql#instancesList", &parameters)
}

async fn show(State(shared): State<Arc<Shared>>, Path((project, name)): Named, uri: Uri) -> Answered {
    parameters(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project).map_err(refused)?;
    Ok(Json(world.database(&name).map_err(refused)?.wire(&world, &name)))
}

async fn patch(
    state: State<Arc<Shared>>,
    caller: Extension<Caller>,
    named: Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    update(&state, &caller, &named, &uri, body, Manner::Merge)
}

async fn replace(
    state: State<Arc<Shared>>,
    caller: Extension<Caller>,
    named: Named,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    update(&state, &caller, &named, &uri, body, Manner::Replace)
}

fn update(
    shared: &Shared,
    Caller(caller): &Caller,
    Path((project, name)): &Named,
    uri: &Uri,
    body: Result<Bytes, BytesRejection>,
    manner: Manner,
) -> Answered {
    begin(shared, project, uri, body, |world, body| world.update_database(name, body, manner, caller))
}

async fn insert(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path(project): Path<String>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    begin(&shared, &project, &uri, body, |world, body| world.insert_database(body, &caller))
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name)): Named,
    uri: Uri,
) -> Answered {
    begin(&shared, &project, &uri, Ok(Bytes::new()), |world, _| world.delete_database(&name, &caller))
}

/// `POST …/instances/I/VERB`.
async fn act(
    State(shared): State<Arc<Shared>>,
    Extension(Caller(caller)): Extension<Caller>,
    Path((project, name, verb)): Path<(String, String, String)>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Answered {
    begin(&shared, &project, &uri, body, |world, body| match verb.as_str() {
        "restart" => world.restart_database(&name, &caller),
        "failover" => world.fail_database_over(&name, body, &caller),
        "promoteReplica" => world.promote_database(&name, &caller),
        "clone" => world.clone_database(&name, body, &caller),
        other => Err(Refusal::new(Code::NotFound, format!("The simulated cloud has no {other} of an instance"))),
    })
}

/// Reads a request, makes a change of it, and answers with the operation that it begins.
fn begin(
    shared: &Shared,
    project: &str,
    uri: &Uri,
    body: Result<Bytes, BytesRejection>,
    make: impl FnOnce(&mut World, &Map<String, Value>) -> Result<Job<Effect>, Refusal>,
) -> Answered {
    parameters(uri, &["validateOnly", "failover"])?;
    let body = object(body)?;
    let job = shared.change(|world| {
        world.check_project(project)?;
        let job = make(world, &body)?;
        Ok(world.database_job(&job))
    });
    Ok(Json(job.map_err(refused)?))
}

async fn operations(State(shared): State<Arc<Shared>>, Path(project): Path<String>, uri: Uri) -> Answered {
    let parameters = parameters(&uri, &["maxResults", "pageToken", "instance", "filter"])?;
    let world = shared.world();
    world.check_project(&project).map_err(refused)?;
    if parameters.get("filter").is_some() {
        return Err(Refusal::invalid("filter", "The simulated cloud knows no filter of operations").into());
    }
    let wanted = |instance: &str| parameters.get("instance").is_none_or(|name| name == instance);
    let found = world.sql.jobs.newest_first().filter(|job| wanted(&job.effect.instance));
    let found: Vec<Value> = found.map(|job| world.database_job(job)).collect();
    listed(&found, "sql#operationsList", &parameters)
}

async fn operation(State(shared): State<Arc<Shared>>, Path((project, id)): Named, uri: Uri) -> Answered {
    parameters(&uri, &[])?;
    let world = shared.world();
    world.check_project(&project).map_err(refused)?;
    let missing = || Legacy::from(Refusal::missing(&id).because("operationDoesNotExist"));
    Ok(Json(world.database_job(world.sql.jobs.get(&id).ok_or_else(missing)?)))
}

/// `GET …/flags?databaseVersion=`: the flags of which something is known, in whatever version of their engine.
async fn flags(uri: Uri) -> Answered {
    let parameters = parameters(&uri, &["databaseVersion", "flagScope"])?;
    let version = parameters.get("databaseVersion").unwrap_or("POSTGRES_15");
    let engine = Engine::of(version);
    let known = flag::FLAGS.iter().filter(|flag| Some(flag.engine) == engine);
    let all: Vec<Value> = known.map(|flag| flag.wire(version)).collect();
    Ok(Json(json!({ "kind": "sql#flagsList", "items": all })))
}

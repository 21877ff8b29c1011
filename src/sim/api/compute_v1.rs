//! Compute Engine v1: global backend services, certificates and operations.
//!
//! Paths and messages: gcloud's own client of `compute` v1. Regional resources, URL maps, proxies and addresses are not
//! simulated.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::enums::Table;
use super::legacy::{Answered, Legacy};
use super::{Api, Call, Collection, Paging, Parameters, Shared, page_by};
use crate::sim::clock::later;
use crate::sim::world::backend_service::KeyChange;
use crate::sim::world::compute::Effect;
use crate::sim::world::job::Job;
use crate::sim::world::refusal::{Code, Refusal};
use crate::sim::world::{World, text};

/// `maxResults` is 500 if it is not said, and at most that (source: the parameter's comment).
const PAGING: Paging = Paging { size: "maxResults", by_default: 500, at_most: 500 };

/// The parameters of every list. A filter or an order is refused rather than ignored.
const LIST: [&str; 4] = ["maxResults", "pageToken", "includeAllScopes", "serviceProjectNumber"];

/// How long `wait` holds a request at most (source: the method's comment).
const WAIT: SignedDuration = SignedDuration::from_mins(2);

/// Compute Engine. Its clients ask for no numbers.
pub(super) struct Compute;

impl Api for Compute {
    const COLLECTIONS: &'static [Collection] = &[
        Collection { segment: "backendServices", permissions: "compute.backendServices" },
        Collection { segment: "sslCertificates", permissions: "compute.sslCertificates" },
    ];
    const ENUMS: Table = &[];

    fn routes() -> Router<Arc<Shared>> {
        let global = |rest: &str| format!("/compute/v1/projects/{{project}}/global/{rest}");
        Router::new()
            .route(&global("backendServices"), get(backend_services).post(insert_backend_service))
            .route(
                &global("backendServices/{name}"),
                get(backend_service).patch(patch_backend_service).delete(delete_backend_service),
            )
            .route(&global("backendServices/{name}/addSignedUrlKey"), post(add_signed_url_key))
            .route(&global("backendServices/{name}/deleteSignedUrlKey"), post(delete_signed_url_key))
            .route(&global("sslCertificates"), get(certificates).post(insert_certificate))
            .route(&global("sslCertificates/{name}"), get(certificate).delete(delete_certificate))
            .route("/compute/v1/projects/{project}/aggregated/sslCertificates", get(all_certificates))
            .route(&global("operations/{name}"), get(operation))
            .route(&global("operations/{name}/wait"), post(wait))
    }
}

fn listed(items: &[Value], kind: &str, parameters: &Parameters) -> Answered {
    let Json(mut page) = page_by(items, "items", parameters, PAGING)?;
    page["kind"] = json!(kind);
    Ok(Json(page))
}

async fn backend_services(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = world.compute.backend_services.iter().map(|(name, found)| found.wire(&world, name));
    listed(&all.collect::<Vec<_>>(), "compute#backendServiceList", &parameters)
}

async fn backend_service(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let name = call.named("name");
    Ok(Json(world.backend_service(name)?.wire(&world, name)))
}

async fn insert_backend_service(call: Call) -> Answered {
    begin(call, |world, body, _, user| world.insert_backend_service(body, user))
}

async fn patch_backend_service(call: Call) -> Answered {
    begin(call, |world, body, name, user| world.patch_backend_service(name, body, user))
}

async fn delete_backend_service(call: Call) -> Answered {
    begin(call, |world, _, name, user| world.delete_backend_service(name, user))
}

async fn add_signed_url_key(call: Call) -> Answered {
    begin(call, |world, body, name, user| {
        let key = text(body, "keyName")?.unwrap_or_default();
        world.change_signed_url_keys(name, KeyChange::Add(key), user)
    })
}

async fn delete_signed_url_key(call: Call) -> Answered {
    let parameters = call.parameters(&["keyName", "requestId"])?;
    let key = parameters.get("keyName").unwrap_or_default().to_owned();
    begin(call, |world, _, name, user| world.change_signed_url_keys(name, KeyChange::Delete(&key), user))
}

async fn insert_certificate(call: Call) -> Answered {
    begin(call, |world, body, _, user| world.insert_certificate(body, user))
}

async fn delete_certificate(call: Call) -> Answered {
    begin(call, |world, _, name, user| world.delete_certificate(name, user))
}

/// Makes a change, and answers with the operation that it begins.
fn begin(
    call: Call,
    make: impl FnOnce(&mut World, &Map<String, Value>, &str, &str) -> Result<Job<Effect>, Refusal>,
) -> Answered {
    let begun = call.change(&["requestId", "keyName"], |world, body, call| {
        if call.parameters.get("requestId").is_some() {
            let message = "The simulated cloud does not remember request ids, so it does not take one";
            return Err(Refusal::new(Code::Unimplemented, message));
        }
        let job = make(world, body, call.named("name"), call.caller())?;
        Ok(world.compute_operation(&job))
    });
    Ok(Json(begun.map_err(Legacy::from)?))
}

async fn certificates(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    listed(&certificates_of(&world), "compute#sslCertificateList", &parameters)
}

/// The certificates of all scopes: there are global ones only.
async fn all_certificates(call: Call) -> Answered {
    let (world, parameters) = call.read(&LIST)?;
    let all = certificates_of(&world);
    let Json(mut page) = listed(&all, "compute#sslCertificateAggregatedList", &parameters)?;
    let scope = if all.is_empty() {
        let message = "There are no results for scope 'global' on this page.";
        json!({ "warning": { "code": "NO_RESULTS_ON_PAGE", "message": message } })
    } else {
        json!({ "sslCertificates": page["items"] })
    };
    page["items"] = json!({ "global": scope });
    Ok(Json(page))
}

fn certificates_of(world: &World) -> Vec<Value> {
    world.compute.certificates.iter().map(|(name, found)| found.wire(world, name)).collect()
}

async fn certificate(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let name = call.named("name");
    Ok(Json(world.certificate(name)?.wire(&world, name)))
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(world.compute_operation(job(&world, call.named("name"))?)))
}

/// `POST …/operations/O/wait`: answers when the operation is done or two minutes are over, whichever is first.
async fn wait(call: Call) -> Answered {
    let until = {
        let (world, _) = call.read(&[])?;
        job(&world, call.named("name"))?.due.min(later(world.now(), WAIT))
    };
    call.wait_until(until).await;
    let world = call.world();
    Ok(Json(world.compute_operation(job(&world, call.named("name"))?)))
}

fn job<'w>(world: &'w World, id: &str) -> Result<&'w Job<Effect>, Refusal> {
    world.compute.jobs.get(id).ok_or_else(|| world.no_such_resource("operations", id))
}

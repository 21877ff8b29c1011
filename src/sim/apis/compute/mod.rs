//! Compute Engine v1: global backend services, certificates and operations.
//!
//! Paths and messages: gcloud's own client of `compute` v1. Regional resources, URL maps, proxies and addresses are not
//! simulated.

pub mod backend_service;
pub mod certificate;
mod change;
mod scenario;

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
use crate::sim::clock::later;
use crate::sim::enums::Table;
use crate::sim::scenario::reading::{Complaints, DeclaredNames, Reader};
use crate::sim::world::operation::{Operation, TakesEffect};
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{World, text};
use backend_service::{BackendService, KeyChange};
use certificate::Certificate;

/// `maxResults` is 500 if it is not said, and at most that (source: the parameter's comment).
const PAGING: Paging = Paging { size: "maxResults", by_default: 500, at_most: 500 };

/// The parameters of every list. A filter or an order is refused rather than ignored.
const LIST: [&str; 4] = ["maxResults", "pageToken", "includeAllScopes", "serviceProjectNumber"];

/// How long `wait` holds a request at most (source: the method's comment).
const WAIT: SignedDuration = SignedDuration::from_mins(2);

/// The Compute Engine of a project, as much of it as an incident on Cloud Run touches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compute {
    /// Backend services by name.
    pub backend_services: BTreeMap<String, BackendService>,
    /// Certificates by name.
    pub certificates: BTreeMap<String, Certificate>,
    /// What is the scenario's about it.
    pub figures: Figures,
}

/// What the scenario says of the load balancer (`[load_balancing]`); none of it is known of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Figures {
    /// How long it takes until a change is everywhere.
    pub update_takes: SignedDuration,
    /// How long it takes until Google has, or has not, got a managed certificate.
    pub certificate_takes: SignedDuration,
}

impl Default for Figures {
    fn default() -> Self {
        Self { update_takes: SignedDuration::from_secs(20), certificate_takes: SignedDuration::from_mins(30) }
    }
}

impl Figures {
    /// What is wrong with them, if something is.
    pub fn complaint(&self) -> Option<&'static str> {
        (self.update_takes.is_negative() || self.certificate_takes.is_negative())
            .then_some("a duration cannot be negative")
    }
}

/// What an operation tells of itself; the change itself is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// `patch`, `insert` or `delete`.
    pub verb: String,
    /// `backendServices` or `sslCertificates`.
    pub collection: String,
    /// The resource's name.
    pub name: String,
}

impl Part for Compute {
    type Tables = scenario::Tables;
    type Effect = Effect;

    fn read(reader: &mut Reader<'_>) -> Self::Tables {
        scenario::Tables::read(reader)
    }

    fn build(tables: Self::Tables, world: &mut World, declared: &DeclaredNames, complaints: &mut Complaints) {
        tables.build(world, declared, complaints);
    }

    fn state_of(world: &World, resource: &Resource) -> Option<Value> {
        let is_one = resource.resource_type.name() == "compute.backendServices";
        let found = world.parts.compute.backend_services.get(resource.id()).filter(|_| is_one)?;
        Some(found.wire(world, resource.id()))
    }

    /// When Google has decided about the next certificate.
    fn next_due(&self) -> Option<Timestamp> {
        self.certificates.values().filter_map(Certificate::decided).min()
    }

    fn advance(world: &mut World) {
        world.decide_certificates();
    }
}

impl TakesEffect for Effect {
    /// The change is there already.
    fn take_effect(&self, _: &mut World) -> Result<Value, Refusal> {
        Ok(Value::Null)
    }

    /// It was never made.
    fn call_off(&self, _: &mut World, _: &Refusal) {}

    fn wire(&self, operation: &Operation, world: &World) -> Value {
        let Self { verb, collection, name } = self;
        let id = &operation.id;
        let mut wire = operation_wire(operation, world, verb, &world.compute_link("operations", id));
        wire["id"] = json!(world.compute_id(id));
        wire["targetId"] = json!(world.compute_id(&format!("{collection}/{name}")));
        wire
    }
}

/// `compute#operation`, which is at this link.
pub(super) fn operation_wire(operation: &Operation, world: &World, verb: &str, self_link: &str) -> Value {
    let mut wire = json!({
        "kind": "compute#operation",
        "id": "",
        "name": operation.id,
        "operationType": verb,
        "targetLink": operation.target,
        "targetId": "",
        // Never PENDING: 199 of 208 recorded first answers are RUNNING already.
        "status": operation.status(world.now, "RUNNING"),
        "user": operation.user,
        "progress": if operation.ended.is_some() { 100 } else { 0 },
        "insertTime": operation.created.to_string(),
        "startTime": operation.created.to_string(),
        "selfLink": self_link,
    });
    if let Some(ended) = operation.ended {
        wire["endTime"] = json!(ended.to_string());
    }
    if let Some(error) = operation.error() {
        wire["httpErrorStatusCode"] = json!(error.code.http());
        wire["httpErrorMessage"] = json!(error.code.name());
        wire["error"] = json!({ "errors": [{ "code": error.code.name(), "message": error.message }] });
    }
    wire
}

impl Api for Compute {
    const SERVICE: &'static str = "compute";
    const TYPES: &'static [(&'static str, &'static str)] =
        &[("backendServices", "[backend_services.NAME]"), ("sslCertificates", "[certificates.NAME]")];
    const COLLECTIONS: &'static [Collection] = &[
        Collection { segment: "backendServices", permissions: "compute.backendServices" },
        Collection { segment: "sslCertificates", permissions: "compute.sslCertificates" },
    ];
    // Its clients ask for no numbers.
    const ENUMS: Table = &[];
    const REFUSALS: Refusals = Refusals::Errors(|_| None);

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
    let all = world.parts.compute.backend_services.iter().map(|(name, found)| found.wire(&world, name));
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
    make: impl FnOnce(&mut World, &Map<String, Value>, &str, &str) -> Result<Operation, Refusal>,
) -> Answered {
    let begun = call.change(&["requestId", "keyName"], |world, body, call| {
        let request_id = call.parameters.get("requestId");
        if let Some(begun) = world.begun_by_request::<Compute>(request_id)? {
            return Ok(begun.wire(world));
        }
        let begun = make(world, body, call.named("name"), call.caller())?;
        world.remember_request(request_id, &begun);
        Ok(begun.wire(world))
    })?;
    Ok(Json(begun))
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
    world.parts.compute.certificates.iter().map(|(name, found)| found.wire(world, name)).collect()
}

async fn certificate(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    let name = call.named("name");
    Ok(Json(world.certificate(name)?.wire(&world, name)))
}

async fn operation(call: Call) -> Answered {
    let (world, _) = call.read(&[])?;
    Ok(Json(found(&world, call.named("name"))?.wire(&world)))
}

/// `POST …/operations/O/wait`: answers when the operation is done or two minutes are over, whichever is first.
async fn wait(call: Call) -> Answered {
    let until = {
        let (world, _) = call.read(&[])?;
        found(&world, call.named("name"))?.due.min(later(world.now(), WAIT))
    };
    call.wait_until(until).await;
    let world = call.world();
    Ok(Json(found(&world, call.named("name"))?.wire(&world)))
}

fn found<'w>(world: &'w World, id: &str) -> Result<&'w Operation, Refusal> {
    world.operations.get::<Compute>(id).ok_or_else(|| world.no_such_resource("operations", id))
}

//! Operations of these resources, in the dialects of Google's APIs: what they do when their time has come, where they are asked for,
//! and what they look like.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::Change;
use super::resource_at;
use super::wire::{link_to, number};
use crate::catalog::{Answer, OperationDialect, Resource};
use crate::sim::apis::compute;
use crate::sim::world::World;
use crate::sim::world::operation::{Audited, Operation, TakesEffect};
use crate::sim::world::refusal::Refusal;

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The URL of the resource.
    pub(super) url: String,
    /// The method that was called.
    pub(super) method: String,
    /// What it does.
    pub(super) change: Change,
}

impl TakesEffect for Effect {
    fn take_effect(&self, world: &mut World) -> Result<Value, Refusal> {
        match &self.change {
            Change::Executed { fails } => world.end_execution(&self.url, fails.as_deref()),
            change => world.change_any(&self.url, change),
        }
    }

    /// Until then nothing has become of the resource; but an execution has begun, and does not end well.
    fn call_off(&self, world: &mut World, refusal: &Refusal) {
        if let Change::Executed { .. } = self.change {
            let _ = world.end_execution(&self.url, Some(&refusal.message));
        }
    }

    fn audited(&self) -> Option<Audited> {
        let service = resource_at(&self.url)?.resource_type.api().service;
        Some(Audited { resource: "audited_resource", service: format!("{service}.googleapis.com").into() })
    }

    fn wire(&self, operation: &Operation, world: &World) -> Value {
        // It was found when the operation began.
        let Some(resource) = resource_at(&self.url) else { return Value::Null };
        let method = resource.resource_type.method(&self.method);
        let dialect = match method.map(|method| method.answer) {
            Some(Answer::Operation(dialect)) => dialect,
            _ => OperationDialect::LongRunning,
        };
        let shown = Shown { effect: self, operation, world, resource: &resource };
        match dialect {
            OperationDialect::LongRunning => shown.long_running(),
            OperationDialect::Storage => shown.storage(),
            OperationDialect::Compute => shown.compute(),
            OperationDialect::CloudSql => shown.cloud_sql(),
            OperationDialect::Kubernetes => shown.kubernetes(),
            OperationDialect::Dns => shown.dns(),
        }
    }
}

/// What the ids of GKE's operations begin with.
pub(super) const KUBERNETES: &str = "operation-";

struct Shown<'o> {
    effect: &'o Effect,
    operation: &'o Operation,
    world: &'o World,
    resource: &'o Resource,
}

impl Shown<'_> {
    /// The resource's name up to its location, or the whole of it: where its operations are (AIP-151; what is chosen here is ours, and
    /// clients take the name as it is).
    fn parent(&self) -> String {
        let name = self.resource.name();
        let segments: Vec<&str> = name.split('/').collect();
        let location = segments.iter().position(|segment| *segment == "locations");
        let whole = if name.starts_with("apps/") { 2 } else { segments.len() };
        let end = location.map_or(whole, |at| at + 2);
        segments.get(..end).unwrap_or(&segments).join("/")
    }

    fn package(&self) -> String {
        let api = self.resource.resource_type.api();
        format!("type.googleapis.com/google.cloud.{}.{}", api.service, api.version)
    }

    fn long_running(&self) -> Value {
        let package = self.package();
        let mut metadata = json!({
            "@type": format!("{package}.OperationMetadata"),
            "createTime": self.operation.created.to_string(),
            "target": self.resource.name(),
            "verb": self.effect.method,
            "apiVersion": self.resource.resource_type.api().version,
        });
        if let Some(ended) = self.operation.ended {
            metadata["endTime"] = json!(ended.to_string());
        }
        // `RunJob` has the execution in its metadata (`operation_info` in `google/cloud/run/v2/job.proto`).
        if let (Change::Executed { .. }, Some(kept)) =
            (&self.effect.change, self.world.parts.any.resources.get(&self.effect.url))
        {
            metadata = Value::Object(kept.state.clone());
            metadata["@type"] = json!(format!("{package}.Execution"));
        }
        let name = format!("{}/operations/{}", self.parent(), self.operation.id);
        let response = match self.effect.change {
            Change::Delete => "type.googleapis.com/google.protobuf.Empty".to_owned(),
            _ => {
                let asset = self.resource.resource_type.asset_type();
                format!("{package}.{}", asset.rsplit('/').next().unwrap_or_default())
            }
        };
        self.operation.long_running_as(&name, &metadata, &response)
    }

    /// `storage#operation`.
    fn storage(&self) -> Value {
        let id = &self.operation.id;
        let name = self.resource.name();
        let name = name.trim_start_matches("projects/_/buckets/").trim_start_matches("b/");
        let name = name.split('/').next().unwrap_or_default();
        let mut wire = self.operation.long_running_as(
            &format!("projects/_/buckets/{name}/operations/{id}"),
            &json!({ "@type": "type.googleapis.com/google.storage.control.v2.CommonLongRunningOperationMetadata" }),
            "type.googleapis.com/google.storage.v1.Resource",
        );
        wire["kind"] = json!("storage#operation");
        wire["selfLink"] = json!(link_to(self.resource, &format!("b/{name}/operations/{id}")));
        wire
    }

    /// `compute#operation`.
    fn compute(&self) -> Value {
        let id = &self.operation.id;
        let service = self.resource.resource_type.api().service;
        // Operations are in the zone or region of the name, and globally otherwise.
        let name = self.resource.name();
        let segments: Vec<&str> = name.split('/').collect();
        let place = segments.iter().position(|segment| ["zones", "regions"].contains(segment));
        let place = match place {
            Some(at) => segments.get(..at + 2).unwrap_or(&segments).join("/"),
            None => format!("projects/{}/global", self.resource.project().unwrap_or_default()),
        };
        let scope = link_to(self.resource, &place);
        let mut wire = compute::operation_wire(
            self.operation,
            self.world,
            &self.effect.method,
            &format!("{scope}/operations/{id}"),
        );
        wire["kind"] = json!(format!("{service}#operation"));
        wire["id"] = json!(number(id));
        wire["targetId"] = json!(number(&self.effect.url));
        for (word, field) in [("/zones/", "zone"), ("/regions/", "region")] {
            if scope.contains(word) {
                wire[field] = json!(scope);
            }
        }
        wire
    }

    /// `sql#operation`.
    fn cloud_sql(&self) -> Value {
        let name = self.resource.name();
        let instance = name.split('/').nth(3).unwrap_or_default();
        let operation_type = self.effect.method.to_uppercase();
        crate::sim::apis::cloud_sql::operation_wire(self.operation, self.world, &operation_type, instance)
    }

    fn kubernetes(&self) -> Value {
        let (id, operation) = (&self.operation.id, self.operation);
        let place = self.parent();
        let location = self.resource.location().unwrap_or_default();
        let name = format!("{KUBERNETES}{id}");
        let mut wire = json!({
            "name": name,
            "zone": location,
            "location": location,
            "operationType": self.effect.method.to_uppercase(),
            "status": operation.status(self.world.now(), "PENDING"),
            "startTime": operation.created.to_string(),
            "selfLink": format!("https://{}/v1/{place}/operations/{name}", self.resource.host()),
            "targetLink": self.resource.url(),
        });
        if let Some(ended) = operation.ended {
            wire["endTime"] = json!(ended.to_string());
        }
        if let Some(error) = operation.error() {
            wire["statusMessage"] = json!(error.message);
            wire["error"] = json!({ "code": error.code.number(), "message": error.message });
        }
        wire
    }

    /// `dns#operation`. How it says that one failed is not known: this is ours.
    fn dns(&self) -> Value {
        let operation = self.operation;
        let mut wire = json!({
            "kind": "dns#operation",
            "id": operation.id,
            "startTime": operation.created.to_string(),
            "status": if operation.ended.is_some() { "done" } else { "pending" },
            "user": operation.user,
            "type": self.effect.method,
            "zoneContext": operation.shown,
        });
        if let Some(error) = operation.error() {
            wire["error"] = json!({ "errors": [{ "code": error.code.name(), "message": error.message }] });
        }
        wire
    }
}

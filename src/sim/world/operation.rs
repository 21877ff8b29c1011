//! Long-running operations: what was asked for, when it will be done, and how it ended.
//!
//! An operation is decided when its time has come, not when it was accepted: a deployment that began on a starved
//! connector succeeds if the connector was enlarged before the deployment's end. A done operation has exactly one of
//! an error and a response (`google/longrunning/operations.proto`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refusal::{Code, Refusal};
use crate::sim::fault::Kind;

/// One long-running operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The last segment of its name: looks like a UUID, and is the same in every run of the same requests.
    pub id: String,
    /// The full resource name of what it changes.
    pub target: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it will be, or was to be, done.
    pub due: Timestamp,
    /// When it was done.
    pub ended: Option<Timestamp>,
    /// What it does when its time has come.
    pub effect: Effect,
    /// How it ended, once it did.
    pub outcome: Option<Outcome>,
    /// Cloud Run: the service as it was when the operation was accepted, and later as it was when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Value>,
    /// What a fault makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twist: Option<Twist>,
}

/// What a fault makes of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Twist {
    /// It ends with this, and has no effect.
    Fails(Refusal),
    /// It takes effect, and ends with this all the same.
    Misreports(Refusal),
    /// It never ends.
    Hangs,
}

impl Twist {
    /// What a fault makes of the operation that a request begins; `None` if the fault is not about that.
    pub fn of(fault: &Kind) -> Option<Twist> {
        match fault {
            Kind::OperationError(error) => {
                let error = &error.operation_error;
                let refusal = Refusal::new(Code::of_number(error.code), error.message.clone());
                Some(if error.took_effect { Twist::Misreports(refusal) } else { Twist::Fails(refusal) })
            }
            Kind::OperationHangs(_) => Some(Twist::Hangs),
            _ => None,
        }
    }
}

/// What an operation does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Effect {
    /// A connector takes on a new size, or the server's late refusal of it becomes known.
    Resize {
        /// Short name of the connector.
        connector: String,
        /// Instances at least, from then on.
        min_instances: i64,
        /// Instances at most, from then on.
        max_instances: i64,
        /// Machine type, from then on.
        machine_type: String,
        /// Set if the operation is to end with an error instead.
        refusal: Option<Refusal>,
    },
    /// A connector that was asked for is there.
    CreateConnector {
        /// Short name of the connector.
        connector: String,
        /// Set if the operation is to end with an error instead.
        #[serde(default)]
        refusal: Option<Refusal>,
    },
    /// A connector is gone.
    DeleteConnector {
        /// Short name of the connector.
        connector: String,
    },
    /// A revision is gone.
    DeleteRevision {
        /// Short name of the service.
        service: String,
        /// Short name of the revision.
        revision: String,
    },
    /// A service is gone.
    DeleteService {
        /// Short name of the service.
        service: String,
    },
    /// A service's status catches up with its spec, or fails to.
    Reconcile {
        /// Short name of the service.
        service: String,
        /// Short name of the revision that must start first, if the template changed.
        revision: Option<String>,
    },
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The resource as it was at the end.
    Response(Value),
    /// A `google.rpc.Status`.
    Error(Refusal),
}

/// The API that an operation belongs to; each lists only its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Serverless VPC Access v1.
    VpcAccess,
    /// Cloud Run Admin v2.
    Run,
}

impl Operation {
    /// The API that it belongs to.
    pub fn api(&self) -> Owner {
        match self.effect {
            Effect::Resize { .. } | Effect::CreateConnector { .. } | Effect::DeleteConnector { .. } => Owner::VpcAccess,
            Effect::Reconcile { .. } | Effect::DeleteRevision { .. } | Effect::DeleteService { .. } => Owner::Run,
        }
    }

    /// The method that began it, in the words of its API.
    fn method(&self) -> &'static str {
        match self.effect {
            Effect::Resize { .. } => "google.cloud.vpcaccess.v1.VpcAccessService.UpdateConnector",
            Effect::CreateConnector { .. } => "google.cloud.vpcaccess.v1.VpcAccessService.CreateConnector",
            Effect::DeleteConnector { .. } => "google.cloud.vpcaccess.v1.VpcAccessService.DeleteConnector",
            Effect::Reconcile { .. } | Effect::DeleteRevision { .. } | Effect::DeleteService { .. } => "",
        }
    }

    /// The type of what it answers with in the end.
    fn response_type(&self) -> &'static str {
        match self.effect {
            Effect::Resize { .. } | Effect::CreateConnector { .. } => {
                "type.googleapis.com/google.cloud.vpcaccess.v1.Connector"
            }
            Effect::DeleteConnector { .. } => "type.googleapis.com/google.protobuf.Empty",
            Effect::Reconcile { .. } | Effect::DeleteService { .. } => {
                "type.googleapis.com/google.cloud.run.v2.Service"
            }
            Effect::DeleteRevision { .. } => "type.googleapis.com/google.cloud.run.v2.Revision",
        }
    }

    /// The operation as its API shows it; `location` is `projects/P/locations/L`.
    pub fn wire(&self, location: &str) -> Value {
        let response_type = self.response_type();
        let metadata = match self.api() {
            Owner::VpcAccess => {
                let mut metadata = json!({
                    "@type": "type.googleapis.com/google.cloud.vpcaccess.v1.OperationMetadata",
                    "method": self.method(),
                    "createTime": self.created.to_string(),
                    "target": self.target,
                });
                if let Some(ended) = self.ended {
                    metadata["endTime"] = json!(ended.to_string());
                }
                metadata
            }
            Owner::Run => typed(response_type, self.service.as_ref().unwrap_or(&Value::Null)),
        };
        let mut wire = json!({
            "name": format!("{location}/operations/{}", self.id),
            "metadata": metadata,
        });
        // ProtoJSON leaves out what is false (recorded: the answer to a change has no `done`).
        if self.outcome.is_some() {
            wire["done"] = json!(true);
        }
        match &self.outcome {
            None => {}
            Some(Outcome::Response(resource)) => wire["response"] = typed(response_type, resource),
            Some(Outcome::Error(refusal)) => {
                wire["error"] = json!({ "code": refusal.code.number(), "message": refusal.message });
            }
        }
        wire
    }
}

/// A `google.protobuf.Any` in JSON: the message's own fields and its `@type`.
fn typed(kind: &str, message: &Value) -> Value {
    let mut any = json!({ "@type": kind });
    if let (Some(any), Some(fields)) = (any.as_object_mut(), message.as_object()) {
        any.extend(fields.clone());
    }
    any
}

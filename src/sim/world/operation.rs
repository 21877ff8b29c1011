//! Operations: what was asked for, when it will be done, and how it ended. One engine for the operations of all APIs.
//!
//! An operation is decided when its time has come, not when it was accepted: a deployment that began on a starved
//! connector succeeds if the connector was enlarged before the deployment's end. What it does is its API's
//! ([`TakesEffect`]), and so is how it is shown: as a `google.longrunning.Operation`, or as the message that Cloud SQL and
//! Compute Engine, which are older, have for it. What a fault makes of one ([`Twist`]) is decided here for all of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refusal::{Code, Refusal};
use super::{World, uuid_like};
use crate::sim::apis::{Effect, Operates};
use crate::sim::clock::later;
use crate::sim::fault::Kind;

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The last segment of its name: looks like a UUID, and is the same in every run of the same requests.
    pub id: String,
    /// The full name of what it changes, as its API has names.
    pub target: String,
    /// Who asked for it.
    pub user: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it will be, or was to be, done.
    pub due: Timestamp,
    /// When it was done.
    pub ended: Option<Timestamp>,
    /// What it does when its time has come.
    pub(in crate::sim) effect: Effect,
    /// How it ended, once it did.
    pub outcome: Option<Outcome>,
    /// What its metadata shows of the resource: as it was when the operation was accepted, and later when it had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Value>,
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
            Kind::Status(_) | Kind::Latency(_) | Kind::Reset(_) | Kind::Refuse(_) | Kind::Garble(_) => None,
        }
    }
}

/// How an operation ended. A done operation has exactly one of the two (`google/longrunning/operations.proto`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The resource as it was at the end.
    Response(Value),
    /// A `google.rpc.Status`.
    Error(Refusal),
}

/// What an operation of an API does when its time has come, and how the API shows it.
pub(in crate::sim) trait TakesEffect:
    Clone + PartialEq + Serialize + DeserializeOwned + 'static
{
    /// Does it, and gives what the operation answers with, or why it failed.
    fn take_effect(&self, world: &mut World) -> Result<Value, Refusal>;

    /// Leaves the resource as it is: the operation fails for no reason of its own.
    fn call_off(&self, world: &mut World, refusal: &Refusal);

    /// What the metadata shows of the resource once the consequences have settled, if it does.
    fn shown_at_the_end(&self, _world: &World, _outcome: &Outcome) -> Option<Value> {
        None
    }

    /// The operation as its API shows it.
    fn wire(&self, operation: &Operation, world: &World) -> Value;

    /// What the audit log says of it: the type of the resource, and the API.
    fn audited(&self) -> Option<Audited> {
        None
    }
}

/// What an audit log has of an operation.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Audited {
    /// `resource.type`.
    pub(in crate::sim) resource: &'static str,
    /// `serviceName`.
    pub(in crate::sim) service: Cow<'static, str>,
}

/// The effect of an API that has no operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Never {}

impl TakesEffect for Never {
    fn take_effect(&self, _: &mut World) -> Result<Value, Refusal> {
        match *self {}
    }

    fn call_off(&self, _: &mut World, _: &Refusal) {
        match *self {}
    }

    fn wire(&self, _: &Operation, _: &World) -> Value {
        match *self {}
    }
}

/// All operations by their number, which is the order in which they were accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operations(BTreeMap<u64, Operation>);

impl Operations {
    /// All of them, in the order in which they were accepted.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Operation> {
        self.0.values()
    }

    /// Those of an API, and what each does.
    pub(in crate::sim) fn of<A: Operates>(&self) -> impl DoubleEndedIterator<Item = (&Operation, &A::Effect)> {
        self.0.values().filter_map(|operation| Some((operation, A::own(&operation.effect)?)))
    }

    /// The operation of an API with this id.
    pub(in crate::sim) fn get<A: Operates>(&self, id: &str) -> Option<&Operation> {
        self.of::<A>().map(|(operation, _)| operation).find(|operation| operation.id == id)
    }

    /// When the next of them ends, and which that is.
    pub(super) fn next_due(&self) -> Option<(Timestamp, u64)> {
        let running = self.0.iter().filter(|(_, operation)| operation.outcome.is_none());
        running.map(|(number, operation)| (operation.due, *number)).min()
    }
}

/// For how long the id of a request is remembered. (source: AIP-155: at least 60 minutes)
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// The operations that requests with an id of the caller's began, and when (AIP-155): whoever sends the request again learns of the
/// same operation, and nothing happens twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestIds(BTreeMap<String, (Timestamp, String)>);

/// An operation that is asked for.
pub(in crate::sim) struct Asked<'a> {
    /// The full name of what it changes.
    pub(in crate::sim) target: String,
    /// Who asks.
    pub(in crate::sim) user: &'a str,
    /// How long it takes.
    pub(in crate::sim) takes: SignedDuration,
    /// What its metadata shows of the resource.
    pub(in crate::sim) shown: Option<Value>,
}

impl World {
    /// The operation of an API that an earlier request with the same id began.
    ///
    /// # Errors
    /// The id is no UUID.
    pub(in crate::sim) fn begun_by_request<A: Operates>(
        &self,
        id: Option<&str>,
    ) -> Result<Option<&Operation>, Refusal> {
        let Some(id) = id else { return Ok(None) };
        let is_uuid = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_uuid || id.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
            return Err(Refusal::invalid("request_id", "The request_id must be a valid UUID that is not zero"));
        }
        let known = self.request_ids.0.get(id).filter(|(at, _)| self.now < later(*at, REMEMBERED));
        Ok(known.and_then(|(_, operation)| self.operations.get::<A>(operation)))
    }

    /// Notes which operation a request with an id began.
    pub(in crate::sim) fn remember_request(&mut self, id: Option<&str>, begun: &Operation) {
        if let Some(id) = id {
            self.request_ids.0.insert(id.to_owned(), (self.now, begun.id.clone()));
        }
    }

    /// Accepts an operation of an API.
    pub(in crate::sim) fn begin<A: Operates>(&mut self, effect: A::Effect, asked: Asked<'_>) -> Operation {
        let number = self.operations.0.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let hangs = self.twist == Some(Twist::Hangs);
        let operation = Operation {
            id: uuid_like(&format!("{}/operations/{number}", self.location())),
            target: asked.target,
            user: asked.user.to_owned(),
            created: self.now,
            due: if hangs { Timestamp::MAX } else { later(self.now, asked.takes) },
            ended: None,
            effect: A::effect(effect),
            outcome: None,
            shown: asked.shown,
            twist: self.twist.clone(),
        };
        self.operations.0.insert(number, operation.clone());
        operation
    }

    /// Whether an operation that is begun now will fail, as a fault has it.
    pub(in crate::sim) fn will_fail(&self) -> bool {
        matches!(self.twist, Some(Twist::Fails(_)))
    }

    /// Whether an operation that is begun now will take effect.
    pub(in crate::sim) fn will_take_effect(&self) -> bool {
        matches!(self.twist, None | Some(Twist::Misreports(_)))
    }

    /// Lets what takes no time happen at once, and gives the operation as it is then.
    pub(in crate::sim) fn settled(&mut self, operation: Operation) -> Operation {
        self.advance(self.now);
        self.operations.all().find(|known| known.id == operation.id).cloned().unwrap_or(operation)
    }

    /// Ends the operations that run on this resource, whether their time has come or not.
    pub(in crate::sim) fn end_operations_on(&mut self, target: &str) {
        let on = |operation: &Operation| operation.outcome.is_none() && operation.target == target;
        let all = self.operations.0.iter();
        let running: Vec<u64> = all.filter(|(_, operation)| on(operation)).map(|(number, _)| *number).collect();
        for number in running {
            self.end(number);
        }
    }

    /// Ends the operation `number` now.
    pub(super) fn end(&mut self, number: u64) {
        let running = self.operations.0.get(&number).filter(|operation| operation.outcome.is_none());
        let Some(operation) = running.cloned() else { return };
        let outcome = match operation.twist {
            Some(Twist::Fails(refusal)) => {
                operation.effect.call_off(self, &refusal);
                Outcome::Error(refusal)
            }
            Some(Twist::Misreports(refusal)) => {
                // Its own refusal is not what is reported either.
                let _ = operation.effect.take_effect(self);
                Outcome::Error(refusal)
            }
            Some(Twist::Hangs) | None => match operation.effect.take_effect(self) {
                Ok(resource) => Outcome::Response(resource),
                Err(refusal) => Outcome::Error(refusal),
            },
        };
        self.settle();
        let shown = operation.effect.shown_at_the_end(self, &outcome);
        let now = self.now;
        if let Some(operation) = self.operations.0.get_mut(&number) {
            operation.ended = Some(now);
            operation.outcome = Some(outcome);
            operation.shown = shown.or(operation.shown.take());
        }
    }
}

impl Operation {
    /// Why it failed, if it did.
    pub fn error(&self) -> Option<&Refusal> {
        match &self.outcome {
            Some(Outcome::Error(refusal)) => Some(refusal),
            Some(Outcome::Response(_)) | None => None,
        }
    }

    /// For the older APIs: their `first` status when it has just been accepted, then RUNNING, in the end DONE. That the first
    /// lasts for no time is ours.
    pub fn status(&self, now: Timestamp, first: &'static str) -> &'static str {
        match self.ended {
            Some(_) => "DONE",
            None if now == self.created => first,
            None => "RUNNING",
        }
    }

    /// The operation as a `google.longrunning.Operation`.
    pub(in crate::sim) fn long_running(&self, world: &World, metadata: &Value, response_type: &str) -> Value {
        self.long_running_as(&format!("{}/operations/{}", world.location(), self.id), metadata, response_type)
    }

    /// The same of this name.
    pub(in crate::sim) fn long_running_as(&self, name: &str, metadata: &Value, response_type: &str) -> Value {
        let mut wire = json!({ "name": name, "metadata": metadata });
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

    /// The operation as its API shows it.
    pub fn wire(&self, world: &World) -> Value {
        self.effect.wire(self, world)
    }
}

/// A `google.protobuf.Any` in JSON: the message's own fields and its `@type`.
pub(in crate::sim) fn typed(kind: &str, message: &Value) -> Value {
    let mut any = json!({ "@type": kind });
    if let (Some(any), Some(fields)) = (any.as_object_mut(), message.as_object()) {
        any.extend(fields.clone());
    }
    any
}

//! Methods that `gcp.call` steps call: each a change from not done to done.
//!
//! Whether it is done the step's `done_when` says of the resource. Without one only the operator knows, if the end of a call was not
//! seen. A call is sent once: many methods (`restart`, `failover`) do the same again when they are called again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::{actions, without_sending};
use crate::action::{Action, Doing, GcpCall};
use crate::resource::catalogued::{Catalogued, SealedValues, Stand};
use crate::resource::{
    AnyKind, AnyObservable, Certainty, Cloud, OperationProgress, ReadError, Seen, Validity, WriteError, Writer, Written,
};
use crate::run::{Change, ResourceId, Target, covers};
use crate::runbook::model::Runbook;

/// `gcp.call`: the calls of a runbook.
pub struct Calls {
    calls: BTreeMap<ResourceId, Call>,
    resources: Catalogued,
}

struct Call {
    on: ResourceId,
    step: GcpCall,
}

/// What stands behind the name of an operation that undoes.
const UNDOING: &str = "#undo";

impl Calls {
    /// Those of this runbook, on this cloud.
    pub fn of(runbook: &Runbook, cloud: &Arc<Cloud>, sealed: Arc<SealedValues>) -> Calls {
        let call = |(task, target, action): (String, Target, &Action)| {
            let Action::GcpCall(step) = action else { return None };
            let (id, on) = (step.id(&target, &task)?, step.resource.id(&target)?);
            Some((id, Call { on, step: step.clone() }))
        };
        Calls { calls: actions(runbook).filter_map(call).collect(), resources: Catalogued::with(cloud, sealed) }
    }

    fn call(&self, id: &ResourceId) -> Result<&Call, String> {
        self.calls.get(id).ok_or_else(|| format!("the runbook calls nothing as {}", id.name))
    }

    async fn is_done(&self, id: &ResourceId, call: &Call) -> Result<bool, ReadError> {
        let untold = || ReadError::Untold { resource: id.clone() };
        if call.step.done_when.is_none() {
            return Err(untold());
        }
        let live = self.resources.shown(&call.on).await?;
        let told = call.step.is_done(&live).ok_or_else(untold)?;
        match told {
            Ok(true) => Ok(true),
            // It may be under way, or have come to nothing: sending it again could do it twice.
            Ok(false) if self.resources.is_under_way(id) => Err(untold()),
            Ok(false) => Ok(false),
            Err(why) => Err(ReadError::Refused { resource: id.clone(), why, denied: false }),
        }
    }

    /// What came of a call that has ended well.
    async fn ended(&self, id: &ResourceId, call: &Call, wanted: &Value) -> Result<OperationProgress<Value>, ReadError> {
        if call.step.done_when.is_none() {
            return Ok(OperationProgress::Done(wanted.clone()));
        }
        let is_done = Doing { done: self.is_done(id, call).await? }.state();
        if covers(&is_done, wanted) {
            return Ok(OperationProgress::Done(is_done));
        }
        let why = "it was called and ended well, but its `done_when` says otherwise".to_owned();
        Ok(OperationProgress::Failed { why, certainty: Certainty::Certain })
    }
}

fn state(done: bool) -> Value {
    Doing { done }.state()
}

impl AnyObservable for Calls {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let unreadable = |why| ReadError::Refused { resource: id.clone(), why, denied: false };
            let done = self.is_done(id, self.call(id).map_err(unreadable)?).await?;
            Ok(Seen { state: state(done), etag: None, operation: None, trouble: None })
        })
    }
}

impl AnyKind for Calls {
    fn validate<'a>(&'a self, _: &'a Change, _: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>> {
        Box::pin(async { Ok(Validity::NotAsked) })
    }

    fn write<'a>(&'a self, writer: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(async move {
            let id = &change.resource;
            let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
            let call = self.call(id).map_err(refused)?;
            if call.step.done_when.is_some() && !change.from.is_null() {
                let now = state(self.is_done(id, call).await.map_err(WriteError::not_sent)?);
                if let Some(written) = without_sending(change, now) {
                    return Ok(written);
                }
            }
            let is_forward = covers(&change.to, &state(true));
            let method = if is_forward { Some(&call.step.call) } else { call.step.undo.as_ref() };
            let method = method.ok_or_else(|| refused("nothing says how to undo it".to_owned()))?;
            let stand = self.resources.call(writer, id, &method.method, &method.arguments()).await?;
            Ok(Written::Sent(match stand {
                Stand::Running { operation } => {
                    let undoing = if is_forward { "" } else { UNDOING };
                    OperationProgress::Running { operation: format!("{operation}{undoing}") }
                }
                Stand::Failed { why, certainty } => OperationProgress::Failed { why, certainty },
                Stand::Done => {
                    let in_doubt =
                        |error: ReadError| WriteError::InDoubt { resource: id.clone(), why: error.to_string() };
                    self.ended(id, call, &change.to).await.map_err(in_doubt)?
                }
            }))
        })
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        operation: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>> {
        Box::pin(async move {
            let unreadable = |why| ReadError::Refused { resource: id.clone(), why, denied: false };
            let call = self.call(id).map_err(unreadable)?;
            let (name, wanted) = match operation.strip_suffix(UNDOING) {
                Some(name) => (name, state(false)),
                None => (operation, state(true)),
            };
            match self.resources.stand(id, name).await? {
                Stand::Running { .. } => Ok(OperationProgress::Running { operation: operation.to_owned() }),
                Stand::Failed { why, certainty } => Ok(OperationProgress::Failed { why, certainty }),
                Stand::Done => self.ended(id, call, &wanted).await,
            }
        })
    }
}

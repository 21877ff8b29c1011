//! Methods that steps call: each a change from not done to done.
//!
//! Whether it is done the step's [`Evidence`] says. Without any only the operator knows, unless this run noted what came of the call. A
//! call is sent once: many methods (`restart`, `failover`) do the same again when they are called again. So a call whose answer was lost
//! is sent again only after somebody said that it did not happen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::once::{Direction, noted, state, untold};
use super::{actions, without_sending};
use crate::action::{Action, CatalogRequest, Evidence, GcpCall, MethodCall, Undo};
use crate::resource::catalogued::{
    CallLog, CallOutcome, Catalogued, MadeCall, RecordedCall, SealedValues, Stand, resource_of,
};
use crate::resource::{
    AnyKind, AnyObservable, Certainty, Cloud, OperationProgress, ReadError, Seen, Validity, WriteError, Writer, Written,
};
use crate::run::{Change, ResourceId, Target, covers};
use crate::runbook::model::Runbook;

/// The calls of a runbook.
pub struct Calls {
    calls: BTreeMap<ResourceId, Call>,
    resources: Catalogued,
}

struct Call {
    on: ResourceId,
    step: GcpCall,
}

/// The state of something that was called and ended with an error: how much of it took effect is not known.
const IN_PART: &str = "in part";

/// Every call of a runbook's steps: its id, the resource that it is on, and what it is.
fn calls(runbook: &Runbook) -> impl Iterator<Item = (ResourceId, ResourceId, &GcpCall)> {
    actions(runbook).filter_map(|(task, target, action): (String, Target, &Action)| {
        let Some(CatalogRequest::Call(call)) = action.step().catalog_request() else { return None };
        Some((call.id(&target, &task)?, call.resource.id(&target)?, call))
    })
}

/// The HTTP method by which a call is made, or undone; `None` if nothing is sent.
pub fn verb_of(runbook: &Runbook, change: &Change) -> Option<&'static str> {
    let (_, on, step) = calls(runbook).find(|(id, ..)| *id == change.resource)?;
    let request = method(step, Direction::of_change(change))?.request(&resource_of(&on).ok()?).ok()?;
    Some(request.method.verb.as_str())
}

fn method(step: &GcpCall, direction: Direction) -> Option<&MethodCall> {
    match (direction, &step.undo) {
        (Direction::Forward, _) => Some(&step.call),
        (Direction::Back, Undo::Call(undo)) => Some(undo),
        (Direction::Back, Undo::NotNeeded | Undo::Nothing) => None,
    }
}

impl Calls {
    /// Those of this runbook, on this cloud.
    pub fn of(runbook: &Runbook, cloud: &Arc<Cloud>, sealed: Arc<SealedValues>) -> Calls {
        let calls = calls(runbook).map(|(id, on, step)| (id, Call { on, step: step.clone() })).collect();
        Calls { calls, resources: Catalogued::with(cloud, sealed) }
    }

    fn call(&self, id: &ResourceId) -> Result<&Call, String> {
        self.calls.get(id).ok_or_else(|| format!("the runbook calls nothing as {}", id.name))
    }

    fn noted(&self) -> &SealedValues {
        self.resources.noted()
    }

    /// Whether it is done by the step's condition, as far as that can tell.
    async fn judged(&self, id: &ResourceId, call: &Call) -> Result<bool, ReadError> {
        let live = self.resources.shown(&call.on).await?;
        let told = call.step.is_done(&live).ok_or_else(|| untold(id))?;
        told.map_err(|why| ReadError::Refused { resource: id.clone(), why, denied: false })
    }

    /// The only entry of its list that was not there before the call was made, if there is exactly one. That it runs or is done is
    /// noted.
    async fn new_entry(&self, id: &ResourceId, log: CallLog, made: &MadeCall) -> Result<Option<Stand>, ReadError> {
        let entries = self.resources.entries(id, log).await?;
        let mut new = entries.into_iter().filter(|entry| !made.before.contains(&entry.name));
        let stand = new.next().filter(|_| new.next().is_none()).map(|entry| entry.stand);
        match &stand {
            Some(Stand::Running { operation }) => self.noted().began(id, operation),
            Some(Stand::Done) => self.noted().called(id, CallOutcome::Done),
            Some(Stand::Failed { .. }) | None => {}
        }
        Ok(stand)
    }

    /// What becomes of a write without its being sent, as what is there now decides. The operator may have said that an earlier one did
    /// not happen, so that it may still be under way does not keep it from being sent.
    async fn without_sending(&self, call: &Call, change: &Change) -> Result<Option<Written>, ReadError> {
        let id = &change.resource;
        match &call.step.evidence {
            Evidence::Condition(_) if !change.from.is_null() => {
                Ok(without_sending(change, state(self.judged(id, call).await?)))
            }
            Evidence::Entry(log) if Direction::of_change(change) == Direction::Forward => {
                let RecordedCall::Made(made) = self.noted().call(id) else { return Ok(None) };
                // What failed is called again.
                let new = if made.outcome.is_none() { self.new_entry(id, *log, &made).await? } else { None };
                Ok(match new {
                    Some(Stand::Running { operation }) => Some(Written::Sent(OperationProgress::Running { operation })),
                    Some(Stand::Done) => Some(Written::Sent(OperationProgress::Done(state(true)))),
                    Some(Stand::Failed { .. }) | None => None,
                })
            }
            Evidence::Condition(_) | Evidence::Entry(_) | Evidence::Nothing => Ok(None),
        }
    }

    /// How far an operation got, or the entry that it is.
    async fn stand(&self, id: &ResourceId, call: &Call, operation: &str) -> Result<Stand, ReadError> {
        match call.step.evidence {
            Evidence::Entry(log) => self.resources.entry(id, log, operation).await,
            Evidence::Condition(_) | Evidence::Nothing => self.resources.stand(id, operation).await,
        }
    }

    /// What came of a call, or of what undoes it, that has gone so far.
    async fn progress(
        &self,
        id: &ResourceId,
        call: &Call,
        direction: Direction,
        stand: Stand,
    ) -> Result<OperationProgress<Value>, ReadError> {
        let wanted = state(direction == Direction::Forward);
        match stand {
            Stand::Running { operation } => {
                let operation = direction.named(&operation);
                self.noted().began(id, &operation);
                Ok(OperationProgress::Running { operation })
            }
            Stand::Failed { why, certainty } => {
                self.noted().called(id, CallOutcome::Failed);
                Ok(OperationProgress::Failed { why, certainty })
            }
            Stand::Done => {
                self.noted().called(id, direction.done());
                if let Evidence::Condition(_) = call.step.evidence {
                    let now = state(self.judged(id, call).await?);
                    if !covers(&now, &wanted) {
                        let why = "it was called and ended well, but its `done_when` says otherwise".to_owned();
                        return Ok(OperationProgress::Failed { why, certainty: Certainty::Certain });
                    }
                }
                Ok(OperationProgress::Done(wanted))
            }
        }
    }

    /// The operation of this run's that is not known to have ended, if it still runs. What it came to is noted.
    async fn running(&self, id: &ResourceId, call: &Call) -> Result<Option<(String, Direction)>, ReadError> {
        let Some(Some(operation)) = self.noted().under_way(id) else { return Ok(None) };
        let (name, direction) = Direction::of(&operation);
        let stand = match self.stand(id, call, name).await {
            Err(ReadError::OperationNotFound { .. }) => return Ok(None),
            stand => stand?,
        };
        Ok(match stand {
            Stand::Running { .. } => Some((operation, direction)),
            Stand::Done => {
                self.noted().called(id, direction.done());
                None
            }
            Stand::Failed { .. } => {
                self.noted().called(id, CallOutcome::Failed);
                None
            }
        })
    }

    /// Whether it is done, as far as anybody but the operator can tell.
    async fn seen(&self, id: &ResourceId, call: &Call) -> Result<Seen<Value>, ReadError> {
        let seen = |state| Seen { state, etag: None, operation: None, trouble: None };
        if let Some((operation, direction)) = self.running(id, call).await? {
            return Ok(Seen { operation: Some(operation), ..seen(state(direction == Direction::Back)) });
        }
        let known = self.noted().call(id);
        let is_lost = self.noted().under_way(id).is_some();
        match &call.step.evidence {
            Evidence::Condition(_) => match self.judged(id, call).await? {
                // It may be under way, or have come to nothing: sending it again could do it twice.
                false if is_lost => Err(untold(id)),
                done => Ok(seen(state(done))),
            },
            Evidence::Entry(_) if known == RecordedCall::NotMade => Ok(seen(state(false))),
            Evidence::Entry(log) => match known {
                RecordedCall::Made(MadeCall { outcome: Some(CallOutcome::Failed), .. }) => {
                    Ok(seen(serde_json::json!({ "done": IN_PART })))
                }
                RecordedCall::Made(MadeCall { outcome: Some(outcome), .. }) => {
                    Ok(seen(state(outcome == CallOutcome::Done)))
                }
                RecordedCall::Made(made) => match self.new_entry(id, *log, &made).await? {
                    Some(Stand::Running { operation }) => Ok(Seen { operation: Some(operation), ..seen(state(false)) }),
                    Some(Stand::Done) => Ok(seen(state(true))),
                    // None may still come, of two nobody knows whose is whose, and what failed may have done a part.
                    Some(Stand::Failed { .. }) | None => Err(untold(id)),
                },
                RecordedCall::NotMade | RecordedCall::Unknown => Err(untold(id)),
            },
            Evidence::Nothing => Ok(seen(state(noted(self.noted(), id)?))),
        }
    }
}

impl AnyObservable for Calls {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let unreadable = |why| ReadError::Refused { resource: id.clone(), why, denied: false };
            self.seen(id, self.call(id).map_err(unreadable)?).await
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
            if let Some(written) = self.without_sending(call, change).await.map_err(WriteError::not_sent)? {
                return Ok(written);
            }
            let direction = Direction::of_change(change);
            let Some(method) = method(&call.step, direction) else {
                return match call.step.undo {
                    Undo::NotNeeded => {
                        self.noted().called(id, CallOutcome::Undone);
                        Ok(Written::Sent(OperationProgress::Done(state(false))))
                    }
                    Undo::Call(_) | Undo::Nothing => Err(refused("nothing says how to undo it".to_owned())),
                };
            };
            let resource = resource_of(&call.on).map_err(refused)?;
            let request = method.request(&resource).map_err(|error| refused(error.to_string()))?;
            let log = if let Evidence::Entry(log) = call.step.evidence { Some(log) } else { None };
            let stand = self.resources.call(writer, id, request, log).await?;
            let in_doubt = |error: ReadError| WriteError::InDoubt { resource: id.clone(), why: error.to_string() };
            Ok(Written::Sent(self.progress(id, call, direction, stand).await.map_err(in_doubt)?))
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
            let (name, direction) = Direction::of(operation);
            let stand = self.stand(id, call, name).await?;
            self.progress(id, call, direction, stand).await
        })
    }
}

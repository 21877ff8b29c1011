//! Work that a person does. Whether it was done only they can say: the answer to the question before it is the word.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::action::Doing;
use crate::resource::{
    AnyKind, AnyObservable, OperationProgress, ReadError, Seen, Validity, WriteError, Writer, Written,
};
use crate::run::{Change, ResourceId};

/// `manual`.
pub struct ByHand;

impl AnyObservable for ByHand {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move { Err(ReadError::Untold { resource: id.clone() }) })
    }
}

impl AnyKind for ByHand {
    fn validate<'a>(&'a self, _: &'a Change, _: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>> {
        Box::pin(async { Ok(Validity::NotAsked) })
    }

    fn write<'a>(&'a self, _: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(async move {
            let doing: Option<Doing> = serde_json::from_value(change.to.clone()).ok();
            if doing.is_some_and(|doing| doing.done) {
                return Ok(Written::Sent(OperationProgress::Done(change.to.clone())));
            }
            let why = "what an operator did, an operator must undo".to_owned();
            Err(WriteError::Refused { resource: change.resource.clone(), why })
        })
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        _: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>> {
        Box::pin(async move { Err(ReadError::Untold { resource: id.clone() }) })
    }
}

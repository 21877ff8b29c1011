//! Work that is sent to a peer once: each piece a change from not done to done.
//!
//! Whether it is done the work's own condition says, if it has one. Without one only the operator knows, unless this run noted what came of
//! it. What was sent and whose answer was lost is sent again only after somebody said that it did not happen, and then with the same key
//! ([`key`]), so that a peer that keeps to such keys does it once all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::without_sending;
use crate::action::Doing;
use crate::resource::catalogued::{CallOutcome, MadeCall, RecordedCall, SealedValues};
use crate::resource::{
    AnyKind, AnyObservable, OperationProgress, ReadError, Seen, Validity, WriteError, Writer, Written,
};
use crate::run::{Change, ResourceId, covers, digest};

/// What stands behind the name of an operation that undoes.
const UNDOING: &str = "#undo";

/// The operation of work that was accepted and that its condition does not call done yet.
const ACCEPTED: &str = "done_when";

/// Whether something is done, or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Back,
}

impl Direction {
    pub(super) fn of_change(change: &Change) -> Direction {
        if covers(&change.to, &state(true)) { Direction::Forward } else { Direction::Back }
    }

    /// The operation of this name as a journal has it.
    pub(super) fn named(self, operation: &str) -> String {
        match self {
            Direction::Forward => operation.to_owned(),
            Direction::Back => format!("{operation}{UNDOING}"),
        }
    }

    /// The name of an operation that a journal has, and which way it goes.
    pub(super) fn of(operation: &str) -> (&str, Direction) {
        match operation.strip_suffix(UNDOING) {
            Some(name) => (name, Direction::Back),
            None => (operation, Direction::Forward),
        }
    }

    pub(super) fn done(self) -> CallOutcome {
        match self {
            Direction::Forward => CallOutcome::Done,
            Direction::Back => CallOutcome::Undone,
        }
    }

    /// What its condition says once it has come to its end.
    fn is_done_after(self) -> bool {
        self == Direction::Forward
    }
}

pub(super) fn untold(id: &ResourceId) -> ReadError {
    ReadError::Untold { resource: id.clone() }
}

pub(super) fn state(done: bool) -> Value {
    Doing { done }.state()
}

/// Whether something is done of which nothing tells but what this run noted.
///
/// # Errors
/// Only the operator knows.
pub(super) fn noted(sealed: &SealedValues, id: &ResourceId) -> Result<bool, ReadError> {
    let is_lost = sealed.under_way(id).is_some();
    match sealed.call(id) {
        RecordedCall::NotMade => Ok(false),
        RecordedCall::Made(MadeCall { outcome: Some(CallOutcome::Done), .. }) if !is_lost => Ok(true),
        RecordedCall::Made(MadeCall { outcome: Some(CallOutcome::Undone), .. }) if !is_lost => Ok(false),
        RecordedCall::Made(_) | RecordedCall::Unknown => Err(untold(id)),
    }
}

/// Work that a peer does.
pub(super) trait Work: Send + Sync + 'static {
    /// Whether something says how to undo it.
    fn can_be_undone(&self) -> bool;

    /// Whether it is done; `None` if nothing can tell.
    ///
    /// # Errors
    /// Why that is not known now.
    fn is_done(&self) -> BoxFuture<'_, Option<Result<bool, String>>>;

    /// Sends what does it, or what undoes it.
    fn send<'a>(&'a self, direction: Direction, key: &'a str) -> BoxFuture<'a, Sent>;
}

/// What became of what was sent.
#[derive(Debug)]
pub(super) enum Sent {
    /// It was carried out, or accepted; and what more is known of it.
    Accepted(Map<String, Value>),
    /// It did nothing, for certain.
    Refused(String),
    /// It may have done something.
    InDoubt(String),
}

/// The work of one kind, by its id.
pub(super) struct Once<W> {
    work: BTreeMap<ResourceId, W>,
    sealed: Arc<SealedValues>,
    /// The run's id.
    run: String,
}

impl<W: Work> Once<W> {
    pub(super) fn new(work: BTreeMap<ResourceId, W>, sealed: Arc<SealedValues>, run: String) -> Once<W> {
        Once { work, sealed, run }
    }

    /// The same for whoever reads.
    fn readable(&self, id: &ResourceId) -> Result<&W, ReadError> {
        self.work(id).map_err(|why| ReadError::Refused { resource: id.clone(), why, denied: false })
    }

    fn work(&self, id: &ResourceId) -> Result<&W, String> {
        self.work.get(id).ok_or_else(|| format!("the runbook sends nothing as {}", id.name))
    }

    /// Whether it is done, by its condition.
    async fn judged(&self, id: &ResourceId, work: &W) -> Result<Option<bool>, ReadError> {
        let unavailable = |why: String| {
            let why = format!("whether it is done is not known: {why}");
            ReadError::Unavailable { resource: id.clone(), why, retry_after: None }
        };
        work.is_done().await.transpose().map_err(unavailable)
    }

    /// What is known of what was accepted and had not come to its end: it runs, or has ended.
    async fn progress(
        &self,
        id: &ResourceId,
        work: &W,
        direction: Direction,
    ) -> Result<OperationProgress<Value>, ReadError> {
        let wanted = direction.is_done_after();
        if self.judged(id, work).await?.is_some_and(|done| done != wanted) {
            return Ok(OperationProgress::Running { operation: direction.named(ACCEPTED) });
        }
        self.sealed.called(id, direction.done());
        Ok(OperationProgress::Done(state(wanted)))
    }

    async fn seen(&self, id: &ResourceId, work: &W) -> Result<Seen<Value>, ReadError> {
        let seen = |state| Seen { state, etag: None, operation: None, trouble: None };
        let under_way = self.sealed.under_way(id);
        if let Some(Some(operation)) = &under_way {
            let (_, direction) = Direction::of(operation);
            return Ok(match self.progress(id, work, direction).await? {
                OperationProgress::Running { operation } => {
                    Seen { operation: Some(operation), ..seen(state(!direction.is_done_after())) }
                }
                OperationProgress::Done(state) => seen(state),
                OperationProgress::Failed { .. } => return Err(untold(id)),
            });
        }
        match self.judged(id, work).await? {
            // It may be under way, or have come to nothing: sending it again could do it twice.
            Some(false) if under_way.is_some() => Err(untold(id)),
            Some(done) => Ok(seen(state(done))),
            None => Ok(seen(state(noted(&self.sealed, id)?))),
        }
    }

    async fn write(&self, change: &Change) -> Result<Written, WriteError> {
        let id = &change.resource;
        let refused = |why: String| WriteError::Refused { resource: id.clone(), why };
        let work = self.work(id).map_err(refused)?;
        // What failed in the middle is undone whatever of it took effect.
        if !change.from.is_null()
            && let Some(done) = self.judged(id, work).await.map_err(|error| refused(error.to_string()))?
            && let Some(written) = without_sending(change, state(done))
        {
            return Ok(written);
        }
        let direction = Direction::of_change(change);
        if direction == Direction::Back && !work.can_be_undone() {
            return Err(refused("nothing says how to undo it".to_owned()));
        }
        let before = self.sealed.call(id);
        self.sealed.calls(id, BTreeSet::new());
        let kept = self.sealed.sends(id, []);
        kept.map_err(|error| refused(format!("that it is sent cannot be written down: {error}")))?;
        match work.send(direction, &key(&self.run, id, direction)).await {
            Sent::Refused(why) => {
                self.sealed.ended(id);
                self.sealed.not_called(id, before);
                Err(refused(why))
            }
            Sent::InDoubt(why) => Err(WriteError::InDoubt { resource: id.clone(), why }),
            Sent::Accepted(facts) => Ok(Written::Sent(match self.progress(id, work, direction).await {
                Ok(OperationProgress::Done(Value::Object(done))) => {
                    OperationProgress::Done(Value::Object(done.into_iter().chain(facts).collect()))
                }
                Ok(progress) => progress,
                // That it is not known now whether it is done is no reason to doubt that it was accepted.
                Err(_) => OperationProgress::Running { operation: direction.named(ACCEPTED) },
            })),
        }
        .inspect(|written| {
            if let Written::Sent(OperationProgress::Running { operation }) = written {
                self.sealed.began(id, operation);
            }
        })
    }
}

/// What tells a sending from all others: the same whenever the same step of the same run is sent the same way. A UUID of version 8.
fn key(run: &str, id: &ResourceId, direction: Direction) -> String {
    let hex = digest(direction.named(&format!("{run}/{id}")).as_bytes());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

impl<W: Work> AnyObservable for Once<W> {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move { self.seen(id, self.readable(id)?).await })
    }
}

impl<W: Work> AnyKind for Once<W> {
    fn validate<'a>(&'a self, _: &'a Change, _: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>> {
        Box::pin(async { Ok(Validity::NotAsked) })
    }

    fn write<'a>(&'a self, _: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(self.write(change))
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        operation: &'a str,
        _: Duration,
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>> {
        Box::pin(async move { self.progress(id, self.readable(id)?, Direction::of(operation).1).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_one_step_one_way_and_one_run() {
        let id = |step: &str| format!("http.request/p/r/{step}").parse::<ResourceId>().unwrap();
        let first = key("run", &id("a"), Direction::Forward);
        assert_eq!(first, key("run", &id("a"), Direction::Forward), "it is the same when it is sent again");
        assert_eq!(first.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{first}");
        let others = [
            key("run", &id("b"), Direction::Forward),
            key("run", &id("a"), Direction::Back),
            key("other", &id("a"), Direction::Forward),
        ];
        assert!(!others.contains(&first), "{others:?}");
    }
}

//! What has state in the cloud, one file a kind.
//!
//! A kind knows four verbs — [`allowed`](Kind::allowed), [`observe`](Kind::observe), [`write`](Kind::write),
//! [`poll`](Kind::poll) — and no `undo`: undoing is a write with the ends swapped. Kinds are typed inside
//! their own file and JSON outside it ([`AnyKind`]), so that the engine and the journal never learn what a
//! connector is.

pub mod cloud;
mod cloud_run;
pub mod connector;
mod error;
pub mod service;
pub mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::cloud::{Cloud, Endpoint};
pub use self::error::{BuildError, ReadError, WriteError};
use crate::run::{Change, ResourceId, Reversibility, covers};

/// What is there now. An unfinished operation counts: the state alone would lie about the near future.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<S> {
    /// The state, with the fields that changes own among others.
    pub state: S,
    /// The API's token for conditional writes, where it has one.
    pub etag: Option<String>,
    /// The name of the operation that is changing the resource right now.
    pub operation: Option<String>,
    /// What the API reports as wrong with the resource's newest state.
    pub trouble: Option<String>,
}

/// How far a write got: Google's writes are long-running operations.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress<S> {
    /// Come to rest; this is what is there.
    Done(S),
    /// Under way.
    Running {
        /// The operation's name, to ask by.
        operation: String,
    },
    /// The operation ended and failed; what of it took effect must be looked at.
    Failed {
        /// The API's words.
        why: String,
    },
}

/// One kind of resource.
pub trait Kind: Send + Sync + 'static {
    /// Everything that is observed.
    type State: Serialize + Send + Sync;
    /// The fields that a change may own. Absent fields belong to somebody else.
    type Owned: DeserializeOwned + Send + Sync;

    /// Its name in resource ids, such as `gcp.connector`.
    const NAME: &'static str;

    /// May this move be made at all, and back? Pure: the planner asks before anybody says yes. An error says
    /// why the API would refuse.
    fn allowed(from: &Self::Owned, to: &Self::Owned) -> Result<Reversibility, String>;

    /// Looks at the state and at running operations.
    fn observe(&self, id: &ResourceId) -> impl Future<Output = Result<Seen<Self::State>, ReadError>> + Send;

    /// Writes the owned fields on top of what was seen. Called only if what was seen is what the change
    /// starts from; conditional on the etag where the API has one.
    fn write(
        &self,
        id: &ResourceId,
        seen: &Seen<Self::State>,
        to: &Self::Owned,
    ) -> impl Future<Output = Result<Progress<Self::State>, WriteError>> + Send;

    /// Asks how an operation stands.
    fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
    ) -> impl Future<Output = Result<Progress<Self::State>, ReadError>> + Send;
}

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// The API has it.
    Sent(Progress<Value>),
    /// Nothing was sent: the resource is no longer what the change starts from.
    Drifted {
        /// What it is now.
        now: Value,
    },
}

/// A kind for those who do not care which.
pub trait AnyKind: Send + Sync {
    /// See [`Kind::allowed`].
    fn allowed(&self, from: &Value, to: &Value) -> Result<Reversibility, String>;
    /// See [`Kind::observe`].
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>>;
    /// Looks, compares with `from`, and writes only if nothing moved.
    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>>;
    /// See [`Kind::poll`].
    fn poll<'a>(&'a self, id: &'a ResourceId, operation: &'a str) -> BoxFuture<'a, Result<Progress<Value>, ReadError>>;
}

/// How often a write is tried again when somebody changed *another* field between the look and the write.
const CONFLICTS: u32 = 3;

/// The only place that knows both worlds.
impl<K: Kind> AnyKind for K {
    fn allowed(&self, from: &Value, to: &Value) -> Result<Reversibility, String> {
        K::allowed(&typed(from)?, &typed(to)?)
    }

    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let seen = Kind::observe(self, id).await?;
            let state = untyped(id, &seen.state)?;
            Ok(Seen { state, etag: seen.etag, operation: seen.operation, trouble: seen.trouble })
        })
    }

    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(async move {
            let id = &change.resource;
            let not_sent = |why: String| WriteError::Refused { resource: id.clone(), why };
            let to = typed(&change.to).map_err(not_sent)?;
            let mut conflicts = 0;
            loop {
                let seen = Kind::observe(self, id).await.map_err(|error| not_sent(error.to_string()))?;
                let now = untyped(id, &seen.state).map_err(|error| not_sent(error.to_string()))?;
                if !covers(&now, &change.from) {
                    return Ok(Written::Drifted { now });
                }
                if let Some(operation) = &seen.operation {
                    return Err(not_sent(format!("another operation is running on it: {operation}")));
                }
                match Kind::write(self, id, &seen, &to).await {
                    Err(WriteError::Conflict { .. }) if conflicts < CONFLICTS => conflicts += 1,
                    written => return Ok(Written::Sent(progress(id, written?))),
                }
            }
        })
    }

    fn poll<'a>(&'a self, id: &'a ResourceId, operation: &'a str) -> BoxFuture<'a, Result<Progress<Value>, ReadError>> {
        Box::pin(async move { Ok(progress(id, Kind::poll(self, id, operation).await?)) })
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("a state of another version of rectify: {error}"))
}

fn untyped<S: Serialize>(id: &ResourceId, state: &S) -> Result<Value, ReadError> {
    serde_json::to_value(state).map_err(|error| ReadError::Garbled { resource: id.clone(), why: error.to_string() })
}

fn progress<S: Serialize>(id: &ResourceId, progress: Progress<S>) -> Progress<Value> {
    match progress {
        Progress::Running { operation } => Progress::Running { operation },
        Progress::Failed { why } => Progress::Failed { why },
        // A state that cannot be shown is not lost: looking again will say so.
        Progress::Done(state) => match untyped(id, &state) {
            Ok(state) => Progress::Done(state),
            Err(error) => Progress::Failed { why: error.to_string() },
        },
    }
}

/// Every kind on one cloud, by name.
pub struct Kinds(BTreeMap<&'static str, Box<dyn AnyKind>>);

impl Kinds {
    /// All kinds of resource, on this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Kinds {
        let mut kinds = Kinds(BTreeMap::new());
        kinds.add(connector::Connector::on(cloud));
        kinds.add(service::Service::on(cloud));
        kinds.add(traffic::Traffic::on(cloud));
        kinds
    }

    fn add<K: Kind>(&mut self, kind: K) {
        self.0.insert(K::NAME, Box::new(kind));
    }

    /// The kind of a resource.
    pub fn of(&self, id: &ResourceId) -> Result<&dyn AnyKind, ReadError> {
        let kind = self.0.get(id.kind.as_str()).map(AsRef::as_ref);
        kind.ok_or_else(|| ReadError::NoSuchKind { resource: id.clone() })
    }
}

//! What has state in the cloud, one file a kind.
//!
//! Everything can be looked at ([`Observable`]); what can be changed ([`Kind`]) has three more verbs —
//! [`allowed`](Kind::allowed), [`write`](Kind::write), [`poll`](Kind::poll) — and no `undo`: undoing is a write with the
//! ends swapped. Kinds are typed inside their own file and JSON outside it ([`AnyKind`]), so that the engine and the
//! journal never learn what a connector is. Looking needs a [`Cloud`], and writing a [`Writer`] besides.

mod backend_service;
mod call;
mod certificate;
pub mod cloud;
mod cloud_run;
pub mod connector;
mod error;
mod figures;
mod permission;
mod rest;
pub mod revision;
pub mod scaling;
pub mod service;
mod service_health;
pub mod sql;
mod support;
pub mod traffic;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::call::{Call, TARGET as CALLS};
pub use self::cloud::{Cloud, Endpoint, LogLine, Principal};
pub use self::error::{BuildError, ReadError, WriteError};
pub use self::permission::{Permission, has_of, needed, product};
pub use self::support::{Letter, SupportDesk};
pub use self::writer::Writer;
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

/// What the API said to a write that it was only asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It would be taken.
    Accepted,
    /// It would be refused.
    Refused {
        /// The API's words.
        why: String,
    },
    /// The API has no way to ask.
    NotAsked,
}

/// Something that can be looked at.
pub trait Observable: Send + Sync + 'static {
    /// Everything that is observed.
    type State: Serialize + Send + Sync;

    /// Its name in resource ids, such as `gcp.connector`.
    const NAME: &'static str;

    /// Looks at the state and at running operations.
    fn observe(&self, id: &ResourceId) -> impl Future<Output = Result<Seen<Self::State>, ReadError>> + Send;
}

/// Something that can be changed.
pub trait Kind: Observable {
    /// The fields that a change may own. Absent fields belong to somebody else.
    type Owned: DeserializeOwned + Send + Sync;

    /// May this move be made at all, and back? Pure: the planner asks before anybody says yes. An error says
    /// why the API would refuse.
    fn allowed(from: &Self::Owned, to: &Self::Owned) -> Result<Reversibility, String>;

    /// Asks the API whether it would take the write, where it can be asked. Changes nothing.
    ///
    /// `etag` is that of the look that the change was worked out from.
    fn validate(
        &self,
        id: &ResourceId,
        etag: Option<&str>,
        to: &Self::Owned,
    ) -> impl Future<Output = Result<Validity, ReadError>> + Send {
        let _ = (id, etag, to);
        async { Ok(Validity::NotAsked) }
    }

    /// Writes the owned fields on top of what was seen. Called only if what was seen is what the change
    /// starts from; conditional on the etag where the API has one.
    fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<Self::State>,
        to: &Self::Owned,
    ) -> impl Future<Output = Result<Progress<Self::State>, WriteError>> + Send;

    /// Asks how an operation stands. An API that can hold the answer until the operation ends may take as long as
    /// `patience` for it.
    fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
        patience: Duration,
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

/// Something observable, for those who do not care what.
pub trait AnyObservable: Send + Sync {
    /// See [`Observable::observe`].
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>>;
}

/// A kind, for those who do not care which.
pub trait AnyKind: AnyObservable {
    /// See [`Kind::validate`].
    fn validate<'a>(&'a self, change: &'a Change, etag: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>>;
    /// Looks, compares with `from`, and writes only if nothing moved.
    fn write<'a>(&'a self, writer: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>>;
    /// See [`Kind::poll`].
    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        operation: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Progress<Value>, ReadError>>;
}

impl<O: Observable> AnyObservable for O {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let seen = Observable::observe(self, id).await?;
            let state = untyped(id, &seen.state)?;
            Ok(Seen { state, etag: seen.etag, operation: seen.operation, trouble: seen.trouble })
        })
    }
}

/// How often a write is tried again when somebody changed *another* field between the look and the write.
const CONFLICTS: u32 = 3;

/// The only place that knows both worlds.
impl<K: Kind> AnyKind for K {
    fn validate<'a>(&'a self, change: &'a Change, etag: Option<&'a str>) -> BoxFuture<'a, Result<Validity, ReadError>> {
        Box::pin(async move {
            let id = &change.resource;
            let to = typed(&change.to).map_err(|why| ReadError::Garbled { resource: id.clone(), why })?;
            Kind::validate(self, id, etag, &to).await
        })
    }

    fn write<'a>(&'a self, writer: &'a Writer, change: &'a Change) -> BoxFuture<'a, Result<Written, WriteError>> {
        Box::pin(async move {
            let id = &change.resource;
            let not_sent = |why: String| WriteError::Refused { resource: id.clone(), why };
            let to = typed(&change.to).map_err(not_sent)?;
            let mut conflicts = 0;
            loop {
                let seen = Observable::observe(self, id).await.map_err(|error| {
                    let (resource, why) = (id.clone(), error.to_string());
                    let passes = error.is_passing();
                    if passes { WriteError::Busy { resource, why } } else { WriteError::Refused { resource, why } }
                })?;
                let now = untyped(id, &seen.state).map_err(|error| not_sent(error.to_string()))?;
                if !covers(&now, &change.from) {
                    return Ok(Written::Drifted { now });
                }
                if let Some(operation) = &seen.operation {
                    let why = format!("another operation is running on it: {operation}");
                    return Err(WriteError::Busy { resource: id.clone(), why });
                }
                match Kind::write(self, writer, id, &seen, &to).await {
                    Err(WriteError::Conflict { .. }) if conflicts < CONFLICTS => conflicts += 1,
                    written => return Ok(Written::Sent(progress(id, written?))),
                }
            }
        })
    }

    fn poll<'a>(
        &'a self,
        id: &'a ResourceId,
        operation: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Progress<Value>, ReadError>> {
        Box::pin(async move { Ok(progress(id, Kind::poll(self, id, operation, patience).await?)) })
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

/// Everything that can be looked at on one cloud, and what of it can be changed, by name.
pub struct Kinds {
    observable: BTreeMap<&'static str, Arc<dyn AnyObservable>>,
    changeable: BTreeMap<&'static str, Arc<dyn AnyKind>>,
}

impl Kinds {
    /// All kinds of resource, on this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Kinds {
        let mut kinds = Kinds { observable: BTreeMap::new(), changeable: BTreeMap::new() };
        kinds.changes(connector::Connector::on(cloud));
        kinds.changes(service::Service::on(cloud));
        kinds.changes(traffic::Traffic::on(cloud));
        kinds.changes(scaling::Scaling::on(cloud));
        kinds.changes(sql::Sql::on(cloud));
        kinds.shows(revision::Revision::on(cloud));
        kinds.shows(backend_service::BackendService::on(cloud));
        kinds.shows(certificate::Certificate::on(cloud));
        kinds.shows(service_health::Incidents::on(cloud));
        kinds
    }

    /// The same and one more, which is no resource of the cloud's.
    #[must_use]
    pub fn with(mut self, name: &'static str, kind: Arc<dyn AnyKind>) -> Kinds {
        self.observable.insert(name, kind.clone());
        self.changeable.insert(name, kind);
        self
    }

    fn changes<K: Kind>(&mut self, kind: K) {
        let kind = Arc::new(kind);
        self.observable.insert(K::NAME, kind.clone());
        self.changeable.insert(K::NAME, kind);
    }

    fn shows<O: Observable>(&mut self, observable: O) {
        self.observable.insert(O::NAME, Arc::new(observable));
    }

    /// Looks at a resource of whatever kind.
    pub async fn observe(&self, id: &ResourceId) -> Result<Seen<Value>, ReadError> {
        match self.observable.get(id.kind.as_str()) {
            Some(kind) => kind.observe(id).await,
            None => Err(ReadError::NoSuchKind { resource: id.clone() }),
        }
    }

    /// The kind of a resource that can be changed.
    pub fn of(&self, id: &ResourceId) -> Result<&dyn AnyKind, ReadError> {
        let kind = self.changeable.get(id.kind.as_str()).map(AsRef::as_ref);
        kind.ok_or_else(|| ReadError::NoSuchKind { resource: id.clone() })
    }
}

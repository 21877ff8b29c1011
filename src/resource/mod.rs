//! What has state in the cloud, one file a kind.
//!
//! Everything can be observed ([`Observable`]); what can be changed ([`Kind`]) has four more verbs —
//! [`allowed`](Kind::allowed), [`validate`](Kind::validate), [`write`](Kind::write), [`poll`](Kind::poll) — and no `undo`:
//! undoing is a write with the ends swapped. What is known of a kind without asking (its permissions, metrics, limits, how
//! its names look, its commands in `gcloud`) it declares beside them, and [`KINDS`] has it by name. Kinds are typed inside their own file and JSON outside it ([`AnyKind`]), so that the engine and the
//! journal never learn what a connector is. Looking needs a [`Cloud`], and writing a [`Writer`] besides.

mod api_error;
mod backend_service;
mod call;
pub mod catalogued;
mod certificate;
pub mod cloud;
mod cloud_run;
mod code;
pub mod connector;
mod describe;
mod endpoint;
mod error;
mod figures;
mod follow_up;
pub mod gcloud;
mod logs;
mod observed;
mod operation;
mod path;
mod permission;
mod promql;
mod proto_json;
mod rest;
mod retry;
pub mod revision;
mod run_api;
pub mod scaling;
pub mod service;
mod service_health;
mod spec;
pub mod sql;
pub mod sql_flag;
mod support;
pub mod template;
pub mod traffic;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::api_error::ApiError;
pub use self::call::{Call, TARGET as CALLS};
pub use self::cloud::{Cloud, Principal};
use self::code::Code;
pub use self::describe::{Described, Family, connector_of, described_as};
pub use self::endpoint::Endpoint;
pub use self::error::{BuildError, LOGIN, ReadError, WriteError};
pub use self::follow_up::FollowUp;
pub use self::gcloud::GcloudCommands;
pub use self::logs::LogLine;
pub use self::observed::Observed;
pub use self::permission::{Permission, has_of};
pub(crate) use self::rest::{BodyError, body_within};
pub use self::service_health::Incidents;
pub use self::spec::{ApiObject, Billed, ChangeSpec, KindSpec, LabelValue, Metrics, Product};
pub use self::support::{Letter, SupportDesk};
pub use self::writer::Writer;
pub use crate::catalog::api_of_permission;
use crate::gate::Facts;
use crate::run::{Change, NameShape, ResourceId, Reversibility, covers};

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
pub enum OperationProgress<S> {
    /// Come to rest; this is what is there.
    Done(S),
    /// Under way.
    Running {
        /// The operation's name, to ask by.
        operation: String,
    },
    /// The operation ended with an error; what of it took effect must be looked at.
    Failed {
        /// The API's words.
        why: String,
        /// Whether that is certain.
        certainty: Certainty,
    },
}

/// Whether the end of an operation says for certain that the write failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It failed, at least in part.
    Certain,
    /// It says that nobody waits for it any longer, or that it is not known: the state of the resource decides.
    Uncertain,
}

impl Certainty {
    /// What an operation's error says. Source: `google/rpc/code.proto`: a deadline "may be returned even if the operation has
    /// completed successfully"; the others are the middle's own and say nothing of the end either.
    fn of(code: Code) -> Certainty {
        match code {
            Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::Unavailable => Certainty::Uncertain,
            _ => Certainty::Certain,
        }
    }
}

/// What an operation says that ended with an error.
fn ended_with<S>(code: i64, message: &str) -> OperationProgress<S> {
    let certainty = Certainty::of(Code::of_number(code));
    let why = match certainty {
        // Behind what is said first: a message of several lines ends with links.
        Certainty::Certain => match message.split_once('\n') {
            Some((first, rest)) => format!("{} (code {code})\n{rest}", first.trim_end()),
            None => format!("{message} (code {code})"),
        },
        Certainty::Uncertain => format!(
            "its operation ended with {}, which does not say whether it took effect: {message}",
            Code::of_number(code).name()
        ),
    };
    OperationProgress::Failed { why, certainty }
}

/// What an operation says that ended with a list of errors, whose codes are words: of Compute Engine's and Cloud SQL's.
fn ended_with_all(errors: &[Value]) -> (String, Certainty) {
    let text = |of: &Value, field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words: Vec<String> =
        errors.iter().map(|error| format!("{} ({})", text(error, "message"), text(error, "code"))).collect();
    let is_uncertain = |error: &Value| {
        Code::of_name(&text(error, "code")).is_some_and(|code| Certainty::of(code) == Certainty::Uncertain)
    };
    let is_doubtful = !errors.is_empty() && errors.iter().all(is_uncertain);
    (error::shortened(words.join("; ")), if is_doubtful { Certainty::Uncertain } else { Certainty::Certain })
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
    /// It was not asked, because secrets would have to be sent, or kept, for a question.
    Withheld,
}

impl Validity {
    /// What the answer to a question about a write says of it.
    fn of(id: &ResourceId, answer: Result<(), ApiError>) -> Result<Validity, ReadError> {
        let Err(error) = answer else { return Ok(Validity::Accepted) };
        match ReadError::of(id, &error) {
            // What the caller may not do, and what is asked of a cloud in trouble, says nothing of the write itself.
            error @ (ReadError::Refused { denied: false, .. } | ReadError::NotFound { .. }) => {
                Ok(Validity::Refused { why: error.to_string() })
            }
            error => Err(error),
        }
    }
}

/// Something that can be looked at.
pub trait Observable: Send + Sync + 'static {
    /// Everything that is observed.
    type State: Serialize + Send + Sync;

    /// Its name in resource ids, such as `gcp.connector`. Kinds that are parts of one object of an API have the first two
    /// segments in common: `gcp.run.service`, `gcp.run.traffic`.
    const NAME: &'static str;
    /// What conditions can refer to of its state. A list is no fact.
    const FACTS: Facts;
    /// What the short name of such a resource looks like.
    const NAME_SHAPE: NameShape;
    /// The object of an API that it is a part of.
    const PART_OF: ApiObject;
    /// What it takes to observe it.
    const READ_PERMISSIONS: &'static [Permission];
    /// Its API and product; `None` if nobody asks for its quotas and incidents.
    const PRODUCT: Option<Product>;
    /// Its metrics in Cloud Monitoring, if support engineers ask for any.
    const METRICS: Option<Metrics>;

    /// Looks at the state and at running operations.
    fn observe(&self, id: &ResourceId) -> impl Future<Output = Result<Seen<Self::State>, ReadError>> + Send;
}

/// Something that can be changed.
pub trait Kind: Observable {
    /// The fields that a change may own. Absent fields belong to somebody else.
    type Owned: DeserializeOwned + Send + Sync;

    /// What it takes to change it. Undoing takes the same: it is the same write.
    const WRITE_PERMISSIONS: &'static [Permission];
    /// The functions of `bash` that its `gcloud` commands use.
    const SHELL_FUNCTIONS: &'static str;

    /// How long an operation on it is awaited at most, unless the runbook says otherwise. One that takes longer may hang.
    const OPERATION_TIMEOUT: Duration;

    /// May this move be made at all, and back? Pure: the planner asks before anybody says yes. An error says
    /// why the API would refuse.
    fn allowed(from: &Self::Owned, to: &Self::Owned) -> Result<Reversibility, String>;

    /// A change as commands of `gcloud`, for whoever must do it without this program.
    ///
    /// # Errors
    /// Why there are none.
    fn gcloud(change: &Change) -> Result<GcloudCommands, String>;

    /// What is left behind for somebody to do, if it went from one state to another and stays there.
    fn follow_up(id: &ResourceId, first: &Value, last: &Value) -> Option<FollowUp>;

    /// The field of a state that shows that what was written did not take effect, if one does. What is as wanted in the
    /// fields of a change, and contradicted so, is sent again.
    fn contradiction(state: &Value) -> Option<&'static str> {
        let _ = state;
        None
    }

    /// What of a state is paid for by the hour. Nothing, where nobody has said it.
    fn billed(state: &Value) -> Vec<Billed> {
        let _ = state;
        Vec::new()
    }

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
    ) -> impl Future<Output = Result<OperationProgress<Self::State>, WriteError>> + Send;

    /// Asks how an operation stands. An API that can hold the answer until the operation ends may take as long as
    /// `patience` for it.
    fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
        patience: Duration,
    ) -> impl Future<Output = Result<OperationProgress<Self::State>, ReadError>> + Send;
}

/// What became of a write.
#[derive(Debug)]
pub enum Written {
    /// The API has it.
    Sent(OperationProgress<Value>),
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
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>>;
}

impl<O: Observable> AnyObservable for O {
    fn observe<'a>(&'a self, id: &'a ResourceId) -> BoxFuture<'a, Result<Seen<Value>, ReadError>> {
        Box::pin(async move {
            let seen = retry::patiently(|| Observable::observe(self, id)).await?;
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
            let to = typed(&change.to).map_err(|why| ReadError::Malformed { resource: id.clone(), why })?;
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
                let seen = retry::patiently(|| Observable::observe(self, id)).await;
                let seen = seen.map_err(WriteError::not_sent)?;
                let now = untyped(id, &seen.state).map_err(|error| not_sent(error.to_string()))?;
                if !covers(&now, &change.from) {
                    return Ok(Written::Drifted { now });
                }
                if let Some(operation) = &seen.operation {
                    let why = format!("another operation is running on it: {operation}");
                    return Err(WriteError::Busy { resource: id.clone(), why, retry_after: None });
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
    ) -> BoxFuture<'a, Result<OperationProgress<Value>, ReadError>> {
        Box::pin(async move { Ok(progress(id, Kind::poll(self, id, operation, patience).await?)) })
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("a state of another version of rectify: {error}"))
}

fn untyped<S: Serialize>(id: &ResourceId, state: &S) -> Result<Value, ReadError> {
    serde_json::to_value(state).map_err(|error| ReadError::Malformed { resource: id.clone(), why: error.to_string() })
}

fn progress<S: Serialize>(id: &ResourceId, progress: OperationProgress<S>) -> OperationProgress<Value> {
    match progress {
        OperationProgress::Running { operation } => OperationProgress::Running { operation },
        OperationProgress::Failed { why, certainty } => OperationProgress::Failed { why, certainty },
        // A state that cannot be shown is not lost: looking again will say so.
        OperationProgress::Done(state) => match untyped(id, &state) {
            Ok(state) => OperationProgress::Done(state),
            Err(error) => OperationProgress::Failed { why: error.to_string(), certainty: Certainty::Uncertain },
        },
    }
}

/// Everything that can be looked at on one cloud, and what of it can be changed, by name.
pub struct Kinds {
    observable: BTreeMap<&'static str, Arc<dyn AnyObservable>>,
    changeable: BTreeMap<&'static str, Arc<dyn AnyKind>>,
}

/// Declares the table of kinds, and which of them a cloud has.
macro_rules! kinds {
    (changeable: $($change:ty),*; observable: $($observe:ty),*;) => {
        /// What is known of every kind.
        pub const KINDS: &[KindSpec] =
            &[$(KindSpec::changeable::<$change>(),)* $(KindSpec::observable::<$observe>(),)*];

        impl Kinds {
            /// All kinds of resource, on this cloud.
            pub fn on(cloud: &Arc<Cloud>) -> Kinds {
                let mut kinds = Kinds { observable: BTreeMap::new(), changeable: BTreeMap::new() };
                $(kinds.add_changeable(<$change>::on(cloud));)*
                $(kinds.add_observable(<$observe>::on(cloud));)*
                kinds
            }
        }
    };
}

kinds! {
    changeable: connector::Connector, service::Service, template::Template, traffic::Traffic, scaling::Scaling, sql::Sql, catalogued::Catalogued, catalogued::Existence;
    observable: revision::Revision, revision::RevisionList, sql_flag::SqlFlag, backend_service::BackendService, certificate::Certificate, catalogued::Listing, Incidents;
}

impl Kinds {
    /// The same and one more, which is no resource of the cloud's.
    #[must_use]
    pub fn with(mut self, name: &'static str, kind: Arc<dyn AnyKind>) -> Kinds {
        self.observable.insert(name, kind.clone());
        self.changeable.insert(name, kind);
        self
    }

    fn add_changeable<K: Kind>(&mut self, kind: K) {
        let kind = Arc::new(kind);
        self.observable.insert(K::NAME, kind.clone());
        self.changeable.insert(K::NAME, kind);
    }

    fn add_observable<O: Observable>(&mut self, observable: O) {
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

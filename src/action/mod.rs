//! What steps can do, one file an action.
//!
//! An action is a struct of its own: what stands behind `with` ([`ActionFormat`]), how that is read, which resources are
//! observed, what is planned from the observations ([`Forecast`]), and whether it can be undone. It is added by its file and
//! one line in `actions!` below; everybody else asks the [`Action`] for the step that it is. Pure: nothing here talks to
//! anybody. What carries out the actions that change no resource of Google's is in `external`.

mod catalogued;
mod connector_scale;
mod doing;
mod forecast;
mod gate_only;
mod gcp_call;
mod gcp_create;
mod gcp_delete;
mod gcp_set;
mod github_issue;
mod http_request;
mod item_list;
mod manual;
mod named_call;
mod named_revision;
mod notify;
mod postgres_execute;
mod rollout;
mod run_configure;
mod run_deploy;
mod run_job;
mod run_scale;
mod run_traffic;
mod scheduler;
mod secret;
mod shell;
mod sql_calls;
mod sql_patch;
mod wait;

use serde_json::Value;

pub(crate) use self::catalogued::JUDGED;
pub use self::connector_scale::ConnectorScale;
pub use self::doing::Doing;
pub use self::forecast::{Forecast, Obstacle, ObstacleKind, StepContext, StepLimits, TaskDraft};
pub use self::gate_only::GateOnly;
pub use self::gcp_call::{CallPermissions, Evidence, GcpCall, MethodCall, Undo};
pub use self::gcp_create::GcpCreate;
pub use self::gcp_delete::GcpDelete;
pub use self::gcp_set::GcpSet;
pub use self::github_issue::{GithubIssue, IssueRef, NotAnIssue};
pub use self::http_request::{DoneWhen, HttpSend, Sending};
pub use self::item_list::ItemList;
pub use self::manual::Manual;
pub use self::named_call::NamedCall;
pub use self::notify::Notify;
pub use self::postgres_execute::{PostgresExecute, RowLimits, Statement};
pub use self::rollout::{Candidate, CandidateUnseen, Rollout};
pub use self::run_configure::RunConfigure;
pub use self::run_deploy::RunDeploy;
pub use self::run_job::RunJobExecute;
pub use self::run_scale::RunScale;
pub use self::run_traffic::RunTraffic;
pub use self::scheduler::{SchedulerPause, SchedulerResume};
pub use self::secret::{SecretAdd, SecretDestroy, SecretDisable, SecretEnable};
pub use self::shell::Shell;
pub use self::sql_calls::{SqlBackup, SqlFailover, SqlPromote, SqlRestart};
pub use self::sql_patch::SqlPatch;
pub use self::wait::Wait;
use crate::peer::PeerRequest;
use crate::resource::catalogued::CataloguedName;
use crate::run::{CALL, NameShape, ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::Table;
use crate::syntax::mistake::{MISSING_KEY, Mistake};
use crate::syntax::spelling::list;

/// What stands behind `uses` and `with`.
#[derive(Debug)]
pub struct ActionFormat {
    /// The word behind `uses`.
    pub name: &'static str,
    /// What stands behind `with`.
    pub with: Table,
    /// What it outputs, which later steps refer to as `${steps.NAME.…}`.
    pub outputs: &'static [&'static str],
}

/// What an action is called and how it is written.
pub(crate) trait Declared: Sized {
    /// Its name, arguments and outputs.
    const FORMAT: ActionFormat;

    /// Reads it from its arguments. What is wrong with them is noted there; `None` if nothing can be made of them.
    fn read(with: &Block<'_, '_>) -> Option<Self>;
}

/// What a step of an action does.
pub trait StepAction {
    /// The resources whose state its plan depends on.
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId>;

    /// The resource that it changes and the fields that it sets, without asking the cloud; `None` if it changes none.
    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)>;

    /// The tasks that it takes, each on top of what the ones before it leave.
    ///
    /// # Errors
    /// Why it cannot be planned.
    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle>;

    /// Whether it can be rolled back, as far as the runbook alone tells.
    fn rollback(&self) -> Rollback;

    /// What it asks of a resource that is named as the catalog does; `None` if it works on none.
    fn catalog_request(&self) -> Option<CatalogRequest<'_>>;

    /// What it sends to others than Google's APIs.
    fn peer_requests(&self) -> Vec<PeerRequest>;

    /// The names in its arguments, which must have the shape of a name.
    fn names(&self) -> Vec<Name<'_>>;
}

/// What a step asks of a resource that is named as the catalog does.
#[derive(Clone, Copy, Debug)]
pub enum CatalogRequest<'a> {
    /// Fields are set.
    Set(&'a GcpSet),
    /// A method is called.
    Call(&'a GcpCall),
    /// It is made.
    Create(&'a GcpCreate),
    /// It is deleted.
    Delete(&'a GcpDelete),
}

impl<'a> CatalogRequest<'a> {
    /// What the runbook itself sets in it where plans show digests, a line each. A reviewer must see it: it may be code.
    pub fn literals(self) -> Vec<String> {
        match self {
            CatalogRequest::Set(set) => set.literals.clone(),
            CatalogRequest::Call(call) => call.literals(),
            CatalogRequest::Create(create) => create.literals.clone(),
            CatalogRequest::Delete(_) => Vec::new(),
        }
    }

    /// The resource.
    pub fn resource(self) -> &'a CataloguedName {
        match self {
            CatalogRequest::Set(set) => &set.resource,
            CatalogRequest::Call(call) => &call.resource,
            CatalogRequest::Create(create) => &create.resource,
            CatalogRequest::Delete(delete) => &delete.resource,
        }
    }
}

/// Whether what a step does can be rolled back, as far as the runbook alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// It can, or there is nothing to roll back.
    Possible,
    /// Only the runbook's author could say how, and did not.
    NotDeclared,
    /// It cannot, and why.
    Impossible(&'static str),
}

/// A name in the arguments of an action.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// The argument that it stands in.
    pub argument: &'static str,
    /// Whether it is the argument's value or a key of it.
    pub position: NamePosition,
    /// The name.
    pub name: &'a str,
    /// What it must look like.
    pub shape: NameShape,
}

/// Where in an argument a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePosition {
    /// It is the value.
    Value,
    /// It is a key of the argument's table.
    Key,
}

impl<'a> Name<'a> {
    pub(crate) fn value(argument: &'static str, name: &'a str, shape: NameShape) -> Name<'a> {
        Name { argument, position: NamePosition::Value, name, shape }
    }
}

/// Whether a change is made by something else than a write of one of Google's APIs: by a program, an operator, a request to a peer, or a call
/// of a method.
pub fn is_outside_the_apis(changed: &ResourceId) -> bool {
    [Shell::KIND, Manual::KIND, HttpSend::KIND, PostgresExecute::KIND, CALL].contains(&changed.kind.as_str())
}

/// An address in the arguments of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The keys behind `with` that lead to it.
    pub argument: &'static [&'static str],
    /// Its host, in lower case; `None`: only a run knows it.
    pub host: Option<String>,
    /// Why it cannot be asked, if it cannot.
    pub fault: Option<String>,
    /// One as a runbook writes it.
    pub example: &'static str,
}

/// The argument that names a Cloud Run service, in every action that changes one.
pub(crate) const SERVICE_ARGUMENT: &str = "service";

/// Declares the enum of actions, the list of their formats, and how each is read.
macro_rules! actions {
    ($($action:ident,)*) => {
        /// What a step does.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Action {
            $(#[doc = concat!("See [`", stringify!($action), "`](type@", stringify!($action), ").")] $action($action),)*
        }

        /// The format of every action, by name.
        pub const ACTIONS: &[ActionFormat] = &[$(<$action as Declared>::FORMAT),*];

        impl Action {
            /// Reads the action of this name from its arguments.
            pub(crate) fn read(name: &str, with: &Block<'_, '_>) -> Option<Action> {
                $(if name == <$action as Declared>::FORMAT.name {
                    return $action::read(with).map(Action::$action);
                })*
                None
            }

            /// The word that stands behind `uses`.
            pub fn uses(&self) -> &'static str {
                match self { $(Action::$action(_) => <$action as Declared>::FORMAT.name,)* }
            }

            /// What a step of it does.
            pub fn step(&self) -> &dyn StepAction {
                match self { $(Action::$action(action) => action,)* }
            }
        }
    };
}

actions! {
    ConnectorScale,
    RunDeploy,
    RunConfigure,
    RunScale,
    RunTraffic,
    RunJobExecute,
    SqlPatch,
    SqlBackup,
    SqlFailover,
    SqlPromote,
    SqlRestart,
    GcpSet,
    GcpCall,
    GcpCreate,
    GcpDelete,
    SchedulerPause,
    SchedulerResume,
    SecretAdd,
    SecretDestroy,
    SecretDisable,
    SecretEnable,
    GithubIssue,
    HttpSend,
    Manual,
    Notify,
    PostgresExecute,
    GateOnly,
    Shell,
    Wait,
}

impl Action {
    /// What the runbook itself sets where plans show digests, a line each. A reviewer must see it: it may be code.
    pub fn literals(&self) -> Vec<String> {
        let of_template = if let Action::RunConfigure(configure) = self { Some(configure.literals()) } else { None };
        let catalogued = self.step().catalog_request().map(CatalogRequest::literals);
        of_template.into_iter().chain(catalogued).flatten().collect()
    }

    /// The resource that it works on, where that is named as the catalog does.
    pub fn catalogued(&self) -> Option<&CataloguedName> {
        self.step().catalog_request().map(CatalogRequest::resource)
    }

    /// How traffic reaches the revision that it makes, if it makes one.
    pub fn rollout(&self) -> Option<&Rollout> {
        match self {
            Action::RunDeploy(deploy) => Some(&deploy.rollout),
            Action::RunConfigure(configure) => Some(&configure.rollout),
            Action::ConnectorScale(_)
            | Action::RunJobExecute(_)
            | Action::SqlBackup(_)
            | Action::SqlFailover(_)
            | Action::SqlPromote(_)
            | Action::SqlRestart(_)
            | Action::SchedulerPause(_)
            | Action::SchedulerResume(_)
            | Action::SecretAdd(_)
            | Action::SecretDestroy(_)
            | Action::SecretDisable(_)
            | Action::SecretEnable(_)
            | Action::RunScale(_)
            | Action::RunTraffic(_)
            | Action::SqlPatch(_)
            | Action::GcpSet(_)
            | Action::GcpCall(_)
            | Action::GcpCreate(_)
            | Action::GcpDelete(_)
            | Action::GithubIssue(_)
            | Action::HttpSend(_)
            | Action::PostgresExecute(_)
            | Action::Manual(_)
            | Action::Notify(_)
            | Action::GateOnly(_)
            | Action::Shell(_)
            | Action::Wait(_) => None,
        }
    }

    /// The addresses of those that it asks, each with the argument in which it stands.
    pub fn addresses(&self) -> Vec<Address> {
        match self {
            Action::HttpSend(send) => send.addresses(),
            Action::PostgresExecute(execute) => vec![execute.address()],
            Action::ConnectorScale(_)
            | Action::RunDeploy(_)
            | Action::RunConfigure(_)
            | Action::RunJobExecute(_)
            | Action::SqlBackup(_)
            | Action::SqlFailover(_)
            | Action::SqlPromote(_)
            | Action::SqlRestart(_)
            | Action::SchedulerPause(_)
            | Action::SchedulerResume(_)
            | Action::SecretAdd(_)
            | Action::SecretDestroy(_)
            | Action::SecretDisable(_)
            | Action::SecretEnable(_)
            | Action::RunScale(_)
            | Action::RunTraffic(_)
            | Action::SqlPatch(_)
            | Action::GcpSet(_)
            | Action::GcpCall(_)
            | Action::GcpCreate(_)
            | Action::GcpDelete(_)
            | Action::GithubIssue(_)
            | Action::Manual(_)
            | Action::Notify(_)
            | Action::GateOnly(_)
            | Action::Shell(_)
            | Action::Wait(_) => Vec::new(),
        }
    }

    /// The Cloud Run service that it changes.
    pub fn service(&self) -> Option<&str> {
        self.step().names().into_iter().find(|name| name.argument == SERVICE_ARGUMENT).map(|name| name.name)
    }
}

/// Nothing can be made of a table, and why is noted.
struct Noted;

/// Reads a table that may be left out.
fn optional_block<T>(
    with: &Block<'_, '_>,
    key: &'static str,
    read: impl FnOnce(&Block<'_, '_>) -> Option<T>,
) -> Result<Option<T>, Noted> {
    let Some(block) = with.block(key) else { return Ok(None) };
    let read = read(&block);
    block.finish();
    read.map(Some).ok_or(Noted)
}

/// Notes that an action changes nothing, if it has none of these arguments.
fn require_one_of(with: &Block<'_, '_>, what: &str, arguments: &[&str]) {
    if !arguments.iter().any(|key| with.has(key)) {
        let mistake = Mistake::new(MISSING_KEY, with.at.clone(), format!("this changes nothing about the {what}"));
        with.reader.note(mistake.help(format!("say {}", list(arguments.iter().copied(), "or"))));
    }
}

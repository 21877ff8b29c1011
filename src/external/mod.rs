//! What steps do that is no resource of Google's: programs that are run, things that people do, requests to applications' own endpoints and
//! databases, messages.
//!
//! A program and a person's work are changes like any other, from not done to done, so that they are planned, asked about,
//! journaled and undone by the same code. What they need, secrets among it, stays here and is in no change and no
//! journal. In a rehearsal on a simulated cloud nothing of this reaches the real world, unless somebody says so.

mod call;
mod issue;
mod message;
mod once;
mod person;
mod process;
mod program;
mod request;
mod statement;

pub use call::{Calls, verb_of};
pub use issue::{Github, Status};
pub use message::Messages;
pub use person::ByHand;
pub use program::{Conduct, Programs};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::once::Once;
use crate::action::{Action, CatalogRequest, HttpSend, Manual, PostgresExecute, Shell};
use crate::clock::Clock;
use crate::peer::{Dialer, Route, http_client};
use crate::resource::catalogued::{Catalogued, Existence, SealedValues};
use crate::resource::template::Template;
use crate::resource::{Cloud, Kinds, Observable as _, OperationProgress, Written};
use crate::run::{CALL, Change, ResourceId, Target, covers};
use crate::runbook::model::Runbook;

/// How long one call to a webhook or a tracker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client for those whom a runbook tells something. It follows nobody elsewhere: what it sends may be secret.
fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()
}

/// How the peers of a run's steps are reached.
pub struct Peers {
    /// Where connections lead.
    pub route: Route,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The run's id, by which a peer tells what it is sent again from what is new.
    pub run: String,
}

/// Everything that a run of a runbook changes: the resources of the cloud, and what its steps do besides.
pub fn kinds(runbook: &Runbook, cloud: &Arc<Cloud>, programs: Programs, sealed: SealedValues, peers: Peers) -> Kinds {
    learn_secrets(runbook, &sealed);
    let sealed = Arc::new(sealed);
    let Peers { route, clock, run } = peers;
    let dialer = Arc::new(Dialer::new(route, runbook.limits.hosts.clone(), clock.clone()));
    let client = Arc::new(http_client::Client::new(dialer.clone(), clock.clone()));
    let requests = work(runbook, HttpSend::KIND, |action| {
        let Action::HttpSend(step) = action else { return None };
        Some(request::Request { step: step.clone(), client: client.clone() })
    });
    let statements = work(runbook, PostgresExecute::KIND, |action| {
        let Action::PostgresExecute(step) = action else { return None };
        Some(statement::Execution { step: step.clone(), dialer: dialer.clone(), clock: clock.clone() })
    });
    Kinds::on(cloud)
        .with(Catalogued::NAME, Arc::new(Catalogued::with(cloud, Arc::clone(&sealed))))
        .with(Existence::NAME, Arc::new(Existence::with(cloud, Arc::clone(&sealed))))
        .with(Template::NAME, Arc::new(Template::with(cloud, Arc::clone(&sealed))))
        .with(HttpSend::KIND, Arc::new(Once::new(requests, Arc::clone(&sealed), run.clone())))
        .with(PostgresExecute::KIND, Arc::new(Once::new(statements, Arc::clone(&sealed), run)))
        .with(CALL, Arc::new(Calls::of(runbook, cloud, sealed)))
        .with(Shell::KIND, Arc::new(programs))
        .with(Manual::KIND, Arc::new(ByHand))
}

/// The work of the steps of one action, by its id.
fn work<W>(runbook: &Runbook, kind: &str, of: impl Fn(&Action) -> Option<W>) -> BTreeMap<ResourceId, W> {
    let each = actions(runbook).filter_map(|(task, target, action)| Some((target.resource(kind, &task), of(action)?)));
    each.collect()
}

/// What becomes of a write without its being sent, as what is there now decides: it is done already, or is not what the change starts from.
fn without_sending(change: &Change, now: Value) -> Option<Written> {
    if covers(&now, &change.to) {
        return Some(Written::Sent(OperationProgress::Done(now)));
    }
    (!covers(&now, &change.from)).then_some(Written::Drifted { now })
}

/// Tells the secrets that a runbook's steps set to whoever writes them: plans and journals have only their digests.
fn learn_secrets(runbook: &Runbook, sealed: &SealedValues) {
    for (task, target, action) in actions(runbook) {
        if let Action::RunConfigure(configure) = action {
            sealed.learn(&configure.id(&target), configure.hidden_values());
        }
        let (id, secrets) = match action.step().catalog_request() {
            Some(CatalogRequest::Set(set)) => (set.resource.id(&target), set.secrets()),
            Some(CatalogRequest::Create(create)) => (create.id(&target), create.secrets()),
            Some(CatalogRequest::Call(call)) => (call.id(&target, &task), call.secrets()),
            Some(CatalogRequest::Delete(_)) | None => (None, Vec::new()),
        };
        if let Some(id) = id {
            sealed.learn(&id, secrets);
        }
    }
}

/// The id of each task that a runbook's own steps make, where it works, and what it does: a step of several iterations is several.
fn actions(runbook: &Runbook) -> impl Iterator<Item = (String, Target, &Action)> {
    let steps = runbook.steps();
    let each = steps.flat_map(|step| step.by_iteration().map(move |iteration| (step, iteration)));
    each.map(|(step, (task, _, iteration))| (task, runbook.target_of(step), &iteration.action))
}

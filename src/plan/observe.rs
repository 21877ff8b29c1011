//! Ask everything at once: the resources that steps change, the revisions that they name, and the probes of gates.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Basis;
use crate::escalation::probes_of;
use crate::gate::Observation;
use crate::probe::Probes;
use crate::resource::connector::Connector;
use crate::resource::revision;
use crate::resource::scaling::Scaling;
use crate::resource::service::Service;
use crate::resource::sql::Sql;
use crate::resource::traffic::{LATEST, Traffic};
use crate::resource::{Kinds, Observable, ReadError, Seen};
use crate::run::ResourceId;
use crate::runbook::model::{Action, Runbook, Target};

/// Reads under way at once.
pub(super) const AT_ONCE: usize = 64;

/// What the cloud looked like: for each thing that a plan needs, what was seen or why it was not.
#[derive(Debug, Default)]
pub struct Observed {
    /// When; `None`: nothing was looked at.
    pub at: Option<Timestamp>,
    /// Resources.
    pub resources: BTreeMap<ResourceId, Result<Seen<Value>, ReadError>>,
}

impl Observed {
    /// Nothing at all: of a plan that needs no credentials.
    pub fn nothing() -> Observed {
        Observed::default()
    }
}

/// Looks at everything that this runbook touches. Reads only.
pub async fn observe(runbook: &Runbook, kinds: &Kinds, at: Timestamp) -> Observed {
    let resources = stream::iter(touched(runbook)).map(|id| async move {
        let seen = kinds.observe(&id).await;
        (id, seen)
    });
    let resources = resources.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    Observed { at: Some(at), resources: resources.into_iter().collect() }
}

/// Takes one sample of each probe that a gate looks at, or the escalation: a gate is tried before it is relied upon, and
/// what things were like before the first change is what errors are compared with later.
pub async fn trials(runbook: &Runbook, probes: &Probes) -> BTreeMap<String, Observation> {
    let turns = runbook.phases.iter().flat_map(|phase| &phase.steps).flat_map(|step| &step.turns);
    let named: BTreeSet<String> =
        turns.filter_map(|turn| turn.gate.as_ref()).flat_map(|gate| gate.healthy.clone()).collect();
    let decisive = runbook.escalation.iter().flat_map(probes_of);
    let named: BTreeSet<String> = named.into_iter().chain(decisive).collect();
    let samples = probes.observe_all(named.into_iter().collect()).await;
    samples.into_iter().collect()
}

/// The id of a resource of this kind in the runbook's project and region.
pub(super) fn id<K: Observable>(target: &Target, name: &str) -> ResourceId {
    ResourceId {
        kind: K::NAME.to_owned(),
        project: target.project.clone(),
        region: target.region.clone(),
        name: name.to_owned(),
    }
}

fn touched(runbook: &Runbook) -> BTreeSet<ResourceId> {
    let target = &runbook.target;
    let steps = runbook.phases.iter().flat_map(|phase| &phase.steps);
    steps.flat_map(|step| &step.turns).flat_map(|turn| touched_by(&turn.action, target)).collect()
}

fn touched_by(action: &Action, target: &Target) -> Vec<ResourceId> {
    match action {
        Action::ConnectorScale { connector, .. } => vec![id::<Connector>(target, connector)],
        Action::RunTraffic { service, to } => {
            let of = id::<Service>(target, service);
            let named = to.iter().filter(|(revision, _)| revision != LATEST && !revision.contains("${"));
            let revisions = named.map(|(revision, _)| revision::of(&of, revision));
            std::iter::once(id::<Traffic>(target, service)).chain(revisions).collect()
        }
        Action::RunDeploy { service, .. } => vec![id::<Service>(target, service), id::<Traffic>(target, service)],
        Action::RunScale { service, .. } => vec![id::<Scaling>(target, service)],
        Action::SqlPatch { instance, .. } => vec![id::<Sql>(target, instance)],
        Action::Shell { .. }
        | Action::Manual { .. }
        | Action::Notify { .. }
        | Action::Issue(_)
        | Action::Wait { .. }
        | Action::Probe => Vec::new(),
    }
}

/// What was seen, written down, so that somebody without credentials can plan against it.
///
/// It has no secrets: of a resource only what changes own is kept, of a probe no body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of this form: 1.
    pub format: u32,
    /// When the cloud was looked at.
    pub at: Timestamp,
    /// Where, in words.
    pub cloud: String,
    /// What was seen.
    pub resources: BTreeMap<ResourceId, Basis>,
    /// What was not there, or could not be looked at, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<ResourceId, Unseen>,
    /// One sample of each probe that a gate looks at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Observation>,
}

/// Why something was not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Whether it is known not to exist.
    pub missing: bool,
    /// Why.
    pub why: String,
}

impl Snapshot {
    /// The version that this program writes.
    pub const FORMAT: u32 = 1;

    /// Of what was seen.
    pub fn of(observed: &Observed, probes: BTreeMap<String, Observation>, cloud: &str) -> Snapshot {
        let (mut resources, mut unseen) = (BTreeMap::new(), BTreeMap::new());
        for (id, seen) in &observed.resources {
            match seen {
                Ok(seen) => drop(resources.insert(id.clone(), Basis::of(seen))),
                Err(error) => {
                    let missing = matches!(error, ReadError::NotFound { .. });
                    unseen.insert(id.clone(), Unseen { missing, why: error.to_string() });
                }
            }
        }
        let at = observed.at.unwrap_or_default();
        Snapshot { format: Self::FORMAT, at, cloud: cloud.to_owned(), resources, unseen, probes }
    }
}

impl From<Snapshot> for Observed {
    fn from(snapshot: Snapshot) -> Observed {
        let seen = snapshot.resources.into_iter().map(|(id, basis)| {
            let Basis { state, etag, operation, trouble } = basis;
            (id, Ok(Seen { state, etag, operation, trouble }))
        });
        let unseen = snapshot.unseen.into_iter().map(|(id, Unseen { missing, why })| {
            let resource = id.clone();
            let denied = false;
            let error =
                if missing { ReadError::NotFound { resource } } else { ReadError::Refused { resource, why, denied } };
            (id, Err(error))
        });
        Observed { at: Some(snapshot.at), resources: seen.chain(unseen).collect() }
    }
}

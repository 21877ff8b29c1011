//! Ask everything at once: the resources that steps change, the revisions that they name, and the probes of gates.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Basis, listing, when};
use crate::escalation::probes_of;
use crate::gate::Observation;
use crate::probe::{Observer, ProbeSpec};
use crate::resource::{Kinds, Observed, ReadError, Seen, revision};
use crate::run::ResourceId;
use crate::runbook::model::{Iteration, Runbook, Step};

/// Reads under way at once.
pub(super) const AT_ONCE: usize = 64;

impl Observed {
    /// What was written down when it was observed.
    pub(super) fn recalled(
        at: Option<Timestamp>,
        seen: BTreeMap<ResourceId, Basis>,
        unseen: BTreeMap<ResourceId, Unseen>,
    ) -> Observed {
        let seen = seen
            .into_iter()
            .map(|(id, Basis { state, etag, operation, trouble })| (id, Ok(Seen { state, etag, operation, trouble })));
        let unseen = unseen.into_iter().map(|(id, Unseen { missing, why })| {
            let resource = id.clone();
            let denied = false;
            let error =
                if missing { ReadError::NotFound { resource } } else { ReadError::Refused { resource, why, denied } };
            (id, Err(error))
        });
        Observed { at, resources: seen.chain(unseen).collect() }
    }

    /// What was not there or could not be observed, and why.
    pub(super) fn unseen(&self) -> BTreeMap<ResourceId, Unseen> {
        let unseen = self.resources.iter().filter_map(|(id, seen)| {
            let error = seen.as_ref().err()?;
            let missing = matches!(error, ReadError::NotFound { .. });
            Some((id.clone(), Unseen { missing, why: error.to_string() }))
        });
        unseen.collect()
    }
}

/// Looks at everything that this runbook touches. Reads only.
pub async fn observe(runbook: &Runbook, kinds: &Kinds, at: Timestamp) -> Observed {
    let mut observed = observe_all(touched(runbook), kinds, at).await;
    // Whoever names a revision that is not there wants to know which are.
    let is_missing = |seen: &Result<_, ReadError>| matches!(seen, Err(ReadError::NotFound { .. }));
    let missing = observed.resources.iter().filter(|(_, seen)| is_missing(seen));
    let lists: BTreeSet<ResourceId> = missing.filter_map(|(id, _)| revision::list_with(id)).collect();
    observed.resources.extend(observe_all(lists, kinds, at).await.resources);
    observed
}

/// Looks at these resources, several at a time.
pub(super) async fn observe_all(ids: BTreeSet<ResourceId>, kinds: &Kinds, at: Timestamp) -> Observed {
    let looks = stream::iter(ids).map(|id| async move {
        let seen = kinds.observe(&id).await;
        (id, seen)
    });
    Observed { at: Some(at), resources: looks.buffer_unordered(AT_ONCE).collect().await }
}

/// What is sent to peers while planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trying {
    /// What only asks, and tells no secret.
    Reads,
    /// Everything that a run's probes send: the operator says so.
    Everything,
}

/// One sample of each probe that a gate is judged by, or the escalation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// What was seen, by probe.
    pub samples: BTreeMap<String, Observation>,
    /// The probes that were not tried, and why.
    pub untried: BTreeMap<String, String>,
}

/// Takes one sample of each probe that a gate looks at, or the escalation: a gate is tried before it is relied upon, and
/// what things were like before the first change is what errors are compared with later.
///
/// Nobody has approved anything yet. A probe that would do more than ask, or tell somebody a secret, is left out, unless the
/// simulated cloud is all that it asks.
pub async fn trials(runbook: &Runbook, probes: &Observer, trying: Trying) -> Trials {
    let (mut tried, mut untried) = (Vec::new(), BTreeMap::new());
    for name in judging(runbook) {
        match runbook.probes.get(&name).and_then(|probe| objection(&probe.spec, probes, trying)) {
            Some(why) => drop(untried.insert(name, why)),
            None => tried.push(name),
        }
    }
    Trials { samples: probes.observe_all(tried).await.into_iter().collect(), untried }
}

/// Why a probe is not tried while planning.
fn objection(spec: &ProbeSpec, probes: &Observer, trying: Trying) -> Option<String> {
    spec.peer_requests().iter().find_map(|request| {
        let is_served = request.host.as_deref().is_some_and(|host| probes.serves(host));
        let missing = || {
            let secret = request.absent.first()?;
            Some(format!("the secret `{secret}` has no value"))
        };
        request.objection().filter(|_| trying == Trying::Reads && !is_served).or_else(missing)
    })
}

/// The probes by which gates and the escalation judge.
pub fn judging(runbook: &Runbook) -> BTreeSet<String> {
    let iterations = runbook.steps().flat_map(|step| &step.iterations);
    let named: BTreeSet<String> =
        iterations.filter_map(|iteration| iteration.gate.as_ref()).flat_map(|gate| gate.healthy.clone()).collect();
    let decisive = runbook.escalation.iter().flat_map(probes_of);
    named.into_iter().chain(decisive).collect()
}

/// The resources that the steps of a runbook change or observe, and those that decide which steps are planned.
pub fn touched(runbook: &Runbook) -> BTreeSet<ResourceId> {
    let steps = runbook.steps();
    let of_step = |step: &Step| {
        if step.unlisted().is_some() {
            return Vec::new();
        }
        let target = runbook.target_of(step);
        let of_action = |iteration: &Iteration| iteration.action.step().observed_resources(&target);
        step.iterations.iter().flat_map(of_action).collect::<Vec<_>>()
    };
    steps.flat_map(of_step).chain(when::deciding(runbook)).chain(listing::listed(runbook)).collect()
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
    /// What was not there, or could not be observed, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<ResourceId, Unseen>,
    /// One sample of each probe that a gate looks at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Observation>,
    /// The probes that were not tried, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub untried: BTreeMap<String, String>,
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
    pub fn of(observed: &Observed, trials: Trials, cloud: &str) -> Snapshot {
        let seen =
            observed.resources.iter().filter_map(|(id, seen)| Some((id.clone(), Basis::of(seen.as_ref().ok()?))));
        let at = observed.at.unwrap_or_default();
        let (resources, unseen) = (seen.collect(), observed.unseen());
        let Trials { samples: probes, untried } = trials;
        Snapshot { format: Self::FORMAT, at, cloud: cloud.to_owned(), resources, unseen, probes, untried }
    }
}

impl From<Snapshot> for Observed {
    fn from(snapshot: Snapshot) -> Observed {
        Observed::recalled(Some(snapshot.at), snapshot.resources, snapshot.unseen)
    }
}

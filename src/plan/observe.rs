//! Ask every resource at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;

use crate::resource::connector::Connector;
use crate::resource::service::Service;
use crate::resource::traffic::{LATEST, Traffic};
use crate::resource::{Cloud, Kind, Kinds, ReadError, Seen};
use crate::run::ResourceId;
use crate::runbook::model::{Action, Runbook, Target};

/// Reads under way at once.
const AT_ONCE: usize = 16;

/// What the cloud looked like: for each thing that a plan needs, what was seen or why it was not.
#[derive(Debug, Default)]
pub struct Observed {
    /// Resources.
    pub resources: BTreeMap<ResourceId, Result<Seen<Value>, ReadError>>,
    /// Revisions that steps name, by service and short name: ready or not; `None` if there is none.
    pub revisions: BTreeMap<(ResourceId, String), Result<Option<bool>, ReadError>>,
}

/// Looks at everything that this runbook touches. Reads only.
pub async fn observe(runbook: &Runbook, cloud: &Cloud, kinds: &Kinds) -> Observed {
    let (resources, revisions) = touched(runbook);
    let resources = stream::iter(resources).map(|id| async move {
        let seen = match kinds.of(&id) {
            Ok(kind) => kind.observe(&id).await,
            Err(error) => Err(error),
        };
        (id, seen)
    });
    let revisions = stream::iter(revisions).map(|(service, revision)| async move {
        let ready = cloud.revision_is_ready(&service, &revision).await;
        ((service, revision), ready)
    });
    let (resources, revisions) = futures::join!(
        resources.buffer_unordered(AT_ONCE).collect::<Vec<_>>(),
        revisions.buffer_unordered(AT_ONCE).collect::<Vec<_>>()
    );
    Observed { resources: resources.into_iter().collect(), revisions: revisions.into_iter().collect() }
}

/// The id of a resource of this kind in the runbook's project and region.
pub(super) fn id<K: Kind>(target: &Target, name: &str) -> ResourceId {
    ResourceId {
        kind: K::NAME.to_owned(),
        project: target.project.clone(),
        region: target.region.clone(),
        name: name.to_owned(),
    }
}

fn touched(runbook: &Runbook) -> (Vec<ResourceId>, Vec<(ResourceId, String)>) {
    let (mut resources, mut revisions) = (BTreeSet::new(), Vec::new());
    let steps = runbook.phases.iter().flat_map(|phase| &phase.steps);
    for turn in steps.flat_map(|step| &step.turns) {
        match &turn.action {
            Action::ConnectorScale { connector, .. } => {
                resources.insert(id::<Connector>(&runbook.target, connector));
            }
            Action::RunTraffic { service, to } => {
                resources.insert(id::<Traffic>(&runbook.target, service));
                let named = to.iter().filter(|(revision, _)| revision != LATEST);
                revisions
                    .extend(named.map(|(revision, _)| (id::<Service>(&runbook.target, service), revision.clone())));
            }
            Action::RunDeploy { service, .. } => {
                resources.insert(id::<Service>(&runbook.target, service));
                resources.insert(id::<Traffic>(&runbook.target, service));
            }
            // `check` refuses a run of what cannot be carried out yet; what is left looks at no resource.
            Action::RunScale { .. }
            | Action::SqlPatch { .. }
            | Action::Shell { .. }
            | Action::Manual { .. }
            | Action::Notify { .. }
            | Action::Wait { .. }
            | Action::Probe => {}
        }
    }
    (resources.into_iter().collect(), revisions)
}

//! `gcp.run.traffic`: set a Cloud Run service's whole traffic split.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::forecast::{to_json, typed};
use super::named_revision::{self, is_description};
use super::{
    ActionFormat, CatalogRequest, Declared, Forecast, Name, NamePosition, Obstacle, Rollback, SERVICE_ARGUMENT,
    StepAction, StepContext, TaskDraft,
};
use crate::peer::PeerRequest;
use crate::resource::revision::{self, ListState, Listed, MOST_LISTED, Revision};
use crate::resource::service::{self, Service};
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Observable as _, ReadError};
use crate::run::{ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::value::Percent;

/// `gcp.run.traffic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTraffic {
    /// Short name of the service.
    pub service: String,
    /// Share per revision (short name, `LATEST`, `LATEST_READY` or `PREVIOUS`), in the order of the file.
    pub to: Vec<(String, Percent)>,
}

impl Declared for RunTraffic {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.run.traffic",
        outputs: &[],
        with: Table {
            about: "Sets the whole traffic split of a Cloud Run service.",
            keys: &[
                super::rollout::SERVICE.required(),
                Key::new(
                    "to",
                    ValueType::Shares,
                    "The share of each revision, together 100: by its short name; `LATEST`, whichever becomes ready last, also \
                     later; `LATEST_READY`, the one that is that now; or `PREVIOUS`, the ready one that had the traffic before \
                     the newest rollout.",
                )
                .required()
                .example("{ PREVIOUS = 100 }"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<RunTraffic> {
        let (service, to) = (with.text(SERVICE_ARGUMENT), with.shares("to"));
        Some(RunTraffic { service: service?, to: to? })
    }
}

impl StepAction for RunTraffic {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        let of = target.resource(Service::NAME, &self.service);
        let all = self.to.iter().map(|(revision, _)| revision.as_str());
        let described = named_revision::observed_for(&of, all.clone());
        let named = all.filter(|name| !is_description(name) && !name.contains("${"));
        let revisions = named.map(|revision| revision::of(&of, revision));
        std::iter::once(target.resource(Traffic::NAME, &self.service)).chain(revisions).chain(described).collect()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        let shares = self.to.iter().map(|(revision, share)| json!({ "revision": revision, "percent": share.get() }));
        let targets = json!({ "targets": shares.collect::<Vec<_>>() });
        Some((target.resource(Traffic::NAME, &self.service), targets))
    }

    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let (mut to, mut described) = (Vec::new(), Vec::new());
        for (revision, share) in &self.to {
            let name = forecast.complete(revision);
            match forecast.described_revision(&self.service, &name)? {
                Some(resolved) => {
                    to.push((resolved.name.clone(), *share));
                    described.push(resolved);
                }
                None => {
                    if name != LATEST && share.get() > 0 && !forecast.is_output(&name) {
                        forecast.must_be_ready(&self.service, &name)?;
                    }
                    to.push((name, *share));
                }
            }
        }
        let shares = to.iter().map(|(revision, percent)| (revision.clone(), i64::from(*percent)));
        let mut task = step.whole();
        forecast.split_traffic(&self.service, &Split::of(shares), &mut task)?;
        if !described.is_empty() {
            let id = forecast.target().resource(Service::NAME, &self.service);
            let latest = forecast.typed_state::<service::State>(&id)?.latest_ready_revision;
            for resolved in described {
                resolved.note_in(&latest, &mut task);
            }
        }
        if !to.iter().any(|(revision, percent)| revision == LATEST && percent.get() > 0) {
            task.warnings.push(
                "traffic stays pinned to named revisions: a later deploy serves nobody until traffic is moved to it"
                    .to_owned(),
            );
        }
        Ok(vec![task])
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn catalog_request(&self) -> Option<CatalogRequest<'_>> {
        None
    }

    fn names(&self) -> Vec<Name<'_>> {
        let revisions = self.to.iter().filter(|(revision, _)| !is_description(revision)).map(|(revision, _)| Name {
            argument: "to",
            position: NamePosition::Key,
            name: revision,
            shape: Revision::NAME_SHAPE,
        });
        std::iter::once(Name::value(SERVICE_ARGUMENT, &self.service, Traffic::NAME_SHAPE)).chain(revisions).collect()
    }
}

/// What is known of a service's traffic at a step.
impl Forecast<'_> {
    /// Gives the traffic another split, if that does not move too much of it at once.
    pub(super) fn split_traffic(&mut self, service: &str, to: &Split, task: &mut TaskDraft) -> Result<(), Obstacle> {
        let before = self.split(service)?;
        let tags = self.tags(service)?;
        let kept = tags.iter().filter(|(_, revision)| to.share(revision) == 0);
        task.warnings.extend(
            kept.map(|(tag, revision)| format!("the tag {tag} stays on {revision}, with no share of the traffic")),
        );
        let moved = moved(&self.with_latest_named(service, &before), &self.with_latest_named(service, to));
        self.within_traffic_shift(service, moved)?;
        self.change::<Traffic>(self.traffic(service), to_json(to)?, task)
    }

    /// The split with the revision that the newest one is in its place, if that is known.
    fn with_latest_named(&self, service: &str, split: &Split) -> Split {
        let state = self.known_state(&self.target().resource(Service::NAME, service));
        let latest = state.and_then(|state| state.get("latest_ready_revision")).and_then(Value::as_str);
        let mut split = split.clone();
        for target in split.targets.iter_mut().filter(|target| target.revision == LATEST) {
            if let Some(latest) = latest {
                latest.clone_into(&mut target.revision);
            }
        }
        split
    }

    /// How a service's traffic is split.
    pub(super) fn split(&mut self, service: &str) -> Result<Split, Obstacle> {
        self.typed_state(&self.traffic(service))
    }

    /// Every tag of a service, and the revision that it leads to.
    pub(super) fn tags(&mut self, service: &str) -> Result<BTreeMap<String, String>, Obstacle> {
        let traffic = self.traffic(service);
        match self.state(&traffic)?.get("tags") {
            Some(tags) => typed(tags),
            None => Ok(BTreeMap::new()),
        }
    }

    /// The id of a service's traffic.
    pub(super) fn traffic(&self, service: &str) -> ResourceId {
        self.target().resource(Traffic::NAME, service)
    }

    /// The revisions that there are in the place of one that is not, and what each serves.
    fn existing(&self, missing: &ResourceId) -> Option<String> {
        let seen = self.observed(&revision::list_with(missing)?)?.as_ref().ok()?;
        let ListState { revisions } = serde_json::from_value(seen.state.clone()).ok()?;
        let (service, _) = missing.name.split_once('/')?;
        let split: Option<Split> =
            self.known_state(&self.traffic(service)).and_then(|state| serde_json::from_value(state.clone()).ok());
        let share = |name: &String| split.as_ref().map(|split| split.share(name)).filter(|share| *share > 0);
        let named = revisions.iter().map(|Listed { name, .. }| match share(name) {
            Some(share) => format!("{name} ({share} %)"),
            None => name.clone(),
        });
        let named: Vec<String> = named.collect();
        let first = if revisions.len() < MOST_LISTED { "it has" } else { "the newest that it has are" };
        (!named.is_empty())
            .then(|| format!("{first} {}; those that serve nobody are deleted in time", named.join(", ")))
    }

    fn must_be_ready(&self, service: &str, name: &str) -> Result<(), Obstacle> {
        let revision = revision::of(&self.target().resource(Service::NAME, service), name);
        match self.observed(&revision) {
            Some(Ok(seen)) if seen.state.get("ready").and_then(Value::as_bool) == Some(true) => Ok(()),
            Some(Ok(seen)) => {
                let why = seen.trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                let why = format!("revision {name} of {service} is not ready: it cannot serve traffic{why}");
                Err(Obstacle::impossible(why).help("choose a revision that is ready"))
            }
            Some(Err(ReadError::NotFound { .. })) => {
                let help = self.existing(&revision).unwrap_or_else(|| {
                    "revisions that serve nobody are deleted in time; choose one that exists".to_owned()
                });
                Err(Obstacle::impossible(format!("{service} has no revision {name}")).help(&help))
            }
            Some(Err(error)) => Err(Obstacle::unseen(error)),
            None => Err(self.not_observed(&revision)),
        }
    }
}

/// How much of the traffic goes elsewhere than before, in percent.
fn moved(before: &Split, after: &Split) -> i64 {
    after.shares().map(|(name, percent)| (percent - before.share(name)).max(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(shares: &[(&str, i64)]) -> Split {
        Split::of(shares.iter().map(|(revision, percent)| ((*revision).to_owned(), *percent)))
    }

    #[test]
    fn what_is_moved_is_what_goes_elsewhere() {
        let before = split(&[("a", 50), ("b", 50)]);
        for (after, percent) in [
            (split(&[("a", 50), ("b", 50)]), 0),
            (split(&[("a", 100)]), 50),
            (split(&[("c", 100)]), 100),
            (split(&[("a", 40), ("b", 40), ("c", 20)]), 20),
        ] {
            assert_eq!(moved(&before, &after), percent);
        }
    }
}

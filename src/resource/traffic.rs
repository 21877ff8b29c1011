//! A Cloud Run service's traffic split.
//!
//! It is always written whole. gcloud's `--to-revisions` rescales what it does not name; the API's list is
//! absolute, and so is a change.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_run_v2::model::{Service, TrafficTarget, TrafficTargetAllocationType as Allocation};
use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::cloud_run::{self, short};
use super::error::{ReadError, WriteError};
use super::{Kind, Observable, Progress, Seen, Validity, Writer};
use crate::run::{ResourceId, Reversibility};

/// Stands for whichever revision became ready last.
pub const LATEST: &str = "LATEST";

/// Where a service's requests go, and what [`LATEST`] stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct State {
    /// The split.
    #[serde(flatten)]
    pub split: Split,
    /// Short name of the newest revision that became ready.
    pub latest: String,
}

/// A traffic split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The shares, in order of size; tags without a share are kept.
    pub targets: Vec<Target>,
}

/// One entry of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Short name of a revision, or [`LATEST`].
    pub revision: String,
    /// Its share, in percent.
    pub percent: i64,
    /// A name under which it can be reached on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Split {
    /// The split that gives these shares. Tags of `before` are kept, with no share unless given one.
    pub fn of(shares: impl IntoIterator<Item = (String, i64)>, before: &Split) -> Split {
        let mut targets: Vec<Target> = Vec::new();
        for (revision, percent) in shares {
            match targets.iter_mut().find(|target| target.revision == revision) {
                Some(target) => target.percent += percent,
                None => targets.push(Target { revision, percent, tag: None }),
            }
        }
        for kept in before.targets.iter().filter(|target| target.tag.is_some()) {
            match targets.iter_mut().find(|target| target.revision == kept.revision && target.tag.is_none()) {
                Some(target) => target.tag.clone_from(&kept.tag),
                None => targets.push(Target { percent: 0, ..kept.clone() }),
            }
        }
        Split { targets }.sorted()
    }

    /// The same split with this revision in the place of the newest one.
    #[must_use]
    pub fn held(&self, newest: &str) -> Split {
        let named = |(name, share): (&str, i64)| (if name == LATEST { newest } else { name }.to_owned(), share);
        Split::of(self.shares().map(named), self)
    }

    /// The same shares, with this tag on that revision and on no other.
    #[must_use]
    pub fn tagged(mut self, tag: &str, revision: &str) -> Split {
        for target in self.targets.iter_mut().filter(|target| target.tag.as_deref() == Some(tag)) {
            target.tag = None;
        }
        let tag = Some(tag.to_owned());
        match self.targets.iter_mut().find(|target| target.revision == revision && target.tag.is_none()) {
            Some(target) => target.tag = tag,
            None => self.targets.push(Target { revision: revision.to_owned(), percent: 0, tag }),
        }
        self.sorted()
    }

    /// The share of a revision, in percent.
    pub fn share(&self, revision: &str) -> i64 {
        self.targets.iter().filter(|target| target.revision == revision).map(|target| target.percent).sum()
    }

    /// The shares that are not zero.
    pub fn shares(&self) -> impl Iterator<Item = (&str, i64)> {
        self.targets.iter().filter(|target| target.percent > 0).map(|target| (target.revision.as_str(), target.percent))
    }

    /// The same split always reads the same, whatever order the API gives it in.
    fn sorted(mut self) -> Split {
        self.targets.retain(|target| target.percent > 0 || target.tag.is_some());
        self.targets.sort_by(|a, b| {
            b.percent.cmp(&a.percent).then_with(|| a.revision.cmp(&b.revision)).then_with(|| a.tag.cmp(&b.tag))
        });
        self
    }
}

/// `gcp.run.traffic`.
pub struct Traffic {
    cloud: Arc<Cloud>,
}

impl Traffic {
    /// The traffic splits of this cloud.
    pub fn on(cloud: &Arc<Cloud>) -> Traffic {
        Traffic { cloud: Arc::clone(cloud) }
    }
}

impl Observable for Traffic {
    type State = State;

    const NAME: &'static str = "gcp.run.traffic";

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, not_routed, state).await
    }
}

impl Kind for Traffic {
    type Owned = Split;

    fn allowed(_: &Split, to: &Split) -> Result<Reversibility, String> {
        let sum: i64 = to.targets.iter().map(|target| target.percent).sum();
        if sum == 100 { Ok(Reversibility::Reversible) } else { Err(format!("the shares add up to {sum} %, not 100 %")) }
    }

    async fn validate(&self, id: &ResourceId, etag: Option<&str>, to: &Split) -> Result<Validity, ReadError> {
        cloud_run::validate(&self.cloud, id, Ok(wanted(id, etag, to)), "traffic").await
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Split,
    ) -> Result<Progress<State>, WriteError> {
        cloud_run::patch(writer, id, wanted(id, seen.etag.as_deref(), to), "traffic").await
    }

    async fn poll(&self, id: &ResourceId, operation: &str, patience: Duration) -> Result<Progress<State>, ReadError> {
        cloud_run::poll(&self.cloud, id, operation, patience, not_routed, state).await
    }
}

/// What is sent so that the service routes so.
fn wanted(id: &ResourceId, etag: Option<&str>, to: &Split) -> Service {
    let targets = to.targets.iter().map(|target| {
        let entry = TrafficTarget::new().set_percent(i32::try_from(target.percent).unwrap_or_default());
        let entry = entry.set_tag(target.tag.clone().unwrap_or_default());
        if target.revision == LATEST {
            entry.set_type(Allocation::Latest)
        } else {
            entry.set_type(Allocation::Revision).set_revision(target.revision.clone())
        }
    });
    let want = Service::new().set_name(cloud_run::path(id)).set_traffic(targets);
    want.set_etag(etag.unwrap_or_default())
}

/// What is wrong if the service does not route as its split says. Its terminal condition cannot tell: it
/// also complains about a newest revision that serves nobody.
fn not_routed(service: &Service) -> Option<String> {
    let routed = service.traffic_statuses.iter().map(|status| Target {
        revision: if status.r#type == Allocation::Latest { LATEST.to_owned() } else { short(&status.revision) },
        percent: i64::from(status.percent),
        tag: Some(status.tag.clone()).filter(|tag| !tag.is_empty()),
    });
    let routed = Split { targets: routed.collect() }.sorted();
    (routed != split(service)).then(|| {
        let shares: Vec<_> = routed.shares().map(|(revision, percent)| format!("{revision} {percent} %")).collect();
        format!("the service came to rest and still routes {}", shares.join(", "))
    })
}

fn state(service: &Service) -> State {
    State { split: split(service), latest: short(&service.latest_ready_revision) }
}

fn split(service: &Service) -> Split {
    if service.traffic.is_empty() {
        // Source: google/cloud/run/v2/service.proto on `traffic`: empty means all to the latest ready revision.
        return Split { targets: vec![Target { revision: LATEST.to_owned(), percent: 100, tag: None }] };
    }
    let targets = service.traffic.iter().map(|target| Target {
        revision: if target.r#type == Allocation::Latest { LATEST.to_owned() } else { short(&target.revision) },
        percent: i64::from(target.percent),
        tag: Some(target.tag.clone()).filter(|tag| !tag.is_empty()),
    });
    Split { targets: targets.collect() }.sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(revision: &str, percent: i64, tag: Option<&str>) -> Target {
        Target { revision: revision.to_owned(), percent, tag: tag.map(str::to_owned) }
    }

    #[test]
    fn a_new_split_keeps_tags_and_drops_shares_that_it_does_not_name() {
        let before =
            Split { targets: vec![target("b", 60, None), target("a", 40, Some("old")), target("c", 0, Some("cand"))] };
        let after = Split::of([("b".to_owned(), 100)], &before);
        assert_eq!(after.targets, [target("b", 100, None), target("a", 0, Some("old")), target("c", 0, Some("cand"))]);
        assert_eq!(after.share("b"), 100);
        assert_eq!(after.share("a"), 0);
    }

    #[test]
    fn a_tag_is_on_one_revision() {
        let before = Split { targets: vec![target("a", 100, Some("cand")), target("b", 0, Some("cand2"))] };
        let after = before.tagged("cand", "c");
        assert_eq!(
            after.targets,
            [target("a", 100, None), target("b", 0, Some("cand2")), target("c", 0, Some("cand"))]
        );
        assert_eq!(after.clone().tagged("cand", "c"), after, "it is there already");
    }
}

//! A Cloud Run service's traffic split: shares, and tags.
//!
//! The API's list is absolute and is written whole (gcloud's `--to-revisions` rescales what it does not name). A change owns
//! all shares, because they add up to 100 %, and of the tags those that it names. A tag without a share that somebody's
//! pipeline puts there is neither drift nor lost: the list is computed from what is there when it is written, and its etag
//! guards it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cloud::Cloud;
use super::cloud_run::{self, short};
use super::error::{ReadError, WriteError};
use super::follow_up::{self, FollowUp};
use super::gcloud::{GcloudCommands, place, quoted, unknown};
use super::permission::Permission;
use super::run_api::{Allocation, Service, ServicePart, ServiceUpdate, TrafficTarget};
use super::spec::{ApiObject, Metrics, Product};
use super::{Kind, Observable, OperationProgress, Seen, Validity, Writer};
use crate::gate::{FactType, Facts};
use crate::run::{Change, NameShape, ResourceId, Reversibility};

/// Stands for whichever revision became ready last.
pub const LATEST: &str = "LATEST";

/// Where a service's requests go, and what [`LATEST`] stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The shares.
    #[serde(flatten)]
    pub split: Split,
    /// Every tag, and the revision that it leads to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Short name of the newest revision that became ready.
    pub latest: String,
    /// The shares that the service's status reports, if it is at rest and they are not those of its spec: the last write did
    /// not take effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<Vec<Target>>,
}

/// The fields a change may own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Every share, the largest first. Without it the shares stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<Target>>,
    /// Tags, and the revision that each leads to; `None` is one that is not there. Those that are not named stay as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<String>>,
}

/// The shares of a service's traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// A share for each revision that has one, the largest first.
    pub targets: Vec<Target>,
}

/// The share of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Short name of a revision, or [`LATEST`].
    pub revision: String,
    /// In percent.
    pub percent: i64,
}

impl Split {
    /// The split that gives these shares. It always reads the same, whatever order the API gives it in.
    pub fn of(shares: impl IntoIterator<Item = (String, i64)>) -> Split {
        let mut targets: Vec<Target> = Vec::new();
        for (revision, percent) in shares {
            match targets.iter_mut().find(|target| target.revision == revision) {
                Some(target) => target.percent += percent,
                None => targets.push(Target { revision, percent }),
            }
        }
        targets.retain(|target| target.percent > 0);
        targets.sort_by(|a, b| b.percent.cmp(&a.percent).then_with(|| a.revision.cmp(&b.revision)));
        Split { targets }
    }

    /// The same split with this revision in the place of the newest one.
    #[must_use]
    pub fn held(&self, newest: &str) -> Split {
        Split::of(self.shares().map(|(name, share)| (if name == LATEST { newest } else { name }.to_owned(), share)))
    }

    /// The share of a revision, in percent.
    pub fn share(&self, revision: &str) -> i64 {
        self.shares().filter(|(name, _)| *name == revision).map(|(_, percent)| percent).sum()
    }

    /// Each revision and its share, the largest first.
    pub fn shares(&self) -> impl Iterator<Item = (&str, i64)> {
        self.targets.iter().map(|target| (target.revision.as_str(), target.percent))
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
    const FACTS: Facts = &[("latest", FactType::Text)];
    const NAME_SHAPE: NameShape = cloud_run::SERVICE_NAME;
    const PART_OF: ApiObject = ApiObject::CloudRunService;
    const READ_PERMISSIONS: &'static [Permission] = cloud_run::READ_PERMISSIONS;
    const PRODUCT: Option<Product> = Some(cloud_run::PRODUCT);
    const METRICS: Option<Metrics> = Some(cloud_run::METRICS);

    async fn observe(&self, id: &ResourceId) -> Result<Seen<State>, ReadError> {
        cloud_run::observe(&self.cloud, id, not_routed, state).await
    }
}

impl Kind for Traffic {
    type Owned = Owned;

    const WRITE_PERMISSIONS: &'static [Permission] = cloud_run::WRITE_PERMISSIONS;
    const SHELL_FUNCTIONS: &'static str = r#"# The shares of Cloud Run service $1 in region $2 of project $3.
shares() {
  gcloud run services describe "$1" --region="$2" --project="$3" --flatten='spec.traffic[]' \
    --format='csv[no-heading](spec.traffic.revisionName,spec.traffic.latestRevision,spec.traffic.percent)' |
    awk -F, '$3 > 0 { share[$1 == "" ? "LATEST" : $1] += $3 } END { for (name in share) print name "=" share[name] }' |
    LC_ALL=C sort | paste -sd, -
}
# The revision that tag $4 of the same service leads to.
tagged() {
  gcloud run services describe "$1" --region="$2" --project="$3" --flatten='spec.traffic[]' \
    --format='csv[no-heading](spec.traffic.revisionName,spec.traffic.tag)' |
    awk -F, -v tag="$4" '$2 == tag { revision = $1 } END { print revision }'
}
"#;

    /// Source: Terraform awaits a Cloud Run service for 20 minutes (`google_cloud_run_v2_service`, timeouts).
    const OPERATION_TIMEOUT: Duration = Duration::from_mins(20);

    fn allowed(_: &Owned, to: &Owned) -> Result<Reversibility, String> {
        let sum = to.targets.as_ref().map_or(100, |targets| targets.iter().map(|target| target.percent).sum::<i64>());
        if sum == 100 { Ok(Reversibility::Reversible) } else { Err(format!("the shares add up to {sum} %, not 100 %")) }
    }

    fn contradiction(state: &Value) -> Option<&'static str> {
        state.get("routed").map(|_| "routed")
    }

    fn gcloud(change: &Change) -> Result<GcloudCommands, String> {
        let place = place(change);
        let ResourceId { project, region, name, .. } = &change.resource;
        let service = format!("{} {} {}", quoted(name), quoted(region), quoted(project));
        let shares = |state: &Value| {
            let share = |target: &Value| {
                let percent = target.get("percent")?.as_i64()?;
                Some((percent > 0).then_some(format!("{}={percent}", target.get("revision")?.as_str()?)))
            };
            let shares = state.get("targets")?.as_array()?.iter().map(share).collect::<Option<Vec<_>>>()?;
            let mut shares: Vec<String> = shares.into_iter().flatten().collect();
            shares.sort_unstable();
            Some(shares.join(","))
        };
        let tags = |state: &Value| state.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
        let (mut read, mut before, mut after, mut flags) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        if change.to.get("targets").is_some() {
            let (from, to) = shares(&change.from).zip(shares(&change.to)).ok_or_else(|| unknown(change))?;
            read.push(format!("shares {service}"));
            flags.push(match to.as_str() {
                "LATEST=100" => "--to-latest".to_owned(),
                to => format!("--to-revisions={}", quoted(to)),
            });
            (before, after) = (vec![from], vec![to]);
        }
        let from = tags(&change.from);
        for (tag, to) in tags(&change.to) {
            let leads = |to: Option<&Value>| to.and_then(Value::as_str).unwrap_or_default().to_owned();
            read.push(format!("tagged {service} {}", quoted(&tag)));
            before.push(leads(from.get(&tag)));
            after.push(leads(Some(&to)));
            flags.push(match to.as_str() {
                Some(revision) => format!("--update-tags={}", quoted(&format!("{tag}={revision}"))),
                None => format!("--remove-tags={}", quoted(&tag)),
            });
        }
        if read.is_empty() {
            return Err(unknown(change));
        }
        let write = vec![format!("gcloud run services update-traffic {} {} {place}", quoted(name), flags.join(" "))];
        // What a shell reads has no line ends at its end.
        let joined = |parts: Vec<String>| quoted(parts.join("\n").trim_end_matches('\n'));
        Ok(GcloudCommands {
            read: read.join(" && "),
            before: joined(before),
            after: joined(after),
            alone: write.clone(),
            write,
        })
    }

    /// A pinned split hides every deploy that comes after it, so it goes first.
    fn follow_up(id: &ResourceId, _: &Value, last: &Value) -> Option<FollowUp> {
        let split: Split = serde_json::from_value(last.clone()).ok()?;
        if split.share(LATEST) > 0 {
            return None;
        }
        let names: Vec<&str> = split.shares().map(|(name, _)| name).collect();
        Some(FollowUp {
            what: format!("traffic is pinned to {}: the next deploy serves 0 %", names.join(" and ")),
            within: Duration::from_hours(24),
            action: format!("gcloud run services update-traffic {} --to-latest {}", id.name, follow_up::place(id)),
        })
    }

    async fn validate(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<Validity, ReadError> {
        cloud_run::validate(&self.cloud, id, self.wanted(id, etag, to).await).await
    }

    async fn write(
        &self,
        writer: &Writer,
        id: &ResourceId,
        seen: &Seen<State>,
        to: &Owned,
    ) -> Result<OperationProgress<State>, WriteError> {
        cloud_run::patch(writer, id, &self.wanted(id, seen.etag.as_deref(), to).await?).await
    }

    async fn poll(
        &self,
        id: &ResourceId,
        operation: &str,
        patience: Duration,
    ) -> Result<OperationProgress<State>, ReadError> {
        cloud_run::poll(&self.cloud, id, operation, patience, not_routed, state).await
    }
}

impl Traffic {
    /// What is sent so that the service routes so.
    async fn wanted(&self, id: &ResourceId, etag: Option<&str>, to: &Owned) -> Result<ServiceUpdate, WriteError> {
        let part = |service: Service| match entries(&service, to) {
            Ok(entries) => Ok(ServicePart::Traffic(entries)),
            Err(why) => Err(WriteError::not_sent(ReadError::Malformed { resource: id.clone(), why })),
        };
        cloud_run::update(&self.cloud, id, etag, part).await
    }
}

/// The whole list, as it is to be: the shares that are wanted, or those that are there; the tags that are there, but for those
/// that the change owns.
fn entries(service: &Service, to: &Owned) -> Result<Vec<TrafficTarget>, String> {
    let State { split, mut tags, routed, .. } = state(service)?;
    for (tag, revision) in &to.tags {
        match revision {
            Some(revision) => tags.insert(tag.clone(), revision.clone()),
            None => tags.remove(tag),
        };
    }
    let wanted = to.targets.as_ref().unwrap_or(&split.targets);
    let mut entries: Vec<TrafficTarget> =
        wanted.iter().map(|target| TrafficTarget { percent: target.percent, ..entry(&target.revision) }).collect();
    for (tag, revision) in tags {
        let bare = entry(&revision);
        let same = |known: &&mut TrafficTarget| {
            known.tag.is_empty() && known.revision == bare.revision && known.allocation == bare.allocation
        };
        match entries.iter_mut().find(same) {
            Some(known) => known.tag = tag,
            None => entries.push(TrafficTarget { tag, ..bare }),
        }
    }
    // A list that is written already and did not take effect is written in another form of the same meaning: Cloud Run
    // carries out what changes the spec.
    if routed.is_some() && *wanted == split.targets {
        let idle = |entry: &TrafficTarget| entry.percent == 0 && entry.tag.is_empty();
        if !service.traffic.iter().any(idle) {
            entries.push(entry(LATEST));
        }
    }
    Ok(entries)
}

fn entry(revision: &str) -> TrafficTarget {
    if revision == LATEST {
        TrafficTarget { allocation: Allocation::Latest, ..TrafficTarget::default() }
    } else {
        let revision = revision.to_owned();
        TrafficTarget { allocation: Allocation::Revision, revision, ..TrafficTarget::default() }
    }
}

/// What is wrong if the service does not route as its split says. Its terminal condition cannot tell: it
/// also complains about a newest revision that serves nobody.
fn not_routed(service: &Service) -> Option<String> {
    let routed = routed(service)?;
    let shares: Vec<_> = routed.shares().map(|(revision, percent)| format!("{revision} {percent} %")).collect();
    Some(format!("the service came to rest and still routes {}", shares.join(", ")))
}

/// The shares of the service's status, if they are others than those of its spec.
fn routed(service: &Service) -> Option<Split> {
    let statuses = service.traffic_statuses.iter();
    let routed = Split::of(statuses.map(|status| {
        let latest = status.allocation == Allocation::Latest;
        (if latest { LATEST.to_owned() } else { short(&status.revision) }, status.percent)
    }));
    (routed != split(service)).then_some(routed)
}

fn state(service: &Service) -> Result<State, String> {
    let mut tags = BTreeMap::new();
    for target in &service.traffic {
        let revision = named(target);
        let percent = target.percent;
        if revision.is_empty() {
            return Err("an entry of its traffic names no revision".to_owned());
        }
        if !(0..=100).contains(&percent) {
            return Err(format!("{revision} has {percent} % of its traffic"));
        }
        if !target.tag.is_empty() {
            tags.insert(target.tag.clone(), revision);
        }
    }
    if let Some(status) = service.traffic_statuses.iter().find(|status| !(0..=100).contains(&status.percent)) {
        return Err(format!("its status says that {} has {} % of its traffic", status.revision, status.percent));
    }
    let split = split(service);
    let sum: i64 = split.shares().map(|(_, percent)| percent).sum();
    if sum != 100 {
        return Err(format!("the shares of its traffic add up to {sum} %"));
    }
    let routed = if cloud_run::at_rest(service) { routed(service) } else { None };
    let latest = short(&service.latest_ready_revision);
    Ok(State { split, tags, latest, routed: routed.map(|split| split.targets) })
}

fn split(service: &Service) -> Split {
    if service.traffic.is_empty() {
        // Source: google/cloud/run/v2/service.proto on `traffic`: empty means all to the latest ready revision.
        return Split::of([(LATEST.to_owned(), 100)]);
    }
    Split::of(service.traffic.iter().map(|target| (named(target), target.percent)))
}

fn named(target: &TrafficTarget) -> String {
    if target.allocation == Allocation::Latest { LATEST.to_owned() } else { short(&target.revision) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::run_api::TrafficTargetStatus;
    use crate::run::{Change, covers};

    fn target(name: &str, percent: i64, tag: &str) -> TrafficTarget {
        TrafficTarget { percent, tag: tag.to_owned(), ..entry(name) }
    }

    fn service(entries: &[(&str, i64, &str)]) -> Service {
        let traffic = entries.iter().map(|(name, percent, tag)| target(name, *percent, tag)).collect();
        let service = Service { traffic, ..Service::default() };
        routes(service.clone(), &service)
    }

    /// The service as if it routed as another does by its spec.
    fn routes(service: Service, as_other: &Service) -> Service {
        let statuses = as_other.traffic.iter().map(|target| TrafficTargetStatus {
            allocation: target.allocation.clone(),
            revision: target.revision.clone(),
            percent: target.percent,
            tag: target.tag.clone(),
            ..TrafficTargetStatus::default()
        });
        Service { traffic_statuses: statuses.collect(), ..service }
    }

    fn seen(service: &Service) -> Value {
        serde_json::to_value(state(service).unwrap()).unwrap()
    }

    /// The service once a change was written to it.
    fn written(service: &Service, to: &Value) -> Service {
        let traffic = entries(service, &serde_json::from_value(to.clone()).unwrap()).unwrap();
        let next = Service { traffic, ..service.clone() };
        routes(next.clone(), &next)
    }

    #[test]
    fn a_new_split_keeps_tags_and_drops_shares_that_it_does_not_name() {
        let before = service(&[("b", 60, ""), ("a", 40, "old"), ("c", 0, "cand")]);
        let after = written(&before, &json!({ "targets": [{ "revision": "b", "percent": 100 }] }));
        let entries: Vec<_> = after.traffic.iter().map(|e| (e.revision.as_str(), e.percent, e.tag.as_str())).collect();
        assert_eq!(entries, [("b", 100, ""), ("c", 0, "cand"), ("a", 0, "old")]);
    }

    #[test]
    fn a_tag_of_somebody_elses_is_neither_drift_nor_lost_both_ways() {
        let before = service(&[(LATEST, 100, "")]);
        let change = Change {
            resource: "gcp.run.traffic/p/r/pear".parse().unwrap(),
            from: json!({ "targets": [{ "revision": LATEST, "percent": 100 }], "tags": { "cand": null } }),
            to: json!({ "targets": [{ "revision": "a", "percent": 100 }], "tags": { "cand": "b" } }),
        };
        let theirs = |service: &Service| {
            let traffic = service.traffic.iter().cloned().chain([target("z", 0, "pr-12")]).collect();
            let next = Service { traffic, ..service.clone() };
            routes(next.clone(), &next)
        };
        assert!(covers(&seen(&before), &change.from));
        assert!(covers(&seen(&theirs(&before)), &change.from), "not drift before");
        let after = theirs(&written(&before, &change.to));
        assert!(covers(&seen(&after), &change.to), "not drift after: {}", seen(&after));
        assert!(!covers(&seen(&after), &change.from));
        let undo = change.undo();
        assert!(!covers(&seen(&after), &undo.to), "our own tag is still there");
        let back = written(&after, &undo.to);
        assert!(covers(&seen(&back), &undo.to), "{}", seen(&back));
        assert_eq!(seen(&back)["tags"], json!({ "pr-12": "z" }), "theirs stays, ours is gone");
        // What of a change took effect, as the engine remembers it, has nothing of theirs in it either.
        assert_eq!(change.owned(&seen(&after)), change.to);
        assert_eq!(change.owned(&seen(&back)), change.from);
    }

    #[test]
    fn a_share_of_somebody_elses_is_drift() {
        let from = json!({ "targets": [{ "revision": LATEST, "percent": 100 }] });
        assert!(!covers(&seen(&service(&[(LATEST, 95, ""), ("z", 5, "pr-12")])), &from));
    }

    #[test]
    fn what_did_not_take_effect_is_seen_and_written_in_another_form() {
        let wanted = service(&[("a", 100, "")]);
        let half = routes(wanted.clone(), &service(&[(LATEST, 100, "")]));
        assert_eq!(seen(&half)["routed"], json!([{ "revision": LATEST, "percent": 100 }]));
        assert_eq!(Traffic::contradiction(&seen(&half)), Some("routed"));
        assert_eq!(Traffic::contradiction(&seen(&wanted)), None);
        assert_eq!(state(&Service { reconciling: true, ..half.clone() }).unwrap().routed, None, "it may yet");
        let to: Owned = serde_json::from_value(json!({ "targets": [{ "revision": "a", "percent": 100 }] })).unwrap();
        let again = Service { traffic: entries(&half, &to).unwrap(), ..half.clone() };
        assert_ne!(again.traffic, half.traffic);
        assert_eq!(split(&again), split(&half), "of the same meaning");
        assert_ne!(entries(&again, &to).unwrap(), again.traffic, "and once more");
    }

    #[test]
    fn values_that_cannot_be_are_a_malformed_response() {
        for entries in [&[("a", -5, ""), ("b", 105, "")][..], &[("a", 60, "")], &[("", 100, "")]] {
            assert!(state(&service(entries)).is_err(), "{entries:?}");
        }
    }

    #[test]
    fn a_share_that_no_service_can_have_is_malformed() {
        for percent in [-5, 101, i64::MAX] {
            let written = Service { traffic: vec![target("a", percent, "")], ..Service::default() };
            assert!(state(&written).unwrap_err().contains('%'), "{percent}");
            let status = TrafficTargetStatus { revision: "a".to_owned(), percent, ..TrafficTargetStatus::default() };
            let traffic = vec![target("a", 100, "")];
            let routed = Service { traffic, traffic_statuses: vec![status], ..Service::default() };
            assert!(state(&routed).unwrap_err().contains("its status says"), "{percent}");
        }
    }
}

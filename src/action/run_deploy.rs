//! `gcp.run.deploy`: deploy an image as a new revision of a Cloud Run service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::forecast::to_json;
use super::{
    ActionFormat, Declared, Forecast, Name, Obstacle, Rollback, SERVICE_ARGUMENT, StepAction, StepContext, TaskDraft,
};
use crate::gate::GateRule;
use crate::peer::PeerRequest;
use crate::resource::Observable as _;
use crate::resource::service::{self, Service};
use crate::resource::traffic::{self, LATEST, Split, Traffic};
use crate::run::{CandidateTarget, Change, NameOwner, NameShape, ResourceId, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, Table, ValueType};
use crate::syntax::mistake::{BAD_VALUE, Mistake};
use crate::syntax::value::{Image, Percent};

/// The argument that names the service, in every action on one.
pub(super) const SERVICE: Key = Key::new(SERVICE_ARGUMENT, ValueType::Text, "The Cloud Run service's short name.")
    .example("\"netra-backend-staging\"");

/// What a tag of traffic looks like. Source: the reference of Cloud Run.
const TAG_SHAPE: NameShape = NameShape {
    what: "a tag",
    min_length: 1,
    max_length: 46,
    owner: NameOwner::Google,
    description: "up to 46 lower-case letters, digits and hyphens, beginning with a letter",
};

/// `gcp.run.deploy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDeploy {
    /// Short name of the service.
    pub service: String,
    /// The image, by digest.
    pub image: Image,
    /// How the revision is gated at 0 % before any traffic moves to it.
    pub candidate: Option<Candidate>,
    /// Shares of traffic to move to the new revision, one after another, the gate holding at each.
    /// Empty: traffic is left to the service's own split, or held where it is if there is a candidate.
    pub shift: Vec<Percent>,
    /// How long the gate must hold at each share but the last.
    pub hold: Option<Duration>,
}

/// A new revision under an address of its own, without traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The tag that gives it the address.
    pub tag: String,
    /// Host names that lead to the service: probes of the gate that ask one of them ask the candidate. Empty: the only
    /// one that they ask.
    pub hosts: Vec<String>,
}

/// Why no probe would observe a candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateUnseen {
    /// No probe of the gate asks the service.
    #[error("no probe of the gate asks {} by HTTP or a WebSocket: nothing would observe the candidate", .0.join(" or "))]
    NotAsked(Vec<String>),
    /// Which host is the service's is not clear.
    #[error("the gate's probes ask {}: which of them lead to this service?", .0.join(" and "))]
    Ambiguous(Vec<String>),
}

impl Candidate {
    /// The hosts in whose place the candidate is asked, if the probes of its gate ask these.
    ///
    /// # Errors
    /// If nothing would observe it, or it is not clear what would.
    pub fn hosts_in(&self, asked: &BTreeSet<String>) -> Result<Vec<String>, CandidateUnseen> {
        match (self.hosts.as_slice(), asked.len()) {
            ([], 1) => Ok(asked.iter().cloned().collect()),
            ([], 0) => Err(CandidateUnseen::NotAsked(vec!["anything".to_owned()])),
            ([], _) => Err(CandidateUnseen::Ambiguous(asked.iter().cloned().collect())),
            (hosts, _) if hosts.iter().any(|host| asked.contains(&host.to_lowercase())) => Ok(self.hosts.clone()),
            (hosts, _) => Err(CandidateUnseen::NotAsked(hosts.to_vec())),
        }
    }
}

impl Declared for RunDeploy {
    const FORMAT: ActionFormat = ActionFormat {
        name: "gcp.run.deploy",
        outputs: &["revision"],
        with: Table {
            about: "Deploys an image as a new revision of a Cloud Run service.",
            keys: &[
                SERVICE.required(),
                Key::new("image", ValueType::Text, "The image, by digest.").required().example("\"…@sha256:…\""),
                Key::new(
                    "candidate",
                    ValueType::Text,
                    "A tag: the revision is deployed at 0 %, and gated at the tag's URL first.",
                )
                .example("\"cand\""),
                Key::new(
                    "hosts",
                    ValueType::Texts,
                    "Hosts that lead to the service: while it is a candidate, the gate's probes of them ask its tag.",
                )
                .example("[\"api.example.com\"]")
                .default("the only one that the gate's probes ask"),
                Key::new(
                    "shift",
                    ValueType::Percents,
                    "Shares of the traffic to move to it, one after another, gated at each.",
                )
                .example("[10, 50, 100]")
                .default("traffic is left to the service's own split; with a candidate it is held where it is"),
                Key::new("hold", ValueType::Duration, "How long the gate must hold at each share but the last.")
                    .example("\"1m\"")
                    .default("as the gate says"),
            ],
        },
    };

    fn read(with: &Block<'_, '_>) -> Option<RunDeploy> {
        let service = with.text(SERVICE_ARGUMENT);
        let image = with.text("image").map(Image::new);
        let tag = with.text("candidate");
        let hosts = with.texts("hosts").unwrap_or_default();
        if !hosts.is_empty() && !with.has("candidate") {
            let message = "`hosts` says where a candidate is asked, and there is no `candidate`";
            with.wrong("hosts", message, "add candidate = \"cand\", or take `hosts` out");
        }
        let candidate = tag.map(|tag| Candidate { tag, hosts });
        let shift = with.percents("shift").unwrap_or_default();
        let hold = with.positive_duration("hold");
        if with.has("hold") && !with.has("shift") {
            let message = "`hold` is how long the gate holds at each share of `shift`, and there is no `shift`";
            let mistake = Mistake::new(BAD_VALUE, with.place("hold"), message);
            with.reader.note(mistake.help("add shift = [10, 50, 100], or take `hold` out"));
        }
        Some(RunDeploy { service: service?, image: image?, candidate, shift, hold })
    }
}

impl StepAction for RunDeploy {
    fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        [Service::NAME, Traffic::NAME].map(|kind| target.resource(kind, &self.service)).to_vec()
    }

    fn desired_state(&self, target: &Target) -> Option<(ResourceId, Value)> {
        Some((target.resource(Service::NAME, &self.service), json!({ "image": self.image.as_str() })))
    }

    /// A deploy whose share of the traffic is raised step by step has none at first, and one that is only a candidate none at all. One that is left to a service which
    /// follows its newest revision is undone by way of a detour: giving the traffic back takes seconds, the old template
    /// minutes.
    fn plan(&self, step: &StepContext<'_>, forecast: &mut Forecast<'_>) -> Result<Vec<TaskDraft>, Obstacle> {
        let RunDeploy { service, image, candidate, shift, hold } = self;
        let holds_traffic = !shift.is_empty() || candidate.is_some();
        let hold = hold.or(step.gate.map(|gate| gate.hold)).unwrap_or_default();
        let id = forecast.target().resource(Service::NAME, service);
        let now: service::State = forecast.typed_state(&id)?;
        // An image whose newest revision never became ready is not deployed: it serves nobody.
        let already = now.image == image.as_str() && now.latest_ready_revision == now.revision;
        let new = service::name_revision(service, now.generation, image.as_str());
        let revision = if already { now.revision.clone() } else { new };
        forecast.define_output(step.step, "revision", revision.clone());

        let mut tasks = Vec::new();
        let before = forecast.split(service)?;
        let follows = before.share(LATEST) > 0 && !already;
        let fixed = follows.then(|| before.held(&now.latest_ready_revision));
        if let Some(fixed) = fixed.clone().filter(|_| holds_traffic) {
            let mut task = step.part("hold-traffic");
            forecast.split_traffic(service, &fixed, &mut task)?;
            // Whoever deploys in between gives the same words another meaning.
            if let Some(Value::Object(from)) = task.change.as_mut().map(|change| &mut change.from) {
                from.insert("latest".to_owned(), json!(now.latest_ready_revision));
            }
            tasks.push(task);
        }

        let mut deployed = if holds_traffic { step.part("revision") } else { step.whole() };
        if !holds_traffic {
            match fixed {
                Some(fixed) => {
                    let (from, to) = (to_json(&before)?, to_json(&fixed)?);
                    deployed.traffic_first = Some(Change { resource: forecast.traffic(service), from, to });
                }
                None if before.share(LATEST) == 0 => {
                    let warning = "traffic is pinned to named revisions: the new revision will serve nobody";
                    deployed.warnings.push(warning.to_owned());
                }
                None => {}
            }
        }
        if !already {
            let to = service::Owned { image: image.as_str().to_owned(), revision: Some(revision.clone()) };
            let from = json!({ "image": now.image });
            forecast.change_from::<Service>(id.clone(), from, to_json(&to)?, &mut deployed)?;
            let is_in_trouble = matches!(forecast.observed(&id), Some(Ok(seen)) if seen.trouble.is_some());
            if deployed.change.is_some() && is_in_trouble {
                deployed.warnings.push("what undoing would bring back is what is in trouble now".to_owned());
            }
            let next = now.generation.saturating_add(1);
            forecast.set(&id, &json!({ "generation": next, "latest_ready_revision": revision }));
        }
        tasks.push(deployed);

        if let Some(candidate @ Candidate { tag, .. }) = candidate {
            if now.default_url_disabled {
                let why = format!(
                    "the default URL of {service} is disabled, and so is the one of the tag {tag}: nothing could ask the candidate"
                );
                return Err(Obstacle::impossible(why).help(
                    "enable it with `gcloud run services update --default-url`, or take `candidate` out and begin with a small share",
                ));
            }
            let hosts = candidate.hosts_in(&step.gate_hosts).map_err(|why| Obstacle::impossible(why.to_string()))?;
            let mut task = step.part("candidate");
            let traffic = forecast.traffic(service);
            let tags = forecast.tags(service)?;
            let tagged = |revision: Option<&String>| traffic::Owned {
                targets: None,
                tags: BTreeMap::from([(tag.clone(), revision.cloned())]),
            };
            let (from, to) = (to_json(&tagged(tags.get(tag)))?, to_json(&tagged(Some(&revision)))?);
            forecast.change_from::<Traffic>(traffic, from, to, &mut task)?;
            task.gate = if shift.is_empty() { step.gate.cloned() } else { before_the_last(step.gate, hold) };
            task.warnings
                .push(format!("its gate asks the revision at its tag {tag}, in place of {}", hosts.join(" and ")));
            task.candidate = Some(CandidateTarget { service: id, tag: tag.clone(), hosts });
            tasks.push(task);
        }

        let others = forecast.split(service)?;
        for (place, share) in shift.iter().enumerate() {
            let last = place + 1 == shift.len();
            let mut task = step.part(&format!("shift-{}", share.get()));
            task.gate = if last { step.gate.cloned() } else { before_the_last(step.gate, hold) };
            forecast.split_traffic(service, &Split::of(shifted(&others, &revision, *share)), &mut task)?;
            if last && share.get() < 100 {
                task.warnings.push(format!("the rest of the traffic, {} %, stays where it is", 100 - share.get()));
            } else if last {
                task.warnings.push("traffic stays pinned to the new revision: a later deploy serves nobody until traffic is moved to it".to_owned());
            }
            tasks.push(task);
        }
        Ok(tasks)
    }

    fn rollback(&self) -> Rollback {
        Rollback::Possible
    }

    fn peer_requests(&self) -> Vec<PeerRequest> {
        Vec::new()
    }

    fn names(&self) -> Vec<Name<'_>> {
        let tag = self.candidate.as_ref().map(|candidate| Name::value("candidate", &candidate.tag, TAG_SHAPE));
        std::iter::once(Name::value(SERVICE_ARGUMENT, &self.service, Service::NAME_SHAPE)).chain(tag).collect()
    }
}

/// The gate at a share that is not the last: it holds for as long as is said for those, and proves no rate.
fn before_the_last(gate: Option<&GateRule>, hold: Duration) -> Option<GateRule> {
    gate.map(|gate| GateRule { hold, max_failure_rate: None, ..gate.clone() })
}

/// The split that gives the new revision its share and leaves the rest to the others, in proportion.
fn shifted(others: &Split, revision: &str, share: Percent) -> Vec<(String, i64)> {
    let rest = 100 - i64::from(share);
    let others: Vec<_> = others.shares().filter(|(name, _)| *name != revision).collect();
    let whole: i64 = others.iter().map(|(_, percent)| percent).sum();
    let mut shares: Vec<_> = others
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), (percent * rest).checked_div(whole).unwrap_or_default()))
        .collect();
    // What rounding down leaves over goes to the largest of the others, or to the new one if there is none.
    let left = rest - shares.iter().map(|(_, percent)| percent).sum::<i64>();
    let mut own = i64::from(share);
    match shares.first_mut() {
        Some((_, percent)) => *percent += left,
        None => own += left,
    }
    shares.insert(0, (revision.to_owned(), own));
    shares.retain(|(_, percent)| *percent > 0);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(shares: &[(&str, i64)]) -> Split {
        Split::of(shares.iter().map(|(revision, percent)| ((*revision).to_owned(), *percent)))
    }

    #[test]
    fn a_shift_always_adds_up_and_takes_from_the_others_in_proportion() {
        let others = split(&[("a", 50), ("b", 30), ("c", 20)]);
        for share in 1..=100 {
            let shares = shifted(&others, "new", Percent::try_from(share).unwrap());
            assert_eq!(shares.iter().map(|(_, percent)| percent).sum::<i64>(), 100, "at {share}");
            assert_eq!(shares[0], ("new".to_owned(), share));
        }
        let at_ten = shifted(&others, "new", Percent::try_from(10).unwrap());
        assert_eq!(at_ten[1..], [("a".to_owned(), 45), ("b".to_owned(), 27), ("c".to_owned(), 18)]);
    }

    #[test]
    fn a_shift_of_the_only_revision_is_everything() {
        let shares = shifted(&split(&[("new", 100)]), "new", Percent::try_from(10).unwrap());
        assert_eq!(shares, [("new".to_owned(), 100)]);
    }
}

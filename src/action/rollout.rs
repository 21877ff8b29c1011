//! A new revision of a Cloud Run service, and how traffic reaches it: as a candidate without traffic, in rising shares, or at
//! once.
//!
//! What makes the revision is the action's affair (another image, another configuration, or nothing but its being new); what
//! becomes of it is the same for all of them, and is here. A revision is named when it is planned, and is always a new one: Cloud
//! Run makes one if the template has a name that no revision has, whatever else is in it. (Without another name nothing is made
//! of an unchanged template, so `gcloud` forces one with a label that it changes each time, or with `--revision-suffix`. Sources:
//! `client.knative.dev/nonce` in `gcloud` 528, `command_lib/run/serverless_operations.py` and in Knative's client conventions;
//! coherenceplatform/cnc pull request 104 for templates that stay the same.) So no rollout is gated against the revision that was
//! there before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::forecast::to_json;
use super::{Forecast, Name, Obstacle, SERVICE_ARGUMENT, StepContext, TaskDraft};
use crate::gate::GateRule;
use crate::resource::service::{self, Service};
use crate::resource::traffic::{self, LATEST, Split, Traffic};
use crate::resource::{Kind, Observable as _};
use crate::run::{CandidateTarget, Change, NameOwner, NameShape, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, ValueType};
use crate::syntax::mistake::{BAD_VALUE, Mistake};
use crate::syntax::value::Percent;

/// The argument that names the service, in every action on one.
pub(super) const SERVICE: Key = Key::new(SERVICE_ARGUMENT, ValueType::Text, "The Cloud Run service's short name.")
    .example("\"netra-backend-staging\"");

/// A tag for the new revision.
pub(super) const CANDIDATE: Key =
    Key::new("candidate", ValueType::Text, "A tag: the revision is deployed at 0 %, and gated at the tag's URL first.")
        .example("\"cand\"");

/// Hosts in whose place a candidate is asked.
pub(super) const HOSTS: Key = Key::new(
    "hosts",
    ValueType::Texts,
    "Hosts that lead to the service: while it is a candidate, the gate's probes of them ask its tag.",
)
.example("[\"api.example.com\"]")
.default("the only one that the gate's probes ask");

/// Shares of the traffic.
pub(super) const SHIFT: Key =
    Key::new("shift", ValueType::Percents, "Shares of the traffic to move to it, one after another, gated at each.")
        .example("[10, 50, 100]")
        .default("traffic is left to the service's own split; with a candidate it is held where it is");

/// How long a gate holds at a share.
pub(super) const HOLD: Key =
    Key::new("hold", ValueType::Duration, "How long the gate must hold at each share but the last.")
        .example("\"1m\"")
        .default("as the gate says");

/// What a tag of traffic looks like. Source: the reference of Cloud Run.
const TAG_SHAPE: NameShape = NameShape {
    what: "a tag",
    min_length: 1,
    max_length: 46,
    owner: NameOwner::Google,
    description: "up to 46 lower-case letters, digits and hyphens, beginning with a letter",
};

/// How traffic reaches a new revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Short name of the service.
    pub service: String,
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

/// What makes the new revision: fields of the service's template, from one state to another.
pub(super) struct NewTemplate {
    /// The resource that has the fields.
    pub(super) resource: ResourceId,
    /// The fields before.
    pub(super) from: Value,
    /// The fields after, without the revision's name.
    pub(super) to: Value,
    /// What the revision's name is drawn from.
    pub(super) seed: String,
}

impl NewTemplate {
    /// Whether it changes no field, so that nothing but the revision is new.
    fn is_repeat(&self) -> bool {
        self.from == self.to
    }
}

/// Why traffic that was held is not given back to the newest revision, if nothing but the revision is new.
const HELD: &str = "the service's newest revision is the one that would be taken back";

/// Why a revision is not undone that differs in nothing from the one before.
const REPEATED: &str = "it changes nothing of the template, so only the traffic is given back";

impl Rollout {
    /// Reads it from the arguments of an action.
    pub(super) fn read(with: &Block<'_, '_>) -> Option<Rollout> {
        let service = with.text(SERVICE_ARGUMENT);
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
        Some(Rollout { service: service?, candidate, shift, hold })
    }

    /// What its plan rests on, besides the template.
    pub(super) fn observed_resources(&self, target: &Target) -> Vec<ResourceId> {
        [Service::NAME, Traffic::NAME].map(|kind| target.resource(kind, &self.service)).to_vec()
    }

    /// The names in its arguments.
    pub(super) fn names(&self) -> Vec<Name<'_>> {
        let tag = self.candidate.as_ref().map(|candidate| Name::value("candidate", &candidate.tag, TAG_SHAPE));
        std::iter::once(Name::value(SERVICE_ARGUMENT, &self.service, Service::NAME_SHAPE)).chain(tag).collect()
    }

    /// Whether traffic is held where it is until something moves it to the new revision.
    fn holds_traffic(&self) -> bool {
        !self.shift.is_empty() || self.candidate.is_some()
    }

    /// The tasks of a rollout. One whose share of the traffic is raised step by step has none at first, and one that is only a
    /// candidate none at all. One that is left to a service which follows its newest revision is undone by way of a detour: giving the
    /// traffic back takes seconds, the old template minutes.
    pub(super) fn plan<K: Kind>(
        &self,
        new: &NewTemplate,
        step: &StepContext<'_>,
        forecast: &mut Forecast<'_>,
    ) -> Result<Vec<TaskDraft>, Obstacle> {
        let service = &self.service;
        let id = forecast.target().resource(Service::NAME, service);
        let now: service::State = forecast.typed_state(&id)?;
        let revision = service::name_revision(service, now.generation, &new.seed);
        forecast.define_output(step.step, "revision", revision.clone());

        let mut tasks = Vec::new();
        let before = forecast.split(service)?;
        let fixed = (before.share(LATEST) > 0).then(|| before.held(&now.latest_ready_revision));
        if new.is_repeat() && self.is_behind_a_change(&now, &before, forecast)? {
            let why = format!(
                "an earlier step makes another revision of {service} or moves its traffic, and this one makes a revision that \
                 differs in nothing: behind it, the earlier step cannot be undone safely"
            );
            return Err(Obstacle::impossible(why).help(
                "take the earlier step out (with `candidate` or `shift` this one holds the traffic by itself), or let a run of its own do this",
            ));
        }
        if let Some(fixed) = fixed.as_ref().filter(|_| self.holds_traffic()) {
            let mut task = step.part("hold-traffic");
            forecast.split_traffic(service, fixed, &mut task)?;
            // Whoever deploys in between gives the same words another meaning.
            if let Some(Value::Object(from)) = task.change.as_mut().map(|change| &mut change.from) {
                from.insert("latest".to_owned(), json!(now.latest_ready_revision));
            }
            if new.is_repeat() && task.change.is_some() {
                task.reversibility = Reversibility::Stays { why: HELD.to_owned() };
            }
            tasks.push(task);
        }
        let mut deployed = self.new_revision::<K>(new, &revision, step, forecast)?;
        if !self.holds_traffic() {
            match fixed {
                Some(fixed) => {
                    let (from, to) = (to_json(&before)?, to_json(&fixed)?);
                    deployed.traffic_first = Some(Change { resource: forecast.traffic(service), from, to });
                }
                None => {
                    let warning = "traffic is pinned to named revisions: the new revision will serve nobody";
                    deployed.warnings.insert(0, warning.to_owned());
                }
            }
        }
        tasks.push(deployed);
        tasks.extend(self.tested(&now, &revision, step, forecast)?);
        tasks.extend(self.shifted_to(&revision, step, forecast)?);
        Ok(tasks)
    }

    /// Whether an earlier step of the plan makes a revision of the service, which is undone from what it left, or moves traffic to the
    /// newest revision or away from it, which would be given back to the one that is made now.
    fn is_behind_a_change(
        &self,
        now: &service::State,
        before: &Split,
        forecast: &Forecast<'_>,
    ) -> Result<bool, Obstacle> {
        let service = forecast.target().resource(Service::NAME, &self.service);
        let traffic: Split = forecast.observed_as(&forecast.traffic(&self.service))?;
        let is_moved = traffic != *before && before.share(LATEST) + traffic.share(LATEST) > 0;
        Ok(is_moved || forecast.observed_as::<service::State>(&service)?.revision != now.revision)
    }

    /// The task that makes the revision.
    fn new_revision<K: Kind>(
        &self,
        new: &NewTemplate,
        revision: &str,
        step: &StepContext<'_>,
        forecast: &mut Forecast<'_>,
    ) -> Result<TaskDraft, Obstacle> {
        let mut task = if self.holds_traffic() { step.part("revision") } else { step.whole() };
        let mut to = new.to.clone();
        if let Value::Object(to) = &mut to {
            to.insert("revision".to_owned(), json!(revision));
        }
        forecast.change_from::<K>(new.resource.clone(), new.from.clone(), to, &mut task)?;
        let id = forecast.target().resource(Service::NAME, &self.service);
        let is_in_trouble = matches!(forecast.observed(&id), Some(Ok(seen)) if seen.trouble.is_some());
        if new.is_repeat() {
            task.reversibility = Reversibility::Stays { why: REPEATED.to_owned() };
        } else if task.change.is_some() && is_in_trouble {
            task.warnings.push("what undoing would bring back is what is in trouble now".to_owned());
        }
        let next = forecast.typed_state::<service::State>(&id)?.generation.saturating_add(1);
        let made = json!({ "generation": next, "revision": revision, "latest_ready_revision": revision });
        forecast.set(&id, &made);
        Ok(task)
    }

    /// The task that tags the revision and gates it at the tag's address, if it is a candidate.
    fn tested(
        &self,
        now: &service::State,
        revision: &str,
        step: &StepContext<'_>,
        forecast: &mut Forecast<'_>,
    ) -> Result<Option<TaskDraft>, Obstacle> {
        let Some(candidate @ Candidate { tag, .. }) = &self.candidate else { return Ok(None) };
        let service = &self.service;
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
        let tags = forecast.tags(service)?;
        let tagged = |revision: Option<String>| traffic::Owned {
            targets: None,
            tags: BTreeMap::from([(tag.clone(), revision)]),
        };
        let from = to_json(&tagged(tags.get(tag).cloned()))?;
        let to = to_json(&tagged(Some(revision.to_owned())))?;
        forecast.change_from::<Traffic>(forecast.traffic(service), from, to, &mut task)?;
        task.gate =
            if self.shift.is_empty() { step.gate.cloned() } else { before_the_last(step.gate, self.held(step)) };
        task.notes.push(format!("its gate asks the revision at its tag {tag}, in place of {}", hosts.join(" and ")));
        let id = forecast.target().resource(Service::NAME, service);
        task.candidate = Some(CandidateTarget { service: id, tag: tag.clone(), hosts });
        Ok(Some(task))
    }

    /// The tasks that move traffic to the revision.
    fn shifted_to(
        &self,
        revision: &str,
        step: &StepContext<'_>,
        forecast: &mut Forecast<'_>,
    ) -> Result<Vec<TaskDraft>, Obstacle> {
        let others = forecast.split(&self.service)?;
        let mut tasks = Vec::new();
        for (place, share) in self.shift.iter().enumerate() {
            let last = place + 1 == self.shift.len();
            let mut task = step.part(&format!("shift-{}", share.get()));
            task.gate = if last { step.gate.cloned() } else { before_the_last(step.gate, self.held(step)) };
            forecast.split_traffic(&self.service, &Split::of(shifted(&others, revision, *share)), &mut task)?;
            if last && share.get() < 100 {
                task.notes.push(format!("the rest of the traffic, {} %, stays where it is", 100 - share.get()));
            } else if last {
                task.warnings.push("traffic stays pinned to the new revision: a later deploy serves nobody until traffic is moved to it".to_owned());
            }
            tasks.push(task);
        }
        Ok(tasks)
    }

    /// How long the gate holds at each share but the last.
    fn held(&self, step: &StepContext<'_>) -> Duration {
        self.hold.or(step.gate.map(|gate| gate.hold)).unwrap_or_default()
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

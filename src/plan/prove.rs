//! The second look: what the API says to the changes, and whether there is something to go back to.
//!
//! Only the first change of a service can be asked about: a later one rests on what the first will have brought about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;

use super::is_outside_the_cloud;
use super::observe::{AT_ONCE, Trials};
use super::{Known, Plan, Problem, Trial};
use crate::action::ObstacleKind;
use crate::gate::{GateRule, Health, Observation, Percentiles};
use crate::resource::service::Service;
use crate::resource::template::Template;
use crate::resource::traffic::{LATEST, Split, Traffic};
use crate::resource::{Cloud, Kinds, Observable, ReadError, Seen, Validity, revision};
use crate::run::{ResourceId, Task, TaskId};

/// How far back errors of a revision that is to serve are looked for.
const RECENTLY: Duration = Duration::from_mins(5);

/// How long a plan waits for what is only worth a warning.
const SOON: Duration = Duration::from_secs(20);

/// An undo is quicker to be believed than a change: it leads to where things were.
const UNDONE_FOR: Duration = Duration::from_secs(30);
const UNDONE_WITHIN: Duration = Duration::from_mins(5);

impl Plan {
    /// Takes what the probes of its gates say of the cloud as it is: a gate that passes before anything is done proves
    /// nothing.
    ///
    /// What is healthy now must be healthy again after an undo, and what is not need not be.
    pub fn try_gates(&mut self, trials: &Trials) {
        let samples = &trials.samples;
        self.baseline.clone_from(samples);
        self.untried.clone_from(&trials.untried);
        self.note_tried(trials);
        let unhealthy = self.unhealthy_by_subject(samples);
        let is_well = |name: &String| samples.get(name).is_some_and(|sample| sample.health == Health::Healthy);
        let mut changed: BTreeSet<String> = BTreeSet::new();
        for task in &mut self.tasks {
            let is_first_step = changed.iter().all(|step| step == task.id.step());
            if task.change.is_some() {
                changed.insert(task.id.step().to_owned());
            }
            task.unhealthy_before = unhealthy.get(&task.id).cloned().unwrap_or_default();
            // What has no traffic is not there yet, and when it is gone again nobody can tell.
            if let (Some(candidate), Some(review)) = (&task.candidate, self.reviews.get_mut(&task.id)) {
                let why = format!("the tag {} is not there yet", candidate.tag);
                review.trial = task.gate.is_some().then_some(Trial::Unknown { why });
                continue;
            }
            let undoable = task.change.is_some()
                && !task.is_finally()
                && (task.reversibility.is_undone() || task.traffic_first.is_some());
            task.undo_gate = task.gate.as_ref().filter(|_| undoable).and_then(|gate| {
                let healthy: Vec<String> = gate.healthy.iter().filter(|name| is_well(name)).cloned().collect();
                let (hold, timeout) = (gate.hold.min(UNDONE_FOR), gate.timeout.min(UNDONE_WITHIN));
                let latency = Percentiles::default();
                let rule = GateRule { healthy, hold, timeout, max_failure_rate: None, latency, ..gate.clone() };
                (!rule.healthy.is_empty()).then_some(rule)
            });
            // What an earlier step changes may well be the cure.
            let answered_by_others = answered_by_others(task, samples).filter(|_| is_first_step);
            let answered_by_others = answered_by_others.filter(|why| !task.warnings.contains(why));
            task.warnings.extend(answered_by_others);
            if let (Some(gate), Some(review)) = (&task.gate, self.reviews.get_mut(&task.id)) {
                review.trial = Some(trial(gate, trials));
            }
        }
    }
}

impl Plan {
    /// For each task whose undo brings back what the baseline saw: the probes that were unhealthy, among those by which gates
    /// judge what it changes.
    fn unhealthy_by_subject(
        &self,
        samples: &BTreeMap<String, Observation>,
    ) -> BTreeMap<TaskId, BTreeMap<String, String>> {
        let unhealthy = |name: &String| match samples.get(name).map(|sample| &sample.health) {
            Some(Health::Unhealthy { why }) => Some((name.clone(), why.clone())),
            _ => None,
        };
        let mut before: BTreeMap<_, BTreeMap<String, String>> = BTreeMap::new();
        for (subject, gate) in self.tasks.iter().filter_map(|task| Some((task.subject()?, task.gate.as_ref()?))) {
            before.entry(subject).or_default().extend(gate.healthy.iter().filter_map(unhealthy));
        }
        let mut changed = BTreeSet::new();
        let restores = self.tasks.iter().filter(|task| {
            let is_first = task.change.as_ref().is_some_and(|change| changed.insert(&change.resource));
            !task.reversibility.is_irreversible() && self.restores_baseline(task, is_first)
        });
        restores.filter_map(|task| Some((task.id.clone(), before.get(&task.subject()?)?.clone()))).collect()
    }

    /// Whether what a task's undo leads to is what was there when the plan was made. Of a Cloud Run service it is what serves
    /// that counts: a revision without traffic restores nothing, and neither does a name for the one that has it.
    fn restores_baseline(&self, task: &Task, is_first: bool) -> bool {
        let Some(change) = &task.change else { return false };
        match change.resource.kind.as_str() {
            Traffic::NAME => {
                let state = self.observed.get(&change.resource).map(|basis| &basis.state);
                let latest = state.and_then(|state| state.get("latest")).and_then(Value::as_str).unwrap_or_default();
                let serving =
                    |state: &Value| Some(shares(&serde_json::from_value::<Split>(state.clone()).ok()?, latest));
                let (from, to, baseline) = (serving(&change.from), serving(&change.to), state.and_then(serving));
                from == baseline && from != to
            }
            // A new template serves only where the traffic follows the newest revision: then it is undone by a detour.
            Service::NAME | Template::NAME => is_first && task.traffic_first.is_some(),
            _ => is_first,
        }
    }
}

/// Which revisions serve, and with which share.
fn shares(split: &Split, latest: &str) -> BTreeMap<String, i64> {
    split.held(latest).shares().map(|(revision, share)| (revision.to_owned(), share)).collect()
}

/// That what a gate asks goes on being answered mostly by revisions that serve now, and are unhealthy.
fn answered_by_others(task: &Task, samples: &BTreeMap<String, Observation>) -> Option<String> {
    let (gate, change) = task.gate.as_ref().zip(task.change.as_ref())?;
    if change.resource.kind != Traffic::NAME {
        return None;
    }
    let split = |value: &Value| serde_json::from_value::<Split>(value.clone()).ok();
    let (before, after) = (split(&change.from)?, split(&change.to)?);
    let stays: i64 = after.shares().filter(|(name, _)| before.share(name) > 0).map(|(_, share)| share).sum();
    let is_unhealthy = |name: &&String| {
        gate.probe_traits(name).sampling.has_rate()
            && matches!(samples.get(*name).map(|sample| &sample.health), Some(Health::Unhealthy { .. }))
    };
    let unhealthy: Vec<&str> = gate.healthy.iter().filter(is_unhealthy).map(String::as_str).collect();
    (stays > 50 && stays < 100 && !unhealthy.is_empty()).then(|| {
        format!(
            "{stays} % of the traffic stays on revisions that serve now, and their answers are unhealthy ({}): this gate is not \
             expected to pass at this share",
            unhealthy.join(", ")
        )
    })
}

/// What a gate says of the cloud as it is.
fn trial(gate: &GateRule, trials: &Trials) -> Trial {
    let (mut shut, mut unknown, mut untried) = (None, None, None);
    for name in &gate.healthy {
        if let Some(why) = trials.untried.get(name) {
            untried = untried.or_else(|| Some(format!("{name}: {why}")));
            continue;
        }
        match trials.samples.get(name).map(|sample| &sample.health) {
            Some(Health::Healthy) => {}
            Some(Health::Unhealthy { why }) => shut = shut.or_else(|| Some(format!("{name}: {why}"))),
            Some(Health::Unknown { why } | Health::Broken { why }) => {
                unknown = unknown.or_else(|| Some(format!("{name}: {why}")));
            }
            None => unknown = unknown.or_else(|| Some(format!("{name} was not observed"))),
        }
    }
    match (shut, unknown, untried) {
        (Some(why), ..) => Trial::Shut { why },
        (None, Some(why), _) => Trial::Unknown { why },
        (None, None, Some(why)) => Trial::Untried { why },
        (None, None, None) => Trial::Open,
    }
}

/// Asks the API about the changes, as far as it can be asked, and looks at what they would be undone to.
pub async fn prove(plan: &mut Plan, kinds: &Kinds, cloud: &Cloud) {
    let asked = first_changes(plan.tasks.iter().filter(|task| !is_outside_the_cloud(task)));
    let observed = &plan.observed;
    let answers = stream::iter(asked).map(|task| async move {
        let answer = match &task.change {
            Some(change) => match kinds.of(&change.resource) {
                Ok(kind) => {
                    let etag = observed.get(&change.resource).and_then(|basis| basis.etag.as_deref());
                    kind.validate(change, etag).await
                }
                Err(error) => Err(error),
            },
            None => Ok(Validity::NotAsked),
        };
        (task.id.clone(), answer)
    });
    let targets = stream::iter(undo_targets(&plan.tasks)).map(|id| async move {
        let seen = kinds.observe(&id).await;
        (id, seen)
    });
    let since = plan.observed_at.and_then(|at| at.checked_sub(RECENTLY).ok());
    let project = &plan.project;
    let recent = stream::iter(since.into_iter().flat_map(|since| {
        chosen(&plan.tasks).into_iter().map(move |revision| async move {
            let filter = format!(
                "resource.type=\"cloud_run_revision\" AND resource.labels.revision_name=\"{revision}\" AND httpRequest.status=503"
            );
            (revision, soon(cloud.log(project, &filter, since, None, 1)).await)
        })
    }));
    let (answers, targets, recent) = futures::join!(
        answers.buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>(),
        targets.buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>(),
        recent.buffer_unordered(AT_ONCE).collect::<BTreeMap<_, _>>()
    );
    for (task, answer) in answers {
        take(plan, &task, answer);
    }
    for task in &mut plan.tasks {
        let gone: Vec<String> = revisions_before(task).filter_map(|id| no_way_back(&id, targets.get(&id)?)).collect();
        task.warnings.extend(gone);
        let failing = chosen(std::slice::from_ref(task)).into_iter().filter_map(|revision| {
            let failed = !recent.get(&revision)?.as_ref()?.as_ref().ok()?.is_empty();
            failed.then(|| format!("{revision} answered 503 in the last {}", crate::clock::format_duration(RECENTLY)))
        });
        task.warnings.extend(failing.collect::<Vec<_>>());
    }
}

/// What a look brings, if that is soon: it is worth a warning, and no plan waits for it.
#[expect(clippy::disallowed_methods, reason = "as an attempt's time-out: for the network, not for the cloud")]
async fn soon<T>(look: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(SOON, look).await.ok()
}

/// The revisions that exist and that these tasks give more traffic to.
fn chosen(tasks: &[Task]) -> BTreeSet<String> {
    let new = new_revisions(tasks);
    let changes = tasks.iter().filter_map(|task| task.change.as_ref());
    let splits = changes.filter(|change| change.resource.kind == Traffic::NAME).filter_map(|change| {
        let of = |value: &Value| serde_json::from_value::<Split>(value.clone()).ok();
        let latest = change.from.get("latest").and_then(Value::as_str);
        Some((of(&change.from)?, latest, of(&change.to)?))
    });
    let names = splits.flat_map(|(before, latest, after)| {
        // What is held where it is, is not chosen.
        let had = |name: &str| before.share(name) + if latest == Some(name) { before.share(LATEST) } else { 0 };
        let more = after.shares().filter(|(name, share)| *share > had(name));
        more.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    });
    // What stands in a filter is a name and nothing more.
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    names.filter(|name| name != LATEST && is_name(name) && !new.contains(name.as_str())).collect()
}

fn new_revisions(tasks: &[Task]) -> BTreeSet<&str> {
    tasks.iter().filter_map(|task| task.change.as_ref()?.to.get("revision").and_then(Value::as_str)).collect()
}

/// The first change of each service, connector or instance.
fn first_changes<'t>(tasks: impl Iterator<Item = &'t Task>) -> Vec<&'t Task> {
    let mut begun = BTreeSet::new();
    tasks.filter(|task| task.subject().is_some_and(|subject| begun.insert(subject))).collect()
}

fn take(plan: &mut Plan, task: &TaskId, answer: Result<Validity, ReadError>) {
    let known = match answer {
        Ok(Validity::Accepted) => Known::Validated,
        Ok(Validity::NotAsked) => Known::Computed { why: "this API has no validateOnly".to_owned() },
        Ok(Validity::Withheld) => Known::Computed {
            why: "the API was not asked: a value is secret, and none is sent while planning".to_owned(),
        },
        Ok(Validity::Refused { why }) => {
            let why = format!("the API would refuse {task}: {why}");
            plan.problems.push(Problem::new(task.step().to_owned(), ObstacleKind::Impossible, why));
            return;
        }
        // It was a write that would not have been made, and nothing that was to be read.
        Err(ReadError::Refused { why, .. }) => {
            Known::Computed { why: format!("the API refused to validate it: {why}") }
        }
        Err(error) => Known::Computed { why: format!("the API could not be asked: {error}") },
    };
    if let Some(review) = plan.reviews.get_mut(task) {
        review.known = Some(known);
    }
}

/// The revisions that undoing these tasks would give traffic to.
fn undo_targets(tasks: &[Task]) -> BTreeSet<ResourceId> {
    let new = new_revisions(tasks);
    tasks.iter().flat_map(revisions_before).filter(|id| !new.iter().any(|new| id.name.ends_with(new))).collect()
}

fn revisions_before(task: &Task) -> impl Iterator<Item = ResourceId> + use<> {
    let change = task.change.as_ref().filter(|change| change.resource.kind == Traffic::NAME);
    let back = change
        .map(|change| (change, &change.from))
        .or(task.traffic_first.as_ref().map(|traffic_first| (traffic_first, &traffic_first.to)));
    let before = back.and_then(|(change, back)| {
        let split: Split = serde_json::from_value(back.clone()).ok()?;
        let named = split.shares().filter(|(name, _)| *name != LATEST);
        Some(named.map(|(name, _)| revision::of(&change.resource, name)).collect::<Vec<_>>())
    });
    before.unwrap_or_default().into_iter()
}

fn no_way_back(id: &ResourceId, seen: &Result<Seen<Value>, ReadError>) -> Option<String> {
    let name = id.name.rsplit('/').next().unwrap_or_default();
    match seen {
        Ok(seen) if seen.state.get("ready").and_then(Value::as_bool) == Some(true) => None,
        Ok(_) => Some(format!("undoing it gives traffic to {name}, which is not ready")),
        Err(ReadError::NotFound { .. }) => {
            Some(format!("undoing it gives traffic to {name}, which does not exist any more"))
        }
        Err(_) => Some(format!("whether {name} is there to go back to could not be observed")),
    }
}

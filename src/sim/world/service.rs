//! Cloud Run services and their revisions: what they are told to be, what they are, and how the API shows both.
//!
//! The *spec* (template, traffic, and the rest that a caller sets) changes with a request. The *status* (which
//! revision is ready, who gets the traffic, `observedGeneration`) lags behind until the operation of that request has
//! ended; meanwhile the service is `reconciling`. After a failure the status keeps what served last, while the spec
//! keeps what was asked for (source: the comment on `reconciling` in `google/cloud/run/v2/service.proto`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::traffic::Target;
use super::{World, digest, template};

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// A name that no other service ever had.
    pub uid: String,
    /// Counts the changes of the spec.
    pub generation: i64,
    /// The generation that the status speaks of.
    pub observed_generation: i64,
    /// When it was created.
    pub created: Timestamp,
    /// When its spec last changed.
    pub updated: Timestamp,
    /// Who created it.
    pub creator: String,
    /// Who last changed its spec.
    pub last_modifier: String,
    /// What a caller may set, besides the template and the traffic.
    pub spec: Map<String, Value>,
    /// What the next revision is made from.
    pub template: Map<String, Value>,
    /// How the traffic shall be divided; never empty (an empty list in a request becomes 100 % latest).
    pub traffic: Vec<Target>,
    /// How the traffic is divided.
    pub traffic_statuses: Vec<Target>,
    /// The revision that was made last, ready or not.
    pub latest_created: String,
    /// The revision that became ready last: it serves what goes to "latest".
    pub latest_ready: String,
    /// Whether an operation is running.
    pub reconciling: bool,
    /// The state of the condition `Ready`.
    pub ready: Condition,
    /// The revisions by short name.
    pub revisions: BTreeMap<String, Revision>,
    /// What is the scenario's about it.
    pub figures: Figures,
    /// Whose turn it is when the traffic is divided: a weight for each revision.
    #[serde(default)]
    pub turns: BTreeMap<String, i64>,
}

/// What the scenario says about a service; none of it is known of Google.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The host names that lead to it, besides its own addresses at run.app.
    pub hosts: Vec<String>,
    /// The paths that its application knows.
    pub paths: Vec<String>,
    /// The path of its health page.
    pub health_path: String,
    /// The services without which its health page is red.
    pub needs: Vec<String>,
    /// How many instances a revision runs while it has any share of the traffic, if it may.
    pub instances: u64,
    /// How many connections each of them holds, through its connector and to its database.
    pub connections_per_instance: u64,
    /// For how long an instance tries to get its first connection before it exits; none: it gets one at once or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<SignedDuration>,
    /// The Cloud SQL instance that it cannot do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// How long a healthy answer takes.
    pub latency: SignedDuration,
    /// How long a request waits before a starved connector fails it.
    pub starved_latency: SignedDuration,
    /// How long it takes until a request to a crashing container fails.
    pub crash_latency: SignedDuration,
    /// How long instances need to become healthy once the cause of their illness has gone.
    pub start_up: SignedDuration,
    /// How long it takes until a new revision is ready or has failed.
    pub deploy_takes: SignedDuration,
    /// How long a change without a new revision takes.
    pub traffic_takes: SignedDuration,
    /// How many visitors it has beside those whose requests are really sent.
    #[serde(default)]
    pub requests_per_minute: u64,
    /// Where its users log in, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Its chat over a WebSocket, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Chat>,
}

/// Where users log in: a POST of `{"user", "password"}` is answered with `{"token"}`, or 401.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The path.
    pub path: String,
    /// The one user.
    pub user: String,
    /// Their password.
    pub password: String,
    /// What they are given.
    pub token: String,
}

/// A chat over a WebSocket: each message is answered with events, and then with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// The path.
    pub path: String,
    /// The bearer token that it asks for, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The types of the events that it sends, in the order in which it sends them: one that is left out is dropped.
    #[serde(default = "five_events")]
    pub events: Vec<String>,
    /// How long it takes from one event to the next.
    #[serde(default = "soon")]
    pub pause: SignedDuration,
}

/// The events of the incident's application, in their right order.
fn five_events() -> Vec<String> {
    ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"].map(str::to_owned).into()
}

fn soon() -> SignedDuration {
    SignedDuration::from_millis(100)
}

/// A revision: a template that was started once, and never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// A name that no other revision ever had.
    pub uid: String,
    /// When it was created.
    pub created: Timestamp,
    /// What it was made from, without the revision's name.
    pub template: Map<String, Value>,
    /// The digest of each container's image, found when the revision was created.
    pub digests: Vec<String>,
    /// Whether it ever started.
    pub ready: Condition,
    /// Whether something keeps its instances from answering (see [`super::health`]).
    #[serde(default)]
    pub ill: bool,
    /// When that which had kept them from answering went away.
    #[serde(default)]
    pub recovered: Option<Timestamp>,
}

/// A condition of a service or a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Succeeded, failed, or not known yet.
    pub state: ConditionState,
    /// What a person reads.
    #[serde(default)]
    pub message: String,
    /// The `revisionReason`, if there is one.
    #[serde(default)]
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// The states of `Condition.State` that occur here (`google/cloud/run/v2/condition.proto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConditionState {
    /// Being worked on.
    ConditionReconciling,
    /// It did not work out.
    ConditionFailed,
    /// It is so.
    ConditionSucceeded,
}

impl Condition {
    /// A condition in this state since `since`, with nothing to say about it.
    pub fn new(state: ConditionState, since: Timestamp) -> Self {
        Self { state, message: String::new(), reason: None, since }
    }

    fn wire(&self, kind: &str) -> Value {
        let mut wire = json!({ "type": kind, "state": self.state, "lastTransitionTime": self.since.to_string() });
        if !self.message.is_empty() {
            wire["message"] = json!(self.message);
        }
        if self.state == ConditionState::ConditionFailed {
            wire["severity"] = json!("ERROR");
        }
        if let Some(reason) = &self.reason {
            wire["revisionReason"] = json!(reason);
        }
        wire
    }
}

impl Revision {
    /// Whether it ever started; only then can it be given traffic.
    pub fn is_ready(&self) -> bool {
        self.ready.state == ConditionState::ConditionSucceeded
    }

    /// The revision as the API shows it.
    ///
    /// The v2 message has no field for the digest that a tag stood for, so its containers show the digest itself.
    /// That Google does so is not known from a primary source.
    pub fn wire(&self, world: &World, service: &str, short: &str) -> Value {
        let generation = 1;
        let mut wire = json!({
            "name": format!("{}/revisions/{short}", world.service_name(service)),
            "uid": self.uid,
            "generation": generation.to_string(),
            "createTime": self.created.to_string(),
            "updateTime": self.ready.since.to_string(),
            "launchStage": "GA",
            "service": service,
        });
        let mut template = self.template.clone();
        let containers = template.get_mut("containers").and_then(Value::as_array_mut).into_iter().flatten();
        for (container, digest) in containers.zip(&self.digests) {
            container["image"] = json!(digest);
        }
        let reconciling = self.ready.state == ConditionState::ConditionReconciling;
        if let Some(wire) = wire.as_object_mut() {
            wire.extend(template);
            wire.insert("conditions".into(), json!([self.ready.wire("Ready"), self.ready.wire("ContainerHealthy")]));
            if reconciling {
                wire.insert("reconciling".into(), json!(true));
            }
            wire.insert("observedGeneration".into(), json!(generation.to_string()));
        }
        with_etag(wire)
    }
}

impl Service {
    /// How the traffic is divided, by revision: "latest" is resolved, equal names are added up, zeros are left out.
    pub fn serving(&self) -> BTreeMap<String, i64> {
        let mut shares = BTreeMap::new();
        for target in self.traffic_statuses.iter().filter(|target| target.percent > 0) {
            let name = target.revision.as_ref().unwrap_or(&self.latest_ready);
            *shares.entry(name.clone()).or_insert(0) += target.percent;
        }
        shares
    }

    /// The host of its address at run.app.
    pub fn own_host(&self, world: &World, short: &str) -> String {
        format!("{short}-{}.{}.run.app", world.project_number, world.region)
    }

    /// The host of a tag's address. Clients must read it from `trafficStatuses[].uri`, not build it.
    pub fn tag_host(&self, world: &World, short: &str, tag: &str) -> String {
        let hash = digest(&format!("{}/{short}", world.project), 10);
        format!("{tag}---{short}-{hash}-uc.a.run.app")
    }

    /// The service as the API shows it, etag included.
    pub fn wire(&self, world: &World, short: &str) -> Value {
        let name = world.service_name(short);
        let revision_name = |revision: &str| format!("{name}/revisions/{revision}");
        let uri = format!("https://{}", self.own_host(world, short));
        let statuses: Vec<Value> = self
            .traffic_statuses
            .iter()
            .map(|target| {
                let mut status = target.wire();
                if let Some(tag) = &target.tag {
                    status["uri"] = json!(format!("https://{}", self.tag_host(world, short, tag)));
                }
                status
            })
            .collect();
        let mut wire = json!({
            "name": name,
            "uid": self.uid,
            "generation": self.generation.to_string(),
            "createTime": self.created.to_string(),
            "updateTime": self.updated.to_string(),
            "creator": self.creator,
            "lastModifier": self.last_modifier,
        });
        if let Some(wire) = wire.as_object_mut() {
            wire.extend(self.spec.clone());
            wire.insert("template".into(), json!(self.template));
            wire.insert("traffic".into(), self.traffic.iter().map(Target::wire).collect());
            wire.insert("observedGeneration".into(), json!(self.observed_generation.to_string()));
            wire.insert("terminalCondition".into(), self.ready.wire("Ready"));
            wire.insert("conditions".into(), self.conditions());
            if !self.latest_ready.is_empty() {
                wire.insert("latestReadyRevision".into(), json!(revision_name(&self.latest_ready)));
            }
            wire.insert("latestCreatedRevision".into(), json!(revision_name(&self.latest_created)));
            wire.insert("trafficStatuses".into(), json!(statuses));
            wire.insert("uri".into(), json!(uri));
            wire.insert("urls".into(), json!([uri]));
            if self.reconciling {
                wire.insert("reconciling".into(), json!(true));
            }
        }
        with_etag(wire)
    }

    /// Whether the latest revision came up.
    pub(super) fn configuration(&self) -> Condition {
        self.revisions.get(&self.latest_created).map_or(&self.ready, |latest| &latest.ready).clone()
    }

    /// Whether the traffic goes where it shall.
    pub(super) fn routes(&self) -> Condition {
        if self.reconciling || self.traffic_statuses.is_empty() {
            self.ready.clone()
        } else {
            Condition::new(ConditionState::ConditionSucceeded, self.ready.since)
        }
    }

    /// The two conditions that `Ready` is made of.
    fn conditions(&self) -> Value {
        json!([self.routes().wire("RoutesReady"), self.configuration().wire("ConfigurationsReady")])
    }

    /// Gives up catching up with the spec, for a reason that has nothing to do with it.
    pub(super) fn call_off(&mut self, revision: Option<&str>, message: &str, now: Timestamp) {
        let failed = Condition {
            message: message.to_owned(),
            reason: None,
            ..Condition::new(ConditionState::ConditionFailed, now)
        };
        self.reconciling = false;
        self.ready = failed.clone();
        if let Some(revision) = revision.and_then(|revision| self.revisions.get_mut(revision)) {
            revision.ready = failed;
        }
    }

    /// How many instances a revision with traffic runs: what the scenario has, within what the template and the service
    /// allow. The service's bound is divided among the revisions by their traffic (source: `max_instance_count` in
    /// `google/cloud/run/v2/vendor_settings.proto`); that it is rounded up is ours.
    pub fn instances_of(&self, revision: &str) -> u64 {
        let most = |scaling: Option<&Value>| scaling?.get("maxInstanceCount")?.as_u64().filter(|most| *most > 0);
        let template = self.revisions.get(revision).and_then(|revision| most(revision.template.get("scaling")));
        let share = self.serving().get(revision).copied().unwrap_or_default();
        let part = |all: u64| all.saturating_mul(u64::try_from(share).unwrap_or_default()).div_ceil(100).max(1);
        let service = most(self.spec.get("scaling")).map(part);
        [template, service].into_iter().flatten().fold(self.figures.instances, u64::min)
    }

    /// The connector that a revision's instances use.
    pub fn connector_of(&self, revision: &str) -> Option<&str> {
        template::connector(&self.revisions.get(revision)?.template)
    }
}

/// Adds the etag: a fingerprint of everything else, so it changes whenever anything changes.
fn with_etag(mut wire: Value) -> Value {
    let etag = format!("\"{}\"", digest(&wire.to_string(), 24));
    wire["etag"] = json!(etag);
    wire
}

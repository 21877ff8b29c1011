//! Cloud Run services and their revisions: what they are told to be, what they are, and how the API shows both.
//!
//! The *spec* (template, traffic, and the rest that a caller sets) changes with a request. The *status* (which
//! revision is ready, who gets the traffic, `observedGeneration`) lags behind until the operation of that request has
//! ended; meanwhile the service is `reconciling`. After a failure the status keeps what served last, while the spec
//! keeps what was asked for (source: the comment on `reconciling` in `google/cloud/run/v2/service.proto`).

use std::collections::BTreeMap;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::template;
use super::traffic::Target;
use crate::sim::clock::later;
use crate::sim::world::expression::Expression;
use crate::sim::world::{World, digest};

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
    /// What the status still shows of the time before the change that was accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// Why the traffic could not be divided as it should, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrouted: Option<Condition>,
    /// When somebody asked to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// Whose turn it is when the traffic is divided: a weight for each revision.
    #[serde(default)]
    pub turns: BTreeMap<String, i64>,
}

/// What a service shows until Cloud Run has begun with a change: the statuses of before (recorded: the answer to an update has
/// the old `latestCreatedRevision`, conditions that have succeeded, and a `terminalCondition` that is PENDING).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Until when; how long it takes to begin is ours.
    pub until: Timestamp,
    /// The revision that was made last before; none, if the service was not there before.
    pub latest_created: Option<String>,
    /// The revision that the change makes.
    pub makes: Option<String>,
    /// Since when `Ready` is as it was.
    pub since: Timestamp,
    /// What `RoutesReady` was.
    pub routes: Condition,
    /// What `ConfigurationsReady` was.
    pub configuration: Condition,
}

/// How long Cloud Run takes to begin with a change, if the whole change does not take less.
const BEGINS: SignedDuration = SignedDuration::from_secs(1);

/// How long a deleted service could be had back (recorded: `expireTime` is 30 days after `deleteTime`).
const EXPIRES: SignedDuration = SignedDuration::from_hours(30 * 24);

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
    /// While this holds, it answers 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy_while: Option<Expression>,
    /// Where its users log in, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Its chat over a WebSocket, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Chat>,
    /// What its application shows as JSON, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pages: BTreeMap<String, Value>,
    /// What its application can be told to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<AppCommand>,
}

/// A request by which an application is told to do something: what it shows on one of its pages becomes something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppCommand {
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// The path.
    pub path: String,
    /// The status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// The page that becomes something else.
    pub page: String,
    /// What that becomes.
    pub becomes: Value,
}

fn post() -> String {
    "POST".to_owned()
}

fn ok() -> u16 {
    200
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
    /// Whether something keeps its instances from answering (see [`crate::sim::world::health`]).
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
    /// It was asked for.
    ConditionPending,
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
        wire["etag"] = json!(etag(self.created, &format!("{}/revisions/{short}", world.service_name(service))));
        wire
    }
}

impl Service {
    /// Notes that a change of its spec was accepted, which takes this long in all: a new generation, the time (Google's
    /// never stands still between two changes), and what is shown until Cloud Run has begun.
    pub(super) fn accept(&mut self, now: Timestamp, takes: SignedDuration, makes: Option<String>) {
        self.accepted = Some(Accepted {
            until: later(now, takes.min(BEGINS)),
            latest_created: Some(self.latest_created.clone()).filter(|_| self.generation > 0),
            makes,
            since: self.ready.since,
            routes: self.routes(),
            configuration: self.configuration(),
        });
        self.generation += 1;
        self.updated = now.max(later(self.updated, SignedDuration::from_micros(1)));
        self.reconciling = true;
        self.unrouted = None;
        self.ready = Condition::new(ConditionState::ConditionReconciling, now);
    }

    /// What it still shows of before.
    fn pending(&self, now: Timestamp) -> Option<&Accepted> {
        self.accepted.as_ref().filter(|accepted| now < accepted.until)
    }

    /// The revision that is shown as the one that was made last.
    pub fn latest_created_shown(&self, now: Timestamp) -> &str {
        let before = self.pending(now).and_then(|accepted| accepted.latest_created.as_ref());
        before.unwrap_or(&self.latest_created)
    }

    /// Whether a revision can be read by now: one that a change makes is not there before Cloud Run has begun with it.
    pub fn shows(&self, revision: &str, now: Timestamp) -> bool {
        self.pending(now).is_none_or(|accepted| accepted.makes.as_deref() != Some(revision))
    }

    /// How the traffic is divided, by revision: "latest" is resolved, equal names are added up, zeros are left out.
    pub fn serving(&self) -> BTreeMap<String, i64> {
        let mut shares = BTreeMap::new();
        for target in self.traffic_statuses.iter().filter(|target| target.percent > 0) {
            let name = target.revision.as_ref().unwrap_or(&self.latest_ready);
            *shares.entry(name.clone()).or_insert(0) += target.percent;
        }
        shares
    }

    /// The hosts of its addresses at run.app, in the order of `urls`: the one that can be told from names and numbers, and the
    /// one with a hash, which is its `uri` (sources: answers quoted in google-github-actions/deploy-cloudrun issue 556 and in
    /// firebase-tools). That every region is shortened to `uc` is ours. `None` if `defaultUriDisabled` is true: then the API
    /// shows no address (source: GoogleContainerTools/skaffold issue 9522) and these hosts lead nowhere.
    pub fn default_hosts(&self, world: &World, short: &str) -> Option<[String; 2]> {
        if self.spec.get("defaultUriDisabled").and_then(Value::as_bool).unwrap_or_default() {
            return None;
        }
        let hash = digest(&format!("{}/{short}", world.project), 10);
        let told = format!("{short}-{}.{}.run.app", world.project_number, world.region);
        Some([told, format!("{short}-{hash}-uc.a.run.app")])
    }

    /// The host of a tag's address, which goes with the default ones. Clients must read it from `trafficStatuses[].uri`, not
    /// build it.
    pub fn tag_host(&self, world: &World, short: &str, tag: &str) -> Option<String> {
        let [_, hashed] = self.default_hosts(world, short)?;
        Some(format!("{tag}---{hashed}"))
    }

    /// The service as the API shows it, etag included.
    pub fn wire(&self, world: &World, short: &str) -> Value {
        let name = world.service_name(short);
        let mut wire = json!({
            "name": name,
            "uid": self.uid,
            "generation": self.generation.to_string(),
            "createTime": self.created.to_string(),
            "updateTime": self.updated.to_string(),
            "creator": self.creator,
            "lastModifier": self.last_modifier,
        });
        if let Some(deleted) = self.deleted {
            wire["deleteTime"] = json!(deleted.to_string());
            wire["expireTime"] = json!(later(deleted, EXPIRES).to_string());
        }
        if let Some(wire) = wire.as_object_mut() {
            wire.extend(self.spec.clone());
            wire.insert("template".into(), json!(self.template));
            wire.insert("traffic".into(), self.traffic.iter().map(Target::wire).collect());
            if self.reconciling {
                wire.insert("reconciling".into(), json!(true));
            }
            wire.insert("etag".into(), json!(etag(self.updated, &name)));
        }
        match self.pending(world.now) {
            Some(Accepted { latest_created: None, .. }) => {
                // Recorded: the answer to a creation shows no more than this, and not even who may reach the service.
                wire["terminalCondition"] = json!({ "state": ConditionState::ConditionPending });
                if let Some(wire) = wire.as_object_mut() {
                    wire.shift_remove("ingress");
                }
            }
            accepted => self.show_status(world, short, accepted, &mut wire),
        }
        wire
    }

    /// Shows what the service is, as opposed to what it shall be.
    fn show_status(&self, world: &World, short: &str, accepted: Option<&Accepted>, wire: &mut Value) {
        let revision_name = |revision: &str| format!("{}/revisions/{revision}", world.service_name(short));
        let statuses = self.traffic_statuses.iter().map(|target| {
            let mut status = target.wire();
            if let Some(host) = target.tag.as_ref().and_then(|tag| self.tag_host(world, short, tag)) {
                status["uri"] = json!(format!("https://{host}"));
            }
            status
        });
        let ready = match accepted {
            Some(accepted) => Condition::new(ConditionState::ConditionPending, accepted.since),
            None => self.ready.clone(),
        };
        let (routes, configuration) = match accepted {
            Some(accepted) => (accepted.routes.clone(), accepted.configuration.clone()),
            None => (self.routes(), self.configuration()),
        };
        wire["observedGeneration"] = json!(self.observed_generation.to_string());
        wire["terminalCondition"] = ready.wire("Ready");
        wire["conditions"] = json!([routes.wire("RoutesReady"), configuration.wire("ConfigurationsReady")]);
        if !self.latest_ready.is_empty() {
            wire["latestReadyRevision"] = json!(revision_name(&self.latest_ready));
        }
        wire["latestCreatedRevision"] = json!(revision_name(self.latest_created_shown(world.now)));
        wire["trafficStatuses"] = statuses.collect();
        if let Some(hosts) = self.default_hosts(world, short) {
            let [told, hashed] = hosts.map(|host| format!("https://{host}"));
            wire["urls"] = json!([told, hashed]);
            wire["uri"] = json!(hashed);
        }
    }

    /// Whether the latest revision came up.
    pub(super) fn configuration(&self) -> Condition {
        self.revisions.get(&self.latest_created).map_or(&self.ready, |latest| &latest.ready).clone()
    }

    /// Whether the traffic goes where it shall.
    pub(super) fn routes(&self) -> Condition {
        if let Some(unrouted) = &self.unrouted {
            return unrouted.clone();
        }
        if self.reconciling || self.traffic_statuses.is_empty() {
            self.ready.clone()
        } else {
            Condition::new(ConditionState::ConditionSucceeded, self.ready.since)
        }
    }

    /// Gives up catching up with the spec, for a reason that has nothing to do with it.
    pub(super) fn call_off(&mut self, revision: Option<&str>, message: &str, now: Timestamp) {
        let failed = Condition {
            message: message.to_owned(),
            reason: None,
            ..Condition::new(ConditionState::ConditionFailed, now)
        };
        self.reconciling = false;
        self.accepted = None;
        self.deleted = None;
        self.ready = failed.clone();
        if let Some(revision) = revision.and_then(|revision| self.revisions.get_mut(revision)) {
            revision.ready = failed;
        }
    }

    /// How many instances a revision with traffic runs: what the scenario has, within what the template and the service
    /// allow. The service's bound is divided among the revisions by their traffic (source: `max_instance_count` in
    /// `google/cloud/run/v2/vendor_settings.proto`); that it is rounded up is ours. A service that is scaled by hand runs as
    /// many as it says, whatever its bounds are (source: `ScalingMode.MANUAL`, the same file).
    pub fn instances_of(&self, revision: &str) -> u64 {
        let most = |scaling: Option<&Value>| scaling?.get("maxInstanceCount")?.as_u64().filter(|most| *most > 0);
        let template = self.revisions.get(revision).and_then(|revision| most(revision.template.get("scaling")));
        let share = self.serving().get(revision).copied().unwrap_or_default();
        let part = |all: u64| all.saturating_mul(u64::try_from(share).unwrap_or_default()).div_ceil(100).max(1);
        let scaling = self.spec.get("scaling");
        let count = |field: &str| scaling.and_then(|scaling| scaling.get(field)).and_then(Value::as_u64);
        if scaling.and_then(|scaling| scaling.get("scalingMode")).is_some_and(|mode| mode == "MANUAL") {
            return part(count("manualInstanceCount").or_else(|| count("minInstanceCount")).unwrap_or_default());
        }
        let service = most(scaling).map(part);
        [template, service].into_iter().flatten().fold(self.figures.instances, u64::min)
    }

    /// The connector that a revision's instances use.
    pub fn connector_of(&self, revision: &str) -> Option<&str> {
        template::connector(&self.revisions.get(revision)?.template)
    }
}

/// The etag of a service or a revision: when its spec last changed and its name, so that it stays while statuses move (recorded:
/// the same from the acceptance of an update to its end). Google's is both, each as base64: a `google.protobuf.Timestamp` first.
fn etag(updated: Timestamp, name: &str) -> String {
    let mut message = vec![0x08];
    varint(u64::try_from(updated.as_second()).unwrap_or_default(), &mut message);
    let nanoseconds = u64::try_from(updated.subsec_nanosecond()).unwrap_or_default();
    if nanoseconds > 0 {
        message.push(0x10);
        varint(nanoseconds, &mut message);
    }
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    format!("\"{}/{}\"", base64.encode(message), base64.encode(name))
}

/// Protobuf's way to write a number: seven bits a byte, the lowest first.
fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number.to_le_bytes().first().copied().unwrap_or_default() | 0x80);
        number >>= 7;
    }
    to.extend(number.to_le_bytes().first());
}

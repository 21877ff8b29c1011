//! Makes the observations of one runbook's probes, and judges them by what the runbook expects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;

use super::connection::conversation::KeptSocket;
use super::{FactsByName, Probe, ProbeFailure, ProbeSpec, ResourceProbe};
use crate::clock::{Clock, between, format_duration, later, together};
use crate::gate::{Health, Observation};
use crate::peer::{Dialer, Hosts, IdleConnections, Route, http_client};
use crate::resource::{Cloud, Kinds};
use crate::run::{CandidateTarget, ResourceId, Target};
use crate::syntax::condition::{Condition, Fact};

/// The probes of a runbook, and whom they may ask.
#[derive(Clone, Debug)]
pub struct ProbeSet {
    /// The probes by name.
    pub probes: BTreeMap<String, Probe>,
    /// The only peers that may be asked; `None`: all.
    pub hosts: Option<Hosts>,
    /// Where the cloud's own APIs are asked.
    pub target: Target,
}

/// Observes through the probes of one runbook.
pub struct Observer {
    probes: BTreeMap<String, Probe>,
    pub(super) target: Target,
    pub(super) kinds: Arc<Kinds>,
    pub(super) cloud: Arc<Cloud>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) http: http_client::Client,
    /// WebSockets that stay open between observations, by probe.
    kept: Mutex<BTreeMap<String, KeptSocket>>,
    /// Host names of tags.
    tag_hosts: Mutex<BTreeMap<(ResourceId, String), String>>,
}

/// Which connections an observation may use.
#[derive(Clone, Copy)]
pub(super) enum Connections<'a> {
    /// Only new ones.
    New,
    /// New ones, and the WebSocket that is kept for this probe if it says `keep_open`.
    KeptFor(&'a str),
    /// Those of the flow that it is a part of.
    Shared(&'a IdleConnections),
}

impl<'a> Connections<'a> {
    /// The probe whose kept WebSocket may be used.
    pub(super) fn kept_for(self) -> Option<&'a str> {
        match self {
            Connections::KeptFor(probe) => Some(probe),
            Connections::New | Connections::Shared(_) => None,
        }
    }

    /// The connections of the flow.
    pub(super) fn shared(self) -> Option<&'a IdleConnections> {
        match self {
            Connections::Shared(connections) => Some(connections),
            Connections::New | Connections::KeptFor(_) => None,
        }
    }
}

/// An observation as it is kept, and the facts as conditions read them.
pub(super) type Sample = (Observation, FactsByName);

impl Observer {
    /// Observes these probes.
    pub fn new(
        ProbeSet { probes, hosts, target }: ProbeSet,
        kinds: Arc<Kinds>,
        cloud: Arc<Cloud>,
        clock: Arc<dyn Clock>,
        route: Route,
    ) -> Observer {
        let dialer = Arc::new(Dialer::new(route, hosts, clock.clone()));
        let http = http_client::Client::new(dialer.clone(), clock.clone());
        Observer {
            probes,
            target,
            kinds,
            cloud,
            clock,
            dialer,
            http,
            kept: Mutex::default(),
            tag_hosts: Mutex::default(),
        }
    }

    /// The probe of this name.
    pub(super) fn probe(&self, name: &str) -> Option<&Probe> {
        self.probes.get(name)
    }

    /// Whether the simulated cloud answers for this host: then nobody else is asked.
    pub fn serves(&self, host: &str) -> bool {
        self.dialer.serves(host)
    }

    /// Observes once.
    pub async fn observe(&self, name: &str) -> Observation {
        self.sample(name).await.0
    }

    /// Observes once, and asks a revision without traffic in place of the service's own hosts.
    pub async fn observe_candidate(&self, name: &str, candidate: &CandidateTarget) -> Observation {
        let Some(probe) = self.probes.get(name) else { return self.observe(name).await };
        let host = match self.tag_host(candidate).await {
            Ok(host) => host,
            Err(why) => return Observation::unknown(why),
        };
        let spec = probe.spec.with_host_replaced(&candidate.hosts, &host);
        self.judge(probe, spec.observe(self, Connections::New)).await.0
    }

    /// The host name of a tag, which stays the same for good.
    async fn tag_host(&self, candidate: &CandidateTarget) -> Result<String, String> {
        let key = (candidate.service.clone(), candidate.tag.clone());
        if let Some(known) = self.tag_hosts().get(&key) {
            return Ok(known.clone());
        }
        let found = self.cloud.tag_host(&candidate.service, &candidate.tag).await;
        let found =
            found.map_err(|error| format!("the address of the tag {} cannot be read: {error}", candidate.tag))?;
        let host = found.ok_or_else(|| format!("the tag {} has no address yet", candidate.tag))?;
        // The cloud's own word, and not the runbook's: no limit of hosts is about it.
        self.dialer.allow(&host);
        self.tag_hosts().insert(key, host.clone());
        Ok(host)
    }

    fn tag_hosts(&self) -> MutexGuard<'_, BTreeMap<(ResourceId, String), String>> {
        self.tag_hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Observes several at once; the observations come in the order of the names.
    pub async fn observe_all(&self, names: Vec<String>) -> Vec<(String, Observation)> {
        let samples = self.sample_all(names).await.into_iter();
        samples.map(|(name, (observation, _))| (name, observation)).collect()
    }

    pub(super) async fn sample_all(&self, names: Vec<String>) -> Vec<(String, Sample)> {
        let samples = names.into_iter().map(async |name| {
            let sample = self.sample(&name).await;
            (name, sample)
        });
        together(&*self.clock, samples).await
    }

    async fn sample(&self, name: &str) -> Sample {
        let Some(probe) = self.probes.get(name) else {
            return (Observation::broken(format!("there is no probe `{name}`")), BTreeMap::new());
        };
        self.judge(probe, probe.spec.observe(self, Connections::KeptFor(name))).await
    }

    async fn judge(&self, probe: &Probe, observe: impl Future<Output = Result<FactsByName, ProbeFailure>>) -> Sample {
        let began = self.clock.now();
        let (mut observation, facts) = match observe.await {
            Ok(facts) => (judge(probe, &facts), facts),
            Err(failure) => (failure.into_observation(), BTreeMap::new()),
        };
        observation.took = between(began, self.clock.now());
        (observation, facts)
    }

    /// Lets an observation by one of the cloud's own APIs take so long; one that takes longer says nothing of what was
    /// asked about.
    pub(super) async fn within_time_limit(
        &self,
        limit: Duration,
        observe: impl Future<Output = Result<FactsByName, ProbeFailure>>,
    ) -> Result<FactsByName, ProbeFailure> {
        let out_of_time = self.clock.timer(later(self.clock.now(), limit));
        within(limit, out_of_time, observe, ProbeFailure::Unknown).await
    }

    /// Lets an observation of a host take so long. A connection that takes longer is none.
    pub(super) async fn within_deadline(
        &self,
        host: &str,
        limit: Duration,
        observe: impl Future<Output = Result<FactsByName, ProbeFailure>>,
    ) -> Result<FactsByName, ProbeFailure> {
        let out_of_time = self.dialer.deadline(host, later(self.clock.now(), limit));
        within(limit, out_of_time, observe, |why| self.dialer.out_of_time(host, why).into()).await
    }

    /// Takes the WebSocket that is kept for this probe.
    pub(super) fn take_kept(&self, probe: &str) -> Option<KeptSocket> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(probe)
    }

    /// Keeps a WebSocket for this probe's next observation.
    pub(super) fn keep(&self, probe: &str, socket: Option<KeptSocket>) {
        let kept = socket.map(|socket| (probe.to_owned(), socket));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
    }
}

impl ProbeFailure {
    /// Why, in words.
    pub(super) fn into_reason(self) -> String {
        match self {
            ProbeFailure::Unhealthy(why) | ProbeFailure::Unknown(why) | ProbeFailure::Broken(why) => why,
        }
    }

    /// The same failure with other words.
    pub(super) fn map_reason(self, words: impl FnOnce(String) -> String) -> ProbeFailure {
        match self {
            ProbeFailure::Unhealthy(why) => ProbeFailure::Unhealthy(words(why)),
            ProbeFailure::Unknown(why) => ProbeFailure::Unknown(words(why)),
            ProbeFailure::Broken(why) => ProbeFailure::Broken(words(why)),
        }
    }

    pub(super) fn into_observation(self) -> Observation {
        match self {
            ProbeFailure::Unhealthy(why) => Observation::of(Health::Unhealthy { why }),
            ProbeFailure::Unknown(why) => Observation::unknown(why),
            ProbeFailure::Broken(why) => Observation::broken(why),
        }
    }
}

/// Lets an observation take this long, and says what it is when it takes longer.
async fn within(
    limit: Duration,
    out_of_time: impl Future<Output = ()>,
    observe: impl Future<Output = Result<FactsByName, ProbeFailure>>,
    failure: impl FnOnce(String) -> ProbeFailure,
) -> Result<FactsByName, ProbeFailure> {
    pin_mut!(observe, out_of_time);
    match select(observe, out_of_time).await {
        Either::Left((facts, _)) => facts,
        Either::Right(_) => Err(failure(format!("no answer within {}", format_duration(limit)))),
    }
}

/// What a condition may read and nobody keeps: what a server says can be large and private.
const UNKEPT: [&str; 3] = ["body", "json", "last"];

/// Judges what was observed by what is expected.
pub(super) fn judge(probe: &Probe, facts: &FactsByName) -> Observation {
    // A resource of the catalog has dozens of fields: those that nobody asks about are not told.
    let is_asked = |name: &String| probe.expect.names().contains(name);
    let is_catalogued = matches!(probe.spec, ProbeSpec::Resource(ResourceProbe::Catalogued(_)));
    let asked = is_catalogued.then(|| {
        let asked = facts.iter().filter(|(name, _)| is_asked(name));
        asked.map(|(name, fact)| (name.clone(), fact.clone())).collect::<FactsByName>()
    });
    let facts = asked.as_ref().unwrap_or(facts);
    let kept = facts.iter().filter(|(name, _)| !UNKEPT.contains(&name.as_str()));
    let health = match probe.expect.holds(facts) {
        Ok(true) => Health::Healthy,
        Ok(false) => {
            Health::Unhealthy { why: format!("{}, expected {}", in_words(facts, &probe.expect), probe.expect) }
        }
        // What an answer holds is the service's affair; everything else was known to be there when it was checked.
        Err(why) => {
            let seen = in_words(facts, &probe.expect);
            let why = format!("{seen}: {} cannot be judged: {why}", probe.expect);
            if probe.expect.names().iter().any(|name| UNKEPT.contains(&name.as_str())) {
                Health::Unknown { why }
            } else {
                Health::Broken { why }
            }
        }
    };
    Observation::of(health).with_facts(kept.map(|(name, fact)| (name.clone(), fact.to_json())))
}

/// The parts of a latency, and what a log says: worth a word only if a condition is about them.
const PARTS: [&str; 7] = ["connect", "dns", "first_byte", "latest", "redirects", "tls", "trace"];

/// The facts that are worth a word to whom this was expected.
pub(super) fn in_words(facts: &FactsByName, expected: &Condition) -> String {
    let is_one_of = |names: &[&str], name: &String| names.contains(&name.as_str());
    let is_expected = |name: &String| expected.names().contains(name);
    let shown =
        facts.iter().filter(|(name, _)| !is_one_of(&UNKEPT, name) && (is_expected(name) || !is_one_of(&PARTS, name)));
    let words = shown.map(|(name, fact)| match fact {
        Fact::Span(span) => format!("{name} {}", format_duration(*span)),
        other => match other.to_json() {
            serde_json::Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        },
    });
    words.collect::<Vec<_>>().join(", ")
}

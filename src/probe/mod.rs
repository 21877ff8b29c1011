//! What can be seen of health, one file a kind.
//!
//! A probe looks once and says what it saw, as facts by name; the runbook's condition judges them. A probe that had no
//! way to what it looks at is *unknown*, one that cannot run is *broken*, and neither opens a gate. All of them find
//! their way through one [`dial`]er.

mod bounded;
mod database;
mod dial;
mod evidence;
mod flow;
mod history;
mod http;
mod load;
mod logs;
mod metric;
mod reach;
mod state;
mod tcp;
mod tls;
mod websocket;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use futures::pin_mut;

use self::database::Server;
pub use self::dial::Route;
use self::dial::{Dialer, host_and_port};
use crate::clock::{Clock, between, later, together, words};
use crate::gate::{Health, Observation};
use crate::resource::{Cloud, Kinds};
use crate::run::Target;
use crate::run::{Aside, ResourceId};
use crate::runbook::model::{Look, Probe, Runbook};
use crate::syntax::condition::{Condition, Fact};

/// The probes of one runbook, ready to look.
pub struct Probes {
    named: BTreeMap<String, Probe>,
    target: Target,
    kinds: Arc<Kinds>,
    cloud: Arc<Cloud>,
    clock: Arc<dyn Clock>,
    dialer: Arc<Dialer>,
    http: http::Client,
    /// WebSockets that stay open between looks, by probe.
    kept: Mutex<BTreeMap<String, websocket::Kept>>,
    /// Host names of tags.
    tags: Mutex<BTreeMap<(ResourceId, String), String>>,
}

/// Which connections a look may use.
#[derive(Clone, Copy)]
enum Connections<'a> {
    /// Only new ones.
    New,
    /// New ones, and the WebSocket of this probe if it says `keep_open`.
    Of(&'a str),
    /// Those of the flow that it is a part of.
    Shared(&'a http::Lines),
}

impl<'a> Connections<'a> {
    fn of(self) -> Option<&'a str> {
        match self {
            Connections::Of(probe) => Some(probe),
            Connections::New | Connections::Shared(_) => None,
        }
    }

    fn shared(self) -> Option<&'a http::Lines> {
        match self {
            Connections::Shared(lines) => Some(lines),
            Connections::New | Connections::Of(_) => None,
        }
    }
}

/// What was seen, as it is kept and as conditions read it.
type Sample = (Observation, BTreeMap<String, Fact>);

/// What a look brought: facts, or the reason why there are none.
#[derive(Debug)]
enum Looked {
    Facts(BTreeMap<String, Fact>),
    /// The thing is there to be looked at, and it is not well.
    Sick(String),
    /// Nothing is known of it.
    Unseen(String),
    /// It cannot be looked at like this.
    Broken(String),
}

impl From<Result<BTreeMap<String, Fact>, Looked>> for Looked {
    fn from(looked: Result<BTreeMap<String, Fact>, Looked>) -> Looked {
        looked.map_or_else(|other| other, Looked::Facts)
    }
}

impl Probes {
    /// Makes the probes ready.
    pub fn new(runbook: &Runbook, kinds: Arc<Kinds>, cloud: Arc<Cloud>, clock: Arc<dyn Clock>, route: Route) -> Probes {
        let dialer = Arc::new(Dialer::new(route, runbook.limits.hosts.clone(), clock.clone()));
        let http = http::Client::new(dialer.clone(), clock.clone());
        Probes {
            named: runbook.probes.clone(),
            target: runbook.target.clone(),
            kinds,
            cloud,
            clock,
            dialer,
            http,
            kept: Mutex::default(),
            tags: Mutex::default(),
        }
    }

    /// Whether the simulated cloud answers for this host: then nobody else is asked.
    pub fn serves(&self, host: &str) -> bool {
        self.dialer.serves(host)
    }

    /// Looks once.
    pub async fn observe(&self, name: &str) -> Observation {
        self.look(name).await.0
    }

    /// Looks once, and asks a revision without traffic in place of the service's own hosts.
    pub async fn observe_aside(&self, name: &str, aside: &Aside) -> Observation {
        let Some(probe) = self.named.get(name) else { return self.observe(name).await };
        let address = match self.address_of(aside).await {
            Ok(address) => address,
            Err(why) => return Observation::unknown(why),
        };
        let look = probe.look.in_place_of(&aside.hosts, &address);
        self.judged(probe, Box::pin(self.look_at(Connections::New, &look))).await.0
    }

    /// The host name of a tag, which stays the same for good.
    async fn address_of(&self, aside: &Aside) -> Result<String, String> {
        let key = (aside.service.clone(), aside.tag.clone());
        if let Some(known) = self.tags().get(&key) {
            return Ok(known.clone());
        }
        let found = self.cloud.tag_host(&aside.service, &aside.tag).await;
        let found = found.map_err(|error| format!("the address of the tag {} cannot be read: {error}", aside.tag))?;
        let host = found.ok_or_else(|| format!("the tag {} has no address yet", aside.tag))?;
        // The cloud's own word, and not the runbook's: no limit of hosts is about it.
        self.dialer.allow(&host);
        self.tags().insert(key, host.clone());
        Ok(host)
    }

    fn tags(&self) -> std::sync::MutexGuard<'_, BTreeMap<(ResourceId, String), String>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at several things at once; the observations come in the order of the names.
    pub async fn observe_all(&self, names: Vec<String>) -> Vec<(String, Observation)> {
        let seen = self.look_at_all(names).await.into_iter();
        seen.map(|(name, (observation, _))| (name, observation)).collect()
    }

    async fn look_at_all(&self, names: Vec<String>) -> Vec<(String, Sample)> {
        let looks = names.into_iter().map(async |name| {
            let sample = self.look(&name).await;
            (name, sample)
        });
        together(&*self.clock, looks).await
    }

    async fn look(&self, name: &str) -> Sample {
        let Some(probe) = self.named.get(name) else {
            return (Observation::broken(format!("there is no probe `{name}`")), BTreeMap::new());
        };
        self.judged(probe, Box::pin(self.look_at(Connections::Of(name), &probe.look))).await
    }

    async fn judged(&self, probe: &Probe, look: impl Future<Output = Looked>) -> Sample {
        let began = self.clock.now();
        let (mut observation, facts) = match look.await {
            Looked::Facts(facts) => (judge(probe, &facts), facts),
            Looked::Sick(why) => (Observation::of(Health::Unhealthy { why }), BTreeMap::new()),
            Looked::Unseen(why) => (Observation::unknown(why), BTreeMap::new()),
            Looked::Broken(why) => (Observation::broken(why), BTreeMap::new()),
        };
        observation.took = between(began, self.clock.now());
        (observation, facts)
    }

    async fn look_at(&self, connections: Connections<'_>, look: &Look) -> Looked {
        match look {
            Look::Http { url, method, headers, query, body, redirects, timeout } => {
                let (method, query, body, redirects) = (method.as_deref(), query.as_ref(), body.as_ref(), *redirects);
                let asked = http::Asked { url, method, headers, query, body, redirects };
                self.http.look(&asked, *timeout, connections.shared()).await
            }
            Look::Load { url, headers, query, clients, hold, timeout } => {
                let query = query.as_ref();
                let asked = http::Asked { url, method: None, headers, query, body: None, redirects: 0 };
                load::look(&self.http, &asked, *clients, *hold, *timeout, &*self.clock).await.into()
            }
            Look::Flow { steps } => Box::pin(self.flow(steps)).await.into(),
            Look::Logs { filter, window, timeout } => {
                self.told(*timeout, logs::look(&self.cloud, &self.target, filter, *window, &*self.clock)).await
            }
            Look::Metric { query, timeout } => {
                self.told(*timeout, metric::look(&self.cloud, &self.target, query, &*self.clock)).await
            }
            Look::Resource { kind, name } => {
                let Target { project, region, .. } = self.target.clone();
                state::look(&self.kinds, &ResourceId { kind: kind.clone(), project, region, name: name.clone() }).await
            }
            Look::Websocket { url, headers, query, send, events, within, keep_open, reconnect, request_timeout } => {
                let (query, send) = (query.as_ref(), send.as_ref());
                let asked = websocket::Asked { url, headers, query, send, events, within: *within };
                let Some(name) = connections.of().filter(|_| *keep_open) else {
                    return websocket::look(&asked, &self.dialer, &*self.clock).await.into();
                };
                let reconnect = websocket::Reconnect { allowed: *reconnect, request_timeout: *request_timeout };
                let mut kept = self.kept().remove(name);
                let looked = websocket::look_on(&mut kept, reconnect, &asked, &self.dialer, &*self.clock).await;
                self.kept().extend(kept.map(|kept| (name.to_owned(), kept)));
                looked.into()
            }
            Look::Tls { address, timeout } => match host_and_port(address) {
                Err(why) => Looked::Broken(why),
                Ok((host, port)) => {
                    let looked = tls::look(&self.dialer, host, port, &self.clock);
                    self.connected(host, *timeout, looked).await
                }
            },
            Look::Tcp { address, timeout } => match host_and_port(address) {
                Err(why) => Looked::Broken(why),
                Ok((host, port)) => self.connected(host, *timeout, tcp::look(&self.dialer, host, port)).await,
            },
            Look::Postgres { server, clients, timeout } => {
                self.database(Server::postgres(server), *clients, *timeout).await
            }
            Look::Redis { server, clients, timeout } => self.database(Server::redis(server), *clients, *timeout).await,
        }
    }

    async fn database(&self, server: Result<Server, Looked>, clients: u32, timeout: Duration) -> Looked {
        match server {
            Err(looked) => looked,
            Ok(server) => {
                let looked = server.look(&self.dialer, clients, &self.clock);
                self.connected(server.host(), timeout, looked).await
            }
        }
    }

    /// The cloud's own APIs, if they take too long, say nothing of what was asked about.
    async fn told(&self, timeout: Duration, looked: impl Future<Output = Looked>) -> Looked {
        let out_of_time = self.clock.timer(later(self.clock.now(), timeout));
        within(timeout, out_of_time, looked, Looked::Unseen).await
    }

    /// A connection that takes too long is none.
    async fn connected(
        &self,
        host: &str,
        timeout: Duration,
        looked: impl Future<Output = Result<BTreeMap<String, Fact>, Looked>>,
    ) -> Looked {
        let out_of_time = self.dialer.deadline(host, later(self.clock.now(), timeout));
        let late = |why| self.dialer.out_of_time(host, why);
        within(timeout, out_of_time, async { looked.await.into() }, late).await
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, websocket::Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a look take this long, and says what it is when it takes longer.
async fn within(
    timeout: Duration,
    out_of_time: impl Future<Output = ()>,
    looked: impl Future<Output = Looked>,
    otherwise: impl FnOnce(String) -> Looked,
) -> Looked {
    pin_mut!(looked, out_of_time);
    match select(looked, out_of_time).await {
        Either::Left((looked, _)) => looked,
        Either::Right(_) => otherwise(format!("no answer within {}", words(timeout))),
    }
}

/// What a condition may read and nobody keeps: what a server says can be large and private.
const UNKEPT: [&str; 3] = ["body", "json", "last"];

fn judge(probe: &Probe, facts: &BTreeMap<String, Fact>) -> Observation {
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

/// What was seen that is worth a word to whom this was expected.
fn in_words(facts: &BTreeMap<String, Fact>, expected: &Condition) -> String {
    let is_of = |names: &[&str], name: &String| names.contains(&name.as_str());
    let asked = |name: &String| expected.names().contains(name);
    let shown = facts.iter().filter(|(name, _)| !is_of(&UNKEPT, name) && (asked(name) || !is_of(&PARTS, name)));
    let words = shown.map(|(name, fact)| match fact.to_json() {
        serde_json::Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

//! What can be seen of health, one file a kind.
//!
//! A probe looks once and says what it saw, as facts by name; the runbook's condition judges them. A probe
//! that could not run, or whose answer cannot be judged, is *unknown*, and unknown opens no gate.

mod evidence;
mod http;
mod logs;
mod metric;
mod state;
mod tcp;
mod websocket;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use std::time::Duration;

use futures::future::{Either, join_all, select};
use futures::pin_mut;

pub use self::http::Route;
use crate::clock::{Clock, between, later};
use crate::gate::{Health, Observation};
use crate::resource::{Cloud, Kinds};
use crate::run::ResourceId;
use crate::runbook::condition::Fact;
use crate::runbook::model::{Look, Probe, Target};

/// The probes of one runbook, ready to look.
pub struct Probes {
    named: BTreeMap<String, Probe>,
    target: Target,
    kinds: Arc<Kinds>,
    cloud: Arc<Cloud>,
    clock: Arc<dyn Clock>,
    http: http::Client,
    route: Route,
}

/// What was seen, as it is kept and as conditions read it.
type Sample = (Observation, BTreeMap<String, Fact>);

/// What a look brought: facts, or the reason why there are none.
enum Looked {
    Facts(BTreeMap<String, Fact>),
    /// The thing is there to be looked at, and it is not well.
    Sick(String),
    /// The look itself failed.
    Unseen(String),
}

impl Probes {
    /// Makes the probes ready.
    ///
    /// # Errors
    /// If no HTTP client can be made on this machine.
    pub fn new(
        probes: BTreeMap<String, Probe>,
        target: Target,
        kinds: Arc<Kinds>,
        cloud: Arc<Cloud>,
        clock: Arc<dyn Clock>,
        route: Route,
    ) -> Result<Probes, reqwest::Error> {
        Ok(Probes { named: probes, target, kinds, cloud, clock, http: http::Client::new(route.clone())?, route })
    }

    /// Looks once.
    pub async fn observe(&self, name: &str) -> Observation {
        self.look(name).await.0
    }

    /// Looks at several things at once; the observations come in the order of the names.
    pub async fn observe_all(&self, names: Vec<String>) -> Vec<(String, Observation)> {
        let seen = self.look_at_all(names).await.into_iter();
        seen.map(|(name, (observation, _))| (name, observation)).collect()
    }

    async fn look_at_all(&self, names: Vec<String>) -> Vec<(String, Sample)> {
        // Each look but the last to end is beside the caller's own work.
        let beside = RefCell::new(names.iter().skip(1).map(|_| self.clock.beside()).collect::<Vec<_>>());
        let looks = names.into_iter().map(async |name| {
            let sample = self.look(&name).await;
            beside.borrow_mut().pop();
            (name, sample)
        });
        join_all(looks).await
    }

    /// A look at the cloud's own APIs that takes too long brings nothing.
    async fn within(&self, timeout: Duration, looked: impl Future<Output = Looked>) -> Looked {
        let out_of_time = self.clock.timer(later(self.clock.now(), timeout));
        pin_mut!(looked, out_of_time);
        match select(looked, out_of_time).await {
            Either::Left((looked, _)) => looked,
            Either::Right(_) => Looked::Unseen(format!("no answer within {}", crate::clock::words(timeout))),
        }
    }

    async fn look(&self, name: &str) -> Sample {
        let Some(probe) = self.named.get(name) else {
            return (Observation::broken(format!("there is no probe `{name}`")), BTreeMap::new());
        };
        let began = self.clock.now();
        let (mut observation, facts) = self.look_through(probe).await;
        observation.took = between(began, self.clock.now());
        (observation, facts)
    }

    async fn look_through(&self, probe: &Probe) -> Sample {
        let outcome = match &probe.look {
            Look::Http { url, method, headers, body, timeout } => {
                let asked = http::Asked { url, method: method.as_deref(), headers, body: body.as_ref() };
                self.http.look(&asked, *timeout, &*self.clock).await
            }
            Look::Logs { filter, window, timeout } => {
                let looked = logs::look(&self.cloud, &self.target, filter, *window, &*self.clock);
                self.within(*timeout, looked).await
            }
            Look::Metric { query, timeout } => {
                let looked = metric::look(&self.cloud, &self.target, query, &*self.clock);
                self.within(*timeout, looked).await
            }
            Look::Resource { kind, name } => {
                let Target { project, region, .. } = self.target.clone();
                state::look(&self.kinds, &ResourceId { kind: kind.clone(), project, region, name: name.clone() }).await
            }
            Look::Websocket { url, headers, send, events, within, .. } => {
                let asked = websocket::Asked { url, headers, send: send.as_ref(), events, within: *within };
                websocket::look(&asked, &self.route, &*self.clock).await
            }
            Look::Tcp { address, timeout } => tcp::look(address, *timeout, &self.route, &*self.clock).await,
            other => Looked::Unseen(format!("probes by `{}` are not supported by this version yet", other.key())),
        };
        match outcome {
            Looked::Facts(facts) => (judge(probe, &facts), facts),
            Looked::Sick(why) => (Observation::of(Health::Unhealthy { why }), BTreeMap::new()),
            Looked::Unseen(why) => (Observation::unknown(why), BTreeMap::new()),
        }
    }
}

fn judge(probe: &Probe, facts: &BTreeMap<String, Fact>) -> Observation {
    // A body can be large and private: conditions may read it, the journal does not keep it.
    let kept = facts.iter().filter(|(name, _)| *name != "body").map(|(name, fact)| (name.clone(), fact.to_json()));
    let kept: BTreeMap<_, _> = kept.collect();
    let health = match probe.expect.holds(facts) {
        Ok(true) => Health::Healthy,
        Ok(false) => Health::Unhealthy { why: format!("{}, expected {}", words(&kept), probe.expect) },
        Err(error) => Health::Broken { why: format!("{} cannot be judged: {error}", probe.expect) },
    };
    Observation { facts: kept, ..Observation::of(health) }
}

fn words(facts: &BTreeMap<String, serde_json::Value>) -> String {
    let words = facts.iter().map(|(name, value)| match value {
        serde_json::Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

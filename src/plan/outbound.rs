//! What a run sends to others than Google's APIs: which host is asked how, which secrets it is sent, and whether planning has
//! asked it already. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::observe::{Trials, judging};
use crate::peer::{Effect, PeerRequest};
use crate::runbook::model::Runbook;

/// A request of a run to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// What sends it.
    pub sender: Sender,
    /// To whom; `None`: only the run knows.
    pub host: Option<String>,
    /// An HTTP method, a protocol, or `program`: that may ask anybody for anything.
    pub method: String,
    /// The secrets that are sent with it, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
    /// Whether it sends what an earlier request of its flow captured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub captured: bool,
    /// What it does to the peer, as far as the protocol says.
    pub effect: Effect,
    /// Whether it was sent while planning.
    pub planning: Tried,
}

impl Outbound {
    /// Whether a probe sends it that does more than ask, and nobody has approved that yet.
    pub fn wants_approval(&self) -> bool {
        let asks = self.effect == Effect::Reads && self.secrets.is_empty() && !self.captured;
        matches!((&self.sender, &self.planning), (Sender::Probe(_), Tried::NotTried { .. })) && !asks
    }
}

/// What sends a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// A probe, by name.
    Probe(String),
    /// A step, by name.
    Step(String),
}

/// Whether a request was sent while planning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Tried {
    /// It was.
    Tried,
    /// It was not.
    NotTried {
        /// Why.
        why: String,
    },
}

/// Everything that a run of this runbook sends to others.
pub(super) fn outbound(runbook: &Runbook) -> Vec<Outbound> {
    let not_tried = |why: &str| Tried::NotTried { why: why.to_owned() };
    let judging = judging(runbook);
    let mut found: Vec<Outbound> = Vec::new();
    for (name, probe) in &runbook.probes {
        for PeerRequest { host, method, secrets, captured, effect, .. } in probe.spec.peer_requests() {
            let why =
                if judging.contains(name) { "nothing was asked while planning" } else { "no gate is judged by it" };
            let (sender, planning) = (Sender::Probe(name.clone()), not_tried(why));
            found.push(Outbound { sender, host, method, secrets, captured, effect, planning });
        }
    }
    for step in runbook.steps() {
        for iteration in &step.iterations {
            for PeerRequest { host, method, secrets, captured, effect, .. } in iteration.action.step().peer_requests() {
                let (sender, planning) = (Sender::Step(step.name.clone()), not_tried("planning takes no step"));
                found.push(Outbound { sender, host, method, secrets, captured, effect, planning });
            }
        }
    }
    // The items of a step, and the requests of a flow, may all ask the same.
    found.dedup();
    found
}

impl Plan {
    /// Takes over which requests were sent while planning.
    pub(super) fn note_tried(&mut self, trials: &Trials) {
        for request in &mut self.requests {
            let Sender::Probe(name) = &request.sender else { continue };
            if trials.samples.contains_key(name) {
                request.planning = Tried::Tried;
            } else if let Some(why) = trials.untried.get(name) {
                request.planning = Tried::NotTried { why: why.clone() };
            }
        }
    }
}

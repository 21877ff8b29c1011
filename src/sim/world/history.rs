//! How the services stood as time went by, from which everything else is worked out that logs and metrics tell.
//!
//! Nothing ticks. The world notes how its services stood whenever that changed; what happened in a stretch of time is
//! worked out when somebody asks. So an hour that a clock jumped over has its thousand requests, the same ones each
//! time, and they cost nothing until they are looked at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::World;
use super::health::{Ending, Illness};
use crate::sim::clock::later;

/// Changes that are remembered.
const REMEMBERED: usize = 2_000;

/// How the services stood from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Since when.
    pub since: Timestamp,
    /// By service: its revisions with traffic, in order, with share and state.
    pub services: BTreeMap<String, Vec<Serving>>,
    /// By connector: its instances, and how much of what they carry is wanted of them, 1 at most.
    #[serde(default)]
    pub connectors: BTreeMap<String, (i64, f64)>,
    /// By database: how many connections it has open.
    #[serde(default)]
    pub databases: BTreeMap<String, u64>,
    /// The databases that cannot be connected to.
    #[serde(default)]
    pub databases_down: BTreeSet<String>,
    /// What the scenario measures by expressions, by the place among its measurements.
    #[serde(default)]
    pub measured: BTreeMap<usize, f64>,
}

/// A revision that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Its short name.
    pub revision: String,
    /// Its share in percent.
    pub share: i64,
    /// What keeps it from answering.
    pub state: State,
    /// How many instances it runs.
    #[serde(default)]
    pub instances: u64,
    /// Until when its instances are starting, if they are.
    pub starting_until: Option<Timestamp>,
    /// How long its answers take, good ones or bad ones.
    #[serde(default)]
    pub latency: SignedDuration,
    /// Whether that is when the request time-out ends them.
    #[serde(default)]
    pub cut: bool,
}

/// Whether a revision answers, and if not, what its logs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers.
    Well,
    /// Its container exits.
    Crashing,
    /// Its instances cannot reach what they need.
    Starved,
    /// Its database refuses its connections.
    TurnedAway,
    /// Its instances are not there yet.
    Starting,
    /// It answers that it is unhealthy.
    Failing,
}

impl State {
    /// What keeps a revision from answering, in fewer words. A service that waits for another one answers, if badly.
    pub fn of(illness: Option<&Illness>) -> State {
        match illness {
            None | Some(Illness::Needs { .. }) => State::Well,
            Some(Illness::Crashing { .. }) => State::Crashing,
            Some(Illness::TurnedAway { .. }) => State::TurnedAway,
            Some(Illness::Starting { .. }) => State::Starting,
            Some(Illness::While { .. }) => State::Failing,
            Some(Illness::Starved { .. } | Illness::NoConnector { .. } | Illness::NoRevision) => State::Starved,
        }
    }

    /// The status of an answer, which may have been cut off by the request time-out (source: Cloud Run's
    /// troubleshooting page).
    pub fn status(self, cut: bool) -> u16 {
        match self {
            _ if cut => 504,
            State::Well => 200,
            State::Starting => 500,
            State::Crashing | State::Starved | State::TurnedAway | State::Failing => 503,
        }
    }
}

impl World {
    /// Notes how the services stand, if that is new; to be called after every change.
    pub(super) fn note(&mut self) {
        let services: BTreeMap<String, Vec<Serving>> =
            self.parts.cloud_run.services.keys().map(|short| (short.clone(), self.serving_now(short))).collect();
        let down = self.parts.cloud_sql.instances.iter().filter(|(_, instance)| !instance.accepts_connections());
        let standing = Standing {
            since: self.now,
            services,
            connectors: self
                .parts
                .vpc_access
                .connectors
                .keys()
                .map(|short| (short.clone(), self.load(short)))
                .collect(),
            databases: self
                .parts
                .cloud_sql
                .instances
                .keys()
                .map(|name| (name.clone(), self.connections_open(name)))
                .collect(),
            databases_down: down.map(|(name, _)| name.clone()).collect(),
            measured: self.computed(),
        };
        if self.history.last().is_some_and(|last| Standing { since: self.now, ..last.clone() } == standing) {
            return;
        }
        // Only the last of several changes in one moment was ever to be seen.
        if self.history.last().is_some_and(|last| last.since == self.now) {
            self.history.pop();
        }
        if self.history.len() == REMEMBERED {
            self.history.remove(0);
        }
        self.history.push(standing);
    }

    /// A connector's instances, and how busy they are. They scale out with what is wanted, and never in (source: the
    /// documentation of Serverless VPC Access).
    fn load(&self, connector: &str) -> (i64, f64) {
        let Some(found) = self.parts.vpc_access.connectors.get(connector) else { return (0, 0.0) };
        let (wanted, carried) = (self.wanted(connector), self.carried(connector));
        let each = self.parts.vpc_access.connections_per_instance.get(&found.machine_type).copied().unwrap_or(1).max(1);
        let needed = i64::try_from(wanted.div_ceil(each)).unwrap_or(i64::MAX);
        let before =
            self.history.last().and_then(|last| last.connectors.get(connector)).map_or(0, |(instances, _)| *instances);
        let instances = needed.max(before).clamp(found.min_instances, found.max_instances);
        #[expect(clippy::cast_precision_loss, reason = "connections are thousands at most")]
        let busy = if carried == 0 { 1.0 } else { (wanted as f64 / carried as f64).min(1.0) };
        (instances, busy)
    }

    fn connections_open(&self, database: &str) -> u64 {
        let Some(found) = self.parts.cloud_sql.instances.get(database).filter(|found| found.accepts_connections())
        else {
            return 0;
        };
        let others = found.figures.other_connections;
        self.wanted_of_database(database).min(found.connections_for_services()).saturating_add(others)
    }

    /// How things stood at a moment.
    pub(super) fn stood(&self, at: Timestamp) -> Option<&Standing> {
        let standing = self.history.partition_point(|standing| standing.since <= at).saturating_sub(1);
        self.history.get(standing)
    }

    fn serving_now(&self, short: &str) -> Vec<Serving> {
        let Some(service) = self.parts.cloud_run.services.get(short) else { return Vec::new() };
        let one = |(revision, share): (String, i64)| {
            let cause = self.root_cause(short, &revision).or_else(|| self.unhealthy_by_itself(short));
            let state = State::of(cause.as_ref());
            let Ending { after: latency, cut } = self.ending(short, &revision, cause.as_ref());
            let recovered = service.revisions.get(&revision).and_then(|revision| revision.recovered);
            let starting_until = recovered.map(|recovered| later(recovered, service.figures.start_up));
            let starting_until = starting_until.filter(|_| matches!(state, State::Well | State::Failing));
            let instances = service.instances_of(&revision);
            Serving { revision, share, state, instances, starting_until, latency, cut }
        };
        service.serving().into_iter().map(one).collect()
    }
}

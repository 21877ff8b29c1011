//! What the services did as time went by: requests, their answers, and what their containers said of it.
//!
//! Nothing ticks. The world notes how its services stood whenever that changed; what happened in a stretch of time is
//! worked out when somebody asks. So an hour that a clock jumped over has its thousand requests, the same ones each
//! time, and they cost nothing until they are looked at. How many visitors a service has is its scenario's figure
//! (`requests_per_minute`); they come at even intervals and are divided as the traffic is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::World;
use super::health::Illness;
use crate::sim::clock::later;

/// More requests than this are not worked out for one question.
const MOST: usize = 100_000;
/// How long before the scenario's beginning things were as they are then.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
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
}

/// A visitor's request, as a log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When it arrived.
    pub at: Timestamp,
    /// The service.
    pub service: String,
    /// The revision that it was sent to.
    pub revision: String,
    /// What that revision was like.
    pub state: State,
    /// How long the answer took.
    pub latency: SignedDuration,
    /// Which of the service's requests it was.
    pub number: i64,
}

impl Visit {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        if self.state == State::Well { 200 } else { 503 }
    }
}

impl World {
    /// Notes how the services stand, if that is new; to be called after every change.
    pub(super) fn note(&mut self) {
        let services: BTreeMap<String, Vec<Serving>> =
            self.services.keys().map(|short| (short.clone(), self.serving_now(short))).collect();
        let standing = Standing {
            since: self.now,
            services,
            connectors: self.connectors.keys().map(|short| (short.clone(), self.load(short))).collect(),
            databases: self.sql.instances.keys().map(|name| (name.clone(), self.connections_open(name))).collect(),
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

    /// A connector's instances, and how busy they are. They scale out with what is wanted; that they never scale in
    /// (source: the documentation of Serverless VPC Access) is not kept here.
    fn load(&self, connector: &str) -> (i64, f64) {
        let Some(found) = self.connectors.get(connector) else { return (0, 0.0) };
        let (wanted, carried) = (self.wanted(connector), self.carried(connector));
        let each = self.connections_per_instance.get(&found.machine_type).copied().unwrap_or(1).max(1);
        let needed = i64::try_from(wanted.div_ceil(each)).unwrap_or(i64::MAX);
        let instances = needed.clamp(found.min_instances, found.max_instances);
        #[expect(clippy::cast_precision_loss, reason = "connections are thousands at most")]
        let busy = if carried == 0 { 1.0 } else { (wanted as f64 / carried as f64).min(1.0) };
        (instances, busy)
    }

    fn connections_open(&self, database: &str) -> u64 {
        let Some(found) = self.sql.instances.get(database).filter(|found| found.accepts_connections()) else {
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
        let Some(service) = self.services.get(short) else { return Vec::new() };
        let one = |(revision, share): (String, i64)| {
            let state = match self.root_cause(short, &revision) {
                None => State::Well,
                Some(Illness::Crashing { .. }) => State::Crashing,
                Some(Illness::TurnedAway { .. }) => State::TurnedAway,
                Some(_) => State::Starved,
            };
            let recovered = service.revisions.get(&revision).and_then(|revision| revision.recovered);
            let starting_until = recovered.map(|recovered| later(recovered, service.figures.start_up));
            let starting_until = starting_until.filter(|_| state == State::Well);
            let instances = service.instances_of(&revision);
            Serving { revision, share, state, instances, starting_until }
        };
        service.serving().into_iter().map(one).collect()
    }

    /// The requests that arrived from `from` on and before `to`, the oldest first; of too many, the newest.
    pub fn visits(&self, from: Timestamp, to: Timestamp) -> Vec<Visit> {
        let from = from.max(self.history.first().map_or(to, |first| later(first.since, -BEFORE)));
        let to = to.min(self.now);
        let mut visits = Vec::new();
        for (short, service) in &self.services {
            let per_minute = i64::try_from(service.figures.requests_per_minute).unwrap_or(i64::MAX);
            if per_minute == 0 || from >= to {
                continue;
            }
            let period = (60_000 / per_minute.min(60_000)).max(1);
            let first = from.as_millisecond().div_euclid(period) + i64::from(from.as_millisecond() % period != 0);
            let last = (to.as_millisecond() - 1).div_euclid(period);
            let first = first.max(last.saturating_sub(i64::try_from(MOST).unwrap_or(i64::MAX)));
            for number in first..=last {
                let Ok(at) = Timestamp::from_millisecond(number.saturating_mul(period)) else { continue };
                visits.extend(self.visit(short, number, at));
            }
        }
        visits.sort_by(|a, b| (a.at, &a.service).cmp(&(b.at, &b.service)));
        visits
    }

    fn visit(&self, short: &str, number: i64, at: Timestamp) -> Option<Visit> {
        let serving = self.stood(at)?.services.get(short)?;
        // 37 has no factor in common with 100: of any hundred requests each percent gets one, and they are mixed.
        let mut turn = (number.rem_euclid(100) * 37).rem_euclid(100);
        let revision = serving.iter().find(|serving| {
            turn -= serving.share;
            turn < 0
        })?;
        let state = match revision.starting_until {
            Some(until) if at < until => State::Starting,
            _ => revision.state,
        };
        let figures = &self.services.get(short)?.figures;
        let latency = match state {
            State::Well => figures.latency,
            State::Starved | State::TurnedAway => figures.starved_latency,
            State::Crashing | State::Starting => figures.crash_latency,
        };
        let (service, revision) = (short.to_owned(), revision.revision.clone());
        Some(Visit { at, service, revision, state, latency, number })
    }
}

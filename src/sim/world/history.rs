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
        if self.history.last().is_some_and(|last| last.services == services) {
            return;
        }
        // Only the last of several changes in one moment was ever to be seen.
        if self.history.last().is_some_and(|last| last.since == self.now) {
            self.history.pop();
        }
        if self.history.len() == REMEMBERED {
            self.history.remove(0);
        }
        self.history.push(Standing { since: self.now, services });
    }

    fn serving_now(&self, short: &str) -> Vec<Serving> {
        let Some(service) = self.services.get(short) else { return Vec::new() };
        let one = |(revision, share): (String, i64)| {
            let state = match self.root_cause(short, &revision) {
                None => State::Well,
                Some(Illness::Crashing { .. }) => State::Crashing,
                Some(_) => State::Starved,
            };
            let recovered = service.revisions.get(&revision).and_then(|revision| revision.recovered);
            let starting_until = recovered.map(|recovered| later(recovered, service.figures.start_up));
            Serving { revision, share, state, starting_until: starting_until.filter(|_| state == State::Well) }
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
        let standing = self.history.partition_point(|standing| standing.since <= at).saturating_sub(1);
        let serving = self.history.get(standing)?.services.get(short)?;
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
            State::Starved => figures.starved_latency,
            State::Crashing | State::Starting => figures.crash_latency,
        };
        let (service, revision) = (short.to_owned(), revision.revision.clone());
        Some(Visit { at, service, revision, state, latency, number })
    }
}

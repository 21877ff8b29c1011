//! The requests that the services got: those of visitors who are worked out, and those that were really sent.
//!
//! A service has `requests_per_minute` visitors (its scenario's figure). Nobody simulates them one by one: they come at
//! even intervals, are divided as the traffic is, and fare as whoever came at that moment would have fared. A request
//! that was really sent to a service is remembered beside them, so that a probe finds itself in the logs and in the
//! metrics as it would at Google. Those are not saved: a cloud that is reopened knows of its visitors, and of no probe.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::World;
use super::history::State;
use crate::sim::clock::later;

/// More visitors than this are not worked out for one question.
const MOST: usize = 100_000;
/// How long before the scenario's beginning things were as they are then.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// Requests that were really sent: so many of the last ones are remembered.
const REMEMBERED: usize = 20_000;

/// A request to a service, as a log keeps it.
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
    /// The status of the answer.
    pub status: u16,
    /// Who came.
    pub visitor: Visitor,
}

/// Who came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// One of the many, by number.
    Anyone(i64),
    /// Somebody whose request was really sent.
    Somebody(Box<Asked>),
}

impl Visitor {
    /// What tells this visitor's request from those of the others of the same service.
    pub fn key(&self) -> String {
        match self {
            Visitor::Anyone(number) => number.to_string(),
            Visitor::Somebody(asked) => format!("sent/{}", asked.number),
        }
    }
}

/// What a request that was really sent asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Which of those requests it was.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path, without the query: there might be a secret in that.
    pub path: String,
}

/// The last requests that were really sent. A clone costs nothing: a world is cloned with every change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitors {
    last: Arc<VecDeque<Visit>>,
    count: u64,
}

impl Visitors {
    fn remember(&mut self, mut visit: Visit) {
        self.count += 1;
        if let Visitor::Somebody(asked) = &mut visit.visitor {
            asked.number = self.count;
        }
        let last = Arc::make_mut(&mut self.last);
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(visit);
    }
}

impl Visit {
    /// When the answer was given. A request is logged and counted then, not before: a long one is not to be seen until
    /// it ends (source: the description of `run.googleapis.com/request_count`).
    pub fn ended(&self) -> Timestamp {
        later(self.at, self.latency)
    }

    /// Whether it reached a container; one that did not is not counted (source: the same).
    pub fn arrived(&self) -> bool {
        self.state != State::Starting && !self.revision.is_empty()
    }
}

impl World {
    /// Remembers a request that was really sent.
    pub(in crate::sim) fn visited(&mut self, visit: Visit) {
        self.visitors.remember(visit);
    }

    /// The requests that arrived from `from` on and before `to`, the oldest first; of too many, the newest.
    pub fn visits(&self, from: Timestamp, to: Timestamp) -> Vec<Visit> {
        let to = to.min(self.now);
        let mut visits: Vec<Visit> =
            self.visitors.last.iter().filter(|visit| from <= visit.at && visit.at < to).cloned().collect();
        let from = from.max(self.history.first().map_or(to, |first| later(first.since, -BEFORE)));
        for (short, service) in &self.parts.cloud_run.services {
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

    /// The requests that were answered from `from` on and before `to`.
    pub fn answered(&self, from: Timestamp, to: Timestamp) -> Vec<Visit> {
        let mut visits = self.visits(later(from, -self.longest()), to);
        visits.retain(|visit| from <= visit.ended() && visit.ended() < to);
        visits
    }

    /// The longest that an answer ever took.
    fn longest(&self) -> SignedDuration {
        let stood = self.history.iter().flat_map(|standing| standing.services.values().flatten());
        let stood = stood.map(|serving| serving.latency);
        let starting = self.parts.cloud_run.services.values().map(|service| service.figures.crash_latency);
        let real = self.visitors.last.iter().map(|visit| visit.latency);
        stood.chain(starting).chain(real).max().unwrap_or_default()
    }

    fn visit(&self, short: &str, number: i64, at: Timestamp) -> Option<Visit> {
        let serving = self.stood(at)?.services.get(short)?;
        // 37 has no factor in common with 100: of any hundred requests each percent gets one, and they are mixed.
        let mut turn = (number.rem_euclid(100) * 37).rem_euclid(100);
        let revision = serving.iter().find(|serving| {
            turn -= serving.share;
            turn < 0
        })?;
        let starting = revision.starting_until.is_some_and(|until| at < until);
        let (state, latency, cut) = if starting {
            (State::Starting, self.parts.cloud_run.services.get(short)?.figures.crash_latency, false)
        } else {
            (revision.state, revision.latency, revision.cut)
        };
        let (service, revision) = (short.to_owned(), revision.revision.clone());
        Some(Visit {
            at,
            service,
            revision,
            state,
            latency,
            status: state.status(cut),
            visitor: Visitor::Anyone(number),
        })
    }
}

//! What is watched beside the work: guards, and whether what was applied is still so.
//!
//! A guard watches for a turn for the worse: it is armed by its first healthy sample, so that one over what is being
//! healed does not trip before anything was done. A sample of which nothing is known neither arms nor trips it.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;
use crate::gate::{Health, Observation};
use crate::run::Guard;

/// How far looks at what was applied are apart.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Watch {
    guards: Vec<Watched>,
    compared: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Watched {
    guard: Guard,
    last: Option<Timestamp>,
    armed: bool,
    /// Unhealthy samples in a row.
    bad: u32,
    /// Whether the operator has said to go on in spite of it.
    dismissed: bool,
}

impl Watch {
    pub(super) fn new(guards: Vec<Guard>) -> Watch {
        let watched = |guard| Watched { guard, last: None, armed: false, bad: 0, dismissed: false };
        Watch { guards: guards.into_iter().map(watched).collect(), compared: None }
    }

    /// The probes to look at now.
    pub(super) fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.active().filter(|watched| watched.is_due(now));
        due.map(|watched| watched.guard.probe.clone()).collect()
    }

    /// When the next look is due that is not due now.
    pub(super) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        self.active().filter_map(Watched::next).filter(|next| *next > now).min()
    }

    /// Whether it is time to look at what was applied.
    pub(super) fn compares(&self, now: Timestamp) -> bool {
        self.compared.is_some_and(|compared| later(compared, COMPARE_EVERY) <= now || compared > now)
    }

    /// When that is.
    pub(super) fn next_comparison(&self) -> Option<Timestamp> {
        self.compared.map(|compared| later(compared, COMPARE_EVERY))
    }

    /// From now on there is something to compare, or it was compared just now.
    pub(super) fn compared(&mut self, now: Timestamp) {
        self.compared = Some(now);
    }

    /// Takes a sample; the guard, if that trips it.
    pub(super) fn see(&mut self, probe: &str, observation: &Observation, now: Timestamp) -> Option<(Guard, String)> {
        let watched = self.guards.iter_mut().find(|watched| watched.guard.probe == probe)?;
        watched.last = Some(now);
        match &observation.health {
            Health::Healthy => {
                watched.armed = true;
                watched.bad = 0;
            }
            Health::Unhealthy { why } if watched.armed && !watched.dismissed => {
                watched.bad = watched.bad.saturating_add(1);
                if watched.bad >= watched.guard.failures {
                    watched.bad = 0;
                    return Some((watched.guard.clone(), why.clone()));
                }
            }
            Health::Unhealthy { .. } | Health::Unknown { .. } | Health::Broken { .. } => {}
        }
        None
    }

    /// The operator goes on in spite of this guard.
    pub(super) fn dismiss(&mut self, probe: &str) {
        for watched in self.guards.iter_mut().filter(|watched| watched.guard.probe == probe) {
            watched.dismissed = true;
        }
    }

    /// Another process watches: what was not watched in between is not held together.
    pub(super) fn interrupted(&mut self) {
        for watched in &mut self.guards {
            watched.bad = 0;
        }
    }

    fn active(&self) -> impl Iterator<Item = &Watched> {
        self.guards.iter().filter(|watched| !watched.dismissed)
    }
}

impl Watched {
    /// Also if its last look lies in the future: then the clock was set back.
    fn is_due(&self, now: Timestamp) -> bool {
        self.next().is_none_or(|next| next <= now) || self.last.is_some_and(|last| last > now)
    }

    fn next(&self) -> Option<Timestamp> {
        self.last.map(|last| later(last, self.guard.every))
    }
}

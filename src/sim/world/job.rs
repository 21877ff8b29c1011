//! Operations of the older APIs, Cloud SQL and Compute Engine.
//!
//! They are not `google.longrunning.Operation`: each of the two APIs has a message of its own, with a `status` that is
//! PENDING, RUNNING or DONE in the place of `done`. What the two share is here; how they look is with their API.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::operation::Twist;
use super::refusal::Refusal;
use super::uuid_like;
use crate::sim::clock::later;

/// One operation, and what it does when its time has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job<E> {
    /// The name that clients ask by.
    pub id: String,
    /// Who asked for it.
    pub user: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it will be, or was to be, done.
    pub due: Timestamp,
    /// When it was done.
    pub ended: Option<Timestamp>,
    /// What it does.
    pub effect: E,
    /// Why it failed, if it did.
    pub error: Option<Refusal>,
    /// What a fault makes of it.
    pub twist: Option<Twist>,
}

impl<E> Job<E> {
    /// The API's `first` status when it has just been accepted, then RUNNING, in the end DONE. That the first lasts for no time
    /// is ours.
    pub fn status(&self, now: Timestamp, first: &'static str) -> &'static str {
        match self.ended {
            Some(_) => "DONE",
            None if now == self.created => first,
            None => "RUNNING",
        }
    }
}

/// The operations of one API, in the order in which they were accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jobs<E>(BTreeMap<u64, Job<E>>);

impl<E> Default for Jobs<E> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// Who asks for something, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) user: &'a str,
    pub(super) now: Timestamp,
    pub(super) twist: Option<&'a Twist>,
}

impl<E: Clone> Jobs<E> {
    /// Accepts an operation that ends `takes` from now; `family` makes its name differ from other APIs'.
    pub(super) fn begin(&mut self, family: &str, asked: Asked<'_>, takes: SignedDuration, effect: E) -> &Job<E> {
        let number = self.0.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let hangs = asked.twist == Some(&Twist::Hangs);
        self.0.entry(number).or_insert(Job {
            id: uuid_like(&format!("{family}/operations/{number}")),
            user: asked.user.to_owned(),
            created: asked.now,
            due: if hangs { Timestamp::MAX } else { later(asked.now, takes) },
            ended: None,
            effect,
            error: None,
            twist: asked.twist.cloned(),
        })
    }

    /// The operation with this name.
    pub fn get(&self, id: &str) -> Option<&Job<E>> {
        self.0.values().find(|job| job.id == id)
    }

    /// All of them, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Job<E>> {
        self.0.values().rev()
    }

    /// Those that have not ended.
    pub fn running(&self) -> impl Iterator<Item = &Job<E>> {
        self.0.values().filter(|job| job.ended.is_none())
    }

    /// When the next of them ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.running().map(|job| job.due).min()
    }

    /// Ends the first that is due, and says what it does now; `None` if there is none or it fails.
    pub(super) fn end_next(&mut self, now: Timestamp) -> Option<E> {
        let due = |(_, job): &(&u64, &mut Job<E>)| job.ended.is_none() && job.due <= now;
        let (_, job) = self.0.iter_mut().filter(due).min_by_key(|(number, job)| (job.due, **number))?;
        job.ended = Some(now);
        if let Some(Twist::Fails(refusal)) = &job.twist {
            job.error = Some(refusal.clone());
            return None;
        }
        if let Some(Twist::Misreports(refusal)) = &job.twist {
            job.error = Some(refusal.clone());
        }
        Some(job.effect.clone())
    }
}

//! What could be read of a runbook: every block that is in order, whatever the others are like.
//!
//! The rules of `check` look at a draft, so that one misspelt key does not hide the other mistakes. Its phases
//! and steps keep their numbers of the file, and so their [`Path`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::document::Path;
use super::model::{About, Action, OnFailure, Phase, Probe, Runbook, Step, Target};
use crate::gate::Rule;

/// A block of the file.
#[derive(Clone, Debug)]
pub enum Part<T> {
    /// It is not there.
    Absent,
    /// It is there and could not be read; why has been said.
    Faulty,
    /// It is in order.
    Read(T),
}

impl<T> Part<T> {
    /// What was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Part::Read(value) => Some(value),
            Part::Absent | Part::Faulty => None,
        }
    }
}

/// A runbook as far as it could be read.
#[derive(Clone, Debug)]
pub struct Draft {
    /// `[runbook]`.
    pub about: Part<About>,
    /// `[target]`.
    pub target: Part<Target>,
    /// The inputs by name, and whether something refers to them.
    pub inputs: BTreeMap<String, bool>,
    /// The probes by name.
    pub probes: BTreeMap<String, Part<Probe>>,
    /// The phases, in order.
    pub phases: Vec<PhaseDraft>,
    /// Whether there is nothing that could not be read.
    pub whole: bool,
    pub(super) unresolved: BTreeSet<Path>,
}

/// A phase as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct PhaseDraft {
    /// Its name.
    pub name: Option<String>,
    /// One line for people.
    pub title: Option<String>,
    /// How long it should take at most.
    pub budget: Option<Duration>,
    /// Its steps, in order.
    pub steps: Vec<StepDraft>,
}

/// A step as far as it could be read.
#[derive(Clone, Debug)]
pub struct StepDraft {
    /// Its name.
    pub name: Option<String>,
    /// `uses` and `with`.
    pub action: Part<Action>,
    /// `gate`.
    pub gate: Part<Rule>,
    /// The probes that the gate names, even if something else about it could not be read.
    pub watched: Vec<String>,
    /// What to do when it fails.
    pub on_failure: Option<OnFailure>,
}

impl Draft {
    /// Whether the text at `path` is what it will be: every reference in it has a value.
    pub fn is_resolved(&self, path: &Path) -> bool {
        !self.unresolved.contains(path)
    }

    /// Every step with its place, in order.
    pub fn steps(&self) -> impl Iterator<Item = (Path, &StepDraft)> {
        self.phases.iter().enumerate().flat_map(|(phase, draft)| {
            draft.steps.iter().enumerate().map(move |(step, draft)| (Path::step(phase, step), draft))
        })
    }

    /// The runbook, if everything could be read and every input that is used has a value.
    pub fn into_runbook(self) -> Option<Runbook> {
        if !self.whole || !self.unresolved.is_empty() {
            return None;
        }
        let (Part::Read(about), Part::Read(target)) = (self.about, self.target) else { return None };
        let probes = self.probes.into_iter().map(|(name, probe)| match probe {
            Part::Read(probe) => Some((name, probe)),
            Part::Absent | Part::Faulty => None,
        });
        let phases = self.phases.into_iter().map(PhaseDraft::into_phase);
        Some(Runbook { about, target, probes: probes.collect::<Option<_>>()?, phases: phases.collect::<Option<_>>()? })
    }
}

impl PhaseDraft {
    fn into_phase(self) -> Option<Phase> {
        let steps = self.steps.into_iter().map(StepDraft::into_step).collect::<Option<_>>()?;
        Some(Phase { name: self.name?, title: self.title, budget: self.budget, steps })
    }
}

impl StepDraft {
    fn into_step(self) -> Option<Step> {
        let Part::Read(action) = self.action else { return None };
        let gate = match self.gate {
            Part::Absent => None,
            Part::Faulty => return None,
            Part::Read(rule) => Some(rule),
        };
        Some(Step { name: self.name?, action, gate, on_failure: self.on_failure })
    }
}

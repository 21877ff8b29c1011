//! What could be read of a runbook: every block that is in order, whatever the others are like.
//!
//! The rules of `check` look at a draft, so that one misspelt key does not hide the other mistakes. Its phases
//! and steps keep their numbers of the file, and so their [`Path`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::model::{
    About, Allowed, Closing, DrillPolicy, Escalation, FanOut, Guard, Iteration, Limits, OnFailure, Phase, Prices,
    Require, Runbook, Step, Symptom,
};
use super::read::Mode;
use crate::action::Action;
use crate::gate::GateRule;
use crate::probe::Probe;
use crate::run::{Elsewhere, Occasion, Target};
use crate::syntax::Path;
use crate::syntax::condition::Condition;

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

    /// What was read, if that is what there is.
    fn into_read(self) -> Option<T> {
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
    /// The values of inputs that came from the environment and may be shown, by input.
    pub plain_env: BTreeMap<String, String>,
    /// The probes by name.
    pub probes: BTreeMap<String, Part<Probe>>,
    /// `[symptom]`.
    pub symptom: Part<Symptom>,
    /// `[limits]`.
    pub limits: Part<Limits>,
    /// `[cost]`.
    pub prices: Part<Prices>,
    /// The phases, in order.
    pub phases: Vec<PhaseDraft>,
    /// The guards, in order.
    pub guards: Vec<Part<Guard>>,
    /// `[escalation]`.
    pub escalation: Part<Escalation>,
    /// `[closure]`.
    pub closure: Part<Vec<Closing>>,
    /// `[drill]`.
    pub drill: Part<DrillPolicy>,
    /// Whether there is nothing that could not be read.
    pub whole: bool,
    /// What it was read for.
    pub mode: Mode,
    pub(super) unresolved: BTreeSet<Path>,
    pub(super) later: BTreeSet<Path>,
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
    /// When its turn comes.
    pub occasion: Occasion,
    /// What to do when a step of it fails.
    pub on_failure: Option<OnFailure>,
    /// Its steps, in order.
    pub steps: Vec<StepDraft>,
}

/// A step as far as it could be read.
#[derive(Clone, Debug)]
pub struct StepDraft {
    /// Its name.
    pub name: Option<String>,
    /// What it does: once, or once for each item.
    pub iterations: Vec<IterationDraft>,
    /// `for_each`.
    pub fan_out: Part<FanOut>,
    /// `project` and `region`.
    pub elsewhere: Elsewhere,
    /// `when`.
    pub when: Option<Condition>,
    /// `irreversible`.
    pub irreversible: bool,
    /// `confirm`.
    pub confirm: Option<String>,
    /// `require`.
    pub require: Part<Require>,
    /// What to do when it fails.
    pub on_failure: Option<OnFailure>,
    /// How long each of its operations is awaited at most.
    pub operation_timeout: Option<Duration>,
    /// `allow`.
    pub allow: Vec<Allowed>,
}

/// What a step does for one item, as far as it could be read.
#[derive(Clone, Debug)]
pub struct IterationDraft {
    /// `uses` and `with`.
    pub action: Part<Action>,
    /// `gate`.
    pub gate: Part<GateRule>,
    /// The probes that the gate names, even if something else about it could not be read.
    pub watched: Vec<String>,
}

impl Draft {
    /// Whether the text at `path` is what it will be: every reference in it has a value.
    pub fn is_resolved(&self, path: &Path) -> bool {
        !self.unresolved.contains(path)
    }

    /// The texts that only a run can complete, because they refer to what a step brings about.
    pub fn known_later(&self) -> impl Iterator<Item = &Path> {
        self.later.iter()
    }

    /// Every step with its place, in order.
    pub fn steps(&self) -> impl Iterator<Item = (Path, &StepDraft)> {
        self.phases.iter().enumerate().flat_map(|(phase, draft)| {
            draft.steps.iter().enumerate().map(move |(step, draft)| (Path::step(phase, step), draft))
        })
    }

    /// Whether everything could be read, and every input that is used has a value.
    pub fn is_complete(&self) -> bool {
        self.whole && self.unresolved.is_subset(&self.later)
    }

    /// Whether every text below `path` is what it will be, or will be known once a step has been carried out.
    pub fn is_known(&self, path: &Path) -> bool {
        // In their order, what stands at a path is followed by what stands below it.
        let below = self.unresolved.range(path..).skip_while(|text| *text == path);
        !below.take_while(|text| text.is_within(path)).any(|text| !self.later.contains(text))
    }

    /// What can be used of the runbook: without the steps of which `is_left_out` says so, without what could not be read, and
    /// without what refers to inputs that have no value. `None` if not even its target is known.
    pub fn usable(&self, is_left_out: impl Fn(&Path) -> bool) -> Option<Runbook> {
        let root = Path::root();
        let target = self.target.read().filter(|_| self.is_known(&root.key("target")))?.clone();
        let is_usable =
            |(name, probe): &(&String, &Part<Probe>)| probe.read().is_some() && self.is_known(&Path::probe(name));
        let probes = self.probes.iter().filter(is_usable);
        let probes: BTreeMap<String, Probe> =
            probes.filter_map(|(name, probe)| Some((name.clone(), probe.read()?.clone()))).collect();
        let mut symptom = self.symptom.read().cloned().unwrap_or_default();
        symptom.unhealthy.retain(|name| probes.contains_key(name));
        let phase = |(index, draft): (usize, &PhaseDraft)| {
            let is_kept = |(step, _): &(usize, &StepDraft)| {
                let path = Path::step(index, *step);
                self.is_known(&path) && !is_left_out(&path)
            };
            let steps = draft.steps.iter().enumerate().filter(is_kept);
            Some(Phase {
                name: draft.name.clone()?,
                title: draft.title.clone(),
                budget: draft.budget,
                occasion: draft.occasion,
                on_failure: draft.on_failure,
                steps: steps.filter_map(|(_, step)| step.clone().into_step()).collect(),
            })
        };
        let guards = self.guards.iter().filter_map(|guard| guard.read().cloned());
        Some(Runbook {
            about: self.about.read()?.clone(),
            target,
            plain_env: self.plain_env.clone(),
            symptom,
            limits: self.limits.read().cloned().unwrap_or_default(),
            prices: self.prices.read().filter(|_| self.is_known(&root.key("cost"))).cloned(),
            phases: self.phases.iter().enumerate().filter_map(phase).collect(),
            guards: guards.filter(|guard| probes.contains_key(&guard.probe)).collect(),
            escalation: self.escalation.read().filter(|_| self.is_known(&root.key("escalation"))).cloned(),
            closure: self.closure.read().filter(|_| self.is_known(&root.key("closure"))).cloned().unwrap_or_default(),
            drill: self.drill.read().cloned().unwrap_or_default(),
            probes,
        })
    }

    /// The runbook, if everything could be read and every input that is used has a value.
    pub fn into_runbook(self) -> Option<Runbook> {
        // From here on, what could not be read is not there.
        if !self.is_complete() {
            return None;
        }
        let probes = self.probes.into_iter().map(|(name, probe)| Some((name, probe.into_read()?)));
        let guards = self.guards.into_iter().map(Part::into_read);
        Some(Runbook {
            about: self.about.into_read()?,
            target: self.target.into_read()?,
            plain_env: self.plain_env,
            probes: probes.collect::<Option<_>>()?,
            symptom: self.symptom.into_read().unwrap_or_default(),
            limits: self.limits.into_read().unwrap_or_default(),
            prices: self.prices.into_read(),
            phases: self.phases.into_iter().map(PhaseDraft::into_phase).collect::<Option<_>>()?,
            guards: guards.collect::<Option<_>>()?,
            escalation: self.escalation.into_read(),
            closure: self.closure.into_read().unwrap_or_default(),
            drill: self.drill.into_read().unwrap_or_default(),
        })
    }
}

impl PhaseDraft {
    fn into_phase(self) -> Option<Phase> {
        let steps = self.steps.into_iter().map(StepDraft::into_step).collect::<Option<_>>()?;
        let Self { name, title, budget, occasion, on_failure, .. } = self;
        Some(Phase { name: name?, title, budget, occasion, on_failure, steps })
    }
}

impl StepDraft {
    /// A step that is no table at all.
    pub(super) fn faulty() -> StepDraft {
        let iteration = IterationDraft { action: Part::Faulty, gate: Part::Faulty, watched: Vec::new() };
        StepDraft {
            name: None,
            iterations: vec![iteration],
            fan_out: Part::Faulty,
            elsewhere: Elsewhere::default(),
            when: None,
            irreversible: false,
            confirm: None,
            require: Part::Faulty,
            on_failure: None,
            operation_timeout: None,
            allow: Vec::new(),
        }
    }

    fn into_step(self) -> Option<Step> {
        let iterations = self.iterations.into_iter().map(IterationDraft::into_iteration).collect::<Option<_>>()?;
        Some(Step {
            name: self.name?,
            iterations,
            fan_out: self.fan_out.into_read(),
            elsewhere: self.elsewhere,
            when: self.when,
            irreversible: self.irreversible,
            confirm: self.confirm,
            require: self.require.into_read(),
            on_failure: self.on_failure,
            operation_timeout: self.operation_timeout,
            allow: self.allow,
        })
    }
}

impl IterationDraft {
    fn into_iteration(self) -> Option<Iteration> {
        Some(Iteration { action: self.action.into_read()?, gate: self.gate.into_read() })
    }
}

//! What a runbook says, as plain data: values are parsed, `${…}` is resolved, nothing is judged yet.
//!
//! Places in the text are not kept here. Whoever needs one asks the document for the span of a path,
//! such as `phase[1].step[0].with.image`.

mod drill;
mod escalation;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::drill::{DrillPolicy, Exception, FaultClass, Unacceptable};
pub use self::escalation::{Closing, Criterion, Escalation, Ground, Priority, SupportCase};
pub use self::window::{BadWindow, DenyWindow};
use crate::action::{Action, ItemList, StepLimits};
use crate::gate::GateRule;
use crate::peer::Hosts;
use crate::probe::{Probe, ProbeSet};
pub use crate::run::OnFailure;
use crate::run::{Elsewhere, Occasion, Target};
use crate::syntax::condition::Condition;

/// A whole runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// `[runbook]`: what it is and who answers for it.
    pub about: About,
    /// `[target]`: where every call goes.
    pub target: Target,
    /// The values of inputs that came from the environment and may be shown, by input.
    pub plain_env: BTreeMap<String, String>,
    /// `[probes]`, by name.
    pub probes: BTreeMap<String, Probe>,
    /// `[symptom]`: the probes that must be unhealthy before the first change, and healthy at the end.
    pub symptom: Symptom,
    /// `[limits]`: the blast radius.
    pub limits: Limits,
    /// `[cost]`: what things cost, if the runbook says it.
    pub prices: Option<Prices>,
    /// `[[phase]]`, in order.
    pub phases: Vec<Phase>,
    /// `[[guard]]`: what is watched while phases run.
    pub guards: Vec<Guard>,
    /// `[escalation]`: when to go on, and when to call Google.
    pub escalation: Option<Escalation>,
    /// `[closure]`: what must hold before the incident is closed.
    pub closure: Vec<Closing>,
    /// `[drill]`: which endings of a drill are not accepted.
    pub drill: DrillPolicy,
}

impl Runbook {
    /// Every step, in the order of the phases.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// Where a step of it works.
    pub fn target_of(&self, step: &Step) -> Target {
        self.target.or(&step.elsewhere)
    }

    /// Its probes, and whom they may ask.
    pub fn probe_set(&self) -> ProbeSet {
        ProbeSet { probes: self.probes.clone(), hosts: self.limits.hosts.clone(), target: self.target.clone() }
    }
}

/// The `[runbook]` table.
#[derive(Clone, Debug)]
pub struct About {
    /// Short name, used in run ids and messages.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// What is wrong when this runbook is the right one.
    pub description: Option<String>,
    /// Who answers for it.
    pub owners: Vec<String>,
    /// Link to the incident.
    pub incident: Option<String>,
    /// What to do when a step fails and neither it nor its phase says so.
    pub on_failure: OnFailure,
}

/// What things cost by the hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// What the prices are in.
    pub currency: String,
    /// The price of an hour of one of each, by what it is called: a machine type, a tier, or `sql-storage-gb`.
    pub per_hour: BTreeMap<String, f64>,
}

/// The blast radius: what no run may go beyond. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The projects it may be used on.
    pub projects: Option<Vec<String>>,
    /// The regions it may be used in.
    pub regions: Option<Vec<String>>,
    /// The APIs, by host, whose resources may be changed by their full resource names.
    pub apis: Option<Vec<String>>,
    /// How much one step may change.
    pub step: StepLimits,
    /// The most services that may be changed.
    pub services: Option<u32>,
    /// The hosts that probes may ask.
    pub hosts: Option<Hosts>,
    /// When no run may begin.
    pub deny: Vec<DenyWindow>,
}

impl Limits {
    /// The window in which a run may not begin at this time, if there is one.
    pub fn denying(&self, at: Timestamp) -> Option<&DenyWindow> {
        self.deny.iter().find(|window| window.has(at))
    }
}

/// A group of steps with a budget.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Unique name.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// How long the phase should take at most.
    pub budget: Option<Duration>,
    /// When its turn comes.
    pub occasion: Occasion,
    /// What to do when a step fails that does not say so itself; `None`: as the runbook says.
    pub on_failure: Option<OnFailure>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique in the whole runbook.
    pub name: String,
    /// What it does: once, or once for each item of its `for_each`.
    pub iterations: Vec<Iteration>,
    /// How its iterations are taken, if it has a `for_each`.
    pub fan_out: Option<FanOut>,
    /// Where it works, if not in the target's project or region.
    pub elsewhere: Elsewhere,
    /// What must hold when the plan is made, or the step is left out of it.
    pub when: Option<Condition>,
    /// Whether its author knows that it cannot be undone.
    pub irreversible: bool,
    /// What the operator is asked before it.
    pub confirm: Option<String>,
    /// What must be so before it may begin.
    pub require: Option<Require>,
    /// What to do when it fails; `None`: as the phase or the runbook says.
    pub on_failure: Option<OnFailure>,
    /// How long each of its operations is awaited at most; `None`: as long as the resource's kind says.
    pub operation_timeout: Option<Duration>,
    /// The diagnostics of `check` that its author answers.
    pub allow: Vec<Allowed>,
}

/// A diagnostic of `check` that the author of a step answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// The diagnostic's code.
    pub code: String,
    /// Why it is right at this step.
    pub reason: String,
}

impl Step {
    /// The list that says what it is done for, if one does and nobody has looked yet.
    pub fn unlisted(&self) -> Option<&ItemList> {
        match &self.fan_out.as_ref()?.items {
            Items::Listed { list, found: None } => Some(list),
            Items::Named(_) | Items::Listed { .. } => None,
        }
    }

    /// Its iterations: the name of each, the item that it is for, if it has a `for_each`, and what it does.
    pub fn by_iteration(&self) -> impl Iterator<Item = (String, Option<&String>, &Iteration)> {
        self.iterations.iter().enumerate().map(|(place, iteration)| {
            let item = self.fan_out.as_ref().and_then(|fan_out| fan_out.items.known().get(place));
            let name = item.map_or_else(|| self.name.clone(), |item| format!("{}/{item}", self.name));
            (name, item, iteration)
        })
    }
}

/// What a step does, for one item.
#[derive(Clone, Debug)]
pub struct Iteration {
    /// `uses` and `with`.
    pub action: Action,
    /// What proves that it worked.
    pub gate: Option<GateRule>,
}

/// How the iterations of a step are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanOut {
    /// What the step is done for.
    pub items: Items,
    /// How many at once, at least 1.
    pub max_parallel: u32,
    /// How many may fail before no more are begun.
    pub max_failures: u32,
}

/// What a step is done for, one iteration each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// The runbook names them.
    Named(Vec<String>),
    /// The cloud has them.
    Listed {
        /// What lists them.
        list: ItemList,
        /// Those that were found; `None` before anybody has looked.
        found: Option<Vec<String>>,
    },
}

impl Items {
    /// Those that are known.
    pub fn known(&self) -> &[String] {
        match self {
            Items::Named(items) | Items::Listed { found: Some(items), .. } => items,
            Items::Listed { found: None, .. } => &[],
        }
    }
}

/// What must be so before a step may begin.
#[derive(Clone, Debug)]
pub struct Require {
    /// Probes that must be healthy.
    pub healthy: Vec<String>,
    /// Probes that must be unhealthy.
    pub unhealthy: Vec<String>,
    /// What must hold over `probes`.
    pub condition: Option<Condition>,
    /// How old what was seen may be when the step's change is sent.
    pub max_age: Duration,
}

/// `[symptom]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symptom {
    /// The probes that show it.
    pub unhealthy: Vec<String>,
    /// How old what was seen may be when the first change is sent; `None` without a symptom.
    pub max_age: Option<Duration>,
}

/// A probe that is watched while phases run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The probe's name.
    pub probe: String,
    /// How often it is observed.
    pub every: Duration,
    /// How many unhealthy samples in a row trip it, at least 1.
    pub failures: u32,
    /// What happens then.
    pub then: GuardAction,
}

/// What a guard does when it trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardAction {
    /// Begin nothing more, and ask.
    #[default]
    Pause,
    /// Undo what was done.
    Rollback,
}

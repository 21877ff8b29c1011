//! A checked runbook and the live cloud → the ordered changes a run would make.
//!
//! Planning only reads: it holds a [`Cloud`](crate::resource::Cloud), which has no call that changes something, and it
//! runs no code of the runbook. [`observe()`] asks everything at once; [`plan()`] is pure and works out, step by step,
//! what each would find and change, so that a later step builds on what an earlier one leaves; [`prove()`] asks the API
//! what it would say to the changes. What cannot be worked out is a [`Problem`] of its step: a plan is complete, or says
//! exactly which part is missing and why.

mod access;
mod cost;
mod debt;
mod listing;
mod observe;
mod outbound;
mod planner;
mod prove;
mod rederive;
mod render;
mod role;
mod saved;
mod selection;
mod when;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use access::{Access, Need, access, needs};
pub use cost::Cost;
pub use debt::Debt;
pub use listing::{lists, observe_lists};
pub use observe::{Snapshot, Trials, Trying, Unseen, judging, observe, touched, trials};
pub use outbound::{Outbound, Sender, Tried};
pub use planner::plan;
pub use prove::prove;
pub use rederive::{NotDerived, ProgramSteps};
pub use render::{
    ReviewContext, RoleSubject, TextStyle, failure_policy, folded, gate, lines, markdown, outbound, outlook, resource,
    role_yaml, text, way_back,
};
pub use role::{Duty, RoleNeeds, role_needs};
pub use saved::{BadPlan, Moved, Saved};
pub use selection::{Selection, Unknown};

use crate::action::{ObstacleKind, is_outside_the_apis};
use crate::check::{GapKind, Partial};
use crate::gate::{GateRule, Observation};
use crate::run::{
    Change, FailurePolicy, Guard, Occasion, Preconditions, ResourceId, Reversibility, Task, TaskId, Work, least_time,
};
use crate::runbook::model::Allowed;

/// Version of the plan's written form.
pub const FORMAT: u32 = 2;

/// Everything a run will do, in order, and what that rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title, or its name.
    pub title: String,
    /// Project id.
    pub project: String,
    /// Region.
    pub region: String,
    /// Whether the operator must type the project's name before the first change.
    pub protected: bool,
    /// Where the calls go, in words.
    pub cloud: String,
    /// When the cloud was looked at; `None`: it was not.
    pub observed_at: Option<Timestamp>,
    /// The inputs that were given; the runbook has the defaults of the others.
    pub inputs: BTreeMap<String, String>,
    /// The variables of the environment that the operator lets inputs take; their values are in no plan.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub env: BTreeSet<String>,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// What is watched meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
    /// What is known of the tasks besides, for whoever judges them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reviews: BTreeMap<TaskId, Review>,
    /// The diagnostics of `check` that the authors of steps answer, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allowed: BTreeMap<String, Vec<Allowed>>,
    /// What could not be computed locally; a plan that has any is not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The window of `[limits] deny` that the plan was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<String>,
    /// Why a run of it began in such a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
    /// What steps over a list are done for, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lists: BTreeMap<String, Vec<String>>,
    /// The steps that are left out because their `when` does not hold, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
    /// What the probes of its gates and of the escalation saw before the first change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baseline: BTreeMap<String, Observation>,
    /// The probes of those that were not tried while planning, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub untried: BTreeMap<String, String>,
    /// Who answers for the runbook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// What it will leave behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debts: Vec<Debt>,
    /// What its tasks cost more per month, by the prices of the runbook.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<Cost>,
    /// What it takes to be allowed to do it.
    #[serde(default)]
    pub access: Access,
    /// What a run of it sends to others than Google's APIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Outbound>,
    /// What was seen of each resource that the plan touches.
    pub observed: BTreeMap<ResourceId, Basis>,
    /// What was not there or could not be observed, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<ResourceId, Unseen>,
}

/// That a run began when no run may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// The window of `[limits] deny`.
    pub window: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What is known of a task besides what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// The tasks whose outcome it builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TaskId>,
    /// How its change is known; `None` if it changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
    /// What its change and the undoing of it need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// What its gate says of the cloud as it is now; `None` if it has none, or nothing was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// How a change is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Known {
    /// The API says that it would take it.
    Validated,
    /// It was worked out from what was seen, and the API has not been asked.
    Computed {
        /// Why it has not.
        why: String,
    },
}

/// A gate, tried on the cloud as it is. One that would pass before anything is done proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "now", rename_all = "snake_case")]
pub enum Trial {
    /// It fails, as it should before the step.
    Shut {
        /// Why it fails.
        why: String,
    },
    /// Every probe of it is healthy already.
    Open,
    /// A probe of it was not tried while planning.
    Untried {
        /// Which, and why.
        why: String,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A phase, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its title, or its name.
    pub title: String,
    /// When its turn comes.
    #[serde(default, skip_serializing_if = "Occasion::is_in_order")]
    pub occasion: Occasion,
    /// Its steps, in order.
    pub steps: Vec<String>,
    /// How long it should take at most.
    #[serde(default, with = "duration", skip_serializing_if = "Option::is_none")]
    pub budget: Option<Duration>,
}

/// What a plan rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The resource's state.
    pub state: Value,
    /// Its etag, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The operation that was changing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// What its API reported as wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Something that cannot be planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The step.
    pub step: String,
    /// What sort of problem it is.
    pub sort: ObstacleKind,
    /// Why.
    pub why: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What the step is about, and what it wants of it, if that much is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Box<Wanted>>,
    /// What it sets where digests are shown, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What must be so before the step may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Preconditions>,
    /// Why it cannot be undone, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreversible: Option<String>,
    /// What would have to be healthy after the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateRule>,
    /// What would happen if the step failed, where that much could be read.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
}

impl Problem {
    /// Of a step of which nothing but this is known.
    fn new(step: String, sort: ObstacleKind, why: String) -> Problem {
        Problem {
            step,
            sort,
            why,
            help: None,
            wanted: None,
            notes: Vec::new(),
            require: None,
            irreversible: None,
            gate: None,
            failure_policy: None,
        }
    }
}

/// What stands in the place of a step where a problem is the whole runbook's.
pub const WHOLE: &str = "(runbook)";

/// What a step that cannot be planned is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The resource.
    pub resource: ResourceId,
    /// What it should be like.
    pub to: Value,
}

/// Whether a program, a person, a request or a call of a method makes its change: no API can be asked about it.
fn is_outside_the_cloud(task: &Task) -> bool {
    let is_outside = |change: &Change| is_outside_the_apis(&change.resource);
    task.change.as_ref().is_some_and(is_outside)
}

impl Plan {
    /// What a run of it has to do.
    pub fn work(&self) -> Work {
        let budgets = self.phases.iter().filter_map(|phase| Some((phase.name.clone(), phase.budget?)));
        let titles = self.phases.iter().map(|phase| (phase.name.clone(), phase.title.clone())).collect();
        Work { guards: self.guards.clone(), budgets: budgets.collect(), titles, ..Work::from(self.tasks.clone()) }
    }

    /// How long a run of it takes at least: its gates and pauses, without its operations.
    pub fn least_time(&self) -> Duration {
        least_time(self.tasks.iter().map(|task| (task, task.least_time())))
    }

    /// Says whether its programs are run.
    pub fn set_program_steps(&mut self, steps: ProgramSteps) {
        for program in self.tasks.iter_mut().filter_map(|task| task.program.as_mut()) {
            program.not_run = steps == ProgramSteps::LeftOut;
        }
        for call in self.tasks.iter_mut().filter_map(|task| task.peer.as_mut()) {
            call.not_sent = steps == ProgramSteps::LeftOut;
        }
    }

    /// Says that requests to hosts that a simulated cloud serves are sent all the same.
    pub fn send_to_served(&mut self, serves: impl Fn(&str) -> bool) {
        for call in self.tasks.iter_mut().filter_map(|task| task.peer.as_mut()) {
            call.not_sent &= !call.hosts.iter().all(|host| host.as_deref().is_some_and(&serves));
        }
    }

    /// What a run of it leaves behind that did only these tasks, or undid the others.
    pub fn debts_of(&self, is_in_force: impl Fn(&TaskId) -> bool) -> Vec<Debt> {
        // With what is made on the way back only: traffic that was given back stays where it was led.
        debt::debts(self.work().tasks.iter().filter(|task| is_in_force(&task.id)), &self.owners)
    }

    /// Whether nothing is missing from it.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether something is wrong with it: more than that nobody observed the cloud or gave an input.
    pub fn is_wrong(&self) -> bool {
        self.problems.iter().any(|problem| match problem.sort {
            ObstacleKind::Impossible | ObstacleKind::Unseen => true,
            ObstacleKind::Offline | ObstacleKind::MissingInput => false,
        })
    }

    /// Names what could not be planned because the runbook has mistakes or inputs without values.
    pub fn add_gaps(&mut self, partial: &Partial) {
        for (phase, steps) in self.phases.iter_mut().zip(&partial.steps) {
            phase.steps.clone_from(steps);
        }
        self.problems.extend(partial.gaps.iter().map(|gap| {
            let sort = match gap.kind {
                GapKind::Mistake => ObstacleKind::Impossible,
                GapKind::MissingInput => ObstacleKind::MissingInput,
            };
            let step = gap.step.clone().unwrap_or_else(|| WHOLE.to_owned());
            Problem { help: gap.help.clone(), ..Problem::new(step, sort, gap.why.clone()) }
        }));
    }

    /// How many phases come one after another, besides those that are carried out whenever the run ends.
    pub fn in_order(&self) -> usize {
        self.phases.iter().filter(|phase| phase.occasion.is_in_order()).count()
    }

    /// Tasks that change something.
    pub fn changes(&self) -> usize {
        self.tasks.iter().filter(|task| task.change.is_some()).count()
    }

    /// Tasks whose change can be undone only in part.
    pub fn partly_undone(&self) -> usize {
        let is_partial = |task: &&Task| {
            let is_partial = matches!(task.reversibility, Reversibility::WithLoss { .. } | Reversibility::Stays { .. });
            task.change.is_some() && !task.is_finally() && is_partial
        };
        self.tasks.iter().filter(is_partial).count()
    }

    /// Tasks that change something for good.
    pub fn irreversible(&self) -> usize {
        let is_irreversible = |task: &Task| task.reversibility.is_irreversible() && !task.is_finally();
        let irreversible = |task: &&Task| task.change.is_some() && is_irreversible(task);
        self.tasks.iter().filter(irreversible).count()
    }

    /// What happens when a step fails, where most of its steps agree; `None` if it has none.
    pub fn usual_failure_policy(&self) -> Option<FailurePolicy> {
        let of_tasks = self.tasks.iter().map(Task::failure_policy);
        let mut counts: Vec<(FailurePolicy, usize)> = Vec::new();
        for policy in of_tasks.chain(self.problems.iter().filter_map(|problem| problem.failure_policy)) {
            match counts.iter_mut().find(|(known, _)| *known == policy) {
                Some((_, count)) => *count += 1,
                None => counts.push((policy, 1)),
            }
        }
        // Of several that are as frequent the first.
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(policy, _)| policy)
    }

    /// The tasks of a step.
    pub fn tasks_of_step<'a>(&'a self, step: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |task| task.id.step() == step)
    }

    /// The first task from which there is no way back.
    pub fn point_of_no_return(&self) -> Option<&Task> {
        self.tasks.iter().find(|task| task.change.is_some() && task.reversibility.is_irreversible())
    }

    /// The tasks of a phase.
    pub fn tasks_of<'a>(&'a self, phase: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().filter(move |task| task.phase == phase)
    }
}

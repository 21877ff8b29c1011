//! The planner: what each step would find, and what it would change. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::cost::{Cost, Growth, growth};
use super::debt::debts;
use super::outbound::outbound;
use super::{Access, Basis, FORMAT, Known, Plan, Problem, Review, Wanted, access, is_outside_the_cloud, listing, when};
use crate::action::{Action, Forecast, Manual, Obstacle, Rollback, StepContext, TaskDraft};
use crate::gate::GateRule;
use crate::resource::traffic::Traffic;
use crate::resource::{Observable as _, Observed, Seen};
use crate::run::{
    Elsewhere, FailurePolicy, Guard, GuardAction, Occasion, OnFailure, Preconditions, RollbackScope, Subject, Target,
    Task, TaskId,
};
use crate::runbook::model::{self, Items, Iteration, Phase, Require, Runbook, Step};

/// Works out the plan, as far as that goes.
///
/// `cloud` says in words where calls go; `on_failure`, if given, is what every step does when it fails.
pub fn plan(runbook: &Runbook, observed: &Observed, cloud: &str, on_failure: Option<OnFailure>) -> Plan {
    let steps = runbook.steps();
    let targets: BTreeMap<&str, Target> = steps.map(|step| (step.name.as_str(), runbook.target_of(step))).collect();
    let mut planner = Planner {
        runbook,
        forecast: Forecast::new(&runbook.target, runbook.limits.step, observed),
        observed,
        targets: &targets,
        on_failure,
        tasks: Vec::new(),
        costs: Vec::new(),
        problems: Vec::new(),
        left_out: BTreeMap::new(),
        lists: BTreeMap::new(),
    };
    for phase in &runbook.phases {
        for step in &phase.steps {
            planner.step(phase, step);
        }
    }
    let basis = observed.resources.iter().filter_map(|(id, seen)| Some((id.clone(), Basis::of(seen.as_ref().ok()?))));
    let phases = runbook.phases.iter().map(|phase| super::Phase {
        name: phase.name.clone(),
        title: phase.title.clone().unwrap_or_else(|| phase.name.clone()),
        occasion: phase.occasion,
        steps: phase.steps.iter().map(|step| step.name.clone()).collect(),
        budget: phase.budget,
    });
    planner.symptom();
    planner.sights();
    let Planner { tasks, costs, problems, left_out, lists, .. } = planner;
    let guards = runbook.guards.iter().map(|guard| Guard {
        probe: guard.probe.clone(),
        every: guard.every,
        failures: guard.failures,
        then: match guard.then {
            model::GuardAction::Pause => GuardAction::Pause,
            model::GuardAction::Rollback => GuardAction::Rollback,
        },
    });
    let mut plan = Plan {
        format: FORMAT,
        runbook: runbook.about.name.clone(),
        title: runbook.about.title.clone().unwrap_or_else(|| runbook.about.name.clone()),
        project: runbook.target.project.clone(),
        region: runbook.target.region.clone(),
        protected: runbook.target.protected,
        cloud: cloud.to_owned(),
        observed_at: observed.at,
        inputs: BTreeMap::new(),
        env: BTreeSet::new(),
        phases: phases.collect(),
        allowed: allowed(runbook),
        reviews: reviews(&tasks, runbook),
        debts: debts(&tasks, &runbook.about.owners),
        owners: runbook.about.owners.clone(),
        costs,
        tasks,
        baseline: BTreeMap::new(),
        untried: BTreeMap::new(),
        guards: guards.collect(),
        problems,
        left_out,
        denied: observed.at.and_then(|at| runbook.limits.denying(at)).map(ToString::to_string),
        break_glass: None,
        lists,
        access: Access::default(),
        requests: outbound(runbook),
        observed: basis.collect(),
        unseen: observed.unseen(),
    };
    plan.access.needs = access::needs(&plan, runbook);
    plan
}

/// What a step requires, as a run of it does.
fn evidence(require: &Require) -> Preconditions {
    Preconditions {
        healthy: require.healthy.clone(),
        unhealthy: require.unhealthy.clone(),
        condition: require.condition.as_ref().map(ToString::to_string),
        max_age: require.max_age,
    }
}

impl Basis {
    /// Of what was seen.
    pub(super) fn of(seen: &Seen<Value>) -> Basis {
        let Seen { state, etag, operation, trouble } = seen.clone();
        Basis { state, etag, operation, trouble }
    }
}

/// What the authors of steps answer, by step.
fn allowed(runbook: &Runbook) -> BTreeMap<String, Vec<model::Allowed>> {
    let steps = runbook.steps().filter(|step| !step.allow.is_empty());
    steps.map(|step| (step.name.clone(), step.allow.clone())).collect()
}

/// What is known of each task besides what it does.
fn reviews(tasks: &[Task], runbook: &Runbook) -> BTreeMap<TaskId, Review> {
    let mut touched: BTreeMap<Subject<'_>, TaskId> = BTreeMap::new();
    let mut reviews = BTreeMap::new();
    for task in tasks {
        let mut after = Vec::new();
        if let Some(change) = &task.change {
            after.extend(touched.insert(change.subject(), task.id.clone()));
        }
        let permissions = access::of_task(task, runbook).iter().map(|permission| (*permission).to_owned()).collect();
        let why = if after.is_empty() { "the API was not asked" } else { "it rests on an earlier change of this plan" };
        let asked = task.change.as_ref().filter(|_| !is_outside_the_cloud(task));
        let known = asked.map(|_| Known::Computed { why: why.to_owned() });
        reviews.insert(task.id.clone(), Review { after, known, permissions, trial: None });
    }
    reviews
}

/// That a step works elsewhere than the plan says of all of it, if it does.
fn elsewhere(elsewhere: &Elsewhere) -> Option<String> {
    match elsewhere {
        Elsewhere { project: Some(project), region: Some(region) } => Some(format!("in {project}, {region}")),
        Elsewhere { project: Some(project), region: None } => Some(format!("in the project {project}")),
        Elsewhere { project: None, region: Some(region) } => Some(format!("in the region {region}")),
        Elsewhere { project: None, region: None } => None,
    }
}

/// How long after the last step the symptom may still be there.
const CURED_WITHIN: Duration = Duration::from_mins(10);

struct Planner<'a> {
    runbook: &'a Runbook,
    forecast: Forecast<'a>,
    observed: &'a Observed,
    targets: &'a BTreeMap<&'a str, Target>,
    on_failure: Option<OnFailure>,
    costs: Vec<Cost>,
    tasks: Vec<Task>,
    problems: Vec<Problem>,
    left_out: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
}

impl Planner<'_> {
    fn step(&mut self, phase: &Phase, step: &Step) {
        let decided = when::left_out(step, self.runbook, self.observed);
        if let Ok(Some(why)) = decided {
            self.left_out.insert(step.name.clone(), why);
            return;
        }
        let target = self.targets.get(step.name.as_str()).unwrap_or(&self.runbook.target);
        self.forecast.work_at(target);
        let undecided = decided.err().or_else(|| listing::obstacle(step, target, self.observed));
        if let Some(Items::Listed { list, found: Some(found) }) = step.fan_out.as_ref().map(|fan_out| &fan_out.items) {
            self.lists.insert(step.name.clone(), found.clone());
            if found.is_empty() {
                let of_these =
                    list.condition.as_ref().map_or_else(String::new, |condition| format!(" with {condition}"));
                let why = format!("left out: there are no {}{of_these}", list.collection.text);
                match undecided {
                    Some(Obstacle { kind, why, .. }) => {
                        self.problems.push(Problem::new(step.name.clone(), kind, why));
                    }
                    None => drop(self.left_out.insert(step.name.clone(), why)),
                }
                return;
            }
        }
        for (name, item, iteration) in step.by_iteration() {
            let probes = iteration.gate.iter().flat_map(|gate| &gate.healthy);
            let probes = probes.filter_map(|probe| self.runbook.probes.get(probe));
            let context = StepContext {
                step: &step.name,
                task: &name,
                gate: iteration.gate.as_ref(),
                gate_hosts: probes.flat_map(|probe| probe.spec.hosts()).collect(),
            };
            let action = iteration.action.step();
            let planned = match &undecided {
                Some(obstacle) => Err(obstacle.clone()),
                None => action.plan(&context, &mut self.forecast),
            };
            let planned = planned.and_then(|drafts| match self.made_by_the_run(phase, &drafts) {
                Some(made) => Err(Obstacle::impossible(format!(
                    "it gives traffic to {made}, which this run makes: after a rollback nobody is to be served by it"
                ))
                .help("do it in a phase without `finally`, or name LATEST or a revision that is there already")),
                None => Ok(drafts),
            });
            match planned {
                Ok(drafts) => self.add(phase, step, item, iteration, drafts),
                Err(Obstacle { kind, why, help }) => {
                    let desired = action.desired_state(target);
                    let wanted = desired.map(|(resource, to)| Box::new(Wanted { resource, to }));
                    let is_first = !self.problems.iter().any(|problem| problem.step == step.name)
                        && !self.tasks.iter().any(|task| task.id.step() == step.name);
                    let require = step.require.as_ref().filter(|_| is_first).map(evidence);
                    let irreversible = match action.rollback() {
                        Rollback::Impossible(why) => Some(why.to_owned()),
                        Rollback::NotDeclared => Some("nothing says how to undo it".to_owned()),
                        Rollback::Possible => None,
                    };
                    let failure_policy = Some(self.failure_policy(phase, step));
                    let gate = iteration.gate.clone();
                    let known = Problem {
                        help,
                        wanted,
                        notes: iteration.action.literals(),
                        require,
                        irreversible,
                        gate,
                        failure_policy,
                        ..Problem::new(step.name.clone(), kind, why)
                    };
                    self.problems.push(known);
                }
            }
        }
    }

    /// What happens when a step fails: as the operator says, or the step, the phase or the runbook.
    fn failure_policy(&self, phase: &Phase, step: &Step) -> FailurePolicy {
        // The outcome is decided: there is nothing to roll back or to stop.
        if phase.occasion == Occasion::Finally {
            let on_failure = match step.on_failure.or(phase.on_failure) {
                Some(OnFailure::Ask) => OnFailure::Ask,
                Some(OnFailure::Rollback | OnFailure::Stop | OnFailure::Continue) | None => OnFailure::Continue,
            };
            return FailurePolicy { on_failure, rollback_scope: RollbackScope::Step };
        }
        let (on_failure, rollback_scope) = match (self.on_failure, step.on_failure, phase.on_failure) {
            (None, Some(policy), _) => (policy, RollbackScope::Step),
            (None, None, Some(policy)) => (policy, RollbackScope::Phase),
            (said, ..) => (said.unwrap_or(self.runbook.about.on_failure), RollbackScope::Run),
        };
        FailurePolicy { on_failure, rollback_scope }
    }

    /// Puts what a turn does into the plan.
    fn add(
        &mut self,
        phase: &Phase,
        step: &Step,
        item: Option<&String>,
        iteration: &Iteration,
        drafts: Vec<TaskDraft>,
    ) {
        let FailurePolicy { on_failure, rollback_scope } = self.failure_policy(phase, step);
        let changes = |draft: &TaskDraft| draft.change.is_some();
        // What is asked besides, and the evidence, come before the first change of the step, or what stands for it.
        let first = drafts.iter().position(changes).unwrap_or(0);
        // Once for the whole step: what its first turn changes may well take the evidence away.
        let is_begun = self.tasks.iter().any(|task| task.id.step() == step.name);
        let idle = !drafts.iter().any(changes)
            && !matches!(iteration.action, Action::GateOnly(_) | Action::Notify(_) | Action::GithubIssue(_));
        let at_once = step.fan_out.as_ref().map(|fan_out| fan_out.max_parallel).filter(|most| *most > 1);
        let holds = step.when.as_ref().map(|when| format!("in the plan because `when` holds: {when}"));
        let unseen = self.is_unseen_at_the_end(phase, idle);
        for (place, mut draft) in drafts.into_iter().enumerate() {
            let elsewhere = elsewhere(&step.elsewhere).filter(|_| draft.change.is_some());
            draft.notes.splice(0..0, holds.clone().filter(|_| place == 0));
            draft.warnings.splice(0..0, elsewhere.into_iter().chain(unseen.map(str::to_owned)));
            draft.warnings.extend(self.cost(&draft));
            let is_first = place == first && !idle;
            let require = step.require.as_ref().filter(|_| is_first && !is_begun).map(evidence);
            let confirm = step.confirm.clone().filter(|_| is_first && !is_begun).or(draft.confirm);
            self.tasks.push(Task {
                change: draft.change,
                reversibility: draft.reversibility,
                gate: draft.gate,
                warnings: draft.warnings,
                notes: draft.notes,
                confirm,
                require,
                pause: draft.pause,
                message: draft.message,
                traffic_first: draft.traffic_first,
                candidate: draft.candidate,
                operation_timeout: draft.operation_timeout.map(|default| step.operation_timeout.unwrap_or(default)),
                program: draft.program,
                peer: draft.peer,
                by_hand: draft.by_hand,
                item: item.cloned(),
                rollback_scope,
                occasion: phase.occasion,
                max_failures: step.fan_out.as_ref().map_or(0, |fan_out| fan_out.max_failures),
                max_parallel: at_once.unwrap_or_default(),
                ..Task::idle(draft.id, &phase.name, iteration.action.uses(), on_failure)
            });
        }
    }

    /// What a task costs more, in words.
    fn cost(&mut self, draft: &TaskDraft) -> Option<String> {
        let (change, prices) = (draft.change.as_ref()?, self.runbook.prices.as_ref()?);
        let state = &self.observed.resources.get(&change.resource)?.as_ref().ok()?.state;
        let growth = growth(change, state, prices)?;
        if let Growth::By { more: (least, most), .. } = growth {
            self.costs.push(Cost { task: draft.id.clone(), least, most, currency: prices.currency.clone() });
        }
        Some(growth.words(prices))
    }

    /// What a plan does not see of a step at the end that it finds done already: what programs and people change before it.
    fn is_unseen_at_the_end(&self, phase: &Phase, idle: bool) -> Option<&'static str> {
        let changes_unseen = |task: &Task| task.program.is_some() || task.peer.is_some() || task.uses == Manual::KIND;
        let is_unseen = phase.occasion == Occasion::Finally && idle && self.tasks.iter().any(changes_unseen);
        is_unseen.then_some(
            "it is so now, and nothing is done at the end: what programs and people change before is not seen",
        )
    }

    /// The revision that an earlier step makes, if a step at the end names it: after a rollback nobody is to be served by it.
    fn made_by_the_run(&self, phase: &Phase, drafts: &[TaskDraft]) -> Option<String> {
        let revision = |task: &Task| task.change.as_ref()?.to.get("revision")?.as_str().map(str::to_owned);
        let made = self.tasks.iter().filter(|task| !task.is_finally()).filter_map(revision);
        let names = |name: &String| {
            let changes = drafts.iter().filter_map(|draft| draft.change.as_ref());
            let traffic = changes.filter(|change| change.resource.kind == Traffic::NAME);
            traffic.map(|change| change.to.to_string()).any(|to| to.contains(&format!("\"{name}\"")))
        };
        made.filter(|_| phase.occasion == Occasion::Finally).find(|name| names(name))
    }

    /// Tells each gate what its probes are like.
    fn sights(&mut self) {
        let unplanned = self.problems.iter_mut().filter_map(|problem| problem.gate.as_mut());
        for gate in self.tasks.iter_mut().filter_map(|task| task.gate.as_mut()).chain(unplanned) {
            let probes = gate.healthy.iter().filter_map(|name| Some((name.clone(), self.runbook.probes.get(name)?)));
            gate.probes = probes.map(|(name, probe)| (name, probe.spec.traits())).collect();
        }
    }

    /// The patient is shown to be sick before the first change, and well after the last.
    fn symptom(&mut self) {
        let symptom = &self.runbook.symptom;
        let last = self.runbook.phases.iter().rfind(|phase| phase.occasion == Occasion::InOrder);
        let first = self.tasks.iter().position(|task| task.change.is_some() && !task.is_finally());
        let (false, Some(last)) = (symptom.unhealthy.is_empty(), last) else { return };
        // A step that cannot be planned yet may well be the first that changes something.
        let order = self.runbook.steps().map(|step| step.name.as_str());
        let order: Vec<&str> = order.collect();
        let place = |name: &str| order.iter().position(|step| *step == name);
        let planned = first.and_then(|task| place(self.tasks.get(task)?.id.step()));
        let unplanned = self.problems.iter().position(|problem| {
            place(&problem.step).is_some_and(|place| planned.is_none_or(|planned| place < planned))
        });
        let is_unplanned = unplanned.is_some();
        if let Some(problem) = unplanned.and_then(|problem| self.problems.get_mut(problem)) {
            problem.require.get_or_insert_default().unhealthy.extend(symptom.unhealthy.iter().cloned());
        }
        let Some(first) = first.and_then(|first| self.tasks.get_mut(first)) else { return };
        if !is_unplanned {
            let require = first.require.get_or_insert_default();
            require.unhealthy.extend(symptom.unhealthy.iter().cloned());
            require.max_age = symptom.max_age.map_or(require.max_age, |age| age.min(require.max_age));
        }
        let on_failure = first.on_failure;
        let end = self.tasks.iter().position(Task::is_finally).unwrap_or(self.tasks.len());
        let symptom = Task {
            gate: Some(GateRule::of(symptom.unhealthy.clone(), Duration::ZERO, Duration::from_secs(5), CURED_WITHIN)),
            ..Task::idle(TaskId::of_step("symptom"), &last.name, "probe", on_failure)
        };
        self.tasks.insert(end, symptom);
    }
}

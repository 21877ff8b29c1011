//! A plan in a pull request.
//!
//! What a reviewer must not miss comes first: what cannot be undone, what to weigh, what is not planned. Then what this plan says otherwise
//! than the base branch's, and every change as a diff with its gate and its undo.
//!
//! The same plan is the same bytes, so that a comment can be updated in place: nothing that only the clock changes is
//! in it. What it says of the outside world cannot be markup: see [`crate::present::markdown`].

use super::compare::{PlanDifference, compare};
use super::short;
use super::words::{
    CAPTURED, access, evidence, failure_policy, gate, guard, idle, peer, proof, remarks, restores, sender, summary,
    unusual_failure_policy, while_planning,
};
use crate::action::ObstacleKind;
use crate::clock;
use crate::gate::GateRule;
use crate::inert::shell_word;
use crate::plan::{Known, Phase, Plan, Problem, Trial};
use crate::present::markdown::{
    Alert, Bullet, DiffLine, Heading, Inline, Item, Level, Page, Side, code, join, line, strong, text, words,
};
use crate::run::{Change, FailurePolicy, Occasion, Reversibility, Task};

/// What a plan is shown with in a pull request.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReviewContext<'a> {
    /// The runbook's file, by which it is carried out.
    pub file: &'a str,
    /// The plan of the base branch's runbook.
    pub base: Option<&'a Plan>,
}

/// The plan as GitHub's Markdown.
pub fn markdown(plan: &Plan, review: ReviewContext<'_>) -> String {
    let mut page = Page::comment(Level::Third);
    page.mark("rectify plan", &plan.runbook);
    page.title(Level::Third, &text(&plan.title));
    page.lead(&strong(&summary(plan)));
    page.lead(&about(plan));
    irreversible(&mut page, plan);
    warnings(&mut page, plan);
    problems(&mut page, plan);
    if let Some(base) = review.base {
        against(&mut page, &compare(base, plan));
    }
    page.table("Inputs", &["input", "value"], plan.inputs.iter().map(|(name, value)| vec![code(name), code(value)]));
    changes(&mut page, plan);
    let left_out = plan.left_out.iter().map(|(step, why)| vec![code(step), text(why)]);
    page.table("Left out", &["step", "why"], left_out);
    answers(&mut page, plan);
    guards(&mut page, plan);
    requests(&mut page, plan);
    debts(&mut page, plan);
    if let Some(access) = access(plan) {
        page.section("Permissions", &text(&access));
    }
    details(&mut page, plan);
    if plan.is_complete() && plan.changes() > 0 {
        page.command("To carry it out", &format!("rectify run {}", shell_word(review.file)));
    }
    page.finish("`rectify plan` shows everything.")
}

/// Where, how long at least, and what happens when it goes wrong.
fn about(plan: &Plan) -> Inline {
    let place = line([code(&plan.project), words(" in "), code(&plan.region), words(", on "), text(&plan.cloud)]);
    let least = Some(plan.least_time()).filter(|least| !least.is_zero() && plan.is_complete());
    let least = least.map(|least| {
        line([words("It takes at least "), text(&clock::format_minutes(least)), words(", its operations not counted.")])
    });
    let policy = plan.usual_failure_policy();
    let policy = policy.map(|policy| line([words("If a step fails, "), words(failure_policy(policy)), words(".")]));
    let undo = (plan.changes() > plan.irreversible())
        .then(|| words("A rollback puts back what was there before, newest change first."));
    join([Some(line([place, words(".")])), least, policy, undo].into_iter().flatten(), " ")
}

fn irreversible(page: &mut Page, plan: &Plan) {
    let of_task = |task: &Task| match (&task.change, &task.reversibility) {
        (Some(change), Reversibility::Irreversible { why }) => {
            Some(line([code(task.id.as_str()), words(" on "), code(&change.resource.name), words(": "), text(why)]))
        }
        _ => None,
    };
    let of_problem = |problem: &Problem| {
        let why = problem.irreversible.as_deref()?;
        let name = problem.wanted.as_ref().map(|wanted| line([words(" on "), code(&wanted.resource.name)]));
        Some(line([code(&problem.step), name.unwrap_or_default(), words(": "), text(why)]))
    };
    let all: Vec<Inline> =
        plan.tasks.iter().filter_map(of_task).chain(plan.problems.iter().filter_map(of_problem)).collect();
    page.alert("Irreversible", Alert::Caution, &words("**This cannot be undone:**"), &all);
}

/// What a reviewer should weigh, step by step.
fn warnings(page: &mut Page, plan: &Plan) {
    let mut all = Vec::new();
    if let Some(window) = &plan.denied {
        all.push(line([words("no run may begin now: "), code("[limits] deny"), words(" has "), code(window)]));
    }
    for task in &plan.tasks {
        let caution = task.caution().filter(|_| task.change.is_some() && !task.reversibility.is_irreversible());
        let trial = plan.reviews.get(&task.id).and_then(|review| review.trial.as_ref());
        let gate = match trial {
            Some(Trial::Open) => Some("its gate already passes, so it cannot show that the step worked".to_owned()),
            Some(Trial::Unknown { why }) => Some(format!("whether its gate passes now is unknown: {why}")),
            Some(Trial::Shut { .. } | Trial::Untried { .. }) | None => None,
        };
        let of_task = caution.into_iter().chain(restores(task)).chain(task.warnings.iter().cloned()).chain(gate);
        all.extend(of_task.map(|warning| line([code(task.id.as_str()), words(": "), text(&warning)])));
    }
    page.alert("Warnings", Alert::Warning, &words("**To weigh:**"), &all);
}

/// What this plan says otherwise than the base branch's.
fn against(page: &mut Page, differences: &[PlanDifference]) {
    if differences.is_empty() {
        page.section("Against the base branch", &words("The plan is the same."));
        return;
    }
    let about = |difference: &PlanDifference| match difference.subject.as_str() {
        "" => difference.aspect.clone(),
        subject => format!("{subject}: {}", difference.aspect),
    };
    let lines = differences
        .iter()
        .flat_map(|difference| sides(&about(difference), difference.before.clone(), difference.after.clone()));
    let lines: Vec<DiffLine> = lines.collect();
    page.heading_of("Against the base branch");
    page.change("Against the base branch", &words("What the runbook's change does to the plan:"), &lines, &[]);
}

/// What each step does, phase by phase, in the order of the plan.
fn changes(page: &mut Page, plan: &Plan) {
    let is_shown = |task: &&Task| task.change.is_some() || task.gate.is_some();
    if !plan.tasks.iter().any(|task| is_shown(&task)) {
        return;
    }
    page.heading_of("Steps");
    for phase in &plan.phases {
        let mut title = Some(phase_title(phase));
        for task in plan.tasks_of(&phase.name).filter(is_shown) {
            if let Some(title) = title.take() {
                page.change("Steps", &title, &[], &[]);
            }
            let lines = task.change.as_ref().map(fields).unwrap_or_default();
            page.change("Steps", &step(plan, task), &lines, &conditions(plan, task));
        }
    }
}

fn phase_title(phase: &Phase) -> Inline {
    let budget = phase.budget.map(|budget| format!(", within {}", clock::format_duration(budget))).unwrap_or_default();
    strong(&match phase.occasion {
        Occasion::InOrder => format!("{}{budget}", phase.title),
        Occasion::Finally => format!("Finally, however the run ends: {}", phase.title),
    })
}

fn step(plan: &Plan, task: &Task) -> Inline {
    let Some(change) = &task.change else { return line([code(task.id.as_str()), words(" "), text(&idle(task))]) };
    let known = match plan.reviews.get(&task.id).and_then(|review| review.known.as_ref()) {
        Some(Known::Validated) => ", validated by the API",
        Some(Known::Computed { .. }) | None => "",
    };
    let (kind, name) = (code(&change.resource.kind), code(&change.resource.name));
    line([code(task.id.as_str()), words(": "), kind, words(" "), name, words(known)])
}

/// What stands before and after, with short digests, each on a line of its own.
fn sides(label: &str, before: Option<String>, after: Option<String>) -> Vec<DiffLine> {
    let (before, after) = match after {
        Some(after) => {
            let (before, after) = short::digests(before, after);
            (before, Some(after))
        }
        None => (before, None),
    };
    let on = |side, words: Option<String>| Some(DiffLine::new(side, &format!("{label}  {}", words?)));
    [on(Side::Before, before), on(Side::After, after)].into_iter().flatten().collect()
}

/// What a change changes, a field a line. What stays as it is stands without a mark.
fn fields(change: &Change) -> Vec<DiffLine> {
    let differences = change.differences();
    let width = differences.iter().map(|difference| difference.field.chars().count()).max().unwrap_or_default();
    let lines = differences.into_iter().flat_map(|difference| {
        let stays = difference.stays();
        let field = format!("{:width$}", difference.field);
        if stays {
            let (_, words) = short::digests(None, difference.after);
            return vec![DiffLine::new(Side::Both, &format!("{field}  {words}"))];
        }
        sides(&field, difference.before, Some(difference.after))
    });
    lines.collect()
}

/// What must hold before and after a task, and how it is undone.
fn conditions(plan: &Plan, task: &Task) -> Vec<Item> {
    let mut lines = Vec::new();
    lines.extend(task.require.as_ref().map(|wanted| line([words("only if: "), text(&evidence(wanted))])));
    lines.extend(task.confirm.as_ref().map(|asked| line([words("asks: "), text(asked)])));
    if let Some(rule) = &task.gate {
        let now = match plan.reviews.get(&task.id).and_then(|review| review.trial.as_ref()) {
            Some(Trial::Open) => "passes already",
            Some(Trial::Shut { .. }) => "fails now, as it should before the step",
            Some(Trial::Unknown { .. }) => "unknown now",
            Some(Trial::Untried { .. }) => "not tried while planning",
            None => "not tried",
        };
        lines.push(line([words("gate: "), gate_and_proof(rule), words("; "), words(now)]));
    }
    let undo = match &task.reversibility {
        Reversibility::Reversible => None,
        Reversibility::WithLoss { .. } => Some("undo: what was there before, with the loss above"),
        Reversibility::Restarts { .. } => Some("undo: what was there before; it restarts again"),
        Reversibility::Stays { .. } => Some("undo: not all of it, as said above"),
        Reversibility::Irreversible { .. } => Some("undo: **impossible**"),
    };
    lines.extend(undo.filter(|_| task.change.is_some() && !task.is_finally()).map(words));
    lines.extend(remarks(task).iter().map(|remark| text(remark)));
    lines.extend(
        unusual_failure_policy(plan.usual_failure_policy(), Some(task.failure_policy())).map(|policy| text(&policy)),
    );
    lines.into_iter().map(|line| Item::new(Bullet::Plain, line)).collect()
}

fn gate_and_proof(rule: &GateRule) -> Inline {
    let proof = proof(rule).map(|proof| line([words("; "), text(&proof)]));
    line([text(&gate(rule)), proof.unwrap_or_default()])
}

fn problems(page: &mut Page, plan: &Plan) {
    let usual = plan.usual_failure_policy();
    if !plan.problems.is_empty() {
        page.heading_of("Not planned");
    }
    for problem in &plan.problems {
        let mark = match problem.sort {
            ObstacleKind::Impossible => "cannot work",
            ObstacleKind::Unseen => "could not be observed",
            ObstacleKind::Offline => "before is unknown",
            ObstacleKind::MissingInput => "waits for an input",
        };
        let about = problem
            .wanted
            .as_ref()
            .map(|wanted| line([words(" "), code(&wanted.resource.kind), words(" "), code(&wanted.resource.name)]));
        let head = line([code(&problem.step), about.unwrap_or_default(), words(", "), words(mark)]);
        let seen = problem.wanted.as_ref().and_then(|wanted| plan.observed.get(&wanted.resource));
        let fields = problem.wanted.iter().flat_map(|wanted| wanted.to.as_object().into_iter().flatten());
        let fields = fields.flat_map(|(field, value)| {
            let before = seen.and_then(|basis| basis.state.get(field)).map(crate::run::words);
            sides(field, before, Some(crate::run::words(value)))
        });
        let fields: Vec<DiffLine> = fields.collect();
        page.change("Not planned", &head, &fields, &unplanned(usual, problem));
    }
}

/// Why a step is not planned, what to do about it, and what it would need.
fn unplanned(usual: Option<FailurePolicy>, problem: &Problem) -> Vec<Item> {
    let mut lines = vec![text(&problem.why)];
    lines.extend(problem.help.as_deref().map(|help| line([words("to do: "), text(help)])));
    lines.extend(problem.notes.iter().map(|note| text(note)));
    lines.extend(problem.require.as_ref().map(|require| line([words("only if: "), text(&evidence(require))])));
    lines.extend(problem.gate.as_ref().map(|rule| line([words("gate: "), gate_and_proof(rule)])));
    lines.extend(unusual_failure_policy(usual, problem.failure_policy).map(|policy| text(&policy)));
    lines.into_iter().map(|line| Item::new(Bullet::Plain, line)).collect()
}

fn answers(page: &mut Page, plan: &Plan) {
    let answers = plan.allowed.iter().flat_map(|(step, allowed)| allowed.iter().map(move |allowed| (step, allowed)));
    let rows = answers.map(|(step, allowed)| vec![code(step), code(&allowed.code), text(&allowed.reason)]);
    page.table("Diagnostics that the author answers", &["step", "code", "reason"], rows);
}

fn guards(page: &mut Page, plan: &Plan) {
    let rows = plan.guards.iter().map(|one| vec![code(&one.probe), text(&guard(one))]);
    page.table("Guards", &["probe", "trips when"], rows);
}

fn requests(page: &mut Page, plan: &Plan) {
    let rows = plan.requests.iter().map(|request| {
        let captured = request.captured.then(|| words(CAPTURED));
        let secrets = join(request.secrets.iter().map(|name| code(name)).chain(captured), ", ");
        let host = request.host.as_deref().map_or_else(|| text(&peer(request)), code);
        vec![text(&sender(request)), code(&request.method), host, secrets, text(&while_planning(request))]
    });
    let head = ["from", "how", "to", "secrets sent", "while planning"];
    page.table("Outbound requests, besides Google's APIs", &head, rows);
}

fn debts(page: &mut Page, plan: &Plan) {
    let items = plan.debts.iter().flat_map(|debt| {
        let owners = join(debt.owners.iter().map(|owner| code(owner)), ", ");
        let due =
            line([words(" Due within "), text(&clock::format_duration(debt.within)), words(", owners: "), owners]);
        let what = line([code(&debt.resource.name), words(": "), text(&debt.what), words("."), due]);
        [Item::new(Bullet::Plain, what), Item::new(Bullet::Below, line([words("how: "), text(&debt.payment)]))]
    });
    page.list(Heading::Shown("Follow-ups"), &items.collect::<Vec<_>>());
}

/// What a reviewer of permissions wants to know of each step.
fn details(page: &mut Page, plan: &Plan) {
    for phase in &plan.phases {
        let items: Vec<Item> = plan.tasks_of(&phase.name).flat_map(|task| detail(plan, task)).collect();
        let title = match phase.occasion {
            Occasion::InOrder => phase.title.clone(),
            Occasion::Finally => format!("finally, however the run ends: {}", phase.title),
        };
        page.fold("phases in detail", &title, &items);
    }
}

fn detail(plan: &Plan, task: &Task) -> Vec<Item> {
    let review = plan.reviews.get(&task.id);
    let what = if task.change.is_some() { Inline::default() } else { line([words(" "), text(&idle(task))]) };
    let mut lines = Vec::new();
    if let Some(after) = review.map(|review| &review.after).filter(|after| !after.is_empty()) {
        let after = join(after.iter().map(|task| code(task.as_str())), ", ");
        lines.push(line([words("builds on "), after]));
    }
    let needs = review.map(|review| review.permissions.as_slice()).unwrap_or_default();
    if !needs.is_empty() {
        let needs = join(needs.iter().map(|permission| code(permission)), ", ");
        lines.push(line([words("needs "), needs, words(", for doing and undoing")]));
    }
    if let Some(Known::Computed { why }) = review.and_then(|review| review.known.as_ref()) {
        lines.push(line([words("computed locally; "), text(why)]));
    }
    let head = Item::new(Bullet::Plain, line([code(task.id.as_str()), what]));
    std::iter::once(head).chain(lines.into_iter().map(|line| Item::new(Bullet::Below, line))).collect()
}

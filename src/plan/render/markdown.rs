//! A plan in a pull request.
//!
//! The same plan is the same bytes, so that a comment can be updated in place: nothing that only the clock changes is
//! in it. What it says of the outside world cannot be markup: see [`crate::present::markdown`].

use super::words::{
    CAPTURED, access, evidence, failure_policy, gate, guard, idle, peer, proof, remarks, restores, sender, summary,
    unusual_failure_policy, while_planning,
};
use crate::action::ObstacleKind;
use crate::clock;
use crate::plan::{Known, Plan, Problem, Trial};
use crate::present::markdown::{Bullet, Inline, Item, Level, Page, code, join, line, strong, text, words};
use crate::run::{Change, FailurePolicy, Occasion, Reversibility, Task};

/// The plan as GitHub's Markdown.
pub fn markdown(plan: &Plan) -> String {
    let mut page = Page::comment(Level::Third);
    page.mark("rectify plan", &plan.runbook);
    page.title(Level::Third, &text(&plan.title));
    page.lead(&strong(&summary(plan)));
    page.lead(&line([code(&plan.project), words(" in "), code(&plan.region), words(", on "), text(&plan.cloud)]));
    let usual = plan.usual_failure_policy();
    if let Some(policy) = usual {
        page.lead(&line([words("If a step fails, "), words(failure_policy(policy)), words(".")]));
    }
    if let Some(window) = &plan.denied {
        page.lead(&line([
            words("No run may begin now: "),
            code("[limits] deny"),
            words(" has "),
            code(window),
            words("."),
        ]));
    }
    page.table("Inputs", &["input", "value"], plan.inputs.iter().map(|(name, value)| vec![code(name), code(value)]));
    irreversible(&mut page, plan);
    changes(&mut page, plan);
    problems(&mut page, plan);
    let left_out = plan.left_out.iter().map(|(step, why)| vec![code(step), text(why)]);
    page.table("Left out", &["step", "why"], left_out);
    answers(&mut page, plan);
    gates(&mut page, plan);
    guards(&mut page, plan);
    requests(&mut page, plan);
    debts(&mut page, plan);
    if let Some(access) = access(plan) {
        page.section("Permissions", &text(&access));
    }
    details(&mut page, plan);
    page.finish("`rectify plan` shows everything.")
}

fn irreversible(page: &mut Page, plan: &Plan) {
    let irreversible = plan.tasks.iter().filter_map(|task| match (&task.change, &task.reversibility) {
        (Some(change), Reversibility::Irreversible { why }) => {
            Some(vec![code(task.id.as_str()), code(&change.resource.name), text(why)])
        }
        _ => None,
    });
    let unplanned = plan.problems.iter().filter_map(|problem| {
        let name = problem.wanted.as_ref().map_or("", |wanted| wanted.resource.name.as_str());
        Some(vec![code(&problem.step), code(name), text(problem.irreversible.as_deref()?)])
    });
    let irreversible = irreversible.chain(unplanned);
    page.table("⛔ Irreversible", &["step", "resource", "why it cannot be undone"], irreversible);
}

fn changes(page: &mut Page, plan: &Plan) {
    let rows = plan.tasks.iter().filter_map(|task| {
        let change = task.change.as_ref()?;
        let undo = match &task.reversibility {
            Reversibility::Reversible => "yes",
            Reversibility::WithLoss { .. } => "with loss",
            Reversibility::Restarts { .. } => "yes, restarts",
            Reversibility::Stays { .. } => "stays",
            Reversibility::Irreversible { .. } => "**no**",
        };
        let known = match plan.reviews.get(&task.id).and_then(|review| review.known.as_ref()) {
            Some(Known::Validated) => "validated by the API",
            Some(Known::Computed { .. }) | None => "computed",
        };
        let about = line([code(&change.resource.kind), words(" "), code(&change.resource.name)]);
        Some(vec![code(task.id.as_str()), about, fields(change), words(undo), words(known)])
    });
    page.table("Changes", &["step", "resource", "before → after", "undo", "known"], rows);
}

/// What a change changes, a field a line.
fn fields(change: &Change) -> Inline {
    let differences = change.differences();
    let fields = differences.iter().filter(|difference| !difference.stays()).map(|difference| {
        let before = difference.before.as_deref().map(|before| line([code(before), words(" ")])).unwrap_or_default();
        line([code(&difference.field), words(": "), before, words("→ "), code(&difference.after)])
    });
    join(fields, "<br>")
}

/// What a step that is not planned wants, a field a line, and what it needs for that.
fn wanted(usual: Option<FailurePolicy>, problem: &Problem) -> Inline {
    let fields = problem.wanted.iter().flat_map(|wanted| wanted.to.as_object().into_iter().flatten());
    let fields =
        fields.map(|(field, value)| line([code(field), words(": unknown → "), code(&crate::run::words(value))]));
    let require = problem.require.iter().map(|require| line([words("only if: "), text(&evidence(require))]));
    let policy = unusual_failure_policy(usual, problem.failure_policy).map(|policy| text(&policy));
    join(fields.chain(require).chain(policy), "<br>")
}

fn problems(page: &mut Page, plan: &Plan) {
    let usual = plan.usual_failure_policy();
    let rows = plan.problems.iter().map(|problem| {
        let mark = match problem.sort {
            ObstacleKind::Impossible => "cannot work",
            ObstacleKind::Unseen => "could not be observed",
            ObstacleKind::Offline => "unknown",
            ObstacleKind::MissingInput => "waits for an input",
        };
        let help = problem.help.as_deref().map(text).unwrap_or_default();
        vec![code(&problem.step), words(mark), wanted(usual, problem), text(&problem.why), help]
    });
    page.table("Not planned", &["step", "", "what it wants", "why", "what to do"], rows);
}

fn answers(page: &mut Page, plan: &Plan) {
    let answers = plan.allowed.iter().flat_map(|(step, allowed)| allowed.iter().map(move |allowed| (step, allowed)));
    let rows = answers.map(|(step, allowed)| vec![code(step), code(&allowed.code), text(&allowed.reason)]);
    page.table("Diagnostics that the author answers", &["step", "code", "reason"], rows);
}

fn gates(page: &mut Page, plan: &Plan) {
    let rows = plan.tasks.iter().filter_map(|task| {
        let rule = task.gate.as_ref()?;
        let now = match plan.reviews.get(&task.id).and_then(|review| review.trial.as_ref()) {
            Some(Trial::Open) => "⚠️ already passes, so it cannot show that the step worked",
            Some(Trial::Shut { .. }) => "fails now, as it should before the step",
            Some(Trial::Unknown { .. }) => "unknown",
            Some(Trial::Untried { .. }) => "not tried while planning",
            None => "not tried",
        };
        Some(vec![code(task.id.as_str()), text(&gate(rule)), text(&proof(rule)), words(now)])
    });
    let unplanned = plan.problems.iter().filter_map(|problem| {
        let rule = problem.gate.as_ref()?;
        Some(vec![code(&problem.step), text(&gate(rule)), text(&proof(rule)), words("not tried")])
    });
    let rows = rows.chain(unplanned);
    page.table("Gates", &["after", "must hold", "what it proves", "on the cloud as it is"], rows);
}

fn guards(page: &mut Page, plan: &Plan) {
    let rows = plan.guards.iter().map(|one| vec![code(&one.probe), text(&guard(one))]);
    page.table("Watched meanwhile", &["probe", "trips when"], rows);
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
    let rows = plan.debts.iter().map(|debt| {
        let owners = join(debt.owners.iter().map(|owner| code(owner)), ", ");
        let within = text(&clock::format_duration(debt.within));
        vec![code(&debt.resource.name), text(&debt.what), owners, within, text(&debt.payment)]
    });
    page.table("Left behind", &["resource", "what", "owners", "within", "how it is paid"], rows);
}

fn details(page: &mut Page, plan: &Plan) {
    let usual = plan.usual_failure_policy();
    for phase in &plan.phases {
        let items: Vec<Item> = plan.tasks_of(&phase.name).flat_map(|task| detail(plan, usual, task)).collect();
        let title = match phase.occasion {
            Occasion::InOrder => phase.title.clone(),
            Occasion::Finally => format!("finally, however the run ends: {}", phase.title),
        };
        page.fold("phases in detail", &title, &items);
    }
}

fn detail(plan: &Plan, usual: Option<FailurePolicy>, task: &Task) -> Vec<Item> {
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
    lines.extend(task.require.as_ref().map(|wanted| line([words("only if: "), text(&evidence(wanted))])));
    lines.extend(task.confirm.as_ref().map(|asked| line([words("asks: "), text(asked)])));
    lines.extend(unusual_failure_policy(usual, Some(task.failure_policy())).map(|policy| text(&policy)));
    let mut all: Vec<String> =
        task.caution().filter(|_| task.change.is_some()).into_iter().chain(restores(task)).collect();
    all.extend(remarks(task));
    lines.extend(all.iter().chain(&task.warnings).map(|remark| text(remark)));
    if let Some(Known::Computed { why }) = review.and_then(|review| review.known.as_ref()) {
        lines.push(line([words("computed locally; "), text(why)]));
    }
    let head = Item::new(Bullet::Plain, line([code(task.id.as_str()), what]));
    std::iter::once(head).chain(lines.into_iter().map(|line| Item::new(Bullet::Below, line))).collect()
}

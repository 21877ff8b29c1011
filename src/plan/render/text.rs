//! A plan on a terminal, or in a log.

use console::Style;

use super::words::{
    access, answered, evidence, failure_policy, folded, gate, guard, idle, inputs, lines, outbound, remarks, resource,
    restores, summary, unusual_failure_policy,
};
use crate::action::ObstacleKind;
use crate::clock::format_duration;
use crate::inert::inert;
use crate::plan::{Known, Plan, Problem, Trial, WHOLE};
use crate::run::{FailurePolicy, Occasion, Task};

/// How a text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Whether colours may be used. It says the same without.
    pub colour: bool,
    /// How many columns there are.
    pub width: usize,
}

/// The plan as text.
pub fn text(plan: &Plan, looks: TextStyle) -> String {
    let usual = plan.usual_failure_policy();
    let mut page = Page { out: String::new(), looks, usual };
    let at = plan.observed_at.map(|at| format!(", as it was at {}", crate::clock::second(at)));
    let place = format!("{} in {}, on {}", inert(&plan.project), inert(&plan.region), inert(&plan.cloud));
    page.line(Tone::Head, 0, &inert(&plan.title));
    page.line(Tone::Plain, 0, &format!("{place}{}", at.unwrap_or_default()));
    if let Some(inputs) = inputs(plan) {
        page.line(Tone::Plain, 0, &format!("inputs: {inputs}"));
    }
    if let Some(policy) = usual {
        page.line(Tone::Plain, 0, &format!("if a step fails, {}", failure_policy(policy)));
    }
    if let Some(window) = &plan.denied {
        let text =
            format!("! no run may begin now: [limits] deny has {}; --break-glass REASON overrides it", inert(window));
        page.line(Tone::Warn, 0, &text);
    }
    let no_return = plan.point_of_no_return().map(|task| task.id.clone());
    for (place, phase) in plan.phases.iter().enumerate() {
        let budget = phase.budget.map(|budget| format!(", within {}", format_duration(budget))).unwrap_or_default();
        let title = inert(&phase.title);
        let head = match phase.occasion {
            Occasion::InOrder => format!("phase {} of {}: {title}{budget}", place + 1, plan.in_order()),
            Occasion::Finally => format!("finally, however the run ends: {title}"),
        };
        page.gap();
        page.line(Tone::Head, 0, &head);
        for step in &phase.steps {
            for task in plan.tasks_of_step(step) {
                page.gap();
                if no_return.as_ref() == Some(&task.id) {
                    page.line(Tone::Bad, 2, "──── point of no return: what follows cannot all be undone ────");
                    page.gap();
                }
                page.task(plan, task);
            }
            if let Some(why) = plan.left_out.get(step) {
                page.gap();
                page.line(Tone::Plain, 2, &format!("- {}: {}", inert(step), inert(why)));
            }
            for allowed in plan.allowed.get(step).into_iter().flatten() {
                page.line(Tone::Warn, 6, &format!("! {}", answered(allowed)));
            }
            let problems: Vec<&Problem> = plan.problems.iter().filter(|problem| problem.step == *step).collect();
            page.problems(plan, step, &problems);
        }
    }
    let whole: Vec<&Problem> = plan.problems.iter().filter(|problem| problem.step == WHOLE).collect();
    page.problems(plan, WHOLE, &whole);
    if !plan.guards.is_empty() {
        page.gap();
        page.line(Tone::Head, 0, "watched meanwhile, from the first time that it is healthy");
        for one in &plan.guards {
            page.line(Tone::Plain, 2, &guard(one));
        }
    }
    if !plan.requests.is_empty() {
        page.gap();
        page.line(Tone::Head, 0, "outbound requests, besides Google's APIs");
        for request in &plan.requests {
            page.line(Tone::Plain, 2, &outbound(request));
        }
    }
    page.debts(plan);
    if let Some(access) = access(plan) {
        let lacking = plan.access.missing.as_ref().is_some_and(|missing| !missing.is_empty());
        page.gap();
        page.line(if lacking { Tone::Bad } else { Tone::Plain }, 0, &format!("permissions: {access}"));
    }
    page.gap();
    page.line(if plan.is_wrong() { Tone::Bad } else { Tone::Head }, 0, &summary(plan));
    page.out
}

#[derive(Clone, Copy)]
enum Tone {
    Plain,
    Head,
    Warn,
    Bad,
    Dim,
}

struct Page {
    out: String,
    looks: TextStyle,
    /// What happens when most of the steps fail.
    usual: Option<FailurePolicy>,
}

impl Page {
    fn gap(&mut self) {
        self.out.push('\n');
    }

    /// A line, indented by so many columns; if it is too long, what follows is indented further.
    fn line(&mut self, tone: Tone, indent: usize, text: &str) {
        let style = Style::new().force_styling(self.looks.colour);
        let style = match tone {
            Tone::Plain => style,
            Tone::Head => style.bold(),
            Tone::Warn => style.yellow(),
            Tone::Bad => style.red().bold(),
            Tone::Dim => style.dim(),
        };
        let paint = self.looks.colour && !matches!(tone, Tone::Plain);
        for line in folded(text, indent, self.looks.width.max(40)) {
            let line = if paint { style.apply_to(line).to_string() } else { line };
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }

    fn task(&mut self, plan: &Plan, task: &Task) {
        let what = match &task.change {
            Some(change) => resource(change),
            None => idle(task),
        };
        self.line(Tone::Plain, 2, &format!("{}   {what}", inert(task.id.as_str())));
        let review = plan.reviews.get(&task.id);
        if let Some(wanted) = &task.require {
            self.line(Tone::Plain, 6, &format!("only if: {}", evidence(wanted)));
        }
        if let Some(change) = &task.change {
            for line in lines(change) {
                self.line(Tone::Plain, 6, &line);
            }
            if let Some(caution) = task.caution() {
                let tone = if task.reversibility.is_irreversible() { Tone::Bad } else { Tone::Warn };
                self.line(tone, 6, &format!("! {}", inert(&caution)));
            }
        }
        if let Some(restores) = restores(task) {
            self.line(Tone::Dim, 6, &restores);
        }
        for remark in remarks(task) {
            self.line(Tone::Dim, 6, &remark);
        }
        for warning in &task.warnings {
            self.line(Tone::Warn, 6, &format!("! {}", inert(warning)));
        }
        if let Some(text) = &task.confirm {
            self.line(Tone::Warn, 6, &format!("? {}", inert(text)));
        }
        match review.and_then(|review| review.known.as_ref()) {
            Some(Known::Validated) => self.line(Tone::Dim, 6, "validated by the API (validateOnly)"),
            Some(Known::Computed { why }) => self.line(Tone::Dim, 6, &format!("computed locally; {}", inert(why))),
            None => {}
        }
        if let Some(rule) = &task.gate {
            self.line(Tone::Plain, 6, &format!("then: {}", gate(rule)));
        }
        if let Some(policy) = unusual_failure_policy(self.usual, Some(task.failure_policy())) {
            self.line(Tone::Plain, 6, &policy);
        }
        match review.and_then(|review| review.trial.as_ref()) {
            Some(Trial::Open) => {
                self.line(Tone::Warn, 6, "! this gate already passes, so it cannot show that the step worked");
            }
            Some(Trial::Shut { why }) => self.line(Tone::Dim, 6, &format!("currently failing: {}", inert(why))),
            Some(Trial::Untried { why }) => {
                self.line(Tone::Dim, 6, &format!("not tried while planning: {}", inert(why)));
            }
            // A candidate has no address before the step.
            Some(Trial::Unknown { why }) if task.candidate.is_some() => {
                self.line(Tone::Dim, 6, &format!("gate now: unknown ({})", inert(why)));
            }
            Some(Trial::Unknown { why }) => {
                self.line(Tone::Warn, 6, &format!("! gate now: unknown ({})", inert(why)));
            }
            None => {}
        }
    }

    fn problems(&mut self, plan: &Plan, step: &str, problems: &[&Problem]) {
        let Some(first) = problems.first() else { return };
        self.gap();
        let about = first.wanted.as_ref().map(|wanted| &wanted.resource);
        let about = about.map(|id| format!("   {} {}", inert(&id.kind), inert(&id.name)));
        self.line(Tone::Plain, 2, &format!("{}{}", inert(step), about.unwrap_or_default()));
        if let Some(wanted) = &first.require {
            self.line(Tone::Plain, 6, &format!("only if: {}", evidence(wanted)));
        }
        if let Some(why) = &first.irreversible {
            self.line(Tone::Bad, 6, &format!("! this cannot be undone: {}", inert(why)));
        }
        if let Some(wanted) = &first.wanted {
            let seen = plan.observed.get(&wanted.resource);
            for (field, value) in wanted.to.as_object().into_iter().flatten() {
                let before = seen.and_then(|basis| basis.state.get(field)).map(crate::run::words);
                let before = before.map_or_else(|| "unknown".to_owned(), |before| inert(&before));
                let value = inert(&crate::run::words(value));
                self.line(Tone::Plain, 6, &format!("{}  {before} → {value}", inert(field)));
            }
        }
        for note in &first.notes {
            self.line(Tone::Dim, 6, &inert(note));
        }
        if let Some(rule) = &first.gate {
            self.line(Tone::Plain, 6, &format!("then: {}", gate(rule)));
        }
        if let Some(policy) = unusual_failure_policy(self.usual, first.failure_policy) {
            self.line(Tone::Plain, 6, &policy);
        }
        for problem in problems {
            let (tone, mark) = match problem.sort {
                ObstacleKind::Offline | ObstacleKind::MissingInput => (Tone::Dim, "?"),
                ObstacleKind::Impossible | ObstacleKind::Unseen => (Tone::Bad, "×"),
            };
            self.line(tone, 6, &format!("{mark} {}", inert(&problem.why)));
            if let Some(help) = &problem.help {
                self.line(Tone::Plain, 8, &format!("help: {}", inert(help)));
            }
        }
    }

    fn debts(&mut self, plan: &Plan) {
        if plan.debts.is_empty() {
            return;
        }
        self.gap();
        self.line(Tone::Head, 0, "follow-ups");
        for debt in &plan.debts {
            let owed = format!("  {}: {}", inert(&debt.resource.name), inert(&debt.what));
            self.line(Tone::Warn, 0, &owed);
            self.line(Tone::Plain, 6, &format!("due within {}, {}", format_duration(debt.within), debt.by()));
            self.line(Tone::Plain, 6, &format!("how: {}", inert(&debt.payment)));
        }
    }
}

//! A plan in a pull request.
//!
//! The same plan is the same bytes, so that a comment can be updated in place: nothing that only the clock changes is
//! in it. What comes from outside stands in code spans, where it is neither markup, nor a link, nor a mention.

use std::fmt::Write as _;

use super::words::{access, evidence, gate, guard, idle, proof, remarks, summary};
use crate::clock::words;
use crate::inert::inert;
use crate::plan::{Known, Plan, Sort, Trial};
use crate::run::{Reversibility, Task};

/// GitHub takes comments of 65,536 characters; a little is left for whoever adds to it.
const MOST: usize = 65_000;
/// What the notice of a cut needs.
const NOTICE: usize = 200;

/// The plan as GitHub's Markdown.
pub fn markdown(plan: &Plan) -> String {
    let mut page = Page { out: String::new(), left_out: 0 };
    page.must(&format!("<!-- rectify plan {} -->\n", code_free(&plan.runbook)));
    page.must(&format!("### {}\n\n**{}**\n\n", prose(&plan.title), prose(&summary(plan))));
    page.must(&format!("{} in {}, on {}\n", code(&plan.project), code(&plan.region), prose(&plan.cloud)));
    problems(&mut page, plan);
    one_way(&mut page, plan);
    changes(&mut page, plan);
    gates(&mut page, plan);
    guards(&mut page, plan);
    debts(&mut page, plan);
    permissions(&mut page, plan);
    details(&mut page, plan);
    page.finish()
}

/// What is written, as long as there is room.
struct Page {
    out: String,
    left_out: usize,
}

impl Page {
    fn must(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Adds a part, or leaves it out whole.
    fn add(&mut self, text: &str) {
        if self.left_out == 0 && self.out.chars().count() + text.chars().count() + NOTICE <= MOST {
            self.out.push_str(text);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds a table, as many of its rows as there is room for.
    fn table(&mut self, title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let rule = vec!["---"; head.len()];
        self.add(&format!("\n#### {title}\n\n| {} |\n| {} |\n", head.join(" | "), rule.join(" | ")));
        for row in rows {
            self.add(&format!("| {} |\n", row.join(" | ")));
        }
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            let notice =
                "\n> **Cut.** This is too long for a comment: {} parts were left out. `rectify plan` shows all.\n";
            self.out.push_str(&notice.replace("{}", &self.left_out.to_string()));
        }
        self.out
    }
}

fn problems(page: &mut Page, plan: &Plan) {
    if plan.problems.is_empty() {
        return;
    }
    let rows = plan.problems.iter().map(|problem| {
        let mark = match problem.sort {
            Sort::Impossible => "cannot work",
            Sort::Unseen => "could not be looked at",
            Sort::Offline => "unknown",
        };
        let help = problem.help.as_deref().map(prose).unwrap_or_default();
        vec![code(&problem.step), mark.to_owned(), prose(&problem.why), help]
    });
    page.table("Not planned", &["step", "", "why", "what to do"], rows.collect::<Vec<_>>());
}

fn one_way(page: &mut Page, plan: &Plan) {
    let doors = plan.tasks.iter().filter_map(|task| match (&task.change, &task.reversibility) {
        (Some(change), Reversibility::OneWay { why }) => {
            Some(vec![code(task.id.as_str()), code(&change.resource.name), prose(why)])
        }
        _ => None,
    });
    page.table("⛔ One-way doors", &["step", "resource", "why there is no way back"], doors.collect::<Vec<_>>());
}

fn changes(page: &mut Page, plan: &Plan) {
    let rows = plan.tasks.iter().filter_map(|task| {
        let change = task.change.as_ref()?;
        let fields: Vec<String> = change
            .differences()
            .iter()
            .filter(|difference| !difference.stays())
            .map(|difference| {
                let before =
                    difference.before.as_deref().map_or_else(String::new, |before| format!("{} ", code(before)));
                format!("{}: {before}→ {}", code(&difference.field), code(&difference.after))
            })
            .collect();
        let undo = match &task.reversibility {
            Reversibility::Reversible => "yes",
            Reversibility::WithLoss { .. } => "with loss",
            Reversibility::Restarts { .. } => "yes, restarts",
            Reversibility::OneWay { .. } => "**no**",
        };
        let known = match plan.reviews.get(&task.id).and_then(|review| review.known.as_ref()) {
            Some(Known::Validated) => "validated by the API",
            Some(Known::Computed { .. }) | None => "computed",
        };
        let about = format!("{} {}", code(&change.resource.kind), code(&change.resource.name));
        Some(vec![code(task.id.as_str()), about, fields.join("<br>"), undo.to_owned(), known.to_owned()])
    });
    page.table("Changes", &["step", "resource", "before → after", "undo", "known"], rows.collect::<Vec<_>>());
}

fn gates(page: &mut Page, plan: &Plan) {
    let rows = plan.tasks.iter().filter_map(|task| {
        let rule = task.gate.as_ref()?;
        let now = match plan.reviews.get(&task.id).and_then(|review| review.trial.as_ref()) {
            Some(Trial::Open) => "⚠️ passes before anything is done: its yes says little",
            Some(Trial::Shut { .. }) => "shut, as it should be",
            Some(Trial::Unknown { .. }) => "cannot be told",
            None => "not tried",
        };
        Some(vec![code(task.id.as_str()), prose(&gate(rule)), proof(rule), now.to_owned()])
    });
    page.table("Gates", &["after", "must hold", "what it proves", "on the cloud as it is"], rows.collect::<Vec<_>>());
}

fn guards(page: &mut Page, plan: &Plan) {
    let rows = plan.guards.iter().map(|one| vec![code(&one.probe), prose(&guard(one))]);
    page.table("Watched meanwhile", &["probe", "trips when"], rows.collect::<Vec<_>>());
}

fn debts(page: &mut Page, plan: &Plan) {
    let rows = plan.debts.iter().map(|debt| {
        let owners = debt.owners.iter().map(|owner| code(owner)).collect::<Vec<_>>().join(", ");
        vec![code(&debt.resource.name), prose(&debt.what), owners, words(debt.within), prose(&debt.payment)]
    });
    page.table("Left behind", &["resource", "what", "owners", "within", "how it is paid"], rows.collect::<Vec<_>>());
}

fn permissions(page: &mut Page, plan: &Plan) {
    if let Some(access) = access(&plan.access) {
        page.add(&format!("\n#### Permissions\n\n{}\n", prose(&access)));
    }
}

fn details(page: &mut Page, plan: &Plan) {
    for phase in &plan.phases {
        let mut body = String::new();
        for task in plan.tasks_of(&phase.name) {
            detail(&mut body, plan, task);
        }
        if !body.is_empty() {
            page.add(&format!("\n<details><summary>{}</summary>\n\n{body}\n</details>\n", prose(&phase.title)));
        }
    }
}

fn detail(body: &mut String, plan: &Plan, task: &Task) {
    let wanted = task.require.as_ref().map(|wanted| format!("only if: {}", evidence(wanted)));
    let asked = task.confirm.as_ref().map(|text| format!("asks: {text}"));
    let mut lines: Vec<String> = wanted.into_iter().chain(asked).collect();
    lines.extend(task.reversibility.caution().filter(|_| task.change.is_some()));
    lines.extend(remarks(task));
    lines.extend(task.warnings.iter().cloned());
    let review = plan.reviews.get(&task.id);
    if let Some(Known::Computed { why }) = review.and_then(|review| review.known.as_ref()) {
        lines.push(format!("worked out; {why}"));
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("  - {}", prose(line))).collect();
    let what = if task.change.is_some() { String::new() } else { format!(" {}", prose(&idle(task))) };
    let _ = writeln!(body, "- {}{what}", code(task.id.as_str()));
    if let Some(after) = review.map(|review| &review.after).filter(|after| !after.is_empty()) {
        let after = after.iter().map(|task| code(task.as_str())).collect::<Vec<_>>().join(", ");
        let _ = writeln!(body, "  - builds on {after}");
    }
    let needs = review.map(|review| review.permissions.as_slice()).unwrap_or_default();
    if !needs.is_empty() {
        let needs = needs.iter().map(|permission| code(permission)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(body, "  - needs {needs}, for doing and undoing");
    }
    for line in lines {
        let _ = writeln!(body, "{line}");
    }
}

/// A text in a code span that fits into a table's cell.
fn code(text: &str) -> String {
    let text = inert(text).replace('|', "\\|").replace('\n', " ");
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    if text.starts_with('`') || text.ends_with('`') || text.is_empty() {
        return format!("{fence} {text} {fence}");
    }
    format!("{fence}{text}{fence}")
}

/// A text as prose: every character that could be markup is escaped, and nobody is mentioned.
pub fn prose(text: &str) -> String {
    let mut out = String::new();
    for letter in inert(text).chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' => {
                out.push('\\');
                out.push(letter);
            }
            // A word joiner, so that neither a person nor an issue is called.
            '@' => out.push_str("@\u{2060}"),
            '\n' => out.push(' '),
            _ => out.push(letter),
        }
    }
    out.replace("://", ":\u{2060}//").replace("www.", "www\u{2060}.")
}

/// A text inside an HTML comment.
fn code_free(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        assert_eq!(code("a`b|c"), "``a`b\\|c``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(prose("<img> *x* @all #1"), "\\<img\\> \\*x\\* @\u{2060}all \\#1");
        assert!(!prose("see https://evil.example").contains("://"));
        assert_eq!(code_free("x --> <b>"), "x--b");
    }
}

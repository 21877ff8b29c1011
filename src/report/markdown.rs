//! A report for an issue's comment or a document about the incident.

use super::narrate::ending;
use super::record::{Record, Said};
use crate::clock::second;
use crate::plan::BreakGlass;
use crate::present::markdown::{Bullet, Heading, Item, Level, Page, code, line, strong, text, words};
use crate::run::{CriterionResult, CriterionStatus, View};

/// The text.
pub(super) fn markdown(record: &Record) -> String {
    let mut page = Page::document(Level::Second);
    page.title(Level::Second, &line([text(&record.title), words(": "), text(&record.headline())]));
    let began = record.began.map(second).unwrap_or_default();
    page.lead(&line([
        words("Run "),
        code(&record.run),
        words(" of "),
        text(&record.runbook),
        words(", "),
        text(&record.project),
        words(" in "),
        text(&record.region),
        words(", "),
        text(&record.cloud),
        words(". "),
        text(&format!("{began} to {}.", second(record.ended))),
    ]));
    if let Some(damage) = &record.damage {
        let warning = words("**This report ends where the journal can no longer be trusted:** ");
        page.lead(&line([warning, text(damage)]));
    }
    if let Some(BreakGlass { window, reason }) = &record.break_glass {
        let overridden = [words("**Begun although no run may begin in** "), code(window), words(": "), text(reason)];
        page.lead(&line(overridden));
    }
    let outcome = record.outcome_lines.iter().skip(1).filter(|line| !line.is_empty());
    let outcome: Vec<Item> = outcome.map(|line| Item::new(Bullet::Plain, text(line))).collect();
    page.list(Heading::Hidden("Outcome"), &outcome);
    changes(&mut page, record);
    gates(&mut page, record);
    ticked(&mut page, &record.closure);
    said(&mut page, "Escalation checks", &record.decisions);
    said(&mut page, "Log excerpts", &record.logs);
    said(&mut page, "Audit trail", record.said());
    let debts = record.debts.iter().map(|debt| Item::new(Bullet::Plain, text(debt)));
    page.list(Heading::Shown("Follow-ups"), &debts.collect::<Vec<_>>());
    let digests = record.digests.iter().map(|(name, digest)| line([text(name), words(": "), code(digest)]));
    let digests: Vec<Item> = digests.map(|digest| Item::new(Bullet::Plain, digest)).collect();
    page.list(Heading::Hidden("Digests"), &digests);
    page.finish("`rectify report --format json` has everything.")
}

fn changes(page: &mut Page, record: &Record) {
    let rows = record.tasks.iter().filter(|task| task.is_told()).flat_map(|task| {
        task.changed().map(|field| {
            let before = field.before.as_deref().map_or_else(|| words("not known"), code);
            vec![code(&task.id), code(&field.name), before, code(&field.after), text(&task.outcome())]
        })
    });
    page.table("Changes", &["step", "field", "before", "after", ""], rows.collect::<Vec<_>>());
}

fn gates(page: &mut Page, record: &Record) {
    let rows = record.tasks.iter().flat_map(|task| {
        task.gates.iter().map(|gate| {
            let mark = match gate.passed {
                Some(true) => "✓ ",
                Some(false) => "✗ ",
                None => "not ended: ",
            };
            vec![code(&task.id), text(&gate.asked), line([words(mark), text(&gate.verdict)])]
        })
    });
    page.table("Gates", &["step", "gate", ""], rows);
}

/// How a run stands, for the readers of an issue: its steps, and what must hold before the incident is closed.
pub fn status_comment(view: &View, criteria: &[CriterionResult]) -> String {
    let mut page = Page::comment(Level::Second);
    let outcome = view.ending.as_ref().map(|known| ending(view, known)).unwrap_or_default();
    if let Some(first) = outcome.first() {
        page.lead(&strong(&first.text));
    }
    let run = view.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let of = line([words("Run "), code(&run), words(" of "), text(&view.runbook), words(", "), text(&view.cloud)]);
    page.lead(&line([of, words(", as of "), text(&second(view.now)), words(".")]));
    ticked(&mut page, criteria);
    let tasks = view.tasks.iter().filter(|task| task.task.back_for.is_none());
    let rows = tasks.map(|task| vec![code(task.task.id.as_str()), words(task.status.word())]);
    page.table("Steps", &["step", ""], rows);
    page.finish("`rectify show` has everything.")
}

/// What must hold before the incident is closed, ticked off as far as it does.
fn ticked(page: &mut Page, criteria: &[CriterionResult]) {
    let items = criteria.iter().map(|judged| {
        let (_, word) = judged.words();
        let bullet = if judged.stands == CriterionStatus::Holds { Bullet::Ticked } else { Bullet::Open };
        Item::new(bullet, line([text(&judged.name), words(": "), words(word)]))
    });
    page.list(Heading::Shown("Closure criteria"), &items.collect::<Vec<_>>());
}

/// What was said, and when.
fn said<'s>(page: &mut Page, head: &'static str, all: impl IntoIterator<Item = &'s Said>) {
    let items = all.into_iter().map(|said| {
        let at = said.at.strftime("%H:%M:%S").to_string();
        Item::new(Bullet::Plain, line([text(&at), words(" "), text(&said.text)]))
    });
    page.list(Heading::Shown(head), &items.collect::<Vec<_>>());
}

//! A drill for a pull request.

use super::advice::advice;
use super::text::{cell, counted, sentence};
use super::{Report, heading};
use crate::drill::result::EndState;
use crate::present::markdown::{Bullet, Heading, Inline, Item, Level, Page, code, line, strong, text, words};

/// The report as a comment in GitHub's Markdown.
pub fn markdown(report: &Report) -> String {
    let mut page = Page::comment(Level::Third);
    page.mark("rectify-drill", &report.runbook);
    page.title(Level::Second, &line([words("Drill of "), code(&report.runbook)]));
    page.lead(&lead(report));
    let classes = report.classes();
    let head: Vec<&'static str> = std::iter::once("step").chain(classes.iter().map(|class| class.name())).collect();
    let rows = report.rows.iter().map(|row| {
        let name = code(&heading(row.step.as_deref(), row.way));
        let cells = classes.iter().map(|class| match row.cells.get(class) {
            None => words(""),
            Some(of) if of.worst >= EndState::Stuck || of.is_unhealthy => strong(&cell(of)),
            Some(of) => text(&cell(of)),
        });
        std::iter::once(name).chain(cells).collect()
    });
    page.table(
        "The worst ending of each step and class of faults (* means: a probe that was healthy before is unhealthy)",
        &head,
        rows,
    );
    let worst: Vec<Item> = report
        .worst()
        .into_iter()
        .map(|path| {
            let mut parts = vec![text(&sentence(report, path))];
            parts.extend(path.wrong.iter().map(|wrong| line([words(" — WRONG: "), text(wrong)])));
            parts.extend(advice(path).map(|advice| line([words(" — "), words(advice)])));
            Item::new(Bullet::Plain, line(parts))
        })
        .collect();
    page.list(Heading::Shown("The worst, one of each cell, in words"), &worst);
    let tasks = |tasks: &[crate::run::TaskId]| -> Vec<Item> {
        tasks.iter().map(|task| Item::new(Bullet::Plain, code(task.as_str()))).collect()
    };
    page.list(Heading::Shown("Gates that failed on no path"), &tasks(&report.gates_never_failing));
    page.list(Heading::Shown("Changes that were undone on no path"), &tasks(&report.never_undone));
    let excepted: Vec<Item> =
        report.excepted.iter().map(|excepted| Item::new(Bullet::Plain, text(&excepted.words()))).collect();
    page.list(Heading::Shown("Excepted by the runbook"), &excepted);
    page.finish("`rectify drill FILE --format text` prints all of it")
}

fn lead(report: &Report) -> Inline {
    let counted = format!("{}.", counted(report));
    if report.is_accepted() {
        return line([text(&counted), words(" "), words(report.acceptance())]);
    }
    let not: Vec<String> = report
        .not_accepted
        .iter()
        .map(|(name, of)| {
            let faults: Vec<&str> = of.faults.iter().map(String::as_str).collect();
            format!("{} {name} ({})", of.paths, faults.join("; "))
        })
        .collect();
    line([text(&counted), words(" "), strong(&format!("Not accepted: {}.", not.join(", ")))])
}

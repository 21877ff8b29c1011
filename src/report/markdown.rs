//! A report for an issue's comment or a document about the incident.

use std::fmt::Write as _;

use super::narrate::ending;
use super::record::{Record, Said};
use crate::clock::second;
use crate::plan::prose;
use crate::run::{Judged, Stands, View};

/// The text.
pub fn markdown(record: &Record) -> String {
    let mut out = String::new();
    let began = record.began.map(second).unwrap_or_default();
    let _ = writeln!(out, "## {}: {}\n", prose(&record.title), prose(&record.headline()));
    let _ = writeln!(
        out,
        "Run `{}` of {}, {} in {}, {}. {began} to {}.\n",
        record.run,
        prose(&record.runbook),
        prose(&record.project),
        prose(&record.region),
        prose(&record.cloud),
        second(record.ended)
    );
    if let Some(damage) = &record.damage {
        let _ = writeln!(out, "**This report ends where the journal can no longer be trusted:** {}\n", prose(damage));
    }
    for line in record.outcome_lines.iter().skip(1).filter(|line| !line.is_empty()) {
        let _ = writeln!(out, "- {}", prose(line));
    }
    let _ = writeln!(out, "\n### Changes\n\n| step | field | before | after | |\n|---|---|---|---|---|");
    for task in record.tasks.iter().filter(|task| task.is_written()) {
        for field in task.changed() {
            let before = field.before.as_deref().unwrap_or("not known");
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                prose(&task.id),
                prose(&field.name),
                prose(before),
                prose(&field.after),
                task.stands
            );
        }
    }
    let _ = writeln!(out, "\n### What was proven\n\n| step | gate | |\n|---|---|---|");
    for task in &record.tasks {
        for gate in &task.gates {
            let mark = match gate.passed {
                Some(true) => "✓",
                Some(false) => "✗",
                None => "not ended:",
            };
            let _ = writeln!(out, "| {} | {} | {mark} {} |", prose(&task.id), prose(&gate.asked), prose(&gate.verdict));
        }
    }
    ticked(&mut out, &record.closure);
    for (head, all) in [("Whether to go on", &record.decisions), ("What logs said", &record.logs)] {
        if !all.is_empty() {
            said(&mut out, head, all);
        }
    }
    said(&mut out, "Who", record.said());
    for debt in &record.debts {
        let _ = writeln!(out, "- left behind: {}", prose(debt));
    }
    out.push('\n');
    for (name, digest) in &record.digests {
        let _ = writeln!(out, "{}: `{digest}`  ", prose(name));
    }
    out
}

/// How a run stands, for the readers of an issue: its steps, and what must hold before the incident is closed.
pub fn status_comment(view: &View, criteria: &[Judged]) -> String {
    let mut out = String::new();
    let outcome = view.ending.as_ref().map(|known| ending(view, known)).unwrap_or_default();
    if let Some(line) = outcome.first() {
        let _ = writeln!(out, "**{}**\n", prose(&line.text));
    }
    out.push_str("| step | |\n|---|---|\n");
    for task in view.tasks.iter().filter(|task| task.task.back_for.is_none()) {
        let _ = writeln!(out, "| {} | {} |", prose(task.task.id.as_str()), task.standing.word());
    }
    ticked(&mut out, criteria);
    let run = view.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (runbook, cloud) = (prose(&view.runbook), prose(&view.cloud));
    let _ = writeln!(out, "\nRun `{run}` of {runbook}, {cloud}, as of {}.", second(view.now));
    out
}

/// What must hold before the incident is closed, ticked off as far as it does.
fn ticked(out: &mut String, criteria: &[Judged]) {
    if criteria.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### Before the incident is closed\n");
    for judged in criteria {
        let (_, word) = judged.stands.words();
        let tick = if judged.stands == Stands::Holds { "x" } else { " " };
        let _ = writeln!(out, "- [{tick}] {}: {word}", prose(&judged.name));
    }
}

/// What was said, and when.
fn said<'s>(out: &mut String, head: &str, all: impl IntoIterator<Item = &'s Said>) {
    let _ = writeln!(out, "\n### {head}\n");
    for said in all {
        let _ = writeln!(out, "- {} {}", said.at.strftime("%H:%M:%S"), prose(&said.text));
    }
}

//! A report as one page that needs no script and no network to be read: dark or light, as its reader likes, and on paper.

use std::fmt::Write as _;

use super::chart;
use super::record::{GateRecord, Record, Said, TaskRecord};
use crate::clock::{between, format_duration, second};
use crate::inert::inert;
use crate::plan::BreakGlass;
use crate::run::{ChangeStatus, CriterionStatus};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e6e8eb); --soft: light-dark(#5b6570, #9aa4af);
  --page: light-dark(#ffffff, #14171a); --line: light-dark(#d7dce1, #30363d); --good: light-dark(#116b2f, #5fd38a);
  --bad: light-dark(#a51621, #ff8a8f); --warn: light-dark(#7a4b00, #f0b95b); --panel: light-dark(#f5f7f9, #1b2026); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } .soft { color: var(--soft); } .good { color: var(--good); }
.bad { color: var(--bad); } .warn { color: var(--warn); } .head { font-weight: 600; } .dim { color: var(--soft); }
.outcome { border-left: .3rem solid; padding: .4rem 1rem; background: var(--panel); }
table { border-collapse: collapse; width: 100%; } .changes td { overflow-wrap: anywhere; min-width: 6rem; }
.changes td:nth-child(1), .changes td:nth-child(3), .changes td:nth-child(6) { white-space: nowrap; } th, td { text-align: left; padding: .25rem .6rem .25rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; font-variant-numeric: tabular-nums; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { background: var(--panel); padding: 1rem; overflow-x: auto;
  white-space: pre-wrap; } svg { max-width: 100%; height: auto; } section.task { break-inside: avoid; }
svg text[fill=\"#828C96\"] { fill: var(--soft); } .picture { overflow-x: auto; } .picture svg { min-width: 44rem; }
.key { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .8rem; vertical-align: -1px; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .6rem 0 0; } dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; } ul.plain { padding-left: 1.2rem; } details > summary { cursor: pointer; }
@media (max-width: 40rem) { body { margin: 1rem auto; } .changes tr:first-child { display: none; } .changes tr, .changes td { display: block; }
  .changes td { border: 0; padding: .1rem 0; white-space: normal; } .changes tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .changes td::before { content: attr(data-head) \": \"; color: var(--soft); } } @media print { body { margin: 0; max-width: none; } details { display: block; } }
";

/// The page.
pub(super) fn html(record: &Record) -> String {
    let mut out = String::new();
    let title = format!("{} — {}", record.title, record.headline());
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n",
        safe(&title)
    );
    head(&mut out, record);
    if record.began.is_some() {
        let _ = write!(
            out,
            "<h2>Timeline</h2>\n<div class=\"picture\">{}</div>\n<p class=\"soft\">{}</p>\n",
            chart::timeline(record),
            chart::legend()
        );
    }
    closure(&mut out, record);
    follow_ups(&mut out, record);
    changes(&mut out, record);
    let _ = writeln!(out, "<h2>Steps</h2>");
    let mut pictures = Pictures { drawn: 0, colours: chart::Colours::of(record) };
    for task in record.tasks.iter().filter(|task| !task.spans.is_empty() || !task.evidence.is_empty()) {
        step(&mut out, task, &mut pictures);
    }
    said(&mut out, "Escalation checks", &record.decisions);
    said(&mut out, "Log excerpts", &record.logs);
    said(&mut out, "Audit trail", record.said());
    let _ = writeln!(out, "<h2>Full log</h2>\n<details><summary>{} lines</summary><pre>", record.story.len());
    for line in &record.story {
        let _ = writeln!(out, "<span class=\"{}\">{}</span>", line.tone, safe(&line.text));
    }
    let _ = writeln!(out, "</pre></details>\n<h2>Digests</h2>\n<table>");
    for (name, digest) in &record.digests {
        let _ = writeln!(out, "<tr><th>{}<td><code>{}</code>", safe(name), safe(digest));
    }
    let _ = writeln!(
        out,
        "</table>\n<p class=\"soft\">SHA-256; <code>rectify verify {}</code> compares.</p>",
        safe(&record.run)
    );
    out
}

fn head(out: &mut String, record: &Record) {
    let tone = match record.outcome.as_str() {
        "done" => "good",
        "rolled_back" | "declined" | "open" => "warn",
        _ => "bad",
    };
    let began = record.began.map(second).unwrap_or_default();
    let _ = writeln!(out, "<h1>{}</h1>", safe(&record.title));
    let _ = writeln!(
        out,
        "<p class=\"soft\">run {} of {} · {} in {} · {} · {began} to {}</p>",
        safe(&record.run),
        safe(&record.runbook),
        safe(&record.project),
        safe(&record.region),
        safe(&record.cloud),
        second(record.ended)
    );
    if let Some(damage) = &record.damage {
        let _ = writeln!(
            out,
            "<p class=\"outcome bad\"><strong>This report ends where the journal can no longer be trusted:</strong> {}</p>",
            safe(damage)
        );
    }
    if let Some(BreakGlass { window, reason }) = &record.break_glass {
        let (window, reason) = (safe(window), safe(reason));
        let _ = writeln!(
            out,
            "<p class=\"outcome warn\"><strong>Begun although no run may begin in {window}:</strong> {reason}</p>"
        );
    }
    let _ = writeln!(out, "<div class=\"outcome {tone}\"><strong>{}</strong>", safe(&record.headline()));
    for line in record.outcome_lines.iter().skip(1).filter(|line| !line.is_empty()) {
        let _ = writeln!(out, "<br>{}", safe(line));
    }
    let _ = writeln!(out, "</div>");
    let _ = writeln!(out, "<dl class=\"facts\">");
    for (name, fact) in facts(record) {
        let _ = writeln!(out, "<dt>{name}<dd>{}", safe(&fact));
    }
    let _ = writeln!(out, "</dl>");
}

/// What somebody asks first: whether the incident is over, what was changed, and what is left to do.
fn facts(record: &Record) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if !record.closure.is_empty() {
        let open: Vec<&str> = record
            .closure
            .iter()
            .filter(|judged| judged.stands != CriterionStatus::Holds)
            .map(|judged| judged.name.as_str())
            .collect();
        facts.push((
            "recovered",
            match (open.as_slice(), record.closure.len()) {
                ([], 1) => "the closure criterion holds".to_owned(),
                ([], all) => format!("all {all} closure criteria hold"),
                (open, all) => format!("{} of {all} closure criteria not met: {}", open.len(), open.join(", ")),
            },
        ));
    }
    let count = |is: fn(&ChangeStatus) -> bool| {
        record.tasks.iter().filter(|task| task.is_told() && is(&task.change_status)).count()
    };
    let applied = count(|status| matches!(status, ChangeStatus::Applied { .. } | ChangeStatus::Kept(_)));
    let undone = count(|status| matches!(status, ChangeStatus::RolledBack));
    let unclear = count(|status| {
        matches!(status, ChangeStatus::InFlight { .. } | ChangeStatus::InDoubt { .. } | ChangeStatus::Unclear { .. })
    });
    let parts = [(applied, "applied"), (undone, "rolled back"), (unclear, "not known whether applied")];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    facts.push(("changes", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }));
    facts.push((
        "follow-ups",
        match record.debts.len() {
            0 => "none".to_owned(),
            count => format!("{count}, listed below"),
        },
    ));
    facts
}

/// What the run leaves for somebody to do.
fn follow_ups(out: &mut String, record: &Record) {
    if record.debts.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>Follow-ups</h2>\n<ul class=\"plain\">");
    for debt in &record.debts {
        let _ = writeln!(out, "<li>{}", safe(debt));
    }
    let _ = writeln!(out, "</ul>");
}

/// What must hold for the end of the incident, ticked off.
fn closure(out: &mut String, record: &Record) {
    if record.closure.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h2>Closure criteria</h2>\n<table>");
    for judged in &record.closure {
        let (mark, word) = judged.words();
        let tone = if judged.stands == CriterionStatus::Holds { "good" } else { "warn" };
        let (name, why) = (safe(&judged.name), safe(&judged.why));
        let _ = writeln!(out, "<tr><td class=\"{tone}\">{mark} {word}<td>{name}<td class=\"soft\"><code>{why}</code>");
    }
    let _ = writeln!(out, "</table>");
}

/// What was said, and when.
fn said<'s>(out: &mut String, head: &str, all: impl IntoIterator<Item = &'s Said>) {
    let mut all = all.into_iter().peekable();
    if all.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "<h2>{head}</h2>\n<table>");
    for said in all {
        let _ = writeln!(out, "<tr><td class=\"soft\">{}<td>{}", said.at.strftime("%H:%M:%S"), safe(&said.text));
    }
    let _ = writeln!(out, "</table>");
}

fn changes(out: &mut String, record: &Record) {
    let _ = writeln!(
        out,
        "<h2>Changes</h2>\n<table class=\"changes\"><tr><th>step<th>resource<th>field<th>before<th>after<th>"
    );
    for task in record.tasks.iter().filter(|task| task.is_told()) {
        let tone = match task.change_status {
            ChangeStatus::Applied { trouble: None } | ChangeStatus::Unchanged => "plain",
            ChangeStatus::RolledBack | ChangeStatus::Kept(_) | ChangeStatus::Skipped | ChangeStatus::NotRun => "warn",
            ChangeStatus::NotBegun
            | ChangeStatus::InFlight { .. }
            | ChangeStatus::InDoubt { .. }
            | ChangeStatus::Unclear { .. }
            | ChangeStatus::Applied { trouble: Some(_) }
            | ChangeStatus::Failed { .. }
            | ChangeStatus::NotRolledBack { .. } => "bad",
        };
        let mark = format!("<span class=\"{tone}\">{}</span>", safe(&task.outcome()));
        for field in task.changed() {
            let _ = writeln!(
                out,
                "<tr><td data-head=step>{}<td data-head=resource>{}<td data-head=field>{}<td data-head=before>{}<td data-head=after>{}<td data-head=state>{mark}",
                safe(&task.id),
                safe(task.resource.as_deref().unwrap_or_default()),
                safe(&field.name),
                safe(field.before.as_deref().unwrap_or("not known")),
                safe(&field.after)
            );
        }
    }
    let _ = writeln!(out, "</table>");
}

/// More pictures than this would make the page slow to open; what they show is told in words as well.
const PICTURES: usize = 60;

/// The pictures of gates that are drawn.
struct Pictures {
    drawn: usize,
    colours: chart::Colours,
}

fn step(out: &mut String, task: &TaskRecord, pictures: &mut Pictures) {
    let _ = writeln!(
        out,
        "<section class=\"task\"><h3>{} <span class=\"soft\">{}</span></h3>",
        safe(&task.id),
        safe(&task.uses)
    );
    for line in &task.evidence {
        let _ = writeln!(out, "<div class=\"soft\">evidence: {}</div>", safe(line));
    }
    for span in &task.spans {
        let took = format_duration(between(span.from, span.to));
        let failed = span.failed.as_ref().filter(|_| task.command.is_some());
        let failed = failed.map(|why| format!(": <span class=\"bad\">{}</span>", safe(why))).unwrap_or_default();
        let _ = writeln!(out, "<div>{} at {}, {took}{failed}</div>", span.what, span.from.strftime("%H:%M:%S"));
    }
    for operation in &task.operations {
        let _ = writeln!(out, "<div class=\"soft\">operation <code>{}</code></div>", safe(operation));
    }
    for gate in &task.gates {
        let (tone, word) = match gate.passed {
            Some(true) => ("good", "passed"),
            Some(false) => ("bad", "failed"),
            None => ("warn", "not ended"),
        };
        let verdict = if gate.verdict.is_empty() { String::new() } else { format!(": {}", safe(&gate.verdict)) };
        let _ = writeln!(out, "<div>{}</div><div class=\"{tone}\">{word}{verdict}</div>", safe(&gate.asked));
        picture(out, gate, pictures);
    }
    let _ = writeln!(out, "</section>");
}

fn picture(out: &mut String, gate: &GateRecord, pictures: &mut Pictures) {
    let samples = || gate.probes.values().flatten();
    let worth_it = samples().any(|sample| sample.latency_ms.is_some() || sample.health != "healthy");
    if pictures.drawn >= PICTURES || gate.samples < 2 || !worth_it {
        return;
    }
    pictures.drawn += 1;
    let _ = writeln!(out, "<div class=\"picture\">{}</div>", chart::gate(gate, &pictures.colours));
}

/// A text as content of a page: inert, and no markup.
pub(super) fn safe(text: &str) -> String {
    inert(text).chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

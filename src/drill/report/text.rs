//! A drill for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::advice::advice;
use super::{Cell, Report, Row, WayOut, heading};
use crate::clock::format_duration;
use crate::drill::result::{EndState, PathResult};
use crate::inert::inert;
use crate::run::{TaskId, Way};

/// How many lines of what a run says are shown.
const SAID: usize = 6;
/// How wide a column of the table is.
const COLUMN: usize = 9;

/// The report in plain text, no line of it longer than `width`, if words allow.
pub fn text(report: &Report, width: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}: {}", inert(&report.runbook), counted(report));
    table(report, width, &mut out);
    worst(report, width, &mut out);
    unseen(report, width, &mut out);
    verdict(report, width, &mut out);
    out
}

/// How many paths were worked, and how they ended.
pub(super) fn counted(report: &Report) -> String {
    let counts: Vec<String> = EndState::ALL
        .iter()
        .filter_map(|state| {
            let count = report.count(*state);
            (count > 0).then(|| format!("{count} {}", state.words()))
        })
        .collect();
    let of = if report.is_sample() { format!(" of {} paths, a sample", report.possible) } else { " paths".to_owned() };
    format!("{}{of}: {}", report.paths.len(), counts.join(", "))
}

/// Steps down, classes of faults across: as many columns as there is room for, then the next ones below.
fn table(report: &Report, width: usize, out: &mut String) {
    let label = |row: &Row| inert(&heading(row.step.as_deref(), row.way));
    let first = report.rows.iter().map(|row| label(row).chars().count()).max().unwrap_or_default().min(width / 2);
    let classes = report.classes();
    let columns = (width.saturating_sub(first + 2) / (COLUMN + 1)).max(1);
    let _ = writeln!(out);
    fold("", "The worst ending of each step and class of faults (see docs/drill.md):", width, out);
    for classes in classes.chunks(columns) {
        let names: String = classes.iter().fold(String::new(), |mut line, class| {
            let _ = write!(line, " {:<COLUMN$}", class.name());
            line
        });
        let _ = writeln!(out, "\n  {:<first$}{}", "", names.trim_end());
        for row in &report.rows {
            let label: String = label(row).chars().take(first).collect();
            let cells: String = classes.iter().fold(String::new(), |mut line, class| {
                let _ = write!(line, " {:<COLUMN$}", row.cells.get(class).map(cell).unwrap_or_default());
                line
            });
            let _ = writeln!(out, "  {label:<first$}{}", cells.trim_end());
        }
    }
    if report.rows.iter().flat_map(|row| row.cells.values()).any(|cell| cell.is_unhealthy) {
        let _ = writeln!(out);
        fold("  *  ", "a probe that was healthy before the run is unhealthy at the end", width, out);
    }
}

pub(super) fn cell(cell: &Cell) -> String {
    let mark = if cell.is_unhealthy { " *" } else { "" };
    let word = match cell.worst {
        EndState::Recovered => "done",
        EndState::RolledBack => "back",
        EndState::Paused | EndState::Stopped | EndState::Stuck | EndState::Wrong => cell.worst.words(),
    };
    format!("{word}{mark}")
}

fn worst(report: &Report, width: usize, out: &mut String) {
    let worst = report.worst();
    if worst.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nThe worst, one of each cell, in words:");
    for (number, path) in worst.into_iter().enumerate() {
        let lead = format!("  {}. ", number + 1);
        fold(&lead, &sentence(report, path), width, out);
        for said in path.said.iter().filter(|said| !said.trim().is_empty()).take(SAID) {
            fold("       | ", said.trim(), width, out);
        }
        for wrong in &path.wrong {
            fold("     WRONG: ", &inert(wrong), width, out);
        }
        if let Some(advice) = advice(path) {
            fold("     what the runbook can do: ", advice, width, out);
        }
    }
}

/// What happens, in a sentence.
pub(super) fn sentence(report: &Report, path: &PathResult) -> String {
    let place = match (path.step.as_deref(), path.way) {
        (Some(step), Way::Apply) => format!("at {}", inert(step)),
        (Some(step), Way::Undo) => format!("at the undo of {}", inert(step)),
        (None, _) => "between two steps".to_owned(),
    };
    let then = if path.then.is_empty() { String::new() } else { format!(", {}", path.then) };
    let after = match path.took.as_secs() {
        0 => String::new(),
        seconds => format!(", {} after the fault", format_duration(Duration::from_secs(seconds))),
    };
    let end = match path.outcome {
        EndState::Recovered => "the run recovers",
        EndState::RolledBack => "the run has rolled back",
        EndState::Paused => "the run is paused",
        EndState::Stopped => "the run has stopped",
        EndState::Stuck => "the run is stuck",
        EndState::Wrong => "the run is WRONG",
    };
    let applied = match (path.applied.as_slice(), path.unknown.as_slice()) {
        ([], []) => "nothing is applied".to_owned(),
        ([], unknown) => format!("not known whether applied: {}", names(unknown)),
        (applied, []) => format!("applied: {}", names(applied)),
        (applied, unknown) => format!("applied: {}; not known: {}", names(applied), names(unknown)),
    };
    let way_out = match path.outcome {
        EndState::Stuck | EndState::Stopped => match report.way_out(path) {
            WayOut::Found => "; resume or rollback gets it out",
            WayOut::None => "; neither resume nor rollback gets it out: an operator must act",
            WayOut::NotTried => "",
        },
        EndState::Recovered | EndState::RolledBack | EndState::Paused | EndState::Wrong => "",
    };
    let unhealthy = if path.unhealthy.is_empty() {
        String::new()
    } else {
        let probes: Vec<String> = path.unhealthy.iter().map(|probe| inert(probe)).collect();
        format!("; unhealthy now and healthy before: {}", probes.join(", "))
    };
    let serving: Vec<String> = path.serving.iter().map(serving).collect();
    let serving = if serving.is_empty() { String::new() } else { format!("; {}", serving.join(", ")) };
    format!("{place}: {}{then}: {end}{after}; {applied}{serving}{unhealthy}{way_out}", path.fault)
}

fn names(tasks: &[TaskId]) -> String {
    tasks.iter().map(|task| inert(task.as_str())).collect::<Vec<_>>().join(", ")
}

/// Which revisions of a service get how much of its traffic.
fn serving((service, shares): (&String, &Option<BTreeMap<String, i64>>)) -> String {
    let Some(shares) = shares else { return format!("{} does not exist", inert(service)) };
    let shares: Vec<String> =
        shares.iter().map(|(revision, percent)| format!("{percent} % {}", inert(revision))).collect();
    let shares = if shares.is_empty() { "nobody".to_owned() } else { shares.join(" and ") };
    format!("{} serves {shares}", inert(service))
}

fn unseen(report: &Report, width: usize, out: &mut String) {
    if !report.gates_never_failing.is_empty() || !report.never_undone.is_empty() {
        let _ = writeln!(out, "\nNot seen on any path:");
    }
    if !report.gates_never_failing.is_empty() {
        fold("  gates that fail: ", &names(&report.gates_never_failing), width, out);
    }
    if !report.never_undone.is_empty() {
        fold("  undos: ", &names(&report.never_undone), width, out);
    }
}

fn verdict(report: &Report, width: usize, out: &mut String) {
    let _ = writeln!(out);
    for excepted in &report.excepted {
        fold("Excepted: ", &inert(&excepted.words()), width, out);
    }
    if report.is_accepted() {
        let _ = writeln!(out, "{}", report.acceptance());
        return;
    }
    for (name, of) in &report.not_accepted {
        let paths = if of.paths == 1 { "path ends" } else { "paths end" };
        let faults: Vec<String> = of.faults.iter().map(|fault| inert(fault)).collect();
        fold("Not accepted: ", &format!("{} {paths} {name}: {}.", of.paths, faults.join("; ")), width, out);
    }
}

/// Writes a paragraph whose first line begins with `lead`, and whose other lines are indented as far.
fn fold(lead: &str, text: &str, width: usize, out: &mut String) {
    let indent = " ".repeat(lead.chars().count().min(9));
    let options = textwrap::Options::new(width.max(40)).initial_indent(lead).subsequent_indent(&indent);
    let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let _ = writeln!(out, "{}", textwrap::fill(text, options));
}

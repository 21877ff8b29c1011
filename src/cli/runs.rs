//! `rectify runs`: every run, oldest first; rehearsals apart, with their real and their simulated time.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::cloud::{CloudTarget, Realm};
use super::console::Console;
use super::exit::Exit;
use super::session::Kept;
use crate::clock::{between, format_duration};
use crate::engine::Run;
use crate::inert::inert;
use crate::journal::{Directory, OpenError, State};
use crate::run::{Ending, Entry, Event, TaskStatus, View};

pub(super) fn runs(state: &State, console: Console) -> Exit {
    let (rehearsals, runs): (Vec<Directory>, Vec<Directory>) =
        state.list().into_iter().partition(|run| Realm::of(run) == Realm::Rehearsal);
    if runs.is_empty() && rehearsals.is_empty() {
        console.out("There are no runs yet.\n");
        return Exit::Done;
    }
    let width = console.is_terminal().then_some(console.width);
    if !runs.is_empty() {
        console.out(&Listed::Runs.table(&rows(&runs), width));
    }
    if !rehearsals.is_empty() {
        let between = if runs.is_empty() { "" } else { "\n" };
        console.out(&format!("{between}Rehearsals\n{}", Listed::Rehearsals.table(&rows(&rehearsals), width)));
    }
    Exit::Done
}

fn rows(runs: &[Directory]) -> Vec<Row> {
    runs.iter().map(Row::of).collect()
}

/// What is listed: rehearsals have a simulated time besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Runs,
    Rehearsals,
}

impl Listed {
    fn heads(self) -> &'static [&'static str] {
        match self {
            Listed::Runs => &["RUN", "STARTED (UTC)", "RUNBOOK", "TARGET", "CLOUD", "STATUS"],
            Listed::Rehearsals => &["RUN", "STARTED (UTC)", "SIMULATED TIME", "RUNBOOK", "TARGET", "CLOUD", "STATUS"],
        }
    }

    fn cells(self, row: &Row) -> Vec<&str> {
        let Row { id, started, simulated, runbook, target, cloud, status } = row;
        match self {
            Listed::Runs => vec![id, started, runbook, target, cloud, status],
            Listed::Rehearsals => vec![id, started, simulated, runbook, target, cloud, status],
        }
    }

    /// A line a run, or, where that is wider than the terminal, a few short lines a run.
    fn table(self, rows: &[Row], width: Option<usize>) -> String {
        let mut lines: Vec<Vec<&str>> = vec![self.heads().to_vec()];
        lines.extend(rows.iter().map(|row| self.cells(row)));
        let columns = self.heads().len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| lines.iter().map(|line| console::measure_text_width(line[column])).max().unwrap_or(0))
            .collect();
        if width.is_some_and(|width| widths.iter().sum::<usize>() + 2 * (columns - 1) > width) {
            return self.narrow(rows);
        }
        lines.iter().fold(String::new(), |mut out, line| {
            let cells = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| console::pad_str(cell, *width, console::Alignment::Left, None));
            let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
            out
        })
    }

    fn narrow(self, rows: &[Row]) -> String {
        rows.iter().fold(String::new(), |mut out, row| {
            let Row { id, started, simulated, runbook, target, cloud, status } = row;
            let _ = writeln!(out, "{id}  {status}\n  {runbook}\n  {target}, {cloud}\n  started {started} UTC");
            if self == Listed::Rehearsals {
                let _ = writeln!(out, "  simulated {simulated}");
            }
            out
        })
    }
}

/// A run in the list.
struct Row {
    id: String,
    started: String,
    simulated: String,
    runbook: String,
    target: String,
    cloud: String,
    status: String,
}

impl Row {
    fn of(run: &Directory) -> Row {
        let first = run.first();
        let at = first.as_ref().map(|entry| entry.at);
        let (runbook, wall_clock) = match first.map(|entry| entry.event) {
            Some(Event::Started { runbook, wall_clock, .. }) => (inert(&runbook), wall_clock),
            _ => (UNKNOWN.to_owned(), None),
        };
        let place = CloudTarget::of(run).ok();
        // Runs of 0.1.0 noted their own time only, which is simulated on a simulated cloud.
        let is_real = place.as_ref().is_some_and(|place| place.realm() == Realm::Google);
        let started = wall_clock.or_else(|| at.filter(|_| is_real));
        let (target, status) = match Kept::open(run.clone()) {
            Ok(kept) => (inert(&format!("{}/{}", kept.plan.project, kept.plan.region)), status(&kept)),
            Err(trouble) => (UNKNOWN.to_owned(), inert(&trouble.message)),
        };
        Row {
            id: run.id(),
            started: minute(started),
            simulated: minute(at),
            runbook,
            target,
            cloud: place.map_or_else(|| UNKNOWN.to_owned(), |place| place.to_string()),
            status,
        }
    }
}

const UNKNOWN: &str = "?";

fn minute(at: Option<Timestamp>) -> String {
    at.map_or_else(|| UNKNOWN.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// How a run stands, and what can be done with it. Whether it can be resumed is the engine's word, not a guess.
fn status(kept: &Kept) -> String {
    let read = match kept.directory.read() {
        Ok(read) => read,
        Err(error) => return format!("damaged: {}", inert(&reason(&error))),
    };
    let ending = match read.entries.last().map(|entry| &entry.event) {
        Some(Event::Ended { ending }) => Some(ended(ending, took(&read.entries))),
        _ => None,
    };
    if ending.is_none() && kept.directory.is_held() {
        return "running".to_owned();
    }
    let (run, view) = match kept.fold(&read.entries) {
        Ok(folded) => folded,
        Err(trouble) => {
            let how = ending.unwrap_or_else(|| "interrupted".to_owned());
            return format!("{how}; cannot be resumed: {}", inert(&trouble.message));
        }
    };
    let how = ending.unwrap_or_else(|| {
        let stopped = read.entries.iter().rev().find_map(|entry| match entry.event {
            Event::StopRequested { .. } => Some("stopped"),
            Event::Paused { .. } => Some("paused"),
            Event::Resumed { .. } | Event::RollbackRequested { .. } | Event::Started { .. } => Some("interrupted"),
            _ => None,
        });
        stopped.unwrap_or("interrupted").to_owned()
    });
    let how = if run.ending().is_some() { how + &failed_at_the_end(&view) } else { how };
    match (can_be_resumed(&run, &read.entries), run.ending()) {
        (true, _) => format!("{how}, can be resumed"),
        (false, Some(_)) => how,
        (false, None) => format!("{how}, cannot be resumed"),
    }
}

/// What of the phases that are carried out at the end failed, behind how the run ended.
fn failed_at_the_end(view: &View) -> String {
    let failed = view.tasks.iter().filter(|task| {
        let is_unknown = task.change_status().is_unknown();
        task.task.is_finally() && (task.status == TaskStatus::Failed || is_unknown)
    });
    let failed: Vec<String> = failed.map(|task| inert(task.task.id.as_str())).collect();
    if failed.is_empty() { String::new() } else { format!("; failed at the end: {}", failed.join(", ")) }
}

/// Whether `resume` would go on with the run.
fn can_be_resumed(run: &Run, entries: &[Entry]) -> bool {
    let at = entries.last().map(|entry| entry.at).unwrap_or_default();
    let resumed = Entry { at, event: Event::Resumed { operator: super::session::operator() } };
    !run.is_over() && run.clone().apply(&resumed).is_ok()
}

/// How long it took, by its own clock, and without the time between an interruption and its resumption.
fn took(entries: &[Entry]) -> Duration {
    let pairs = entries
        .windows(2)
        .filter(|pair| !matches!(pair[1].event, Event::Resumed { .. } | Event::RollbackRequested { .. }));
    pairs.map(|pair| between(pair[0].at, pair[1].at)).sum()
}

fn reason(error: &OpenError) -> String {
    match error {
        OpenError::Broken { broken, .. } => broken.to_string(),
        error => error.to_string(),
    }
}

fn ended(ending: &Ending, took: Duration) -> String {
    let took = format_duration(took);
    match ending {
        Ending::Done { failed, .. } if failed.is_empty() => format!("done in {took}"),
        Ending::Done { .. } => format!("done in {took}, with failures"),
        Ending::RolledBack { .. } => format!("rolled back in {took}"),
        Ending::Stopped { .. } => format!("stopped after a failure in {took}"),
        Ending::Declined { .. } => format!("declined in {took}"),
        Ending::Stuck { .. } => format!("stuck in {took}, an operator must act"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_does_not_fit_is_a_few_short_lines_a_run_and_loses_nothing() {
        let row = |id: &str, runbook: &str| Row {
            id: id.to_owned(),
            started: "2026-11-27 15:21".to_owned(),
            simulated: "2025-09-16 03:00".to_owned(),
            runbook: runbook.to_owned(),
            target: "netra-staging/us-central1".to_owned(),
            cloud: "sim".to_owned(),
            status: "done in 47m 49s".to_owned(),
        };
        let rows = [row("42vnd3k8w1", "connector-exhaustion"), row("36s2zg0000", "short")];
        let wide = Listed::Rehearsals.table(&rows, None);
        assert_eq!(wide.lines().count(), 3);
        let place = |line: &str| wide.lines().nth(1).unwrap().find(line).unwrap();
        assert_eq!(wide.lines().next().unwrap().find("STATUS"), Some(place("done in")));
        let columns = wide.lines().map(str::len).max().unwrap();
        assert_eq!(Listed::Rehearsals.table(&rows, Some(columns)), wide);
        for width in [columns - 1, 80, 40] {
            let narrow = Listed::Rehearsals.table(&rows, Some(width));
            assert!(narrow.lines().all(|line| line.len() <= 40), "{narrow}");
            for text in [
                "42vnd3k8w1  done in 47m 49s",
                "connector-exhaustion",
                "netra-staging/us-central1, sim",
                "2025-09-16 03:00",
            ] {
                assert!(narrow.contains(text), "{text} is not in\n{narrow}");
            }
        }
        assert!(!Listed::Runs.table(&rows, None).contains("2025-09-16"));
    }
}

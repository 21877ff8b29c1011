//! `rectify runs`: every run, oldest first, with how it stands; rehearsals apart, with their real and their simulated time.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use jiff::fmt::serde::unsigned_duration::friendly::compact::optional as friendly;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::Serialize;

use super::cloud::{CloudTarget, Realm};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_format::OutputFormat;
use super::session::Kept;
use crate::clock::{Clock as _, SystemClock, between, earlier, format_duration};
use crate::engine::Run;
use crate::inert::inert;
use crate::journal::{Directory, OpenError, Read, State};
use crate::run::{Ending, Entry, Event, Operator, TaskStatus, View};

#[derive(Args)]
pub(super) struct Arguments {
    /// Only runs of this runbook, by its name
    #[arg(long, value_name = "NAME")]
    runbook: Option<String>,

    /// Only runs that stand so; may be given several times
    #[arg(long, value_name = "OUTCOME")]
    outcome: Vec<Outcome>,

    /// Only runs that began since then, in real time: a moment, a day, or how long ago (`7d`)
    #[arg(long, value_name = "TIME|DURATION", value_parser = since)]
    since: Option<Timestamp>,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,
}

/// A moment, the beginning of a day in UTC, or so long ago.
fn since(text: &str) -> Result<Timestamp, String> {
    let moment = || text.parse::<Timestamp>().ok();
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let ago = || {
        let ago = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Some(earlier(SystemClock.now(), Duration::try_from(ago).ok()?))
    };
    moment().or_else(day).or_else(ago).ok_or_else(|| "such as 2026-11-27T15:00:00Z, 2026-11-27 or 7d".to_owned())
}

pub(super) fn runs(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    let all: Vec<Row> = state.list().iter().map(Row::of).collect();
    let count = all.len();
    let meant: Vec<Row> = all.into_iter().filter(|row| arguments.mean(row)).collect();
    match arguments.format {
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(&meant);
            console.out(&(json.map_err(|error| CliError::from_error(Exit::Failed, &error))? + "\n"));
        }
        OutputFormat::Text if count == 0 => console.out("There are no runs yet.\n"),
        OutputFormat::Text if meant.is_empty() => console.out(&format!("None of the {count} runs is like this.\n")),
        OutputFormat::Text => console.out(&listed(&meant, console.edge())),
    }
    Ok(Exit::Done)
}

impl Arguments {
    fn mean(&self, row: &Row) -> bool {
        self.runbook.as_ref().is_none_or(|name| row.runbook.as_ref() == Some(name))
            && (self.outcome.is_empty() || self.outcome.contains(&row.outcome))
            && self.since.is_none_or(|since| row.started.is_some_and(|started| started >= since))
    }
}

fn listed(rows: &[Row], width: Option<usize>) -> String {
    let (rehearsals, runs): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.realm == Realm::Rehearsal);
    let mut out = String::new();
    if !runs.is_empty() {
        out.push_str(&Listed::Runs.table(&runs, width));
    }
    if !rehearsals.is_empty() {
        let between = if runs.is_empty() { "" } else { "\n" };
        let _ = write!(out, "{between}Rehearsals\n{}", Listed::Rehearsals.table(&rehearsals, width));
    }
    out
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
            Listed::Runs => &["RUN", "STARTED (UTC)", "RUNBOOK", "TARGET", "CLOUD", "OPERATOR", "OUTCOME", "DURATION"],
            Listed::Rehearsals => &[
                "RUN",
                "STARTED (UTC)",
                "SIMULATED TIME",
                "RUNBOOK",
                "TARGET",
                "CLOUD",
                "OPERATOR",
                "OUTCOME",
                "DURATION",
            ],
        }
    }

    fn cells(self, row: &Row) -> Vec<String> {
        let (id, started, simulated) = (row.run.clone(), minute(row.started), minute(row.simulated));
        let rest = [row.runbook(), row.target(), row.cloud.clone(), row.operator(), row.words(), row.took()];
        let time = match self {
            Listed::Runs => vec![id, started],
            Listed::Rehearsals => vec![id, started, simulated],
        };
        time.into_iter().chain(rest).collect()
    }

    /// A line a run, or, where that is wider than the terminal, a few short lines a run.
    fn table(self, rows: &[&Row], width: Option<usize>) -> String {
        let heads = self.heads().iter().map(|head| (*head).to_owned()).collect();
        let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().map(|row| self.cells(row))).collect();
        let columns = self.heads().len();
        let measured = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| console::measure_text_width(cell)).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(measured).collect();
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

    fn narrow(self, rows: &[&Row]) -> String {
        rows.iter().fold(String::new(), |mut out, row| {
            let took = row.duration.map(|_| format!(" in {}", row.took())).unwrap_or_default();
            let _ = writeln!(out, "{}  {}{took}\n  {}", row.run, row.words(), row.runbook());
            let _ = writeln!(out, "  {}, {}, by {}", row.target(), row.cloud, row.operator());
            let _ = writeln!(out, "  started {} UTC", minute(row.started));
            if self == Listed::Rehearsals {
                let _ = writeln!(out, "  simulated {}", minute(row.simulated));
            }
            out
        })
    }
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// A process works on it
    Running,
    /// It has done all that it was to do
    Done,
    /// It went on past steps that failed
    DoneWithFailures,
    /// Everything that can be undone is undone
    RolledBack,
    /// It stopped at a failure, or somebody stopped it
    Stopped,
    /// The operator declined a change
    Declined,
    /// A rollback could not be finished; an operator must act
    Stuck,
    /// It waits for an operator
    Paused,
    /// Its process has gone
    Interrupted,
    /// Its record cannot be read
    Damaged,
}

impl Outcome {
    fn of(ending: &Ending) -> Outcome {
        match ending {
            Ending::Done { failed, .. } if failed.is_empty() => Outcome::Done,
            Ending::Done { .. } => Outcome::DoneWithFailures,
            Ending::RolledBack { .. } => Outcome::RolledBack,
            Ending::Stopped { .. } => Outcome::Stopped,
            Ending::Declined { .. } => Outcome::Declined,
            Ending::Stuck { .. } => Outcome::Stuck,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::DoneWithFailures => "done, with failures",
            Outcome::RolledBack => "rolled back",
            Outcome::Stopped => "stopped",
            Outcome::Declined => "declined",
            Outcome::Stuck => "stuck, an operator must act",
            Outcome::Paused => "paused",
            Outcome::Interrupted => "interrupted",
            Outcome::Damaged => "damaged",
        }
    }
}

/// A run in the list.
#[derive(Serialize)]
struct Row {
    run: String,
    /// When it began in real time, if its record says so.
    started: Option<Timestamp>,
    /// When it began by the simulated cloud's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated: Option<Timestamp>,
    runbook: Option<String>,
    project: Option<String>,
    region: Option<String>,
    cloud: String,
    #[serde(skip)]
    realm: Realm,
    /// Who worked it last.
    operator: Option<Operator>,
    outcome: Outcome,
    is_resumable: bool,
    /// What is to be known besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// How long it took by its own clock, without the time between an interruption and its resumption.
    #[serde(with = "friendly", skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
}

const UNKNOWN: &str = "?";

impl Row {
    fn of(directory: &Directory) -> Row {
        let first = directory.first();
        let at = first.as_ref().map(|entry| entry.at);
        let (runbook, wall_clock, operator) = match first.map(|entry| entry.event) {
            Some(Event::Started { runbook, wall_clock, operator, .. }) => (Some(runbook), wall_clock, Some(operator)),
            _ => (None, None, None),
        };
        let place = CloudTarget::of(directory).ok();
        // Runs of 0.1.0 noted their own time only, which is simulated on a simulated cloud.
        let is_real = place.as_ref().is_some_and(|place| place.realm() == Realm::Google);
        let row = Row {
            run: directory.id(),
            started: wall_clock.or_else(|| at.filter(|_| is_real)),
            simulated: at.filter(|_| !is_real),
            runbook,
            project: None,
            region: None,
            cloud: place.map_or_else(|| UNKNOWN.to_owned(), |place| place.to_string()),
            realm: Realm::of(directory),
            operator,
            outcome: Outcome::Damaged,
            is_resumable: false,
            note: None,
            duration: None,
        };
        match Kept::open(directory.clone()) {
            Ok(kept) => row.stands(&kept),
            Err(trouble) => Row { note: Some(trouble.message), ..row },
        }
    }

    /// The row with how the run stands, and what can be done with it. Whether it can be resumed is the engine's word, not a
    /// guess.
    fn stands(self, kept: &Kept) -> Row {
        let row = Row { project: Some(kept.plan.project.clone()), region: Some(kept.plan.region.clone()), ..self };
        let read = match kept.directory.read() {
            Ok(read) => read,
            Err(error) => return Row { note: Some(reason(&error)), ..row },
        };
        let operator = super::session::holder(&read.entries).or_else(|| row.operator.clone());
        let ending = ending(&read);
        let is_held = ending.is_none() && kept.directory.is_held();
        let outcome = match ending {
            Some(ending) => Outcome::of(ending),
            None if is_held => Outcome::Running,
            None => stopped(&read),
        };
        let duration = ending.map(|_| took(&read.entries));
        let row = Row { operator, outcome, duration, ..row };
        if is_held {
            return row;
        }
        let (run, view) = match kept.fold(&read.entries) {
            Ok(folded) => folded,
            Err(trouble) => return Row { note: Some(format!("cannot be resumed: {}", trouble.message)), ..row },
        };
        let is_resumable = can_be_resumed(&run, &read.entries);
        let note = match (is_resumable, run.ending()) {
            (true, _) => Some("can be resumed".to_owned()),
            (false, Some(_)) => failed_at_the_end(&view),
            (false, None) => Some("cannot be resumed".to_owned()),
        };
        Row { is_resumable, note, ..row }
    }

    fn runbook(&self) -> String {
        self.runbook.as_ref().map_or_else(|| UNKNOWN.to_owned(), |name| inert(name))
    }

    fn target(&self) -> String {
        let target = self.project.as_ref().zip(self.region.as_ref());
        target.map_or_else(|| UNKNOWN.to_owned(), |(project, region)| inert(&format!("{project}/{region}")))
    }

    fn operator(&self) -> String {
        self.operator.as_ref().map_or_else(|| UNKNOWN.to_owned(), |operator| inert(&operator.user))
    }

    fn took(&self) -> String {
        self.duration.map(format_duration).unwrap_or_default()
    }

    /// How it stands, and what is to be known besides.
    fn words(&self) -> String {
        let between = match self.outcome {
            Outcome::Damaged => ": ",
            _ if self.is_resumable => ", ",
            _ => "; ",
        };
        let note = self.note.as_ref().map(|note| format!("{between}{}", inert(note))).unwrap_or_default();
        format!("{}{note}", self.outcome.words())
    }
}

fn minute(at: Option<Timestamp>) -> String {
    at.map_or_else(|| UNKNOWN.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

fn ending(read: &Read) -> Option<&Ending> {
    match read.entries.last().map(|entry| &entry.event) {
        Some(Event::Ended { ending }) => Some(ending),
        _ => None,
    }
}

/// How a run came to stand still that has not ended.
fn stopped(read: &Read) -> Outcome {
    let last = read.entries.iter().rev().find_map(|entry| match entry.event {
        Event::StopRequested { .. } => Some(Outcome::Stopped),
        Event::Paused { .. } => Some(Outcome::Paused),
        Event::Resumed { .. } | Event::RollbackRequested { .. } | Event::Started { .. } => Some(Outcome::Interrupted),
        _ => None,
    });
    last.unwrap_or(Outcome::Interrupted)
}

/// What of the phases that are carried out at the end failed.
fn failed_at_the_end(view: &View) -> Option<String> {
    let failed = view.tasks.iter().filter(|task| {
        let is_unknown = task.change_status().is_unknown();
        task.task.is_finally() && (task.status == TaskStatus::Failed || is_unknown)
    });
    let failed: Vec<&str> = failed.map(|task| task.task.id.as_str()).collect();
    (!failed.is_empty()).then(|| format!("failed at the end: {}", failed.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, runbook: &str, outcome: Outcome) -> Row {
        Row {
            run: id.to_owned(),
            started: "2026-11-27T15:21:00Z".parse().ok(),
            simulated: "2025-09-16T03:00:00Z".parse().ok(),
            runbook: Some(runbook.to_owned()),
            project: Some("netra-staging".to_owned()),
            region: Some("us-central1".to_owned()),
            cloud: "sim".to_owned(),
            realm: Realm::Rehearsal,
            operator: Some(Operator { user: "ops".to_owned(), host: "vm".to_owned(), pid: 7 }),
            outcome,
            is_resumable: false,
            note: None,
            duration: Some(Duration::from_secs(2869)),
        }
    }

    #[test]
    fn a_table_that_does_not_fit_is_a_few_short_lines_a_run_and_loses_nothing() {
        let rows =
            [row("42vnd3k8w1", "connector-exhaustion", Outcome::Done), row("36s2zg0000", "short", Outcome::Stuck)];
        let rows: Vec<&Row> = rows.iter().collect();
        let wide = Listed::Rehearsals.table(&rows, None);
        assert_eq!(wide.lines().count(), 3);
        let place = |line: &str| wide.lines().nth(1).unwrap().find(line).unwrap();
        for (head, cell) in [("OPERATOR", "ops"), ("OUTCOME", "done"), ("DURATION", "47m 49s")] {
            assert_eq!(wide.lines().next().unwrap().find(head), Some(place(cell)), "{wide}");
        }
        let columns = wide.lines().map(str::len).max().unwrap();
        assert_eq!(Listed::Rehearsals.table(&rows, Some(columns)), wide);
        for width in [columns - 1, 80, 40] {
            let narrow = Listed::Rehearsals.table(&rows, Some(width));
            assert!(narrow.lines().all(|line| line.len() <= 50), "{narrow}");
            for text in [
                "42vnd3k8w1  done in 47m 49s",
                "connector-exhaustion",
                "netra-staging/us-central1, sim, by ops",
                "2025-09-16 03:00",
            ] {
                assert!(narrow.contains(text), "{text} is not in\n{narrow}");
            }
        }
        assert!(!Listed::Runs.table(&rows, None).contains("2025-09-16"));
    }

    #[test]
    fn a_run_is_meant_by_its_runbook_its_outcome_and_when_it_began() {
        let all = || Arguments { runbook: None, outcome: Vec::new(), since: None, format: OutputFormat::Text };
        let done = row("42vnd3k8w1", "connector-exhaustion", Outcome::Done);
        assert!(all().mean(&done));
        for (runbook, is_meant) in [("connector-exhaustion", true), ("connector", false)] {
            assert_eq!(Arguments { runbook: Some(runbook.to_owned()), ..all() }.mean(&done), is_meant);
        }
        assert!(Arguments { outcome: vec![Outcome::Stuck, Outcome::Done], ..all() }.mean(&done));
        assert!(!Arguments { outcome: vec![Outcome::Stuck], ..all() }.mean(&done));
        for (text, is_meant) in [("2026-11-27", true), ("2026-11-28", false), ("2026-11-27T15:21:00Z", true)] {
            assert_eq!(Arguments { since: Some(since(text).unwrap()), ..all() }.mean(&done), is_meant, "{text}");
        }
        assert!(since("1h").unwrap() < SystemClock.now());
        assert!(since("yesterday").is_err());
    }
}

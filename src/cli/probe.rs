//! `rectify probe`: a runbook's probes by hand: once, again and again, or in the past.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use console::{Style, Term};
use jiff::Timestamp;
use serde_json::json;

use super::check::{file, runbook};
use super::cloud::{Connection, Purpose};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_format::OutputFormat;
use super::plan::{Given, Source};
use crate::check::Checked;
use crate::clock::{earlier, format_duration, later, second};
use crate::driver::Signals;
use crate::gate::{Backtest, GateRule, Health, History, Observation, backtest};
use crate::inert::inert;
use crate::syntax::spelling::did_you_mean;
use crate::syntax::value::duration;

/// How many looks a sparkline shows.
const SHOWN: usize = 20;

/// In how many windows of the past a gate is tried at most.
const MOST_WINDOWS: u32 = 2000;

/// What a sparkline is drawn with.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// The probes to look through [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Look once, and exit with 1 unless all are healthy; this is what happens if nothing else is said
    #[arg(long, conflicts_with_all = ["watch", "backtest"])]
    once: bool,

    /// Look again and again until Ctrl-C
    #[arg(long, conflicts_with = "backtest")]
    watch: bool,

    /// How far samples are apart with --watch [default: 5s], and with --backtest [default: as the gate says]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,

    /// With --watch, end after so many looks, and exit with 1 unless all were healthy the last time
    #[arg(long, value_name = "N", requires = "watch")]
    count: Option<u32>,

    /// Say for what share of this much of the past the gates on logs and metrics would have passed
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    backtest: Option<Duration>,

    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,
}

pub(super) async fn probe(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let source = &arguments.source;
    let (given, name) = (source.inputs.given(Given::default())?, source.file.display().to_string());
    let place = source.place()?;
    let mode = place.mode(Purpose::CarryOut);
    let checked = runbook(&name, &file(&source.file)?, &given.inputs(), mode, console)?;
    let names = names(arguments, &checked)?;
    let mut signals = Signals::listen().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let connection = Connection::open(place, console).await?;
    let exit = {
        let work = async {
            match arguments.backtest {
                Some(past) => look_back(arguments, &checked, &connection, past, console).await,
                None => look(arguments, &checked, &connection, names, console).await,
            }
        };
        tokio::select! {
            exit = work => exit?,
            // Nothing is lost by going away: it only looked.
            _ = signals.next() => Exit::Done,
        }
    };
    connection.close().await?;
    Ok(exit)
}

fn names(arguments: &Arguments, checked: &Checked) -> Result<Vec<String>, CliError> {
    let known = &checked.runbook().probes;
    for name in &arguments.names {
        if !known.contains_key(name) {
            let trouble = CliError::new(Exit::Usage, format!("{} has no probe `{name}`", checked.runbook().about.name));
            let meant = did_you_mean(name, known.keys().map(String::as_str));
            return Err(match meant {
                Some(meant) => trouble.help(meant),
                None => trouble,
            });
        }
    }
    let all = || known.keys().cloned().collect();
    Ok(if arguments.names.is_empty() { all() } else { arguments.names.clone() })
}

async fn look(
    arguments: &Arguments,
    checked: &Checked,
    connection: &Connection,
    names: Vec<String>,
    console: Console,
) -> Result<Exit, CliError> {
    let probes = connection.probes(checked.runbook());
    let every = arguments.every.unwrap_or(Duration::from_secs(5));
    let mut table = Table::new(&names);
    let mut left = if arguments.watch { arguments.count } else { Some(1) };
    loop {
        let began = connection.clock.now();
        let samples = probes.observe_all(names.clone()).await;
        let well = samples.iter().all(|(_, sample)| sample.health == Health::Healthy);
        let now = connection.clock.now();
        match arguments.format {
            OutputFormat::Json => {
                for (name, sample) in &samples {
                    let line = json!({ "at": now, "probe": name, "seen": sample });
                    console.out(&format!("{line}\n"));
                }
            }
            OutputFormat::Text => {
                table.take(samples);
                let again = arguments.watch && console.is_terminal();
                console.out(&table.draw(now, arguments.watch, again, console));
            }
        }
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) {
            return Ok(if well { Exit::Done } else { Exit::Failed });
        }
        connection.clock.sleep_until(later(began, every)).await;
    }
}

/// The probes and what they saw lately.
struct Table {
    rows: Vec<Row>,
    /// How many lines stand on the terminal already.
    drawn: usize,
}

struct Row {
    name: String,
    last: Option<Observation>,
    /// What is drawn of each look: a figure if it was healthy.
    seen: VecDeque<Option<f64>>,
}

impl Table {
    fn new(names: &[String]) -> Table {
        let row = |name: &String| Row { name: name.clone(), last: None, seen: VecDeque::new() };
        Table { rows: names.iter().map(row).collect(), drawn: 0 }
    }

    fn take(&mut self, samples: Vec<(String, Observation)>) {
        for (row, (_, sample)) in self.rows.iter_mut().zip(samples) {
            let healthy = sample.health == Health::Healthy;
            row.seen.push_back(healthy.then(|| figure(&sample)));
            if row.seen.len() > SHOWN {
                row.seen.pop_front();
            }
            row.last = Some(sample);
        }
    }

    fn draw(&mut self, now: Timestamp, watched: bool, again: bool, console: Console) -> String {
        let wide = |of: &dyn Fn(&Row) -> usize| self.rows.iter().map(of).max().unwrap_or_default();
        let (name, seen) = (wide(&|row| row.name.chars().count()), wide(&|row| row.seen.len()));
        let mut lines = Vec::new();
        if watched {
            lines.push(second(now));
        }
        for row in &self.rows {
            let Some(sample) = &row.last else { continue };
            let style = match sample.health {
                Health::Healthy => Style::new().green(),
                Health::Unhealthy { .. } => Style::new().red(),
                Health::Unknown { .. } | Health::Broken { .. } => Style::new().yellow(),
            };
            let paint = |text: String| style.clone().force_styling(console.colour).apply_to(text).to_string();
            let took = sample.latency().map(format_duration).unwrap_or_default();
            let spark = if watched { format!("  {:seen$}", row.spark()) } else { String::new() };
            let head = format!("{:name$}  ", inert(&row.name));
            let word = format!("{:9}", sample.health.word());
            let why = sample.health.why().map(|why| format!("  {}", inert(why))).unwrap_or_default();
            let rest = format!("  {took:>7}{spark}{why}");
            let rest = if console.is_terminal() {
                let room = console.width.saturating_sub(name + 2 + 9);
                console::truncate_str(&rest, room, "…").into_owned()
            } else {
                rest
            };
            lines.push(format!("{head}{}{}", paint(word), rest).trim_end().to_owned());
        }
        let well =
            self.rows.iter().filter(|row| matches!(&row.last, Some(last) if last.health == Health::Healthy)).count();
        lines.push(format!("{well} of {} healthy", self.rows.len()));
        if again && self.drawn > 0 {
            // A terminal that went away is not ours to repair.
            let _ = Term::stdout().clear_last_lines(self.drawn);
        }
        self.drawn = lines.len();
        lines.into_iter().fold(String::new(), |out, line| out + &line + "\n")
    }
}

impl Row {
    fn spark(&self) -> String {
        let most = self.seen.iter().flatten().copied().fold(0.0_f64, f64::max);
        let bar = |figure: &Option<f64>| match figure {
            None => '×',
            Some(figure) => {
                let share = if most > 0.0 { figure / most } else { 0.0 };
                let heights = BARS.iter().enumerate();
                // The lowest bar that is high enough.
                heights
                    .map(|(place, bar)| (f64::from(u8::try_from(place).unwrap_or(u8::MAX) + 1) / 8.0, *bar))
                    .find(|(height, _)| share <= *height)
                    .map_or('█', |(_, bar)| bar)
            }
        };
        self.seen.iter().map(bar).collect()
    }
}

/// The number that a look is drawn by: how long it took, or else what it counted or measured.
fn figure(sample: &Observation) -> f64 {
    let number = |name: &str| sample.facts.get(name).and_then(serde_json::Value::as_f64);
    let latency = sample.latency().map(|latency| latency.as_secs_f64());
    latency.or_else(|| number("count")).or_else(|| number("value")).unwrap_or_default()
}

async fn look_back(
    arguments: &Arguments,
    checked: &Checked,
    connection: &Connection,
    past: Duration,
    console: Console,
) -> Result<Exit, CliError> {
    let probes = connection.probes(checked.runbook());
    let to = connection.clock.now();
    let from = earlier(to, past);
    let mut histories: BTreeMap<(String, Duration), Result<History, String>> = BTreeMap::new();
    let mut out = format!("gates over the last {}\n", format_duration(past));
    let steps = checked.runbook().steps();
    let gates: Vec<(&str, &GateRule)> =
        steps.filter_map(|step| Some((step.name.as_str(), step.iterations.first()?.gate.as_ref()?))).collect();
    for (step, rule) in gates {
        let meant = |name: &&String| arguments.names.is_empty() || arguments.names.contains(name);
        // A gate that is shown less than it looks at would be another one.
        let every = arguments.every.unwrap_or(rule.every);
        for name in rule.healthy.iter().filter(meant) {
            if let Entry::Vacant(vacant) = histories.entry((name.clone(), every)) {
                vacant.insert(probes.history(name, from, to, every).await);
            }
        }
        let of = |name: &String| Some((name.clone(), histories.get(&(name.clone(), every))?.as_ref().ok()?.clone()));
        let seen: BTreeMap<String, History> = rule.healthy.iter().filter_map(of).collect();
        let kept: Vec<String> = rule.healthy.iter().filter(|name| seen.contains_key(*name)).cloned().collect();
        if kept.is_empty() {
            continue;
        }
        // What is kept is as dense as it was asked for, be the gate denser.
        let traits = |name: &String| Some((name.clone(), checked.runbook().probes.get(name)?.spec.traits()));
        let probes = kept.iter().filter_map(traits).collect();
        let own = rule.every;
        let rule = GateRule { healthy: kept, every: own.max(every), probes, ..rule.clone() };
        let opened = every.max(past / MOST_WINDOWS);
        let tried = backtest(&rule, &seen, from, to, opened);
        match arguments.format {
            OutputFormat::Json => {
                let probes = tried.healthy.iter().map(|(name, (samples, healthy))| {
                    (name.clone(), json!({ "samples": samples, "healthy": healthy }))
                });
                let line = json!({
                    "step": step, "windows": tried.windows, "passed": tried.passed, "share": tried.share(),
                    "margin": tried.margin(), "probes": probes.collect::<serde_json::Map<_, _>>(),
                });
                console.out(&format!("{line}\n"));
            }
            OutputFormat::Text => {
                out.push_str(&told(step, &rule, &tried, &seen));
                if every > own {
                    let (every, own) = (format_duration(every), format_duration(own));
                    let _ = writeln!(out, "  ! judged by samples every {every}; the gate itself samples every {own}");
                }
            }
        }
    }
    if arguments.format == OutputFormat::Text {
        let without: BTreeMap<&String, &String> =
            histories.iter().filter_map(|((name, _), history)| Some((name, history.as_ref().err()?))).collect();
        for (name, why) in without {
            let _ = writeln!(out, "{}: left out: {}", inert(name), inert(why));
        }
        console.out(&out);
    }
    Ok(Exit::Done)
}

fn told(step: &str, rule: &GateRule, tried: &Backtest, seen: &BTreeMap<String, History>) -> String {
    let probes: Vec<String> = rule.healthy.iter().map(|name| inert(name)).collect();
    let mut out = format!(
        "\n{}: {} for {}, every {}\n  would have passed in {} of {} windows, {:.0} %\n",
        inert(step),
        probes.join(", "),
        format_duration(rule.hold),
        format_duration(rule.every),
        tried.passed,
        tried.windows,
        tried.share() * 100.0
    );
    for (name, (samples, healthy)) in &tried.healthy {
        let _ = write!(out, "  {} was healthy in {healthy} of {samples} samples", inert(name));
        let mut figures: Vec<f64> = seen.get(name).into_iter().flatten().map(|(_, sample)| figure(sample)).collect();
        figures.sort_by(f64::total_cmp);
        if let (Some(least), Some(middle), Some(most)) =
            (figures.first(), figures.get(figures.len() / 2), figures.last())
        {
            let _ = write!(out, ", min {least}, median {middle}, max {most}");
        }
        out.push('\n');
    }
    if tried.windows == 0 {
        let _ = writeln!(out, "  ! the gate's time is longer than the past that was read");
    } else if tried.passed == tried.windows {
        let _ = writeln!(out, "  ! it would always have passed: if there was an incident, it proves nothing");
    } else if tried.passed == 0 {
        let _ = writeln!(out, "  ! it would never have passed: if all was well, it cannot be satisfied");
    }
    out
}

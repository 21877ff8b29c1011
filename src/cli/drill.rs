//! `rectify drill`: what becomes of a run at every step, whatever goes wrong, rehearsed on a simulated cloud.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path as FilePath, PathBuf};

use clap::{Args, ValueEnum};

use super::check::{file, runbook};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::exit_code;
use super::plan::{Given, InputFlags};
use super::run::policy;
use super::scenario;
use crate::drill::{Coverage, DrillError, Path, Prepared, Report, markdown, sweep, text};
use crate::inert::shell_word;
use crate::run::OnFailure;
use crate::runbook::Mode;
use crate::runbook::model::{FaultClass, Unacceptable};
use crate::syntax::spelling::nearest;

#[derive(Args)]
pub(super) struct Arguments {
    /// The runbook
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The scenario of the simulated cloud [default: NAME.sim.toml beside NAME.toml]
    #[arg(long, value_name = "SCENARIO")]
    sim: Option<PathBuf>,

    #[command(flatten)]
    inputs: InputFlags,

    /// Only faults of these classes, separated by commas: refused, busy, lost, operation, access, deleted, changed, probes, operator, process
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = fault_class)]
    faults: Vec<FaultClass>,

    /// Only faults at this step; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,

    /// How to say what was found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Exit with 1 if a path ends like this, separated by commas, beside what `[drill]` of the runbook says: rolled_back, paused, stopped,
    /// stuck, unhealthy. What rectify itself must never do always counts
    #[arg(long, value_name = "ENDING", value_delimiter = ',', value_parser = ending)]
    fail_on: Vec<Unacceptable>,

    /// What every step does when it fails, instead of what the runbook says: ask, rollback, stop, continue
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    on_failure: Option<OnFailure>,

    /// Work only a sample: each N-th place where something goes wrong, with everything that may follow there
    #[arg(long, value_name = "N", default_value = "1")]
    every: NonZeroUsize,

    /// Also die and stop at each of the samples of a gate, and not only at the first and the last
    #[arg(long)]
    every_entry: bool,

    /// How many paths are worked at once [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: one object, with one object for each path
    Json,
    /// For a pull request
    Markdown,
}

fn fault_class(name: &str) -> Result<FaultClass, String> {
    one_of(name, &FaultClass::WORDS)
}

fn ending(name: &str) -> Result<Unacceptable, String> {
    one_of(name, &Unacceptable::WORDS)
}

fn one_of<T: Copy>(name: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == name).map(|(_, known)| *known);
    found.ok_or_else(|| {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("one of {}", all.join(", "))
    })
}

pub(super) async fn drill(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let name = arguments.file.display().to_string();
    let bytes = file(&arguments.file)?;
    let inputs = arguments.inputs.given(Given::default())?.inputs();
    let checked = runbook(&name, &bytes, &inputs, Mode::Rehearse, console)?;
    let scenario = arguments.sim.clone().unwrap_or_else(|| scenario::beside(&arguments.file));
    let world = scenario::read(&scenario, console)?;
    let coverage = if arguments.every_entry { Coverage::Every } else { Coverage::Representative };
    let prepared = Prepared::from_checked(checked, world, arguments.on_failure, coverage, exit_code).await;
    let prepared = prepared.map_err(|error| cannot(&error, &arguments.file))?;
    let possible = chosen(prepared.paths(), arguments)?;
    let chosen = sample(&possible, arguments.every);
    let workers = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let shows_progress = arguments.format == Format::Text && console.is_terminal();
    let progress = |done: usize| {
        if shows_progress && (done.is_multiple_of(10) || done == chosen.len()) {
            console.err(&format!("\r{done} of {} paths", chosen.len()));
        }
    };
    let results = sweep(&prepared, &chosen, workers, progress).map_err(|error| cannot(&error, &arguments.file))?;
    if shows_progress {
        console.err("\r\x1b[K");
    }
    let report = Report::new(&prepared, results, possible.len(), &arguments.fail_on);
    match arguments.format {
        Format::Text => console.out(&text(&report, console.width.clamp(60, 120))),
        Format::Markdown => console.out(&markdown(&report)),
        Format::Json => {
            let json = serde_json::to_string_pretty(&report);
            console.out(&format!("{}\n", json.map_err(|error| CliError::from_error(Exit::Failed, &error))?));
        }
    }
    Ok(if report.is_accepted() { Exit::Done } else { Exit::Failed })
}

/// The paths that are asked for.
fn chosen(all: Vec<Path>, arguments: &Arguments) -> Result<Vec<Path>, CliError> {
    for step in &arguments.only {
        if !all.iter().any(|path| path.step.as_ref() == Some(step)) {
            let known: BTreeSet<&str> = all.iter().filter_map(|path| path.step.as_deref()).collect();
            let near = nearest(step, known.iter().copied()).first().map(|near| format!("; did you mean `{near}`?"));
            let known: Vec<&str> = known.into_iter().collect();
            return Err(CliError::new(Exit::Usage, format!("--only {step}: nothing can go wrong at such a step"))
                .help(format!("the steps are {}{}", known.join(", "), near.unwrap_or_default())));
        }
    }
    let is_chosen = |path: &Path| {
        let has_class = arguments.faults.is_empty() || arguments.faults.contains(&path.class());
        let at_step = arguments.only.is_empty() || path.step.as_ref().is_some_and(|step| arguments.only.contains(step));
        has_class && at_step
    };
    let chosen: Vec<Path> = all.into_iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        return Err(CliError::new(Exit::Usage, "no path is left: none of these faults can happen at these steps")
            .help("leave out --only or --faults"));
    }
    Ok(chosen)
}

/// Each N-th place where something goes wrong, with everything that may be asked for after it.
fn sample(paths: &[Path], every: NonZeroUsize) -> Vec<Path> {
    paths.chunk_by(|one, next| next.is_alternative_of(one)).step_by(every.get()).flatten().cloned().collect()
}

fn cannot(error: &DrillError, file: &FilePath) -> CliError {
    let trouble = CliError::from_error(Exit::Usage, error);
    let file = shell_word(&file.display().to_string());
    match error {
        DrillError::Trouble(_) => trouble.help(format!(
            "a drill begins with a run that goes well: rehearse it with `rectify run {file} --sim`, the same scenario and inputs"
        )),
        DrillError::Plan(_) => {
            trouble.help(format!("`rectify plan {file} --sim`, with the same scenario and inputs, shows all of it"))
        }
        _ => CliError { exit: Exit::Failed, ..trouble },
    }
}

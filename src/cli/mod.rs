//! Arguments and wiring, one file a subcommand. Nothing is decided here.

mod case;
mod check;
mod cloud;
mod completions;
mod console;
mod credentials;
mod debts;
mod doctor;
mod drill;
mod environment;
mod escalation;
mod exit;
mod explain;
mod export;
mod include;
mod input_file;
mod log;
mod memory;
mod new;
mod next;
mod output_file;
mod output_format;
mod plan;
mod probe;
mod prompt;
mod proxy;
mod question;
mod report;
mod resources;
mod resume;
mod rollback;
mod rollback_preview;
mod run;
mod runs;
mod scenario;
mod schema;
mod session;
mod show;
mod simulate;
mod snapshot;
mod telemetry;
mod unlock;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};

use self::console::Console;
use self::exit::{CliError, Exit};
use crate::driver::{DriveOutcome, DriverError};
use crate::inert::inert;
use crate::journal::{Owners, State};

/// Carries out infrastructure remediation runbooks against Google Cloud.
///
/// A runbook is planned against the live cloud, shown, confirmed, applied, and watched until it is healthy, and can be
/// rolled back. With --sim nothing real is touched.
#[derive(Parser)]
#[command(name = "rectify", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Where runs are kept [default: $XDG_STATE_HOME/rectify]
    #[arg(long, global = true, value_name = "DIR", env = "RECTIFY_STATE", hide_env = true)]
    state: Option<PathBuf>,

    /// Use the state directory although another user owns it or can write it. Whoever can write it decides what
    /// `resume` and `rollback` do; meant for containers, whose files may belong to a user of the host
    #[arg(long, global = true)]
    trust_state: bool,

    /// Write for screen readers and logs: words for symbols, one fact a line, no colour, no line that is redrawn
    #[arg(long, global = true)]
    plain: bool,

    /// Log calls to Google's APIs on stderr; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Find every mistake that can be known without a network
    Check(check::Arguments),
    /// Explain what a code of `check` means, and how to fix it
    Explain(explain::Arguments),
    /// Show what a run would change; write nothing
    Plan(plan::Arguments),
    /// Save what a runbook observes of the cloud, so that others can plan without credentials; or a simulated cloud like it
    Snapshot(snapshot::Arguments),
    /// Check that a runbook has what it needs: credentials, APIs, permissions, a way to open a support case
    Doctor(doctor::Arguments),
    /// Rehearse every failure path of a runbook on a simulated cloud, and say how each ends
    Drill(drill::Arguments),
    /// Plan, ask, apply, and wait until the health gates pass
    Run(run::Arguments),
    /// Continue a run that was interrupted, stopped or killed
    Resume(resume::Arguments),
    /// Undo what a run applied, newest first
    Rollback(rollback::Arguments),
    /// List runs: when, which runbook, where, by whom, how each ended
    Runs(runs::Arguments),
    /// Print a run's timeline from its journal
    Show(show::Arguments),
    /// Write a report of a run: a page with charts, Markdown, or JSON
    Report(report::Arguments),
    /// Check that a run's journal, plan and runbook are as they were written
    Verify(verify::Arguments),
    /// Observe through a runbook's probes: once, repeatedly, or over the past
    Probe(probe::Arguments),
    /// Decide whether to continue, wait, or escalate to Google: exits with 0, 4 or 5
    Escalation(escalation::Arguments),
    /// Draft a support case from a run, ready to be pasted; sends nothing
    Case(case::Arguments),
    /// Print the commands that finish or undo a run by hand, without this program
    Export(export::Arguments),
    /// List open follow-ups of runs; exits with 1 while any of them is overdue
    Debts(debts::Arguments),
    /// Release the locks of an abandoned run
    Unlock(unlock::Arguments),
    /// Write a first runbook
    New(new::Arguments),
    /// List Google Cloud's resource types, or show one: its fields, what can be set, its methods
    Resources(resources::Arguments),
    /// Print the JSON Schema of runbooks, for editors
    Schema,
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual page
    Man(completions::ManArguments),
    /// Serve a simulated cloud on loopback
    Simulate(simulate::Arguments),
}

/// Which run is meant.
#[derive(Args)]
struct Which {
    /// The beginning of a run's id [default: the newest run on Google Cloud; the newest rehearsal if there is none]
    #[arg(value_name = "RUN")]
    run: Option<String>,

    /// The newest run on a simulated cloud
    #[arg(long, conflicts_with = "run")]
    sim: bool,
}

/// Which run an argument means.
#[derive(Clone, Copy)]
enum Meant<'a> {
    /// The one whose id begins so.
    Id(&'a str),
    /// The newest that matters most: on Google, else on a served cloud, else a rehearsal.
    Newest,
    /// The newest on a simulated cloud.
    NewestSimulated,
}

impl Which {
    fn meant(&self) -> Meant<'_> {
        Meant::of(self.run.as_deref(), self.sim)
    }
}

impl<'a> Meant<'a> {
    /// What an id that may be missing and `--sim` mean.
    fn of(run: Option<&'a str>, sim: bool) -> Meant<'a> {
        match run {
            Some(run) => Meant::Id(run),
            None if sim => Meant::NewestSimulated,
            None => Meant::Newest,
        }
    }
}

/// What is approved beforehand.
#[derive(Args)]
struct Approvals {
    /// Approve ordinary changes without asking
    #[arg(long)]
    yes: bool,

    /// Approve this step's change although it cannot be undone; may be given several times
    #[arg(long, value_name = "STEP")]
    acknowledge: Vec<String>,

    /// Say only what is asked, what went wrong, and how it ended
    #[arg(long, short)]
    quiet: bool,
}

/// The program.
pub fn main() -> ExitCode {
    memory::seal();
    proxy::exempt_loopback();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no mistakes; clap knows which stream each belongs to.
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    log::begin(cli.verbose);
    let console = Console::detect().plainly(cli.plain);
    let console = if cli.verbose > 0 { console.beside_a_log() } else { console };
    match dispatch(cli, console) {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            console.trouble(&trouble);
            trouble.exit.into()
        }
    }
}

fn dispatch(cli: Cli, console: Console) -> Result<Exit, CliError> {
    let owners = if cli.trust_state { Owners::Anybody } else { Owners::Own };
    let state = || state(cli.state.clone(), owners, console);
    match cli.command {
        Command::Check(arguments) => check::check(&arguments, console),
        Command::Explain(arguments) => explain::explain(&arguments, console),
        Command::Plan(arguments) => alone(plan::plan(&arguments, console)),
        Command::Snapshot(arguments) => alone(snapshot::snapshot(&arguments, console)),
        Command::Doctor(arguments) => alone(doctor::doctor(&arguments, &state()?, console)),
        Command::Drill(arguments) => alone(drill::drill(&arguments, console)),
        Command::Run(arguments) => alone(run::run(&arguments, &state()?, console)),
        Command::Resume(arguments) => alone(resume::resume(&arguments, &state()?, console)),
        Command::Rollback(arguments) => alone(rollback::rollback(&arguments, &state()?, console)),
        Command::Runs(arguments) => runs::runs(&arguments, &state()?, console),
        Command::Show(arguments) => alone(show::show(&arguments, &state()?, console)),
        Command::Report(arguments) => report::report(&arguments, &state()?, console),
        Command::Verify(arguments) => verify::verify(&arguments, &state()?, console),
        Command::Probe(arguments) => alone(probe::probe(&arguments, console)),
        Command::Escalation(arguments) => alone(escalation::escalation(&arguments, &state()?, console)),
        Command::Case(arguments) => alone(case::case(&arguments, &state()?, console)),
        Command::Export(arguments) => export::export(&arguments, &state()?, console),
        Command::Debts(arguments) => alone(debts::debts(&arguments, &state()?, console)),
        Command::Unlock(arguments) => unlock::unlock(&arguments, &state()?, console),
        Command::New(arguments) => new::new(&arguments, console),
        Command::Resources(arguments) => resources::resources(&arguments, console),
        Command::Completions(arguments) => Ok(completions::completions(&arguments, console)),
        Command::Man(arguments) => completions::man(&arguments, console),
        Command::Schema => schema::schema(console),
        Command::Simulate(arguments) => alone(simulate::simulate(&arguments, console)),
    }
}

/// Only commands that wait for something pay for a runtime.
fn alone(work: impl Future<Output = Result<Exit, CliError>>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let exit = runtime.block_on(work);
    // A prompt that nobody will answer any more must not keep the program alive.
    runtime.shutdown_background();
    exit
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
fn state(given: Option<PathBuf>, owners: Owners, console: Console) -> Result<State, CliError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    let root = given.or_else(|| Some(absolute("XDG_STATE_HOME").or_else(home)?.join("rectify")));
    let root = root.ok_or_else(|| {
        CliError::new(Exit::Usage, "there is no home directory to keep runs in")
            .help("name a directory with --state DIR")
    })?;
    let (state, open) = State::of(root, owners).map_err(|foreign| {
        let why = CliError::from_error(Exit::Refused, &foreign).message;
        CliError::new(Exit::Refused, format!("the state directory is not used: {why}; nothing was done")).help(
            "whoever can write it decides what resume and rollback do. Take it over with `chown` and `chmod go-w`, \
             name another directory with --state DIR (what a link leads to, and not the link), or give --trust-state if you \
             trust everybody who can write it",
        )
    })?;
    for folder in open {
        let folder = inert(&folder.display().to_string());
        console.err(&format!(
            "warning: other users can write {folder}, and so can hide or remove runs and locks; take that away with \
             `chmod go-w {folder}`\n"
        ));
    }
    Ok(state)
}

/// The exit code of a command whose run came here: a promise to scripts.
pub fn exit_code(came: &Result<DriveOutcome, DriverError>) -> u8 {
    Exit::of(came).code()
}

//! `rectify check`: find every mistake that can be known without a network.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::{CliError, Exit};
use super::input_file::{self, Limit, read};
use super::output_file;
use crate::check::{Checked, Fix, Outcome, Report, Severity, Style, check as check_bytes, fix, is_runbook};
use crate::inert::inert;
use crate::runbook::Mode;
use crate::syntax::Inputs;

#[derive(Args)]
pub(super) struct Arguments {
    /// The runbooks; `-` is what comes on stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// How to say what is wrong
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Apply the fixes that are certain, print what they change, and report the rest
    #[arg(long, conflicts_with_all = ["format", "list"])]
    fix: bool,

    /// Check nothing: print the names of those files that are runbooks, whatever else is wrong with them
    #[arg(long, conflicts_with = "format")]
    list: bool,

    /// End each name with a NUL instead of a newline, for file names with newlines
    #[arg(long, requires = "list")]
    null: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; docs/check.md describes it
    Json,
    /// As annotations of a GitHub Actions job
    Github,
}

pub(super) fn check(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    if arguments.list {
        return Ok(list(arguments, console));
    }
    if arguments.fix {
        for file in &arguments.files {
            apply_fixes(file, console)?;
        }
    }
    let outcomes: Vec<Outcome> = arguments.files.iter().map(|file| outcome(file)).collect();
    match arguments.format {
        Format::Text => tell(&outcomes, console),
        Format::Github => outcomes.iter().for_each(|outcome| console.out(&outcome.annotations())),
        Format::Json => {
            let json = serde_json::to_string_pretty(&Report::of(&outcomes));
            let json = json.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
            console.out(&format!("{json}\n"));
        }
    }
    Ok(if outcomes.iter().all(Outcome::is_sound) { Exit::Done } else { Exit::Usage })
}

/// Applies to a file what can be fixed for certain, and prints it. What cannot be read is reported by the check that follows.
fn apply_fixes(file: &Path, console: Console) -> Result<(), CliError> {
    if file == Path::new("-") {
        return Err(CliError::new(Exit::Usage, "what comes on stdin cannot be fixed").help("name a file"));
    }
    let name = file.display().to_string();
    let Some(fixed) = input_file::runbook(file).ok().and_then(|bytes| fix(&name, &bytes)) else { return Ok(()) };
    if fixed.fixes.is_empty() {
        return Ok(());
    }
    output_file::rewrite(file, fixed.text.as_bytes())?;
    for Fix { code, line, before, after } in &fixed.fixes {
        console.out(&format!("{}:{line}: fixed {code}\n", inert(&name)));
        for (mark, lines) in [("-", before), ("+", after)] {
            for text in lines {
                console.out(&format!("  {mark} {}\n", inert(text)));
            }
        }
    }
    let count = if fixed.fixes.len() == 1 { "1 fix".to_owned() } else { format!("{} fixes", fixed.fixes.len()) };
    console.out(&format!("{count} in {}\n\n", inert(&name)));
    Ok(())
}

/// Names the runbooks among the files. One that cannot be read might be a runbook, so it is named too.
fn list(arguments: &Arguments, console: Console) -> Exit {
    for file in &arguments.files {
        if !read(file, Limit::Text).is_ok_and(|bytes| !is_runbook(&bytes)) {
            // With NUL it is for a program, which wants the name as it is.
            let name = file.as_os_str().as_encoded_bytes();
            if arguments.null {
                Console::out_bytes(&[name, b"\0"].concat());
            } else {
                console.out(&format!("{}\n", inert(&file.display().to_string())));
            }
        }
    }
    Exit::Done
}

fn outcome(file: &Path) -> Outcome {
    let name = file.display().to_string();
    match input_file::runbook(file) {
        Ok(bytes) => check_bytes(&name, &bytes, &Inputs::none(), Mode::Check),
        Err(why) => Outcome::unreadable(&name, &why),
    }
}

fn tell(outcomes: &[Outcome], console: Console) {
    for outcome in outcomes {
        if outcome.diagnostics.is_empty() {
            console.out(&format!("{}: no mistakes\n", inert(outcome.name())));
        }
        console.out(&outcome.render(style(console)));
    }
    let first = outcomes.iter().flat_map(|outcome| &outcome.diagnostics).next();
    if let Some(diagnostic) = first {
        console
            .out(&format!("rectify explain {} tells more about the first; any other code likewise\n", diagnostic.code));
    }
}

/// A runbook that is to be used.
pub(super) fn file(file: &Path) -> Result<Vec<u8>, CliError> {
    input_file::runbook(file)
        .map_err(|why| CliError::new(Exit::Usage, format!("{} cannot be read: {why}", file.display())))
}

/// A runbook that is to be used. Its mistakes are shown on stderr.
pub(super) fn runbook(
    name: &str,
    bytes: &[u8],
    inputs: &Inputs,
    mode: Mode,
    console: Console,
) -> Result<Checked, CliError> {
    let outcome = check_bytes(name, bytes, inputs, mode);
    console.err(&outcome.render(style(console)));
    let errors = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    outcome.checked.ok_or_else(|| {
        let count = if errors == 1 { "a mistake".to_owned() } else { format!("{errors} mistakes") };
        CliError::new(Exit::Usage, format!("{name} has {count}; nothing was done"))
    })
}

pub(super) fn style(console: Console) -> Style {
    Style { colour: console.colour, width: console.width.clamp(40, 120) }
}

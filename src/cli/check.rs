//! `rectify check`: find every mistake that can be known without a network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::check::{Checked, LARGEST, Outcome, Report, Severity, Style, check as check_bytes, salvage};
use crate::inert::inert;
use crate::runbook::model::Runbook;
use crate::runbook::{Inputs, Mode};

#[derive(Args)]
pub(super) struct Arguments {
    /// The runbooks; `-` is what comes on stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// How to say what is wrong
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn check(arguments: &Arguments, console: Console) -> Result<Exit, Trouble> {
    let outcomes: Vec<Outcome> = arguments.files.iter().map(|file| outcome(file)).collect();
    match arguments.format {
        Format::Text => tell(&outcomes, console),
        Format::Json => {
            let json = serde_json::to_string_pretty(&Report::of(&outcomes));
            let json = json.map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
            console.out(&format!("{json}\n"));
        }
    }
    Ok(if outcomes.iter().all(Outcome::is_sound) { Exit::Done } else { Exit::Usage })
}

fn outcome(file: &Path) -> Outcome {
    let name = file.display().to_string();
    match read(file) {
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

/// The bytes of a runbook, or why there are none.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let why = |error: io::Error| error.to_string();
    if file == Path::new("-") {
        return bytes(io::stdin().lock()).map_err(why);
    }
    // Only a regular file: a FIFO would be waited for for ever.
    let metadata = std::fs::metadata(file).map_err(why)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    File::open(file).and_then(bytes).map_err(why)
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than a runbook has, so that what is too large is known to be.
    from.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A runbook that is to be used.
pub(super) fn file(file: &Path) -> Result<Vec<u8>, Trouble> {
    read(file).map_err(|why| Trouble::new(Exit::Usage, format!("{} cannot be read: {why}", file.display())))
}

/// A runbook that is to be used. Its mistakes are shown on stderr.
pub(super) fn runbook(
    name: &str,
    bytes: &[u8],
    inputs: BTreeMap<String, String>,
    mode: Mode,
    console: Console,
) -> Result<Checked, Trouble> {
    let outcome = check_bytes(name, bytes, &Inputs::given(inputs).environment(environment()), mode);
    console.err(&outcome.render(style(console)));
    let errors = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    outcome.checked.ok_or_else(|| {
        let count = if errors == 1 { "a mistake".to_owned() } else { format!("{errors} mistakes") };
        Trouble::new(Exit::Usage, format!("{name} has {count}; nothing was done"))
    })
}

/// As much of a runbook as can be read, if it has mistakes.
pub(super) fn salvaged(name: &str, bytes: &[u8], inputs: BTreeMap<String, String>) -> Option<Runbook> {
    salvage(name, bytes, &Inputs::given(inputs).environment(environment()))
}

/// The environment, as far as it is text: inputs that say so are taken from it.
fn environment() -> BTreeMap<String, String> {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.collect()
}

pub(super) fn style(console: Console) -> Style {
    Style { colour: console.colour, width: console.width.clamp(40, 120) }
}

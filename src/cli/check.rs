//! `rectify check`: find every mistake that can be known without a network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::check::{Checked, Severity, Style, check as check_bytes};
use crate::inert::inert;
use crate::runbook::{Inputs, Mode};

/// More than this is not read; a runbook has at most 1 MiB.
const READ: u64 = (1 << 20) + 1;

#[derive(Args)]
pub(super) struct Arguments {
    /// The runbooks
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn check(arguments: &Arguments, console: Console) -> Result<Exit, Trouble> {
    let mut exit = Exit::Done;
    for file in &arguments.files {
        let name = file.display().to_string();
        let outcome = check_bytes(&name, &read(file)?, &Inputs::none(), Mode::Check);
        if outcome.diagnostics.is_empty() {
            console.out(&format!("{}: no mistakes\n", inert(&name)));
        }
        console.out(&outcome.render(style(console)));
        if !outcome.is_sound() {
            exit = Exit::Usage;
        }
    }
    Ok(exit)
}

/// The bytes of a runbook. Only regular files: a FIFO would wait for ever.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Trouble> {
    let trouble = |why: String| Trouble::new(Exit::Usage, format!("{} cannot be read: {why}", file.display()));
    let metadata = std::fs::metadata(file).map_err(|error| trouble(error.to_string()))?;
    if !metadata.is_file() {
        return Err(trouble("it is not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).and_then(|file| file.take(READ).read_to_end(&mut bytes));
    opened.map_err(|error| trouble(error.to_string()))?;
    Ok(bytes)
}

/// A runbook that is to be used. Its mistakes are shown on stderr.
pub(super) fn runbook(
    name: &str,
    bytes: &[u8],
    inputs: BTreeMap<String, String>,
    console: Console,
) -> Result<Checked, Trouble> {
    let outcome = check_bytes(name, bytes, &Inputs::given(inputs).environment(environment()), Mode::Run);
    console.err(&outcome.render(style(console)));
    let errors = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    outcome.checked.ok_or_else(|| {
        let count = if errors == 1 { "a mistake".to_owned() } else { format!("{errors} mistakes") };
        Trouble::new(Exit::Usage, format!("{name} has {count}; nothing was done"))
    })
}

/// The environment, as far as it is text: inputs that say so are taken from it.
fn environment() -> BTreeMap<String, String> {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.collect()
}

fn style(console: Console) -> Style {
    Style { colour: console.colour, width: console.width.clamp(40, 120) }
}

//! `rectify check`: find every mistake that can be known without a network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::check::{Checked, Found, Look, check as check_bytes, render};
use crate::runbook::{Given, Severity};

/// More than this is not read: a runbook has at most 16 MiB.
const READ: u64 = (16 << 20) + 1;

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
        let found = check_bytes(&read(file)?, &Given { may_miss: true, ..Given::default() });
        console.out(&render(&name, &found.text, &found.mistakes, look(console)));
        if found.checked.is_none() {
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
    let Found { checked, mistakes, text } = check_bytes(bytes, &Given { values: inputs, may_miss: false });
    if !mistakes.is_empty() {
        console.err(&render(name, &text, &mistakes, look(console)));
    }
    let errors = mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count();
    checked.ok_or_else(|| {
        let count = if errors == 1 { "a mistake".to_owned() } else { format!("{errors} mistakes") };
        Trouble::new(Exit::Usage, format!("{name} has {count}; nothing was done"))
    })
}

fn look(console: Console) -> Look {
    Look { colour: console.colour, width: console.width.clamp(40, 120) }
}

//! `rectify new`: a runbook to begin with, a simulated cloud to rehearse it on, and the schema that an editor completes it from.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::exit::{CliError, Exit};
use crate::inert::{inert, shell_word};
use crate::runbook::format;

/// The runbook to begin with; `"NAME"` stands for its name.
const STARTER: &str = include_str!("starter.toml");
/// Its simulated cloud; `NAME` stands for the file's name without its ending.
const SCENARIO: &str = include_str!("starter.sim.toml");
/// What the starter's first line names.
const SCHEMA: &str = "runbook.schema.json";
/// What a runbook is called whose file has no name to be one.
const UNNAMED: &str = "my-runbook";

#[derive(Args)]
pub(super) struct Arguments {
    /// The runbook to write; its name is the file's
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn new(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let file = &arguments.file;
    let name = name_of(file);
    // Only the value: the comments speak of names as well.
    let text = STARTER.replace("\"NAME\"", &format!("\"{name}\""));
    write(file, &text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::new(Exit::Usage, format!("{} is there already", file.display()))
            .help("name a file that is not, or remove it yourself"),
        _ => CliError::new(Exit::Failed, format!("{} cannot be written: {error}", file.display())),
    })?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // As `--sim` without a value looks for it.
    let scenario = super::scenario::beside(file);
    let with_scenario = beside(&scenario, &SCENARIO.replace("NAME", &inert(&stem)), "to rehearse it on")?;
    let schema = file.with_file_name(SCHEMA);
    let json = serde_json::to_string_pretty(&format::schema());
    let json = json.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let with_schema = beside(&schema, &format!("{json}\n"), "for your editor")?;
    let name = inert(&file.display().to_string());
    console.out(&format!("wrote {name}{with_scenario}{with_schema}\n\n"));
    let word = shell_word(&file.display().to_string());
    console.out(&format!("  rectify check {word}\n  rectify run {word} --sim\n"));
    Ok(Exit::Done)
}

/// Writes what goes with the runbook, and says so. What is there already serves as well, and may be somebody's own.
fn beside(path: &Path, text: &str, purpose: &str) -> Result<String, CliError> {
    match write(path, text) {
        Ok(()) => Ok(format!(", {} {purpose}", inert(&path.display().to_string()))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(String::new()),
        Err(error) => Err(CliError::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// The file's name as a runbook's: lower-case letters, digits and hyphens.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let letters = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    let name: String = letters.take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}

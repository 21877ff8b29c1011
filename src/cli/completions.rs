//! `rectify completions` and `rectify man`: what a shell and a manual know of the arguments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_file;

#[derive(Args)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments, console: Console) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "rectify", &mut script);
    console.out(&String::from_utf8_lossy(&script));
    Exit::Done
}

#[derive(Args)]
pub(super) struct ManArguments {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(arguments: &ManArguments, console: Console) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    command.build();
    let Some(directory) = &arguments.out else {
        let page = page(&command).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        console.out(&String::from_utf8_lossy(&page));
        return Ok(Exit::Done);
    };
    fs::create_dir_all(directory).map_err(|error| {
        CliError::new(Exit::Failed, format!("the pages cannot be written to {}: {error}", directory.display()))
    })?;
    write(&command, directory)?;
    Ok(Exit::Done)
}

/// Writes the pages of a command and of its own commands.
fn write(command: &Command, directory: &Path) -> Result<(), CliError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let page = page(command).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    output_file::write(&directory.join(format!("{name}.1")), &page)?;
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.into_iter().try_for_each(|command| write(command, directory))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

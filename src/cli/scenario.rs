//! A scenario's mistakes, shown as a runbook's are.

use std::path::{Path, PathBuf};

use super::check::style;
use super::console::Console;
use super::exit::{CliError, Exit};
use super::input_file::required_text;
use crate::check::{Diagnostic, render};
use crate::inert::inert;
use crate::sim;

/// Where the scenario of a runbook is unless another is named: `NAME.sim.toml` beside `NAME.toml`.
pub(super) fn beside(runbook: &Path) -> PathBuf {
    runbook.with_extension("sim.toml")
}

/// The world that the scenario in a file describes.
pub(super) fn read(file: &Path, console: Console) -> Result<sim::World, CliError> {
    let text = required_text(file).map_err(|trouble| {
        CliError::new(trouble.exit, format!("the scenario {}", trouble.message))
            .help("name one with --sim SCENARIO, or put NAME.sim.toml beside NAME.toml")
    })?;
    world(&file.display().to_string(), &text, console)
}

/// The world that a scenario describes. Its mistakes are shown on stderr, as a runbook's are, and so is what the simulated cloud
/// makes nothing of.
pub(super) fn world(name: &str, text: &str, console: Console) -> Result<sim::World, CliError> {
    let world = sim::scenario::parse(name, text).map_err(|error| match error {
        sim::ScenarioError::Wrong(mistakes) => {
            let drawn =
                mistakes.iter().map(|mistake| Diagnostic::error("scenario", mistake.at.clone(), &mistake.reason));
            console.err(&render(name, text, &drawn.collect::<Vec<_>>(), style(console)));
            CliError::new(Exit::Usage, format!("{name} describes no cloud that could be"))
        }
        error => CliError::from_error(Exit::Usage, &error),
    })?;
    for note in world.notes() {
        console.err(&format!("note: {}\n", inert(&note)));
    }
    Ok(world)
}

//! `rectify explain`: what a code of `check` means, and how to put it right.

use clap::Args;

use super::console::Console;
use super::exit::{CliError, Exit};
use crate::check::{codes, page};
use crate::inert::inert;
use crate::syntax::spelling::did_you_mean;

#[derive(Args)]
pub(super) struct Arguments {
    /// The code, such as `traffic-pinned` [default: list them all]
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(super) fn explain(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let Some(code) = &arguments.code else {
        for (code, about) in codes() {
            console.out(&format!("{code:<28}{about}\n"));
        }
        return Ok(Exit::Done);
    };
    let Some(page) = page(code) else {
        let trouble = CliError::new(Exit::Usage, format!("there is no code `{}`", inert(code)));
        let known: Vec<_> = codes().into_iter().map(|(code, _)| code).collect();
        let help = did_you_mean(code, known.iter().copied());
        return Err(trouble.help(help.unwrap_or_default()));
    };
    console.out(page);
    Ok(Exit::Done)
}

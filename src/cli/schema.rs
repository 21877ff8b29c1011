//! `rectify schema`: the JSON Schema that editors complete runbooks from.

use super::console::Console;
use super::exit::{CliError, Exit};
use crate::runbook::format;

pub(super) fn schema(console: Console) -> Result<Exit, CliError> {
    let schema = serde_json::to_string_pretty(&format::schema());
    let schema = schema.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    console.out(&format!("{schema}\n"));
    Ok(Exit::Done)
}

//! `rectify resources`: what the catalog knows of Google Cloud's resources, without a network.

use std::collections::BTreeSet;

use clap::Args;

use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_format::OutputFormat;
use crate::catalog::{Catalog, Damaged, FindError, ResourceType, Scope, describe, describe_json, list, list_json};
use crate::inert::inert;
use crate::syntax::spelling;

#[derive(Args)]
pub(super) struct Arguments {
    /// A type, such as `redis.instances`, or the name of a resource: show its fields, what can be set, its methods, and an
    /// example. A part of a name, such as `redis` or `BackendService`: list the types that have it [default: list all]
    #[arg(value_name = "NAME|PATTERN")]
    name: Option<String>,

    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    format: OutputFormat,
}

pub(super) fn resources(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let damaged = |damaged: Damaged| CliError::from_error(Exit::Failed, &damaged);
    let catalog = Catalog::open().map_err(damaged)?;
    let name = arguments.name.as_deref().unwrap_or_default();
    if let Some(known) = find(catalog, name) {
        match arguments.format {
            OutputFormat::Text => console.out(&describe(known, console.width.min(100))),
            OutputFormat::Json => console.out(&format!("{:#}\n", describe_json(known))),
        }
        return Ok(Exit::Done);
    }
    let types = catalog.types().map_err(damaged)?;
    let types: Vec<ResourceType> = types.into_iter().filter(|known| known.matches(name)).collect();
    if types.is_empty() {
        return Err(no_match(catalog, name));
    }
    match arguments.format {
        OutputFormat::Text => console.out(&list(&types)),
        OutputFormat::Json => console.out(&format!("{:#}\n", list_json(&types))),
    }
    Ok(Exit::Done)
}

/// The one type that a name means.
fn find(catalog: &'static Catalog, name: &str) -> Option<ResourceType> {
    // Which project it is in does not matter: only its type is looked at.
    let scope = Scope { project: "PROJECT", region: Some("LOCATION"), zone: Some("ZONE") };
    let by_type = catalog.find_type(name).ok();
    by_type.or_else(|| catalog.find(name, &scope).ok().map(|resource| resource.resource_type))
}

/// The types whose last part is nearest to a word, such as `storage.buckets` for `bukets`.
fn types_ending_like(catalog: &'static Catalog, word: &str) -> Vec<String> {
    let names: Vec<String> = catalog.types().unwrap_or_default().into_iter().map(ResourceType::name).collect();
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let ends: BTreeSet<String> = names.iter().map(|name| last(name)).collect();
    let near: Vec<&str> = spelling::nearest(word, ends.iter().map(String::as_str));
    let is_meant = |name: &&String| near.first() == Some(&last(name).as_str());
    let mut meant: Vec<String> = names.iter().filter(is_meant).cloned().collect();
    // What lies in nothing else is meant most often.
    meant.sort_by_key(|name| name.matches('.').count());
    meant.truncate(MOST_SUGGESTED);
    meant
}

/// More than these are no suggestion.
const MOST_SUGGESTED: usize = 5;

fn no_match(catalog: &'static Catalog, name: &str) -> CliError {
    let error = CliError::new(Exit::Usage, format!("the catalog has no type like `{}`", inert(name)));
    let near = match catalog.find_type(name) {
        Ok(_) | Err(FindError::NoName { .. }) => {
            let services: Vec<String> =
                spelling::nearest(name, catalog.services()).into_iter().map(str::to_owned).collect();
            if services.is_empty() { types_ending_like(catalog, name) } else { services }
        }
        Err(error) => error.suggestions(),
    };
    let all = "`rectify resources` lists all types; docs/catalog.md says which are not there";
    if near.is_empty() {
        return error.help(all);
    }
    error.help(format!("did you mean {}? {all}", spelling::list(near.iter().map(String::as_str), "or")))
}

//! `rectify snapshot`: keep what a runbook's plan would be worked out from, or a simulated cloud that is like the real one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::cloud::{Connection, Purpose};
use super::console::Console;
use super::exit::{CliError, Exit};
use super::output_file;
use super::plan::{Source, TrialFlags, checked, keep, listed, look};
use crate::capture::{Described, DescribedKind, Naming, Place, scenario};
use crate::plan::Snapshot;
use crate::resource::{Family, Observed, ReadError, connector_of, described_as};
use crate::run::ResourceId;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    trials: TrialFlags,

    /// Where to keep what was observed, for `rectify plan --snapshot`
    #[arg(long, value_name = "FILE", required_unless_present = "scenario")]
    out: Option<PathBuf>,

    /// Write the runbook's connectors, services and databases as a scenario for `--sim`. Values that somebody wrote, such as those of
    /// environment variables, are never in it, and names are replaced
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "try_probes"])]
    scenario: Option<PathBuf>,

    /// Keep the names of projects, resources, hosts, accounts and images in the scenario
    #[arg(long, requires = "scenario")]
    keep_names: bool,
}

pub(super) async fn snapshot(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    let place = arguments.source.place()?;
    let (checked, _) = checked(&arguments.source, place.mode(Purpose::Plan), console)?;
    let connection = Connection::open(place, console).await?;
    if let Some(path) = &arguments.scenario {
        let naming = if arguments.keep_names { Naming::Keep } else { Naming::Replace };
        let target = &checked.runbook().target;
        let here = Place { project: target.project.clone(), region: target.region.clone(), at: connection.clock.now() };
        let touched = crate::plan::touched(checked.runbook());
        let captured = capture(&touched, &connection).await;
        connection.close().await?;
        let (described, left_out) = captured?;
        return write(path, described, &left_out, &here, naming, console);
    }
    let checked = listed(checked, &connection, console).await?;
    let Some(out) = &arguments.out else {
        return Err(CliError::new(Exit::Usage, "say where, with --out or --scenario"));
    };
    let trying = arguments.trials.trying();
    let (observed, trials): (Observed, _) =
        look(checked.runbook(), &connection, trying, async |observed| observed).await?;
    let snapshot = Snapshot::of(&observed, trials, &connection.words);
    connection.close().await?;
    keep(out, &snapshot)?;
    let (seen, unseen) = (snapshot.resources.len(), snapshot.unseen.len());
    let unseen = if unseen == 0 { String::new() } else { format!(", {unseen} could not be observed") };
    console.out(&format!("{}: {seen} resources{unseen}\n", out.display()));
    Ok(Exit::Done)
}

/// Why a resource is not in a scenario, by resource.
type LeftOut = BTreeMap<ResourceId, String>;

/// Reads what is to be in a scenario: the resources that a runbook touches, and the connectors that its services use.
async fn capture(
    touched: &BTreeSet<ResourceId>,
    connection: &Connection,
) -> Result<(Vec<Described>, LeftOut), CliError> {
    let (mut described, mut left_out) = (BTreeMap::new(), LeftOut::new());
    let mut wanted: Vec<ResourceId> = touched.iter().map(described_as).collect();
    while let Some(id) = wanted.pop() {
        if described.contains_key(&id) || left_out.contains_key(&id) {
            continue;
        }
        match one(&id, connection).await {
            Ok(Some((found, needs))) => {
                wanted.extend(needs);
                described.insert(id, found);
            }
            Ok(None) => drop(left_out.insert(id, "a scenario cannot have it as it is".to_owned())),
            Err(error @ (ReadError::NotFound { .. } | ReadError::Refused { .. })) => {
                left_out.insert(id, error.to_string());
            }
            Err(error) => return Err(CliError::from_error(Exit::Failed, &error)),
        }
    }
    Ok((described.into_values().collect(), left_out))
}

async fn one(id: &ResourceId, connection: &Connection) -> Result<Option<(Described, Option<ResourceId>)>, ReadError> {
    let Some(found) = connection.cloud.describe(id).await? else { return Ok(None) };
    // Without its connector a service would starve.
    let needs = connector_of(id, &found);
    let kind = match found.family {
        Family::Connector => DescribedKind::Connector,
        Family::Service => DescribedKind::Service,
        Family::Database => DescribedKind::Database,
    };
    Ok(Some((Described { kind, name: id.name.clone(), body: found.body, revisions: found.revisions }, needs)))
}

fn write(
    path: &Path,
    described: Vec<Described>,
    left_out: &LeftOut,
    place: &Place,
    naming: Naming,
    console: Console,
) -> Result<Exit, CliError> {
    let count = described.len();
    let made = scenario(place, described, naming);
    output_file::write(path, made.text.as_bytes())?;
    let mut out = format!("{}: {count} resources\n", path.display());
    for (id, why) in left_out {
        let _ = writeln!(out, "  without {id}: {why}");
    }
    if !made.names.is_empty() {
        out.push_str("names in it:\n");
        for (name, instead) in &made.names {
            let _ = writeln!(out, "  {instead} is {name}");
        }
    }
    console.out(&out);
    Ok(Exit::Done)
}

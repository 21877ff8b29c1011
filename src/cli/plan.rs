//! `rectify plan` and `rectify snapshot`: show what a run would change, or keep what it would be worked out from;
//! write nothing to the cloud.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::check::{file, runbook, salvaged};
use super::cloud::{CloudFlags, Connection, Where};
use super::console::Console;
use super::exit::{Exit, Trouble};
use crate::check::Checked;
use crate::gate::Observation;
use crate::plan::{
    Looks, Observed, Plan, Saved, Selection, Snapshot, access, markdown, observe, plan as make_plan, prove, text,
    trials,
};
use crate::run::OnFailure;
use crate::runbook::Mode;
use crate::runbook::model::Runbook;

/// Which runbook, with which inputs, on which cloud.
#[derive(Args)]
pub(super) struct Source {
    /// The runbook
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) inputs: InputFlags,

    #[command(flatten)]
    pub(super) cloud: CloudFlags,
}

/// The values of a runbook's inputs.
#[derive(Args)]
pub(super) struct InputFlags {
    /// The value of an input; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    pub(super) input: Vec<(String, String)>,

    /// A TOML file with the values of inputs; --input goes before it
    #[arg(long, value_name = "FILE")]
    pub(super) inputs: Option<PathBuf>,
}

impl InputFlags {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty() && self.inputs.is_none()
    }

    /// The values by name.
    pub(super) fn values(&self) -> Result<BTreeMap<String, String>, Trouble> {
        let mut values = self.inputs.as_deref().map(values_in).transpose()?.unwrap_or_default();
        values.extend(self.input.iter().cloned());
        Ok(values)
    }
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn values_in(path: &Path) -> Result<BTreeMap<String, String>, Trouble> {
    let trouble = |why: String| Trouble::new(Exit::Usage, format!("{} cannot be used: {why}", path.display()));
    let text = String::from_utf8(file(path)?).map_err(|error| trouble(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| trouble(error.message().to_owned()))?;
    let value = |(name, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok((name, value.to_string())),
        _ => Err(trouble(format!("{name} is neither a text nor a number"))),
    };
    table.into_iter().map(value).collect()
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    /// Look at nothing, and say `unknown` where a look would be needed; wants no credentials
    #[arg(long, conflicts_with_all = ["snapshot", "sim", "out"])]
    offline: bool,

    /// Plan against what `rectify snapshot` kept, not against the cloud; wants no credentials
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sim", "out"])]
    snapshot: Option<PathBuf>,

    /// Keep the plan in this file, for `rectify run PLAN`
    #[arg(long, value_name = "PLAN")]
    out: Option<PathBuf>,

    /// How to show the plan
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Exit with 3 if there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; docs/plan.schema.json describes it
    Json,
    /// For a comment in a pull request
    Markdown,
}

#[derive(Args)]
pub(super) struct SnapshotArguments {
    #[command(flatten)]
    source: Source,

    /// Where to keep it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A plan, and what it was made from.
pub(super) struct Made {
    pub(super) checked: Checked,
    pub(super) connection: Connection,
    pub(super) plan: Plan,
}

impl Source {
    /// Where its calls go.
    pub(super) fn place(&self) -> Result<Where, Trouble> {
        self.cloud.place(&self.file)
    }
}

fn checked(source: &Source, mode: Mode, console: Console) -> Result<(Checked, BTreeMap<String, String>), Trouble> {
    let inputs = source.inputs.values()?;
    let name = source.file.display().to_string();
    let checked = runbook(&name, &file(&source.file)?, inputs.clone(), mode, console)?;
    Ok((checked, inputs))
}

/// A runbook's text from a saved plan, checked with the inputs of then.
pub(super) fn recheck(saved: &Saved, mode: Mode, console: Console) -> Result<Checked, Trouble> {
    runbook(&saved.file, saved.text.as_bytes(), saved.plan.inputs.clone(), mode, console)
}

/// Looks at everything that the runbook touches, does something with that, and meanwhile tries its gates.
async fn look<T>(
    runbook: &Runbook,
    connection: &Connection,
    then: impl AsyncFnOnce(Observed) -> T,
) -> Result<(T, BTreeMap<String, Observation>), Trouble> {
    let probes = connection.probes(runbook);
    let beside = connection.clock.beside();
    let looked = async {
        let observed = observe(runbook, &connection.kinds, connection.clock.now()).await;
        let done = then(observed).await;
        drop(beside);
        done
    };
    Ok(futures::join!(looked, trials(runbook, &probes)))
}

/// Looks at everything that a saved plan rests on.
pub(super) async fn look_again(checked: &Checked, connection: &Connection) -> Observed {
    observe(checked.runbook(), &connection.kinds, connection.clock.now()).await
}

/// Checks the runbook, looks at the cloud and works out the plan.
pub(super) async fn make(
    source: &Source,
    selection: &Selection,
    on_failure: Option<OnFailure>,
    console: Console,
) -> Result<Made, Trouble> {
    let place = source.place()?;
    let (checked, inputs) = checked(source, place.mode(), console)?;
    let mut meant = checked.runbook().clone();
    selection.of(&mut meant).map_err(|error| Trouble::from_error(Exit::Usage, &error))?;
    let connection = Connection::open(place, console).await?;
    let plan = planned(&meant, inputs, &connection, on_failure).await?;
    Ok(Made { checked, connection, plan })
}

async fn planned(
    runbook: &Runbook,
    inputs: BTreeMap<String, String>,
    connection: &Connection,
    on_failure: Option<OnFailure>,
) -> Result<Plan, Trouble> {
    let work = async |observed: Observed| {
        let mut plan = make_plan(runbook, inputs, &observed, &connection.words, on_failure);
        let before = plan.clone();
        let ((), access) =
            futures::join!(prove(&mut plan, &connection.kinds, &connection.cloud), access(&before, &connection.cloud));
        Plan { access, ..plan }
    };
    let (mut plan, samples) = look(runbook, connection, work).await?;
    plan.try_gates(&samples);
    Ok(plan)
}

/// A runbook with mistakes is planned as far as it can be read: the cloud knows more of what would go wrong.
async fn with_mistakes(arguments: &Arguments, mistakes: Trouble, console: Console) -> Result<(Plan, Trouble), Trouble> {
    let source = &arguments.source;
    let inputs = source.inputs.values()?;
    let name = source.file.display().to_string();
    let Some(runbook) = salvaged(&name, &file(&source.file)?, inputs.clone()) else { return Err(mistakes) };
    let connection = Connection::open(source.place()?, console).await?;
    let plan = planned(&runbook, inputs, &connection, None).await?;
    connection.close().await?;
    Ok((plan, mistakes.help("this is what the rest of it would do; it is refused as a whole")))
}

pub(super) async fn plan(arguments: &Arguments, console: Console) -> Result<Exit, Trouble> {
    let plan = if arguments.offline || arguments.snapshot.is_some() {
        unconnected(arguments, console)?
    } else {
        let Made { checked, connection, plan } =
            match make(&arguments.source, &Selection::default(), None, console).await {
                Ok(made) => made,
                Err(trouble) if trouble.exit == Exit::Usage && arguments.out.is_none() => {
                    let (plan, trouble) = with_mistakes(arguments, trouble, console).await?;
                    arguments.show(&plan, console)?;
                    return Err(trouble);
                }
                Err(trouble) => return Err(trouble),
            };
        let place = connection.place.clone();
        connection.close().await?;
        if let Some(out) = arguments.out.as_ref().filter(|_| plan.is_complete()) {
            let file = arguments.source.file.display().to_string();
            let place = serde_json::to_value(place).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
            keep(out, &Saved::new(file, checked.document().text().to_owned(), place, plan.clone()))?;
        }
        plan
    };
    arguments.show(&plan, console)?;
    if plan.is_wrong() {
        let trouble = Trouble::new(Exit::Failed, "not everything could be planned; what is missing stands in the plan");
        return Err(if arguments.out.is_some() { trouble.help("no plan was kept") } else { trouble });
    }
    Ok(if arguments.detailed_exitcode && plan.changes() > 0 { Exit::Changes } else { Exit::Done })
}

impl Arguments {
    fn show(&self, plan: &Plan, console: Console) -> Result<(), Trouble> {
        match self.format {
            Format::Text => console.out(&text(plan, looks(console))),
            Format::Markdown => console.out(&markdown(plan)),
            Format::Json => {
                let json = serde_json::to_string_pretty(plan);
                let json = json.map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
                console.out(&format!("{json}\n"));
            }
        }
        Ok(())
    }
}

/// A plan without a cloud.
fn unconnected(arguments: &Arguments, console: Console) -> Result<Plan, Trouble> {
    let (checked, inputs) = checked(&arguments.source, Mode::Review, console)?;
    let Some(path) = &arguments.snapshot else {
        return Ok(make_plan(checked.runbook(), inputs, &Observed::nothing(), "a cloud that was not looked at", None));
    };
    let trouble = |why: String| Trouble::new(Exit::Usage, format!("{} is no snapshot: {why}", path.display()));
    let snapshot: Snapshot = serde_json::from_slice(&file(path)?).map_err(|error| trouble(error.to_string()))?;
    if snapshot.format != Snapshot::FORMAT {
        return Err(trouble(format!("its format is {}, this is {}", snapshot.format, Snapshot::FORMAT)));
    }
    let words = format!("{}, from a snapshot", snapshot.cloud);
    let samples = snapshot.probes.clone();
    let mut plan = make_plan(checked.runbook(), inputs, &snapshot.into(), &words, None);
    plan.try_gates(&samples);
    Ok(plan)
}

pub(super) async fn snapshot(arguments: &SnapshotArguments, console: Console) -> Result<Exit, Trouble> {
    let place = arguments.source.place()?;
    let (checked, _) = checked(&arguments.source, place.mode(), console)?;
    let connection = Connection::open(place, console).await?;
    let (observed, samples) = look(checked.runbook(), &connection, async |observed| observed).await?;
    let snapshot = Snapshot::of(&observed, samples, &connection.words);
    connection.close().await?;
    keep(&arguments.out, &snapshot)?;
    let (seen, unseen) = (snapshot.resources.len(), snapshot.unseen.len());
    let unseen = if unseen == 0 { String::new() } else { format!(", {unseen} could not be looked at") };
    console.out(&format!("{}: {seen} resources{unseen}\n", arguments.out.display()));
    Ok(Exit::Done)
}

fn keep(path: &Path, what: &impl serde::Serialize) -> Result<(), Trouble> {
    let json = serde_json::to_vec_pretty(what).map_err(|error| Trouble::from_error(Exit::Failed, &error))?;
    write(path, &json)
}

/// Writes a file that was asked for: whole or not at all, and for nobody else to read.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(bytes)?;
        fresh.persist(path).map_err(|error| error.error)
    };
    write()
        .map(drop)
        .map_err(|error| Trouble::new(Exit::Failed, format!("{} cannot be written: {error}", path.display())))
}

/// How a plan looks here: on a terminal lines are wrapped, in a log they are not.
pub(super) fn looks(console: Console) -> Looks {
    Looks { colour: console.colour, width: if console.is_terminal() { console.width } else { usize::from(u16::MAX) } }
}

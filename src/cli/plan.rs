//! `rectify plan`: show what a run would change, or keep what it would be worked out from;
//! write nothing to the cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::check::{file, runbook, style};
use super::cloud::{CloudFlags, CloudTarget, Connection, Purpose};
use super::console::Console;
use super::environment::{EnvFlags, visible};
use super::escalation::reject_future;
use super::exit::{CliError, Exit};
use super::input_file::{Limit, required};
use super::output_file;
use crate::check::{Checked, GapKind, Partial, check as check_bytes};
use crate::clock::{Clock as _, SystemClock};
use crate::inert::{inert, shell_word};
use crate::plan::{
    FORMAT, Plan, ReviewContext, Saved, Selection, Snapshot, TextStyle, Trials, Trying, access, judging, lists,
    markdown, observe, observe_lists, plan as make_plan, prove, text, trials,
};
use crate::resource::Observed;
use crate::run::OnFailure;
use crate::runbook::Mode;
use crate::runbook::model::Runbook;
use crate::syntax::{Exposure, Inputs};

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

    #[command(flatten)]
    pub(super) environment: EnvFlags,

    /// Show values that come from the environment; otherwise they are secrets
    #[arg(long)]
    pub(super) plain_env: bool,
}

impl InputFlags {
    /// Whether no value is given, and nothing is said of what may be shown.
    pub(super) fn are_empty(&self) -> bool {
        self.input.is_empty() && self.inputs.is_none() && !self.plain_env
    }

    /// What is given, over these values.
    pub(super) fn given(&self, earlier: Given) -> Result<Given, CliError> {
        let Given { mut values, env, lists, .. } = earlier;
        values.extend(self.inputs.as_deref().map(values_in).transpose()?.unwrap_or_default());
        values.extend(self.input.iter().cloned());
        let exposure = if self.plain_env { Exposure::Plain } else { Exposure::Secret };
        Ok(Given { values, env: self.environment.and(&env), exposure, lists })
    }
}

/// What the operator gives a runbook's inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// Values that may be shown, by input.
    values: BTreeMap<String, String>,
    /// The variables of the environment that inputs may take.
    env: BTreeSet<String>,
    exposure: Exposure,
    /// What steps over a list are done for, by step.
    lists: BTreeMap<String, Vec<String>>,
}

impl Given {
    /// What a run was given: its values, and the variables that it may take again.
    pub(super) fn to_run_of(plan: &Plan) -> Given {
        let (values, env, lists) = (plan.inputs.clone(), plan.env.clone(), plan.lists.clone());
        Given { values, env, exposure: Exposure::Secret, lists }
    }

    /// The same, and these variables.
    #[must_use]
    pub(super) fn with(self, flags: &EnvFlags) -> Given {
        Given { env: flags.and(&self.env), ..self }
    }

    /// For whoever reads a runbook.
    pub(super) fn inputs(&self) -> Inputs {
        Inputs::given(self.values.clone()).environment(visible(&self.env, self.exposure)).lists(self.lists.clone())
    }

    /// What a plan keeps of it: also what came from the environment and may be shown.
    fn kept_in(self, plan: &mut Plan, runbook: &Runbook) {
        plan.inputs = self.values;
        plan.inputs.extend(runbook.plain_env.clone());
        plan.env = self.env;
    }
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn values_in(path: &Path) -> Result<BTreeMap<String, String>, CliError> {
    let trouble = |why: String| CliError::new(Exit::Usage, format!("{} cannot be used: {why}", path.display()));
    let text = String::from_utf8(file(path)?).map_err(|error| trouble(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| trouble(error.message().to_owned()))?;
    let value = |(name, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok((name, value.to_string())),
        _ => Err(trouble(format!("{name} is neither a text nor a number"))),
    };
    table.into_iter().map(value).collect()
}

/// What may be sent to peers while planning.
#[derive(Args)]
pub(super) struct TrialFlags {
    /// While planning, take every probe of a gate as the run does, also one that sends a secret, changes something or is a load
    #[arg(long)]
    try_probes: bool,
}

impl TrialFlags {
    pub(super) fn trying(&self) -> Trying {
        if self.try_probes { Trying::Everything } else { Trying::Reads }
    }
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    trials: TrialFlags,

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

    /// Also say what differs from this plan, as `--format json` printed it; with --format markdown
    #[arg(long, value_name = "PLAN.json")]
    against: Option<PathBuf>,

    /// Exit with 3 if there are changes, or may be because the plan is incomplete
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

/// How a plan is made.
#[derive(Clone, Copy)]
pub(super) struct Policy {
    pub(super) purpose: Purpose,
    /// What every step does when it fails, instead of what the runbook says.
    pub(super) on_failure: Option<OnFailure>,
    pub(super) trying: Trying,
}

impl Policy {
    /// To show what the runbook says.
    pub(super) fn to_show(trials: &TrialFlags) -> Policy {
        Policy { purpose: Purpose::Plan, on_failure: None, trying: trials.trying() }
    }
}

/// A plan, and what it was made from.
pub(super) struct PreparedPlan {
    pub(super) checked: Checked,
    pub(super) connection: Connection,
    pub(super) plan: Plan,
}

impl Source {
    /// Where its calls go.
    pub(super) fn place(&self) -> Result<CloudTarget, CliError> {
        self.cloud.place(&self.file)
    }
}

/// A runbook as far as it can be planned.
enum Readable {
    /// All of it, and it may be carried out.
    Whole(Box<Checked>),
    /// A part, which may be looked at.
    Partial(Box<Partial>),
}

impl Readable {
    fn runbook(&self) -> &Runbook {
        match self {
            Readable::Whole(checked) => checked.runbook(),
            Readable::Partial(partial) => &partial.runbook,
        }
    }

    /// How many mistakes keep it from being used; inputs without values are none.
    fn mistakes(&self) -> usize {
        match self {
            Readable::Whole(_) => 0,
            Readable::Partial(partial) => partial.gaps.iter().filter(|gap| gap.kind == GapKind::Mistake).count(),
        }
    }

    /// Names in the plan what it lacks.
    fn name_gaps(&self, plan: &mut Plan) {
        if let Readable::Partial(partial) = self {
            plan.add_gaps(partial);
        }
    }
}

/// Reads a runbook to show a plan of it, whatever is wrong with it; its mistakes are shown on stderr.
fn readable(source: &Source, mode: Mode, console: Console) -> Result<(Readable, Given), CliError> {
    let given = source.inputs.given(Given::default())?;
    let name = source.file.display().to_string();
    let outcome = check_bytes(&name, &file(&source.file)?, &given.inputs(), mode);
    let lacks_only_inputs = outcome.partial.as_ref().is_some_and(Partial::lacks_only_inputs);
    if !lacks_only_inputs {
        console.err(&outcome.render(style(console)));
    }
    let readable = match (outcome.checked, outcome.partial) {
        (Some(checked), _) => Readable::Whole(Box::new(checked)),
        (None, Some(partial)) => Readable::Partial(Box::new(partial)),
        (None, None) => return Err(CliError::new(Exit::Usage, format!("nothing of {name} can be planned"))),
    };
    Ok((readable, given))
}

pub(super) fn checked(source: &Source, mode: Mode, console: Console) -> Result<(Checked, Given), CliError> {
    let given = source.inputs.given(Given::default())?;
    let name = source.file.display().to_string();
    let checked = runbook(&name, &file(&source.file)?, &given.inputs(), mode, console)?;
    Ok((checked, given))
}

/// A runbook's text from a saved plan, checked with the inputs of then. Variables of the environment are for whoever carries it
/// out to name, and not for the file.
pub(super) fn recheck(saved: &mut Saved, env: &EnvFlags, mode: Mode, console: Console) -> Result<Checked, CliError> {
    saved.plan.env = env.and(&BTreeSet::new());
    let inputs = Given::to_run_of(&saved.plan).inputs();
    runbook(&saved.file, saved.text.as_bytes(), &inputs, mode, console)
}

/// Looks at everything that the runbook touches, does something with that, and meanwhile tries its gates.
pub(super) async fn look<T>(
    runbook: &Runbook,
    connection: &Connection,
    trying: Trying,
    then: impl AsyncFnOnce(Observed) -> T,
) -> Result<(T, Trials), CliError> {
    let probes = connection.probes(runbook);
    let beside = connection.clock.beside();
    let looked = async {
        let observed = observe(runbook, &connection.kinds, connection.clock.now()).await;
        let done = then(observed).await;
        drop(beside);
        done
    };
    Ok(futures::join!(looked, trials(runbook, &probes, trying)))
}

/// Takes the samples that planning left out, once the run is approved: an undo must bring back what was healthy before the first
/// change, and a gate that already passes shows nothing. What was seen, by probe.
pub(super) async fn sample_the_rest(plan: &mut Plan, runbook: &Runbook, connection: &Connection) -> Trials {
    let missing = judging(runbook).into_iter().filter(|name| !plan.baseline.contains_key(name)).collect();
    let samples = connection.probes(runbook).observe_all(missing).await.into_iter().collect();
    let seen = Trials { samples, ..Trials::default() };
    let mut all = seen.clone();
    all.samples.extend(plan.baseline.clone());
    plan.try_gates(&all);
    seen
}

/// Looks at everything that a saved plan rests on.
pub(super) async fn look_again(checked: &Checked, connection: &Connection) -> Observed {
    observe(checked.runbook(), &connection.kinds, connection.clock.now()).await
}

/// Checks the runbook, looks at the cloud and works out the plan.
pub(super) async fn make(
    source: &Source,
    selection: &Selection,
    policy: Policy,
    console: Console,
) -> Result<PreparedPlan, CliError> {
    let place = source.place()?;
    let (checked, given) = checked(source, place.mode(policy.purpose), console)?;
    let connection = opened(checked.runbook(), place, console).await?;
    let checked = listed(checked, &connection, console).await?;
    let mut meant = checked.runbook().clone();
    selection.of(&mut meant).map_err(|error| CliError::from_error(Exit::Usage, &error))?;
    let mut plan = planned(&meant, &connection, policy).await?;
    given.kept_in(&mut plan, &meant);
    Ok(PreparedPlan { checked, connection, plan })
}

/// The plan of as much of a runbook as can be planned, and of all of it if it was checked.
pub(super) async fn made(
    (runbook, checked): (&Runbook, Option<&Checked>),
    place: CloudTarget,
    policy: Policy,
    console: Console,
) -> Result<(Connection, Plan), CliError> {
    let connection = opened(runbook, place, console).await?;
    let listed = match checked {
        Some(checked) => Some(listed(checked.clone(), &connection, console).await?),
        None => None,
    };
    let runbook = listed.as_ref().map_or(runbook, Checked::runbook);
    let plan = planned(runbook, &connection, policy).await?;
    Ok((connection, plan))
}

async fn opened(runbook: &Runbook, place: CloudTarget, console: Console) -> Result<Connection, CliError> {
    let connection = Connection::open(place, console).await?;
    let since = runbook.escalation.as_ref().and_then(|escalation| escalation.since);
    reject_future(since, connection.clock.now())?;
    Ok(connection)
}

/// The same runbook with what its lists list.
pub(super) async fn listed(checked: Checked, connection: &Connection, console: Console) -> Result<Checked, CliError> {
    let observed = observe_lists(checked.runbook(), &connection.kinds, connection.clock.now()).await;
    with_lists(checked, &observed, console)
}

fn with_lists(checked: Checked, observed: &Observed, console: Console) -> Result<Checked, CliError> {
    let lists = lists(checked.runbook(), observed);
    if lists.is_empty() {
        return Ok(checked);
    }
    checked.with_lists(lists).map_err(|outcome| {
        console.err(&outcome.render(style(console)));
        CliError::new(Exit::Usage, "the runbook is not sound with what its `list` lists")
    })
}

async fn planned(runbook: &Runbook, connection: &Connection, policy: Policy) -> Result<Plan, CliError> {
    let work = async |observed: Observed| {
        let mut plan = make_plan(runbook, &observed, &connection.words, policy.on_failure);
        plan.set_program_steps(connection.place.program_steps());
        plan.send_to_served(|host| connection.route.serves(host));
        let before = plan.clone();
        let ((), access) =
            futures::join!(prove(&mut plan, &connection.kinds, &connection.cloud), access(&before, &connection.cloud));
        Plan { access, ..plan }
    };
    let (mut plan, trials) = look(runbook, connection, policy.trying, work).await?;
    plan.try_gates(&trials);
    Ok(plan)
}

pub(super) async fn plan(arguments: &Arguments, console: Console) -> Result<Exit, CliError> {
    if arguments.against.is_some() && arguments.format != Format::Markdown {
        return Err(CliError::new(Exit::Usage, "--against is for --format markdown"));
    }
    let mut kept = None;
    let policy = Policy::to_show(&arguments.trials);
    let is_connected = !arguments.offline && arguments.snapshot.is_none();
    let place = if is_connected { Some(arguments.source.place()?) } else { None };
    let mode = place.as_ref().map_or(Mode::Plan, |place| place.mode(policy.purpose));
    let (mut readable, given) = readable(&arguments.source, mode, console)?;
    let mistakes = readable.mistakes();
    // What `check` rejects reaches nobody: neither a host that it names nor Google.
    let plan = if let Some(place) = place.filter(|_| mistakes == 0) {
        let connection = opened(readable.runbook(), place, console).await?;
        if let Readable::Whole(checked) = readable {
            readable = Readable::Whole(Box::new(listed(*checked, &connection, console).await?));
        }
        let mut plan = planned(readable.runbook(), &connection, policy).await?;
        given.kept_in(&mut plan, readable.runbook());
        readable.name_gaps(&mut plan);
        let place = connection.place.clone();
        connection.close().await?;
        if let (Some(out), Readable::Whole(checked)) =
            (arguments.out.as_ref().filter(|_| plan.is_complete()), &readable)
        {
            let file = arguments.source.file.display().to_string();
            let place = serde_json::to_value(place).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
            let text = checked.document().text().to_owned();
            let saved = Saved::new(file, text, place, SystemClock.now(), plan.clone());
            keep(out, &saved)?;
            kept = Some(saved.digest);
        }
        plan
    } else {
        unconnected(arguments, readable, &given, console)?
    };
    arguments.show(&plan, console)?;
    if let (Some(digest), Some(out)) = (kept, &arguments.out) {
        let (out, word) = (inert(&out.display().to_string()), shell_word(&out.display().to_string()));
        let text = format!(
            "\nThis plan is kept in {out}. To carry out this plan and no other:\n\n  rectify run {word} --digest {digest}\n"
        );
        // Whoever reads JSON or Markdown from stdout reads nothing else there.
        if arguments.format == Format::Text { console.out(&text) } else { console.err(&text) }
    }
    if mistakes > 0 {
        let count = if mistakes == 1 { "a mistake".to_owned() } else { format!("{mistakes} mistakes") };
        let name = arguments.source.file.display();
        return Err(CliError::new(Exit::Usage, format!("{name} has {count}; the plan shows the rest of it")));
    }
    if plan.is_wrong() {
        let trouble = CliError::new(Exit::Failed, "not everything could be planned; the plan says what is missing");
        return Err(if arguments.out.is_some() { trouble.help("no plan was kept") } else { trouble });
    }
    if arguments.out.is_some() && !plan.is_complete() {
        let trouble = CliError::new(Exit::Usage, "the plan is incomplete, and no plan was kept");
        return Err(trouble.help("give the inputs that it waits for with --input NAME=VALUE"));
    }
    // Of an incomplete plan it is not known that it changes nothing.
    let may_change = plan.changes() > 0 || !plan.is_complete();
    Ok(if arguments.detailed_exitcode && may_change { Exit::Changes } else { Exit::Done })
}

impl Arguments {
    fn show(&self, plan: &Plan, console: Console) -> Result<(), CliError> {
        match self.format {
            Format::Text => console.out(&console.look().worded(&text(plan, looks(console)))),
            Format::Markdown => {
                let base = self.against.as_deref().map(plan_of).transpose()?;
                let file = self.source.file.display().to_string();
                console.out(&markdown(plan, ReviewContext { file: &file, base: base.as_ref() }));
            }
            Format::Json => {
                let json = serde_json::to_string_pretty(plan);
                let json = json.map_err(|error| CliError::from_error(Exit::Failed, &error))?;
                console.out(&format!("{json}\n"));
            }
        }
        Ok(())
    }
}

/// A plan that was printed as JSON.
fn plan_of(path: &Path) -> Result<Plan, CliError> {
    let plan: Plan = serde_json::from_slice(&required(path, Limit::Plan)?).map_err(|error| {
        CliError::new(Exit::Usage, format!("{} is no plan: {error}", path.display()))
            .help("make one with `rectify plan FILE --format json`")
    })?;
    if plan.format != FORMAT {
        let why = format!("{}: its format is {}, this is {FORMAT}", path.display(), plan.format);
        return Err(CliError::new(Exit::Usage, why));
    }
    Ok(plan)
}

/// A plan without a cloud.
fn unconnected(arguments: &Arguments, readable: Readable, given: &Given, console: Console) -> Result<Plan, CliError> {
    let made = |readable: &Readable, observed: &Observed, cloud: &str| {
        let mut plan = make_plan(readable.runbook(), observed, cloud, None);
        given.clone().kept_in(&mut plan, readable.runbook());
        readable.name_gaps(&mut plan);
        plan
    };
    let Some(path) = &arguments.snapshot else {
        return Ok(made(&readable, &Observed::nothing(), "a cloud that was not observed"));
    };
    let trouble = |why: String| CliError::new(Exit::Usage, format!("{} is no snapshot: {why}", path.display()));
    let snapshot: Snapshot =
        serde_json::from_slice(&required(path, Limit::Plan)?).map_err(|error| trouble(error.to_string()))?;
    if snapshot.format != Snapshot::FORMAT {
        return Err(trouble(format!("its format is {}, this is {}", snapshot.format, Snapshot::FORMAT)));
    }
    let words = format!("{}, from a snapshot", snapshot.cloud);
    let trials = Trials { samples: snapshot.probes.clone(), untried: snapshot.untried.clone() };
    let observed = Observed::from(snapshot);
    let readable = match readable {
        Readable::Whole(checked) => Readable::Whole(Box::new(with_lists(*checked, &observed, console)?)),
        partial @ Readable::Partial(_) => partial,
    };
    let mut plan = made(&readable, &observed, &words);
    plan.try_gates(&trials);
    Ok(plan)
}

/// Writes what was made into a file, as JSON.
pub(super) fn keep(path: &Path, what: &impl serde::Serialize) -> Result<(), CliError> {
    let json = serde_json::to_vec_pretty(what).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    output_file::write(path, &json)
}

/// How a plan looks here: on a terminal lines are wrapped, in a log they are not.
pub(super) fn looks(console: Console) -> TextStyle {
    TextStyle { colour: console.colour, width: console.edge().unwrap_or(usize::from(u16::MAX)) }
}

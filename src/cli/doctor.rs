//! `rectify doctor`: is everything there that a runbook needs, before it is needed at 3 a.m.?
//!
//! It looks and changes nothing, but for a file that it makes and removes in the state directory. It lists whatever it finds and
//! refuses nothing: what is wrong with the runbook is a finding like any other, and the rest is looked at all the same. Only the
//! cloud is not asked about a runbook that `check` rejects.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

use super::check::{file, style};
use super::cloud::{CloudTarget, Connection, Purpose};
use super::console::Console;
use super::credentials;
use super::environment::{can_start, github, settings_of_tools};
use super::exit::{CliError, Exit};
use super::plan::{Given, Policy, Source, TrialFlags, made};
use crate::action::{Action, IssueRef, ObstacleKind};
use crate::check::{Diagnostic, Gap, Outcome, Severity, check, programs as programs_of};
use crate::inert::{inert, shell_word};
use crate::journal::State;
use crate::plan::{Duty, Plan, RoleSubject, role_needs, role_yaml};
use crate::resource::{Incidents, KindSpec, LOGIN, Observable as _, Principal};
use crate::run::ResourceId;
use crate::runbook::Mode;
use crate::runbook::model::Runbook;
use crate::syntax::Inputs;
use crate::syntax::mistake::MISSING_INPUT;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    trials: TrialFlags,

    /// Ask nobody; print the least role of IAM that may plan the runbook, or run it, as a file for `gcloud iam roles create`
    #[arg(long, value_name = "FOR")]
    role: Option<RoleFor>,
}

/// What a role is for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleFor {
    /// To plan
    Plan,
    /// To carry out, and to roll back
    Run,
}

impl RoleFor {
    fn duty(self) -> Duty {
        match self {
            RoleFor::Plan => Duty::Plan,
            RoleFor::Run => Duty::Run,
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It is as it should be.
    Good,
    /// It is worth knowing.
    Note,
    /// It stands in the way.
    Bad,
}

struct Findings {
    console: Console,
    worst: Found,
}

impl Findings {
    fn say(&mut self, found: Found, what: &str) {
        let (mark, style) = match found {
            Found::Good => ("✓", console::Style::new().green()),
            Found::Note => ("!", console::Style::new().yellow()),
            Found::Bad => ("×", console::Style::new().red().bold()),
        };
        let mark = style.force_styling(self.console.colour).apply_to(mark);
        self.console.out(&format!("{mark} {}\n", inert(what)));
        if found == Found::Bad {
            self.worst = Found::Bad;
        }
    }
}

/// More than this between the machine's clock and the API's is worth knowing: times in the journal would mislead.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

pub(super) async fn doctor(arguments: &Arguments, state: &State, console: Console) -> Result<Exit, CliError> {
    if let Some(role) = arguments.role {
        return print_role(&arguments.source, role.duty(), console);
    }
    let mut findings = Findings { console, worst: Found::Good };
    let place = arguments.source.place()?;
    let source = GivenRunbook::of(&arguments.source)?;
    let outcome = source.checked(place.mode(Purpose::Plan));
    let errors = mistakes(&mut findings, &outcome);
    let runbook = match (&outcome.checked, &outcome.partial) {
        (Some(checked), _) => Some(checked.runbook()),
        (None, partial) => partial.as_ref().map(|partial| &partial.runbook),
    };
    inputs(&mut findings, &source.checked(place.mode(Purpose::CarryOut)));
    programs(&mut findings, &source.programs(place.mode(Purpose::Plan)));
    if let Some(runbook) = runbook {
        environment(&mut findings, runbook);
        issues(&mut findings, runbook);
        if errors == 0 {
            cloud(&mut findings, arguments, (runbook, &outcome), place, console).await?;
        } else {
            findings.say(Found::Note, "the cloud was not asked: a runbook with mistakes reaches nobody");
        }
    }
    match state.probe() {
        Ok(()) => findings.say(Found::Good, &format!("runs can be kept in {}", state.root().display())),
        Err(error) => findings.say(Found::Bad, &format!("runs cannot be kept: {error}")),
    }
    Ok(if findings.worst == Found::Bad { Exit::Failed } else { Exit::Done })
}

/// Prints the least role, a document for each project that the runbook works in.
fn print_role(source: &Source, duty: Duty, console: Console) -> Result<Exit, CliError> {
    let given = GivenRunbook::of(source)?;
    let outcome = given.checked(Mode::Plan);
    let (runbook, mut gaps) = match (&outcome.checked, &outcome.partial) {
        (Some(checked), _) => (checked.runbook(), Vec::new()),
        (None, Some(partial)) if partial.lacks_only_inputs() => {
            let gap = |gap: &Gap| {
                let step = gap.step.as_deref().unwrap_or("the runbook");
                format!("Not in this role: what {step} needs, because {}.", gap.why)
            };
            (&partial.runbook, partial.gaps.iter().map(gap).collect())
        }
        (None, _) => {
            console.err(&outcome.render(style(console)));
            let why = format!("{} has mistakes, and a role for a part of it would lack permissions", outcome.name());
            return Err(CliError::new(Exit::Usage, why));
        }
    };
    let programs = given.programs(Mode::Plan);
    if !programs.is_empty() {
        let programs = programs.into_iter().collect::<Vec<_>>().join(", ");
        gaps.push(format!("Not in this role: what programs of shell steps need ({programs}), which is not known."));
    }
    if runbook.escalation.is_some() {
        gaps.push("To open a support case also grant roles/cloudsupport.techSupportEditor.".to_owned());
    }
    let needs = role_needs(runbook, duty);
    let documents: Vec<String> = needs
        .iter()
        .map(|(project, needs)| {
            role_yaml(RoleSubject { runbook: &runbook.about.name, duty, project, gaps: &gaps }, needs)
        })
        .collect();
    if documents.is_empty() {
        console.out("# No permission is needed: the runbook asks nothing of Google Cloud's APIs.\n");
    }
    console.out(&documents.join("---\n"));
    Ok(Exit::Done)
}

/// A runbook, and the values that were given for its inputs.
struct GivenRunbook {
    name: String,
    bytes: Vec<u8>,
    inputs: Inputs,
}

impl GivenRunbook {
    fn of(source: &Source) -> Result<GivenRunbook, CliError> {
        let inputs = source.inputs.given(Given::default())?.inputs();
        Ok(GivenRunbook { name: source.file.display().to_string(), bytes: file(&source.file)?, inputs })
    }

    fn checked(&self, mode: Mode) -> Outcome {
        check(&self.name, &self.bytes, &self.inputs, mode)
    }

    fn programs(&self, mode: Mode) -> BTreeSet<String> {
        programs_of(&self.name, &self.bytes, &self.inputs, mode)
    }
}

/// What `check` rejects, a line each; how much that is. Inputs without values are told apart.
fn mistakes(findings: &mut Findings, outcome: &Outcome) -> usize {
    let is_error =
        |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error && diagnostic.code != MISSING_INPUT;
    let errors: Vec<&Diagnostic> = outcome.diagnostics.iter().filter(is_error).collect();
    for error in &errors {
        let line = outcome.line_of(error).map(|line| format!("{line}:")).unwrap_or_default();
        findings.say(Found::Bad, &format!("{}:{line} {}: {}", outcome.name(), error.code, error.message));
    }
    let warnings = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).count();
    if errors.is_empty() {
        findings.say(Found::Good, &format!("{} has no mistakes", outcome.name()));
    }
    if warnings > 0 {
        let count = if warnings == 1 { "1 warning".to_owned() } else { format!("{warnings} warnings") };
        findings.say(
            Found::Note,
            &format!("{count}: `rectify check {}` shows what to look at", shell_word(outcome.name())),
        );
    }
    errors.len()
}

/// What only the cloud can say.
async fn cloud(
    findings: &mut Findings,
    arguments: &Arguments,
    (runbook, outcome): (&Runbook, &Outcome),
    place: CloudTarget,
    console: Console,
) -> Result<(), CliError> {
    if matches!(place, CloudTarget::Google { .. })
        && let Some(why) = credentials::absent().await
    {
        findings.say(Found::Bad, &format!("{why}: `{LOGIN}`; the cloud was not asked"));
        return Ok(());
    }
    let policy = Policy::to_show(&arguments.trials);
    let (connection, mut plan) = match made((runbook, outcome.checked.as_ref()), place, policy, console).await {
        Ok(made) => made,
        Err(trouble) if trouble.exit == Exit::Usage => return Err(trouble),
        Err(CliError { message, help, .. }) => {
            let help = help.map(|help| format!(": {help}")).unwrap_or_default();
            findings.say(Found::Bad, &format!("{message}{help}"));
            return Ok(());
        }
    };
    if let Some(partial) = &outcome.partial {
        plan.add_gaps(partial);
    }
    principal(findings, &connection).await;
    clock(findings, &connection).await;
    apis(findings, &connection, &plan).await;
    permissions(findings, &plan);
    resources(findings, &plan);
    incidents(findings, &connection, &plan).await;
    support(findings, &connection, &plan, runbook.escalation.is_some()).await;
    connection.close().await
}

async fn principal(findings: &mut Findings, connection: &Connection) {
    if !matches!(connection.place, CloudTarget::Google { .. }) {
        findings.say(Found::Good, &format!("calls go to {}, which asks for no credentials", connection.words));
        return;
    }
    match connection.cloud.principal().await {
        Ok(Principal { email: Some(email), source }) => {
            findings.say(Found::Good, &format!("calls are made as {email} ({source})"));
        }
        Ok(Principal { email: None, source }) => {
            findings.say(Found::Note, &format!("calls are made with {source}; whose they are Google does not say"));
        }
        Err(error) => findings.say(Found::Bad, &format!("the credentials cannot be used: {error}")),
    }
}

/// Which inputs, secrets among them, have no value yet; a run would ask for each of them.
fn inputs(findings: &mut Findings, outcome: &Outcome) {
    let missing: Vec<_> = outcome.diagnostics.iter().filter(|diagnostic| diagnostic.code == MISSING_INPUT).collect();
    if missing.is_empty() {
        findings.say(Found::Good, "every input has a value");
    }
    for diagnostic in missing {
        let help = diagnostic.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
        findings.say(Found::Bad, &format!("{}{help}", diagnostic.message));
    }
}

/// Whether the programs of shell steps are there, also of those that could not be read.
fn programs(findings: &mut Findings, programs: &BTreeSet<String>) {
    for program in programs {
        if can_start(program) {
            findings.say(Found::Good, &format!("{program} can be started"));
        } else {
            findings.say(Found::Bad, &format!("{program} is not on PATH: a shell step runs it"));
        }
    }
}

/// What of this environment shell steps will not get.
fn environment(findings: &mut Findings, runbook: &Runbook) {
    let iterations = runbook.steps().flat_map(|step| &step.iterations);
    let environments: Vec<_> = iterations
        .filter_map(|iteration| match &iteration.action {
            Action::Shell(shell) => Some(&shell.env),
            _ => None,
        })
        .collect();
    let is_kept_back = |name: &String| environments.iter().any(|env| !env.contains_key(name));
    let kept_back: Vec<String> = settings_of_tools().into_iter().filter(is_kept_back).collect();
    if !kept_back.is_empty() {
        let names = kept_back.join(", ");
        let what =
            format!("shell steps do not get {names} of this environment; a step that needs it names it in `env`");
        findings.say(Found::Note, &what);
    }
}

async fn clock(findings: &mut Findings, connection: &Connection) {
    if !matches!(connection.place, CloudTarget::Google { .. }) {
        return;
    }
    match connection.cloud.date().await {
        Ok(there) => {
            let skew = connection.clock.now().duration_since(there).abs();
            if skew > SKEW {
                let apart = format!("this machine's clock and Google's are {} s apart", skew.as_secs());
                findings.say(Found::Note, &apart);
            } else {
                findings.say(Found::Good, "this machine's clock agrees with Google's");
            }
        }
        Err(why) => findings.say(Found::Note, &format!("Google's clock could not be read: {why}")),
    }
}

async fn apis(findings: &mut Findings, connection: &Connection, plan: &Plan) {
    let mut apis: Vec<&str> =
        touched(plan).iter().filter_map(|id| Some(KindSpec::find(&id.kind)?.product?.api)).collect();
    apis.sort_unstable();
    apis.dedup();
    for api in apis {
        match connection.cloud.api_is_enabled(&plan.project, api).await {
            Ok(true) => findings.say(Found::Good, &format!("{api} is enabled")),
            Ok(false) => findings.say(
                Found::Bad,
                &format!("{api} is not enabled: `gcloud services enable {api} --project {}`", plan.project),
            ),
            Err(error) => findings.say(Found::Note, &format!("whether {api} is enabled is unknown: {error}")),
        }
    }
}

/// What the plan is about, also where it could not be observed.
fn touched(plan: &Plan) -> Vec<ResourceId> {
    let wanted =
        plan.problems.iter().filter_map(|problem| problem.wanted.as_ref()).map(|wanted| wanted.resource.clone());
    plan.observed.keys().cloned().chain(wanted).collect()
}

fn permissions(findings: &mut Findings, plan: &Plan) {
    let access = &plan.access;
    match (&access.missing, &access.unknown) {
        _ if access.needs.is_empty() => {}
        (Some(missing), _) if missing.is_empty() => {
            let what = match access.needs.len() {
                1 => "the permission that the typed steps need is there".to_owned(),
                count => format!("all {count} permissions that the typed steps need are there"),
            };
            findings.say(Found::Good, &what);
        }
        (Some(missing), _) => {
            for permission in missing {
                let need = access.needs.iter().find(|need| need.to_string() == *permission);
                let tasks = need.map(|need| need.tasks.join(", ")).filter(|tasks| !tasks.is_empty());
                let tasks = tasks.unwrap_or_else(|| "looking".to_owned());
                // It can be granted on the account itself, where a test at the project does not see it.
                let found = if permission == "iam.serviceAccounts.actAs" { Found::Note } else { Found::Bad };
                findings.say(found, &format!("the permission {permission} is missing; {tasks} needs it"));
            }
        }
        (None, Some(why)) => findings.say(Found::Note, &format!("permissions cannot be tested: {why}")),
        (None, None) => {}
    }
    let programs = plan.tasks.iter().filter(|task| task.program.is_some()).count();
    let what = match programs {
        0 => return,
        1 => "1 shell step was not examined: which permissions its program needs is not known".to_owned(),
        _ => format!("{programs} shell steps were not examined: which permissions their programs need is not known"),
    };
    findings.say(Found::Note, &what);
}

fn resources(findings: &mut Findings, plan: &Plan) {
    if plan.is_complete() {
        let count = plan.observed.len();
        findings.say(Found::Good, &format!("everything could be planned; {count} resources were observed"));
    }
    // Inputs without values are listed as such.
    for problem in plan.problems.iter().filter(|problem| problem.sort != ObstacleKind::MissingInput) {
        findings.say(Found::Bad, &format!("{}: {}", problem.step, problem.why));
    }
}

async fn incidents(findings: &mut Findings, connection: &Connection, plan: &Plan) {
    let mut products: Vec<&str> =
        touched(plan).iter().filter_map(|id| Some(KindSpec::find(&id.kind)?.product?.name)).collect();
    products.sort_unstable();
    products.dedup();
    for product in products {
        let (project, region) = (plan.project.clone(), plan.region.clone());
        let id = ResourceId { kind: Incidents::NAME.to_owned(), project, region, name: product.to_owned() };
        match connection.kinds.observe(&id).await {
            Ok(seen) => match seen.state.get("titles").and_then(serde_json::Value::as_str) {
                Some(titles) if !titles.is_empty() => {
                    let told = format!("Google reports an incident of {product} in {}: {titles}", plan.region);
                    findings.say(Found::Note, &told);
                }
                _ => findings.say(Found::Good, &format!("Google reports no incident of {product} in {}", plan.region)),
            },
            Err(error) => {
                findings.say(Found::Note, &format!("whether {product} has an incident is unknown: {error}"));
                break;
            }
        }
    }
}

/// Whether the issues that steps bring up to date can be reached. Nobody is asked: that they cannot be would fail nothing.
fn issues(findings: &mut Findings, runbook: &Runbook) {
    let iterations = runbook.steps().flat_map(|step| &step.iterations);
    let issues: BTreeMap<String, &IssueRef> = iterations
        .filter_map(|iteration| match &iteration.action {
            Action::GithubIssue(update) => update.issue.as_ref().map(|issue| (issue.to_string(), issue)),
            _ => None,
        })
        .collect();
    for (name, issue) in issues {
        match github().reaches(issue) {
            Ok(()) => findings.say(Found::Good, &format!("there is a token to bring {name} up to date")),
            Err(why) => findings.say(Found::Note, &format!("{name} will not be brought up to date: {why}")),
        }
    }
}

async fn support(findings: &mut Findings, connection: &Connection, plan: &Plan, needed: bool) {
    match connection.cloud.may_open_cases(&plan.project).await {
        Ok(true) => findings.say(Found::Good, "a support case can be opened"),
        Ok(false) => {
            let found = if needed { Found::Bad } else { Found::Note };
            findings.say(
                found,
                "no support case can be opened: it wants cloudsupport.googleapis.com and cloudsupport.techCases.create",
            );
        }
        Err(error) => {
            findings.say(Found::Note, &format!("whether a support case can be opened is unknown: {error}"));
        }
    }
}

//! `uses` and `with`: what a step does.

use std::time::Duration;

use crate::runbook::block::{Block, Reader};
use crate::runbook::format::{ACTIONS, ActionFormat, SHELLS};
use crate::runbook::mistake::{BAD_VALUE, MISSING_KEY, Mistake, UNKNOWN_ACTION};
use crate::runbook::model::{Action, Candidate, Command, IssueUpdate, NotAnIssue};
use crate::runbook::spelling::{did_you_mean, list};
use crate::runbook::value::Image;

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_mins(10);

/// The action of this name.
pub(super) fn find_action(name: &str) -> Option<&'static ActionFormat> {
    ACTIONS.iter().find(|action| action.name == name)
}

pub(super) fn read_action(reader: &Reader<'_>, step: &Block<'_, '_>) -> Option<Action> {
    let uses = step.literal("uses")?;
    let Some(format) = find_action(&uses) else {
        let at = reader.document.place(&step.path.key("uses"));
        let mistake = Mistake::new(UNKNOWN_ACTION, at, format!("there is no action `{uses}`"));
        let known = ACTIONS.iter().map(|action| action.name);
        reader.note(Mistake { help: did_you_mean(&uses, known), ..mistake });
        return None;
    };
    if !step.has("with") {
        if format.with.keys.is_empty() {
            return Some(Action::Probe);
        }
        let needed = format.with.keys.iter().filter(|key| key.needed);
        let such_as: Vec<String> = needed.map(|key| format!("{} = {}", key.name, key.such_as)).collect();
        let mistake = Mistake::new(MISSING_KEY, step.at.clone(), "`with` is missing");
        reader.note(mistake.help(format!("write it such as with = {{ {} }}", such_as.join(", "))));
        return None;
    }
    let with = step.arguments("with", &format.with)?;
    let action = match format.name {
        "gcp.connector.scale" => connector_scale(&with),
        "gcp.run.deploy" => run_deploy(&with),
        "gcp.run.scale" => run_scale(&with),
        "gcp.run.traffic" => run_traffic(&with),
        "gcp.sql.patch" => sql_patch(&with),
        "github.issue" => issue(&with),
        "manual" => manual(&with),
        "notify" => notify(&with),
        "shell" => shell(&with),
        "wait" => wait(&with),
        _ => Some(Action::Probe),
    };
    with.finish();
    action
}

/// Notes that an action changes nothing, if it has none of these arguments.
fn changes(with: &Block<'_, '_>, what: &str, arguments: &[&str]) {
    if !arguments.iter().any(|key| with.has(key)) {
        let mistake = Mistake::new(MISSING_KEY, with.at.clone(), format!("this changes nothing about the {what}"));
        with.reader.note(mistake.help(format!("say {}", list(arguments.iter().copied(), "or"))));
    }
}

fn connector_scale(with: &Block<'_, '_>) -> Option<Action> {
    let connector = with.text("connector");
    let min_instances = with.integer("min_instances");
    let max_instances = with.integer("max_instances");
    let machine_type = with.text("machine_type");
    changes(with, "connector", &["min_instances", "max_instances", "machine_type"]);
    Some(Action::ConnectorScale { connector: connector?, min_instances, max_instances, machine_type })
}

fn run_traffic(with: &Block<'_, '_>) -> Option<Action> {
    let (service, to) = (with.text("service"), with.shares("to"));
    Some(Action::RunTraffic { service: service?, to: to? })
}

fn run_deploy(with: &Block<'_, '_>) -> Option<Action> {
    let service = with.text("service");
    let image = with.text("image").map(Image::new);
    let tag = with.text("candidate");
    let hosts = with.texts("hosts").unwrap_or_default();
    if !hosts.is_empty() && !with.has("candidate") {
        let message = "`hosts` says where a candidate is asked, and there is no `candidate`";
        with.wrong("hosts", message, "add candidate = \"cand\", or take `hosts` out");
    }
    let candidate = tag.map(|tag| Candidate { tag, hosts });
    let shift = with.percents("shift").unwrap_or_default();
    let hold = with.positive_duration("hold");
    for (key, what) in [("hold", "is how long the gate holds at each share of `shift`"), ("candidate", "is shifted to")]
    {
        if with.has(key) && !with.has("shift") {
            let message = format!("`{key}` {what}, and there is no `shift`");
            let mistake = Mistake::new(BAD_VALUE, with.place(key), message);
            with.reader.note(mistake.help(format!("add shift = [10, 50, 100], or take `{key}` out")));
        }
    }
    Some(Action::RunDeploy { service: service?, image: image?, candidate, shift, hold })
}

fn run_scale(with: &Block<'_, '_>) -> Option<Action> {
    let service = with.text("service");
    let (min_instances, max_instances) = (with.integer("min_instances"), with.integer("max_instances"));
    changes(with, "service", &["min_instances", "max_instances"]);
    Some(Action::RunScale { service: service?, min_instances, max_instances })
}

fn sql_patch(with: &Block<'_, '_>) -> Option<Action> {
    let (instance, flags) = (with.text("instance"), with.values("flags"));
    if flags.as_ref().is_some_and(std::collections::BTreeMap::is_empty) {
        with.wrong("flags", "this changes nothing about the instance", "name at least one flag");
    }
    Some(Action::SqlPatch { instance: instance?, flags: flags? })
}

fn manual(with: &Block<'_, '_>) -> Option<Action> {
    let (instructions, undo, verify) = (with.text("instructions"), with.text("undo"), with.text("verify"));
    Some(Action::Manual { instructions: instructions?, undo, verify })
}

fn notify(with: &Block<'_, '_>) -> Option<Action> {
    let (webhook, text) = (with.private("webhook"), with.text("text"));
    Some(Action::Notify { webhook: webhook?, text: text? })
}

fn issue(with: &Block<'_, '_>) -> Option<Action> {
    let address = with.text("issue");
    let add_labels = with.texts("add_labels").unwrap_or_default();
    let remove_labels = with.texts("remove_labels").unwrap_or_default();
    let (comment, close) = (with.text("comment"), with.flag("close").unwrap_or_default());
    changes(with, "issue", &["add_labels", "remove_labels", "comment", "close"]);
    let issue = address?.parse().map_err(|error: NotAnIssue| {
        if with.reader.is_resolved(&with.path.key("issue")) {
            let help = "write it such as https://github.com/OWNER/REPOSITORY/issues/12";
            with.wrong("issue", error.to_string(), help);
        }
    });
    let issue = issue.ok();
    Some(Action::Issue(IssueUpdate { issue, add_labels, remove_labels, comment, close }))
}

fn wait(with: &Block<'_, '_>) -> Option<Action> {
    let pause = with.duration("for");
    Some(Action::Wait { pause: pause? })
}

fn shell(with: &Block<'_, '_>) -> Option<Action> {
    let bash = with.choice("shell", &SHELLS).is_some();
    let command = |key| read_command(with, key, bash);
    let (run, check, undo) = (command("run"), command("check"), command("undo"));
    let env = with.private_values("env").unwrap_or_default();
    let timeout = with.positive_duration("timeout").unwrap_or(TIMEOUT);
    Some(Action::Shell { run: run?, check, undo, env, timeout })
}

fn read_command(with: &Block<'_, '_>, key: &'static str, bash: bool) -> Option<Command> {
    if bash {
        return with.script(key).map(Command::Bash);
    }
    let program = with.program(key)?;
    if program.first().is_none_or(String::is_empty) {
        with.wrong(key, "there is no program to run", "write it such as [\"./warm-up\", \"--fast\"]");
    }
    Some(Command::Program(program))
}

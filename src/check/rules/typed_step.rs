//! What an action of Rectify does is not done by a command.
//!
//! A command is opaque: the plan cannot show what it changes, a rehearsal leaves it out, and undoing it is up to the author. The
//! actions are planned, validated, journaled and undone. So the step is written out, where the command can be.

use std::fmt::Write as _;

use super::{Answer, Rule, Subject, list_replaced};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{CommandLine, StepCommand, Tool};

pub(super) const RULE: Rule = Rule {
    code: "typed-step",
    title: "what an action does is not done by a command (warning)",
    page: include_str!("../../../docs/checks/typed-step.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands().iter().filter(|command| command.key == "run") {
        // That flag has a warning of its own, with the same advice.
        if command.line.flag(list_replaced::DATABASE_FLAGS).is_some() {
            continue;
        }
        let Some(step) = equivalent(&command.line).filter(|_| is_about_target(subject, command)) else { continue };
        let place = subject.command_place(command, &command.place);
        let message = format!("this is {}; as a typed step it is planned, rehearsed and undone", step.action);
        found.push(Diagnostic::warning(RULE.code, place, message).help(format!("write instead: {step}")));
    }
    found
}

/// Whether the command is about the project and the region that a step is about.
fn is_about_target(subject: &Subject<'_>, command: &StepCommand) -> bool {
    let Some(target) = subject.draft.target.read() else { return true };
    let named = command.line.target();
    [(named.project, &target.project), (named.region, &target.region)]
        .into_iter()
        .all(|(named, own)| named.is_none_or(|named| !named.is_literal || named.value == *own))
}

/// A step that does what a command does.
pub(super) struct TypedStep {
    action: &'static str,
    /// What stands between the braces of `with`.
    with: String,
}

impl std::fmt::Display for TypedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "uses = \"{}\" and with = {{ {} }}", self.action, self.with)
    }
}

/// The step that does what this command does, if an action can do all of it.
pub(super) fn equivalent(line: &CommandLine) -> Option<TypedStep> {
    if line.tool != Tool::Gcloud || line.has_unknown_words {
        return None;
    }
    traffic(line).or_else(|| deploy(line)).or_else(|| scale(line)).or_else(|| connector(line)).or_else(|| patch(line))
}

/// The flags that say where, and those that matter to nobody.
const ELSEWHERE: [&str; 8] = ["async", "format", "platform", "project", "q", "quiet", "region", "verbosity"];

/// Whether these are all the flags that change something.
fn has_only(line: &CommandLine, flags: &[&str]) -> bool {
    line.flags.iter().all(|flag| ELSEWHERE.contains(&flag.name.as_str()) || flags.contains(&flag.name.as_str()))
}

/// The one name behind a command, as TOML.
fn named(line: &CommandLine, command: &str) -> Option<String> {
    match line.names(command)? {
        [name] if name.is_literal => Some(quoted(&name.text)),
        // Of a variable of a script nothing but its name is known.
        [name] => Some(quoted(&format!("${{inputs.{}}}", variable(&name.text)))),
        _ => None,
    }
}

/// An input's name for what a script has in a variable.
fn variable(written: &str) -> String {
    let letters = written.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
    letters.collect::<String>().to_lowercase()
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn traffic(line: &CommandLine) -> Option<TypedStep> {
    let service = named(line, "run services update-traffic")?;
    let latest = line.flag("to-latest").is_some();
    let revisions = line.flag("to-revisions");
    if !has_only(line, &["to-latest", "to-revisions"]) || latest == revisions.is_some() {
        return None;
    }
    let mut to = String::new();
    match revisions {
        None => to.push_str("LATEST = 100"),
        Some(flag) => {
            for (index, part) in flag.value.split(',').enumerate() {
                let (revision, share) = part.split_once('=')?;
                let share: u8 = share.parse().ok()?;
                let revision = if revision.contains('$') {
                    format!("${{inputs.{}}}", variable(revision))
                } else {
                    revision.to_owned()
                };
                let _ = write!(to, "{}{} = {share}", if index > 0 { ", " } else { "" }, quoted(&revision));
            }
        }
    }
    Some(TypedStep { action: "gcp.run.traffic", with: format!("service = {service}, to = {{ {to} }}") })
}

fn deploy(line: &CommandLine) -> Option<TypedStep> {
    let service = named(line, "run deploy").or_else(|| named(line, "run services update"))?;
    let image = line.flag("image")?;
    if !has_only(line, &["image", "no-traffic", "tag"]) {
        return None;
    }
    let image = match image.value.split_once('@') {
        Some(_) if image.is_literal => quoted(&image.value),
        _ => quoted("${inputs.image}"),
    };
    let candidate = line.value("tag").map(|tag| format!(", candidate = {}, shift = [10, 100]", quoted(tag)));
    let with = format!("service = {service}, image = {image}{}", candidate.unwrap_or_default());
    Some(TypedStep { action: "gcp.run.deploy", with })
}

/// The bounds that these two flags set, as further arguments.
fn bounds(line: &CommandLine, min: &str, max: &str) -> String {
    let each = [(min, "min_instances"), (max, "max_instances")].into_iter();
    each.filter_map(|(flag, key)| Some(format!(", {key} = {}", line.number(flag)?))).collect()
}

/// The bounds of a service. Those of its revisions (`--max-instances`) have no action.
fn scale(line: &CommandLine) -> Option<TypedStep> {
    let service = named(line, "run services update")?;
    let bounds = bounds(line, "min", "max");
    let is_whole = has_only(line, &["min", "max"]) && !bounds.is_empty();
    is_whole.then(|| TypedStep { action: "gcp.run.scale", with: format!("service = {service}{bounds}") })
}

fn connector(line: &CommandLine) -> Option<TypedStep> {
    let connector = named(line, "compute networks vpc-access connectors update")?;
    let machine = line.value("machine-type").map(|machine| format!(", machine_type = {}", quoted(machine)));
    let bounds = bounds(line, "min-instances", "max-instances");
    let with = format!("connector = {connector}{bounds}{}", machine.unwrap_or_default());
    has_only(line, &["min-instances", "max-instances", "machine-type"])
        .then_some(TypedStep { action: "gcp.connector.scale", with })
}

fn patch(line: &CommandLine) -> Option<TypedStep> {
    let instance = named(line, "sql instances patch")?;
    let flags = line.value(list_replaced::DATABASE_FLAGS)?;
    if !has_only(line, &[list_replaced::DATABASE_FLAGS]) || flags.contains('^') {
        return None;
    }
    let flag = |flag: &str| {
        let (name, value) = flag.split_once('=')?;
        let value = value.parse::<i64>().map_or_else(|_| quoted(value), |number| number.to_string());
        Some(format!("{name} = {value}"))
    };
    let flags = flags.split(',').map(flag).collect::<Option<Vec<_>>>()?.join(", ");
    Some(TypedStep { action: "gcp.sql.patch", with: format!("instance = {instance}, flags = {{ {flags} }}") })
}

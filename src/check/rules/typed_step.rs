//! What an action of Rectify does is not done by a command.
//!
//! A command is opaque: the plan cannot show what it changes, a rehearsal leaves it out, and undoing it is up to the author. The
//! actions are planned, validated, journaled and undone. So the step is written out, where the command can be.

use std::fmt::Write as _;

use super::{Answer, Rule, Subject, list_replaced};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{CommandLine, Flag, StepCommand, Tool};

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
        // Those flags have a warning of their own, with the same advice.
        if list_replaced::WITH_STEP.iter().any(|flag| command.line.flag(flag).is_some()) {
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
    let typed = [traffic, deploy, scale, configure, connector, patch, call, of_a_version, new_version, backup];
    typed.into_iter().find_map(|typed| typed(line))
}

/// Commands that are one call, with the argument that names what it is on.
const CALLS: &[(&str, &str, &str)] = &[
    ("run jobs execute", "gcp.run.job.execute", "job"),
    ("scheduler jobs pause", "gcp.scheduler.pause", "job"),
    ("scheduler jobs resume", "gcp.scheduler.resume", "job"),
    ("sql instances failover", "gcp.sql.failover", "instance"),
    ("sql instances promote-replica", "gcp.sql.promote", "instance"),
    ("sql instances restart", "gcp.sql.restart", "instance"),
];

fn call(line: &CommandLine) -> Option<TypedStep> {
    let (name, (_, action, key)) = CALLS.iter().find_map(|known| Some((named(line, known.0)?, known)))?;
    // A full name may be of another project.
    let is_whole = has_only(line, &["location", "wait"]) && !name.contains('/');
    is_whole.then(|| TypedStep { action, with: format!("{key} = {name}") })
}

/// Commands about a version of a secret.
const OF_A_VERSION: &[(&str, &str)] = &[
    ("secrets versions destroy", "gcp.secret.destroy"),
    ("secrets versions disable", "gcp.secret.disable"),
    ("secrets versions enable", "gcp.secret.enable"),
];

fn of_a_version(line: &CommandLine) -> Option<TypedStep> {
    let (version, (_, action)) = OF_A_VERSION.iter().find_map(|known| Some((named(line, known.0)?, known)))?;
    let secret = line.value("secret").map(quoted)?;
    // Which version that is changes.
    let is_whole = has_only(line, &["secret"]) && version != quoted("latest");
    is_whole.then(|| TypedStep { action, with: format!("secret = {secret}, version = {version}") })
}

fn new_version(line: &CommandLine) -> Option<TypedStep> {
    let secret = named(line, "secrets versions add")?;
    let with = format!("secret = {secret}, value = \"${{inputs.value}}\"");
    // Whoever says what is printed needs that for something.
    let is_whole = has_only(line, &["data-file"]) && line.flag("format").is_none();
    is_whole.then_some(TypedStep { action: "gcp.secret.add", with })
}

fn backup(line: &CommandLine) -> Option<TypedStep> {
    line.names("sql backups create").filter(|names| names.is_empty())?;
    let instance = line.value("instance").map(quoted)?;
    has_only(line, &["instance"])
        .then(|| TypedStep { action: "gcp.sql.backup", with: format!("instance = {instance}") })
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

/// The flags of the settings of a service's template.
const CONFIGURING: [&str; 18] = [
    "set-env-vars",
    "update-env-vars",
    "remove-env-vars",
    "set-secrets",
    "update-secrets",
    "memory",
    "cpu",
    "concurrency",
    "timeout",
    "min-instances",
    "max-instances",
    "vpc-connector",
    "network",
    "subnet",
    "vpc-egress",
    "service-account",
    "no-traffic",
    "tag",
];

/// The settings of a service's template; with a name for the revision and nothing else, a restart.
fn configure(line: &CommandLine) -> Option<TypedStep> {
    let service = named(line, "run services update").or_else(|| named(line, "run deploy"))?;
    let mut with = format!("service = {service}");
    if line.flag("revision-suffix").is_some() && has_only(line, &["revision-suffix", "no-traffic", "tag"]) {
        with.push_str(", restart = true");
    } else if has_only(line, &CONFIGURING) {
        let settings = settings(line)?;
        if settings.is_empty() {
            return None;
        }
        let _ = write!(with, ", {}", settings.join(", "));
    } else {
        return None;
    }
    if let Some(tag) = line.value("tag") {
        let _ = write!(with, ", candidate = {}, shift = [10, 100]", quoted(tag));
    }
    Some(TypedStep { action: "gcp.run.configure", with })
}

/// The arguments that set what these flags set; `None` if one of them is not understood.
fn settings(line: &CommandLine) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    for (flags, argument) in
        [(["set-env-vars", "update-env-vars"], "env"), (["set-secrets", "update-secrets"], "secrets")]
    {
        let lists: Vec<&Flag> = flags.iter().filter_map(|flag| line.flag(flag)).collect();
        if lists.is_empty() {
            continue;
        }
        let entries = lists.into_iter().map(entries).collect::<Option<Vec<_>>>()?.concat();
        arguments.push(format!("{argument} = {{ {} }}", entries.join(", ")));
    }
    if let Some(flag) = line.flag("remove-env-vars") {
        let names: Vec<String> = flag.value.split(',').map(quoted).collect();
        flag.is_literal.then_some(())?;
        arguments.push(format!("unset_env = [{}]", names.join(", ")));
    }
    for (flag, argument) in [
        ("memory", "memory"),
        ("cpu", "cpu"),
        ("vpc-connector", "connector"),
        ("network", "network"),
        ("subnet", "subnet"),
        ("vpc-egress", "egress"),
        ("service-account", "service_account"),
    ] {
        if let Some(flag) = line.flag(flag) {
            arguments.push(format!("{argument} = {}", text(&flag.value, flag.is_literal)?));
        }
    }
    for (flag, argument) in
        [("concurrency", "concurrency"), ("min-instances", "min_instances"), ("max-instances", "max_instances")]
    {
        if line.flag(flag).is_some() {
            // Zero has a meaning of its own, and no action sets it.
            let number = line.number(flag).filter(|number| *number > 0 || argument == "min_instances")?;
            arguments.push(format!("{argument} = {number}"));
        }
    }
    if let Some(timeout) = line.flag("timeout") {
        let is_number = timeout.value.parse::<u64>().is_ok();
        let written = if is_number { format!("{}s", timeout.value) } else { timeout.value.clone() };
        arguments.push(format!("timeout = {}", text(&written, timeout.is_literal)?));
    }
    Some(arguments)
}

/// The entries of a list such as `A=1,B=2`; `None` if it has another delimiter, or a file in the place of a variable.
fn entries(flag: &Flag) -> Option<Vec<String>> {
    let entry = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty();
        is_name.then_some(())?;
        Some(format!("{name} = {}", text(value, !value.contains('$') || flag.is_literal)?))
    };
    flag.value.split(',').map(entry).collect()
}

/// A value as TOML; an input for what a script has in a variable, if that is all of it.
fn text(value: &str, is_literal: bool) -> Option<String> {
    if is_literal {
        return Some(quoted(value));
    }
    let input = value.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
    let input = input.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))?;
    Some(quoted(&format!("${{inputs.{}}}", variable(input))))
}

/// The bounds of a service. Those of its revisions (`--max-instances`) are settings of its template.
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
    let mut with = format!("instance = {instance}");
    if line.flag(list_replaced::DATABASE_FLAGS).is_some() {
        let flags = line.value(list_replaced::DATABASE_FLAGS).filter(|flags| !flags.contains('^'))?;
        let flag = |flag: &str| {
            let (name, value) = flag.split_once('=')?;
            let value = value.parse::<i64>().map_or_else(|_| quoted(value), |number| number.to_string());
            Some(format!("{name} = {value}"))
        };
        let flags = flags.split(',').map(flag).collect::<Option<Vec<_>>>()?.join(", ");
        let _ = write!(with, ", flags = {{ {flags} }}");
    }
    for (flag, key) in [("tier", "tier"), ("activation-policy", "activation_policy")] {
        if line.flag(flag).is_some() {
            let value = line.value(flag)?;
            let value = if key == "tier" { quoted(value) } else { quoted(&value.to_uppercase()) };
            let _ = write!(with, ", {key} = {value}");
        }
    }
    if line.flag("storage-size").is_some() {
        let size = line.value("storage-size")?.trim_end_matches("GB").parse::<u32>().ok()?;
        let _ = write!(with, ", storage_gb = {size}");
    }
    let flags = [list_replaced::DATABASE_FLAGS, "tier", "activation-policy", "storage-size"];
    let is_whole = has_only(line, &flags) && flags.iter().any(|flag| line.flag(flag).is_some());
    is_whole.then_some(TypedStep { action: "gcp.sql.patch", with })
}

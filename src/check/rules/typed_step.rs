//! What an action of Rectify does is not done by a command.
//!
//! A command is opaque: the plan cannot show what it changes, a rehearsal leaves it out, and undoing it is up to the author. The
//! actions are planned, validated, journaled and undone. So the step is written out, if it does exactly what the command does; where
//! something is in the way, that is said instead.

use std::fmt::Write as _;

use super::{Answer, Rule, Subject, list_replaced};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{CommandLine, Flag, Named, Scope, Setting, StepCommand, Tool};
use crate::resource::connector::{MACHINE_TYPES, MAX_INSTANCES, MIN_INSTANCES};

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
        let (Some(likeness), Some(about)) = (likeness(&command.line), about(subject, command)) else { continue };
        let place = subject.command_place(command, &command.place);
        let (message, help) = match likeness {
            Likeness::Step(step) if command.is_repeated => (
                format!("{} does this, and as a typed step it is planned, rehearsed and undone", step.action),
                "write one step for each, or one with `for_each`".to_owned(),
            ),
            Likeness::Step(step) => (
                format!("this is {}; as a typed step it is planned, rehearsed and undone", step.action),
                match about {
                    About::Target => format!("write instead: {step}"),
                    About::Perhaps => {
                        format!("write instead, {IF_TARGET_IS_MEANT}: {step}")
                    }
                },
            ),
            Likeness::Part { action, lacking } => (
                format!("{action} does this, and as a typed step it is planned, rehearsed and undone"),
                lacking.to_owned(),
            ),
        };
        found.push(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    found
}

/// A sentence with the step that does what a command does, for a rule that has something else to say of it.
pub(super) fn suggestion(subject: &Subject<'_>, command: &StepCommand) -> Option<String> {
    let step = equivalent(&command.line).filter(|_| !command.is_repeated)?;
    Some(match about(subject, command)? {
        About::Target => step.to_string(),
        About::Perhaps => format!("{IF_TARGET_IS_MEANT}: {step}"),
    })
}

/// Of a command that does not say it, or has it in a variable.
const IF_TARGET_IS_MEANT: &str = "if the project and the region of [target] are meant";

/// What a command is about.
enum About {
    /// The project and the region that a step is about.
    Target,
    /// What only a run knows.
    Perhaps,
}

/// Whether the command is about the project and the region that a step is about; `None` if it is not.
fn about(subject: &Subject<'_>, command: &StepCommand) -> Option<About> {
    let Some(target) = subject.draft.target.read() else { return Some(About::Perhaps) };
    let named = command.line.target();
    let value = |named: Option<Named>, set: &Setting| match named {
        Some(named) => Some(named.value).filter(|_| named.is_literal),
        None => match set {
            Setting::Is(value) => Some(value.clone()),
            Setting::Ambient | Setting::Unknown => None,
        },
    };
    let region = command.surroundings.region(command.line.group());
    let mut judged = vec![(value(named.project, &command.surroundings.project), &target.project)];
    if matches!(command.line.effect(), Some((_, Scope::Regional))) {
        judged.push((value(named.region, &region), &target.region));
    }
    if judged.iter().any(|(value, own)| value.as_ref().is_some_and(|value| value != *own)) {
        return None;
    }
    Some(if judged.iter().all(|(value, _)| value.is_some()) { About::Target } else { About::Perhaps })
}

/// A step that does what a command does.
struct TypedStep {
    action: &'static str,
    /// What stands between the braces of `with`.
    with: String,
}

impl std::fmt::Display for TypedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "uses = \"{}\" and with = {{ {} }}", self.action, self.with)?;
        if IRREVERSIBLE.contains(&self.action) {
            f.write_str(", with irreversible = true")?;
        }
        // A value that a step may give out is no secret's.
        if self.action == "gcp.secret.add" { f.write_str(", where the input has secret = true") } else { Ok(()) }
    }
}

/// The actions whose step has to say that it cannot be undone.
const IRREVERSIBLE: [&str; 6] = [
    "gcp.connector.scale",
    "gcp.run.job.execute",
    "gcp.secret.add",
    "gcp.secret.destroy",
    "gcp.sql.failover",
    "gcp.sql.promote",
];

/// What an action has to do with a command.
enum Likeness {
    /// It does exactly that.
    Step(TypedStep),
    /// It does that if something is said which the command does not say.
    Part { action: &'static str, lacking: &'static str },
}

/// The step that does what this command does, if an action can do all of it.
fn equivalent(line: &CommandLine) -> Option<TypedStep> {
    match likeness(line)? {
        Likeness::Step(step) => Some(step),
        Likeness::Part { .. } => None,
    }
}

fn likeness(line: &CommandLine) -> Option<Likeness> {
    // Of a flag that is given twice the last holds, but for those that are lists.
    let is_repeated = |flag: &Flag| {
        let count = line.flags.iter().filter(|other| other.name == flag.name).count();
        count > 1 && !LISTS.contains(&flag.name.as_str())
    };
    if line.tool != Tool::Gcloud || line.has_unknown_words || line.flags.iter().any(is_repeated) {
        return None;
    }
    let steps = [traffic, deploy, scale, configure, connector, patch, call, of_a_version, new_version, backup];
    let step = steps.into_iter().find_map(|typed| typed(line)).map(Likeness::Step);
    step.or_else(|| [split_in_part, held_back, connector_in_part].into_iter().find_map(|part| part(line)))
}

/// The flags that may be given several times.
const LISTS: [&str; 4] = ["set-env-vars", "set-secrets", "update-env-vars", "update-secrets"];

/// Traffic of which less than all is said where it goes: the rest stays where it is, in the shares that it has.
fn split_in_part(line: &CommandLine) -> Option<Likeness> {
    named(line, "run services update-traffic")?;
    let shares = line.value("to-revisions")?.split(',').map(|part| part.split_once('=')?.1.parse::<u8>().ok());
    let sum = shares.sum::<Option<u8>>()?;
    Some(Likeness::Part {
        action: "gcp.run.traffic",
        lacking: "say in `to` where all of the traffic goes: its shares add up to 100",
    })
    .filter(|_| sum < 100 && has_only(line, &["to-revisions"]))
}

/// A revision that gets no traffic and has no tag by which it could be looked at.
fn held_back(line: &CommandLine) -> Option<Likeness> {
    let deploys = line.flag("image").is_some() && has_only(line, &["image", "no-traffic"]);
    let configures = line.names("run services update").is_some() && has_only(line, &CONFIGURING);
    let service = line.names("run services update").or_else(|| line.names("run deploy"))?;
    if service.len() != 1 || line.flag("no-traffic").is_none() || line.flag("tag").is_some() {
        return None;
    }
    let lacking = "a step keeps traffic away with candidate = \"TAG\", the tag at which the new revision is observed";
    match (deploys, configures) {
        (true, _) => Some(Likeness::Part { action: "gcp.run.deploy", lacking }),
        (_, true) => Some(Likeness::Part { action: "gcp.run.configure", lacking }),
        _ => None,
    }
}

fn connector_in_part(line: &CommandLine) -> Option<Likeness> {
    named(line, "compute networks vpc-access connectors update")?;
    let has = |flag: &str| line.flag(flag).is_some();
    let is_part = has("min-instances") != has("max-instances") && has_only(line, &CONNECTOR);
    is_part.then_some(Likeness::Part {
        action: "gcp.connector.scale",
        lacking: "it takes both min_instances and max_instances: add the one that stays as it is",
    })
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
    has_only(line, &["location", "wait"]).then(|| TypedStep { action, with: format!("{key} = {name}") })
}

/// Commands about a version of a secret.
const OF_A_VERSION: &[(&str, &str)] = &[
    ("secrets versions destroy", "gcp.secret.destroy"),
    ("secrets versions disable", "gcp.secret.disable"),
    ("secrets versions enable", "gcp.secret.enable"),
];

fn of_a_version(line: &CommandLine) -> Option<TypedStep> {
    let (version, (_, action)) = OF_A_VERSION.iter().find_map(|known| Some((named(line, known.0)?, known)))?;
    let secret = line.flag("secret").and_then(text)?;
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
    let instance = line.flag("instance").and_then(text)?;
    has_only(line, &["instance"])
        .then(|| TypedStep { action: "gcp.sql.backup", with: format!("instance = {instance}") })
}

/// The flags that say where, and those that matter to nobody.
const ELSEWHERE: [&str; 8] = ["async", "format", "platform", "project", "q", "quiet", "region", "verbosity"];

/// Whether these are all the flags that change something.
fn has_only(line: &CommandLine, flags: &[&str]) -> bool {
    line.flags.iter().all(|flag| ELSEWHERE.contains(&flag.name.as_str()) || flags.contains(&flag.name.as_str()))
}

/// The one name behind a command, as TOML. A full name may be of another project.
fn named(line: &CommandLine, command: &str) -> Option<String> {
    match line.names(command)? {
        [name] if !name.text.contains(['/', ':']) => toml_of(&name.text, (name.is_literal, name.is_given)),
        _ => None,
    }
}

/// The value of a flag as TOML.
fn text(flag: &Flag) -> Option<String> {
    toml_of(&flag.value, (flag.is_literal, flag.is_given))
}

/// A value as TOML: an input for a variable that the script is given, if that is all of it.
fn toml_of(value: &str, (is_literal, is_given): (bool, bool)) -> Option<String> {
    if is_literal || !value.contains(['$', '`']) && is_given {
        // A runbook would take this for a reference of its own.
        return Some(quoted(&value.replace("${", "$${"))).filter(|_| !value.is_empty());
    }
    let name = value.strip_prefix('$').filter(|_| is_given)?;
    if name.starts_with('{') && name.contains('.') && name.ends_with('}') {
        // A program's argument may refer to the runbook, as a step does.
        return Some(quoted(value));
    }
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| quoted(&format!("${{inputs.{}}}", name.to_lowercase())))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) && !name.is_empty();
    if is_bare { name.to_owned() } else { quoted(name) }
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
            let mut left = 100_u8;
            for (index, part) in flag.value.split(',').enumerate() {
                let (revision, share) = part.split_once('=')?;
                let share: u8 = share.parse().ok()?;
                left = left.checked_sub(share)?;
                let revision = toml_of(revision, (flag.is_literal, flag.is_given))?;
                let _ = write!(to, "{}{revision} = {share}", if index > 0 { ", " } else { "" });
            }
            // What is not named keeps its traffic with the command, and gets none with the step.
            (left == 0).then_some(())?;
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
        // Whichever image a tag or a variable means, the input names it by digest.
        _ => quoted("${inputs.image}"),
    };
    let with = format!("service = {service}, image = {image}{}", candidate(line)?);
    Some(TypedStep { action: "gcp.run.deploy", with })
}

/// The argument that keeps traffic from a new revision; `None` if a step cannot do what the flags say.
fn candidate(line: &CommandLine) -> Option<String> {
    match (line.flag("no-traffic"), line.flag("tag")) {
        (None, None) => Some(String::new()),
        (Some(_), Some(tag)) => Some(format!(", candidate = {}", text(tag)?)),
        // Without a tag there is nothing to observe; a tagged revision with traffic is no candidate.
        (Some(_), None) | (None, Some(_)) => None,
    }
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
    let service = named(line, "run services update")?;
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
    with.push_str(&candidate(line)?);
    Some(TypedStep { action: "gcp.run.configure", with })
}

/// The arguments that set what these flags set; `None` if one of them is not understood.
fn settings(line: &CommandLine) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    for (flags, argument) in
        [(["set-env-vars", "update-env-vars"], "env"), (["set-secrets", "update-secrets"], "secrets")]
    {
        let lists: Vec<&Flag> = line.flags.iter().filter(|flag| flags.contains(&flag.name.as_str())).collect();
        if lists.is_empty() {
            continue;
        }
        // An entry that is given again is the last one.
        let mut last: Vec<(String, String)> = Vec::new();
        for (name, value) in lists.into_iter().map(entries).collect::<Option<Vec<_>>>()?.concat() {
            last.retain(|(other, _)| *other != name);
            last.push((name, value));
        }
        let entries: Vec<String> = last.into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
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
            // A step names a connector shortly, and an account by its address.
            let is_address = !flag.is_literal || flag.value.contains('@');
            let is_short = !flag.value.contains('/') && (argument != "service_account" || is_address);
            arguments.push(format!("{argument} = {}", text(flag).filter(|_| is_short)?));
        }
    }
    for (flag, argument) in
        [("concurrency", "concurrency"), ("min-instances", "min_instances"), ("max-instances", "max_instances")]
    {
        if line.flag(flag).is_some() {
            // Zero has a meaning of its own, and no action sets it.
            let number = literal_number(line, flag).filter(|number| *number > 0 || argument == "min_instances")?;
            arguments.push(format!("{argument} = {number}"));
        }
    }
    rising(literal_number(line, "min-instances"), literal_number(line, "max-instances"))?;
    if let Some(timeout) = line.flag("timeout") {
        let seconds = || {
            let at = timeout.value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(timeout.value.len());
            let (number, unit) = timeout.value.split_at(at);
            let factor = match unit {
                "" | "s" => 1,
                "m" => 60,
                "h" => 3600,
                _ => return None,
            };
            // Cloud Run takes no more, and the action neither.
            number.parse::<u64>().ok()?.checked_mul(factor).filter(|seconds| (1..=3600).contains(seconds))
        };
        // A number in a variable has no unit, which a step asks for.
        arguments.push(format!("timeout = \"{}s\"", seconds()?));
    }
    Some(arguments)
}

/// The number that a flag is for certain.
fn literal_number(line: &CommandLine, flag: &str) -> Option<i64> {
    line.value(flag)?.parse().ok()
}

/// Nothing if there is more at least than at most.
fn rising(least: Option<i64>, most: Option<i64>) -> Option<()> {
    least.zip(most).is_none_or(|(least, most)| least <= most).then_some(())
}

/// The entries of a list such as `A=1,B=2`; `None` if it has another delimiter, or a file in the place of a variable.
fn entries(flag: &Flag) -> Option<Vec<(String, String)>> {
    let entry = |entry: &str| {
        let (name, value) = entry.split_once('=')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty();
        is_name.then_some(())?;
        let value = if value.is_empty() { quoted("") } else { toml_of(value, (flag.is_literal, flag.is_given))? };
        Some((name.to_owned(), value))
    };
    flag.value.split(',').map(entry).collect()
}

/// The bounds of a service. Those of its revisions (`--max-instances`) are settings of its template.
fn scale(line: &CommandLine) -> Option<TypedStep> {
    let service = named(line, "run services update").filter(|_| has_only(line, &["min", "max"]))?;
    let mut with = format!("service = {service}");
    for (flag, argument, least) in [("min", "min_instances", 0), ("max", "max_instances", 1)] {
        if line.flag(flag).is_some() {
            let number = literal_number(line, flag).filter(|number| *number >= least)?;
            let _ = write!(with, ", {argument} = {number}");
        }
    }
    rising(literal_number(line, "min"), literal_number(line, "max"))?;
    let is_whole = line.flag("min").is_some() || line.flag("max").is_some();
    is_whole.then_some(TypedStep { action: "gcp.run.scale", with })
}

/// The flags of the size of a connector.
const CONNECTOR: [&str; 3] = ["min-instances", "max-instances", "machine-type"];

fn connector(line: &CommandLine) -> Option<TypedStep> {
    let connector =
        named(line, "compute networks vpc-access connectors update").filter(|_| has_only(line, &CONNECTOR))?;
    let mut with = format!("connector = {connector}");
    if line.flag("min-instances").is_some() || line.flag("max-instances").is_some() {
        let (min, max) = (literal_number(line, "min-instances")?, literal_number(line, "max-instances")?);
        (MIN_INSTANCES.contains(&min) && MAX_INSTANCES.contains(&max) && min < max).then_some(())?;
        let _ = write!(with, ", min_instances = {min}, max_instances = {max}");
    }
    if line.flag("machine-type").is_some() {
        let machine = line.value("machine-type").filter(|machine| MACHINE_TYPES.contains(machine))?;
        let _ = write!(with, ", machine_type = {}", quoted(machine));
    }
    let is_whole = CONNECTOR.iter().any(|flag| line.flag(flag).is_some());
    is_whole.then_some(TypedStep { action: "gcp.connector.scale", with })
}

fn patch(line: &CommandLine) -> Option<TypedStep> {
    let instance = named(line, "sql instances patch")?;
    let mut with = format!("instance = {instance}");
    if line.flag(list_replaced::DATABASE_FLAGS).is_some() {
        let flags = line.value(list_replaced::DATABASE_FLAGS).filter(|flags| !flags.contains('^'))?;
        let flag = |flag: &str| {
            let (name, value) = flag.split_once('=')?;
            let value = value.parse::<i64>().map_or_else(|_| quoted(value), |number| number.to_string());
            Some(format!("{} = {value}", key(name)))
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

//! A flag that replaces a whole list is not used to change one entry.
//!
//! `--set-env-vars`, `--set-secrets` and `--database-flags` remove whatever they do not name, and `--clear-…` removes
//! everything (source: `gcloud` 528, `--help` of the commands). In an incident somebody wants to change one of them.

use super::{Answer, Rule, Subject, typed_step};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{Flag, StepCommand};

pub(super) const RULE: Rule = Rule {
    code: "list-replaced",
    title: "a command does not remove the entries of a list that it does not name (warning)",
    page: include_str!("../../../docs/checks/list-replaced.md"),
    answer: Answer::WithReason,
    find,
};

/// The flag of `sql instances patch` that replaces the list of flags.
pub(super) const DATABASE_FLAGS: &str = "database-flags";

/// The flags of which the warning here has the step written out that does the same without removing anything.
pub(super) const WITH_STEP: [&str; 3] = [DATABASE_FLAGS, "set-env-vars", "set-secrets"];

/// The flags that replace a list, what they are lists of, and the flag that leaves the others as they are.
const REPLACING: [(&str, &str, Option<&str>); 10] = [
    ("set-env-vars", "environment variable", Some("update-env-vars")),
    ("set-secrets", "secret", Some("update-secrets")),
    ("set-labels", "label", Some("update-labels")),
    ("set-cloudsql-instances", "Cloud SQL instance", Some("add-cloudsql-instances")),
    ("env-vars-file", "environment variable", Some("update-env-vars")),
    ("authorized-networks", "network", None),
    ("set-build-env-vars", "environment variable of the build", Some("update-build-env-vars")),
    ("set-tags", "tag", Some("update-tags")),
    ("source-ranges", "range", None),
    (DATABASE_FLAGS, "database flag", None),
];

/// Commands that replace what they set with what a file says.
const REPLACING_COMMANDS: [(&str, &str); 1] = [("set-iam-policy", "binding")];

/// The commands whose flags those are.
const COMMANDS: [&str; 12] = [
    "compute firewall-rules update",
    "container clusters update",
    "functions deploy",
    "pubsub subscriptions update",
    "run deploy",
    "run jobs deploy",
    "run jobs update",
    "run services update",
    "run services update-traffic",
    "run worker-pools deploy",
    "run worker-pools update",
    "sql instances patch",
];

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let commands =
        subject.commands().iter().filter(|command| COMMANDS.iter().any(|name| command.line.names(name).is_some()));
    let by_flags =
        commands.flat_map(|command| command.line.flags.iter().filter_map(move |flag| fault(subject, command, flag)));
    by_flags.chain(subject.commands().iter().filter_map(|command| by_file(subject, command))).collect()
}

/// A command that replaces the whole list by its nature.
fn by_file(subject: &Subject<'_>, command: &StepCommand) -> Option<Diagnostic> {
    let verb = command.line.verb()?;
    let (verb, what) = REPLACING_COMMANDS.iter().find(|(replacing, _)| *replacing == verb.text)?;
    let message = format!("{verb} removes every {what} that its file does not name, also those that were made since");
    let place = subject.command_place(command, &command.place);
    Some(
        Diagnostic::warning(RULE.code, place, message).help("use add-iam-policy-binding and remove-iam-policy-binding"),
    )
}

fn fault(subject: &Subject<'_>, command: &StepCommand, flag: &Flag) -> Option<Diagnostic> {
    let place = subject.command_place(command, &flag.place);
    if let Some((name, what, instead)) = REPLACING.iter().find(|(name, ..)| *name == flag.name) {
        let message = format!("--{name} removes every {what} that it does not name");
        let help = match instead {
            Some(instead) => {
                let step = typed_step::suggestion(subject, command).filter(|_| WITH_STEP.contains(name));
                let step = step.map(|step| format!("; as a typed step: {step}")).unwrap_or_default();
                format!("use --{instead}, which leaves the others as they are{step}")
            }
            None if *name == DATABASE_FLAGS => {
                let step = typed_step::suggestion(subject, command);
                let step = step.map(|step| format!(": {step}")).unwrap_or_default();
                format!("use the action that keeps the flags that are not named{step}")
            }
            None => "name those that are there as well".to_owned(),
        };
        return Some(Diagnostic::warning(RULE.code, place, message).help(help));
    }
    let cleared = flag.name.strip_prefix("clear-").filter(|_| flag.name != "clear-base-image")?;
    let message = format!("--{} removes all of them: {}", flag.name, cleared.replace('-', " "));
    Some(Diagnostic::warning(RULE.code, place, message).help("name those that are to go, as in --remove-env-vars=NAME"))
}

//! A command is one that `gcloud` and Google take.
//!
//! `gcloud run services update SERVICE` without a flag ends with "No configuration change requested": it is written in
//! runbooks to restart a service, and restarts nothing (source: `gcloud` 528, `run services update`).

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::{CommandLine, Tool};

pub(super) const RULE: Rule = Rule {
    code: "command-refused",
    title: "a command in a `shell` step is one that its program takes",
    page: include_str!("../../../docs/checks/command-refused.md"),
    answer: Answer::None,
    find,
};

/// Flags that say where and how, and change nothing.
const CHANGES_NOTHING: [&str; 15] = [
    "account",
    "async",
    "configuration",
    "flags-file",
    "format",
    "impersonate-service-account",
    "log-http",
    "platform",
    "project",
    "q",
    "quiet",
    "region",
    "trace-token",
    "user-output-enabled",
    "verbosity",
];

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let refused = subject.commands().iter().filter(|command| changes_nothing(&command.line));
    refused
        .map(|command| {
            let place = subject.command_place(command, &command.place);
            let message = "gcloud refuses this: `run services update` without a flag that changes something";
            Diagnostic::error(RULE.code, place, message).help(
                "for a new revision and nothing else, use the action gcp.run.configure with restart = true; to go back to an \
                 earlier revision, use gcp.run.traffic with to = { PREVIOUS = 100 }",
            )
        })
        .collect()
}

fn changes_nothing(line: &CommandLine) -> bool {
    let is_update =
        line.tool == Tool::Gcloud && line.names("run services update").is_some_and(|names| names.len() == 1);
    !line.has_unknown_words && is_update && line.flags.iter().all(|flag| CHANGES_NOTHING.contains(&flag.name.as_str()))
}

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

/// Commands that say what is to be changed by flags only, and what to do instead. Source: `gcloud` 528, `surface/run/services/update.py`,
/// `surface/run/services/update_traffic.py`, `surface/run/worker_pools/update.py`.
const REFUSED: [(&str, &str); 3] = [
    (
        "run services update",
        "for a new revision and nothing else, use the action gcp.run.configure with restart = true; to go back to an earlier \
         revision, use gcp.run.traffic with to = { PREVIOUS = 100 }",
    ),
    (
        "run services update-traffic",
        "say where traffic goes: --to-latest or --to-revisions; as a typed step that is gcp.run.traffic",
    ),
    (
        "run worker-pools update",
        "say what is to be changed; for a new revision and nothing else, --update-labels=restarted=1",
    ),
];

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        let Some((refused, instead)) = REFUSED.iter().find(|(refused, _)| changes_nothing(&command.line, refused))
        else {
            continue;
        };
        let place = subject.command_place(command, &command.place);
        let message = format!("gcloud refuses this: `{refused}` without a flag that changes something");
        found.push(Diagnostic::error(RULE.code, place, message).help(*instead));
    }
    found
}

fn changes_nothing(line: &CommandLine, command: &str) -> bool {
    let is_it = line.tool == Tool::Gcloud && line.names(command).is_some_and(|names| names.len() == 1);
    !line.has_unknown_words && is_it && line.flags.iter().all(|flag| CHANGES_NOTHING.contains(&flag.name.as_str()))
}

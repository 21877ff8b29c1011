//! A remediation deletes nothing that a rollback needs.
//!
//! The revision that served before is the way back; once it is deleted there is none. A service or connector that is
//! deleted and made anew is a well-known way into a longer incident (source: terraform-provider-google issue 27715).
//! And a flag that replaces a whole list overwrites what nobody meant to change.

use super::{Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::check::gcloud::{Gcloud, commands};

pub(super) const RULE: Rule = Rule {
    code: "rollback-target-deleted",
    title: "no step deletes or overwrites what a rollback needs",
    page: include_str!("../../../docs/checks/rollback-target-deleted.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        for (key, command) in commands(action) {
            let Some((message, help)) = fault(&command) else { continue };
            let place = subject.command_place(&argument(&step, key), &command);
            found.push(Diagnostic::error(RULE.code, place, message).help(help));
        }
    }
    found
}

/// What a command takes away, and what to do instead.
fn fault(command: &Gcloud) -> Option<(String, &'static str)> {
    const DELETED: [(&[&str], &str, &str); 3] = [
        (
            &["run", "revisions", "delete"],
            "revision",
            "leave it: a revision without traffic costs nothing, and is the way back",
        ),
        (&["run", "services", "delete"], "service", "move its traffic instead: all its revisions would go with it"),
        (
            &["compute", "networks", "vpc-access", "connectors", "delete"],
            "connector",
            "make a second one beside it, and let new revisions use that",
        ),
    ];
    for (words, what, help) in DELETED {
        if let Some(names) = command.names(words) {
            let names = names.join(" ");
            return Some((format!("this deletes the {what} `{names}`, and with it the way back"), help));
        }
    }
    let run = command.names(&["run", "deploy"]).or_else(|| command.names(&["run", "services", "update"]));
    if run.is_some() && command.flag("set-env-vars").is_some() {
        let message = "--set-env-vars removes every variable that it does not name";
        return Some((message.to_owned(), "use --update-env-vars, which leaves the others as they are"));
    }
    let flags = command.names(&["sql", "instances", "patch"]).and_then(|_| command.flag("database-flags"));
    flags.map(|_| {
        let message = "--database-flags replaces the instance's whole list of flags";
        (message.to_owned(), "use the action gcp.sql.patch: it keeps the flags that are not named")
    })
}

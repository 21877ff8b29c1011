//! A certificate that Compute Engine manages has no wildcard.
//!
//! The API refuses one; a wildcard takes Certificate Manager and DNS authorization (source: k8s-config-connector issue
//! 107). And a wildcard stands for one label only: `*.example.com` is not `api.staging.example.com`.

use super::{Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::check::gcloud::commands;

pub(super) const RULE: Rule = Rule {
    code: "wildcard-certificate",
    title: "a certificate that Compute Engine manages has no wildcard",
    page: include_str!("../../../docs/checks/wildcard-certificate.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        for (key, command) in commands(action) {
            let domains =
                command.flag("domains").filter(|_| command.names(&["compute", "ssl-certificates", "create"]).is_some());
            let Some(wildcard) = domains.into_iter().flat_map(|domains| domains.split(',')).find(|d| d.contains('*'))
            else {
                continue;
            };
            let message =
                format!("Google refuses `{wildcard}`: a certificate that Compute Engine manages has no wildcard");
            let place = subject.command_place(&argument(&step, key), &command);
            found.push(Diagnostic::error(RULE.code, place, message).help(
                "name every host, or use Certificate Manager with DNS authorization; *.a.b does not cover x.y.a.b",
            ));
        }
    }
    found
}

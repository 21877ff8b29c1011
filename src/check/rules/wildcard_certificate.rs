//! A certificate that Compute Engine manages has no wildcard.
//!
//! The API refuses one; a wildcard takes Certificate Manager and DNS authorization (source: k8s-config-connector issue
//! 107). And a wildcard stands for one label only: `*.example.com` is not `api.staging.example.com`.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "wildcard-certificate",
    title: "a certificate that Compute Engine manages has no wildcard",
    page: include_str!("../../../docs/checks/wildcard-certificate.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        let is_certificate = command.line.names("compute ssl-certificates create").is_some();
        let Some(flag) = command.line.flag("domains").filter(|_| is_certificate) else { continue };
        let Some(wildcard) = flag.value.split(',').find(|domain| domain.contains('*')) else { continue };
        let message = format!("Google refuses `{wildcard}`: a certificate that Compute Engine manages has no wildcard");
        found.push(
            Diagnostic::error(RULE.code, subject.command_place(command, &flag.place), message).help(
                "name every host, or use Certificate Manager with DNS authorization; *.a.b does not cover x.y.a.b",
            ),
        );
    }
    found
}

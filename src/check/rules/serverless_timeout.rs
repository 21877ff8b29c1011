//! A load balancer's backend for Cloud Run has no time-out of its own.
//!
//! The API refuses it: "Timeout sec is not supported for a backend service with Serverless network endpoint groups."
//! (source: terraform-google-lb-http issue 358). What limits a request is the Cloud Run service's request time-out.

use std::collections::BTreeSet;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "serverless-timeout",
    title: "no time-out is set on a load balancer's serverless backend",
    page: include_str!("../../../docs/checks/serverless-timeout.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let services: BTreeSet<&str> = subject.actions().filter_map(|(_, _, action)| action.service()).collect();
    let mut found = Vec::new();
    for command in subject.commands() {
        let line = &command.line;
        let names =
            ["update", "create"].iter().find_map(|verb| line.names(&format!("compute backend-services {verb}")));
        let (Some(names), Some(flag)) = (names, line.flag("timeout")) else { continue };
        // Of any other name it is not known what stands behind it; most backends are machines, which have a time-out.
        let Some(name) = names.iter().find(|name| services.contains(name.text.as_str())) else { continue };
        let message = format!(
            "Google refuses a time-out on the backend service `{0}`: `{0}` is a Cloud Run service, and a backend service in \
             front of one has no time-out of its own",
            name.text
        );
        found.push(Diagnostic::error(RULE.code, subject.command_place(command, &flag.place), message).help(
            "the Cloud Run service's own request time-out is what counts: 5 minutes by default, an hour at most",
        ));
    }
    found
}

//! A load balancer's backend for Cloud Run has no time-out of its own.
//!
//! The API refuses it: "Timeout sec is not supported for a backend service with Serverless network endpoint groups."
//! (source: terraform-google-lb-http issue 358). What limits a request is the Cloud Run service's request time-out.

use std::collections::BTreeSet;

use super::{Rule, Subject, argument};
use crate::check::diagnostic::Diagnostic;
use crate::check::gcloud::commands;

pub(super) const RULE: Rule = Rule {
    code: "serverless-timeout",
    title: "no time-out is set on a load balancer's serverless backend",
    page: include_str!("../../../docs/checks/serverless-timeout.md"),
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let services: BTreeSet<&str> = subject.actions().filter_map(|(_, _, action)| action.service()).collect();
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        for (key, command) in commands(action) {
            let names =
                ["update", "create"].iter().find_map(|verb| command.names(&["compute", "backend-services", verb]));
            let (Some(names), Some(_)) = (names, command.flag("timeout")) else { continue };
            let place = subject.command_place(&argument(&step, key), &command);
            let serverless = names.iter().find(|name| services.contains(name.as_str()));
            let diagnostic = match serverless {
                Some(name) => {
                    let message = format!(
                        "Google refuses a time-out on the backend service `{name}`: `{name}` is a Cloud Run service, and \
                         a backend service in front of one has no time-out of its own"
                    );
                    Diagnostic::error(RULE.code, place, message)
                }
                None => {
                    let message =
                        "Google refuses a time-out on a backend service whose backend is serverless (Cloud Run)";
                    Diagnostic::warning(RULE.code, place, message)
                }
            };
            found.push(diagnostic.help(
                "the Cloud Run service's own request time-out is what counts: 5 minutes by default, an hour at most",
            ));
        }
    }
    found
}

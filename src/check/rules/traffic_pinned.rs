//! A deployment gets traffic.
//!
//! Once a service's traffic names its revisions, a new revision is not among them: it is deployed, looks well, and
//! serves nobody. The gate after it would then prove the health of the old revision.

use std::collections::BTreeMap;

use super::{Rule, Subject, argument};
use crate::action::{Action, RunDeploy, RunTraffic};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "traffic-pinned",
    title: "a deployment after traffic was pinned to a revision says how traffic moves to it",
    page: include_str!("../../../docs/checks/traffic-pinned.md"),
    find,
};

/// The revision that Cloud Run takes for "whichever is newest".
const LATEST: &str = "LATEST";

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // The last thing done to the traffic of each service: the step that pinned it, if one did.
    let mut pinned: BTreeMap<&str, (Path, String)> = BTreeMap::new();
    for (step, _, action) in subject.actions() {
        if !subject.is_resolved(&argument(&step, "service")) {
            continue;
        }
        match action {
            Action::RunTraffic(RunTraffic { service, to }) => {
                let named = to.iter().find(|(revision, share)| revision != LATEST && share.get() > 0);
                let to_latest = to.iter().any(|(revision, share)| revision == LATEST && share.get() > 0);
                match named {
                    Some((revision, _)) if !to_latest => {
                        pinned.insert(service, (argument(&step, "to"), format!("`{revision}`")))
                    }
                    _ => pinned.remove(service.as_str()),
                };
            }
            Action::RunDeploy(RunDeploy { service, shift, .. }) if shift.is_empty() => {
                let Some((pin, revision)) = pinned.get(service.as_str()) else { continue };
                let message = format!(
                    "the new revision of `{service}` would get 0 % of the traffic: an earlier step pins it to {revision}"
                );
                let place = subject.key_place(&step.key("uses"));
                let place = place.start..subject.place(&step.key("uses")).end.max(place.end);
                let diagnostic = Diagnostic::error(RULE.code, place, message)
                    .label("deploys a revision that nothing sends traffic to")
                    .and(subject.place(pin), "pins the traffic");
                found.push(diagnostic.help("add shift = [10, 50, 100] to the deployment, so that traffic moves to it"));
            }
            // A shift ends with all traffic pinned to the revision that it deployed.
            Action::RunDeploy(RunDeploy { service, .. }) => {
                pinned.insert(service, (argument(&step, "shift"), "the revision it deploys".to_owned()));
            }
            _ => {}
        }
    }
    found
}

//! Traffic that is pinned to a revision stays there: what is deployed afterwards gets none of it.

use std::collections::BTreeMap;

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;
use crate::runbook::model::{Action, Step};

pub(super) const RULE: Rule =
    Rule { code: "traffic-pinned", title: "a deploy that would serve nobody, because traffic is pinned", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    let mut pins: BTreeMap<&str, &Step> = BTreeMap::new();
    for step in steps(subject) {
        match &step.action {
            Action::RunTraffic { service, to } => {
                if to.iter().any(|(revision, percent)| revision == "LATEST" && percent.get() > 0) {
                    pins.remove(service.as_str());
                } else {
                    pins.insert(service, step);
                }
            }
            Action::RunDeploy { service, shift, .. } if shift.is_empty() => {
                let Some(pin) = pins.get(service.as_str()) else { continue };
                let at = subject.document.span(&step.place.with("service"));
                let message = format!(
                    "step `{}` pins the traffic of {service} to a revision, so what this step deploys gets 0 %",
                    pin.name
                );
                let pinned = subject.document.span(&pin.place.with("to"));
                let mistake = Mistake::error(RULE.code, at, message).also(pinned, "pinned here");
                mistakes.push(mistake.help("move the traffic: shift = [10, 50, 100]"));
            }
            // Its shift pins the service again, to the new revision.
            Action::RunDeploy { service, .. } => {
                pins.insert(service, step);
            }
            Action::ConnectorScale { .. } | Action::Probe => {}
        }
    }
}

//! What is gated without traffic is looked at there.
//!
//! A candidate has an address of its own. A probe that asks the service's usual host is answered by the revision that
//! has the traffic, and says nothing of the candidate: so the hosts that lead to the service are known, and one of the
//! gate's probes asks them.

use super::{Answer, Rule, Subject, argument};
use crate::action::CandidateUnseen;
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Part;

pub(super) const RULE: Rule = Rule {
    code: "candidate-unseen",
    title: "a probe of the gate observes a candidate",
    page: include_str!("../../../docs/checks/candidate-unseen.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, iteration, action) in subject.actions() {
        let Some(candidate) = action.rollout().and_then(|rollout| rollout.candidate.as_ref()) else { continue };
        let place = subject.key_place(&argument(&step, "candidate"));
        let gate = match &iteration.gate {
            Part::Absent => {
                let message = "without a gate nothing observes the candidate";
                let help = "add a gate with the probes that must be healthy";
                found.push(Diagnostic::error(RULE.code, place, message).help(help));
                continue;
            }
            other => other.read(),
        };
        // What is wrong with a probe, or with its name, is told elsewhere.
        let probes = |name: &String| subject.draft.probes.get(name).and_then(Part::read);
        let Some(probes) = gate.and_then(|gate| gate.healthy.iter().map(probes).collect::<Option<Vec<_>>>()) else {
            continue;
        };
        let asked = probes.iter().flat_map(|probe| probe.spec.hosts()).collect();
        if let Err(why) = candidate.hosts_in(&asked) {
            let help = match &why {
                CandidateUnseen::NotAsked(_) => {
                    "gate it with an `http`, `websocket` or `flow` probe of the service".to_owned()
                }
                CandidateUnseen::Ambiguous(hosts) => {
                    format!(
                        "say which, such as hosts = [\"{}\"]",
                        hosts.first().map_or("api.example.com", String::as_str)
                    )
                }
            };
            found.push(Diagnostic::error(RULE.code, place, why.to_string()).help(help));
        }
    }
    found
}

//! A gate that names a probe which does not exist would wait for ever.

use super::{Rule, Subject, steps};
use crate::runbook::mistake::instead;
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule = Rule { code: "unknown-probe", title: "a probe that does not exist", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    // By the document, not by what did read: a probe with a mistake of its own still exists.
    let declared = subject.document.get(&["probes".into()]).and_then(|probes| probes.get_ref().as_table());
    let declared: Vec<&str> =
        declared.into_iter().flat_map(|probes| probes.keys()).map(|key| key.get_ref().as_ref()).collect();
    for step in steps(subject) {
        let probes = step.gate.iter().flat_map(|gate| &gate.healthy).enumerate();
        for (place, probe) in probes.filter(|(_, probe)| !declared.contains(&probe.as_str())) {
            let mut path = step.place.of("gate");
            path.extend([Part::Key("healthy"), Part::Index(place)]);
            let message = format!("there is no probe `{probe}`");
            let help = instead(probe, declared.iter().copied());
            mistakes.push(Mistake::error(RULE.code, subject.document.span(&path), message).help(help));
        }
    }
}

//! What nothing refers to was probably meant to be referred to. Told only of a runbook that did read whole:
//! a reference may stand in a block that did not.

use super::{Rule, Subject, steps};
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule = Rule { code: "unused", title: "a probe or an input that nothing refers to", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    if !subject.whole {
        return;
    }
    let mut tell = |path: &[Part<'_>], message: String| {
        mistakes.push(Mistake::warning(RULE.code, subject.document.key_span(path), message));
    };
    for name in subject.runbook.probes.keys() {
        if !steps(subject).any(|step| step.gate.iter().any(|gate| gate.healthy.contains(name))) {
            tell(&["probes".into(), Part::Key(name)], format!("no gate looks at probe `{name}`"));
        }
    }
    for name in subject.unused_inputs {
        tell(&["inputs".into(), Part::Key(name)], format!("nothing refers to input `{name}`"));
    }
}

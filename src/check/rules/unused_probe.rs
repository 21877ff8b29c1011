//! Every probe is looked at by some gate. One that is not is usually a gate that somebody forgot.

use std::collections::BTreeSet;

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Path;

pub(super) const RULE: Rule = Rule { code: "unused-probe", title: "every probe is named by some gate (warning)", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    // A gate that could not be read may be the one that names it.
    if !subject.draft.whole {
        return Vec::new();
    }
    let watched = subject.draft.steps().flat_map(|(_, step)| &step.watched);
    let named: BTreeSet<&str> = watched.map(String::as_str).collect();
    let unused = subject.draft.probes.keys().filter(|name| !named.contains(name.as_str()));
    unused
        .map(|name| {
            let place = subject.key_place(&Path::probe(name));
            let message = format!("no gate looks at the probe `{name}`");
            Diagnostic::warning(RULE.code, place, message).help("name it in the gate of a step, or take it out")
        })
        .collect()
}

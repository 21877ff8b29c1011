//! Every probe is looked at by something. One that is not is usually a gate that somebody forgot.

use std::collections::BTreeSet;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::{Path, Sources};

pub(super) const RULE: Rule = Rule {
    code: "unused-probe",
    title: "every probe is named by a gate, a guard or a condition (warning)",
    page: include_str!("../../../docs/checks/unused-probe.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    // A gate that could not be read may be the one that names it.
    if !subject.draft.whole {
        return Vec::new();
    }
    let mut named: BTreeSet<&str> = subject.mentions().into_iter().map(|(_, name)| name).collect();
    for (_, condition) in subject.conditions().into_iter().chain(subject.decisions()) {
        named.extend(condition.paths().filter_map(|path| match path {
            [of, name, ..] if of == "probes" => Some(name.as_str()),
            [baseline, of, name, ..] if baseline == "baseline" && of == "probes" => Some(name.as_str()),
            _ => None,
        }));
    }
    // What is shared is there for other runbooks, too.
    let own = Sources::of(subject.document.text()).own;
    let is_own = |name: &&String| subject.key_place(&Path::probe(name)).start < own.end;
    let unused = subject.draft.probes.keys().filter(|name| !named.contains(name.as_str())).filter(is_own);
    unused
        .map(|name| {
            let place = subject.key_place(&Path::probe(name));
            let message = format!("nothing uses the probe `{name}`");
            Diagnostic::warning(RULE.code, place, message).help("name it in the gate of a step, or take it out")
        })
        .collect()
}

//! A probe of a resource's state names a kind of resource that can be looked at.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::probe::{ProbeSpec, ResourceProbe};
use crate::resource::KINDS;
use crate::resource::catalogued::names_for;
use crate::syntax::Path;
use crate::syntax::spelling::{did_you_mean, list, nearest};

pub(super) const RULE: Rule = Rule {
    code: "unknown-resource-kind",
    title: "a probe observes a kind of resource that exists",
    page: include_str!("../../../docs/checks/unknown-resource-kind.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(probe) = probe.read() else { continue };
        let ProbeSpec::Resource(ResourceProbe::Kind { kind, .. }) = &probe.spec else { continue };
        let path = Path::probe(name).key("resource");
        if probe.spec.facts().is_some() || !subject.is_resolved(&path) {
            continue;
        }
        let place = subject.document.place_inside(&path, &(0..kind.len()));
        let diagnostic = Diagnostic::error(RULE.code, place, format!("there is no kind of resource `{kind}`"));
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let catalogued = names_for(kind.strip_prefix("gcp.").unwrap_or(kind));
        let help = if catalogued.is_empty() {
            let near = did_you_mean(kind, known.iter().copied()).map(|near| format!("{near} ")).unwrap_or_default();
            format!("{near}Any other resource goes by its name in `rectify resources`")
        } else {
            let near = nearest(kind, known.iter().copied());
            let near = if near.is_empty() { String::new() } else { format!(", or {}", list(near.into_iter(), "or")) };
            let names = list(catalogued.iter().map(String::as_str), "or");
            format!("the catalog has it: resource = {names}{near}; a step changes it with gcp.set or gcp.call")
        };
        found.push(diagnostic.help(help));
    }
    found
}

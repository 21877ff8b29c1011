//! A probe of a resource's state names a kind of resource that can be looked at.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::probe::{ProbeSpec, ResourceProbe};
use crate::resource::KINDS;
use crate::syntax::Path;
use crate::syntax::spelling::did_you_mean;

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
        let known = KINDS.iter().map(|kind| kind.name);
        let others = "any other resource goes by its name in `rectify resources`, such as \"compute.instanceGroupManagers/ZONE/NAME\"";
        found.push(diagnostic.help(match did_you_mean(kind, known) {
            Some(near) => format!("{near} {others}"),
            None => others.to_owned(),
        }));
    }
    found
}

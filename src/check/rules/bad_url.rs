//! A probe, and a step that sends something, has an address that can be asked.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "bad-url",
    title: "a probe, or a step that sends something, has an address that can be asked",
    page: include_str!("../../../docs/checks/bad-url.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let faults = subject.probes().filter_map(|(path, spec)| Some((path, spec, spec.check_address().err()?)));
    let diagnostics = faults.map(|(path, spec, fault)| {
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), fault);
        match spec.address_example() {
            Some(example) => diagnostic.help(format!("write it such as {} = {example}", spec.key())),
            None => diagnostic,
        }
    });
    diagnostics.chain(steps(subject)).collect()
}

fn steps<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = Diagnostic> + use<'s> {
    subject.actions().flat_map(move |(step, _, action)| {
        let faults = action.addresses().into_iter().filter_map(|address| Some((address.fault.clone()?, address)));
        let of_step = faults.filter_map(|(fault, address)| {
            let (key, path) = (address.argument.last()?, place_of(&step, address.argument));
            let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), fault);
            let help = format!("write it such as {key} = {}", address.example);
            subject.is_resolved(&path).then(|| diagnostic.help(help))
        });
        of_step.collect::<Vec<_>>()
    })
}

/// Where an argument of a step stands that may lie in a table of another.
pub(super) fn place_of(step: &Path, keys: &[&str]) -> Path {
    keys.iter().fold(step.key("with"), |path, key| path.key(key))
}

//! A probe has an address that can be asked.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "bad-url",
    title: "a probe has an address that can be asked",
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
    diagnostics.collect()
}

//! Only probes that exist are named.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::spelling::did_you_mean;

pub(super) const RULE: Rule = Rule {
    code: "unknown-probe",
    title: "only probes that exist are named",
    page: include_str!("../../../docs/checks/unknown-probe.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, name) in subject.mentions() {
        if subject.draft.probes.contains_key(name) || !subject.is_resolved(&path) {
            continue;
        }
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path), format!("there is no probe `{name}`"));
        let known = subject.draft.probes.keys().map(String::as_str);
        found.push(
            diagnostic.help(
                did_you_mean(name, known).unwrap_or_else(|| format!("write [probes.{name}] with what it observes")),
            ),
        );
    }
    found
}

//! Whether a step is planned depends on what a plan may read: Google's APIs, and no peer.
//!
//! A plan of a stranger's runbook must be harmless, and a saved plan is computed again from the resources that it observed: what a
//! host answered at some moment is neither.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::probe::ProbeSpec;

pub(super) const RULE: Rule = Rule {
    code: "when-not-planned",
    title: "`when` depends on inputs and resources, which a plan reads",
    page: include_str!("../../../docs/checks/when-not-planned.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, condition) in subject.decisions() {
        for parts in condition.paths() {
            let [root, name, ..] = parts else { continue };
            let probe = subject.draft.probes.get(name).filter(|_| root == "probes").and_then(|probe| probe.read());
            let Some(probe) = probe.filter(|probe| !matches!(probe.spec, ProbeSpec::Resource(_))) else { continue };
            let message =
                format!("the probe `{name}` is a `{}` probe, which is not asked while planning", probe.spec.key());
            let help = "use a `resource` probe here; what other probes see belongs in `require`, which is asked before the step begins";
            found.push(Diagnostic::error(RULE.code, subject.place(&path), message).help(help));
        }
    }
    found
}

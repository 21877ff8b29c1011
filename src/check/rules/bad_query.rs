//! A query can be understood.
//!
//! Google refuses one that cannot, and a probe that is refused is broken: its gate ends the run.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::query::{Language, fault};
use crate::probe::ProbeSpec;

pub(super) const RULE: Rule = Rule {
    code: "bad-query",
    title: "a metric query or log filter can be understood",
    page: include_str!("../../../docs/checks/bad-query.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, spec) in subject.probes() {
        let (query, language, what) = match spec {
            ProbeSpec::Metric(probe) => (&probe.query, Language::PromQl, "Cloud Monitoring"),
            ProbeSpec::Logs(probe) => (&probe.filter, Language::LogFilter, "Cloud Logging"),
            _ => continue,
        };
        let Some(fault) = fault(query, language) else { continue };
        let message = format!("{what} refuses this query: {}", fault.why);
        found.push(Diagnostic::error(RULE.code, subject.document.place_inside(&path, &fault.at), message));
    }
    found
}

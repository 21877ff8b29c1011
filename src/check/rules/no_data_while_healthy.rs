//! A share of failures has a value while nothing fails.
//!
//! Cloud Monitoring has no series for a class of answers that there were none of, so 5xx divided by all has no data as long as
//! everything is well. No data is unknown, and unknown is not healthy: the gate would never pass.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::query::is_share_without_zero;
use crate::probe::ProbeSpec;

pub(super) const RULE: Rule = Rule {
    code: "no-data-while-healthy",
    title: "a share of failed requests has a value while none fails (warning)",
    page: include_str!("../../../docs/checks/no-data-while-healthy.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let looks = subject.probes().filter_map(|(path, spec)| match spec {
        ProbeSpec::Metric(probe) if is_share_without_zero(&probe.query) => Some(path),
        _ => None,
    });
    let diagnostic = |path| {
        let message =
            "while no request fails, this has no data, and no data is never healthy: a gate over it never passes";
        Diagnostic::warning(RULE.code, subject.place(&path), message)
            .help("count what did not fail: 1 - sum(rate(…{response_code_class!=\"5xx\"}[5m])) / sum(rate(…[5m]))")
    };
    looks.map(diagnostic).collect()
}

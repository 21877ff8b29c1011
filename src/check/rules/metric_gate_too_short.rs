//! A gate over a metric lasts longer than the metric lags behind.
//!
//! Cloud Monitoring shows a point up to 240 s after its sample period, and Cloud Run's metrics are sampled every 60 s
//! (source: <https://docs.cloud.google.com/monitoring/api/v3/latency-n-retention>). What a shorter gate sees was
//! measured before the change that it is to judge. Twice the lag leaves as much time for the change as for the delay.

use std::time::Duration;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::probe::ProbeSpec;
use crate::syntax::value::friendly;

pub(super) const RULE: Rule = Rule {
    code: "metric-gate-too-short",
    title: "a gate over a metric lasts longer than the metric lags",
    page: include_str!("../../../docs/checks/metric-gate-too-short.md"),
    answer: Answer::WithReason,
    find,
};

/// A sample period and the longest delay after it.
const LAG: Duration = Duration::from_mins(1 + 4);

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, iteration) in subject.iterations() {
        let Some(gate) = iteration.gate.read().filter(|gate| gate.hold < 2 * LAG) else { continue };
        for (index, name) in gate.healthy.iter().enumerate() {
            let probe = subject.draft.probes.get(name).and_then(|probe| probe.read());
            if !probe.is_some_and(|probe| matches!(probe.spec, ProbeSpec::Metric(_))) {
                continue;
            }
            let message = format!(
                "`{name}` is a metric, which lags up to {}; a gate of {} would judge what was before the step",
                friendly(LAG),
                friendly(gate.hold),
            );
            let path = step.key("gate").key("healthy").index(index);
            let help = format!("use for = \"{}\", or a probe that observes the service itself", friendly(2 * LAG));
            found.push(Diagnostic::error(RULE.code, subject.place(&path), message).help(help));
        }
    }
    found
}

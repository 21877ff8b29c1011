//! A gate can reach what it asks for.
//!
//! A failure rate takes a number of healthy samples in a row, and a gate takes as many as fit between `every` and `timeout`.
//! One that asks for more can never pass, nor can one that gives up before its time is over, and neither can a rate be shown
//! of probes whose samples are not independent.

use std::time::Duration;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::gate::{self, Demand};
use crate::syntax::Path;
use crate::syntax::value::{friendly, percent};

pub(super) const RULE: Rule = Rule {
    code: "gate-too-short",
    title: "a gate lasts long enough for what it asks",
    page: include_str!("../../../docs/checks/gate-too-short.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let gates = subject.iterations().filter_map(|(step, iteration)| Some((step.key("gate"), iteration.gate.read()?)));
    gates.flat_map(|(path, gate)| faults(subject, &path, gate)).collect()
}

fn faults(subject: &Subject<'_>, path: &Path, gate: &gate::GateRule) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let (hold, every, timeout) = (friendly(gate.hold), friendly(gate.every), friendly(gate.timeout));
    let default = |key: &str| if subject.document.span(&path.key(key)).is_some() { "" } else { ", the default" };
    if gate.timeout < gate.hold {
        let message = format!(
            "the gate gives up after {timeout}{}, but needs {hold} of health: it can never pass",
            default("timeout")
        );
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path.key("timeout")), message)
            .and(subject.place(&path.key("for")), "");
        found.push(diagnostic.help(format!("give it a timeout well above {hold}")));
    }
    if !gate.hold.is_zero() && gate.every > gate.hold {
        let message =
            format!("a sample every {every}{} is less than one in the {hold} the gate asks for", default("every"));
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&path.key("every")), message)
            .and(subject.place(&path.key("for")), "");
        found.push(diagnostic.help("observe more often, or ask for a longer time"));
    }
    found.extend(gate.demands().iter().filter_map(|demand| too_few(subject, path, gate, demand)));
    found.extend(without_rate(subject, path, gate));
    found
}

/// A limit that takes more samples than the gate has time for.
fn too_few(subject: &Subject<'_>, path: &Path, gate: &gate::GateRule, demand: &Demand) -> Option<Diagnostic> {
    let between = gate.timeout.as_nanos().checked_div(gate.every.as_nanos()).unwrap_or_default();
    let most = u32::try_from(between).unwrap_or(u32::MAX).saturating_add(1);
    let limit = match gate.max_failure_rate.filter(|_| demand.key == "max_failure_rate") {
        Some(rate) => format!("a failure rate below {}", percent(rate)),
        None => format!("a limit of the {}", demand.key),
    };
    let place = subject.place(&path.key(demand.key));
    let Some(needed) = demand.samples() else {
        let message = format!("no number of samples shows {limit}");
        return Some(Diagnostic::error(RULE.code, place, message));
    };
    if most >= needed {
        return None;
    }
    let (every, timeout) = (friendly(gate.every), friendly(gate.timeout));
    let message = format!(
        "a sample every {every} is {most} samples until the timeout of {timeout}; to show {limit} takes {needed} in a row"
    );
    let enough = gate.every.saturating_mul(demand.samples_with_a_break().unwrap_or(needed));
    let enough = friendly(whole_minutes(enough)).replace(' ', "");
    let help = format!("use timeout = \"{enough}\", which leaves time for one break, or sample more often");
    Some(Diagnostic::error(RULE.code, place, message).help(help))
}

/// A failure rate that none of the gate's probes can have.
fn without_rate(subject: &Subject<'_>, path: &Path, gate: &gate::GateRule) -> Option<Diagnostic> {
    let limit = gate.demands().first()?.key;
    let probe = |name: &String| subject.draft.probes.get(name)?.read();
    let probes: Option<Vec<_>> = gate.healthy.iter().map(probe).collect();
    if probes?.iter().any(|probe| probe.spec.traits().sampling.has_rate()) {
        return None;
    }
    let message = format!("`{limit}` is about the samples of a service, and this gate observes none");
    let help = "points of a metric, windows over logs and the state of a resource have no failure rate; \
                add a probe that asks the service itself, or remove the limit";
    Some(Diagnostic::error(RULE.code, subject.place(&path.key(limit)), message).help(help))
}

fn whole_minutes(time: Duration) -> Duration {
    Duration::from_mins(time.as_secs().div_ceil(60))
}

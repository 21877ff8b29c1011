//! A gate can reach what it asks for.
//!
//! n healthy samples in a row bound the failure rate at 1 − 0.05^(1/n) with 95 % confidence, and a gate takes as many
//! samples as fit between `every` and `for`. A gate that asks for more than that can never pass, nor can one that
//! gives up before its time is over.

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::gate;
use crate::runbook::Path;
use crate::runbook::value::{friendly, percent};

pub(super) const RULE: Rule = Rule { code: "gate-too-short", title: "a gate lasts long enough for what it asks", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let gates = subject.turns().filter_map(|(step, turn)| Some((step.key("gate"), turn.gate.read()?)));
    gates.flat_map(|(path, gate)| faults(subject, &path, gate)).collect()
}

fn faults(subject: &Subject<'_>, path: &Path, gate: &gate::Rule) -> Vec<Diagnostic> {
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
        found.push(diagnostic.help("look more often, or ask for a longer time"));
    }
    let Some(rate) = gate.max_failure_rate else { return found };
    // Without a duration a gate asks for one sample of each probe.
    let samples = gate::samples_in(gate.hold, gate.every).samples;
    let percent = percent(rate);
    let place = subject.place(&path.key("max_failure_rate"));
    match gate::samples_needed(rate, 0) {
        Some(needed) if samples >= needed => {}
        Some(needed) => {
            let message = format!(
                "a sample every {every} for {hold} is {samples} samples; to show a failure rate below {percent} takes \
                 {needed} in a row"
            );
            let enough = gate.every.saturating_mul(needed);
            let diagnostic = Diagnostic::error(RULE.code, place, message);
            let longer = friendly(enough).replace(' ', "");
            let later = if enough > gate.timeout { " and a timeout above it" } else { "" };
            found.push(diagnostic.help(format!("use for = \"{longer}\"{later}, or look more often")));
        }
        None => {
            let message = format!("no number of samples shows a failure rate below {percent}");
            found.push(Diagnostic::error(RULE.code, place, message));
        }
    }
    found
}

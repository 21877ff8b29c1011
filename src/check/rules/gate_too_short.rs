//! A gate that cannot prove what it claims, or cannot pass at all.

use super::{Rule, Subject, steps};
use crate::clock::words;
use crate::gate::samples_needed;
use crate::runbook::Mistake;

pub(super) const RULE: Rule = Rule { code: "gate-too-short", title: "a gate that cannot prove what it asks for", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for step in steps(subject) {
        let Some(gate) = &step.gate else { continue };
        let mut path = step.place.of("gate");
        if gate.every.is_zero() {
            path.push("every".into());
            let at = subject.document.span(&path);
            mistakes
                .push(Mistake::error(RULE.code, at, "samples need some time between them").help("use every = \"5s\""));
            continue;
        }
        if gate.timeout <= gate.hold {
            path.push("timeout".into());
            let message =
                format!("this gate gives up after {} and must hold for {}", words(gate.timeout), words(gate.hold));
            let at = subject.document.span(&path);
            mistakes.push(Mistake::error(RULE.code, at, message).help("give it more time than it must hold"));
            continue;
        }
        let Some(rate) = gate.max_failure_rate else { continue };
        let needed = samples_needed(rate).map_or(u128::from(u32::MAX), u128::from);
        let samples = gate.hold.as_millis() / gate.every.as_millis().max(1) + 1;
        if samples < needed {
            path.push("max_failure_rate".into());
            let at = subject.document.span(&path);
            let message = format!(
                "to bound the failure rate at {:.1} % with 95 % confidence takes {needed} healthy samples; this gate takes {samples}",
                rate * 100.0
            );
            let enough = gate.every.saturating_mul(u32::try_from(needed.saturating_sub(1)).unwrap_or(u32::MAX));
            mistakes.push(
                Mistake::error(RULE.code, at, message)
                    .help(format!("hold for {}, or sample more often", words(enough))),
            );
        }
    }
}

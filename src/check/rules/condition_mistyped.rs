//! A probe's condition has an answer: it compares what can be compared, and says yes or no.
//!
//! It is tried on what a probe might see. That does not find everything (what stands behind a `&&` is tried only if
//! what stands before it holds), but what it finds would have kept a gate shut for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::gate::{FactType, Facts};
use crate::syntax::Path;
use crate::syntax::condition::Fact;

pub(super) const RULE: Rule = Rule {
    code: "condition-mistyped",
    title: "a condition compares what can be compared",
    page: include_str!("../../../docs/checks/condition-mistyped.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(probe) = probe.read() else { continue };
        let Some(facts) = probe.spec.facts() else { continue };
        // A name that is not seen has a rule of its own.
        if probe.expect.names().iter().any(|name| facts.iter().all(|(fact, _)| fact != name)) {
            continue;
        }
        // What somebody will answer cannot be tried beforehand.
        let is_any = |name: &String| facts.iter().any(|(fact, of)| fact == name && *of == FactType::Any);
        if probe.expect.names().iter().any(is_any) {
            continue;
        }
        let answers = [sample(facts, true), sample(facts, false)].map(|facts| probe.expect.holds(&facts));
        let Some(why) = answers.into_iter().find_map(Result::err) else { continue };
        let place = subject.place(&Path::probe(name).key("expect"));
        found.push(
            Diagnostic::error(RULE.code, place, format!("the condition has no answer: {why}"))
                .help("a time is compared with a time, as in latency < duration(\"2s\")"),
        );
    }
    found
}

/// What a probe might see, on a good day or on a bad one.
fn sample(facts: Facts, good: bool) -> BTreeMap<String, Fact> {
    let fact = |of_type| match (of_type, good) {
        (FactType::Bool, good) => Fact::Bool(good),
        (FactType::Int, true) => Fact::Int(200),
        (FactType::Int, false) => Fact::Int(503),
        (FactType::Number, true) => Fact::Number(0.5),
        (FactType::Number, false) => Fact::Number(1e6),
        (FactType::Text, true) => Fact::Text("READY".to_owned()),
        (FactType::Text, false) => Fact::Text(String::new()),
        (FactType::Any, _) => Fact::Json(serde_json::Value::Null),
        (FactType::Span, true) => Fact::Span(Duration::from_millis(80)),
        (FactType::Span, false) => Fact::Span(Duration::from_secs(10)),
    };
    facts.iter().map(|(name, of_type)| ((*name).to_owned(), fact(*of_type))).collect()
}

//! A condition asks only for what there is to know: of a sample, what its probe sees; of a run, what a run knows.
//!
//! A name that is not seen gives no answer, and no answer is never healthy: the gate would wait until it gives up.

use std::collections::BTreeSet;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::runbook::Draft;
use crate::syntax::Path;
use crate::syntax::condition::Condition;
use crate::syntax::spelling::{list, nearest};

pub(super) const RULE: Rule = Rule {
    code: "unknown-name",
    title: "a condition uses only names that stand for something",
    page: include_str!("../../../docs/checks/unknown-name.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(probe) = probe.read() else { continue };
        // Of an unknown kind nothing is known; that has a rule of its own.
        let Some(facts) = probe.spec.facts() else { continue };
        let path = Path::probe(name).key("expect");
        let known = || facts.iter().map(|(fact, _)| *fact);
        for unknown in probe.expect.names().iter().filter(|name| known().all(|fact| fact != *name)) {
            let sees = list(known(), "and");
            let message = format!("the probe `{name}` does not see `{unknown}`; it sees {sees}");
            found.push(stands_for_nothing(subject, &path, &probe.expect, unknown, message, known()));
        }
    }
    let known = Known::of(subject.draft);
    let over_run = subject.conditions().into_iter().map(|(path, condition)| (path, condition, ROOTS));
    let over_plan = subject.decisions().map(|(path, condition)| (path, condition, ROOTS_OF_A_PLAN));
    for (path, condition, roots) in over_run.chain(over_plan) {
        for parts in condition.paths() {
            let followed = one_of(parts, roots, "there is").and_then(|()| known.follow(parts));
            let Err(Unknown { name, among, of }) = followed else { continue };
            // A runbook may have thousands of probes; the nearest is offered below.
            let among: Vec<&str> = among.collect();
            let there = if among.len() <= 12 {
                format!("; {of} {}", list(among.iter().copied(), "and"))
            } else {
                String::new()
            };
            let message = format!("`{name}` stands for nothing here{there}");
            found.push(stands_for_nothing(subject, &path, condition, name, message, among.into_iter()));
        }
    }
    found
}

fn stands_for_nothing<'k>(
    subject: &Subject<'_>,
    path: &Path,
    condition: &Condition,
    name: &str,
    message: String,
    known: impl Iterator<Item = &'k str>,
) -> Diagnostic {
    let place = word(&condition.to_string(), name).map(|at| subject.document.place_inside(path, &at));
    let diagnostic = Diagnostic::error(RULE.code, place.unwrap_or_else(|| subject.place(path)), message);
    match nearest(name, known).first() {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// A part of a path that stands for nothing.
struct Unknown<'a> {
    name: &'a str,
    among: Box<dyn Iterator<Item = &'a str> + 'a>,
    /// What `among` is, up to its list.
    of: &'static str,
}

/// What is known when a plan is made.
const ROOTS_OF_A_PLAN: &[&str] = &["probes", "target"];

/// What the conditions over a run may speak of.
struct Known<'a> {
    draft: &'a Draft,
    steps: BTreeSet<&'a str>,
}

const ROOTS: &[&str] =
    &["probes", "baseline", "steps", "target", "runbook", "elapsed", "since_incident", "service_health"];

impl<'a> Known<'a> {
    fn of(draft: &'a Draft) -> Known<'a> {
        Known { draft, steps: draft.steps().filter_map(|(_, step)| step.name.as_deref()).collect() }
    }

    fn follow<'p>(&'p self, path: &'p [String]) -> Result<(), Unknown<'p>> {
        let Some((root, rest)) = path.split_first() else { return Ok(()) };
        match root.as_str() {
            "probes" => self.probe(rest),
            "baseline" => {
                one_of(rest, &["probes"], "a baseline has")?;
                self.probe(rest.get(1..).unwrap_or_default())
            }
            "steps" => match rest.split_first() {
                Some((step, rest)) if self.steps.contains(step.as_str()) => {
                    one_of(rest, &["done", "failed", "skipped", "rolled_back"], "a step has")
                }
                Some((name, _)) => {
                    Err(Unknown { name, among: Box::new(self.steps.iter().copied()), of: "the steps are" })
                }
                None => Ok(()),
            },
            "target" => one_of(rest, &["project", "region"], "the target has"),
            "runbook" => one_of(rest, &["name", "incident"], "the runbook has"),
            _ => Ok(()),
        }
    }

    fn probe<'p>(&'p self, path: &'p [String]) -> Result<(), Unknown<'p>> {
        let probes = &self.draft.probes;
        let Some((name, rest)) = path.split_first() else { return Ok(()) };
        let Some(probe) = probes.get(name) else {
            return Err(Unknown { name, among: Box::new(probes.keys().map(String::as_str)), of: "the probes are" });
        };
        one_of(rest, &["healthy", "unhealthy", "unknown", "observation"], "a probe has")?;
        match (rest, probe.read().and_then(|probe| probe.spec.facts())) {
            ([verdict, fact, ..], Some(facts)) if verdict == "observation" => {
                let known = || facts.iter().map(|(fact, _)| *fact);
                let unknown = || Unknown { name: fact, among: Box::new(known()), of: "this probe sees" };
                if known().any(|known| known == fact) { Ok(()) } else { Err(unknown()) }
            }
            _ => Ok(()),
        }
    }
}

/// Whether the first part is one of these, if there is a first part.
fn one_of<'p>(path: &'p [String], among: &'static [&'static str], of: &'static str) -> Result<(), Unknown<'p>> {
    match path.first() {
        Some(name) if !among.contains(&name.as_str()) => {
            Err(Unknown { name, among: Box::new(among.iter().copied()), of })
        }
        _ => Ok(()),
    }
}

/// Where `word` stands by itself in `text`.
fn word(text: &str, word: &str) -> Option<std::ops::Range<usize>> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .map(|(start, _)| start..start + word.len())
        .find(|at| !text[..at.start].ends_with(part) && !text[at.end..].starts_with(part))
}

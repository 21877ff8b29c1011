//! A condition asks only for what there is to know: of a sample, what its probe sees; of a run, what a run knows.
//!
//! A name that is not seen gives no answer, and no answer is never healthy: the gate would wait until it gives up.

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::facts::facts_of;
use crate::runbook::condition::Condition;
use crate::runbook::spelling::{list, nearest};
use crate::runbook::{Draft, Path};

pub(super) const RULE: Rule =
    Rule { code: "unknown-name", title: "a condition uses only names that stand for something", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(probe) = probe.read() else { continue };
        // Of an unknown kind nothing is known; that has a rule of its own.
        let Some(facts) = facts_of(&probe.look) else { continue };
        let path = Path::probe(name).key("expect");
        let known = || facts.iter().map(|(fact, _)| *fact);
        for unknown in probe.expect.names().iter().filter(|name| known().all(|fact| fact != *name)) {
            let sees = list(known(), "and");
            let message = format!("the probe `{name}` does not see `{unknown}`; it sees {sees}");
            found.push(stands_for_nothing(subject, &path, &probe.expect, unknown, message, known()));
        }
    }
    for (path, condition) in subject.conditions() {
        for parts in condition.paths() {
            let Err(Unknown { name, among, of }) = known_to_a_run(subject.draft, parts) else { continue };
            let message = format!("`{name}` stands for nothing here; {of} {}", list(among.iter().copied(), "and"));
            found.push(stands_for_nothing(subject, &path, condition, name, message, among.iter().copied()));
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
    among: Vec<&'a str>,
    /// What `among` is, up to its list.
    of: &'static str,
}

/// Follows a path through what the conditions over a run may speak of.
fn known_to_a_run<'a>(draft: &'a Draft, path: &'a [String]) -> Result<(), Unknown<'a>> {
    const ROOTS: [&str; 8] =
        ["probes", "baseline", "steps", "target", "runbook", "elapsed", "since_incident", "service_health"];
    let Some((root, rest)) = path.split_first() else { return Ok(()) };
    match root.as_str() {
        "probes" => of_probes(draft, rest),
        "baseline" => match rest.split_first() {
            Some((probes, rest)) if probes == "probes" => of_probes(draft, rest),
            Some((other, _)) => Err(Unknown { name: other, among: vec!["probes"], of: "a baseline has" }),
            None => Ok(()),
        },
        "steps" => {
            let names = draft.steps().filter_map(|(_, step)| step.name.as_deref());
            let rest = one_of(rest, names.collect(), "the steps are")?;
            one_of(rest, vec!["done", "failed", "skipped", "rolled_back"], "a step has").map(drop)
        }
        "target" => one_of(rest, vec!["project", "region"], "the target has").map(drop),
        "runbook" => one_of(rest, vec!["name", "incident"], "the runbook has").map(drop),
        name if ROOTS.contains(&name) => Ok(()),
        name => Err(Unknown { name, among: ROOTS.to_vec(), of: "there is" }),
    }
}

fn of_probes<'a>(draft: &'a Draft, path: &'a [String]) -> Result<(), Unknown<'a>> {
    let rest = one_of(path, draft.probes.keys().map(String::as_str).collect(), "the probes are")?;
    let Some((verdict, fact)) = rest.split_first() else { return Ok(()) };
    one_of(rest, vec!["healthy", "unhealthy", "unknown", "observation"], "a probe has")?;
    let look = path.first().and_then(|name| draft.probes.get(name)?.read()).map(|probe| &probe.look);
    match look.and_then(facts_of) {
        Some(facts) if verdict == "observation" => {
            one_of(fact, facts.iter().map(|(fact, _)| *fact).collect(), "this probe sees").map(drop)
        }
        _ => Ok(()),
    }
}

/// What comes behind the first part, if that is one of these.
fn one_of<'a>(path: &'a [String], among: Vec<&'a str>, of: &'static str) -> Result<&'a [String], Unknown<'a>> {
    match path.split_first() {
        Some((name, _)) if !among.contains(&name.as_str()) => Err(Unknown { name, among, of }),
        Some((_, rest)) => Ok(rest),
        None => Ok(path),
    }
}

/// Where `word` stands by itself in `text`.
fn word(text: &str, word: &str) -> Option<std::ops::Range<usize>> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .map(|(start, _)| start..start + word.len())
        .find(|at| !text[..at.start].ends_with(part) && !text[at.end..].starts_with(part))
}

//! A probe's condition asks only for what the probe sees.
//!
//! A name that is not seen gives no answer, and no answer is never healthy: the gate would wait until it gives up.

use super::{Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::facts::facts_of;
use crate::runbook::Path;
use crate::runbook::spelling::{list, nearest};

pub(super) const RULE: Rule =
    Rule { code: "unknown-name", title: "a condition uses only facts that its probe sees", find };

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, probe) in &subject.draft.probes {
        let Some(probe) = probe.read() else { continue };
        // Of an unknown kind nothing is known; that has a rule of its own.
        let Some(facts) = facts_of(&probe.look) else { continue };
        let path = Path::probe(name).key("expect");
        let known = || facts.iter().map(|(fact, _)| *fact);
        for unknown in probe.expect.names().iter().filter(|name| known().all(|fact| fact != *name)) {
            let text = probe.expect.to_string();
            let place = word(&text, unknown).map(|at| subject.document.place_inside(&path, &at));
            let message = format!("the probe `{name}` does not see `{unknown}`; it sees {}", list(known(), "and"));
            let diagnostic = Diagnostic::error(RULE.code, place.unwrap_or_else(|| subject.place(&path)), message);
            found.push(match nearest(unknown, known()).first() {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic,
            });
        }
    }
    found
}

/// Where `word` stands by itself in `text`.
fn word(text: &str, word: &str) -> Option<std::ops::Range<usize>> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .map(|(start, _)| start..start + word.len())
        .find(|at| !text[..at.start].ends_with(part) && !text[at.end..].starts_with(part))
}

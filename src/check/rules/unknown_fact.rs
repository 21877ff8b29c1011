//! A condition can only use what its probe sees.

use super::{Rule, Subject};
use crate::probe::HTTP_FACTS;
use crate::resource::facts_of;
use crate::runbook::mistake::instead;
use crate::runbook::model::Look;
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule =
    Rule { code: "unknown-fact", title: "a condition about something that its probe does not see", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for (name, probe) in &subject.runbook.probes {
        let facts: &[&str] = match &probe.look {
            Look::Http { .. } => &HTTP_FACTS,
            // An unknown kind is told by its own rule.
            Look::Resource { kind, .. } => match facts_of(kind) {
                Some(facts) => facts,
                None => continue,
            },
        };
        for word in probe.expect.names().iter().filter(|word| !facts.contains(&word.as_str())) {
            let span = subject.document.span(&["probes".into(), Part::Key(name), "expect".into()]);
            let written = subject.document.text().get(span.clone()).unwrap_or_default();
            let at = written
                .find(word.as_str())
                .map_or(span.clone(), |place| span.start + place..span.start + place + word.len());
            let message = format!("this probe sees no `{word}`");
            mistakes.push(Mistake::error(RULE.code, at, message).help(instead(word, facts.iter().copied())));
        }
    }
}

//! A probe of a kind of resource that this version does not know.

use super::{Rule, Subject};
use crate::resource::{KINDS, facts_of};
use crate::runbook::mistake::instead;
use crate::runbook::model::Look;
use crate::runbook::{Mistake, Part};

pub(super) const RULE: Rule =
    Rule { code: "unknown-resource-kind", title: "a kind of resource that does not exist", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    for (name, probe) in &subject.runbook.probes {
        let Look::Resource { kind, .. } = &probe.look else { continue };
        if facts_of(kind).is_none() {
            let at = subject.document.span(&["probes".into(), Part::Key(name), "resource".into()]);
            let message = format!("there is no kind of resource `{kind}`");
            let help = instead(kind, KINDS.iter().map(|(kind, _)| *kind));
            mistakes.push(Mistake::error(RULE.code, at, message).help(help));
        }
    }
}

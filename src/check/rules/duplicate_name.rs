//! Steps are named in journals and on the command line, so their names are unique in the whole runbook.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Rule, Subject, steps};
use crate::runbook::Mistake;

pub(super) const RULE: Rule = Rule { code: "duplicate-name", title: "two steps or two phases of one name", run };

fn run(subject: &Subject<'_>, mistakes: &mut Vec<Mistake>) {
    let phases = subject.runbook.phases.iter().enumerate();
    let phases = phases
        .map(|(index, phase)| (&phase.name, subject.document.span(&["phase".into(), index.into(), "name".into()])));
    repeated("phase", phases, mistakes);
    let steps = steps(subject).map(|step| (&step.name, subject.document.span(&step.place.of("name"))));
    repeated("step", steps, mistakes);
}

fn repeated<'a>(what: &str, names: impl Iterator<Item = (&'a String, Range<usize>)>, mistakes: &mut Vec<Mistake>) {
    let mut first: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    for (name, at) in names {
        match first.get(name.as_str()) {
            Some(before) => {
                let message = format!("there is another {what} named `{name}`");
                mistakes.push(Mistake::error(RULE.code, at, message).also(before.clone(), "here").help("rename one"));
            }
            None => {
                first.insert(name, at);
            }
        }
    }
}

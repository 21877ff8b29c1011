//! Phases and steps have names of their own: a journal, a report and a resumed run tell them apart by nothing else.

use std::collections::BTreeMap;

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "duplicate-name",
    title: "no two phases and no two steps have the same name",
    page: include_str!("../../../docs/checks/duplicate-name.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let phases =
        subject.draft.phases.iter().enumerate().map(|(index, phase)| (Path::phase(index), phase.name.as_deref()));
    let steps = subject.draft.steps().map(|(path, step)| (path, step.name.as_deref()));
    let mut found = repeated(subject, "phase", phases);
    found.extend(repeated(subject, "step", steps));
    found
}

fn repeated<'n>(
    subject: &Subject<'_>,
    what: &str,
    named: impl Iterator<Item = (Path, Option<&'n str>)>,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut first: BTreeMap<&str, Path> = BTreeMap::new();
    for (path, name) in named {
        let Some(name) = name else { continue };
        let path = path.key("name");
        if let Some(first) = first.get(name) {
            let diagnostic =
                Diagnostic::error(RULE.code, subject.place(&path), format!("there are two {what}s named `{name}`"))
                    .label("the second")
                    .and(subject.place(first), "the first");
            found.push(diagnostic.help("a run tells them apart by their names; give one another name"));
        } else {
            first.insert(name, path);
        }
    }
    found
}

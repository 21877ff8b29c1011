//! Every input is used. One that is not promises the operator an influence that it does not have.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "unused-input",
    title: "every input is referred to (warning)",
    page: include_str!("../../../docs/checks/unused-input.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    // A block that could not be read may be the one that uses it.
    if !subject.draft.whole {
        return Vec::new();
    }
    let unused = subject.draft.inputs.iter().filter(|(_, used)| !**used);
    unused
        .map(|(name, _)| {
            let place = subject.key_place(&Path::input(name));
            let message = format!("nothing refers to the input `{name}`");
            Diagnostic::warning(RULE.code, place, message)
                .help(format!("write ${{inputs.{name}}} where it belongs, or take it out"))
        })
        .collect()
}

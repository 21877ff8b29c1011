//! What was to be filled in is filled in.
//!
//! Documents write `<SERVICE>` for a name that the reader puts there. bash takes it for two redirections: it reads the file `SERVICE`,
//! and writes into a file that is called as the next word.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "placeholder",
    title: "a script has no name in angle brackets left to fill in",
    page: include_str!("../../../docs/checks/placeholder.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let placeholders = subject.shell.placeholders.iter();
    placeholders
        .map(|(path, place)| {
            let at = subject.place_in_shell(path, place);
            let written = subject.document.text().get(at.clone()).unwrap_or_default();
            let message = format!("`{written}` is a redirection to bash, and no name");
            let name = written.trim_matches(['<', '>']).replace(['-', '.'], "_");
            let help = format!(
                "fill it in; or write \"${}\", and add it to the step's `env` from an input",
                name.to_uppercase()
            );
            Diagnostic::error(RULE.code, at, message).help(help)
        })
        .collect()
}

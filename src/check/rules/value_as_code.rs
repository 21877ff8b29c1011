//! A value is data, never code.
//!
//! `["bash", "-c", "… ${inputs.name} …"]` runs whatever somebody gave as the name. Arguments of ordinary programs are
//! safe, because no shell takes them apart; the text behind a shell's `-c` is not.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, Shell};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::code_argument;
use crate::run::Command;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "value-as-code",
    title: "no value is put into code that a shell or interpreter runs",
    page: include_str!("../../../docs/checks/value-as-code.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::Shell(Shell { run, check, undo, .. }) = action else { continue };
        for (key, command) in [("run", Some(run)), ("check", check.as_ref()), ("undo", undo.as_ref())] {
            let Some(Command::Program(arguments)) = command else { continue };
            let Some(code) = code_argument(arguments) else { continue };
            let Some(place) = reference(subject, &argument(&step, key).index(code)) else { continue };
            let message = "a value in what an interpreter runs would be run as code";
            let help = "hand it over in `env`, and let the code read it there, as in \"$NAME\"";
            found.push(Diagnostic::error(RULE.code, place, message).help(help));
        }
    }
    found
}

/// Where a reference stands in the text at `path`, as it was written.
fn reference(subject: &Subject<'_>, path: &Path) -> Option<std::ops::Range<usize>> {
    let place = subject.document.span(path)?;
    let written = subject.document.text().get(place.clone())?;
    let start = place.start + written.find("${")?;
    let end = subject.document.text()[start..place.end].find('}').map_or(place.end, |length| start + length + 1);
    Some(start..end)
}

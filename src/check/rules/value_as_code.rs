//! A value is data, never code.
//!
//! `["bash", "-c", "… ${inputs.name} …"]` runs whatever somebody gave as the name. Arguments of ordinary programs are
//! safe, because no shell takes them apart; the text behind a shell's `-c` is not.

use super::{Rule, Subject, argument};
use crate::action::{Action, Shell};
use crate::check::diagnostic::Diagnostic;
use crate::run::Command;
use crate::syntax::Path;

pub(super) const RULE: Rule = Rule {
    code: "value-as-code",
    title: "no value is put into code that a shell or interpreter runs",
    page: include_str!("../../../docs/checks/value-as-code.md"),
    find,
};

/// Programs that run what stands behind `-c`, `-e` or the like.
const INTERPRETERS: [&str; 12] =
    ["ash", "bash", "dash", "fish", "ksh", "node", "perl", "python", "python3", "ruby", "sh", "zsh"];
/// Programs that run the program behind them.
const PREFIXES: [&str; 7] = ["command", "env", "exec", "nice", "nohup", "sudo", "timeout"];

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::Shell(Shell { run, check, undo, .. }) = action else { continue };
        for (key, command) in [("run", Some(run)), ("check", check.as_ref()), ("undo", undo.as_ref())] {
            let Some(Command::Program(arguments)) = command else { continue };
            if !interprets(arguments) {
                continue;
            }
            let path = argument(&step, key);
            let mut referring = (0..arguments.len()).map(|index| path.index(index));
            let Some(place) = referring.find_map(|path| reference(subject, &path)) else { continue };
            let message = "a value in what an interpreter runs would be run as code";
            let help = "hand it over in `env`, and let the code read it there, as in \"$NAME\"";
            found.push(Diagnostic::error(RULE.code, place, message).help(help));
        }
    }
    found
}

fn interprets(arguments: &[String]) -> bool {
    let base = |program: &str| program.rsplit('/').next().unwrap_or(program).to_owned();
    let mut words = arguments.iter().map(|word| base(word));
    let program =
        words.find(|word| !PREFIXES.contains(&word.as_str()) && !word.contains('=') && !word.starts_with('-'));
    program.is_some_and(|program| INTERPRETERS.contains(&program.as_str()))
        && arguments.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(['c', 'e']))
}

/// Where a reference stands in the text at `path`, as it was written.
fn reference(subject: &Subject<'_>, path: &Path) -> Option<std::ops::Range<usize>> {
    let place = subject.document.span(path)?;
    let written = subject.document.text().get(place.clone())?;
    let start = place.start + written.find("${")?;
    let end = subject.document.text()[start..place.end].find('}').map_or(place.end, |length| start + length + 1);
    Some(start..end)
}

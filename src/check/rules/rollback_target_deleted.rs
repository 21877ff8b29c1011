//! A remediation deletes nothing that a rollback needs.
//!
//! The revision that served before is the way back; once it is deleted there is none. A service or connector that is
//! deleted and made anew is a well-known way into a longer incident (source: terraform-provider-google issue 27715).

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::Effect;

pub(super) const RULE: Rule = Rule {
    code: "rollback-target-deleted",
    title: "no step deletes what a rollback needs",
    page: include_str!("../../../docs/checks/rollback-target-deleted.md"),
    answer: Answer::WithReason,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        let Some((Effect::DeletesWayBack(what), _)) = command.line.effect() else { continue };
        let names: Vec<_> = command.line.words().iter().skip_while(|word| word.text != "delete").skip(1).collect();
        let place = subject.command_place(command, &command.place);
        let message = match names.as_slice() {
            // What a script has in a variable, or reads, has no name here.
            [name] if name.is_literal && !command.is_repeated => {
                format!("this deletes the {what} `{}`, and with it the rollback path", name.text)
            }
            _ => {
                let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
                format!("this deletes {article} {what}, and with it the rollback path")
            }
        };
        found.push(Diagnostic::error(RULE.code, place, message).help(instead(what)));
    }
    found
}

/// What to do instead of deleting it.
fn instead(what: &str) -> &'static str {
    match what {
        "revision" => "leave it: a revision without traffic costs nothing, and is the rollback path",
        "service" => "move its traffic instead: all its revisions would go with it",
        "connector" => "make a second one beside it, and let new revisions use that",
        _ => "leave it until the incident is closed, and delete it then",
    }
}

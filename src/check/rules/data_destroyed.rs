//! A remediation destroys no data.
//!
//! A deleted instance, a destroyed version of a secret, a restored backup: there is no undo for what was in it, and nobody is at
//! their best at 3 a.m. No `allow` answers this: what has to be destroyed is destroyed by hand, or in a `manual` step. What can be
//! brought back has a rule of its own, `data-deleted`.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::check::shell::Effect;

pub(super) const RULE: Rule = Rule {
    code: "data-destroyed",
    title: "no step destroys data",
    page: include_str!("../../../docs/checks/data-destroyed.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for command in subject.commands() {
        let Some((Effect::DestroysData(what), _)) = command.line.effect() else { continue };
        let place = subject.command_place(command, &command.place);
        let help = "disable or detach it instead; what really has to be destroyed belongs in a `manual` step, for an operator to do";
        found.push(
            Diagnostic::error(RULE.code, place, format!("this destroys {what}; nothing brings it back")).help(help),
        );
    }
    found
}

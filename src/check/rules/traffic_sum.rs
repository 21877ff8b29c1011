//! The shares of a service's traffic are all of it.

use super::{Answer, Rule, Subject, argument};
use crate::action::{Action, RunTraffic};
use crate::check::diagnostic::Diagnostic;

pub(super) const RULE: Rule = Rule {
    code: "traffic-sum",
    title: "the shares of traffic add up to 100 %",
    page: include_str!("../../../docs/checks/traffic-sum.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (step, _, action) in subject.actions() {
        let Action::RunTraffic(RunTraffic { to, .. }) = action else { continue };
        let sum: u32 = to.iter().map(|(_, share)| u32::from(share.get())).sum();
        if sum == 100 {
            continue;
        }
        let message = format!("the shares add up to {sum} %, not to 100 %");
        let diagnostic = Diagnostic::error(RULE.code, subject.place(&argument(&step, "to")), message);
        found.push(match to.as_slice() {
            [(revision, _)] => diagnostic.help(format!("write to = {{ \"{revision}\" = 100 }}")),
            _ => diagnostic.help("every request goes somewhere: make the shares add up to 100"),
        });
    }
    found
}

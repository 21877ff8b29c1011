//! A script gets the runbook's values in its environment.
//!
//! Nothing is put into a script: a value in it would be run as code. So bash itself meets `${target.project}`, and ends
//! with "bad substitution", because a variable's name has no dot.

use super::{Answer, Rule, Subject};
use crate::check::diagnostic::Diagnostic;
use crate::syntax::{Document, Edit, Path};

pub(super) const RULE: Rule = Rule {
    code: "reference-in-script",
    title: "a script has no reference of the runbook in it",
    page: include_str!("../../../docs/checks/reference-in-script.md"),
    answer: Answer::None,
    find,
};

fn find(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (path, place) in &subject.shell.references {
        let at = subject.place_in_shell(path, place);
        let written = subject.document.text().get(at.clone()).unwrap_or_default();
        // `${{ a.b }}`, `${a.b:-c}` and `${#a.b}` mean `a.b`.
        let inside = written.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or("target.project");
        let inside = inside.trim_matches(|letter: char| "{}#! ".contains(letter));
        let length = inside.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)).count();
        let name = inside[..length].trim_end_matches(['.', '-']);
        let variable = name.rsplit('.').next().unwrap_or(name).replace('-', "_").to_uppercase();
        let message = if name.contains('.') {
            "bash ends with \"bad substitution\" here: nothing is put into a script, where it would be run as code"
        } else {
            "bash takes this for a variable of its own: nothing is put into a script, where it would be run as code"
        };
        let help =
            format!("write \"${variable}\", and add to the step's `with`: env = {{ {variable} = \"${{{name}}}\" }}");
        let value = match written {
            "${target.project}" => written_target(subject.document, "project"),
            "${target.region}" => written_target(subject.document, "region"),
            _ => None,
        };
        let edit = value.map(|text| Edit { at: at.clone(), text: text.to_owned() });
        found.push(Diagnostic::error(RULE.code, at, message).help(help).edits(edit));
    }
    found
}

/// What `[target]` says under this key, if that can be written into a script: it is the same for every run, so it refers to no input,
/// and it means itself in a script and in every string of TOML.
pub(super) fn written_target<'d>(document: &'d Document, key: &str) -> Option<&'d str> {
    let is_plain = |text: &&str| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".:_-".contains(letter))
    };
    document.text_at(&Path::root().key("target").key(key)).filter(is_plain)
}

//! `${…}`: what stands for what.
//!
//! A reference is resolved where a string is read, so that the model never contains one. There is no language
//! here, only substitution: `${inputs.x}`, `${target.project}`, `${target.region}` and `${runbook.name}`.
//! `$${` is a literal `${`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::mistake::{BAD_REFERENCE, NOT_YET};
use super::spelling::did_you_mean;

/// What the operator gives a runbook.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    pub(super) given: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
}

impl Inputs {
    /// No values but the runbook's own defaults.
    pub fn none() -> Inputs {
        Inputs::default()
    }

    /// Values by the name of the input, as on the command line.
    pub fn given(given: BTreeMap<String, String>) -> Inputs {
        Inputs { given, environment: BTreeMap::new() }
    }

    /// Where inputs with an `env` are looked for, after what was given and before the default. It is handed in,
    /// because this room asks nothing of the world.
    #[must_use]
    pub fn environment(mut self, environment: BTreeMap<String, String>) -> Inputs {
        self.environment = environment;
        self
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This text.
    Is(String),
    /// Something that is not known now, and of which enough has been said elsewhere.
    Unknown,
    /// A secret. It would end up in a plan or a journal.
    Secret,
}

/// What the names of one place stand for.
#[derive(Debug, Default)]
pub(super) struct Scope {
    names: BTreeMap<String, Meaning>,
    used: RefCell<BTreeSet<String>>,
}

/// A string with its references resolved as far as that goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// Whether a reference is left in it because its value is not known.
    pub(super) unresolved: bool,
    /// Where in `text` the substituted values stand.
    pub(super) substituted: Vec<Range<usize>>,
    pub(super) problems: Vec<Problem>,
}

/// What is wrong with a reference, and where in the string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Scope {
    pub(super) fn define(&mut self, name: impl Into<String>, meaning: Meaning) {
        self.names.insert(name.into(), meaning);
    }

    /// The names that something referred to.
    pub(super) fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    pub(super) fn resolve(&self, text: &str) -> Resolved {
        let mut resolved = Resolved::default();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let dollar = at + found;
            if text[..dollar].ends_with('$') && dollar > at {
                // `$${`: the first dollar was taken as text below; it is the one that goes.
                resolved.text.push_str(&text[at..dollar - 1]);
                resolved.text.push_str("${");
                at = dollar + 2;
                continue;
            }
            resolved.text.push_str(&text[at..dollar]);
            let Some(length) = text[dollar..].find('}') else {
                resolved.problems.push(Problem {
                    code: BAD_REFERENCE,
                    at: dollar..text.len(),
                    message: "`${` without a `}`".to_owned(),
                    help: Some("write `$${` if you mean the characters themselves".to_owned()),
                });
                resolved.unresolved = true;
                at = dollar;
                break;
            };
            let end = dollar + length + 1;
            self.one(&text[dollar + 2..end - 1], dollar..end, &text[dollar..end], &mut resolved);
            at = end;
        }
        resolved.text.push_str(&text[at..]);
        resolved
    }

    fn one(&self, name: &str, at: Range<usize>, written: &str, resolved: &mut Resolved) {
        self.used.borrow_mut().insert(name.to_owned());
        let problem = match self.names.get(name) {
            Some(Meaning::Is(value)) => {
                let start = resolved.text.len();
                resolved.text.push_str(value);
                resolved.substituted.push(start..resolved.text.len());
                return;
            }
            Some(Meaning::Unknown) => None,
            Some(Meaning::Secret) => Some(Problem {
                code: NOT_YET,
                at,
                message: format!(
                    "`{written}` is a secret; where secrets may be used is not supported by this version yet"
                ),
                help: Some("a secret must not end up in a plan or a journal".to_owned()),
            }),
            None if name.starts_with("steps.") => Some(Problem {
                code: NOT_YET,
                at,
                message: "references to steps are not supported by this version yet".to_owned(),
                help: None,
            }),
            None => Some(Problem {
                code: BAD_REFERENCE,
                at,
                message: format!("`{written}` stands for nothing here"),
                help: did_you_mean(name, self.names.keys().map(String::as_str)),
            }),
        };
        resolved.problems.extend(problem);
        resolved.unresolved = true;
        resolved.text.push_str(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.define("inputs.tag", Meaning::Is("v1".to_owned()));
        scope.define("inputs.later", Meaning::Unknown);
        scope.define("inputs.token", Meaning::Secret);
        scope
    }

    #[test]
    fn references_are_replaced_and_remembered() {
        let scope = scope();
        let resolved = scope.resolve("a ${inputs.tag} é ${inputs.tag}");
        assert_eq!(resolved.text, "a v1 é v1");
        assert_eq!(resolved.substituted, [2..4, 8..10]);
        assert!(resolved.problems.is_empty() && !resolved.unresolved);
        assert_eq!(scope.used(), BTreeSet::from(["inputs.tag".to_owned()]));
    }

    #[test]
    fn two_dollars_are_one() {
        assert_eq!(scope().resolve("$${inputs.tag} ${inputs.tag}").text, "${inputs.tag} v1");
        assert_eq!(scope().resolve("$$${inputs.tag}").text, "$${inputs.tag}");
        assert_eq!(scope().resolve("cost: $5 {a} $").text, "cost: $5 {a} $");
    }

    #[test]
    fn what_is_not_known_stays_and_what_is_wrong_is_pointed_at() {
        let resolved = scope().resolve("x${inputs.later}");
        assert_eq!(
            (resolved.text.as_str(), resolved.unresolved, resolved.problems.len()),
            ("x${inputs.later}", true, 0)
        );
        let resolved = scope().resolve("x ${input.tag} y ${inputs.token} ${");
        let problems: Vec<_> = resolved.problems.iter().map(|problem| (problem.code, problem.at.clone())).collect();
        assert_eq!(problems, [(BAD_REFERENCE, 2..14), (NOT_YET, 17..32), (BAD_REFERENCE, 33..35)]);
        assert_eq!(resolved.problems[0].help.as_deref(), Some("did you mean `inputs.tag`?"));
        assert_eq!(resolved.text, "x ${input.tag} y ${inputs.token} ${");
    }
}

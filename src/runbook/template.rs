//! `${…}`: what stands for what.
//!
//! A reference is resolved where a string is read, so that the model never contains one. There is no language
//! here, only substitution: `${inputs.x}`, `${target.project}`, `${target.region}`, `${runbook.name}`,
//! `${runbook.incident}`, `${item}` in a step with `for_each`, and `${steps.deploy.revision}` for what an earlier step
//! brought about. `$${` is a literal `${`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use secrecy::{ExposeSecret as _, SecretString};

use super::mistake::{BAD_REFERENCE, CYCLE, SECRET_SHOWN};
use super::spelling::did_you_mean;

/// What the operator gives a runbook.
#[derive(Clone, Default)]
pub struct Inputs {
    pub(super) given: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
}

/// Names only: a value may be a secret.
impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("given", &self.given.keys()).finish_non_exhaustive()
    }
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
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// This text.
    Is(String),
    /// Something that is not known now, and of which enough has been said elsewhere.
    Unknown,
    /// A secret, if it has a value yet. It must not end up in a plan or a journal.
    Secret(Option<SecretString>),
    /// What an earlier step will have brought about.
    Later,
    /// What an earlier request of the same flow captures, when it is made; never shown.
    Captured,
    /// What a step that comes later, or the step itself, brings about.
    Ahead,
}

/// Who will see a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever reads a plan, a journal or a screen.
    Everybody,
    /// Only what it is sent to.
    Recipient,
}

/// What the names of one place stand for.
#[derive(Debug, Default)]
pub(super) struct Scope {
    names: RefCell<BTreeMap<String, Meaning>>,
    used: RefCell<BTreeSet<String>>,
}

/// A string with its references resolved as far as that goes.
#[derive(Default)]
pub(super) struct Resolved {
    /// What may be shown: a secret stands as its reference.
    pub(super) text: String,
    /// The same with the secrets in it.
    pub(super) secret: String,
    /// Whether a reference is left in it because its value is not known.
    pub(super) unresolved: bool,
    /// Whether one is left that only a run can tell.
    pub(super) later: bool,
    /// Where in `text` the substituted values stand.
    pub(super) substituted: Vec<Range<usize>>,
    pub(super) problems: Vec<Problem>,
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("text", &self.text).field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Resolved {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.secret.push_str(text);
    }
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
    pub(super) fn define(&self, name: impl Into<String>, meaning: Meaning) {
        self.names.borrow_mut().insert(name.into(), meaning);
    }

    pub(super) fn forget(&self, name: &str) {
        self.names.borrow_mut().remove(name);
    }

    /// The names that something referred to.
    pub(super) fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    pub(super) fn resolve(&self, text: &str, audience: Audience) -> Resolved {
        let mut resolved = Resolved::default();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let dollar = at + found;
            if text[..dollar].ends_with('$') && dollar > at {
                // `$${`: the first dollar was taken as text below; it is the one that goes.
                resolved.push(&text[at..dollar - 1]);
                resolved.push("${");
                at = dollar + 2;
                continue;
            }
            resolved.push(&text[at..dollar]);
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
            self.one(&text[dollar + 2..end - 1], dollar..end, &text[dollar..end], audience, &mut resolved);
            at = end;
        }
        resolved.push(&text[at..]);
        resolved
    }

    fn one(&self, name: &str, at: Range<usize>, written: &str, audience: Audience, resolved: &mut Resolved) {
        self.used.borrow_mut().insert(name.to_owned());
        let names = self.names.borrow();
        let problem = match names.get(name) {
            Some(Meaning::Is(value)) => {
                let start = resolved.text.len();
                resolved.push(value);
                resolved.substituted.push(start..resolved.text.len());
                return;
            }
            Some(Meaning::Secret(Some(secret))) if audience == Audience::Recipient => {
                resolved.text.push_str(written);
                resolved.secret.push_str(secret.expose_secret());
                return;
            }
            Some(Meaning::Captured) => {
                resolved.push(written);
                return;
            }
            Some(Meaning::Unknown) => None,
            Some(Meaning::Later) => {
                resolved.later = true;
                None
            }
            Some(Meaning::Secret(_)) if audience == Audience::Recipient => None,
            Some(Meaning::Secret(_)) => Some(Problem {
                code: SECRET_SHOWN,
                at,
                message: format!("`{written}` is a secret, and what stands here is shown and journaled"),
                help: Some("a secret may stand in headers, bodies, webhooks, database URLs and `env`".to_owned()),
            }),
            Some(Meaning::Ahead) => Some(Problem {
                code: CYCLE,
                at,
                message: format!(
                    "`{written}` is not known before this step: it comes about in this step or a later one"
                ),
                help: Some("a step can only refer to steps before it".to_owned()),
            }),
            None => Some(Problem {
                code: BAD_REFERENCE,
                at,
                message: format!("`{written}` stands for nothing here"),
                help: did_you_mean(name, names.keys().map(String::as_str)),
            }),
        };
        resolved.problems.extend(problem);
        resolved.unresolved = true;
        resolved.push(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let scope = Scope::default();
        scope.define("inputs.tag", Meaning::Is("v1".to_owned()));
        scope.define("inputs.later", Meaning::Unknown);
        scope.define("inputs.token", Meaning::Secret(Some("hunter2".to_owned().into())));
        scope.define("steps.deploy.revision", Meaning::Ahead);
        scope
    }

    #[test]
    fn references_are_replaced_and_remembered() {
        let scope = scope();
        let resolved = scope.resolve("a ${inputs.tag} é ${inputs.tag}", Audience::Everybody);
        assert_eq!(resolved.text, "a v1 é v1");
        assert_eq!(resolved.substituted, [2..4, 8..10]);
        assert!(resolved.problems.is_empty() && !resolved.unresolved);
        assert_eq!(scope.used(), BTreeSet::from(["inputs.tag".to_owned()]));
    }

    #[test]
    fn two_dollars_are_one() {
        assert_eq!(scope().resolve("$${inputs.tag} ${inputs.tag}", Audience::Everybody).text, "${inputs.tag} v1");
        assert_eq!(scope().resolve("$$${inputs.tag}", Audience::Everybody).text, "$${inputs.tag}");
        assert_eq!(scope().resolve("cost: $5 {a} $", Audience::Everybody).text, "cost: $5 {a} $");
    }

    #[test]
    fn what_is_not_known_stays_and_what_is_wrong_is_pointed_at() {
        let resolved = scope().resolve("x${inputs.later}", Audience::Everybody);
        assert_eq!(
            (resolved.text.as_str(), resolved.unresolved, resolved.problems.len()),
            ("x${inputs.later}", true, 0)
        );
        let resolved = scope().resolve("x ${input.tag} y ${inputs.token} ${", Audience::Everybody);
        let problems: Vec<_> = resolved.problems.iter().map(|problem| (problem.code, problem.at.clone())).collect();
        assert_eq!(problems, [(BAD_REFERENCE, 2..14), (SECRET_SHOWN, 17..32), (BAD_REFERENCE, 33..35)]);
        assert_eq!(resolved.problems[0].help.as_deref(), Some("did you mean `inputs.tag`?"));
        assert_eq!(resolved.text, "x ${input.tag} y ${inputs.token} ${");
    }

    #[test]
    fn a_secret_is_for_its_recipient_only() {
        let resolved = scope().resolve("Bearer ${inputs.token}", Audience::Recipient);
        assert_eq!((resolved.text.as_str(), resolved.secret.as_str()), ("Bearer ${inputs.token}", "Bearer hunter2"));
        assert!(resolved.problems.is_empty() && !resolved.unresolved);
        assert!(!format!("{resolved:?}").contains("hunter2"));
        let shown = scope().resolve("Bearer ${inputs.token}", Audience::Everybody);
        assert!(!shown.secret.contains("hunter2") && shown.unresolved);
    }

    #[test]
    fn nothing_refers_to_what_comes_later() {
        let resolved = scope().resolve("${steps.deploy.revision}", Audience::Everybody);
        assert_eq!(resolved.problems[0].code, CYCLE);
    }
}

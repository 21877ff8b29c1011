//! `${…}`: what stands for what.
//!
//! A reference is resolved where a string is read, so that the model never contains one. There is no language
//! here, only substitution: `${inputs.x}`, `${target.project}`, `${target.region}`, `${runbook.name}`,
//! `${runbook.incident}`, `${item}` in a step with `for_each`, and `${steps.deploy.revision}` for what an earlier step
//! brought about. `$${` is a literal `${`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use secrecy::SecretString;

use super::mistake::{BAD_REFERENCE, CYCLE, SECRET_SHOWN, TOO_MUCH_TEXT};
use super::spelling::did_you_mean;

/// What the operator gives a runbook.
#[derive(Clone, Default)]
pub struct Inputs {
    pub(crate) given: BTreeMap<String, String>,
    pub(crate) environment: Environment,
    /// What the lists of `for_each` were found to list, by step.
    pub(crate) lists: BTreeMap<String, Vec<String>>,
}

/// The part of the environment that the operator lets a runbook see. A runbook's own `env` only declares a variable: without
/// the operator's word it reaches nothing.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables that the operator names with `--env`; `None`: it is not set, or is not UTF-8.
    pub named: BTreeMap<String, Option<SecretString>>,
    /// The variables whose name begins with [`INPUT_PREFIX`], by their whole name.
    pub by_input: BTreeMap<String, SecretString>,
    /// Whether values from the environment may be shown.
    pub exposure: Exposure,
}

/// What is made of values from the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// They are secrets, whatever the runbook says of the input.
    #[default]
    Secret,
    /// They are shown, unless the runbook declares the input a secret.
    Plain,
}

/// What the name of a variable begins with that gives an input by the input's name.
pub const INPUT_PREFIX: &str = "RECTIFY_INPUT_";

/// The variable that gives this input: `db-password` is `RECTIFY_INPUT_DB_PASSWORD`.
pub(crate) fn input_variable(input: &str) -> String {
    format!("{INPUT_PREFIX}{}", input.to_uppercase().replace('-', "_"))
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
        Inputs { given, ..Inputs::default() }
    }

    /// What the lists of `for_each` were found to list, by step.
    #[must_use]
    pub fn lists(mut self, lists: BTreeMap<String, Vec<String>>) -> Inputs {
        self.lists = lists;
        self
    }

    /// Where inputs are looked for after what was given and before the default. It is handed in, because this room asks
    /// nothing of the world.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Inputs {
        self.environment = environment;
        self
    }
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// This text.
    Is(String),
    /// Something that is not known now, and of which enough has been said elsewhere.
    Unknown,
    /// A secret, if it has a value yet. It must not end up in a plan or a journal.
    Secret { value: Option<SecretString>, origin: Origin },
    /// What an earlier step will have brought about.
    Later,
    /// What an earlier request of the same flow captures, when it is made; never shown.
    Captured,
    /// What a step that comes later, or the step itself, brings about.
    Ahead,
}

/// Why something is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The runbook says so.
    Declared,
    /// It came from the environment, and the operator did not say that it may be shown.
    Environment,
}

/// Who will see a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever reads a plan, a journal or a screen.
    Everybody,
    /// Only what it is sent to.
    Recipient,
}

/// The most bytes of text that one runbook may stand for, all iterations of its steps and all references counted: four times
/// the largest file. A megabyte that is referred to twenty thousand times is an attack.
const MOST_TEXT: usize = 16 * 1024 * 1024;

/// What the names of one place stand for.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// How many bytes of text were made so far.
    made: Cell<usize>,
    names: RefCell<BTreeMap<String, Meaning>>,
    used: RefCell<BTreeSet<String>>,
}

/// A part of a string with references.
#[derive(Clone)]
pub(crate) enum Part {
    /// What stands there itself.
    Text(String),
    /// The value of a reference that is no secret.
    Value(String),
    /// The value of one that is.
    Secret(SecretString),
    /// What an earlier request of the same flow captures under this name.
    Captured(String),
    /// A reference without a value, as it is written.
    Unresolved(String),
}

/// A string with its references resolved as far as that goes.
#[derive(Default)]
pub(crate) struct Resolved {
    /// What may be shown: a secret stands as its reference.
    pub(crate) text: String,
    /// Of what it is put together. Two texts may stand one after the other.
    pub(crate) parts: Vec<Part>,
    /// The references to secrets in it, as they are written.
    pub(crate) secrets: BTreeSet<String>,
    /// Those of them that have no value.
    pub(crate) absent: BTreeSet<String>,
    /// Whether a reference is left in it because its value is not known.
    pub(crate) unresolved: bool,
    /// Whether one is left that only a run can tell.
    pub(crate) later: bool,
    /// Where in `text` the substituted values stand.
    pub(crate) substituted: Vec<Range<usize>>,
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("text", &self.text).field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Resolved {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.parts.push(Part::Text(text.to_owned()));
    }
}

/// What is wrong with a reference, and where in the string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Scope {
    pub(crate) fn define(&self, name: impl Into<String>, meaning: Meaning) {
        self.names.borrow_mut().insert(name.into(), meaning);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.names.borrow_mut().remove(name);
    }

    /// The names that something referred to.
    pub(crate) fn used(&self) -> BTreeSet<String> {
        self.used.borrow().clone()
    }

    pub(crate) fn resolve(&self, text: &str, audience: Audience) -> Resolved {
        let mut resolved = Resolved::default();
        if self.made.get() > MOST_TEXT {
            resolved.unresolved = true;
            return resolved;
        }
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
            if self.made.get() + resolved.text.len() > MOST_TEXT {
                break;
            }
        }
        resolved.push(&text[at..]);
        self.made.set(self.made.get() + resolved.text.len());
        if self.made.get() > MOST_TEXT {
            // Said once: from here on nothing is resolved any more.
            resolved.unresolved = true;
            resolved.problems.push(Problem {
                code: TOO_MUCH_TEXT,
                at: 0..text.len(),
                message: format!(
                    "with this the runbook expands to more than {} MiB of text",
                    MOST_TEXT / (1024 * 1024)
                ),
                help: Some("refer to large values less often, or iterate over fewer items".to_owned()),
            });
        }
        resolved
    }

    fn one(&self, name: &str, at: Range<usize>, written: &str, audience: Audience, resolved: &mut Resolved) {
        self.used.borrow_mut().insert(name.to_owned());
        let names = self.names.borrow();
        let problem = match names.get(name) {
            Some(Meaning::Is(value)) => {
                let start = resolved.text.len();
                resolved.text.push_str(value);
                resolved.parts.push(Part::Value(value.clone()));
                resolved.substituted.push(start..resolved.text.len());
                return;
            }
            Some(Meaning::Secret { value, .. }) if audience == Audience::Recipient => {
                resolved.text.push_str(written);
                resolved.secrets.insert(name.to_owned());
                if value.is_none() {
                    resolved.absent.insert(name.to_owned());
                }
                // Where a secret may stand does not depend on whether it has a value.
                resolved.parts.push(Part::Secret(value.clone().unwrap_or_default()));
                return;
            }
            Some(Meaning::Captured) => {
                resolved.text.push_str(written);
                let name = name.strip_prefix("flow.").unwrap_or(name);
                resolved.parts.push(Part::Captured(name.to_owned()));
                return;
            }
            Some(Meaning::Unknown) => None,
            Some(Meaning::Later) => {
                resolved.later = true;
                None
            }
            Some(Meaning::Secret { origin: Origin::Environment, .. }) => Some(Problem {
                code: SECRET_SHOWN,
                at,
                message: format!(
                    "`{written}` comes from the environment and so is a secret, and what stands here is shown and journaled"
                ),
                help: Some("with --plain-env, values from the environment are shown".to_owned()),
            }),
            Some(Meaning::Secret { origin: Origin::Declared, .. }) => Some(Problem {
                code: SECRET_SHOWN,
                at,
                message: format!("`{written}` is a secret, and what stands here is shown and journaled"),
                help: Some("a secret may stand in `headers`, `query`, `json`, `form`, a database's `password`, webhooks and the `env` of a program; a Cloud Run service reads it from Secret Manager: secrets = { NAME = \"SECRET:VERSION\" }".to_owned()),
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
                message: format!("`{written}` refers to nothing here"),
                help: did_you_mean(name, names.keys().map(String::as_str)),
            }),
        };
        resolved.problems.extend(problem);
        resolved.unresolved = true;
        resolved.text.push_str(written);
        resolved.parts.push(Part::Unresolved(written.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn scope() -> Scope {
        let scope = Scope::default();
        scope.define("inputs.tag", Meaning::Is("v1".to_owned()));
        scope.define("inputs.later", Meaning::Unknown);
        let value = Some("hunter2".to_owned().into());
        scope.define("inputs.token", Meaning::Secret { value, origin: Origin::Declared });
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
        assert_eq!(resolved.text, "Bearer ${inputs.token}");
        let [Part::Text(before), Part::Secret(secret), ..] = resolved.parts.as_slice() else { panic!("{resolved:?}") };
        assert_eq!((before.as_str(), secret.expose_secret()), ("Bearer ", "hunter2"));
        assert!(resolved.problems.is_empty() && !resolved.unresolved);
        assert!(!format!("{resolved:?}").contains("hunter2"));
        let shown = scope().resolve("Bearer ${inputs.token}", Audience::Everybody);
        assert!(shown.parts.iter().all(|part| !matches!(part, Part::Secret(_))) && shown.unresolved);
    }

    #[test]
    fn a_text_knows_the_secrets_in_it_and_which_of_them_have_no_value() {
        let scope = scope();
        scope.define("inputs.absent", Meaning::Secret { value: None, origin: Origin::Declared });
        let resolved = scope.resolve("$${inputs.tag} ${inputs.token} ${inputs.absent}", Audience::Recipient);
        assert_eq!(resolved.secrets, BTreeSet::from(["inputs.absent", "inputs.token"].map(str::to_owned)));
        assert_eq!(resolved.absent, BTreeSet::from(["inputs.absent".to_owned()]));
        assert!(!resolved.unresolved);
    }

    #[test]
    fn the_variable_of_an_input_is_written_as_variables_are() {
        assert_eq!(input_variable("db-password"), "RECTIFY_INPUT_DB_PASSWORD");
    }

    #[test]
    fn what_references_stand_for_is_bounded_and_said_once() {
        let scope = scope();
        scope.define("inputs.large", Meaning::Is("B".repeat(1_000_000)));
        let resolved = scope.resolve(&"${inputs.large}".repeat(20_000), Audience::Everybody);
        let codes: Vec<_> = resolved.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [TOO_MUCH_TEXT]);
        assert!(resolved.unresolved && resolved.text.len() < 2 * MOST_TEXT, "{}", resolved.text.len());
        let later = scope.resolve("${inputs.tag}", Audience::Everybody);
        assert!(later.unresolved && later.problems.is_empty() && later.text.is_empty());
    }

    #[test]
    fn nothing_refers_to_what_comes_later() {
        let resolved = scope().resolve("${steps.deploy.revision}", Audience::Everybody);
        assert_eq!(resolved.problems[0].code, CYCLE);
    }
}

//! What Google's documents do not say of a type: the rules of `catalog/rules.toml`, each with its source.

use std::fmt;

/// An exception, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it says.
    pub what: Exception,
    /// Where that is written, or was seen.
    pub source: &'static str,
}

/// What a rule says of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exception {
    /// A write changes one field of the first level.
    OneFieldAWrite,
    /// The mask takes fields of the first level.
    MaskOfFirstLevel,
    /// The mask takes these paths.
    MaskOnly(Vec<&'static str>),
    /// The mask's paths begin with the name of the request's field.
    MaskPrefix(&'static str),
    /// A method of its own sets a field.
    SetBy {
        /// The field.
        field: &'static str,
        /// The method.
        method: &'static str,
        /// How the method takes the value.
        argument: MethodArgument,
        /// The field of the resource that makes the method's write conditional, sent under the last part of its path.
        token: Option<&'static str>,
    },
    /// The field is masked in answers, or missing: what was read must never be written back.
    Unreadable(&'static str),
    /// The value is secret, although the field's name does not say so.
    Sensitive(&'static str),
    /// The field cannot be changed, although Discovery does not say so.
    Fixed(&'static str),
    /// A change of the field cannot be undone.
    Irreversible {
        /// The field.
        field: &'static str,
        /// Which change: `grows`, `changes`, `is set`.
        when: String,
    },
    /// Changing one field changes another.
    Moves {
        /// What is changed.
        field: &'static str,
        /// What changes with it.
        moves: &'static str,
    },
    /// Changing the field restarts what it is made on.
    Restarts(&'static str),
    /// What the method does cannot be undone by another call.
    IrreversibleCall(&'static str),
    /// The method answers with a secret.
    SecretAnswer(&'static str),
    /// The method undoes `delete`, for a while.
    Undeletes(&'static str),
    /// The API takes one write at a time in this scope: `project`, `cluster` or `resource`.
    Serial(&'static str),
    /// The host, with `{location}` in it.
    Host(&'static str),
    /// The API refuses a write while this holds.
    RefusesWhile(String),
}

/// How a method that sets one field takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodArgument {
    /// In this field of its message.
    Field(&'static str),
    /// As its whole message.
    WholeBody,
    /// As this query parameter.
    Query(&'static str),
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exception::OneFieldAWrite => write!(f, "one field a write"),
            Exception::MaskOfFirstLevel => write!(f, "the mask takes fields of the first level"),
            Exception::MaskOnly(paths) => write!(f, "the mask takes {} only", paths.join(", ")),
            Exception::MaskPrefix(prefix) => write!(f, "paths of the mask begin with {prefix}."),
            Exception::SetBy { field, method, .. } => write!(f, "{field} is set by {method}"),
            Exception::Unreadable(field) => write!(f, "{field} is masked or missing in answers"),
            Exception::Sensitive(field) => write!(f, "{field} is secret"),
            Exception::Fixed(field) => write!(f, "{field} cannot be changed"),
            Exception::Irreversible { field, when } => write!(f, "{field} cannot be changed back when it {when}"),
            Exception::Moves { field, moves } => write!(f, "{field} changes {moves} too"),
            Exception::Restarts(field) => write!(f, "changing {field} restarts it"),
            Exception::IrreversibleCall(method) => write!(f, "what {method} does cannot be undone"),
            Exception::SecretAnswer(method) => write!(f, "{method} is refused: it answers with a secret"),
            Exception::Undeletes(method) => write!(f, "{method} undoes delete, for a while"),
            Exception::Serial(scope) => write!(f, "one write at a time in a {scope}"),
            Exception::Host(host) => write!(f, "its host is {host}"),
            Exception::RefusesWhile(condition) => write!(f, "writes are refused while {condition}"),
        }
    }
}

impl Rule {
    /// Reads `rule value… | source`.
    pub(super) fn parse(line: &'static str) -> Option<Rule> {
        let (what, source) = line.split_once(" | ")?;
        let words: Vec<&'static str> = what.split(' ').collect();
        let spaced = |word: &str| word.replace('_', " ");
        let what = match words[..] {
            ["one-field"] => Exception::OneFieldAWrite,
            ["mask-top"] => Exception::MaskOfFirstLevel,
            ["mask-only", paths] => Exception::MaskOnly(paths.split(',').collect()),
            ["mask-prefix", prefix] => Exception::MaskPrefix(prefix),
            ["set-by", field, method, argument, token] => Exception::SetBy {
                field,
                method,
                argument: match (argument, argument.strip_prefix('?')) {
                    ("-", _) => MethodArgument::WholeBody,
                    (_, Some(parameter)) => MethodArgument::Query(parameter),
                    (field, None) => MethodArgument::Field(field),
                },
                token: (token != "-").then_some(token),
            },
            ["unreadable", field] => Exception::Unreadable(field),
            ["sensitive", field] => Exception::Sensitive(field),
            ["fixed", field] => Exception::Fixed(field),
            ["irreversible", field, when] => Exception::Irreversible { field, when: spaced(when) },
            ["moves", field, moves] => Exception::Moves { field, moves },
            ["restarts", field] => Exception::Restarts(field),
            ["irreversible-call", method] => Exception::IrreversibleCall(method),
            ["secret-answer", method] => Exception::SecretAnswer(method),
            ["undeletes", method] => Exception::Undeletes(method),
            ["serial", scope] => Exception::Serial(scope),
            ["host", host] => Exception::Host(host),
            ["refuses-while", condition] => Exception::RefusesWhile(spaced(condition)),
            _ => return None,
        };
        Some(Rule { what, source })
    }
}

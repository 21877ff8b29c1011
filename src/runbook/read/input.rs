//! `[inputs]`: what the operator gives, where it comes from, and what references to it stand for.

use std::collections::BTreeMap;

use regex::Regex;
use secrecy::{ExposeSecret as _, SecretString};

use super::Mode;
use crate::redact;
use crate::runbook::format;
use crate::syntax::mistake::{
    INPUT_PATTERN, MISSING_INPUT, Mistake, SECRET_SHOWN, SECRET_TOO_SHORT, UNKNOWN_INPUT, WRONG_TYPE,
};
use crate::syntax::spelling::did_you_mean;
use crate::syntax::{Block, Reader};
use crate::syntax::{Entry, Path};
use crate::syntax::{Environment, Exposure, Inputs, Meaning, Origin, input_variable};

/// What `[inputs]` is.
#[derive(Default)]
pub(super) struct Read {
    /// The inputs' names.
    pub(super) names: Vec<String>,
    /// The values that came from the environment and may be shown, by input.
    pub(super) shown: BTreeMap<String, String>,
}

/// More are not read: the pattern of each is compiled, which may take a tenth of a second.
const MOST_INPUTS: usize = 100;

/// Defines `inputs.NAME` for every input.
pub(super) fn read_inputs(reader: &Reader<'_>, root: &Block<'_, '_>, inputs: &Inputs, mode: Mode) -> Read {
    let mut read = Read::default();
    let entries = root.tables_by_name("inputs");
    if entries.len() > MOST_INPUTS {
        let message = format!("{} inputs are more than anybody gives", entries.len());
        root.wrong("inputs", message, &format!("a runbook has at most {MOST_INPUTS}"));
    }
    for (name, entry) in entries.into_iter().take(MOST_INPUTS) {
        let before = reader.count();
        let meaning = read_entry(reader, name, entry, inputs, mode).filter(|_| reader.count() == before);
        if let Some(Meaning::Is(value)) = &meaning
            && !inputs.given.contains_key(name)
            && inputs.environment.of(name, declared_variable(reader, name)).value().is_some()
        {
            read.shown.insert(name.to_owned(), value.clone());
        }
        reader.scope.define(format!("inputs.{name}"), meaning.unwrap_or(Meaning::Unknown));
        read.names.push(name.to_owned());
    }
    for given in inputs.given.keys().filter(|given| !read.names.contains(given)) {
        let at = reader.document.place(&Path::root().key("inputs"));
        let mistake =
            Mistake::new(UNKNOWN_INPUT, at, format!("a value was given for `{given}`, which is not an input"));
        reader.note(Mistake { help: did_you_mean(given, read.names.iter().map(String::as_str)), ..mistake });
    }
    read
}

fn declared_variable<'d>(reader: &Reader<'d>, input: &str) -> Option<&'d str> {
    reader.document.text_at(&Path::input(input).key("env"))
}

fn read_entry<'d>(reader: &Reader<'d>, name: &str, entry: &'d Entry, inputs: &Inputs, mode: Mode) -> Option<Meaning> {
    let path = Path::input(name);
    if let Some(text) = reader.document.text_at(&path) {
        let mistake = Mistake::new(WRONG_TYPE, entry.node.at.clone(), "an input is a table, not a text");
        reader.note(mistake.help(format!("write {name} = {{ default = \"{text}\" }}")));
        return None;
    }
    read_input(&reader.block(path, &entry.node, &format::INPUT)?, name, inputs, mode)
}

fn read_input(block: &Block<'_, '_>, name: &str, inputs: &Inputs, mode: Mode) -> Option<Meaning> {
    let reader = block.reader;
    let default = block.literal("default");
    let required = block.flag("required").unwrap_or(false);
    let secret = block.flag("secret").unwrap_or(false);
    let env = block.literal("env");
    let rehearsal = block.literal("rehearsal");
    let pattern = block.parsed("pattern", |text| {
        // The whole of what the regex crate says is a drawing of its own.
        Regex::new(text).map_err(|_| format!("`{text}` is not a regular expression"))
    });
    block.literal("description");
    block.finish();

    if default.is_some() && required {
        let help = "take one of them out";
        block.wrong("required", "an input with a default is never missing: `required` says nothing", help);
    }
    if default.as_deref().is_some_and(|default| default.contains("${")) {
        let help = "write the value itself";
        block.wrong("default", "`${…}` is not replaced here: an input does not refer to others", help);
    }
    let given = inputs.given.get(name);
    if secret {
        let shown = |key: &str, message: &str, help: &str| {
            let at = reader.document.place(&block.path.key(key));
            reader.note(Mistake::new(SECRET_SHOWN, at, message).help(help));
        };
        if default.is_some() {
            shown("default", "a secret must not stand in the file", "take it from the environment, with `env`");
        }
        if given.is_some() {
            let help = format!("{}; {ON_A_COMMAND_LINE}", how_to_give(name, env.as_deref(), Origin::Declared));
            shown("secret", "a secret is not given with --input, but in the environment", &help);
        }
    }

    if rehearsal.is_some() && !secret {
        let help = "take it out; what it is otherwise stands in `default`";
        block.wrong("rehearsal", "only a secret is something else in a rehearsal", help);
    }
    let source = inputs.environment.of(name, env.as_deref());
    let named_and_missing = matches!(source, Source::Unset);
    // What is really secret is not used on a simulated cloud, be it there or not.
    if secret && mode == Mode::Rehearse {
        let value = rehearsal.unwrap_or_else(|| format!("{PLACEHOLDER}{name}"));
        // It is hidden as the real one is: a rehearsal shows what a run would show.
        let value = redact::captured(&format!("inputs.{name}"), value);
        return Some(Meaning::Secret { value: Some(value), origin: Origin::Declared });
    }
    let from_environment = source.value().filter(|_| given.is_none());
    let origin = match (secret, from_environment, inputs.environment.exposure) {
        (true, ..) => Some(Origin::Declared),
        (false, Some(_), Exposure::Secret) => Some(Origin::Environment),
        (false, Some(_), Exposure::Plain) | (false, None, _) => None,
    };
    if origin == Some(Origin::Environment) && mode == Mode::Rehearse {
        let message =
            format!("the input `{name}` comes from the environment, so it is a secret, and a rehearsal uses none");
        let mistake = Mistake::new(MISSING_INPUT, block.at.clone(), message);
        reader.note(mistake.help(format!("with --plain-env it is used and shown; or give it with --input {name}=…")));
        return None;
    }
    let from_environment = from_environment.map(|value| value.expose_secret().to_owned());
    let (value, place) = match (given.cloned().or(from_environment), default) {
        (Some(value), _) => (value, "pattern"),
        (None, Some(default)) => (default, "default"),
        // It is referred to and never used: nothing is sent, and no program runs.
        (None, None) if secret && mode != Mode::Run => {
            return Some(Meaning::Secret { value: None, origin: Origin::Declared });
        }
        (None, None) if mode == Mode::Check => return Some(Meaning::Unknown),
        (None, None) => {
            let message = format!("the input `{name}` has no value");
            let mistake = Mistake::new(MISSING_INPUT, block.at.clone(), message);
            let help = match env.as_deref() {
                Some(env) if named_and_missing => format!("the variable {env} is not set, or is not UTF-8: set it"),
                env => how_to_give(name, env, origin.unwrap_or(Origin::Environment)),
            };
            reader.note(mistake.help(help));
            return None;
        }
    };
    // Where no run follows, a pattern would tell a secret letter by letter.
    let is_judged = origin.is_none() || mode == Mode::Run;
    if let Some(pattern) = pattern.filter(|pattern| is_judged && !pattern.is_match(&value)) {
        let it = if origin.is_some() { String::new() } else { format!(" is `{value}`, which") };
        let message = format!("the input `{name}`{it} does not match its pattern");
        let at = reader.document.place(&block.path.key(place));
        reader.note(Mistake::new(INPUT_PATTERN, at, message).help(format!("the pattern is {pattern}")));
    }
    match origin {
        None => Some(Meaning::Is(value)),
        Some(origin) => read_secret(block, (name, value), origin, place),
    }
}

/// A secret from the environment, from here on hidden in everything that is shown.
fn read_secret(block: &Block<'_, '_>, (name, value): (&str, String), origin: Origin, place: &str) -> Option<Meaning> {
    if value.is_empty() {
        // There is nothing in it to hide.
        return Some(Meaning::Secret { value: Some(value.into()), origin });
    }
    match redact::secret(&format!("inputs.{name}"), value) {
        Ok(value) => Some(Meaning::Secret { value: Some(value), origin }),
        Err(too_short) => {
            let message = format!("the value of the input `{name}` cannot be kept secret");
            let at = block.reader.document.place(&block.path.key(place));
            let help = match origin {
                Origin::Declared => too_short.to_string(),
                Origin::Environment => {
                    format!("{too_short}; if it is none, --plain-env says so, or give it with --input {name}=…")
                }
            };
            block.reader.note(Mistake::new(SECRET_TOO_SHORT, at, message).help(help));
            None
        }
    }
}

/// What stands for a secret in a rehearsal, before the input's name, if the runbook does not say what does.
const PLACEHOLDER: &str = "rehearsal-value-of-";

const ON_A_COMMAND_LINE: &str = "a command line is seen by everybody on the machine and kept in the shell's history";

/// What to type so that an input has a value.
fn how_to_give(name: &str, env: Option<&str>, origin: Origin) -> String {
    let variable = input_variable(name);
    match (env, origin) {
        (Some(env), Origin::Declared) => format!("set {env} and name it with `--env {env}`, or set {variable}"),
        (None, Origin::Declared) => format!("set {variable}"),
        (Some(env), Origin::Environment) => {
            format!("give it with --input {name}=…, or set {env} and name it with `--env {env}`, or set {variable}")
        }
        (None, Origin::Environment) => format!("give it with --input {name}=… or set {variable}"),
    }
}

/// What the environment has for an input.
enum Source<'e> {
    /// This value.
    Value(&'e SecretString),
    /// The operator named its variable, which is not set.
    Unset,
    /// The operator let it have nothing.
    Nothing,
}

impl<'e> Source<'e> {
    fn value(&self) -> Option<&'e SecretString> {
        match self {
            Source::Value(value) => Some(value),
            Source::Unset | Source::Nothing => None,
        }
    }
}

impl Environment {
    /// What it has for this input, which the runbook takes from the variable `declared`.
    fn of(&self, input: &str, declared: Option<&str>) -> Source<'_> {
        if let Some(value) = self.by_input.get(&input_variable(input)) {
            return Source::Value(value);
        }
        match declared.and_then(|variable| self.named.get(variable)) {
            Some(Some(value)) => Source::Value(value),
            Some(None) => Source::Unset,
            None => Source::Nothing,
        }
    }
}

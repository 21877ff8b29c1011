//! `[inputs]`: what the operator gives, where it comes from, and what references to it stand for.

use regex::Regex;
use secrecy::SecretString;

use super::Mode;
use crate::runbook::block::{Block, Reader};
use crate::runbook::document::{Entry, Path};
use crate::runbook::format;
use crate::runbook::mistake::{INPUT_PATTERN, MISSING_INPUT, Mistake, SECRET_SHOWN, UNKNOWN_INPUT, WRONG_TYPE};
use crate::runbook::spelling::did_you_mean;
use crate::runbook::template::{Inputs, Meaning};

/// Defines `inputs.NAME` for every input; returns their names.
pub(super) fn read_inputs(reader: &Reader<'_>, root: &Block<'_, '_>, inputs: &Inputs, mode: Mode) -> Vec<String> {
    let mut names = Vec::new();
    for (name, entry) in root.tables_by_name("inputs") {
        let before = reader.count();
        let meaning = read_entry(reader, name, entry, inputs, mode).filter(|_| reader.count() == before);
        reader.scope.define(format!("inputs.{name}"), meaning.unwrap_or(Meaning::Unknown));
        names.push(name.to_owned());
    }
    for given in inputs.given.keys().filter(|given| !names.contains(given)) {
        let at = reader.document.place(&Path::root().key("inputs"));
        let mistake =
            Mistake::new(UNKNOWN_INPUT, at, format!("a value was given for `{given}`, which is not an input"));
        reader.note(Mistake { help: did_you_mean(given, names.iter().map(String::as_str)), ..mistake });
    }
    names
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
        if env.is_none() {
            shown("secret", "a secret has no other source than its `env`", "add env = \"NAME_OF_THE_VARIABLE\"");
        }
        if given.is_some() {
            let help = "a command line is seen by everybody on the machine and kept in the shell's history";
            shown("secret", "a secret is not given with --input, but in the environment", help);
        }
    }

    if rehearsal.is_some() && !secret {
        let help = "take it out; what it is otherwise stands in `default`";
        block.wrong("rehearsal", "only a secret is something else in a rehearsal", help);
    }
    let from_environment = env.as_ref().and_then(|env| inputs.environment.get(env));
    // What is really secret is not shown to a simulated cloud, be it there or not.
    let from_environment = rehearsal.as_ref().filter(|_| mode == Mode::Rehearse).or(from_environment);
    let (value, source) = match (given.or(from_environment), default) {
        (Some(value), _) => (value.clone(), "pattern"),
        (None, Some(default)) => (default, "default"),
        (None, None) if mode != Mode::Check && !(secret && mode == Mode::Review) => {
            let message = format!("the input `{name}` has no value");
            let mistake = Mistake::new(MISSING_INPUT, block.at.clone(), message);
            reader.note(mistake.help(match env {
                Some(env) if secret => format!("set {env}"),
                Some(env) => format!("give it with --input {name}=… or set {env}"),
                None => format!("give it with --input {name}=…"),
            }));
            return None;
        }
        // It is referred to and never used.
        (None, None) if secret && mode == Mode::Review => (String::new(), "env"),
        (None, None) => return Some(if secret { Meaning::Secret(None) } else { Meaning::Unknown }),
    };
    let is_left_out = secret && mode == Mode::Review && value.is_empty();
    if let Some(pattern) = pattern.filter(|pattern| !is_left_out && !pattern.is_match(&value)) {
        let it = if secret { String::new() } else { format!(" is `{value}`, which") };
        let message = format!("the input `{name}`{it} does not match its pattern");
        let at = reader.document.place(&block.path.key(source));
        reader.note(Mistake::new(INPUT_PATTERN, at, message).help(format!("the pattern is {pattern}")));
    }
    Some(if secret { Meaning::Secret(Some(SecretString::from(value))) } else { Meaning::Is(value) })
}

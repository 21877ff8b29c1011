//! What an editor offers is what `check` reads: the schema is current, takes every runbook that is shipped, and
//! refuses what the reader refuses.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::Validator;
use rectify::action::ACTIONS;
use rectify::check::{Outcome, check};
use rectify::probe::PROBES;
use rectify::runbook::Mode;
use rectify::runbook::format;
use rectify::syntax::Inputs;
use serde_json::{Value, json};

fn validator() -> Validator {
    jsonschema::validator_for(&format::schema()).expect("the schema is a schema")
}

fn json(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML")).expect("JSON")
}

fn faults(validator: &Validator, text: &str) -> Vec<String> {
    validator.iter_errors(&json(text)).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn checked(text: &str) -> Outcome {
    check("runbook.toml", text.as_bytes(), &Inputs::none(), Mode::Check)
}

#[test]
fn the_schema_that_is_checked_in_is_current() {
    let schema = serde_json::to_string_pretty(&format::schema()).unwrap() + "\n";
    let path = "docs/runbook.schema.json";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(path, &schema).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(kept == schema, "{path} is out of date: run `UPDATE_SCHEMA=1 cargo test schema`");
}

#[test]
fn every_shipped_runbook_fits_the_schema_and_names_it() {
    let validator = validator();
    let mut seen = 0;
    for entry in fs::read_dir("runbooks").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(".sim.") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(faults(&validator, &text), Vec::<String>::new(), "{name}");
        assert_eq!(text.lines().next(), Some("#:schema ../docs/runbook.schema.json"), "{name}");
        seen += 1;
    }
    assert!(seen > 0);
}

/// A runbook with every table, probe and action that there is, and as many keys as one can have.
const EVERYTHING: &str = include_str!("check/everything.toml");

#[test]
fn everything_that_can_be_written_is_read_and_fits_the_schema() {
    let outcome = checked(EVERYTHING);
    assert!(outcome.is_sound(), "{:#?}", outcome.diagnostics);
    assert_eq!(faults(&validator(), EVERYTHING), Vec::<String>::new());
    let document = json(EVERYTHING);
    let mut keys = BTreeSet::new();
    collect(&document, &mut keys);
    let tables = ACTIONS.iter().map(|action| &action.with).chain(PROBES.iter().map(|probe| &probe.table));
    for key in tables.flat_map(|table| table.keys) {
        assert!(keys.contains(key.name), "{} is nowhere in everything.toml", key.name);
    }
    let schema = serde_json::to_value(format::schema()).unwrap();
    let gate = schema.pointer("/properties/phase/items/properties/step/items/properties/gate/properties").unwrap();
    for key in gate.as_object().unwrap().keys() {
        assert!(keys.contains(key), "{key} is nowhere in everything.toml");
    }
    for action in ACTIONS {
        assert!(EVERYTHING.contains(&format!("uses = \"{}\"", action.name)), "{}", action.name);
    }
}

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

#[test]
fn what_the_reader_calls_unknown_missing_or_mistyped_does_not_fit_the_schema() {
    let validator = validator();
    for code in ["unknown-key", "missing-key", "wrong-type", "unknown-action"] {
        let text = fs::read_to_string(format!("tests/check/{code}.toml")).unwrap();
        assert!(!faults(&validator, &text).is_empty(), "{code}");
    }
}

/// Any key of any table, misspelt, is refused by both.
#[test]
fn no_misspelt_key_fits() {
    let validator = validator();
    let document = json(EVERYTHING);
    let mut paths = Vec::new();
    keys_of(&document, &mut Vec::new(), &mut paths);
    assert!(paths.len() > 100, "{}", paths.len());
    for path in paths {
        let mut wrong = document.clone();
        let (last, tables) = path.split_last().unwrap();
        let table = tables.iter().try_fold(&mut wrong, |value, part| value.pointer_mut(part)).unwrap();
        let value = table.as_object_mut().unwrap().remove(&last[1..]).unwrap();
        table[format!("{}x", &last[1..])] = value;
        assert!(!validator.is_valid(&wrong), "the schema takes {path:?} misspelt");
        let text = toml::to_string(&wrong).unwrap();
        let codes: Vec<_> = checked(&text).diagnostics.into_iter().map(|diagnostic| diagnostic.code).collect();
        assert!(codes.contains(&"unknown-key") || codes.contains(&"missing-key"), "{path:?}: {codes:?}");
    }
}

/// The paths of all keys that are the format's own, not the author's, as JSON pointers a step at a time.
fn keys_of(value: &Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    const THE_AUTHORS_OWN: [&str; 14] = [
        "/inputs",
        "/probes",
        "/to",
        "/flags",
        "/env",
        "/secrets",
        "/headers",
        "/capture",
        "/json",
        "/form",
        "/query",
        "/set",
        "/args",
        "/per_hour",
    ];
    // The fields of a resource are nested as its API has them.
    let is_of_a_resource = path.iter().any(|part| part == "/set" || part == "/args");
    let own = is_of_a_resource || path.last().is_some_and(|last| THE_AUTHORS_OWN.contains(&last.as_str()));
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(table) => table.iter().map(|(key, value)| (format!("/{key}"), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (format!("/{index}"), value)).collect(),
        _ => return,
    };
    for (key, inner) in entries {
        path.push(key);
        if value.is_object() && !own {
            paths.push(path.clone());
        }
        // `env` is a text in an input and a table in a step.
        keys_of(inner, path, paths);
        path.pop();
    }
}

#[test]
fn the_command_prints_it() {
    let done = crate::support::Desk::new().rectify(&["schema"]).code(0);
    assert_eq!(serde_json::from_str::<Value>(&done.stdout).unwrap(), format::schema());
    assert_ne!(format::schema(), json!({}));
}

//! What the actions have in common that work on any resource of the catalog: its name, the catalog's objections at their places, and
//! what is known of the way back.

use serde_json::{Map, Value};

use super::forecast::TaskDraft;
use super::{Forecast, Obstacle, ObstacleKind};
use crate::catalog::{
    self, Exception, FindError, Problem, ProblemKind, Resource, ResourceType, Selector, WalkError, conceal,
};
use crate::resource::catalogued::{CataloguedName, id_of};
use crate::run::{EXISTENCE, ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::condition::Condition;
use crate::syntax::format::{Key, ValueType};
use crate::syntax::mistake::{BAD_CONDITION, BAD_FIELD, Mistake, SECRET_SHOWN, UNKNOWN_RESOURCE, WRONG_TYPE};
use crate::syntax::spelling::list;
use crate::syntax::value::SecretText;

/// The argument that names the resource.
pub(super) const RESOURCE: Key = Key::new(
    "resource",
    ValueType::Text,
    "Its full resource name, or a short one in the target's project and region, as `rectify resources` lists them.",
)
.example("\"redis.instances/cache\"");

/// Reads the name of a resource. What is wrong with it is noted there.
pub(super) fn read_name(with: &Block<'_, '_>) -> Option<CataloguedName> {
    let text = with.text(RESOURCE.name)?;
    let noted = |error: FindError| with.note_value(RESOURCE.name, UNKNOWN_RESOURCE, &error.to_string(), &error.help());
    let name = CataloguedName::parse(text).map_err(noted).ok()?;
    if !name.resource_type.is_readable() {
        let message = format!("{} cannot be read by its name, so nothing can be compared", name.resource_type.name());
        with.note_value(RESOURCE.name, UNKNOWN_RESOURCE, &message, "change it by hand");
        return None;
    }
    Some(name)
}

/// What a condition on one resource refers to: the resource as its API shows it.
pub(crate) const JUDGED: &str = "resource";

/// Reads a condition on one resource. What else it refers to is noted there.
pub(super) fn read_condition(with: &Block<'_, '_>, key: &'static str, example: &str) -> Option<Condition> {
    let condition = with.condition(key);
    if let Some(unknown) = condition.iter().flat_map(Condition::names).find(|name| *name != JUDGED) {
        let message = format!("`{unknown}` is nothing that this condition can refer to");
        let mistake = Mistake::new(BAD_CONDITION, with.place(key), message);
        with.reader.note(mistake.help(format!("write it such as {example}")));
    }
    condition
}

/// The resource that a step is planned on, and its id.
pub(super) fn planned(name: &CataloguedName, forecast: &Forecast<'_>) -> Result<(Resource, ResourceId), Obstacle> {
    let resource = name.find(forecast.target()).map_err(|error| Obstacle::impossible(error.to_string()))?;
    let id = id_of(&resource, forecast.target());
    Ok((resource, id))
}

/// Why a step cannot be planned whose secrets have no values, if there are such.
pub(super) fn lacking<'a>(absent: impl IntoIterator<Item = &'a str>, does: &str) -> Result<(), Obstacle> {
    match absent.into_iter().next() {
        Some(input) => {
            let why = format!("the secret `{input}`, which this {does}, has no value");
            Err(Obstacle { kind: ObstacleKind::MissingInput, ..Obstacle::impossible(why) })
        }
        None => Ok(()),
    }
}

/// A table of JSON with its secrets, empty if it is not there; `None` if it is no table.
pub(super) fn table(with: &Block<'_, '_>, key: &'static str) -> Option<(Map<String, Value>, SecretText)> {
    use secrecy::ExposeSecret as _;
    if !with.has(key) {
        return Some((Map::new(), SecretText::literal("{}")));
    }
    let text = with.json(key)?;
    match serde_json::from_str(text.value().expose_secret()) {
        Ok(Value::Object(fields)) => Some((fields, text)),
        _ => {
            let mistake = Mistake::new(WRONG_TYPE, with.place(key), format!("`{key}` is a table of fields"));
            with.reader.note(mistake.help(format!("write it such as {key} = {{ displayName = \"…\" }}")));
            None
        }
    }
}

/// Its id as a resource that exists or does not.
pub(super) fn existence(name: &CataloguedName, target: &Target) -> Option<ResourceId> {
    Some(ResourceId { kind: EXISTENCE.to_owned(), ..name.id(target)? })
}

/// A secret may stand in `set` only where no output shows it.
pub(super) fn refuse_shown_secrets(with: &Block<'_, '_>, resource_type: ResourceType, text: &SecretText) {
    if text.secrets().next().is_none() {
        return;
    }
    let Ok(shown) = serde_json::from_str::<Value>(&text.to_string()) else { return };
    let mut open = Vec::new();
    shown_fields(resource_type, None, &shown, &mut open);
    for path in open {
        let message = format!("`{path}` is shown in plans and journals, and this would put a secret there");
        let mistake = Mistake::new(SECRET_SHOWN, with.place("set"), message);
        with.reader.note(mistake.help("put the secret into a field that is secret, or into Secret Manager"));
    }
}

/// What a table of a runbook sets where plans show digests, in words: it may be code, and stands in the runbook for everybody to read.
/// Secrets of inputs stand in it by reference only.
pub(super) fn literals(resource_type: ResourceType, text: &SecretText) -> Vec<String> {
    let Ok(Value::Object(shown)) = serde_json::from_str(&text.to_string()) else { return Vec::new() };
    let of_field = |(key, value): (&String, &Value)| {
        let Ok(path) = key.parse::<Selector>() else { return Vec::new() };
        catalog::literals(resource_type, Some(&path), value).into_iter().map(|(_, value)| said(key, &value)).collect()
    };
    shown.iter().flat_map(of_field).collect()
}

/// That a value is set, in words.
pub(super) fn said(place: &str, value: &Value) -> String {
    format!("{place} is set to {value}")
}

/// The fields of a table whose values are shown and have a reference left in them, which stands for a secret.
fn shown_fields(resource_type: ResourceType, within: Option<&Selector>, set: &Value, open: &mut Vec<Selector>) {
    for (key, value) in set.as_object().into_iter().flatten() {
        let Ok(path) = key.parse::<Selector>() else { continue };
        let path = within.map_or_else(|| path.clone(), |within| within.join_all(&path));
        if value.is_object() {
            shown_fields(resource_type, Some(&path), value, open);
        } else if conceal(resource_type, Some(&path), value).to_string().contains("${inputs.") {
            open.push(path);
        }
    }
}

/// Notes what the catalog objects to, each at its place.
pub(super) fn note(with: &Block<'_, '_>, problems: &[Problem]) {
    for problem in problems {
        let mut at = with.path.clone();
        let mut parts = problem.at.iter();
        let within_list = problem.at.first().is_some_and(|first| first == "unset");
        if let Some(first) = parts.next() {
            at = at.key(first);
        }
        for part in parts {
            at = match part.parse() {
                Ok(index) if within_list => at.index(index),
                _ => at.key(part),
            };
        }
        let document = with.reader.document;
        let is_of_the_key = matches!(
            problem.kind,
            ProblemKind::Path(_)
                | ProblemKind::Field(_)
                | ProblemKind::OutputOnly { .. }
                | ProblemKind::Immutable { .. }
                | ProblemKind::Token { .. }
                | ProblemKind::SetTwice { .. }
        );
        let key = document.key_span(&at).filter(|_| is_of_the_key && !within_list);
        let place = key.unwrap_or_else(|| document.place(&at));
        let mistake = Mistake::new(BAD_FIELD, place, problem.kind.to_string());
        with.reader.note(match help(problem) {
            Some(help) => mistake.help(help),
            None => mistake,
        });
    }
}

fn help(problem: &Problem) -> Option<String> {
    let near = problem.suggestions();
    if !near.is_empty() {
        return Some(format!("did you mean {}?", list(near.iter().map(String::as_str), "or")));
    }
    match &problem.kind {
        ProblemKind::UnknownEnumValue { known, .. } => {
            let known: Vec<&str> = known.iter().copied().filter(|name| !name.ends_with("_UNSPECIFIED")).collect();
            Some(format!("it takes {}", list(known.into_iter(), "or")))
        }
        ProblemKind::Field(WalkError::UnknownField { .. }) => {
            Some("`rectify resources TYPE` lists the fields of a type".to_owned())
        }
        ProblemKind::Immutable { .. } => {
            Some("a resource with another value is another resource: make that one".to_owned())
        }
        ProblemKind::OutputOnly { .. } => {
            Some("take it out; `rectify resources TYPE` lists what can be set".to_owned())
        }
        _ => None,
    }
}

/// Puts what the catalog knows of the fields of a change into its task: what cannot be taken back, what restarts, what changes besides.
pub(super) fn judge(resource_type: ResourceType, task: &mut TaskDraft) {
    let Some(change) = &task.change else { return };
    let lost = resource_type.lost_by_update();
    if !lost.is_empty() {
        let fields = list(lost.into_iter(), "and");
        task.warnings.push(format!(
            "the API takes the whole resource and does not show {fields}: what was set there when it was made may be lost"
        ));
    }
    if removes_element(&change.to) && task.reversibility == Reversibility::Reversible {
        let why = "an element that is removed comes back at the end of its list".to_owned();
        task.reversibility = Reversibility::WithLoss { why };
    }
    for rule in resource_type.rules() {
        match &rule.what {
            Exception::Irreversible { field, when } => {
                let (before, after) = (at(&change.from, field), at(&change.to, field));
                if after.is_some() && is_so(when, before, after) {
                    let why = format!("{field} cannot be changed back when it {when} ({})", rule.source);
                    task.reversibility = Reversibility::Irreversible { why };
                }
            }
            Exception::Restarts(field) if at(&change.to, field).is_some() => {
                let why = format!("changing {field} restarts it ({})", rule.source);
                if !task.reversibility.is_irreversible() {
                    task.reversibility = Reversibility::Restarts { why };
                }
            }
            Exception::Moves { field, moves } if at(&change.to, field).is_some() => {
                task.warnings.push(format!("changing {field} changes {moves} too ({})", rule.source));
            }
            Exception::RefusesWhile(condition) => {
                task.warnings.push(format!("the API refuses a change while {condition} ({})", rule.source));
            }
            _ => {}
        }
    }
}

/// Whether an end of a change takes an element out of a list.
fn removes_element(end: &Value) -> bool {
    let fields = end.as_object().into_iter().flatten();
    fields.into_iter().any(|(key, value)| key.starts_with('[') && value.is_null() || removes_element(value))
}

/// The value at a path of fields in one end of a change. A value above it counts: it is changed with it.
fn at<'v>(end: &'v Value, field: &str) -> Option<&'v Value> {
    let mut here = end;
    for name in field.split('.') {
        match here.get(name) {
            Some(value) => here = value,
            None if here.is_object() => return None,
            None => return Some(here),
        }
    }
    Some(here)
}

/// Whether a change is of the sort that a rule is about: `grows`, `changes`, `is set`, or another word, which is taken for any change.
fn is_so(when: &str, before: Option<&Value>, after: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| match value {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    match when {
        "grows" => match (number(before), number(after)) {
            (Some(before), Some(after)) => after > before,
            // What is not a number, or was not there, is taken for growth: nobody can tell that it is not.
            _ => true,
        },
        "is set" => after.is_some_and(|after| !after.is_null() && *after != Value::Bool(false)),
        _ => true,
    }
}

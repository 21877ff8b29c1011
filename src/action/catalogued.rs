//! What the actions have in common that work on any resource of the catalog: its name, the catalog's objections at their places, and
//! what is known of the way back.

use serde_json::{Map, Value};

use super::forecast::TaskDraft;
use super::{Forecast, Obstacle};
use crate::catalog::{Catalog, Exception, FindError, Problem, ProblemKind, Resource, ResourceType, Scope, WalkError};
use crate::resource::catalogued::id_of;
use crate::run::{ResourceId, Reversibility, Target};
use crate::syntax::Block;
use crate::syntax::format::{Key, ValueType};
use crate::syntax::mistake::{BAD_FIELD, Mistake, UNKNOWN_RESOURCE, WRONG_TYPE};
use crate::syntax::spelling::list;
use crate::syntax::value::SecretText;

/// The argument that names the resource.
pub(super) const RESOURCE: Key = Key::new(
    "resource",
    ValueType::Text,
    "Its full resource name, or a short one in the target's project and region, as `rectify resources` lists them.",
)
.example("\"redis.instances/cache\"");

/// A resource as a runbook names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CataloguedName {
    /// The name, as it is written.
    pub text: String,
    /// What it is a name of.
    pub resource_type: ResourceType,
}

impl CataloguedName {
    /// Reads `resource`. What is wrong with it is noted there.
    pub(super) fn read(with: &Block<'_, '_>) -> Option<CataloguedName> {
        let text = with.text(RESOURCE.name)?;
        // Of which project and region it is, the target says when it is planned: here its type is wanted.
        let anywhere = Scope { project: "-", region: Some("-"), zone: None };
        match Catalog::open().map_err(FindError::from).and_then(|catalog| catalog.find(&text, &anywhere)) {
            Ok(found) => Some(CataloguedName { text, resource_type: found.resource_type }),
            Err(error) => {
                let near = error.suggestions();
                let near = near.iter().map(String::as_str);
                let help = match near.len() {
                    0 => "`rectify resources` lists every type; write SERVICE.TYPE/NAME, or the full resource name"
                        .to_owned(),
                    _ => format!("did you mean {}?", list(near.map(|name| name), "or")),
                };
                let at = with.reader.document.place(&with.path.key(RESOURCE.name));
                with.reader.note(Mistake::new(UNKNOWN_RESOURCE, at, error.to_string()).help(help));
                None
            }
        }
    }

    /// The resource in a target's project and region.
    pub fn find(&self, target: &Target) -> Result<Resource, FindError> {
        let scope = Scope { project: &target.project, region: Some(&target.region), zone: None };
        Catalog::open()?.find(&self.text, &scope)
    }

    /// Its id in a target's project and region.
    pub fn id(&self, target: &Target) -> Option<ResourceId> {
        self.find(target).ok().map(|resource| id_of(&resource, target))
    }

    /// The same for a plan.
    pub(super) fn planned(&self, forecast: &Forecast<'_>) -> Result<(Resource, ResourceId), Obstacle> {
        let resource = self.find(forecast.target()).map_err(|error| Obstacle::impossible(error.to_string()))?;
        let id = id_of(&resource, forecast.target());
        Ok((resource, id))
    }
}

/// A table of JSON with its secrets; `None` if it is not there or is no table.
pub(super) fn table(with: &Block<'_, '_>, key: &'static str) -> Option<(Map<String, Value>, SecretText)> {
    use secrecy::ExposeSecret as _;
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

//! What is wrong with the values that a step sets, known without a network.

use serde_json::{Map, Value};

use super::change::{Assignment, Assignments};
use super::resource_type::{MissingArgument, ResourceType};
use super::rule::Exception;
use super::schema::{FieldBehavior, FieldType};
use super::selector::{Selector, SelectorError};
use super::walk::{FieldFacts, WalkError, walk};
use super::write::{WriteError, body_of, callable, is_at_or_below, mask_of};
use crate::syntax::spelling::nearest;

/// The most fields that one step sets and clears.
pub(crate) const MOST_FIELDS: usize = 1_000;

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The keys that lead to it, from `set` or `unset` inwards: `["set", "settings", "tier"]`, `["unset", "0"]`.
    pub at: Vec<String>,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProblemKind {
    /// The key is no path.
    #[error(transparent)]
    Path(#[from] SelectorError),
    /// The path means no field.
    #[error(transparent)]
    Field(#[from] WalkError),
    /// The API writes the field itself.
    #[error("`{path}` is written by the API only")]
    OutputOnly {
        /// The field.
        path: String,
    },
    /// The field never changes.
    #[error("`{path}` cannot be changed after the resource was made ({source_of_fact})")]
    Immutable {
        /// The field.
        path: String,
        /// Where that is from.
        source_of_fact: &'static str,
    },
    /// Whether it was set cannot be seen.
    #[error("`{path}` is not shown by the API as it is set, so whether it was set cannot be verified")]
    NotShown {
        /// The field.
        path: String,
    },
    /// The API requires the field of a resource that is made.
    #[error("`{path}` must be set: the API requires it")]
    Required {
        /// The field.
        path: String,
    },
    /// The token of conditional writes is set.
    #[error("`{path}` makes writes conditional and is sent by rectify; it is not set")]
    Token {
        /// The field.
        path: String,
    },
    /// The value is of another type.
    #[error("`{path}` is of the type {expected}, and this is {given}")]
    WrongType {
        /// The field.
        path: String,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The enum does not have the name. An API may know names that this catalog does not.
    #[error("`{path}` does not take `{value}`")]
    UnknownEnumValue {
        /// The field.
        path: String,
        /// What was given.
        value: String,
        /// Names that may be meant.
        near: Vec<&'static str>,
        /// All names that are known.
        known: Vec<&'static str>,
    },
    /// Two keys set the same field, or one above the other.
    #[error("`{path}` is set twice: also by `{other}`")]
    SetTwice {
        /// The field.
        path: String,
        /// The other path.
        other: String,
    },
    /// Two elements of a list that is set have the same key.
    #[error("two elements of `{path}` have the {key} `{value}`")]
    SameKey {
        /// The list.
        path: String,
        /// The field that tells elements apart.
        key: &'static str,
        /// What both have.
        value: String,
    },
    /// The type cannot be changed so.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// More is set than [`MOST_FIELDS`].
    #[error("{given} fields are more than anybody reviews; one step sets and clears at most {MOST_FIELDS}")]
    TooMany {
        /// How many are set and cleared.
        given: usize,
    },
    /// Nothing is set.
    #[error("nothing is set: give `set` or `unset`")]
    Nothing,
}

impl Problem {
    /// What may be meant, nearest first.
    pub fn suggestions(&self) -> Vec<String> {
        let (ProblemKind::Field(WalkError::UnknownField { near, .. })
        | ProblemKind::UnknownEnumValue { near, .. }
        | ProblemKind::Write(WriteError::UnknownMethod { near, .. } | WriteError::UnknownArgument { near, .. })) =
            &self.kind
        else {
            return Vec::new();
        };
        near.iter().map(|&name| name.to_owned()).collect()
    }
}

/// What a step sets and clears in a resource of a type, checked against the catalog. `set` is nested as in the API's JSON, and its
/// keys may be paths. The values come back as the API writes them: 64-bit numbers as strings.
///
/// # Errors
/// Everything that is wrong.
pub fn validate(
    resource_type: ResourceType,
    set: &Map<String, Value>,
    unset: &[String],
) -> Result<Assignments, Vec<Problem>> {
    few_enough(set, unset)?;
    let mut reader = Reader::at(resource_type, Purpose::Update, "set");
    reader.read(None, set);
    for (place, text) in unset.iter().enumerate() {
        reader.at = vec!["unset".to_owned(), place.to_string()];
        reader.read_one(None, text, None);
    }
    let Reader { assignments, mut problems, .. } = reader;
    overlaps(&assignments, &mut problems);
    let at = |at: &[&str]| at.iter().map(|&key| key.to_owned()).collect();
    let assignments: Vec<Assignment> = assignments.into_iter().map(|(assignment, _)| assignment).collect();
    let assignments = Assignments(assignments);
    if assignments.0.is_empty() && problems.is_empty() {
        problems.push(Problem { at: at(&["set"]), kind: ProblemKind::Nothing });
    }
    if problems.is_empty()
        && let Err(error) = can_be_written(resource_type, &assignments)
    {
        problems.push(Problem { at: at(&["set"]), kind: error.into() });
    }
    if problems.is_empty() { Ok(assignments) } else { Err(problems) }
}

/// What a resource of a type is made with, checked as [`validate`] does. What never changes may be set, and what the API requires must be.
///
/// # Errors
/// Everything that is wrong.
pub fn validate_new(resource_type: ResourceType, set: &Map<String, Value>) -> Result<Assignments, Vec<Problem>> {
    few_enough(set, &[])?;
    let mut reader = Reader::at(resource_type, Purpose::Create, "set");
    reader.read(None, set);
    for field in resource_type.schema().fields.iter().filter(|field| field.behavior.is_required()) {
        let is_name = ["name", "id"].contains(&field.name) || resource_type.id_parameter() == Some(field.name);
        let is_set = reader.assignments.iter().any(|(one, _)| one.field_path.split('.').next() == Some(field.name));
        if !is_set && !is_name && reader.problems.is_empty() {
            reader.say(ProblemKind::Required { path: field.name.to_owned() });
        }
    }
    let Reader { assignments, mut problems, .. } = reader;
    overlaps(&assignments, &mut problems);
    let assignments = assignments.into_iter().map(|(assignment, _)| assignment).collect();
    if problems.is_empty() { Ok(Assignments(assignments)) } else { Err(problems) }
}

/// Whether a method takes these arguments. What is wrong is at `method`, or at `args` and the argument's name.
///
/// # Errors
/// Everything that is wrong.
pub fn validate_arguments(
    resource_type: ResourceType,
    method: &str,
    arguments: &Map<String, Value>,
) -> Result<(), Vec<Problem>> {
    let at = |at: &[&str]| at.iter().map(|&key| key.to_owned()).collect();
    let known = match callable(resource_type, method) {
        Ok(known) => known,
        Err(error) => return Err(vec![Problem { at: at(&["method"]), kind: error.into() }]),
    };
    let mut reader = Reader::at(resource_type, Purpose::Update, "args");
    let schema = body_of(resource_type, known);
    for (name, value) in arguments {
        reader.at.push(name.clone());
        match schema.and_then(|schema| schema.field(name)) {
            Some(field) => reader.check(name, &field.field_type, &mut value.clone()),
            None if known.takes(name) || known.path.contains(&format!("{{{name}}}")) => {}
            None => {
                let fields = schema.iter().flat_map(|schema| schema.fields.iter().map(|field| field.name));
                let taken: Vec<&'static str> =
                    fields.chain(known.parameters.iter().map(|parameter| parameter.name)).collect();
                let argument = name.chars().take(100).collect();
                reader.say(WriteError::UnknownArgument { method: known.name, argument, near: nearest(name, taken) });
            }
        }
        reader.at.pop();
    }
    let is_missing = |name: &str| !arguments.contains_key(name);
    for parameter in known.parameters.iter().filter(|parameter| parameter.required && is_missing(parameter.name)) {
        let missing = MissingArgument { method: known.name, argument: parameter.name.to_owned() };
        reader.problems.push(Problem { at: at(&["method"]), kind: WriteError::from(missing).into() });
    }
    if reader.problems.is_empty() { Ok(()) } else { Err(reader.problems) }
}

/// Whether no more is set than [`MOST_FIELDS`]: each field is compared with each.
fn few_enough(set: &Map<String, Value>, unset: &[String]) -> Result<(), Vec<Problem>> {
    fn fields(set: &Map<String, Value>) -> usize {
        set.values().map(|value| value.as_object().map_or(1, |inner| fields(inner).max(1))).sum()
    }
    let given = fields(set) + unset.len();
    let key = if unset.len() > MOST_FIELDS { "unset" } else { "set" };
    let problem = || Problem { at: vec![key.to_owned()], kind: ProblemKind::TooMany { given } };
    if given > MOST_FIELDS { Err(vec![problem()]) } else { Ok(()) }
}

/// Whether some request can bring the change about, as far as the type alone decides.
fn can_be_written(resource_type: ResourceType, assignments: &Assignments) -> Result<(), WriteError> {
    let by_setter = |assignment: &Assignment| resource_type.setter(&assignment.mask_path).is_some();
    let rest: Vec<Assignment> = assignments.iter().filter(|assignment| !by_setter(assignment)).cloned().collect();
    if rest.is_empty() {
        return Ok(());
    }
    let type_name = resource_type.name();
    let (method, dialect) = resource_type.update().ok_or(WriteError::NoUpdate { type_name })?;
    if dialect == super::UpdateDialect::Underivable {
        return Err(WriteError::Underivable { type_name: resource_type.name(), method: method.name });
    }
    mask_of(resource_type, &Assignments(rest)).map(drop)
}

/// The number or truth value that a text stands for.
fn meant_by(text: &str, field_type: &FieldType) -> Option<Value> {
    match field_type {
        FieldType::Boolean => text.parse::<bool>().ok().map(Value::from),
        FieldType::Int32 => text.parse::<i32>().ok().map(Value::from),
        FieldType::Uint32 => text.parse::<u32>().ok().map(Value::from),
        FieldType::Float | FieldType::Double => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        }
        _ => None,
    }
}

/// Whether a text is a reference whose value is not known yet, and nothing else.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| !name.contains(['$', '{', '}']))
}

/// What fields are set for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To change a resource that exists.
    Update,
    /// To make one: what never changes is set then.
    Create,
}

struct Reader {
    resource_type: ResourceType,
    purpose: Purpose,
    assignments: Vec<(Assignment, Vec<String>)>,
    problems: Vec<Problem>,
    at: Vec<String>,
}

impl Reader {
    fn at(resource_type: ResourceType, purpose: Purpose, key: &str) -> Reader {
        Reader { resource_type, purpose, assignments: Vec::new(), problems: Vec::new(), at: vec![key.to_owned()] }
    }

    fn say(&mut self, kind: impl Into<ProblemKind>) {
        self.problems.push(Problem { at: self.at.clone(), kind: kind.into() });
    }

    fn read(&mut self, within: Option<&Selector>, set: &Map<String, Value>) {
        for (key, value) in set {
            self.at.push(key.clone());
            self.read_one(within, key, Some(value));
            self.at.pop();
        }
    }

    /// One key and its value, or a path that is cleared.
    fn read_one(&mut self, within: Option<&Selector>, key: &str, value: Option<&Value>) {
        let path = match key.parse::<Selector>() {
            Ok(path) => within.map_or_else(|| path.clone(), |within| within.join_all(&path)),
            Err(error) => return self.say(error),
        };
        let facts = match walk(self.resource_type, &path) {
            Ok(facts) => facts,
            Err(error) => return self.say(error),
        };
        let api = self.resource_type.api;
        // A message is set field by field, so that the mask names what is meant and no more.
        if let (FieldType::Message(_), Some(Value::Object(fields))) = (api.resolve(&facts.field_type), value)
            && !fields.is_empty()
            && !path.steps().iter().any(|step| !matches!(step, super::Step::Field(_)))
        {
            return self.read(Some(&path), fields);
        }
        if !self.may_write(&path, &facts) {
            return;
        }
        let before = self.problems.len();
        let mut value = value.cloned();
        if let Some(value) = &mut value {
            self.check(&path.to_string(), &facts.field_type, value);
        }
        if self.problems.len() == before {
            let FieldFacts { mask_path, field_path, .. } = facts;
            self.assignments.push((Assignment { path, value, mask_path, field_path }, self.at.clone()));
        }
    }

    fn may_write(&mut self, path: &Selector, facts: &FieldFacts) -> bool {
        let path = path.to_string();
        let fixed = self.resource_type.rules().iter().find(|rule| match rule.what {
            Exception::Fixed(field) => is_at_or_below(&facts.field_path, field),
            _ => false,
        });
        if self.resource_type.setter(&facts.field_path).is_some() {
            return true;
        }
        if facts.behavior.is_output_only() {
            self.say(ProblemKind::OutputOnly { path });
        } else if self.purpose == Purpose::Create {
            return true;
        } else if path == "id" {
            self.say(ProblemKind::Immutable { path, source_of_fact: "it is the resource's name" });
        } else if self.resource_type.is_unseen(&facts.field_path, facts.behavior) {
            self.say(ProblemKind::NotShown { path });
        } else if facts.behavior.is_immutable() {
            self.say(ProblemKind::Immutable { path, source_of_fact: "Discovery: immutable" });
        } else if let Some(rule) = fixed {
            self.say(ProblemKind::Immutable { path, source_of_fact: rule.source });
        } else if self.resource_type.token().field() == Some(facts.field_path.as_str()) {
            self.say(ProblemKind::Token { path });
        } else {
            return true;
        }
        false
    }

    /// Checks a value, and writes it as the API does.
    fn check(&mut self, path: &str, field_type: &FieldType, value: &mut Value) {
        let field_type = self.resource_type.api.resolve(field_type);
        let wrong = |value: &Value| ProblemKind::WrongType {
            path: path.to_owned(),
            expected: field_type.word(),
            given: word_of(value),
        };
        let is_right = match (&field_type, &mut *value) {
            (FieldType::Any, _)
            | (FieldType::Boolean, Value::Bool(_))
            | (FieldType::String | FieldType::FieldMask, Value::String(_))
            | (FieldType::Float | FieldType::Double, Value::Number(_)) => true,
            (FieldType::Int32, Value::Number(number)) => {
                number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            (FieldType::Uint32, Value::Number(number)) => {
                number.as_u64().is_some_and(|number| u32::try_from(number).is_ok())
            }
            (FieldType::Int64, Value::String(text)) => text.parse::<i64>().is_ok() || is_reference(text),
            (FieldType::Uint64, Value::String(text)) => text.parse::<u64>().is_ok() || is_reference(text),
            (FieldType::Int64 | FieldType::Uint64, Value::Number(number)) => {
                let is_whole = if field_type == FieldType::Int64 { number.is_i64() } else { number.is_u64() };
                let text = number.to_string();
                if is_whole {
                    *value = Value::String(text);
                }
                is_whole
            }
            (FieldType::Float | FieldType::Double, Value::String(text))
                if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) =>
            {
                true
            }
            // An input is a text, also where it stands for a number; one without a value is judged once it has one.
            (
                FieldType::Int32 | FieldType::Uint32 | FieldType::Float | FieldType::Double | FieldType::Boolean,
                Value::String(text),
            ) => match meant_by(text, &field_type) {
                Some(meant) => {
                    *value = meant;
                    true
                }
                None => is_reference(text),
            },
            (FieldType::Timestamp, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            (FieldType::Duration, Value::String(text)) => is_duration(text),
            (FieldType::Bytes, Value::String(text)) => is_base64(text),
            (FieldType::Enum(values), Value::String(text)) => {
                if !values.names().any(|name| name == text) {
                    let (near, known) = (nearest_name(text, values.names()), values.names().collect());
                    self.say(ProblemKind::UnknownEnumValue { path: path.to_owned(), value: text.clone(), near, known });
                }
                true
            }
            (FieldType::List(element), Value::Array(elements)) => {
                self.check_elements(path, element, elements);
                true
            }
            (FieldType::Map(element), Value::Object(entries)) => {
                for (name, value) in entries {
                    self.at.push(name.clone());
                    self.check(&format!("{path}[{}]", Value::from(name.as_str())), element, value);
                    self.at.pop();
                }
                true
            }
            (FieldType::Message(id), Value::Object(fields)) => {
                self.check_fields(path, *id, fields);
                true
            }
            _ => false,
        };
        if !is_right {
            let problem = wrong(value);
            self.say(problem);
        }
    }

    fn check_elements(&mut self, path: &str, element: &FieldType, elements: &mut [Value]) {
        for (place, value) in elements.iter_mut().enumerate() {
            self.at.push(place.to_string());
            self.check(&format!("{path}[]"), element, value);
            self.at.pop();
        }
        let FieldType::Message(id) = self.resource_type.api.resolve(element) else { return };
        let schema = self.resource_type.api.schema(id);
        let Some(key) = ["name", "id", "key"].into_iter().find(|key| schema.field(key).is_some()) else { return };
        let mut seen: Vec<&str> = Vec::new();
        let mut twice = None;
        for value in elements.iter().filter_map(|value| value.get(key)?.as_str()) {
            if seen.contains(&value) {
                twice = Some(value.to_owned());
            }
            seen.push(value);
        }
        if let Some(value) = twice {
            self.say(ProblemKind::SameKey { path: path.to_owned(), key, value });
        }
    }

    fn check_fields(&mut self, path: &str, id: super::SchemaId, fields: &mut Map<String, Value>) {
        let schema = self.resource_type.api.schema(id);
        for (name, value) in fields {
            self.at.push(name.clone());
            match schema.field(name) {
                Some(field) if is_writable_below(field.behavior) => {
                    self.check(&format!("{path}.{name}"), &field.field_type, value);
                }
                Some(_) => self.say(ProblemKind::OutputOnly { path: format!("{path}.{name}") }),
                None => {
                    let near = nearest(name, schema.fields.iter().map(|field| field.name));
                    self.say(WalkError::UnknownField { path: path.to_owned(), field: name.clone(), near });
                }
            }
            self.at.pop();
        }
    }
}

/// Within a list or a map that is set as a whole, what is immutable may be given: the elements are new ones.
fn is_writable_below(behavior: FieldBehavior) -> bool {
    !behavior.is_output_only()
}

fn overlaps(assignments: &[(Assignment, Vec<String>)], problems: &mut Vec<Problem>) {
    for (place, (assignment, at)) in assignments.iter().enumerate() {
        let other = assignments[..place]
            .iter()
            .find(|(other, _)| other.path.covers(&assignment.path) || assignment.path.covers(&other.path));
        if let Some((other, _)) = other {
            let (path, other) = (assignment.path.to_string(), other.path.to_string());
            problems.push(Problem { at: at.clone(), kind: ProblemKind::SetTwice { path, other } });
        }
    }
}

fn nearest_name(text: &str, known: impl Iterator<Item = &'static str> + Clone) -> Vec<&'static str> {
    let near = nearest(text, known.clone());
    // Small letters, or a value without the enum's prefix, are the usual slips.
    let upper = text.to_uppercase().replace('-', "_");
    let exact: Vec<&'static str> = known.filter(|name| *name == upper).collect();
    if exact.is_empty() { near } else { exact }
}

fn word_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Seconds with at most nine digits behind the point, as JSON writes google.protobuf.Duration.
fn is_duration(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else { return false };
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    digits(whole) && digits(part) && part.len() <= 9
}

/// Both alphabets are taken.
fn is_base64(text: &str) -> bool {
    let is_of_it = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '-' | '_');
    text.trim_end_matches('=').chars().all(is_of_it)
}

//! Whose values are never shown: plans, journals and reports have `changed (sha256 …)` in their place.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::api::Body;
use super::resource_type::ResourceType;
use super::rule::Exception;
use super::schema::{FieldBehavior, FieldType};
use super::selector::{Selector, Step};
use super::walk::walk;

/// Whether a field's value may be shown, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// It may be shown.
    Shown,
    /// The API never shows it either.
    InputOnly,
    /// Its name, or that of a field above it, says that it is a secret.
    Name,
    /// It is the value of an environment variable.
    Environment,
    /// A rule says so.
    Rule(&'static str),
}

impl Sensitivity {
    /// Whether the value must not be shown.
    pub fn is_secret(self) -> bool {
        self != Sensitivity::Shown
    }
}

/// Words that a secret's name ends with. A field that ends with `Name`, `Version`, `Id`, `Uri` or the like names a secret and is none.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "accesskey",
    "apikey",
    "authkey",
    "authstring",
    "privatekey",
    "privatekeydata",
    "secretkey",
    "sharedsecret",
    "credential",
    "credentials",
    "keystring",
    "rawkey",
    "servicekey",
    "signingkey",
    "presharedkey",
    "md5key",
    "connectionstring",
    "rsaencryptedkey",
    "securepassword",
    "plaintext",
    "authorization",
    "conn",
];

/// Tokens that are none of a caller: they page through lists, or name a kind.
const NO_SECRETS: &[&str] =
    &["pagetoken", "nextpagetoken", "resumetoken", "synctoken", "consistencytoken", "tiebreakertoken"];

/// Maps of environment variables.
const ENVIRONMENTS: &[&str] = &[
    "environmentvariables",
    "envvariables",
    "userenvvars",
    "buildenvironmentvariables",
    "envvars",
    "buildenvvars",
    "env",
    // Values of the same sort: headers carry tokens, and arguments of programs passwords.
    "headers",
    "httpheaders",
    "customrequestheaders",
    "args",
];

/// Whether the value of a field may be shown. `path` has no elements and entries: `template.containers.env.value`.
pub(super) fn sensitivity(resource_type: ResourceType, path: &str, behavior: FieldBehavior) -> Sensitivity {
    let is_at = |field: &str| path == field || path.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
    let rule = resource_type.rules().iter().find(|rule| match rule.what {
        Exception::Sensitive(field) => is_at(field),
        _ => false,
    });
    if let Some(rule) = rule {
        return Sensitivity::Rule(rule.source);
    }
    if behavior.is_input_only() {
        return Sensitivity::InputOnly;
    }
    let parts: Vec<String> = path.split('.').map(str::to_lowercase).collect();
    // `secret` below something else names one of Secret Manager's, as in secretKeyRef.secret; on its own it is one.
    let is_reference = |place: usize| parts[place] == "secret" && parts.len() > 1;
    if parts.iter().enumerate().any(|(place, part)| names_a_secret(part) && !is_reference(place)) {
        return Sensitivity::Name;
    }
    let is_environment = |part: &String| ENVIRONMENTS.contains(&part.as_str());
    match parts.iter().position(is_environment) {
        // An element's name may be shown; its value, and the whole list or map, may not.
        Some(place) => match parts[place + 1..] {
            [] => Sensitivity::Environment,
            [ref last] if last == "*" || last == "value" => Sensitivity::Environment,
            _ => Sensitivity::Shown,
        },
        None => Sensitivity::Shown,
    }
}

/// Whether a field's name, in small letters, is that of a secret.
fn names_a_secret(name: &str) -> bool {
    !NO_SECRETS.contains(&name) && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A value as it may be shown: every secret in it is replaced by what begins its digest, so that a change of it can be seen. `path`
/// is where the value stands in a resource of the type; `None` for a whole resource.
pub fn conceal(resource_type: ResourceType, path: Option<&Selector>, value: &Value) -> Value {
    concealed(resource_type, path, value).0
}

/// The same, and the secrets behind the digests in it: each digest with its value.
pub fn concealed(resource_type: ResourceType, path: Option<&Selector>, value: &Value) -> (Value, Vec<(String, Value)>) {
    let (field_type, place) = place_of(resource_type, path);
    let mut concealer = Concealer::of(resource_type);
    (concealer.conceal(&field_type, &place, value), concealer.found)
}

/// The type and the place of a value; of a whole resource without a path.
fn place_of(resource_type: ResourceType, path: Option<&Selector>) -> (FieldType, Place) {
    match path.map(|path| walk(resource_type, path)) {
        None => (FieldType::Message(resource_type.schema_id()), Place::default()),
        Some(Ok(facts)) => {
            let place = Place { path: facts.field_path, behavior: facts.behavior };
            let entry = path.and_then(|path| path.steps().last());
            let named = match entry {
                Some(Step::Field(name) | Step::Entry(name)) => place
                    .path
                    .strip_suffix('*')
                    .map(|map| Place { path: format!("{map}*.{}", telling(name)), ..place.clone() }),
                Some(Step::Element { .. }) | None => None,
            };
            let is_secret = |named: &Place| sensitivity(resource_type, &named.path, named.behavior).is_secret();
            (facts.field_type, named.filter(is_secret).unwrap_or(place))
        }
        // What the catalog does not know is judged by its name alone.
        Some(Err(_)) => {
            let path = path.map(Selector::to_string).unwrap_or_default();
            (FieldType::Any, Place { path, behavior: FieldBehavior::default() })
        }
    }
}

/// What a runbook itself sets in a place of a resource, of all that is concealed there: values of variables, headers and arguments, which
/// may be code, and which a reviewer must see; each with its place. What is secret by its name is not among them.
pub fn literals(resource_type: ResourceType, path: Option<&Selector>, value: &Value) -> Vec<(String, Value)> {
    let (field_type, place) = place_of(resource_type, path);
    let mut concealer = Concealer::of(resource_type);
    concealer.conceal(&field_type, &place, value);
    concealer.literals
}

/// The same of the arguments of a method.
pub fn argument_literals(resource_type: ResourceType, method: &str, arguments: &Value) -> Vec<(String, Value)> {
    let mut concealer = Concealer::of(resource_type);
    concealer.conceal(&argument_type(resource_type, method), &Place::default(), arguments);
    concealer.literals
}

/// The arguments of a method as they may be shown.
pub fn conceal_arguments(resource_type: ResourceType, method: &str, arguments: &Value) -> Value {
    let mut concealer = Concealer::of(resource_type);
    concealer.conceal(&argument_type(resource_type, method), &Place::default(), arguments)
}

fn argument_type(resource_type: ResourceType, method: &str) -> FieldType {
    let body = resource_type.method(method).map(|method| method.body);
    match body {
        Some(Body::Message(id)) => FieldType::Message(id),
        Some(Body::Resource) => FieldType::Message(resource_type.schema_id()),
        Some(Body::None) | None => FieldType::Any,
    }
}

#[derive(Clone, Default)]
struct Place {
    path: String,
    behavior: FieldBehavior,
}

impl Place {
    fn below(&self, name: &str, behavior: FieldBehavior) -> Place {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Place { path, behavior: behavior.within(self.behavior) }
    }
}

/// The name of an entry of a map, as the name of a field would be written.
fn telling(name: &str) -> String {
    name.replace(['_', '-', '.'], "")
}

struct Concealer {
    resource_type: ResourceType,
    /// The secrets, each with the digest that stands for it.
    found: Vec<(String, Value)>,
    /// See [`literals`].
    literals: Vec<(String, Value)>,
}

impl Concealer {
    fn of(resource_type: ResourceType) -> Concealer {
        Concealer { resource_type, found: Vec::new(), literals: Vec::new() }
    }

    fn conceal(&mut self, field_type: &FieldType, place: &Place, value: &Value) -> Value {
        let api = self.resource_type.api();
        match (api.resolve(field_type), value) {
            (_, Value::Null) => Value::Null,
            (FieldType::Message(id), Value::Object(fields)) => {
                let schema = api.schema(id);
                let shown = fields.iter().map(|(name, value)| {
                    let known = schema.field(name);
                    let behavior = known.map_or(FieldBehavior::default(), |field| field.behavior);
                    let field_type = known.map_or(&FieldType::Any, |field| &field.field_type);
                    (name.clone(), self.conceal(field_type, &place.below(name, behavior), value))
                });
                Value::Object(shown.collect())
            }
            (FieldType::List(element), Value::Array(elements)) => {
                elements.iter().map(|value| self.conceal(&element, place, value)).collect()
            }
            (FieldType::Map(element), Value::Object(entries)) => {
                let place = place.below("*", FieldBehavior::default());
                let shown = entries.iter().map(|(name, value)| {
                    // A map's entry may have a telling name of its own: labels.auth_token.
                    let named = Place { path: format!("{}.{}", place.path, telling(name)), ..place.clone() };
                    let place = if self.is_secret(&named) { &named } else { &place };
                    (name.clone(), self.conceal(&element, place, value))
                });
                Value::Object(shown.collect())
            }
            (FieldType::Any, Value::Object(fields)) if !self.is_secret(place) => {
                let shown = fields.iter().map(|(name, value)| {
                    let place = place.below(name, FieldBehavior::default());
                    (name.clone(), self.conceal(&FieldType::Any, &place, value))
                });
                Value::Object(shown.collect())
            }
            (FieldType::Any, Value::Array(elements)) if !self.is_secret(place) => {
                elements.iter().map(|value| self.conceal(&FieldType::Any, place, value)).collect()
            }
            // A text that looks like what stands for a secret is concealed as well: shown, it would be taken for that secret, and
            // whoever writes it would get the secret written.
            (_, Value::String(text)) if is_digest(text) => self.replaced(place, value),
            _ if self.is_secret(place) => self.replaced(place, value),
            _ => value.clone(),
        }
    }

    fn replaced(&mut self, place: &Place, value: &Value) -> Value {
        match sensitivity(self.resource_type, &place.path, place.behavior) {
            Sensitivity::Environment => self.literals.push((place.path.clone(), value.clone())),
            Sensitivity::Shown | Sensitivity::InputOnly | Sensitivity::Name | Sensitivity::Rule(_) => {}
        }
        let digest = digest(value);
        self.found.push((digest.clone(), value.clone()));
        Value::String(digest)
    }

    fn is_secret(&self, place: &Place) -> bool {
        sensitivity(self.resource_type, &place.path, place.behavior).is_secret()
    }
}

/// Whether a text stands in the place of a secret.
pub fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("(sha256 ").and_then(|rest| rest.strip_suffix("…)"));
    hex.is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// What is shown in the place of a secret.
pub fn digest(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    let beginning = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    format!("(sha256 {beginning:016x}…)")
}

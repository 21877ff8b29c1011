//! The tokens of conditional writes: `etag`, `fingerprint`, `metageneration` and their like.
//!
//! That a write with an old one is refused is documented by family. AIP-154: `ABORTED`, 409. Compute Engine, Cloud Storage and Cloud
//! SQL: 412, `conditionNotMet`. Compute Engine's documents say of most fingerprints that an update needs the present one; elsewhere a
//! write without a token is unconditional. What a single API does beyond its family is not known, so a scenario may say otherwise.

use serde_json::{Map, Value, json};

use super::kept::TokenPolicy;
use super::message::at;
use crate::catalog::{Exception, FieldType, Resource, Token, UpdateDialect};
use crate::sim::api::Parameters;
use crate::sim::world::digest;
use crate::sim::world::refusal::{Code, Refusal};

/// How the family of an API refuses an old token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stale {
    /// `ABORTED`, which is 409.
    Aborted,
    /// `FAILED_PRECONDITION`, which is 400.
    FailedPrecondition,
    /// 412: a condition that does not hold.
    ConditionNotMet,
}

impl Stale {
    /// The refusal of a write without a token. (source: Compute Engine's words for backend services)
    fn needed(self, field: &str) -> Refusal {
        let field = match self {
            Stale::Aborted | Stale::FailedPrecondition => field.to_owned(),
            Stale::ConditionNotMet => format!("resource.{field}"),
        };
        Refusal::invalid(field.clone(), format!("Required field '{field}' not specified")).because("required")
    }

    fn refusal(self, field: &str) -> Refusal {
        match self {
            Stale::Aborted | Stale::FailedPrecondition => {
                let code = if self == Stale::Aborted { Code::Aborted } else { Code::FailedPrecondition };
                let message =
                    format!("The {field} in the request is not the current {field} of the resource; read it again");
                Refusal::new(code, message)
            }
            Stale::ConditionNotMet => {
                let message = match field {
                    "fingerprint" => "Invalid fingerprint.".to_owned(),
                    "metageneration" => "At least one of the pre-conditions you specified did not hold.".to_owned(),
                    field => format!("The {field} in the request is not the current one"),
                };
                Refusal::new(Code::FailedPrecondition, message)
            }
        }
    }
}

/// What a token is compared with.
pub(super) struct Checked<'c> {
    pub(super) resource: &'c Resource,
    pub(super) live: &'c Map<String, Value>,
    pub(super) policy: TokenPolicy,
    pub(super) stale: Stale,
}

impl Checked<'_> {
    /// Refuses an update that was made of an older state. `body` is the resource as it was sent.
    pub(super) fn update(&self, body: &Map<String, Value>, parameters: &Parameters) -> Result<(), Refusal> {
        let resource_type = self.resource.resource_type;
        match resource_type.token() {
            Token::None | Token::ComparedOnly { .. } => Ok(()),
            Token::InBody { field } => {
                let is_compute = matches!(resource_type.update(), Some((_, UpdateDialect::Compute)));
                let is_needed = is_compute && field == "fingerprint";
                self.compare(field, at(body, field), is_needed)
            }
            Token::InQuery { field, parameter } => {
                let given = parameters.get(parameter).map(|text| json!(text));
                self.compare(field, given.as_ref(), false)
            }
        }
    }

    /// The same of a method that sets one field, whose token stands in its message under the last part of its path.
    pub(super) fn setter(&self, token: &str, body: &Map<String, Value>) -> Result<(), Refusal> {
        let name = token.rsplit('.').next().unwrap_or(token);
        let given = body.get(name).filter(|value| !value.is_null());
        if at(self.live, token).is_none() { Ok(()) } else { self.compare_with(name, token, given, true) }
    }

    /// The same of a deletion.
    pub(super) fn deletion(&self, parameters: &Parameters) -> Result<(), Refusal> {
        for (parameter, field) in [("etag", "etag"), ("ifMetagenerationMatch", "metageneration")] {
            let given = parameters.get(parameter).map(|text| json!(text));
            if given.is_some() {
                self.compare(field, given.as_ref(), false)?;
            }
        }
        Ok(())
    }

    fn compare(&self, field: &str, given: Option<&Value>, is_needed: bool) -> Result<(), Refusal> {
        self.compare_with(field, field, given, is_needed)
    }

    fn compare_with(&self, shown: &str, field: &str, given: Option<&Value>, is_needed: bool) -> Result<(), Refusal> {
        if self.policy == TokenPolicy::Ignored {
            return Ok(());
        }
        let live = at(self.live, field).map(text).unwrap_or_default();
        match given.map(text).filter(|text| !text.is_empty()) {
            Some(given) if live == given => Ok(()),
            None if !is_needed && self.policy == TokenPolicy::Documented => Ok(()),
            Some(_) => Err(self.stale.refusal(shown)),
            None => Err(self.stale.needed(shown)),
        }
    }
}

/// Gives a resource new tokens after a write; where one only tells of a field of its own, if that changed. Of a resource without any
/// yet it makes the first.
pub(super) fn renew(
    resource: &Resource,
    before: Option<&Map<String, Value>>,
    state: &mut Map<String, Value>,
    writes: u64,
) {
    let resource_type = resource.resource_type;
    if let Some(field) = resource_type.token().field() {
        let is_first = before.is_none();
        if !(is_first && at(state, field).is_some()) {
            put(resource, state, field, writes);
        }
    }
    for rule in resource_type.rules() {
        let Exception::SetBy { field, token: Some(token), .. } = rule.what else { continue };
        // A token within its field is no part of what the field says.
        let value = |state: &Map<String, Value>| {
            let mut value = at(state, field).cloned();
            if let (Some(Value::Object(value)), Some(inner)) = (&mut value, token.strip_prefix(&format!("{field}."))) {
                value.shift_remove(inner);
            }
            value
        };
        let has_changed = before.is_some_and(|before| value(before) != value(state));
        if has_changed || (at(state, token).is_none() && value(state).is_some()) {
            put(resource, state, token, writes);
        }
    }
}

fn put(resource: &Resource, state: &mut Map<String, Value>, path: &str, writes: u64) {
    let mut message = super::change::message_of(resource.resource_type);
    let mut here = state;
    let (parents, name) = path.rsplit_once('.').map_or((None, path), |(parents, name)| (Some(parents), name));
    for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
        if let Some(FieldType::Message(schema)) =
            message.api.schema(message.schema).field(parent).map(|field| field.field_type.clone())
        {
            message.schema = schema;
        }
        here = match here.get_mut(parent) {
            Some(Value::Object(inner)) => inner,
            // A token of a message that is not there would be all that it says.
            _ => return,
        };
    }
    let field_type = message.api.schema(message.schema).field(name).map(|field| &field.field_type);
    let counted =
        here.get(name).map(text).and_then(|text| text.parse::<i64>().ok()).map_or(1, |number| number.saturating_add(1));
    let value = match field_type {
        Some(FieldType::Int64 | FieldType::Uint64) => json!(counted.to_string()),
        Some(FieldType::Int32 | FieldType::Uint32) => json!(counted),
        // Twelve hexadecimal digits are valid base64, which a fingerprint must be.
        _ => json!(digest(&format!("{}/{path}/{writes}", resource.url()), 12)),
    };
    here.insert(name.to_owned(), value);
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

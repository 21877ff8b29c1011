//! From a path to the facts of the field that it means.

use super::api::Api;
use super::resource_type::ResourceType;
use super::schema::{FieldBehavior, FieldType, SchemaId};
use super::selector::{Selector, Step};
use super::sensitive::{Sensitivity, sensitivity};
use crate::syntax::spelling::nearest;

/// What is known of the field that a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    /// What it takes.
    pub field_type: FieldType,
    /// Who may write it, by its own words and those of the fields above it.
    pub behavior: FieldBehavior,
    /// Whether its value may be shown.
    pub sensitivity: Sensitivity,
    /// The path that a mask names for it: it ends at the first list or map.
    pub mask_path: String,
    /// The same path of fields, without what chooses elements: `template.containers.env.value`.
    pub field_path: String,
}

/// A path that means no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// The message has no such field.
    #[error("{within} has no field `{field}`", within = within(.path))]
    UnknownField {
        /// The path up to the message; empty for the resource.
        path: String,
        /// What was read.
        field: String,
        /// Fields that may be meant.
        near: Vec<&'static str>,
    },
    /// A path goes on where there is nothing below.
    #[error("`{path}` is a {word}: it has no fields")]
    NoFields {
        /// The path up to it.
        path: String,
        /// What it is.
        word: &'static str,
    },
    /// A path goes into a list without saying which element.
    #[error(
        "`{path}` is a list; choose an element by one of its fields, such as `{path}[{key}=…]`, or set the whole list"
    )]
    NoElement {
        /// The path up to it.
        path: String,
        /// A field that may tell elements apart.
        key: &'static str,
    },
    /// An element is chosen where there is no list.
    #[error("`{path}` is no list, so `[{key}=…]` chooses nothing")]
    NoList {
        /// The path up to it.
        path: String,
        /// The key.
        key: String,
    },
    /// Elements of the list have no fields.
    #[error("the elements of `{path}` have no fields to choose one by; set the whole list")]
    PlainElements {
        /// The path up to it.
        path: String,
    },
    /// An element is chosen by a field that cannot tell elements apart.
    #[error("`{key}` is a {word} and does not tell the elements of `{path}` apart")]
    AmbiguousKey {
        /// The path up to the list.
        path: String,
        /// The key.
        key: String,
        /// What it is.
        word: &'static str,
    },
    /// An entry is chosen where there is no map.
    #[error("`{path}` is no map, so `[\"…\"]` chooses nothing")]
    NoMap {
        /// The path up to it.
        path: String,
    },
}

fn within(path: &str) -> String {
    if path.is_empty() { "the resource".to_owned() } else { format!("`{path}`") }
}

/// The facts of the field that a path means in a resource of a type.
///
/// # Errors
/// Where the path leaves the schema, with what may be meant.
pub fn walk(resource_type: ResourceType, selector: &Selector) -> Result<FieldFacts, WalkError> {
    let mut walker = Walker {
        api: resource_type.api,
        here: FieldType::Message(resource_type.entry.schema),
        behavior: FieldBehavior::default(),
        mask: Vec::new(),
        mask_ended: false,
        fields: Vec::new(),
        shown: None,
    };
    for step in selector.steps() {
        walker.take(step)?;
    }
    let field_path = walker.fields.join(".");
    let sensitivity = sensitivity(resource_type, &field_path, walker.behavior);
    Ok(FieldFacts {
        field_type: walker.here,
        behavior: walker.behavior,
        sensitivity,
        mask_path: walker.mask.join("."),
        field_path,
    })
}

struct Walker {
    api: &'static Api,
    here: FieldType,
    behavior: FieldBehavior,
    mask: Vec<String>,
    mask_ended: bool,
    fields: Vec<String>,
    /// The path so far, as it was written.
    shown: Option<Selector>,
}

impl Walker {
    fn take(&mut self, step: &Step) -> Result<(), WalkError> {
        let path = self.shown.as_ref().map(Selector::to_string).unwrap_or_default();
        let here = self.api.resolve(&self.here);
        match (step, here) {
            (_, FieldType::Any) => {
                self.mask_ended = true;
                self.fields.push("*".to_owned());
                self.here = FieldType::Any;
            }
            (Step::Field(name), FieldType::Message(id)) => self.enter(name, id, path)?,
            (Step::Field(_) | Step::Entry(_), FieldType::Map(value)) => {
                self.mask_ended = true;
                self.fields.push("*".to_owned());
                self.here = *value;
            }
            (Step::Element { key, .. }, FieldType::List(element)) => {
                self.choose(key, &element, path)?;
                self.mask_ended = true;
                self.here = *element;
            }
            (Step::Field(_) | Step::Entry(_), FieldType::List(element)) => {
                let key = self.list_key(&element);
                return Err(match key {
                    Some(key) => WalkError::NoElement { path, key },
                    None => WalkError::PlainElements { path },
                });
            }
            (Step::Element { key, .. }, _) => return Err(WalkError::NoList { path, key: key.clone() }),
            (Step::Entry(_), FieldType::Message(_)) => return Err(WalkError::NoMap { path }),
            (Step::Field(_) | Step::Entry(_), scalar) => return Err(WalkError::NoFields { path, word: scalar.word() }),
        }
        self.shown = Some(match (&self.shown, step) {
            (Some(shown), step) => shown.join(step.clone()),
            // The first step of a selector is a field.
            (None, Step::Field(name) | Step::Element { key: name, .. } | Step::Entry(name)) => Selector::field(name),
        });
        Ok(())
    }

    fn enter(&mut self, name: &str, id: SchemaId, path: String) -> Result<(), WalkError> {
        let schema = self.api.schema(id);
        let Some(field) = schema.field(name) else {
            let near = nearest_field(name, schema.fields.iter().map(|field| field.name));
            return Err(WalkError::UnknownField { path, field: name.to_owned(), near });
        };
        self.behavior = field.behavior.within(self.behavior);
        self.fields.push(name.to_owned());
        if !self.mask_ended {
            self.mask.push(name.to_owned());
        }
        self.here = field.field_type.clone();
        Ok(())
    }

    fn choose(&self, key: &str, element: &FieldType, path: String) -> Result<(), WalkError> {
        let FieldType::Message(id) = self.api.resolve(element) else { return Err(WalkError::PlainElements { path }) };
        let schema = self.api.schema(id);
        let Some(field) = schema.field(key) else {
            let near = nearest_field(key, schema.fields.iter().map(|field| field.name));
            return Err(WalkError::UnknownField { path: format!("{path}[]"), field: key.to_owned(), near });
        };
        if !tells_apart(&field.field_type) {
            return Err(WalkError::AmbiguousKey { path, key: key.to_owned(), word: field.field_type.word() });
        }
        Ok(())
    }

    /// The field by which people tell the elements of a list apart.
    fn list_key(&self, element: &FieldType) -> Option<&'static str> {
        let FieldType::Message(id) = self.api.resolve(element) else { return None };
        let schema = self.api.schema(id);
        let usual = ["name", "id", "key", "type"];
        let usual = usual.into_iter().find(|name| schema.field(name).is_some());
        usual.or_else(|| schema.fields.iter().find(|field| tells_apart(&field.field_type)).map(|field| field.name))
    }
}

/// Whether the values of a field can be the key of a list.
pub(super) fn tells_apart(field_type: &FieldType) -> bool {
    match field_type {
        FieldType::String
        | FieldType::Int32
        | FieldType::Uint32
        | FieldType::Int64
        | FieldType::Uint64
        | FieldType::Enum(_) => true,
        FieldType::Boolean
        | FieldType::Float
        | FieldType::Double
        | FieldType::Timestamp
        | FieldType::Duration
        | FieldType::FieldMask
        | FieldType::Bytes
        | FieldType::Any
        | FieldType::List(_)
        | FieldType::Map(_)
        | FieldType::Message(_) => false,
    }
}

/// `memory_size_gb` is a slip of the hand like any other.
fn nearest_field(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Vec<&'static str> {
    let squeezed = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let same: Vec<&'static str> = known.clone().filter(|field| squeezed(field) == squeezed(name)).collect();
    if same.is_empty() { nearest(name, known) } else { same }
}

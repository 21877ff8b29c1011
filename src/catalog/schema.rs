//! What a message of an API consists of: fields, their types, and who may write them.

use std::sync::OnceLock;

use super::api::Api;

/// The type of a field, as it stands in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// A number.
    Int32,
    /// A number.
    Uint32,
    /// A string of digits in JSON, as JavaScript's numbers are too small for it.
    Int64,
    /// A string of digits in JSON.
    Uint64,
    /// A number.
    Float,
    /// A number.
    Double,
    /// `true` or `false`.
    Boolean,
    /// RFC 3339, such as `2026-01-31T12:00:00Z`.
    Timestamp,
    /// Seconds, such as `3.5s`.
    Duration,
    /// Field names with commas.
    FieldMask,
    /// Base64.
    Bytes,
    /// Anything: the API does not say.
    Any,
    /// One of a list of names. An API may know more names than this catalog.
    Enum(EnumValues),
    /// A list. It is replaced as a whole in every dialect of Google's APIs.
    List(Box<FieldType>),
    /// Names of the user's, each with a value of the type. It is replaced as a whole too.
    Map(Box<FieldType>),
    /// A message of the same API.
    Message(SchemaId),
}

impl FieldType {
    /// A word for it in messages, such as `number` or `list`.
    pub fn word(&self) -> &'static str {
        match self {
            FieldType::String => "string",
            FieldType::Int32 | FieldType::Uint32 => "whole number",
            FieldType::Int64 | FieldType::Uint64 => "whole number (64 bits)",
            FieldType::Float | FieldType::Double => "number",
            FieldType::Boolean => "true or false",
            FieldType::Timestamp => "time (RFC 3339)",
            FieldType::Duration => "duration in seconds, such as \"30s\"",
            FieldType::FieldMask => "field mask",
            FieldType::Bytes => "base64",
            FieldType::Any => "anything",
            FieldType::Enum(_) => "enum",
            FieldType::List(_) => "list",
            FieldType::Map(_) => "map",
            FieldType::Message(_) => "object",
        }
    }

    /// Whether masks end at such a field: what is below is read, modified and written as a whole.
    pub fn is_written_whole(&self) -> bool {
        matches!(self, FieldType::List(_) | FieldType::Map(_) | FieldType::Any)
    }

    /// Reads a type as the generator writes it. `first` is the number of the schema that a bare `@` means next.
    pub(super) fn parse(text: &'static str, first: &mut usize) -> Option<FieldType> {
        let mut letters = text.chars();
        let kind = letters.next()?;
        let rest = letters.as_str();
        Some(match kind {
            's' => FieldType::String,
            'i' => FieldType::Int32,
            'u' => FieldType::Uint32,
            'l' => FieldType::Int64,
            'L' => FieldType::Uint64,
            'f' => FieldType::Float,
            'd' => FieldType::Double,
            'b' => FieldType::Boolean,
            't' => FieldType::Timestamp,
            'D' => FieldType::Duration,
            'm' => FieldType::FieldMask,
            'B' => FieldType::Bytes,
            'x' => FieldType::Any,
            'e' => FieldType::Enum(EnumValues(rest)),
            '[' => FieldType::List(Box::new(FieldType::parse(rest, first)?)),
            '{' => FieldType::Map(Box::new(FieldType::parse(rest, first)?)),
            '@' => FieldType::Message(SchemaId::parse(rest, first)?),
            _ => return None,
        })
    }
}

/// The names that an enum takes, as Discovery lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnumValues(&'static str);

impl EnumValues {
    /// Every name.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        self.0.split(',')
    }
}

/// A schema of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaId(pub(super) usize);

impl SchemaId {
    /// `@` was read; a number follows, or nothing for the next schema that no line before named.
    pub(super) fn parse(text: &str, first: &mut usize) -> Option<SchemaId> {
        if text.is_empty() {
            *first += 1;
            return Some(SchemaId(*first - 1));
        }
        text.parse().ok().map(SchemaId)
    }
}

/// Who may write a field, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldBehavior(u8);

impl FieldBehavior {
    /// Anybody may write it at any time.
    pub(super) const NONE: FieldBehavior = FieldBehavior(0);
    const OUTPUT_ONLY: u8 = 1;
    const IMMUTABLE: u8 = 2;
    const INPUT_ONLY: u8 = 4;
    const REQUIRED: u8 = 8;

    fn parse(flags: &str) -> FieldBehavior {
        FieldBehavior(flags.chars().fold(0, |bits, flag| {
            bits | match flag {
                'o' => FieldBehavior::OUTPUT_ONLY,
                'i' => FieldBehavior::IMMUTABLE,
                'w' => FieldBehavior::INPUT_ONLY,
                'r' => FieldBehavior::REQUIRED,
                _ => 0,
            }
        }))
    }

    /// The API writes it, and ignores or refuses what others write.
    pub fn is_output_only(self) -> bool {
        self.0 & FieldBehavior::OUTPUT_ONLY != 0
    }

    /// It is given when the resource is made and never changes.
    pub fn is_immutable(self) -> bool {
        self.0 & FieldBehavior::IMMUTABLE != 0
    }

    /// It is never in an answer, mostly because it is a secret.
    pub fn is_input_only(self) -> bool {
        self.0 & FieldBehavior::INPUT_ONLY != 0
    }

    /// The API refuses to make the resource without it.
    pub fn is_required(self) -> bool {
        self.0 & FieldBehavior::REQUIRED != 0
    }

    /// It has the words of both: what is below an output-only field is output only.
    #[must_use]
    pub fn within(self, outer: FieldBehavior) -> FieldBehavior {
        let inherited = FieldBehavior::OUTPUT_ONLY | FieldBehavior::IMMUTABLE | FieldBehavior::INPUT_ONLY;
        FieldBehavior(self.0 | outer.0 & inherited)
    }
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it takes.
    pub field_type: FieldType,
    /// Who may write it.
    pub behavior: FieldBehavior,
}

/// The fields of a message, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Every field.
    pub fields: Vec<Field>,
}

impl Schema {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A schema's lines, which are parsed when somebody looks at them, once.
#[derive(Debug)]
pub(super) struct SchemaText {
    lines: &'static str,
    /// The number that the first bare `@` of these lines means.
    first: usize,
    parsed: OnceLock<Schema>,
}

impl SchemaText {
    pub(super) fn new(lines: &'static str, first: usize) -> SchemaText {
        SchemaText { lines, first, parsed: OnceLock::new() }
    }

    fn schema(&self) -> &Schema {
        self.parsed.get_or_init(|| {
            let mut first = self.first;
            let field = |line: &'static str| {
                let mut words = line.split(' ');
                let (name, kind) = (words.next()?, words.next()?);
                let field_type = FieldType::parse(kind, &mut first)?;
                Some(Field { name, field_type, behavior: FieldBehavior::parse(words.next().unwrap_or_default()) })
            };
            Schema { fields: self.lines.lines().filter_map(field).collect() }
        })
    }

    /// How many lines there are that no field was made of.
    #[cfg(test)]
    pub(super) fn unreadable_lines(&self) -> usize {
        self.lines.lines().count() - self.schema().fields.len()
    }
}

/// What a message has that the API does not describe.
static NO_FIELDS: Schema = Schema { fields: Vec::new() };

impl Api {
    /// The fields of a message. A message that the API does not describe has none.
    pub fn schema(&self, id: SchemaId) -> &Schema {
        self.schemas.get(id.0).map_or(&NO_FIELDS, SchemaText::schema)
    }

    /// The type that a field has once names for maps are seen through: some messages are maps.
    pub fn resolve(&self, field_type: &FieldType) -> FieldType {
        let FieldType::Message(id) = field_type else { return field_type.clone() };
        match self.schema(*id).fields.as_slice() {
            // A message without fields takes whatever it is given.
            [] => FieldType::Any,
            [only] if only.name == "*" => FieldType::Map(Box::new(only.field_type.clone())),
            _ => field_type.clone(),
        }
    }
}

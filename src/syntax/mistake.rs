//! What is wrong with a runbook's text, in words and with its place.
//!
//! This room only finds out whether a text *is* a runbook: syntax, keys, types, references. Whether it is a
//! good one is for `check`, which turns every [`Mistake`] into one of its diagnostics.

use std::ops::Range;

/// One thing that is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Stable name, one of [`CODES`].
    pub code: &'static str,
    /// What is wrong, and why.
    pub message: String,
    /// Where, as bytes of the document's text.
    pub at: Range<usize>,
    /// How to put it right.
    pub help: Option<String>,
    /// The same as an edit of the text, where that is certain.
    pub edit: Option<Edit>,
}

/// A replacement of a part of a document's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced, as bytes of the text; empty where something is inserted.
    pub at: Range<usize>,
    /// What is put in its place.
    pub text: String,
}

impl Mistake {
    /// A mistake at a place.
    pub fn new(code: &'static str, at: Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { code, message: message.into(), at, help: None, edit: None }
    }

    /// How to put it right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }
}

/// The text is not TOML.
pub const SYNTAX: &str = "syntax";
/// Tables or dotted keys inside one another, deeper than any runbook needs.
pub const TOO_DEEP: &str = "too-deep";
/// A key or table that the format does not have.
pub const UNKNOWN_KEY: &str = "unknown-key";
/// A key that must be there and is not.
pub const MISSING_KEY: &str = "missing-key";
/// A text where a number is wanted, and the like.
pub const WRONG_TYPE: &str = "wrong-type";
/// The right type, but not something that can be meant.
pub const BAD_VALUE: &str = "bad-value";
/// A resource that no API of Google's has.
pub const UNKNOWN_RESOURCE: &str = "unknown-resource";
/// A field or value that the API does not have, or does not let be set.
pub const BAD_FIELD: &str = "bad-field";
/// `uses` names an action that does not exist.
pub const UNKNOWN_ACTION: &str = "unknown-action";
/// A `${…}` that stands for nothing.
pub const BAD_REFERENCE: &str = "bad-reference";
/// References and iterations that stand for more text than any runbook needs.
pub const TOO_MUCH_TEXT: &str = "too-much-text";
/// A step that refers to what it, or a later step, brings about.
pub const CYCLE: &str = "cycle";
/// A secret where everybody could read it.
pub const SECRET_SHOWN: &str = "secret-shown";
/// A secret in a text whose language is not known, so that it could end what it stands in.
pub const SECRET_MISPLACED: &str = "secret-misplaced";
/// A secret of so few characters that what is hidden would tell it.
pub const SECRET_TOO_SHORT: &str = "secret-too-short";
/// A condition that is not CEL, or that this program does not evaluate.
pub const BAD_CONDITION: &str = "bad-condition";
/// An input that needs a value and has none.
pub const MISSING_INPUT: &str = "missing-input";
/// A value was given for an input that the runbook does not have.
pub const UNKNOWN_INPUT: &str = "unknown-input";
/// An input's value does not match its pattern.
pub const INPUT_PATTERN: &str = "input-pattern";

/// Every code that reading can report, with what it means in a line.
pub const CODES: &[(&str, &str)] = &[
    (SYNTAX, "the text is not TOML"),
    (TOO_DEEP, "keys or tables are nested deeper than any runbook needs"),
    (UNKNOWN_KEY, "a key or table that the format does not have"),
    (MISSING_KEY, "a key that must be there is not"),
    (WRONG_TYPE, "a value of another type is wanted"),
    (BAD_VALUE, "a value that cannot be meant"),
    (UNKNOWN_RESOURCE, "a name that means no resource of Google Cloud"),
    (BAD_FIELD, "a field or value that the API does not have, or does not let be set"),
    (UNKNOWN_ACTION, "`uses` names an action that does not exist"),
    (BAD_REFERENCE, "a `${…}` that refers to nothing"),
    (TOO_MUCH_TEXT, "references and iterations expand to more text than any runbook needs"),
    (CYCLE, "a step refers to what it, or a later step, brings about"),
    (SECRET_SHOWN, "a secret is where it would be shown or journaled"),
    (SECRET_MISPLACED, "a secret is where it could end the text around it"),
    (SECRET_TOO_SHORT, "a secret has so few characters that what is hidden would tell it"),
    (BAD_CONDITION, "a condition that cannot be evaluated"),
    (MISSING_INPUT, "an input needs a value and has none"),
    (UNKNOWN_INPUT, "a value was given for an input that does not exist"),
    (INPUT_PATTERN, "an input's value does not match its pattern"),
];

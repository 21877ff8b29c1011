//! What can be known of something observed, and of what type it is. Conditions are checked against this before anything is
//! observed.

/// The type of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactType {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// A text.
    Text,
    /// A length of time.
    Span,
    /// Whatever somebody answers: nobody knows beforehand.
    Any,
}

/// The facts of a probe: name and type.
pub type Facts = &'static [(&'static str, FactType)];

//! Which part of a resource is meant: `template.containers[name=app].env[name=LOG_LEVEL].value`.
//!
//! A path of field names, where an element of a list is chosen by one of its fields and an entry of a map by its name. There are
//! no positions: what stands third today stands second tomorrow.
//!
//! ```text
//! selector = field part*
//! part     = "." field | "[" field "=" value "]" | "[" string "]"
//! field    = (letter | "_" | "$") (letter | digit | "_" | "$" | "-")*
//! value    = string | one or more characters but quotes, brackets, "=", "\" and spaces
//! string   = a string of JSON
//! ```
//!
//! A field after a dot may also be the name of an entry of a map: the schema decides. Names that are no field names stand in
//! brackets: `labels["app.kubernetes.io/name"]`.

use std::fmt;
use std::str::FromStr;

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of a message, or an entry of a map.
    Field(String),
    /// The element of a list whose field has this value.
    Element {
        /// The field that tells elements apart.
        key: String,
        /// Its value, as text.
        value: String,
    },
    /// An entry of a map, whatever its name is.
    Entry(String),
}

/// A path into a resource. It has at least one step, and the first is a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(Vec<Step>);

/// A selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path to a field: {why} at character {place}")]
pub struct SelectorError {
    /// What was read.
    pub text: String,
    /// What is wrong there.
    pub why: &'static str,
    /// Characters before it, counted from 1.
    pub place: usize,
}

/// How long a path may be, in bytes. The deepest field of the catalog is far below.
const LONGEST: usize = 2_000;

impl Selector {
    /// The path of one field.
    pub fn field(name: &str) -> Selector {
        Selector(vec![Step::Field(name.to_owned())])
    }

    /// The path of these steps, of which the first is a field.
    pub(super) fn of(steps: &[Step]) -> Selector {
        Selector(steps.to_vec())
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The same path, and one step further.
    #[must_use]
    pub fn join(&self, step: Step) -> Selector {
        Selector(self.0.iter().cloned().chain([step]).collect())
    }

    /// The same path, and another one behind it.
    #[must_use]
    pub fn join_all(&self, further: &Selector) -> Selector {
        Selector(self.0.iter().chain(&further.0).cloned().collect())
    }

    /// The first steps, at least one.
    #[must_use]
    pub fn first(&self, steps: usize) -> Selector {
        Selector(self.0[..steps.clamp(1, self.0.len())].to_vec())
    }

    /// Whether the other path is this one, or lies below it.
    pub fn covers(&self, other: &Selector) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if place == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Element { key, value } if is_bare(value) => write!(f, "[{key}={value}]")?,
                Step::Element { key, value } => write!(f, "[{key}={}]", quoted(value))?,
                Step::Entry(name) => write!(f, "[{}]", quoted(name))?,
            }
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a value may stand in brackets without quotes.
fn is_bare(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|letter| !is_reserved(letter))
}

fn is_reserved(letter: char) -> bool {
    matches!(letter, '[' | ']' | '"' | '\'' | '=' | '\\') || letter.is_whitespace() || letter.is_control()
}

fn begins_a_name(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '_' | '$')
}

fn is_of_a_name(letter: char) -> bool {
    begins_a_name(letter) || letter.is_ascii_digit() || letter == '-'
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Selector, SelectorError> {
        let mut parser = Parser { text, rest: text };
        if text.len() > LONGEST {
            return Err(parser.error("it is longer than 2,000 bytes"));
        }
        let mut steps = vec![Step::Field(parser.name()?)];
        while !parser.rest.is_empty() {
            steps.push(if parser.eats('.') {
                Step::Field(parser.name()?)
            } else if parser.eats('[') {
                let step = if parser.rest.starts_with('"') {
                    Step::Entry(parser.string()?)
                } else {
                    let key = parser.name()?;
                    if !parser.eats('=') {
                        return Err(parser.error(
                            "an element of a list is chosen by a field of it, as in `[name=app]`; `=` is missing",
                        ));
                    }
                    let value = if parser.rest.starts_with('"') { parser.string()? } else { parser.bare()? };
                    Step::Element { key, value }
                };
                if !parser.eats(']') {
                    return Err(parser.error("`]` is missing"));
                }
                step
            } else {
                return Err(parser.error("`.` or `[` is missing"));
            });
        }
        Ok(Selector(steps))
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn error(&self, why: &'static str) -> SelectorError {
        let read = self.text.len() - self.rest.len();
        let place = self.text[..read].chars().count() + 1;
        let text = self.text.chars().take(100).collect();
        SelectorError { text, why, place }
    }

    fn eats(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn name(&mut self) -> Result<String, SelectorError> {
        if !self.rest.starts_with(begins_a_name) {
            return Err(self.error(if self.rest.starts_with(|letter: char| letter.is_ascii_digit()) {
                "a field does not begin with a digit, and elements of lists have no positions"
            } else {
                "the name of a field is missing"
            }));
        }
        let end = self.rest.find(|letter| !is_of_a_name(letter)).unwrap_or(self.rest.len());
        Ok(self.take(end).to_owned())
    }

    fn bare(&mut self) -> Result<String, SelectorError> {
        let end = self.rest.find(is_reserved).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("a value is missing; one with spaces, brackets or quotes stands in double quotes"));
        }
        Ok(self.take(end).to_owned())
    }

    fn string(&mut self) -> Result<String, SelectorError> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, letter)| {
            let ends = *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else { return Err(self.error("a string does not end")) };
        match serde_json::from_str(&self.rest[..=end]) {
            Ok(string) => {
                self.take(end + 1);
                Ok(string)
            }
            Err(_) => Err(self.error("a string is not one of JSON")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Selector, String> {
        text.parse::<Selector>().map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_goes_through_lists_and_maps() {
        let path = read("template.containers[name=app].env[name=LOG_LEVEL].value").unwrap();
        assert_eq!(path.steps().len(), 6);
        assert_eq!(path.steps()[2], Step::Element { key: "name".to_owned(), value: "app".to_owned() });
        let path = read("labels[\"app.kubernetes.io/name\"]").unwrap();
        assert_eq!(path.steps()[1], Step::Entry("app.kubernetes.io/name".to_owned()));
        assert_eq!(read("a[b=\"c d\"]").unwrap().to_string(), "a[b=\"c d\"]");
        assert_eq!(read("a[b=\"c\"]").unwrap().to_string(), "a[b=c]");
    }

    #[test]
    fn what_is_no_path_is_said_with_its_place() {
        let says = |text: &str| read(text).unwrap_err();
        assert_eq!(says(""), "`` is no path to a field: the name of a field is missing at character 1");
        assert_eq!(
            says("fileShares[0].capacityGb"),
            "`fileShares[0].capacityGb` is no path to a field: a field does not begin with a digit, and elements of lists have \
             no positions at character 12"
        );
        assert_eq!(
            says("env[LOG]"),
            "`env[LOG]` is no path to a field: an element of a list is chosen by a field of it, as in `[name=app]`; `=` is \
             missing at character 8"
        );
        assert_eq!(says("a..b"), "`a..b` is no path to a field: the name of a field is missing at character 3");
        assert_eq!(says("a[b=c"), "`a[b=c` is no path to a field: `]` is missing at character 6");
        assert_eq!(says("a[\"b"), "`a[\"b` is no path to a field: a string does not end at character 3");
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = "[a-zA-Z_$][a-zA-Z0-9_$-]{0,8}";
        prop_oneof![
            name.prop_map(Step::Field),
            (name, any::<String>()).prop_map(|(key, value)| Step::Element { key, value }),
            any::<String>().prop_map(Step::Entry),
        ]
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_as_the_same(first in "[a-zA-Z_$][a-zA-Z0-9_$-]{0,8}", steps in prop::collection::vec(step(), 0..6)) {
            let selector = Selector([Step::Field(first)].into_iter().chain(steps).collect());
            prop_assume!(selector.to_string().len() <= LONGEST);
            prop_assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
        }

        #[test]
        fn whatever_the_text_is_it_is_read_or_refused(text in any::<String>(), looks_right in "[a.\\[\\]=\"\\\\ é0-]{0,20}") {
            for text in [text, looks_right] {
                if let Ok(selector) = text.parse::<Selector>() {
                    prop_assert_eq!(selector.to_string().parse::<Selector>(), Ok(selector));
                }
            }
        }
    }
}

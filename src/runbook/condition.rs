//! Conditions over what was seen, in CEL: compiled once, told what they name, evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cel::{Context, Program, Value};

/// The longest condition. A person has to read it at 3 a.m.
const LONGEST: usize = 1024;
/// How deep brackets may nest. The parser and the evaluator recurse, and a stack is finite.
const DEEPEST: usize = 16;
/// How many operators there may be, for the same reason.
const OPERATORS: usize = 100;

/// One thing that was seen, as a condition can use it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A length of time.
    Span(Duration),
}

/// A condition that compiled.
#[derive(Clone)]
pub struct Condition {
    text: String,
    program: Arc<Program>,
}

/// A condition that did not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadCondition {
    /// The byte of the text at which the parser stumbled, if it says so.
    pub at: Option<usize>,
    /// Its words.
    pub why: String,
}

impl Condition {
    /// Compiles a condition.
    pub fn compile(text: &str) -> Result<Condition, BadCondition> {
        if text.len() > LONGEST {
            return Err(BadCondition { at: None, why: format!("a condition has at most {LONGEST} characters") });
        }
        if let Some(why) = unreadable(text) {
            return Err(BadCondition { at: None, why });
        }
        let program = Program::compile(text).map_err(|errors| {
            let first = errors.errors.first();
            let at = first.and_then(|error| byte_of(text, error.pos));
            let why = first.map_or_else(|| "it cannot be read".to_owned(), |error| error.msg.clone());
            BadCondition { at, why }
        })?;
        Ok(Condition { text: text.to_owned(), program: Arc::new(program) })
    }

    /// The facts it names.
    pub fn names(&self) -> BTreeSet<String> {
        self.program.references().variables().into_iter().map(str::to_owned).collect()
    }

    /// Whether it holds. An error says why that cannot be told; then nothing is known.
    pub fn holds(&self, facts: &BTreeMap<String, Fact>) -> Result<bool, String> {
        let mut context = Context::default();
        for (name, fact) in facts {
            context.add_variable_from_value(name.as_str(), fact.value());
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it is a {}, not true or false", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl Fact {
    /// The fact as it is journaled: a length of time is text, such as `80ms`.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Fact::Bool(is) => (*is).into(),
            Fact::Int(number) => (*number).into(),
            Fact::Text(text) => text.clone().into(),
            Fact::Span(span) => crate::clock::words(*span).into(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Fact::Bool(is) => Value::Bool(*is),
            Fact::Int(number) => Value::Int(*number),
            Fact::Text(text) => Value::String(Arc::new(text.clone())),
            Fact::Span(span) => Value::Duration(chrono::Duration::from_std(*span).unwrap_or(chrono::Duration::MAX)),
        }
    }
}

/// Why nobody could read this condition, nor should a program try.
fn unreadable(text: &str) -> Option<String> {
    let (mut depth, mut deepest, mut operators) = (0_usize, 0, 0);
    for letter in text.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' | '+' | '*' | '/' | '%' | '?' | ':' | '&' | '|' | '<' | '>' | '=' | '.' | ',' => operators += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > DEEPEST {
        return Some(format!("its brackets nest {deepest} deep; at most {DEEPEST} are allowed"));
    }
    (operators > OPERATORS).then(|| format!("it has {operators} operators; at most {OPERATORS} are allowed"))
}

/// The parser counts lines from 1 and columns from 1.
fn byte_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?.checked_sub(1)?, usize::try_from(column).ok()?.checked_sub(1)?);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let place = before + column;
    (place <= text.len() && text.is_char_boundary(place)).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: i64, latency: u64) -> BTreeMap<String, Fact> {
        let latency = Fact::Span(Duration::from_millis(latency));
        BTreeMap::from([("status".to_owned(), Fact::Int(status)), ("latency".to_owned(), latency)])
    }

    #[test]
    fn a_health_page_is_judged_by_status_and_latency() {
        let condition = Condition::compile("status == 200 && latency < duration(\"2s\")").unwrap();
        assert_eq!(condition.names(), BTreeSet::from(["status".to_owned(), "latency".to_owned()]));
        assert_eq!(condition.holds(&seen(200, 80)), Ok(true));
        assert_eq!(condition.holds(&seen(200, 2000)), Ok(false));
        assert_eq!(condition.holds(&seen(503, 80)), Ok(false));
    }

    #[test]
    fn what_cannot_be_judged_is_not_false_but_unknown() {
        let unnamed = Condition::compile("latency < duration(\"2s\")").unwrap();
        assert!(unnamed.holds(&BTreeMap::new()).is_err());
        let number = Condition::compile("status").unwrap();
        assert!(number.holds(&seen(200, 80)).is_err());
        let mixed = Condition::compile("status == \"200\" || status < \"3\"").unwrap();
        assert!(mixed.holds(&seen(200, 80)).is_err());
    }

    #[test]
    fn absurd_conditions_are_refused_and_nothing_breaks() {
        assert!(Condition::compile("status ==").is_err());
        assert!(Condition::compile(&"1+".repeat(5000)).is_err());
        // Each of these overflowed a stack.
        for letter in ["(", "!", "-", "[", "1?", "1+", "a.", "f("] {
            assert!(Condition::compile(&letter.repeat(LONGEST / letter.len())).is_err(), "{letter}");
        }
        for (open, close) in [("(", ")"), ("!", ""), ("-", "")] {
            let deepest = format!("{}true{}", open.repeat(DEEPEST), close.repeat(DEEPEST));
            let _ = Condition::compile(&deepest).map(|condition| condition.holds(&BTreeMap::new()));
        }
    }
}

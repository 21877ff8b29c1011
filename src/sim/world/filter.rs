//! The part of Google's filter language that the simulated cloud understands: Cloud Logging's, which is that of other
//! APIs too (AIP-160).
//!
//! Comparisons `field op value` with `=`, `!=`, `<`, `<=`, `>`, `>=`, `:` (has), `=~` and `!~`; values bare or in quotes,
//! or several in brackets (`field=("a" OR "b")`); a text alone, which is looked for in all fields; `AND` (also by standing
//! beside one another), `OR`, `NOT`, `-` and brackets. `OR` binds more tightly than `AND`. Fields are paths such as
//! `resource.labels.service_name`; texts are compared whatever their case. Functions are refused, not ignored.
//! (source: <https://docs.cloud.google.com/logging/docs/view/logging-query-language>)
//!
//! Cloud Monitoring's filters are the same here, and have functions in the place of a value: `starts_with("…")` and its
//! like. (source: <https://docs.cloud.google.com/monitoring/api/v3/filters>)

use std::cmp::Ordering;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::refusal::Refusal;

/// How deep brackets may stand in one another.
const DEEPEST: usize = 32;

/// A filter.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Everything fits.
    All,
    /// Both.
    And(Vec<Filter>),
    /// Either.
    Or(Vec<Filter>),
    /// Not that.
    Not(Box<Filter>),
    /// A field compared with a value.
    Compare(Comparison),
    /// A text, in lower case, in any field.
    Text(String),
}

/// A field compared with a value.
#[derive(Clone, Debug)]
pub struct Comparison {
    path: Vec<String>,
    operator: Operator,
    value: String,
    pattern: Option<Regex>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
    Matches,
    MatchesNot,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Operator(Operator),
    Open,
    Close,
    Minus,
}

/// Google's own examples of Cloud Monitoring's filters write both.
const ALIASES: [(&str, &str); 2] = [("metric.label.", "metric.labels."), ("resource.label.", "resource.labels.")];

/// The severities in their order (`google/logging/type/log_severity.proto`).
const SEVERITIES: [&str; 9] =
    ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with what is not understood.
    pub fn parse(text: &str) -> Result<Filter, Refusal> {
        Filter::read(text, Dialect::Logging)
    }

    /// Reads a filter of Cloud Monitoring.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with what is not understood.
    pub fn of_metrics(text: &str) -> Result<Filter, Refusal> {
        Filter::read(text, Dialect::Monitoring)
    }

    fn read(text: &str, dialect: Dialect) -> Result<Filter, Refusal> {
        let tokens = tokens(text)?;
        if tokens.is_empty() {
            return Ok(Filter::All);
        }
        let mut parser = Parser { tokens, at: 0, depth: 0, dialect };
        let filter = parser.both()?;
        match parser.tokens.get(parser.at) {
            None => Ok(filter),
            Some(token) => Err(wrong(format!("{token:?} does not belong here"))),
        }
    }

    /// Whether an entry fits.
    pub fn fits(&self, entry: &Value) -> bool {
        match self {
            Filter::All => true,
            Filter::And(parts) => parts.iter().all(|part| part.fits(entry)),
            Filter::Or(parts) => parts.iter().any(|part| part.fits(entry)),
            Filter::Not(part) => !part.fits(entry),
            Filter::Compare(comparison) => comparison.fits(entry),
            Filter::Text(text) => says(entry, text),
        }
    }

    /// Refuses a filter that compares fields other than these.
    ///
    /// # Errors
    /// INVALID_ARGUMENT, with the fields that there are.
    pub fn only(&self, fields: &[&str]) -> Result<(), Refusal> {
        match self {
            Filter::All | Filter::Text(_) => Ok(()),
            Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|part| part.only(fields)),
            Filter::Not(part) => part.only(fields),
            Filter::Compare(Comparison { path, .. }) => {
                let path = path.join(".");
                if fields.contains(&path.as_str()) {
                    return Ok(());
                }
                Err(wrong(format!("there is no field {path:?} to filter by; there are {}", fields.join(", "))))
            }
        }
    }

    /// The value that a field must have for sure, if there is one.
    pub fn demands(&self, path: &[&str]) -> Option<&str> {
        match self {
            Filter::And(parts) => parts.iter().find_map(|part| part.demands(path)),
            Filter::Compare(comparison) if comparison.operator == Operator::Equal && comparison.path == path => {
                Some(&comparison.value)
            }
            _ => None,
        }
    }

    /// The bounds that the filter sets to the timestamp for sure: from, and before.
    pub fn window(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match self {
            Filter::And(parts) => parts.iter().map(Filter::window).fold((None, None), |(from, to), (after, before)| {
                (from.max(after), [to, before].into_iter().flatten().min())
            }),
            Filter::Compare(comparison) if comparison.path == ["timestamp"] => {
                let at = comparison.value.parse::<Timestamp>().ok();
                match comparison.operator {
                    Operator::Greater | Operator::GreaterOrEqual => (at, None),
                    Operator::Less | Operator::LessOrEqual => (None, at),
                    _ => (None, None),
                }
            }
            _ => (None, None),
        }
    }
}

impl Comparison {
    fn fits(&self, entry: &Value) -> bool {
        let found = self.path.iter().try_fold(entry, |value, part| value.get(part));
        let Some(found) = found else { return matches!(self.operator, Operator::NotEqual | Operator::MatchesNot) };
        let text = match found {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let ordering = || self.order(found, &text);
        match self.operator {
            Operator::Equal => ordering() == Some(Ordering::Equal),
            Operator::NotEqual => ordering() != Some(Ordering::Equal),
            Operator::Less => ordering() == Some(Ordering::Less),
            Operator::LessOrEqual => matches!(ordering(), Some(Ordering::Less | Ordering::Equal)),
            Operator::Greater => ordering() == Some(Ordering::Greater),
            Operator::GreaterOrEqual => matches!(ordering(), Some(Ordering::Greater | Ordering::Equal)),
            Operator::Has => self.value == "*" || text.to_lowercase().contains(&self.value.to_lowercase()),
            Operator::Matches => self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text)),
            Operator::MatchesNot => !self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(&text)),
        }
    }

    fn order(&self, found: &Value, text: &str) -> Option<Ordering> {
        if self.path == ["severity"] {
            let rank = |name: &str| SEVERITIES.iter().position(|known| known.eq_ignore_ascii_case(name));
            return Some(rank(text)?.cmp(&rank(&self.value)?));
        }
        if let Some(number) = found.as_f64() {
            return number.partial_cmp(&self.value.parse().ok()?);
        }
        if let (Ok(one), Ok(other)) = (text.parse::<Timestamp>(), self.value.parse::<Timestamp>()) {
            return Some(one.cmp(&other));
        }
        Some(text.to_lowercase().cmp(&self.value.to_lowercase()))
    }
}

/// Whether any field says this text, which is in lower case.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.to_lowercase().contains(text),
        Value::Array(parts) => parts.iter().any(|part| says(part, text)),
        Value::Object(fields) => fields.values().any(|field| says(field, text)),
        other => other.to_string().contains(text),
    }
}

fn wrong(what: impl std::fmt::Display) -> Refusal {
    Refusal::invalid("filter", format!("Unparseable filter: {what}"))
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut then = |wanted: char, yes: Operator, no: Option<Operator>| {
            if letters.next_if_eq(&wanted).is_some() { Some(yes) } else { no }
        };
        let operator = match letter {
            letter if letter.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '-' => Token::Minus,
            ':' => Token::Operator(Operator::Has),
            '=' => Token::Operator(then('~', Operator::Matches, Some(Operator::Equal)).unwrap_or(Operator::Equal)),
            '<' => Token::Operator(then('=', Operator::LessOrEqual, None).unwrap_or(Operator::Less)),
            '>' => Token::Operator(then('=', Operator::GreaterOrEqual, None).unwrap_or(Operator::Greater)),
            '!' => {
                let operator = then('=', Operator::NotEqual, None).or_else(|| then('~', Operator::MatchesNot, None));
                Token::Operator(operator.ok_or_else(|| wrong("`!` without `=` or `~`".to_owned()))?)
            }
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    match letters.next() {
                        // Of a quote or of itself; a regular expression has its own.
                        Some('\\') => {
                            let escaped = letters.next_if(|next| [letter, '\\'].contains(next));
                            quoted.push(escaped.unwrap_or('\\'));
                        }
                        Some(end) if end == letter => break,
                        Some(other) => quoted.push(other),
                        None => return Err(wrong("a text does not end".to_owned())),
                    }
                }
                Token::Quoted(quoted)
            }
            letter => {
                let mut word = letter.to_string();
                while let Some(next) = letters.next_if(|next| !next.is_whitespace() && !"()=<>!:\"'".contains(*next)) {
                    word.push(next);
                }
                Token::Word(word)
            }
        };
        tokens.push(operator);
    }
    Ok(tokens)
}

/// Whose filters they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Logging,
    Monitoring,
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    dialect: Dialect,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found == word);
        self.at += usize::from(is);
        is
    }

    fn both(&mut self) -> Result<Filter, Refusal> {
        let mut parts = vec![self.either()?];
        while !matches!(self.tokens.get(self.at), None | Some(Token::Close)) {
            self.take_word("AND");
            parts.push(self.either()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn either(&mut self) -> Result<Filter, Refusal> {
        let mut parts = vec![self.term()?];
        while self.take_word("OR") {
            parts.push(self.term()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn term(&mut self) -> Result<Filter, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(wrong("too many brackets".to_owned()));
        }
        let term = if self.take_word("NOT") {
            Filter::Not(Box::new(self.term()?))
        } else {
            match self.next() {
                Some(Token::Minus) => Filter::Not(Box::new(self.term()?)),
                Some(Token::Open) => {
                    let inner = self.both()?;
                    match self.next() {
                        Some(Token::Close) => inner,
                        _ => return Err(wrong("a bracket is not closed".to_owned())),
                    }
                }
                Some(Token::Quoted(text)) if !self.goes_on() => Filter::Text(text.to_lowercase()),
                Some(Token::Word(word)) if word == "AND" || word == "OR" => {
                    return Err(wrong(format!("{word} stands between two comparisons")));
                }
                Some(Token::Word(text)) if !self.goes_on() => Filter::Text(text.to_lowercase()),
                Some(Token::Word(path)) => self.comparison(&path)?,
                other => return Err(wrong(format!("{other:?} does not begin a comparison"))),
            }
        };
        self.depth -= 1;
        Ok(term)
    }

    /// The pattern that a function of this name stands for; its bracket is next.
    fn function(&mut self, name: &str) -> Result<String, Refusal> {
        self.at += 1;
        let mut texts = Vec::new();
        loop {
            match self.next() {
                Some(Token::Quoted(text)) => texts.push(text),
                Some(Token::Word(comma)) if comma == "," => {}
                Some(Token::Close) if !texts.is_empty() => break,
                other => return Err(wrong(format!("{other:?} does not belong into {name}(…)"))),
            }
        }
        let plain = texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
        match (name, texts.as_slice()) {
            ("starts_with", [_]) => Ok(format!("^{plain}")),
            ("ends_with", [_]) => Ok(format!("{plain}$")),
            ("has_substring", [_]) => Ok(plain),
            ("one_of", _) => Ok(format!("^(?:{plain})$")),
            ("monitoring.regex.full_match", [pattern]) => Ok(format!("^(?:{pattern})$")),
            _ => Err(wrong(format!("the simulated cloud knows no function {name:?} of {} texts", texts.len()))),
        }
    }

    /// Whether what was just taken is the left side of something.
    fn goes_on(&self) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Operator(_) | Token::Open))
    }

    fn comparison(&mut self, path: &str) -> Result<Filter, Refusal> {
        let Some(Token::Operator(operator)) = self.next() else {
            return Err(wrong(format!("the simulated cloud knows no function {path:?}")));
        };
        let mut path = path.to_owned();
        if self.dialect == Dialect::Monitoring
            && let Some((alias, name)) = ALIASES.iter().find(|(alias, _)| path.starts_with(alias))
        {
            path = path.replacen(alias, name, 1);
        }
        let path: Vec<String> = path.split('.').map(|part| part.trim_matches('"').to_owned()).collect();
        let with = |operator: Operator, value: String| {
            let regex = matches!(operator, Operator::Matches | Operator::MatchesNot);
            let pattern = regex.then(|| Regex::new(&value)).transpose();
            let pattern = pattern.map_err(|_| wrong(format!("{value:?} is not a regular expression")))?;
            Ok(Filter::Compare(Comparison { path: path.clone(), operator, value, pattern }))
        };
        let compare = |value: String| with(operator, value);
        match self.next() {
            Some(Token::Word(name))
                if self.dialect == Dialect::Monitoring && self.tokens.get(self.at) == Some(&Token::Open) =>
            {
                let operator = match operator {
                    Operator::Equal => Operator::Matches,
                    Operator::NotEqual => Operator::MatchesNot,
                    _ => return Err(wrong(format!("{name}(…) stands behind = or !="))),
                };
                with(operator, self.function(&name)?)
            }
            Some(Token::Word(value) | Token::Quoted(value)) => compare(value),
            Some(Token::Minus) => match self.next() {
                Some(Token::Word(value)) => compare(format!("-{value}")),
                other => Err(wrong(format!("{other:?} is not a value"))),
            },
            Some(Token::Open) => {
                let mut parts = Vec::new();
                loop {
                    match self.next() {
                        Some(Token::Word(word)) if word == "OR" => {}
                        Some(Token::Word(value) | Token::Quoted(value)) => parts.push(compare(value)?),
                        Some(Token::Close) if !parts.is_empty() => return Ok(Filter::Or(parts)),
                        other => return Err(wrong(format!("{other:?} does not belong into a list of values"))),
                    }
                }
            }
            other => Err(wrong(format!("{other:?} is not a value"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(filter: &str) -> bool {
        let entry = json!({
            "resource": { "type": "cloud_run_revision", "labels": { "service_name": "orders" } },
            "severity": "ERROR",
            "timestamp": "2026-03-02T09:30:00Z",
            "httpRequest": { "status": 503 },
            "textPayload": "Container called exit(3).",
        });
        Filter::parse(filter).unwrap_or_else(|refusal| panic!("{filter}: {}", refusal.message)).fits(&entry)
    }

    #[test]
    fn filters_of_an_incident_are_understood() {
        for filter in [
            "",
            r#"resource.type="cloud_run_revision" AND httpRequest.status=503"#,
            r#"resource.type="cloud_run_revision" resource.labels.service_name=orders httpRequest.status>=500"#,
            r#"timestamp>="2026-03-02T09:00:00Z" AND timestamp<"2026-03-02T10:00:00Z""#,
            "severity>=WARNING AND NOT severity=CRITICAL",
            r#"textPayload:"exit(3)" AND -httpRequest.status=200"#,
            r#"textPayload=~"exit\(\d\)" OR severity=DEBUG"#,
            r#"resource.labels.service_name=("payments" OR "orders")"#,
            "jsonPayload.x!=3 AND (severity=INFO OR severity=ERROR)",
            r#""container CALLED exit""#,
            "orders AND resource.type=CLOUD_RUN_REVISION",
            // OR binds more tightly than AND.
            "severity=ERROR OR severity=INFO AND severity=ERROR",
        ] {
            assert!(fits(filter), "{filter}");
        }
        for filter in [
            "httpRequest.status=200",
            "severity<ERROR",
            "trace:*",
            r#"NOT textPayload:"exit""#,
            r#""exit(4)""#,
            "severity=ERROR OR severity=ERROR AND severity=INFO",
        ] {
            assert!(!fits(filter), "{filter}");
        }
    }

    #[test]
    fn filters_of_metrics_have_functions_and_a_second_spelling() {
        let entry = json!({ "resource": { "labels": { "service_name": "orders" } } });
        let fits = |filter: &str| Filter::of_metrics(filter).map(|filter| filter.fits(&entry)).ok();
        for (filter, found) in [
            (r#"resource.label.service_name="orders""#, Some(true)),
            (r#"resource.labels.service_name=starts_with("ord")"#, Some(true)),
            (r#"resource.labels.service_name=starts_with("rders")"#, Some(false)),
            (r#"resource.labels.service_name = ends_with("ers")"#, Some(true)),
            (r#"resource.labels.service_name!=has_substring("x.")"#, Some(true)),
            (r#"resource.labels.service_name=one_of("payments", "orders")"#, Some(true)),
            (r#"resource.labels.service_name=monitoring.regex.full_match("o.*")"#, Some(true)),
            (r#"resource.labels.service_name=monitoring.regex.full_match("o")"#, Some(false)),
            (r#"resource.labels.service_name=starts_with("a", "b")"#, None),
            (r#"resource.labels.service_name=sample("a")"#, None),
            (r#"resource.labels.service_name<starts_with("a")"#, None),
            ("resource.labels.service_name=starts_with(", None),
        ] {
            assert_eq!(fits(filter), found, "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for filter in [
            "severity=",
            "AND",
            "severity=ERROR OR",
            "severity=ERROR AND",
            "\"severity\"=ERROR",
            "(severity=ERROR",
            "a=\"b",
            "sample(insertId, 0.1)",
            "a!b",
            "a=(",
            "x=~\"(\"",
        ] {
            assert!(Filter::parse(filter).is_err(), "{filter}");
        }
        assert!(Filter::parse(&"(".repeat(10_000)).is_err());
        assert!(Filter::parse(&"NOT ".repeat(10_000)).is_err());
    }

    #[test]
    fn the_window_is_what_is_sure() {
        let window = |filter: &str| Filter::parse(filter).unwrap().window();
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let (from, to) = window(r#"timestamp>="2026-01-01T00:00:00Z" AND timestamp<"2026-01-02T00:00:00Z" a=1"#);
        assert_eq!((from, to), (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z")));
        assert_eq!(window(r#"timestamp>="2026-01-01T00:00:00Z" OR a=1"#), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_filter_makes_it_panic(filter in r#"([a-z]{1,3}|[0-9]|"|'|[-=!<>:()~\\]|AND|OR|NOT| ){0,30}"#) {
            if let Ok(filter) = Filter::parse(&filter) {
                filter.fits(&serde_json::json!({ "a": 1 }));
            }
        }
    }
}

//! Text → expression, for the part of PromQL that the simulated cloud answers.
//!
//! Source of the grammar: Prometheus' documentation, "Querying basics", "Operators" and "Functions". What is PromQL and not
//! answered here is refused by name, so that nobody takes it for a mistake of theirs. The depth of a text is bounded by
//! whoever calls this: it recurses.

use std::iter::Peekable;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::{unknown, wrong};
use crate::sim::world::refusal::Refusal;

/// A compiled expression of a matcher may not be larger, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// What a query is made of.
#[derive(Debug)]
pub(super) enum Expr {
    /// A number.
    Number(f64),
    /// The opposite of it.
    Negative(Box<Expr>),
    /// The latest value of series.
    Selector(Selector),
    /// Their values in a range until now.
    Range(Selector, Duration),
    /// A function of something.
    Function(Function, Vec<Expr>),
    /// Series taken together.
    Aggregate {
        /// How.
        how: Aggregate,
        /// Into which groups.
        groups: Groups,
        /// What.
        of: Box<Expr>,
    },
    /// Two of them combined.
    Binary(Operator, Matching, Box<Expr>, Box<Expr>),
    /// Series chosen from two vectors.
    Set(SetOperator, Matching, Box<Expr>, Box<Expr>),
}

/// By which labels the series of two vectors belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matching {
    /// By all.
    All,
    /// By these.
    On(Vec<String>),
    /// By all but these.
    Ignoring(Vec<String>),
}

/// How series are chosen from two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as PromQL calls them")]
pub(super) enum SetOperator {
    And,
    Or,
    Unless,
}

/// What stands between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Infix {
    Value(Operator),
    Set(SetOperator),
}

impl Infix {
    /// How tightly it binds.
    fn strength(self) -> u8 {
        match self {
            Infix::Set(SetOperator::Or) => 1,
            Infix::Set(SetOperator::And | SetOperator::Unless) => 2,
            Infix::Value(operator) if operator.compares() => 3,
            Infix::Value(Operator::Multiply | Operator::Divide) => 5,
            Infix::Value(_) => 4,
        }
    }
}

/// Which series.
#[derive(Debug, Default)]
pub(super) struct Selector {
    /// The metric's name.
    pub(super) metric: Option<String>,
    /// What their labels are like.
    pub(super) matchers: Vec<Matcher>,
}

/// What a label is like. A label that is not there is empty.
#[derive(Debug)]
pub(super) struct Matcher {
    /// The label.
    pub(super) label: String,
    /// Whether it is like that, or is not.
    pub(super) is: bool,
    /// Like what.
    pub(super) pattern: Pattern,
}

/// What a value is compared with.
#[derive(Debug)]
pub(super) enum Pattern {
    /// A text.
    Text(String),
    /// An expression that the whole of it fits.
    Expression(Regex),
}

impl Matcher {
    /// Whether a label with this value fits.
    pub(super) fn fits(&self, value: &str) -> bool {
        let fits = match &self.pattern {
            Pattern::Text(text) => value == text,
            Pattern::Expression(expression) => expression.is_match(value),
        };
        fits == self.is
    }
}

/// The functions that are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as PromQL calls them")]
pub(super) enum Function {
    Rate,
    Increase,
    MaxOverTime,
    MinOverTime,
    AvgOverTime,
    HistogramQuantile,
    Vector,
}

const FUNCTIONS: [(&str, Function); 7] = [
    ("rate", Function::Rate),
    ("increase", Function::Increase),
    ("max_over_time", Function::MaxOverTime),
    ("min_over_time", Function::MinOverTime),
    ("avg_over_time", Function::AvgOverTime),
    ("histogram_quantile", Function::HistogramQuantile),
    ("vector", Function::Vector),
];

/// The functions that PromQL has besides.
const OTHER_FUNCTIONS: &str = "abs absent absent_over_time acos acosh asin asinh atan atanh ceil changes clamp clamp_max clamp_min cos \
    cosh count_over_time day_of_month day_of_week day_of_year days_in_month deg delta deriv double_exponential_smoothing exp floor \
    histogram_avg histogram_count histogram_fraction histogram_stddev histogram_stdvar histogram_sum holt_winters hour idelta info irate \
    label_join label_replace last_over_time ln log10 log2 mad_over_time minute month pi predict_linear present_over_time \
    quantile_over_time rad resets round scalar sgn sin sinh sort sort_by_label sort_by_label_desc sort_desc sqrt stddev_over_time \
    stdvar_over_time sum_over_time tan tanh time timestamp year";

impl Function {
    /// As PromQL calls it.
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }
}

/// How series are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as PromQL calls them")]
pub(super) enum Aggregate {
    Sum,
    Avg,
    Max,
    Min,
    Count,
}

const AGGREGATES: [(&str, Aggregate); 5] = [
    ("sum", Aggregate::Sum),
    ("avg", Aggregate::Avg),
    ("max", Aggregate::Max),
    ("min", Aggregate::Min),
    ("count", Aggregate::Count),
];

/// The aggregations that PromQL has besides.
const OTHER_AGGREGATES: [&str; 9] =
    ["group", "stddev", "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"];

/// Which labels tell groups apart.
#[derive(Debug)]
pub(super) enum Groups {
    /// None: all are one group.
    One,
    /// These.
    By(Vec<String>),
    /// All but these.
    Without(Vec<String>),
}

/// How two are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as everybody calls them")]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

impl Operator {
    /// Whether it chooses among values instead of making new ones.
    pub(super) fn compares(self) -> bool {
        match self {
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide => false,
            Operator::Greater
            | Operator::GreaterOrEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Equal
            | Operator::NotEqual => true,
        }
    }
}

/// Reads a query.
///
/// # Errors
/// INVALID_ARGUMENT: it is no PromQL. UNIMPLEMENTED: it is, and is not answered.
pub(super) fn parse(text: &str) -> Result<Expr, Refusal> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable() };
    let expression = parser.expression(0)?;
    match parser.tokens.next() {
        None => Ok(expression),
        Some(token) => Err(unexpected(&token)),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, which may be a keyword.
    Name(String),
    Number(f64),
    Duration(Duration),
    Text(String),
    /// A sign, or several that are one.
    Sign(&'static str),
}

/// Longer ones first: `=~` is not `=` and `~`.
const SIGNS: [&str; 23] = [
    "==", "!=", "=~", "!~", ">=", "<=", "=", ">", "<", "+", "-", "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",",
    ":",
];

fn unexpected(token: &Token) -> Refusal {
    match token {
        Token::Name(name) => wrong(format!("unexpected {name:?}")),
        Token::Number(number) => wrong(format!("unexpected number {number}")),
        Token::Duration(_) => wrong("unexpected duration"),
        Token::Text(_) => wrong("unexpected string"),
        Token::Sign(sign) => wrong(format!("unexpected {sign:?}")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |is_part: fn(char) -> bool| rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let length = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '@' => return Err(unknown("offset and @")),
            '"' | '\'' | '`' => {
                let (text, length) = string(rest, first)?;
                all.push(Token::Text(text));
                length
            }
            _ if first.is_ascii_digit() || first == '.' => {
                let (token, length) = number(rest)?;
                all.push(token);
                length
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let length = word(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':');
                let name = &rest[..length];
                all.push(match name.to_ascii_lowercase().as_str() {
                    "inf" => Token::Number(f64::INFINITY),
                    "nan" => Token::Number(f64::NAN),
                    _ => Token::Name(name.to_owned()),
                });
                length
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
                let sign = sign.ok_or_else(|| wrong(format!("unexpected character {first:?}")))?;
                all.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = &rest[length..];
    }
    Ok(all)
}

/// The text that begins with this quotation mark, and how many bytes it takes.
fn string(rest: &str, quote: char) -> Result<(String, usize), Refusal> {
    let mut out = String::new();
    let mut letters = rest.char_indices();
    letters.next();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((out, at + letter.len_utf8())),
            '\\' if quote != '`' => {
                let escaped = letters.next().map(|(_, letter)| letter);
                out.push(match escaped {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(same @ ('\\' | '"' | '\'')) => same,
                    _ => return Err(wrong("unknown escape sequence in a string")),
                });
            }
            '\n' if quote != '`' => break,
            _ => out.push(letter),
        }
    }
    Err(wrong("unterminated string"))
}

/// A number or a duration, and how many bytes it takes.
fn number(rest: &str) -> Result<(Token, usize), Refusal> {
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(rest);
    if rest[whole..].starts_with(['s', 'm', 'h', 'd', 'w', 'y']) && whole > 0 {
        let length = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        return Ok((Token::Duration(duration(&rest[..length])?), length));
    }
    let mut length = whole;
    if rest[length..].starts_with('.') {
        length += 1 + digits(&rest[length + 1..]);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        length += 1 + sign + digits(&rest[length + 1 + sign..]);
    }
    let is_word = rest[length..].starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
    let number = rest[..length].parse().ok().filter(|_| !is_word);
    number.map(|number| (Token::Number(number), length)).ok_or_else(|| wrong("a number is malformed"))
}

/// Milliseconds of each unit. In a duration they stand in this order, each at most once.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

fn duration(text: &str) -> Result<Duration, Refusal> {
    let bad = || wrong(format!("not a duration: {text:?}"));
    let (mut rest, mut units, mut sum) = (text, UNITS.iter(), 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(bad)?;
        let count: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (_, size) = units.find(|(name, _)| *name == &rest[..unit]).ok_or_else(bad)?;
        sum = count.checked_mul(*size).and_then(|part| sum.checked_add(part)).ok_or_else(bad)?;
        rest = &rest[unit..];
    }
    if sum == 0 { Err(wrong("a duration is longer than nothing")) } else { Ok(Duration::from_millis(sum)) }
}

struct Parser {
    tokens: Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn has(&mut self, sign: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Sign(found) if *found == sign)).is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), Refusal> {
        match self.tokens.next() {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            Some(other) => Err(unexpected(&other)),
            None => Err(wrong(format!("unexpected end of input, {sign:?} is missing"))),
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let is_word = |token: &Token| matches!(token, Token::Name(name) if name.eq_ignore_ascii_case(word));
        self.tokens.next_if(is_word).is_some()
    }

    /// The operator that comes next, if there is one; it stays.
    fn operator(&mut self) -> Result<Option<Infix>, Refusal> {
        let set = |name: &str| match name.to_ascii_lowercase().as_str() {
            "and" => Some(SetOperator::And),
            "or" => Some(SetOperator::Or),
            "unless" => Some(SetOperator::Unless),
            _ => None,
        };
        Ok(Some(Infix::Value(match self.tokens.peek() {
            Some(Token::Sign("+")) => Operator::Add,
            Some(Token::Sign("-")) => Operator::Subtract,
            Some(Token::Sign("*")) => Operator::Multiply,
            Some(Token::Sign("/")) => Operator::Divide,
            Some(Token::Sign(">")) => Operator::Greater,
            Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
            Some(Token::Sign("<")) => Operator::Less,
            Some(Token::Sign("<=")) => Operator::LessOrEqual,
            Some(Token::Sign("==")) => Operator::Equal,
            Some(Token::Sign("!=")) => Operator::NotEqual,
            Some(Token::Sign(sign @ ("%" | "^"))) => return Err(unknown(sign)),
            Some(Token::Name(name)) if name.eq_ignore_ascii_case("atan2") => return Err(unknown("atan2")),
            Some(Token::Name(name)) => return Ok(set(name).map(Infix::Set)),
            _ => return Ok(None),
        })))
    }

    /// `on (a, b)` or `ignoring (a, b)`, if it comes next.
    fn matching(&mut self) -> Result<Matching, Refusal> {
        let matching = if self.keyword("on") {
            Matching::On(self.labels()?)
        } else if self.keyword("ignoring") {
            Matching::Ignoring(self.labels()?)
        } else {
            return Ok(Matching::All);
        };
        match ["group_left", "group_right"].into_iter().find(|word| self.keyword(word)) {
            Some(word) => Err(unknown(word)),
            None => Ok(matching),
        }
    }

    /// An expression whose operators bind more tightly than this.
    fn expression(&mut self, strength: u8) -> Result<Expr, Refusal> {
        let mut left = self.signed()?;
        while let Some(operator) = self.operator()?.filter(|operator| operator.strength() > strength) {
            self.tokens.next();
            if self.keyword("bool") {
                return Err(unknown("bool"));
            }
            let matching = self.matching()?;
            let right = Box::new(self.expression(operator.strength())?);
            left = match operator {
                Infix::Value(operator) => Expr::Binary(operator, matching, Box::new(left), right),
                Infix::Set(operator) => Expr::Set(operator, matching, Box::new(left), right),
            };
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Expr, Refusal> {
        if self.has("-") {
            return Ok(Expr::Negative(Box::new(self.signed()?)));
        }
        if self.has("+") {
            return self.signed();
        }
        let found = self.operand()?;
        if self.keyword("offset") {
            return Err(unknown("offset and @"));
        }
        Ok(found)
    }

    fn operand(&mut self) -> Result<Expr, Refusal> {
        let found = match self.tokens.next() {
            Some(Token::Number(number)) => Expr::Number(number),
            Some(Token::Text(_)) => return Err(unknown("texts")),
            Some(Token::Sign("(")) => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                inner
            }
            Some(Token::Sign("{")) => Expr::Selector(self.matchers(None)?),
            Some(Token::Name(name)) => self.named(name)?,
            Some(other) => return Err(unexpected(&other)),
            None => return Err(wrong("unexpected end of input")),
        };
        if !self.has("[") {
            return Ok(found);
        }
        let Some(Token::Duration(range)) = self.tokens.next() else {
            return Err(wrong("a range is a duration, such as [5m]"));
        };
        if self.has(":") {
            return Err(unknown("subqueries"));
        }
        self.expect("]")?;
        match found {
            Expr::Selector(selector) => Ok(Expr::Range(selector, range)),
            _ => Err(wrong("ranges are only allowed for selectors")),
        }
    }

    /// What begins with a name: an aggregation, a function or a metric.
    fn named(&mut self, name: String) -> Result<Expr, Refusal> {
        let lower = name.to_ascii_lowercase();
        let follows = matches!(self.tokens.peek(), Some(Token::Sign("(")));
        let groups = self.groups()?;
        if follows || groups.is_some() {
            if let Some((_, how)) = AGGREGATES.iter().find(|(known, _)| *known == lower) {
                return self.aggregate(*how, groups);
            }
            if OTHER_AGGREGATES.contains(&lower.as_str()) {
                return Err(unknown(&lower));
            }
        }
        if groups.is_some() {
            return Err(wrong(format!("{name:?} is no aggregation")));
        }
        if follows {
            return self.function(&name);
        }
        if self.has("{") { self.matchers(Some(name)).map(Expr::Selector) } else { Ok(metric(name)) }
    }

    fn aggregate(&mut self, how: Aggregate, groups: Option<Groups>) -> Result<Expr, Refusal> {
        self.expect("(")?;
        let of = Box::new(self.expression(0)?);
        self.expect(")")?;
        let after = if groups.is_none() { self.groups()? } else { None };
        Ok(Expr::Aggregate { how, groups: groups.or(after).unwrap_or(Groups::One), of })
    }

    /// `by (a, b)` or `without (a, b)`, if it comes next.
    fn groups(&mut self) -> Result<Option<Groups>, Refusal> {
        if self.keyword("by") {
            return self.labels().map(Groups::By).map(Some);
        }
        if self.keyword("without") { self.labels().map(Groups::Without).map(Some) } else { Ok(None) }
    }

    fn labels(&mut self) -> Result<Vec<String>, Refusal> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.has(")") {
            match self.tokens.next() {
                Some(Token::Name(name) | Token::Text(name)) => labels.push(name),
                Some(other) => return Err(unexpected(&other)),
                None => return Err(wrong("unexpected end of input in a list of labels")),
            }
            if !self.has(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(labels)
    }

    fn function(&mut self, name: &str) -> Result<Expr, Refusal> {
        let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
        let Some((_, function)) = known else {
            let is_promql = OTHER_FUNCTIONS.split_whitespace().any(|other| other == name);
            let what = format!("the function {name}");
            return Err(if is_promql { unknown(&what) } else { wrong(format!("unknown function {name:?}")) });
        };
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.has(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.has(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let count = if *function == Function::HistogramQuantile { 2 } else { 1 };
        if arguments.len() != count {
            return Err(wrong(format!("{name} takes {count} arguments, not {}", arguments.len())));
        }
        Ok(Expr::Function(*function, arguments))
    }

    /// What stands between braces, of which the first was read.
    fn matchers(&mut self, metric: Option<String>) -> Result<Selector, Refusal> {
        let mut selector = Selector { metric, matchers: Vec::new() };
        while !self.has("}") {
            let (label, quoted) = match self.tokens.next() {
                Some(Token::Name(name)) => (name, false),
                Some(Token::Text(name)) => (name, true),
                Some(other) => return Err(unexpected(&other)),
                None => return Err(wrong("unexpected end of input between braces")),
            };
            let is_metric = quoted && matches!(self.tokens.peek(), Some(Token::Sign("," | "}")));
            if is_metric {
                if selector.metric.replace(label).is_some() {
                    return Err(wrong("a selector names its metric twice"));
                }
            } else {
                selector.matchers.push(self.matcher(label)?);
            }
            if !self.has(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(selector)
    }

    fn matcher(&mut self, label: String) -> Result<Matcher, Refusal> {
        let operator = self.tokens.next();
        let Some(Token::Text(value)) = self.tokens.next() else {
            return Err(wrong(format!("the label {label:?} is compared with a string")));
        };
        let (is, is_expression) = match operator {
            Some(Token::Sign("=")) => (true, false),
            Some(Token::Sign("!=")) => (false, false),
            Some(Token::Sign("=~")) => (true, true),
            Some(Token::Sign("!~")) => (false, true),
            Some(other) => return Err(unexpected(&other)),
            None => return Err(wrong("unexpected end of input between braces")),
        };
        let pattern = if is_expression {
            let whole = RegexBuilder::new(&format!("^(?:{value})$")).size_limit(LARGEST_PATTERN).build();
            Pattern::Expression(whole.map_err(|error| wrong(format!("the pattern of {label:?}: {error}")))?)
        } else {
            Pattern::Text(value)
        };
        Ok(Matcher { label, is, pattern })
    }
}

fn metric(name: String) -> Expr {
    Expr::Selector(Selector { metric: Some(name), matchers: Vec::new() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sim::world::refusal::Code;

    /// The expression with every bracket that it needs.
    fn shape(expression: &Expr) -> String {
        let all = |all: &[Expr]| all.iter().map(shape).collect::<Vec<_>>().join(", ");
        match expression {
            Expr::Number(number) => number.to_string(),
            Expr::Negative(inner) => format!("(-{})", shape(inner)),
            Expr::Selector(selector) => select(selector),
            Expr::Range(selector, range) => format!("{}[{range:?}]", select(selector)),
            Expr::Function(function, arguments) => format!("{}({})", function.name(), all(arguments)),
            Expr::Aggregate { how, groups, of } => format!("{how:?} {groups:?} ({})", shape(of)),
            Expr::Binary(operator, matching, left, right) => {
                format!("({} {operator:?}{} {})", shape(left), by(matching), shape(right))
            }
            Expr::Set(operator, matching, left, right) => {
                format!("({} {operator:?}{} {})", shape(left), by(matching), shape(right))
            }
        }
    }

    fn by(matching: &Matching) -> String {
        if *matching == Matching::All { String::new() } else { format!(" {matching:?}") }
    }

    fn select(selector: &Selector) -> String {
        let one = |matcher: &Matcher| {
            let sign = if matcher.is { "is" } else { "is not" };
            match &matcher.pattern {
                Pattern::Text(text) => format!("{} {sign} {text}", matcher.label),
                Pattern::Expression(expression) => format!("{} {sign} like {expression}", matcher.label),
            }
        };
        let all: Vec<_> = selector.matchers.iter().map(one).collect();
        format!("{}{{{}}}", selector.metric.as_deref().unwrap_or_default(), all.join(", "))
    }

    #[test]
    fn what_is_answered_is_read() {
        for (text, expected) in [
            ("1 + 2 * 3 - 4", "((1 Add (2 Multiply 3)) Subtract 4)"),
            ("(1 + 2) * -3 > 4", "(((1 Add 2) Multiply (-3)) Greater 4)"),
            ("1.5e3 / .5 == Inf", "((1500 Divide 0.5) Equal inf)"),
            ("a:b_c", "a:b_c{}"),
            ("sum", "sum{}"),
            (
                "a{x=\"1\", y!='2', z=~`3.*`, w!~\"4\",}",
                "a{x is 1, y is not 2, z is like ^(?:3.*)$, w is not like ^(?:4)$}",
            ),
            ("{__name__=\"a\"}", "{__name__ is a}"),
            ("{\"a.b/c\", \"d.e\"=\"f\"}", "a.b/c{d.e is f}"),
            ("a{x=\"\\\"\\n\\\\\"} # a remark", "a{x is \"\n\\}"),
            ("rate(a[1h30m])", "rate(a{}[5400s])"),
            ("a or b and c unless d", "(a{} Or ((b{} And c{}) Unless d{}))"),
            ("a > 1 or vector(0)", "((a{} Greater 1) Or vector(0))"),
            ("a / on() b", "(a{} Divide On([]) b{})"),
            ("a + ignoring(x) b * c", "(a{} Add Ignoring([\"x\"]) (b{} Multiply c{}))"),
            ("a and on(x, y) b", "(a{} And On([\"x\", \"y\"]) b{})"),
            ("SUM by (x, y) (a)", "Sum By([\"x\", \"y\"]) (a{})"),
            ("count(a) without (x)", "Count Without([\"x\"]) (a{})"),
            (
                "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))",
                "histogram_quantile(0.9, Sum By([\"le\"]) (rate(a_bucket{}[300s])))",
            ),
        ] {
            assert_eq!(shape(&parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))), expected);
        }
    }

    #[test]
    fn what_promql_has_besides_is_refused_by_name_and_nonsense_is_nonsense() {
        for text in [
            "a offset 5m",
            "a @ 1",
            "a[5m:1m]",
            "\"text\"",
            "a % 2",
            "a ^ 2",
            "a > bool 1",
            "a atan2 b",
            "a / on(x) group_left b",
            "topk(3, a)",
            "quantile(0.9, a)",
            "irate(a[5m])",
            "absent(a)",
        ] {
            assert_eq!(parse(text).unwrap_err().code, Code::Unimplemented, "{text}");
        }
        for text in [
            "",
            " ",
            "sum(",
            "sum()",
            "a b",
            "1 +",
            ")",
            "a{",
            "a{x}",
            "a{x=1}",
            "a{x=~\"(\"}",
            "a[",
            "a[5]",
            "a[0s]",
            "a[5m",
            "a[5m1h]",
            "(a + b)[5m]",
            "rate(a[5m]",
            "rate()",
            "rate(a, b)",
            "nonsense(a)",
            "\"",
            "a{x=\"\\q\"}",
            "1a",
            "0x",
            "5m",
            "a $ b",
            "sum by a",
            "a by (b)",
            "a{\"b\"}",
            "a + on b",
            "a or",
            "vector()",
            "é",
        ] {
            assert_eq!(parse(text).unwrap_err().code, Code::InvalidArgument, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,60}", parts in prop::collection::vec(prop::sample::select(vec![
            "a", "sum", "by", "(", ")", "{", "}", "[", "]", "5m", "1.", ".", "e", "1e", "-", "+", "*", "=", "=~", "\"", "'", "`", "\\", ",", "rate",
            "offset", "@", ":", " ", "#", "\n", "é", "0x1", "1h2m", "999999999999999999999y",
        ]), 0..20)) {
            let _ = parse(&text);
            let _ = parse(&parts.concat());
        }
    }
}

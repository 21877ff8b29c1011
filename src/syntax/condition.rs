//! What must hold, as a CEL expression over what a probe saw.
//!
//! A condition is compiled when the runbook is read, so that a slip in it is found at the desk, and evaluated
//! for every sample. It never answers "true" by accident: a name that was not seen, a comparison of things that
//! do not compare and a result that is not a truth value are all errors, and an error is not health.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, StructExpr};
use cel::extractors::This;
use cel::parser::ParseErrors;
use cel::{Context, ExecutionError, Program, Value};
use chrono::TimeDelta;

use super::effort::{MOST, Sizes, effort};
use super::spelling::did_you_mean;
use super::value::friendly;
use crate::gate::Health;

/// More than any condition needs; bounds the time that parsing takes.
const LONGEST: usize = 4 * 1024;

/// How many brackets may stand in one another. Parser and evaluator recurse.
const MOST_BRACKETS: usize = 24;

/// How deep the parsed expression may be: a chain such as `1 + 1 + …` nests as well.
const DEEPEST: usize = 100;

/// How many loops may stand in one another.
const MOST_LOOPS: usize = 2;

/// An expression no deeper than this is evaluated on the caller's own stack. Ordinary conditions are four deep.
const SHALLOW: usize = 6;

/// The stack that all of these together fit in, with as much again to spare.
const ROOM: usize = 64 * 1024 * 1024;

/// The functions that conditions may call, of those that CEL has; `has`, `all`, `exists`, `exists_one`, `map`
/// and `filter` are not calls once they are parsed.
/// `impacts` is a method of `service_health`, which only the conditions over a run know.
const FUNCTIONS: [&str; 10] =
    ["contains", "double", "duration", "endsWith", "impacts", "int", "matches", "size", "startsWith", "string"];

/// One thing that a probe saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Number(f64),
    /// A text.
    Text(String),
    /// A length of time.
    Span(Duration),
    /// Facts by name.
    Table(BTreeMap<String, Fact>),
    /// Whatever somebody answered.
    Json(serde_json::Value),
}

impl Fact {
    /// A sample of a probe, as conditions over several probes read it.
    pub fn of_sample(health: &Health, seen: BTreeMap<String, Fact>) -> Fact {
        let is = |name: &str, is: bool| (name.to_owned(), Fact::Bool(is));
        Fact::Table(BTreeMap::from([
            is("healthy", *health == Health::Healthy),
            is("unhealthy", matches!(health, Health::Unhealthy { .. })),
            is("unknown", matches!(health, Health::Unknown { .. } | Health::Broken { .. })),
            ("observation".to_owned(), Fact::Table(seen)),
        ]))
    }

    /// As it stands in a journal. A span is written as people read it, such as `"80ms"`.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Fact::Bool(flag) => (*flag).into(),
            Fact::Int(number) => (*number).into(),
            Fact::Number(number) => (*number).into(),
            Fact::Text(text) => text.clone().into(),
            Fact::Span(span) => friendly(*span).into(),
            Fact::Table(facts) => facts.iter().map(|(name, fact)| (name.clone(), fact.to_json())).collect(),
            Fact::Json(value) => value.clone(),
        }
    }

    fn to_cel(&self) -> Value {
        match self {
            Fact::Bool(flag) => (*flag).into(),
            Fact::Int(number) => (*number).into(),
            Fact::Number(number) => (*number).into(),
            Fact::Text(text) => text.as_str().into(),
            Fact::Span(span) => {
                let span = TimeDelta::from_std(*span).unwrap_or(TimeDelta::MAX);
                Value::Duration(span)
            }
            Fact::Table(facts) => {
                let entries = facts.iter().map(|(name, fact)| (name.as_str().into(), fact.to_cel()));
                Value::Map(cel::objects::Map { map: Arc::new(entries.collect()) })
            }
            Fact::Json(value) => cel::to_value(Whole(value)).unwrap_or(Value::Null),
        }
    }
}

/// The same with numbers as people compare them: CEL tells a positive whole number from a whole number, and `1` in a
/// condition is the latter.
struct Whole<'a>(&'a serde_json::Value);

impl serde::Serialize for Whole<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde_json::Value as Json;
        match self.0 {
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => serializer.serialize_i64(number),
                (None, Some(number)) => serializer.serialize_f64(number),
                (None, None) => number.serialize(serializer),
            },
            Json::Array(items) => serializer.collect_seq(items.iter().map(Whole)),
            Json::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, Whole(value)))),
            other => other.serialize(serializer),
        }
    }
}

/// Whether one of the products is touched by an incident in the region, or everywhere.
#[expect(clippy::needless_pass_by_value, reason = "the signature is the library's")]
fn impacts(This(health): This<Value>, region: Arc<String>, products: Arc<Vec<Value>>) -> bool {
    let Value::Map(health) = health else { return false };
    let touched = |product: &Arc<String>, place: &str| {
        health.map.keys().any(|key| key.to_string() == format!("{product}|{place}"))
    };
    products.iter().any(|product| match product {
        Value::String(product) => touched(product, &region) || touched(product, "global"),
        _ => false,
    })
}

thread_local! {
    /// What every condition may call. Making it takes a hundred times as long as evaluating one.
    static FUNCTIONS_THAT_THERE_ARE: Context<'static, 'static> = {
        let mut context = Context::default();
        // `service_health.impacts(region, [product, …])`: its table has a key for each product and region.
        // It is refused only if it is there twice.
        let _ = context.add_function("impacts", impacts);
        context
    };
}

/// A condition that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// What is wrong with it.
    pub message: String,
    /// Where in its text, if it is one place.
    pub at: Option<Range<usize>>,
}

impl ConditionError {
    fn new(message: impl Into<String>) -> ConditionError {
        ConditionError { message: message.into(), at: None }
    }
}

/// A compiled condition.
#[derive(Clone)]
pub struct Condition {
    text: String,
    program: Arc<Program>,
    names: Vec<String>,
    paths: BTreeSet<Vec<String>>,
    /// Whether it can be evaluated where it is asked for.
    shallow: bool,
}

impl Condition {
    /// Compiles `text`.
    ///
    /// # Errors
    /// If it is not CEL, calls a function that does not exist, or is so big that evaluating it could hurt.
    pub fn compile(text: &str) -> Result<Condition, ConditionError> {
        within_bounds(text)?;
        with_room(|| {
            let program = Program::compile(text).map_err(|errors| parse_error(text, &errors))?;
            let mut walk = Walk::default();
            walk.expression(program.expression(), 0)?;
            // Whatever is seen, its own lists take this long.
            if effort(program.expression(), BTreeMap::new()) > MOST {
                return Err(ConditionError::new(
                    "evaluating the condition would take too long: loop over fewer values",
                ));
            }
            let names: BTreeSet<&String> = walk.paths.iter().filter_map(|path| path.first()).collect();
            let names = names.into_iter().cloned().collect();
            let shallow = walk.depth <= SHALLOW;
            Ok(Condition { text: text.to_owned(), program: Arc::new(program), names, paths: walk.paths, shallow })
        })
        .unwrap_or_else(|| Err(ConditionError::new("the condition cannot be parsed")))
    }

    /// The names that it refers to, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What it refers to, from the name on: `probes["no-503"].healthy` is `probes`, `no-503`, `healthy`.
    pub fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.paths.iter().map(Vec::as_slice)
    }

    /// Whether it holds for what was seen.
    ///
    /// # Errors
    /// Why there is no answer, in words: a name was not seen, types do not fit, the result is not a truth value.
    pub fn holds(&self, facts: &BTreeMap<String, Fact>) -> Result<bool, String> {
        match self.value(facts)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(format!("the condition gives a {}, not true or false", other.type_of())),
        }
    }

    /// The number that it gives for what was seen.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn number(&self, facts: &BTreeMap<String, Fact>) -> Result<f64, String> {
        #[expect(clippy::cast_precision_loss, reason = "a number that is compared or drawn, not counted")]
        match self.value(facts)? {
            Value::Int(number) => Ok(number as f64),
            Value::UInt(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            other => Err(format!("the expression gives a {}, not a number", other.type_of())),
        }
    }

    fn value(&self, facts: &BTreeMap<String, Fact>) -> Result<Value, String> {
        if let Some(missing) = self.names.iter().find(|name| !facts.contains_key(*name)) {
            return Err(format!("`{missing}` was not seen"));
        }
        let sizes = self.names.iter().filter_map(|name| Some((name.clone(), Sizes::of(facts.get(name)?))));
        let steps = effort(self.program.expression(), sizes.collect());
        if steps > MOST {
            return Err(format!(
                "evaluating the condition on what was seen would take up to {steps} steps, and {MOST} are allowed: \
                 loop over less of it, or let the service answer with less"
            ));
        }
        let evaluate = || {
            let answer = FUNCTIONS_THAT_THERE_ARE.with(|functions| {
                let mut context = functions.new_inner_scope();
                for (name, fact) in self.names.iter().filter_map(|name| Some((name, facts.get(name)?))) {
                    context.add_variable_from_value(name.as_str(), fact.to_cel());
                }
                self.program.execute(&context)
            });
            answer.map_err(|error| in_words(&error))
        };
        // A thread for each sample of a long soak would cost more than everything else about it.
        let answer = if self.shallow { catch_unwind(AssertUnwindSafe(evaluate)).ok() } else { with_room(evaluate) };
        answer.unwrap_or_else(|| Err("the condition cannot be evaluated".to_owned()))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

/// Runs `work` where it may recurse, and to its end: `None` if it could not be run or died.
///
/// Parser and evaluator take up to 200 kB of stack for one level of nesting in an unoptimised build: ten pairs of
/// parentheses would end the whole program on a thread of the runtime.
///
/// Whoever compiles many conditions does it all in one room: a thread for each costs more than compiling.
pub(crate) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    if HAS_ROOM.get() {
        return catch_unwind(AssertUnwindSafe(work)).ok();
    }
    let work = || {
        HAS_ROOM.set(true);
        work()
    };
    thread::scope(|scope| thread::Builder::new().stack_size(ROOM).spawn_scoped(scope, work).ok()?.join().ok())
}

thread_local! {
    /// Whether this is a thread with a stack of [`ROOM`] bytes.
    static HAS_ROOM: Cell<bool> = const { Cell::new(false) };
}

/// Refuses what would be hard to parse, before anything tries.
fn within_bounds(text: &str) -> Result<(), ConditionError> {
    if text.trim().is_empty() {
        return Err(ConditionError::new("the condition is empty"));
    }
    if text.len() > LONGEST {
        return Err(ConditionError::new(format!("the condition is longer than {LONGEST} bytes")));
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MOST_BRACKETS {
            return Err(ConditionError::new(format!(
                "the condition has more than {MOST_BRACKETS} brackets in one another"
            )));
        }
    }
    Ok(())
}

/// Goes through a parsed expression: what it names, and whether it calls only what there is.
#[derive(Default)]
struct Walk {
    paths: BTreeSet<Vec<String>>,
    /// How deep the expression is.
    depth: usize,
    /// Variables of the `all`, `exists`, … around the place.
    bound: Vec<String>,
    loops: usize,
}

impl Walk {
    fn expression(&mut self, expression: &IdedExpr, depth: usize) -> Result<(), ConditionError> {
        if depth > DEEPEST {
            return Err(ConditionError::new("the condition has too many parts"));
        }
        let depth = depth + 1;
        self.depth = self.depth.max(depth);
        if let Some(path) = path(expression) {
            // Names with an `@` are the parser's own.
            if path.first().is_some_and(|name| !name.starts_with('@') && !self.bound.contains(name)) {
                self.paths.insert(path);
            }
            self.depth = self.depth.max(depth + length(expression));
            return Ok(());
        }
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Call(call) => {
                known_function(call)?;
                call.target.iter().try_for_each(|target| self.expression(target, depth))?;
                call.args.iter().try_for_each(|argument| self.expression(argument, depth))
            }
            Expr::Select(select) => self.expression(&select.operand, depth),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.expression(element, depth)),
            Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
                entries.iter().try_for_each(|entry| match &entry.expr {
                    EntryExpr::StructField(field) => self.expression(&field.value, depth),
                    EntryExpr::MapEntry(entry) => {
                        self.expression(&entry.key, depth)?;
                        self.expression(&entry.value, depth)
                    }
                })
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr, depth: usize) -> Result<(), ConditionError> {
        // Each level multiplies the time that one evaluation takes.
        if self.loops == MOST_LOOPS {
            return Err(ConditionError::new(format!(
                "more than {MOST_LOOPS} of `all`, `exists`, `map` and `filter` in one another"
            )));
        }
        self.expression(&comprehension.iter_range, depth)?;
        let outside = self.bound.len();
        self.loops += 1;
        self.bound.extend([comprehension.iter_var.clone(), comprehension.accu_var.clone()]);
        self.bound.extend(comprehension.iter_var2.clone());
        let parts =
            [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result];
        parts.iter().try_for_each(|part| self.expression(part, depth))?;
        self.bound.truncate(outside);
        self.loops -= 1;
        Ok(())
    }
}

/// What an expression refers to, if it is a name, or a part of something by a name or a text.
fn path(expression: &IdedExpr) -> Option<Vec<String>> {
    let (operand, part) = match &expression.expr {
        Expr::Ident(name) => return Some(vec![name.trim_start_matches('.').to_owned()]),
        Expr::Select(select) => (&*select.operand, select.field.clone()),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] => {
                (operand, key.inner().to_owned())
            }
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(operand)?;
    path.push(part);
    Some(path)
}

/// How many parts a path has behind its name.
fn length(expression: &IdedExpr) -> usize {
    match &expression.expr {
        Expr::Select(select) => 1 + length(&select.operand),
        Expr::Call(call) => call.args.first().map_or(0, |operand| 1 + length(operand)),
        _ => 0,
    }
}

/// Looks at a call as far as that can be done without facts: the evaluator itself would notice only while a
/// gate is waiting, once for every sample.
fn known_function(call: &CallExpr) -> Result<(), ConditionError> {
    let name = call.func_name.as_str();
    // Operators are calls too, of names such as `_+_` or `@in`.
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Ok(());
    }
    if !FUNCTIONS.contains(&name) {
        let help = did_you_mean(name, FUNCTIONS.iter().copied()).unwrap_or_default();
        return Err(ConditionError::new(format!("there is no function `{name}`; {help}")));
    }
    let Some(Expr::Literal(LiteralValue::String(text))) = call.args.first().map(|argument| &argument.expr) else {
        return Ok(());
    };
    let text = text.inner();
    match name {
        "duration" if !is_duration(text) => Err(ConditionError::new(format!(
            "`{text}` is not a duration; write it such as \"80ms\", \"2s\" or \"1m30s\""
        ))),
        "matches" if regex::Regex::new(text).is_err() => {
            Err(ConditionError::new(format!("`{text}` is not a regular expression")))
        }
        _ => Ok(()),
    }
}

/// Whether CEL takes it for a length of time.
fn is_duration(text: &str) -> bool {
    FUNCTIONS_THAT_THERE_ARE.with(|functions| {
        let mut context = functions.new_inner_scope();
        context.add_variable_from_value("text", text);
        Program::compile("duration(text)").is_ok_and(|program| program.execute(&context).is_ok())
    })
}

/// The first thing the parser says, in words of ours; what it says after that are echoes.
fn parse_error(text: &str, errors: &ParseErrors) -> ConditionError {
    let Some(first) = errors.errors.first() else { return ConditionError::new("this is not CEL") };
    let said = first.msg.trim_start_matches("Syntax error: ");
    let line = usize::try_from(first.pos.0).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(first.pos.1).unwrap_or(1).saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or("");
    let start = line_start + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset);
    let here = text.get(start..).unwrap_or("");
    let word = here.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(here.len());
    let width = if word > 0 { word } else { here.chars().next().map_or(0, char::len_utf8) };
    let message = if here.starts_with('=') && !here.starts_with("==") {
        "`=` compares nothing; write `==`".to_owned()
    } else if here.starts_with('"') || here.starts_with('\'') {
        "a text begins here and does not end".to_owned()
    } else if here.trim().is_empty() {
        "the condition ends too early".to_owned()
    } else if said.starts_with("token recognition") || said.contains("input '") || said.contains("no viable") {
        format!("`{}` does not belong here", &here[..width])
    } else {
        format!("this is not CEL: {}", said.lines().next().unwrap_or_default())
    };
    ConditionError { message, at: Some(start..start + width) }
}

/// Why there is no answer. The evaluator's own words show whole values, and a value may be a page of HTML.
fn in_words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let operator = overload.function().replace(['_', '@'], "");
            let types: Vec<&str> = overload
                .argument_types()
                .iter()
                .map(|name| name.strip_prefix("google.protobuf.").unwrap_or(name))
                .collect();
            format!("`{operator}` does not work on {}", types.join(" and ").to_lowercase())
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("a {} and a {} do not compare", left.type_of(), right.type_of())
        }
        ExecutionError::UndeclaredReference(name) => format!("`{name}` was not seen"),
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}` in it"),
        ExecutionError::FunctionError { function, .. } => format!("`{function}` cannot be called with this"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        _ => "the condition cannot be evaluated on what was seen".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> BTreeMap<String, Fact> {
        BTreeMap::from([
            ("status".to_owned(), Fact::Int(200)),
            ("latency".to_owned(), Fact::Span(Duration::from_millis(80))),
            ("body".to_owned(), Fact::Text("all is well".to_owned())),
            ("ready".to_owned(), Fact::Bool(true)),
        ])
    }

    fn holds(text: &str) -> Result<bool, String> {
        Condition::compile(text).map_err(|error| error.to_string())?.holds(&facts())
    }

    #[test]
    fn conditions_of_runbooks_hold_or_do_not() {
        for text in [
            r#"status == 200 && latency < duration("2s")"#,
            r#"latency > duration("79ms") && latency < duration("0.081s")"#,
            r#"ready && body.contains("well") && !body.startsWith("no") && body.matches("^all.*")"#,
            "status in [200, 204]",
            "[200, 204].exists(s, s == status)",
            "size(body) > 3 && double(status) < 200.5 && string(status).endsWith('0') && int('4') == 4",
        ] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
        assert_eq!(holds(r#"latency < duration("50ms")"#), Ok(false));
    }

    #[test]
    fn no_answer_is_an_error_and_never_true() {
        for (text, why) in [
            ("status + 1", "the condition gives a int, not true or false"),
            ("count == 0", "`count` was not seen"),
            ("true || count == 0", "`count` was not seen"),
            ("latency < 2", "`<` does not work on duration and int"),
            ("body < 2", "`<` does not work on string and int"),
            ("status / 0 == 1", "division by zero"),
            ("body.size == 1", "`.` does not work on string and string"),
        ] {
            assert_eq!(holds(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_found_when_it_is_compiled() {
        for (text, message, at) in [
            ("status = 200", "`=` compares nothing; write `==`", Some(7..8)),
            ("status == ", "the condition ends too early", Some(10..10)),
            ("status 200", "`200` does not belong here", Some(7..10)),
            ("a == 1 &&\n  b ; c", "`;` does not belong here", Some(14..15)),
            ("é == 1", "`é` does not belong here", Some(0..2)),
            ("'é' == 1 ü", "`ü` does not belong here", Some(10..12)),
            ("body == \"x", "a text begins here and does not end", Some(8..9)),
            (" ", "the condition is empty", None),
            ("lenght(body) > 1", "there is no function `lenght`", None),
            ("latency < duration('2 s')", "`2 s` is not a duration", None),
            ("body.matches('(')", "`(` is not a regular expression", None),
            ("[1].all(a, [1].all(b, [1].all(c, a + b + c > 0)))", "more than 2 of `all`", None),
        ] {
            let error = Condition::compile(text).unwrap_err();
            assert!(error.message.starts_with(message), "{text}: {}", error.message);
            assert_eq!(error.at, at, "{text}");
        }
    }

    #[test]
    fn names_are_what_a_probe_must_show() {
        let condition =
            Condition::compile("status == 200 && [1].all(x, x < status) && body.a.b == has(ready.c)").unwrap();
        assert_eq!(condition.names(), ["body", "ready", "status"]);
        assert_eq!(condition.clone().to_string(), condition.to_string());
    }

    #[test]
    fn absurd_expressions_are_refused_or_evaluated_but_not_died_of() {
        let size = 24;
        for (open, middle, close) in [
            ("(", "true", ")"),
            ("[", "1", "]"),
            ("{1:", "1", "}"),
            ("size(", "1", ")"),
            ("(1+-[", "1", "])"),
            ("(true?", "true", ":true)"),
        ] {
            for size in [size, size + 1, 600] {
                if let Ok(condition) =
                    Condition::compile(&format!("{}{middle}{}", open.repeat(size), close.repeat(size)))
                {
                    let _ = condition.holds(&facts());
                }
                let _ = Condition::compile(&open.repeat(size));
            }
        }
        for (part, end) in [
            ("1+", "1"),
            ("1==", "1"),
            ("!", "ready"),
            ("-", "status"),
            ("ready?ready:", "ready"),
            ("a.", "a"),
            ("@# ", ""),
            ("status[0]", ""),
        ] {
            for size in [90, 120, 400, 4000 / part.len()] {
                if let Ok(condition) = Condition::compile(&format!("{}{end}", part.repeat(size))) {
                    let _ = condition.holds(&facts());
                }
            }
        }
        assert!(Condition::compile(&"1 ".repeat(LONGEST)).is_err());
    }

    #[test]
    fn facts_are_journaled_as_people_read_them() {
        let json: Vec<String> = facts().values().map(|fact| fact.to_json().to_string()).collect();
        assert_eq!(json, ["\"all is well\"", "\"80ms\"", "true", "200"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn no_text_makes_it_panic(text in "[ -~é\n]{0,60}", condition in r#"([a-z]{1,3}|[0-9]|"|'|[-+!<>=&|?:.()\[\]{},]| ){0,30}"#) {
            for text in [text, condition] {
                if let Ok(condition) = Condition::compile(&text) {
                    let _ = condition.holds(&facts());
                }
            }
        }
    }
}

//! How much work it takes at most to evaluate a condition on what was seen.
//!
//! The evaluator cannot be stopped and counts nothing: two loops in one another over an answer of 60 KB kept it busy for
//! ten minutes. So before anything is evaluated its steps are bounded from above, by the shape of the expression and
//! by the sizes of the values that it is about, and what would take too long is refused with an error.

use std::collections::BTreeMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, StructExpr};

use super::condition::Fact;

/// The most steps: about a second of an unoptimised build, and a tenth of an optimised one.
pub(crate) const MOST: u64 = 3_000_000;

/// Steps of compiling a regular expression, which happens with each call.
const REGEX: u64 = 2_000;

/// The sizes of a value: of itself, of what is directly in it, and so on inwards. Beyond the last level there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes(Vec<Size>);

/// The largest of the values at one depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    /// The most entries that one of them has directly in it.
    entries: u64,
    /// The most that one of them has in all: a step for each value and for each byte of a text.
    total: u64,
}

impl Sizes {
    /// Of a number or a truth value.
    fn one() -> Sizes {
        Sizes(vec![Size { entries: 0, total: 1 }])
    }

    fn text(bytes: usize) -> Sizes {
        Sizes(vec![Size { entries: 0, total: 1 + bytes as u64 }])
    }

    /// Of a fact.
    pub(crate) fn of(fact: &Fact) -> Sizes {
        match fact {
            Fact::Bool(_) | Fact::Int(_) | Fact::Number(_) | Fact::Span(_) => Sizes::one(),
            Fact::Text(text) => Sizes::text(text.len()),
            Fact::Table(facts) => Sizes::container(
                facts.iter().flat_map(|(name, fact)| [Sizes::text(name.len()), Sizes::of(fact)]),
                facts.len(),
            ),
            Fact::Json(value) => Sizes::of_json(value),
        }
    }

    fn of_json(value: &serde_json::Value) -> Sizes {
        use serde_json::Value as Json;
        match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => Sizes::one(),
            Json::String(text) => Sizes::text(text.len()),
            Json::Array(items) => Sizes::container(items.iter().map(Sizes::of_json), items.len()),
            Json::Object(fields) => {
                let parts = fields.iter().flat_map(|(name, value)| [Sizes::text(name.len()), Sizes::of_json(value)]);
                Sizes::container(parts, fields.len())
            }
        }
    }

    /// Of a list or a table with these parts.
    fn container(parts: impl Iterator<Item = Sizes>, entries: usize) -> Sizes {
        let (mut inner, mut total) = (Sizes::default(), 1_u64);
        for part in parts {
            total = total.saturating_add(part.total());
            inner = inner.larger(part);
        }
        inner.0.insert(0, Size { entries: entries as u64, total });
        inner
    }

    /// Of a list of `entries` values of the size of `entry`.
    fn list(entries: u64, entry: Sizes) -> Sizes {
        let total = entries.saturating_mul(entry.total()).saturating_add(1);
        let mut levels = vec![Size { entries, total }];
        levels.extend(entry.0);
        Sizes(levels)
    }

    fn entries(&self) -> u64 {
        self.0.first().map_or(0, |size| size.entries)
    }

    fn total(&self) -> u64 {
        self.0.first().map_or(1, |size| size.total)
    }

    /// Of any value that is directly in it.
    fn part(&self) -> Sizes {
        Sizes(self.0.get(1..).unwrap_or_default().to_vec())
    }

    /// At each level the larger one.
    fn larger(mut self, other: Sizes) -> Sizes {
        for (level, theirs) in other.0.into_iter().enumerate() {
            match self.0.get_mut(level) {
                Some(ours) => {
                    *ours = Size { entries: ours.entries.max(theirs.entries), total: ours.total.max(theirs.total) };
                }
                None => self.0.push(theirs),
            }
        }
        self
    }

    /// Of both put together.
    fn joined(self, other: Sizes) -> Sizes {
        let outer = Size {
            entries: self.entries().saturating_add(other.entries()),
            total: self.total().saturating_add(other.total()),
        };
        let mut both = self.larger(other);
        match both.0.first_mut() {
            Some(first) => *first = outer,
            None => both.0.push(outer),
        }
        both
    }
}

/// A bound of the steps that evaluating `expression` takes, if its names are as large as this. A name that is missing is
/// as small as a number.
pub(crate) fn effort(expression: &IdedExpr, names: BTreeMap<String, Sizes>) -> u64 {
    let mut estimate = Estimate { names, steps: 0 };
    estimate.value(expression);
    estimate.steps
}

struct Estimate {
    names: BTreeMap<String, Sizes>,
    steps: u64,
}

impl Estimate {
    fn pay(&mut self, steps: u64) {
        self.steps = self.steps.saturating_add(steps);
    }

    /// The sizes of what it evaluates to.
    fn value(&mut self, expression: &IdedExpr) -> Sizes {
        self.pay(1);
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => Sizes::text(text.inner().len()),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Sizes::text(bytes.inner().len()),
            Expr::Literal(_) | Expr::Unspecified => Sizes::one(),
            Expr::Ident(name) => self.names.get(name.trim_start_matches('.')).cloned().unwrap_or_else(Sizes::one),
            Expr::Select(select) => self.value(&select.operand).part(),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let parts: Vec<Sizes> = list.elements.iter().map(|element| self.value(element)).collect();
                Sizes::container(parts.into_iter(), list.elements.len())
            }
            Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
                let mut parts = Vec::new();
                for entry in entries {
                    match &entry.expr {
                        EntryExpr::StructField(field) => parts.push(self.value(&field.value)),
                        EntryExpr::MapEntry(entry) => {
                            parts.push(self.value(&entry.key));
                            parts.push(self.value(&entry.value));
                        }
                    }
                }
                Sizes::container(parts.into_iter(), entries.len())
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Sizes {
        let target = call.target.as_ref().map(|target| self.value(target));
        let arguments: Vec<Sizes> = call.args.iter().map(|argument| self.value(argument)).collect();
        let all: Vec<&Sizes> = target.iter().chain(&arguments).collect();
        let total = all.iter().fold(0_u64, |sum, sizes| sum.saturating_add(sizes.total()));
        match (call.func_name.as_str(), all.as_slice()) {
            // Two values are compared until one of them ends.
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
                self.pay(left.total().min(right.total()));
                Sizes::one()
            }
            ("@in", [needle, list]) => {
                self.pay(list.entries().saturating_mul(needle.total()).saturating_add(1));
                Sizes::one()
            }
            ("_[_]" | "_[?_]", [container, ..]) => container.part(),
            ("_?_:_", [_, yes, no]) => (*yes).clone().larger((*no).clone()),
            ("_+_", [left, right]) => {
                self.pay(total);
                (*left).clone().joined((*right).clone())
            }
            ("string", [value]) => {
                self.pay(total);
                Sizes(vec![Size { entries: 0, total: value.total().max(64) }])
            }
            ("matches", [text, pattern]) => {
                let pattern = pattern.total().saturating_mul(64).saturating_add(REGEX);
                self.pay(pattern.saturating_add(text.total()));
                Sizes::one()
            }
            ("size", _) => Sizes::one(),
            _ => {
                self.pay(total);
                Sizes::one()
            }
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Sizes {
        let range = self.value(&comprehension.iter_range);
        let start = self.value(&comprehension.accu_init);
        let times = range.entries();
        let part = range.part();
        // `map` and `filter` collect values; `all`, `exists` and `exists_one` keep one.
        let collects = matches!(&comprehension.accu_init.expr, Expr::List(_));
        let mut inner = Estimate { names: self.names.clone(), steps: 0 };
        let iterated = std::iter::once(&comprehension.iter_var).chain(&comprehension.iter_var2);
        inner.names.extend(iterated.map(|name| (name.clone(), part.clone())));
        inner.names.insert(comprehension.accu_var.clone(), start);
        inner.value(&comprehension.loop_cond);
        let step = inner.value(&comprehension.loop_step);
        // The next value is copied for each round.
        inner.pay(part.entries().saturating_add(1));
        self.pay(inner.steps.saturating_mul(times));
        let collected = if collects { Sizes::list(times, step.part()) } else { Sizes::one() };
        self.names.insert(comprehension.accu_var.clone(), collected);
        let result = self.value(&comprehension.result);
        self.names.remove(&comprehension.accu_var);
        result
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(text: &str, json: serde_json::Value) -> u64 {
        let program = cel::Program::compile(text).unwrap();
        effort(program.expression(), BTreeMap::from([("json".to_owned(), Sizes::of(&Fact::Json(json)))]))
    }

    #[test]
    fn ordinary_conditions_over_large_answers_are_cheap() {
        let item = json!({ "id": "0123456789", "status": "ok", "tags": ["a", "b"], "parts": [{ "ready": true }] });
        let answer = json!({ "items": vec![item; 5_000], "total": 5_000 });
        for text in [
            "json.total == 5000 && size(json.items) == json.total",
            "json.items.all(i, i.status == 'ok')",
            "json.items.filter(i, i.status != 'ok').size() == 0",
            "json.items.map(i, i.id).exists(id, id == '0123456789')",
            "json.items.all(i, i.parts.all(p, p.ready) && 'a' in i.tags)",
            "json.items.exists_one(i, i.id.startsWith('00'))",
        ] {
            let steps = steps(text, answer.clone());
            assert!(steps < MOST, "{text}: {steps}");
        }
    }

    #[test]
    fn what_would_take_minutes_is_known_beforehand() {
        let numbers = json!((0..30_000).collect::<Vec<_>>());
        let nested = json!(vec![vec![1; 300]; 300]);
        for (text, answer) in [
            ("json.all(x, json.all(y, x == y))", &numbers),
            ("json.map(x, json).all(l, size(l) > 0 && l.exists(n, n > 1))", &numbers),
            ("json.filter(x, x in json).size() > 0", &numbers),
            ("json.all(x, string(x).matches('[a-z]{1,200}|[0-9]{1,200}'))", &numbers),
            ("json.all(l, l.all(n, json.exists(k, k == l)))", &nested),
            ("json.all(l, json.all(k, k == l))", &nested),
        ] {
            // The last but one has three loops in one another, which no condition may have; it is bounded all the same.
            let steps = steps(text, answer.clone());
            assert!(steps > MOST, "{text}: {steps}");
        }
        let list = format!("[{}]", vec!["1"; 850].join(","));
        assert!(steps(&format!("{list}.all(x, {list}.all(y, x == y && string(x) == 'a'))"), json!(0)) > MOST);
    }

    #[test]
    fn what_is_made_in_between_counts() {
        let numbers = json!((0..1_000).collect::<Vec<_>>());
        let doubled = "json + json + json + json";
        assert!(
            steps(&format!("({doubled}).all(x, x > 0)"), numbers.clone())
                > 4 * steps("json.all(x, x > 0)", numbers.clone()) / 2
        );
        assert!(steps("json.map(x, json).all(l, l.all(n, n >= 0))", numbers) > 1_000_000);
    }
}
